/**
 * The one door for the outside: a frame from a live wire, a key, a page's command enter the simulation here, with the
 * time at which they did. A run is scenario + seed + this log: replaying the log repeats the run.
 */
import type { ClockEvent } from '../../kernel/arch.ts';
import type { RunHash } from './runhash.ts';
import type { Sim } from './sim.ts';

/** One thing that came from outside. */
export interface Input {
  /** ns */
  readonly time: number;
  readonly port: string;
  readonly data: Uint8Array;
}

export type InputHandler = (data: Uint8Array) => void;

/** A log that cannot be read: the line and what is wrong with it. */
export class InputLogError extends Error {
  override readonly name = 'InputLogError';
}

const FORMAT = 'ringside-inputs/1';

export class Inputs {
  private readonly sim: Sim;
  private readonly hash: RunHash | null;
  private readonly handlers = new Map<string, InputHandler>();
  private readonly queue: Input[] = [];
  private readonly event: ClockEvent;
  /** Called for each input as it enters, in order: the recorder. */
  onInput: ((input: Input) => void) | null = null;
  count = 0;

  constructor(sim: Sim, hash: RunHash | null) {
    this.sim = sim;
    this.hash = hash;
    this.event = sim.event('input', () => this.deliver());
  }

  /** Declares a port; inputs for it go to `handler`, which runs as an event at the input's time. */
  port(name: string, handler: InputHandler): void {
    if (this.handlers.has(name)) throw new Error(`input port ${name} exists already`);
    this.handlers.set(name, handler);
  }

  /**
   * Something arrives. `time` (ns) is when it shall enter; it enters strictly after everything that has been served,
   * never before an input that was offered earlier, and before all other events of its time, so that a replay meets
   * the same order. Returns the time given to it.
   */
  offer(port: string, data: Uint8Array, time: number): number {
    if (!this.handlers.has(port)) throw new Error(`no input port ${port}`);
    const last = this.queue.at(-1)?.time ?? 0;
    const at = Math.max(Math.ceil(time), this.sim.served === 0 ? this.sim.time : this.sim.time + 1, last);
    const input = { time: at, port, data };
    this.queue.push(input);
    if (this.queue.length === 1) this.sim.scheduleInput(this.event, at);
    return at;
  }

  /** Everything of a log, each at its own time. */
  replay(log: readonly Input[]): void {
    for (const input of log) this.offer(input.port, input.data, input.time);
  }

  private deliver(): void {
    const input = this.queue.shift() as Input;
    this.count++;
    this.hash?.note(`in:${input.port}`, input.time, input.data.length);
    this.onInput?.(input);
    (this.handlers.get(input.port) as InputHandler)(input.data);
    const next = this.queue[0];
    if (next !== undefined) this.sim.scheduleInput(this.event, next.time);
  }
}

/** The first line of a log: what it belongs to. */
export interface LogHeader {
  readonly scenario: string;
  readonly seed: number;
}

/** A log as text: a header line, then one line per input. */
export function formatLog(header: LogHeader, inputs: readonly Input[]): string {
  const lines = [JSON.stringify({ format: FORMAT, ...header })];
  for (const { time, port, data } of inputs)
    lines.push(JSON.stringify({ time, port, data: Buffer.from(data).toString('base64') }));
  return `${lines.join('\n')}\n`;
}

/** Reads a log back; InputLogError names the first line that is wrong. */
export function parseLog(text: string): { header: LogHeader; inputs: Input[] } {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const header = parseLine(lines[0] ?? '', 1);
  if (header['format'] !== FORMAT) throw new InputLogError(`line 1: not a ${FORMAT} log`);
  const { scenario, seed } = header;
  if (typeof scenario !== 'string' || typeof seed !== 'number')
    throw new InputLogError('line 1: scenario or seed is missing');
  let last = 0;
  const inputs = lines.slice(1).map((line, index) => {
    const number = index + 2;
    const { time, port, data } = parseLine(line, number);
    if (typeof time !== 'number' || !Number.isSafeInteger(time) || time < last)
      throw new InputLogError(`line ${number}: bad time`);
    if (typeof port !== 'string' || typeof data !== 'string')
      throw new InputLogError(`line ${number}: port or data is missing`);
    last = time;
    return { time, port, data: new Uint8Array(Buffer.from(data, 'base64')) };
  });
  return { header: { scenario, seed }, inputs };
}

function parseLine(line: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through to the refusal.
  }
  throw new InputLogError(`line ${number}: not a JSON object`);
}
