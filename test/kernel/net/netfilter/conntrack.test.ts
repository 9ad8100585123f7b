import { expect, test } from 'vitest';
import { buildIcmp } from '../../../../harness/packet/icmp.ts';
import { buildIpv4Packet } from '../../../../harness/packet/ipv4.ts';
import { buildUdp } from '../../../../harness/packet/udp.ts';
import { listen } from '../../../../harness/user/index.ts';
import { nf_ct_netns_get } from '../../../../kernel/net/netfilter/nf_conntrack_standalone.ts';
import type { Program } from '../../../../kernel/sched/task.ts';
import { ACK, FIN, Lab, mirror, RST, SYN } from './lab.ts';

const PSH = 8;
const OUT = { src: '10.1.0.1', dst: '192.0.2.9', sport: 4000, dport: 80 };

function tracked(): Lab {
  const lab = new Lab();
  lab.exec(() => nf_ct_netns_get(lab.net));
  return lab;
}

/** The time-out and state of the only entry. */
const state = (lab: Lab): string => (lab.table()[0] ?? '').split(/ +/).slice(4, 6).join(' ');

test('nobody needs tracking: no hook is there, nothing is tracked', () => {
  const lab = new Lab();
  expect(lab.net.nf.hooks.every(entries => entries === null)).toBe(true);
  expect(lab.udp(OUT)).toHaveLength(1);
  expect(lab.net.nf.ct).toBe(null);
  lab.finish();
});

test('the last rule that needs tracking goes: its hooks go', () => {
  const lab = new Lab('*filter\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n');
  expect(lab.net.nf.hooks[16]).not.toBe(null);
  lab.iptables('-F INPUT');
  expect(lab.net.nf.hooks[16]).toBe(null);
  lab.finish();
});

test('UDP: unreplied 30 s; a stream for more than two seconds 120 s and assured; it ends', () => {
  const lab = tracked();
  lab.udp(OUT);
  expect(lab.table()[0]).toContain('[UNREPLIED]');
  lab.udp(mirror(OUT), lab.outside);
  lab.udp(OUT);
  expect(state(lab)).toMatch(/^30 /);
  lab.wait(3);
  lab.udp(OUT);
  expect(state(lab)).toMatch(/^120 /);
  expect(lab.table()[0]).toContain('[ASSURED]');
  lab.wait(119);
  expect(lab.table()).toHaveLength(1);
  lab.wait(2);
  expect(lab.table()).toEqual([]);
  lab.wait(120);
  expect(lab.ct.count).toBe(0);
  lab.finish();
});

test('TCP from its SYN to TIME_WAIT: states and time-outs', () => {
  const lab = tracked();
  const there = (seq: number, ack: number, flags: number, payload = new Uint8Array()): void => {
    expect(lab.tcp(OUT, { seq, ack, flags, payload })).toHaveLength(1);
  };
  const back = (seq: number, ack: number, flags: number): void => {
    expect(lab.tcp(mirror(OUT), { seq, ack, flags }, lab.outside)).toHaveLength(1);
  };
  there(100, 0, SYN);
  expect(state(lab)).toBe('120 SYN_SENT');
  back(500, 101, SYN | ACK);
  expect(state(lab)).toBe('60 SYN_RECV');
  there(101, 501, ACK);
  expect(state(lab)).toBe('432000 ESTABLISHED');
  there(101, 501, ACK, new Uint8Array(10));
  expect(state(lab)).toBe('300 ESTABLISHED');
  back(501, 111, ACK);
  expect(state(lab)).toBe('432000 ESTABLISHED');
  there(111, 501, FIN | ACK);
  expect(state(lab)).toBe('120 FIN_WAIT');
  back(501, 112, ACK);
  expect(state(lab)).toBe('60 CLOSE_WAIT');
  back(501, 112, FIN | ACK);
  expect(state(lab)).toBe('30 LAST_ACK');
  there(112, 502, ACK);
  expect(state(lab)).toBe('120 TIME_WAIT');
  // The same ports again: a new connection.
  there(9000, 0, SYN);
  expect(state(lab)).toBe('120 SYN_SENT');
  expect(lab.table()).toHaveLength(1);
  lab.finish();
});

test('a SYN sent again: its entry gets no more time, and a reset before an answer ends it', () => {
  const lab = tracked();
  lab.tcp(OUT, { seq: 100, flags: SYN });
  lab.wait(50);
  lab.tcp(OUT, { seq: 100, flags: SYN });
  expect(state(lab)).toBe('70 SYN_SENT');
  lab.tcp(OUT, { seq: 101, flags: RST });
  expect(lab.table()).toEqual([]);
  lab.finish();
});

function established(lab: Lab): void {
  lab.tcp(OUT, { seq: 100, flags: SYN });
  lab.tcp(mirror(OUT), { seq: 500, ack: 101, flags: SYN | ACK }, lab.outside);
  lab.tcp(OUT, { seq: 101, ack: 501 });
}

const DROP_INVALID = '*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n';

test.each([
  ['beyond the window', { seq: 101 + 2000, ack: 501 }, 0],
  ['that acknowledges what was never sent', { seq: 101, ack: 501 + 5000 }, 0],
  ['in the window', { seq: 101, ack: 501, payload: new Uint8Array(100) }, 1],
  ['with SYN and FIN', { seq: 101, ack: 501, flags: SYN | FIN }, 0],
])('a segment %s', (_, segment, forwarded) => {
  const lab = new Lab(DROP_INVALID);
  established(lab);
  expect(lab.tcp(OUT, segment)).toHaveLength(forwarded);
  lab.finish();
});

test('resets: an old one is invalid; one within the window, but not in place, ends nothing; the right one does', () => {
  const lab = new Lab(DROP_INVALID);
  established(lab);
  lab.tcp(mirror(OUT), { seq: 501, ack: 101 }, lab.outside);
  expect(lab.tcp(mirror(OUT), { seq: 400, flags: RST }, lab.outside)).toHaveLength(0);
  lab.tcp(mirror(OUT), { seq: 510, flags: RST }, lab.outside);
  expect(state(lab)).toMatch(/ESTABLISHED$/);
  lab.tcp(mirror(OUT), { seq: 501, flags: RST }, lab.outside);
  expect(state(lab)).toBe('10 CLOSE');
  lab.finish();
});

test('a connection older than the tracker is picked up, unless nf_conntrack_tcp_loose is 0', () => {
  const lab = tracked();
  lab.tcp(OUT, { seq: 7000, ack: 8000 });
  lab.tcp(mirror(OUT), { seq: 8000, ack: 7000 }, lab.outside);
  expect(lab.table()[0]).toContain('ESTABLISHED');
  lab.ct.sysctl.nf_conntrack_tcp_loose = 0;
  lab.tcp({ ...OUT, sport: 4001 }, { seq: 7000, ack: 8000 });
  expect(lab.table()).toHaveLength(1);
  expect(lab.ct.stat.invalid).toBe(1);
  lab.finish();
});

test('an ICMP error about a flow is RELATED, one about nothing INVALID', () => {
  const lab = new Lab(
    '*filter\n:FORWARD DROP\n-A FORWARD -m state --state RELATED -j ACCEPT\n-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n',
  );
  lab.udp(OUT);
  const error = (sport: number): Uint8Array => {
    const datagram = { sourcePort: sport, destinationPort: 80, payload: new Uint8Array(4) };
    const payload = buildUdp(datagram, { source: OUT.src, destination: OUT.dst });
    const quoted = buildIpv4Packet({ source: OUT.src, destination: OUT.dst, protocol: 17, payload });
    return buildIcmp({ type: 11, code: 0, rest: 0, payload: quoted });
  };
  expect(lab.ip('192.0.2.8', OUT.src, 1, error(4000), lab.outside)).toHaveLength(1);
  expect(lab.ip('192.0.2.8', OUT.src, 1, error(4001), lab.outside)).toHaveLength(0);
  lab.finish();
});

test('raw NOTRACK: UNTRACKED, and no entry', () => {
  const lab = new Lab(
    '*raw\n-A PREROUTING -p udp -j CT --notrack\nCOMMIT\n*filter\n:FORWARD DROP\n-A FORWARD -m conntrack --ctstate UNTRACKED -j ACCEPT\nCOMMIT\n',
  );
  expect(lab.udp(OUT)).toHaveLength(1);
  expect(lab.ping(OUT, 1)).toHaveLength(0);
  expect(lab.table()).toEqual([]);
  lab.finish();
});

test('a packet that is dropped on its way makes no connection', () => {
  const lab = new Lab('*filter\n-A FORWARD -m state --state NEW -j DROP\nCOMMIT\n');
  lab.udp(OUT);
  expect(lab.table()).toEqual([]);
  expect(lab.ct.count).toBe(0);
  lab.finish();
});

test('a flood of new flows: the table stays within nf_conntrack_max, an assured flow goes on', () => {
  const lab = tracked();
  lab.ct.sysctl.nf_conntrack_max = 200;
  lab.udp(OUT);
  lab.udp(mirror(OUT), lab.outside);
  lab.wait(3);
  lab.udp(OUT);
  expect(lab.table()[0]).toContain('[ASSURED]');
  lab.ct.nf_conntrack_hash_resize(64);
  for (let i = 0; i < 2000; i++) {
    lab.udp({ ...OUT, src: `10.1.0.${3 + (i % 100)}`, sport: 10000 + i });
    expect(lab.ct.count).toBeLessThanOrEqual(200);
    if (i % 100 === 0) {
      expect(lab.udp(OUT)).toHaveLength(1);
      expect(lab.udp(mirror(OUT), lab.outside)).toHaveLength(1);
    }
  }
  expect(lab.ct.stat.early_drop).toBeGreaterThan(1000);
  expect(lab.table().filter(line => line.includes('ASSURED'))).toHaveLength(1);
  lab.finish();
});

test('a table full of assured flows: new ones are dropped and counted', () => {
  const lab = tracked();
  lab.ct.sysctl.nf_conntrack_max = 1;
  lab.udp(OUT);
  lab.udp(mirror(OUT), lab.outside);
  lab.wait(3);
  lab.udp(OUT);
  expect(lab.udp({ ...OUT, sport: 4001 })).toHaveLength(0);
  expect(lab.ct.stat.drop).toBe(1);
  expect(lab.kernel.log.at(-1)?.message).toBe('nf_conntrack: nf_conntrack: table full, dropping packet');
  lab.finish();
});

/** A connection that both sides have opened: sequence numbers 101 and 501 are next. */
function opened(lab: Lab): void {
  lab.tcp(OUT, { seq: 100, flags: SYN, window: 8192 });
  lab.tcp(mirror(OUT), { seq: 500, ack: 101, flags: SYN | ACK, window: 8192 }, lab.outside);
  lab.tcp(OUT, { seq: 101, ack: 501, flags: ACK, window: 8192 });
  lab.tcp(mirror(OUT), { seq: 501, ack: 101, flags: ACK, window: 8192 }, lab.outside);
}

test('a rule resets a tracked connection: its entry is CLOSE, for ten seconds', () => {
  const lab = new Lab(
    '*filter\n-A FORWARD -p tcp -m tcp --tcp-flags PSH PSH -j REJECT --reject-with tcp-reset\nCOMMIT\n',
  );
  lab.exec(() => nf_ct_netns_get(lab.net));
  opened(lab);
  expect(state(lab)).toBe('432000 ESTABLISHED');
  lab.tcp(OUT, { seq: 101, ack: 501, flags: ACK | PSH, payload: Uint8Array.of(1) });
  expect(state(lab)).toBe('10 CLOSE');
  lab.finish();
});

test('FIN or RST out of the window, from both sides: the entry has five minutes instead of five days', () => {
  const lab = tracked();
  opened(lab);
  lab.tcp(OUT, { seq: 9000000, ack: 501, flags: FIN | ACK });
  expect(state(lab)).toBe('432000 ESTABLISHED');
  lab.tcp(mirror(OUT), { seq: 9000000, ack: 101, flags: FIN | ACK }, lab.outside);
  expect(state(lab)).toBe('300 ESTABLISHED');
  lab.finish();
});

test('more data than the window lets through, and its ACK: both go on, and the ACK is no invalid one', () => {
  const lab = new Lab('*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n');
  opened(lab);
  const over = { seq: 101 + 8193, ack: 501, flags: ACK, payload: new Uint8Array(500) };
  expect(lab.tcp(OUT, over)).toHaveLength(1);
  expect(lab.tcp(mirror(OUT), { seq: 501, ack: 101 + 8693, flags: ACK }, lab.outside)).toHaveLength(1);
  lab.finish();
});

test('a reset on its way while the connection closes: it is not measured against windows that are out of date', () => {
  const lab = new Lab('*filter\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n');
  opened(lab);
  lab.tcp(OUT, { seq: 101, ack: 501, flags: FIN | ACK });
  expect(lab.tcp(mirror(OUT), { seq: 77, flags: RST }, lab.outside)).toHaveLength(1);
  expect(state(lab)).toMatch(/ CLOSE$/);
  lab.finish();
});

test('data that nobody reads: the packets in the receive queue hold no entry', () => {
  const lab = tracked();
  lab.host.spawn('server', function* (sys): Program {
    const fd = yield* listen(sys, 80);
    yield* sys.accept(fd, null);
    yield* sys.nanosleep(1e9);
    return 0;
  });
  lab.wait(0.01);
  const flow = { src: '10.1.0.1', dst: '10.1.0.2', sport: 4000, dport: 80 };
  const [synack] = lab.tcp(flow, { seq: 100, flags: SYN });
  const isn = new DataView((synack as { payload: Uint8Array }).payload.slice().buffer).getUint32(4);
  lab.tcp(flow, { seq: 101, ack: isn + 1, flags: ACK });
  for (let i = 0; i < 5; i++) {
    lab.tcp(flow, { seq: 101 + i * 10, ack: isn + 1, flags: ACK, payload: new Uint8Array(10) });
  }
  expect(lab.table()).toHaveLength(1);
  expect(lab.ct.conns.map(({ use }) => use)).toEqual([1]);
});
