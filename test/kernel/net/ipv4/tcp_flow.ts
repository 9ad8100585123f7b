/** An established connection between the peer of tcp_peer.ts and a program of the host's, for tests of data. */
import { expect } from 'vitest';
import type { file } from '../../../../kernel/fs/file.ts';
import { sys_pipe2 } from '../../../../kernel/fs/pipe.ts';
import { loff_t, sys_sendfile, sys_splice } from '../../../../kernel/fs/splice.ts';
import { sys_memfd_create } from '../../../../kernel/mm/memfd.ts';
import { TCP_MD5SIG } from '../../../../kernel/net/ipv4/tcp_md5.ts';
import {
  TCP_QUEUE_SEQ,
  TCP_REPAIR,
  TCP_REPAIR_OPTIONS,
  TCP_REPAIR_QUEUE,
  TCP_REPAIR_WINDOW,
} from '../../../../kernel/net/ipv4/tcp_repair.ts';
import type { tcp_sock } from '../../../../kernel/net/ipv4/tcp_sock.ts';
import {
  AF_INET,
  cmsg,
  MSG_OOB,
  MSG_PEEK,
  SHUT_WR,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddr_in,
  sockopt,
  user_msghdr,
} from '../../../../kernel/net/msg.ts';
import {
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_getsockopt,
  sys_listen,
  sys_recvfrom,
  sys_recvmsg,
  sys_sendto,
  sys_setsockopt,
  sys_shutdown,
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import type { task_struct } from '../../../../kernel/sched/task.ts';
import { PEER_ISN, type SentSegment, TcpPeer } from './tcp_peer.ts';

const sys_close = (task: task_struct, fd: number): number => task.files.close(fd);

export interface FlowOptions {
  /** Options of the peer's SYN. */
  readonly options?: string;
  /** s between SYN/ACK and its ACK. */
  readonly rtt?: number;
  readonly win?: number;
  readonly sysctl?: Record<string, number | string>;
  readonly ecn?: boolean;
  /** The listener's key for the peer (TCP_MD5SIG); the peer signs with it. */
  readonly md5?: string;
  /** Packets of several segments, as the device takes them; else each is one, with its own flags. Default false. */
  readonly gso?: boolean;
  /** net.core.rmem_max */
  readonly rmemMax?: number;
}

/** struct tcp_md5sig */
export function md5sig(key: string, address: number, flags = 0, prefixlen = 0, ifindex = 0): Uint8Array {
  const bytes = new Uint8Array(216);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, true);
  view.setInt32(4, address);
  bytes.set([flags, prefixlen], 128);
  view.setUint16(130, key.length, true);
  view.setInt32(132, ifindex, true);
  bytes.set(Buffer.from(key).subarray(0, 80), 136);
  return bytes;
}

/** The host has accepted the peer's connection; MSS 1000, SACK, window scale 7, unless told otherwise. */
export class TcpFlow extends TcpPeer {
  fd: number;
  sk: tcp_sock;
  private readonly memoryAt: number;

  constructor(options: FlowOptions = {}) {
    super();
    if (options.gso !== true) this.dev.gso_max_segs = 1;
    Object.assign(this.net.ipv4, options.sysctl ?? {});
    if (options.rmemMax !== undefined) this.net.sysctl.rmem_max = options.rmemMax;
    const listener = this.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    expect(this.call(sys_bind, listener, new sockaddr_in(0, 8080))).toBe(0);
    expect(this.call(sys_listen, listener, 5)).toBe(0);
    if (options.md5 !== undefined) {
      this.md5Key = options.md5;
      expect(this.setMd5(listener, options.md5)).toBe(0);
    }
    const opts = options.options ?? 'mss 1000,sackOK,nop,nop,nop,wscale 7';
    this.inject(`${options.ecn === true ? 'SEW' : 'S'} 0:0(0) win 32792 <${opts}>`);
    expect(this.segments().length).toBe(1);
    this.wait(options.rtt ?? 0);
    let ts = opts.includes('TS') ? ' <nop,nop,TS val 101 ecr 0>' : '';
    if (options.md5 !== undefined) ts = ' <nop,nop,md5>';
    this.inject(`. 1:1(0) ack 1 win ${options.win ?? (opts.includes('wscale') ? 257 : 32792)}${ts}`);
    this.fd = this.call(sys_accept4, listener, null, SOCK_NONBLOCK);
    expect(this.fd).toBeGreaterThan(0);
    expect(this.call(sys_close, listener)).toBe(0);
    this.expect();
    this.sk = this.sockOf(this.fd);
    this.memoryAt = this.memory(200_000);
  }

  /** Takes the connection out of its socket and puts it into a new one (TCP_REPAIR). What was found, as tcp-recovery.py says it. */
  restored(end: number): string {
    const [RECV, SEND] = [1, 2];
    const set = (name: number, value: number): void => this.set(6, name, value);
    const get = (name: number, optlen = -1): sockopt => {
      const opt = new sockopt();
      opt.optlen = optlen;
      expect(this.call(sys_getsockopt, this.fd, 6, name, opt)).toBe(0);
      return opt;
    };
    set(TCP_REPAIR, 1);
    const queues = [RECV, SEND].map(queue => {
      set(TCP_REPAIR_QUEUE, queue);
      const n = Math.max(0, this.call(sys_recvfrom, this.fd, this.memoryAt, 200_000, MSG_PEEK, null));
      return { queue, seq: get(TCP_QUEUE_SEQ).value, data: this.kernel.ram.u8.slice(this.memoryAt, this.memoryAt + n) };
    });
    const window = get(TCP_REPAIR_WINDOW, 20).bytes as Uint8Array;
    const mss = get(2).value;
    const { snd_wscale, rcv_wscale } = this.sk.rx_opt;
    this.close();
    this.fd = this.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const word = new sockopt();
    word.text = this.sk.icsk_ca_ops.name;
    expect(this.call(sys_setsockopt, this.fd, 6, 13, word)).toBe(0);
    this.sk = this.sockOf(this.fd);
    set(TCP_REPAIR, 1);
    for (const { queue, seq, data } of queues) {
      set(TCP_REPAIR_QUEUE, queue);
      set(TCP_QUEUE_SEQ, (seq - data.length) | 0);
    }
    expect(this.call(sys_bind, this.fd, new sockaddr_in(this.flow.host, this.flow.hostPort))).toBe(0);
    expect(this.call(sys_connect, this.fd, new sockaddr_in(this.flow.peer, this.flow.peerPort))).toBe(0);
    const options = Uint32Array.of(2, mss, 3, snd_wscale | (rcv_wscale << 16), 4, 0);
    expect(this.setOption(this.fd, TCP_REPAIR_OPTIONS, new Uint8Array(options.buffer))).toBe(0);
    for (const { queue, data } of queues) {
      set(TCP_REPAIR_QUEUE, queue);
      this.kernel.ram.u8.set(data, this.memoryAt);
      if (data.length > 0) expect(this.write(data.length)).toBe(data.length);
    }
    expect(this.setOption(this.fd, TCP_REPAIR_WINDOW, window)).toBe(0);
    set(TCP_REPAIR, end);
    const [wl1, wnd, most, rcvWnd, wup] = new Uint32Array(window.buffer) as unknown as number[];
    const peer = (n = 0): number => (n - PEER_ISN) >>> 0;
    const [recv, send] = queues as [(typeof queues)[0], (typeof queues)[0]];
    const sums = queues.map(({ data }) => data.reduce((sum, byte) => sum + byte, 0));
    return (
      `mss ${mss} recv ${peer(recv.seq)} ${recv.data.length} send ${(send.seq - this.hostIsn()) >>> 0} ${send.data.length}` +
      ` [${sums.join(', ')}] window ${peer(wl1)} ${wnd} ${most} ${rcvWnd} ${peer(wup)}`
    );
  }

  write(length: number, flags = 0): number {
    return this.call(sys_sendto, this.fd, this.memoryAt, length, flags, null);
  }

  /** What is written, and read into: 100,000 bytes of the program's. */
  get buffer(): number {
    return this.memoryAt;
  }

  /** Writes from `offset` of the buffer on. */
  writeAt(offset: number, length: number): number {
    return this.call(sys_sendto, this.fd, this.memoryAt + offset, length, 0, null);
  }

  writeUrgent(length: number): number {
    return this.write(length, MSG_OOB);
  }

  read(length = 100_000): number {
    return this.call(sys_recvfrom, this.fd, this.memoryAt, length, 0, null);
  }

  /** recvmsg, with or without room for control messages: its header, `length` the bytes that came; or a negative errno. */
  recvmsg(length: number, flags: number, room: boolean): user_msghdr | number {
    const hdr = new user_msghdr();
    hdr.base = this.memoryAt;
    hdr.length = length;
    hdr.control = room ? new cmsg() : null;
    const result = this.call(sys_recvmsg, this.fd, hdr, flags);
    if (result < 0) return result;
    hdr.length = result;
    return hdr;
  }

  readTo(at: number, length: number): number {
    return this.call(sys_recvfrom, this.fd, at, length, 0, null);
  }

  set(level: number, name: number, value: number): void {
    const opt = new sockopt();
    opt.value = value;
    expect(this.call(sys_setsockopt, this.fd, level, name, opt)).toBe(0);
  }

  private pipe: number[] | null = null;

  /** A step of test/interop/tcp-recovery.ts that goes past the program's memory: its result. */
  moved(what: string, [length = 0, first = 0, second = 0]: readonly number[]): number {
    if (this.pipe === null) {
      this.pipe = [];
      expect(this.call(sys_pipe2, this.pipe, SOCK_NONBLOCK)).toBe(0);
    }
    const [reader, writer] = this.pipe as [number, number];
    const hdr = new user_msghdr();
    hdr.base = this.memoryAt;
    hdr.length = length;
    switch (what) {
      case 'sf': {
        const fd = this.call(sys_memfd_create, 'file', 0);
        expect(this.onFile(fd, 'write', hdr)).toBe(length);
        const sent = this.call(sys_sendfile, this.fd, fd, new loff_t(first), second);
        expect(this.call(sys_close, fd)).toBe(0);
        return sent;
      }
      case 'pw':
        return this.onFile(writer, 'write', hdr);
      case 'pr':
        return this.onFile(reader, 'read', hdr);
      case 'po':
        return this.call(task => sys_splice(task, reader, null, this.fd, null, length, first));
      default:
        return this.call(task => sys_splice(task, this.fd, null, writer, null, length, first));
    }
  }

  private onFile(fd: number, what: 'read' | 'write', hdr: user_msghdr): number {
    return this.call(task => {
      const open = task.files.get(fd) as file;
      return open.f_op[what]?.(open, task, hdr) ?? -1;
    });
  }

  /** TCP_MD5SIG on a socket, for the peer or `address`; an empty key: it is to go. 0 or a negative errno. */
  setMd5(fd: number, key: string, address = this.flow.peer): number {
    return this.setOption(fd, TCP_MD5SIG, md5sig(key, address));
  }

  /** An option of TCP's that is a structure. 0 or a negative errno. */
  setOption(fd: number, name: number, bytes: Uint8Array): number {
    const opt = new sockopt();
    opt.bytes = bytes;
    return this.call(sys_setsockopt, fd, 6, name, opt);
  }

  close(): void {
    expect(this.call(sys_close, this.fd)).toBe(0);
  }

  shutdown(): void {
    expect(this.call(sys_shutdown, this.fd, SHUT_WR)).toBe(0);
  }

  /** 'seq:end' of what was sent since the last look, in order; with '@ms' since `from` when that is given. */
  ranges(from?: number): string[] {
    return this.segments().map(s => {
      const range = s.text.split(' ')[1] as string;
      return from === undefined ? range : `${range}@${Math.round(s.time - from)}`;
    });
  }

  /** ms of each segment since `from`. */
  times(segments: readonly SentSegment[], from: number): number[] {
    return segments.map(({ time }) => Math.round(time - from));
  }
}
