import { multicastIndex } from './fcs.ts';

/** What `match` gives: 0 for a rejected frame, else the kind of its destination address. */
export const REJECTED = 0;
export const TO_STATION = 1;
export const TO_MULTICAST = 2;
export const TO_BROADCAST = 3;

/** The address filter (datasheet §5.2). */
export class AddressFilter {
  /** Station address: bytes 0–3 and 4–5, first byte in the low bits, int32. */
  stationLow: number;
  stationHigh: number;
  /** Multicast hash table, bits 0–31 and 32–63, int32. */
  hashLow: number;
  hashHigh: number;
  broadcast: boolean;
  multicast: boolean;
  allMulticast: boolean;
  promiscuous: boolean;
  /** Every unicast, as the DP8390's PRO: group addresses are judged as ever. */
  allUnicast: boolean;

  constructor() {
    this.stationLow = 0;
    this.stationHigh = 0;
    this.hashLow = 0;
    this.hashHigh = 0;
    this.broadcast = false;
    this.multicast = false;
    this.allMulticast = false;
    this.promiscuous = false;
    this.allUnicast = false;
  }

  reset(): void {
    this.stationLow = 0;
    this.stationHigh = 0;
    this.hashLow = 0;
    this.hashHigh = 0;
    this.broadcast = false;
    this.multicast = false;
    this.allMulticast = false;
    this.promiscuous = false;
    this.allUnicast = false;
  }

  /** Judges the destination address at `bytes[at .. at+6)`. */
  match(bytes: Uint8Array, at: number): number {
    const first = bytes[at] as number;
    const low = first | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
    const word = low | ((bytes[at + 3] as number) << 24);
    const high = (bytes[at + 4] as number) | ((bytes[at + 5] as number) << 8);
    if ((first & 1) === 0) {
      const ours = word === this.stationLow && high === this.stationHigh;
      return ours || this.promiscuous || this.allUnicast ? TO_STATION : REJECTED;
    }
    if (word === -1 && high === 0xffff) {
      return this.broadcast || this.promiscuous ? TO_BROADCAST : REJECTED;
    }
    if (this.promiscuous || this.allMulticast) return TO_MULTICAST;
    if (!this.multicast) return REJECTED;
    const index = multicastIndex(bytes, at);
    const half = index < 32 ? this.hashLow : this.hashHigh;
    return ((half >>> (index & 31)) & 1) !== 0 ? TO_MULTICAST : REJECTED;
  }
}
