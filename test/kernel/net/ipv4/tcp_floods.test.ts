/** What floods TCP: memory stays within its limits, and a connection that behaves goes on. */
import { expect, test } from 'vitest';
import { EAGAIN } from '../../../../kernel/errno.ts';
import type { file } from '../../../../kernel/fs/file.ts';
import type { request_sock_queue } from '../../../../kernel/net/ipv4/request_sock.ts';
import type { tcp_sock } from '../../../../kernel/net/ipv4/tcp_sock.ts';
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM, sockaddr_in } from '../../../../kernel/net/msg.ts';
import {
  type socket,
  sys_accept4,
  sys_bind,
  sys_listen,
  sys_recvfrom,
  sys_sendto,
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import type { task_struct } from '../../../../kernel/sched/task.ts';
import { sys_close } from './tcp_connection.ts';
import { type Flow, TcpPeer } from './tcp_peer.ts';

const SYN = 'S 0:0(0) win 65535 <mss 1000,sackOK,nop,nop,nop,wscale 7>';
const PAGE = 4096;

/** A host with a listener at 8080, and a connection that behaves: each of its turns must be answered at once. */
class Victim extends TcpPeer {
  readonly listener: number;
  private readonly good: Flow = { ...this.flow, peerPort: 39999 };
  private readonly fd: number;
  private turns = 0;
  private found: tcp_sock | null = null;
  private shared: file | null = null;
  private readonly buffer: number;

  constructor(backlog = 128, ram?: number) {
    super(ram === undefined ? {} : { ram });
    this.buffer = this.memory(200_000);
    this.listener = this.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    expect(this.call(sys_bind, this.listener, new sockaddr_in(0, 8080))).toBe(0);
    expect(this.call(sys_listen, this.listener, backlog)).toBe(0);
    this.fd = this.open(this.good);
  }

  open(flow: Flow): number {
    this.inject(SYN, { flow });
    this.segments();
    this.inject('. 1:1(0) ack 1 win 512', { flow });
    return this.call(sys_accept4, this.listener, null, SOCK_NONBLOCK);
  }

  other(n: number): Flow {
    return { ...this.flow, peerPort: 1024 + n };
  }

  sock(fd: number): tcp_sock {
    const find = (task: task_struct): number => {
      this.found = (task.files.get(fd)?.private_data as socket | undefined)?.sk as tcp_sock;
      return 0;
    };
    this.call(find);
    return this.found as tcp_sock;
  }

  /** The same socket for another program, which waits. */
  blocking(fd: number): file {
    const find = (task: task_struct): number => {
      this.shared = task.files.get(fd);
      return 0;
    };
    this.call(find);
    const shared = this.shared as file;
    shared.f_count++;
    shared.f_flags &= ~SOCK_NONBLOCK;
    return shared;
  }

  read(fd: number): number {
    return this.call(sys_recvfrom, fd, this.buffer, 200_000, 0, null);
  }

  write(fd: number, length: number): number {
    return this.call(sys_sendto, fd, this.buffer, length, 0, null);
  }

  shut(fd: number): void {
    expect(this.call(sys_close, fd)).toBe(0);
  }

  /** Ten bytes come and are read, ten go and are acknowledged. */
  turn(): void {
    const at = 1 + 10 * this.turns++;
    this.segments();
    this.inject(`P. ${at}:${at + 10}(10) ack ${at} win 512`, { flow: this.good });
    expect(this.read(this.fd)).toBe(10);
    expect(this.write(this.fd, 10)).toBe(10);
    const answers = this.segments().filter(
      ({ destinationPort, payload }) => destinationPort === 39999 && payload.length > 0,
    );
    expect(answers.map(({ payload }) => payload.length)).toEqual([10]);
    this.inject(`. ${at + 10}:${at + 10}(0) ack ${at + 10} win 512`, { flow: this.good });
  }

  get ipv4() {
    return this.net.ipv4;
  }

  /** Everything is closed; what is left ends by itself. */
  end(): void {
    this.shut(this.fd);
    this.shut(this.listener);
    this.inject('R 1:1(0)', { flow: this.good });
    this.wait(1000);
    expect(this.ipv4.tcp_orphan_count).toBe(0);
    expect(this.ipv4.tcp_memory_allocated).toBe(0);
    this.finish();
  }
}

test.each([1, 0])(
  '4,000 SYNs from as many peers, tcp_syncookies %i: a bounded queue; who is real still gets in with cookies',
  cookies => {
    const v = new Victim();
    v.ipv4.tcp_syncookies = cookies;
    const queue = v.sock(v.listener).icsk_accept_queue as request_sock_queue;
    const alive = v.kernel.skbs.alive;
    for (let n = 0; n < 4000; n++) {
      v.inject(SYN, { flow: v.other(n) });
      expect(queue.qlen).toBeLessThanOrEqual(129);
      if (n % 500 === 0) v.turn();
      if (n % 100 === 0) v.segments();
    }
    expect(v.kernel.skbs.alive - alive).toBeLessThan(50);
    expect(v.ipv4.mib.TcpExtListenDrops).toBe(cookies === 1 ? 0 : 4000 - queue.qlen);
    if (cookies === 1) {
      const fd = v.open(v.other(5000));
      expect(fd).toBeGreaterThan(0);
      v.shut(fd);
      v.inject('R 1:1(0)', { flow: v.other(5000) });
    }
    v.end();
  },
);

test('the accept queue is full: handshakes wait, nothing more is kept', () => {
  const v = new Victim(4);
  for (let n = 0; n < 200; n++) {
    v.inject(SYN, { flow: v.other(n) });
    v.segments();
    v.inject('. 1:1(0) ack 1 win 512', { flow: v.other(n) });
  }
  expect(v.sock(v.listener).sk_ack_backlog).toBe(5);
  expect(v.ipv4.mib.TcpExtListenOverflows).toBeGreaterThan(100);
  v.turn();
  v.end();
});

test('3,000 single bytes out of order: within the receive buffer; the gap is filled, and the stream is whole', () => {
  const v = new Victim();
  const flow = v.other(1);
  const fd = v.open(flow);
  const sk = v.sock(fd);
  for (let n = 0; n < 3000; n++) {
    const at = 2 + 2 * ((n * 919) % 3000);
    v.inject(`. ${at}:${at + 1}(1) ack 1 win 512`, { flow });
    expect(sk.sk_rmem_alloc).toBeLessThanOrEqual(sk.sk_rcvbuf + 4096);
    if (n % 500 === 0) v.turn();
  }
  v.segments();
  for (let at = 1; at < 6001; at += 1000) v.inject(`. ${at}:${at + 1000}(1000) ack 1 win 512`, { flow });
  let got = 0;
  for (let n = v.read(fd); n > 0; n = v.read(fd)) got += n;
  expect(got).toBe(6000);
  v.turn();
  v.shut(fd);
  v.inject(`R ${got + 1}:${got + 1}(0)`, { flow });
  v.end();
});

test('3,000 single bytes, and nobody reads: the buffer holds, the window closes, every byte that was acknowledged is read', () => {
  const v = new Victim();
  const flow = v.other(1);
  const fd = v.open(flow);
  const sk = v.sock(fd);
  let at = 1;
  for (let n = 0; n < 3000; n++) {
    v.inject(`P. ${at}:${at + 1}(1) ack 1 win 512`, { flow });
    at = ((sk.rcv_nxt - 0x10000000) | 0) >>> 0;
    expect(sk.sk_rmem_alloc).toBeLessThanOrEqual(sk.sk_rcvbuf + 4096);
    if (n % 500 === 0) v.turn();
  }
  let got = 0;
  for (let n = v.read(fd); n > 0; n = v.read(fd)) got += n;
  expect(got).toBe(at - 1);
  v.turn();
  v.shut(fd);
  v.inject(`R ${at}:${at}(0)`, { flow });
  v.end();
});

test('100 peers close their windows on 100,000 bytes each: within tcp_mem; probes, no more', () => {
  const v = new Victim(1000);
  v.ipv4.tcp_mem.splice(0, 3, 100, 150, 200);
  const fds: number[] = [];
  for (let n = 0; n < 100; n++) {
    const fd = v.open(v.other(n));
    if (fd < 0) continue;
    fds.push(fd);
    v.inject('. 1:1(0) ack 1 win 0', { flow: v.other(n) });
    v.write(fd, 100_000);
    // Past the limit a sender whose buffer is smaller than one piece still gets that piece (__sk_mem_raise_allocated).
    expect(v.ipv4.tcp_memory_allocated).toBeLessThan(200 + 16 * 100);
  }
  expect(v.ipv4.tcp_memory_allocated).toBeGreaterThan(100);
  v.segments();
  v.wait(10);
  // A probe each at 0.2, 0.4, 0.8 … s.
  expect(v.segments().length).toBeLessThan(100 * 8);
  v.turn();
  for (const fd of fds) v.shut(fd);
  for (let n = 0; n < 100; n++) v.inject('R 1:1(0)', { flow: v.other(n) });
  v.end();
});

test('300 connections closed with bytes that nobody acknowledges: at most tcp_max_orphans are kept', () => {
  const v = new Victim(10);
  v.ipv4.tcp_max_orphans = 64;
  for (let n = 0; n < 300; n++) {
    const fd = v.open(v.other(n));
    v.write(fd, 1000);
    v.shut(fd);
    expect(v.ipv4.tcp_orphan_count).toBeLessThanOrEqual(65);
    if (n % 50 === 0) v.turn();
  }
  expect(v.ipv4.mib.TcpExtTCPAbortOnMemory).toBeGreaterThan(200);
  v.end();
});

test('tcp_mem used up by peers that nobody reads: they are refused, and the others go on', () => {
  const v = new Victim(200);
  v.ipv4.tcp_mem.splice(0, 3, 64, 96, 128);
  const fds = Array.from({ length: 100 }, (_, n) => v.open(v.other(n)));
  for (let round = 0; round < 20; round++) {
    for (let n = 0; n < 100; n++) {
      const at = 1 + round * 1000;
      v.inject(`. ${at}:${at + 1000}(1000) ack 1 win 512`, { flow: v.other(n) });
    }
    v.segments();
    expect(v.ipv4.tcp_memory_allocated * PAGE).toBeLessThan(1024 * PAGE);
  }
  expect(v.ipv4.mib.TcpExtTCPMemoryPressures).toBeGreaterThan(0);
  v.turn();
  for (const fd of fds) v.shut(fd);
  v.end();
});

test('RAM used up by what peers do not acknowledge: what comes still finds memory, and with it all recovers', () => {
  const v = new Victim(200, 4 << 20);
  const { slab } = v.kernel;
  const last = v.open(v.other(99));
  const shared = v.blocking(last);
  const late = v.program(function* (sys) {
    const fd = sys.task.files.install(shared);
    const buffer = sys.task.mm.mmap(100);
    yield* sys.nanosleep(1e9);
    return yield* sys.sendto(fd, buffer, 100, 0, null);
  });
  const fds: number[] = [];
  const taken: number[] = [];
  while (fds.length < 90 && (taken.at(-1) ?? 1) > 0) {
    const n = fds.length;
    fds.push(v.open(v.other(n)));
    v.inject('. 1:1(0) ack 1 win 0', { flow: v.other(n) });
    taken.push(v.write(fds[n] as number, 100_000));
  }
  expect(taken.at(-1)).toBe(-EAGAIN);
  expect(slab.failures).toBeGreaterThan(0);
  // Nothing of its own wakes the program: its socket's queues are empty.
  v.wait(2);
  expect(late.done).toBe(false);
  for (let n = 0; n < fds.length; n++) {
    const all = Math.max(0, taken[n] as number);
    const flow = v.other(n);
    const sk = v.sock(fds[n] as number);
    for (let acked = -1; acked < all; ) {
      const out = (sk.snd_nxt - v.hostIsn(flow) - 1) | 0;
      expect(out).toBeGreaterThan(acked);
      acked = out;
      v.inject(`. 1:1(0) ack ${1 + acked} win 512`, { flow });
    }
    v.segments();
  }
  v.wait(0.3);
  expect(late.value).toBe(100);
});

test('one byte that nobody acknowledges: no more of RAM than it is counted with', () => {
  const v = new Victim();
  const fd = v.open(v.other(1));
  const { slab } = v.kernel;
  const before = slab.bytes_used;
  expect(v.write(fd, 1)).toBe(1);
  v.segments();
  expect(slab.bytes_used - before).toBeLessThanOrEqual(832 + 1 - 256);
  v.shut(fd);
  v.inject('R 1:1(0) ack 2', { flow: v.other(1) });
  v.end();
});
