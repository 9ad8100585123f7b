/** Random filter expressions, and the frames that they are held against. */
import { readdirSync, readFileSync } from 'node:fs';
import { Random } from '../../../harness/sim/random.ts';
import { readCapture } from '../../../harness/wire/pcap/read.ts';
import { PcapngWriter } from '../../../harness/wire/pcap/write.ts';

const CAPTURES = new URL('../../data/captures/', import.meta.url);

/** Every frame of every capture. */
export function capturedFrames(): Uint8Array[] {
  return readdirSync(CAPTURES)
    .filter(name => name.endsWith('.pcap'))
    .sort()
    .flatMap(name => readCapture(readFileSync(new URL(name, CAPTURES)), name).frames.map(({ data }) => data));
}

const VLAN = Uint8Array.of(0x81, 0x00, 0x20, 0x05);
const QINQ = Uint8Array.of(0x88, 0xa8, 0x00, 0x07);
const MPLS_TYPE = Uint8Array.of(0x88, 0x47);

function insert(frame: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(frame.length + bytes.length);
  result.set(frame.subarray(0, at));
  result.set(bytes, at);
  result.set(frame.subarray(at), at + bytes.length);
  return result;
}

const label = (value: number, bottom: number): Uint8Array =>
  Uint8Array.of(value >> 12, value >> 4, ((value & 15) << 4) | bottom, 64);

/** A changed copy: tagged, labelled, in PPPoE or 802.2, cut short, with other bytes in its headers. */
export function mutate(frame: Uint8Array, random: Random): Uint8Array {
  const pick = random.below(12);
  switch (pick) {
    case 0:
      return insert(frame, 12, VLAN);
    case 1:
      return insert(insert(frame, 12, VLAN), 12, QINQ);
    case 2: {
      const labelled = insert(insert(frame, 14, label(7, 1)), 14, label(5, 0)).slice();
      labelled.set(MPLS_TYPE, 12);
      return labelled;
    }
    case 3: {
      const session = insert(frame, 14, Uint8Array.of(0x11, 0, 0, 5, 0, 40, 0, frame[12] === 0x86 ? 0x57 : 0x21));
      session.set([0x88, 0x64], 12);
      return session;
    }
    case 4: {
      const sap = [0x42, 0xe0, 0xfe, 0xff, 0xaa, 0xf0][random.below(6)] as number;
      const framed = insert(frame, 14, Uint8Array.of(sap, sap, random.below(256), 0x83));
      framed.set([0, 60], 12);
      return framed;
    }
    case 5:
    case 6: {
      // Longer than the link-layer header: tcpdump has a message for shorter ones, not a verdict.
      const headers = Math.min(frame.length, 80);
      return frame.slice(0, 14 + random.below(headers - 14));
    }
    default: {
      const changed = frame.slice();
      for (let count = 1 + random.below(4); count > 0; count--) {
        changed[random.below(Math.min(changed.length, 70))] = random.below(256);
      }
      if (pick === 7 && changed.length > 34) changed[14] = 0x40 | random.below(16);
      if (pick === 8 && changed.length > 54)
        changed[changed[12] === 0x86 ? 20 : 23] = [1, 2, 6, 17, 44, 50, 58, 132][random.below(8)] as number;
      if (pick === 9 && changed.length > 34) changed[20] = random.below(256);
      return changed;
    }
  }
}

/** Captured frames, long transfers thinned out, and two mutations of each. */
export function testFrames(seed: number): Uint8Array[] {
  const random = new Random(seed, 'frames');
  const frames = capturedFrames().filter((_, index) => index % 3 === 0 || index < 100);
  return frames.flatMap(frame => [frame, mutate(frame, random), mutate(frame, random)]);
}

/** As a capture file; the n-th frame comes n µs after 1970, so that tcpdump's times tell which frames it lets through. */
export function captureOf(frames: readonly Uint8Array[]): Uint8Array {
  const writer = new PcapngWriter({});
  const port = writer.addInterface('eth0');
  frames.forEach((frame, index) => {
    writer.addFrame(port, index * 1000, frame);
  });
  return writer.bytes();
}

const PROTOCOLS = 'ip arp rarp tcp udp icmp ip6 icmp6 igmp sctp pim vrrp ah esp igrp carp'.split(' ');
const RARE_PROTOCOLS =
  'atalk aarp decnet lat sca mopdl moprc iso esis isis clnp l1 l2 iih lsp snp csnp psnp stp ipx netbeui link radio'.split(
    ' ',
  );
const IPV4_HOSTS = ['10.1.0.1', '10.1.0.2', '10.1.0.255', '255.255.255.255', '224.0.0.1', '10.1.0.3', '0.0.0.0'];
const IPV6_HOSTS = ['fd00:1::1', 'fd00:1::2', 'ff02::1', 'ff02::2', 'fe80::ff:fe00:1', '::', '::ffff:10.1.0.1'];
const MACS = [
  '02:00:00:00:00:01',
  '2:0:0:0:0:2',
  'ff:ff:ff:ff:ff:ff',
  '33-33-0-0-0-2',
  '0200.0000.0001',
  '020000000002',
];
const NETS4 = ['10', '10.1', '10.1.0', '10.1.0.2', '10.1.0.0/24', '10.1/16', '10.0.0.0/9', '0.0.0.0/0', '10.1.0.2/32'];
const MASKED4 = [
  '10.1.0.0 mask 255.255.255.0',
  '10.1.0.1 mask 255.255.255.0',
  '10.1 mask 255.255.0',
  '10.1.0.1/24',
  '1.2/8',
];
const NETS6 = ['fd00:1::/64', 'fd00::/8', 'fe80::/10', '::/0', 'ff02::1/128', 'ff00::/8', 'fd00:1::1/33'];
const PORTS = ['80', '53', '8080', '33434', '443', '22', '0', '65535', '0x50', '0120', 'domain', 'http', 'ssh'];
const RANGES = [
  '1-1023',
  '33434-33534',
  '80-80',
  '0-65535',
  '53-80',
  '100-50',
  'ftp-ssh',
  '80',
  'domain-http',
  '60000-70000',
];
const CONSTANTS = [
  'icmptype',
  'icmpcode',
  'icmp-echo',
  'icmp-echoreply',
  'icmp-unreach',
  'icmp6type',
  'icmp6-echo',
  'icmp6-neighborsolicit',
  'tcpflags',
  'tcp-syn',
  'tcp-ack',
  'tcp-fin',
  'tcp-rst',
  'tcp-push',
  'tcp-urg',
  'tcp-ece',
  'tcp-cwr',
];
const INDEXED = 'ip tcp udp icmp ether ip6 icmp6 arp'.split(' ');
const OPERATORS = ['+', '-', '*', '/', '%', '&', '|', '^', '<<', '>>'];
const RELATIONS = ['=', '!=', '<', '>', '<=', '>=', '=='];

/** Draws expressions: most mean something, some are wrong in one way or another. */
export class Expressions {
  private readonly random: Random;

  constructor(seed: number) {
    this.random = new Random(seed, 'expressions');
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)] as T;
  }

  private chance(p: number): boolean {
    return this.random.chance(p);
  }

  private direction(): string {
    return this.pick(['', '', '', 'src ', 'dst ', 'src or dst ', 'src and dst ', 'dst or src ', 'dst and src ']);
  }

  private number(): string {
    const { random } = this;
    switch (random.below(6)) {
      case 0:
        return this.pick(CONSTANTS);
      case 1:
        return `0x${random.below(65536).toString(16)}`;
      case 2:
        return this.pick(['0xff', '0xffff', '0xf0', '0x0f', '0x1fff', '0x10', '0x3fff', '0xffffff', '0x7fffffff']);
      case 3:
        return String(random.below(2000));
      default:
        return String(random.below(64));
    }
  }

  private load(depth: number): string {
    const size = this.pick(['', '', ':1', ':2', ':2', ':4', ':4', ':3']);
    const index = this.chance(0.8) ? String(this.random.below(this.chance(0.9) ? 24 : 80)) : this.sum(depth + 1);
    return `${this.pick(this.chance(0.995) ? INDEXED : RARE_PROTOCOLS)}[${index}${this.chance(0.99) ? size.replace(':3', ':2') : size}]`;
  }

  sum(depth: number): string {
    const { random } = this;
    const pick = random.below(depth > 2 ? 5 : 10);
    if (pick < 1) return 'len';
    if (pick < 3) return this.number();
    if (pick < 5) return this.load(depth);
    if (pick === 5) return `(${this.sum(depth + 1)})`;
    if (pick === 6) return `-${this.load(depth)}`;
    const operator = this.pick(OPERATORS);
    // Blanks: `1-2` is a name.
    return `${this.sum(depth + 1)} ${operator} ${operator === '<<' || operator === '>>' ? random.below(this.chance(0.05) ? 40 : 16) : this.sum(depth + 1)}`;
  }

  private relation(): string {
    // What people write: one load, perhaps masked, against a number.
    if (this.chance(0.6)) {
      const mask = this.chance(0.5) ? ` & ${this.number()}` : '';
      return `${this.load(0)}${mask} ${this.pick(RELATIONS)} ${this.number()}`;
    }
    return `${this.sum(0)} ${this.pick(RELATIONS)} ${this.sum(0)}`;
  }

  primitive(): string {
    const { random } = this;
    switch (random.below(24)) {
      case 0:
      case 1:
        return this.pick(PROTOCOLS);
      case 2:
        return this.chance(0.5) ? this.pick(RARE_PROTOCOLS) : this.pick(PROTOCOLS);
      case 3:
        return `${this.pick(['', '', 'ip ', 'arp ', 'rarp ', 'ip6 ', 'tcp '])}${this.direction()}host ${this.pick(IPV4_HOSTS)}`;
      case 4:
        return `${this.pick(['', 'ip6 ', 'ip '])}${this.direction()}host ${this.pick(IPV6_HOSTS)}`;
      case 5:
        return `${this.direction()}net ${this.pick(this.chance(0.9) ? NETS4 : MASKED4)}`;
      case 6:
        return `${this.direction()}net ${this.pick(NETS6)}`;
      case 7:
      case 8:
      case 9:
        return `${this.pick(['', 'tcp ', 'udp ', 'sctp ', this.chance(0.2) ? 'icmp ' : ''])}${this.direction()}port ${this.pick(this.chance(0.9) ? PORTS.slice(0, 10) : PORTS)}`;
      case 10:
        return `${this.pick(['', 'tcp ', 'udp '])}${this.direction()}portrange ${this.pick(RANGES)}`;
      case 11:
        return `ether ${this.pick(['host', 'src', 'dst', 'src host', 'src or dst host'])} ${this.pick(MACS)}`;
      case 12:
        return this.pick([
          'broadcast',
          'multicast',
          'ether broadcast',
          'ether multicast',
          'ip multicast',
          'ip6 multicast',
          'ip broadcast',
          'arp broadcast',
        ]);
      case 13:
        return `${this.pick(['ip ', 'ip6 ', '', 'tcp '])}proto ${this.pick(['1', '6', '17', '44', '58', '2', '300', '\\tcp', '\\udp', 'gre', 'ospf', 'nonsense'])}`;
      case 14:
        return `ether proto ${this.pick(['0x800', '0x806', '0x86dd', '0x8100', '\\ip', '\\arp', '\\ip6', '5', '0x42', '0xe0', '0xfe', '\\stp', '70000', '0x809b'])}`;
      case 15:
        return `${this.pick(['less', 'greater'])} ${this.pick(['60', '64', '100', '1514', '42', '74', '0x3c'])}`;
      case 16:
        return this.pick([
          'vlan',
          'vlan 5',
          'vlan (7)',
          'vlan 5000',
          'mpls',
          'mpls 5',
          'pppoes',
          'pppoes 5',
          'pppoed',
          'llc',
          'llc i',
          'llc u',
          'llc rr',
          'llc ui',
          'llc x',
        ]);
      case 17:
        return `${this.pick(['src', 'dst', 'src or dst'])} ${this.pick(this.chance(0.7) ? IPV4_HOSTS : IPV6_HOSTS)}`;
      default:
        return this.relation();
    }
  }

  /** What may follow a qualified name and inherit its qualifiers. */
  private inherited(): string {
    const one = (): string =>
      this.pick(
        this.chance(0.5)
          ? PORTS
          : this.chance(0.5)
            ? IPV4_HOSTS
            : ['not 80', '(22 or 443)', '((80) or 53)', MACS[0] as string],
      );
    return one();
  }

  expression(depth = 0): string {
    const { random } = this;
    const count = 1 + (depth > 2 ? 0 : random.below(3));
    let text = this.operand(depth);
    for (let i = 1; i < count; i++) {
      const bare = this.chance(0.05);
      text += ` ${this.pick(['and', 'or', 'and', 'or', '&&', '||'])} ${bare ? this.inherited() : this.operand(depth)}`;
    }
    return text;
  }

  private operand(depth: number): string {
    const not = this.chance(0.15) ? this.pick(['not ', '! ', '!']) : '';
    if (depth < 3 && this.chance(0.2)) return `${not}(${this.expression(depth + 1)})`;
    return not + this.primitive();
  }

  /** One more expression; about one in twenty has a word too many, too few, or in the wrong place. */
  next(): string {
    const text = this.expression();
    if (!this.chance(0.04)) return text;
    const words = text.split(' ');
    const at = this.random.below(words.length);
    if (this.chance(0.5)) words.splice(at, 1);
    else
      words.splice(
        at,
        0,
        this.pick(['and', 'not', '(', ')', 'port', '80', 'tcp', 'host', '=', 'src', 'gateway', 'ra']),
      );
    return words.join(' ');
  }
}
