/** PROBE (RFC 8335): an extended echo asks how an interface of the node is. */
import type { net } from '../core/net_namespace.ts';
import { IFF_UP, type net_device } from '../core/netdevice.ts';
import { pskb_may_pull, type sk_buff } from '../core/skbuff.ts';
import { ip_dev_find } from './fib.ts';
import { ICMP_EXT_ECHOREPLY, type icmp_bxm } from './icmp.ts';
import { get16, get32 } from './ip_header.ts';

/** Kinds of interface identification (RFC 8335 2.1), and what an answer says (RFC 8335 3). */
const ICMP_EXT_ECHO_CTYPE_NAME = 1;
const ICMP_EXT_ECHO_CTYPE_INDEX = 2;
const ICMP_EXT_ECHO_CTYPE_ADDR = 3;
const ICMP_AFI_IP = 1;
const ICMP_EXT_CODE_MAL_QUERY = 1;
const ICMP_EXT_CODE_NO_IF = 2;
const ICMP_EXT_ECHOREPLY_ACTIVE = 1 << 2;
const ICMP_EXT_ECHOREPLY_IPV4 = 1 << 1;
/** Bytes of the extension header, of an object's header, and of the longest object. */
const EXT_HLEN = 4;
const EXTOBJ_HLEN = 4;
const EXTOBJ_MAX = 24;
const IFNAMSIZ = 16;

/** icmp_build_probe: how is the interface that is asked for? False: no answer (net.ipv4.icmp_echo_enable_probe). */
export function icmp_build_probe(skb: sk_buff, net: net, param: icmp_bxm): boolean {
  // Only interfaces of the node that is asked (L bit).
  if (net.ipv4.icmp_echo_enable_probe === 0 || (param.info & 1) === 0) return false;
  param.type = ICMP_EXT_ECHOREPLY;
  param.info &= ~0xff;
  const dev = probed_interface(skb, net);
  if (dev === undefined) param.code = ICMP_EXT_CODE_MAL_QUERY;
  else if (dev === null) param.code = ICMP_EXT_CODE_NO_IF;
  else {
    if ((dev.flags & IFF_UP) !== 0) param.info |= ICMP_EXT_ECHOREPLY_ACTIVE;
    if (dev.ip_ptr !== null && dev.ip_ptr.ifa_list.length > 0) param.info |= ICMP_EXT_ECHOREPLY_IPV4;
  }
  return true;
}

/** The interface that a PROBE names; null: there is none; undefined: the question is malformed. */
function probed_interface(skb: sk_buff, net: net): net_device | null | undefined {
  if (!pskb_may_pull(skb, EXT_HLEN + EXTOBJ_HLEN)) return undefined;
  const { ram } = skb;
  const object = skb.data + EXT_HLEN;
  const length = get16(ram, object);
  if (length <= EXTOBJ_HLEN || length > EXTOBJ_MAX || !pskb_may_pull(skb, EXT_HLEN + length)) return undefined;
  const ident = skb.data + EXT_HLEN + EXTOBJ_HLEN;
  const ident_len = length - EXTOBJ_HLEN;
  switch (ram.u8[skb.data + EXT_HLEN + 3]) {
    case ICMP_EXT_ECHO_CTYPE_NAME: {
      if (ident_len >= IFNAMSIZ) return undefined;
      let name = '';
      for (let i = 0; i < ident_len && ram.u8[ident + i] !== 0; i++)
        name += String.fromCharCode(ram.u8[ident + i] as number);
      return net.dev_get_by_name(name);
    }
    case ICMP_EXT_ECHO_CTYPE_INDEX:
      return ident_len === 4 ? net.dev_get_by_index(get32(ram, ident)) : undefined;
    case ICMP_EXT_ECHO_CTYPE_ADDR: {
      const addrlen = ram.u8[ident + 2] as number;
      if (ident_len < 4 || ident_len !== 4 + addrlen) return undefined;
      if (get16(ram, ident) !== ICMP_AFI_IP || addrlen !== 4) return undefined;
      return ip_dev_find(net, get32(ram, ident + 4));
    }
    default:
      return undefined;
  }
}
