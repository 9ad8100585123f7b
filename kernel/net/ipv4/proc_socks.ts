/** /proc/net/udp, raw, icmp and sockstat: their text, as Linux 6.18 on x86 prints it (net/ipv4/udp.c, raw.c, ping.c, proc.c). */
import { swab32 } from '../../lib/swab.ts';
import type { net } from '../core/net_namespace.ts';
import type { sock } from '../core/sock.ts';

const hex = (value: number, width: number): string => (value >>> 0).toString(16).toUpperCase().padStart(width, '0');

/** An address as the memory of a little-endian machine holds it. */
function address(value: number): string {
  return hex(swab32(value), 8);
}

/** udp4_format_sock, raw_sock_seq_show and ping_v4_format_sock. Programs are root's; there are no inodes. */
function line(sk: sock, bucket: number, ref: number): string {
  const columns = [
    `${String(bucket).padStart(5)}: ${address(sk.inet_rcv_saddr)}:${hex(sk.inet_sport, 4)}`,
    `${address(sk.inet_daddr)}:${hex(sk.inet_dport, 4)}`,
    hex(sk.sk_state, 2),
    `${hex(sk.sk_wmem_alloc - 1, 8)}:${hex(sk.sk_rmem_alloc, 8)}`,
    '00:00000000 00000000',
    `${'0'.padStart(5)} ${'0'.padStart(8)} 0 ${ref}`,
    '0000000000000000',
    String(sk.sk_drops),
  ];
  return columns.join(' ');
}

const WIDTH = 127;
const pad = (text: string): string => `${text.padEnd(WIDTH)}\n`;

const UDP_HEAD =
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops';

/** /proc/net/udp */
export function proc_net_udp(net: net): string {
  const { udp } = net.ipv4;
  const lines = [...udp.sockets()].map(sk => pad(line(sk, udp.bucket(sk.inet_num), 2)));
  return pad(UDP_HEAD.padEnd(WIDTH)) + lines.join('');
}

const RAW_HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops';

/** /proc/net/raw */
export function proc_net_raw(net: net): string {
  const lines = [...net.ipv4.raw.sockets()].map(sk => `${line(sk, sk.inet_num & 0xff, 2).slice(1)}\n`);
  return `${RAW_HEAD}\n${lines.join('')}`;
}

/** /proc/net/icmp: ping sockets. */
export function proc_net_icmp(net: net): string {
  const lines: string[] = [];
  net.ipv4.ping.hash.forEach((head, bucket) => {
    for (let sk = head; sk !== null; sk = sk.sk_next) lines.push(pad(line(sk, bucket, 2)));
  });
  return pad(RAW_HEAD) + lines.join('');
}

/**
 * The lines of /proc/net/sockstat that are ours: sockets in use, of UDP, UDP-Lite (there is none) and raw. Those of TCP
 * and fragments are theirs to add.
 */
export function sockstat_lines(net: net): { readonly sockets: string; readonly udp: string; readonly raw: string } {
  let pages = 0;
  for (const sk of net.ipv4.udp.sockets()) pages += Math.ceil(sk.sk_rmem_alloc / 4096);
  return {
    sockets: `sockets: used ${net.core.sockets}\n`,
    udp: `UDP: inuse ${net.ipv4.udp.count} mem ${pages}\nUDPLITE: inuse 0\n`,
    raw: `RAW: inuse ${net.ipv4.raw.count}\n`,
  };
}
