/** What LOG and TRACE write of a packet, in Linux's words (net/netfilter/nf_log_syslog.c). */
import { ARPHRD_ETHER } from '../core/netdevice.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { get16, get32, inet_ntoa } from '../ipv4/ip_header.ts';
import type { nf_hook_state } from './core.ts';

export const NF_LOG_TCPSEQ = 0x01;
export const NF_LOG_TCPOPT = 0x02;
export const NF_LOG_IPOPT = 0x04;
export const NF_LOG_UID = 0x08;
export const NF_LOG_MACDECODE = 0x20;
/** What TRACE tells (NF_LOG_DEFAULT_MASK). */
export const NF_LOG_DEFAULT_MASK = 0x0f;

const hex2 = (value: number): string => value.toString(16).padStart(2, '0');
const HEX2 = (value: number): string => hex2(value).toUpperCase();
const FLAGS = ['CWR', 'ECE', 'URG', 'ACK', 'PSH', 'RST', 'SYN', 'FIN'];
/** Bytes that an ICMP message of a type must have (required_len). */
const REQUIRED = [8, 0, 0, 28, 28, 28, 0, 0, 8, 0, 0, 28, 28, 20, 20, 8, 8, 12, 12];

function bytes(skb: sk_buff, at: number, length: number, separator: string): string {
  const text: string[] = [];
  for (let i = 0; i < length; i++) text.push(hex2(skb.ram.u8[at + i] as number));
  return text.join(separator);
}

function opts(skb: sk_buff, at: number, length: number): string {
  return `OPT (${bytes(skb, at, length, '').toUpperCase()}) `;
}

/** nf_log_packet for IPv4: one line to the kernel log. */
export function nf_log_packet(skb: sk_buff, state: nf_hook_state, prefix: string, flags: number): void {
  const { in: indev, out } = state;
  let line = `${prefix}IN=${indev?.name ?? ''} OUT=${out?.name ?? ''} `;
  if (skb.nf_bridge !== 0) {
    const { physindev, physoutdev } = skb;
    if (physindev !== null && physindev !== indev) line += `PHYSIN=${physindev.name} `;
    if (physoutdev !== null && physoutdev !== out) line += `PHYSOUT=${physoutdev.name} `;
  }
  if (indev !== null) line += mac_header(skb, indev.type, indev.hard_header_len, flags);
  line += dump_ipv4(skb, skb.network_header, flags, true);
  if (skb.mark !== 0) line += `MARK=0x${(skb.mark >>> 0).toString(16)} `;
  skb.kernel.printk(line);
  const { log_observer } = state.net.nf;
  if (log_observer !== null) log_observer(line);
}

export function nf_log_trace(skb: sk_buff, state: nf_hook_state, prefix: string): void {
  nf_log_packet(skb, state, prefix, NF_LOG_DEFAULT_MASK);
}

/** dump_mac_header */
function mac_header(skb: sk_buff, type: number, length: number, flags: number): string {
  const at = skb.mac_header;
  if ((flags & NF_LOG_MACDECODE) !== 0 && type === ARPHRD_ETHER && at !== 0) {
    const source = bytes(skb, at + 6, 6, ':');
    return `MACSRC=${source} MACDST=${bytes(skb, at, 6, ':')} MACPROTO=${bytes(skb, at + 12, 2, '')} `;
  }
  if (length === 0 || at === 0 || at === skb.network_header) return 'MAC= ';
  return `MAC=${bytes(skb, at, length, ':')} `;
}

/** dump_ipv4_packet: from the IP header at `at`. */
function dump_ipv4(skb: sk_buff, at: number, flags: number, outer: boolean): string {
  const { ram, tail } = skb;
  const { u8 } = ram;
  if (at + 20 > tail) return 'TRUNCATED';
  const ihl = ((u8[at] as number) & 15) * 4;
  const tos = u8[at + 1] as number;
  let line = `SRC=${inet_ntoa(get32(ram, at + 12))} DST=${inet_ntoa(get32(ram, at + 16))} `;
  line += `LEN=${get16(ram, at + 2)} TOS=0x${HEX2(tos & 0x1e)} PREC=0x${HEX2(tos & 0xe0)} `;
  line += `TTL=${u8[at + 8]} ID=${get16(ram, at + 4)} `;
  const frag = get16(ram, at + 6);
  if ((frag & 0x8000) !== 0) line += 'CE ';
  if ((frag & 0x4000) !== 0) line += 'DF ';
  if ((frag & 0x2000) !== 0) line += 'MF ';
  const offset = frag & 0x1fff;
  if (offset !== 0) line += `FRAG:${offset} `;
  if ((flags & NF_LOG_IPOPT) !== 0 && ihl > 20) {
    if (at + ihl > tail) return `${line}TRUNCATED`;
    line += opts(skb, at + 20, ihl - 20);
  }
  const protocol = u8[at + 9] as number;
  const th = at + ihl;
  const left = Math.max(0, tail - th);
  switch (protocol) {
    case 6:
      line += 'PROTO=TCP ';
      return offset !== 0 ? line : line + dump_tcp(skb, th, left, flags);
    case 17:
      line += 'PROTO=UDP ';
      if (offset !== 0) return line;
      if (left < 8) return `${line}INCOMPLETE [${left} bytes] `;
      return `${line}SPT=${get16(ram, th)} DPT=${get16(ram, th + 2)} LEN=${get16(ram, th + 4)} `;
    case 1:
      line += 'PROTO=ICMP ';
      return offset !== 0 ? line : line + dump_icmp(skb, th, left, flags, outer);
    default:
      return `${line}PROTO=${protocol} `;
  }
}

function dump_tcp(skb: sk_buff, th: number, left: number, flags: number): string {
  const { ram } = skb;
  const { u8 } = ram;
  if (left < 20) return `INCOMPLETE [${left} bytes] `;
  let line = `SPT=${get16(ram, th)} DPT=${get16(ram, th + 2)} `;
  if ((flags & NF_LOG_TCPSEQ) !== 0) line += `SEQ=${get32(ram, th + 4) >>> 0} ACK=${get32(ram, th + 8) >>> 0} `;
  const word = get16(ram, th + 12);
  line += `WINDOW=${get16(ram, th + 14)} RES=0x${hex2(((word & 0x0f00) >> 6) & 0x3c)} `;
  for (let bit = 7; bit >= 0; bit--) if ((word & (1 << bit)) !== 0) line += `${FLAGS[7 - bit]} `;
  line += `URGP=${get16(ram, th + 18)} `;
  const doff = ((u8[th + 12] as number) >> 4) * 4;
  if ((flags & NF_LOG_TCPOPT) !== 0 && doff > 20) {
    if (doff > left) return `${line}OPT (TRUNCATED)`;
    line += opts(skb, th + 20, doff - 20);
  }
  return line;
}

function dump_icmp(skb: sk_buff, th: number, left: number, flags: number, outer: boolean): string {
  const { ram } = skb;
  const { u8 } = ram;
  if (left < 8) return `INCOMPLETE [${left} bytes] `;
  const type = u8[th] as number;
  const code = u8[th + 1] as number;
  let line = `TYPE=${type} CODE=${code} `;
  const required = REQUIRED[type] ?? 0;
  if (required !== 0 && left < required) return `${line}INCOMPLETE [${left} bytes] `;
  switch (type) {
    case 0:
    case 8:
      return `${line}ID=${get16(ram, th + 4)} SEQ=${get16(ram, th + 6)} `;
    case 12:
      line += `PARAMETER=${u8[th + 4]} `;
      break;
    case 5:
      line += `GATEWAY=${inet_ntoa(get32(ram, th + 4))} `;
      break;
    case 3:
    case 4:
    case 11:
      break;
    default:
      return line;
  }
  if (outer) line += `[${dump_ipv4(skb, th + 8, flags, false)}] `;
  if (type === 3 && code === 4) line += `MTU=${get16(ram, th + 6)} `;
  return line;
}
