/**
 * A server that iperf3 clients test against (`iperf3 -c`, with -R, -P, -n and -t): iperf3's protocol over a control
 * connection, bulk data over the streams. TCP only, one test at a time, as iperf3's own server does them.
 */
import { EAGAIN } from '../../kernel/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, pollfd } from '../../kernel/fs/select.ts';
import { SO_ERROR, SOL_SOCKET } from '../../kernel/net/core/sock.ts';
import { SOL_TCP, TCP_CONGESTION, TCP_NODELAY } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, sockopt } from '../../kernel/net/msg.ts';
import type { Program } from '../../kernel/sched/task.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import { check, SysError } from './error.ts';
import { listen } from './tcp.ts';
import type { Call } from './user.ts';

export const IPERF3_PORT = 5201;
const COOKIE_SIZE = 37;
// What the two tell each other on the control connection: a byte (iperf_api.h).
const TEST_START = 1;
const TEST_RUNNING = 2;
const TEST_END = 4;
const PARAM_EXCHANGE = 9;
const CREATE_STREAMS = 10;
const EXCHANGE_RESULTS = 13;
const DISPLAY_RESULTS = 14;
const ACCESS_DENIED = 0xff;

const BUFFER = 131072;
/** The longest parameters and results that are read. */
const JSON_MAX = 65536;
const STREAMS_MAX = 128;
/** A client that says nothing for so long is gone, ms. */
const PATIENCE_MS = 30_000;

/** The client broke off, or speaks another protocol. */
class Broken extends Error {}

export interface Iperf3Test {
  readonly reverse: boolean;
  readonly streams: number;
  /** Bytes of all streams, and how long they took, in s. */
  readonly bytes: number;
  readonly seconds: number;
}

interface Parameters {
  readonly tcp?: unknown;
  readonly reverse?: unknown;
  readonly parallel?: unknown;
  readonly nodelay?: unknown;
  readonly congestion?: unknown;
}

interface Flow {
  /** -1 when it was closed. */
  fd: number;
  readonly id: number;
  bytes: number;
  /** Data may still move. */
  open: boolean;
}

class Server {
  private readonly sys: Syscalls;
  private readonly listener: number;
  private readonly buffer: number;
  private control = -1;
  private readonly flows: Flow[] = [];

  constructor(sys: Syscalls, listener: number) {
    this.sys = sys;
    this.listener = listener;
    this.buffer = check('mmap', sys.mmap(BUFFER));
  }

  /** Exactly `length` bytes. */
  private *take(fd: number, length: number): Call<Uint8Array> {
    const { sys, buffer } = this;
    const parts: number[] = [];
    while (parts.length < length) {
      const waiting = [new pollfd(fd, POLLIN)];
      if (check('poll', yield* sys.poll(waiting, 1, PATIENCE_MS)) === 0) throw new Broken('nothing came');
      const n = check('recv', yield* sys.recv(fd, buffer, length - parts.length, MSG_DONTWAIT));
      if (n === 0) throw new Broken('closed');
      parts.push(...sys.kernel.ram.u8.subarray(buffer, buffer + n));
    }
    return Uint8Array.from(parts);
  }

  private *put(bytes: Uint8Array): Call<void> {
    const { sys, buffer } = this;
    sys.kernel.ram.u8.set(bytes, buffer);
    check('send', yield* sys.send(this.control, buffer, bytes.length, MSG_NOSIGNAL));
  }

  private state(state: number): Call<void> {
    return this.put(Uint8Array.of(state));
  }

  private *readJson(): Call<unknown> {
    const head = yield* this.take(this.control, 4);
    const length = new DataView(head.buffer).getUint32(0);
    if (length > JSON_MAX) throw new Broken(`${length} bytes of JSON`);
    const text = new TextDecoder().decode(yield* this.take(this.control, length));
    try {
      return JSON.parse(text);
    } catch {
      throw new Broken('no JSON');
    }
  }

  private *writeJson(value: unknown): Call<void> {
    const text = new TextEncoder().encode(JSON.stringify(value));
    const bytes = new Uint8Array(4 + text.length);
    new DataView(bytes.buffer).setUint32(0, text.length);
    bytes.set(text, 4);
    yield* this.put(bytes);
  }

  /** One test, from the control connection to its end. */
  *test(): Call<Iperf3Test> {
    const { sys } = this;
    this.control = check('accept', yield* sys.accept(this.listener, null));
    const opt = new sockopt();
    opt.value = 1;
    yield* sys.setsockopt(this.control, SOL_TCP, TCP_NODELAY, opt);
    const cookie = yield* this.take(this.control, COOKIE_SIZE);
    yield* this.state(PARAM_EXCHANGE);
    const { tcp, reverse, parallel, nodelay, congestion } = (yield* this.readJson()) as Parameters;
    const streams = typeof parallel === 'number' ? parallel : 1;
    if (tcp !== true || !(streams >= 1 && streams <= STREAMS_MAX)) throw new Broken('not a test of TCP');
    yield* this.state(CREATE_STREAMS);
    while (this.flows.length < streams) {
      const fd = check('accept', yield* sys.accept(this.listener, null));
      const index = this.flows.length;
      // iperf_add_stream: the second one's number is 3.
      this.flows.push({ fd, id: index === 0 ? 1 : index + 2, bytes: 0, open: true });
      const same = yield* this.take(fd, COOKIE_SIZE);
      if (same.some((byte, i) => byte !== cookie[i])) throw new Broken('another cookie');
      if (nodelay === true) yield* sys.setsockopt(fd, SOL_TCP, TCP_NODELAY, opt);
      if (typeof congestion === 'string') {
        opt.text = congestion;
        yield* sys.setsockopt(fd, SOL_TCP, TCP_CONGESTION, opt);
      }
    }
    yield* this.state(TEST_START);
    yield* this.state(TEST_RUNNING);
    const started = sys.kernel.clock.now;
    yield* this.transfer(reverse === true);
    const seconds = (sys.kernel.clock.now - started) / 1e9;
    // Before anything else, as iperf3's own server does: a client that receives waits for a whole block, or the end.
    yield* this.closeStreams();
    yield* this.state(EXCHANGE_RESULTS);
    yield* this.readJson();
    yield* this.writeJson(this.results(seconds));
    yield* this.state(DISPLAY_RESULTS);
    // IPERF_DONE, or an end: either is one.
    yield* this.take(this.control, 1);
    const bytes = this.flows.reduce((sum, flow) => sum + flow.bytes, 0);
    return { reverse: reverse === true, streams, bytes, seconds };
  }

  /** Moves data until the client says that it is over. */
  private *transfer(sending: boolean): Call<void> {
    const { sys } = this;
    const control = new pollfd(this.control, POLLIN);
    const fds = [control, ...this.flows.map(flow => new pollfd(flow.fd, sending ? POLLOUT : POLLIN))];
    for (;;) {
      if (check('poll', yield* sys.poll(fds, fds.length, PATIENCE_MS)) === 0) throw new Broken('nothing moved');
      for (const [i, flow] of this.flows.entries()) {
        const entry = fds[i + 1] as pollfd;
        if ((entry.revents & (POLLIN | POLLOUT | POLLERR | POLLHUP)) === 0) continue;
        if (sending) yield* this.send(flow);
        else yield* this.receive(flow);
        if (!flow.open) entry.fd = -1;
      }
      if (control.revents === 0) continue;
      const [said] = yield* this.take(this.control, 1);
      if (said !== TEST_END) throw new Broken(`state ${said} in the middle of a test`);
      // What was on its way when the client said so counts.
      if (!sending) for (const flow of this.flows) if (flow.open) yield* this.receive(flow);
      return;
    }
  }

  private *receive(flow: Flow): Call<void> {
    for (;;) {
      const n = yield* this.sys.recv(flow.fd, this.buffer, BUFFER, MSG_DONTWAIT);
      if (n === -EAGAIN) return;
      if (n <= 0) {
        flow.open = false;
        return;
      }
      flow.bytes += n;
    }
  }

  private *send(flow: Flow): Call<void> {
    const n = yield* this.sys.send(flow.fd, this.buffer, BUFFER, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n === -EAGAIN) return;
    if (n < 0) flow.open = false;
    else flow.bytes += n;
  }

  private *closeStreams(): Call<void> {
    for (const flow of this.flows) {
      if (flow.fd >= 0) yield* this.sys.close(flow.fd);
      flow.fd = -1;
    }
  }

  private results(seconds: number): unknown {
    return {
      cpu_util_total: 0,
      cpu_util_user: 0,
      cpu_util_system: 0,
      sender_has_retransmits: -1,
      streams: this.flows.map(({ id, bytes }) => ({
        id,
        bytes,
        retransmits: -1,
        jitter: 0,
        errors: 0,
        packets: 0,
        start_time: 0,
        end_time: seconds,
      })),
    };
  }

  /** The client of a test that failed is told so; everything of the test is closed. */
  *finish(failed: boolean): Call<void> {
    const { sys } = this;
    if (failed && this.control >= 0) {
      const opt = new sockopt();
      const good = (yield* sys.getsockopt(this.control, SOL_SOCKET, SO_ERROR, opt)) === 0 && opt.value === 0;
      sys.kernel.ram.u8[this.buffer] = ACCESS_DENIED;
      if (good) yield* sys.send(this.control, this.buffer, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    yield* this.closeStreams();
    this.flows.length = 0;
    if (this.control >= 0) yield* sys.close(this.control);
    this.control = -1;
  }
}

/** `iperf3 -s`: `report` hears of each test that was done. `count`: tests before it ends; left out: for ever. */
export function iperf3Server(
  options: { readonly port?: number; readonly count?: number } = {},
  report: (test: Iperf3Test) => void = () => {},
): (sys: Syscalls) => Program {
  const { port = IPERF3_PORT, count = Number.POSITIVE_INFINITY } = options;
  return function* (sys) {
    const listener = yield* listen(sys, port);
    const server = new Server(sys, listener);
    for (let done = 0; done < count; ) {
      let failed = true;
      try {
        report(yield* server.test());
        failed = false;
        done++;
      } catch (error) {
        // A client that breaks off is its own affair: the server goes on.
        if (!(error instanceof SysError || error instanceof Broken)) throw error;
      }
      yield* server.finish(failed);
    }
    check('close', yield* sys.close(listener));
    return 0;
  };
}
