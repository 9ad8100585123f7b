import { expect, test } from 'vitest';
import { parseTcp, tcpChecksumOk } from '../../../../harness/packet/tcp.ts';
import { NF_ACCEPT, nf_register_net_hook } from '../../../../kernel/net/netfilter/core.ts';
import { A } from '../segment.ts';
import { ACK, icmpOf, Lab, RST, SYN } from './lab.ts';

const OUT = { src: '10.1.0.1', dst: '192.0.2.9', sport: 4000, dport: 80 };
const IN = { src: '10.1.0.1', dst: '10.1.0.2', sport: 4000, dport: 80 };

test('hooks of several priorities, registered in any order: they run by priority', () => {
  const lab = new Lab();
  const order: number[] = [];
  for (const priority of [0, -300, 100, -100]) {
    const hook = (): number => {
      order.push(priority);
      return NF_ACCEPT;
    };
    nf_register_net_hook(lab.net, { hook, pf: 2, hooknum: 2, priority });
  }
  lab.udp(OUT);
  expect(order).toEqual([-300, -100, 0, 100]);
  lab.finish();
});

test('user chains: jump, return, goto, policy; every rule and policy counts', () => {
  const lab = new Lab(`*filter
:FORWARD DROP [0:0]
:a - [0:0]
:b - [0:0]
-A FORWARD -j a
-A FORWARD -p udp --dport 80 -j ACCEPT
-A a -p udp --dport 81 -g b
-A a -p udp --dport 80 -j RETURN
-A a -p udp --dport 82 -j ACCEPT
-A b -p udp
COMMIT
`);
  expect(lab.udp(OUT)).toHaveLength(1);
  expect(lab.udp({ ...OUT, dport: 82 })).toHaveLength(1);
  // Behind a goto comes the rule after the jump that led there.
  expect(lab.udp({ ...OUT, dport: 81 })).toHaveLength(0);
  expect(lab.drops).toEqual(['NETFILTER_DROP']);
  expect(lab.iptables('-S -v').split('\n')).toEqual([
    '-P INPUT ACCEPT -c 0 0',
    '-P FORWARD DROP -c 1 31',
    '-P OUTPUT ACCEPT -c 0 0',
    '-N a',
    '-N b',
    '-A FORWARD -c 3 93 -j a',
    '-A FORWARD -p udp -m udp --dport 80 -c 1 31 -j ACCEPT',
    '-A a -p udp -m udp --dport 81 -c 1 31 -g b',
    '-A a -p udp -m udp --dport 80 -c 1 31 -j RETURN',
    '-A a -p udp -m udp --dport 82 -c 1 31 -j ACCEPT',
    '-A b -p udp -c 1 31',
    '',
  ]);
  lab.finish();
});

test('chains that call each other in a ring: refused, the table stays', () => {
  const lab = new Lab('*filter\n:a - [0:0]\n:b - [0:0]\n-A INPUT -j a\n-A a -j b\nCOMMIT\n');
  expect(lab.iptables('-A b -j a')).toBe('iptables: Too many levels of symbolic links.\n');
  expect(lab.iptables('-S b')).toBe('-N b\n');
  lab.finish();
});

test.each([
  ['net', 0],
  ['host', 1],
  ['proto', 2],
  ['port', 3],
])('REJECT with icmp-%s-unreachable', (name, code) => {
  const lab = new Lab(`*filter\n-A INPUT -p udp -j REJECT --reject-with icmp-${name}-unreachable\nCOMMIT\n`);
  const [answer] = lab.udp(IN);
  expect(answer).toMatchObject({ source: IN.dst, destination: IN.src });
  expect(icmpOf(answer)).toMatchObject({ type: 3, code });
  lab.finish();
});

test('REJECT with a reset: as the receiver would have sent it, to a SYN and to an ACK; none to a reset', () => {
  const lab = new Lab('*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n');
  const [syn] = lab.tcp(OUT, { seq: 100, flags: SYN });
  if (syn === undefined) throw new Error('no answer');
  expect(syn).toMatchObject({ source: OUT.dst, destination: OUT.src, dontFragment: true, timeToLive: 64 });
  expect(tcpChecksumOk(syn.payload, syn)).toBe(true);
  expect(parseTcp(syn.payload)).toMatchObject({
    sourcePort: 80,
    destinationPort: 4000,
    sequence: 0,
    acknowledgment: 101,
    flags: RST | ACK,
  });
  const [ack] = lab.tcp(OUT, { seq: 100, ack: 777, payload: new Uint8Array(5) });
  expect(parseTcp(ack?.payload ?? new Uint8Array())).toMatchObject({ sequence: 777, acknowledgment: 0, flags: RST });
  expect(lab.tcp(OUT, { seq: 100, flags: RST })).toEqual([]);
  lab.finish();
});

test("LOG and TRACE write Linux's lines", () => {
  const lab = new Lab(`*raw
-A PREROUTING -p icmp -j TRACE
COMMIT
*filter
-A FORWARD -p tcp -j LOG --log-prefix "fw: " --log-tcp-sequence
-A FORWARD -p icmp -j MARK --set-mark 7
COMMIT
`);
  const from = lab.kernel.log.length;
  lab.tcp(OUT, { seq: 5, ack: 6, flags: SYN | ACK, window: 99 });
  lab.ping(OUT, 3);
  const mac = 'MAC=02:00:00:00:00:02:02:00:00:00:00:01:08:00';
  const ip = 'SRC=10.1.0.1 DST=192.0.2.9';
  const icmp = `LEN=28 TOS=0x00 PREC=0x00 TTL=64 ID=7 PROTO=ICMP TYPE=8 CODE=0 ID=3 SEQ=1 `;
  const forwarded = icmp.replace('TTL=64', 'TTL=63');
  expect(lab.kernel.log.slice(from).map(({ message }) => message)).toEqual([
    `fw: IN=eth0 OUT=eth1 ${mac} ${ip} LEN=40 TOS=0x00 PREC=0x00 TTL=63 ID=7 PROTO=TCP SPT=4000 DPT=80 SEQ=5 ACK=6 WINDOW=99 RES=0x00 ACK SYN URGP=0 `,
    `TRACE: raw:PREROUTING:rule:1 IN=eth0 OUT= ${mac} ${ip} ${icmp}`.replace('rule:1', 'policy:2'),
    `TRACE: filter:FORWARD:rule:2 IN=eth0 OUT=eth1 ${mac} ${ip} ${forwarded}`,
    `TRACE: filter:FORWARD:policy:3 IN=eth0 OUT=eth1 ${mac} ${ip} ${forwarded}MARK=0x7 `,
  ]);
  lab.finish();
});

test('limit: the burst, then one for each period', () => {
  const lab = new Lab('*filter\n:FORWARD DROP\n-A FORWARD -m limit --limit 2/sec --limit-burst 3 -j ACCEPT\nCOMMIT\n');
  const passed = (n: number): number => Array.from({ length: n }, () => lab.udp(OUT).length).reduce((a, b) => a + b);
  expect(passed(10)).toBe(3);
  lab.wait(1);
  expect(passed(10)).toBe(2);
  lab.wait(100);
  expect(passed(10)).toBe(3);
  lab.finish();
});

test.each([
  ['-s 10.1.0.0/24', true],
  ['! -s 10.1.0.0/24', false],
  ['-d 192.0.2.8', false],
  ['-i eth0', true],
  ['-i eth+', true],
  ['! -i eth0', false],
  ['-o eth1', true],
  ['-o eth0', false],
  ['-p udp', true],
  ['! -p udp', false],
  ['-p udp --sport 4000', true],
  ['-p udp --sport 1:3999', false],
  ['-p udp ! --dport 80', false],
  ['-p udp -m multiport --dports 1,2,70:90', true],
  ['-p udp -m multiport ! --ports 4000', false],
  ['-p icmp', false],
  ['-f', false],
  ['! -f', true],
  ['-m mark --mark 0', true],
  ['-m addrtype --src-type UNICAST', true],
  ['-m addrtype --dst-type LOCAL', false],
  ['-m mac --mac-source 02:00:00:00:00:01', true],
  ['-m length --length 31', true],
  ['-m ttl --ttl-lt 64', true],
  ['-m pkttype --pkt-type unicast', true],
  ['-m statistic --mode nth --every 2 --packet 0', true],
  ['-m conntrack --ctstate NEW', true],
  ['-m conntrack --ctorigdst 192.0.2.0/24 --ctorigdstport 80', true],
  ['-m conntrack --ctorigsrc 192.0.2.0/24', false],
  ['-m state --state ESTABLISHED', false],
])('a datagram and the match %s: %s', (match, fits) => {
  const lab = new Lab();
  expect(lab.iptables(`-A FORWARD ${match} -j DROP`)).toBe('');
  expect(lab.udp(OUT)).toHaveLength(fits ? 0 : 1);
  lab.finish();
});

test('OUTPUT drops a datagram: its sender gets EPERM', () => {
  const lab = new Lab('*filter\n-A OUTPUT -p udp -j DROP\nCOMMIT\n');
  const results: number[] = [];
  lab.host.spawn('client', function* (sys) {
    const fd = yield* sys.socket(2, 2, 0);
    const buffer = sys.mmap(16);
    results.push(yield* sys.sendto(fd, buffer, 4, 0, sys.sockaddr(A, 9)));
    return 0;
  });
  lab.settle();
  expect(results).toEqual([-1]);
  lab.finish();
});
