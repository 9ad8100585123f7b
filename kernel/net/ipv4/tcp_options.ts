/** TCP's options in a header: read (net/ipv4/tcp_input.c: tcp_parse_options) and written (tcp_output.c: tcp_options_write). */
import type { Ram } from '../../arch.ts';
import type { net } from '../core/net_namespace.ts';
import type { sk_buff } from '../core/skbuff.ts';
import { get16, get32, put16, put32 } from './ip_header.ts';
import {
  TCP_ACCECN_CEB_INIT_OFFSET,
  TCP_ACCECN_E0B_INIT_OFFSET,
  TCP_ACCECN_E1B_INIT_OFFSET,
  TCP_ACCECN_OPT_FAIL_SEND,
  TCP_ACCECN_OPT_NOT_SEEN,
  TCP_ACCECN_OPTION_FULL,
  tcp_accecn_option_beacon_check,
  tcp_ecn_mode_accecn,
} from './tcp_ecn.ts';
import { TCP_FASTOPEN_COOKIE_MAX, TCP_FASTOPEN_COOKIE_MIN, type tcp_fastopen_cookie } from './tcp_fastopen.ts';
import { tcp_md5_option_write } from './tcp_md5.ts';
import {
  MAX_TCP_OPTION_SPACE,
  TCP_ACCECN_NUMFIELDS,
  TCP_HLEN,
  TCP_MAX_WSCALE,
  TCP_NUM_SACKS,
  TCPHDR_SYN,
  TCPOLEN_ACCECN_BASE,
  TCPOLEN_ACCECN_PERFIELD,
  TCPOLEN_EXP_FASTOPEN_BASE,
  TCPOLEN_FASTOPEN_BASE,
  TCPOLEN_MD5SIG_ALIGNED,
  TCPOLEN_MSS,
  TCPOLEN_MSS_ALIGNED,
  TCPOLEN_SACK_BASE_ALIGNED,
  TCPOLEN_SACK_PERBLOCK,
  TCPOLEN_SACK_PERM,
  TCPOLEN_SACKPERM_ALIGNED,
  TCPOLEN_TIMESTAMP,
  TCPOLEN_TSTAMP_ALIGNED,
  TCPOLEN_WINDOW,
  TCPOLEN_WSCALE_ALIGNED,
  TCPOPT_ACCECN0,
  TCPOPT_ACCECN1,
  TCPOPT_EOL,
  TCPOPT_EXP,
  TCPOPT_FASTOPEN,
  TCPOPT_FASTOPEN_MAGIC,
  TCPOPT_MSS,
  TCPOPT_NOP,
  TCPOPT_SACK,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
  tcp_flag_byte,
  tcp_hdrlen,
  type tcp_options_received,
  type tcp_sock,
  tcp_time_stamp_ms,
} from './tcp_sock.ts';

/** The word that two NOPs and a timestamp's head make (RFC 7323 appendix A). */
const TSTAMP_WORD = (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP;

/**
 * tcp_parse_options: what the header at transport_header says. Values that were known before stay where a segment says
 * nothing. With SACK blocks skb.sacked is the offset of that option from the header, net.ipv4.tcp_rx_accecn that of
 * accurate ECN.
 *
 * @param estab 1 for a synchronised connection: SYN's options do not count, and those that were not agreed on neither
 * @param foc gets the Fast Open option of a SYN, the last one; null: nobody wants it
 */
export function tcp_parse_options(
  _net: net,
  skb: sk_buff,
  opt: tcp_options_received,
  estab: number,
  foc: tcp_fastopen_cookie | null = null,
): void {
  const { ram } = skb;
  const { u8 } = ram;
  const th = skb.transport_header;
  const syn = (tcp_flag_byte(skb) & TCPHDR_SYN) !== 0;
  const end = th + tcp_hdrlen(skb);
  const { ipv4 } = _net;
  let at = th + TCP_HLEN;
  opt.saw_tstamp = 0;
  ipv4.tcp_rx_accecn = 0;
  while (at < end) {
    const kind = u8[at] as number;
    if (kind === TCPOPT_EOL) return;
    if (kind === TCPOPT_NOP) {
      at++;
      continue;
    }
    if (at + 2 > end) return;
    const size = u8[at + 1] as number;
    // "Silly options", and those that are cut off.
    if (size < 2 || at + size > end) return;
    switch (kind) {
      case TCPOPT_MSS:
        if (size === TCPOLEN_MSS && syn && estab === 0) {
          let mss = get16(ram, at + 2);
          if (mss !== 0) {
            if (opt.user_mss !== 0 && opt.user_mss < mss) mss = opt.user_mss;
            opt.mss_clamp = mss;
          }
        }
        break;
      case TCPOPT_WINDOW:
        if (size === TCPOLEN_WINDOW && syn && estab === 0 && ipv4.tcp_window_scaling !== 0) {
          opt.wscale_ok = 1;
          // RFC 7323 2.3: more counts as 14.
          opt.snd_wscale = Math.min(u8[at + 2] as number, TCP_MAX_WSCALE);
        }
        break;
      case TCPOPT_TIMESTAMP:
        if (
          size === TCPOLEN_TIMESTAMP &&
          ((estab !== 0 && opt.tstamp_ok !== 0) || (estab === 0 && ipv4.tcp_timestamps !== 0))
        ) {
          opt.saw_tstamp = 1;
          opt.rcv_tsval = get32(ram, at + 2) | 0;
          opt.rcv_tsecr = get32(ram, at + 6) | 0;
        }
        break;
      case TCPOPT_SACK_PERM:
        if (size === TCPOLEN_SACK_PERM && syn && estab === 0 && ipv4.tcp_sack !== 0) {
          opt.sack_ok = 1;
          // tcp_sack_reset
          opt.dsack = 0;
          opt.num_sacks = 0;
        }
        break;
      case TCPOPT_SACK:
        if (size >= 2 + TCPOLEN_SACK_PERBLOCK && (size - 2) % TCPOLEN_SACK_PERBLOCK === 0 && opt.sack_ok !== 0) {
          skb.sacked = at - th;
        }
        break;
      case TCPOPT_ACCECN0:
      case TCPOPT_ACCECN1:
        ipv4.tcp_rx_accecn = at - th;
        break;
      case TCPOPT_FASTOPEN:
        if (foc !== null && syn) tcp_parse_fastopen_option(ram, at + 2, size - TCPOLEN_FASTOPEN_BASE, foc, 0);
        break;
      case TCPOPT_EXP:
        if (foc !== null && syn && size >= TCPOLEN_EXP_FASTOPEN_BASE && get16(ram, at + 2) === TCPOPT_FASTOPEN_MAGIC) {
          tcp_parse_fastopen_option(ram, at + 4, size - TCPOLEN_EXP_FASTOPEN_BASE, foc, 1);
        }
        break;
      default:
        break;
    }
    at += size;
  }
}

/** tcp_parse_fastopen_option: a cookie of even length, or (`len` 0) the wish for one; another length is no cookie. */
function tcp_parse_fastopen_option(ram: Ram, at: number, len: number, foc: tcp_fastopen_cookie, exp: number): void {
  if ((len & 1) !== 0) return;
  if (len >= TCP_FASTOPEN_COOKIE_MIN && len <= TCP_FASTOPEN_COOKIE_MAX) {
    for (let i = 0; i < len; i++) foc.val[i] = ram.u8[at + i] as number;
  } else if (len !== 0) {
    len = -1;
  }
  foc.len = len;
  foc.exp = exp;
}

/** tcp_fast_parse_options: the common header first. False: no options at all. */
export function tcp_fast_parse_options(net: net, skb: sk_buff, tp: tcp_sock): boolean {
  const opt = tp.rx_opt;
  const length = tcp_hdrlen(skb);
  if (length === TCP_HLEN) {
    opt.saw_tstamp = 0;
    net.ipv4.tcp_rx_accecn = 0;
    return false;
  }
  if (opt.tstamp_ok !== 0 && length === TCP_HLEN + TCPOLEN_TSTAMP_ALIGNED && tcp_parse_aligned_timestamp(tp, skb)) {
    net.ipv4.tcp_rx_accecn = 0;
    return true;
  }
  tcp_parse_options(net, skb, opt, 1);
  if (opt.saw_tstamp !== 0 && opt.rcv_tsecr !== 0) opt.rcv_tsecr = (opt.rcv_tsecr - tp.tsoffset) | 0;
  return true;
}

/** tcp_parse_aligned_timestamp: the header that carries nothing but a timestamp. */
export function tcp_parse_aligned_timestamp(tp: tcp_sock, skb: sk_buff): boolean {
  const { ram } = skb;
  const at = skb.transport_header + TCP_HLEN;
  if ((get32(ram, at) | 0) !== TSTAMP_WORD) return false;
  const opt = tp.rx_opt;
  opt.saw_tstamp = 1;
  opt.rcv_tsval = get32(ram, at + 4) | 0;
  const ecr = get32(ram, at + 8) | 0;
  opt.rcv_tsecr = ecr === 0 ? 0 : (ecr - tp.tsoffset) | 0;
  return true;
}

// ---- write ----------------------------------------------------------------------------------------------------------

export const OPTION_SACK_ADVERTISE = 1;
export const OPTION_TS = 2;
export const OPTION_MD5 = 4;
export const OPTION_WSCALE = 8;
export const OPTION_FAST_OPEN_COOKIE = 256;
export const OPTION_ACCECN = 4096;

/** Two NOPs. */
const NOPS = (TCPOPT_NOP << 8) | TCPOPT_NOP;

/** struct tcp_out_options: what the header in hand is to carry. One for all, as a context is atomic. */
export class tcp_out_options {
  options = 0;
  mss = 0;
  ws = 0;
  num_sack_blocks = 0;
  /** OPTION_ACCECN: its fields. */
  num_accecn_fields = 0;
  /** Where in RAM the signature is to go (OPTION_MD5). */
  hash_location = 0;
  tsval = 0;
  tsecr = 0;
  fastopen_cookie: tcp_fastopen_cookie | null = null;
}

/** The Fast Open option, if it fits where `size` bytes of options are already. Bytes that it takes, padding included. */
export function tcp_fastopen_option(opts: tcp_out_options, foc: tcp_fastopen_cookie, size: number): number {
  const base = foc.exp !== 0 ? TCPOLEN_EXP_FASTOPEN_BASE : TCPOLEN_FASTOPEN_BASE;
  const need = (base + foc.len + 3) & ~3;
  if (size + need > MAX_TCP_OPTION_SPACE) return 0;
  opts.options |= OPTION_FAST_OPEN_COOKIE;
  opts.fastopen_cookie = foc;
  return need;
}

/** The Fast Open option at `at`, up to a multiple of four. */
function fastopen_option_write(ram: Ram, at: number, foc: tcp_fastopen_cookie): void {
  const { u8 } = ram;
  const base = foc.exp !== 0 ? TCPOLEN_EXP_FASTOPEN_BASE : TCPOLEN_FASTOPEN_BASE;
  const len = base + foc.len;
  u8[at] = foc.exp !== 0 ? TCPOPT_EXP : TCPOPT_FASTOPEN;
  u8[at + 1] = len;
  if (foc.exp !== 0) put16(ram, at + 2, TCPOPT_FASTOPEN_MAGIC);
  for (let i = 0; i < foc.len; i++) u8[at + base + i] = foc.val[i] as number;
  for (let i = len; (i & 3) !== 0; i++) u8[at + i] = TCPOPT_NOP;
}

/**
 * tcp_options_fit_accecn: the option of accurate ECN (RFC 9768 3.2.3) with at least `required` fields, if it fits into
 * `remaining` bytes. It may take the place of others' NOPs, and of SACK blocks behind the second. `tp`: null for a SYN/ACK.
 *
 * @returns bytes that it takes, less those that it frees
 */
export function tcp_options_fit_accecn(
  opts: tcp_out_options,
  required: number,
  remaining: number,
  tp: tcp_sock | null,
): number {
  let nops = opts.num_sack_blocks > 0 ? 2 : 0;
  if (tp === null) {
    if (remaining < TCPOLEN_ACCECN_BASE) return 0;
    // tcp_synack_options_combine_saving
    if ((opts.options & (OPTION_SACK_ADVERTISE | OPTION_TS)) === OPTION_SACK_ADVERTISE) nops = 2;
    else nops = (opts.options & OPTION_WSCALE) !== 0 ? 1 : 0;
  }
  // Those without which it would be no news may push out SACK blocks; not if that does not help.
  const most = required > 0 ? Math.max(opts.num_sack_blocks - 2, 0) : 0;
  for (let dropped = 0; dropped <= most; dropped++) {
    const room = remaining + dropped * TCPOLEN_SACK_PERBLOCK;
    for (let fields = TCP_ACCECN_NUMFIELDS; fields >= required; fields--) {
      const size = TCPOLEN_ACCECN_BASE + fields * TCPOLEN_ACCECN_PERFIELD;
      const aligned = (size & 3) > nops ? (size + 3) & ~3 : size & ~3;
      if (room < aligned) continue;
      opts.num_sack_blocks -= dropped;
      opts.num_accecn_fields = fields;
      opts.options |= OPTION_ACCECN;
      return aligned - dropped * TCPOLEN_SACK_PERBLOCK;
    }
  }
  return 0;
}

/**
 * The option of accurate ECN at `at`, its whole words (as many as it has fields); counts of a SYN/ACK (`tp` null) are as
 * they begin. What does not fill a word is the answer: two bytes for the place of somebody's NOPs.
 */
function accecn_option_write(ram: Ram, at: number, tp: tcp_sock | null, fields: number): number {
  const len = TCPOLEN_ACCECN_BASE + fields * TCPOLEN_ACCECN_PERFIELD;
  const e1b = (tp === null ? 0 : tp.slow.received_e1_bytes) + TCP_ACCECN_E1B_INIT_OFFSET;
  const ceb = (tp === null ? 0 : tp.slow.received_ce_bytes) + TCP_ACCECN_CEB_INIT_OFFSET;
  const e0b = (tp === null ? 0 : tp.slow.received_e0_bytes) + TCP_ACCECN_E0B_INIT_OFFSET;
  const accecn = tp === null ? null : tp.slow.accecn;
  if (tp !== null && accecn !== null) {
    accecn.accecn_minlen = 0;
    accecn.accecn_opt_tstamp = tp.tcp_mstamp;
    accecn.accecn_opt_sent_w_dsack = tp.rx_opt.dsack;
    if (accecn.accecn_opt_demand > 0) accecn.accecn_opt_demand--;
  }
  if (fields === 0) return (TCPOPT_ACCECN1 << 8) | len;
  put32(ram, at, (TCPOPT_ACCECN1 << 24) | (len << 16) | ((e1b >>> 8) & 0xffff));
  if (fields === 1) return ((e1b & 0xff) << 8) | TCPOPT_NOP;
  put32(ram, at + 4, ((e1b & 0xff) << 24) | (ceb & 0xffffff));
  if (fields === 3) put32(ram, at + 8, ((e0b & 0xffffff) << 8) | TCPOPT_NOP);
  return NOPS;
}

/** tcp_options_write: in Linux's order and padding, at `at`. */
export function tcp_options_write(ram: Ram, at: number, tp: tcp_sock | null, opts: tcp_out_options): void {
  let { options } = opts;
  if ((options & OPTION_MD5) !== 0) {
    opts.hash_location = tcp_md5_option_write(ram, at);
    at += TCPOLEN_MD5SIG_ALIGNED;
  }
  if (opts.mss !== 0) {
    put32(ram, at, (TCPOPT_MSS << 24) | (TCPOLEN_MSS << 16) | opts.mss);
    at += TCPOLEN_MSS_ALIGNED;
  }
  if ((options & OPTION_TS) !== 0) {
    if ((options & OPTION_SACK_ADVERTISE) !== 0) {
      // SACK-permitted takes the place of the NOPs.
      put32(
        ram,
        at,
        (TCPOPT_SACK_PERM << 24) | (TCPOLEN_SACK_PERM << 16) | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP,
      );
      options &= ~OPTION_SACK_ADVERTISE;
    } else {
      put32(ram, at, TSTAMP_WORD);
    }
    put32(ram, at + 4, opts.tsval);
    put32(ram, at + 8, opts.tsecr);
    at += TCPOLEN_TSTAMP_ALIGNED;
  }
  // What the padding of the next options is: NOPs, or the end of an option.
  let pad = NOPS;
  if ((options & OPTION_ACCECN) !== 0) {
    pad = accecn_option_write(ram, at, tp, opts.num_accecn_fields);
    at += opts.num_accecn_fields * 4;
  }
  if ((options & OPTION_SACK_ADVERTISE) !== 0) {
    put32(ram, at, (pad << 16) | (TCPOPT_SACK_PERM << 8) | TCPOLEN_SACK_PERM);
    at += TCPOLEN_SACKPERM_ALIGNED;
    pad = NOPS;
  }
  if ((options & OPTION_WSCALE) !== 0) {
    // It has one NOP to give away.
    let nop = TCPOPT_NOP;
    if (pad !== NOPS && (pad & 0xff) === TCPOPT_NOP) {
      nop = pad >> 8;
      pad = NOPS;
    }
    put32(ram, at, (nop << 24) | (TCPOPT_WINDOW << 16) | (TCPOLEN_WINDOW << 8) | opts.ws);
    at += TCPOLEN_WSCALE_ALIGNED;
  }
  const blocks = opts.num_sack_blocks;
  if (blocks !== 0 && tp !== null) {
    put16(ram, at, pad);
    put16(ram, at + 2, (TCPOPT_SACK << 8) | (2 + blocks * TCPOLEN_SACK_PERBLOCK));
    at += TCPOLEN_SACK_BASE_ALIGNED;
    // The D-SACK, where there is one, lies in front of the others (RFC 2883 4).
    const from = tp.rx_opt.dsack !== 0 ? 0 : 2;
    for (let i = 0; i < blocks * 2; i++) {
      put32(ram, at, tp.slow.sacks[from + i] as number);
      at += 4;
    }
    tp.rx_opt.dsack = 0;
  } else if (pad !== NOPS) {
    put32(ram, at, (pad << 16) | NOPS);
    at += 4;
  }
  if ((options & OPTION_FAST_OPEN_COOKIE) !== 0) {
    fastopen_option_write(ram, at, opts.fastopen_cookie as tcp_fastopen_cookie);
  }
}

/** tcp_established_options: fills `opts`; bytes of options. */
export function tcp_established_options(tp: tcp_sock, skb: sk_buff | null, opts: tcp_out_options): number {
  let size = 0;
  opts.options = 0;
  opts.mss = 0;
  opts.num_sack_blocks = 0;
  const { rx_opt } = tp;
  if (tp.opts.md5sig_info !== null && tp.icsk_af_ops.md5_lookup(tp) !== null) {
    opts.options = OPTION_MD5;
    size = TCPOLEN_MD5SIG_ALIGNED;
  }
  if (rx_opt.tstamp_ok !== 0) {
    opts.options |= OPTION_TS;
    opts.tsval = skb !== null ? (tcp_time_stamp_ms(tp) + tp.tsoffset) | 0 : 0;
    opts.tsecr = rx_opt.ts_recent;
    size += TCPOLEN_TSTAMP_ALIGNED;
  }
  const eff_sacks = rx_opt.num_sacks + rx_opt.dsack;
  if (eff_sacks !== 0) {
    const remaining = MAX_TCP_OPTION_SPACE - size;
    if (remaining >= TCPOLEN_SACK_BASE_ALIGNED + TCPOLEN_SACK_PERBLOCK) {
      opts.num_sack_blocks = Math.min(eff_sacks, (remaining - TCPOLEN_SACK_BASE_ALIGNED) >> 3, TCP_NUM_SACKS);
      size += TCPOLEN_SACK_BASE_ALIGNED + opts.num_sack_blocks * TCPOLEN_SACK_PERBLOCK;
    }
  }
  if (tcp_ecn_mode_accecn(tp)) size += accecn_established_option(tp, opts, size);
  return size;
}

/** The option of accurate ECN, when it is due, behind `size` bytes of options: bytes more. */
function accecn_established_option(tp: tcp_sock, opts: tcp_out_options, size: number): number {
  const { tcp_ecn_option: mode } = tp.sk_net.ipv4;
  const { accecn } = tp.slow;
  if (accecn === null || mode === 0 || accecn.saw_accecn_opt === TCP_ACCECN_OPT_NOT_SEEN) return 0;
  if ((accecn.accecn_fail_mode & TCP_ACCECN_OPT_FAIL_SEND) !== 0) return 0;
  const due =
    mode >= TCP_ACCECN_OPTION_FULL || accecn.accecn_opt_demand !== 0 || tcp_accecn_option_beacon_check(tp, accecn);
  return due ? tcp_options_fit_accecn(opts, accecn.accecn_minlen, MAX_TCP_OPTION_SPACE - size, tp) : 0;
}
