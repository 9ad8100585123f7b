/** The real tcpdump as the judge of filter expressions: what it lets through of a file, and the programs it makes. */
import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import { compileFilter } from '../../../harness/filter/compile.ts';
import { parseDecimalProgram } from '../../../harness/filter/image.ts';
import { FilterError } from '../../../harness/filter/scanner.ts';
import {
  BPF_LD,
  bpf_check_classic,
  bpf_filter,
  bpf_prog_create,
  type sock_filter,
} from '../../../kernel/net/core/filter.ts';
import { reference } from '../../kernel/net/core/reference.ts';
import type { Expressions } from './expressions.ts';

const RECORD_HEADER = 16;
const FILE_HEADER = 24;
/** The frames' times say which they are: see `captureOf`. */
const MAX_OUTPUT = 64 * 1024 * 1024;

function run(args: readonly string[]): { stdout: Buffer; error: string } {
  const { stdout, stderr, status, error } = spawnSync('tcpdump', args, { maxBuffer: MAX_OUTPUT });
  if (error !== undefined) throw error;
  const message = status === 0 ? '' : (/tcpdump: (.*)/.exec(String(stderr))?.[1] ?? `status ${status}`);
  return { stdout, error: message };
}

/** One verdict per frame of the file, or why tcpdump refuses the expression. */
export function tcpdumpVerdicts(file: string, expression: string, frames: number): boolean[] | string {
  const { stdout, error } = run(['-r', file, '-w', '-', '--', expression]);
  if (error !== '') return error;
  const verdicts = new Array<boolean>(frames).fill(false);
  for (let at = FILE_HEADER; at < stdout.length; at += RECORD_HEADER + stdout.readUInt32LE(at + 8)) {
    verdicts[stdout.readUInt32LE(at) * 1e6 + stdout.readUInt32LE(at + 4)] = true;
  }
  return verdicts;
}

/** The program of `tcpdump -ddd`; `written`: as the expression is written, not optimised. */
export function tcpdumpProgram(file: string, expression: string, written = false): sock_filter[] {
  const { stdout, error } = run([...(written ? ['-O'] : []), '-ddd', '-r', file, '--', expression]);
  const program = error === '' ? parseDecimalProgram(String(stdout)) : undefined;
  if (program === undefined) throw new Error(`tcpdump -ddd '${expression}': ${error}`);
  return program;
}

export function verdictsOf(program: readonly sock_filter[], frames: readonly Uint8Array[]): boolean[] {
  const prog = bpf_prog_create(program);
  if (typeof prog === 'number') throw new Error(`refused: ${prog}`);
  return frames.map(frame => bpf_filter(prog, frame, 0, frame.length, frame.length) !== 0);
}

const REJECTS_ALL = 'expression rejects all packets';

export interface Comparison {
  expressions: number;
  /** Compiled by both, and the same verdict on every frame. */
  same: number;
  /** Of them: that let some frames through, and others not. */
  mixed: number;
  bothRefuse: number;
  /** One calls it what matches nothing, the other gives a program that matches nothing. */
  matchesNothing: number;
  /** Of all verdicts: those that differ where a program is stopped, and of how many expressions they are. */
  stopped: number;
  expressionsStopped: number;
  /** tcpdump's programs that no kernel takes. */
  refusedByKernels: number;
  verdicts: number;
}

/**
 * Draws expressions until `count` are compiled by both, and fails at the first that is judged in another way, save for
 * two known differences:
 *
 * - Whether an expression that matches no packet at all is refused as such depends on how far an optimiser sees.
 * - A load beyond the frame's end, or a division by 0, rejects the frame, whatever the rest says. Which of them are left
 *   out, because their value does not matter, and which come first, is a matter of the optimiser again. So a verdict
 *   may differ where tcpdump's own program, not optimised, is stopped so. It is counted.
 */
export function compareWithTcpdump(
  source: Expressions,
  file: string,
  frames: readonly Uint8Array[],
  count: number,
  programs: boolean,
): Comparison {
  const result: Comparison = {
    expressions: 0,
    same: 0,
    mixed: 0,
    bothRefuse: 0,
    matchesNothing: 0,
    stopped: 0,
    expressionsStopped: 0,
    refusedByKernels: 0,
    verdicts: 0,
  };
  for (let compiled = 0; compiled < count; ) {
    const expression = source.next();
    result.expressions++;
    const theirs = tcpdumpVerdicts(file, expression, frames.length);
    let ours: boolean[] | string;
    try {
      ours = verdictsOf(compileFilter(expression), frames);
    } catch (error) {
      if (!(error instanceof FilterError)) throw new Error(`'${expression}'`, { cause: error });
      ours = error.message;
    }
    if (typeof theirs === 'string' || typeof ours === 'string') {
      if (typeof theirs === 'string' && typeof ours === 'string') {
        result.bothRefuse++;
        continue;
      }
      const [message, verdicts] = typeof theirs === 'string' ? [theirs, ours] : [ours, theirs];
      const isNothing = message === REJECTS_ALL && !verdicts.includes(true as never);
      if (!isNothing) expect.fail(`'${expression}': tcpdump ${describe(theirs)}, we ${describe(ours)}`);
      result.matchesNothing++;
      continue;
    }
    compiled++;
    result.verdicts += frames.length;
    const differing = frames.flatMap((_, index) => (ours[index] === theirs[index] ? [] : [index]));
    if (differing.length === 0) {
      result.same++;
      if (theirs.includes(true) && theirs.includes(false)) result.mixed++;
    } else {
      const written = tcpdumpProgram(file, expression, true);
      for (const index of differing) {
        if (!reference(written, frames[index] as Uint8Array).stopped) {
          expect.fail(`'${expression}': frame ${index}: tcpdump says ${theirs[index]}, we ${ours[index]}`);
        }
      }
      result.expressionsStopped++;
      result.stopped += differing.length;
    }
    if (programs) {
      const program = tcpdumpProgram(file, expression);
      // An offset below 0 is one that a kernel takes for something else, and refuses.
      if (bpf_check_classic(program) !== 0) {
        expect(program.some(({ code, k }) => (code & 7) === BPF_LD && k > 0x7fffffff)).toBe(true);
        result.refusedByKernels++;
        continue;
      }
      const verdicts = verdictsOf(program, frames);
      expect(verdicts, `tcpdump's program of '${expression}' in our interpreter`).toEqual(theirs);
    }
  }
  return result;
}

const describe = (outcome: boolean[] | string): string =>
  typeof outcome === 'string' ? `refuses it (${outcome})` : `matches ${outcome.filter(each => each).length} frames`;
