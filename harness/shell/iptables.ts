/**
 * The commands iptables, iptables-save and iptables-restore for a host of ours: they speak as iptables 1.8.9 (legacy) does
 * and load tables into the host's kernel as a whole, as it does.
 */
import { errno_name } from '../../kernel/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import {
  type ipt_chain,
  ipt_do_replace,
  ipt_get_entries,
  ipt_hooknames,
  type ipt_rule,
} from '../../kernel/net/ipv4/netfilter/ip_tables.ts';
import { NF_ACCEPT, NF_DROP, NFPROTO_IPV4 } from '../../kernel/net/netfilter/core.ts';
import { xt_table_names } from '../../kernel/net/netfilter/x_tables.ts';
import { IptablesProblem, misuse, refused } from './iptables/problem.ts';
import { formatCount, type ListFormat, listRule, RuleParser, saveRule } from './iptables/rule.ts';
import { number } from './iptables/values.ts';

const VERSION = 'v1.8.9';
/** Chain names are shorter than this (XT_EXTENSION_MAXNAMELEN). */
const CHAIN_NAME_MAX = 29;

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Chain {
  name: string;
  policy: number | null;
  rules: ipt_rule[];
  pcnt: number;
  bcnt: number;
}

/** A table in user space's hands (libiptc): read, changed, written back. */
class Table {
  readonly kernel: Kernel;
  readonly name: string;
  chains: Chain[];

  constructor(kernel: Kernel, name: string) {
    this.kernel = kernel;
    this.name = name;
    const chains = kernel.exec(() => ipt_get_entries(kernel.init_net, name));
    if (chains === null) {
      throw new IptablesProblem(
        `can't initialize iptables table \`${name}': Table does not exist (do you need to insmod?)\nPerhaps iptables or your kernel needs to be upgraded.`,
        3,
      );
    }
    this.chains = chains.map(chain => ({ ...chain, rules: [...chain.rules] }));
  }

  find(name: string): Chain | undefined {
    return this.chains.find(chain => chain.name === name);
  }

  need(name: string): Chain {
    const chain = this.find(name);
    if (chain === undefined) throw refused('No chain/target/match by that name.');
    return chain;
  }

  /** How many rules lead to a chain. */
  references(name: string): number {
    let count = 0;
    for (const { rules } of this.chains) {
      for (const { target } of rules) if (target !== null && 'chain' in target && target.chain === name) count++;
    }
    return count;
  }

  /** In libiptc's order: the hooks' chains, then the user's by name. */
  sorted(): Chain[] {
    const own = this.chains.filter(chain => chain.policy === null);
    own.sort((a, b) => (a.name < b.name ? -1 : 1));
    return [...this.chains.filter(chain => chain.policy !== null), ...own];
  }

  commit(): void {
    const { kernel, name } = this;
    const chains: ipt_chain[] = this.sorted();
    const err = kernel.exec(() => ipt_do_replace(kernel.init_net, name, chains));
    if (err === 0) return;
    switch (errno_name(err)) {
      case 'ELOOP':
        throw refused('Too many levels of symbolic links.');
      case 'ENOENT':
        throw refused('No chain/target/match by that name.');
      case 'ERANGE':
        throw refused('Numerical result out of range.');
      case 'EINVAL':
        throw refused("Invalid argument. Run `dmesg' for more information.");
      default:
        throw refused(`${errno_name(err)}.`);
    }
  }
}

const COMMANDS: Readonly<Record<string, string>> = {
  '-A': 'A',
  '--append': 'A',
  '-C': 'C',
  '--check': 'C',
  '-D': 'D',
  '--delete': 'D',
  '-I': 'I',
  '--insert': 'I',
  '-R': 'R',
  '--replace': 'R',
  '-L': 'L',
  '--list': 'L',
  '-S': 'S',
  '--list-rules': 'S',
  '-F': 'F',
  '--flush': 'F',
  '-Z': 'Z',
  '--zero': 'Z',
  '-N': 'N',
  '--new-chain': 'N',
  '-X': 'X',
  '--delete-chain': 'X',
  '-P': 'P',
  '--policy': 'P',
  '-E': 'E',
  '--rename-chain': 'E',
};

interface Parsed {
  table: string;
  command: string;
  chain: string | null;
  /** A rule number, a policy or a new name, as the command has it. */
  argument: string | null;
  rule: RuleParser;
  format: ListFormat;
}

const isOption = (word: string | undefined): boolean => word === undefined || word.startsWith('-') || word === '!';

/** @throws IptablesProblem */
function parse(words: readonly string[]): Parsed {
  const rule = new RuleParser();
  const format = { numeric: false, verbose: false, exact: false, lineNumbers: false };
  const parsed: Parsed = { table: 'filter', command: '', chain: null, argument: null, rule, format };
  let invert = false;
  const expanded = expand(words);
  for (let at = 0; at < expanded.length; ) {
    const word = expanded[at] as string;
    if (word === '!') {
      if (invert) throw misuse('multiple consecutive ! not allowed');
      invert = true;
      at++;
      continue;
    }
    const command = COMMANDS[word];
    if (command !== undefined) {
      if (parsed.command !== '' && !(parsed.command + command).match(/^(LZ|ZL|SZ|ZS)$/)) {
        throw misuse(`Cannot use -${command} with -${parsed.command}\n`);
      }
      if (invert) throw misuse(`unexpected ! flag before ${word}`);
      parsed.command += command;
      at++;
      if (!isOption(expanded[at])) parsed.chain = expanded[at++] as string;
      else if ('ACDIRNPE'.includes(command)) throw misuse(`option "${word}" requires an argument`);
      if ('DIRPESLZ'.includes(command) && parsed.chain !== null && !isOption(expanded[at])) {
        parsed.argument = expanded[at++] as string;
      }
      continue;
    }
    const used = setting(parsed, format, expanded, at);
    if (used > 0) {
      at += used;
      continue;
    }
    if (!word.startsWith('-')) throw new IptablesProblem(`${misuse(`Bad argument \`${word}'`).message}`, 2, false);
    const taken = rule.take(expanded, at, invert);
    if (taken === 0) throw misuse(`unknown option "${word}"`);
    invert = false;
    at += taken;
  }
  if (parsed.command === '') throw misuse('no command specified');
  return parsed;
}

/** `-nvL` is `-n -v -L`. */
function expand(words: readonly string[]): string[] {
  return words.flatMap(word =>
    /^-[nvxLSFZXtw]{2,}$/.test(word) ? [...word.slice(1)].map(letter => `-${letter}`) : [word],
  );
}

function setting(
  parsed: Parsed,
  format: { -readonly [K in keyof ListFormat]: ListFormat[K] },
  words: readonly string[],
  at: number,
): number {
  switch (words[at]) {
    case '-t':
    case '--table': {
      const table = words[at + 1];
      if (table === undefined) throw misuse(`option "${words[at]}" requires an argument`);
      parsed.table = table;
      return 2;
    }
    case '-n':
    case '--numeric':
      format.numeric = true;
      return 1;
    case '-v':
    case '--verbose':
      format.verbose = true;
      return 1;
    case '-x':
    case '--exact':
      format.exact = true;
      return 1;
    case '--line-numbers':
      format.lineNumbers = true;
      return 1;
    case '-w':
    case '--wait':
      return isOption(words[at + 1]) ? 1 : 2;
    default:
      return 0;
  }
}

/** Runs `iptables` with its arguments (without the program's name). */
export function iptables(kernel: Kernel, words: readonly string[]): CommandResult {
  return guard('iptables', () => {
    if (words[0] === '--version' || words[0] === '-V') return `iptables ${VERSION} (legacy)\n`;
    const parsed = parse(words);
    const table = new Table(kernel, parsed.table);
    return execute(table, parsed);
  });
}

function guard(program: string, run: () => string): CommandResult {
  try {
    return { status: 0, stdout: run(), stderr: '' };
  } catch (error) {
    if (!(error instanceof IptablesProblem)) throw error;
    const name = error.named ? `${program} ${VERSION} (legacy): ` : '';
    return { status: error.status, stdout: '', stderr: `${name}${error.message}\n` };
  }
}

/** Carries a command out on a table, and writes the table back when it has changed. */
function execute(table: Table, parsed: Parsed): string {
  let output = '';
  for (const command of parsed.command) output += one(table, command, parsed);
  if (/[ADIRFZNXPE]/.test(parsed.command)) table.commit();
  return output;
}

function ruleNumber(text: string): number {
  const at = number(text, 1);
  if (Number.isNaN(at)) throw misuse(`Invalid rule number \`${text}'`);
  return at;
}

function one(table: Table, command: string, parsed: Parsed): string {
  const { chain: name, argument } = parsed;
  const rules = (): ipt_rule[] => {
    const made = parsed.rule.rules(target => table.find(target)?.policy === null);
    checkHooks(table, name as string, made);
    return made;
  };
  switch (command) {
    case 'A': {
      const made = rules();
      table.need(name as string).rules.push(...made);
      return '';
    }
    case 'I': {
      const made = rules();
      const chain = table.need(name as string);
      const at = argument === null ? 1 : ruleNumber(argument);
      if (at > chain.rules.length + 1) throw refused('Index of insertion too big.');
      chain.rules.splice(at - 1, 0, ...made);
      return '';
    }
    case 'R': {
      if (argument === null) throw misuse('-R requires a rule number');
      const made = rules();
      const chain = table.need(name as string);
      const at = ruleNumber(argument);
      if (at > chain.rules.length) throw refused('Index of replacement too big.');
      if (made.length !== 1) throw misuse('Replacement rule does not specify a unique address');
      chain.rules[at - 1] = made[0] as ipt_rule;
      return '';
    }
    case 'D':
    case 'C':
      return remove(
        table,
        name as string,
        argument,
        command === 'C' || argument === null ? rules() : [],
        command === 'C',
      );
    case 'N':
      addChain(table, name as string);
      return '';
    case 'X':
      for (const each of name === null ? table.chains.filter(chain => chain.policy === null) : [table.need(name)]) {
        deleteChain(table, each);
      }
      return '';
    case 'P':
      setPolicy(table, name as string, argument);
      return '';
    case 'E': {
      if (argument === null) throw misuse('-E requires an old and a new name');
      const chain = table.need(name as string);
      if (table.find(argument) !== undefined) throw refused('File exists.');
      checkName(argument);
      for (const each of table.chains) {
        each.rules = each.rules.map(rule =>
          rule.target !== null && 'chain' in rule.target && rule.target.chain === chain.name
            ? { ...rule, target: { ...rule.target, chain: argument } }
            : rule,
        );
      }
      chain.name = argument;
      return '';
    }
    case 'F':
      for (const chain of name === null ? table.chains : [table.need(name)]) chain.rules = [];
      return '';
    case 'Z':
      zero(table, name, argument);
      return '';
    case 'S':
      return listRules(table, name, argument, parsed.format);
    default:
      return list(table, name, argument, parsed.format);
  }
}

/** -i makes no sense where nothing has come in, nor -o where nothing goes out. */
function checkHooks(_table: Table, chain: string, rules: readonly ipt_rule[]): void {
  for (const { ip } of rules) {
    if (ip.outiface !== '' && (chain === 'PREROUTING' || chain === 'INPUT'))
      throw misuse(`Can't use -o with ${chain}\n`);
    if (ip.iniface !== '' && (chain === 'POSTROUTING' || chain === 'OUTPUT'))
      throw misuse(`Can't use -i with ${chain}\n`);
  }
}

function remove(
  table: Table,
  name: string,
  argument: string | null,
  rules: readonly ipt_rule[],
  check: boolean,
): string {
  const chain = table.need(name);
  if (argument !== null && !check) {
    const at = ruleNumber(argument);
    if (at > chain.rules.length) throw refused('Index of deletion too big.');
    chain.rules.splice(at - 1, 1);
    return '';
  }
  for (const rule of rules) {
    const text = saveRule(name, rule);
    const at = chain.rules.findIndex(each => saveRule(name, each) === text);
    if (at < 0) throw refused('Bad rule (does a matching rule exist in that chain?).');
    if (!check) chain.rules.splice(at, 1);
  }
  return '';
}

function checkName(name: string): void {
  if (name.length >= CHAIN_NAME_MAX)
    throw misuse(`chain name \`${name}' too long (must be under ${CHAIN_NAME_MAX} chars)`);
  if (name.startsWith('-') || name.startsWith('!'))
    throw misuse(`chain name not allowed to start with \`${name[0]}'\n`);
  if (/\s/.test(name)) throw misuse(`Invalid chain name \`${name}'`);
}

function addChain(table: Table, name: string): void {
  checkName(name);
  if (table.find(name) !== undefined || ipt_hooknames.includes(name)) throw refused('Chain already exists.');
  table.chains.push({ name, policy: null, rules: [], pcnt: 0, bcnt: 0 });
}

function deleteChain(table: Table, chain: Chain): void {
  if (chain.policy !== null) throw refused("Invalid argument. Run `dmesg' for more information.");
  if (table.references(chain.name) > 0) throw refused('Too many links.');
  if (chain.rules.length > 0) throw refused('Directory not empty.');
  table.chains = table.chains.filter(each => each !== chain);
}

function setPolicy(table: Table, name: string, policy: string | null): void {
  if (policy === null) throw misuse('-P requires a chain and a policy');
  const chain = table.find(name);
  if (chain === undefined || chain.policy === null) throw refused('Bad built-in chain name.');
  if (policy !== 'ACCEPT' && policy !== 'DROP') throw refused("Bad policy name. Run `dmesg' for more information.");
  chain.policy = policy === 'ACCEPT' ? NF_ACCEPT : NF_DROP;
  chain.pcnt = 0;
  chain.bcnt = 0;
}

function zero(table: Table, name: string | null, argument: string | null): void {
  for (const chain of name === null ? table.chains : [table.need(name)]) {
    if (argument === null) {
      chain.pcnt = 0;
      chain.bcnt = 0;
    }
    chain.rules = chain.rules.map((rule, i) =>
      argument === null || ruleNumber(argument) === i + 1 ? { ...rule, pcnt: 0, bcnt: 0 } : rule,
    );
  }
}

const policyName = (policy: number): string => (policy === NF_ACCEPT ? 'ACCEPT' : 'DROP');

function chosen(table: Table, name: string | null): Chain[] {
  return name === null ? table.sorted() : [table.need(name)];
}

function listRules(table: Table, name: string | null, argument: string | null, format: ListFormat): string {
  const lines: string[] = [];
  const only = argument === null ? 0 : ruleNumber(argument);
  const counters = (pcnt: number, bcnt: number): string => (format.verbose ? ` -c ${pcnt} ${bcnt}` : '');
  if (only === 0) {
    for (const chain of chosen(table, name)) {
      if (chain.policy === null) lines.push(`-N ${chain.name}`);
      else lines.push(`-P ${chain.name} ${policyName(chain.policy)}${counters(chain.pcnt, chain.bcnt)}`);
    }
  }
  for (const chain of chosen(table, name)) {
    for (const [i, rule] of chain.rules.entries()) {
      if (only !== 0 && only !== i + 1) continue;
      const text = saveRule(chain.name, rule);
      lines.push(
        format.verbose
          ? text.replace(
              / (-[jg] )|$/,
              (_, jump) => ` -c ${rule.pcnt} ${rule.bcnt}${jump === undefined ? '' : ` ${jump}`}`,
            )
          : text,
      );
    }
  }
  return lines.map(line => `${line}\n`).join('');
}

function list(table: Table, name: string | null, argument: string | null, format: ListFormat): string {
  const only = argument === null ? 0 : ruleNumber(argument);
  const parts = chosen(table, name).map(chain => {
    let text = only === 0 ? header(table, chain, format) : '';
    for (const [i, rule] of chain.rules.entries()) {
      if (only === 0 || only === i + 1) text += `${listRule(rule, i + 1, format)}\n`;
    }
    return text;
  });
  return parts.join('\n');
}

function header(table: Table, chain: Chain, format: ListFormat): string {
  let text = `Chain ${chain.name}`;
  if (chain.policy === null) text += ` (${table.references(chain.name)} references)\n`;
  else {
    text += ` (policy ${policyName(chain.policy)}`;
    if (format.verbose) {
      const count = (value: number): string => formatCount(value, format.exact).trim();
      text += ` ${count(chain.pcnt)} packets, ${count(chain.bcnt)} bytes`;
    }
    text += ')\n';
  }
  if (format.lineNumbers) text += 'num  ';
  if (format.verbose) text += format.exact ? '    pkts      bytes ' : ' pkts bytes ';
  text += 'target     prot opt';
  if (format.verbose) text += ' in     out    ';
  return `${text} source               destination         \n`;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** ctime(3) of the simulated clock, which begins with 1970. */
function ctime(kernel: Kernel): string {
  const date = new Date(kernel.clock.now / 1e6);
  const day = `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)}`;
  return `${day} ${date.toISOString().slice(11, 19)} ${date.getUTCFullYear()}`;
}

export interface SaveOptions {
  readonly counters?: boolean;
  /** Only this table. */
  readonly table?: string;
}

/** `iptables-save`: the tables in use. */
export function iptables_save(kernel: Kernel, options: SaveOptions = {}): CommandResult {
  return guard('iptables-save', () => {
    const names = options.table === undefined ? xt_table_names(kernel.init_net, NFPROTO_IPV4) : [options.table];
    const when = ctime(kernel);
    let text = '';
    for (const name of names) {
      const table = new Table(kernel, name);
      text += `# Generated by iptables-save ${VERSION} on ${when}\n*${name}\n`;
      for (const chain of table.sorted()) {
        const policy = chain.policy === null ? '-' : policyName(chain.policy);
        text += `:${chain.name} ${policy} [${chain.policy === null ? '0:0' : `${chain.pcnt}:${chain.bcnt}`}]\n`;
      }
      for (const chain of table.sorted()) {
        for (const rule of chain.rules) {
          const counters = options.counters === true ? `[${rule.pcnt}:${rule.bcnt}] ` : '';
          text += `${counters}${saveRule(chain.name, rule)}\n`;
        }
      }
      text += `COMMIT\n# Completed on ${when}\n`;
    }
    return text;
  });
}

export interface RestoreOptions {
  readonly counters?: boolean;
  /** Keep what is there (--noflush); only look whether it is right (--test). */
  readonly noflush?: boolean;
  readonly test?: boolean;
  readonly table?: string;
}

/** Words of a rule's line, with quotes as iptables-restore takes them. */
function split(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i] as string;
    if (quoted && c === '\\' && i + 1 < line.length) word = (word ?? '') + (line[++i] as string);
    else if (c === '"') {
      quoted = !quoted;
      word ??= '';
    } else if (!quoted && (c === ' ' || c === '\t')) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + c;
  }
  if (word !== null) words.push(word);
  return words;
}

/** `iptables-restore`: each table is written whole at its COMMIT; a wrong line stops it, and its table stays as it was. */
export function iptables_restore(kernel: Kernel, input: string, options: RestoreOptions = {}): CommandResult {
  return guard('iptables-restore', () => {
    let table: Table | null = null;
    let skip = false;
    const lines = input.split('\n');
    for (const [index, raw] of lines.entries()) {
      const line = raw.trim();
      if (line === '' || line.startsWith('#')) continue;
      const failed = (what = ''): IptablesProblem =>
        new IptablesProblem(
          `${what === '' ? '' : `${what}\n`}Error occurred at line: ${index + 1}\nTry \`iptables-restore -h' or 'iptables-restore --help' for more information.`,
          2,
        );
      if (line === 'COMMIT' && (table !== null || skip)) {
        if (table !== null && options.test !== true) commit(table, index + 1);
        table = null;
        skip = false;
      } else if (line.startsWith('*') && table === null && !skip) {
        const name = line.slice(1).trim();
        skip = options.table !== undefined && options.table !== name;
        if (skip) continue;
        table = new Table(kernel, name);
        if (options.noflush !== true) {
          table.chains = table.chains.filter(chain => chain.policy !== null);
          for (const chain of table.chains) chain.rules = [];
        }
      } else if (skip) {
      } else if (table === null) {
        throw new IptablesProblem(`iptables-restore: line ${index + 1} failed`, 1, false);
      } else if (line.startsWith(':')) restoreChain(table, line, options, failed);
      else restoreRule(table, line, options, index + 1);
    }
    if (table !== null || skip)
      throw new IptablesProblem(`iptables-restore: COMMIT expected at line ${lines.length}`, 1, false);
    return '';
  });
}

function commit(table: Table, line: number): void {
  try {
    table.commit();
  } catch (error) {
    if (error instanceof IptablesProblem) throw new IptablesProblem(`iptables-restore: line ${line} failed`, 1, false);
    throw error;
  }
}

function restoreChain(
  table: Table,
  line: string,
  options: RestoreOptions,
  failed: (what?: string) => IptablesProblem,
): void {
  const [name = '', policy = '', counters = ''] = line.slice(1).split(/\s+/);
  if (name === '') throw failed('invalid chain name');
  if (policy === '') throw failed('invalid policy name');
  let chain = table.find(name);
  if (chain === undefined) {
    addChain(table, name);
    chain = table.need(name);
  } else if (chain.policy === null) chain.rules = [];
  if (policy === '-') return;
  setPolicy(table, name, policy);
  if (options.counters !== true) return;
  const match = /^\[([0-9]+):([0-9]+)\]$/.exec(counters);
  if (match === null) throw failed(`invalid policy counters for chain '${name}'`);
  chain.pcnt = Number(match[1]);
  chain.bcnt = Number(match[2]);
}

function restoreRule(table: Table, line: string, options: RestoreOptions, index: number): void {
  let text = line;
  let counters: readonly [number, number] | null = null;
  const match = /^\[([0-9]+):([0-9]+)\]\s*/.exec(text);
  if (match !== null) {
    text = text.slice(match[0].length);
    counters = [Number(match[1]), Number(match[2])];
  }
  const parsed = parse(split(text));
  if (parsed.table !== 'filter') throw misuse(`The -t option cannot be used in iptables-restore.\n`);
  try {
    for (const command of parsed.command) one(table, command, parsed);
  } catch (error) {
    if (error instanceof IptablesProblem && !error.named) {
      throw new IptablesProblem(`iptables-restore: line ${index} failed`, 1, false);
    }
    throw error;
  }
  if (options.counters === true && counters !== null && parsed.command === 'A') {
    const last = table.need(parsed.chain as string).rules.at(-1);
    if (last !== undefined) [last.pcnt, last.bcnt] = counters;
  }
}
