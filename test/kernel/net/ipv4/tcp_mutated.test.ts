/** Segments with something wrong in them, at sockets in every state, from a seed: no exception, no leak, bounded memory. */
import { expect, test } from 'vitest';
import { Random } from '../../../../harness/sim/random.ts';
import { AF_INET, MSG_DONTWAIT, SOCK_NONBLOCK, SOCK_STREAM, sockaddr_in } from '../../../../kernel/net/msg.ts';
import {
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_listen,
  sys_recvfrom,
  sys_sendto,
  sys_shutdown,
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import type { task_struct } from '../../../../kernel/sched/task.ts';
import { A } from '../segment.ts';
import { TcpPeer } from './tcp_peer.ts';

const sys_close = (task: task_struct, fd: number): number => task.files.close(fd);
const FLAGS = ['S', '.', 'P.', 'F.', 'R', 'R.', 'S.', 'SF', 'SP.', 'U.', 'F', 'SE', 'SEW', 'FSRPU.', '-'];
const OPTIONS = [
  '',
  'mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7',
  'nop,nop,TS val 50 ecr 9',
  'nop,nop,sack 1:100 200:300',
  'nop,nop,sack 4000000000:5 7:7',
  'raw 02 00 03 03',
  'raw 05 0a 00 00 00 01 00 00 00',
  'raw 08 0a 00',
  'raw ff 28',
  'mss 0,wscale 200',
];

test('random segments at listeners, requests, connections and what is left of them', () => {
  let opened = 0;
  let reset = 0;
  for (let seed = 1; seed <= 5; seed++) {
    const chance = new Random(seed, 'tcp');
    const peer = new TcpPeer();
    const { net } = peer;
    net.ipv4.tcp_syncookies = chance.below(3);
    const listener = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    peer.call(sys_bind, listener, new sockaddr_in(0, 8080));
    peer.call(sys_listen, listener, 3);
    const fds: number[] = [];
    const buffer = peer.memory(65536);
    const pick = <T>(list: readonly T[]): T => list[chance.below(list.length)] as T;
    for (let round = 0; round < 700; round++) {
      const peerPort = 40000 + chance.below(4);
      const hostPort = chance.below(8) === 0 ? 8081 : 8080;
      const flow = { ...peer.flow, peerPort, hostPort };
      const near = (): number => (chance.below(6) === 0 ? chance.u32() : chance.below(3) * chance.below(3000));
      const seq = near();
      const length = chance.below(3) === 0 ? chance.below(1400) : 0;
      const options = pick(OPTIONS);
      const ack = chance.below(6) === 0 ? '' : ` ack ${near()}`;
      const urg = chance.below(10) === 0 ? ` urg ${chance.below(2000)}` : '';
      // Half of them are what a peer would say next: handshakes and data in order.
      const text =
        chance.below(2) === 0
          ? pick([
              'S 0:0(0) win 5000 <mss 1000,sackOK,nop,nop,nop,wscale 7>',
              '. 1:1(0) ack 1 win 100',
              'P. 1:101(100) ack 1 win 100',
              '. 101:1101(1000) ack 1 win 0',
              'F. 1101:1101(0) ack 1 win 100',
              '. 1102:1102(0) ack 2 win 100',
            ])
          : `${pick(FLAGS)} ${seq}:${seq + length}(${length})${ack} win ${chance.below(65536)}${urg}${options === '' ? '' : ` <${options}>`}`;
      const frame = peer.frame(text, { flow, tos: chance.below(4) });
      if (chance.below(20) === 0) frame[34 + chance.below(frame.length - 34)] = chance.below(256);
      peer.receive(chance.below(30) === 0 ? frame.subarray(0, 34 + chance.below(frame.length - 34)) : frame);
      if (chance.below(40) === 0)
        peer.icmp(pick([3, 3, 4, 5, 11, 12]), chance.below(16), chance.below(2000), near(), flow);
      // Programs do what they like, too.
      const fd = pick(fds) ?? -1;
      switch (chance.below(12)) {
        case 0: {
          const child = peer.call(sys_accept4, listener, null, SOCK_NONBLOCK);
          if (child >= 0) fds.push(child);
          break;
        }
        case 1:
          peer.call(sys_sendto, fd, buffer, 1 + chance.below(20_000), MSG_DONTWAIT | pick([0, 0, 1, 0x8000]), null);
          break;
        case 2:
          peer.call(sys_recvfrom, fd, buffer, chance.below(65536), MSG_DONTWAIT | pick([0, 0, 1, 2, 0x20]), null);
          break;
        case 3:
          if (chance.below(4) === 0) peer.call(sys_shutdown, fd, chance.below(3));
          break;
        case 4:
          if (fd >= 0 && chance.below(4) === 0) {
            peer.call(sys_close, fd);
            fds.splice(fds.indexOf(fd), 1);
          }
          break;
        case 5: {
          if (chance.below(6) !== 0) break;
          const active = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
          peer.call(sys_bind, active, new sockaddr_in(0, 8081));
          peer.call(sys_connect, active, new sockaddr_in(A, 40000 + chance.below(4)));
          fds.push(active);
          break;
        }
        case 6:
          if (chance.below(10) === 0) peer.wait(chance.below(20));
          break;
      }
      peer.segments();
      expect(peer.kernel.skbs.alive).toBeLessThan(3000);
    }
    peer.finish();
    expect(net.ipv4.tcp_orphan_count).toBe(0);
    expect(net.ipv4.tcp_sockets_allocated).toBe(0);
    expect(net.ipv4.tcp_memory_allocated).toBe(0);
    expect(net.ipv4.tcp.hashinfo.bind_buckets).toBe(0);
    expect(net.ipv4.tcp.hashinfo.ehash.count).toBe(0);
    opened += net.ipv4.mib.TcpPassiveOpens + net.ipv4.mib.TcpActiveOpens;
    reset += net.ipv4.mib.TcpOutRsts;
  }
  // It has been somewhere.
  expect(opened).toBeGreaterThan(50);
  expect(reset).toBeGreaterThan(100);
}, 60_000);
