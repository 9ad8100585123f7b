/** Groups: which sockets hear what is sent to them. */
import { expect, test } from 'vitest';
import { EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EINVAL, ENETUNREACH, ENODEV } from '../../../../kernel/errno.ts';
import { SO_REUSEADDR, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import {
  IP_ADD_MEMBERSHIP,
  IP_ADD_SOURCE_MEMBERSHIP,
  IP_BLOCK_SOURCE,
  IP_DROP_MEMBERSHIP,
  IP_MSFILTER,
} from '../../../../kernel/net/ipv4/ip_mcast_opts.ts';
import {
  IP_MULTICAST_ALL,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  SOL_IP,
} from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import { AF_INET, MSG_DONTWAIT, SOCK_DGRAM, SOCK_RAW, sockaddr_in, sockopt } from '../../../../kernel/net/msg.ts';
import type { Syscalls } from '../../../../kernel/syscalls.ts';
import { A, ipFrame, Segment } from '../segment.ts';
import { type Step, set } from '../user.ts';

const GROUP = 0xe1020304 | 0;
const OTHER_GROUP = 0xe1020305 | 0;
const PORT = 7;

/** A UDP packet without a checksum from `src` to the group's port 7. */
const datagram = (src: number): Uint8Array =>
  ipFrame([0x13, 0x88, 0, PORT, 0, 9, 0, 0, 1], { src, dst: GROUP, protocol: 17, to: '01005e020304' });

function* member(sys: Syscalls, name: number, group: number, source = 0): Step<number> {
  const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
  yield* set(sys, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  yield* sys.bind(fd, new sockaddr_in(0, PORT));
  const opt = new sockopt();
  Object.assign(opt, { multiaddr: group, ifindex: 2, sourceaddr: source });
  if (name !== 0) expect(yield* sys.setsockopt(fd, SOL_IP, name, opt)).toBe(0);
  return fd;
}

test('a datagram to a group: to members, to who hears all groups, not to who wants other sources or groups', () => {
  const segment = new Segment();
  const heard: number[] = [];
  segment.host.spawn('test', function* (sys) {
    const fds = [
      yield* member(sys, IP_ADD_MEMBERSHIP, GROUP),
      // In another group, but IP_MULTICAST_ALL is on by default; then off.
      yield* member(sys, IP_ADD_MEMBERSHIP, OTHER_GROUP),
      yield* member(sys, IP_ADD_MEMBERSHIP, OTHER_GROUP),
      yield* member(sys, IP_ADD_SOURCE_MEMBERSHIP, GROUP, A),
      yield* member(sys, IP_ADD_SOURCE_MEMBERSHIP, GROUP, A + 1),
      yield* member(sys, IP_ADD_MEMBERSHIP, GROUP),
      yield* member(sys, 0, 0),
    ];
    yield* set(sys, fds[2] as number, SOL_IP, IP_MULTICAST_ALL, 0);
    const opt = new sockopt();
    Object.assign(opt, { multiaddr: GROUP, ifindex: 2, sourceaddr: A });
    expect(yield* sys.setsockopt(fds[5] as number, SOL_IP, IP_BLOCK_SOURCE, opt)).toBe(0);
    expect(yield* sys.getsockopt(fds[5] as number, SOL_IP, IP_MSFILTER, opt)).toBe(0);
    expect([opt.value, opt.list]).toEqual([0, [A]]);
    const raw = yield* sys.socket(AF_INET, SOCK_RAW, 17);
    yield* set(sys, raw, SOL_IP, IP_MULTICAST_ALL, 0);
    yield* sys.nanosleep(1_000_000_000);
    const at = sys.mmap(64);
    for (const fd of [...fds, raw]) heard.push(yield* sys.recv(fd, at, 64, MSG_DONTWAIT));
    return 0;
  });
  segment.wait(0.5);
  segment.receive(datagram(A));
  segment.wait(2);
  expect(heard).toEqual([1, 1, -EAGAIN, 1, -EAGAIN, -EAGAIN, 1, -EAGAIN]);
  segment.finish();
});

test('errnos of joining and leaving: as Linux; IP_MULTICAST_LOOP decides whether this host hears itself', () => {
  const segment = new Segment();
  const got: number[] = [];
  segment.host.spawn('test', function* (sys) {
    const fd = yield* member(sys, IP_ADD_MEMBERSHIP, GROUP);
    const opt = new sockopt();
    for (const [name, multiaddr, ifindex] of [
      [IP_ADD_MEMBERSHIP, GROUP, 2],
      [IP_ADD_MEMBERSHIP, A, 2],
      [IP_ADD_MEMBERSHIP, OTHER_GROUP, 99],
      [IP_DROP_MEMBERSHIP, OTHER_GROUP, 2],
    ] as const) {
      Object.assign(opt, { multiaddr, ifindex });
      got.push(yield* sys.setsockopt(fd, SOL_IP, name, opt));
    }
    opt.optlen = 7;
    got.push(yield* sys.setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, opt));
    const at = sys.mmap(64);
    // There is no route to groups: the device decides.
    got.push(yield* sys.sendto(fd, at, 5, 0, new sockaddr_in(GROUP, PORT)));
    Object.assign(opt, { optlen: -1, ifindex: 2 });
    expect(yield* sys.setsockopt(fd, SOL_IP, IP_MULTICAST_IF, opt)).toBe(0);
    for (const loop of [1, 0]) {
      yield* set(sys, fd, SOL_IP, IP_MULTICAST_LOOP, loop);
      got.push(yield* sys.sendto(fd, at, 5, 0, new sockaddr_in(GROUP, PORT)));
      yield* sys.nanosleep(1_000_000);
      got.push(yield* sys.recv(fd, at, 64, MSG_DONTWAIT));
    }
    return 0;
  });
  segment.wait(1);
  expect(got).toEqual([-EADDRINUSE, -EINVAL, -ENODEV, -EADDRNOTAVAIL, -EINVAL, -ENETUNREACH, 5, 5, 5, -EAGAIN]);
  segment.finish();
});
