/** A trie from one end to the other: listing, flushing, and what tests and /proc see of its nodes (net/ipv4/fib_trie.c). */
import type { fib_info } from './fib.ts';
import {
  BITS,
  CHILDREN,
  EMPTY,
  FA_BITS,
  FA_INFO,
  FA_NEXT,
  FA_TABLE,
  FULL,
  type fib_trie,
  KEY,
  KEYLENGTH,
  LEAF_ALIAS,
  LEAF_KEY,
  LEAF_PARENT,
  LEAF_SLEN,
  PARENT,
  POS,
  SLEN,
} from './fib_trie.ts';

/** One route, as lists show it. */
export interface fib_alias {
  dst: number;
  prefix_len: number;
  tos: number;
  type: number;
  table: number;
  fi: fib_info;
}

/** What a walk meets. Depth 0 is the root; addresses are signed. */
export interface trie_visitor {
  /** `length`: of the prefix that all below have in common. */
  tnode?(depth: number, key: number, length: number, bits: number, full: number, empty: number): void;
  leaf(depth: number, key: number, aliases: () => fib_alias[]): void;
}

/** Every node, each before its children, these in the order of the keys. */
export function trie_walk(trie: fib_trie, visitor: trie_visitor): void {
  const visit = (n: number, depth: number): void => {
    const { t, l } = trie;
    if (n < 0) {
      visitor.leaf(depth, l[-n + LEAF_KEY] as number, () => leaf_aliases(trie, -n, -1));
    } else if (n > 0) {
      const bits = t[n + BITS] as number;
      const length = KEYLENGTH - (t[n + POS] as number) - bits;
      visitor.tnode?.(depth, t[n + KEY] as number, length, bits, t[n + FULL] as number, t[n + EMPTY] as number);
      for (let i = 0; i < 1 << bits; i++) visit(t[n + CHILDREN + i] as number, depth + 1);
    }
  };
  visit(trie.root, 0);
}

/** Calls `each` with every leaf, in the order of the keys. */
function leaf_walk(trie: fib_trie, each: (leaf: number) => void): void {
  const visit = (n: number): void => {
    if (n < 0) each(-n);
    else if (n > 0) {
      const length = 1 << (trie.t[n + BITS] as number);
      for (let i = 0; i < length; i++) visit(trie.t[n + CHILDREN + i] as number);
    }
  };
  visit(trie.root);
}

/** A leaf's routes of one table (-1: of all), the longest prefix first. */
function leaf_aliases({ a, l, infos }: fib_trie, leaf: number, tb_id: number): fib_alias[] {
  const list: fib_alias[] = [];
  for (let fa = l[leaf + LEAF_ALIAS] as number; fa !== 0; fa = a[fa + FA_NEXT] as number) {
    const bits = a[fa + FA_BITS] as number;
    const table = a[fa + FA_TABLE] as number;
    if (tb_id !== -1 && table !== tb_id) continue;
    list.push({
      dst: l[leaf + LEAF_KEY] as number,
      prefix_len: KEYLENGTH - (bits & 0xff),
      tos: (bits >>> 8) & 0xff,
      type: bits >>> 16,
      table,
      fi: infos[a[fa + FA_INFO] as number] as fib_info,
    });
  }
  return list;
}

/** Every route of a table (-1: of all in the trie), by address, the longest prefix first. A copy. */
export function trie_dump(trie: fib_trie, tb_id: number): fib_alias[] {
  const list: fib_alias[] = [];
  leaf_walk(trie, leaf => list.push(...leaf_aliases(trie, leaf, tb_id)));
  return list;
}

/** Removes every alias of a table that `dead` says is to go, after `gone` was told of it. */
export function trie_flush(
  trie: fib_trie,
  tb_id: number,
  dead: (fi: fib_info, slen: number) => boolean,
  gone: (fi: fib_info, slen: number) => void,
): void {
  const doomed: [key: number, fa: number][] = [];
  leaf_walk(trie, leaf => {
    const { a, l, infos } = trie;
    for (let fa = l[leaf + LEAF_ALIAS] as number; fa !== 0; fa = a[fa + FA_NEXT] as number) {
      if (a[fa + FA_TABLE] !== tb_id) continue;
      const fi = infos[a[fa + FA_INFO] as number] as fib_info;
      if (dead(fi, (a[fa + FA_BITS] as number) & 0xff)) doomed.push([l[leaf + LEAF_KEY] as number, fa]);
    }
  });
  for (const [key, fa] of doomed) {
    const fi = trie.alias_info(fa);
    const slen = (trie.a[fa + FA_BITS] as number) & 0xff;
    trie.remove(key, fa);
    gone(fi, slen);
  }
}

/** Levels of the deepest leaf, for tests. */
export function trie_depth(trie: fib_trie): number {
  let most = 0;
  trie_walk(trie, {
    leaf: depth => {
      most = Math.max(most, depth + 1);
    },
  });
  return most;
}

/** What must hold of every node, for tests: a list of what does not. */
export function trie_check(trie: fib_trie): string[] {
  const wrong: string[] = [];
  const visit = (n: number, parent: number): number => {
    const { a, t, l } = trie;
    if (n < 0) {
      const at = -n;
      if (l[at + LEAF_PARENT] !== parent) wrong.push(`leaf ${at}: parent`);
      let slen = -1;
      for (let fa = l[at + LEAF_ALIAS] as number; fa !== 0; fa = a[fa + FA_NEXT] as number) {
        const own = (a[fa + FA_BITS] as number) & 0xff;
        if (own < slen) wrong.push(`leaf ${at}: aliases out of order`);
        slen = own;
      }
      if (slen !== l[at + LEAF_SLEN]) wrong.push(`leaf ${at}: slen ${l[at + LEAF_SLEN]}, not ${slen}`);
      return slen;
    }
    if (t[n + PARENT] !== parent) wrong.push(`tnode ${n}: parent`);
    const pos = t[n + POS] as number;
    let slen = pos;
    let empty = 0;
    let full = 0;
    for (let i = 0; i < 1 << (t[n + BITS] as number); i++) {
      const child = t[n + CHILDREN + i] as number;
      if (child === 0) empty++;
      else {
        if (trie.index_of(trie.key_of(child), n) !== i) wrong.push(`tnode ${n}: child ${i} does not belong there`);
        slen = Math.max(slen, visit(child, n));
        if (trie.is_full(n, child)) full++;
      }
    }
    if (t[n + EMPTY] !== empty || t[n + FULL] !== full) wrong.push(`tnode ${n}: counts`);
    if (t[n + SLEN] !== slen) wrong.push(`tnode ${n}: slen ${t[n + SLEN]}, not ${slen}`);
    // One alone there may be: a half that has just been inflated is not looked at again, as on Linux.
    if (1 << (t[n + BITS] as number) === empty) wrong.push(`tnode ${n}: has no children`);
    return slen;
  };
  if (trie.root !== 0) visit(trie.root, 0);
  return wrong;
}
