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
  /** What was offered, from `head` on; what lies before has entered. */
  private readonly queue: (Input | null)[] = [];
  private head = 0;
  private readonly event: ClockEvent;
  /** What is replayed: the rest of a log, from which `queue` is filled one by one. */
  private log: Iterator<Input> | null = null;
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
    if (this.pending === 1) this.sim.scheduleInput(this.event, at);
    return at;
  }

  /** Inputs that were offered and have not entered yet. */
  get pending(): number {
    return this.queue.length - this.head;
  }

  /** Everything of a log, each at its own time, taken from it as the run gets there. Nothing else may be offered. */
  replay(log: Iterable<Input>): void {
    this.log = log[Symbol.iterator]();
    this.arm();
  }

  /** Nothing enters any more: what was offered for later is forgotten. */
  close(): void {
    this.queue.length = 0;
    this.head = 0;
    this.log = null;
    this.sim.cancel(this.event);
  }

  /** Everything that enters at this time: inputs come before all other events of their time, so nothing lies between. */
  private deliver(): void {
    const { time } = this.sim;
    for (let input = this.next(); input !== null && input.time === time; input = this.next()) {
      this.queue[this.head++] = null;
      this.enter(input);
    }
    this.arm();
  }

  private enter(input: Input): void {
    this.count++;
    const { hash } = this;
    if (hash !== null) {
      hash.note(`in:${input.port}`, input.time);
      hash.data(input.data, 0, input.data.length);
    }
    this.onInput?.(input);
    const handler = this.handlers.get(input.port);
    // Only a log can name one: the header is its first line.
    if (handler === undefined) throw new InputLogError(`line ${this.count + 1}: no input port ${input.port}`);
    handler(input.data);
  }

  /** The input that enters next, or null. */
  private next(): Input | null {
    const { queue } = this;
    if (this.head === queue.length && queue.length > 0) {
      queue.length = 0;
      this.head = 0;
    }
    if (queue.length === 0 && this.log !== null) {
      const next = this.log.next();
      if (next.done === true) this.log = null;
      else queue.push(next.value);
    }
    return queue[this.head] ?? null;
  }

  private arm(): void {
    const next = this.next();
    if (next !== null) this.sim.scheduleInput(this.event, next.time);
  }
}

/** The first line of a log: what it belongs to. */
export interface LogHeader {
  readonly scenario: string;
  readonly seed: number;
  /** What else the scenario needs to be built again. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** The last line of a log that was ended in good order. */
export interface LogEnd {
  /** Where the clock stood when the run was ended, ns. */
  readonly end: number;
  /** How many inputs there are. */
  readonly inputs: number;
  /** The run hash; empty when the run broke off. */
  readonly hash: string;
  /** What broke the run off. */
  readonly error?: string;
}

export function formatHeader(header: LogHeader): string {
  return `${JSON.stringify({ format: FORMAT, ...header })}\n`;
}

export function formatInput({ time, port, data }: Input): string {
  return `${JSON.stringify({ time, port, data: Buffer.from(data).toString('base64') })}\n`;
}

export function formatEnd(end: LogEnd): string {
  return `${JSON.stringify(end)}\n`;
}

/** A log as text: a header line, one line per input, and the end where there is one. */
export function formatLog(header: LogHeader, inputs: readonly Input[], end?: LogEnd): string {
  return formatHeader(header) + inputs.map(formatInput).join('') + (end === undefined ? '' : formatEnd(end));
}

/** Reads a log line by line; InputLogError names the first line that is wrong. */
export class LogParser {
  header: LogHeader | null = null;
  end: LogEnd | null = null;
  /** Lines and inputs so far. */
  lines = 0;
  inputs = 0;
  private last = 0;

  /** One line, without its line break: the input in it, or null for the header and the end. */
  line(text: string): Input | null {
    const number = ++this.lines;
    const fields = parseLine(text, number);
    if (number === 1) {
      this.header = parseHeader(fields);
      return null;
    }
    if (this.end !== null) throw new InputLogError(`line ${number}: something follows the end`);
    if ('end' in fields) {
      this.end = this.parseEnd(fields, number);
      return null;
    }
    const { time, port, data } = fields;
    if (typeof time !== 'number' || !Number.isSafeInteger(time) || time < this.last)
      throw new InputLogError(`line ${number}: bad time`);
    if (typeof port !== 'string' || typeof data !== 'string')
      throw new InputLogError(`line ${number}: port or data is missing`);
    const bytes = Buffer.from(data, 'base64');
    if (bytes.toString('base64') !== data) throw new InputLogError(`line ${number}: data is not base64`);
    this.last = time;
    this.inputs++;
    return { time, port, data: new Uint8Array(bytes) };
  }

  private parseEnd(fields: Record<string, unknown>, number: number): LogEnd {
    const { end, inputs, hash, error } = fields;
    if (typeof end !== 'number' || !Number.isSafeInteger(end) || end < this.last || typeof hash !== 'string')
      throw new InputLogError(`line ${number}: bad end`);
    if (typeof inputs !== 'number' || inputs !== this.inputs)
      throw new InputLogError(`line ${number}: ${String(inputs)} inputs were recorded, ${this.inputs} are here`);
    return typeof error === 'string' ? { end, inputs, hash, error } : { end, inputs, hash };
  }
}

function parseHeader(fields: Record<string, unknown>): LogHeader {
  if (fields.format !== FORMAT) throw new InputLogError(`line 1: not a ${FORMAT} log`);
  const { scenario, seed, config } = fields;
  if (typeof scenario !== 'string' || typeof seed !== 'number')
    throw new InputLogError('line 1: scenario or seed is missing');
  if (config === undefined) return { scenario, seed };
  if (typeof config !== 'object' || config === null) throw new InputLogError('line 1: bad config');
  return { scenario, seed, config: config as Readonly<Record<string, unknown>> };
}

/** Reads a whole log; InputLogError names the first line that is wrong. */
export function parseLog(text: string): { header: LogHeader; inputs: Input[]; end: LogEnd | null } {
  const lines = text.split('\n');
  if (lines.length > 1 && lines.at(-1) === '') lines.pop();
  const parser = new LogParser();
  const inputs: Input[] = [];
  for (const line of lines) {
    const input = parser.line(line);
    if (input !== null) inputs.push(input);
  }
  return { header: parser.header as LogHeader, inputs, end: parser.end };
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
