/** Is a frame right? Lengths and every checksum that it carries. */

import { PacketError } from './address.ts';
import { parseArp } from './arp.ts';
import { internetChecksum } from './checksum.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, parseEthernet } from './ethernet.ts';
import { parseIcmp } from './icmp.ts';
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP, parseIpv4Packet } from './ipv4.ts';
import { parseIpv6 } from './ipv6.ts';
import { parseTcp, tcpChecksumOk } from './tcp.ts';
import { parseUdp, udpChecksumOk } from './udp.ts';

function checkIpv4(bytes: Uint8Array): string[] {
  const packet = parseIpv4Packet(bytes);
  const problems = packet.checksumOk ? [] : ['wrong IPv4 header checksum'];
  // A fragment alone has no checksum above IP that could be verified.
  if (packet.moreFragments || packet.fragmentOffset > 0) return problems;
  const { payload, protocol } = packet;
  if (protocol === PROTOCOL_ICMP && !parseIcmp(payload).checksumOk) problems.push('wrong ICMP checksum');
  if (protocol === PROTOCOL_UDP && !udpChecksumOk(payload, packet)) problems.push('wrong UDP checksum');
  if (protocol === PROTOCOL_TCP) {
    parseTcp(payload);
    if (!tcpChecksumOk(payload, packet)) problems.push('wrong TCP checksum');
  }
  return problems;
}

function checkIpv6(bytes: Uint8Array): string[] {
  const { payload, protocol, fragment, pseudoHeader } = parseIpv6(bytes);
  const names: Record<number, string> = { [PROTOCOL_ICMPV6]: 'ICMPv6', [PROTOCOL_UDP]: 'UDP', [PROTOCOL_TCP]: 'TCP' };
  const name = names[protocol];
  if (fragment !== undefined || name === undefined) return [];
  if (protocol === PROTOCOL_UDP) parseUdp(payload);
  if (protocol === PROTOCOL_TCP) parseTcp(payload);
  return internetChecksum(pseudoHeader, payload) === 0 ? [] : [`wrong ${name} checksum`];
}

/** What is wrong with a frame, outermost first; empty when nothing is, as far as this knows the protocols. */
export function checkFrame(bytes: Uint8Array): string[] {
  try {
    const { etherType, payload } = parseEthernet(bytes);
    if (etherType === ETHERTYPE_ARP) parseArp(payload);
    if (etherType === ETHERTYPE_IPV4) return checkIpv4(payload);
    if (etherType === ETHERTYPE_IPV6) return checkIpv6(payload);
    return [];
  } catch (error) {
    if (error instanceof PacketError) return [error.message];
    throw error;
  }
}
