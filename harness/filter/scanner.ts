/**
 * Words of a filter expression (pcap-filter(7)). The longest match counts, and of equally long ones the first kind
 * below, as in libpcap's scanner: so `5-3` is a name, and twelve digits are an Ethernet address.
 */

/** What is wrong with an expression, and where. */
export class FilterError extends Error {
  /** Index into the expression, from 0; its length when the expression ends too early. */
  readonly position: number;

  constructor(message: string, position: number) {
    super(message);
    this.name = 'FilterError';
    this.position = position;
  }
}

/**
 * `word`: a keyword, in `text` by its first name (`length` is `len`). `op`: punctuation. `num`: `value`. `name`: what a
 * name service would be asked for. `ipv4`: two to four parts. `end`: after the last.
 */
export type TokenKind = 'word' | 'op' | 'num' | 'name' | 'ipv4' | 'ipv6' | 'mac' | 'end';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly value: number;
  readonly position: number;
}

const WORDS = new Set(
  (
    'dst src link arp rarp ip sctp tcp udp icmp igmp igrp pim vrrp carp radio ip6 icmp6 ah esp atalk aarp decnet lat ' +
    'sca moprc mopdl iso esis isis l1 l2 iih lsp snp csnp psnp clnp stp ipx netbeui host net mask port portrange proto ' +
    'protochain gateway type subtype dir addr1 addr2 addr3 addr4 ra ta less greater byte broadcast multicast len ' +
    'inbound outbound ifindex vlan mpls pppoed pppoes geneve joverjump jtruncate lane llc metac bcc oam oamf4 oamf4ec ' +
    'oamf4sc sc ilmic vpi vci connectmsg metaconnect ifname rset rnr srnr reason action fisu lssu msu hfisu hlssu hmsu ' +
    'sio opc dpc sls hsio hopc hdpc hsls'
  ).split(' '),
);

/** Other spellings of words and of punctuation. */
const SYNONYMS: Readonly<Record<string, string>> = {
  ether: 'link',
  ppp: 'link',
  slip: 'link',
  fddi: 'link',
  tr: 'link',
  wlan: 'link',
  'es-is': 'esis',
  'is-is': 'isis',
  direction: 'dir',
  address1: 'addr1',
  address2: 'addr2',
  address3: 'addr3',
  address4: 'addr4',
  length: 'len',
  on: 'ifname',
  ruleset: 'rset',
  rulenum: 'rnr',
  subrulenum: 'srnr',
  lsu: 'lssu',
  and: '&&',
  or: '||',
  not: '!',
  '==': '=',
};

/** Names that are numbers: offsets, types and flags. */
const NUMBERS: Readonly<Record<string, number>> = {
  icmptype: 0,
  icmpcode: 1,
  'icmp-echoreply': 0,
  'icmp-unreach': 3,
  'icmp-sourcequench': 4,
  'icmp-redirect': 5,
  'icmp-echo': 8,
  'icmp-routeradvert': 9,
  'icmp-routersolicit': 10,
  'icmp-timxceed': 11,
  'icmp-paramprob': 12,
  'icmp-tstamp': 13,
  'icmp-tstampreply': 14,
  'icmp-ireq': 15,
  'icmp-ireqreply': 16,
  'icmp-maskreq': 17,
  'icmp-maskreply': 18,
  icmp6type: 0,
  icmp6code: 1,
  'icmp6-destinationunreach': 1,
  'icmp6-packettoobig': 2,
  'icmp6-timeexceeded': 3,
  'icmp6-parameterproblem': 4,
  'icmp6-echo': 128,
  'icmp6-echoreply': 129,
  'icmp6-multicastlistenerquery': 130,
  'icmp6-multicastlistenerreportv1': 131,
  'icmp6-multicastlistenerdone': 132,
  'icmp6-routersolicit': 133,
  'icmp6-routeradvert': 134,
  'icmp6-neighborsolicit': 135,
  'icmp6-neighboradvert': 136,
  'icmp6-redirect': 137,
  'icmp6-routerrenum': 138,
  'icmp6-nodeinformationquery': 139,
  'icmp6-nodeinformationresponse': 140,
  'icmp6-ineighbordiscoverysolicit': 141,
  'icmp6-ineighbordiscoveryadvert': 142,
  'icmp6-multicastlistenerreportv2': 143,
  'icmp6-homeagentdiscoveryrequest': 144,
  'icmp6-homeagentdiscoveryreply': 145,
  'icmp6-mobileprefixsolicit': 146,
  'icmp6-mobileprefixadvert': 147,
  'icmp6-certpathsolicit': 148,
  'icmp6-certpathadvert': 149,
  'icmp6-multicastrouteradvert': 151,
  'icmp6-multicastroutersolicit': 152,
  'icmp6-multicastrouterterm': 153,
  tcpflags: 13,
  'tcp-fin': 0x01,
  'tcp-syn': 0x02,
  'tcp-rst': 0x04,
  'tcp-push': 0x08,
  'tcp-ack': 0x10,
  'tcp-urg': 0x20,
  'tcp-ece': 0x40,
  'tcp-cwr': 0x80,
};

const HEX = '[0-9A-Fa-f]';
const N = '(?:0[xX][0-9A-Fa-f]+|[0-9]+)';
const B = `${HEX}{1,2}`;
const W = `${HEX}{1,4}`;
const DOTTED = `${N}\\.${N}\\.${N}\\.${N}`;

/** All shapes of an IPv6 address: eight groups, or fewer with one `::`; the last two may be dotted. */
function ipv6Shapes(): string[] {
  const groups = (count: number): string => new Array<string>(count).fill(W).join(':');
  const shapes = [groups(8), `${groups(6)}:${DOTTED}`];
  for (let count = 0; count <= 7; count++) {
    for (let before = 0; before <= count; before++) shapes.push(`${groups(before)}::${groups(count - before)}`);
  }
  for (let count = 0; count <= 5; count++) {
    for (let before = 0; before <= count; before++) {
      const after = count - before;
      shapes.push(`${groups(before)}::${after === 0 ? '' : `${groups(after)}:`}${DOTTED}`);
    }
  }
  return shapes;
}

const sticky = (pattern: string): RegExp => new RegExp(pattern, 'y');

/** In the order in which equally long matches count. */
const MAC_SHAPES = [
  `${B}(?::${B}){5}`,
  `${B}(?:-${B}){5}`,
  `${B}(?:\\.${B}){5}`,
  `${HEX}{4}\\.${HEX}{4}\\.${HEX}{4}`,
  `${HEX}{12}`,
].map(sticky);
const NUMBER = sticky(N);
const IPV4 = sticky(`${N}(?:\\.${N}){1,3}`);
const IPV6_SHAPES = ipv6Shapes().map(sticky);
const BOGUS_MAC = sticky(`${B}:+(?:${B}:+)+`);
const ARCNET = sticky(`\\$${B}`);
const NAME = sticky('[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?');
const ESCAPED = sticky('\\\\[^ !()\\n\\t]+');
const PUNCTUATION = ['>=', '<=', '!=', '==', '<<', '>>', '&&', '||', ...'+-*/%:[]!<>()&|^='];

const DIGITS = /^[0-9]+$/;

function lengthOf(pattern: RegExp, text: string, position: number): number {
  pattern.lastIndex = position;
  return pattern.exec(text)?.[0].length ?? 0;
}

const longest = (patterns: readonly RegExp[], text: string, position: number): number =>
  patterns.reduce((most, pattern) => Math.max(most, lengthOf(pattern, text, position)), 0);

/** Decimal, octal with a leading 0, or hexadecimal. */
function numberOf(text: string, position: number): number {
  const octal = DIGITS.test(text) && text.startsWith('0');
  if (octal && /[89]/.test(text)) throw new FilterError(`number ${text} contains non-octal digit`, position);
  const value = octal ? Number.parseInt(text, 8) : Number(text);
  if (!(value <= 0xffffffff)) throw new FilterError(`number ${text} overflows 32 bits`, position);
  return value;
}

/** The words of `text`, the last one of kind `end`. A FilterError where there is something else. */
export function scan(text: string): Token[] {
  const tokens: Token[] = [];
  let position = 0;
  const add = (kind: TokenKind, length: number, as?: string, value = 0): void => {
    tokens.push({ kind, text: as ?? text.slice(position, position + length), value, position });
    position += length;
  };
  while (position < text.length) {
    if (/[ \r\n\t]/.test(text[position] as string)) {
      position++;
      continue;
    }
    const name = lengthOf(NAME, text, position);
    const mac = longest(MAC_SHAPES, text, position);
    const number = lengthOf(NUMBER, text, position);
    const ipv4 = lengthOf(IPV4, text, position);
    // Only where a colon can be near: sixty patterns are many.
    const ipv6 = /^[0-9A-Fa-f]{0,4}:/.test(text.slice(position, position + 5))
      ? longest(IPV6_SHAPES, text, position)
      : 0;
    const bogus = lengthOf(BOGUS_MAC, text, position);
    const most = Math.max(name, mac, number, ipv4, ipv6, bogus);
    if (most === 0) {
      const escaped = lengthOf(ESCAPED, text, position);
      const punctuation = PUNCTUATION.find(each => text.startsWith(each, position));
      if (escaped > 0) add('name', escaped, text.slice(position + 1, position + escaped));
      else if (lengthOf(ARCNET, text, position) > 0)
        throw new FilterError('ARCnet addresses are not for Ethernet', position);
      else if (punctuation === undefined)
        throw new FilterError(`"${text[position]}" is not part of any word`, position);
      else add('op', punctuation.length, SYNONYMS[punctuation] ?? punctuation);
      continue;
    }
    const found = text.slice(position, position + most);
    const word = Object.hasOwn(SYNONYMS, found) ? (SYNONYMS[found] as string) : found;
    if (name === most && WORDS.has(word)) add('word', most, word);
    else if (name === most && word !== found) add('op', most, word);
    else if (mac === most) add('mac', most);
    else if (number === most) add('num', most, found, numberOf(found, position));
    else if (ipv4 === most) add('ipv4', most);
    else if (ipv6 === most) add('ipv6', most);
    else if (bogus === most) throw new FilterError(`bogus ethernet address ${found}`, position);
    else if (Object.hasOwn(NUMBERS, found)) add('num', most, found, NUMBERS[found] as number);
    else add('name', most);
  }
  tokens.push({ kind: 'end', text: '', value: 0, position });
  return tokens;
}
