/** /proc/net/route (net/ipv4/fib_trie.c, fib_route_seq_show). */
import type { net } from '../core/net_namespace.ts';
import {
  fib_dump,
  RT_TABLE_MAIN,
  RTAX_ADVMSS,
  RTAX_RTT,
  RTAX_WINDOW,
  RTN_BROADCAST,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_UNREACHABLE,
} from './fib.ts';
import { inet_make_mask } from './ip_header.ts';

/** linux/route.h */
const RTF_UP = 1;
const RTF_GATEWAY = 2;
const RTF_HOST = 4;
const RTF_REJECT = 0x200;
const LINE = 127;

/** An address as the file shows it: the 32 bits as they lie in memory, of a little-endian machine. */
function raw(addr: number): string {
  const bytes = [addr & 0xff, (addr >>> 8) & 0xff, (addr >>> 16) & 0xff, addr >>> 24];
  return bytes.map(byte => byte.toString(16).toUpperCase().padStart(2, '0')).join('');
}

/** The main table's routes, a line each. */
export function fib_route_seq_show(net: net): string {
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
  const lines = [head.padEnd(LINE)];
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
