/** Control messages as a C program finds them behind struct cmsghdr, on 64-bit little-endian Linux. */
import { SO_TIMESTAMP, SO_TIMESTAMPING, SO_TIMESTAMPNS, SOL_SOCKET } from '../../kernel/net/core/sock_options.ts';
import { IP_CHECKSUM, IP_PKTINFO, IP_RECVERR, IP_TOS, IP_TTL, SOL_IP } from '../../kernel/net/ipv4/ip_sockglue.ts';
import { SOL_TCP, TCP_INQ } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import {
  AF_INET,
  CMSG_CHECKSUM,
  CMSG_PKTINFO,
  CMSG_RECVERR,
  CMSG_TCP_INQ,
  CMSG_TIMESTAMP,
  CMSG_TIMESTAMP_US,
  CMSG_TIMESTAMPING,
  CMSG_TOS,
  CMSG_TTL,
  CMSG_UDP_GRO,
  type cmsg,
} from '../../kernel/net/msg.ts';

const SOL_UDP = 17;
const UDP_GRO = 104;

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

/** struct sock_extended_err and SO_EE_OFFENDER, a struct sockaddr_in. */
function recverr(control: cmsg): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, control.ee_errno, true);
  bytes.set([control.ee_origin, control.ee_type, control.ee_code], 4);
  view.setInt32(8, control.ee_info, true);
  view.setInt32(12, control.ee_data, true);
  if (control.ee_offender !== 0) {
    view.setUint16(16, AF_INET, true);
    view.setInt32(20, control.ee_offender);
  }
  return bytes;
}

export function encodeControl(control: cmsg): ControlMessage[] {
  const { present } = control;
  const messages: ControlMessage[] = [];
  const add = (bit: number, level: number, type: number, data: () => Uint8Array): void => {
    if ((present & bit) !== 0) messages.push({ level, type, data: data() });
  };
  add(CMSG_TIMESTAMP, SOL_SOCKET, SO_TIMESTAMPNS, () => timespec(control.timestamp));
  add(CMSG_TIMESTAMP_US, SOL_SOCKET, SO_TIMESTAMP, () => timespec(control.timestamp, 1000));
  add(CMSG_TIMESTAMPING, SOL_SOCKET, SO_TIMESTAMPING, () => scmTimestamping(control.timestamp));
  add(CMSG_PKTINFO, SOL_IP, IP_PKTINFO, () => pktinfo(control));
  add(CMSG_TTL, SOL_IP, IP_TTL, () => int(control.ttl));
  add(CMSG_TOS, SOL_IP, IP_TOS, () => Uint8Array.of(control.tos));
  add(CMSG_CHECKSUM, SOL_IP, IP_CHECKSUM, () => int(control.csum));
  add(CMSG_UDP_GRO, SOL_UDP, UDP_GRO, () => int(control.gso_size));
  add(CMSG_RECVERR, SOL_IP, IP_RECVERR, () => recverr(control));
  add(CMSG_TCP_INQ, SOL_TCP, TCP_INQ, () => int(control.inq));
  return messages;
}
