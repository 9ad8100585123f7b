/**
 * The drill's door as JSON lines, for tools in other languages: a request a line, an answer a line, in their order.
 * Bytes are hexadecimal text. docs/drill.md has the protocol.
 */
import {
  type ControlMessage,
  DrillHost,
  type DrillOptions,
  type Operation,
  parseTcpInfo,
  type SocketAddress,
} from './api.ts';
import { shown } from './check.ts';

/** A request that cannot be served; the host is as it was. */
class BadRequest extends Error {}

const ARGUMENTS_MAX = 8;
/** Longest line, in characters: the hexadecimal text of the largest write, and then some. */
export const LINE_MAX = 9 * 1024 * 1024;

type Value = null | boolean | number | string | readonly Value[] | { readonly [name: string]: Value };

function toJson(value: unknown): Value {
  if (value === undefined || value === null) return null;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toJson(each)]));
  }
  return value as boolean | string;
}

/** A request's arguments, one after the other, checked. */
class Arguments {
  private readonly list: readonly unknown[];
  private at = 0;

  constructor(list: readonly unknown[]) {
    this.list = list;
  }

  private refuse(expected: string): never {
    throw new BadRequest(`argument ${this.at}: ${expected} expected, not ${shown(this.list[this.at - 1])}`);
  }

  private take(): unknown {
    return this.list[this.at++];
  }

  get more(): boolean {
    return this.at < this.list.length;
  }

  number(otherwise?: number): number {
    const value = this.take() ?? otherwise;
    return typeof value === 'number' ? value : this.refuse('a number');
  }

  /** A length, or null for a bad pointer. */
  length(): number | null {
    const value = this.take();
    return value === null || typeof value === 'number' ? value : this.refuse('a length or null');
  }

  numberOrNull(): number | null {
    const value = this.take();
    return value == null ? null : typeof value === 'number' ? value : this.refuse('a number or null');
  }

  text(): string {
    const value = this.take();
    return typeof value === 'string' ? value : this.refuse('a string');
  }

  private hex(value: unknown): Uint8Array {
    if (typeof value !== 'string' || value.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(value)) {
      return this.refuse('bytes as hexadecimal text');
    }
    return new Uint8Array(Buffer.from(value, 'hex'));
  }

  bytes(): Uint8Array {
    return this.hex(this.take());
  }

  /** null stands for a bad pointer. */
  pointer(): Uint8Array | null {
    const value = this.take();
    return value === null ? null : this.hex(value);
  }

  /** As `pointer`; left out, it is null. */
  pointerOrNull(): Uint8Array | null {
    const value = this.take();
    return value == null ? null : this.hex(value);
  }

  each<T>(read: (value: unknown) => T): T[] {
    const value = this.take();
    return Array.isArray(value) ? value.map(read) : this.refuse('a list');
  }

  numbers(): number[] {
    return this.each(value => (typeof value === 'number' ? value : this.refuse('a list of numbers')));
  }

  blocks(): Uint8Array[] {
    return this.each(value => this.hex(value));
  }

  object(): Record<string, unknown> {
    const value = this.take();
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.refuse('an object');
    return value as Record<string, unknown>;
  }

  private pair<A extends string, B extends string>(value: unknown, a: A, b: B): { [name in A | B]: number } {
    const object = value as Record<string, unknown> | null;
    const x = object?.[a];
    const y = object?.[b];
    if (typeof x !== 'number' || typeof y !== 'number') return this.refuse(`{ "${a}": …, "${b}": … }`);
    return { [a]: x, [b]: y } as { [name in A | B]: number };
  }

  address(): SocketAddress {
    const { address, port, family } = this.object();
    if (typeof address !== 'string' || typeof port !== 'number') return this.refuse('{ "address": …, "port": … }');
    return typeof family === 'number' ? { address, port, family } : { address, port };
  }

  /** Control messages; left out, there are none. */
  controls(): ControlMessage[] {
    if (!this.more) return [];
    return this.each(value => {
      const { level, type, data } = (value ?? {}) as Record<string, unknown>;
      if (typeof level !== 'number' || typeof type !== 'number') {
        return this.refuse('{ "level": …, "type": …, "data": … }');
      }
      return { level, type, data: this.hex(data) };
    });
  }

  addressOrNull(): SocketAddress | null {
    if (this.list[this.at] != null) return this.address();
    this.at++;
    return null;
  }

  polls(): { fd: number; events: number }[] {
    return this.each(value => this.pair(value, 'fd', 'events'));
  }

  event(): { events: number; data: number } | null {
    const value = this.take();
    return value == null ? null : this.pair(value, 'events', 'data');
  }
}

/** Every call: what it takes, in this order. */
const CALLS: Readonly<Record<string, (host: DrillHost, a: Arguments) => Operation<unknown>>> = {
  socket: (host, a) => host.socket(a.number(), a.number(), a.number(0)),
  bind: (host, a) => host.bind(a.number(), a.address()),
  listen: (host, a) => host.listen(a.number(), a.number()),
  accept: (host, a) => host.accept(a.number(), a.number(0)),
  connect: (host, a) => host.connect(a.number(), a.address()),
  getsockname: (host, a) => host.getsockname(a.number()),
  getpeername: (host, a) => host.getpeername(a.number()),
  read: (host, a) => host.read(a.number(), a.length()),
  recv: (host, a) => host.recv(a.number(), a.length(), a.number(0)),
  recvfrom: (host, a) => host.recvfrom(a.number(), a.length(), a.number(0)),
  readv: (host, a) => host.readv(a.number(), a.numbers()),
  recvmsg: (host, a) => host.recvmsg(a.number(), a.numbers(), a.number(0)),
  write: (host, a) => host.write(a.number(), a.pointer(), a.more ? a.number() : undefined),
  writev: (host, a) => host.writev(a.number(), a.blocks()),
  send: (host, a) => host.send(a.number(), a.pointer(), a.number(0)),
  sendto: (host, a) => host.sendto(a.number(), a.pointer(), a.number(0), a.addressOrNull()),
  sendmsg: (host, a) => host.sendmsg(a.number(), a.blocks(), a.number(0), a.addressOrNull(), a.controls()),
  pipe: (host, a) => host.pipe(a.number(0)),
  splice: (host, a) => host.splice(a.number(), a.number(), a.number(), a.number(0), a.numberOrNull(), a.numberOrNull()),
  sendfile: (host, a) => host.sendfile(a.number(), a.number(), a.numberOrNull(), a.number()),
  memfd_create: (host, a) => host.memfd_create(a.text(), a.number(0)),
  lseek: (host, a) => host.lseek(a.number(), a.number(), a.number()),
  ftruncate: (host, a) => host.ftruncate(a.number(), a.number()),
  pread: (host, a) => host.pread(a.number(), a.number(), a.number()),
  pwrite: (host, a) => host.pwrite(a.number(), a.bytes(), a.number()),
  shutdown: (host, a) => host.shutdown(a.number(), a.number()),
  close: (host, a) => host.close(a.number()),
  dup: (host, a) => host.dup(a.number()),
  fcntl: (host, a) => host.fcntl(a.number(), a.number(), a.number(0)),
  ioctl: (host, a) => host.ioctl(a.number(), a.number(), a.number(0)),
  getsockopt: (host, a) => host.getsockopt(a.number(), a.number(), a.number(), a.number(512), a.pointerOrNull()),
  setsockopt: (host, a) => host.setsockopt(a.number(), a.number(), a.number(), a.pointer()),
  poll: (host, a) => host.poll(a.polls(), a.number()),
  epoll_create: (host, a) => host.epoll_create(a.number(1)),
  epoll_create1: (host, a) => host.epoll_create1(a.number(0)),
  epoll_ctl: (host, a) => host.epoll_ctl(a.number(), a.number(), a.number(), a.event()),
  epoll_wait: (host, a) => host.epoll_wait(a.number(), a.number(), a.number()),
};

/** What is no system call: it gives its value at once. */
const OTHERS: Readonly<Record<string, (host: DrillHost, a: Arguments) => unknown>> = {
  now: host => host.now,
  nextDeadline: host => host.nextDeadline(),
  advance: (host, a) => host.advance(a.number()),
  runUntil: (host, a) => host.runUntil(a.number()),
  inject: (host, a) => host.inject(a.bytes(), a.number(0)),
  take: host => host.take(),
  receive: (host, a) => host.receive(a.number()),
  sysctl: (host, a) => {
    const name = a.text();
    return a.more ? host.sysctl(name, a.text()) : host.sysctl(name);
  },
  route: (host, a) => host.route(a.object() as unknown as Parameters<DrillHost['route']>[0]),
  command: (host, a) => host.command(a.text()),
  counters: host => host.counters(),
  log: host => host.log(),
  pcap: host => host.pcap(),
  parseTcpInfo: (_host, a) => parseTcpInfo(a.bytes()),
};

export class DrillSession {
  private readonly defaults: DrillOptions;
  private host: DrillHost | null = null;
  private operations = 0;
  private readonly pending = new Map<number, Operation<unknown>>();

  /** `defaults`: of a host that was not opened with options of its own. */
  constructor(defaults: DrillOptions = {}) {
    this.defaults = defaults;
  }

  /** The answer to one line, a line too. */
  line(text: string): string {
    let id: unknown = null;
    try {
      if (text.length > LINE_MAX) throw new BadRequest(`a line of more than ${LINE_MAX} characters`);
      let request: { id?: unknown; call?: unknown; args?: unknown } | null;
      try {
        request = JSON.parse(text);
      } catch (error) {
        throw new BadRequest(`no JSON: ${(error as Error).message}`);
      }
      if (typeof request !== 'object' || request === null) throw new BadRequest('an object expected');
      const given = request.id ?? null;
      if (given !== null && typeof given !== 'number' && typeof given !== 'string') {
        throw new BadRequest('"id": a number or a string expected');
      }
      id = given;
      const { call, args = [] } = request;
      if (typeof call !== 'string') throw new BadRequest('"call": a string expected');
      if (!Array.isArray(args) || args.length > ARGUMENTS_MAX) throw new BadRequest('"args": a list expected');
      const answer = this.serve(call, new Arguments(args));
      return JSON.stringify({ id, ...answer, ...this.state() });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (error.name !== 'AssertionError') return JSON.stringify({ id, error: error.message, ...this.state() });
      // Our own bug: what the host is worth after that, nobody knows.
      this.host = null;
      this.pending.clear();
      return JSON.stringify({ id, error: `${error.message}: a fault of the host, which has ended`, ...this.state() });
    }
  }

  private serve(call: string, args: Arguments): Record<string, Value> {
    if (call === 'open') {
      if (this.host !== null) throw new BadRequest('open: a host is there already; end it first');
      this.host = new DrillHost({ ...this.defaults, ...(args.more ? (args.object() as DrillOptions) : {}) });
      return { value: null };
    }
    if (call === 'end') {
      const findings = this.host?.end() ?? [];
      this.host = null;
      this.pending.clear();
      return { value: toJson(findings) };
    }
    this.host ??= new DrillHost(this.defaults);
    const { host } = this;
    if (call === 'wait') {
      const number = args.number();
      const operation = this.pending.get(number);
      if (operation === undefined) throw new BadRequest(`wait: no operation ${number} is pending`);
      host.runUntilDone(operation, args.number());
      return { value: operation.done };
    }
    const system = Object.hasOwn(CALLS, call) ? CALLS[call] : undefined;
    if (system !== undefined) {
      const operation = system(host, args);
      const number = ++this.operations;
      if (operation.done) return describe(number, operation);
      this.pending.set(number, operation);
      return { operation: number, done: false };
    }
    const other = Object.hasOwn(OTHERS, call) ? OTHERS[call] : undefined;
    if (other === undefined) throw new BadRequest(`no call "${call}"`);
    return { value: toJson(other(host, args)) };
  }

  /** The clock, and the operations that have finished since they were answered as pending. */
  private state(): Record<string, Value> {
    const finished: Value[] = [];
    for (const [number, operation] of this.pending) {
      if (!operation.done) continue;
      this.pending.delete(number);
      finished.push(describe(number, operation));
    }
    return { now: this.host?.now ?? 0, ...(finished.length === 0 ? {} : { finished }) };
  }

  /** Ends the host that is left; what it leaves behind. */
  close(): number {
    const findings = this.host?.end().length ?? 0;
    this.host = null;
    return findings;
  }
}

function describe(number: number, operation: Operation<unknown>): Record<string, Value> {
  const { result, errno, finishedAt } = operation;
  return { operation: number, done: true, result, errno, value: toJson(operation.value), finishedAt };
}

/**
 * The lines of a text that comes in pieces. A line that is longer than LINE_MAX is cut behind one character more, so that
 * the session refuses it and nothing has to keep it. The last one needs no end.
 */
export async function* boundedLines(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let line = '';
  for await (const piece of pieces) {
    let at = 0;
    for (let end = piece.indexOf('\n'); end >= 0; end = piece.indexOf('\n', at)) {
      yield (line + piece.slice(at, end)).slice(0, LINE_MAX + 1);
      line = '';
      at = end + 1;
    }
    if (line.length <= LINE_MAX) line += piece.slice(at, at + LINE_MAX + 1 - line.length);
  }
  if (line !== '') yield line;
}
