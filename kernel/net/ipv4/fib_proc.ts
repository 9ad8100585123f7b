/** /proc/net/route, fib_trie and fib_triestat (net/ipv4/fib_trie.c). */
import { swab32 } from '../../lib/swab.ts';
import type { net } from '../core/net_namespace.ts';
import {
  fib_dump,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_SITE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTAX_ADVMSS,
  RTAX_RTT,
  RTAX_WINDOW,
  RTN_BROADCAST,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_UNREACHABLE,
} from './fib.ts';
import type { fib_table } from './fib_trie.ts';
import { trie_walk } from './fib_trie_walk.ts';
import { inet_make_mask, inet_ntoa } from './ip_header.ts';

/** linux/route.h */
const RTF_UP = 1;
const RTF_GATEWAY = 2;
const RTF_HOST = 4;
const RTF_REJECT = 0x200;
const LINE = 127;

/** An address as the file shows it: the 32 bits as they lie in memory, of a little-endian machine. */
function raw(addr: number): string {
  return (swab32(addr) >>> 0).toString(16).toUpperCase().padStart(8, '0');
}

/** The main table's routes, a line each. */
export function fib_route_seq_show(net: net): string {
  const names = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
  const lines = [names.padEnd(LINE)];
  for (const { dst, prefix_len, type, fi } of fib_dump(net, RT_TABLE_MAIN)) {
    if (type === RTN_BROADCAST || type === RTN_MULTICAST) continue;
    const [nh] = fi.nhs;
    let flags = RTF_UP;
    if (type === RTN_UNREACHABLE || type === RTN_PROHIBIT) flags |= RTF_REJECT;
    if (nh !== undefined && nh.nh_gw4 !== 0) flags |= RTF_GATEWAY;
    if (prefix_len === 32) flags |= RTF_HOST;
    const metric = (which: number): number => fi.fib_metrics?.[which] ?? 0;
    const advmss = metric(RTAX_ADVMSS);
    const fields = [
      nh?.nh_dev?.name ?? '*',
      raw(dst),
      raw(nh?.nh_gw4 ?? 0),
      flags.toString(16).toUpperCase().padStart(4, '0'),
      0,
      0,
      fi.fib_priority,
      raw(inet_make_mask(prefix_len)),
      advmss === 0 ? 0 : advmss + 40,
      metric(RTAX_WINDOW),
      metric(RTAX_RTT) >> 3,
    ];
    lines.push(fields.join('\t').padEnd(LINE));
  }
  return `${lines.join('\n')}\n`;
}

const FIB_TABLE_HASHSZ = 256;

/** The tables in the order of fib_table_hash: by the low byte of their number, the newest first among equals. */
function tables(net: net): fib_table[] {
  const bucket = ({ tb_id }: fib_table): number => tb_id & (FIB_TABLE_HASHSZ - 1);
  return [...net.ipv4.fib.tables.values()].reverse().sort((a, b) => bucket(a) - bucket(b));
}

/** fib_table_print */
function head({ tb_id }: fib_table): string {
  if (tb_id === RT_TABLE_LOCAL) return 'Local:\n';
  return tb_id === RT_TABLE_MAIN ? 'Main:\n' : `Id ${tb_id}:\n`;
}

/** rtn_scope */
const scopes = new Map([
  [RT_SCOPE_UNIVERSE, 'universe'],
  [RT_SCOPE_SITE, 'site'],
  [RT_SCOPE_LINK, 'link'],
  [RT_SCOPE_HOST, 'host'],
  [RT_SCOPE_NOWHERE, 'nowhere'],
]);

/** rtn_type_names, by number. */
const types = [
  ...['UNSPEC', 'UNICAST', 'LOCAL', 'BROADCAST', 'ANYCAST', 'MULTICAST', 'BLACKHOLE', 'UNREACHABLE', 'PROHIBIT'],
  ...['THROW', 'NAT', 'XRESOLVE'],
];

/** /proc/net/fib_trie: the nodes of each table that has some. */
export function fib_trie_seq_show(net: net): string {
  let text = '';
  const indent = (depth: number): string => '   '.repeat(depth);
  for (const tb of tables(net)) {
    if (tb.trie.root !== 0) text += head(tb);
    trie_walk(tb.trie, {
      tnode: (depth, key, length, bits, full, empty) => {
        text += `${indent(depth)}  +-- ${inet_ntoa(key)}/${length} ${bits} ${full} ${empty}\n`;
      },
      leaf: (depth, key, aliases) => {
        text += `${indent(depth)}  |-- ${inet_ntoa(key)}\n`;
        for (const { prefix_len, type, tos, fi } of aliases()) {
          const scope = scopes.get(fi.fib_scope) ?? `scope=${fi.fib_scope}`;
          const what = `/${prefix_len} ${scope} ${types[type] ?? `type ${type}`}`;
          text += `${indent(depth + 1)}  ${what}${tos === 0 ? '' : ` tos=${tos}`}\n`;
        }
      },
    });
  }
  return text;
}

/** What Linux's nodes take on a machine of 64 bits: LEAF_SIZE, TNODE_SIZE(0), a pointer, struct fib_alias. */
const LEAF_SIZE = 48;
const TNODE_SIZE = 40;
const POINTER_SIZE = 8;
const ALIAS_SIZE = 56;
/** MAX_STAT_DEPTH */
const MAX_STAT_DEPTH = 32;

/** trie_collect_stats and trie_show_stats */
function trie_stats(tb: fib_table): string {
  let [total, most, leaves, prefixes, tnodes, nulls] = [0, 0, 0, 0, 0, 0];
  const sizes = new Int32Array(MAX_STAT_DEPTH);
  trie_walk(tb.trie, {
    tnode: (_depth, _key, _length, bits, _full, empty) => {
      tnodes++;
      if (bits < MAX_STAT_DEPTH) (sizes[bits] as number)++;
      nulls += empty;
    },
    leaf: (depth, _key, aliases) => {
      leaves++;
      total += depth;
      most = Math.max(most, depth);
      prefixes += aliases().length;
    },
  });
  const average = leaves === 0 ? 0 : Math.floor((total * 100) / leaves);
  let shown = '';
  let pointers = 0;
  sizes.forEach((count, bits) => {
    if (count === 0) return;
    shown += `  ${bits}: ${count}`;
    pointers += count * 2 ** bits;
  });
  const bytes = LEAF_SIZE * leaves + ALIAS_SIZE * prefixes + TNODE_SIZE * tnodes + POINTER_SIZE * pointers;
  const lines = [
    `\tAver depth:     ${Math.floor(average / 100)}.${String(average % 100).padStart(2, '0')}`,
    `\tMax depth:      ${most}`,
    `\tLeaves:         ${leaves}`,
    `\tPrefixes:       ${prefixes}`,
    `\tInternal nodes: ${tnodes}`,
    `\t${shown}`,
    `\tPointers: ${pointers}`,
    `Null ptrs: ${nulls}`,
    `Total size: ${Math.ceil(bytes / 1024)}  kB`,
  ];
  return lines.map(line => `${line}\n`).join('');
}

/** /proc/net/fib_triestat: how well the tables are balanced, and what they would take on Linux. */
export function fib_triestat_seq_show(net: net): string {
  const sizes = `Basic info: size of leaf: ${LEAF_SIZE} bytes, size of tnode: ${TNODE_SIZE} bytes.\n`;
  return (
    sizes +
    tables(net)
      .map(tb => head(tb) + trie_stats(tb))
      .join('')
  );
}
