/**
 * `tc qdisc` as iproute2 has it: its words to kernel/net/sched/sch_api.ts, and its output. What is refused is said as
 * tc, or the kernel through it, says it.
 */

import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { type Qdisc, TC_H_ROOT } from '../../kernel/net/sched/qdisc.ts';
import {
  type netlink_ext_ack,
  tc_dump_qdisc,
  tc_qdisc_add,
  tc_qdisc_change,
  tc_qdisc_del,
  tc_qdisc_replace,
  type tc_request,
} from '../../kernel/net/sched/sch_api.ts';
import type { fifo_options } from '../../kernel/net/sched/sch_fifo.ts';
import type { fq_options, fq_xstats } from '../../kernel/net/sched/sch_fq.ts';
import type { fq_codel_options, fq_codel_xstats } from '../../kernel/net/sched/sch_fq_codel.ts';
import type { netem_distribution, netem_gemodel, netem_options } from '../../kernel/net/sched/sch_netem.ts';
import type { prio_options } from '../../kernel/net/sched/sch_prio.ts';
import type { tbf_options } from '../../kernel/net/sched/sch_tbf.ts';
import { answered, type CommandResult, IpError, refused, verbOf } from './ip-words.ts';
import { Words } from './iproute2-words.ts';

/** A command line that tc itself refuses. */
export class TcError extends Error {
  override readonly name = 'TcError';
  readonly status: number;

  constructor(message: string, status = 1) {
    super(message);
    this.status = status;
  }
}

// ---- quantities -----------------------------------------------------------------------------------------------------

const number = (text: string, pattern: RegExp): [value: number, unit: string] | null => {
  const match = pattern.exec(text);
  return match === null ? null : [Number(match[1]), (match[2] ?? '').toLowerCase()];
};
const QUANTITY = /^(\d+(?:\.\d*)?|\.\d+)([a-z]*)$/i;

/** `1mbit`, `500kbps`, `8000` (bit/s): bytes per second. */
export function parseRate(text: string, complaint = 'Illegal "rate"'): number {
  const parsed = number(text, QUANTITY);
  const scales: Record<string, number> = {
    '': 1,
    k: 1e3,
    m: 1e6,
    g: 1e9,
    t: 1e12,
    ki: 2 ** 10,
    mi: 2 ** 20,
    gi: 2 ** 30,
    ti: 2 ** 40,
  };
  const unit = parsed === null ? null : /^([kmgt]i?)?(bit|bps)?$/.exec(parsed[1]);
  if (parsed === null || unit === null) throw new TcError(complaint);
  const value = parsed[0] * (scales[unit[1] ?? ''] as number);
  return Math.floor(unit[2] === 'bps' ? value : value / 8);
}

/** `32kbit`, `10k`, `1500b`, `1mb`: bytes; `what` names the argument in an error. */
export function parseSize(text: string, what: string): number {
  const parsed = number(text, QUANTITY);
  const scales: Record<string, number> = {
    '': 1,
    b: 1,
    k: 1024,
    kb: 1024,
    m: 2 ** 20,
    mb: 2 ** 20,
    g: 2 ** 30,
    gb: 2 ** 30,
    kbit: 1024 / 8,
    mbit: 2 ** 20 / 8,
    gbit: 2 ** 30 / 8,
  };
  const scale = parsed === null ? undefined : scales[parsed[1]];
  if (parsed === null || scale === undefined) throw new TcError(`Illegal value for "${what}": "${text}"`);
  return Math.floor(parsed[0] * scale);
}

/** `10ms`, `1.5s`, `200us`, `100` (µs): ns. */
export function parseTime(text: string, what: string, complaint = `Illegal "${what}"`): number {
  const parsed = number(text, QUANTITY);
  const scales: Record<string, number> = {
    '': 1e3,
    s: 1e9,
    sec: 1e9,
    secs: 1e9,
    ms: 1e6,
    msec: 1e6,
    msecs: 1e6,
    us: 1e3,
    usec: 1e3,
    usecs: 1e3,
    ns: 1,
    nsec: 1,
    nsecs: 1,
  };
  const scale = parsed === null ? undefined : scales[parsed[1]];
  if (parsed === null || scale === undefined) throw new TcError(complaint);
  return Math.round(parsed[0] * scale);
}

/** `25%`: 0.25. */
export function parsePercent(text: string, what: string): number {
  const match = /^(\d+(?:\.\d*)?|\.\d+)%?$/.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]) / 100;
  if (!(value <= 1)) throw new TcError(`Illegal "${what}"`);
  return value;
}

function parseCount(text: string, what: string): number {
  if (!/^\d+$/.test(text) || Number(text) > 0xffffffff) throw new TcError(`Illegal "${what}"`);
  return Number(text);
}

/** `1:`, `1:2`, `root`: hexadecimal majors and minors. */
function parseHandle(text: string, what: string): number {
  const match = /^([0-9a-f]{1,4}):([0-9a-f]{0,4})$/i.exec(text);
  if (match === null) throw new TcError(`Error: argument "${text}" is wrong: invalid ${what} ID`, 255);
  // Of a discipline's handle nobody reads what follows the colon.
  const minor = what === 'qdisc' ? 0 : Number.parseInt(match[2] || '0', 16);
  return ((Number.parseInt(match[1] as string, 16) << 16) | minor) >>> 0;
}

// ---- words to options -----------------------------------------------------------------------------------------------

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
/** Some kinds say who complains, some do not. */
const unknownWord = (word: string, kind: string): TcError =>
  new TcError(/^tbf$|fifo/.test(kind) ? `${kind}: unknown parameter "${word}"` : `What is "${word}"?`);

function parseFifo(words: Words, kind: string): fifo_options {
  const opt: Mutable<fifo_options> = {};
  while (words.more) {
    const word = words.next();
    if (word !== 'limit') throw unknownWord(word, kind);
    const text = words.next();
    try {
      opt.limit = kind === 'bfifo' ? parseSize(text, 'limit') : parseCount(text, 'limit');
    } catch {
      throw new TcError(`${kind}: Illegal value for "limit": "${text}"`);
    }
  }
  return opt;
}

function parsePrio(words: Words): prio_options {
  const opt: Mutable<prio_options> = {};
  while (words.more) {
    const word = words.next();
    if (word === 'bands') {
      opt.bands = parseCount(words.next(), 'bands');
    } else if (word === 'priomap') {
      const map: number[] = [];
      while (/^\d+$/.test(words.peek() ?? '')) map.push(parseCount(words.next(), 'priomap'));
      opt.priomap = map;
    } else {
      throw unknownWord(word, 'prio');
    }
  }
  return opt;
}

function parseTbf(words: Words): tbf_options {
  let rate: number | undefined;
  let burst: number | undefined;
  let limit: number | undefined;
  let latency: number | undefined;
  let peakrate: number | undefined;
  let mtu: number | undefined;
  const illegal = (what: string, text: string): string => `tbf: illegal value for "${what}": "${text}"`;
  const size = (what: string): number => {
    const text = words.next();
    try {
      return parseSize(text, what);
    } catch {
      throw new TcError(illegal(what, text));
    }
  };
  const ratio = (what: string): number => {
    const text = words.next();
    return parseRate(text, illegal(what, text));
  };
  while (words.more) {
    const word = words.next();
    if (word === 'rate') rate = ratio(word);
    else if (['burst', 'buffer', 'maxburst'].includes(word)) burst = size(word);
    else if (word === 'limit') limit = size(word);
    else if (word === 'latency') {
      const text = words.next();
      latency = parseTime(text, word, illegal(word, text));
    } else if (word === 'peakrate') peakrate = ratio(word);
    else if (['mtu', 'minburst'].includes(word)) mtu = size(word);
    else throw unknownWord(word, 'tbf');
  }
  if (limit !== undefined && latency !== undefined) {
    throw new TcError('tbf: specifying both "latency" and "limit" is not allowed');
  }
  if (rate === undefined) throw new TcError('tbf: the "rate" parameter is mandatory.');
  if (burst === undefined) throw new TcError('tbf: the "burst" parameter is mandatory.');
  if (peakrate !== undefined && mtu === undefined) {
    throw new TcError('tbf: when "peakrate" is specified, "mtu" must also be specified.');
  }
  if (limit === undefined && latency === undefined) throw new TcError('tbf: either "limit" or "latency" is required.');
  if (limit === undefined) {
    const wait = latency as number;
    limit = Math.floor((rate * wait) / 1e9) + burst;
    if (peakrate !== undefined) limit = Math.min(limit, Math.floor((peakrate * wait) / 1e9) + (mtu as number));
  }
  return { rate, burst, limit, ...(peakrate === undefined ? {} : { peakrate, mtu: mtu as number }) };
}

function parseFqCodel(words: Words): fq_codel_options {
  const opt: Mutable<fq_codel_options> = {};
  const us = (what: string): number => Math.round(parseTime(words.next(), what) / 1e3);
  while (words.more) {
    const word = words.next();
    if (word === 'limit') opt.limit = parseCount(words.next(), word);
    else if (word === 'flows') opt.flows = parseCount(words.next(), word);
    else if (word === 'quantum') opt.quantum = parseCount(words.next(), word);
    else if (word === 'target') opt.target = us(word);
    else if (word === 'interval') opt.interval = us(word);
    else if (word === 'ce_threshold') opt.ce_threshold = us(word);
    else if (word === 'memory_limit') opt.memory_limit = parseSize(words.next(), word);
    else if (word === 'drop_batch') opt.drop_batch = parseCount(words.next(), word);
    else if (word === 'ecn') opt.ecn = true;
    else if (word === 'noecn') opt.ecn = false;
    else throw unknownWord(word, 'fq_codel');
  }
  return opt;
}

function parseFq(words: Words): fq_options {
  const opt: Mutable<fq_options> = {};
  const us = (what: string): number => Math.round(parseTime(words.next(), what) / 1e3);
  while (words.more) {
    const word = words.next();
    if (word === 'limit' || word === 'flow_limit' || word === 'buckets' || word === 'orphan_mask') {
      opt[word] = parseCount(words.next(), word);
    } else if (word === 'quantum' || word === 'initial_quantum') opt[word] = parseSize(words.next(), word);
    else if (word === 'maxrate' || word === 'low_rate_threshold') opt[word] = parseRate(words.next());
    else if (word === 'refill_delay' || word === 'ce_threshold' || word === 'timer_slack' || word === 'horizon') {
      opt[word] = us(word);
    } else if (word === 'pacing') opt.pacing = true;
    else if (word === 'nopacing') opt.pacing = false;
    else if (word === 'horizon_cap') opt.horizon_drop = false;
    else if (word === 'horizon_drop') opt.horizon_drop = true;
    else if (word === 'bands') {
      if (words.next() !== '3') throw new TcError('Illegal "bands"');
    } else if (word === 'priomap' || word === 'weights') {
      const numbers: number[] = [];
      while (/^\d+$/.test(words.peek() ?? '')) numbers.push(parseCount(words.next(), word));
      opt[word] = numbers;
    } else throw unknownWord(word, 'fq');
  }
  return opt;
}

const DISTRIBUTIONS: readonly string[] = ['uniform', 'normal', 'pareto', 'paretonormal'] satisfies netem_distribution[];

function parseNetem(words: Words): netem_options {
  const opt: Mutable<netem_options> = {};
  const percent = (what: string): number | undefined => {
    const word = words.number();
    return word === undefined ? undefined : parsePercent(word, what);
  };
  const need = (what: string): number => parsePercent(words.next(), what);
  while (words.more) {
    const word = words.next();
    switch (word) {
      case 'limit':
        opt.limit = parseCount(words.next(), word);
        break;
      case 'latency':
      case 'delay': {
        opt.latency = parseTime(words.next(), 'latency');
        const jitter = words.number();
        if (jitter !== undefined) opt.jitter = parseTime(jitter, 'latency');
        const corr = jitter === undefined ? undefined : percent('latency');
        if (corr !== undefined) opt.delay_corr = corr;
        break;
      }
      case 'distribution': {
        const name = words.next();
        if (!DISTRIBUTIONS.includes(name)) throw new TcError(`No distribution data for ${name}`);
        opt.distribution = name as netem_distribution;
        break;
      }
      case 'loss':
      case 'drop':
        if (words.peek() === 'gemodel') {
          words.next();
          opt.gemodel = parseGemodel(need('loss gemodel p'), percent);
          break;
        }
        if (words.peek() === 'random') words.next();
        else if (!/^[\d.]/.test(words.peek() ?? '0')) throw new TcError(`Unknown loss parameter: ${words.peek()}`);
        opt.loss = need('loss percent');
        copy(opt, 'loss_corr', percent('loss correlation'));
        break;
      case 'ecn':
        opt.ecn = true;
        break;
      case 'duplicate':
        opt.duplicate = need(word);
        copy(opt, 'dup_corr', percent(word));
        break;
      case 'corrupt':
        opt.corrupt = need(word);
        copy(opt, 'corrupt_corr', percent(word));
        break;
      case 'reorder':
        opt.reorder = need(word);
        copy(opt, 'reorder_corr', percent(word));
        break;
      case 'gap':
        opt.gap = parseCount(words.next(), word);
        break;
      case 'rate':
        opt.rate = parseRate(words.next());
        break;
      case 'seed':
        opt.seed = parseCount(words.next(), word);
        break;
      default:
        throw unknownWord(word, 'netem');
    }
  }
  if ((opt.reorder ?? 0) > 0 && (opt.latency ?? 0) === 0) {
    throw new TcError('reordering not possible without specifying some delay');
  }
  if ((opt.gap ?? 0) > 0 && opt.reorder === undefined) throw new TcError('gap specified without reorder probability');
  if (opt.distribution !== undefined && (opt.latency === undefined || opt.jitter === undefined)) {
    throw new TcError('distribution specified but no latency and jitter values');
  }
  return opt;
}

function copy<K extends keyof netem_options>(
  opt: Mutable<netem_options>,
  key: K,
  value: netem_options[K] | undefined,
): void {
  if (value !== undefined) opt[key] = value;
}

function parseGemodel(p: number, percent: (what: string) => number | undefined): netem_gemodel {
  const r = percent('loss gemodel r') ?? 1 - p;
  const loss_bad = percent('loss gemodel 1-h') ?? 1;
  return { p, r, loss_bad, loss_good: percent('loss gemodel 1-k') ?? 0 };
}

function parseKind(kind: string, words: Words): tc_request | null {
  switch (kind) {
    case 'pfifo':
    case 'bfifo':
    case 'pfifo_head_drop':
      return { kind, options: parseFifo(words, kind) };
    case 'prio':
      return { kind, options: parsePrio(words) };
    case 'tbf':
      return { kind, options: parseTbf(words) };
    case 'fq':
      return { kind, options: parseFq(words) };
    case 'fq_codel':
      return { kind, options: parseFqCodel(words) };
    case 'netem':
      return { kind, options: parseNetem(words) };
    case 'pfifo_fast':
    case 'mq':
    case 'noqueue':
      if (words.more) throw new TcError(`qdisc '${kind}' does not support option parsing`);
      return { kind };
    default:
      return null;
  }
}

// ---- the command ----------------------------------------------------------------------------------------------------

const ENOENT = -2;
const VERBS: readonly string[] = ['add', 'change', 'replace', 'delete', 'show', 'list', 'ls'];

/**
 * `tc` as a program: its status, and what it prints where. The kernel's refusals are 2, in the kernel's own words where it
 * has any, wrong use 1 or 255. Within a context of the host.
 */
export function tcCommand(devices: readonly net_device[], words: readonly string[]): CommandResult {
  const extack: netlink_ext_ack = { _msg: '' };
  try {
    const { output, error } = tc(devices, words.join(' '), extack);
    if (error === 0) return { status: 0, stdout: output, stderr: '' };
    if (extack._msg !== '') refused(`${extack._msg}.`);
    answered(error);
  } catch (error) {
    if (!(error instanceof TcError || error instanceof IpError)) throw error;
    return { status: error.status, stdout: '', stderr: `${error.message}\n` };
  }
}

/**
 * `tc qdisc add|replace|change|del|show …` or `tc -s qdisc …`, the words behind `tc`; within a context of the host.
 * @returns the output and the kernel's errno (0 or negative); `extack` gets the kernel's message
 * @throws TcError for what tc itself refuses
 */
export function tc(
  devices: readonly net_device[],
  line: string,
  extack?: netlink_ext_ack,
): { readonly output: string; readonly error: number } {
  const words = line.trim().split(/\s+/);
  if (words[0] === 'tc') words.shift();
  let statistics = false;
  // -d and -p add nothing to what our kinds print.
  while (/^-[sdp]/.test(words[0] ?? '')) statistics = words.shift()?.startsWith('-s') === true || statistics;
  const object = words.shift() ?? '';
  if (object === '' || !'qdisc'.startsWith(object))
    throw new TcError(`Object "${object}" is unknown, try "tc help".`, 255);
  const verb = words.shift() ?? 'show';
  const command = verbOf(verb, VERBS);
  if (command === undefined) throw new TcError(`Command "${verb}" is unknown, try "tc qdisc help".`, 255);
  const rest = new Words(words, message => new TcError(message));
  let dev: net_device | null = null;
  let parent = 0;
  let handle = 0;
  let kind: string | undefined;
  while (kind === undefined && rest.more) {
    const word = rest.next();
    if (word === 'dev') dev = find(devices, rest.next());
    else if (word === 'root') parent = TC_H_ROOT;
    else if (word === 'parent') parent = parseHandle(rest.next(), 'parent');
    else if (word === 'handle') handle = parseHandle(rest.next(), 'qdisc');
    else kind = word;
  }
  if (command === 'show' || command === 'list' || command === 'ls') {
    if (kind !== undefined) throw new TcError(`What is "${kind}"? Try "tc qdisc help".`);
    const shown = dev === null ? devices : [dev];
    return { output: shown.map(each => showQdiscs(each, statistics, dev === null)).join(''), error: 0 };
  }
  if (dev === null) throw new TcError('RTNETLINK answers: No such device', 2);
  if (command === 'delete') {
    return {
      output: '',
      error: tc_qdisc_del(dev, { parent, handle, extack, ...(kind === undefined ? {} : { kind }) }),
    };
  }
  const call = { add: tc_qdisc_add, replace: tc_qdisc_replace, change: tc_qdisc_change }[command];
  if (call === undefined || kind === undefined) throw new TcError('Error: Specified qdisc kind is unknown.', 2);
  const request = parseKind(kind, rest);
  if (request === null) {
    if (extack !== undefined) extack._msg = 'Specified qdisc kind is unknown';
    return { output: '', error: ENOENT };
  }
  return { output: '', error: call(dev, { ...request, parent, handle, extack }) };
}

function find(devices: readonly net_device[], name: string): net_device {
  const dev = devices.find(each => each.name === name);
  if (dev === undefined) throw new TcError(`Cannot find device "${name}"`);
  return dev;
}

// ---- output ---------------------------------------------------------------------------------------------------------

/** iproute2's sprint_size: `32Kb`, `1600b`. */
export function formatSize(bytes: number): string {
  const about = (unit: number): boolean => bytes >= unit && Math.abs(Math.round(bytes / unit) * unit - bytes) < 1024;
  if (about(2 ** 20)) return `${general(Math.round(bytes / 2 ** 20))}Mb`;
  if (bytes >= 1024 && Math.abs(Math.round(bytes / 1024) * 1024 - bytes) < 16)
    return `${general(Math.round(bytes / 1024))}Kb`;
  return `${bytes}b`;
}

/** iproute2's tc_print_rate, of bytes per second: `1Mbit`, `9500bit`. */
export function formatRate(rate: number): string {
  let value = rate * 8;
  const units = ['', 'K', 'M', 'G', 'T'];
  let unit = 0;
  while (unit < 4 && value >= 1000 && (value >= 1e6 || value % 1000 === 0)) {
    value /= 1000;
    unit++;
  }
  return `${general(value)}${units[unit]}bit`;
}

/** iproute2's sprint_time, of µs: `400ms`, `40.6ms`, `1s`, `5us`. */
export function formatTime(us: number): string {
  if (us >= 1e6) return `${general(us / 1e6)}s`;
  if (us >= 1e3) return `${general(us / 1e3)}ms`;
  return `${general(us)}us`;
}

/** C's %.3g, as far as sizes and times need it. */
function general(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return String(Number(value.toFixed(Math.min(digits, 6))));
}

/** C's %lg: six digits. */
const percentText = (p: number): string => `${Number((p * 100).toPrecision(6))}%`;

const handleText = (handle: number): string => `${(handle >>> 16).toString(16)}:`;
const classText = (id: number): string =>
  `${(id >>> 16) === 0 ? '' : (id >>> 16).toString(16)}:${(id & 0xffff).toString(16)}`;

/** The lines of `tc qdisc show` for one device; `named`: with `dev NAME`, as when nobody asked for one. */
export function showQdiscs(dev: net_device, statistics: boolean, named = false): string {
  return tc_dump_qdisc(dev)
    .map(q => showQdisc(q, statistics, named))
    .join('');
}

function showQdisc(q: Qdisc, statistics: boolean, named: boolean): string {
  const place = q.parent === TC_H_ROOT ? 'root' : `parent ${classText(q.parent)}`;
  const refcnt = q.refcnt === 1 ? '' : `refcnt ${q.refcnt} `;
  // The root of mq first adds up what its queues count.
  const xstats = q.ops.dump_stats(q);
  const options = describe(q);
  let text = `qdisc ${q.ops.id} ${handleText(q.handle)} ${named ? `dev ${q.dev.name} ` : ''}${place} ${refcnt}${options}\n`;
  if (!statistics) return text;
  text += ` Sent ${q.bytes} bytes ${q.packets} pkt (dropped ${q.drops}, overlimits ${q.overlimits} requeues ${q.requeues}) \n`;
  text += ` backlog ${backlogText(q.backlog)} ${q.qlen}p requeues ${q.requeues}\n`;
  if (q.ops.id === 'fq') text += fqStats(xstats as fq_xstats, q.dev.kernel.clock.now);
  if (q.ops.id === 'fq_codel') text += fqCodelStats(xstats as fq_codel_xstats);
  return text;
}

function backlogText(bytes: number): string {
  if (bytes >= 2 ** 20) return `${general(bytes / 2 ** 20)}Mb`;
  return formatSize(bytes);
}

function describe(q: Qdisc): string {
  const options = q.ops.dump(q);
  switch (q.ops.id) {
    case 'pfifo':
    case 'pfifo_head_drop':
      return `limit ${(options as fifo_options).limit}p`;
    case 'bfifo':
      return `limit ${formatSize((options as fifo_options).limit ?? 0)}`;
    case 'pfifo_fast':
    case 'prio': {
      const { bands, priomap } = options as prio_options;
      return `bands ${bands} priomap ${(priomap ?? []).join(' ')}`;
    }
    case 'tbf':
      return describeTbf(options as tbf_options);
    case 'fq':
      return describeFq(options as Required<fq_options>);
    case 'fq_codel':
      return describeFqCodel(options as fq_codel_options);
    case 'netem':
      return describeNetem(options as netem_options);
    default:
      return '';
  }
}

function describeTbf({ rate, burst, limit, peakrate = 0, mtu = 0 }: tbf_options): string {
  let text = `rate ${formatRate(rate)} burst ${formatSize(burst)} `;
  let latency = ((limit - burst) / rate) * 1e6;
  if (peakrate !== 0) {
    text += `peakrate ${formatRate(peakrate)} minburst ${formatSize(mtu)} `;
    latency = Math.max(latency, ((limit - mtu) / peakrate) * 1e6);
  }
  return `${text}${latency >= 0 ? `lat ${formatTime(latency)}` : `limit ${formatSize(limit)}`} `;
}

function describeFqCodel(opt: fq_codel_options): string {
  const { limit, flows, quantum, target = 0, interval = 0, memory_limit = 0, ecn, drop_batch } = opt;
  const threshold = opt.ce_threshold === undefined ? '' : `ce_threshold ${formatTime(opt.ce_threshold)} `;
  const first = `limit ${limit}p flows ${flows} quantum ${quantum} target ${formatTime(target)} ${threshold}`;
  return `${first}interval ${formatTime(interval)} memory_limit ${formatSize(memory_limit)} ${ecn ? 'ecn ' : ''}drop_batch ${drop_batch} `;
}

function fqCodelStats(s: fq_codel_xstats): string {
  let text = `  maxpacket ${s.maxpacket} drop_overlimit ${s.drop_overlimit} new_flow_count ${s.new_flow_count} ecn_mark ${s.ecn_mark}`;
  if (s.ce_mark !== 0) text += ` ce_mark ${s.ce_mark}`;
  if (s.memory_usage !== 0) text += ` memory_used ${s.memory_usage}`;
  if (s.drop_overmemory !== 0) text += ` drop_overmemory ${s.drop_overmemory}`;
  return `${text}\n  new_flows_len ${s.new_flows_len} old_flows_len ${s.old_flows_len}\n`;
}

/** fq_print_opt */
function describeFq(opt: Required<fq_options>): string {
  const none = 0xffffffff;
  const parts = [
    `limit ${opt.limit}p flow_limit ${opt.flow_limit}p buckets ${opt.buckets} orphan_mask ${opt.orphan_mask}`,
  ];
  if (!opt.pacing) parts.push('nopacing');
  parts.push(`bands ${opt.weights.length} priomap ${opt.priomap.join(' ')} weights ${opt.weights.join(' ')}`);
  parts.push(`quantum ${opt.quantum}b initial_quantum ${opt.initial_quantum}b`);
  if (opt.maxrate !== none) parts.push(`maxrate ${formatRate(opt.maxrate)}`);
  if (opt.low_rate_threshold !== 0) parts.push(`low_rate_threshold ${formatRate(opt.low_rate_threshold)}`);
  parts.push(`refill_delay ${formatTime(opt.refill_delay)}`);
  if (opt.ce_threshold !== none) parts.push(`ce_threshold ${formatTime(opt.ce_threshold)}`);
  parts.push(`timer_slack ${formatTime(opt.timer_slack)} horizon ${formatTime(opt.horizon)}`);
  return `${parts.join(' ')} ${opt.horizon_drop ? 'horizon_drop' : 'horizon_cap'} `;
}

/** fq_print_xstats */
function fqStats(s: fq_xstats, now: number): string {
  let text = `  flows ${s.flows} (inactive ${s.inactive_flows} throttled ${s.throttled_flows})`;
  if (s.time_next_delayed_flow > now) text += ` next_packet_delay ${s.time_next_delayed_flow - now}ns`;
  text += `\n  gc ${s.gc_flows} fastpath ${s.fastpath_packets} throttled ${s.throttled}`;
  if (s.ce_mark !== 0) text += ` ce_mark ${s.ce_mark}`;
  if (s.flows_plimit !== 0) text += ` flows_plimit ${s.flows_plimit}`;
  if (s.pkts_too_long !== 0) text += ` too_long_pkts ${s.pkts_too_long}`;
  if (s.horizon_drops !== 0) text += ` horizon_drops ${s.horizon_drops}`;
  if (s.horizon_caps !== 0) text += ` horizon_caps ${s.horizon_caps}`;
  return `${text}\n`;
}

function describeNetem(opt: netem_options): string {
  const parts = [`limit ${opt.limit}`];
  const corr = (value: number | undefined): string =>
    value === undefined || value === 0 ? '' : ` ${percentText(value)}`;
  const { latency = 0, jitter = 0, gemodel } = opt;
  if (latency !== 0) {
    const spread = jitter === 0 ? '' : `  ${formatTime(jitter / 1e3)}${corr(opt.delay_corr)}`;
    parts.push(`delay ${formatTime(latency / 1e3)}${spread}`);
  }
  if (opt.loss) parts.push(`loss ${percentText(opt.loss)}${corr(opt.loss_corr)}`);
  if (gemodel !== undefined) {
    const { p, r, loss_bad, loss_good } = gemodel;
    parts.push(
      `loss gemodel p ${percentText(p)} r ${percentText(r)} 1-h ${percentText(loss_bad)} 1-k ${percentText(loss_good)}`,
    );
  }
  if (opt.duplicate) parts.push(`duplicate ${percentText(opt.duplicate)}${corr(opt.dup_corr)}`);
  if (opt.reorder) parts.push(`reorder ${percentText(opt.reorder)}${corr(opt.reorder_corr)}`);
  if (opt.corrupt) parts.push(`corrupt ${percentText(opt.corrupt)}${corr(opt.corrupt_corr)}`);
  if (opt.rate) parts.push(`rate ${formatRate(opt.rate)}`);
  if (opt.ecn) parts.push('ecn');
  if (opt.seed !== undefined) parts.push(`seed ${opt.seed}`);
  if (opt.gap) parts.push(`gap ${opt.gap}`);
  return parts.join(' ');
}
