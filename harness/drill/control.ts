/** Control messages as a C program has them behind struct cmsghdr, on 64-bit little-endian Linux: both ways. */
import { EINVAL } from '../../kernel/errno.ts';
import { SOF_TIMESTAMPING_TX_RECORD_MASK } from '../../kernel/net/core/skb_tstamp.ts';
import {
  SO_MARK,
  SO_PRIORITY,
  SO_RXQ_OVFL,
  SO_TIMESTAMP,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMPING,
  SO_TIMESTAMPING_NEW,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SOL_SOCKET,
} from '../../kernel/net/core/sock_options.ts';
import {
  IP_CHECKSUM,
  IP_PKTINFO,
  IP_RECVERR,
  IP_RECVFRAGSIZE,
  IP_RECVOPTS,
  IP_RECVORIGDSTADDR,
  IP_RETOPTS,
  IP_TOS,
  IP_TTL,
  SOL_IP,
} from '../../kernel/net/ipv4/ip_sockglue.ts';
import { SOL_TCP, TCP_INQ } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import {
  AF_INET,
  CMSG_CHECKSUM,
  CMSG_MARK,
  CMSG_ORIGDSTADDR,
  CMSG_PACKET_AUXDATA,
  CMSG_PKTINFO,
  CMSG_PRIORITY,
  CMSG_RECVERR,
  CMSG_RECVFRAGSIZE,
  CMSG_RECVOPTS,
  CMSG_RETOPTS,
  CMSG_RXQ_OVFL,
  CMSG_TCP_INQ,
  CMSG_TIMESTAMP,
  CMSG_TIMESTAMP_US,
  CMSG_TIMESTAMPING,
  CMSG_TOS,
  CMSG_TTL,
  CMSG_UDP_GRO,
  CMSG_UDP_SEGMENT,
  cmsg,
} from '../../kernel/net/msg.ts';

const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const SOL_PACKET = 263;
const PACKET_AUXDATA = 8;
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;

export interface ControlMessage {
  /** cmsg_level and cmsg_type */
  readonly level: number;
  readonly type: number;
  /** cmsg_data */
  readonly data: Uint8Array;
}

function int(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

/** struct in_pktinfo: the index in the machine's order, the addresses in the network's. */
function pktinfo(control: cmsg): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, control.ipi_ifindex, true);
  view.setInt32(4, control.ipi_spec_dst);
  view.setInt32(8, control.ipi_addr);
  return bytes;
}

/** struct timespec; with `unit` 1000 struct timeval. */
function timespec(ns: number, unit = 1): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(Math.floor(ns / 1e9)), true);
  view.setBigInt64(8, BigInt(Math.floor((ns % 1e9) / unit)), true);
  return bytes;
}

/** struct scm_timestamping: by software, unused, by hardware. */
function scmTimestamping(ns: number): Uint8Array {
  const bytes = new Uint8Array(48);
  bytes.set(timespec(ns));
  return bytes;
}

/** struct sockaddr_in */
function sockaddr(address: number, port: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  view.setInt32(4, address);
  return bytes;
}

/** struct sock_extended_err and SO_EE_OFFENDER, a struct sockaddr_in. */
function recverr(control: cmsg): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, control.ee_errno, true);
  bytes.set([control.ee_origin, control.ee_type, control.ee_code], 4);
  view.setInt32(8, control.ee_info, true);
  view.setInt32(12, control.ee_data, true);
  if (control.ee_offender !== 0) bytes.set(sockaddr(control.ee_offender, 0), 16);
  return bytes;
}

/** struct tpacket_auxdata */
function auxdata(control: cmsg): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, control.tp_status, true);
  view.setUint32(4, control.tp_len, true);
  view.setUint32(8, control.tp_snaplen, true);
  view.setUint16(14, control.tp_net, true);
  view.setUint16(16, control.tp_vlan_tci, true);
  view.setUint16(18, control.tp_vlan_tpid, true);
  return bytes;
}

/** What came with a message, in the order in which Linux puts it. */
export function encodeControl(control: cmsg): ControlMessage[] {
  const { present } = control;
  const messages: ControlMessage[] = [];
  const add = (bit: number, level: number, type: number, data: () => Uint8Array): void => {
    if ((present & bit) !== 0) messages.push({ level, type, data: data() });
  };
  const options = (): Uint8Array => control.opt.slice(0, control.opt_len);
  const stamp_ns = control.stamp_new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS;
  const stamp_us = control.stamp_new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP;
  const stamping = control.stamp_new ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING;
  add(CMSG_TIMESTAMP, SOL_SOCKET, stamp_ns, () => timespec(control.timestamp));
  add(CMSG_TIMESTAMP_US, SOL_SOCKET, stamp_us, () => timespec(control.timestamp, 1000));
  add(CMSG_TIMESTAMPING, SOL_SOCKET, stamping, () => scmTimestamping(control.timestamp));
  add(CMSG_RXQ_OVFL, SOL_SOCKET, SO_RXQ_OVFL, () => int(control.dropcount));
  add(CMSG_MARK, SOL_SOCKET, SO_MARK, () => int(control.mark));
  add(CMSG_PRIORITY, SOL_SOCKET, SO_PRIORITY, () => int(control.priority));
  add(CMSG_UDP_GRO, SOL_UDP, UDP_GRO, () => int(control.gso_size));
  add(CMSG_PKTINFO, SOL_IP, IP_PKTINFO, () => pktinfo(control));
  add(CMSG_TTL, SOL_IP, IP_TTL, () => int(control.ttl));
  add(CMSG_TOS, SOL_IP, IP_TOS, () => Uint8Array.of(control.tos));
  add(CMSG_RECVOPTS, SOL_IP, IP_RECVOPTS, options);
  add(CMSG_RETOPTS, SOL_IP, IP_RETOPTS, options);
  add(CMSG_ORIGDSTADDR, SOL_IP, IP_RECVORIGDSTADDR, () => sockaddr(control.orig_addr, control.orig_port));
  add(CMSG_RECVFRAGSIZE, SOL_IP, IP_RECVFRAGSIZE, () => int(control.frag_size));
  add(CMSG_CHECKSUM, SOL_IP, IP_CHECKSUM, () => int(control.csum));
  add(CMSG_RECVERR, SOL_IP, IP_RECVERR, () => recverr(control));
  add(CMSG_TCP_INQ, SOL_TCP, TCP_INQ, () => int(control.inq));
  add(CMSG_PACKET_AUXDATA, SOL_PACKET, PACKET_AUXDATA, () => auxdata(control));
  return messages;
}

/** __sock_cmsg_send */
function decodeSocket(control: cmsg, type: number, data: Uint8Array, view: DataView): number {
  switch (type) {
    case SO_MARK:
      if (data.length !== 4) return -EINVAL;
      control.mark = view.getInt32(0, true);
      control.present |= CMSG_MARK;
      return 0;
    case SO_PRIORITY:
      if (data.length !== 4) return -EINVAL;
      control.priority = view.getInt32(0, true);
      control.present |= CMSG_PRIORITY;
      return 0;
    case SO_TIMESTAMPING:
      if (data.length !== 4 || (view.getInt32(0, true) & ~SOF_TIMESTAMPING_TX_RECORD_MASK) !== 0) return -EINVAL;
      control.tsflags = view.getInt32(0, true);
      control.present |= CMSG_TIMESTAMPING;
      return 0;
    case SCM_RIGHTS:
    case SCM_CREDENTIALS:
      // These mean something to local sockets.
      return 0;
    default:
      return -EINVAL;
  }
}

/** ip_cmsg_send */
function decodeIp(control: cmsg, type: number, data: Uint8Array, view: DataView): number {
  switch (type) {
    case IP_RETOPTS:
      // What is longer than a header has room for is cut.
      control.opt_len = Math.min(data.length, control.opt.length);
      control.opt.set(data.subarray(0, control.opt_len));
      control.present |= CMSG_RETOPTS;
      return 0;
    case IP_PKTINFO:
      if (data.length !== 12) return -EINVAL;
      control.ipi_ifindex = view.getInt32(0, true);
      control.ipi_spec_dst = view.getInt32(4);
      control.ipi_addr = view.getInt32(8);
      control.present |= CMSG_PKTINFO;
      return 0;
    case IP_TTL:
      if (data.length !== 4) return -EINVAL;
      control.ttl = view.getInt32(0, true);
      control.present |= CMSG_TTL;
      return 0;
    case IP_TOS:
      if (data.length !== 4 && data.length !== 1) return -EINVAL;
      control.tos = data.length === 4 ? view.getInt32(0, true) : view.getUint8(0);
      control.present |= CMSG_TOS;
      return 0;
    default:
      return -EINVAL;
  }
}

/**
 * What a program sends with a message: SO_MARK, SO_PRIORITY, SO_TIMESTAMPING; for sockets other than streams IP_TTL, IP_TOS, IP_PKTINFO,
 * IP_RETOPTS and UDP_SEGMENT, too. A level that the protocol does not look at is passed over, as by Linux.
 * @returns -EINVAL for a type that there is not, or the wrong length
 */
export function decodeControl(messages: readonly ControlMessage[], stream: boolean, udp: boolean): cmsg | number {
  const control = new cmsg();
  for (const { level, type, data } of messages) {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    let error = 0;
    if (level === SOL_SOCKET) error = decodeSocket(control, type, data, view);
    else if (level === SOL_IP && !stream) error = decodeIp(control, type, data, view);
    else if (level === SOL_UDP && udp) {
      if (type !== UDP_SEGMENT || data.length !== 2) return -EINVAL;
      control.gso_size = view.getUint16(0, true);
      control.present |= CMSG_UDP_SEGMENT;
    }
    if (error !== 0) return error;
  }
  return control;
}
