/** One line about a frame, in the words of `tcpdump -t -nn -S`. */

import { PacketError } from './address.ts';
import { ARP_REPLY, ARP_REQUEST, parseArp } from './arp.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, type EthernetFrame, parseEthernet } from './ethernet.ts';
import {
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  parseIcmp,
} from './icmp.ts';
import { type Ipv4Read, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP, parseIpv4Packet } from './ipv4.ts';
import { parseIpv6 } from './ipv6.ts';
import { parseTcp } from './tcp.ts';
import { parseUdp } from './udp.ts';

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [PROTOCOL_ICMP]: 'icmp',
  [PROTOCOL_TCP]: 'tcp',
  [PROTOCOL_UDP]: 'udp',
  [PROTOCOL_ICMPV6]: 'icmp6',
};

const protocolName = (protocol: number): string => PROTOCOL_NAMES[protocol] ?? `ip-proto-${protocol}`;

const hex16 = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;

function describeArp(payload: Uint8Array): string {
  const { operation, senderMac, senderIp, targetMac, targetIp } = parseArp(payload);
  if (operation === ARP_REQUEST) {
    const known = targetMac === '00:00:00:00:00:00' || targetMac === 'ff:ff:ff:ff:ff:ff' ? '' : ` (${targetMac})`;
    return `ARP, Request who-has ${targetIp}${known} tell ${senderIp}, length ${payload.length}`;
  }
  if (operation === ARP_REPLY) return `ARP, Reply ${senderIp} is-at ${senderMac}, length ${payload.length}`;
  return `ARP, operation ${operation}, ${senderIp} to ${targetIp}, length ${payload.length}`;
}

function describeUnreachable(code: number, quoted: Uint8Array): string {
  const inner = parseIpv4Packet(quoted, { partial: true });
  switch (code) {
    case 0:
      return `net ${inner.destination} unreachable`;
    case 1:
      return `host ${inner.destination} unreachable`;
    case 2:
      return `${inner.destination} protocol ${inner.protocol} unreachable`;
    case 3: {
      if (inner.protocol !== PROTOCOL_UDP && inner.protocol !== PROTOCOL_TCP) break;
      if (inner.payload.length < 4)
        throw new PacketError(`truncated quoted header: ${inner.payload.length} of 4 bytes`);
      const port = (inner.payload[2] ?? 0) * 256 + (inner.payload[3] ?? 0);
      return `${inner.destination} ${protocolName(inner.protocol)} port ${port} unreachable`;
    }
    case 4:
      return `${inner.destination} unreachable - need to frag`;
    case 13:
      return `host ${inner.destination} unreachable - admin prohibited filter`;
  }
  return `${inner.destination} unreachable, code ${code}`;
}

function describeIcmp(packet: Ipv4Read): string {
  const { type, code, identifier, sequence, payload } = parseIcmp(packet.payload);
  const length = `length ${packet.payload.length}`;
  switch (type) {
    case ICMP_ECHO_REQUEST:
    case ICMP_ECHO_REPLY:
      return `ICMP echo ${type === ICMP_ECHO_REQUEST ? 'request' : 'reply'}, id ${identifier}, seq ${sequence}, ${length}`;
    case ICMP_UNREACHABLE:
      return `ICMP ${describeUnreachable(code, payload)}, ${length}`;
    case ICMP_TIME_EXCEEDED:
      return `ICMP ${code === 0 ? 'time exceeded in-transit' : 'ip reassembly time exceeded'}, ${length}`;
    case ICMP_REDIRECT:
      return `ICMP redirect, code ${code}, ${length}`;
    default:
      return `ICMP type ${type}, code ${code}, ${length}`;
  }
}

function describeFlags(flags: number): string {
  const text = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W'].filter((_, bit) => (flags & (1 << bit)) !== 0).join('');
  return text === '' ? 'none' : text;
}

/** Behind the ports: `Flags [S], seq 1, win 64240, length 0`. */
function describeTcp(bytes: Uint8Array): string {
  const { sequence, acknowledgment, flags, window, payload, options, urgentPointer } = parseTcp(bytes);
  const parts = [`Flags [${describeFlags(flags)}]`];
  if (payload.length > 0) parts.push(`seq ${sequence}:${(sequence + payload.length) >>> 0}`);
  else if ((flags & 0x07) !== 0) parts.push(`seq ${sequence}`);
  if ((flags & 0x10) !== 0) parts.push(`ack ${acknowledgment}`);
  parts.push(`win ${window}`);
  if ((flags & 0x20) !== 0) parts.push(`urg ${urgentPointer}`);
  if (options.length > 0) parts.push(`options [${describeTcpOptions(options)}]`);
  return `${parts.join(', ')}, length ${payload.length}`;
}

function describeTcpOptions(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at] ?? 0;
    if (kind <= 1) {
      parts.push(kind === 0 ? 'eol' : 'nop');
      if (kind === 0) break;
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (length < 2 || at + length > bytes.length) throw new PacketError(`TCP option ${kind} of length ${length}`);
    if (kind === 2 && length === 4) parts.push(`mss ${view.getUint16(at + 2)}`);
    else if (kind === 3 && length === 3) parts.push(`wscale ${bytes[at + 2]}`);
    else if (kind === 4 && length === 2) parts.push('sackOK');
    else if (kind === 5 && length % 8 === 2) {
      const blocks = Array.from({ length: (length - 2) / 8 }, (_, index) => at + 2 + index * 8);
      const edges = blocks.map(block => `{${view.getUint32(block)}:${view.getUint32(block + 4)}}`);
      parts.push(`sack ${blocks.length} ${edges.join('')}`);
    } else if (kind === 8 && length === 10)
      parts.push(`TS val ${view.getUint32(at + 2)} ecr ${view.getUint32(at + 6)}`);
    else parts.push(`option ${kind} of ${length} bytes`);
    at += length;
  }
  return parts.join(',');
}

const ports = (payload: Uint8Array): [number, number] => [
  (payload[0] ?? 0) * 256 + (payload[1] ?? 0),
  (payload[2] ?? 0) * 256 + (payload[3] ?? 0),
];

/** UDP and TCP put their ports behind the addresses; everything else comes after them. */
function describeTransport(
  family: 'IP' | 'IP6',
  { source, destination, protocol, payload }: Pick<Ipv4Read, 'source' | 'destination' | 'protocol' | 'payload'>,
  isFirstFragment: boolean,
): string | undefined {
  if (protocol !== PROTOCOL_UDP && protocol !== PROTOCOL_TCP) return undefined;
  const text =
    protocol === PROTOCOL_TCP
      ? describeTcp(payload)
      : `UDP, length ${parseUdp(payload, { partial: isFirstFragment }).length - 8}`;
  const [from, to] = ports(payload);
  return `${family} ${source}.${from} > ${destination}.${to}: ${text}`;
}

function describeIpv4(payload: Uint8Array): string {
  const packet = parseIpv4Packet(payload);
  const { source, destination, protocol, fragmentOffset, moreFragments, identification } = packet;
  const between = `IP ${source} > ${destination}:`;
  const isFragment = moreFragments || fragmentOffset > 0;
  const place = isFragment
    ? ` (fragment id ${identification}, offset ${fragmentOffset}, ${moreFragments ? 'more follow' : 'the last'})`
    : '';
  if (fragmentOffset > 0) return `${between} ${protocolName(protocol)}, length ${packet.payload.length}${place}`;
  const transport = describeTransport('IP', packet, isFragment);
  if (transport !== undefined) return transport + place;
  if (protocol === PROTOCOL_ICMP) return `${between} ${describeIcmp(packet)}${place}`;
  return `${between} ${protocolName(protocol)}, length ${packet.payload.length}${place}`;
}

function describeIpv6(payload: Uint8Array): string {
  const packet = parseIpv6(payload);
  const { source, destination, protocol, fragment } = packet;
  const place =
    fragment === undefined
      ? ''
      : ` (fragment id ${fragment.identification}, offset ${fragment.offset}, ${fragment.more ? 'more follow' : 'the last'})`;
  const isLater = fragment !== undefined && fragment.offset > 0;
  const transport = isLater ? undefined : describeTransport('IP6', packet, fragment !== undefined);
  if (transport !== undefined) return transport + place;
  const between = `IP6 ${source} > ${destination}:`;
  const name = isLater || protocol !== PROTOCOL_ICMPV6 ? protocolName(protocol) : `ICMP6, type ${packet.payload[0]}`;
  return `${between} ${name}, length ${packet.payload.length}${place}`;
}

function describePayload({ source, destination, etherType, payload }: EthernetFrame): string {
  switch (etherType) {
    case ETHERTYPE_ARP:
      return describeArp(payload);
    case ETHERTYPE_IPV4:
      return describeIpv4(payload);
    case ETHERTYPE_IPV6:
      return describeIpv6(payload);
  }
  const between = `${source} > ${destination}`;
  if (etherType < 0x600) return `${between}, 802.3, length ${payload.length}`;
  return `${between}, ethertype ${hex16(etherType)}, length ${payload.length}`;
}

/**
 * For example `IP 10.1.0.1 > 10.1.0.2: ICMP echo request, id 1, seq 1, length 64`. A frame that cannot be understood is
 * described as `truncated …` or `malformed …`; nothing is thrown, whatever the bytes are.
 */
export function describeFrame(bytes: Uint8Array): string {
  let vlans = '';
  try {
    const frame = parseEthernet(bytes);
    vlans = frame.vlans.map(({ id, priority }) => `vlan ${id}, p ${priority}, `).join('');
    return vlans + describePayload(frame);
  } catch (error) {
    if (!(error instanceof PacketError)) throw error;
    const { message } = error;
    const text = message.startsWith('truncated') ? message : `malformed ${message}`;
    return `${vlans}${text} (frame of ${bytes.length} bytes)`;
  }
}
