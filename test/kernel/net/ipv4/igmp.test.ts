import { describe, expect, it } from 'vitest';
import { dev_close, dev_open } from '../../../../kernel/net/core/dev.ts';
import { sock } from '../../../../kernel/net/core/sock.ts';
import { MCAST_EXCLUDE, MCAST_INCLUDE, proc_net_igmp } from '../../../../kernel/net/ipv4/igmp.ts';
import { ip_check_mc_rcu } from '../../../../kernel/net/ipv4/igmp_group.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import {
  ip_mc_drop_socket,
  ip_mc_join_group,
  ip_mc_join_group_ssm,
  ip_mc_leave_group,
  ip_mc_msfget,
  ip_mc_msfilter,
  ip_mc_sf_allow,
  ip_mc_source,
  ip_mreqn,
} from '../../../../kernel/net/ipv4/ip_mc.ts';
import { udp_prot } from '../../../../kernel/net/ipv4/udp.ts';
import { A, B, icmp, ipFrame, Segment } from '../segment.ts';

const G = in_aton('239.1.2.3');
const H = in_aton('239.1.2.4');
const S1 = in_aton('10.1.0.7');
const S2 = in_aton('10.1.0.8');
const MAC_G = '01005e010203';
const be32 = (v: number): number[] => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];

/** An IGMP message with its checksum: made as ICMP's is. */
const igmp = (type: number, code: number, rest: number[]): number[] =>
  icmp(
    type,
    code,
    ((rest[0] as number) << 24) | ((rest[1] as number) << 16) | ((rest[2] as number) << 8) | (rest[3] as number),
    rest.slice(4),
  );
const query = (group: number, code: number, v3: number[] = [], ip = {}): Uint8Array =>
  ipFrame(igmp(0x11, code, [...be32(group), ...v3]), {
    protocol: 2,
    dst: group === 0 ? in_aton('224.0.0.1') : group,
    to: group === 0 ? '01005e000001' : MAC_G,
    ttl: 1,
    options: [148, 4, 0, 0],
    ...ip,
  });
/** Version 3's tail: robustness 2, interval 125 s, sources. */
const tail = (...sources: number[]): number[] => [2, 125, 0, sources.length, ...sources.flatMap(be32)];

interface Bench {
  segment: Segment;
  sk: sock;
  join(group?: number): number;
  leave(group?: number): number;
  /** What was said since: destination, and the message without its checksum. */
  said(): string[];
  end(): void;
}

function setUp(): Bench {
  const segment = new Segment();
  const { net } = segment;
  const sk = new sock(net, 2, 2, 17, udp_prot);
  const mreq = (group: number): ip_mreqn => new ip_mreqn(group, 0, segment.dev.ifindex);
  return {
    segment,
    sk,
    join: (group = G) => segment.exec(() => ip_mc_join_group(sk, mreq(group))),
    leave: (group = G) => segment.exec(() => ip_mc_leave_group(sk, mreq(group))),
    said: () =>
      segment.take().map(frame => {
        // Router alert, TTL 1, network control, from our own address.
        expect(frame.slice(28, 32)).toBe('46c0');
        expect(frame.slice(44, 48)).toBe('0102');
        expect(frame.slice(52, 60)).toBe('0a010002');
        expect(frame.slice(68, 76)).toBe('94040000');
        return `${frame.slice(60, 68)} ${frame.slice(76, 80)} ${frame.slice(84)}`;
      }),
    end() {
      segment.exec(() => ip_mc_drop_socket(sk));
      net.core.sockets--;
      segment.wait(60);
      segment.finish();
    },
  };
}

const ALL_V3 = 'e0000016 2200';
const record = (type: number, group: number, ...sources: number[]): string =>
  `${ALL_V3} 00000001${[type, 0, 0, sources.length, ...be32(group), ...sources.flatMap(be32)].map(b => b.toString(16).padStart(2, '0')).join('')}`;

describe('a group joined and left', () => {
  it('version 3: the change is told twice within about a second each time, and the card listens', () => {
    const host = setUp();
    const { segment } = host;
    expect(host.join()).toBe(0);
    expect(segment.dev.mc.has(0x01005e010203)).toBe(true);
    segment.wait(0.01);
    expect(host.said()).toEqual([record(4, G)]);
    segment.wait(1.1);
    expect(host.said()).toEqual([record(4, G)]);
    segment.wait(5);
    expect(host.said()).toEqual([]);
    expect(host.leave()).toBe(0);
    expect(segment.dev.mc.has(0x01005e010203)).toBe(false);
    segment.wait(5);
    expect(host.said()).toEqual([record(3, G), record(3, G)]);
    host.end();
  });

  it('joined by two: told once, left with the last', () => {
    const host = setUp();
    const other = new sock(host.segment.net, 2, 2, 17, udp_prot);
    host.join();
    host.segment.exec(() => ip_mc_join_group(other, new ip_mreqn(G, B)));
    host.segment.wait(5);
    expect(host.said()).toHaveLength(2);
    expect(host.leave()).toBe(0);
    host.segment.wait(5);
    expect(host.said()).toEqual([]);
    host.segment.exec(() => ip_mc_drop_socket(other));
    host.segment.wait(5);
    expect(host.said()).toHaveLength(2);
    host.segment.net.core.sockets--;
    host.end();
  });

  it('left and joined again before all was told: only the last state is', () => {
    const host = setUp();
    host.join();
    host.segment.wait(10);
    host.said();
    host.leave();
    host.join();
    host.segment.wait(10);
    expect(host.said()).toEqual([record(4, G), record(4, G)]);
    host.end();
  });

  it('the device down and up: told again', () => {
    const host = setUp();
    host.join();
    host.segment.wait(10);
    host.said();
    host.segment.exec(() => dev_close(host.segment.dev));
    expect(host.segment.dev.mc.size).toBe(0);
    host.segment.exec(() => dev_open(host.segment.dev));
    host.segment.wait(10);
    expect(host.said()).toEqual([record(4, G), record(4, G)]);
    expect(host.segment.dev.mc.size).toBe(2);
    host.end();
  });
});

describe('igmp_rcv, a query', () => {
  it('general, version 3: all groups in one report, within its time', () => {
    const host = setUp();
    host.join(G);
    host.join(H);
    host.segment.wait(10);
    host.said();
    host.segment.receive(query(0, 20, tail()));
    host.segment.wait(2.1);
    expect(host.said()).toEqual([`${ALL_V3} 00000002${'02000000ef010204'}${'02000000ef010203'}`]);
    host.segment.wait(20);
    expect(host.said()).toEqual([]);
    host.end();
  });

  it('for a group; for another one: silence', () => {
    const host = setUp();
    host.join();
    host.segment.wait(10);
    host.said();
    host.segment.receive(query(G, 10, tail()));
    host.segment.wait(1.1);
    expect(host.said()).toEqual([record(2, G)]);
    host.segment.receive(query(H, 10, tail(), { dst: G }));
    host.segment.wait(5);
    expect(host.said()).toEqual([]);
    host.end();
  });

  it('for sources: those that are wanted of them', () => {
    const host = setUp();
    const { segment, sk } = host;
    const mreq = (): ip_mreqn => new ip_mreqn(G, 0, segment.dev.ifindex);
    segment.exec(() => ip_mc_join_group_ssm(sk, mreq(), MCAST_INCLUDE));
    segment.exec(() => ip_mc_source(true, MCAST_INCLUDE, sk, mreq(), S1));
    segment.exec(() => ip_mc_source(true, MCAST_INCLUDE, sk, mreq(), S2));
    segment.wait(10);
    host.said();
    segment.receive(query(G, 10, tail(S2, A)));
    segment.wait(1.1);
    expect(host.said()).toEqual([record(1, G, S2)]);
    segment.receive(query(G, 10, tail(A)));
    segment.wait(5);
    expect(host.said()).toEqual([]);
    host.end();
  });

  it('of version 2: its reports, leave messages, and silence when somebody else was quicker', () => {
    const host = setUp();
    host.join();
    host.segment.wait(10);
    host.said();
    host.segment.receive(query(0, 10));
    expect(proc_net_igmp(host.segment.net)).toContain('V2');
    host.segment.wait(1.1);
    expect(host.said()).toEqual(['ef010203 1600 ef010203']);
    expect(host.leave()).toBe(0);
    expect(host.said()).toEqual(['e0000002 1700 ef010203']);
    host.join();
    host.segment.wait(30);
    expect(host.said()).toEqual(['ef010203 1600 ef010203', 'ef010203 1600 ef010203']);
    host.segment.receive(query(G, 10));
    host.segment.receive(ipFrame(igmp(0x16, 0, be32(G)), { protocol: 2, dst: G, to: MAC_G, ttl: 1 }));
    host.segment.wait(5);
    expect(host.said()).toEqual([]);
    // Not the last to report: no need to say that we leave.
    host.leave();
    expect(host.said()).toEqual([]);
    host.end();
  });

  it('of version 1: its reports, no leave message; forgotten after a while', () => {
    const host = setUp();
    host.join();
    host.segment.wait(10);
    host.said();
    host.segment.receive(query(0, 0));
    host.segment.wait(10.1);
    expect(host.said()).toEqual(['ef010203 1200 ef010203']);
    host.leave();
    expect(host.said()).toEqual([]);
    expect(proc_net_igmp(host.segment.net)).toContain('V1');
    host.segment.wait(300);
    expect(proc_net_igmp(host.segment.net)).not.toContain('V1');
    host.end();
  });

  const bad: [what: string, frame: Uint8Array, reason: string][] = [
    [
      'with a wrong checksum',
      ipFrame([0x11, 10, 1, 2, 0, 0, 0, 0], { protocol: 2, dst: in_aton('224.0.0.1'), to: '01005e000001' }),
      'SKB_CSUM',
    ],
    ['too short', ipFrame([0x11, 10], { protocol: 2, dst: in_aton('224.0.0.1'), to: '01005e000001' }), 'PKT_TOO_SMALL'],
    ['between the versions', query(0, 10, [0, 0]), 'PKT_TOO_SMALL'],
    ['general, with sources', query(0, 10, tail(S1)), 'PKT_TOO_SMALL'],
    ['naming more sources than there are', query(G, 10, [2, 125, 0, 9, 1, 2, 3, 4]), 'PKT_TOO_SMALL'],
  ];
  for (const [what, frame, reason] of bad) {
    it(`${what}: dropped`, () => {
      const host = setUp();
      host.join();
      host.segment.wait(10);
      host.said();
      host.segment.receive(frame);
      expect(host.segment.drops).toEqual([reason]);
      host.segment.wait(20);
      expect(host.said()).toEqual([]);
      host.end();
    });
  }
});

describe('source filters', () => {
  it('sources that come and go are told; what comes is let in by them', () => {
    const host = setUp();
    const { segment, sk } = host;
    const { ifindex, ip_ptr: in_dev } = segment.dev;
    if (in_dev === null) throw new Error('no IP');
    const mreq = (): ip_mreqn => new ip_mreqn(G, 0, ifindex);
    segment.exec(() => ip_mc_join_group_ssm(sk, mreq(), MCAST_INCLUDE));
    segment.exec(() => ip_mc_source(true, MCAST_INCLUDE, sk, mreq(), S1));
    segment.wait(10);
    expect(host.said()).toEqual([record(5, G, S1), record(5, G, S1)]);
    expect([S1, S2].map(s => ip_mc_sf_allow(sk, G, s, ifindex))).toEqual([true, false]);
    expect([S1, S2, 0].map(s => ip_check_mc_rcu(in_dev, G, s, 17))).toEqual([true, false, true]);
    segment.exec(() => ip_mc_source(true, MCAST_INCLUDE, sk, mreq(), S2));
    segment.wait(10);
    expect(host.said()).toEqual([record(5, G, S2), record(5, G, S2)]);
    segment.exec(() => ip_mc_source(false, MCAST_INCLUDE, sk, mreq(), S1));
    segment.wait(10);
    expect(host.said()).toEqual([record(6, G, S1), record(6, G, S1)]);
    // The last one gone: left.
    expect(segment.exec(() => ip_mc_source(false, MCAST_INCLUDE, sk, mreq(), S2))).toBe(0);
    expect(segment.exec(() => ip_mc_leave_group(sk, mreq()))).toBe(-99);
    segment.wait(10);
    expect(host.said()).toEqual([record(6, G, S2), record(6, G, S2)]);
    host.end();
  });

  it('all but some; then only some: the change of mode is told', () => {
    const host = setUp();
    const { segment, sk } = host;
    const { ifindex } = segment.dev;
    const mreq = (): ip_mreqn => new ip_mreqn(G, 0, ifindex);
    host.join();
    segment.wait(10);
    host.said();
    expect(segment.exec(() => ip_mc_source(true, MCAST_EXCLUDE, sk, mreq(), S1))).toBe(0);
    segment.wait(10);
    expect(host.said()).toEqual([record(6, G, S1), record(6, G, S1)]);
    expect([S1, S2].map(s => ip_mc_sf_allow(sk, G, s, ifindex))).toEqual([false, true]);
    expect(segment.exec(() => ip_mc_source(true, MCAST_INCLUDE, sk, mreq(), S2))).toBe(-22);
    expect(segment.exec(() => ip_mc_msfilter(sk, mreq(), MCAST_INCLUDE, [S2]))).toBe(0);
    segment.wait(10);
    expect(host.said()).toEqual([record(3, G, S2), record(3, G, S2)]);
    expect(ip_mc_msfget(sk, mreq())).toEqual({ fmode: MCAST_INCLUDE, sources: [S2] });
    host.end();
  });
});

describe('limits and errors of memberships', () => {
  it('igmp_max_memberships, igmp_max_msf, what is there already, what is not, what is no group', () => {
    const host = setUp();
    const { segment, sk } = host;
    const { ifindex } = segment.dev;
    for (let i = 0; i < 20; i++) expect(host.join(G + i)).toBe(0);
    expect(host.join(G + 20)).toBe(-105);
    expect(host.join(G)).toBe(-98);
    expect(host.leave(G + 20)).toBe(-99);
    expect(host.join(A)).toBe(-22);
    expect(segment.exec(() => ip_mc_join_group(sk, new ip_mreqn(G, 0, 77)))).toBe(-19);
    expect(segment.exec(() => ip_mc_join_group(sk, new ip_mreqn(G, in_aton('9.9.9.9'))))).toBe(-19);
    const mreq = (): ip_mreqn => new ip_mreqn(G, 0, ifindex);
    for (let i = 0; i < 10; i++) expect(ip_mc_source(true, MCAST_EXCLUDE, sk, mreq(), S1 + i)).toBe(0);
    expect(ip_mc_source(true, MCAST_EXCLUDE, sk, mreq(), S1 + 10)).toBe(-105);
    expect(ip_mc_source(false, MCAST_EXCLUDE, sk, mreq(), S1 + 11)).toBe(-99);
    host.end();
  });

  it('more groups than one report holds: several', () => {
    const host = setUp();
    const socks = Array.from({ length: 15 }, () => new sock(host.segment.net, 2, 2, 17, udp_prot));
    for (const [n, sk] of socks.entries()) {
      for (let i = 0; i < 20; i++) {
        host.segment.exec(() => ip_mc_join_group(sk, new ip_mreqn(G + n * 20 + i, 0, host.segment.dev.ifindex)));
      }
    }
    host.segment.wait(10);
    host.said();
    host.segment.receive(query(0, 10, tail()));
    host.segment.wait(1.1);
    // (1500 - 24 - 8) / 8 records fit.
    expect(host.segment.take().map(frame => frame.slice(88, 92))).toEqual(['00b7', '0075']);
    for (const sk of socks) host.segment.exec(() => ip_mc_drop_socket(sk));
    host.segment.net.core.sockets -= socks.length;
    host.segment.wait(10);
    host.segment.take();
    host.end();
  });
});

it('/proc/net/igmp', () => {
  const host = setUp();
  host.join();
  host.segment.wait(10);
  host.said();
  expect(proc_net_igmp(host.segment.net)).toBe(
    'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n' +
      '1\tlo        :     1      V3\n' +
      '\t\t\t\t010000E0     1 0:00000000\t\t0\n' +
      '2\teth0      :     2      V3\n' +
      '\t\t\t\t030201EF     1 0:00000000\t\t0\n' +
      '\t\t\t\t010000E0     1 0:00000000\t\t0\n',
  );
  host.end();
});
