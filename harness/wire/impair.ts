/** Faults of a wire, by chance: each kind draws from a stream of its own, for every frame. */
import { fcsOf } from '../../device/fcs.ts';
import { FCS_GOOD, type Wire } from '../../device/ports.ts';
import type { Chance } from '../sim/random.ts';

/** Probabilities, 0 to 1, for each frame. */
export interface Impairments {
  /** The frame is lost. */
  readonly loss?: number;
  /** The frame arrives twice. */
  readonly duplicate?: number;
  /** One bit of the frame is flipped; the FCS stays as it was sent. */
  readonly corrupt?: number;
  /** The frame is held back, so that those behind it overtake it; default for how long: up to 2 ms. */
  readonly reorder?: number;
  readonly reorderNs?: number;
}

/** Calls `fn` after so many ns. */
export type Later = (ns: number, fn: () => void) => void;

const REORDER_NS = 2_000_000;

export interface ImpairmentCounts {
  lost: number;
  duplicated: number;
  corrupted: number;
  reordered: number;
}

/** `wire` with faults. `name` names the streams of chance; `later` is needed where frames are reordered. */
export function impair(
  wire: Wire,
  faults: Impairments,
  name: string,
  chance: Chance,
  later: Later | null = null,
): Wire & { readonly counts: ImpairmentCounts } {
  const loss = chance.stream(`${name}.loss`);
  const duplicate = chance.stream(`${name}.duplicate`);
  const corrupt = chance.stream(`${name}.corrupt`);
  const reorder = chance.stream(`${name}.reorder`);
  const counts: ImpairmentCounts = { lost: 0, duplicated: 0, corrupted: 0, reordered: 0 };
  if ((faults.reorder ?? 0) > 0 && later === null) throw new Error('reordering needs a clock');
  return {
    counts,
    transmit(bytes, at, length, fcs, id) {
      const lost = loss.chance(faults.loss ?? 0);
      const twice = duplicate.chance(faults.duplicate ?? 0);
      const flipped = corrupt.chance(faults.corrupt ?? 0);
      const bit = corrupt.below(length * 8);
      const late = reorder.chance(faults.reorder ?? 0);
      const delay = 1 + reorder.below(faults.reorderNs ?? REORDER_NS);
      if (lost) {
        counts.lost++;
        return;
      }
      let sent = fcs;
      if (flipped) {
        counts.corrupted++;
        // The bytes are the sender's: flipped for the moment of the call only.
        if (fcs === FCS_GOOD) sent = fcsOf(bytes, at, length);
        flip(bytes, at, bit);
      }
      if (late) {
        counts.reordered++;
        const held = bytes.slice(at, at + length);
        later?.(delay, () => wire.transmit(held, 0, length, sent, id));
      } else {
        wire.transmit(bytes, at, length, sent, id);
      }
      if (twice) {
        counts.duplicated++;
        wire.transmit(bytes, at, length, sent, id);
      }
      if (flipped) flip(bytes, at, bit);
    },
  };
}

function flip(bytes: Uint8Array, at: number, bit: number): void {
  const index = at + (bit >> 3);
  bytes[index] = (bytes[index] as number) ^ (1 << (bit & 7));
}
