/**
 * SYN cookies (net/ipv4/syncookies.c; D. J. Bernstein): when the queue of requests is full, all that must be remembered
 * of a SYN goes into the sequence number of the SYN/ACK and, what its options said, into the timestamp's low bits.
 */
import { siphash, siphash_key } from '../../lib/siphash.ts';
import { HZ } from '../../time/timer.ts';
import type { net } from '../core/net_namespace.ts';
import type { request_sock_queue } from './request_sock.ts';
import { tcp_clear_options, type tcp_options_received, type tcp_request_sock, type tcp_sock } from './tcp_sock.ts';

const COOKIEBITS = 24;
const COOKIEMASK = (1 << COOKIEBITS) - 1;
/** Minutes, and the jiffies after an overflow in which a cookie is believed at all. */
const MAX_SYNCOOKIE_AGE = 2;
const TCP_SYNCOOKIE_PERIOD = 60 * HZ;
const TCP_SYNCOOKIE_VALID = MAX_SYNCOOKIE_AGE * TCP_SYNCOOKIE_PERIOD;

/** In the timestamp's low bits: window scale (15: none), SACK, ECN. */
const TS_OPT_WSCALE_MASK = 15;
const TS_OPT_SACK = 1 << 4;
const TS_OPT_ECN = 1 << 5;
const TSBITS = 6;
const TSMASK = (1 << TSBITS) - 1;

/** The MSS that a cookie can say, rounded down to one of these: 1440 and 1460 serve most of the Internet. */
const msstab = [536, 1300, 1440, 1460];

export class syncookie_state {
  private readonly net: net;
  private readonly secret: readonly [siphash_key, siphash_key];
  private readonly words = new Int32Array(4);

  constructor(net: net) {
    this.net = net;
    const random = net.kernel.arch.random('tcp.cookie');
    const key = (): siphash_key => new siphash_key(random.u32(), random.u32(), random.u32(), random.u32());
    this.secret = [key(), key()];
  }

  private hash(saddr: number, daddr: number, ports: number, count: number, which: 0 | 1): number {
    const { words } = this;
    words[0] = saddr;
    words[1] = daddr;
    words[2] = ports;
    words[3] = count;
    return siphash(words, 4, this.secret[which]);
  }

  /** tcp_cookie_time: minutes. */
  private time(): number {
    return Math.floor(this.net.kernel.timers.jiffies() / TCP_SYNCOOKIE_PERIOD) | 0;
  }

  /** secure_tcp_syn_cookie */
  make(saddr: number, daddr: number, ports: number, seq: number, data: number): number {
    const count = this.time();
    const mac = (this.hash(saddr, daddr, ports, count, 1) + data) & COOKIEMASK;
    return (this.hash(saddr, daddr, ports, 0, 0) + seq + (count << COOKIEBITS) + mac) | 0;
  }

  /** check_tcp_syn_cookie: the data in it, or a large number for what is no cookie of the last two minutes. */
  check(cookie: number, saddr: number, daddr: number, ports: number, seq: number): number {
    const count = this.time();
    const rest = (cookie - this.hash(saddr, daddr, ports, 0, 0) - seq) | 0;
    const diff = (count - (rest >>> COOKIEBITS)) & 0xff;
    if (diff >= MAX_SYNCOOKIE_AGE) return -1 >>> 0;
    return (rest - this.hash(saddr, daddr, ports, (count - diff) | 0, 1)) & COOKIEMASK;
  }
}

/** __cookie_v4_init_sequence: the ISN, which holds the largest MSS of the table that does not exceed `req.mss`; that is set. */
export function cookie_v4_init_sequence(sk: tcp_sock, req: tcp_request_sock): number {
  let index = msstab.length - 1;
  while (index > 0 && req.mss < (msstab[index] as number)) index--;
  req.mss = msstab[index] as number;
  tcp_synq_overflow(sk);
  sk.sk_net.ipv4.mib.TcpExtSyncookiesSent++;
  const ports = (req.ir_rmt_port << 16) | req.ir_num;
  return sk.sk_net.ipv4.tcp.cookies.make(req.ir_rmt_addr, req.ir_loc_addr, ports, req.rcv_isn, index);
}

/** __cookie_v4_check: the MSS that a cookie says, 0 when it is none. */
export function cookie_v4_mss(
  net: net,
  saddr: number,
  daddr: number,
  ports: number,
  seq: number,
  cookie: number,
): number {
  return msstab[net.ipv4.tcp.cookies.check(cookie, saddr, daddr, ports, seq)] ?? 0;
}

/** tcp_synq_overflow: a cookie goes out. */
function tcp_synq_overflow(sk: tcp_sock): void {
  (sk.icsk_accept_queue as request_sock_queue).last_overflow = sk.kernel.timers.jiffies();
}

/** tcp_synq_no_recent_overflow: no cookie can be under way. */
export function tcp_synq_no_recent_overflow(sk: tcp_sock): boolean {
  const last = (sk.icsk_accept_queue as request_sock_queue).last_overflow;
  return sk.kernel.timers.jiffies() > last + TCP_SYNCOOKIE_VALID;
}

/** cookie_init_timestamp: our clock in ms, its low bits replaced by what the SYN's options said. Never later than now. */
export function cookie_init_timestamp(req: tcp_request_sock, now_ms: number): number {
  let options = req.wscale_ok !== 0 ? req.snd_wscale : TS_OPT_WSCALE_MASK;
  if (req.sack_ok !== 0) options |= TS_OPT_SACK;
  if (req.ecn_ok !== 0) options |= TS_OPT_ECN;
  const ts = (now_ms & ~TSMASK) | options | 0;
  return ((ts - now_ms) | 0) > 0 ? (ts - (1 << TSBITS)) | 0 : ts;
}

/** cookie_timestamp_decode: the options back from `opt.rcv_tsecr`. False: they cannot be of our making. */
export function cookie_timestamp_decode(net: net, opt: tcp_options_received): boolean {
  const options = opt.rcv_tsecr;
  if (opt.saw_tstamp === 0) {
    tcp_clear_options(opt);
    return true;
  }
  if (net.ipv4.tcp_timestamps === 0) return false;
  opt.sack_ok = (options & TS_OPT_SACK) !== 0 ? 1 : 0;
  if (opt.sack_ok !== 0 && net.ipv4.tcp_sack === 0) return false;
  opt.wscale_ok = 0;
  opt.snd_wscale = 0;
  if ((options & TS_OPT_WSCALE_MASK) === TS_OPT_WSCALE_MASK) return true;
  opt.wscale_ok = 1;
  opt.snd_wscale = options & TS_OPT_WSCALE_MASK;
  return net.ipv4.tcp_window_scaling !== 0;
}

/** cookie_ecn_ok */
export function cookie_ecn_ok(net: net, opt: tcp_options_received): boolean {
  return opt.saw_tstamp !== 0 && (opt.rcv_tsecr & TS_OPT_ECN) !== 0 && net.ipv4.tcp_ecn !== 0;
}
