/** Floods that fill one table after the other, while a flow that behaves goes on: each within its limit, nothing of the flow lost. */
import { expect, test } from 'vitest';
import { neigh_dump } from '../../../kernel/net/core/neighbour.ts';
import { inet_addr_add } from '../../../kernel/net/ipv4/devinet.ts';
import { in_aton, inet_ntoa } from '../../../kernel/net/ipv4/ip_header.ts';
import { Lab, mirror } from './netfilter/lab.ts';
import { arpFrame, B_MAC, icmp, ipFrame, Segment } from './segment.ts';

const GC_THRESH3 = 1024;
const FRAG_HIGH = 4 * 1024 * 1024;
/** A fragment's memory: its packet and its queue. */
const FRAG_SLACK = 4096;
const CT_MAX = 500;
const FLOW = { src: '10.1.0.1', dst: '192.0.2.9', sport: 4000, dport: 53 };
const HOST = in_aton('10.1.0.50');
const HOST_MAC = '020000000032';

/** A host whose address was learned as any other's; each echo request must be answered. */
class EchoFlow {
  asked = 0;
  private readonly segment: Segment;

  constructor(segment: Segment) {
    this.segment = segment;
    segment.receive(arpFrame({ sip: HOST, sha: HOST_MAC }));
    segment.sent.length = 0;
  }

  ask(): void {
    const { segment } = this;
    this.asked++;
    segment.receive(ipFrame(icmp(8, 0, this.asked), { src: HOST, from: HOST_MAC, to: B_MAC }));
    const answers = segment
      .take()
      .filter(frame => frame.startsWith(`${HOST_MAC}${B_MAC}0800`) && frame.slice(68, 72) === '0000');
    if (answers.length !== 1) throw new Error(`request ${this.asked}: ${answers.length} answers`);
  }
}

test('5,000 hosts ask who we are: at most gc_thresh3 are remembered, those are answered, the flow goes on', () => {
  const segment = new Segment({ prefix: 16 });
  const { arp } = segment.net.ipv4;
  const flow = new EchoFlow(segment);
  let answered = 0;
  for (let i = 0; i < 5000; i++) {
    segment.receive(arpFrame({ sip: in_aton('10.1.16.0') + i, sha: `0200000${(0x10000 + i).toString(16)}` }));
    answered += segment.take().length;
    expect(arp.gc_entries).toBeLessThanOrEqual(GC_THRESH3);
    if (i % 50 === 0) flow.ask();
    segment.wait(0.001);
  }
  expect(flow.asked).toBe(100);
  expect(answered).toBeGreaterThan(GC_THRESH3 - 10);
  expect(neigh_dump(arp).length).toBeLessThanOrEqual(GC_THRESH3);
  segment.finish();
});

test('datagrams for 5,000 hosts that do not exist: at most gc_thresh3 are asked for, the rest dropped, the flow goes on', () => {
  const segment = new Segment({ prefix: 16 });
  const { arp } = segment.net.ipv4;
  segment.net.ipv4.ip_forward = 1;
  const far = segment.device('far', '0200000000f1');
  segment.exec(() => inet_addr_add(far, in_aton('10.64.0.1'), 16));
  const flow = new EchoFlow(segment);
  for (let i = 0; i < 5000; i++) {
    const dst = in_aton('10.64.1.0') + i;
    segment.receive(ipFrame([0, 7, 0, 9, 0, 8, 0, 0], { src: HOST, from: HOST_MAC, to: B_MAC, dst, protocol: 17 }));
    expect(arp.gc_entries).toBeLessThanOrEqual(GC_THRESH3);
    expect(segment.kernel.skbs.alive).toBeLessThan(2 * GC_THRESH3);
    segment.sent.length = 0;
    if (i % 50 === 0) flow.ask();
    segment.wait(0.0001);
  }
  expect(flow.asked).toBe(100);
  expect(arp.table_fulls).toBeGreaterThan(3000);
  expect(segment.drops.filter(reason => reason === 'NEIGH_CREATEFAIL').length).toBe(arp.table_fulls);
  // What waited for an answer is told that there was none, and is gone.
  segment.wait(10);
  expect(segment.kernel.skbs.alive).toBe(0);
  segment.finish();
});

test('new flows, first fragments and unknown neighbours at once through a masquerade: an assured flow loses nothing', () => {
  const lab = new Lab(
    '*raw\n-A PREROUTING -p udp --dport 9 -j CT --notrack\nCOMMIT\n*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n',
  );
  const { ct, net } = lab;
  ct.sysctl.nf_conntrack_max = CT_MAX;
  ct.nf_conntrack_hash_resize(256);
  lab.exec(() => inet_addr_add(lab.outside, in_aton('10.64.0.1'), 16));
  const back = { ...mirror(FLOW), dst: '192.0.2.1' };
  lab.udp(FLOW);
  lab.udp(back, lab.outside);
  lab.wait(3);
  lab.udp(FLOW);
  let out = 0;
  let home = 0;
  let most = 0;
  const ROUNDS = 100;
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < 100; i++) {
      const n = round * 100 + i;
      const src = `10.1.0.${10 + (n % 200)}`;
      lab.udp({ src, dst: inet_ntoa(in_aton('10.64.1.0') + n), sport: 1024 + n, dport: 9 });
      lab.udp({ src, dst: FLOW.dst, sport: 1024 + n, dport: 10 });
      lab.ip(src, FLOW.dst, 17, new Uint8Array(1400), lab.dev, { identification: n & 0xffff, moreFragments: true });
      most = Math.max(most, net.ipv4.fqdir.mem);
      if (ct.count > CT_MAX) throw new Error(`${ct.count} connections`);
      if (net.ipv4.arp.gc_entries > GC_THRESH3) throw new Error(`${net.ipv4.arp.gc_entries} neighbours`);
    }
    out += lab.udp(FLOW).filter(({ destination }) => destination === FLOW.dst).length;
    home += lab.udp(back, lab.outside).filter(({ destination }) => destination === FLOW.src).length;
    lab.wait(0.05);
  }
  expect([out, home]).toEqual([ROUNDS, ROUNDS]);
  expect(most).toBeGreaterThan(FRAG_HIGH - FRAG_SLACK);
  expect(most).toBeLessThan(FRAG_HIGH + FRAG_SLACK);
  expect(ct.stat.early_drop).toBeGreaterThan(5000);
  expect(net.ipv4.arp.table_fulls).toBeGreaterThan(1000);
  lab.wait(40);
  ct.iterate_cleanup(() => true);
  expect([net.ipv4.fqdir.mem, lab.kernel.skbs.alive]).toEqual([0, 0]);
  lab.finish();
}, 60_000);
