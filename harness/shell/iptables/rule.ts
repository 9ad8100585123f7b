/** One rule: from the command line, to iptables-save's line, to the list. */
import { inet_ntoa } from '../../../kernel/net/ipv4/ip_header.ts';
import {
  IPT_INV_DSTIP,
  IPT_INV_FRAG,
  IPT_INV_PROTO,
  IPT_INV_SRCIP,
  IPT_INV_VIA_IN,
  IPT_INV_VIA_OUT,
  type ipt_ip,
  type ipt_rule,
} from '../../../kernel/net/ipv4/netfilter/ip_tables.ts';
import { NF_ACCEPT, NF_DROP, NF_QUEUE } from '../../../kernel/net/netfilter/core.ts';
import { XT_RETURN, type xt_spec } from '../../../kernel/net/netfilter/x_tables.ts';
import type { Extension, Given } from './extension.ts';
import { MATCHES } from './matches.ts';
import { misuse } from './problem.ts';
import { TARGETS } from './targets.ts';
import { formatMask, parseNetwork, parseProtocol, protocolName } from './values.ts';

const VERDICTS: Readonly<Record<string, number>> = {
  ACCEPT: -NF_ACCEPT - 1,
  DROP: -NF_DROP - 1,
  QUEUE: -NF_QUEUE - 1,
  RETURN: XT_RETURN,
};
/** Protocols whose match is loaded by one of its options alone. */
const IMPLICIT: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp' };

interface Loaded {
  readonly extension: Extension;
  readonly given: Map<string, Given>;
}

/** What the parser collects. */
export class RuleParser {
  private src = 0;
  private smsk = 0;
  private dst = 0;
  private dmsk = 0;
  private readonly networks: { source: string[]; destination: string[] } = { source: [], destination: [] };
  private iniface = '';
  private outiface = '';
  private proto = 0;
  private frag = false;
  private inv = 0;
  private readonly loaded: Loaded[] = [];
  private jump: string | null = null;
  private goto = false;
  private target: Loaded | null = null;
  private counters: [number, number] = [0, 0];
  /** Something was said that makes a rule. */
  used = false;

  /** Takes the option `words[at]`, which a '!' may stand before. The words used, or 0: not a rule's option. */
  take(words: readonly string[], at: number, invert: boolean): number {
    const used = this.own(words, at, invert) || this.extensions(words, at, invert);
    if (used > 0) this.used = true;
    return used;
  }

  private own(words: readonly string[], at: number, invert: boolean): number {
    const name = words[at] as string;
    const next = (): string => {
      const text = words[at + 1];
      if (text === undefined) throw misuse(`option "${name}" requires an argument`);
      return text;
    };
    const set = (bit: number): void => {
      if (invert) this.inv |= bit;
    };
    switch (name) {
      case '-s':
      case '--source':
      case '--src':
        this.networks.source = next().split(',');
        set(IPT_INV_SRCIP);
        return 2;
      case '-d':
      case '--destination':
      case '--dst':
        this.networks.destination = next().split(',');
        set(IPT_INV_DSTIP);
        return 2;
      case '-i':
      case '--in-interface':
        this.iniface = interfaceName(next());
        set(IPT_INV_VIA_IN);
        return 2;
      case '-o':
      case '--out-interface':
        this.outiface = interfaceName(next());
        set(IPT_INV_VIA_OUT);
        return 2;
      case '-p':
      case '--protocol':
      case '--proto':
        this.proto = parseProtocol(next());
        set(IPT_INV_PROTO);
        if (this.proto === 0 && invert) throw misuse('rule would never match protocol');
        return 2;
      case '-f':
      case '--fragment':
        this.frag = true;
        set(IPT_INV_FRAG);
        return 1;
      case '-m':
      case '--match':
        this.load(next());
        return 2;
      case '-j':
      case '--jump':
      case '-g':
      case '--goto':
        if (this.jump !== null) throw misuse('multiple -j flags not allowed');
        this.jump = next();
        this.goto = name === '-g' || name === '--goto';
        this.target = null;
        if (!this.goto) {
          const extension = TARGETS.find(each => each.name === this.jump);
          if (extension !== undefined) this.target = { extension, given: new Map() };
        }
        return 2;
      case '-c':
      case '--set-counters': {
        const packets = Number(next());
        const bytes = Number(words[at + 2]);
        if (!Number.isSafeInteger(packets)) throw misuse('-c packet counter not numeric');
        if (!Number.isSafeInteger(bytes)) throw misuse('-c byte counter not numeric');
        this.counters = [packets, bytes];
        return 3;
      }
      default:
        return 0;
    }
  }

  private load(name: string): Loaded {
    const extension = MATCHES.find(each => each.name === name);
    if (extension === undefined) throw misuse(`Couldn't load match \`${name}':No such file or directory\n`);
    const loaded = { extension, given: new Map<string, Given>() };
    this.loaded.push(loaded);
    return loaded;
  }

  private extensions(words: readonly string[], at: number, invert: boolean): number {
    let name = words[at] as string;
    const candidates = [...this.loaded].reverse();
    if (this.target !== null) candidates.unshift(this.target);
    // getopt_long: a beginning will do, where only one option has it.
    const begun = candidates.flatMap(({ extension }) => Object.keys(extension.options).filter(o => o.startsWith(name)));
    if (name.length > 2 && begun.length === 1) name = begun[0] as string;
    let found = candidates.find(({ extension }) => name in extension.options);
    if (found === undefined) {
      const implied = IMPLICIT[this.proto];
      const extension = MATCHES.find(each => each.name === implied);
      if (implied === undefined || extension === undefined || !(name in extension.options)) return 0;
      if ((this.inv & IPT_INV_PROTO) !== 0) return 0;
      found = this.load(implied);
    }
    const form = found.extension.options[name] as Extension['options'][string];
    const count = Number(String(form).replace('!', ''));
    if (invert && typeof form === 'number')
      throw misuse(`${found.extension.name}: option "${name}" cannot be inverted.\n`);
    if (name === '--syn' || name === '--tcp-flags') {
      if (found.given.has('--syn') || found.given.has('--tcp-flags')) {
        throw misuse("Only one of `--syn' or `--tcp-flags'  allowed");
      }
    }
    if (found.given.has(name)) throw misuse(`${found.extension.name}: option "${name}" can only be used once.`);
    if (at + count >= words.length) throw misuse(`option "${name}" requires an argument`);
    found.given.set(name, { values: words.slice(at + 1, at + 1 + count), invert });
    return 1 + count;
  }

  /**
   * The rules: one for each pair of source and destination.
   *
   * @throws IptablesProblem
   */
  rules(isChain: (name: string) => boolean): ipt_rule[] {
    const { networks } = this;
    if (
      (this.inv & IPT_INV_SRCIP && networks.source.length > 1) ||
      (this.inv & IPT_INV_DSTIP && networks.destination.length > 1)
    ) {
      throw misuse('! not allowed with multiple source or destination IP addresses');
    }
    const rules: ipt_rule[] = [];
    for (const source of networks.source.length === 0 ? [null] : networks.source) {
      for (const destination of networks.destination.length === 0 ? [null] : networks.destination) {
        [this.src, this.smsk] = source === null ? [0, 0] : parseNetwork(source);
        [this.dst, this.dmsk] = destination === null ? [0, 0] : parseNetwork(destination);
        rules.push(this.rule(isChain));
      }
    }
    return rules;
  }

  private rule(isChain: (name: string) => boolean): ipt_rule {
    const protocol = (this.inv & IPT_INV_PROTO) !== 0 ? 0 : this.proto;
    const build = ({ extension, given }: Loaded): xt_spec => ({
      name: extension.kernelName ?? extension.name,
      info: extension.parse(given, protocol),
    });
    const ip: ipt_ip = {
      src: this.src,
      smsk: this.smsk,
      dst: this.dst,
      dmsk: this.dmsk,
      iniface: this.iniface,
      outiface: this.outiface,
      proto: this.proto,
      frag: this.frag,
      invflags: this.inv,
    };
    const [pcnt, bcnt] = this.counters;
    return { ip, matches: this.loaded.map(build), target: this.targetSpec(isChain, build), pcnt, bcnt };
  }

  private targetSpec(isChain: (name: string) => boolean, build: (loaded: Loaded) => xt_spec): ipt_rule['target'] {
    const { jump } = this;
    if (jump === null) return null;
    if (this.target !== null && !isChain(jump)) return build(this.target);
    const verdict = VERDICTS[jump];
    if (verdict !== undefined && !this.goto) return { verdict };
    if (!isChain(jump)) {
      if (this.goto) throw misuse(`goto '${jump}' is not a chain`);
      throw misuse(`Couldn't load target \`${jump}':No such file or directory\n`);
    }
    return { chain: jump, goto: this.goto };
  }
}

function interfaceName(text: string): string {
  if (text.length >= 16) throw misuse(`interface name \`${text}' must be shorter than IFNAMSIZ (15)`);
  return text === '+' ? '' : text;
}

function extensionOf(list: readonly Extension[], name: string): Extension {
  const found = list.find(each => (each.kernelName ?? each.name) === name);
  if (found === undefined) throw new Error(`no words for ${name}`);
  return found;
}

function targetName(target: ipt_rule['target']): string {
  if (target === null) return '';
  if ('chain' in target) return target.chain;
  if ('verdict' in target) return Object.keys(VERDICTS).find(name => VERDICTS[name] === target.verdict) ?? '';
  return target.name;
}

/** In the list an old name gives way to the new one. */
function listedName(target: ipt_rule['target']): string {
  const name = targetName(target);
  return name === 'NOTRACK' ? 'CT' : name;
}

const not = (inv: number, bit: number): string => ((inv & bit) !== 0 ? '! ' : '');

/** iptables-save's line, from "-A CHAIN" on. */
export function saveRule(chain: string, rule: ipt_rule): string {
  const { ip } = rule;
  const inv = ip.invflags;
  const words = [`-A ${chain}`];
  const address = (addr: number, mask: number, bit: number, option: string): void => {
    if (mask === 0 && (inv & bit) === 0) return;
    words.push(`${not(inv, bit)}${option} ${inet_ntoa(addr)}/${formatMask(mask)}`);
  };
  address(ip.src, ip.smsk, IPT_INV_SRCIP, '-s');
  address(ip.dst, ip.dmsk, IPT_INV_DSTIP, '-d');
  if (ip.iniface !== '') words.push(`${not(inv, IPT_INV_VIA_IN)}-i ${ip.iniface}`);
  if (ip.outiface !== '') words.push(`${not(inv, IPT_INV_VIA_OUT)}-o ${ip.outiface}`);
  if (ip.proto !== 0) words.push(`${not(inv, IPT_INV_PROTO)}-p ${protocolName(ip.proto)}`);
  if (ip.frag) words.push(`${not(inv, IPT_INV_FRAG)}-f`);
  for (const { name, info } of rule.matches) words.push(`-m ${name}${extensionOf(MATCHES, name).save(info)}`);
  const { target } = rule;
  if (target !== null) {
    words.push('chain' in target && target.goto ? `-g ${target.chain}` : `-j ${targetName(target)}`);
    if ('name' in target) {
      const options = extensionOf(TARGETS, target.name).save(target.info);
      if (options !== '') words.push(options.slice(1));
    }
  }
  return words.join(' ');
}

export interface ListFormat {
  readonly numeric: boolean;
  readonly verbose: boolean;
  readonly exact: boolean;
  readonly lineNumbers: boolean;
}

/** xtables_print_num: as it is, or short with K, M, G, T. */
export function formatCount(count: number, exact: boolean): string {
  if (exact) return `${String(count).padStart(8)} `;
  let value = count;
  if (value <= 99999) return `${String(value).padStart(5)} `;
  for (const unit of ['K', 'M', 'G']) {
    value = Math.floor((value + 500) / 1000);
    if (value <= 9999 || unit === 'G') return `${String(value).padStart(4)}${unit} `;
  }
  return '';
}

/** A line of `iptables -L`. */
export function listRule(rule: ipt_rule, number: number, format: ListFormat): string {
  const { ip, target } = rule;
  const inv = ip.invflags;
  const bang = (bit: number): string => ((inv & bit) !== 0 ? '!' : '');
  let line = format.lineNumbers ? `${String(number).padEnd(4)} ` : '';
  if (format.verbose) line += formatCount(rule.pcnt, format.exact) + formatCount(rule.bcnt, format.exact);
  line += `${listedName(target).padEnd(9)} ${bang(IPT_INV_PROTO) || ' '}${protocolText(ip, format)} `;
  line += `${ip.frag ? bang(IPT_INV_FRAG) || '-' : '-'}${ip.frag ? 'f' : '-'}${format.verbose ? '  ' : ' '}`;
  if (format.verbose) {
    for (const [name, bit] of [
      [ip.iniface, IPT_INV_VIA_IN],
      [ip.outiface, IPT_INV_VIA_OUT],
    ] as const) {
      line += `${(bang(bit) + (name !== '' ? name : format.numeric ? '*' : 'any')).padEnd(6)} `;
    }
  }
  const address = (addr: number, mask: number, bit: number): string => {
    const host =
      mask === 0 && !format.numeric ? 'anywhere' : inet_ntoa(addr) + (mask === -1 ? '' : `/${formatMask(mask)}`);
    return `${(bang(bit) || ' ') + host.padEnd(19)} `;
  };
  line += address(ip.src, ip.smsk, IPT_INV_SRCIP) + address(ip.dst, ip.dmsk, IPT_INV_DSTIP);
  if (target !== null && 'chain' in target && target.goto) line += '[goto] ';
  for (const { name, info } of rule.matches) line += extensionOf(MATCHES, name).list(info, format.numeric);
  if (target !== null && 'name' in target) line += extensionOf(TARGETS, target.name).list(target.info, format.numeric);
  return line;
}

function protocolText(ip: ipt_ip, format: ListFormat): string {
  const name = format.numeric && ip.proto !== 0 ? String(ip.proto) : protocolName(ip.proto);
  return (format.numeric && ip.proto === 0 ? '0' : name).padEnd(4);
}
