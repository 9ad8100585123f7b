import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileFilter } from '../../../harness/filter/compile.ts';
import { frameFilter } from '../../../harness/filter/filter.ts';
import { bpfImage, decimalProgram, listProgram, parseDecimalProgram } from '../../../harness/filter/image.ts';
import { FilterError, scan } from '../../../harness/filter/scanner.ts';
import { bpf_check_classic } from '../../../kernel/net/core/filter.ts';
import { SO_ATTACH_FILTER, SOL_SOCKET } from '../../../kernel/net/core/sock.ts';
import {
  AF_INET,
  AF_PACKET,
  MSG_DONTWAIT,
  SOCK_DGRAM,
  SOCK_RAW,
  sockaddr_in,
  sockopt,
} from '../../../kernel/net/msg.ts';
import { socketBench } from '../../kernel/net/bench.ts';
import { capturedFrames, Expressions } from './expressions.ts';

const kinds = (text: string): string =>
  scan(text)
    .map(({ kind }) => kind)
    .join(' ');

/** The message, and the rest of the expression from where it points. */
function refusal(expression: string): [message: string, rest: string] {
  try {
    compileFilter(expression);
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    return [error.message, expression.slice(error.position)];
  }
  return ['accepted', ''];
}

describe('words', () => {
  test.each([
    ['tcp port 80', 'word word num end'],
    ['5-3', 'name end'],
    ['5 - 3', 'num op num end'],
    ['10.1', 'ipv4 end'],
    ['10.1.0.1/24', 'ipv4 op num end'],
    ['10.1.0.1.5', 'name end'],
    ['fe80::1', 'ipv6 end'],
    ['::', 'ipv6 end'],
    ['::ffff:10.1.0.1', 'ipv6 end'],
    ['1:2:3:4:5:6:7:8', 'ipv6 end'],
    ['1:2:3:4:5:6', 'mac end'],
    ['1-2-3-4-5-6', 'mac end'],
    ['0011.2233.4455', 'mac end'],
    ['001122334455', 'mac end'],
    ['tcp[0:2]', 'word op num op num op end'],
    ['tcp-syn', 'num end'],
    ['tcp-synx', 'name end'],
    ['\\tcp', 'name end'],
    ['!=!==<<<=', 'op op op op op end'],
    ['toString constructor', 'name name end'],
  ])('%s', (text, expected) => {
    expect(kinds(text)).toBe(expected);
  });

  test('numbers: decimal, octal, hexadecimal, by name', () => {
    expect(scan('10 010 0x10 icmp-echo 4294967295').map(({ value }) => value)).toEqual([10, 8, 16, 8, 4294967295, 0]);
  });
});

test.each([
  ['tcp and', 'syntax error at the end', ''],
  ['tcp tcp', 'syntax error at "tcp"', 'tcp'],
  ['(tcp', 'syntax error at the end', ''],
  ['tcp)', 'syntax error at ")"', ')'],
  ['10.1.0.1', 'syntax error at "10.1.0.1"', '10.1.0.1'],
  ['port ((80 or 443))', 'syntax error at "("', '(80 or 443))'],
  ['(port 80) or 443', 'syntax error at "443": what kind of name or number is it?', '443'],
  ['ip[0] = 1 = 2', 'syntax error at "="', '= 2'],
  ['tcp @ udp', '"@" is not part of any word', '@ udp'],
  ['host 08', 'number 08 contains non-octal digit', '08'],
  ['len > 4294967296', 'number 4294967296 overflows 32 bits', '4294967296'],
  ['port 65536', 'illegal port number 65536 > 65535', '65536'],
  ['udp port http', "port 'http' is tcp", 'http'],
  ['arp port 5', "illegal qualifier of 'port'", '5'],
  ['host 1.2.3.256', "invalid IPv4 address '1.2.3.256'", '1.2.3.256'],
  ['net 10.1.0.1/24', 'non-network bits set in "10.1.0.1"', '10.1.0.1/24'],
  ['net 10.0.0.0/33', 'mask length must be <= 32', '33'],
  ['host 10.1.0.0/16', 'Mask syntax for networks only', '10.1.0.0/16'],
  ['tcp and ip6 host 10.1.0.1', "'ip6' modifier applied to ip host", '10.1.0.1'],
  ['host example.org', "unknown host 'example.org': names are not looked up", 'example.org'],
  ['gateway 10.1.0.1', "'gateway' modifier applied to ip host", '10.1.0.1'],
  ['gateway router', "'gateway' is not supported", 'router'],
  ['ip protochain 6', "'protochain' is not supported", '6'],
  ['tcp[0:3] = 1', 'data size must be 1, 2, or 4', 'tcp[0:3] = 1'],
  ['iso[0] = 1', 'unsupported index operation', 'iso[0] = 1'],
  ['vlan 4096', 'VLAN tag 4096 greater than maximum 4095', 'vlan 4096'],
  ['mpls and vlan', 'no VLAN match after MPLS', 'vlan'],
  ['ip[0] / 0 = 1', 'division by zero', 'ip[0] / 0 = 1'],
  ['len << 32 = 1', 'shift by more than 31 bits', 'len << 32 = 1'],
  ['ip and arp', 'expression rejects all packets', 'ip and arp'],
  ['type mgt', "'type' is for 802.11 only", 'type mgt'],
  ['inbound', "'inbound' is not known of a captured frame", 'inbound'],
  ['1:2:3', 'bogus ethernet address 1:2:', '1:2:3'],
])('%s: refused, with what and where', (expression, message, rest) => {
  expect(refusal(expression)).toEqual([message, rest]);
});

test('nesting has a limit, and it is not the stack', () => {
  expect(refusal(`${'('.repeat(100)}tcp${')'.repeat(100)}`)[0]).toBe('accepted');
  expect(refusal(`${'('.repeat(2000)}tcp${')'.repeat(2000)}`)[0]).toBe('nested too deeply');
  expect(refusal(`${'not '.repeat(4000)}tcp`)[0]).toBe('nested too deeply');
  expect(refusal(`${'- '.repeat(4000)}len = 1`)[0]).toBe('accepted');
  expect(refusal(`len${' + 1'.repeat(2000)} = 1`)[0]).toBe('accepted');
  expect(refusal(`tcp${' or tcp'.repeat(2000)}`)[0]).toBe('accepted');
  expect(refusal(`tcp${' or udp'.repeat(5000)}`)[0]).toBe('more than 4096 words');
  const nested = (depth: number): string => (depth === 0 ? 'len' : `len + (${nested(depth - 1)})`);
  expect(refusal(`${nested(14)} = 1`)[0]).toBe('accepted');
  expect(refusal(`${nested(20)} = 1`)[0]).toBe('out of registers needed to evaluate expression');
});

test('whatever the text, it is compiled to a program that a kernel takes, or refused with a position in it', () => {
  const word = fc.constantFrom(
    ...'tcp udp ip ip6 port host net src dst and or not ( ) [ ] : 80 0 10.1 ::1 1:2:3:4:5:6 = < & + - * % ^ len vlan mask /'.split(
      ' ',
    ),
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(word, { maxLength: 12 }).map(words => words.join(' ')),
  );
  fc.assert(
    fc.property(text, expression => {
      let program: ReturnType<typeof compileFilter>;
      try {
        program = compileFilter(expression);
      } catch (error) {
        if (!(error instanceof FilterError)) throw error;
        return error.position >= 0 && error.position <= expression.length;
      }
      return bpf_check_classic(program) === 0;
    }),
    { numRuns: 3000 },
  );
});

test('programs of random expressions pass the check, optimised or not', () => {
  const expressions = new Expressions(9);
  let compiled = 0;
  for (let i = 0; i < 1500; i++) {
    const expression = expressions.next();
    if (refusal(expression)[0] !== 'accepted') continue;
    compiled++;
    const optimized = compileFilter(expression);
    const written = compileFilter(expression, { optimize: false });
    expect([expression, bpf_check_classic(optimized), bpf_check_classic(written)]).toEqual([expression, 0, 0]);
    expect(optimized.length).toBeLessThanOrEqual(written.length);
  }
  expect(compiled).toBeGreaterThan(900);
});

test('a program in tcpdump’s two formats', () => {
  const program = compileFilter('icmp or udp port 53', { snaplen: 96 });
  expect(listProgram(program)).toEqual(
    [
      '(000) ldh      [12]',
      '(001) jeq      #0x800           jt 2\tjf 4',
      '(002) ldb      [23]',
      '(003) jeq      #0x1             jt 19\tjf 11',
      '(004) jeq      #0x86dd          jt 5\tjf 20',
      '(005) ldb      [20]',
      '(006) jeq      #0x11            jt 7\tjf 20',
      '(007) ldh      [54]',
      '(008) jeq      #0x35            jt 19\tjf 9',
      '(009) ldh      [56]',
      '(010) jeq      #0x35            jt 19\tjf 20',
    ].concat(listProgram(program).slice(11)),
  );
  expect(decimalProgram(program).slice(0, 3)).toEqual([String(program.length), '40 0 0 12', '21 0 2 2048']);
  expect(parseDecimalProgram(decimalProgram(program).join('\n'))).toEqual(program);
  for (const bad of ['', '1', '2\n6 0 0 0', '1\n6 0 0', '1\n6 0 0 x', '1\n6 0 256 0', '1\n6 0 0 4294967296']) {
    expect(parseDecimalProgram(bad)).toBeUndefined();
  }
  expect(bpfImage({ code: 5, jt: 0, jf: 0, k: 3 }, 1)).toBe('(001) ja       5');
  expect(bpfImage({ code: 0xff, jt: 0, jf: 0, k: 3 }, 1)).toContain('unimp');
});

test('a predicate over frames; one that is cut short has the length it had on the wire', () => {
  const frames = capturedFrames();
  const icmp = frames.filter(frame => frameFilter('icmp')(frame));
  expect(icmp.length).toBeGreaterThan(20);
  expect(icmp.every(frame => frame[23] === 1)).toBe(true);
  expect(frames.every(frame => frameFilter('')(frame))).toBe(true);
  const long = frameFilter('greater 1000');
  expect([long(new Uint8Array(60)), long(new Uint8Array(60), 1500)]).toEqual([false, true]);
});

test('for a socket: direction and interface, and the tap gets what the expression says', () => {
  const bench = socketBench();
  const { u8 } = bench.kernel.ram;
  bench.program(function* (sys) {
    const taps: number[] = [];
    for (const expression of ['outbound and udp port 7', 'inbound and udp port 7', 'ifindex 2', 'udp[8] = 3', 'ip']) {
      const tap = yield* sys.socket(AF_PACKET, SOCK_RAW, 3);
      const option = new sockopt();
      option.filter = compileFilter(expression, { live: true, snaplen: 60 });
      expect(yield* sys.setsockopt(tap, SOL_SOCKET, SO_ATTACH_FILTER, option)).toBe(0);
      taps.push(tap);
    }
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    const to = new sockaddr_in(0x7f000001, 7);
    yield* sys.bind(fd, to);
    const buffer = sys.mmap(256);
    for (const first of [1, 2, 3]) {
      u8[buffer] = first;
      yield* sys.sendto(fd, buffer, 100, 0, to);
    }
    const counts: number[] = [];
    for (const tap of taps) {
      let count = 0;
      while ((yield* sys.recv(tap, buffer, 256, MSG_DONTWAIT)) === 60) count++;
      counts.push(count);
    }
    // Each datagram passes the loopback's taps twice: going out, and coming in.
    expect(counts).toEqual([3, 3, 0, 2, 6]);
  });
  expect(bench.finish()).toEqual([]);
});
