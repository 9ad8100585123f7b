/** What a door must stand: nonsense, and very much of it. Everything is answered, at once, and the host goes on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { DrillHost, type DrillOptions, type SocketAddress } from '../../../harness/drill/api.ts';
import { boundedLines, DrillSession, LINE_MAX } from '../../../harness/drill/serve.ts';
import { AF_INET, drill, good, int, SOCK_DGRAM, SOCK_STREAM } from './drills.ts';

const NO_NUMBERS: readonly unknown[] = [-5, 1.5, Number.NaN, Infinity, -Infinity, 1e300, 'x', {}, undefined];

/** ms that `body` takes. */
function took(body: () => void): number {
  const start = performance.now();
  body();
  return performance.now() - start;
}

describe('arguments', () => {
  test.each(NO_NUMBERS)('lengths of %s: refused', length =>
    drill(host => {
      const fd = host.socket(AF_INET, SOCK_DGRAM, 0).result;
      const wrong = length as number;
      expect(() => host.read(fd, wrong)).toThrow('length');
      expect(() => host.recv(fd, wrong)).toThrow('length');
      expect(() => host.recvfrom(fd, wrong)).toThrow('length');
      expect(() => host.readv(fd, [1, wrong])).toThrow('length');
      expect(() => host.recvmsg(fd, [wrong])).toThrow('length');
      expect(host.pending).toBe(0);
      // And the socket is none the worse for it.
      expect(host.recv(fd, 5, 0x40).errno).toBe('EAGAIN');
    }),
  );

  test.each(NO_NUMBERS.slice(1))('%s where an int belongs: refused by every call', value =>
    drill(host => {
      const wrong = value as number;
      const to = { address: '192.0.2.1', port: 9 };
      const one = new Uint8Array(1);
      const calls: (() => unknown)[] = [
        () => host.socket(wrong, 1, 0),
        () => host.bind(wrong, to),
        () => host.bind(3, { ...to, port: wrong }),
        () => host.listen(3, wrong),
        () => host.accept(wrong),
        () => host.connect(wrong, to),
        () => host.getsockname(wrong),
        () => host.getpeername(wrong),
        () => host.read(wrong, 1),
        () => host.write(wrong, one),
        () => host.writev(wrong, [one]),
        () => host.send(3, one, wrong === undefined ? Number.NaN : wrong),
        () => host.sendmsg(wrong, [one]),
        () => host.shutdown(3, wrong),
        () => host.close(wrong),
        () => host.dup(wrong),
        () => host.fcntl(3, wrong),
        () => host.ioctl(3, wrong),
        () => host.getsockopt(3, wrong, 1),
        () => host.setsockopt(3, 1, wrong, one),
        () => host.poll([{ fd: wrong, events: 1 }], 0),
        () => host.poll([], wrong),
        () => host.epoll_create1(wrong),
        () => host.epoll_ctl(3, 1, wrong, null),
        () => host.epoll_wait(3, wrong, 0),
        () => host.epoll_wait(3, 1, wrong),
      ];
      for (const call of calls) expect(call, String(call)).toThrow(/expected/);
      expect(host.pending).toBe(0);
    }),
  );

  test('no addresses, lists, packets: refused', () =>
    drill(host => {
      // Not cut to sixteen bits: a wrong number would be another port.
      for (const port of [-1, 65536]) {
        expect(() => host.bind(3, { address: '0.0.0.0', port })).toThrow(`port ${port}: 0 to 65535 expected`);
      }
      for (const wrong of [null, 5, 'x', [], { port: 1 }]) {
        expect(() => host.connect(3, wrong as unknown as SocketAddress)).toThrow(TypeError);
      }
      expect(() => host.recvmsg(3, 5 as unknown as number[])).toThrow('a list expected');
      expect(() => host.sendmsg(3, [null as unknown as Uint8Array])).toThrow(TypeError);
      expect(() => host.inject(new Uint8Array(0))).toThrow(RangeError);
      expect(() => host.inject(new Uint8Array(70_000).fill(0x45))).toThrow('65535 at most');
      expect(() => host.recvmsg(3, Array(100_000).fill(1))).toThrow('at most');
      const fd = host.socket(AF_INET, SOCK_DGRAM, 0).result;
      expect(host.recvmsg(fd, Array(1025).fill(1), 0x40).errno).toBe('EMSGSIZE');
      expect(host.readv(fd, Array(1025).fill(1)).errno).toBe('EINVAL');
    }));

  test('a read of nothing: 0 at once, from a datagram, raw and stream socket, whatever waits there', () =>
    drill(host => {
      for (const [type, protocol] of [
        [SOCK_DGRAM, 0],
        [3, 1],
        [SOCK_STREAM, 0],
      ] as const) {
        const fd = host.socket(AF_INET, type | 0o4000, protocol).result;
        expect([host.read(fd, 0).result, host.readv(fd, [0]).result, host.readv(fd, []).result]).toEqual([0, 0, 0]);
      }
      const fd = host.socket(AF_INET, SOCK_DGRAM, 0).result;
      good(host.bind(fd, { address: '0.0.0.0', port: 9 }));
      good(host.sendto(fd, Uint8Array.of(1, 2), 0, { address: '192.168.0.1', port: 9 }));
      expect([host.read(fd, 0).result, host.read(fd, 9).result]).toEqual([0, 2]);
    }));
});

describe('options', () => {
  test.each([
    [{ nope: 1 }, 'no option "nope"; there are localAddress'],
    [{ toString: 1 }, 'no option "toString"'],
    [{ ram: 1 }, 'ram 1: 262144 to 1073741824 expected'],
    [{ ram: 1e12 }, 'ram 1000000000000: 262144 to 1073741824 expected'],
    [{ mtu: 67 }, 'mtu 67: 68 to 1500 expected'],
    [{ mtu: null }, 'mtu: an integer expected, not null'],
    [{ seed: 1e300 }, 'seed: an integer expected'],
    [{ prefixLength: 33 }, 'prefixLength 33: 0 to 32 expected'],
    [{ gso: 'no' }, 'gso: true or false expected, not "no"'],
    [{ gateway: 5 }, 'gateway: a string expected'],
    [{ localAddress: 'here' }, 'localAddress: "here" is not an IPv4 address'],
    [{ sysctls: 5 }, 'sysctls: an object expected'],
    [{ sysctls: { 'net.ipv4.tcp_sack': {} } }, 'a string or a number expected for net.ipv4.tcp_sack'],
    [null, 'options: an object expected, not null'],
    [5, 'options: an object expected, not 5'],
  ])('%j: said what is wrong with it', (options, message) => {
    expect(() => new DrillHost(options as unknown as DrillOptions)).toThrow(message);
  });

  test.each([256 * 1024, 1024 * 1024 * 1024])('memory of %i bytes: a host that works', ram =>
    drill(host => expect(host.socket(AF_INET, SOCK_DGRAM, 0).result).toBe(3), { ram }),
  );
});

describe('time', () => {
  test('days over an idle host pass in no time, up to where its clock ends', () =>
    drill(host => {
      const fd = host.socket(AF_INET, SOCK_DGRAM, 0).result;
      good(host.sendto(fd, Uint8Array.of(1), 0, { address: '192.0.2.1', port: 9 }));
      host.take();
      expect(took(() => host.advance(1e15))).toBeLessThan(2000);
      expect(host.receive(2e15)).toBeUndefined();
      host.runUntil(9e15);
      expect(host.now).toBe(9e15);
      for (const ns of [1, 9e15, 1e300, Infinity]) expect(() => host.advance(ns)).toThrow(RangeError);
      for (const time of [9.1e15, 1e300, Infinity, Number.NaN]) {
        expect(() => host.runUntil(time)).toThrow(RangeError);
        expect(() => host.receive(time)).toThrow(RangeError);
      }
      expect(() => host.advance('5' as unknown as number)).toThrow(TypeError);
      good(host.sendto(fd, Uint8Array.of(1), 0, { address: '192.0.2.1', port: 9 }));
    }));

  test(
    'a host that keeps itself busy: 200000 events, then it is said, and the next call goes on',
    () =>
      drill(host => {
        // Two ends on loopback that ask each other every second whether they are there.
        const listener = host.socket(AF_INET, SOCK_STREAM, 0).result;
        good(host.bind(listener, { address: '127.0.0.1', port: 80 }));
        good(host.listen(listener, 1));
        const near = host.socket(AF_INET, SOCK_STREAM, 0).result;
        good(host.connect(near, { address: '127.0.0.1', port: 80 }));
        const far = host.accept(listener).result;
        for (const fd of [near, far]) {
          for (const [level, name] of [
            [6, 4],
            [6, 5],
            [1, 9],
          ] as const) {
            good(host.setsockopt(fd, level, name, int(1)));
          }
        }
        expect(() => host.advance(8e15)).toThrow('200000 events, and more to come');
        const { now } = host;
        expect(now).toBeGreaterThan(1e12);
        host.advance(10e9);
        expect(host.now).toBe(now + 10e9);
      }),
    60_000,
  );
});

describe('commands', () => {
  test("quotes are a shell's", () =>
    drill(host => {
      const rule = 'iptables -A OUTPUT -j LOG --log-prefix';
      expect(host.command(`${rule} "a b "`)).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(host.command(`${rule} 'c "d'`).status).toBe(0);
      const { stdout } = host.command('iptables -S OUTPUT');
      expect(stdout).toContain('--log-prefix "a b "');
      expect(stdout).toContain('--log-prefix "c \\"d"');
      expect(() => host.command('ip "route')).toThrow('without its end');
      expect(() => host.command('')).toThrow('command ""');
      expect(() => host.command(5 as unknown as string)).toThrow('a string expected');
    }));

  test('tc: status and words of its own', () =>
    drill(host => {
      expect(host.command('tc qdisc add dev eth0 root fq')).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(host.command('tc qdisc show dev eth0').stdout).toMatch(/^qdisc fq /);
      const wrong = host.command('tc qdisc add dev eth0 root nope');
      expect(wrong.status).not.toBe(0);
      expect(wrong.stderr).not.toBe('');
    }));
});

describe('lines', () => {
  const ask = (
    session: DrillSession,
    line: string,
  ): { error?: string; id?: unknown; value?: unknown; result?: number } => JSON.parse(session.line(line));

  test.each([
    '',
    ' ',
    '\u0000\u0001',
    '{"call":',
    'null',
    '[[[]]]',
    '{"id":{},"call":"now"}',
    `{"id":${'['.repeat(100_000)}${']'.repeat(100_000)},"call":"now"}`,
    '{"call":null}',
    '{"call":"__proto__"}',
    '{"call":"now","args":{}}',
    '{"call":"now","args":[1,2,3,4,5,6,7,8,9]}',
    '{"call":"recv","args":[3,-5]}',
    '{"call":"recv","args":[3,1.5]}',
    '{"call":"recv","args":[3,1e999]}',
    '{"call":"socket","args":[1e300,1]}',
    '{"call":"advance","args":[1e300]}',
    '{"call":"advance","args":[-1]}',
    '{"call":"advance","args":["1"]}',
    '{"call":"receive","args":[1e999]}',
    '{"call":"wait","args":[1e300,1]}',
    '{"call":"inject","args":["zz"]}',
    '{"call":"inject","args":["45"],"id":7}',
    '{"call":"sendmsg","args":[3,["00"],0,null,[{}]]}',
    '{"call":"sendmsg","args":[3,["00"],0,null,5]}',
    '{"call":"open","args":[{"nope":1}]}',
    '{"call":"route","args":[{}]}',
    '{"call":"command","args":["rm -rf /"]}',
    '{"call":"command","args":["ip \\"x"]}',
  ])('%.60s: an error, and the session goes on', line => {
    const session = new DrillSession();
    const answer = ask(session, line);
    if (!line.includes('"45"')) expect(answer.error).toMatch(/./);
    expect(ask(session, '{"id":1,"call":"socket","args":[2,2]}')).toMatchObject({ id: 1, result: 3 });
    expect(session.close()).toBe(0);
  });

  test('a line without an end is kept up to what a line may have, and refused', async () => {
    async function* pieces(): AsyncGenerator<string> {
      const piece = 'x'.repeat(1 << 20);
      for (let i = 0; i < 64; i++) yield piece;
      yield '\n{"call":"n';
      yield 'ow"}\r\n{"call":"end"}';
    }
    const lines: string[] = [];
    for await (const line of boundedLines(pieces())) lines.push(line);
    expect(lines.map(({ length }) => length)).toEqual([LINE_MAX + 1, 15, 14]);
    const session = new DrillSession();
    const answers = lines.map(line => ask(session, line));
    expect(answers[0]?.error).toMatch(`more than ${LINE_MAX} characters`);
    expect(answers[1]).toMatchObject({ value: 5000 });
    expect(answers[2]).toMatchObject({ value: [] });
  });

  const cli = fileURLToPath(new URL('../../../harness/ringside.mjs', import.meta.url));

  test('garbage, then the end of the input in the midst of a line: answered, status 0', async () => {
    const child = spawn(process.execPath, [cli, 'drill', 'serve'], { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', text => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', text => {
      err += text;
    });
    child.stdin.write(Uint8Array.from({ length: 5000 }, (_, i) => (i * 73) & 0xff));
    child.stdin.end('\n{"id":1,"call":"connect","args":[3,{"address":"192.0.2.1","port":9}]}\n{"id":2,"call":"so');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(err.replaceAll(/^npm warn.*\n/gm, '')).toBe('');
    const answers = out
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(answers.at(-2)).toMatchObject({ id: 1, errno: 'EBADF' });
    expect(answers.at(-1)).toMatchObject({ id: null, error: expect.stringMatching('no JSON') });
  });

  test('nobody reads the answers: it ends, without a word', async () => {
    const child = spawn(process.execPath, [cli, 'drill', 'serve'], { stdio: ['pipe', 'pipe', 'pipe'] });
    let err = '';
    child.stderr.setEncoding('utf8').on('data', text => {
      err += text;
    });
    child.stdin.on('error', () => undefined);
    child.stdin.write('{"call":"now"}\n');
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const closed = once(child, 'close');
    const more = setInterval(() => child.stdin.write('{"call":"counters"}\n'.repeat(50)), 10);
    const [status] = await closed;
    clearInterval(more);
    expect(status).toBe(0);
    expect(err.replaceAll(/^npm warn.*\n/gm, '')).toBe('');
  });
});
