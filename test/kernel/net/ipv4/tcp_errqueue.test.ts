/** What TCP puts on the error queue: stamps of sending (SO_TIMESTAMPING) and ends of sends with MSG_ZEROCOPY; messages in pieces. */
import { describe, expect, test } from 'vitest';
import { EAGAIN, EFAULT, EINVAL, ENOBUFS, ENOMSG, EOPNOTSUPP, EPIPE } from '../../../../kernel/errno.ts';
import { POLLERR, pollfd } from '../../../../kernel/fs/select.ts';
import { SO_EE_ORIGIN_TIMESTAMPING, SO_EE_ORIGIN_ZEROCOPY } from '../../../../kernel/net/core/errqueue.ts';
import {
  SCM_TSTAMP_ACK,
  SCM_TSTAMP_SCHED,
  SCM_TSTAMP_SND,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_ID_TCP,
  SOF_TIMESTAMPING_OPT_STATS,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_SOFTWARE,
  SOF_TIMESTAMPING_TX_ACK,
  SOF_TIMESTAMPING_TX_SCHED,
  SOF_TIMESTAMPING_TX_SOFTWARE,
} from '../../../../kernel/net/core/skb_tstamp.ts';
import {
  SO_MEMINFO,
  SO_SNDBUF,
  SO_TIMESTAMPING,
  SO_ZEROCOPY,
  SOL_SOCKET,
} from '../../../../kernel/net/core/sock_options.ts';
import { tcp_poll } from '../../../../kernel/net/ipv4/tcp.ts';
import { SOL_TCP, TCP_CORK, TCP_NODELAY } from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import {
  AF_INET,
  CMSG_RECVERR,
  CMSG_TIMESTAMPING,
  cmsg,
  iovec,
  MSG_ERRQUEUE,
  MSG_TRUNC,
  MSG_ZEROCOPY,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddr_in,
  sockopt,
  user_msghdr,
} from '../../../../kernel/net/msg.ts';
import {
  sys_getsockopt,
  sys_recvmsg,
  sys_sendmsg,
  sys_sendto,
  sys_setsockopt,
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import { TcpFlow } from './tcp_flow.ts';
import { TcpPeer } from './tcp_peer.ts';

const ALL =
  SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE;

/** The first of the error queue, or why there is none. */
function errqueue(f: TcpPeer, fd: number): { hdr: user_msghdr; control: cmsg } | number {
  const hdr = new user_msghdr();
  const control = new cmsg();
  hdr.control = control;
  const result = f.call(sys_recvmsg, fd, hdr, MSG_ERRQUEUE);
  return result < 0 ? result : { hdr, control };
}

function option(f: TcpPeer, fd: number, name: number, value: number): number {
  const opt = new sockopt();
  opt.value = value;
  return f.call(sys_setsockopt, fd, SOL_SOCKET, name, opt);
}

describe('SO_TIMESTAMPING', () => {
  /** [type, byte, ms] of each stamp that waits. */
  function stamps(f: TcpFlow): number[][] {
    const all: number[][] = [];
    for (let next = errqueue(f, f.fd); typeof next !== 'number'; next = errqueue(f, f.fd)) {
      const { control } = next;
      expect(control.present & CMSG_RECVERR).toBe(CMSG_RECVERR);
      expect([control.ee_errno, control.ee_origin]).toEqual([ENOMSG, SO_EE_ORIGIN_TIMESTAMPING]);
      expect(control.present & CMSG_TIMESTAMPING).toBe(CMSG_TIMESTAMPING);
      all.push([control.ee_info, control.ee_data, Math.round((control.timestamp - start) / 1e6)]);
    }
    return all;
  }
  let start = 0;

  test('TX_SCHED, TX_SOFTWARE, TX_ACK: of the last byte of each write, when it is put in the queue, sent, acknowledged', () => {
    const f = new TcpFlow({ rtt: 0.01, gso: true });
    f.set(SOL_SOCKET, SO_TIMESTAMPING, ALL | SOF_TIMESTAMPING_OPT_ID);
    start = f.kernel.clock.now;
    expect(f.write(12_500)).toBe(12_500);
    f.segments();
    // Ten segments are out, the byte that the stamps are of is not among them.
    expect(stamps(f)).toEqual([]);
    f.wait(0.02);
    f.inject('. 1:1(0) ack 10001 win 257');
    expect(stamps(f)).toEqual([
      [SCM_TSTAMP_SCHED, 12_499, 20],
      [SCM_TSTAMP_SND, 12_499, 20],
    ]);
    f.wait(0.01);
    f.inject('. 1:1(0) ack 12001 win 257');
    expect(stamps(f)).toEqual([]);
    f.inject('. 1:1(0) ack 12501 win 257');
    expect(stamps(f)).toEqual([[SCM_TSTAMP_ACK, 12_499, 30]]);
  });

  test.each([0, 500])('software cuts the packet, %i bytes of which owe a stamp first: one stamp', first => {
    const f = new TcpFlow({ rtt: 0.01, gso: true });
    f.dev.features = 0;
    f.set(SOL_TCP, TCP_CORK, 1);
    f.set(SOL_SOCKET, SO_TIMESTAMPING, ALL | SOF_TIMESTAMPING_OPT_ID);
    start = f.kernel.clock.now;
    if (first > 0) {
      f.write(first);
      f.set(SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID);
    }
    f.write(3500 - first);
    f.set(SOL_TCP, TCP_CORK, 0);
    expect(f.segments().length).toBe(4);
    const byte = first === 0 ? 3499 : first - 1;
    expect(stamps(f).map(([type, id]) => [type, id])).toEqual([
      [SCM_TSTAMP_SCHED, byte],
      [SCM_TSTAMP_SND, byte],
    ]);
  });

  test('a packet comes with its stamp, but for OPT_TSONLY; OPT_ID_TCP counts from what was written last', () => {
    const f = new TcpFlow({ rtt: 0.01 });
    f.set(SOL_TCP, TCP_NODELAY, 1);
    f.write(100);
    f.set(SOL_SOCKET, SO_TIMESTAMPING, ALL | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_ID_TCP);
    f.write(50);
    const first = errqueue(f, f.fd);
    if (typeof first === 'number') throw new Error('no stamp');
    expect(first.hdr.flags).toBe(MSG_ERRQUEUE | MSG_TRUNC);
    expect(first.control.ee_data).toBe(49);
    while (typeof errqueue(f, f.fd) !== 'number');
    f.set(
      SOL_SOCKET,
      SO_TIMESTAMPING,
      SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY,
    );
    f.write(50);
    const bare = errqueue(f, f.fd);
    if (typeof bare === 'number') throw new Error('no stamp');
    expect(bare.hdr.flags).toBe(MSG_ERRQUEUE);
    expect(bare.control.ee_data).toBe(0);
  });

  test('what was cut and sent again together keeps its stamp', () => {
    const f = new TcpFlow({ rtt: 0.01 });
    f.set(SOL_TCP, TCP_NODELAY, 1);
    f.set(SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID);
    start = f.kernel.clock.now;
    f.write(100);
    f.write(100);
    f.expect('P. 1:101(100) ack 1', 'P. 101:201(100) ack 1');
    f.wait(2);
    expect(f.ranges()).toContain('1:201(200)');
    f.inject('. 1:1(0) ack 201 win 257');
    // The first byte's stamp is gone with its packet, as on Linux (tcp_skb_collapse_tstamp).
    expect(stamps(f)).toEqual([[SCM_TSTAMP_ACK, 199, 2000]]);
  });

  test('bits that do not go together are refused', () => {
    const f = new TcpFlow();
    expect(option(f, f.fd, SO_TIMESTAMPING, 1 << 19)).toBe(-EINVAL);
    expect(option(f, f.fd, SO_TIMESTAMPING, SOF_TIMESTAMPING_OPT_ID_TCP)).toBe(-EINVAL);
    expect(option(f, f.fd, SO_TIMESTAMPING, SOF_TIMESTAMPING_OPT_STATS)).toBe(-EINVAL);
    const fresh = f.call(sys_socket, AF_INET, SOCK_STREAM, 0);
    expect(option(f, fresh, SO_TIMESTAMPING, SOF_TIMESTAMPING_OPT_ID)).toBe(-EINVAL);
    expect(option(f, fresh, SO_TIMESTAMPING, ALL)).toBe(0);
  });
});

describe('MSG_ZEROCOPY', () => {
  /** [lo, hi] of each notification that waits. */
  function ends(f: TcpFlow): number[][] {
    const all: number[][] = [];
    for (let next = errqueue(f, f.fd); typeof next !== 'number'; next = errqueue(f, f.fd)) {
      const { control, hdr } = next;
      expect(control.present).toBe(CMSG_RECVERR);
      // SO_EE_CODE_ZEROCOPY_COPIED
      const { ee_errno, ee_origin, ee_type, ee_code, ee_offender } = control;
      expect([ee_errno, ee_origin, ee_type, ee_code, ee_offender]).toEqual([0, SO_EE_ORIGIN_ZEROCOPY, 0, 1, 0]);
      expect(hdr.flags).toBe(MSG_ERRQUEUE);
      all.push([control.ee_info, control.ee_data]);
    }
    return all;
  }

  function flow(): TcpFlow {
    const f = new TcpFlow({ rtt: 0.01, gso: true });
    f.set(SOL_SOCKET, SO_ZEROCOPY, 1);
    return f;
  }

  test('each send is numbered, and its number comes once all of it is acknowledged', () => {
    const f = flow();
    f.write(3000, MSG_ZEROCOPY);
    f.write(2000);
    f.write(4000, MSG_ZEROCOPY);
    f.segments();
    expect(ends(f)).toEqual([]);
    f.inject('. 1:1(0) ack 2001 win 257');
    expect(ends(f)).toEqual([]);
    f.inject('. 1:1(0) ack 5001 win 257');
    expect(tcp_poll(f.sk) & POLLERR).toBe(POLLERR);
    expect(ends(f)).toEqual([[0, 0]]);
    expect(tcp_poll(f.sk) & POLLERR).toBe(0);
    f.inject('. 1:1(0) ack 9001 win 257');
    expect(ends(f)).toEqual([[1, 1]]);
  });

  test('sends that wait together end together; notifications that follow each other are one', () => {
    const f = flow();
    f.write(10_000, MSG_ZEROCOPY);
    f.write(500, MSG_ZEROCOPY);
    f.write(500, MSG_ZEROCOPY);
    f.segments();
    f.inject('. 1:1(0) ack 10001 win 257');
    f.segments();
    f.inject('. 1:1(0) ack 11001 win 257');
    // SK_MEMINFO_OPTMEM: of the one that waits to be read.
    expect(f.sk.sk_omem_alloc).toBe(832);
    expect(ends(f)).toEqual([[0, 2]]);
    expect(f.sk.sk_omem_alloc).toBe(0);
    f.write(100, MSG_ZEROCOPY);
    f.segments();
    f.inject('. 1:1(0) ack 11101 win 257');
    expect(ends(f)).toEqual([[3, 3]]);
    f.close();
    f.segments();
    f.inject('R. 1:1(0) ack 11101 win 0');
    expect(f.kernel.skbs.living().length).toBe(0);
  });

  test('between two ends something else was queued: they are told apart', () => {
    const f = flow();
    f.set(SOL_TCP, TCP_NODELAY, 1);
    f.set(SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE);
    for (const [from, to] of [
      [0, 100],
      [100, 200],
    ] as const) {
      expect(f.write(to - from, MSG_ZEROCOPY)).toBe(to - from);
      f.segments();
      f.inject(`. 1:1(0) ack ${to + 1} win 257`);
    }
    const found: number[][] = [];
    for (let next = errqueue(f, f.fd); typeof next !== 'number'; next = errqueue(f, f.fd)) {
      const { ee_origin, ee_info, ee_data } = next.control;
      found.push([ee_origin, ee_info, ee_data]);
    }
    // Each stamp as it leaves, each end as it is acknowledged.
    expect(found).toEqual([
      [4, SCM_TSTAMP_SND, 0],
      [5, 0, 0],
      [4, SCM_TSTAMP_SND, 0],
      [5, 1, 1],
    ]);
  });

  test('a send that finds no room has no number, and leaves nothing behind', () => {
    const f = flow();
    f.set(SOL_SOCKET, SO_SNDBUF, 5000);
    const sent = f.write(100_000, MSG_ZEROCOPY);
    expect(sent).toBeGreaterThan(0);
    const { sk_omem_alloc } = f.sk;
    expect(f.write(1000, MSG_ZEROCOPY)).toBe(-EAGAIN);
    expect(f.sk.sk_omem_alloc).toBe(sk_omem_alloc);
    f.segments();
    for (let acked = 0; acked < sent; f.segments()) {
      acked = Math.min(acked + 1000, sent);
      f.inject(`. 1:1(0) ack ${acked + 1} win 257`);
    }
    expect(ends(f)).toEqual([[0, 0]]);
    expect(f.write(100, MSG_ZEROCOPY)).toBe(100);
    f.segments();
    f.inject(`. 1:1(0) ack ${sent + 101} win 257`);
    expect(ends(f)).toEqual([[1, 1]]);
  });

  test('who waits for an error is woken by an end', () => {
    const peer = new TcpPeer();
    const entry = new pollfd(-1, 0);
    const program = peer.program(function* (sys) {
      const listener = yield* sys.socket(AF_INET, SOCK_STREAM, 0);
      yield* sys.bind(listener, new sockaddr_in(0, 8080));
      yield* sys.listen(listener, 1);
      entry.fd = yield* sys.accept4(listener, null, 0);
      const opt = new sockopt();
      opt.value = 1;
      yield* sys.setsockopt(entry.fd, SOL_SOCKET, SO_ZEROCOPY, opt);
      yield* sys.send(entry.fd, sys.mmap(100), 100, MSG_ZEROCOPY);
      return yield* sys.poll([entry], 1, -1);
    });
    peer.inject('S 0:0(0) win 32792 <mss 1000>');
    peer.expect('S. 0:0(0) ack 1');
    peer.inject('. 1:1(0) ack 1 win 32792');
    peer.expect('P. 1:101(100) ack 1');
    expect(program.done).toBe(false);
    peer.inject('. 1:1(0) ack 101 win 32792');
    expect([program.value, entry.revents]).toEqual([1, POLLERR]);
  });

  test('without SO_ZEROCOPY the flag says nothing; a send that fails has no number', () => {
    const f = flow();
    const fresh = f.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    expect(option(f, fresh, SO_ZEROCOPY, 1)).toBe(0);
    expect(f.call(sys_sendto, fresh, f.memory(64), 64, MSG_ZEROCOPY, null)).toBe(-EPIPE);
    expect(errqueue(f, fresh)).toBe(-EAGAIN);
    f.set(SOL_SOCKET, SO_ZEROCOPY, 0);
    f.write(100, MSG_ZEROCOPY);
    f.set(SOL_SOCKET, SO_ZEROCOPY, 1);
    f.segments();
    f.inject('. 1:1(0) ack 101 win 257');
    expect(ends(f)).toEqual([]);
    expect(option(f, f.fd, SO_ZEROCOPY, 2)).toBe(-EINVAL);
    expect(option(f, f.call(sys_socket, AF_INET, SOCK_DGRAM, 0), SO_ZEROCOPY, 1)).toBe(-EOPNOTSUPP);
  });

  test('a packet takes 17 pieces of user memory; without the flag they are just bytes', () => {
    const f = flow();
    // Each piece counts as a page.
    f.set(SOL_SOCKET, SO_SNDBUF, 200_000);
    const send = (pieces: number, flags: number): number => {
      const hdr = new user_msghdr();
      hdr.iov = Array.from({ length: pieces }, () => new iovec(f.memory(8), 3));
      return f.call(sys_sendmsg, f.fd, hdr, flags);
    };
    expect(send(40, 0)).toBe(120);
    f.expect('P. 1:121(120) ack 1');
    f.inject('. 1:1(0) ack 121 win 257');
    f.set(SOL_TCP, TCP_NODELAY, 1);
    expect(send(40, MSG_ZEROCOPY)).toBe(120);
    f.expect('P. 121:172(51) ack 1', 'P. 172:223(51) ack 1', 'P. 223:241(18) ack 1');
    f.inject('. 1:1(0) ack 241 win 257');
    expect(ends(f)).toEqual([[0, 0]]);
  });

  test('pages count whole against the send buffer', () => {
    const f = flow();
    const before = f.sk.sk_wmem_queued;
    const hdr = new user_msghdr();
    hdr.iov = [new iovec(f.memory(100), 10)];
    expect(f.call(sys_sendmsg, f.fd, hdr, MSG_ZEROCOPY)).toBe(10);
    expect(f.sk.sk_wmem_queued - before).toBe(832 + 4096);
    // SK_MEMINFO_WMEM_QUEUED and SK_MEMINFO_OPTMEM
    const opt = new sockopt();
    expect(f.call(sys_getsockopt, f.fd, SOL_SOCKET, SO_MEMINFO, opt)).toBe(0);
    expect([opt.list[5], opt.list[6]]).toEqual([832 + 4096, 832]);
    f.segments();
    f.inject('. 1:1(0) ack 11 win 257');
    expect(f.sk.sk_wmem_queued).toBe(before);
  });

  test('net.core.optmem_max bounds what may be outstanding: ENOBUFS', () => {
    const f = flow();
    // What is charged is 832, what is asked for 576.
    f.net.sysctl.optmem_max = 832 + 576;
    f.set(SOL_TCP, TCP_NODELAY, 1);
    expect(f.write(100, MSG_ZEROCOPY)).toBe(100);
    expect(f.write(100, MSG_ZEROCOPY)).toBe(100);
    expect(f.write(100, MSG_ZEROCOPY)).toBe(-ENOBUFS);
    expect(f.write(100)).toBe(100);
    f.segments();
    f.inject('. 1:1(0) ack 301 win 257');
    expect(ends(f)).toEqual([[0, 1]]);
    f.net.sysctl.optmem_max--;
    expect(f.write(100, MSG_ZEROCOPY)).toBe(100);
    expect(f.write(100, MSG_ZEROCOPY)).toBe(-ENOBUFS);
  });

  test('closed before the end: nobody is told, nothing is left', () => {
    const f = flow();
    f.write(3000, MSG_ZEROCOPY);
    f.close();
    f.segments();
    f.inject('R. 1:1(0) ack 3001 win 0');
    expect(f.kernel.skbs.living().length).toBe(0);
  });
});

describe('messages in pieces', () => {
  test('sendmsg takes all pieces, recvmsg fills all', () => {
    const f = new TcpFlow({ rtt: 0.01 });
    const { u8 } = f.kernel.ram;
    const hdr = new user_msghdr();
    hdr.iov = [new iovec(f.memory(600), 600), new iovec(0, 0), new iovec(f.memory(700), 700)];
    for (const [i, { base, length }] of hdr.iov.entries()) if (length > 0) u8.fill(i + 1, base, base + length);
    expect(f.call(sys_sendmsg, f.fd, hdr, 0)).toBe(1300);
    const [one, two] = f.segments();
    expect(one?.payload.subarray(599, 601)).toEqual(Uint8Array.of(1, 3));
    expect([one?.payload.length, two?.payload.length]).toEqual([1000, 300]);
    f.inject('P. 1:301(300) ack 1301 win 257');
    const into = [new iovec(f.memory(100), 100), new iovec(f.memory(50), 50), new iovec(f.memory(500), 500)];
    hdr.iov = into;
    expect(f.call(sys_recvmsg, f.fd, hdr, 0)).toBe(300);
    expect(into.map(({ base }) => u8[base])).toEqual([1, 101, 151]);
    expect(u8[(into[2] as iovec).base + 149]).toBe(300 & 255);
  });

  test('a piece that is not the program’s: EFAULT', () => {
    const f = new TcpFlow({ rtt: 0.01 });
    const hdr = new user_msghdr();
    hdr.iov = [new iovec(f.memory(10), 10), new iovec(16, 10)];
    expect(f.call(sys_sendmsg, f.fd, hdr, 0)).toBe(-EFAULT);
    f.expect();
  });
});
