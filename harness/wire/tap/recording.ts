/** Recordings of live runs: an input log that is written as the run goes, and read line by line however long it is. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { describeSystemError, UsageError } from '../../cli/errors.ts';
import {
  formatEnd,
  formatHeader,
  formatInput,
  type Input,
  InputLogError,
  type LogEnd,
  type LogHeader,
  LogParser,
} from '../../sim/inputs.ts';

const CHUNK = 64 * 1024;
/** More than the longest line that we write. */
const LINE_MAX = 128 * 1024;

/** Writes a recording. Complete lines reach the file in chunks, and with every `flush`. */
export class LogWriter {
  readonly path: string;
  private readonly file: number;
  private waiting: string[] = [];
  private length = 0;
  private count = 0;

  /** @throws UsageError */
  constructor(path: string, header: LogHeader) {
    this.path = path;
    try {
      this.file = openSync(path, 'w');
    } catch (error) {
      throw new UsageError(`${path}: cannot be written: ${describeSystemError(error)}`, { cause: error });
    }
    this.put(formatHeader(header));
    this.flush();
  }

  input(input: Input): void {
    this.count++;
    this.put(formatInput(input));
  }

  flush(): void {
    if (this.waiting.length === 0) return;
    const bytes = Buffer.from(this.waiting.join(''));
    this.waiting = [];
    this.length = 0;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.file, bytes, at);
    } catch (error) {
      throw new UsageError(`${this.path}: cannot be written: ${describeSystemError(error)}`, { cause: error });
    }
  }

  /** The last line, then the file is closed. */
  end(end: Omit<LogEnd, 'inputs'>): void {
    this.put(formatEnd({ ...end, inputs: this.count }));
    this.flush();
    closeSync(this.file);
  }

  private put(line: string): void {
    this.waiting.push(line);
    this.length += line.length;
    if (this.length >= CHUNK) this.flush();
  }
}

/** The lines of a file, without their ends, in bounded memory. */
function* linesOf(path: string): Generator<string> {
  const file = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK);
    let rest = '';
    let number = 0;
    for (;;) {
      const length = readSync(file, chunk, 0, CHUNK, null);
      if (length === 0) break;
      const lines = (rest + chunk.toString('latin1', 0, length)).split('\n');
      rest = lines.pop() as string;
      for (const line of lines) {
        number++;
        yield line;
      }
      if (rest.length > LINE_MAX) throw new InputLogError(`line ${number + 1}: longer than ${LINE_MAX} characters`);
    }
    if (rest !== '') yield rest;
  } finally {
    closeSync(file);
  }
}

/** A recording that has been read once and found whole. */
export interface Recording {
  readonly header: LogHeader;
  /** Null: it was cut off. */
  readonly end: LogEnd | null;
  readonly count: number;
  /** Time of the last input, 0 when there is none. */
  readonly last: number;
  /** The inputs, read anew. */
  inputs(): Iterable<Input>;
}

/**
 * @param partial - take what there is before the first wrong line
 * @throws UsageError when the file cannot be read, or is damaged: with the number of the first wrong line
 */
export function readRecording(path: string, partial = false): Recording {
  const parser = new LogParser();
  let last = 0;
  try {
    for (const line of linesOf(path)) last = parser.line(line)?.time ?? last;
    if (parser.header === null) throw new InputLogError('line 1: the file is empty');
  } catch (error) {
    if (!(partial && error instanceof InputLogError && parser.header !== null)) throw refusal(path, error);
  }
  const { header, end, inputs: count } = parser;
  return {
    header,
    end,
    count,
    last,
    *inputs() {
      const again = new LogParser();
      const lines = linesOf(path);
      while (again.inputs < count) {
        const input = again.line(lines.next().value as string);
        if (input !== null) yield input;
      }
    },
  };
}

/** Makes of what is wrong with a recording a user's mistake. */
export function refusal(path: string, error: unknown): unknown {
  if (error instanceof InputLogError) return new UsageError(`${path}: ${error.message}`, { cause: error });
  if ((error as NodeJS.ErrnoException).syscall !== undefined) {
    return new UsageError(`${path}: cannot be read: ${describeSystemError(error)}`, { cause: error });
  }
  return error;
}
