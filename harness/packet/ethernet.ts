/** Ethernet II and 802.3 frames, with 802.1Q and 802.1ad tags; no preamble, no FCS. */

import { formatMac, PacketError, parseMac } from './address.ts';
import { needHeader, withPayload } from './bytes.ts';

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_VLAN = 0x8100;
export const ETHERTYPE_IPV6 = 0x86dd;
export const ETHERTYPE_SERVICE_VLAN = 0x88a8;

/** The least length of a frame on the wire, without FCS. */
export const FRAME_LENGTH_MIN = 60;

export interface VlanTag {
  /** 0x8100 (802.1Q) or 0x88a8 (802.1ad). */
  readonly tpid: number;
  /** 0 to 7. */
  readonly priority: number;
  readonly dropEligible: boolean;
  /** 0 to 4095. */
  readonly id: number;
}

export interface EthernetFrame {
  readonly destination: string;
  readonly source: string;
  /** Outermost first. */
  readonly vlans: readonly VlanTag[];
  /** Below 0x600 it is an 802.3 length. */
  readonly etherType: number;
  /** To the end of the frame: padding included, but for 802.3, whose length tells. */
  readonly payload: Uint8Array;
}

/** @throws PacketError */
export function parseEthernet(bytes: Uint8Array): EthernetFrame {
  let view = needHeader(bytes, 14, 'Ethernet header');
  const vlans: VlanTag[] = [];
  let offset = 12;
  let etherType = view.getUint16(offset);
  while (etherType === ETHERTYPE_VLAN || etherType === ETHERTYPE_SERVICE_VLAN) {
    view = needHeader(bytes, offset + 6, 'VLAN tag');
    const control = view.getUint16(offset + 2);
    vlans.push({
      tpid: etherType,
      priority: control >>> 13,
      dropEligible: (control & 0x1000) !== 0,
      id: control & 0xfff,
    });
    offset += 4;
    etherType = view.getUint16(offset);
  }
  const start = offset + 2;
  const end = etherType < 0x600 ? start + etherType : bytes.length;
  if (end > bytes.length) {
    throw new PacketError(`truncated 802.3 frame: ${bytes.length - start} of ${etherType} bytes`);
  }
  return {
    destination: formatMac(bytes, 0),
    source: formatMac(bytes, 6),
    vlans,
    etherType,
    payload: bytes.subarray(start, end),
  };
}

/**
 * @param options.pad - fill with zeros to the 60 bytes that a wire asks for
 */
export function buildEthernet(
  frame: Omit<EthernetFrame, 'vlans'> & { readonly vlans?: readonly VlanTag[] },
  options: { readonly pad?: boolean } = {},
): Uint8Array {
  const { vlans = [] } = frame;
  const headerLength = 14 + 4 * vlans.length;
  const { bytes, view } = withPayload(headerLength, frame.payload);
  bytes.set(parseMac(frame.destination), 0);
  bytes.set(parseMac(frame.source), 6);
  vlans.forEach((tag, index) => {
    view.setUint16(12 + 4 * index, tag.tpid);
    view.setUint16(14 + 4 * index, (tag.priority << 13) | (tag.dropEligible ? 0x1000 : 0) | tag.id);
  });
  view.setUint16(headerLength - 2, frame.etherType);
  if (options.pad !== true || bytes.length >= FRAME_LENGTH_MIN) return bytes;
  const padded = new Uint8Array(FRAME_LENGTH_MIN);
  padded.set(bytes);
  return padded;
}
