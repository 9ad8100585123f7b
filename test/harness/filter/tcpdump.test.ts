/** Our compiler against the real tcpdump. The long test does it for ten thousand expressions. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileFilter } from '../../../harness/filter/compile.ts';
import { decimalProgram, listProgram } from '../../../harness/filter/image.ts';
import { linkProtocolByName, protocolByName, serviceByName } from '../../../harness/filter/names.ts';
import { FilterError } from '../../../harness/filter/scanner.ts';
import { testWith } from '../../needs.ts';
import { capturedFrames, captureOf, Expressions, testFrames } from './expressions.ts';
import { compareWithTcpdump, tcpdumpProgram, tcpdumpVerdicts, verdictsOf } from './tcpdump.ts';

let folder = '';
let file = '';
const frames = testFrames(1);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringside-filter-'));
  file = join(folder, 'frames.pcapng');
  writeFileSync(file, captureOf(frames));
});

afterAll(() => rmSync(folder, { recursive: true }));

testWith('tcpdump')(
  'random expressions: the same verdict on every frame, the same ones refused',
  { timeout: 60_000 },
  () => {
    const result = compareWithTcpdump(new Expressions(1), file, frames, 250, false);
    expect(result.mixed).toBeGreaterThan(100);
    expect(result.expressionsStopped).toBeLessThanOrEqual(2);
  },
);

testWith('tcpdump')("tcpdump's own programs give its verdicts in our interpreter", { timeout: 60_000 }, () => {
  const result = compareWithTcpdump(new Expressions(4), file, frames, 40, true);
  expect(result.mixed).toBeGreaterThan(15);
});

const PECULIAR = [
  'port 80',
  'tcp src port 80 or 443',
  'tcp port 80 or not 443',
  'src or dst port 80 and not (22 or 53)',
  'port (80 or (443 or 22))',
  'port ((80) or 443)',
  'host 10.1.0.1 and 10.1.0.2',
  'src net 10.1',
  'net 10',
  'host 10.1',
  'vlan',
  'vlan 5 and tcp port 80',
  'not vlan and ip',
  'vlan 7 and vlan 5 and host 10.1.0.1',
  'ip or vlan and tcp',
  'mpls and mpls 7 and host 10.1.0.1',
  'pppoes 5 and tcp',
  'pppoes and ip6 host fd00:1::1',
  'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0',
  'tcp[13] = 2 or udp[0:2] = 53',
  'icmp[icmptype] = icmp-echo or icmp6[icmp6type] == icmp6-neighborsolicit',
  'ip[0] & 0xf != 5',
  'ip[2:2] - ((ip[0]&0xf)<<2) - ((tcp[12]&0xf0)>>2) != 0',
  'ip[6:2] & 0x1fff = 0 and ip[6] & 0x20 != 0',
  'ether[0] & 1 = 0 and ip[16] >= 224',
  '1 + tcp[0] = 1',
  'ip[-1] = 1 or tcp[-20] = 0x45',
  '6 % 4 * 2 = 6 or len / 2 % 3 * 2 = 1',
  '-len & 0xff > 0x80',
  'ip proto 6 and not ip6 proto \\udp',
  'proto 44',
  'ether proto 0x42 or llc',
  'iso or ipx or atalk or netbeui or stp',
  'l1 or l2 or csnp',
  'net fe80::/10 or net ff00::/8',
  'host ::ffff:10.1.0.1',
  'ip broadcast or ip multicast or ip6 multicast',
  'less 60 or greater 1500',
  'portrange 100-50 or udp portrange domain-http',
  '',
];

testWith('tcpdump').each(PECULIAR)("'%s': the same verdict on every frame", expression => {
  expect(verdictsOf(compileFilter(expression), frames)).toEqual(tcpdumpVerdicts(file, expression, frames.length));
});

testWith('tcpdump')('as written: the same program, instruction for instruction, where there is no arithmetic', () => {
  for (const expression of [
    'tcp',
    'arp or rarp',
    'ether host 1:2:3:4:5:6',
    'vlan 5 and ip',
    'ip multicast',
    'mpls 5 and ip',
  ]) {
    expect(decimalProgram(compileFilter(expression, { optimize: false })), expression).toEqual(
      decimalProgram(tcpdumpProgram(file, expression, true)),
    );
  }
});

testWith('tcpdump').each([
  'icmp',
  'tcp[13] & 3 != len',
  'host 10.1.0.1 and port 80',
  '-ip[0] * 2 / 3 << 1 > 5 ^ 7 | len',
])('the listing of -d, for the program of %s', expression => {
  const { stdout } = spawnSync('tcpdump', ['-d', '-r', file, '--', expression], { encoding: 'utf8' });
  expect(listProgram(tcpdumpProgram(file, expression)).join('\n')).toBe(stdout.trimEnd());
});

/** Two programs of more than 255 instructions: jumps that need a bridge. */
testWith('tcpdump')('long programs', () => {
  const hosts = Array.from({ length: 120 }, (_, i) => `host 10.1.${i}.1`);
  for (const expression of [
    hosts.join(' or '),
    `not (${hosts.join(' or ')}) and ip`,
    `(${hosts.join(' or ')}) and tcp port 80`,
  ]) {
    expect(verdictsOf(compileFilter(expression), frames)).toEqual(tcpdumpVerdicts(file, expression, frames.length));
    expect(verdictsOf(compileFilter(expression, { optimize: false }), frames)).toEqual(
      tcpdumpVerdicts(file, expression, frames.length),
    );
  }
});

describe('known differences', () => {
  test.each([
    ['geneve', 'its header has options, and its offsets would be known at run time only'],
    ['byte 5 = 3', 'not documented, and wrong in libpcap for & and |'],
    ['ip protochain 6', 'a loop, which no kernel accepts'],
    ['ip6 protochain 6', 'a loop, which no kernel accepts'],
    ['host localhost', 'names of hosts are not looked up: no simulation may depend on a name server'],
    ['net loopback', 'names of networks are not looked up'],
    ['decnet host 1.2', 'DECnet addresses: nobody has them any more'],
    ['port nfs', 'only the most common services are known by name'],
  ])('%s: tcpdump takes it, we refuse it: %s', expression => {
    expect(() => compileFilter(expression)).toThrow(FilterError);
  });

  testWith('tcpdump')('a mask of all ones compared with 0: libpcap 1.10 loses the comparison, we do not', () => {
    const masked = 'tcp[8:4] & 0xffffffff = 0';
    expect(tcpdumpVerdicts(file, masked, frames.length)).toEqual(frames.map(() => false));
    const plain = tcpdumpVerdicts(file, 'tcp[8:4] = 0', frames.length);
    expect(plain).toContain(true);
    expect(verdictsOf(compileFilter(masked), frames)).toEqual(plain);
  });
});

describe('names', () => {
  const names = (text: string): string[] => text.split(' ');

  testWith('tcpdump')('of services and protocols mean what the system means', () => {
    const captured = capturedFrames().slice(0, 1);
    const path = join(folder, 'one.pcapng');
    writeFileSync(path, captureOf(captured));
    for (const name of names(
      'echo ftp-data ftp ssh telnet smtp domain bootps tftp http pop3 ntp imap2 snmp bgp ldap https imaps',
    )) {
      expect(serviceByName(name), name).toBeDefined();
      expect(decimalProgram(tcpdumpProgram(path, `port ${name}`, true)), name).toEqual(
        decimalProgram(compileFilter(`port ${name}`, { optimize: false })),
      );
    }
    for (const name of names('icmp igmp tcp udp ipv6 gre esp ah ipv6-icmp ospf pim vrrp sctp')) {
      expect(protocolByName(name), name).toBeDefined();
      expect(decimalProgram(tcpdumpProgram(path, `ip proto \\${name}`, true)), name).toEqual(
        decimalProgram(compileFilter(`ip proto \\${name}`, { optimize: false })),
      );
    }
    for (const name of names('aarp arp atalk decnet ip ip6 lat loopback mopdl moprc rarp sca iso stp ipx netbeui')) {
      expect(linkProtocolByName(name), name).toBeDefined();
      expect(decimalProgram(tcpdumpProgram(path, `ether proto \\${name}`, true)), name).toEqual(
        decimalProgram(compileFilter(`ether proto \\${name}`, { optimize: false })),
      );
    }
  });
});
