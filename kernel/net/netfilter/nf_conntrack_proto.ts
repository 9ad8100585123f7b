/** The trackers of protocols with little to track (nf_conntrack_proto_udp.c, _icmp.c, _generic.c). */
import { HZ } from '../../time/timer.ts';
import { NF_ACCEPT } from './core.ts';
import {
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_SEEN_REPLY,
  type nf_conn,
  type nf_conntrack_l4proto,
  type packet_view,
  T_PORTS,
} from './nf_conntrack.ts';

export const nf_conntrack_l4proto_udp: nf_conntrack_l4proto = {
  name: 'udp',
  /** nf_conntrack_udp_packet: a flow with answers over more than two seconds is a stream. */
  packet(ct: nf_conn, p: packet_view): number {
    const { ct_net } = ct;
    const { u8 } = ct_net.net.kernel.ram;
    // udp_error
    const length = p.length < 8 ? 0 : ((u8[p.at + 4] as number) << 8) | (u8[p.at + 5] as number);
    if (length < 8 || length > p.total || !p.csum_ok) return -NF_ACCEPT;
    const { sysctl } = ct_net;
    const now = ct_net.jiffies();
    if ((ct.status & IPS_CONFIRMED) === 0) ct.stream_ts = now + 2 * HZ;
    let timeout = sysctl.nf_conntrack_udp_timeout;
    if ((ct.status & IPS_SEEN_REPLY) !== 0 && now > ct.stream_ts) {
      timeout = sysctl.nf_conntrack_udp_timeout_stream;
      ct.status |= IPS_ASSURED;
    }
    ct_net.refresh(ct, p, timeout * HZ);
    return NF_ACCEPT;
  },
};

/** Types that may begin a connection: echo, time stamp, information and address mask requests. */
const VALID_NEW = [8, 13, 15, 17];

export const nf_conntrack_l4proto_icmp: nf_conntrack_l4proto = {
  name: 'icmp',
  packet(ct: nf_conn, p: packet_view): number {
    const { ct_net } = ct;
    const type = (ct_net.word(ct, 0, T_PORTS) >>> 8) & 0xff;
    if ((ct.status & IPS_CONFIRMED) === 0 && VALID_NEW.indexOf(type) < 0) return -NF_ACCEPT;
    ct_net.refresh(ct, p, ct_net.sysctl.nf_conntrack_icmp_timeout * HZ);
    return NF_ACCEPT;
  },
};

export const nf_conntrack_l4proto_generic: nf_conntrack_l4proto = {
  name: 'unknown',
  packet(ct: nf_conn, p: packet_view): number {
    const { ct_net } = ct;
    ct_net.refresh(ct, p, ct_net.sysctl.nf_conntrack_generic_timeout * HZ);
    return NF_ACCEPT;
  },
};
