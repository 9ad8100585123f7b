/**
 * A laboratory for tests against the real Linux: a namespace of its own, a host of ours on a TAP in it, real programs
 * as its peers, and captures of both sides that are kept when a test fails.
 *
 * `interop('what it shows', async lab => { ... })` is a test. It ends with no finding of any detector and no frame lost
 * on our side, or it fails; a message of failure names the folder with the captures and the recording, which
 * `ringside attach replay` runs again.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { findTool } from '../../harness/ci/tools.mjs';
import type { Host } from '../../harness/machine/host.ts';
import type { LogEnd } from '../../harness/sim/inputs.ts';
import type { Impairments } from '../../harness/wire/impair.ts';
import { PcapngWriter } from '../../harness/wire/pcap/write.ts';
import { loadLibc } from '../../harness/wire/tap/libc.ts';
import { LinuxSide } from '../../harness/wire/tap/linux.ts';
import { CaptureFile, Live, type LiveEnd } from '../../harness/wire/tap/live.ts';
import { LogWriter, readRecording } from '../../harness/wire/tap/recording.ts';
import {
  buildAttached,
  finishLive,
  HOST_NAME,
  type LiveConfig,
  type LiveResult,
  type LiveWire,
  SCENARIO,
} from '../../harness/wire/tap/scenario.ts';
import type { Tap } from '../../harness/wire/tap/tap.ts';
import { testOnTap } from '../needs.ts';

export const LINUX = '10.9.0.1';
export const OURS = '10.9.0.2';
export const OUR_MAC = '02:00:00:00:00:02';
export const DEVICE = 'tap0';
const PORT = 'tap0';
const RATE = 1_000_000_000;
const SEED = 1;
const NICE = -10;
const TIMEOUT_MS = 20_000;
export const CLI = fileURLToPath(new URL('../../harness/ringside.mjs', import.meta.url));

export interface LabOptions {
  /** Programs and settings of our host beyond `attach tap`'s; a recording does not know of them. */
  readonly setup?: (host: Host) => void;
  readonly impairments?: Impairments;
  readonly rate?: number | 'instant';
  readonly memory?: number;
  /** Frames lost on our side, and frames that Linux refused, are part of what the test does. */
  readonly lossy?: boolean;
  /**
   * Neither recording nor capture: for programs of ours that live in real time (promises), and for very much data.
   */
  readonly unrecorded?: boolean;
  readonly timeoutMs?: number;
}

export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs, and what it has printed so far. */
export class Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  stdout = '';
  stderr = '';
  private done = false;
  private readonly waiting: (() => void)[] = [];

  constructor(child: ChildProcess, timeoutMs: number) {
    this.child = child;
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.look();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.look();
    });
    this.finished = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) => {
        clearTimeout(timer);
        this.done = true;
        this.look();
        resolve({ status, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  /** Resolves when it has printed `text`; fails when it ends without. */
  async prints(text: string): Promise<void> {
    while (!this.stdout.includes(text) && !this.stderr.includes(text)) {
      if (this.done) throw new Error(`ended without "${text}":\n${this.stdout}${this.stderr}`);
      await new Promise<void>(resolve => this.waiting.push(resolve));
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
    this.child.kill(signal);
    return await this.finished;
  }

  private look(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

/** A program in the namespace of this process. */
export function start(program: string, args: readonly string[], timeoutMs = TIMEOUT_MS): Running {
  return new Running(spawn(tool(program), args, { stdio: ['ignore', 'pipe', 'pipe'] }), timeoutMs);
}

export async function run(program: string, args: readonly string[], timeoutMs = TIMEOUT_MS): Promise<Finished> {
  return await start(program, args, timeoutMs).finished;
}

function tool(program: string): string {
  return program.startsWith('/') ? program : (findTool(program) ?? program);
}

let labs = 0;
/** A name that no other run of the tests uses at the same time. */
export function freshName(): string {
  return `rs-${process.pid}-${++labs}`;
}

function configOf(options: LabOptions): LiveConfig {
  const { rate = RATE, memory = 4096 } = options;
  return { host: `${OUR_MAC},${OURS}/24`, rate, memory, costs: false };
}

function buildOurs(options: LabOptions): ReturnType<typeof buildAttached> {
  const { impairments } = options;
  const faults = impairments === undefined ? {} : { impairments };
  const built = buildAttached(configOf(options), { seed: SEED, hash: true, port: PORT, ...faults });
  options.setup?.(built.host);
  return built;
}

export class Lab {
  readonly namespace: string;
  readonly folder: string;
  readonly side: LinuxSide;
  readonly tap: Tap;
  readonly host: Host;
  readonly wire: LiveWire;
  readonly live: Live;
  readonly recording: string;
  readonly capture: CaptureFile;
  private readonly options: LabOptions;
  private readonly running: Promise<LiveEnd>;
  private readonly children: Running[] = [];
  private tcpdump: Running | undefined;

  private constructor(side: LinuxSide, folder: string, options: LabOptions) {
    this.options = options;
    this.side = side;
    this.namespace = side.namespace as string;
    this.folder = folder;
    this.tap = side.addTap(DEVICE, `${LINUX}/24`);
    const { live, host } = buildOurs(options);
    this.host = host;
    this.wire = live.wires[0] as LiveWire;
    this.recording = join(folder, 'recording.log');
    this.capture = new CaptureFile(new PcapngWriter());
    const header = { scenario: SCENARIO, seed: SEED, config: { ...configOf(options) } };
    const kept =
      options.unrecorded === true ? {} : { recorder: new LogWriter(this.recording, header), capture: this.capture };
    this.live = new Live(live, {
      taps: [{ wire: this.wire, tap: this.tap }],
      ...kept,
      watch: () => side.watch(),
    });
    this.running = this.live.run();
    this.running.catch(() => {});
  }

  static async open(options: LabOptions = {}): Promise<Lab> {
    // Round-trip times are judged while other test files keep all CPUs busy.
    if (process.getuid?.() === 0) setPriority(NICE);
    const libc = await loadLibc();
    const folder = mkdtempSync(join(tmpdir(), 'ringside-interop-'));
    const side = LinuxSide.open(libc, freshName());
    try {
      return new Lab(side, folder, options);
    } catch (error) {
      await side.remove();
      throw error;
    }
  }

  /** A program on Linux's side. */
  start(program: string, args: readonly string[], timeoutMs = TIMEOUT_MS): Running {
    const child = this.side.spawn(tool(program), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const running = new Running(child, timeoutMs);
    this.children.push(running);
    return running;
  }

  /** Runs a program on Linux's side to its end. Its output stays in the folder when the test fails. */
  async run(program: string, args: readonly string[], timeoutMs = TIMEOUT_MS): Promise<Finished> {
    const finished = await this.start(program, args, timeoutMs).finished;
    const { status, signal, stdout, stderr } = finished;
    const text = `${[program, ...args].join(' ')}\n${stdout}${stderr}\nstatus ${status ?? signal}\n\n`;
    writeFileSync(join(this.folder, 'programs.txt'), text, { flag: 'a' });
    return finished;
  }

  /** `ip` on Linux's side; fails the test when it fails. */
  ip(...args: string[]): string {
    return this.side.ip(args, 'ip');
  }

  /** `ping -c COUNT` with more arguments: what came back, and the round-trip times in ms. */
  async ping(
    count: number,
    args: readonly string[] = [],
    timeoutMs = TIMEOUT_MS,
  ): Promise<Finished & { readonly received: number; readonly times: readonly number[] }> {
    const finished = await this.run('ping', ['-n', '-c', String(count), ...args, OURS], timeoutMs);
    const received = Number(/ (\d+) received/.exec(finished.stdout)?.[1] ?? -1);
    const times = [...finished.stdout.matchAll(/ time=([\d.]+) ms/g)].map(match => Number(match[1]));
    return { ...finished, received, times };
  }

  /** Starts tcpdump on Linux's side of the wire. */
  async watch(): Promise<void> {
    const file = join(this.folder, 'linux.pcap');
    this.tcpdump = this.start('tcpdump', ['-i', DEVICE, '-U', '-B', '16384', '-w', file], 120_000);
    await this.tcpdump.prints('listening on');
  }

  /** Ends what `watch` began, and gives what `tcpdump -vv` makes of each packet. */
  async watched(): Promise<string[]> {
    const file = join(this.folder, 'linux.pcap');
    // It writes what it has when the next packet or its own timer comes: a moment's patience.
    await new Promise(resolve => setTimeout(resolve, 1100));
    const { stderr } = await (this.tcpdump as Running).stop('SIGINT');
    expect(stderr).toContain('0 packets dropped by kernel');
    const { stdout } = await run('tcpdump', ['-nn', '-vv', '-r', file]);
    // Continuation lines are indented.
    return stdout.replaceAll(/\n\s+/g, ' ').trim().split('\n');
  }

  /** A change of our MAC address, with a gratuitous ARP. */
  setMac(mac: string): void {
    this.live.command({ host: HOST_NAME, mac });
  }

  /** Resolves when the run has ended by itself. */
  async ended(): Promise<LiveEnd> {
    return await this.running;
  }

  async close(): Promise<LiveResult> {
    for (const child of this.children) child.child.kill('SIGKILL');
    try {
      this.live.stop();
      await this.running;
      return this.live.finish();
    } catch (error) {
      this.live.abort(error);
      throw error;
    } finally {
      await this.side.remove();
    }
  }

  /** Runs the recording, without Linux. */
  replay(): LiveResult {
    const { live } = buildOurs(this.options);
    const { inputs, end } = readRecording(this.recording);
    live.world.inputs.replay(inputs());
    live.world.sim.run((end as LogEnd).end);
    return finishLive(live);
  }

  keep(): void {
    writeFileSync(join(this.folder, 'ours.pcapng'), this.capture.writer.bytes());
  }
}

async function inLab(body: (lab: Lab) => Promise<void>, options: LabOptions): Promise<void> {
  const lab = await Lab.open(options);
  try {
    let result: LiveResult | undefined;
    try {
      expect((await lab.ping(1, ['-W', '5'])).received, 'the first ping').toBe(1);
      await body(lab);
    } finally {
      result = await lab.close();
    }
    expect(result.findings).toEqual([]);
    expect(result.violations).toBe(0);
    if (options.lossy !== true) expect(result.lost + lab.tap.refused, 'frames lost on our side').toBe(0);
    if (options.unrecorded !== true) expect(lab.replay(), 'the recording, replayed').toEqual(result);
    rmSync(lab.folder, { recursive: true });
  } catch (error) {
    lab.keep();
    if (error instanceof Error) error.message += `\nkept: ${lab.folder}: ${readdirSync(lab.folder).join(', ')}`;
    throw error;
  }
}

/** A test against the real Linux. */
export function interop(name: string, body: (lab: Lab) => Promise<void>, options: LabOptions = {}): void {
  testOnTap()(name, { timeout: options.timeoutMs ?? 60_000 }, () => inLab(body, options));
}
