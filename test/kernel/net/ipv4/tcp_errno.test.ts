/**
 * What each call says in each state of a socket. The table is what Linux 6.18 says when a program does the same over its
 * loopback: nonblocking sockets, 20 ms between what one side does and what the other one asks.
 */
import { expect, test } from 'vitest';
import { pollfd } from '../../../../kernel/fs/select.ts';
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM, sockaddr_in, sockopt } from '../../../../kernel/net/msg.ts';
import { LOCALHOST, socketBench } from '../bench.ts';

type Step = Generator<undefined, number, undefined>;

const PORT = 34567;
const LO = LOCALHOST;

const LINUX: readonly (readonly unknown[])[] = [
  ['fresh', 276, -107, -32, -107, -107, -22, 8533],
  ['listen-unbound', 0, 0, -107, -32, -106, -22, 0, 0, 0, -22, 276, 0],
  ['est', 260, 260, 0, -22, -22, -11],
  ['data', 325, 2, 2, 3, -11, -22],
  ['fin', 8517, 260, 0, 1, -32, 0, 8517],
  ['fin2', 325, 1],
  ['fin3', 8533, 8533, 0, 0, -32, -107, -107, -107, -107],
  ['rst', 8541, -107, 104, 8533, 0, -32, -107, -22],
  ['rst-unread', 8541, -104, 0, -32],
  ['closed', 8517, 0, 1],
  ['closed2', 8541, -32, 0],
  ['shutrd', 8517, 1, 0, 1],
  ['shutrdwr', 8533, 8517, 0, 0, 1],
  ['shutrdwr2', 8541, -32, 0],
  ['oob', 262, -11, -22, -22, 260],
  ['refused', -115],
  ['refused2', 8541, -111, 276],
  ['refused3', 0, 276, -107, -32, -115],
  ['refused-recv', -111, 0, -32],
  ['refused-send', -111, -32, 0],
  ['misc', -101, -101, -115],
  ['defaults', [0, 536, 0, 7200, 75, 9, 6, 60, 0, 1, 0, 0, 0], 16384, 131072, 1],
  ['bad', [-22, -22, -22, -22, -22, -22, -22, 0, 0, 0, 0, 0, -22, -22, -22, -92], [120, 15, 1152, 0]],
  ['est-opts', [32741, 1, 65536]],
];

test('errnos and poll masks of stream sockets, state by state: as on Linux', () => {
  const b = socketBench();
  const seen: unknown[][] = [];
  b.program(function* (sys) {
    const buf = sys.mmap(4096);
    const make = function* (): Step {
      return yield* sys.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    };
    const poll = function* (s: number): Step {
      const p = new pollfd(s, 1 | 2 | 4 | 0x2000 | 0x40 | 0x100 | 0x80 | 0x200);
      yield* sys.poll([p], 1, 0);
      return p.revents;
    };
    const recv = function* (s: number, n: number, f = 0): Step {
      return yield* sys.recv(s, buf, n, f);
    };
    const send = function* (s: number, n: number, f = 0): Step {
      return yield* sys.send(s, buf, n, f);
    };
    const conn = function* (s: number, port = PORT, a = LO): Step {
      return yield* sys.connect(s, new sockaddr_in(a, port));
    };
    const peerName = function* (s: number): Step {
      return yield* sys.getpeername(s, new sockaddr_in());
    };
    const get = function* (s: number, l: number, o: number): Step {
      const x = new sockopt();
      const r = yield* sys.getsockopt(s, l, o, x);
      return r < 0 ? r : x.value;
    };
    const set = function* (s: number, l: number, o: number, v: number, sec = 0): Step {
      const x = new sockopt();
      x.value = v;
      x.sec = sec;
      return yield* sys.setsockopt(s, l, o, x);
    };
    const nap = function* (): Step {
      return yield* sys.nanosleep(2e7);
    };
    const log = (n: string, ...v: unknown[]) => seen.push([n, ...v]);
    let s = yield* make();
    log(
      'fresh',
      yield* poll(s),
      yield* recv(s, 10),
      yield* send(s, 1),
      yield* sys.shutdown(s, 2),
      yield* peerName(s),
      yield* sys.accept(s, null),
      yield* poll(s),
    );
    s = yield* make();
    log(
      'listen-unbound',
      yield* sys.listen(s, 5),
      yield* poll(s),
      yield* recv(s, 1),
      yield* send(s, 1),
      yield* conn(s, 1),
      yield* sys.bind(s, new sockaddr_in(LO, 0)),
      yield* sys.shutdown(s, 1),
      yield* sys.listen(s, 7),
      yield* sys.shutdown(s, 0),
      yield* sys.accept(s, null),
      yield* poll(s),
      yield* sys.listen(s, 5),
    );
    const l = yield* make();
    yield* set(l, 1, 2, 1);
    yield* sys.bind(l, new sockaddr_in(LO, PORT));
    yield* sys.listen(l, 2);
    const pairs = function* (): Generator<undefined, [number, number], undefined> {
      const c = yield* make();
      yield* conn(c);
      yield* nap();
      const a = yield* sys.accept4(l, null, 2048);
      return [c, a];
    };
    let [c, a] = yield* pairs();
    log(
      'est',
      yield* poll(c),
      yield* poll(a),
      yield* conn(c),
      yield* sys.listen(c, 1),
      yield* sys.bind(c, new sockaddr_in(LO, 0)),
      yield* recv(c, 1),
    );
    yield* send(a, 5);
    yield* nap();
    log(
      'data',
      yield* poll(c),
      yield* recv(c, 2, 2),
      yield* recv(c, 2),
      yield* recv(c, 100, 0x20),
      yield* recv(c, 1),
      yield* recv(c, 1, 1),
    );
    yield* sys.shutdown(a, 1);
    yield* nap();
    log(
      'fin',
      yield* poll(c),
      yield* poll(a),
      yield* recv(c, 1),
      yield* send(c, 1),
      yield* send(a, 1),
      yield* sys.shutdown(a, 1),
      yield* poll(c),
    );
    yield* nap();
    log('fin2', yield* poll(a), yield* recv(a, 5));
    yield* sys.shutdown(c, 1);
    yield* nap();
    log(
      'fin3',
      yield* poll(a),
      yield* poll(c),
      yield* recv(a, 5),
      yield* recv(c, 5),
      yield* send(c, 1),
      yield* sys.shutdown(c, 2),
      yield* peerName(c),
      yield* sys.shutdown(a, 1),
      yield* peerName(a),
    );
    [c, a] = yield* pairs();
    yield* set(a, 1, 13, 1, 0);
    yield* sys.close(a);
    yield* nap();
    log(
      'rst',
      yield* poll(c),
      yield* peerName(c),
      yield* get(c, 1, 4),
      yield* poll(c),
      yield* recv(c, 1),
      yield* send(c, 1),
      yield* sys.shutdown(c, 2),
      yield* conn(c),
    );
    [c, a] = yield* pairs();
    yield* send(c, 1);
    yield* nap();
    yield* sys.close(a);
    yield* nap();
    log('rst-unread', yield* poll(c), yield* recv(c, 1), yield* recv(c, 1), yield* send(c, 1));
    [c, a] = yield* pairs();
    yield* sys.close(a);
    yield* nap();
    log('closed', yield* poll(c), yield* recv(c, 1), yield* send(c, 1));
    yield* nap();
    log('closed2', yield* poll(c), yield* send(c, 1), yield* recv(c, 1));
    [c, a] = yield* pairs();
    yield* sys.shutdown(c, 0);
    yield* send(a, 1);
    yield* nap();
    log('shutrd', yield* poll(c), yield* recv(c, 5), yield* recv(c, 5), yield* send(a, 1));
    [c, a] = yield* pairs();
    yield* sys.shutdown(c, 2);
    yield* nap();
    log('shutrdwr', yield* poll(c), yield* poll(a), yield* recv(c, 5), yield* recv(a, 5), yield* send(a, 1));
    yield* nap();
    log('shutrdwr2', yield* poll(a), yield* send(a, 1), yield* recv(a, 1));
    [c, a] = yield* pairs();
    yield* send(a, 1, 1);
    yield* nap();
    log('oob', yield* poll(c), yield* recv(c, 5), yield* recv(c, 5, 1), yield* recv(c, 5, 1), yield* poll(c));
    c = yield* make();
    log('refused', yield* conn(c, 1));
    yield* nap();
    log('refused2', yield* poll(c), yield* conn(c, 1), yield* poll(c));
    yield* nap();
    log('refused3', yield* get(c, 1, 4), yield* poll(c), yield* recv(c, 1), yield* send(c, 1), yield* conn(c, 1));
    c = yield* make();
    yield* conn(c, 1);
    yield* nap();
    log('refused-recv', yield* recv(c, 1), yield* recv(c, 1), yield* send(c, 1));
    c = yield* make();
    yield* conn(c, 1);
    yield* nap();
    log('refused-send', yield* send(c, 1), yield* send(c, 1), yield* recv(c, 1));
    c = yield* make();
    log('misc', yield* conn(c, 1, 0xe0000001 | 0), yield* conn(c, 1, -1), yield* conn(c, 0));
    s = yield* make();
    const d: number[] = [];
    for (const o of [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 18, 25, 36]) d.push(yield* get(s, 6, o));
    log('defaults', d, yield* get(s, 1, 7), yield* get(s, 1, 8), yield* get(s, 1, 18));
    const e: number[] = [];
    for (const [o, v] of [
      [2, 87],
      [2, 32768],
      [4, 0],
      [4, 32768],
      [5, 0],
      [6, 128],
      [7, 128],
      [8, -5],
      [8, 500],
      [9, 10],
      [10, 100],
      [12, 0],
      [18, -1],
      [27, 3],
      [36, 2],
      [99, 1],
    ] as const)
      e.push(yield* set(s, 6, o, v));
    const g: number[] = [];
    for (const o of [8, 9, 10, 12]) g.push(yield* get(s, 6, o));
    log('bad', e, g);
    [c, a] = yield* pairs();
    const h: number[] = [];
    for (const o of [2, 12, 10]) h.push(yield* get(c, 6, o));
    log('est-opts', h);
  });
  b.run(200e9);
  for (const [i, row] of LINUX.entries()) expect(seen[i]).toEqual(row);
  expect(seen.length).toBe(LINUX.length);
  expect(b.finish()).toEqual([]);
});
