import { expect, test } from 'vitest';
import { iptables, iptables_restore } from '../../../../harness/shell/iptables.ts';
import { br_add_bridge, br_add_if } from '../../../../kernel/net/bridge/br_if.ts';
import { br_netfilter_fini, br_netfilter_init } from '../../../../kernel/net/bridge/br_netfilter_hooks.ts';
import { ebt_do_replace, ebt_get_entries } from '../../../../kernel/net/bridge/ebtables.ts';
import { dev_open } from '../../../../kernel/net/core/dev.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { arpt_do_replace } from '../../../../kernel/net/ipv4/netfilter/arp_tables.ts';
import { NF_ACCEPT, NF_DROP } from '../../../../kernel/net/netfilter/core.ts';
import { nf_conntrack_format } from '../../../../kernel/net/netfilter/nf_conntrack_standalone.ts';
import { ALL, arpFrame, bytesOf, icmp, ipFrame, Segment } from '../segment.ts';

const X = '020000000010';
const Y = '020000000020';
const ANY = { pcnt: 0, bcnt: 0 };

/** br0 with p0 and p1, 10.6.0.2/24; X is behind p0, Y behind p1. */
function setUp(module = true) {
  const segment = new Segment({ address: null });
  const p0 = segment.device('p0', '0200000000a0');
  const p1 = segment.device('p1', '0200000000a1');
  const br = segment.exec(() => {
    const dev = br_add_bridge(segment.kernel, 'br0');
    if (typeof dev === 'number') throw new Error(`br_add_bridge: ${dev}`);
    br_add_if(dev, p0);
    br_add_if(dev, p1);
    dev_open(dev);
    inet_addr_add(dev, in_aton('10.6.0.2'), 24);
    if (module) br_netfilter_init(segment.net);
    return dev;
  });
  segment.receive(bytesOf(`${X}${Y}88b50102`), p1);
  segment.take();
  const forward = (id = 1): number => {
    const ip = { from: X, to: Y, src: in_aton('10.6.0.10'), dst: in_aton('10.6.0.20') };
    segment.receive(ipFrame(icmp(8, 0, (id << 16) | 1), ip), p0);
    return segment.take().length;
  };
  const load = (rules: string): void => expect(iptables_restore(segment.kernel, rules).stderr).toBe('');
  const lines = (): string[] => iptables(segment.kernel, ['-S', '-v']).stdout.split('\n');
  return { segment, br, p0, p1, forward, load, lines };
}

test('bridged IP sees FORWARD with bridge-nf-call-iptables, by the ports; without it, or without the module, not', () => {
  const { segment, forward, load, lines } = setUp();
  load('*filter\n-A FORWARD -i br0 -o br0 -m physdev --physdev-in p0 --physdev-out p1 -j DROP\nCOMMIT\n');
  expect(forward()).toBe(0);
  expect(segment.drops).toEqual(['NETFILTER_DROP']);
  expect(lines()[3]).toContain('-c 1 28 ');
  segment.net.nf.bridge.call_iptables = 0;
  expect(forward()).toBe(1);
  segment.net.nf.bridge.call_iptables = 1;
  br_netfilter_fini(segment.net);
  expect(forward()).toBe(1);
  segment.finish();
});

test('a bridged flow is tracked, and confirmed once though it is flooded', () => {
  const { segment, forward, load } = setUp();
  load('*filter\n-A FORWARD -m state --state NEW -j ACCEPT\nCOMMIT\n');
  expect(forward(5)).toBe(1);
  expect(nf_conntrack_format(segment.net)).toContain('src=10.6.0.10 dst=10.6.0.20 type=8 code=0 id=5');
  segment.finish();
});

test("a packet for this host through the bridge passes IP's PRE_ROUTING once", () => {
  const { segment, br, p0, load } = setUp();
  load('*raw\n-A PREROUTING -p icmp\nCOMMIT\n*filter\n-A INPUT -m physdev --physdev-in p0 -p icmp\nCOMMIT\n');
  const to = [...br.dev_addr].map(b => b.toString(16).padStart(2, '0')).join('');
  const dst = in_aton('10.6.0.2');
  segment.receive(ipFrame(icmp(8, 0, 1), { from: X, to, src: in_aton('10.6.0.10'), dst }), p0);
  const raw = iptables(segment.kernel, ['-t', 'raw', '-S', '-v']).stdout;
  expect(raw).toContain('-A PREROUTING -p icmp -c 1 28');
  expect(iptables(segment.kernel, ['-S', '-v']).stdout).toContain('-c 1 28');
  segment.finish();
});

test('DNAT of a bridged packet to this host: it is delivered here', () => {
  const { segment, p0, load, lines } = setUp();
  load(
    '*nat\n-A PREROUTING -d 10.6.0.20 -j DNAT --to-destination 10.6.0.2\nCOMMIT\n*filter\n-A INPUT -d 10.6.0.2 -j ACCEPT\nCOMMIT\n',
  );
  const ip = { from: X, to: Y, src: in_aton('10.6.0.10'), dst: in_aton('10.6.0.20') };
  segment.receive(ipFrame(icmp(8, 0, 1), ip), p0);
  expect(lines()[3]).toContain('-c 1 28 ');
  segment.finish();
});

test('a broken IP packet on the bridge: dropped only where IP looks at it', () => {
  const { segment, p0 } = setUp();
  const ip = { from: X, to: Y, src: in_aton('10.6.0.10'), dst: in_aton('10.6.0.20'), checksum: 1 };
  segment.receive(ipFrame(icmp(8, 0, 1), ip), p0);
  expect(segment.take()).toEqual([]);
  expect(segment.drops).toEqual(['NETFILTER_DROP']);
  segment.finish();
});

test("the bridge family's filter: FORWARD by port, address and EtherType; INPUT for this host", () => {
  const { segment, p0, forward } = setUp(false);
  const broken = ebt_do_replace(segment.net, [{ name: 'NOWHERE', policy: NF_ACCEPT, rules: [] }]);
  expect(broken).toBe(-22);
  const source = [bytesOf(X), bytesOf(ALL)] as const;
  const rule = { protocol: 0x800, source, iniface: 'p+', outiface: 'p1', verdict: NF_DROP, ...ANY };
  expect(ebt_do_replace(segment.net, [{ name: 'FORWARD', policy: NF_ACCEPT, rules: [rule] }])).toBe(0);
  expect(forward()).toBe(0);
  expect(ebt_get_entries(segment.net)[0]?.rules[0]).toMatchObject({ pcnt: 1, bcnt: 28 });
  ebt_do_replace(segment.net, [{ name: 'FORWARD', policy: NF_ACCEPT, rules: [{ ...rule, invert: ['source'] }] }]);
  expect(forward()).toBe(1);
  ebt_do_replace(segment.net, [{ name: 'INPUT', policy: NF_DROP, rules: [] }]);
  segment.receive(arpFrame({ sha: X, sip: in_aton('10.6.0.10'), tip: in_aton('10.6.0.2') }), p0);
  // Flooded, and not answered.
  expect(segment.take()).toHaveLength(1);
  segment.finish();
});

test("ARP's filter: a question that INPUT drops is not answered; OUTPUT drops the answer", () => {
  const segment = new Segment();
  segment.receive(arpFrame());
  expect(segment.take()).toHaveLength(1);
  const rule = { op: 1, src: [in_aton('10.1.0.1'), -1] as const, verdict: NF_DROP, ...ANY };
  arpt_do_replace(segment.net, [{ name: 'INPUT', policy: NF_ACCEPT, rules: [rule] }]);
  segment.receive(arpFrame());
  expect(segment.take()).toEqual([]);
  arpt_do_replace(segment.net, [{ name: 'OUTPUT', policy: NF_DROP, rules: [] }]);
  segment.receive(arpFrame());
  expect(segment.take()).toEqual([]);
  expect(segment.drops).toEqual(['NETFILTER_DROP', 'NETFILTER_DROP']);
  segment.finish();
});
