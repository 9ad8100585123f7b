/** Targets as iptables-extensions(8) spells them. */
import { in_aton, inet_ntoa } from '../../../kernel/net/ipv4/ip_header.ts';
import type { ipt_reject_info } from '../../../kernel/net/ipv4/netfilter/nf_reject_ipv4.ts';
import type { nf_nat_range } from '../../../kernel/net/netfilter/nf_nat_core.ts';
import type { xt_connmark_tginfo } from '../../../kernel/net/netfilter/xt_conntrack.ts';
import type { xt_log_info, xt_mark_tginfo } from '../../../kernel/net/netfilter/xt_target.ts';
import { type Extension, extension, type Given } from './extension.ts';
import { misuse } from './problem.ts';
import { hex, number, parseMark, quote } from './values.ts';

const value = (given: Given | undefined): string => given?.values[0] ?? '';

const REJECTS: readonly (readonly [name: string, alias: string, code: number | 'tcp-reset'])[] = [
  ['icmp-net-unreachable', 'net-unreach', 0],
  ['icmp-host-unreachable', 'host-unreach', 1],
  ['icmp-proto-unreachable', 'proto-unreach', 2],
  ['icmp-port-unreachable', 'port-unreach', 3],
  ['icmp-net-prohibited', 'net-prohib', 9],
  ['icmp-host-prohibited', 'host-prohib', 10],
  ['tcp-reset', 'tcp-rst', 'tcp-reset'],
  ['icmp-admin-prohibited', 'admin-prohib', 13],
];
const rejectName = (info: ipt_reject_info): string => REJECTS.find(([, , code]) => code === info.with)?.[0] ?? '';

const reject = extension<ipt_reject_info>({
  name: 'REJECT',
  options: { '--reject-with': 1 },
  parse(given) {
    const option = given.get('--reject-with');
    if (option === undefined) return { with: 3 };
    const text = value(option).toLowerCase();
    const known = REJECTS.find(([name, alias]) => text !== '' && (name.startsWith(text) || alias.startsWith(text)));
    if (known === undefined) throw misuse(`unknown reject type "${value(option)}"`);
    return { with: known[2] };
  },
  save: info => ` --reject-with ${rejectName(info)}`,
  list: info => ` reject-with ${rejectName(info)}`,
});

const LEVELS = ['emerg', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug'];
const LOG_FLAGS: readonly (readonly [option: string, bit: number])[] = [
  ['--log-tcp-sequence', 1],
  ['--log-tcp-options', 2],
  ['--log-ip-options', 4],
  ['--log-uid', 8],
  ['--log-macdecode', 0x20],
];

const log = extension<xt_log_info>({
  name: 'LOG',
  options: {
    '--log-level': 1,
    '--log-prefix': 1,
    '--log-tcp-sequence': 0,
    '--log-tcp-options': 0,
    '--log-ip-options': 0,
    '--log-uid': 0,
    '--log-macdecode': 0,
  },
  parse(given) {
    const text = value(given.get('--log-level'));
    let level = 4;
    if (text !== '') {
      level = number(text, 0, 7);
      if (Number.isNaN(level)) level = LEVELS.findIndex(name => name.startsWith(text.toLowerCase()));
      if (level < 0) throw misuse(`log level "${text}" unknown\n`);
    }
    const prefix = value(given.get('--log-prefix'));
    if (prefix.includes('\n')) throw misuse('Newlines not allowed in --log-prefix');
    const logflags = LOG_FLAGS.reduce((flags, [option, bit]) => (given.has(option) ? flags | bit : flags), 0);
    return { level, prefix: prefix.slice(0, 29), logflags };
  },
  save(info) {
    let text = info.prefix === '' ? '' : ` --log-prefix ${quote(info.prefix)}`;
    if (info.level !== 4) text += ` --log-level ${info.level}`;
    for (const [option, bit] of LOG_FLAGS) if ((info.logflags & bit) !== 0) text += ` ${option}`;
    return text;
  },
  list(info, numeric) {
    const prefix = info.prefix === '' ? '' : ` prefix "${info.prefix}"`;
    if (numeric) return ` LOG flags ${info.logflags} level ${info.level}${prefix}`;
    const flags = LOG_FLAGS.filter(([, bit]) => (info.logflags & bit) !== 0).map(([option]) =>
      option.replace('--log', '').replace('-', ' '),
    );
    return ` LOG level ${info.level === 4 ? 'warn' : LEVELS[info.level]}${flags.join('')}${prefix}`;
  },
});

const mark = extension<xt_mark_tginfo>({
  name: 'MARK',
  options: { '--set-mark': 1, '--set-xmark': 1, '--and-mark': 1, '--or-mark': 1, '--xor-mark': 1 },
  parse(given) {
    const [[name, option] = ['', undefined]] = [...given];
    if (option === undefined) throw misuse('MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required');
    const [bits, mask] = parseMark(value(option), 'MARK', name);
    if (name === '--set-xmark') return { mark: bits, mask };
    if (name === '--set-mark') return { mark: bits, mask: mask | bits };
    if (name === '--and-mark') return { mark: 0, mask: ~bits };
    if (name === '--or-mark') return { mark: bits, mask: bits };
    return { mark: bits, mask: 0 };
  },
  save: info => ` --set-xmark ${hex(info.mark)}/${hex(info.mask)}`,
  list(info) {
    if (info.mark === 0) return ` MARK and ${hex(~info.mask)}`;
    if (info.mark === info.mask) return ` MARK or ${hex(info.mark)}`;
    if (info.mask === 0) return ` MARK xor ${hex(info.mark)}`;
    if (info.mask === -1) return ` MARK set ${hex(info.mark)}`;
    return ` MARK xset ${hex(info.mark)}/${hex(info.mask)}`;
  },
});

const connmark = extension<xt_connmark_tginfo>({
  name: 'CONNMARK',
  options: {
    '--set-mark': 1,
    '--set-xmark': 1,
    '--and-mark': 1,
    '--or-mark': 1,
    '--xor-mark': 1,
    '--save-mark': 0,
    '--restore-mark': 0,
    '--mask': 1,
    '--nfmask': 1,
    '--ctmask': 1,
  },
  parse(given) {
    const bits = (name: string): number => {
      const option = given.get(name) ?? given.get('--mask');
      return option === undefined ? -1 : parseMark(value(option), 'CONNMARK')[0];
    };
    for (const mode of ['save', 'restore'] as const) {
      if (given.has(`--${mode}-mark`)) return { mode, ctmark: 0, ctmask: bits('--ctmask'), nfmask: bits('--nfmask') };
    }
    const set = [...given].find(([name]) => name.endsWith('mark'));
    if (set === undefined) throw misuse('CONNMARK target: No operation specified');
    const [ctmark, mask] = parseMark(value(set[1]), 'CONNMARK', set[0]);
    const nfmask = -1;
    if (set[0] === '--set-xmark') return { mode: 'set', ctmark, ctmask: mask, nfmask };
    if (set[0] === '--set-mark') return { mode: 'set', ctmark, ctmask: mask | ctmark, nfmask };
    if (set[0] === '--and-mark') return { mode: 'set', ctmark: 0, ctmask: ~ctmark, nfmask };
    if (set[0] === '--or-mark') return { mode: 'set', ctmark, ctmask: ctmark, nfmask };
    return { mode: 'set', ctmark, ctmask: 0, nfmask };
  },
  save(info) {
    if (info.mode === 'set') return ` --set-xmark ${hex(info.ctmark)}/${hex(info.ctmask)}`;
    return ` --${info.mode}-mark --nfmask ${hex(info.nfmask)} --ctmask ${hex(info.ctmask)}`;
  },
  list(info) {
    if (info.mode === 'set') {
      if (info.ctmark === 0) return ` CONNMARK and ${hex(~info.ctmask)}`;
      if (info.ctmark === info.ctmask) return ` CONNMARK or ${hex(info.ctmark)}`;
      if (info.ctmask === 0) return ` CONNMARK xor ${hex(info.ctmark)}`;
      if (info.ctmask === -1) return ` CONNMARK set ${hex(info.ctmark)}`;
      return ` CONNMARK xset ${hex(info.ctmark)}/${hex(info.ctmask)}`;
    }
    if (info.nfmask === info.ctmask) {
      return info.ctmask === -1 ? ` CONNMARK ${info.mode}` : ` CONNMARK ${info.mode} mask ${hex(info.ctmask)}`;
    }
    return ` CONNMARK ${info.mode} nfmask ${hex(info.nfmask)} ctmask ${hex(info.ctmask)}`;
  },
});

const RANDOM = 4;
const PERSISTENT = 8;
const FULLY = 16;

function ports(text: string, what: string): [number, number] {
  const [first = '', last] = text.split('-', 2);
  const min = number(first, 1, 65535);
  const max = last === undefined ? min : number(last, 1, 65535);
  if (Number.isNaN(min) || Number.isNaN(max)) throw misuse(`Port \`${text}' not valid`);
  if (min > max) throw misuse(`${what}: Port range \`${text}' funky`);
  return [min, max];
}

function flagsOf(given: ReadonlyMap<string, Given>): number {
  return (
    (given.has('--random') ? RANDOM : 0) |
    (given.has('--persistent') ? PERSISTENT : 0) |
    (given.has('--random-fully') ? FULLY : 0)
  );
}

/** `ADDRESS[-ADDRESS][:PORT[-PORT]]` */
function parseRange(text: string, flags: number, protocol: number, what: string): nf_nat_range {
  const [addresses = '', port] = text.split(':', 2);
  const range: nf_nat_range = { flags, min_addr: 0, max_addr: 0, min_proto: 0, max_proto: 0 };
  if (port !== undefined) {
    if (![6, 17, 1, 33, 132].includes(protocol)) throw misuse('Need TCP, UDP, SCTP or DCCP with port specification');
    [range.min_proto, range.max_proto] = ports(port, what);
    range.flags |= 2;
  }
  if (addresses !== '') {
    const [first = '', last] = addresses.split('-', 2);
    range.min_addr = in_aton(first);
    range.max_addr = last === undefined ? range.min_addr : in_aton(last);
    if (Number.isNaN(range.min_addr)) throw misuse(`Bad IP address "${first}"`);
    if (Number.isNaN(range.max_addr)) throw misuse(`Bad IP address "${last}"`);
    range.flags |= 1;
  }
  return range;
}

function formatRange(range: nf_nat_range): string {
  let text = '';
  if ((range.flags & 1) !== 0) {
    text += inet_ntoa(range.min_addr);
    if (range.max_addr !== range.min_addr) text += `-${inet_ntoa(range.max_addr)}`;
  }
  return (range.flags & 2) !== 0 ? `${text}:${formatToPorts(range)}` : text;
}

const formatToPorts = (range: nf_nat_range): string =>
  range.min_proto === range.max_proto ? String(range.min_proto) : `${range.min_proto}-${range.max_proto}`;

function formatFlags(flags: number, prefix: string): string {
  return (
    ((flags & RANDOM) !== 0 ? ` ${prefix}random` : '') +
    ((flags & FULLY) !== 0 ? ` ${prefix}random-fully` : '') +
    ((flags & PERSISTENT) !== 0 ? ` ${prefix}persistent` : '')
  );
}

function natTarget(name: string, option: string): Extension {
  return extension<nf_nat_range>({
    name,
    options: { [option]: 1, '--random': 0, '--random-fully': 0, '--persistent': 0 },
    parse(given, protocol) {
      const to = given.get(option);
      if (to === undefined) throw misuse(`${name}: option "${option}" must be specified\n`);
      return parseRange(value(to), flagsOf(given), protocol, name);
    },
    save: info => ` ${option} ${formatRange(info)}${formatFlags(info.flags, '--')}`,
    list: info => ` to:${formatRange(info)}${formatFlags(info.flags, '')}`,
  });
}

function portTarget(name: string, word: string): Extension {
  return extension<nf_nat_range>({
    name,
    options: { '--to-ports': 1, '--random': 0, '--random-fully': 0 },
    parse(given, protocol) {
      const range: nf_nat_range = { flags: flagsOf(given), min_addr: 0, max_addr: 0, min_proto: 0, max_proto: 0 };
      const to = given.get('--to-ports');
      if (to !== undefined) {
        if (![6, 17, 1, 33, 132].includes(protocol))
          throw misuse('Need TCP, UDP, SCTP or DCCP with port specification');
        [range.min_proto, range.max_proto] = ports(value(to), name);
        range.flags |= 2;
      }
      return range;
    },
    save: info => ((info.flags & 2) !== 0 ? ` --to-ports ${formatToPorts(info)}` : '') + formatFlags(info.flags, '--'),
    list: info => ((info.flags & 2) !== 0 ? ` ${word} ${formatToPorts(info)}` : '') + formatFlags(info.flags, ''),
  });
}

function plain(name: string, kernelName = name): Extension {
  return extension<object>({ name, kernelName, options: {}, parse: () => ({}), save: () => '', list: () => '' });
}

const ct = extension<object>({
  name: 'CT',
  options: { '--notrack': 0 },
  parse(given) {
    if (!given.has('--notrack')) throw misuse('CT: You must specify --notrack (zones and helpers are not supported)');
    return {};
  },
  save: () => ' --notrack',
  list: () => ' CT notrack',
});

const notrack = extension<object>({
  name: 'NOTRACK',
  options: {},
  parse: () => ({}),
  save: () => '',
  list: () => ' NOTRACK',
});

export const TARGETS: readonly Extension[] = [
  reject,
  log,
  mark,
  connmark,
  natTarget('SNAT', '--to-source'),
  natTarget('DNAT', '--to-destination'),
  portTarget('MASQUERADE', 'masq ports:'),
  portTarget('REDIRECT', 'redir ports'),
  plain('TRACE'),
  ct,
  notrack,
];
