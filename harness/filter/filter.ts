/** A filter expression as a predicate over frames, as `tcpdump -r` would judge them. */
import { bpf_filter, bpf_prog_create } from '../../kernel/net/core/filter.ts';
import { compileFilter } from './compile.ts';

/** Does the frame match? `originalLength` is its length on the wire, when `frame` is cut short. */
export type FrameFilter = (frame: Uint8Array, originalLength?: number) => boolean;

/** @throws FilterError */
export function frameFilter(expression: string): FrameFilter {
  const prog = bpf_prog_create(compileFilter(expression));
  if (typeof prog === 'number') throw new Error(`no kernel takes the program of "${expression}"`);
  return (frame, originalLength = frame.length) => bpf_filter(prog, frame, 0, frame.length, originalLength) !== 0;
}
