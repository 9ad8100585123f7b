/** Stream sockets for programs: the calls with addresses as text and data as bytes, and small servers and clients. */

import { inet_ntoa } from '../../kernel/lib/inet.ts';
import { SO_REUSEADDR, SOL_SOCKET } from '../../kernel/net/core/sock.ts';
import { SOL_TCP, TCP_INFO, type tcp_info, tcp_info_parse } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import { AF_INET, SHUT_WR, SOCK_STREAM, sockaddr_in, sockopt } from '../../kernel/net/msg.ts';
import type { Program } from '../../kernel/sched/task.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import { concat } from '../packet/bytes.ts';
import { check, SysError } from './error.ts';
import type { Output } from './programs.ts';
import { address, type Call, type Endpoint } from './user.ts';

/** The longest piece that one call moves. */
const BUFFER = 65536;

/** A connection of a program's: bytes in, bytes out. */
export class Stream {
  readonly sys: Syscalls;
  readonly fd: number;
  private readonly buffer: number;

  constructor(sys: Syscalls, fd: number) {
    this.sys = sys;
    this.fd = fd;
    this.buffer = check('mmap', sys.mmap(BUFFER));
  }

  /** All of `data`, however often it takes. */
  *write(data: Uint8Array): Call<void> {
    const { sys, buffer } = this;
    for (let done = 0; done < data.length; ) {
      const piece = data.subarray(done, done + BUFFER);
      sys.kernel.ram.u8.set(piece, buffer);
      done += check('send', yield* sys.send(this.fd, buffer, piece.length, 0));
    }
  }

  /** What has come, `length` bytes of it at most; empty at the end. */
  *read(length = BUFFER): Call<Uint8Array> {
    const { sys, buffer } = this;
    const n = check('recv', yield* sys.recv(this.fd, buffer, Math.min(length, BUFFER), 0));
    return sys.kernel.ram.u8.slice(buffer, buffer + n);
  }

  /** Everything up to the end. */
  *readAll(): Call<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const part = yield* this.read();
      if (part.length === 0) return concat(parts);
      parts.push(part);
    }
  }

  /** No more bytes from us: the other side reads an end. */
  *end(): Call<void> {
    check('shutdown', yield* this.sys.shutdown(this.fd, SHUT_WR));
  }

  *info(): Call<tcp_info> {
    const opt = new sockopt();
    check('getsockopt', yield* this.sys.getsockopt(this.fd, SOL_TCP, TCP_INFO, opt));
    return tcp_info_parse(opt.bytes as Uint8Array);
  }

  *close(): Call<void> {
    const { sys } = this;
    check('close', yield* sys.close(this.fd));
    sys.munmap(this.buffer);
  }
}

/** Connects, waiting for it. @throws SysError */
export function* connect(sys: Syscalls, to: Endpoint): Call<Stream> {
  const fd = check('socket', yield* sys.socket(AF_INET, SOCK_STREAM, 0));
  const result = yield* sys.connect(fd, new sockaddr_in(address(to.address), to.port));
  if (result < 0) {
    yield* sys.close(fd);
    throw new SysError('connect', result);
  }
  return new Stream(sys, fd);
}

/** A listening socket's descriptor. @throws SysError */
export function* listen(sys: Syscalls, port: number, backlog = 128, bind = '0.0.0.0'): Call<number> {
  const fd = check('socket', yield* sys.socket(AF_INET, SOCK_STREAM, 0));
  const on = new sockopt();
  on.value = 1;
  check('setsockopt', yield* sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, on));
  check('bind', yield* sys.bind(fd, new sockaddr_in(address(bind), port)));
  check('listen', yield* sys.listen(fd, backlog));
  return fd;
}

/** The next connection, and whose it is. @throws SysError */
export function* accept(sys: Syscalls, fd: number): Call<{ stream: Stream; peer: Endpoint }> {
  const name = new sockaddr_in();
  const child = check('accept', yield* sys.accept(fd, name));
  return { stream: new Stream(sys, child), peer: { address: inet_ntoa(name.sin_addr), port: name.sin_port } };
}

export interface ServeOptions {
  readonly port: number;
  readonly backlog?: number;
  /** Connections to serve before the program ends; left out: for ever. */
  readonly count?: number;
}

/** Runs `handler` for one connection after the other. */
export function tcpServe(
  options: ServeOptions,
  handler: (stream: Stream, peer: Endpoint) => Call<void>,
): (sys: Syscalls) => Program {
  const { port, backlog = 128, count = Infinity } = options;
  return function* (sys) {
    const fd = yield* listen(sys, port, backlog);
    for (let done = 0; done < count; done++) {
      const { stream, peer } = yield* accept(sys, fd);
      try {
        yield* handler(stream, peer);
      } catch (error) {
        // A connection that breaks is its peer's affair: the server goes on.
        if (!(error instanceof SysError)) throw error;
      }
      yield* stream.close();
    }
    check('close', yield* sys.close(fd));
    return 0;
  };
}

/** Sends whatever comes back to where it came from. */
export function tcpEcho(options: ServeOptions): (sys: Syscalls) => Program {
  return tcpServe(options, function* (stream) {
    for (;;) {
      const data = yield* stream.read();
      if (data.length === 0) return;
      yield* stream.write(data);
    }
  });
}

/** Takes and forgets all that comes (discard, RFC 863); `total` hears of each connection's bytes. */
export function tcpDiscard(options: ServeOptions, total: (bytes: Uint8Array) => void): (sys: Syscalls) => Program {
  return tcpServe(options, function* (stream) {
    total(yield* stream.readAll());
  });
}

/**
 * An HTTP/1.0 server of one file or more, by path (RFC 1945): as much of the protocol as a browser's first request
 * needs. PUT and POST hand their body to `put`. For more, Node's own http runs over our streams.
 */
export function httpServer(
  options: ServeOptions,
  files: ReadonlyMap<string, Uint8Array>,
  put: (path: string, body: Uint8Array) => void = () => {},
): (sys: Syscalls) => Program {
  const text = new TextDecoder('latin1');
  const encode = (s: string): Uint8Array => new TextEncoder().encode(s);
  return tcpServe(options, function* (stream) {
    let head = '';
    const body: Uint8Array[] = [];
    let end = -1;
    while (end < 0) {
      const part = yield* stream.read();
      if (part.length === 0) return;
      head += text.decode(part);
      end = head.indexOf('\r\n\r\n');
      if (head.length > BUFFER) return;
    }
    const [method = '', path = ''] = head.split(' ', 2);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head.slice(0, end))?.[1] ?? 0);
    if (method === 'PUT' || method === 'POST') {
      if (/\r\nexpect: *100-continue/i.test(head.slice(0, end))) {
        yield* stream.write(encode('HTTP/1.1 100 Continue\r\n\r\n'));
      }
      const first = Uint8Array.from(head.slice(end + 4), c => c.charCodeAt(0));
      body.push(first);
      for (let have = first.length; have < length; ) {
        const part = yield* stream.read();
        if (part.length === 0) return;
        body.push(part);
        have += part.length;
      }
      put(path, concat(body));
      yield* stream.write(encode('HTTP/1.0 204 No Content\r\nConnection: close\r\n\r\n'));
    } else {
      const file = files.get(path);
      const status = file === undefined ? '404 Not Found' : '200 OK';
      const content = file ?? encode('not found\n');
      yield* stream.write(
        encode(`HTTP/1.0 ${status}\r\nContent-Length: ${content.length}\r\nConnection: close\r\n\r\n`),
      );
      if (method !== 'HEAD') yield* stream.write(content);
    }
    yield* stream.end();
    // Until the other side has closed, so that ours is no reset.
    while ((yield* stream.read()).length > 0);
  });
}

/** Sends `data`, ends, and gives what came back to `answer`. 0, or 1 with a line of output when it failed. */
export function tcpSend(
  to: Endpoint,
  data: Uint8Array,
  answer: (data: Uint8Array) => void = () => {},
  output: Output = () => {},
): (sys: Syscalls) => Program {
  return function* (sys) {
    try {
      const stream = yield* connect(sys, to);
      yield* stream.write(data);
      yield* stream.end();
      answer(yield* stream.readAll());
      yield* stream.close();
      return 0;
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      output(`tcp: ${error.message}`);
      return 1;
    }
  };
}
