/**
 * What each primitive of a filter expression means on Ethernet. It matches what libpcap 1.10's gencode.c matches, its
 * peculiarities included: ports of IPv4's first fragments only, IPv6's fixed header without a walk along extension
 * headers, ARP and RARP in `host`, offsets that move for everything behind `vlan`, `mpls` and `pppoes`.
 */
import {
  BPF_ABS,
  BPF_ALU,
  BPF_AND,
  BPF_B,
  BPF_H,
  BPF_IND,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JSET,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_MEMWORDS,
  BPF_MSH,
  BPF_W,
  SKF_AD_IFINDEX,
  SKF_AD_OFF,
  SKF_AD_PKTTYPE,
} from '../../kernel/net/core/filter.ts';
import { PACKET_OUTGOING } from '../../kernel/net/core/skbuff.ts';
import { binary, compare, negate, number, problemOf, type Value } from './arithmetic.ts';
import { and, type Condition, constant, not, or, type Statement } from './program.ts';
import { FilterError } from './scanner.ts';

export type Direction = 'default' | 'src' | 'dst' | 'or' | 'and' | '802.11';
export type AddressKind = 'default' | 'host' | 'net' | 'port' | 'portrange' | 'gateway' | 'proto' | 'protochain';

/** What stands before a name or a number. `protocol`: '' for none. */
export interface Qualifiers {
  readonly protocol: string;
  readonly direction: Direction;
  readonly address: AddressKind;
}

const IP = 0x0800;
const ARP = 0x0806;
const RARP = 0x8035;
const VLANS = [0x8100, 0x88a8, 0x9100];
const IPV6 = 0x86dd;
const MPLS = 0x8847;
const PPPOED = 0x8863;
const PPPOES = 0x8864;
const ATALK = 0x809b;
const DECNET = 0x6003;
const NS = 0x0600;
const AARP = 0x80f3;
/** Largest length in the type field: above it is a type. */
const LENGTH_MAX = 1500;

const SAP_ISO = 0xfe;
const SAP_IP = 0x06;
const SAP_NETBEUI = 0xf0;
const SAP_IPX = 0xe0;
const SAP_STP = 0x42;
const ETHERTYPE_IPX = 0x8137;

const TCP = 6;
const UDP = 17;
const SCTP = 132;
const FRAGMENT = 44;

/** PPP's numbers for the protocols that have another on Ethernet. */
const PPP_TYPES: Readonly<Record<number, number>> = {
  [IP]: 0x21,
  [IPV6]: 0x57,
  [DECNET]: 0x27,
  [ATALK]: 0x29,
  [NS]: 0x25,
  [SAP_ISO]: 0x23,
  [SAP_STP]: 0x31,
  [SAP_IPX]: 0x2b,
};

/** Protocols of the link layer that are a word of their own. */
const LINK_WORDS: Readonly<Record<string, number>> = {
  ip: IP,
  arp: ARP,
  rarp: RARP,
  atalk: ATALK,
  aarp: AARP,
  decnet: DECNET,
  sca: 0x6007,
  lat: 0x6004,
  mopdl: 0x6001,
  moprc: 0x6002,
  ip6: IPV6,
  iso: SAP_ISO,
  stp: SAP_STP,
  ipx: SAP_IPX,
  netbeui: SAP_NETBEUI,
};

/** Protocols over IP, and over which: '' for IPv4 and IPv6. */
const IP_WORDS: Readonly<Record<string, readonly [number: number, over: string]>> = {
  sctp: [SCTP, ''],
  tcp: [TCP, ''],
  udp: [UDP, ''],
  icmp: [1, 'ip'],
  igmp: [2, 'ip'],
  igrp: [9, 'ip'],
  pim: [103, ''],
  vrrp: [112, 'ip'],
  carp: [112, 'ip'],
  icmp6: [58, 'ip6'],
  ah: [51, ''],
  esp: [50, ''],
};

const ISO_WORDS: Readonly<Record<string, number>> = { clnp: 0x81, esis: 0x82, isis: 0x83 };

/** Types of IS-IS packets, in the order in which they are asked for. */
const ISIS_WORDS: Readonly<Record<string, readonly number[]>> = {
  l1: [26, 24, 18, 15, 17],
  l2: [27, 25, 20, 16, 17],
  iih: [17, 15, 16],
  lsp: [18, 20],
  snp: [27, 26, 25, 24],
  csnp: [24, 25],
  psnp: [26, 27],
};

/** Protocols whose header byte offsets are counted from. */
const INDEXED_AT_NETWORK = new Set(['arp', 'rarp', 'atalk', 'decnet', 'lat', 'sca', 'moprc', 'mopdl', 'ip', 'ip6']);
const INDEXED_AT_TRANSPORT = new Set(['sctp', 'tcp', 'udp', 'icmp', 'igmp', 'igrp', 'pim', 'vrrp', 'carp']);

const LLC_FORMATS: Readonly<Record<string, readonly [mask: number, value: number]>> = {
  rr: [0x0f, 0x01],
  rnr: [0x0f, 0x05],
  rej: [0x0f, 0x09],
  ui: [0xef, 0x03],
  ua: [0xef, 0x63],
  disc: [0xef, 0x43],
  dm: [0xef, 0x0f],
  sabme: [0xef, 0x6f],
  test: [0xef, 0xe3],
  xid: [0xef, 0xaf],
  frmr: [0xef, 0x87],
};

const ALL_ONES = 0xffffffff;
const BROADCAST = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);

/** An arithmetic expression under way: its value, what must hold for it to exist, and libpcap's register for it. */
export interface Arithmetic {
  readonly value: Value;
  readonly check: Condition | undefined;
  readonly register: number;
  /** The number that its code begins with: which libpcap takes for the whole when it looks for a zero divisor. */
  readonly first: number | undefined;
}

function both(left: Condition | undefined, right: Condition): Condition;
function both(left: Condition | undefined, right: Condition | undefined): Condition | undefined;
function both(left: Condition | undefined, right: Condition | undefined): Condition | undefined {
  if (left === undefined) return right;
  return right === undefined ? left : and(left, right);
}

/** Generates in the order of the expression: `vlan` changes what comes behind it. */
export class Generator {
  /** Where headers begin: the link layer's, its type field, its payload; what 802.2 or labels put before the network's. */
  private link = 0;
  private type = 12;
  private payload = 14;
  private network = 0;
  private networkBehindLlc = 3;
  private labels = 0;
  private ppp = false;
  /** libpcap's allocation of M[], for the limit that it sets to an expression. */
  private readonly used = new Array<boolean>(BPF_MEMWORDS).fill(false);
  private current = 0;
  /** Where the primitive under way begins, for errors. */
  position = 0;

  private fail(message: string): never {
    throw new FilterError(message, this.position);
  }

  // ---- tests ----

  private test(statements: Statement[], jump: number, k: number): Condition {
    return { kind: 'test', statements, jump, k: k >>> 0 };
  }

  /** The field at an offset from the frame's beginning, masked, compared. */
  private field(offset: number, size: number, value: number, mask = ALL_ONES, jump = BPF_JEQ): Condition {
    // Nothing of the field counts: it is not loaded either.
    if (mask === 0 && jump === BPF_JEQ) return constant(value === 0);
    const statements: Statement[] = [{ code: BPF_LD | BPF_ABS | size, k: offset }];
    if (mask !== ALL_ONES) statements.push({ code: BPF_ALU | BPF_AND, k: mask });
    return this.test(statements, jump, value);
  }

  /** `offset` counts from the network header. */
  private inNetwork(offset: number, size: number, value: number, mask = ALL_ONES, jump = BPF_JEQ): Condition {
    return this.field(this.payload + this.network + offset, size, value, mask, jump);
  }

  /** `offset` counts from the end of the IPv4 header. */
  private behindIpv4(offset: number, value: number, jump: number): Condition {
    const network = this.payload + this.network;
    const statements = [
      { code: BPF_LDX | BPF_B | BPF_MSH, k: network },
      { code: BPF_LD | BPF_IND | BPF_H, k: network + offset },
    ];
    return this.test(statements, jump, value);
  }

  private bytes(offset: number, value: Uint8Array): Condition {
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    let condition: Condition | undefined;
    let size = value.length;
    for (; size >= 4; size -= 4)
      condition = both(condition, this.field(offset + size - 4, BPF_W, view.getUint32(size - 4)));
    for (; size >= 2; size -= 2)
      condition = both(condition, this.field(offset + size - 2, BPF_H, view.getUint16(size - 2)));
    return condition as Condition;
  }

  private anyOf(conditions: readonly Condition[]): Condition {
    return conditions.reduce(or);
  }

  // ---- the link layer ----

  /** A length, not a type: there is an 802.2 header behind. */
  private hasLlc(): Condition {
    return not(this.field(this.type, BPF_H, LENGTH_MAX, ALL_ONES, BPF_JGT));
  }

  private snap(organization: number, type: number): Condition {
    const header = Uint8Array.of(0xaa, 0xaa, 3, organization >> 16, organization >> 8, organization, type >> 8, type);
    return this.bytes(this.payload, header);
  }

  private linkType(protocol: number): Condition {
    if (this.labels > 0) return this.labelled(protocol);
    if (this.ppp) return this.field(this.type, BPF_H, PPP_TYPES[protocol] ?? protocol);
    switch (protocol) {
      case SAP_ISO:
      case SAP_IP:
      case SAP_NETBEUI:
        return and(this.hasLlc(), this.field(this.payload, BPF_H, (protocol << 8) | protocol));
      case SAP_IPX: {
        const raw = or(this.field(this.payload, BPF_B, SAP_IPX), this.field(this.payload, BPF_H, 0xffff));
        const framed = and(this.hasLlc(), or(this.snap(0, ETHERTYPE_IPX), raw));
        return or(this.field(this.type, BPF_H, ETHERTYPE_IPX), framed);
      }
      case ATALK:
      case AARP: {
        const snap = this.snap(protocol === ATALK ? 0x080007 : 0, protocol);
        return or(this.field(this.type, BPF_H, protocol), and(this.hasLlc(), snap));
      }
      default:
        if (protocol > LENGTH_MAX) return this.field(this.type, BPF_H, protocol);
        return and(this.hasLlc(), this.field(this.payload, BPF_B, protocol));
    }
  }

  /** Below labels there is no type: the last label's bottom bit and the version of IP have to do. */
  private labelled(protocol: number): Condition {
    const version = protocol === IP ? 0x40 : protocol === IPV6 ? 0x60 : undefined;
    if (version === undefined) this.fail('unsupported protocol over mpls');
    return and(this.inNetwork(-2, BPF_B, 1, 1), this.inNetwork(0, BPF_B, version, 0xf0));
  }

  private ethernetOnly(message: string): void {
    if (this.ppp) this.fail(message);
  }

  private llc(): Condition {
    this.ethernetOnly("'llc' not supported for PPP");
    return and(this.hasLlc(), not(this.field(this.payload, BPF_H, 0xffff)));
  }

  /** `llc`, with what follows it: i, s, u, or the name of a frame; '' for none. */
  llcPrimitive(format: string): Condition {
    const llc = this.llc();
    const control = this.payload + 2;
    const name = format.toLowerCase();
    if (name === '') return llc;
    if (name === 'i') return and(llc, not(this.test([{ code: BPF_LD | BPF_ABS | BPF_B, k: control }], BPF_JSET, 1)));
    if (name === 's') return and(llc, this.field(control, BPF_B, 1, 3));
    if (name === 'u') return and(llc, this.field(control, BPF_B, 3, 3));
    const known = Object.hasOwn(LLC_FORMATS, name) ? LLC_FORMATS[name] : undefined;
    if (known === undefined) this.fail(`unknown LLC type name "${format}"`);
    return and(llc, this.field(control, BPF_B, known[1], known[0]));
  }

  vlan(id: number | undefined): Condition {
    if (this.labels > 0) this.fail('no VLAN match after MPLS');
    this.ethernetOnly('no VLAN support for PPP');
    let condition = this.anyOf(VLANS.map(type => this.field(this.type, BPF_H, type)));
    if (id !== undefined) {
      if (id > 4095) this.fail(`VLAN tag ${id} greater than maximum 4095`);
      condition = and(condition, this.field(this.payload, BPF_H, id, 0x0fff));
    }
    this.type += 4;
    this.payload += 4;
    return condition;
  }

  mpls(label: number | undefined): Condition {
    // Of the label before, all that says there is another one is that it is not the last.
    let condition = this.labels > 0 ? this.inNetwork(-2, BPF_B, 0, 1) : this.linkTypeOfMpls();
    if (label !== undefined) {
      if (label > 0xfffff) this.fail(`MPLS label ${label} greater than maximum 1048575`);
      condition = and(condition, this.inNetwork(0, BPF_W, (label << 12) >>> 0, 0xfffff000));
    }
    this.network += 4;
    this.networkBehindLlc += 4;
    this.labels++;
    return condition;
  }

  private linkTypeOfMpls(): Condition {
    return this.ppp ? this.field(this.type, BPF_H, 0x0281) : this.linkType(MPLS);
  }

  pppoed(): Condition {
    return this.linkType(PPPOED);
  }

  pppoes(session: number | undefined): Condition {
    let condition = this.linkType(PPPOES);
    if (session !== undefined) {
      if (session > 0xffff) this.fail(`PPPoE session number ${session} greater than maximum 65535`);
      condition = and(condition, this.inNetwork(0, BPF_W, session, 0xffff));
    }
    this.link = this.payload + this.network + 6;
    this.type = this.link;
    this.payload = this.link + 2;
    this.network = 0;
    this.networkBehindLlc = 0;
    this.ppp = true;
    return condition;
  }

  broadcast(protocol: string): Condition {
    if (protocol === '' || protocol === 'link') {
      this.ethernetOnly('not a broadcast link');
      return this.bytes(this.link, BROADCAST);
    }
    if (protocol !== 'ip') this.fail('only link-layer/IP broadcast filters supported');
    // As with a capture file, whose network's mask nobody knows: all zeros or all ones.
    return and(this.linkType(IP), or(this.inNetwork(16, BPF_W, 0), this.inNetwork(16, BPF_W, ALL_ONES)));
  }

  multicast(protocol: string): Condition {
    if (protocol === '' || protocol === 'link') {
      this.ethernetOnly('link-layer multicast filters supported only on Ethernet');
      return this.test([{ code: BPF_LD | BPF_ABS | BPF_B, k: this.link }], BPF_JSET, 1);
    }
    if (protocol === 'ip') return and(this.linkType(IP), this.inNetwork(16, BPF_B, 224, ALL_ONES, BPF_JGE));
    if (protocol === 'ip6') return and(this.linkType(IPV6), this.inNetwork(24, BPF_B, 255));
    this.fail('only link-layer/IP multicast filters supported');
  }

  /** `greater` and, negated by one more, `less`. */
  length(atLeast: boolean, bytes: number): Condition {
    const statements = [{ code: BPF_LD | BPF_W | BPF_LEN, k: 0 }];
    return atLeast ? this.test(statements, BPF_JGE, bytes) : not(this.test(statements, BPF_JGT, bytes));
  }

  /** Sent by this host, or not: what the kernel says of the frame, not what is in it. */
  outbound(isOutbound: boolean): Condition {
    const sent = this.field((SKF_AD_OFF + SKF_AD_PKTTYPE) >>> 0, BPF_H, PACKET_OUTGOING);
    return isOutbound ? sent : not(sent);
  }

  ifindex(index: number): Condition {
    return this.field((SKF_AD_OFF + SKF_AD_IFINDEX) >>> 0, BPF_W, index);
  }

  // ---- protocols ----

  /** A word that stands alone: `tcp`. */
  protocol(word: string): Condition {
    const link = LINK_WORDS[word];
    if (link !== undefined) return this.linkType(link);
    const ip = IP_WORDS[word];
    if (ip !== undefined) return this.protocolNumber(ip[0], ip[1]);
    const iso = ISO_WORDS[word];
    if (iso !== undefined) return this.protocolNumber(iso, 'iso');
    const isis = ISIS_WORDS[word];
    if (isis !== undefined) return this.anyOf(isis.map(type => this.protocolNumber(type, 'isis')));
    if (word === 'link') this.fail('link layer applied in wrong context');
    this.fail(`'${word}' is not a valid protocol type`);
  }

  /** `ip proto 6`, `ether proto 0x806`, `proto 6`. */
  protocolNumber(number: number, over: string): Condition {
    switch (over) {
      case '':
        return or(this.protocolNumber(number, 'ip'), this.protocolNumber(number, 'ip6'));
      case 'link':
        return this.linkType(number);
      case 'ip':
        return and(this.linkType(IP), this.inNetwork(9, BPF_B, number));
      case 'ip6': {
        const fragment = and(this.inNetwork(6, BPF_B, FRAGMENT), this.inNetwork(40, BPF_B, number));
        return and(this.linkType(IPV6), or(this.inNetwork(6, BPF_B, number), fragment));
      }
      case 'iso':
        return and(this.linkType(SAP_ISO), this.field(this.payload + this.networkBehindLlc, BPF_B, number));
      case 'isis': {
        const type = this.field(this.payload + this.networkBehindLlc + 4, BPF_B, number);
        return and(this.protocolNumber(ISO_WORDS.isis as number, 'iso'), type);
      }
      case 'arp':
      case 'rarp':
      case 'atalk':
      case 'decnet':
      case 'lat':
      case 'sca':
      case 'mopdl':
      case 'moprc':
        this.fail(`${over} does not encapsulate another protocol`);
        break;
      default:
        this.fail(`'${over} proto' is bogus`);
    }
  }

  // ---- addresses ----

  private eachWay(direction: Direction, one: (way: 'src' | 'dst') => Condition): Condition {
    switch (direction) {
      case 'src':
      case 'dst':
        return one(direction);
      case 'and':
        return and(one('src'), one('dst'));
      case '802.11':
        this.fail("'addr1', 'addr2', 'addr3', 'addr4', 'ra' and 'ta' are for 802.11 only");
        break;
      default:
        return or(one('src'), one('dst'));
    }
  }

  /** IPv4, with the senders and targets of ARP and RARP when no protocol is named. */
  host(address: number, mask: number, protocol: string, direction: Direction, kind: AddressKind): Condition {
    const at = (type: number, source: number, destination: number): Condition =>
      this.eachWay(direction, way =>
        and(this.linkType(type), this.inNetwork(way === 'src' ? source : destination, BPF_W, address, mask)),
      );
    switch (protocol) {
      case '': {
        const ip = at(IP, 12, 16);
        if (this.labels > 0) return ip;
        const arp = at(ARP, 14, 24);
        return or(or(ip, arp), at(RARP, 14, 24));
      }
      case 'ip':
        return at(IP, 12, 16);
      case 'arp':
        return at(ARP, 14, 24);
      case 'rarp':
        return at(RARP, 14, 24);
      case 'ip6':
        this.fail("'ip6' modifier applied to ip host");
        break;
      default:
        this.fail(`'${protocol}' modifier applied to ${kind === 'net' ? 'net' : 'host'}`);
    }
  }

  host6(address: Uint8Array, mask: Uint8Array, protocol: string, direction: Direction): Condition {
    if (protocol !== '' && protocol !== 'ip6') this.fail(`'${protocol}' modifier applied to ip6 host`);
    const view = new DataView(address.buffer);
    const masks = new DataView(mask.buffer);
    return this.eachWay(direction, way => {
      const offset = way === 'src' ? 8 : 24;
      const words = [0, 4, 8, 12].map(at =>
        this.inNetwork(offset + at, BPF_W, view.getUint32(at), masks.getUint32(at)),
      );
      return and(
        this.linkType(IPV6),
        words.reduceRight((rest, word) => and(word, rest)),
      );
    });
  }

  etherHost(address: Uint8Array, direction: Direction): Condition {
    this.ethernetOnly('ethernet addresses supported only on Ethernet');
    return this.eachWay(direction, way => this.bytes(this.link + (way === 'src' ? 6 : 0), address));
  }

  // ---- ports ----

  /** Ports from `low` to `high`; `protocol`: an IP protocol, or -1 for TCP, UDP and SCTP. */
  ports(low: number, high: number, isRange: boolean, protocol: number, direction: Direction): Condition {
    const protocols = protocol >= 0 ? [protocol] : [SCTP, TCP, UDP];
    const inRange = (one: (value: number, jump: number) => Condition): Condition =>
      isRange ? and(one(low, BPF_JGE), not(one(high, BPF_JGT))) : one(low, BPF_JEQ);
    const over = (each: (protocol: number) => Condition): Condition =>
      protocols.map(each).reduceRight((rest, condition) => or(condition, rest));
    const ipv6 = and(
      this.linkType(IPV6),
      over(number =>
        and(
          this.inNetwork(6, BPF_B, number),
          this.eachWay(direction, way =>
            inRange((value, jump) => this.inNetwork(40 + (way === 'src' ? 0 : 2), BPF_H, value, ALL_ONES, jump)),
          ),
        ),
      ),
    );
    const ipv4 = and(
      this.linkType(IP),
      over(number =>
        and(
          and(this.inNetwork(9, BPF_B, number), this.firstFragment()),
          this.eachWay(direction, way => inRange((value, jump) => this.behindIpv4(way === 'src' ? 0 : 2, value, jump))),
        ),
      ),
    );
    return or(ipv6, ipv4);
  }

  private firstFragment(): Condition {
    return not(this.inNetwork(6, BPF_H, 0x1fff, ALL_ONES, BPF_JSET));
  }

  // ---- arithmetic ----

  private take(): number {
    for (let tries = BPF_MEMWORDS - 1; tries >= 0; tries--) {
      if (this.used[this.current] !== true) {
        this.used[this.current] = true;
        return this.current;
      }
      this.current = (this.current + 1) % BPF_MEMWORDS;
    }
    this.fail('out of registers needed to evaluate expression');
  }

  private give(register: number): void {
    this.used[register] = false;
  }

  number(k: number): Arithmetic {
    return { value: number(k), check: undefined, register: this.take(), first: k };
  }

  packetLength(): Arithmetic {
    return { value: { kind: 'length' }, check: undefined, register: this.take(), first: undefined };
  }

  negate({ value, check, register, first }: Arithmetic): Arithmetic {
    this.give(register);
    return { value: negate(value), check, register: this.take(), first };
  }

  binary(op: number, left: Arithmetic, right: Arithmetic): Arithmetic {
    const problem = right.first === undefined ? '' : problemOf(op, right.first);
    if (problem !== '') this.fail(problem);
    const value = binary(op, left.value, right.value);
    this.give(left.register);
    this.give(right.register);
    // What the right side asks for is forgotten, as libpcap forgets it: `1 + tcp[0] = 5` is asked of every frame.
    return { value, check: left.check, register: this.take(), first: left.first };
  }

  /** `protocol[index:size]`. */
  load(protocol: string, index: Arithmetic, bytes: number): Arithmetic {
    const size = { 1: BPF_B, 2: BPF_H, 4: BPF_W }[bytes];
    if (size === undefined) this.fail('data size must be 1, 2, or 4');
    const network = this.payload + this.network;
    let base = network;
    let header = -1;
    let { check } = index;
    if (protocol === 'link') {
      base = this.link;
    } else if (INDEXED_AT_NETWORK.has(protocol)) {
      check = both(check, this.protocol(protocol));
    } else if (INDEXED_AT_TRANSPORT.has(protocol)) {
      header = network;
      const first = and(this.protocol(protocol), this.firstFragment());
      check = and(this.protocol('ip'), both(check, first));
    } else if (protocol === 'icmp6') {
      base = network + 40;
      check = both(both(check, this.protocol('ip6')), this.inNetwork(6, BPF_B, 58));
    } else {
      this.fail(protocol === 'radio' ? 'radio information not present in capture' : 'unsupported index operation');
    }
    const register = this.take();
    this.give(index.register);
    const { value: at, first } = index;
    const value: Value = at.kind === 'impossible' ? at : { kind: 'load', size, base, index: at, header };
    return { value, check, register, first };
  }

  /** `left jump right`, or its opposite. */
  relation(jump: number, isReversed: boolean, left: Arithmetic, right: Arithmetic): Condition {
    const comparison = compare(jump, left.value, right.value, this.position);
    this.give(left.register);
    this.give(right.register);
    return both(both(left.check, right.check), isReversed ? not(comparison) : comparison);
  }
}
