/** `ringside bench`: how fast it is, as multiples of the floor measured in the same run. */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { benchCardAccess, benchCardDrain } from '../bench/card.ts';
import { benchConntrack, benchRules } from '../bench/netfilter.ts';
import { benchNicProgrammed, benchNicRegisters, benchNicRings } from '../bench/nic.ts';
import { benchForward } from '../bench/route.ts';
import type { Result } from '../bench/runner.ts';
import { benchRx } from '../bench/rx.ts';
import { benchSockets } from '../bench/sockets.ts';
import { benchStages } from '../bench/stages.ts';
import { benchTap, benchTapProblem } from '../bench/tap.ts';
import {
  benchTcpBulk,
  benchTcpConnect,
  benchTcpHour,
  benchTcpIdle,
  benchTcpLookup,
  benchTcpRoundTrips,
} from '../bench/tcp.ts';
import { benchTrace } from '../bench/trace.ts';
import { benchTx } from '../bench/tx.ts';
import { benchUdp } from '../bench/udp.ts';
import { forLongRuns } from '../cli/engine.ts';
import { UsageError } from '../cli/errors.ts';
import { onInterrupt } from '../cli/interrupt.ts';
import { countBetween } from '../cli/options.ts';

interface Bench {
  readonly name: string;
  readonly what: string;
  run(runs: number): Result[] | Promise<Result[]>;
  /** Why it cannot be run here; undefined when it can. */
  problem?(): string | undefined;
}

const benches: readonly Bench[] = [
  { name: 'udp64', what: 'UDP, 64-byte frames, wire to recvfrom', run: runs => benchUdp(64, runs) },
  { name: 'udp1514', what: 'UDP, 1514-byte frames, 4 KiB of packet memory', run: runs => benchUdp(1514, runs) },
  { name: 'udp1514-16k', what: 'the same with 16 KiB', run: runs => benchUdp(1514, runs, 16384) },
  { name: 'nic', what: 'the card alone: register accesses, data port', run: benchNicRegisters },
  { name: 'nic-pio60', what: '60-byte frames drained by programmed I/O', run: runs => benchNicProgrammed(60, runs) },
  { name: 'nic-pio1514', what: 'the same with 1514 bytes', run: runs => benchNicProgrammed(1514, runs) },
  { name: 'nic-rings60', what: '60-byte frames through the rings', run: runs => benchNicRings(60, runs) },
  { name: 'nic-rings1514', what: 'the same with 1514 bytes', run: runs => benchNicRings(1514, runs) },
  { name: 'card', what: 'NE2000: register accesses, data port reads', run: benchCardAccess },
  {
    name: 'card60',
    what: 'NE2000: 60-byte frames received and drained by programmed I/O',
    run: runs => benchCardDrain(60, runs),
  },
  { name: 'card1514', what: 'the same with 1514-byte frames', run: runs => benchCardDrain(1514, runs) },
  { name: 'stages', what: 'UDP, 64-byte frames: what each stage adds, from the card to recvfrom', run: benchStages },
  {
    name: 'forward',
    what: 'forwarding, 64-byte frames: 1 to 100,000 routes, 1 and 1,000 next hops',
    run: benchForward,
  },
  {
    name: 'conntrack',
    what: 'forwarding without tracking, and tracked with 1, 1,000 and 100,000 connections',
    run: benchConntrack,
  },
  { name: 'rules', what: 'forwarding without a table, and with 0, 10 and 1,000 rules', run: benchRules },
  { name: 'rx', what: 'UDP, 64-byte frames: 1 and 64 flows, GRO on and off, 0 and 8 taps', run: runs => benchRx(runs) },
  {
    name: 'trace',
    what: 'tracing off and on against tracepoints cut out of the sources',
    run: runs => benchTrace(runs),
  },
  { name: 'tx64', what: 'UDP, 64-byte payloads, sendto to wire', run: runs => benchTx(64, runs) },
  { name: 'tx1472', what: 'UDP, 1472-byte payloads, sendto to wire', run: runs => benchTx(1472, runs) },
  {
    name: 'tx1472-gso',
    what: 'the same, 32 datagrams in a call (UDP_SEGMENT), software GSO',
    run: runs => benchTx(1472, runs, 32),
  },
  {
    name: 'sockets',
    what: 'UDP, 64-byte frames, wire to recvfrom, with 1, 1,000 and 100,000 sockets',
    run: benchSockets,
  },
  {
    name: 'tcp-bulk',
    what: 'TCP, MSS 1460, between two hosts: without offloads, and with TSO and GRO',
    run: runs => benchTcpBulk(runs),
  },
  { name: 'tcp-rr', what: 'TCP, requests and responses of one byte', run: runs => benchTcpRoundTrips(runs) },
  { name: 'tcp-connect', what: 'TCP, connections opened, accepted and closed', run: runs => benchTcpConnect(runs) },
  {
    name: 'tcp-idle',
    what: 'TCP, memory of one of 10,000 idle connections, both ends',
    run: () => benchTcpIdle(),
  },
  {
    name: 'tcp-lookup',
    what: 'TCP, round trips on one of 1, 1,000 and 100,000 connections',
    run: runs => benchTcpLookup(runs),
  },
  {
    name: 'tcp-hour',
    what: 'TCP, real seconds of a simulated hour with 100,000 idle connections',
    run: runs => benchTcpHour(runs),
  },
  {
    name: 'tap64',
    what: 'UDP, 64-byte frames, from the real Linux over a TAP to recvfrom',
    run: runs => benchTap(64, runs),
    problem: benchTapProblem,
  },
  {
    name: 'tap1500',
    what: 'the same with 1500-byte frames',
    run: runs => benchTap(1500, runs),
    problem: benchTapProblem,
  },
];

const BASELINE = new URL('../bench/baseline.json', import.meta.url);
const DEFAULT_RUNS = 7;

export function registerBench(program: Command): void {
  program
    .command('bench')
    .description('measure speed and allocation, beside the floor of the same work')
    .argument('[name...]', `what to measure: ${benches.map(bench => bench.name).join(', ')} (all when left out)`)
    .option('--json', 'print a list of {name, unit, median, min, max, runs}')
    .option('--runs <n>', 'measured runs of each, 1 to 99', countBetween(1, 99), DEFAULT_RUNS)
    .addHelpText(
      'after',
      `
Each figure is the median of the runs, after a warm-up. "floor" is the same path with nothing but its copies, sums and
look-up; "multiple" is our time over the floor's, measured in turn in this run: compare that, not frames per second,
between machines. Checksums are verified; the FCS is right by construction and computed only where it is looked at. V8
may inline more than by default (harness/cli/engine.ts). Of several benches each has a process of its own.
The recorded baseline is harness/bench/baseline.json.

Measured:
${benches.map(bench => `  ${bench.name.padEnd(14)}${bench.what}`).join('\n')}`,
    )
    .action(async (names: string[], options: { json?: boolean; runs: number }) => {
      const unknown = names.find(name => !benches.some(bench => bench.name === name));
      if (unknown !== undefined) {
        throw new UsageError(
          `no benchmark is called ${unknown}; there are ${benches.map(bench => bench.name).join(', ')}`,
        );
      }
      const chosen = names.length === 0 ? benches : benches.filter(bench => names.includes(bench.name));
      forLongRuns();
      const results: Result[] = [];
      for (const bench of chosen) {
        const problem = bench.problem?.();
        if (problem !== undefined) {
          if (names.length > 0) throw new UsageError(`${bench.name} cannot be measured here: ${problem}`);
          process.stderr.write(`ringside bench: ${bench.name} is left out: ${problem}\n`);
          continue;
        }
        if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Kmeasuring ${bench.name} …`);
        results.push(...(chosen.length === 1 ? await bench.run(options.runs) : await apart(bench.name, options.runs)));
      }
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
      process.stdout.write(options.json === true ? `${JSON.stringify(results, null, 1)}\n` : table(results));
    });
}

/** A bench in a process of its own: what code another one has made V8 see would slow it. */
function apart(name: string, runs: number): Promise<Result[]> {
  const child = fork(process.argv[1] as string, ['bench', name, '--json', '--runs', String(runs)], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const release = onInterrupt(() => void child.kill());
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', chunk => {
    text += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      release();
      if (code === 0) resolve(JSON.parse(text) as Result[]);
      else reject(new Error(`bench ${name} ended with ${signal ?? code}`));
    });
  });
}

function table(results: readonly Result[]): string {
  const baseline = readBaseline();
  const lines = [
    `${'name'.padEnd(24)}${'median'.padStart(12)}${'min'.padStart(12)}${'max'.padStart(12)}  ${'unit'.padEnd(14)}${'baseline'.padStart(12)}`,
  ];
  for (const { name, unit, median, min, max } of results) {
    const before = baseline.find(result => result.name === name);
    lines.push(
      `${name.padEnd(24)}${show(median)}${show(min)}${show(max)}  ${unit.padEnd(14)}${before === undefined ? '' : show(before.median)}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function show(value: number): string {
  const digits = value >= 1000 ? 0 : value >= 100 ? 1 : 2;
  return value.toFixed(digits).padStart(12);
}

function readBaseline(): readonly Result[] {
  return (JSON.parse(readFileSync(BASELINE, 'utf8')) as { results: Result[] }).results;
}
