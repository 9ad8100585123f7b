/** The real Linux sends UDP over a TAP to a program of ours in `recvfrom`: how much of it arrives, and how fast. */
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { tapProblem } from '../ci/tools.mjs';
import { UsageError } from '../cli/errors.ts';
import { loadLibc } from '../wire/tap/libc.ts';
import { LinuxSide } from '../wire/tap/linux.ts';
import { Live } from '../wire/tap/live.ts';
import { buildAttached, type LiveConfig, type LiveWire } from '../wire/tap/scenario.ts';
import { type Result, summarize } from './runner.ts';

const BLAST = fileURLToPath(new URL('udp-blast.mjs', import.meta.url));
const LINUX = '10.9.0.1';
const OURS = '10.9.0.2';
const PORT = 7000;
/** Ethernet, IPv4 and UDP headers. */
const HEADERS = 42;
const FRAMES = 100_000;
/** Without a frame for so long the blast is over, ms. */
const QUIET_MS = 200;

/** Why it cannot be measured here; undefined when it can. */
export function benchTapProblem(): string | undefined {
  try {
    createRequire(import.meta.url).resolve('koffi');
  } catch {
    return 'the package koffi is not installed';
  }
  return tapProblem();
}

/** Blasts before the first that counts: the code has to get hot. */
const WARM_UP = 3;

/** What the program in `recvfrom` has seen. */
class Sink {
  received = 0;
  wrong = 0;
  first = 0;
  last = 0;

  count(length: number, expected: number): void {
    if (length !== expected) this.wrong++;
    this.last = performance.now();
    if (this.received++ === 0) this.first = this.last;
  }
}

/**
 * Frames per second at `recvfrom` and the share of the 100 000 that arrived; Linux drops the others from the TAP's queue
 * of 1000, when we are slower than it sends. The sender is a process of its own, and needs a CPU of its own.
 *
 * @param length - of the frames, without FCS
 */
export async function benchTap(length: number, runs: number): Promise<Result[]> {
  const problem = benchTapProblem();
  if (problem !== undefined) throw new UsageError(`bench tap: ${problem}`);
  const side = LinuxSide.open(await loadLibc(), `ringside-bench-${process.pid}`);
  try {
    const tap = side.addTap('tap0', `${LINUX}/24`);
    const config: LiveConfig = { host: `02:00:00:00:00:02,${OURS}/24`, rate: 'instant', memory: 16384, costs: false };
    const { live: world, host } = buildAttached(config, { seed: 1, hash: false, port: 'tap0', checks: false });
    let sink = new Sink();
    const payload = length - HEADERS;
    host.spawn('sink', function* (sys) {
      const fd = yield* sys.socket(2, 2, 0);
      yield* sys.bind(fd, sys.sockaddr(0, PORT));
      const buffer = sys.mmap(2048);
      for (;;) sink.count(yield* sys.recvfrom(fd, buffer, 2048, 0, null), payload);
    });
    const live = new Live(world, { taps: [{ wire: world.wires[0] as LiveWire, tap }] });
    const running = live.run();
    const rates: number[] = [];
    const shares: number[] = [];
    const offered: number[] = [];
    for (let run = -WARM_UP; run < runs; run++) {
      sink = new Sink();
      const seconds = await blast(side, payload);
      while (performance.now() - sink.last < QUIET_MS) await sleep(QUIET_MS / 4);
      if (sink.wrong > 0) throw new Error(`bench tap${length}: ${sink.wrong} datagrams with a wrong length`);
      if (run < 0) continue;
      rates.push(sink.received / ((sink.last - sink.first) / 1000));
      shares.push((100 * sink.received) / FRAMES);
      offered.push(FRAMES / seconds);
    }
    live.stop();
    await running;
    live.finish();
    const name = `tap${length}`;
    return [
      summarize(name, 'frames/s', rates),
      summarize(`${name}.arrived`, '%', shares),
      summarize(`${name}.offered`, 'frames/s', offered),
    ];
  } finally {
    await side.remove();
  }
}

/** Seconds that the sender took. */
async function blast(side: LinuxSide, payload: number): Promise<number> {
  const args = [BLAST, OURS, String(PORT), String(payload), String(FRAMES)];
  const child = side.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (status !== 0) throw new Error(`bench tap: the sender ended with ${status}`);
  return (JSON.parse(text) as { seconds: number }).seconds;
}
