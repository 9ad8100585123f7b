/**
 * tcpdump's filter expressions (pcap-filter(7)) to classic BPF, for Ethernet. The grammar is libpcap's, with what
 * follows from it: `and` and `or` bind alike and to the left, a bare number or name inherits the qualifiers of what
 * stands before it (`port 80 or 443`) but not across parentheses, `%` and `^` bind to all that stands right of them.
 */
import {
  BPF_ADD,
  BPF_AND,
  BPF_DIV,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_LSH,
  BPF_MOD,
  BPF_MUL,
  BPF_OR,
  BPF_RSH,
  BPF_SUB,
  BPF_XOR,
  type sock_filter,
} from '../../kernel/net/core/filter.ts';
import { type AddressKind, type Arithmetic, type Direction, Generator, type Qualifiers } from './generate.ts';
import { linkProtocolByName, protocolByName, type Service, serviceByName } from './names.ts';
import { and, assemble, type Condition, constant, not, or, PROGRAM_MAX } from './program.ts';
import { FilterError, scan, type Token } from './scanner.ts';

const PROTOCOLS = new Set(
  (
    'link ip arp rarp sctp tcp udp icmp igmp igrp pim vrrp carp atalk aarp decnet lat sca mopdl moprc ip6 icmp6 ah esp ' +
    'iso esis isis l1 l2 iih lsp snp psnp csnp clnp stp ipx netbeui radio'
  ).split(' '),
);
const ADDRESS_WORDS = new Set(['host', 'net', 'port', 'portrange']);
const DIRECTION_WORDS = new Set(['src', 'dst', 'addr1', 'addr2', 'addr3', 'addr4', 'ra', 'ta']);
/** What makes a protocol's name the beginning of an address. */
const HEAD_WORDS = new Set([...ADDRESS_WORDS, ...DIRECTION_WORDS, 'proto', 'protochain', 'gateway']);

const RELATIONS: Readonly<Record<string, readonly [jump: number, isReversed: boolean]>> = {
  '>': [BPF_JGT, false],
  '>=': [BPF_JGE, false],
  '=': [BPF_JEQ, false],
  '<=': [BPF_JGT, true],
  '<': [BPF_JGE, true],
  '!=': [BPF_JEQ, true],
};

/** [operation, strength]. `%` and `^` have none: whatever comes behind them is taken first. */
const OPERATORS: Readonly<Record<string, readonly [op: number, strength: number]>> = {
  '|': [BPF_OR, 1],
  '&': [BPF_AND, 2],
  '<<': [BPF_LSH, 3],
  '>>': [BPF_RSH, 3],
  '+': [BPF_ADD, 4],
  '-': [BPF_SUB, 4],
  '*': [BPF_MUL, 5],
  '/': [BPF_DIV, 5],
  '%': [BPF_MOD, 0],
  '^': [BPF_XOR, 0],
};
const NEGATION_STRENGTH = 6;

/** Words that other link types or systems have. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  type: '802.11',
  subtype: '802.11',
  dir: '802.11',
  joverjump: 'Juniper captures',
  jtruncate: 'Juniper captures',
  ifname: 'captures of pf',
  rset: 'captures of pf',
  rnr: 'captures of pf',
  srnr: 'captures of pf',
  reason: 'captures of pf',
  action: 'captures of pf',
};

const PORT_MAX = 65535;
const MAX_DEPTH = 500;
/** More words than this no program of allowed length comes from. */
const MAX_WORDS = 4096;

interface Operand {
  readonly condition: Condition;
  /** What a bare name or number behind it inherits; undefined: nothing, it is an error. */
  readonly qualifiers: Qualifiers | undefined;
}

class Parser {
  private readonly tokens: readonly Token[];
  private readonly generator = new Generator();
  private at = 0;
  private depth = 0;

  private readonly live: boolean;

  constructor(text: string, live: boolean) {
    this.live = live;
    this.tokens = scan(text);
    const beyond = this.tokens[MAX_WORDS];
    if (beyond !== undefined) throw new FilterError(`more than ${MAX_WORDS} words`, beyond.position);
  }

  // ---- tokens ----

  private get token(): Token {
    return this.tokens[this.at] as Token;
  }

  private ahead(by: number): Token {
    return this.tokens[Math.min(this.at + by, this.tokens.length - 1)] as Token;
  }

  private next(): Token {
    const { token } = this;
    if (token.kind !== 'end') this.at++;
    return token;
  }

  private is(text: string, token = this.token): boolean {
    return (token.kind === 'op' || token.kind === 'word') && token.text === text;
  }

  private accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.accept(text)) this.syntaxError();
  }

  private syntaxError(token = this.token): never {
    const what = token.kind === 'end' ? 'the end' : `"${token.text}"`;
    throw new FilterError(`syntax error at ${what}`, token.position);
  }

  private fail(message: string, token: Token): never {
    throw new FilterError(message, token.position);
  }

  private nested<T>(parse: () => T): T {
    if (++this.depth > MAX_DEPTH) throw new FilterError('nested too deeply', this.token.position);
    const result = parse();
    this.depth--;
    return result;
  }

  // ---- expressions ----

  program(): Condition {
    if (this.token.kind === 'end') return constant(true);
    const { condition } = this.expression(undefined);
    if (this.ahead(0).kind !== 'end') this.syntaxError();
    return condition;
  }

  private expression(before: Qualifiers | undefined): Operand {
    let left = this.term(before);
    for (;;) {
      const isAnd = this.accept('&&');
      if (!isAnd && !this.accept('||')) return left;
      const { qualifiers } = left;
      const right = this.isBare() ? { condition: this.id(qualifiers), qualifiers } : this.term(qualifiers);
      left = {
        condition: (isAnd ? and : or)(left.condition, right.condition),
        qualifiers: right.qualifiers,
      };
    }
  }

  /** Does a name or number without qualifiers come, perhaps negated or in parentheses? */
  private isBare(): boolean {
    let at = this.at;
    let open = 0;
    for (; this.is('!', this.tokens[at]) || this.is('(', this.tokens[at]); at++) {
      open = this.is('(', this.tokens[at]) ? open + 1 : 0;
    }
    const { kind } = this.tokens[at] as Token;
    if (kind === 'name' || kind === 'ipv4' || kind === 'ipv6' || kind === 'mac') return true;
    if (kind !== 'num') return false;
    // A number: what comes behind it, and the parentheses around it alone, tells whether it is the start of a sum.
    for (at++; open > 0 && this.is(')', this.tokens[at]); at++) open--;
    const { kind: behind, text } = this.tokens[at] as Token;
    return !(behind === 'op' && (Object.hasOwn(OPERATORS, text) || Object.hasOwn(RELATIONS, text)));
  }

  private term(before: Qualifiers | undefined): Operand {
    return this.nested(() => {
      const { token } = this;
      this.generator.position = token.position;
      if (this.accept('!')) {
        const { condition, qualifiers } = this.term(before);
        return { condition: not(condition), qualifiers };
      }
      if (this.is('(') && !this.isArithmeticInParentheses()) {
        this.next();
        const { condition } = this.expression(before);
        this.expect(')');
        return { condition, qualifiers: before };
      }
      return this.primitive();
    });
  }

  /** Is what the parenthesis here holds a sum, not a condition? */
  private isArithmeticInParentheses(): boolean {
    let open = 0;
    for (let at = this.at; at < this.tokens.length; at++) {
      const token = this.tokens[at] as Token;
      if (token.kind === 'op') {
        if (token.text === '(') open++;
        else if (token.text === ')' && --open === 0) return true;
        else if (token.text === '&&' || token.text === '||' || token.text === '!') return false;
        else if (Object.hasOwn(RELATIONS, token.text)) return false;
      } else if (token.kind === 'word') {
        if (token.text !== 'len' && !(PROTOCOLS.has(token.text) && this.is('[', this.tokens[at + 1]))) return false;
      } else if (token.kind !== 'num') {
        return false;
      }
    }
    return false;
  }

  private primitive(): Operand {
    const { token } = this;
    if (token.kind === 'num' || this.is('(') || this.is('-') || this.is('len')) return this.relation();
    if (token.kind !== 'word') this.syntaxError();
    if (PROTOCOLS.has(token.text)) {
      const behind = this.ahead(1);
      if (this.is('[', behind)) return this.relation();
      if (behind.kind === 'word' && HEAD_WORDS.has(behind.text)) return this.address(this.next().text);
      if (this.is('broadcast', behind) || this.is('multicast', behind)) return this.group(this.next().text);
      this.next();
      if (behind.kind === 'word' && /^(type|subtype|dir)$/.test(behind.text)) this.other();
      return this.alone(this.generator.protocol(token.text));
    }
    if (HEAD_WORDS.has(token.text)) return this.address('');
    if (token.text === 'broadcast' || token.text === 'multicast') return this.group('');
    return this.alone(this.other());
  }

  private alone(condition: Condition): Operand {
    return { condition, qualifiers: undefined };
  }

  private group(protocol: string): Operand {
    const { generator } = this;
    return this.alone(this.next().text === 'broadcast' ? generator.broadcast(protocol) : generator.multicast(protocol));
  }

  private other(): Condition {
    const { generator } = this;
    const token = this.next();
    switch (token.text) {
      case 'less':
        return generator.length(false, this.number());
      case 'greater':
        return generator.length(true, this.number());
      case 'vlan':
        return generator.vlan(this.optionalNumber());
      case 'mpls':
        return generator.mpls(this.optionalNumber());
      case 'pppoed':
        return generator.pppoed();
      case 'pppoes':
        return generator.pppoes(this.optionalNumber());
      case 'llc':
        return generator.llcPrimitive(this.token.kind === 'name' || this.is('rnr') ? this.next().text : '');
      case 'inbound':
      case 'outbound':
        return this.live ? generator.outbound(token.text === 'outbound') : this.notOfFrames(token);
      case 'ifindex':
        return this.live ? generator.ifindex(this.number()) : this.notOfFrames(token);
      case 'geneve':
      case 'byte':
        return this.fail(`'${token.text}' is not supported`, token);
      default:
        if (!Object.hasOwn(ELSEWHERE, token.text)) this.syntaxError(token);
        return this.fail(`'${token.text}' is for ${ELSEWHERE[token.text]} only`, token);
    }
  }

  private notOfFrames(token: Token): never {
    return this.fail(`'${token.text}' is not known of a captured frame`, token);
  }

  private number(): number {
    if (this.token.kind !== 'num') this.syntaxError();
    return this.next().value;
  }

  /** A number, in parentheses or not. */
  private parenthesizedNumber(): number {
    let open = 0;
    for (; this.accept('('); open++);
    const value = this.number();
    for (; open > 0; open--) this.expect(')');
    return value;
  }

  private optionalNumber(): number | undefined {
    return this.token.kind === 'num' || this.is('(') ? this.parenthesizedNumber() : undefined;
  }

  // ---- names and numbers with qualifiers ----

  private address(protocol: string): Operand {
    let direction: Direction = 'default';
    let address: AddressKind = 'default';
    const { token } = this;
    if (DIRECTION_WORDS.has(token.text)) {
      this.next();
      direction = token.text === 'src' || token.text === 'dst' ? token.text : '802.11';
      if (direction !== '802.11' && (this.is('||') || this.is('&&'))) {
        direction = this.next().text === '||' ? 'or' : 'and';
        this.expect(token.text === 'src' ? 'dst' : 'src');
      }
      if (this.token.kind === 'word' && ADDRESS_WORDS.has(this.token.text)) address = this.next().text as AddressKind;
    } else {
      address = this.next().text as AddressKind;
    }
    const qualifiers: Qualifiers = { protocol, direction, address };
    return { condition: this.id(qualifiers), qualifiers };
  }

  private id(qualifiers: Qualifiers | undefined): Condition {
    return this.nested(() => {
      if (this.accept('!')) return not(this.id(qualifiers));
      if (!this.is('(')) return this.name(qualifiers);
      if (this.isNumberInParentheses()) return this.name(qualifiers);
      this.next();
      const condition = this.ids(qualifiers);
      this.expect(')');
      return condition;
    });
  }

  private isNumberInParentheses(): boolean {
    let at = this.at;
    let open = 0;
    for (; this.is('(', this.tokens[at]); at++) open++;
    if ((this.tokens[at] as Token).kind !== 'num') return false;
    for (at++; open > 0 && this.is(')', this.tokens[at]); at++) open--;
    return open === 0;
  }

  /** What stands in parentheses: the first one is a name or a number, not one more parenthesis with several. */
  private ids(qualifiers: Qualifiers | undefined): Condition {
    let condition: Condition;
    if (this.accept('!')) condition = not(this.id(qualifiers));
    else if (this.is('(') && !this.isNumberInParentheses()) this.syntaxError();
    else condition = this.name(qualifiers);
    for (;;) {
      const isAnd = this.accept('&&');
      if (!isAnd && !this.accept('||')) return condition;
      condition = (isAnd ? and : or)(condition, this.id(qualifiers));
    }
  }

  private name(qualifiers: Qualifiers | undefined): Condition {
    const { token } = this;
    if (token.kind === 'op' && token.text === '(') return this.numeric(qualifiers, token, this.parenthesizedNumber());
    switch (token.kind) {
      case 'num':
        this.next();
        return this.numeric(qualifiers, token, token.value);
      case 'name':
        this.next();
        return this.named(this.qualified(qualifiers, token), token);
      case 'ipv4':
        this.next();
        return this.ipv4(this.qualified(qualifiers, token), token);
      case 'ipv6':
        this.next();
        return this.ipv6(this.qualified(qualifiers, token), token);
      case 'mac':
        this.next();
        return this.mac(this.qualified(qualifiers, token), token);
      default:
        this.syntaxError();
    }
  }

  private qualified(qualifiers: Qualifiers | undefined, token: Token): Qualifiers {
    this.generator.position = token.position;
    return qualifiers ?? this.fail(`syntax error at "${token.text}": what kind of name or number is it?`, token);
  }

  private numeric(from: Qualifiers | undefined, token: Token, value: number): Condition {
    const { protocol, direction, address } = this.qualified(from, token);
    switch (address) {
      case 'net': {
        this.checkAddress(protocol, token);
        // 10 is 10.0.0.0/8.
        let net = value;
        let mask = 0xffffffff;
        while (net !== 0 && (net & 0xff000000) === 0) {
          net <<= 8;
          mask <<= 8;
        }
        return this.generator.host(net >>> 0, mask >>> 0, protocol, direction, address);
      }
      case 'default':
      case 'host':
        this.checkAddress(protocol, token);
        return this.generator.host(value, 0xffffffff, protocol, direction, address);
      case 'port':
      case 'portrange':
        return this.port(
          value,
          value,
          address === 'portrange',
          this.portProtocol(protocol, address, token),
          direction,
          token,
        );
      case 'proto':
        return this.generator.protocolNumber(value, protocol);
      default:
        return this.unsupported(address, token);
    }
  }

  private checkAddress(protocol: string, token: Token): void {
    if (protocol === 'link') this.fail('illegal link layer address', token);
    if (protocol === 'decnet') this.fail('DECnet addresses are not supported', token);
  }

  private unsupported(address: AddressKind, token: Token): never {
    // A loop over headers is what no kernel accepts; a gateway's name would need a table of Ethernet addresses.
    return this.fail(`'${address}' is not supported`, token);
  }

  private named({ protocol, direction, address }: Qualifiers, token: Token): Condition {
    switch (address) {
      case 'port': {
        const over = this.portProtocol(protocol, address, token);
        const service = this.service(token.text, token);
        const number = this.checkedProtocol(service.protocol, over, token);
        return this.port(service.port, service.port, false, number, direction, token);
      }
      case 'portrange': {
        const over = this.portProtocol(protocol, address, token);
        const dash = token.text.indexOf('-');
        if (dash < 0) this.fail(`unknown port in range '${token.text}'`, token);
        const from = this.service(token.text.slice(0, dash), token);
        const to = this.service(token.text.slice(dash + 1), token);
        // Names that disagree on the protocol say nothing about it.
        const named = from.protocol === to.protocol ? from.protocol : -1;
        return this.port(from.port, to.port, true, this.checkedProtocol(named, over, token), direction, token);
      }
      case 'proto': {
        const isLink = protocol === 'link';
        if (!isLink && protocol !== '' && protocol !== 'ip' && protocol !== 'ip6') {
          this.fail(`unknown protocol: ${token.text}`, token);
        }
        const number = isLink ? linkProtocolByName(token.text) : protocolByName(token.text);
        if (number === undefined) this.fail(`unknown ${isLink ? 'ether' : 'ip'} proto '${token.text}'`, token);
        return this.generator.protocolNumber(number, protocol);
      }
      case 'gateway':
      case 'protochain':
        return this.unsupported(address, token);
      default:
        return this.fail(
          `unknown ${address === 'net' ? 'network' : 'host'} '${token.text}': names are not looked up`,
          token,
        );
    }
  }

  /** The IP protocol of `tcp port`, -1 for `port`. */
  private portProtocol(protocol: string, address: AddressKind, token: Token): number {
    const numbers: Readonly<Record<string, number>> = { '': -1, tcp: 6, udp: 17, sctp: 132 };
    if (!Object.hasOwn(numbers, protocol)) this.fail(`illegal qualifier of '${address}'`, token);
    return numbers[protocol] as number;
  }

  private service(name: string, token: Token): Service {
    return serviceByName(name) ?? this.fail(`unknown port '${name}'`, token);
  }

  /** The protocol that a port is for: `over` as it stands before it, unless that is not the `named` one's. */
  private checkedProtocol(named: number, over: number, token: Token): number {
    if (over >= 0 && named >= 0 && over !== named) {
      this.fail(`port '${token.text}' is ${named === 6 ? 'tcp' : 'udp'}`, token);
    }
    return over >= 0 ? over : named;
  }

  private port(
    from: number,
    to: number,
    isRange: boolean,
    protocol: number,
    direction: Direction,
    token: Token,
  ): Condition {
    const low = Math.min(from, to);
    const high = Math.max(from, to);
    if (high > PORT_MAX) this.fail(`illegal port number ${high} > ${PORT_MAX}`, token);
    return this.generator.ports(low, high, isRange, protocol, direction);
  }

  /** The number in the first parts of an address, and how many bits they are. */
  private parts(token: Token): { value: number; bits: number } {
    const parts = token.text.split('.').map(part => (/^\d+$/.test(part) ? Number(part) : Number.NaN));
    if (parts.some(part => !(part <= 255))) this.fail(`invalid IPv4 address '${token.text}'`, token);
    const value = parts.reduce((sum, part) => sum * 256 + part, 0);
    return { value, bits: 8 * parts.length };
  }

  private ipv4({ protocol, direction, address }: Qualifiers, token: Token): Condition {
    const { value, bits } = this.parts(token);
    const shifted = (value * 2 ** (32 - bits)) >>> 0;
    const slash = this.accept('/');
    if (slash || this.is('mask')) {
      if (!slash) this.next();
      const maskToken = this.next();
      let mask: number;
      if (slash) {
        if (maskToken.kind !== 'num') this.syntaxError(maskToken);
        if (maskToken.value > 32) this.fail('mask length must be <= 32', maskToken);
        mask = prefixMask(maskToken.value);
      } else {
        if (maskToken.kind !== 'ipv4') this.syntaxError(maskToken);
        const { value: maskValue, bits: maskBits } = this.parts(maskToken);
        mask = (maskValue * 2 ** (32 - maskBits)) >>> 0;
      }
      if ((shifted & ~mask) !== 0) this.fail(`non-network bits set in "${token.text}"`, token);
      if (address !== 'net') this.fail('Mask syntax for networks only', token);
      return this.generator.host(shifted, mask, protocol, direction, address);
    }
    if (address !== 'default' && address !== 'host' && address !== 'net') {
      this.fail(`'${address}' modifier applied to ip host`, token);
    }
    this.checkAddress(protocol, token);
    return this.generator.host(shifted, prefixMask(bits), protocol, direction, address);
  }

  private ipv6({ protocol, direction, address }: Qualifiers, token: Token): Condition {
    const bytes = parseIpv6(token.text) ?? this.fail(`bogus IPv6 address ${token.text}`, token);
    let length = 128;
    if (this.accept('/')) {
      const lengthToken = this.token;
      length = this.number();
      if (length > 128) this.fail('mask length must be <= 128', lengthToken);
    }
    const mask = Uint8Array.from(bytes, (_, at) => (0xff00 >> Math.min(Math.max(length - 8 * at, 0), 8)) & 0xff);
    if (bytes.some((byte, at) => (byte & ~(mask[at] as number)) !== 0)) {
      this.fail(`non-network bits set in "${token.text}/${length}"`, token);
    }
    if (address !== 'net') {
      if (address !== 'default' && address !== 'host') this.fail('invalid qualifier against IPv6 address', token);
      if (length !== 128) this.fail('Mask syntax for networks only', token);
    }
    return this.generator.host6(bytes, mask, protocol, direction);
  }

  private mac({ protocol, direction, address }: Qualifiers, token: Token): Condition {
    if (protocol !== 'link' || (address !== 'host' && address !== 'default')) {
      this.fail('ethernet address used in non-ether expression', token);
    }
    return this.generator.etherHost(parseEther(token.text), direction);
  }

  // ---- arithmetic ----

  private relation(): Operand {
    const left = this.arithmetic();
    const relation = this.token.kind === 'op' ? RELATIONS[this.token.text] : undefined;
    if (relation === undefined) this.syntaxError();
    this.next();
    const right = this.arithmetic();
    return this.alone(this.generator.relation(relation[0], relation[1], left, right));
  }

  /** A stack of operations that wait for their right side, as an LR parser would have it. */
  private arithmetic(): Arithmetic {
    return this.nested(() => {
      const waiting: { left: Arithmetic | undefined; op: number; strength: number }[] = [];
      for (;;) {
        while (this.accept('-')) waiting.push({ left: undefined, op: BPF_SUB, strength: NEGATION_STRENGTH });
        let value = this.atom();
        const { token } = this;
        const operator = token.kind === 'op' ? OPERATORS[token.text] : undefined;
        for (let last = waiting.at(-1); last !== undefined; last = waiting.at(-1)) {
          if (operator !== undefined && (operator[1] === 0 || last.strength < operator[1])) break;
          waiting.pop();
          value =
            last.left === undefined ? this.generator.negate(value) : this.generator.binary(last.op, last.left, value);
        }
        if (operator === undefined) return value;
        this.next();
        waiting.push({ left: value, op: operator[0], strength: operator[1] });
      }
    });
  }

  private atom(): Arithmetic {
    const { generator, token } = this;
    if (token.kind === 'num') return generator.number(this.next().value);
    if (this.accept('len')) return generator.packetLength();
    if (this.accept('(')) {
      const value = this.arithmetic();
      this.expect(')');
      return value;
    }
    if (token.kind !== 'word' || !PROTOCOLS.has(token.text)) this.syntaxError();
    this.next();
    this.expect('[');
    const index = this.arithmetic();
    const bytes = this.accept(':') ? this.number() : 1;
    this.expect(']');
    return generator.load(token.text, index, bytes);
  }
}

const prefixMask = (length: number): number => (length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0);

function parseEther(text: string): Uint8Array {
  const parts =
    /[:-]/.test(text) || text.split('.').length === 6 ? text.split(/[:.-]/) : text.replaceAll('.', '').match(/../g);
  return Uint8Array.from(parts ?? [], part => Number.parseInt(part, 16));
}

/** The sixteen bytes; undefined when it is none. The scanner has checked the groups. */
function parseIpv6(text: string): Uint8Array | undefined {
  let groups = text;
  const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0];
  if (dotted !== undefined) {
    if (!/^((0|[1-9]\d{0,2})\.){3}(0|[1-9]\d{0,2})$/.test(dotted)) return undefined;
    const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number);
    if (Math.max(a, b, c, d) > 255) return undefined;
    groups = `${text.slice(0, -dotted.length)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  }
  const numbers = (part: string): number[] =>
    part === '' ? [] : part.split(':').map(each => Number.parseInt(each, 16));
  const [before = '', after] = groups.split('::');
  const left = numbers(before);
  const right = numbers(after ?? '');
  const zeros = new Array<number>(Math.max(8 - left.length - right.length, 0)).fill(0);
  const all = after === undefined ? left : [...left, ...zeros, ...right];
  return all.length === 8 ? Uint8Array.from(all.flatMap(group => [group >> 8, group & 0xff])) : undefined;
}

export interface CompileOptions {
  /** What the program returns for a packet that matches; tcpdump's own unless given. */
  readonly snaplen?: number;
  /** False: as written, without leaving out what is known (`tcpdump -O`). */
  readonly optimize?: boolean;
  /** True: for a socket, where direction and interface are known. Otherwise for frames of a file. */
  readonly live?: boolean;
}

export const DEFAULT_SNAPLEN = 262144;

/**
 * The program of a filter expression, which a kernel takes. The empty expression lets everything through.
 *
 * @throws FilterError: what is wrong with the expression and where; also when it matches nothing whatever the packet
 */
export function compileFilter(text: string, options: CompileOptions = {}): sock_filter[] {
  const { snaplen = DEFAULT_SNAPLEN, optimize = true, live = false } = options;
  const { program, rejectsAll } = assemble(new Parser(text, live).program(), snaplen, optimize);
  if (rejectsAll && optimize) throw new FilterError('expression rejects all packets', 0);
  if (program.length > PROGRAM_MAX) throw new FilterError(`program of more than ${PROGRAM_MAX} instructions`, 0);
  return program;
}
