/** Matches as iptables(8) and iptables-extensions(8) spell them. */

import { inet_ntoa } from '../../../kernel/net/ipv4/ip_header.ts';
import type { xt_conntrack_info, xt_state } from '../../../kernel/net/netfilter/xt_conntrack.ts';
import type {
  ipt_icmp,
  ipt_ttl,
  xt_addrtype,
  xt_length,
  xt_mac,
  xt_mark,
  xt_multiport,
  xt_physdev,
  xt_pkttype,
  xt_range,
  xt_rateinfo,
  xt_statistic,
  xt_tcp,
  xt_udp,
} from '../../../kernel/net/netfilter/xt_match.ts';
import { type Extension, extension, type Given } from './extension.ts';
import { misuse } from './problem.ts';
import {
  formatMac,
  formatMark,
  formatMask,
  formatPorts,
  number,
  parseMac,
  parseMark,
  parseNetwork,
  parsePorts,
  parseProtocol,
  portName,
  quote,
} from './values.ts';

const value = (given: Given | undefined, index = 0): string => given?.values[index] ?? '';
const not = (invert: boolean): string => (invert ? ' !' : '');
const bang = (invert: boolean): string => (invert ? '!' : '');
const ANY: xt_range = [0, 65535];
const isAny = (range: xt_range): boolean => range[0] === 0 && range[1] === 65535;

const FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'];

function parseFlags(text: string): number {
  let mask = 0;
  for (const name of text.split(',')) {
    const upper = name.toUpperCase();
    if (upper === 'ALL') mask |= 0x3f;
    else if (upper !== 'NONE') {
      const bit = FLAGS.indexOf(upper);
      if (bit < 0) throw misuse(`Unknown TCP flag \`${name}'`);
      mask |= 1 << bit;
    }
  }
  return mask;
}

function formatFlags(mask: number): string {
  if (mask === 0) return 'NONE';
  return FLAGS.filter((_, bit) => (mask & (1 << bit)) !== 0).join(',');
}

function ports(given: ReadonlyMap<string, Given>, ...names: string[]): { range: xt_range; invert: boolean } {
  for (const name of names) {
    const option = given.get(name);
    if (option !== undefined) return { range: parsePorts(value(option)), invert: option.invert };
  }
  return { range: ANY, invert: false };
}

function savePorts(info: xt_tcp | xt_udp): string {
  const s = (info.invflags & 1) !== 0;
  const d = (info.invflags & 2) !== 0;
  let text = '';
  if (!isAny(info.spts) || s) text += `${not(s)} --sport ${formatPorts(info.spts)}`;
  if (!isAny(info.dpts) || d) text += `${not(d)} --dport ${formatPorts(info.dpts)}`;
  return text;
}

function listPorts(name: string, range: xt_range, invert: boolean, numeric: boolean): string {
  if (isAny(range) && !invert) return '';
  return range[0] === range[1]
    ? ` ${name}:${bang(invert)}${portName(range[0], numeric)}`
    : ` ${name}s:${bang(invert)}${portName(range[0], numeric)}:${portName(range[1], numeric)}`;
}

const tcp = extension<xt_tcp>({
  name: 'tcp',
  options: {
    '--sport': '!1',
    '--source-port': '!1',
    '--dport': '!1',
    '--destination-port': '!1',
    '--tcp-flags': '!2',
    '--syn': '!0',
    '--tcp-option': '!1',
  },
  parse(given) {
    const s = ports(given, '--sport', '--source-port');
    const d = ports(given, '--dport', '--destination-port');
    const flags = given.get('--tcp-flags');
    const syn = given.get('--syn');
    const option = given.get('--tcp-option');
    const kind = option === undefined ? 0 : number(value(option), 1, 255);
    if (Number.isNaN(kind)) throw misuse(`Bad TCP option "${value(option)}"`);
    const inverted = flags?.invert === true || syn?.invert === true;
    return {
      spts: s.range,
      dpts: d.range,
      option: kind,
      flg_mask: flags !== undefined ? parseFlags(value(flags)) : syn !== undefined ? 0x17 : 0,
      flg_cmp: flags !== undefined ? parseFlags(value(flags, 1)) : syn !== undefined ? 0x02 : 0,
      invflags: (s.invert ? 1 : 0) | (d.invert ? 2 : 0) | (inverted ? 4 : 0) | (option?.invert === true ? 8 : 0),
    };
  },
  save(info) {
    let text = savePorts(info);
    const option = (info.invflags & 8) !== 0;
    if (info.option !== 0 || option) text += `${not(option)} --tcp-option ${info.option}`;
    const flags = (info.invflags & 4) !== 0;
    if (info.flg_mask !== 0 || flags) {
      text += `${not(flags)} --tcp-flags ${formatFlags(info.flg_mask)} ${formatFlags(info.flg_cmp)}`;
    }
    return text;
  },
  list(info, numeric) {
    let text = ` tcp${listPorts('spt', info.spts, (info.invflags & 1) !== 0, numeric)}`;
    text += listPorts('dpt', info.dpts, (info.invflags & 2) !== 0, numeric);
    if (info.option !== 0) text += ` option=${bang((info.invflags & 8) !== 0)}${info.option}`;
    const invert = (info.invflags & 4) !== 0;
    if (info.flg_mask !== 0 || invert) {
      const format = (mask: number): string =>
        numeric ? `0x${mask.toString(16).toUpperCase().padStart(2, '0')}` : formatFlags(mask);
      text += ` flags:${bang(invert)}${format(info.flg_mask)}/${format(info.flg_cmp)}`;
    }
    return text;
  },
});

const udp = extension<xt_udp>({
  name: 'udp',
  options: { '--sport': '!1', '--source-port': '!1', '--dport': '!1', '--destination-port': '!1' },
  parse(given) {
    const s = ports(given, '--sport', '--source-port');
    const d = ports(given, '--dport', '--destination-port');
    return { spts: s.range, dpts: d.range, invflags: (s.invert ? 1 : 0) | (d.invert ? 2 : 0) };
  },
  save: savePorts,
  list: (info, numeric) =>
    ` udp${listPorts('spt', info.spts, (info.invflags & 1) !== 0, numeric)}${listPorts('dpt', info.dpts, (info.invflags & 2) !== 0, numeric)}`,
});

/** Names of ICMP types, with the codes they stand for. */
const ICMP: readonly (readonly [name: string, type: number, first: number, last: number])[] = [
  ['any', 0xff, 0, 0xff],
  ['echo-reply', 0, 0, 0xff],
  ['pong', 0, 0, 0xff],
  ['destination-unreachable', 3, 0, 0xff],
  ['network-unreachable', 3, 0, 0],
  ['host-unreachable', 3, 1, 1],
  ['protocol-unreachable', 3, 2, 2],
  ['port-unreachable', 3, 3, 3],
  ['fragmentation-needed', 3, 4, 4],
  ['source-route-failed', 3, 5, 5],
  ['network-unknown', 3, 6, 6],
  ['host-unknown', 3, 7, 7],
  ['network-prohibited', 3, 9, 9],
  ['host-prohibited', 3, 10, 10],
  ['TOS-network-unreachable', 3, 11, 11],
  ['TOS-host-unreachable', 3, 12, 12],
  ['communication-prohibited', 3, 13, 13],
  ['host-precedence-violation', 3, 14, 14],
  ['precedence-cutoff', 3, 15, 15],
  ['source-quench', 4, 0, 0xff],
  ['redirect', 5, 0, 0xff],
  ['network-redirect', 5, 0, 0],
  ['host-redirect', 5, 1, 1],
  ['echo-request', 8, 0, 0xff],
  ['ping', 8, 0, 0xff],
  ['router-advertisement', 9, 0, 0xff],
  ['router-solicitation', 10, 0, 0xff],
  ['time-exceeded', 11, 0, 0xff],
  ['ttl-exceeded', 11, 0, 0xff],
  ['ttl-zero-during-transit', 11, 0, 0],
  ['ttl-zero-during-reassembly', 11, 1, 1],
  ['parameter-problem', 12, 0, 0xff],
  ['ip-header-bad', 12, 0, 0],
  ['required-option-missing', 12, 1, 1],
  ['timestamp-request', 13, 0, 0xff],
  ['timestamp-reply', 14, 0, 0xff],
  ['address-mask-request', 17, 0, 0xff],
  ['address-mask-reply', 18, 0, 0xff],
];

const icmp = extension<ipt_icmp>({
  name: 'icmp',
  options: { '--icmp-type': '!1' },
  parse(given) {
    const option = given.get('--icmp-type');
    if (option === undefined) return { type: 0xff, code: [0, 0xff], invert: false };
    const text = value(option);
    const { invert } = option;
    const named = ICMP.find(([name]) => name.toLowerCase() === text.toLowerCase());
    if (named !== undefined) return { type: named[1], code: [named[2], named[3]], invert };
    const [type = '', code] = text.split('/', 2);
    const t = number(type, 0, 255);
    const c = code === undefined ? 0 : number(code, 0, 255);
    if (Number.isNaN(t)) throw misuse(`Unknown ICMP type \`${type}'`);
    if (Number.isNaN(c)) throw misuse(`Invalid ICMP code \`${code}'`);
    return { type: t, code: code === undefined ? [0, 0xff] : [c, c], invert };
  },
  save({ type, code, invert }) {
    if (type === 0xff) return `${not(invert)} --icmp-type any`;
    return `${not(invert)} --icmp-type ${type}${code[0] === 0 && code[1] === 0xff ? '' : `/${code[0]}`}`;
  },
  list({ type, code, invert }, numeric) {
    const named = ICMP.find(([, t, first, last]) => t === type && first === code[0] && last === code[1]);
    if (!numeric && named !== undefined) return ` icmp ${bang(invert)}${named[0]}`;
    const c =
      code[0] === 0 && code[1] === 0xff
        ? ''
        : code[0] === code[1]
          ? ` code ${code[0]}`
          : ` codes ${code[0]}-${code[1]}`;
    return invert ? ` icmp !type ${type}${c}` : ` icmptype ${type}${c}`;
  },
});

const STATES = ['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED', 'SNAT', 'DNAT'];
const STATE_BITS: Readonly<Record<string, number>> = {
  INVALID: 1,
  ESTABLISHED: 2,
  RELATED: 4,
  NEW: 8,
  SNAT: 64,
  DNAT: 128,
  UNTRACKED: 256,
};

function parseStates(
  text: string,
  names: readonly string[],
  bits: Readonly<Record<string, number>>,
  what = 'ctstate',
): number {
  let mask = 0;
  for (const name of text.split(',')) {
    const upper = name.toUpperCase();
    if (!names.includes(upper)) throw misuse(`Bad ${what} "${text}"`);
    mask |= bits[upper] as number;
  }
  return mask;
}

const formatStates = (mask: number, names: readonly string[], bits: Readonly<Record<string, number>>): string =>
  names.filter(name => (mask & (bits[name] as number)) !== 0).join(',');

const state = extension<xt_state>({
  name: 'state',
  options: { '--state': '!1' },
  parse(given) {
    const option = given.get('--state');
    if (option === undefined) throw misuse('You must specify "--state"');
    return { statemask: parseStates(value(option), STATES.slice(0, 5), STATE_BITS, 'state'), invert: option.invert };
  },
  save: ({ statemask, invert }) => `${not(invert === true)} --state ${formatStates(statemask, STATES, STATE_BITS)}`,
  list: ({ statemask, invert }) =>
    `${invert === true ? ' !' : ''} state ${formatStates(statemask, STATES, STATE_BITS)}`,
});

const STATUS = ['NONE', 'EXPECTED', 'SEEN_REPLY', 'ASSURED', 'CONFIRMED'];
const STATUS_BITS: Readonly<Record<string, number>> = {
  NONE: 1,
  EXPECTED: 2,
  SEEN_REPLY: 4,
  ASSURED: 8,
  CONFIRMED: 16,
};
const CT_ADDRESSES = ['origsrc', 'origdst', 'replsrc', 'repldst'] as const;
const CT_PORTS = ['origsrcport', 'origdstport', 'replsrcport', 'repldstport'] as const;

function conntrackText(info: xt_conntrack_info, prefix: string): string {
  let text = '';
  const add = (name: string, what: string, invert: boolean): void => {
    text += `${not(invert)} ${prefix}${name} ${what}`;
  };
  if (info.state !== undefined) add('ctstate', formatStates(info.state.value, STATES, STATE_BITS), info.state.invert);
  if (info.proto !== undefined) add('ctproto', String(info.proto.value), info.proto.invert);
  for (const name of CT_ADDRESSES) {
    const c = info[name];
    if (c === undefined) continue;
    const length = c.value[1] === -1 ? '' : `/${formatMask(c.value[1])}`;
    add(`ct${name}`, `${inet_ntoa(c.value[0])}${length}`, c.invert);
  }
  for (const name of CT_PORTS) {
    const c = info[name];
    if (c !== undefined) add(`ct${name}`, formatPorts(c.value), c.invert);
  }
  if (info.status !== undefined)
    add('ctstatus', formatStates(info.status.value, STATUS, STATUS_BITS), info.status.invert);
  if (info.expire !== undefined) add('ctexpire', formatPorts(info.expire.value), info.expire.invert);
  if (info.direction !== undefined) text += ` ${prefix}ctdir ${info.direction === 0 ? 'ORIGINAL' : 'REPLY'}`;
  return text;
}

const conntrack = extension<xt_conntrack_info>({
  name: 'conntrack',
  options: {
    '--ctstate': '!1',
    '--ctproto': '!1',
    '--ctorigsrc': '!1',
    '--ctorigdst': '!1',
    '--ctreplsrc': '!1',
    '--ctrepldst': '!1',
    '--ctorigsrcport': '!1',
    '--ctorigdstport': '!1',
    '--ctreplsrcport': '!1',
    '--ctrepldstport': '!1',
    '--ctstatus': '!1',
    '--ctexpire': '!1',
    '--ctdir': 1,
  },
  parse(given) {
    if (given.size === 0) throw misuse('conntrack: At least one option is required');
    const info: { -readonly [K in keyof xt_conntrack_info]: xt_conntrack_info[K] } = {};
    for (const [name, option] of given) {
      const text = value(option);
      const { invert } = option;
      const key = name.slice(4);
      if (name === '--ctstate') info.state = { value: parseStates(text, STATES, STATE_BITS), invert };
      else if (name === '--ctproto') info.proto = { value: parseProtocol(text), invert };
      else if (name === '--ctstatus') info.status = { value: parseStates(text, STATUS, STATUS_BITS), invert };
      else if (name === '--ctexpire') {
        const [first = '', last] = text.split(':', 2);
        const a = number(first);
        const b = last === undefined ? a : number(last);
        if (Number.isNaN(a) || Number.isNaN(b)) throw misuse('conntrack: bad value for option "--ctexpire"');
        info.expire = { value: [a, b], invert };
      } else if (name === '--ctdir') {
        const dir = text.toUpperCase();
        if (dir !== 'ORIGINAL' && dir !== 'REPLY') throw misuse(`conntrack: bad value for option "--ctdir"`);
        info.direction = dir === 'ORIGINAL' ? 0 : 1;
      } else if (key.endsWith('port')) info[key as (typeof CT_PORTS)[number]] = { value: parsePorts(text), invert };
      else info[key as (typeof CT_ADDRESSES)[number]] = { value: parseNetwork(text), invert };
    }
    return info;
  },
  save: info => conntrackText(info, '--'),
  list: info => conntrackText(info, ''),
});

const UNITS: readonly (readonly [name: string, mult: number])[] = [
  ['day', 864000000],
  ['hour', 36000000],
  ['min', 600000],
  ['sec', 10000],
];

function formatRate(avg: number): string {
  let i = 1;
  while (i < UNITS.length) {
    const mult = (UNITS[i] as readonly [string, number])[1];
    if (avg > mult || Math.floor(mult / avg) < mult % avg) break;
    i++;
  }
  const [name, mult] = UNITS[i - 1] as readonly [string, number];
  return `${Math.floor(mult / avg)}/${name}`;
}

const limit = extension<xt_rateinfo>({
  name: 'limit',
  options: { '--limit': 1, '--limit-burst': 1 },
  parse(given) {
    const text = value(given.get('--limit')) || '3/hour';
    const [count = '', unit = 'second'] = text.split('/', 2);
    const rate = number(count, 1);
    const full = ['second', 'minute', 'hour', 'day'].find(name => unit !== '' && name.startsWith(unit.toLowerCase()));
    const mult = { second: 10000, minute: 600000, hour: 36000000, day: 864000000 }[full ?? ''];
    if (Number.isNaN(rate) || mult === undefined) throw misuse(`bad rate "${text}"'`);
    const avg = Math.floor(mult / rate);
    if (avg === 0) throw misuse(`Rate too fast "${text}"`);
    const burst = given.has('--limit-burst') ? number(value(given.get('--limit-burst')), 0, 10000) : 5;
    if (Number.isNaN(burst)) throw misuse(`limit: bad value for option "--limit-burst", or out of range (0-10000).`);
    return { avg, burst };
  },
  save: info => ` --limit ${formatRate(info.avg)}${info.burst === 5 ? '' : ` --limit-burst ${info.burst}`}`,
  list: info => ` limit: avg ${formatRate(info.avg)} burst ${info.burst}`,
});

function markMatch(name: string): Extension {
  return extension<xt_mark>({
    name,
    options: { '--mark': '!1' },
    parse(given) {
      const option = given.get('--mark');
      if (option === undefined) throw misuse(`${name}: option "--mark" must be specified\n`);
      const [mark, mask] = parseMark(value(option), name);
      return { mark, mask, invert: option.invert };
    },
    save: ({ mark, mask, invert }) => `${not(invert)} --mark ${formatMark(mark, mask)}`,
    list: ({ mark, mask, invert }) =>
      ` ${name} match ${name === 'mark' ? not(invert).slice(1) : not(invert)}${name === 'mark' && !invert ? '' : ' '}${formatMark(mark, mask)}`,
  });
}

const multiport = extension<xt_multiport>({
  name: 'multiport',
  options: {
    '--sports': '!1',
    '--source-ports': '!1',
    '--dports': '!1',
    '--destination-ports': '!1',
    '--ports': '!1',
  },
  parse(given, protocol) {
    const [[name, option] = ['', undefined]] = [...given];
    if (option === undefined) throw misuse('multiport expection an option');
    if (![6, 17, 33, 132, 136].includes(protocol)) {
      throw misuse("multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'");
    }
    const which = name.includes('--s') ? 'source' : name.includes('--d') ? 'destination' : 'either';
    const list = value(option)
      .split(',')
      .map(range => parsePorts(range, 'invalid portrange specified'));
    if (list.reduce((sum, [a, b]) => sum + (a === b ? 1 : 2), 0) > 15) throw misuse('too many ports specified');
    return { which, ports: list, invert: option.invert };
  },
  save({ which, ports: list, invert }) {
    const name = { source: 'sports', destination: 'dports', either: 'ports' }[which];
    return `${not(invert)} --${name} ${list.map(formatPorts).join(',')}`;
  },
  list({ which, ports: list, invert }, numeric) {
    const name = { source: 'sports', destination: 'dports', either: 'ports' }[which];
    const text = list.map(([a, b]) =>
      a === b ? portName(a, numeric) : `${portName(a, numeric)}:${portName(b, numeric)}`,
    );
    return ` multiport ${name} ${invert ? ' !' : ''}${text.join(',')}`;
  },
});

const TYPES = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
  'THROW',
  'NAT',
  'XRESOLVE',
];

function parseTypes(text: string): number {
  let mask = 0;
  for (const name of text.split(',')) {
    const type = TYPES.indexOf(name.toUpperCase());
    if (type < 0) throw misuse(`addrtype: bad type \`${name}'`);
    mask |= 1 << type;
  }
  return mask;
}

const formatTypes = (mask: number): string => TYPES.filter((_, type) => (mask & (1 << type)) !== 0).join(',');

const addrtype = extension<xt_addrtype>({
  name: 'addrtype',
  options: { '--src-type': '!1', '--dst-type': '!1', '--limit-iface-in': 0, '--limit-iface-out': 0 },
  parse(given) {
    const s = given.get('--src-type');
    const d = given.get('--dst-type');
    if (s === undefined && d === undefined) throw misuse('addrtype: you must specify --src-type or --dst-type');
    return {
      source: s === undefined ? 0 : parseTypes(value(s)),
      dest: d === undefined ? 0 : parseTypes(value(d)),
      invert_source: s?.invert === true,
      invert_dest: d?.invert === true,
      limit_iface_in: given.has('--limit-iface-in'),
      limit_iface_out: given.has('--limit-iface-out'),
    };
  },
  save(info) {
    let text = '';
    if (info.source !== 0) text += `${not(info.invert_source)} --src-type ${formatTypes(info.source)}`;
    if (info.dest !== 0) text += `${not(info.invert_dest)} --dst-type ${formatTypes(info.dest)}`;
    if (info.limit_iface_in) text += ' --limit-iface-in';
    if (info.limit_iface_out) text += ' --limit-iface-out';
    return text;
  },
  list(info) {
    let text = ' ADDRTYPE match';
    if (info.source !== 0) text += ` src-type ${info.invert_source ? '!' : ''}${formatTypes(info.source)}`;
    if (info.dest !== 0) text += ` dst-type ${info.invert_dest ? '!' : ''}${formatTypes(info.dest)}`;
    if (info.limit_iface_in) text += ' limit-in';
    if (info.limit_iface_out) text += ' limit-out';
    return text;
  },
});

const comment = extension<{ readonly comment: string }>({
  name: 'comment',
  options: { '--comment': 1 },
  parse(given) {
    if (!given.has('--comment')) throw misuse('comment: option "--comment" must be specified\n');
    const text = value(given.get('--comment'));
    if (text.length > 255) throw misuse('comment: option "--comment" takes at most 255 characters');
    return { comment: text };
  },
  save: info => ` --comment ${quote(info.comment)}`,
  list: info => ` /* ${info.comment} */`,
});

const mac = extension<xt_mac>({
  name: 'mac',
  options: { '--mac-source': '!1' },
  parse(given) {
    const option = given.get('--mac-source');
    if (option === undefined) throw misuse('mac: option "--mac-source" must be specified\n');
    return { source: parseMac(value(option)), invert: option.invert };
  },
  save: info => `${not(info.invert)} --mac-source ${formatMac(info.source)}`,
  list: info => ` MAC${not(info.invert)} ${formatMac(info.source)}`,
});

const statistic = extension<xt_statistic>({
  name: 'statistic',
  options: { '--mode': 1, '--probability': '!1', '--every': '!1', '--packet': 1 },
  parse(given) {
    const mode = value(given.get('--mode'));
    if (mode === 'random') {
      const option = given.get('--probability');
      const p = Number(value(option));
      if (option === undefined || !(p >= 0 && p <= 1))
        throw misuse('statistic: bad value for option "--probability", or out of range (0-1)');
      return { mode, probability: Math.round(p * 0x80000000), every: 0, packet: 0, invert: option.invert };
    }
    if (mode !== 'nth') throw misuse(`Bad mode "${mode}"`);
    const option = given.get('--every');
    const every = number(value(option), 1);
    if (!given.has('--packet')) throw misuse('statistic: option "--every" also requires "--packet".\n');
    const packet = number(value(given.get('--packet')));
    if (option === undefined || Number.isNaN(every)) throw misuse('statistic: bad value for option "--every"');
    if (Number.isNaN(packet) || packet >= every) throw misuse('the --packet p must be 0 <= p <= n-1');
    return { mode, probability: 0, every, packet, invert: option.invert };
  },
  save(info) {
    if (info.mode === 'random') {
      return ` --mode random${not(info.invert)} --probability ${(info.probability / 0x80000000).toFixed(11)}`;
    }
    return ` --mode nth${not(info.invert)} --every ${info.every} --packet ${info.packet}`;
  },
  list(info) {
    if (info.mode === 'random') {
      return ` statistic mode random${not(info.invert)} probability ${(info.probability / 0x80000000).toFixed(11)}`;
    }
    return ` statistic mode nth${not(info.invert)} every ${info.every}${info.packet !== 0 ? ` packet ${info.packet}` : ''}`;
  },
});

const length = extension<xt_length>({
  name: 'length',
  options: { '--length': '!1' },
  parse(given) {
    const option = given.get('--length');
    if (option === undefined) throw misuse('length: option "--length" must be specified\n');
    const [first = '', last] = value(option).split(':', 2);
    const min = first === '' ? 0 : number(first, 0, 65535);
    const max = last === undefined ? min : last === '' ? 65535 : number(last, 0, 65535);
    if (Number.isNaN(min) || Number.isNaN(max) || min > max) throw misuse('length: bad value for option "--length"');
    return { min, max, invert: option.invert };
  },
  save: ({ min, max, invert }) => `${not(invert)} --length ${formatPorts([min, max])}`,
  list: ({ min, max, invert }) => ` length ${bang(invert)}${formatPorts([min, max])}`,
});

const TTL_SIGNS = { eq: '==', ne: '!=', lt: '<', gt: '>' };

const ttl = extension<ipt_ttl>({
  name: 'ttl',
  options: { '--ttl-eq': '!1', '--ttl': '!1', '--ttl-lt': 1, '--ttl-gt': 1 },
  parse(given) {
    const [[name, option] = ['', undefined]] = [...given];
    const has = number(value(option), 0, 255);
    if (option === undefined || Number.isNaN(has))
      throw misuse("TTL match: You must specify one of `--ttl-eq', `--ttl-lt', `--ttl-gt");
    if (name === '--ttl-lt' || name === '--ttl-gt') return { mode: name === '--ttl-lt' ? 'lt' : 'gt', ttl: has };
    return { mode: option.invert ? 'ne' : 'eq', ttl: has };
  },
  save: info => `${not(info.mode === 'ne')} --ttl-${info.mode === 'ne' ? 'eq' : info.mode} ${info.ttl}`,
  list: info => ` TTL match TTL ${TTL_SIGNS[info.mode]} ${info.ttl}`,
});

const PKTTYPES = ['unicast', 'broadcast', 'multicast'];

const pkttype = extension<xt_pkttype>({
  name: 'pkttype',
  options: { '--pkt-type': '!1' },
  parse(given) {
    const option = given.get('--pkt-type');
    const type = PKTTYPES.indexOf(value(option).toLowerCase());
    if (option === undefined || type < 0) throw misuse(`Bad packet type '${value(option)}'`);
    return { pkttype: type, invert: option.invert };
  },
  save: info => `${not(info.invert)} --pkt-type ${PKTTYPES[info.pkttype]}`,
  list: info => ` PKTTYPE ${info.invert ? '!' : ''}= ${PKTTYPES[info.pkttype]}`,
});

const physdev = extension<xt_physdev>({
  name: 'physdev',
  options: {
    '--physdev-in': '!1',
    '--physdev-out': '!1',
    '--physdev-is-in': '!0',
    '--physdev-is-out': '!0',
    '--physdev-is-bridged': '!0',
  },
  parse(given) {
    if (given.size === 0) throw misuse('PHYSDEV: no physdev option specified');
    const flag = (name: string): boolean | null => (given.has(name) ? !given.get(name)?.invert : null);
    return {
      physindev: value(given.get('--physdev-in')),
      physoutdev: value(given.get('--physdev-out')),
      invert_in: given.get('--physdev-in')?.invert === true,
      invert_out: given.get('--physdev-out')?.invert === true,
      is_in: flag('--physdev-is-in'),
      is_out: flag('--physdev-is-out'),
      is_bridged: flag('--physdev-is-bridged'),
    };
  },
  save: info => physdevText(info, '--physdev-'),
  list: info => ` PHYSDEV match${physdevText(info, '--physdev-')}`,
});

function physdevText(info: xt_physdev, prefix: string): string {
  let text = '';
  if (info.is_in !== null) text += `${not(!info.is_in)} ${prefix}is-in`;
  if (info.physindev !== '') text += `${not(info.invert_in)} ${prefix}in ${info.physindev}`;
  if (info.is_out !== null) text += `${not(!info.is_out)} ${prefix}is-out`;
  if (info.physoutdev !== '') text += `${not(info.invert_out)} ${prefix}out ${info.physoutdev}`;
  if (info.is_bridged !== null) text += `${not(!info.is_bridged)} ${prefix}is-bridged`;
  return text;
}

export const MATCHES: readonly Extension[] = [
  tcp,
  udp,
  icmp,
  state,
  conntrack,
  limit,
  markMatch('mark'),
  markMatch('connmark'),
  multiport,
  addrtype,
  comment,
  mac,
  statistic,
  length,
  ttl,
  pkttype,
  physdev,
];
