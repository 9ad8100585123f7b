import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { DrillHost, type Operation } from '../../../harness/drill/api.ts';
import { DrillSession } from '../../../harness/drill/serve.ts';
import { segmentOf, tcpPacket } from './segments.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function client(session: DrillSession): (call: string, ...args: unknown[]) => Record<string, unknown> {
  let id = 0;
  return (call, ...args) => {
    const answer = JSON.parse(session.line(JSON.stringify({ id: ++id, call, args })));
    expect(answer.id).toBe(id);
    return answer;
  };
}

test('a connection, step by step: what was pending comes with the answer after it was done', () => {
  const ask = client(new DrillSession());
  expect(ask('open', { seed: 7, sysctls: { 'net.ipv4.tcp_timestamps': 0 } })).toMatchObject({ value: null });
  const { result: fd } = ask('socket', 2, 1, 0);
  const connect = ask('connect', fd, { address: '192.0.2.1', port: 80 });
  expect(connect).toMatchObject({ done: false });
  const { value } = ask('receive', 1e9) as { value: { time: number; bytes: string } };
  const { sourcePort, sequence } = segmentOf(new Uint8Array(Buffer.from(value.bytes, 'hex')));
  expect(value.time).toBe(ask('now').value);
  ask('advance', 1e6);
  const packet = tcpPacket({ sourcePort: 80, destinationPort: sourcePort, seq: 5, ack: sequence + 1, flags: 18 });
  const answer = ask('inject', hex(packet));
  expect(answer.finished).toEqual([
    { operation: connect.operation, done: true, result: 0, errno: '', value: null, finishedAt: answer.now },
  ]);
  expect(ask('write', fd, '68656c6c6f')).toMatchObject({ done: true, result: 5 });
  const read = ask('read', fd, 100);
  expect(ask('wait', read.operation, (answer.now as number) + 1e6)).toMatchObject({ value: false });
  const info = ask('getsockopt', fd, 6, 11).value;
  expect(ask('parseTcpInfo', info)).toMatchObject({ value: { tcpi_state: 1, tcpi_unacked: 1 } });
  expect(ask('sysctl', 'net.ipv4.tcp_sack', '0')).toMatchObject({ value: '0' });
  expect(ask('counters')).toMatchObject({ value: { TcpActiveOpens: 1 } });
  expect(ask('end')).toMatchObject({ value: [] });
});

test('every call: the same as the method', () => {
  const data = Uint8Array.of(1, 2, 3, 4, 5);
  const here = { address: '127.0.0.1', port: 9 };
  const ttl = [{ level: 0, type: 2, data: Uint8Array.of(7, 0, 0, 0) }];
  const on = Uint8Array.of(1, 0, 0, 0);
  const script: readonly (readonly [call: string, ...args: unknown[]])[] = [
    // 3 a datagram socket that talks with itself.
    ['socket', 2, 2, 0],
    ['setsockopt', 3, 0, 12, on],
    ['bind', 3, here],
    ['connect', 3, here],
    ['getsockname', 3],
    ['getpeername', 3],
    ['write', 3, data],
    ['read', 3, 3],
    ['write', 3, null, 5],
    ['write', 3, data, 2],
    ['recv', 3, 10, 0x22],
    ['recv', 3, 10],
    ['writev', 3, [data, data]],
    ['recvfrom', 3, 20, 2],
    ['recvfrom', 3, 20],
    ['send', 3, data],
    ['recv', 3, null],
    ['recv', 3, 10, 0x40],
    ['send', 3, data, 0],
    ['readv', 3, [2, 20]],
    ['sendto', 3, data, 0, here],
    ['sendto', 3, data, 0, null],
    ['sendmsg', 3, [data], 0, here, ttl],
    ['recvmsg', 3, [1, 1, 1], 0],
    ['recvmsg', 3, [20], 0x20],
    ['recvmsg', 3, [20]],
    ['recv', 3, 20, 0x40],
    ['ioctl', 3, 0x541b],
    ['ioctl', 3, 0x5421, 1],
    ['fcntl', 3, 3],
    ['fcntl', 3, 4, 0],
    ['dup', 3],
    ['close', 4],
    ['getsockopt', 3, 0, 12],
    ['getsockopt', 3, 0, 12, 1],
    ['getsockopt', 3, 0, 41, 12, new Uint8Array(12)],
    [
      'poll',
      [
        { fd: 3, events: 5 },
        { fd: 2, events: 1 },
      ],
      0,
    ],
    ['epoll_create', 1],
    ['epoll_create'],
    ['epoll_create1', 0],
    ['epoll_ctl', 4, 1, 3, { events: 4, data: 77 }],
    ['epoll_wait', 4, 5, 0],
    ['epoll_ctl', 4, 2, 3, null],
    // A file that is no socket: which call it was makes a difference.
    ['write', 4, data],
    ['send', 4, data],
    ['read', 4, 10],
    ['recv', 4, 10],
    ['socket', 2, 1, 0],
    ['bind', 7, here],
    ['listen', 7, 5],
    ['shutdown', 7, 0],
    ['accept', 7],
  ];
  const json = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value ?? null, (_, each) => (each instanceof Uint8Array ? hex(each) : (each ?? null))));
  const host = new DrillHost();
  const methods = host as unknown as Record<string, (...args: unknown[]) => Operation<unknown>>;
  const ask = client(new DrillSession());
  for (const [call, ...args] of script) {
    const { result, errno, value, finishedAt } = (methods[call] as () => Operation<unknown>).apply(
      host,
      args as unknown as [],
    );
    const answer = ask(call, ...(json(args) as unknown[]));
    expect([call, answer]).toEqual([
      call,
      expect.objectContaining({ result, errno, value: json(value), finishedAt, done: true }),
    ]);
  }
  expect(ask('end').value).toEqual(host.end());
});

test('requests that are none: answered with what was wrong, and the next is served', () => {
  const session = new DrillSession();
  const error = (line: string): string => (JSON.parse(session.line(line)) as { error: string }).error;
  expect(error('{')).toMatch(/^no JSON/);
  expect(error('[]')).toBe('"call": a string expected');
  expect(error('3')).toBe('an object expected');
  expect(error('{"call":"constructor"}')).toBe('no call "constructor"');
  expect(error('{"call":"socket","args":3}')).toBe('"args": a list expected');
  expect(error('{"call":"socket","args":["x"]}')).toBe('argument 1: a number expected, not "x"');
  expect(error('{"call":"inject","args":["4"]}')).toBe('argument 1: bytes as hexadecimal text expected, not "4"');
  expect(error('{"call":"inject","args":["20"]}')).toMatch('IP version 2');
  expect(error('{"call":"bind","args":[3,{"address":"x","port":1}]}')).toMatch('"x" is not an IPv4 address');
  expect(error('{"call":"wait","args":[9,0]}')).toBe('wait: no operation 9 is pending');
  expect(error('{"call":"open"}')).toMatch('a host is there already');
  expect(error('{"call":"sysctl","args":["net.ipv4.nope"]}')).toMatch('ENOENT');
  expect(JSON.parse(session.line('{"call":"socket","args":[2,1]}'))).toMatchObject({ id: null, result: 3 });
  expect(session.close()).toBe(0);
});

test('ringside drill serve: lines in, lines out, status 0', async () => {
  const cli = fileURLToPath(new URL('../../../harness/ringside.mjs', import.meta.url));
  const child = spawn(process.execPath, [cli, 'drill', 'serve', '--mtu', '1000'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    out += text;
  });
  child.stdin.end('{"id":1,"call":"socket","args":[2,1]}\n\n{"id":2,"call":"nextDeadline"}\n');
  expect(await once(child, 'close')).toEqual([0, null]);
  const lines = out
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  expect(lines).toMatchObject([{ id: 1, result: 3 }, { id: 2 }]);
});
