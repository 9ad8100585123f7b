import { tcp_mib } from './tcp_mib.ts';

/**
 * The counters of /proc/net/snmp and the IpExt line of /proc/net/netstat, each under the name that `nstat` prints
 * (net/ipv4/proc.c). Plain fields: counting is an increment.
 */
export class ipv4_mib extends tcp_mib {
  IpInReceives = 0;
  IpInHdrErrors = 0;
  IpInAddrErrors = 0;
  IpForwDatagrams = 0;
  IpInUnknownProtos = 0;
  IpInDiscards = 0;
  IpInDelivers = 0;
  IpOutRequests = 0;
  IpOutDiscards = 0;
  IpOutNoRoutes = 0;
  IpReasmTimeout = 0;
  IpReasmReqds = 0;
  IpReasmOKs = 0;
  IpReasmFails = 0;
  IpFragOKs = 0;
  IpFragFails = 0;
  IpFragCreates = 0;
  IpOutTransmits = 0;

  IcmpInMsgs = 0;
  IcmpInErrors = 0;
  IcmpInCsumErrors = 0;
  IcmpInDestUnreachs = 0;
  IcmpInTimeExcds = 0;
  IcmpInParmProbs = 0;
  IcmpInSrcQuenchs = 0;
  IcmpInRedirects = 0;
  IcmpInEchos = 0;
  IcmpInEchoReps = 0;
  IcmpInTimestamps = 0;
  IcmpInTimestampReps = 0;
  IcmpInAddrMasks = 0;
  IcmpInAddrMaskReps = 0;
  IcmpOutMsgs = 0;
  IcmpOutErrors = 0;
  IcmpOutRateLimitGlobal = 0;
  IcmpOutRateLimitHost = 0;
  IcmpOutDestUnreachs = 0;
  IcmpOutTimeExcds = 0;
  IcmpOutParmProbs = 0;
  IcmpOutSrcQuenchs = 0;
  IcmpOutRedirects = 0;
  IcmpOutEchos = 0;
  IcmpOutEchoReps = 0;
  IcmpOutTimestamps = 0;
  IcmpOutTimestampReps = 0;
  IcmpOutAddrMasks = 0;
  IcmpOutAddrMaskReps = 0;
  /** IcmpMsgInTypeN and IcmpMsgOutTypeN. */
  readonly IcmpMsgInType = new Float64Array(256);
  readonly IcmpMsgOutType = new Float64Array(256);

  UdpInDatagrams = 0;
  UdpNoPorts = 0;
  UdpInErrors = 0;
  UdpOutDatagrams = 0;
  UdpRcvbufErrors = 0;
  UdpSndbufErrors = 0;
  UdpInCsumErrors = 0;
  UdpIgnoredMulti = 0;
  UdpMemErrors = 0;

  IpExtInNoRoutes = 0;
  IpExtInTruncatedPkts = 0;
  IpExtInMcastPkts = 0;
  IpExtOutMcastPkts = 0;
  IpExtInBcastPkts = 0;
  IpExtOutBcastPkts = 0;
  IpExtInOctets = 0;
  IpExtOutOctets = 0;
  IpExtInMcastOctets = 0;
  IpExtOutMcastOctets = 0;
  IpExtInBcastOctets = 0;
  IpExtOutBcastOctets = 0;
  IpExtInCsumErrors = 0;
  IpExtInNoECTPkts = 0;
  IpExtInECT1Pkts = 0;
  IpExtInECT0Pkts = 0;
  IpExtInCEPkts = 0;
  IpExtReasmOverlaps = 0;
}

/** A table's line of /proc/net/snmp: the counters whose name starts with `prefix`, in Linux's order. */
export function snmp_counters(
  mib: ipv4_mib,
  prefix: 'Ip' | 'Icmp' | 'Tcp' | 'Udp' | 'IpExt' | 'TcpExt',
): [name: string, value: number][] {
  const list: [string, number][] = [];
  for (const [name, value] of Object.entries(mib)) {
    if (typeof value !== 'number' || !name.startsWith(prefix)) continue;
    if (name.startsWith(`${prefix}Ext`)) continue;
    list.push([name.slice(prefix.length), value]);
  }
  return list;
}
