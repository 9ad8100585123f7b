/** Compares what we sent with what another host sent in the same place: frame by frame, in order, flow by flow. */
import { ETHERTYPE_ARP, ETHERTYPE_IPV4 } from '../packet/ethernet.ts';
import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from '../packet/ipv4.ts';

export interface Comparison {
  /** Frames that we sent, and that the other one sent. */
  readonly ours: number;
  readonly theirs: number;
  /** The greatest number of pairs of equal frames, one of each side, in the same order within each flow. */
  readonly equal: number;
  /** By index of our frames: the index of the equal frame of theirs, -1 for none. */
  readonly pairs: Int32Array;
}

const ETHERNET = 14;
const word = (bytes: Uint8Array, at: number): number => (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
const key = (bytes: Uint8Array, at: number, length: number): string => {
  const part = bytes.subarray(at, at + length);
  return Buffer.from(part.buffer, part.byteOffset, part.length).toString('latin1');
};

/** What is left to a host's choice goes: identification and header checksum; and the padding behind the packet. */
function comparable(frame: Uint8Array): Uint8Array {
  const type = word(frame, 12);
  if (type === ETHERTYPE_ARP) return frame.subarray(0, ETHERNET + 28);
  if (type !== ETHERTYPE_IPV4 || frame.length < ETHERNET + 20) return frame;
  // A total length of 0 is segmentation offload's: the capture has the packet before it was cut.
  const length = word(frame, ETHERNET + 2);
  // A copy in any case: the slice of a Buffer would be the capture itself.
  const bytes = new Uint8Array(frame.subarray(0, length < 20 ? frame.length : ETHERNET + length));
  bytes.fill(0, ETHERNET + 4, ETHERNET + 6);
  bytes.fill(0, ETHERNET + 10, ETHERNET + 12);
  return bytes;
}

/** What keeps its order on the way: addresses, protocol, ports (an ICMP message's type). */
function flowOf(frame: Uint8Array): string {
  const type = word(frame, 12);
  if (type !== ETHERTYPE_IPV4) return key(frame, 0, 14);
  const header = ((frame[ETHERNET] ?? 0) & 15) * 4;
  const protocol = frame[ETHERNET + 9] ?? 0;
  const between = `ip${key(frame, ETHERNET + 12, 8)}${protocol}`;
  if ((word(frame, ETHERNET + 6) & 0x1fff) !== 0) return `${between}fragment`;
  if (protocol === PROTOCOL_UDP || protocol === PROTOCOL_TCP) return between + key(frame, ETHERNET + header, 4);
  if (protocol === PROTOCOL_ICMP) return between + key(frame, ETHERNET + header, 1);
  return between;
}

interface Flow {
  readonly ours: number[];
  readonly theirs: number[];
}

/** Frames from destination address to payload, without FCS, in the order in which they were sent. */
export function compareAnswers(ours: readonly Uint8Array[], theirs: readonly Uint8Array[]): Comparison {
  const flows = new Map<string, Flow>();
  const flow = (frame: Uint8Array): Flow => {
    const name = flowOf(frame);
    let found = flows.get(name);
    if (found === undefined) {
      found = { ours: [], theirs: [] };
      flows.set(name, found);
    }
    return found;
  };
  ours.forEach((frame, index) => {
    flow(frame).ours.push(index);
  });
  theirs.forEach((frame, index) => {
    flow(frame).theirs.push(index);
  });
  const text = (frame: Uint8Array): string => {
    const bytes = comparable(frame);
    return key(bytes, 0, bytes.length);
  };
  const pairs = new Int32Array(ours.length).fill(-1);
  let equal = 0;
  for (const each of flows.values()) {
    const mine = each.ours.map(index => text(ours[index] as Uint8Array));
    const other = each.theirs.map(index => text(theirs[index] as Uint8Array));
    for (const [a, b] of longestCommon(mine, other)) {
      pairs[each.ours[a] as number] = each.theirs[b] as number;
      equal++;
    }
  }
  return { ours: ours.length, theirs: theirs.length, equal, pairs };
}

/** More pairs of equal elements than this are not looked at one by one. */
const MATCHES_MAX = 1_000_000;

/** Tells equal elements apart by how many came before: the nth goes with the nth. */
function numbered(elements: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return elements.map(element => {
    const n = seen.get(element) ?? 0;
    seen.set(element, n + 1);
    return `${n} ${element}`;
  });
}

function countMatches(a: readonly string[], b: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const element of b) counts.set(element, (counts.get(element) ?? 0) + 1);
  return a.reduce((sum, element) => sum + (counts.get(element) ?? 0), 0);
}

/** Hunt and Szymanski's longest common subsequence: pairs of indices. Quick where most elements occur once. */
function longestCommon(a: readonly string[], b: readonly string[]): [number, number][] {
  if (countMatches(a, b) > MATCHES_MAX) return longestCommon(numbered(a), numbered(b));
  const places = new Map<string, number[]>();
  b.forEach((element, index) => {
    const list = places.get(element);
    if (list === undefined) places.set(element, [index]);
    else list.push(index);
  });
  interface Link {
    readonly a: number;
    readonly b: number;
    readonly before: Link | undefined;
  }
  // By length of a common subsequence: the one whose last element comes first in b.
  const best: Link[] = [];
  a.forEach((element, i) => {
    const list = places.get(element) ?? [];
    for (let n = list.length - 1; n >= 0; n--) {
      const j = list[n] as number;
      let low = 0;
      let high = best.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((best[middle] as Link).b < j) low = middle + 1;
        else high = middle;
      }
      best[low] = { a: i, b: j, before: best[low - 1] };
    }
  });
  const pairs: [number, number][] = [];
  for (let link = best.at(-1); link !== undefined; link = link.before) pairs.push([link.a, link.b]);
  return pairs.reverse();
}
