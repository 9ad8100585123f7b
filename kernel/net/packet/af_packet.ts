/** AF_PACKET: frames as a device sees them, what tcpdump uses (net/packet/af_packet.c, packet(7)). */

import {
  EAGAIN,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENETDOWN,
  ENOBUFS,
  ENODEV,
  ENOPROTOOPT,
  ENXIO,
  EOPNOTSUPP,
  ESOCKTNOSUPPORT,
} from '../../errno.ts';
import { datagram_poll, skb_copy_or_truncate, skb_put_msg, skb_recv_datagram } from '../core/datagram.ts';
import { dev_direct_xmit, dev_queue_xmit, dev_set_allmulti, dev_set_promiscuity, NET_XMIT_CN } from '../core/dev.ts';
import { bpf_prog_run } from '../core/filter.ts';
import { SKB_GSO_TCPV4 } from '../core/gso.ts';
import {
  ETH_P_ALL,
  NETDEV_DOWN,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  type net,
  type packet_type,
} from '../core/net_namespace.ts';
import { proc_create_net } from '../core/net-procfs.ts';
import { IFF_UP, type net_device } from '../core/netdevice.ts';
import { skb_csum_unnecessary } from '../core/skb_checksum.ts';
import {
  CHECKSUM_PARTIAL,
  consume_skb,
  kfree_skb_reason,
  MAX_HEADER,
  PACKET_OUTGOING,
  SKB_DROP_REASON,
  type sk_buff,
  skb_clone,
  skb_pull,
  skb_push,
  skb_reset_network_header,
  skb_shared,
  skb_trim,
} from '../core/skbuff.ts';
import {
  make_proto,
  type proto,
  sk_common_release,
  sk_error_report,
  skb_set_owner_r,
  sock,
  sock_wait_for_wmem,
  sock_wmalloc,
} from '../core/sock.ts';
import { ETH_ALEN, ETH_HLEN, ETH_P_8021Q } from '../ethernet/eth.ts';
import {
  AF_PACKET,
  CMSG_PACKET_AUXDATA,
  type cmsg,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_TRUNC,
  msg_access_ok,
  type msghdr,
  type proto_ops,
  SOCK_DGRAM,
  SOCK_RAW,
  type sockaddr,
  type sockaddr_ll,
  type sockopt,
} from '../msg.ts';
import { sock_graft, sock_register, type socket } from '../socket.ts';
import {
  __fanout_link,
  __fanout_unlink,
  fanout_add,
  fanout_release,
  fanout_value,
  type packet_fanout,
  type packet_rollover,
} from './fanout.ts';

export const SOL_PACKET = 263;
export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_DROP_MEMBERSHIP = 2;
export const PACKET_STATISTICS = 6;
export const PACKET_AUXDATA = 8;
export const PACKET_FANOUT = 18;
export const PACKET_QDISC_BYPASS = 20;
export const PACKET_ROLLOVER_STATS = 21;
export const PACKET_IGNORE_OUTGOING = 23;

/** Kinds of membership (struct packet_mreq): here in sockopt.usec, the device's index in sockopt.sec. */
export const PACKET_MR_PROMISC = 1;
export const PACKET_MR_ALLMULTI = 2;

/** tp_status of struct tpacket_auxdata: what is known of its sum, of its tag and the tag's protocol, and that it is several. */
export const TP_STATUS_USER = 1;
export const TP_STATUS_CSUMNOTREADY = 1 << 3;
export const TP_STATUS_CSUM_VALID = 1 << 7;
export const TP_STATUS_GSO_TCP = 1 << 8;
export const TP_STATUS_VLAN_VALID = 1 << 4;
export const TP_STATUS_VLAN_TPID_VALID = 1 << 6;

const VLAN_HLEN = 4;

/** A packet socket (struct packet_sock). */
export class packet_sock extends sock {
  /** EtherType it takes, ETH_P_ALL for all; 0: none. In host order. */
  num = 0;
  /** Only from this device; 0: from all; -1: from one that is gone. */
  ifindex = 0;
  ignore_outgoing = false;
  /** Past the device's queue (dev_direct_xmit). */
  qdisc_bypass = false;
  /** Its entry among the taps while it runs. */
  prot_hook: packet_type | null = null;
  tp_packets = 0;
  tp_drops = 0;
  /** PACKET_AUXDATA: recvmsg tells the VLAN tag. */
  auxdata = false;
  /** The group it shares its tap with, and what it remembers of overflows. */
  fanout: packet_fanout | null = null;
  rollover: packet_rollover | null = null;
  /** Promiscuous and all-multicast memberships: (device index, kind) pairs. */
  readonly mclist: { ifindex: number; type: number }[] = [];
}

/** The packet sockets of a net (netns_packet.sklist). */
function sklist(net: net): packet_sock[] {
  return net.core.packet as packet_sock[];
}

// ---- receive --------------------------------------------------------------------------------------------------------

/**
 * packet_rcv: a frame passes a tap. Takes the skb, which others hold too: a clone is queued unless it is only ours,
 * and its data is put back as it was for those who come next.
 */
function packet_rcv(skb: sk_buff, dev: net_device, pt: packet_type): number {
  const sk = pt.af_packet_priv as packet_sock;
  const outgoing = skb.pkt_type === PACKET_OUTGOING;
  if (outgoing && sk.ignore_outgoing) {
    consume_skb(skb);
    return 0;
  }
  const tp = sk.kernel.trace.packet_rcv;
  if (tp !== null) tp(skb, sk);
  const { data, len } = skb;
  if (dev.header_ops !== null) {
    // SOCK_RAW shows the link-layer header, SOCK_DGRAM does not.
    if (sk.sk_type !== SOCK_DGRAM) skb_push(skb, skb.data - skb.mac_header);
    else if (outgoing) skb_pull(skb, skb.network_header - skb.data);
  }
  let snaplen = skb.len;
  const filter = sk.sk_filter;
  if (filter !== null) {
    const keep = bpf_prog_run(filter, skb);
    if (keep === 0) return packet_drop(skb, data, len, SKB_DROP_REASON.CONSUMED);
    if (keep < snaplen) snaplen = keep;
  }
  if (sk.sk_rmem_alloc >= sk.sk_rcvbuf) {
    sk.tp_drops++;
    sk.sk_drops++;
    return packet_drop(skb, data, len, SKB_DROP_REASON.PACKET_SOCK_ERROR);
  }
  let mine = skb;
  if (skb_shared(skb)) {
    const clone = skb_clone(skb);
    if (clone === null) {
      sk.tp_drops++;
      sk.sk_drops++;
      return packet_drop(skb, data, len, SKB_DROP_REASON.PACKET_SOCK_ERROR);
    }
    skb.data = data;
    skb.len = len;
    consume_skb(skb);
    mine = clone;
  }
  const length = mine.len;
  if (length > snaplen && !skb_trim(mine, snaplen)) {
    sk.tp_drops++;
    sk.sk_drops++;
    kfree_skb_reason(mine, SKB_DROP_REASON.PACKET_SOCK_ERROR);
    return 0;
  }
  // The control block: what recvfrom tells of the frame beside its bytes.
  mine.cb0 = dev.ifindex;
  mine.cb1 = dev.type;
  mine.cb2 = length;
  skb_set_owner_r(mine, sk);
  mine.dev = null;
  mine.dst = null;
  sk.tp_packets++;
  sk.sk_receive_queue.push(mine);
  sk.sk_data_ready(sk);
  return 0;
}

function packet_drop(skb: sk_buff, data: number, len: number, reason: number): number {
  if (skb_shared(skb)) {
    skb.data = data;
    skb.len = len;
  }
  kfree_skb_reason(skb, reason);
  return 0;
}

/** packet_recvmsg: one frame. Bytes copied, with MSG_TRUNC the frame's length as captured. */
function packet_recvmsg(sk: sock, msg: msghdr, length: number): number {
  // sock_recv_errqueue: nothing of a packet socket's ends up there.
  if ((msg.flags & MSG_ERRQUEUE) !== 0) return -EAGAIN;
  const skb = skb_recv_datagram(sk, msg);
  if (typeof skb === 'number') return skb;
  const copied = skb_copy_or_truncate(skb, msg, length);
  if (copied < 0) return copied;
  const result = (msg.flags & MSG_TRUNC) !== 0 ? skb.len : copied;
  if ((sk as packet_sock).auxdata && msg.msg_control !== null) packet_cmsg(skb, msg.msg_control);
  const name = msg.msg_name;
  if (name !== null) {
    name.sa_family = AF_PACKET;
    if (name.sa_layout === AF_PACKET) fill_sockaddr_ll(name as sockaddr_ll, skb);
  }
  consume_skb(skb);
  return result;
}

/** struct tpacket_auxdata: the frame as it was captured, and the tag that was taken out of it. */
function packet_cmsg(skb: sk_buff, control: cmsg): void {
  let status = TP_STATUS_USER;
  if (skb.ip_summed === CHECKSUM_PARTIAL) status |= TP_STATUS_CSUMNOTREADY;
  else if (skb.pkt_type !== PACKET_OUTGOING && skb_csum_unnecessary(skb)) status |= TP_STATUS_CSUM_VALID;
  if (skb.gso_size !== 0 && (skb.gso_type & SKB_GSO_TCPV4) !== 0) status |= TP_STATUS_GSO_TCP;
  if (skb.vlan_present !== 0) status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
  control.present |= CMSG_PACKET_AUXDATA;
  control.tp_status = status;
  control.tp_len = skb.cb2;
  control.tp_snaplen = skb.len;
  control.tp_net = skb.network_header - skb.data;
  control.tp_vlan_tci = skb.vlan_tci;
  control.tp_vlan_tpid = skb.vlan_proto;
}

function fill_sockaddr_ll(sll: sockaddr_ll, skb: sk_buff): void {
  sll.sll_protocol = skb.protocol;
  sll.sll_ifindex = skb.cb0;
  sll.sll_hatype = skb.cb1;
  sll.sll_pkttype = skb.pkt_type;
  sll.sll_halen = ETH_ALEN;
  // eth_header_parse: the sender's address.
  const { u8 } = skb.ram;
  for (let i = 0; i < ETH_ALEN; i++) sll.sll_addr[i] = u8[skb.mac_header + ETH_ALEN + i] as number;
}

// ---- transmit -------------------------------------------------------------------------------------------------------

/** packet_snd: one frame, past the network layers, to the device's queue. */
function packet_sendmsg(sk_: sock, msg: msghdr, length: number): number {
  const sk = sk_ as packet_sock;
  const { kernel } = sk;
  const name = msg.msg_name;
  let { ifindex, num: proto } = sk;
  let daddr: Uint8Array | null = null;
  if (name !== null) {
    if (name.sa_layout !== AF_PACKET || name.sa_family !== AF_PACKET) return -EINVAL;
    const sll = name as sockaddr_ll;
    ifindex = sll.sll_ifindex;
    proto = sll.sll_protocol;
    if (sk.sk_type === SOCK_DGRAM) {
      if (sll.sll_halen < ETH_ALEN) return -EINVAL;
      daddr = sll.sll_addr;
    }
  }
  const dev = ifindex > 0 ? sk.sk_net.dev_get_by_index(ifindex) : null;
  if (dev === null) return -ENXIO;
  if ((dev.flags & IFF_UP) === 0) return -ENETDOWN;
  const raw = sk.sk_type === SOCK_RAW;
  const header = raw ? dev.hard_header_len : 0;
  if (!msg_access_ok(msg, length)) return -EFAULT;
  if (length > dev.mtu + header) {
    // A VLAN tag may make it four bytes longer.
    const { u8 } = kernel.ram;
    const vlan = raw && (((u8[msg.msg_base + 12] as number) << 8) | (u8[msg.msg_base + 13] as number)) === ETH_P_8021Q;
    if (!vlan || length > dev.mtu + header + VLAN_HLEN) return -EMSGSIZE;
  }
  // dev_validate_header, for a program without CAP_SYS_RAWIO.
  if (raw && dev.header_ops !== null && length < ETH_HLEN) return -EINVAL;
  const ready = sock_wait_for_wmem(sk, msg, (msg.flags & MSG_DONTWAIT) !== 0);
  if (ready !== 0) return ready;
  const skb = sock_wmalloc(sk, length, MAX_HEADER);
  if (skb === null) return -ENOBUFS;
  if (raw) {
    skb_put_msg(skb, msg, length);
    if (dev.header_ops !== null) {
      // packet_parse_headers: the type is in the frame when nobody gave it.
      const { u8 } = skb.ram;
      if (proto === 0 || proto === ETH_P_ALL)
        proto = ((u8[skb.data + 12] as number) << 8) | (u8[skb.data + 13] as number);
      skb.network_header = skb.data + ETH_HLEN;
    } else {
      skb_reset_network_header(skb);
    }
  } else {
    skb_reset_network_header(skb);
    skb_put_msg(skb, msg, length);
    if (dev.header_ops !== null && dev.header_ops.create(skb, dev, proto, daddr, null) < 0) {
      kfree_skb_reason(skb, SKB_DROP_REASON.DEV_HDR);
      return -EINVAL;
    }
  }
  skb.protocol = proto;
  skb.dev = dev;
  const err = sk.qdisc_bypass ? dev_direct_xmit(skb, kernel.cpu.id % dev.real_num_tx_queues) : dev_queue_xmit(skb);
  // net_xmit_errno
  if (err > 0) return err === NET_XMIT_CN ? length : -ENOBUFS;
  return err < 0 ? err : length;
}

// ---- hooks ----------------------------------------------------------------------------------------------------------

/** register_prot_hook */
function register_prot_hook(sk: packet_sock, dev: net_device | null): void {
  if (sk.prot_hook !== null) return;
  sk.prot_hook = { type: sk.num, dev, func: packet_rcv, af_packet_priv: sk };
  if (sk.fanout !== null) __fanout_link(sk);
  else sk.sk_net.dev_add_pack(sk.prot_hook);
}

/** unregister_prot_hook */
function unregister_prot_hook(sk: packet_sock): void {
  if (sk.prot_hook === null) return;
  if (sk.fanout !== null) __fanout_unlink(sk);
  else sk.sk_net.dev_remove_pack(sk.prot_hook);
  sk.prot_hook = null;
}

/** packet_do_bind: another type or device. 0 or -ENODEV. */
function packet_do_bind(sk: packet_sock, ifindex: number, proto: number): number {
  const dev = ifindex === 0 ? null : sk.sk_net.dev_get_by_index(ifindex);
  // A member of a group stays where the group is.
  if (sk.fanout !== null) return -EINVAL;
  if (ifindex !== 0 && dev === null) return -ENODEV;
  unregister_prot_hook(sk);
  sk.num = proto;
  sk.ifindex = ifindex;
  if (proto === 0) return 0;
  if (dev === null || (dev.flags & IFF_UP) !== 0) {
    register_prot_hook(sk, dev);
  } else {
    sk.sk_err = ENETDOWN;
    sk_error_report(sk);
  }
  return 0;
}

/** packet_notifier: a device comes, goes, or is no more. */
function packet_notifier(event: number, dev: net_device): void {
  for (const sk of sklist(dev.nd_net)) {
    if (event === NETDEV_UNREGISTER) {
      for (let i = sk.mclist.length - 1; i >= 0; i--) {
        const entry = sk.mclist[i] as { ifindex: number; type: number };
        if (entry.ifindex === dev.ifindex) packet_dev_mc(dev, sk.mclist.splice(i, 1)[0]?.type ?? 0, -1);
      }
    }
    if (sk.ifindex !== dev.ifindex) continue;
    if (event === NETDEV_DOWN || event === NETDEV_UNREGISTER) {
      if (sk.prot_hook !== null) {
        unregister_prot_hook(sk);
        sk.sk_err = ENETDOWN;
        sk_error_report(sk);
      }
      if (event === NETDEV_UNREGISTER) sk.ifindex = -1;
    } else if (event === NETDEV_UP && sk.num !== 0) {
      register_prot_hook(sk, dev);
    }
  }
}

function packet_dev_mc(dev: net_device, type: number, what: number): void {
  if (type === PACKET_MR_PROMISC) dev_set_promiscuity(dev, what);
  else if (type === PACKET_MR_ALLMULTI) dev_set_allmulti(dev, what);
}

/** packet_mc_add and packet_mc_drop */
function packet_membership(sk: packet_sock, add: boolean, ifindex: number, type: number): number {
  const dev = sk.sk_net.dev_get_by_index(ifindex);
  if (dev === null) return -ENODEV;
  if (type !== PACKET_MR_PROMISC && type !== PACKET_MR_ALLMULTI) return -EINVAL;
  if (add) {
    sk.mclist.push({ ifindex, type });
    packet_dev_mc(dev, type, 1);
    return 0;
  }
  const index = sk.mclist.findIndex(entry => entry.ifindex === ifindex && entry.type === type);
  if (index >= 0) {
    sk.mclist.splice(index, 1);
    packet_dev_mc(dev, type, -1);
  }
  return 0;
}

// ---- the family -----------------------------------------------------------------------------------------------------

const packet_proto: proto = make_proto('PACKET', { sendmsg: packet_sendmsg, recvmsg: packet_recvmsg });

const packet_ops: proto_ops = {
  family: AF_PACKET,
  /** packet_release */
  release(sock_) {
    const sk = sock_.sk as packet_sock;
    unregister_prot_hook(sk);
    fanout_release(sk);
    for (const { ifindex, type } of sk.mclist) {
      const dev = sk.sk_net.dev_get_by_index(ifindex);
      if (dev !== null) packet_dev_mc(dev, type, -1);
    }
    sk.mclist.length = 0;
    const list = sklist(sk.sk_net);
    list.splice(list.indexOf(sk), 1);
    sk_common_release(sk);
    return 0;
  },
  bind(sock_, addr) {
    const sk = sock_.sk as packet_sock;
    if (addr.sa_layout !== AF_PACKET || addr.sa_family !== AF_PACKET) return -EINVAL;
    const sll = addr as sockaddr_ll;
    return packet_do_bind(sk, sll.sll_ifindex, sll.sll_protocol !== 0 ? sll.sll_protocol : sk.num);
  },
  connect: () => -EOPNOTSUPP,
  getname(sock_, addr: sockaddr, peer) {
    if (peer !== 0) return -EOPNOTSUPP;
    const sk = sock_.sk as packet_sock;
    addr.sa_family = AF_PACKET;
    if (addr.sa_layout !== AF_PACKET) return 0;
    const sll = addr as sockaddr_ll;
    const dev = sk.ifindex > 0 ? sk.sk_net.dev_get_by_index(sk.ifindex) : null;
    sll.sll_ifindex = sk.ifindex;
    sll.sll_protocol = sk.num;
    sll.sll_pkttype = 0;
    sll.sll_hatype = dev === null ? 0 : dev.type;
    sll.sll_halen = dev === null ? 0 : ETH_ALEN;
    sll.sll_addr.fill(0);
    if (dev !== null) sll.sll_addr.set(dev.dev_addr);
    return 0;
  },
  poll: sock_ => datagram_poll(sock_.sk as sock),
  shutdown: () => -EOPNOTSUPP,
  setsockopt(sock_, level, name, opt: sockopt) {
    const sk = sock_.sk as packet_sock;
    if (level !== SOL_PACKET) return -ENOPROTOOPT;
    switch (name) {
      case PACKET_ADD_MEMBERSHIP:
      case PACKET_DROP_MEMBERSHIP:
        return packet_membership(sk, name === PACKET_ADD_MEMBERSHIP, opt.sec, opt.usec);
      case PACKET_QDISC_BYPASS:
        sk.qdisc_bypass = opt.value !== 0;
        return 0;
      case PACKET_IGNORE_OUTGOING:
        if (opt.value < 0 || opt.value > 1) return -EINVAL;
        sk.ignore_outgoing = opt.value !== 0;
        return 0;
      case PACKET_AUXDATA:
        sk.auxdata = opt.value !== 0;
        return 0;
      case PACKET_FANOUT:
        return fanout_add(sk, opt.value & 0xffff, opt.value >>> 16);
      default:
        return -ENOPROTOOPT;
    }
  },
  getsockopt(sock_, level, name, opt: sockopt) {
    const sk = sock_.sk as packet_sock;
    if (level !== SOL_PACKET) return -ENOPROTOOPT;
    switch (name) {
      case PACKET_STATISTICS:
        // struct tpacket_stats: tp_packets (drops included) and tp_drops since they were last asked for.
        opt.value = sk.tp_packets + sk.tp_drops;
        opt.sec = opt.value;
        opt.usec = sk.tp_drops;
        sk.tp_packets = 0;
        sk.tp_drops = 0;
        return 0;
      case PACKET_QDISC_BYPASS:
        opt.value = Number(sk.qdisc_bypass);
        return 0;
      case PACKET_IGNORE_OUTGOING:
        opt.value = Number(sk.ignore_outgoing);
        return 0;
      case PACKET_AUXDATA:
        opt.value = Number(sk.auxdata);
        return 0;
      case PACKET_FANOUT:
        opt.value = fanout_value(sk);
        return 0;
      case PACKET_ROLLOVER_STATS:
        // struct tpacket_rollover_stats: tp_all, tp_huge, tp_failed.
        if (sk.rollover === null) return -EINVAL;
        opt.value = sk.rollover.num;
        opt.sec = sk.rollover.num_huge;
        opt.usec = sk.rollover.num_failed;
        return 0;
      default:
        return -ENOPROTOOPT;
    }
  },
  sendmsg: (sock_, msg, length) => packet_sendmsg(sock_.sk as sock, msg, length),
  recvmsg: (sock_, msg, length) => packet_recvmsg(sock_.sk as sock, msg, length),
};

/** packet_create: `protocol` is an EtherType in host order; 0 waits for bind. */
function packet_create(net: net, sock_: socket, protocol: number): number {
  if (sock_.type !== SOCK_DGRAM && sock_.type !== SOCK_RAW) return -ESOCKTNOSUPPORT;
  const sk = new packet_sock(net, AF_PACKET, sock_.type, protocol, packet_proto);
  sk.num = protocol & 0xffff;
  sock_.ops = packet_ops;
  sock_graft(sk, sock_);
  sklist(net).push(sk);
  if (sk.num !== 0) register_prot_hook(sk, null);
  return 0;
}

/** /proc/net/packet (packet_seq_show). Programs are root's; there are no inodes. A running tap holds its socket, too. */
function packet_seq_show(net: net): string {
  const lines = sklist(net).map(sk => {
    const runs = sk.prot_hook === null ? 0 : 1;
    const what = `${String(sk.sk_type).padEnd(4)} ${sk.num.toString(16).padStart(4, '0')}`;
    const columns = `${String(2 + runs).padEnd(6)} ${what}   ${String(sk.ifindex).padEnd(5)} ${runs}`;
    return `${'0'.repeat(16)} ${columns} ${String(sk.sk_rmem_alloc).padEnd(6)} ${'0'.padEnd(6)} ${'0'.padEnd(6)}\n`;
  });
  return `sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n${lines.join('')}`;
}

/** packet_init */
export function packet_init(net: net): void {
  proc_create_net(net, 'packet', packet_seq_show);
  sock_register(net, { family: AF_PACKET, create: packet_create });
  net.register_netdevice_notifier(packet_notifier);
}
