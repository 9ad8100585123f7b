/**
 * Signatures of segments (RFC 2385; net/ipv4/tcp.c, tcp_ipv4.c: TCP_MD5SIG): every segment to and from a peer for whose
 * address the program has given a key has option 19 with the MD5 of pseudo-header, header, payload and key. What comes
 * without it, with a wrong one, or with one that nobody expects is dropped.
 *
 * Keys are few, and looked for by address, the longest prefix first. The list hangs off the sock's options, where nobody
 * has any: a sock without keys pays for one look there, and for the length of a header that might have the option.
 */
import type { Ram } from '../../arch.ts';
import { EINVAL, ENOENT, ENOMEM } from '../../errno.ts';
import { md5 } from '../../lib/md5.ts';
import { SKB_DROP_REASON, type sk_buff, skb_headlen } from '../core/skbuff.ts';
import { own_opts, TCP_CLOSE, TCP_LISTEN } from '../core/sock.ts';
import { AF_INET, type sockopt } from '../msg.ts';
import { get16, IPPROTO_TCP, iph_daddr, iph_saddr, put32 } from './ip_header.ts';
import { inet_iif } from './route.ts';
import {
  TCP_HLEN,
  TCPOLEN_MD5SIG,
  TCPOPT_EOL,
  TCPOPT_MD5SIG,
  TCPOPT_NOP,
  tcp_hdrlen,
  type tcp_sock,
  type tcp_timewait_sock,
} from './tcp_sock.ts';

export const TCP_MD5SIG = 14;
export const TCP_MD5SIG_EXT = 32;
/** The longest key, and the bytes of a signature. */
const TCP_MD5SIG_MAXKEYLEN = 80;
const MD5_DIGEST_SIZE = 16;
/** tcpm_flags: a prefix length, a device. */
const TCP_MD5SIG_FLAG_PREFIX = 1;
const TCP_MD5SIG_FLAG_IFINDEX = 2;
/** struct tcp_md5sig: address (a sockaddr_storage), flags, prefix length, key's length, device, key. */
const AT_FLAGS = 128;
const AT_PREFIXLEN = 129;
const AT_KEYLEN = 130;
const AT_IFINDEX = 132;
const AT_KEY = 136;
const SIZEOF_TCP_MD5SIG = AT_KEY + TCP_MD5SIG_MAXKEYLEN;
/** What a key counts for among the socket's options (struct tcp_md5sig_key on a 64-bit machine). */
const SIZEOF_TCP_MD5SIG_KEY = 136;
/** NOP, NOP, the option's kind and length. */
const MD5SIG_WORD = (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_MD5SIG << 8) | TCPOLEN_MD5SIG;

/** struct tcp_md5sig_key. `addr` is an int32 of the family AF_INET; other families compare theirs by their own rules. */
export interface tcp_md5sig_key {
  readonly family: number;
  readonly addr: number;
  readonly prefixlen: number;
  readonly flags: number;
  readonly key: Uint8Array;
}

/** struct tcp_sigpool: what computes signatures. One per net, as a context is atomic. */
export class tcp_sigpool {
  readonly md5 = new md5();
  /** Pseudo-header and header without options. */
  readonly scratch = new Uint8Array(12 + TCP_HLEN);
  readonly view = new DataView(this.scratch.buffer);
  readonly digest = new Uint8Array(MD5_DIGEST_SIZE);
}

// ---- keys -----------------------------------------------------------------------------------------------------------

/** inet_make_mask */
function mask_of(prefixlen: number): number {
  return prefixlen === 0 ? 0 : -1 << (32 - prefixlen);
}

/** tcp_md5_do_lookup: the key for a peer: that of the longest prefix; null without one. */
export function tcp_md5_do_lookup(sk: tcp_sock, addr: number): tcp_md5sig_key | null {
  const keys = sk.opts.md5sig_info;
  let best: tcp_md5sig_key | null = null;
  if (keys === null) return null;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as tcp_md5sig_key;
    if (((key.addr ^ addr) & mask_of(key.prefixlen)) !== 0) continue;
    if (best === null || key.prefixlen > best.prefixlen) best = key;
  }
  return best;
}

/** sk_gso_disable: a signature is of one segment. */
export function sk_gso_disable(sk: tcp_sock): void {
  if (sk.opts.sk_gso_disabled) return;
  own_opts(sk).sk_gso_disabled = true;
  sk.sk_can_gso = false;
}

/** tcp_md5_do_add: 0, or -ENOMEM past net.core.optmem_max. A key for the same addresses takes the place of the one before. */
function tcp_md5_do_add(sk: tcp_sock, key: tcp_md5sig_key): number {
  const keys = sk.opts.md5sig_info ?? [];
  const others = keys.filter(other => !same_peers(other, key));
  if (others.length === keys.length) {
    // sock_kmalloc
    if (sk.sk_omem_alloc + SIZEOF_TCP_MD5SIG_KEY >= sk.sk_net.sysctl.optmem_max) return -ENOMEM;
    sk.sk_omem_alloc += SIZEOF_TCP_MD5SIG_KEY;
  }
  own_opts(sk).md5sig_info = [key, ...others];
  if (sk.sk_state !== TCP_CLOSE && sk.sk_state !== TCP_LISTEN && tcp_md5_do_lookup(sk, sk.inet_daddr) === key) {
    sk_gso_disable(sk);
  }
  return 0;
}

function same_peers(a: tcp_md5sig_key, b: tcp_md5sig_key): boolean {
  return a.family === b.family && a.addr === b.addr && a.prefixlen === b.prefixlen && a.flags === b.flags;
}

/** tcp_md5_do_del: 0 or -ENOENT. */
function tcp_md5_do_del(sk: tcp_sock, key: tcp_md5sig_key): number {
  const keys = sk.opts.md5sig_info ?? [];
  const others = keys.filter(other => !same_peers(other, key));
  if (others.length === keys.length) return -ENOENT;
  sk.sk_omem_alloc -= SIZEOF_TCP_MD5SIG_KEY;
  own_opts(sk).md5sig_info = others.length === 0 ? null : others;
  return 0;
}

/**
 * tcp_md5_key_copy: of its listener's keys a connection has the one for its peer, and none else. (Without memory Linux gives
 * the connection up; a sock that has just been made cannot be at its limit.)
 */
export function tcp_md5_key_copy(child: tcp_sock, addr: number): void {
  const key = tcp_md5_do_lookup(child, addr);
  own_opts(child).md5sig_info = null;
  if (key === null) return;
  tcp_md5_do_add(child, { ...key, addr, prefixlen: 32 });
  sk_gso_disable(child);
}

/** tcp_v4_parse_md5_keys: TCP_MD5SIG and TCP_MD5SIG_EXT. An empty key: that one is to go. 0 or a negative errno. */
export function tcp_v4_parse_md5_keys(sk: tcp_sock, name: number, opt: sockopt): number {
  const { bytes } = opt;
  if (bytes === null || bytes.length < SIZEOF_TCP_MD5SIG) return -EINVAL;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint16(0, true) !== AF_INET) return -EINVAL;
  const tcpm_flags = view.getUint8(AT_FLAGS);
  const extended = name === TCP_MD5SIG_EXT;
  const flags = tcpm_flags & TCP_MD5SIG_FLAG_IFINDEX;
  let prefixlen = 32;
  if (extended && (tcpm_flags & TCP_MD5SIG_FLAG_PREFIX) !== 0) {
    prefixlen = view.getUint8(AT_PREFIXLEN);
    if (prefixlen > 32) return -EINVAL;
  }
  // It would have to be an L3 master device (a VRF), which there is none of.
  if (extended && flags !== 0 && view.getInt32(AT_IFINDEX, true) !== 0) return -EINVAL;
  const length = view.getUint16(AT_KEYLEN, true);
  const key: tcp_md5sig_key = {
    family: AF_INET,
    addr: view.getInt32(4),
    prefixlen,
    flags,
    key: bytes.slice(AT_KEY, AT_KEY + Math.min(length, TCP_MD5SIG_MAXKEYLEN)),
  };
  if (length === 0) return tcp_md5_do_del(sk, key);
  if (length > TCP_MD5SIG_MAXKEYLEN) return -EINVAL;
  return tcp_md5_do_add(sk, key);
}

// ---- signatures -----------------------------------------------------------------------------------------------------

/** tcp_v4_md5_hash_headers: pseudo-header, and the header as if it had neither options nor checksum. */
function hash_headers(pool: tcp_sigpool, ram: Ram, th: number, saddr: number, daddr: number, length: number): void {
  const { scratch, view } = pool;
  view.setInt32(0, saddr);
  view.setInt32(4, daddr);
  view.setUint16(8, IPPROTO_TCP);
  view.setUint16(10, length);
  for (let i = 0; i < TCP_HLEN; i++) scratch[12 + i] = ram.u8[th + i] as number;
  scratch[12 + 16] = 0;
  scratch[12 + 17] = 0;
  pool.md5.init();
  pool.md5.update(scratch, 0, scratch.length);
}

/** tcp_v4_md5_hash_skb: the signature of a segment whose header is at transport_header, where also `data` is, to `to`. */
export function tcp_v4_md5_hash_skb(
  pool: tcp_sigpool,
  key: tcp_md5sig_key,
  skb: sk_buff,
  saddr: number,
  daddr: number,
  to: Uint8Array,
  at: number,
): void {
  const { ram } = skb;
  hash_headers(pool, ram, skb.transport_header, saddr, daddr, skb.len);
  const hdrlen = tcp_hdrlen(skb);
  pool.md5.update(ram.u8, skb.transport_header + hdrlen, skb_headlen(skb) - hdrlen);
  for (let frag = skb.frag_list; frag !== null; frag = frag.next) pool.md5.update(ram.u8, frag.data, frag.len);
  pool.md5.update(key.key, 0, key.key.length);
  pool.md5.final(to, at);
}

/** tcp_v4_md5_hash_hdr: the option, and the signature of a segment without data, with its header of `hdrlen` bytes at `th`. */
export function tcp_v4_md5_sign_hdr(
  pool: tcp_sigpool,
  key: tcp_md5sig_key,
  ram: Ram,
  th: number,
  hdrlen: number,
  option: number,
  saddr: number,
  daddr: number,
): void {
  put32(ram, option, MD5SIG_WORD);
  hash_headers(pool, ram, th, saddr, daddr, hdrlen);
  pool.md5.update(key.key, 0, key.key.length);
  pool.md5.final(ram.u8, option + 4);
}

/** The option at `at`, with room for the signature. Where that is to go. */
export function tcp_md5_option_write(ram: Ram, at: number): number {
  put32(ram, at, MD5SIG_WORD);
  return at + 4;
}

/**
 * tcp_parse_auth_options: where in RAM the signature is, 0 for nowhere, -1: an option that cannot be, or two signatures. As
 * Linux has it, what is too short to hold a signature is not looked at.
 */
function tcp_parse_auth_options(skb: sk_buff): number {
  const { u8 } = skb.ram;
  let at = skb.transport_header + TCP_HLEN;
  const end = skb.transport_header + tcp_hdrlen(skb);
  let found = 0;
  while (end - at >= TCPOLEN_MD5SIG) {
    const kind = u8[at] as number;
    if (kind === TCPOPT_EOL) break;
    if (kind === TCPOPT_NOP) {
      at++;
      continue;
    }
    const size = u8[at + 1] as number;
    if (size < 2 || size > end - at) return -1;
    if (kind === TCPOPT_MD5SIG) {
      if (size !== TCPOLEN_MD5SIG || found !== 0) return -1;
      found = at + 2;
    }
    at += size;
  }
  return found;
}

/** Is this the signature of the segment? */
function signed_with(pool: tcp_sigpool, key: tcp_md5sig_key, skb: sk_buff, at: number): boolean {
  const { digest } = pool;
  tcp_v4_md5_hash_skb(pool, key, skb, iph_saddr(skb), iph_daddr(skb), digest, 0);
  for (let i = 0; i < MD5_DIGEST_SIZE; i++) if (skb.ram.u8[at + i] !== digest[i]) return false;
  return true;
}

/** tcp_inbound_hash: is the segment signed as it ought to be? 0, or the reason for which it is dropped. */
export function tcp_inbound_hash(sk: tcp_sock, skb: sk_buff): number {
  if (sk.opts.md5sig_info === null && tcp_hdrlen(skb) < TCP_HLEN + TCPOLEN_MD5SIG) return 0;
  const { mib, tcp } = sk.sk_net.ipv4;
  const at = tcp_parse_auth_options(skb);
  if (at < 0) return SKB_DROP_REASON.TCP_AUTH_HDR;
  const key = tcp_md5_do_lookup(sk, iph_saddr(skb));
  if (at === 0) {
    if (key === null) return 0;
    mib.TcpExtTCPMD5NotFound++;
    return SKB_DROP_REASON.TCP_MD5NOTFOUND;
  }
  if (key === null) {
    mib.TcpExtTCPMD5Unexpected++;
    return SKB_DROP_REASON.TCP_MD5UNEXPECTED;
  }
  if (signed_with(tcp.sigpool, key, skb, at)) return 0;
  mib.TcpExtTCPMD5Failure++;
  return SKB_DROP_REASON.TCP_MD5FAILURE;
}

/**
 * tcp_v4_send_reset's part: by which key the answer to `skb` is to be signed, null for none; undefined: there shall be no
 * answer. Who has forgotten a connection can reset it only with the key of a listener on the port that the other side has.
 */
export function tcp_v4_reset_key(
  sk: tcp_sock | null,
  tw: tcp_timewait_sock | null,
  skb: sk_buff,
): tcp_md5sig_key | null | undefined {
  const at = tcp_parse_auth_options(skb);
  if (at < 0) return undefined;
  if (sk !== null) return tcp_md5_do_lookup(sk, iph_saddr(skb));
  if (tw !== null) return tw.tw_md5_key;
  if (at === 0) return null;
  const { tcp } = skb.kernel.init_net.ipv4;
  const port = get16(skb.ram, skb.transport_header);
  const listener = tcp.hashinfo.lookup_listener(iph_saddr(skb), port, iph_daddr(skb), port, inet_iif(skb));
  const key = listener === null ? null : tcp_md5_do_lookup(listener as tcp_sock, iph_saddr(skb));
  return key !== null && signed_with(tcp.sigpool, key, skb, at) ? key : undefined;
}
