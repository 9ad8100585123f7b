/**
 * The far end of a drill's wire: raw IP packets in and out, Ethernet and ARP hidden. Whoever drives the drill sees what
 * a TUN device would show.
 */
import { FCS_GOOD } from '../../device/ports.ts';
import type { FrameSource } from '../../device/wire/source.ts';
import type { Cable } from '../machine/cable.ts';
import type { Plugged } from '../machine/host.ts';
import type { World } from '../machine/world.ts';
import { formatMac } from '../packet/address.ts';
import { ARP_REPLY, ARP_REQUEST, buildArp, parseArp } from '../packet/arp.ts';
import { buildEthernet, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, parseEthernet } from '../packet/ethernet.ts';
import { splitPacket } from './split.ts';

/** A packet that the host sent. */
export interface SentPacket {
  /** When its last bit left the card, ns. */
  readonly time: number;
  /** From the IP header on, without padding. */
  readonly bytes: Uint8Array;
}

export const PEER_MAC = '02:00:00:00:00:fe';

export class DrillWire {
  private readonly world: World;
  private readonly source: FrameSource;
  private readonly cable: Cable;
  private readonly hostMac: string;
  private readonly mtu: number;
  private frames = 0;
  private sent: SentPacket[] = [];

  constructor(world: World, card: Plugged, mtu: number) {
    this.world = world;
    this.mtu = mtu;
    this.hostMac = formatMac(card.mac);
    const { source, cable } = world.connectSource(card, 'instant', { latencyNs: 0 });
    this.source = source;
    this.cable = cable;
    source.heard = (bytes, at, length, _fcs, _id, time) => this.heard(bytes.slice(at, at + length), time);
  }

  /** A packet arrives at the host at the present. @throws RangeError when it is neither IPv4 nor IPv6 */
  inject(packet: Uint8Array): void {
    const version = (packet[0] ?? 0) >> 4;
    if (version !== 4 && version !== 6) throw new RangeError(`IP version ${version}: 4 or 6 expected`);
    const etherType = version === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
    for (const payload of splitPacket(packet, this.mtu)) {
      this.send(buildEthernet({ destination: this.hostMac, source: PEER_MAC, etherType, payload }));
    }
  }

  /** What the host has sent since the last call. */
  take(): SentPacket[] {
    const { sent } = this;
    this.sent = [];
    return sent;
  }

  /** Packets that `take` would give. */
  get waiting(): number {
    return this.sent.length;
  }

  /** The oldest of them. */
  shift(): SentPacket | undefined {
    return this.sent.shift();
  }

  private send(frame: Uint8Array): void {
    this.source.send(frame, 0, frame.length, FCS_GOOD, ++this.frames, this.world.sim.time);
    this.cable.refresh();
  }

  private heard(bytes: Uint8Array, time: number): void {
    const { etherType, payload } = parseEthernet(bytes);
    if (etherType === ETHERTYPE_ARP) {
      this.answer(payload);
      return;
    }
    const length =
      etherType === ETHERTYPE_IPV4
        ? ((payload[2] as number) << 8) | (payload[3] as number)
        : etherType === ETHERTYPE_IPV6
          ? 40 + (((payload[4] as number) << 8) | (payload[5] as number))
          : 0;
    if (length === 0) return;
    this.sent.push({ time, bytes: payload.slice(0, length) });
  }

  /** Every address but the host's own is at this end; to a probe for one's own address (RFC 5227) nobody answers. */
  private answer(payload: Uint8Array): void {
    const arp = parseArp(payload);
    if (arp.operation !== ARP_REQUEST || arp.senderIp === arp.targetIp || arp.senderIp === '0.0.0.0') return;
    const reply = buildArp({
      operation: ARP_REPLY,
      senderMac: PEER_MAC,
      senderIp: arp.targetIp,
      targetMac: arp.senderMac,
      targetIp: arp.senderIp,
    });
    this.send(
      buildEthernet({ destination: arp.senderMac, source: PEER_MAC, etherType: ETHERTYPE_ARP, payload: reply }),
    );
  }
}
