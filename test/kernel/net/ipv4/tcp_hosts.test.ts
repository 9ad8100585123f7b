/** Two hosts with cards: whole connections, with programs that block, and a host that talks to itself. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../../../harness/sim/random.ts';
import {
  accept,
  connect,
  httpServer,
  listen,
  type Stream,
  SysError,
  tcpDiscard,
  tcpEcho,
  tcpSend,
} from '../../../../harness/user/index.ts';
import { EAGAIN, EINPROGRESS } from '../../../../kernel/errno.ts';
import { EPOLL_CTL_ADD, EPOLLET, epoll_event } from '../../../../kernel/fs/eventpoll.ts';
import { POLLIN, POLLOUT, POLLRDHUP, pollfd } from '../../../../kernel/fs/select.ts';
import {
  SO_LINGER,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_SNDBUF,
  SO_SNDTIMEO,
  SOL_SOCKET,
} from '../../../../kernel/net/core/sock.ts';
import { SIOCATMARK, SIOCINQ, SIOCOUTQ } from '../../../../kernel/net/ipv4/inet_stream.ts';
import { proc_net_tcp } from '../../../../kernel/net/ipv4/tcp_proc.ts';
import {
  AF_INET,
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_PEEK,
  MSG_WAITALL,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddr_in,
  sockopt,
} from '../../../../kernel/net/msg.ts';
import { type Syscalls, spawn } from '../../../../kernel/syscalls.ts';
import { type Pair, pair, RIGHT } from '../../../pair.ts';

const SERVER = { address: '10.0.0.2', port: 80 };
const SECOND = 1e9;

function random(length: number, seed: number): Uint8Array {
  const chance = new Random(seed, 'data');
  return Uint8Array.from({ length }, () => chance.u32());
}

/** Runs both programs, then lets TIME_WAIT pass, and finds nothing wrong. Gives what they returned. */
function both<L, R>(
  p: Pair,
  left: (sys: Syscalls) => Generator<undefined, L, undefined>,
  right: (sys: Syscalls) => Generator<undefined, R, undefined>,
  seconds = 20,
): [L, R] {
  const results: [L | undefined, R | undefined] = [undefined, undefined];
  let ended = 0;
  p.right.kernel.exec(() =>
    spawn(p.right.kernel, 'right', function* (sys) {
      results[1] = yield* right(sys);
      ended++;
      return 0;
    }),
  );
  p.left.kernel.exec(() =>
    spawn(p.left.kernel, 'left', function* (sys) {
      results[0] = yield* left(sys);
      ended++;
      return 0;
    }),
  );
  p.run(seconds * SECOND);
  expect(ended, 'programs that came to their end').toBe(2);
  p.run(130 * SECOND);
  expect(p.finish()).toEqual([]);
  return results as [L, R];
}

function* serveOne<T>(
  sys: Syscalls,
  body: (stream: Stream) => Generator<undefined, T, undefined>,
): Generator<undefined, T, undefined> {
  const fd = yield* listen(sys, 80);
  const { stream } = yield* accept(sys, fd);
  const result = yield* body(stream);
  yield* sys.close(fd);
  return result;
}

/** The answer of an ioctl, or a negative errno. */
function* ioctl(sys: Syscalls, fd: number, command: number): Generator<undefined, number, undefined> {
  const opt = new sockopt();
  const err = yield* sys.ioctl(fd, command, opt);
  return err < 0 ? err : opt.value;
}

describe('two hosts', () => {
  test('an echo: every byte comes back, once and in order', () => {
    for (const length of [0, 1, 1000, 1460, 1461, 100_000]) {
      const p = pair();
      const data = random(length, length + 1);
      let answer = new Uint8Array();
      p.right.kernel.exec(() => spawn(p.right.kernel, 'echo', tcpEcho({ port: 80, count: 1 })));
      p.left.kernel.exec(() =>
        spawn(
          p.left.kernel,
          'send',
          tcpSend(SERVER, data, bytes => {
            answer = bytes.slice();
          }),
        ),
      );
      p.run(10 * SECOND);
      expect(Buffer.compare(answer, data), `${length} bytes`).toBe(0);
      p.run(70 * SECOND);
      expect(p.finish()).toEqual([]);
    }
  });

  test('with costs on: 300,000 bytes one way', () => {
    const p = pair({ costs: true });
    const data = random(300_000, 5);
    let got = new Uint8Array();
    p.right.kernel.exec(() =>
      spawn(
        p.right.kernel,
        'discard',
        tcpDiscard({ port: 80, count: 1 }, bytes => {
          got = bytes.slice();
        }),
      ),
    );
    p.left.kernel.exec(() => spawn(p.left.kernel, 'send', tcpSend(SERVER, data)));
    p.run(20 * SECOND);
    expect(Buffer.compare(got, data)).toBe(0);
    p.run(70 * SECOND);
    expect(p.finish()).toEqual([]);
  });

  test('nobody listens: ECONNREFUSED; the address is nobody’s: EHOSTUNREACH', () => {
    const p = pair();
    const codes: string[] = [];
    p.left.kernel.exec(() =>
      spawn(p.left.kernel, 'left', function* (sys) {
        for (const to of [SERVER, { address: '10.0.0.77', port: 80 }]) {
          try {
            yield* connect(sys, to);
          } catch (error) {
            codes.push((error as SysError).code);
          }
        }
        return 0;
      }),
    );
    p.run(20 * SECOND);
    expect(codes).toEqual(['ECONNREFUSED', 'EHOSTUNREACH']);
    expect(p.finish()).toEqual([]);
  });

  test('TCP_INFO on both sides: timestamps, SACK, window scaling in use; /proc/net/tcp shows the connection', () => {
    const p = pair();
    let proc = '';
    const [left, right] = both(
      p,
      function* (sys) {
        const stream = yield* connect(sys, SERVER);
        yield* stream.write(random(5000, 1));
        yield* stream.end();
        yield* stream.readAll();
        proc = proc_net_tcp(p.left.kernel.init_net);
        const info = yield* stream.info();
        yield* stream.close();
        return info;
      },
      sys =>
        serveOne(sys, function* (stream) {
          yield* stream.readAll();
          const info = yield* stream.info();
          yield* stream.close();
          return info;
        }),
    );
    // SYN and FIN count for what is acknowledged, FIN for what is received.
    expect(left).toMatchObject({ tcpi_options: 7, tcpi_snd_mss: 1448, tcpi_advmss: 1448, tcpi_bytes_acked: 5002 });
    expect(right).toMatchObject({ tcpi_options: 7, tcpi_bytes_received: 5001 });
    expect(left.tcpi_wscale).toBe(0x88);
    expect(left.tcpi_pmtu).toBe(1500);
    expect(proc).toMatch(/\n {3}0: 0100000A:[0-9A-F]{4} 0200000A:0050 0[56] /);
  });

  test('a reader that does not read: the writer fills both buffers and waits; then everything arrives', () => {
    const p = pair();
    const data = random(2_000_000, 9);
    const [, got] = both(
      p,
      function* (sys) {
        const stream = yield* connect(sys, SERVER);
        yield* stream.write(data);
        yield* stream.close();
      },
      sys =>
        serveOne(sys, function* (stream) {
          check(yield* sys.nanosleep(30 * SECOND));
          const bytes = yield* stream.readAll();
          yield* stream.close();
          return bytes;
        }),
      120,
    );
    expect(Buffer.compare(got, data)).toBe(0);
  });

  test('100 connections in turn, and 50 at once', () => {
    const p = pair();
    const [left] = both(
      p,
      function* (sys) {
        let done = 0;
        for (let i = 0; i < 100; i++) {
          const stream = yield* connect(sys, SERVER);
          yield* stream.write(Uint8Array.of(i));
          const back = yield* stream.read();
          if (back[0] === i) done++;
          yield* stream.close();
        }
        const open: Stream[] = [];
        for (let i = 0; i < 50; i++) open.push(yield* connect(sys, SERVER));
        for (const [i, stream] of open.entries()) yield* stream.write(Uint8Array.of(i));
        for (const [i, stream] of open.entries()) {
          if ((yield* stream.read())[0] === i) done++;
          yield* stream.close();
        }
        return done;
      },
      function* (sys) {
        return yield* tcpEcho({ port: 80, count: 150 })(sys) as Generator<undefined, number, undefined>;
      },
    );
    expect(left).toBe(150);
  });

  test('a small HTTP server: a file, and one that is not there', () => {
    const p = pair();
    const file = random(50_000, 3);
    p.right.kernel.exec(() =>
      spawn(p.right.kernel, 'http', httpServer({ port: 80, count: 2 }, new Map([['/f', file]]))),
    );
    const answers: Buffer[] = [];
    for (const path of ['/f', '/g']) {
      p.left.kernel.exec(() =>
        spawn(
          p.left.kernel,
          'get',
          tcpSend(SERVER, new TextEncoder().encode(`GET ${path} HTTP/1.0\r\n\r\n`), bytes => {
            answers.push(Buffer.from(bytes));
          }),
        ),
      );
      p.run(5 * SECOND);
    }
    expect(answers[0]?.subarray(0, 15).toString()).toBe('HTTP/1.0 200 OK');
    expect(answers[0]?.subarray(-50_000).equals(file)).toBe(true);
    expect(answers[1]?.subarray(0, 12).toString()).toBe('HTTP/1.0 404');
    p.run(70 * SECOND);
    expect(p.finish()).toEqual([]);
  });
});

const check = (result: number): number => {
  if (result < 0) throw new SysError('call', result);
  return result;
};

function* set(sys: Syscalls, fd: number, name: number, value: number, sec = 0): Generator<undefined, void, undefined> {
  const opt = new sockopt();
  opt.value = value;
  opt.sec = sec;
  check(yield* sys.setsockopt(fd, SOL_SOCKET, name, opt));
}

describe('socket calls', () => {
  test('MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, SO_RCVTIMEO, SO_RCVLOWAT', () => {
    const [, log] = both(
      pair(),
      function* (sys) {
        const stream = yield* connect(sys, SERVER);
        yield* stream.write(random(100, 1));
        check(yield* sys.nanosleep(1 * SECOND));
        yield* stream.write(random(100, 2));
        check(yield* sys.nanosleep(1 * SECOND));
        yield* stream.write(random(50, 3));
        check(yield* sys.nanosleep(3 * SECOND));
        yield* stream.write(random(150, 3));
        yield* stream.close();
      },
      sys =>
        serveOne(sys, function* ({ fd }) {
          const log: number[] = [];
          const buffer = sys.mmap(1000);
          log.push(yield* sys.recv(fd, buffer, 60, MSG_PEEK));
          log.push(yield* sys.recv(fd, buffer, 60, 0));
          log.push(yield* sys.recv(fd, buffer, 100, MSG_PEEK | MSG_DONTWAIT));
          // 40 are there, 100 come in a second.
          log.push(yield* sys.recv(fd, buffer, 140, MSG_WAITALL));
          log.push(yield* sys.recv(fd, buffer, 10, MSG_DONTWAIT));
          const opt = new sockopt();
          opt.usec = 100_000;
          check(yield* sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, opt));
          const before = sys.kernel.clock.now;
          log.push(yield* sys.recv(fd, buffer, 10, 0));
          log.push(Math.round((sys.kernel.clock.now - before) / 1e8));
          opt.usec = 0;
          check(yield* sys.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, opt));
          yield* set(sys, fd, SO_RCVLOWAT, 200);
          const entry = new pollfd(fd, POLLIN);
          log.push(yield* sys.poll([entry], 1, 2500));
          log.push(yield* sys.poll([entry], 1, -1));
          log.push(yield* sys.recv(fd, buffer, 1000, 0));
          log.push(yield* sys.recv(fd, buffer, 1000, 0));
          check(yield* sys.close(fd));
          return log;
        }),
    );
    expect(log).toEqual([60, 60, 40, 140, -EAGAIN, -EAGAIN, 1, 0, 1, 200, 0]);
  });

  test('urgent data: POLLPRI, SIOCATMARK, MSG_OOB; it ends a read', () => {
    const [, log] = both(
      pair(),
      function* (sys) {
        const stream = yield* connect(sys, SERVER);
        yield* stream.write(Uint8Array.of(1, 2, 3));
        const buffer = sys.mmap(10);
        sys.kernel.ram.u8[buffer] = 99;
        check(yield* sys.send(stream.fd, buffer, 1, MSG_OOB));
        yield* stream.write(Uint8Array.of(4, 5));
        yield* stream.close();
      },
      sys =>
        serveOne(sys, function* ({ fd }) {
          check(yield* sys.nanosleep(1 * SECOND));
          const log: number[] = [];
          const buffer = sys.mmap(100);
          const { u8 } = sys.kernel.ram;
          const entry = new pollfd(fd, 2);
          log.push(yield* sys.poll([entry], 1, 0), entry.revents);
          log.push(yield* ioctl(sys, fd, SIOCATMARK), yield* ioctl(sys, fd, SIOCINQ));
          log.push(yield* sys.recv(fd, buffer, 100, 0), yield* ioctl(sys, fd, SIOCATMARK));
          log.push(yield* sys.recv(fd, buffer, 100, MSG_OOB), u8[buffer] as number);
          log.push(yield* sys.recv(fd, buffer, 100, 0), u8[buffer] as number);
          log.push(yield* sys.recv(fd, buffer, 100, 0));
          check(yield* sys.close(fd));
          return log;
        }),
    );
    expect(log).toEqual([1, 2, 0, 3, 3, 1, 1, 99, 2, 4, 0]);
  });

  test('epoll, edge-triggered: one event for what comes, one for the end', () => {
    const [, log] = both(
      pair(),
      function* (sys) {
        const stream = yield* connect(sys, SERVER);
        check(yield* sys.nanosleep(1 * SECOND));
        yield* stream.write(random(10, 1));
        check(yield* sys.nanosleep(2 * SECOND));
        yield* stream.close();
      },
      sys =>
        serveOne(sys, function* ({ fd }) {
          const log: number[] = [];
          const epfd = check(yield* sys.epoll_create1(0));
          const event = new epoll_event();
          event.events = POLLIN | POLLRDHUP | EPOLLET;
          check(yield* sys.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, event));
          const out = [new epoll_event()];
          for (const wait of [2000, 500, 2000]) {
            log.push(yield* sys.epoll_wait(epfd, out, 1, wait));
            log.push(out[0]?.events ?? 0);
          }
          check(yield* sys.close(epfd));
          check(yield* sys.close(fd));
          return log;
        }),
    );
    expect(log).toEqual([1, POLLIN, 0, POLLIN, 1, POLLIN | POLLRDHUP]);
  });

  test('a nonblocking connect, and a nonblocking writer against a full buffer: POLLOUT comes when there is room', () => {
    const [log, total] = both(
      pair(),
      function* (sys) {
        const fd = check(yield* sys.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        yield* set(sys, fd, SO_SNDBUF, 20_000);
        const log: number[] = [yield* sys.connect(fd, new sockaddr_in(RIGHT, 80))];
        const entry = new pollfd(fd, POLLOUT);
        log.push(yield* sys.poll([entry], 1, -1));
        const buffer = sys.mmap(65536);
        let sent = 0;
        let last = 0;
        let ready = 1;
        // Until the other side's buffer is full, too.
        while (ready === 1) {
          last = yield* sys.send(fd, buffer, 65536, 0);
          if (last >= 0) sent += last;
          else ready = yield* sys.poll([entry], 1, 300);
        }
        log.push(last, ready, yield* sys.poll([entry], 1, -1));
        expect(yield* ioctl(sys, fd, SIOCOUTQ)).toBeLessThan(40_000);
        check(yield* sys.close(fd));
        return [...log, sent];
      },
      sys =>
        serveOne(sys, function* (stream) {
          check(yield* sys.nanosleep(2 * SECOND));
          const { length } = yield* stream.readAll();
          yield* stream.close();
          return length;
        }),
    );
    expect(log.slice(0, 5)).toEqual([-EINPROGRESS, 1, -EAGAIN, 0, 1]);
    expect(total).toBe(log[5]);
  });

  test('SO_SNDTIMEO: a blocked send gives up with what it has', () => {
    const [sent] = both(
      pair(),
      function* (sys) {
        const stream = yield* connect(sys, SERVER);
        yield* set(sys, stream.fd, SO_SNDTIMEO, 0, 1);
        const buffer = sys.mmap(65536);
        const sent: number[] = [];
        do {
          sent.push(yield* sys.send(stream.fd, buffer, 65536, 0));
        } while ((sent.at(-1) as number) > 0);
        yield* stream.close();
        return sent;
      },
      sys =>
        serveOne(sys, function* (stream) {
          check(yield* sys.nanosleep(8 * SECOND));
          yield* stream.readAll();
          yield* stream.close();
        }),
    );
    expect(sent.at(-1)).toBe(-EAGAIN);
    expect(sent.at(-2)).toBeLessThan(65536);
  });

  test('SO_LINGER with a time: close waits until all is acknowledged', () => {
    const p = pair();
    const [took] = both(
      p,
      function* (sys) {
        const stream = yield* connect(sys, SERVER);
        yield* set(sys, stream.fd, SO_LINGER, 1, 10);
        yield* stream.write(random(60_000, 2));
        yield* stream.close();
        const table = p.left.kernel.init_net.ipv4.tcp.hashinfo.ehash.all();
        expect(table.some(entry => entry.sk_state === 4)).toBe(false);
        return sys.kernel.clock.now;
      },
      sys =>
        serveOne(sys, function* (stream) {
          yield* stream.readAll();
          yield* stream.close();
        }),
    );
    expect(took).toBeGreaterThan(0);
  });

  test('a blocking accept: woken one for one', () => {
    const p = pair();
    const got: number[] = [];
    p.right.kernel.exec(() =>
      spawn(p.right.kernel, 'two', function* (sys) {
        const fd = yield* listen(sys, 80);
        for (let i = 0; i < 2; i++) {
          const { stream } = yield* accept(sys, fd);
          got.push(sys.kernel.clock.now);
          yield* stream.close();
        }
        yield* sys.close(fd);
        return 0;
      }),
    );
    for (let i = 0; i < 2; i++) {
      p.run(1 * SECOND);
      expect(got.length).toBe(i);
      p.left.kernel.exec(() => spawn(p.left.kernel, 'c', tcpSend(SERVER, new Uint8Array())));
    }
    p.run(1 * SECOND);
    expect(got.length).toBe(2);
    p.run(130 * SECOND);
    expect(p.finish()).toEqual([]);
  });
});

describe('one host', () => {
  test('over the loopback: server and client', () => {
    const p = pair();
    const data = random(200_000, 8);
    let answer = new Uint8Array();
    const { kernel } = p.left;
    kernel.exec(() => spawn(kernel, 'echo', tcpEcho({ port: 80, count: 1 })));
    kernel.exec(() =>
      spawn(
        kernel,
        'send',
        tcpSend({ address: '127.0.0.1', port: 80 }, data.subarray(0, 60_000), bytes => {
          answer = bytes.slice();
        }),
      ),
    );
    p.run(20 * SECOND);
    expect(Buffer.compare(answer, data.subarray(0, 60_000))).toBe(0);
    p.run(70 * SECOND);
    expect(p.finish()).toEqual([]);
  });
});
