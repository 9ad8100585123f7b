/**
 * What tracepoints cost: the UDP receive path as it is, with nobody listening, against the same sources with every
 * tracepoint cut out; and with a tracer that listens. All three are copies in a temporary directory, loaded side by
 * side and run in turn, so that they differ in nothing but that.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Result, seconds, summarize } from './runner.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ROOMS = ['device', 'driver', 'kernel', 'harness'];
const LENGTH = 64;
const FRAMES = 100_000;
/** Measured in slices, one and the other in turn. */
const SLICES = 24;
const SLICE = 5_000;
/** A tracer makes some twenty events of each frame. */
const TRACED_FRAMES = 5_000;

/** `const tp = kernel.trace.X; if (tp !== null) tp(…);` on two lines, or three. */
const SLOT = /^[ \t]*const (\w+) = [\w.() ]*\btrace\.\w+;\n[ \t]*if \(\1 !== null(?: && [^\n]*)?\)\s[^\n]*;\n/gm;
/** `if (this.trace.X !== null) this.trace.X(…);`, and `const trace = this.trace.X; if (trace !== null) …` is a SLOT. */
const FIELD = /^[ \t]*if \((?:[^()\n]*&& )?(?:this\.)?trace\.(\w+) !== null(?: && [^()\n]*)?\)\s[^\n]*;\n/gm;
const TEST = /\btrace\.\w+ [!=]== null|= [\w.() ]*\btrace\.\w+;$/gm;

export interface Cut {
  readonly text: string;
  /** Tracepoints taken out, and those that are written in another way and stay. */
  readonly cut: number;
  readonly left: number;
}

/** A source without its tracepoints. */
export function cutTracepoints(text: string): Cut {
  const before = text.match(TEST)?.length ?? 0;
  const without = text.replaceAll(SLOT, '').replaceAll(FIELD, '');
  const left = without.match(TEST)?.length ?? 0;
  return { text: without, cut: before - left, left };
}

/** Every TypeScript source of the rooms that packets pass. */
function sources(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap(entry => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

interface Copy {
  readonly feed: (frames: number) => void;
  readonly trace: () => void;
  readonly finish: () => void;
}

/** Copies the sources to `into`, without tracepoints when told, and builds the path of bench/udp.ts from them. */
async function build(into: string, cut: boolean): Promise<{ copy: Copy; cut: number; left: number }> {
  mkdirSync(into);
  writeFileSync(join(into, 'package.json'), '{"type":"module"}');
  let count = 0;
  let left = 0;
  for (const room of ROOMS) cpSync(join(ROOT, room), join(into, room), { recursive: true });
  for (const room of cut ? ['device', 'driver', 'kernel'] : []) {
    for (const path of sources(join(into, room))) {
      const changed = cutTracepoints(readFileSync(path, 'utf8'));
      count += changed.cut;
      left += changed.left;
      writeFileSync(path, changed.text);
    }
  }
  const load = (path: string): Promise<unknown> => import(pathToFileURL(join(into, path)).href);
  const { UdpPath, udpFrame } = (await load('harness/bench/udp.ts')) as typeof import('./udp.ts');
  const { Tracer } = (await load('harness/trace/tracer.ts')) as typeof import('../trace/tracer.ts');
  const path = new UdpPath(udpFrame(LENGTH), 4096);
  const copy: Copy = {
    feed: frames => path.feed(frames),
    trace: () => void new Tracer(path.world, () => {}),
    finish() {
      if (path.wrong !== 0 || path.received === 0) throw new Error('bench trace: frames were lost');
      path.world.finish();
    },
  };
  return { copy, cut: count, left };
}

/** Seconds a frame. */
const timed = (copy: Copy, frames: number): number => seconds(() => copy.feed(frames)) / frames;

/** Of many short measurements, the one at the lower quartile: other work of the machine only ever adds. */
function quick(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 2] as number;
}

/** Times over that of the sources without tracepoints: nobody listening, and a tracer that makes events of everything. */
export async function benchTrace(runs: number): Promise<Result[]> {
  const directory = mkdtempSync(join(tmpdir(), 'ringside-bench-'));
  try {
    const off = await build(join(directory, 'off'), false);
    const on = await build(join(directory, 'on'), false);
    const without = await build(join(directory, 'without'), true);
    on.copy.trace();
    // Twice: what is compiled late must not count for one of them.
    for (let i = 0; i < 2; i++) {
      off.copy.feed(FRAMES);
      without.copy.feed(FRAMES);
      on.copy.feed(TRACED_FRAMES);
    }
    const ratios: number[] = [];
    const traced: number[] = [];
    const plain: number[] = [];
    for (let run = 0; run < runs; run++) {
      const offs: number[] = [];
      const cuts: number[] = [];
      for (let slice = 0; slice < SLICES; slice++) {
        const first = slice % 2 === 0;
        if (first) offs.push(timed(off.copy, SLICE));
        cuts.push(timed(without.copy, SLICE));
        if (!first) offs.push(timed(off.copy, SLICE));
      }
      const b = quick(cuts);
      ratios.push(quick(offs) / b);
      plain.push(b * 1e9);
      traced.push(timed(on.copy, TRACED_FRAMES) / b);
    }
    for (const { copy } of [off, on, without]) copy.finish();
    return [
      summarize('trace.cut', 'ns/frame', plain),
      summarize('trace.off', 'x cut', ratios),
      summarize('trace.on', 'x cut', traced),
      summarize('trace.tracepoints', 'cut', [without.cut]),
      summarize('trace.tracepoints-left', 'not cut', [without.left]),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}
