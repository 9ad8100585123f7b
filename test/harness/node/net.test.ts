/** node:net's interface over our sockets: two hosts, a wire between them. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { World } from '../../../harness/machine/world.ts';
import type { NetError, Socket } from '../../../harness/node/net.ts';
import { Deadlock, NodeRun } from '../../../harness/node/run.ts';
import type { Impairments } from '../../../harness/wire/impair.ts';
import { inPair, type NodePair } from './pair.ts';

const { A, B } = inPair;

async function open(pair: NodePair, onSocket: (socket: Socket) => void, halfOpen = false): Promise<Socket> {
  const server = pair.b.createServer({ allowHalfOpen: halfOpen }, onSocket).listen(80);
  await once(server, 'listening');
  const socket = pair.a.connect({ host: B, port: 80, allowHalfOpen: halfOpen });
  await once(socket, 'connect');
  return socket;
}

const text = async (socket: Socket): Promise<string> => {
  let all = '';
  for await (const part of socket) all += part;
  return all;
};

test('echo: addresses on both sides, bytes there and back, counted, an end on both', () =>
  inPair(async pair => {
    const seen: unknown[] = [];
    const socket = await open(pair, peer => {
      seen.push(peer.remoteAddress, peer.remotePort, peer.localPort);
      peer.pipe(peer);
    });
    expect(socket).toMatchObject({ remoteAddress: B, remotePort: 80, localAddress: A, readyState: 'open' });
    socket.end('hello');
    expect(await text(socket)).toBe('hello');
    expect(seen).toEqual([A, socket.localPort, 80]);
    expect(socket).toMatchObject({ bytesWritten: 5, bytesRead: 5 });
    expect(await once(socket, 'close')).toEqual([false]);
  }));

test('nobody listens: ECONNREFUSED, as Node says it', () =>
  inPair(async pair => {
    const socket = pair.a.connect({ host: B, port: 81 });
    const [error] = (await once(socket, 'error')) as [NetError];
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect', errno: -111, address: B, port: 81 });
    expect(error.message).toBe(`connect ECONNREFUSED ${B}:81`);
    expect(await once(socket, 'close')).toEqual([true]);
  }));

test('a name that is no address: ENOTFOUND', () =>
  inPair(async pair => {
    const [error] = await once(pair.a.connect({ host: 'example.org', port: 80 }), 'error');
    expect(error).toMatchObject({ code: 'ENOTFOUND', message: 'getaddrinfo ENOTFOUND example.org' });
  }));

test('a port that is taken: EADDRINUSE', () =>
  inPair(async pair => {
    await once(pair.b.createServer().listen(80), 'listening');
    const [error] = await once(pair.b.createServer().listen(80), 'error');
    expect(error).toMatchObject({ code: 'EADDRINUSE' });
    expect(error.message).toMatch(/address already in use 0\.0\.0\.0:80$/);
  }));

test('reset by the peer: ECONNRESET for who reads, and a close', () =>
  inPair(async pair => {
    const socket = await open(pair, peer => peer.resetAndDestroy());
    const [error] = await once(socket.resume(), 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET', syscall: 'read' });
    expect(await once(socket, 'close')).toEqual([true]);
  }));

test('half-open: one direction ends, the other goes on', () =>
  inPair(async pair => {
    const socket = await open(
      pair,
      peer => {
        peer.resume().on('end', () => {
          setTimeout(() => peer.end('after the end'), 100);
        });
      },
      true,
    );
    socket.end();
    expect(await text(socket)).toBe('after the end');
  }));

test('no reader: the writer is held back, and goes on when there is one', () =>
  inPair(async pair => {
    const peers: Socket[] = [];
    const size = 20_000_000;
    const socket = await open(pair, peer => peers.push(peer.pause()));
    let written = 0;
    const chunk = Buffer.alloc(100_000, 7);
    const writer = (async (): Promise<void> => {
      for (; written < size; written += chunk.length) if (!socket.write(chunk)) await once(socket, 'drain');
      socket.end();
    })();
    await pair.run.sleep(5000);
    // Both sockets' buffers, and not all of it.
    expect(written).toBeGreaterThan(100_000);
    expect(written).toBeLessThan(size);
    const before = written;
    await pair.run.sleep(20_000);
    expect(written).toBe(before);
    let got = 0;
    for await (const part of peers[0] as Socket) got += (part as Buffer).length;
    await writer;
    expect(got).toBe(size);
  }));

test('setTimeout: nothing for so long, in simulated time', () =>
  inPair(async pair => {
    const socket = await open(pair, () => {});
    const started = pair.run.now();
    await once(socket.setTimeout(3000), 'timeout');
    expect(pair.run.now() - started).toBe(3000);
    socket.setTimeout(0);
    socket.destroy();
    await once(socket, 'close');
  }));

test('nobody answers at all: ETIMEDOUT after all SYNs', () =>
  inPair(
    async pair => {
      const started = pair.run.now();
      const [error] = await once(pair.a.connect({ host: B, port: 80 }), 'error');
      expect(error).toMatchObject({ code: 'ETIMEDOUT' });
      expect(pair.run.now() - started).toBeGreaterThan(60_000);
    },
    { impairments: { loss: 1 }, neighbours: true },
  ));

test('server.close: listens no more, ends when the last connection has', () =>
  inPair(async pair => {
    const peers: Socket[] = [];
    const server = pair.b.createServer(peer => peers.push(peer.resume())).listen(80);
    await once(server, 'listening');
    const socket = pair.a.connect({ host: B, port: 80 });
    await once(server, 'connection');
    let closed = false;
    server.close(() => {
      closed = true;
    });
    await pair.run.sleep(1000);
    expect(closed).toBe(false);
    const [error] = await once(pair.a.connect({ host: B, port: 80 }), 'error');
    expect(error.code).toBe('ECONNREFUSED');
    socket.end();
    await once(server, 'close');
    expect(closed).toBe(true);
    const again = await new Promise<Error | undefined>(resolve => server.close(resolve));
    expect(again).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' });
  }));

test('destroyed while it connects: a close, and nothing after it', () =>
  inPair(async pair => {
    const socket = pair.a.connect({ host: B, port: 80 });
    socket.on('connect', () => expect.unreachable());
    socket.destroy();
    await once(socket, 'close');
    await pair.run.sleep(10_000);
  }));

test('a program that waits for what cannot come: Deadlock, and its time', async () => {
  const world = new World();
  const run = new NodeRun(world);
  await expect(run.until(new Promise(() => {}))).rejects.toThrow(Deadlock);
  await expect(run.until(new Promise(() => run.setInterval(() => {}, 10)), 1000)).rejects.toThrow('1000 ms are over');
  world.finish();
});

test('clocks while a program runs: simulated; afterwards: real', async () => {
  const world = new World();
  const run = new NodeRun(world, { epoch: Date.UTC(2030, 0, 1) });
  const real = [globalThis.setTimeout, Date, performance.now()] as const;
  const steps: string[] = [];
  await run.until(async () => {
    const interval = setInterval(() => steps.push(new Date().toISOString()), 400);
    await new Promise(resolve => setTimeout(resolve, 1000));
    clearInterval(interval);
    await new Promise(resolve => setTimeout(resolve, 1000));
    steps.push(String(Date.now() - Date.UTC(2030, 0, 1)), String(performance.now()));
  });
  expect(steps).toEqual(['2030-01-01T00:00:00.400Z', '2030-01-01T00:00:00.800Z', '2000', '2000']);
  expect([globalThis.setTimeout, Date]).toEqual([real[0], real[1]]);
  expect(performance.now()).toBeGreaterThan(real[2]);
  world.finish();
});

test('a pipeline over a bad wire: every byte, and the same run twice', async () => {
  const once_ = async (): Promise<string> => {
    const hash = createHash('sha256');
    const impairments: Impairments = { loss: 0.02, duplicate: 0.02, reorder: 0.05 };
    const digest = await inPair(
      async pair => {
        const data = Buffer.alloc(500_000, 'ringside');
        const done: Promise<void>[] = [];
        const socket = await open(pair, peer => {
          done.push(pipeline(peer, hash));
        });
        socket.end(data);
        await once(socket, 'close');
        await Promise.all(done);
        expect(hash.digest('hex')).toBe(createHash('sha256').update(data).digest('hex'));
      },
      { impairments, hash: true },
    );
    return digest as string;
  };
  const first = await once_();
  expect(first).toMatch(/^[0-9a-f]+$/);
  expect(await once_()).toBe(first);
});
