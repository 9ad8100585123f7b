/** Sockets for the qtest protocol and for frames: clients come one after the other, each finds a fresh machine. */
import { existsSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { describeSystemError, UsageError } from '../cli/errors.ts';
import { type MachineOptions, QtestMachine } from './machine.ts';
import { QtestSession } from './protocol.ts';

/** Where a socket is: `unix:PATH` or `tcp:HOST:PORT`. */
export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

/** @throws RangeError with what was wrong, as a sentence */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:') && text.length > 'unix:'.length) return { path: text.slice('unix:'.length) };
  const [, host = '', digits = ''] = /^tcp:(.+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === '' || port > 65535) throw new RangeError('An address is unix:PATH or tcp:HOST:PORT.');
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port };
}

function show(address: Address): string {
  return 'path' in address ? `unix:${address.path}` : `tcp:${address.host}:${address.port}`;
}

/** A command longer than this is refused: hexadecimal data of the longest transfer. */
const LONGEST_LINE = 136 * 1024 * 1024;
/** Frames are at most this long on the frame socket. */
const LONGEST_FRAME = 65536;
const LENGTH_BYTES = 4;
/** Answers that a client does not fetch: beyond this we stop reading its commands. */
const BACKLOG = 4 * 1024 * 1024;

export interface ServerOptions extends MachineOptions {
  /** Wait here for clients, or go to one that waits. */
  readonly listen?: Address;
  readonly connect?: Address;
  readonly framesListen?: Address;
  readonly framesConnect?: Address;
  /** End with the first client. */
  readonly once: boolean;
  /** What happens, for a log. */
  readonly log: (text: string) => void;
}

/** Cuts a stream of bytes into lines. */
class Lines {
  private rest: Buffer[] = [];
  private length = 0;
  private skipping = false;

  push(chunk: Buffer, line: (text: string) => void, tooLong: () => void): void {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      this.rest.push(chunk.subarray(from, at));
      from = at + 1;
      const text = this.skipping ? null : Buffer.concat(this.rest).toString('latin1');
      this.clear();
      if (text !== null) line(text);
    }
    if (from === chunk.length || this.skipping) return;
    this.rest.push(chunk.subarray(from));
    this.length += chunk.length - from;
    if (this.length <= LONGEST_LINE) return;
    this.clear();
    this.skipping = true;
    tooLong();
  }

  private clear(): void {
    this.rest = [];
    this.length = 0;
    this.skipping = false;
  }
}

/** Cuts a stream of bytes into frames with a four-byte length before each, high byte first. */
class Frames {
  private rest: Buffer = Buffer.alloc(0);

  /** False: a length that no frame has; the stream cannot be followed any further. */
  push(chunk: Buffer, frame: (bytes: Uint8Array) => void): boolean {
    let all = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (all.length >= LENGTH_BYTES) {
      const length = all.readUInt32BE(0);
      if (length > LONGEST_FRAME) return false;
      if (all.length < LENGTH_BYTES + length) break;
      if (length > 0) frame(Uint8Array.from(all.subarray(LENGTH_BYTES, LENGTH_BYTES + length)));
      all = all.subarray(LENGTH_BYTES + length);
    }
    this.rest = Buffer.from(all);
    return true;
  }
}

export class QtestServer {
  private readonly options: ServerOptions;
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly waiting: Socket[] = [];
  private current: Socket | null = null;
  private machine: QtestMachine | null = null;
  private frames: Socket | null = null;
  private closed = false;
  private finish: () => void = () => {};
  /** Settles when the server is closed: by `close`, or because it served the client it was for. */
  readonly ended: Promise<void>;

  constructor(options: ServerOptions) {
    this.options = options;
    this.ended = new Promise(resolve => {
      this.finish = resolve;
    });
  }

  /** Opens every socket. @throws UsageError when one cannot be opened; nothing stays open then */
  async open(): Promise<void> {
    const { listen: at, connect: to, framesListen, framesConnect } = this.options;
    try {
      if (framesListen !== undefined) await this.listen(framesListen, socket => this.frameClient(socket));
      if (framesConnect !== undefined) this.frameClient(await this.reach(framesConnect));
      if (at !== undefined) await this.listen(at, socket => this.client(socket));
      if (to !== undefined) this.client(await this.reach(to));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Closes every socket and removes their names. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const server of this.servers) server.close();
    for (const socket of this.sockets) socket.destroy();
    this.finish();
  }

  /** The port that a server with port 0 got, for tests. */
  get ports(): readonly number[] {
    return this.servers.map(server => {
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    });
  }

  private async listen(address: Address, client: (socket: Socket) => void): Promise<void> {
    if ('path' in address) await removeStale(address.path);
    const server = createServer(client);
    this.servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.on('error', error => {
        const why = describeSystemError(inMissingFolder(address) ? { code: 'ENOENT' } : error);
        reject(new UsageError(`${show(address)}: ${why}`, { cause: error }));
      });
      server.listen(address, () => {
        this.options.log(`listening on ${show(address)}`);
        resolve();
      });
    });
  }

  private reach(address: Address): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(address);
      const failed = (error: Error): void =>
        reject(new UsageError(`${show(address)}: ${describeSystemError(error)}`, { cause: error }));
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.off('error', failed);
        this.options.log(`connected to ${show(address)}`);
        resolve(socket);
      });
    });
  }

  private watch(socket: Socket, gone: () => void): void {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    // A client that goes away in the middle is no news: the end of the socket is what counts.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.sockets.delete(socket);
      gone();
    });
  }

  /** Clients are served one at a time, in the order in which they came. */
  private client(socket: Socket): void {
    if (this.closed) {
      socket.destroy();
      return;
    }
    this.watch(socket, () => this.left(socket));
    if (this.current === null) this.serve(socket);
    else this.waiting.push(socket.pause());
  }

  private left(socket: Socket): void {
    const at = this.waiting.indexOf(socket);
    if (at >= 0) this.waiting.splice(at, 1);
    if (this.current !== socket) return;
    this.options.log(`client gone, ${this.machine?.violations ?? 0} violations`);
    this.current = null;
    this.machine = null;
    if (this.options.once || this.options.connect !== undefined) {
      this.close();
      return;
    }
    const next = this.waiting.shift();
    if (next !== undefined && !this.closed) this.serve(next);
  }

  private serve(socket: Socket): void {
    const machine = new QtestMachine(this.options);
    this.current = socket;
    this.machine = machine;
    this.options.log('client');
    machine.onFrame = (bytes, at, length) => this.frameOut(bytes, at, length);
    let out = '';
    let batching = false;
    const flush = (): void => {
      if (out === '' || socket.destroyed) return;
      socket.write(out, 'latin1');
      out = '';
    };
    const session = new QtestSession(machine, text => {
      out += text;
      if (!batching) flush();
    });
    const lines = new Lines();
    socket.on('data', (chunk: Buffer) => {
      batching = true;
      lines.push(
        chunk,
        text => session.line(text),
        () => {
          out += 'FAIL the line is too long\n';
        },
      );
      batching = false;
      flush();
      if (socket.writableLength > BACKLOG) socket.pause();
    });
    socket.on('drain', () => socket.resume());
    socket.resume();
  }

  /** One peer at the other end of the wire at a time: the newest. */
  private frameClient(socket: Socket): void {
    if (this.closed) {
      socket.destroy();
      return;
    }
    this.frames?.destroy();
    this.frames = socket;
    this.watch(socket, () => {
      if (this.frames === socket) this.frames = null;
    });
    const frames = new Frames();
    socket.on('data', (chunk: Buffer) => {
      if (frames.push(chunk, bytes => this.machine?.frameIn(bytes))) return;
      this.options.log('frame socket: a length that no frame has, closed');
      socket.destroy();
    });
  }

  /** Nobody there, or nobody reading: the frame is lost, as on a wire. */
  private frameOut(bytes: Uint8Array, at: number, length: number): void {
    const { frames } = this;
    if (frames === null || frames.destroyed || frames.writableLength > BACKLOG) return;
    const out = Buffer.allocUnsafe(LENGTH_BYTES + length);
    out.writeUInt32BE(length, 0);
    out.set(bytes.subarray(at, at + length), LENGTH_BYTES);
    frames.write(out);
  }
}

/** libuv tells EACCES where bind(2) said ENOENT. */
const inMissingFolder = (address: Address): boolean => 'path' in address && !existsSync(dirname(address.path));

/** A socket that nobody listens on any more would be in the way; anything else at this path stays. */
function removeStale(path: string): Promise<void> {
  return new Promise(resolve => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve();
    });
    probe.once('error', error => {
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') rmSync(path, { force: true });
      resolve();
    });
  });
}
