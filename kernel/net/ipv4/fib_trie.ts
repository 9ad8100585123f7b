/**
 * Routing tables as level-compressed tries (net/ipv4/fib_trie.c; Nilsson and Karlsson, "IP-Address Lookup Using
 * LC-Tries", 1999).
 *
 * An inner node (tnode) looks at `bits` bits of the key from bit `pos` on, and has 1 << bits children; what lies above
 * is the same for all that is below it. A leaf holds every route whose prefix, filled up with zeros, is its key: routes
 * to 10.0.0.0/8 and to 10.0.0.0/24 hang at one leaf. A node that fills up doubles its children, one that empties halves
 * them, so that 100,000 routes are a few steps deep.
 *
 * Nothing is an object here: nodes, leaves and aliases are ranges of three Int32Arrays, each with its free lists.
 *
 *     tnode  key, pos, bits, slen, parent, empty children, full children, then the children
 *     leaf   key, first alias, slen, parent
 *     alias  suffix length | TOS << 8 | type << 16, index of its fib_info, next alias, table
 *
 * A reference is 0 (nothing), positive (a tnode) or negative (a leaf). `slen` is the longest suffix (32 less the length
 * of the shortest prefix) below a node: a search that finds nothing goes back no farther than where one can help.
 */
import { EAGAIN } from '../../errno.ts';
import type { net_device } from '../core/netdevice.ts';
import {
  FIB_LOOKUP_IGNORE_LINKSTATE,
  type fib_info,
  type fib_nh,
  fib_props_error,
  type fib_result,
  type flowi4,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
} from './fib.ts';

// Where what lies in a tnode, a leaf and an alias.
export const KEYLENGTH = 32;
export const KEY = 0;
export const POS = 1;
export const BITS = 2;
export const SLEN = 3;
export const PARENT = 4;
export const EMPTY = 5;
export const FULL = 6;
export const CHILDREN = 7;

export const LEAF_KEY = 0;
export const LEAF_ALIAS = 1;
export const LEAF_SLEN = 2;
export const LEAF_PARENT = 3;
const LEAF_WORDS = 4;

export const FA_BITS = 0;
export const FA_INFO = 1;
export const FA_NEXT = 2;
export const FA_TABLE = 3;
const FA_WORDS = 4;

/** When a node doubles (of the children it would have) and halves, in per cent of those in use; the root may be emptier. */
const inflate_threshold = 50;
const halve_threshold = 25;
const inflate_threshold_root = 30;
const halve_threshold_root = 15;
/** Doublings in a row. */
const MAX_WORK = 10;

/** A table of routes (struct fib_table). Two may share a trie: an alias says whose it is. */
export class fib_table {
  readonly tb_id: number;
  trie: fib_trie;
  /** Routes in it, and those among them to everywhere. */
  count = 0;
  tb_num_default = 0;
  /** Which of several equal default routes was taken last (fa_default). */
  fa_default = -1;

  constructor(id: number, trie: fib_trie) {
    this.tb_id = id;
    this.trie = trie;
  }
}

export class fib_trie {
  // What fib_trie_walk.ts looks at, too.
  readonly infos: (fib_info | null)[];
  /** tnodes: a bump allocator with a free list for each number of bits. Offset 0 is nothing. */
  t = new Int32Array(64);
  private t_end = 1;
  private readonly t_free = new Int32Array(KEYLENGTH + 1);
  l = new Int32Array(16 * LEAF_WORDS);
  private l_end = LEAF_WORDS;
  private l_free = 0;
  a = new Int32Array(16 * FA_WORDS);
  private a_end = FA_WORDS;
  private a_free = 0;
  root = 0;
  /** Nodes in use, for tests and inspectors. */
  tnodes = 0;
  leaves = 0;

  constructor(infos: (fib_info | null)[]) {
    this.infos = infos;
  }

  // ---- lookup ---------------------------------------------------------------------------------------------------

  /**
   * fib_table_lookup: the longest prefix whose route fits the flow, into `res`. With a shared trie both tables are
   * searched, the local one first among equals.
   * @returns 0, the errno of the route's type, or -EAGAIN: nothing (or a throw route).
   */
  lookup(tb: fib_table, flp: flowi4, res: fib_result, flags: number): number {
    const { t, l } = this;
    const key = flp.daddr;
    let n = this.root;
    let pn = 0;
    let cindex = 0;
    // Straight down, as if there were an exact match.
    while (n > 0) {
      const pos = t[n + POS] as number;
      const index = (key ^ (t[n + KEY] as number)) >>> pos;
      if (index >>> (t[n + BITS] as number) !== 0) break;
      if ((t[n + SLEN] as number) > pos) {
        pn = n;
        cindex = index;
      }
      n = t[n + CHILDREN + index] as number;
    }
    for (;;) {
      // n: where a prefix of the key may be: its key may differ from ours only below its own lowest one.
      if (n < 0) {
        const leaf = -n;
        const leaf_key = l[leaf + LEAF_KEY] as number;
        if (((key ^ leaf_key) & (leaf_key | -leaf_key)) === 0) {
          const err = this.match(leaf, (key ^ leaf_key) >>> 0, tb, flp, res, flags);
          if (err !== NO_MATCH) return err;
        }
        n = 0;
      } else if (n > 0) {
        const tn_key = t[n + KEY] as number;
        const helps = ((key ^ tn_key) & (tn_key | -tn_key)) === 0 && t[n + SLEN] !== t[n + POS];
        n = helps ? (t[n + CHILDREN] as number) : 0;
        if (n !== 0) continue;
      }
      // Back: the same prefix with its lowest one taken away, here or farther up.
      do {
        while (cindex === 0) {
          if (pn === 0) return -EAGAIN;
          const pkey = t[pn + KEY] as number;
          pn = t[pn + PARENT] as number;
          if (pn === 0) return -EAGAIN;
          cindex = (pkey ^ (t[pn + KEY] as number)) >>> (t[pn + POS] as number);
        }
        cindex &= cindex - 1;
        n = t[pn + CHILDREN + cindex] as number;
      } while (n === 0);
    }
  }

  /** The leaf's first alias that fits the flow: 0 or its errno; NO_MATCH. `index`: the bits in which the keys differ. */
  private match(leaf: number, index: number, tb: fib_table, flp: flowi4, res: fib_result, flags: number): number {
    const { a, infos } = this;
    for (let fa = this.l[leaf + LEAF_ALIAS] as number; fa !== 0; fa = a[fa + FA_NEXT] as number) {
      const bits = a[fa + FA_BITS] as number;
      const slen = bits & 0xff;
      if (slen < KEYLENGTH && index >>> slen !== 0) continue;
      const tos = (bits >>> 8) & 0xff;
      if (tos !== 0 && tos !== flp.tos) continue;
      const fi = infos[a[fa + FA_INFO] as number] as fib_info;
      if (fi.fib_scope < flp.scope) continue;
      const type = bits >>> 16;
      const err = fib_props_error[type] as number;
      if (err !== 0) return err;
      if ((fi.fib_flags & RTNH_F_DEAD) !== 0) continue;
      const { nhs } = fi;
      for (let i = 0; i < nhs.length; i++) {
        const nh = nhs[i] as fib_nh;
        if (!fib_lookup_good_nhc(nh, flags, flp)) continue;
        res.type = type;
        res.prefix = this.l[leaf + LEAF_KEY] as number;
        res.prefixlen = KEYLENGTH - slen;
        res.scope = fi.fib_scope;
        res.tos = tos;
        res.table = a[fa + FA_TABLE] as number;
        res.tb = tb;
        res.fi = fi;
        res.nh = nh;
        return 0;
      }
    }
    return NO_MATCH;
  }

  /** Calls `each` with the fib_infos of a prefix in a table, in their order, until it returns true. */
  each_info(
    key: number,
    slen: number,
    tb_id: number,
    each: (fi: fib_info, tos: number, type: number) => boolean,
  ): void {
    const leaf = this.find(key);
    if (leaf === 0) return;
    const { a } = this;
    for (let fa = this.l[leaf + LEAF_ALIAS] as number; fa !== 0; fa = a[fa + FA_NEXT] as number) {
      const bits = a[fa + FA_BITS] as number;
      if ((bits & 0xff) !== slen || a[fa + FA_TABLE] !== tb_id) continue;
      if (each(this.infos[a[fa + FA_INFO] as number] as fib_info, (bits >>> 8) & 0xff, bits >>> 16)) return;
    }
  }

  // ---- aliases --------------------------------------------------------------------------------------------------

  /** The aliases of a prefix in a table with a TOS, as references, best first. */
  aliases(key: number, slen: number, tos: number, tb_id: number): number[] {
    const found: number[] = [];
    const leaf = this.find(key);
    if (leaf === 0) return found;
    const { a } = this;
    for (let fa = this.l[leaf + LEAF_ALIAS] as number; fa !== 0; fa = a[fa + FA_NEXT] as number) {
      const bits = a[fa + FA_BITS] as number;
      if ((bits & 0xffff) === (slen | (tos << 8)) && a[fa + FA_TABLE] === tb_id) found.push(fa);
    }
    return found;
  }

  alias_info(fa: number): fib_info {
    return this.infos[this.a[fa + FA_INFO] as number] as fib_info;
  }

  alias_type(fa: number): number {
    return (this.a[fa + FA_BITS] as number) >>> 16;
  }

  /** Puts other information behind a route that stays where it is (NLM_F_REPLACE). */
  alias_replace(fa: number, fi: fib_info): void {
    this.a[fa + FA_INFO] = fi.index;
    this.a[fa + FA_BITS] = ((this.a[fa + FA_BITS] as number) & 0xffff) | (fi.fa_type << 16);
  }

  /**
   * fib_insert_alias: a new alias, among those of its prefix before `before` (0: behind all that are as good or better;
   * by suffix, table, TOS, priority). `key` without bits in the suffix.
   */
  insert(key: number, slen: number, tos: number, tb_id: number, fi: fib_info, before: number): void {
    const fa = this.alias_alloc();
    this.a[fa + FA_BITS] = slen | (tos << 8) | (fi.fa_type << 16);
    this.a[fa + FA_INFO] = fi.index;
    this.a[fa + FA_TABLE] = tb_id;
    const leaf = this.find(key);
    if (leaf === 0) {
      this.a[fa + FA_NEXT] = 0;
      this.insert_leaf(key, slen, fa);
      return;
    }
    const { a, l } = this;
    let previous = 0;
    for (let at = l[leaf + LEAF_ALIAS] as number; at !== 0 && at !== before; at = a[at + FA_NEXT] as number) {
      if (before === 0 && this.goes_before(fa, at)) break;
      previous = at;
    }
    if (previous === 0) {
      a[fa + FA_NEXT] = l[leaf + LEAF_ALIAS] as number;
      l[leaf + LEAF_ALIAS] = fa;
    } else {
      a[fa + FA_NEXT] = a[previous + FA_NEXT] as number;
      a[previous + FA_NEXT] = fa;
    }
    if ((l[leaf + LEAF_SLEN] as number) < slen) {
      l[leaf + LEAF_SLEN] = slen;
      this.push_suffix(l[leaf + LEAF_PARENT] as number, slen);
    }
  }

  /** Does alias `fa` stand strictly before `other`? Shorter suffix, higher table, higher TOS, lower priority. */
  private goes_before(fa: number, other: number): boolean {
    const { a } = this;
    const x = a[fa + FA_BITS] as number;
    const y = a[other + FA_BITS] as number;
    if ((x & 0xff) !== (y & 0xff)) return (x & 0xff) < (y & 0xff);
    const table = (a[fa + FA_TABLE] as number) - (a[other + FA_TABLE] as number);
    if (table !== 0) return table > 0;
    if ((x & 0xff00) !== (y & 0xff00)) return (x & 0xff00) > (y & 0xff00);
    return this.alias_info(fa).fib_priority >>> 0 < this.alias_info(other).fib_priority >>> 0;
  }

  /** fib_remove_alias */
  remove(key: number, fa: number): void {
    const { a, l } = this;
    const leaf = this.find(key);
    let previous = 0;
    for (let at = l[leaf + LEAF_ALIAS] as number; at !== fa; at = a[at + FA_NEXT] as number) previous = at;
    const next = a[fa + FA_NEXT] as number;
    if (previous === 0) l[leaf + LEAF_ALIAS] = next;
    else a[previous + FA_NEXT] = next;
    a[fa + FA_NEXT] = this.a_free;
    this.a_free = fa;
    const tp = l[leaf + LEAF_PARENT] as number;
    if (l[leaf + LEAF_ALIAS] === 0) {
      const { t } = this;
      const slen = l[leaf + LEAF_SLEN] as number;
      this.put_child_root(tp, key, 0);
      if (tp !== 0 && t[tp + SLEN] === slen) this.pull_suffix(tp, t[tp + POS] as number);
      l[leaf + LEAF_ALIAS] = this.l_free;
      this.l_free = leaf;
      this.leaves--;
      this.rebalance(tp);
      return;
    }
    if (next !== 0) return;
    // The last one had the longest suffix.
    const slen = (a[previous + FA_BITS] as number) & 0xff;
    l[leaf + LEAF_SLEN] = slen;
    this.pull_suffix(tp, slen);
  }

  // ---- nodes ----------------------------------------------------------------------------------------------------

  key_of(n: number): number {
    return (n > 0 ? this.t[n + KEY] : this.l[-n + LEAF_KEY]) as number;
  }

  private slen_of(n: number): number {
    return (n > 0 ? this.t[n + SLEN] : this.l[-n + LEAF_SLEN]) as number;
  }

  private set_parent(n: number, parent: number): void {
    if (n > 0) this.t[n + PARENT] = parent;
    else if (n < 0) this.l[-n + LEAF_PARENT] = parent;
  }

  /** get_cindex: which child of a tnode a key falls to; beyond its children when the keys differ above. */
  index_of(key: number, tn: number): number {
    return (key ^ (this.t[tn + KEY] as number)) >>> (this.t[tn + POS] as number);
  }

  /** fib_find_node: the leaf with just this key, 0 when there is none. */
  private find(key: number): number {
    const { t } = this;
    let n = this.root;
    while (n > 0) {
      const index = (key ^ (t[n + KEY] as number)) >>> (t[n + POS] as number);
      if (index >>> (t[n + BITS] as number) !== 0) return 0;
      n = t[n + CHILDREN + index] as number;
    }
    return n < 0 && this.l[-n + LEAF_KEY] === key ? -n : 0;
  }

  /** fib_insert_node */
  private insert_leaf(key: number, slen: number, fa: number): void {
    const leaf = this.leaf_alloc();
    let tp = 0;
    let n = this.root;
    while (n > 0) {
      const index = this.index_of(key, n);
      if (index >>> (this.t[n + BITS] as number) !== 0) break;
      tp = n;
      n = this.t[n + CHILDREN + index] as number;
    }
    if (n !== 0) {
      // Something else is where it belongs: a node of two above both, at the highest bit in which they differ.
      const tn = this.tnode_new(key, 31 - Math.clz32(key ^ this.key_of(n)), 1);
      this.t[tn + PARENT] = tp;
      this.put_child(tn, this.index_of(key, tn) ^ 1, n);
      this.set_parent(n, tn);
      this.put_child_root(tp, key, tn);
      tp = tn;
    }
    const { l } = this;
    l[leaf + LEAF_KEY] = key;
    l[leaf + LEAF_ALIAS] = fa;
    l[leaf + LEAF_SLEN] = slen;
    l[leaf + LEAF_PARENT] = tp;
    // Before put_child, which would hide from the nodes above that there is something to tell them.
    this.push_suffix(tp, slen);
    this.put_child_root(tp, key, -leaf);
    this.rebalance(tp);
  }

  /** tnode_full: does the child look at the very next bits, so that the two could be one? */
  is_full(tn: number, n: number): boolean {
    return n > 0 && (this.t[n + POS] as number) + (this.t[n + BITS] as number) === this.t[tn + POS];
  }

  private put_child(tn: number, index: number, n: number): void {
    const { t } = this;
    const old = t[tn + CHILDREN + index] as number;
    if (n === 0 && old !== 0) t[tn + EMPTY] = (t[tn + EMPTY] as number) + 1;
    else if (n !== 0 && old === 0) t[tn + EMPTY] = (t[tn + EMPTY] as number) - 1;
    const was = this.is_full(tn, old) ? 1 : 0;
    const is = this.is_full(tn, n) ? 1 : 0;
    t[tn + FULL] = (t[tn + FULL] as number) + is - was;
    if (n !== 0) {
      const slen = this.slen_of(n);
      if ((t[tn + SLEN] as number) < slen) t[tn + SLEN] = slen;
    }
    t[tn + CHILDREN + index] = n;
  }

  private put_child_root(tp: number, key: number, n: number): void {
    if (tp === 0) this.root = n;
    else this.put_child(tp, this.index_of(key, tp), n);
  }

  /** node_push_suffix */
  private push_suffix(tn: number, slen: number): void {
    const { t } = this;
    for (; tn !== 0 && (t[tn + SLEN] as number) < slen; tn = t[tn + PARENT] as number) t[tn + SLEN] = slen;
  }

  /** node_pull_suffix */
  private pull_suffix(tn: number, slen: number): void {
    const { t } = this;
    while (tn !== 0) {
      const old = t[tn + SLEN] as number;
      if (old <= (t[tn + POS] as number) || old <= slen) return;
      slen = this.update_suffix(tn);
      if (slen === old) return;
      tn = t[tn + PARENT] as number;
    }
  }

  /**
   * update_suffix: the longest suffix among the children. A child of suffix n above `pos` has its place where the low
   * n - pos bits of the index are 0: the longer the suffix found so far, the fewer children can have a longer one.
   */
  private update_suffix(tn: number): number {
    const { t } = this;
    const pos = t[tn + POS] as number;
    const length = 1 << (t[tn + BITS] as number);
    const most = Math.min(pos + (t[tn + BITS] as number) - 1, t[tn + SLEN] as number);
    let slen = pos;
    // An odd index has the bit at `pos` set: nothing longer there.
    let stride = 2;
    for (let i = 0; i < length; i += stride) {
      const n = t[tn + CHILDREN + i] as number;
      if (n === 0) continue;
      const own = this.slen_of(n);
      if (own <= slen) continue;
      stride <<= own - slen;
      slen = own;
      i &= ~(stride - 1);
      if (slen >= most) break;
    }
    t[tn + SLEN] = slen;
    return slen;
  }

  // ---- balance --------------------------------------------------------------------------------------------------

  /** trie_rebalance: from a node up to the root. */
  private rebalance(tn: number): void {
    while (tn !== 0) tn = this.resize(tn);
  }

  /** resize: returns the node's parent. */
  private resize(tn: number): number {
    let work = MAX_WORK;
    while (work > 0 && this.should_inflate(tn)) {
      tn = this.inflate(tn);
      work--;
    }
    if (work !== MAX_WORK) return this.t[tn + PARENT] as number;
    while (work > 0 && this.should_halve(tn)) {
      tn = this.halve(tn);
      work--;
    }
    const { t } = this;
    const parent = t[tn + PARENT] as number;
    if ((1 << (t[tn + BITS] as number)) - (t[tn + EMPTY] as number) > 1) return parent;
    // collapse: at most one child: it takes the node's place.
    let only = 0;
    for (let i = 0; only === 0 && i < 1 << (t[tn + BITS] as number); i++) only = t[tn + CHILDREN + i] as number;
    this.put_child_root(parent, t[tn + KEY] as number, only);
    this.set_parent(only, parent);
    if (parent !== 0 && (t[tn + SLEN] as number) > (only === 0 ? -1 : this.slen_of(only))) {
      this.pull_suffix(parent, t[parent + POS] as number);
    }
    this.tnode_free(tn);
    return parent;
  }

  private should_inflate(tn: number): boolean {
    const { t } = this;
    const length = 1 << (t[tn + BITS] as number);
    const used = length - (t[tn + EMPTY] as number) + (t[tn + FULL] as number);
    const threshold = t[tn + PARENT] === 0 ? inflate_threshold_root : inflate_threshold;
    // Of twice as many children: a full child counts for both of the places that it would fill.
    return used > 1 && t[tn + POS] !== 0 && 50 * used >= threshold * length;
  }

  private should_halve(tn: number): boolean {
    const { t } = this;
    const length = 1 << (t[tn + BITS] as number);
    const used = length - (t[tn + EMPTY] as number);
    const threshold = t[tn + PARENT] === 0 ? halve_threshold_root : halve_threshold;
    return used > 1 && (t[tn + BITS] as number) > 1 && 100 * used < threshold * length;
  }

  /** inflate: a node with twice the children in its place. Returns it. */
  private inflate(old: number): number {
    const bits = this.t[old + BITS] as number;
    const pos = this.t[old + POS] as number;
    const tn = this.tnode_new(this.t[old + KEY] as number, pos - 1, bits + 1);
    for (let i = 0; i < 1 << bits; i++) {
      const node = this.t[old + CHILDREN + i] as number;
      if (node === 0) continue;
      if (!this.is_full(old, node)) {
        // A leaf, or a node that skips bits.
        this.put_child(tn, this.index_of(this.key_of(node), tn), node);
        continue;
      }
      const child_bits = this.t[node + BITS] as number;
      if (child_bits === 1) {
        this.put_child(tn, 2 * i, this.t[node + CHILDREN] as number);
        this.put_child(tn, 2 * i + 1, this.t[node + CHILDREN + 1] as number);
        this.tnode_free(node);
        continue;
      }
      // A node that looked at the bit we take over becomes two that do not.
      const half = 1 << (child_bits - 1);
      const key = this.t[node + KEY] as number;
      const child_pos = this.t[node + POS] as number;
      const low = this.split(node, key, child_pos, child_bits - 1, 0);
      const high = this.split(node, key | (1 << (pos - 1)), child_pos, child_bits - 1, half);
      this.tnode_free(node);
      this.put_child(tn, 2 * i, low);
      this.put_child(tn, 2 * i + 1, high);
    }
    return this.replace(old, tn);
  }

  /** One half of a node's children in a node of their own. With one child or none `replace` sees it off. */
  private split(node: number, key: number, pos: number, bits: number, from: number): number {
    const tn = this.tnode_new(key, pos, bits);
    for (let i = 0; i < 1 << bits; i++) {
      const child = this.t[node + CHILDREN + from + i] as number;
      if (child !== 0) this.put_child(tn, i, child);
    }
    this.adopt(tn);
    return tn;
  }

  /** halve: a node with half the children in its place. Returns it. */
  private halve(old: number): number {
    const bits = this.t[old + BITS] as number;
    const pos = this.t[old + POS] as number;
    const tn = this.tnode_new(this.t[old + KEY] as number, pos + 1, bits - 1);
    for (let i = 0; i < 1 << bits; i += 2) {
      const low = this.t[old + CHILDREN + i] as number;
      const high = this.t[old + CHILDREN + i + 1] as number;
      if (low === 0 || high === 0) {
        if (low !== 0 || high !== 0) this.put_child(tn, i >> 1, low !== 0 ? low : high);
        continue;
      }
      const both = this.tnode_new(this.key_of(low), pos, 1);
      this.put_child(both, 0, low);
      this.put_child(both, 1, high);
      this.adopt(both);
      this.put_child(tn, i >> 1, both);
    }
    return this.replace(old, tn);
  }

  /** replace: puts `tn` where `old` was, and sees to what of its children can grow now. Returns it. */
  private replace(old: number, tn: number): number {
    const parent = this.t[old + PARENT] as number;
    this.t[tn + PARENT] = parent;
    this.put_child_root(parent, this.t[tn + KEY] as number, tn);
    this.adopt(tn);
    this.tnode_free(old);
    for (let i = (1 << (this.t[tn + BITS] as number)) - 1; i >= 0; i--) {
      const child = this.t[tn + CHILDREN + i] as number;
      if (this.is_full(tn, child)) this.resize(child);
    }
    return tn;
  }

  /** update_children: the children know their parent. */
  private adopt(tn: number): void {
    for (let i = 0; i < 1 << (this.t[tn + BITS] as number); i++) {
      this.set_parent(this.t[tn + CHILDREN + i] as number, tn);
    }
  }

  // ---- memory ---------------------------------------------------------------------------------------------------

  private tnode_new(key: number, pos: number, bits: number): number {
    const words = CHILDREN + (1 << bits);
    let tn = this.t_free[bits] as number;
    if (tn !== 0) this.t_free[bits] = this.t[tn + KEY] as number;
    else {
      tn = this.t_end;
      this.t_end += words;
      if (this.t_end > this.t.length) this.t = grown(this.t, this.t_end);
    }
    const { t } = this;
    const shift = pos + bits;
    t[tn + KEY] = shift < KEYLENGTH ? (key >>> shift) << shift : 0;
    t[tn + POS] = pos;
    t[tn + BITS] = bits;
    t[tn + SLEN] = pos;
    t[tn + PARENT] = 0;
    t[tn + EMPTY] = 1 << bits;
    t[tn + FULL] = 0;
    t.fill(0, tn + CHILDREN, tn + words);
    this.tnodes++;
    return tn;
  }

  private tnode_free(tn: number): void {
    const bits = this.t[tn + BITS] as number;
    this.t[tn + KEY] = this.t_free[bits] as number;
    this.t_free[bits] = tn;
    this.tnodes--;
  }

  private leaf_alloc(): number {
    this.leaves++;
    const leaf = this.l_free;
    if (leaf !== 0) {
      this.l_free = this.l[leaf + LEAF_ALIAS] as number;
      return leaf;
    }
    const fresh = this.l_end;
    this.l_end += LEAF_WORDS;
    if (this.l_end > this.l.length) this.l = grown(this.l, this.l_end);
    return fresh;
  }

  private alias_alloc(): number {
    const fa = this.a_free;
    if (fa !== 0) {
      this.a_free = this.a[fa + FA_NEXT] as number;
      return fa;
    }
    const fresh = this.a_end;
    this.a_end += FA_WORDS;
    if (this.a_end > this.a.length) this.a = grown(this.a, this.a_end);
    return fresh;
  }
}

/** match: no alias of the leaf fits. */
const NO_MATCH = 1;

function grown(array: Int32Array<ArrayBuffer>, words: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(array.length * 2, words));
  larger.set(array);
  return larger;
}

/** fib_lookup_good_nhc */
function fib_lookup_good_nhc(nh: fib_nh, flags: number, flp: flowi4): boolean {
  const { nh_flags } = nh;
  if ((nh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) !== 0) {
    if ((nh_flags & RTNH_F_DEAD) !== 0) return false;
    if ((flags & FIB_LOOKUP_IGNORE_LINKSTATE) === 0) {
      if ((nh.nh_dev as net_device).ip_ptr?.ignore_linkdown() === true) return false;
    }
  }
  return flp.oif === 0 || flp.oif === nh.nh_oif;
}
