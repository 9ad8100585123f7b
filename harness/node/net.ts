/**
 * Streams and servers over an emulated host's sockets, with the interface of `node:net`: what takes a socket or listens
 * for 'connection' (Node's `http`, any protocol library over streams) runs on a host, in simulated time.
 */
import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';
import { EADDRINUSE, EAGAIN, EINPROGRESS, EMFILE, EPIPE, errno_name } from '../../kernel/errno.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from '../../kernel/fs/eventpoll.ts';
import { in_aton, inet_ntoa } from '../../kernel/lib/inet.ts';
import { SO_ERROR, SO_KEEPALIVE, SO_LINGER, SO_REUSEADDR, SOL_SOCKET } from '../../kernel/net/core/sock.ts';
import { SOL_TCP, TCP_KEEPIDLE, TCP_NODELAY } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import {
  AF_INET,
  MSG_NOSIGNAL,
  SHUT_WR,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddr_in,
  sockopt,
} from '../../kernel/net/msg.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import type { Host } from '../machine/host.ts';
import { address as parseAddress } from '../user/user.ts';
import { BUFFER, type EventLoop } from './loop.ts';
import type { NodeRun, SimTimer } from './run.ts';

const BACKLOG = 511;

/** As Node's: what failed, with its code and whom it was about. */
export class NetError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly address: string | undefined;
  readonly port: number | undefined;

  constructor(syscall: string, errno: number, address?: string, port?: number) {
    const code = errno_name(errno);
    const where = address === undefined ? '' : ` ${address}${port === undefined ? '' : `:${port}`}`;
    super(`${syscall} ${code}${errno === -EADDRINUSE ? ': address already in use' : ''}${where}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.address = address;
    this.port = port;
  }
}

export interface AddressInfo {
  readonly address: string;
  readonly family: 'IPv4';
  readonly port: number;
}

export interface ConnectOptions {
  readonly host?: string;
  readonly port: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly noDelay?: boolean;
  readonly allowHalfOpen?: boolean;
}

export interface ListenOptions {
  readonly port?: number;
  readonly host?: string;
  readonly backlog?: number;
}

export interface ServerOptions {
  readonly allowHalfOpen?: boolean;
  /** TCP_NODELAY for every connection. */
  readonly noDelay?: boolean;
}

interface Writing {
  readonly data: Uint8Array;
  at: number;
  readonly done: (error?: Error | null) => void;
}

type Step = Generator<undefined, void, undefined>;

function endpoint(name: sockaddr_in): AddressInfo {
  return { address: inet_ntoa(name.sin_addr), family: 'IPv4', port: name.sin_port };
}

/** There is no name service: an address it must be. */
class NameError extends Error {
  readonly code = 'ENOTFOUND';
  readonly syscall = 'getaddrinfo';
  readonly hostname: string;

  constructor(hostname: string) {
    super(`getaddrinfo ENOTFOUND ${hostname}`);
    this.hostname = hostname;
  }
}

/** A TCP socket of a host as `net.Socket`. */
export class Socket extends Duplex {
  connecting = false;
  bytesRead = 0;
  bytesWritten = 0;
  remoteAddress: string | undefined;
  remotePort: number | undefined;
  readonly remoteFamily = 'IPv4';
  localAddress: string | undefined;
  localPort: number | undefined;
  /** ms, 0 for none. */
  timeout = 0;
  private readonly run: NodeRun;
  private readonly loop: EventLoop;
  private fd = -1;
  private wanted = 0;
  /** There is nothing more to read. */
  private ended = false;
  private writing: Writing | null = null;
  private idle: SimTimer | null = null;
  private readonly opt = new sockopt();

  constructor(run: NodeRun, host: Host, options: { readonly allowHalfOpen?: boolean } = {}) {
    // 'close' comes when the descriptor is closed, and says whether it was for an error.
    super({ allowHalfOpen: options.allowHalfOpen ?? false, emitClose: false, autoDestroy: true });
    this.run = run;
    this.loop = run.loop(host);
  }

  get pending(): boolean {
    return this.fd < 0 || this.connecting;
  }

  get readyState(): string {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  get bufferSize(): number {
    return this.writableLength;
  }

  address(): AddressInfo | Record<string, never> {
    if (this.localAddress === undefined) return {};
    return { address: this.localAddress, family: 'IPv4', port: this.localPort as number };
  }

  connect(options: ConnectOptions | number, hostOrListener?: string | (() => void), listener?: () => void): this {
    const given = typeof options === 'number' ? { port: options } : options;
    const host = (typeof hostOrListener === 'string' ? hostOrListener : (given as ConnectOptions).host) ?? '127.0.0.1';
    const done = typeof hostOrListener === 'function' ? hostOrListener : listener;
    if (done !== undefined) this.once('connect', done);
    this.connecting = true;
    const address = host === 'localhost' ? '127.0.0.1' : host;
    if (Number.isNaN(in_aton(address))) this.fail(new NameError(host));
    else this.loop.post(sys => this.open(sys, given, address));
    return this;
  }

  /** In the task: socket, bind and connect. */
  private *open(sys: Syscalls, options: ConnectOptions, host: string): Step {
    if (this.destroyed) return;
    const { port, localAddress, localPort } = options;
    const fail = (call: string, errno: number): void => {
      this.connecting = false;
      this.fail(new NetError(call, errno, host, port));
    };
    const fd = yield* sys.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail('socket', fd);
    this.fd = fd;
    if (options.noDelay === true) yield* this.option(sys, SOL_TCP, TCP_NODELAY, 1);
    if (localAddress !== undefined || localPort !== undefined) {
      const bound = yield* sys.bind(fd, sys.sockaddr(parseAddress(localAddress ?? '0.0.0.0'), localPort ?? 0));
      if (bound < 0) return fail('bind', bound);
    }
    const result = yield* sys.connect(fd, sys.sockaddr(parseAddress(host), port));
    if (result < 0 && result !== -EINPROGRESS) return fail('connect', result);
    yield* this.loop.watch(
      sys,
      fd,
      EPOLLOUT,
      function* (this: Socket): Step {
        const error = yield* sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, this.opt);
        const errno = error < 0 ? error : -this.opt.value;
        if (errno < 0) {
          yield* this.loop.unwatch(sys, fd);
          return fail('connect', errno);
        }
        yield* this.names(sys);
        this.loop.callback(() => {
          this.active();
          this.emit('connect');
          this.emit('ready');
        });
        yield* this.begin(sys);
      }.bind(this),
    );
  }

  /** In the task: whose connection it is. */
  private *names(sys: Syscalls): Step {
    const name = new sockaddr_in();
    if ((yield* sys.getsockname(this.fd, name)) === 0) {
      this.localAddress = inet_ntoa(name.sin_addr);
      this.localPort = name.sin_port;
    }
    if ((yield* sys.getpeername(this.fd, name)) === 0) {
      this.remoteAddress = inet_ntoa(name.sin_addr);
      this.remotePort = name.sin_port;
    }
    this.connecting = false;
  }

  /** In the task: data may come and go. */
  private *begin(sys: Syscalls): Step {
    this.wanted = EPOLLIN;
    if (this.writing !== null) yield* this.push_out(sys);
    yield* this.listen(sys);
  }

  /** For a server: the socket of a connection that was accepted, in the task. */
  *adopt(sys: Syscalls, fd: number, server: Server, noDelay: boolean): Step {
    this.fd = fd;
    if (noDelay) yield* this.option(sys, SOL_TCP, TCP_NODELAY, 1);
    yield* this.names(sys);
    this.loop.callback(() => server.emit('connection', this));
    yield* this.begin(sys);
  }

  private readonly ready = (sys: Syscalls, events: number): Step => this.handle(sys, events);

  private *handle(sys: Syscalls, events: number): Step {
    const broken = (events & (EPOLLERR | EPOLLHUP)) !== 0;
    if ((broken || (events & EPOLLOUT) !== 0) && this.writing !== null) yield* this.push_out(sys);
    if ((broken || (events & EPOLLIN) !== 0) && (this.wanted & EPOLLIN) !== 0) yield* this.pull_in(sys);
    yield* this.listen(sys);
  }

  /** Tells epoll what is wanted now. Where nothing is, it must not hear of errors and ends either, which never pass. */
  private *listen(sys: Syscalls): Step {
    if (this.fd < 0 || this.connecting) return;
    const wanted = (this.wanted & EPOLLIN) | (this.writing !== null ? EPOLLOUT : 0);
    if (wanted === 0) yield* this.loop.unwatch(sys, this.fd);
    else yield* this.loop.watch(sys, this.fd, wanted, this.ready);
  }

  private *pull_in(sys: Syscalls): Step {
    const { buffer } = this.loop;
    const n = yield* sys.recvfrom(this.fd, buffer, BUFFER, 0, null);
    if (n === -EAGAIN) return;
    if (n < 0) {
      this.wanted = 0;
      this.ended = true;
      return this.fail(new NetError('read', n));
    }
    // Reading goes on when the stream asks for more.
    this.wanted = 0;
    this.ended = n === 0;
    const data = n === 0 ? null : Buffer.from(sys.kernel.ram.u8.slice(buffer, buffer + n));
    this.bytesRead += n;
    this.loop.callback(() => {
      if (this.destroyed) return;
      this.active();
      this.push(data);
      // An end is seen by who reads; who does not is to see it too, as net.Socket has it.
      if (data === null && this.readableLength === 0) this.read(0);
    });
  }

  private *push_out(sys: Syscalls): Step {
    const { buffer } = this.loop;
    const writing = this.writing as Writing;
    while (writing.at < writing.data.length) {
      const piece = writing.data.subarray(writing.at, writing.at + BUFFER);
      sys.kernel.ram.u8.set(piece, buffer);
      const n = yield* sys.sendto(this.fd, buffer, piece.length, MSG_NOSIGNAL, null);
      if (n === -EAGAIN) return;
      if (n < 0) {
        this.writing = null;
        const error = new NetError('write', n);
        this.loop.callback(() => writing.done(error));
        return;
      }
      writing.at += n;
      this.bytesWritten += n;
    }
    this.writing = null;
    this.loop.callback(() => {
      this.active();
      writing.done();
    });
  }

  private fail(error: Error): void {
    this.loop.callback(() => this.destroy(error));
  }

  override _read(): void {
    if ((this.wanted & EPOLLIN) !== 0 || this.ended) return;
    this.wanted |= EPOLLIN;
    this.loop.post(sys => this.listen(sys));
  }

  override _write(data: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.writing = { data, at: 0, done };
    if (this.connecting || this.fd < 0) return;
    this.loop.post(
      function* (this: Socket, sys: Syscalls): Step {
        if (this.writing === null) return;
        if (this.fd < 0) return this.loop.callback(() => done(new NetError('write', -EPIPE)));
        yield* this.push_out(sys);
        yield* this.listen(sys);
      }.bind(this),
    );
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'buffer', done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.connecting) {
      this.once('connect', () => this._final(done));
      return;
    }
    this.loop.post(
      function* (this: Socket, sys: Syscalls): Step {
        if (this.fd >= 0) yield* sys.shutdown(this.fd, SHUT_WR);
        this.loop.callback(() => done());
      }.bind(this),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.idle?.clear();
    this.idle = null;
    this.connecting = false;
    this.loop.post(
      function* (this: Socket, sys: Syscalls): Step {
        const { fd } = this;
        this.fd = -1;
        this.writing = null;
        if (fd >= 0) {
          yield* this.loop.unwatch(sys, fd);
          yield* sys.close(fd);
        }
        this.loop.callback(() => {
          done(error);
          // Behind 'error', and whoever waits for that.
          setImmediate(() => this.emit('close', error !== null));
        });
      }.bind(this),
    );
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Closes with a reset (SO_LINGER with a time of 0). */
  resetAndDestroy(): this {
    this.loop.post(
      function* (this: Socket, sys: Syscalls): Step {
        if (this.fd < 0) return;
        // struct linger: on, for no time.
        this.opt.value = 1;
        this.opt.sec = 0;
        yield* sys.setsockopt(this.fd, SOL_SOCKET, SO_LINGER, this.opt);
      }.bind(this),
    );
    return this.destroy();
  }

  private *option(sys: Syscalls, level: number, name: number, value: number): Step {
    this.opt.value = value;
    yield* sys.setsockopt(this.fd, level, name, this.opt);
  }

  private set(level: number, name: number, value: number): this {
    const work = (sys: Syscalls): Step => this.option(sys, level, name, value);
    if (this.pending) this.once('connect', () => this.loop.post(work));
    else this.loop.post(work);
    return this;
  }

  setNoDelay(on = true): this {
    return this.set(SOL_TCP, TCP_NODELAY, on ? 1 : 0);
  }

  setKeepAlive(on = false, initialDelay = 0): this {
    this.set(SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
    return on && initialDelay >= 1000 ? this.set(SOL_TCP, TCP_KEEPIDLE, Math.floor(initialDelay / 1000)) : this;
  }

  /** 'timeout' after `ms` of simulated time without data; 0 for never. */
  setTimeout(ms: number, listener?: () => void): this {
    this.timeout = ms;
    if (listener !== undefined) this.once('timeout', listener);
    this.active();
    return this;
  }

  private active(): void {
    this.idle?.clear();
    this.idle =
      this.timeout > 0 && !this.destroyed ? this.run.setTimeout(() => this.emit('timeout'), this.timeout) : null;
  }

  /** The simulation keeps no process alive: for callers that expect them. */
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/** A listening TCP socket of a host as `net.Server`. */
export class Server extends EventEmitter {
  listening = false;
  private readonly run: NodeRun;
  private readonly host: Host;
  private readonly loop: EventLoop;
  private readonly allowHalfOpen: boolean;
  private readonly noDelay: boolean;
  private readonly sockets = new Set<Socket>();
  private fd = -1;
  private at: AddressInfo | null = null;
  private closing = false;
  private starved = false;

  constructor(run: NodeRun, host: Host, options: ServerOptions = {}, listener?: (socket: Socket) => void) {
    super();
    this.run = run;
    this.host = host;
    this.loop = run.loop(host);
    this.allowHalfOpen = options.allowHalfOpen ?? false;
    this.noDelay = options.noDelay ?? false;
    if (listener !== undefined) this.on('connection', listener);
  }

  /** As net.Server: `(port, host, backlog, listener)` or `(options, listener)`. Port 0: any free one; `address` then tells. */
  listen(at: number | ListenOptions = 0, ...rest: (string | number | (() => void) | undefined)[]): this {
    const given = typeof at === 'number' ? { port: at } : at;
    const listener = rest.find(each => typeof each === 'function');
    if (listener !== undefined) this.once('listening', listener);
    const host = rest.find(each => typeof each === 'string') ?? given.host ?? '0.0.0.0';
    const backlog = rest.find(each => typeof each === 'number') ?? given.backlog ?? BACKLOG;
    const address = host === 'localhost' ? '127.0.0.1' : host;
    if (Number.isNaN(in_aton(address))) this.loop.callback(() => this.emit('error', new NameError(host)));
    else this.loop.post(sys => this.open(sys, given.port ?? 0, address, backlog));
    return this;
  }

  private *open(sys: Syscalls, port: number, address: string, backlog: number): Step {
    const fail = (call: string, errno: number): void =>
      this.loop.callback(() => this.emit('error', new NetError(call, errno, address, port)));
    const fd = yield* sys.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail('socket', fd);
    const opt = new sockopt();
    opt.value = 1;
    yield* sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, opt);
    const bound = yield* sys.bind(fd, sys.sockaddr(parseAddress(address), port));
    const result = bound < 0 ? bound : yield* sys.listen(fd, backlog);
    if (result < 0) {
      yield* sys.close(fd);
      return fail('listen', result);
    }
    const name = new sockaddr_in();
    yield* sys.getsockname(fd, name);
    this.fd = fd;
    this.at = endpoint(name);
    this.listening = true;
    yield* this.resume(sys);
    this.loop.callback(() => this.emit('listening'));
  }

  private *accept(sys: Syscalls): Step {
    for (;;) {
      if (this.fd < 0) return;
      const fd = yield* sys.accept4(this.fd, null, SOCK_NONBLOCK);
      // No descriptor left: until one is given back, there is no use in being told of connections.
      if (fd === -EMFILE) {
        this.starved = true;
        yield* this.loop.unwatch(sys, this.fd);
      }
      // Nothing more, or a connection that was reset before it was taken.
      if (fd < 0) return;
      const socket = new Socket(this.run, this.host, { allowHalfOpen: this.allowHalfOpen });
      this.sockets.add(socket);
      socket.once('close', () => {
        this.sockets.delete(socket);
        if (this.starved) this.loop.post(sys => this.resume(sys));
        this.closed();
      });
      yield* socket.adopt(sys, fd, this, this.noDelay);
    }
  }

  private *resume(sys: Syscalls): Step {
    this.starved = false;
    if (this.fd >= 0) yield* this.loop.watch(sys, this.fd, EPOLLIN, this.acceptable);
  }

  private readonly acceptable = (sys: Syscalls): Step => this.accept(sys);

  address(): AddressInfo | null {
    return this.at;
  }

  getConnections(done: (error: Error | null, count: number) => void): void {
    this.loop.callback(() => done(null, this.sockets.size));
  }

  /** No more connections; 'close' when those there are have ended. */
  close(listener?: (error?: Error) => void): this {
    if (!this.listening) {
      const error = Object.assign(new Error('Server is not running.'), { code: 'ERR_SERVER_NOT_RUNNING' });
      if (listener !== undefined) this.loop.callback(() => listener(error));
      return this;
    }
    if (listener !== undefined) this.once('close', listener);
    this.closing = true;
    this.listening = false;
    this.loop.post(
      function* (this: Server, sys: Syscalls): Step {
        const { fd } = this;
        this.fd = -1;
        if (fd >= 0) {
          yield* this.loop.unwatch(sys, fd);
          yield* sys.close(fd);
        }
        this.loop.callback(() => this.closed());
      }.bind(this),
    );
    return this;
  }

  private closed(): void {
    if (this.closing && this.fd < 0 && this.sockets.size === 0) {
      this.closing = false;
      this.emit('close');
    }
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/** `node:net` for one host: hand its parts to whatever takes them. */
export class Net {
  private readonly run: NodeRun;
  private readonly host: Host;

  constructor(run: NodeRun, host: Host) {
    this.run = run;
    this.host = host;
  }

  createServer(options?: ServerOptions | ((socket: Socket) => void), listener?: (socket: Socket) => void): Server {
    return typeof options === 'function'
      ? new Server(this.run, this.host, {}, options)
      : new Server(this.run, this.host, options, listener);
  }

  connect(options: ConnectOptions, listener?: () => void): Socket {
    return new Socket(this.run, this.host, options).connect(options, undefined, listener);
  }
}
