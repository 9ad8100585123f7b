import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { proc_list, proc_read } from '../../../kernel/fs/proc.ts';
import { proc_create_net } from '../../../kernel/net/core/net-procfs.ts';
import { testOnLinux } from '../../needs.ts';
import { Lab } from '../net/netfilter/lab.ts';
import { icmp, ipFrame, Segment } from '../net/segment.ts';

const NAT = '*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n';

it('a host with connections: every file that is listed can be read, and no other', () => {
  const lab = new Lab(NAT);
  lab.udp({ src: '10.1.0.1', dst: '192.0.2.9' });
  const list = proc_list(lab.kernel);
  for (const name of [
    'arp',
    'dev',
    'dev_mcast',
    'fib_trie',
    'fib_triestat',
    'icmp',
    'igmp',
    'ip_tables_names',
    'netstat',
    'nf_conntrack',
    'packet',
    'ptype',
    'raw',
    'route',
    'snmp',
    'sockstat',
    'softnet_stat',
    'stat/arp_cache',
    'stat/nf_conntrack',
    'tcp',
    'udp',
  ]) {
    expect(list).toContain(`/proc/net/${name}`);
  }
  for (const path of list) {
    const text = proc_read(lab.kernel, path);
    expect([path, text?.at(-1) ?? '\n']).toEqual([path, '\n']);
    expect(typeof text).toBe('string');
  }
  expect(proc_read(lab.kernel, '/proc/net/ip_tables_names')).toBe('nat\n');
  expect(proc_read(lab.kernel, '/proc/net/nf_conntrack')).toContain('src=10.1.0.1 dst=192.0.2.9');
  const stat = (proc_read(lab.kernel, '/proc/net/stat/nf_conntrack') as string).split('\n')[1]?.split(/ +/);
  expect([stat?.[0], stat?.[8], stat?.length]).toEqual(['00000001', '00000001', 17]);
  for (const path of ['/proc/net/none', '/proc/net/toString', 'toString', '/proc/irq/999/smp_affinity', '']) {
    expect(proc_read(lab.kernel, path)).toBe(null);
  }
  lab.finish();
});

it('an echo request and a datagram to nobody: snmp and netstat count them, under Linux names', () => {
  const segment = new Segment();
  segment.receive(ipFrame(icmp(8, 0, 7)));
  segment.receive(ipFrame([0, 7, 0, 9, 0, 8, 0, 0], { protocol: 17 }));
  const read = (path: string): Record<string, Record<string, number>> =>
    tables(proc_read(segment.kernel, path) as string);
  const snmp = read('/proc/net/snmp');
  expect(snmp.Ip).toMatchObject({ Forwarding: 2, DefaultTTL: 64, InReceives: 2, InDelivers: 2, OutRequests: 2 });
  expect(snmp.Icmp).toMatchObject({ InMsgs: 1, InEchos: 1, OutMsgs: 2, OutEchoReps: 1, OutDestUnreachs: 1 });
  expect(snmp.IcmpMsg).toEqual({ InType8: 1, OutType0: 1, OutType3: 1 });
  expect(snmp.Udp).toMatchObject({ InDatagrams: 0, NoPorts: 1 });
  expect(read('/proc/net/netstat').IpExt).toMatchObject({ InNoECTPkts: 2, InOctets: 56 });
  segment.finish();
});

it('parts of one file that come in any order: shown by their places', () => {
  const segment = new Segment();
  proc_create_net(segment.net, 'parts', () => 'b\n', 2);
  proc_create_net(segment.net, 'parts', () => 'a\n', 1);
  expect(proc_read(segment.kernel, '/proc/net/parts')).toBe('a\nb\n');
  segment.finish();
});

testOnLinux()('this machine beside ours: the same tables, the same names in the same order', () => {
  const segment = new Segment();
  const names = (text: string): string[] =>
    text
      .split('\n')
      .filter((line, i, all) => line.split(':')[0] === all[i + 1]?.split(':')[0])
      .filter(line => /^(Ip|Icmp|Tcp|Udp|UdpLite|TcpExt|IpExt):/.test(line));
  for (const path of ['/proc/net/snmp', '/proc/net/netstat']) {
    const ours = names(proc_read(segment.kernel, path) as string);
    expect(ours.length).toBeGreaterThan(0);
    expect(ours).toEqual(names(readFileSync(path, 'utf8')));
  }
  const words = (text: string): string[] =>
    text
      .split('\n')
      .filter(line => /^(sockets|TCP|UDP|UDPLITE|RAW|FRAG):/.test(line))
      .map(line => line.replaceAll(/\d+/g, 'N'));
  expect(words(proc_read(segment.kernel, '/proc/net/sockstat') as string)).toEqual(
    words(readFileSync('/proc/net/sockstat', 'utf8')),
  );
  const head = (text: string | null): string | undefined => text?.split('\n')[0];
  for (const path of [
    '/proc/net/dev',
    '/proc/net/tcp',
    '/proc/net/stat/arp_cache',
    '/proc/net/arp',
    '/proc/net/igmp',
  ]) {
    expect(head(proc_read(segment.kernel, path))).toBe(head(readFileSync(path, 'utf8')));
  }
  segment.finish();
});

/** Tables of two lines each: names and values. */
function tables(text: string): Record<string, Record<string, number>> {
  const lines = text.split('\n');
  const all: Record<string, Record<string, number>> = {};
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [table, ...names] = (lines[i] as string).split(' ');
    const values = (lines[i + 1] as string).split(' ').slice(1).map(Number);
    all[(table as string).slice(0, -1)] = Object.fromEntries(names.map((name, at) => [name, values[at] as number]));
  }
  return all;
}
