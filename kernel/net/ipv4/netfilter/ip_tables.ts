/**
 * IPv4's tables (net/ipv4/netfilter/ip_tables.c): a table is a flat array of entries, chain behind chain, each ended by an
 * entry without conditions (the policy, or RETURN). Loaded and read as a whole, as IPT_SO_SET_REPLACE and
 * IPT_SO_GET_ENTRIES do.
 */
import { EINVAL, ELOOP, ENOENT } from '../../../errno.ts';
import type { net } from '../../core/net_namespace.ts';
import type { net_device } from '../../core/netdevice.ts';
import type { sk_buff } from '../../core/skbuff.ts';
import { NF_ACCEPT, NF_DROP, NF_STOLEN, NFPROTO_IPV4, type nf_hook_state } from '../../netfilter/core.ts';
import { nf_log_trace } from '../../netfilter/nf_log.ts';
import {
  XT_CONTINUE,
  XT_RETURN,
  xt_action_param,
  type xt_check,
  xt_check_extension,
  xt_find_match,
  xt_find_table,
  xt_find_target,
  xt_ifname_match,
  type xt_match,
  type xt_spec,
  type xt_table,
  type xt_target,
} from '../../netfilter/x_tables.ts';
import { IP_OFFSET, iph_daddr, iph_frag_off, iph_ihl, iph_protocol, iph_saddr } from '../ip_header.ts';

/** ipt_ip.invflags */
export const IPT_INV_VIA_IN = 0x01;
export const IPT_INV_VIA_OUT = 0x02;
export const IPT_INV_SRCIP = 0x08;
export const IPT_INV_DSTIP = 0x10;
export const IPT_INV_FRAG = 0x20;
export const IPT_INV_PROTO = 0x40;

/** The conditions that every rule has (struct ipt_ip). Interface names that end in '+' are prefixes. */
export interface ipt_ip {
  readonly src: number;
  readonly smsk: number;
  readonly dst: number;
  readonly dmsk: number;
  readonly iniface: string;
  readonly outiface: string;
  readonly proto: number;
  readonly frag: boolean;
  readonly invflags: number;
}

/** A rule as user space loads it. A target is an extension, a verdict, or another chain; none: counted only. */
export interface ipt_rule {
  readonly ip: ipt_ip;
  readonly matches: readonly xt_spec[];
  readonly target: xt_spec | { readonly verdict: number } | { readonly chain: string; readonly goto: boolean } | null;
  pcnt: number;
  bcnt: number;
}

/** A chain: one of the hooks' with a verdict as its policy, or one of the user's, with null. */
export interface ipt_chain {
  readonly name: string;
  readonly policy: number | null;
  readonly rules: readonly ipt_rule[];
  pcnt: number;
  bcnt: number;
}

/** Names of the hooks' chains, by hook. */
export const ipt_hooknames: readonly string[] = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];

const T_STANDARD = 0;
const T_JUMP = 1;
const T_GOTO = 2;
const T_TARGET = 3;
const T_NONE = 4;

/** struct ipt_entry, compiled. */
class ipt_entry {
  readonly ip: ipt_ip;
  readonly src: number;
  readonly smsk: number;
  readonly dst: number;
  readonly dmsk: number;
  readonly proto: number;
  readonly invflags: number;
  /** The interface's name without '+'; null: any. */
  readonly iniface: string | null;
  readonly outiface: string | null;
  readonly in_any: boolean;
  readonly out_any: boolean;
  readonly frag: number;
  readonly matches: xt_match[] = [];
  readonly infos: unknown[] = [];
  kind = T_NONE;
  verdict = 0;
  /** First entry of the chain that is jumped to. */
  jump = 0;
  target: xt_target | null = null;
  tinfo: unknown = null;
  pcnt: number;
  bcnt: number;
  readonly spec: ipt_rule | null;

  constructor(ip: ipt_ip, spec: ipt_rule | null, pcnt: number, bcnt: number) {
    this.ip = ip;
    this.src = ip.src & ip.smsk;
    this.smsk = ip.smsk;
    this.dst = ip.dst & ip.dmsk;
    this.dmsk = ip.dmsk;
    this.proto = ip.proto;
    this.invflags = ip.invflags;
    this.in_any = ip.iniface.endsWith('+');
    this.out_any = ip.outiface.endsWith('+');
    this.iniface = ip.iniface === '' ? null : this.in_any ? ip.iniface.slice(0, -1) : ip.iniface;
    this.outiface = ip.outiface === '' ? null : this.out_any ? ip.outiface.slice(0, -1) : ip.outiface;
    this.frag = ip.frag ? 1 : 0;
    this.spec = spec;
    this.pcnt = pcnt;
    this.bcnt = bcnt;
  }
}

interface chain_place {
  readonly name: string;
  readonly policy: number | null;
  readonly start: number;
  /** The entry without conditions that ends the chain. */
  readonly end: number;
}

/** struct xt_table_info */
class ipt_table_info {
  readonly entries: ipt_entry[] = [];
  readonly chains: chain_place[] = [];
  readonly hook_entry = new Int32Array(5).fill(-1);
  readonly underflow = new Int32Array(5).fill(-1);
  stacksize = 1;
  /** A stack of jumps for each depth of hooks within hooks. */
  readonly jumpstacks: Int32Array[] = [];
  readonly acpar: xt_action_param[] = [];
}

export const IPT_ANY: ipt_ip = {
  src: 0,
  smsk: 0,
  dst: 0,
  dmsk: 0,
  iniface: '',
  outiface: '',
  proto: 0,
  frag: false,
  invflags: 0,
};

/** ipt_alloc_initial_table: the hooks' chains, empty. */
export function ipt_alloc_initial_table(net: net, name: string, valid_hooks: number): unknown {
  const chains = ipt_hooknames
    .filter((_, hook) => (valid_hooks & (1 << hook)) !== 0)
    .map(chain => ({ name: chain, policy: NF_ACCEPT, rules: [], pcnt: 0, bcnt: 0 }));
  return translate_table(net, name, valid_hooks, chains);
}

/**
 * translate_table: checks a table and compiles it. A negative errno: -EINVAL (a chain missing, too much, or twice; an
 * extension that may not be used there), -ENOENT (no such extension or chain), -ELOOP, or an extension's own.
 */
function translate_table(
  net: net,
  table: string,
  valid_hooks: number,
  chains: readonly ipt_chain[],
): ipt_table_info | number {
  const info = new ipt_table_info();
  const { entries } = info;
  const starts = new Map<string, number>();
  for (const chain of chains) {
    if (starts.has(chain.name)) return -EINVAL;
    const start = entries.length;
    starts.set(chain.name, start);
    const hook = chain.policy === null ? -1 : ipt_hooknames.indexOf(chain.name);
    if (chain.policy !== null) {
      if (hook < 0 || (valid_hooks & (1 << hook)) === 0) return -EINVAL;
      if (chain.policy !== NF_ACCEPT && chain.policy !== NF_DROP) return -EINVAL;
      info.hook_entry[hook] = start;
      info.underflow[hook] = start + chain.rules.length;
    }
    for (const rule of chain.rules) entries.push(new ipt_entry(rule.ip, rule, rule.pcnt, rule.bcnt));
    const end = new ipt_entry(IPT_ANY, null, chain.pcnt, chain.bcnt);
    end.kind = T_STANDARD;
    end.verdict = chain.policy === null ? XT_RETURN : -chain.policy - 1;
    info.chains.push({ name: chain.name, policy: chain.policy, start, end: entries.length });
    entries.push(end);
  }
  for (let hook = 0; hook < 5; hook++) {
    if ((valid_hooks & (1 << hook)) !== 0 && (info.hook_entry[hook] as number) < 0) return -EINVAL;
  }
  for (const e of entries) {
    const target = e.spec?.target ?? null;
    if (target === null) continue;
    if ('verdict' in target) {
      e.kind = T_STANDARD;
      e.verdict = target.verdict;
    } else if ('chain' in target) {
      const start = starts.get(target.chain);
      if (start === undefined) return -ENOENT;
      if (info.chains.some(chain => chain.name === target.chain && chain.policy !== null)) return -EINVAL;
      e.kind = target.goto ? T_GOTO : T_JUMP;
      e.jump = start;
    }
  }
  const reach = mark_source_chains(info);
  if (reach === null) return -ELOOP;
  info.stacksize = Math.max(1, info.chains.length);
  for (const [place, chain] of info.chains.entries()) {
    for (let i = chain.start; i < chain.end; i++) {
      const err = check_entry(net, table, entries[i] as ipt_entry, reach[place] as number);
      if (err === 0) continue;
      cleanup_entries(net, entries.slice(0, i + 1));
      return err;
    }
  }
  return info;
}

/** mark_source_chains: for each chain the hooks that lead to it, as a mask; null when chains call each other in a ring. */
function mark_source_chains(info: ipt_table_info): number[] | null {
  const reach = info.chains.map(() => 0);
  const depth = info.chains.map(() => 0);
  const at = new Map(info.chains.map((chain, place) => [chain.start, place]));
  const visit = (place: number, hook: number): boolean => {
    if (depth[place] === 1) return false;
    if (((reach[place] as number) & hook) !== 0) return true;
    reach[place] = (reach[place] as number) | hook;
    depth[place] = 1;
    const chain = info.chains[place] as chain_place;
    for (let i = chain.start; i < chain.end; i++) {
      const e = info.entries[i] as ipt_entry;
      if ((e.kind === T_JUMP || e.kind === T_GOTO) && !visit(at.get(e.jump) as number, hook)) return false;
    }
    depth[place] = 2;
    return true;
  };
  for (let hook = 0; hook < 5; hook++) {
    const start = info.hook_entry[hook] as number;
    if (start < 0) continue;
    depth.fill(0);
    if (!visit(at.get(start) as number, 1 << hook)) return null;
  }
  return reach;
}

/** find_check_entry: its matches and its target. */
function check_entry(net: net, table: string, e: ipt_entry, hook_mask: number): number {
  const { ip, spec } = e;
  if (spec === null) return 0;
  if ((ip.src & ~ip.smsk) !== 0 || (ip.dst & ~ip.dmsk) !== 0) return -EINVAL;
  const check: xt_check = {
    net,
    table,
    family: NFPROTO_IPV4,
    hook_mask,
    proto: ip.proto,
    invproto: (ip.invflags & IPT_INV_PROTO) !== 0,
  };
  for (const { name, info } of spec.matches) {
    const match = xt_find_match(net, NFPROTO_IPV4, name);
    if (match === null) return -ENOENT;
    const err = xt_check_extension(match, info, check);
    if (err !== 0) return err;
    e.matches.push(match);
    e.infos.push(info);
  }
  const { target } = spec;
  if (target === null || 'verdict' in target || 'chain' in target) return 0;
  const found = xt_find_target(net, NFPROTO_IPV4, target.name);
  if (found === null) return -ENOENT;
  const err = xt_check_extension(found, target.info, check);
  if (err !== 0) return err;
  e.kind = T_TARGET;
  e.target = found;
  e.tinfo = target.info;
  return 0;
}

function cleanup_entries(net: net, entries: readonly ipt_entry[]): void {
  for (const e of entries) {
    for (const [i, match] of e.matches.entries()) match.destroy?.(e.infos[i], net);
    e.target?.destroy?.(e.tinfo, net);
  }
}

/** do_replace: a table's whole content. 0 or a negative errno (translate_table's; -ENOENT: no such table), nothing done. */
export function ipt_do_replace(net: net, name: string, chains: readonly ipt_chain[]): number {
  const table = xt_find_table(net, NFPROTO_IPV4, name);
  if (table === null) return -ENOENT;
  const info = translate_table(net, name, table.valid_hooks, chains);
  if (typeof info === 'number') return info;
  const old = table.private_ as ipt_table_info;
  table.private_ = info;
  cleanup_entries(net, old.entries);
  return 0;
}

/** IPT_SO_GET_ENTRIES: a table's content with its counters, as ipt_do_replace takes it; null when there is no such table. */
export function ipt_get_entries(net: net, name: string): ipt_chain[] | null {
  const table = xt_find_table(net, NFPROTO_IPV4, name);
  if (table === null) return null;
  const info = table.private_ as ipt_table_info;
  return info.chains.map(({ name: chain, policy, start, end }) => ({
    name: chain,
    policy,
    rules: info.entries.slice(start, end).map(e => ({ ...(e.spec as ipt_rule), pcnt: e.pcnt, bcnt: e.bcnt })),
    pcnt: (info.entries[end] as ipt_entry).pcnt,
    bcnt: (info.entries[end] as ipt_entry).bcnt,
  }));
}

/** ip_packet_match */
function ip_packet_match(
  e: ipt_entry,
  saddr: number,
  daddr: number,
  proto: number,
  fragoff: number,
  indev: net_device | null,
  outdev: net_device | null,
): boolean {
  const inv = e.invflags;
  if (((saddr & e.smsk) !== e.src) !== ((inv & IPT_INV_SRCIP) !== 0)) return false;
  if (((daddr & e.dmsk) !== e.dst) !== ((inv & IPT_INV_DSTIP) !== 0)) return false;
  if (e.iniface !== null && xt_ifname_match(indev, e.iniface, e.in_any) === ((inv & IPT_INV_VIA_IN) !== 0))
    return false;
  if (e.outiface !== null && xt_ifname_match(outdev, e.outiface, e.out_any) === ((inv & IPT_INV_VIA_OUT) !== 0)) {
    return false;
  }
  if (e.proto !== 0 && (proto !== e.proto) !== ((inv & IPT_INV_PROTO) !== 0)) return false;
  return e.frag === 0 || (fragoff === 0) === ((inv & IPT_INV_FRAG) !== 0);
}

/** ipt_do_table: a verdict. Takes the skb only when it is NF_STOLEN. */
export function ipt_do_table(priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  const table = priv as xt_table;
  const info = table.private_ as ipt_table_info;
  const { entries } = info;
  const { hook, in: indev, out: outdev } = state;
  const { depth } = state.net.nf;
  while (info.acpar.length <= depth) {
    info.acpar.push(new xt_action_param());
    info.jumpstacks.push(new Int32Array(info.stacksize));
  }
  const par = info.acpar[depth] as xt_action_param;
  const stack = info.jumpstacks[depth] as Int32Array;
  let stackidx = 0;
  par.state = state;
  par.thoff = iph_ihl(skb) * 4;
  par.fragoff = iph_frag_off(skb) & IP_OFFSET;
  par.hotdrop = false;
  let saddr = iph_saddr(skb);
  let daddr = iph_daddr(skb);
  const proto = iph_protocol(skb);
  const { fragoff } = par;
  let at = info.hook_entry[hook] as number;
  for (;;) {
    const e = entries[at] as ipt_entry;
    if (!ip_packet_match(e, saddr, daddr, proto, fragoff, indev, outdev) || !matches(e, skb, par)) {
      if (par.hotdrop) return NF_DROP;
      at++;
      continue;
    }
    e.pcnt++;
    e.bcnt += skb.len;
    if (skb.nf_trace !== 0) trace_packet(skb, state, table, info, at);
    switch (e.kind) {
      case T_STANDARD:
        if (e.verdict !== XT_RETURN) return -e.verdict - 1;
        if (stackidx === 0) at = info.underflow[hook] as number;
        else at = (stack[--stackidx] as number) + 1;
        continue;
      case T_JUMP:
        if (stackidx >= stack.length) return NF_DROP;
        stack[stackidx++] = at;
        at = e.jump;
        continue;
      case T_GOTO:
        at = e.jump;
        continue;
      case T_NONE:
        at++;
        continue;
      default: {
        const verdict = (e.target as xt_target).target(skb, e.tinfo, par);
        if (verdict !== XT_CONTINUE) return verdict;
        if (par.hotdrop) return NF_DROP;
        // The target may have changed the header.
        saddr = iph_saddr(skb);
        daddr = iph_daddr(skb);
        at++;
      }
    }
  }
}

function matches(e: ipt_entry, skb: sk_buff, par: xt_action_param): boolean {
  const list = e.matches;
  for (let i = 0; i < list.length; i++) if (!(list[i] as xt_match).match(skb, e.infos[i], par)) return false;
  return true;
}

/** trace_packet: TRACE's line for a rule that fits. */
function trace_packet(skb: sk_buff, state: nf_hook_state, table: xt_table, info: ipt_table_info, at: number): void {
  const chain = info.chains.find(({ start, end }) => start <= at && at <= end) as chain_place;
  const kind = at < chain.end ? 'rule' : chain.policy === null ? 'return' : 'policy';
  nf_log_trace(skb, state, `TRACE: ${table.name}:${chain.name}:${kind}:${at - chain.start + 1} `);
}

/** A mangle table's OUTPUT may change what routing looked at: the packet is routed again by its caller. */
export function verdict_goes_on(verdict: number): boolean {
  return (verdict & 0xff) !== NF_DROP && (verdict & 0xff) !== NF_STOLEN;
}
