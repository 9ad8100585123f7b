/**
 * MSG_ZEROCOPY (net/core/skbuff.c: msg_zerocopy_realloc, msg_zerocopy_callback): each send gets a number, and the error
 * queue says when the program may use its buffer again. Our packets lie in one piece, so the bytes are copied at once and
 * every notification says so (SO_EE_CODE_ZEROCOPY_COPIED), as Linux does on devices that make it copy (loopback, TUN).
 */
import { ee_data, ee_info, ee_origin, own_error_queue, SO_EE_ORIGIN_ZEROCOPY, set_exterr } from './errqueue.ts';
import { alloc_skb, consume_skb, type sk_buff } from './skbuff.ts';
import { sk_error_report, type sock } from './sock.ts';

/** ee_code: the bytes were copied after all. */
const SO_EE_CODE_ZEROCOPY_COPIED = 1;
/** Pieces of user memory in a packet (MAX_SKB_FRAGS). */
export const MAX_SKB_FRAGS = 17;
/** Sends that one notification may stand for, and their bytes. */
const USHRT_MAX = 0xffff;
const BYTE_LIMIT = 512 * 1024;
/** SKB_TRUESIZE(0), and what an empty skb really takes. */
const SKB_TRUESIZE_0 = 576;
const NOTIFICATION_TRUESIZE = 832;

/** struct ubuf_info_msgzc: sends that end together. Held by the call and by every packet with bytes of theirs. */
export class ubuf_info_msgzc {
  readonly sk: sock;
  /** The notification, ready from the start. */
  readonly skb: sk_buff;
  readonly id: number;
  len = 1;
  bytelen: number;
  refcnt = 1;

  constructor(sk: sock, skb: sk_buff, id: number, bytelen: number) {
    this.sk = sk;
    this.skb = skb;
    this.id = id;
    this.bytelen = bytelen;
  }
}

/** sock_ofree */
function sock_ofree(skb: sk_buff): void {
  (skb.sk as sock).sk_omem_alloc -= skb.truesize;
}

/** msg_zerocopy_alloc: null when there are too many outstanding (net.core.optmem_max). */
function msg_zerocopy_alloc(sk: sock, size: number): ubuf_info_msgzc | null {
  if (sk.sk_omem_alloc + SKB_TRUESIZE_0 > sk.sk_net.sysctl.optmem_max) return null;
  const skb = alloc_skb(sk.kernel, 0);
  if (skb === null) return null;
  skb.truesize = NOTIFICATION_TRUESIZE;
  skb.sk = sk;
  skb.destructor = sock_ofree;
  sk.sk_omem_alloc += NOTIFICATION_TRUESIZE;
  const id = sk.sk_zckey;
  sk.sk_zckey = (id + 1) | 0;
  return new ubuf_info_msgzc(sk, skb, id, size);
}

/** msg_zerocopy_realloc: one more send of `size` bytes, with those of `uarg`, if they may end together. The caller holds it. */
export function msg_zerocopy_realloc(sk: sock, size: number, uarg: ubuf_info_msgzc | null): ubuf_info_msgzc | null {
  if (uarg !== null && uarg.len !== USHRT_MAX - 1 && uarg.bytelen + size <= BYTE_LIMIT) {
    if (((uarg.id + uarg.len) | 0) === sk.sk_zckey) {
      uarg.len++;
      uarg.bytelen += size;
      uarg.refcnt++;
      sk.sk_zckey = (sk.sk_zckey + 1) | 0;
      return uarg;
    }
  }
  return msg_zerocopy_alloc(sk, size);
}

/** net_zcopy_put: one holder less; after the last the program is told. */
export function net_zcopy_put(uarg: ubuf_info_msgzc): void {
  if (--uarg.refcnt === 0) __msg_zerocopy_callback(uarg);
}

/** net_zcopy_put_abort: the call has sent nothing, and is not counted. */
export function net_zcopy_put_abort(uarg: ubuf_info_msgzc): void {
  uarg.sk.sk_zckey = (uarg.sk.sk_zckey - 1) | 0;
  uarg.len--;
  net_zcopy_put(uarg);
}

/** __msg_zerocopy_callback: to the error queue, as a range with the one before where that goes. */
function __msg_zerocopy_callback(uarg: ubuf_info_msgzc): void {
  const { sk, skb, id, len } = uarg;
  if (len === 0 || sk.sk_dead) {
    consume_skb(skb);
    return;
  }
  const tail = sk.sk_error_queue.last;
  if (tail !== null && extend(tail, id, len)) {
    consume_skb(skb);
  } else {
    set_exterr(skb, 0, SO_EE_ORIGIN_ZEROCOPY, 0, SO_EE_CODE_ZEROCOPY_COPIED, id, 0, 0);
    skb.cb3 = (id + len - 1) | 0;
    own_error_queue(sk).push(skb);
  }
  sk_error_report(sk);
}

/** skb_zerocopy_notify_extend */
function extend(tail: sk_buff, lo: number, len: number): boolean {
  if (ee_origin(tail) !== SO_EE_ORIGIN_ZEROCOPY || lo !== ((ee_data(tail) + 1) | 0)) return false;
  if (((ee_data(tail) - ee_info(tail)) >>> 0) + 1 + len >= 2 ** 32) return false;
  tail.cb3 = (tail.cb3 + len) | 0;
  return true;
}
