/** How a benchmark is measured: warm-up, runs, median; and what it allocates. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** One measured quantity. */
export interface Result {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

export function summarize(name: string, unit: string, values: readonly number[]): Result {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (i: number): number => sorted[i] as number;
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { name, unit, median, min: at(0), max: at(sorted.length - 1), runs: sorted.length };
}

/** How many times the work of a floor is done where its subject's is done once: both shall take about as long. */
export const FLOOR_TIMES = 4;

/** Seconds that `work` takes. */
export function seconds(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const WARM_LEAST_S = 3;
const WARM_MOST_S = 12;
/** So many times in a row without a gain, and a gain is so much. */
const WARM_TURNS = 8;
const WARM_GAIN = 0.97;

/**
 * Repeats `work` until V8 has compiled what it ever will: its optimised code for a packet's whole way comes in over some
 * 100,000 packets, and each part of it takes tens of ms to make. `work` should take some 10 ms then. Where fewer than
 * three runs are asked for, no figure is wanted, and once is enough. Garbage is collected before, since that throws away
 * some of the code, too.
 */
export function warmUp(runs: number, work: () => void): void {
  work();
  gc();
  if (runs < 3) return;
  let best = Number.POSITIVE_INFINITY;
  for (let turns = 0, total = 0; total < WARM_LEAST_S || (turns < WARM_TURNS && total < WARM_MOST_S); turns++) {
    const time = seconds(work);
    total += time;
    if (time >= WARM_GAIN * best) continue;
    best = time;
    turns = 0;
  }
}

/**
 * Turns that each run is cut into: the best of them is what the code costs, the rest is what else the machine did. In turns
 * of 2 ms a subject would do little more than bring back what the others' turn has thrown out of the caches: a bulk transfer
 * read 3 % worse, 1,000 connections as if there were 100,000.
 */
const TURNS = 8;

/**
 * Costs of several subjects, in one run of `count` units of work each: in turns, one after the other, so that what
 * the machine does meanwhile hits all of them. Gives the least seconds a unit of each.
 */
export function alternately<T>(
  subjects: readonly T[],
  count: number,
  work: (subject: T, count: number) => void,
): number[] {
  const each = Math.max(1, Math.floor(count / TURNS));
  const least = subjects.map(() => Number.POSITIVE_INFINITY);
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [i, subject] of subjects.entries()) {
      least[i] = Math.min(least[i] as number, seconds(() => work(subject, each)) / each);
    }
  }
  return least;
}

/** A run is quiet when its floor takes at most so much of the least one; and so many times as often is tried. */
const QUIET = 1.1;
const MOST_TRIES = 3;

/**
 * Costs of a floor and of other subjects, measured `runs` times on a quiet machine: where the floor took longer than it
 * can, somebody else had the machine, and what else was measured meanwhile is as wrong. Such runs are repeated, up to a
 * limit; those with the least floor count.
 * @param floor where in a run's costs the floor's is
 */
export function quietRuns(runs: number, floor: number, measure: () => number[]): number[][] {
  const all: number[][] = [];
  const of = (costs: readonly number[]): number => costs.at(floor) as number;
  let quiet = 0;
  while (all.length < runs || (quiet < runs && all.length < MOST_TRIES * runs)) {
    all.push(measure());
    const least = Math.min(...all.map(of));
    quiet = all.filter(costs => of(costs) <= QUIET * least).length;
  }
  return all.sort((a, b) => of(a) - of(b)).slice(0, runs);
}

let collect: (() => void) | null = null;

/** Collects garbage: what lives on is then where it stays. */
export function gc(): void {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}

/**
 * Bytes of JavaScript heap that `work` allocates: the growth of the heap, from just after a collection. `work` must
 * allocate less than the young generation holds, or a collection in between falsifies the figure.
 */
export function allocated(work: () => void): number {
  gc();
  const before = process.memoryUsage().heapUsed;
  work();
  return process.memoryUsage().heapUsed - before;
}

/** Bytes of JavaScript heap and of array buffers in use, after a collection. */
export function heapUsed(): number {
  gc();
  const { heapUsed: heap, arrayBuffers } = process.memoryUsage();
  return heap + arrayBuffers;
}
