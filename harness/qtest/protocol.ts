/**
 * QEMU's qtest line protocol (its docs/devel/testing/qtest and system/qtest.c name the commands): a command a line, an answer
 * `OK [value]` or `FAIL text` a line, in order; `IRQ raise N` and `IRQ lower N` in between.
 */
import type { QtestMachine } from './machine.ts';

/** One connection's conversation with its machine. Everything that is to be sent goes through `send`. */
export class QtestSession {
  private readonly machine: QtestMachine;
  private readonly send: (text: string) => void;
  private intercepting = false;
  private readonly levels = new Map<number, boolean>();

  constructor(machine: QtestMachine, send: (text: string) => void) {
    this.machine = machine;
    this.send = send;
    machine.onIrq = (line, asserted) => this.irq(line, asserted);
  }

  private irq(line: number, asserted: boolean): void {
    this.levels.set(line, asserted);
    if (this.intercepting) this.send(`IRQ ${asserted ? 'raise' : 'lower'} ${line}\n`);
  }

  /** Carries out a line (without its line break) and answers it. Never throws for what it says. */
  line(text: string): void {
    const words = text.trim().split(/\s+/);
    const [command = '', ...args] = words;
    if (command === '') return;
    try {
      const handler = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
      if (handler === undefined) throw new QtestError(`Unknown command '${command.slice(0, 64)}'`);
      const answer = handler(this.machine, new Args(command, args), this);
      this.send(answer === '' ? 'OK\n' : `OK ${answer}\n`);
    } catch (error) {
      if (!(error instanceof QtestError)) throw error;
      this.send(`FAIL ${error.message}\n`);
    }
  }

  /** From now on changes of interrupt lines are reported. */
  intercept(): void {
    this.intercepting = true;
  }
}

/** What a client did wrong. */
class QtestError extends Error {}

/** Most bytes of one transfer. */
const LONGEST = 64 * 1024 * 1024;
const HIGHEST = 2 ** 53 - 1;

/** A command's arguments, checked one by one. */
class Args {
  private readonly command: string;
  private readonly words: readonly string[];
  private at = 0;

  constructor(command: string, words: readonly string[]) {
    this.command = command;
    this.words = words;
  }

  get left(): number {
    return this.words.length - this.at;
  }

  word(what: string): string {
    const word = this.words[this.at++];
    if (word === undefined) throw new QtestError(`${this.command}: ${what} is missing`);
    return word;
  }

  /** As strtoul with base 0: decimal, 0x hexadecimal, 0 octal. */
  big(what: string): bigint {
    const word = this.word(what);
    const octal = /^0[0-7]+$/.test(word);
    if (!octal && !/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(word)) {
      throw new QtestError(`${this.command}: ${what} '${word.slice(0, 64)}' is no number`);
    }
    return octal ? BigInt(`0o${word.slice(1)}`) : BigInt(word);
  }

  number(what: string, max = HIGHEST): number {
    const value = this.big(what);
    if (value > BigInt(max)) throw new QtestError(`${this.command}: ${what} is too large`);
    return Number(value);
  }

  /** A value of `width` bits: what does not fit is cut off, as a C cast does. */
  value(width: number): number {
    return Number(BigInt.asUintN(width, this.big('the value')));
  }

  port(): number {
    return this.number('the port', 0xffff);
  }

  length(): number {
    return this.number('the length', LONGEST);
  }

  end(): void {
    if (this.left > 0) throw new QtestError(`${this.command}: too many arguments`);
  }
}

type Handler = (machine: QtestMachine, args: Args, session: QtestSession) => string;

function hex(value: number | bigint, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

function portIn(width: 8 | 16 | 32): Handler {
  return (machine, args) => {
    const port = args.port();
    args.end();
    return hex(machine.readPort(port, width), 4);
  };
}

function portOut(width: 8 | 16 | 32): Handler {
  return (machine, args) => {
    const port = args.port();
    const value = args.value(width);
    args.end();
    machine.writePort(port, width, value);
    return '';
  };
}

function memoryIn(width: 8 | 16 | 32): Handler {
  return (machine, args) => {
    const address = args.number('the address');
    args.end();
    return hex(machine.readMemory(address, width), 16);
  };
}

function memoryOut(width: 8 | 16 | 32): Handler {
  return (machine, args) => {
    const address = args.number('the address');
    const value = args.value(width);
    args.end();
    machine.writeMemory(address, width, value);
    return '';
  };
}

function hexData(text: string, length: number): Uint8Array {
  if (!/^0x([0-9a-f]{2})*$/i.test(text)) throw new QtestError('write: the data is no 0x… string of bytes');
  // What is missing is written as 0, what is too much is not looked at.
  const bytes = new Uint8Array(length);
  bytes.set(Buffer.from(text.slice(2, 2 + 2 * length), 'hex'));
  return bytes;
}

/** An interrupt controller is named by a path that means nothing here. */
const intercept: Handler = (_, args, session) => {
  args.word('the path');
  session.intercept();
  return '';
};

const COMMANDS: Readonly<Record<string, Handler>> = {
  inb: portIn(8),
  inw: portIn(16),
  inl: portIn(32),
  outb: portOut(8),
  outw: portOut(16),
  outl: portOut(32),
  readb: memoryIn(8),
  readw: memoryIn(16),
  readl: memoryIn(32),
  readq: (machine, args) => {
    const address = args.number('the address');
    args.end();
    const low = BigInt(machine.readMemory(address, 32));
    return hex(low | (BigInt(machine.readMemory(address + 4, 32)) << 32n), 16);
  },
  writeb: memoryOut(8),
  writew: memoryOut(16),
  writel: memoryOut(32),
  writeq: (machine, args) => {
    const address = args.number('the address');
    const value = BigInt.asUintN(64, args.big('the value'));
    args.end();
    machine.writeMemory(address, 32, Number(value & 0xffffffffn));
    machine.writeMemory(address + 4, 32, Number(value >> 32n));
    return '';
  },
  read: (machine, args) => {
    const address = args.number('the address');
    const length = args.length();
    args.end();
    return `0x${Buffer.from(machine.readBlock(address, length)).toString('hex')}`;
  },
  write: (machine, args) => {
    const address = args.number('the address');
    const length = args.length();
    const data = hexData(args.word('the data'), length);
    args.end();
    machine.writeBlock(address, data);
    return '';
  },
  b64read: (machine, args) => {
    const address = args.number('the address');
    const length = args.length();
    args.end();
    return Buffer.from(machine.readBlock(address, length)).toString('base64');
  },
  b64write: (machine, args) => {
    const address = args.number('the address');
    const length = args.length();
    const text = args.word('the data');
    args.end();
    const data = new Uint8Array(length);
    data.set(Buffer.from(text, 'base64').subarray(0, length));
    machine.writeBlock(address, data);
    return '';
  },
  memset: (machine, args) => {
    const address = args.number('the address');
    const length = args.length();
    const value = args.value(8);
    args.end();
    machine.writeBlock(address, new Uint8Array(length).fill(value));
    return '';
  },
  /** Without an argument: to the next moment at which something is due. */
  clock_step: (machine, args) => {
    const due = machine.deadline === Infinity ? machine.time : machine.deadline;
    const to = args.left === 0 ? due : machine.time + args.number('the time', HIGHEST - machine.time);
    args.end();
    machine.advance(to);
    return String(machine.time);
  },
  clock_set: (machine, args) => {
    const to = args.number('the time');
    args.end();
    machine.advance(to);
    return String(machine.time);
  },
  irq_intercept_in: intercept,
  irq_intercept_out: intercept,
  endianness: (_, args) => {
    args.end();
    return 'little';
  },
};
