/** Node's own http between two hosts, over wires good and bad. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http, { type Server as HttpServer, type IncomingMessage, type RequestOptions } from 'node:http';
import { expect, test } from 'vitest';
import { HttpAgent, serveHttp } from '../../../harness/node/http.ts';
import type { Server } from '../../../harness/node/net.ts';
import { Random } from '../../../harness/sim/random.ts';
import { inPair, type NodePair } from './pair.ts';

const { B } = inPair;
const BAD = { loss: 0.02, duplicate: 0.02, reorder: 0.05 };

function bytes(length: number, seed: number): Buffer {
  const chance = new Random(seed, 'body');
  return Buffer.from(Uint8Array.from({ length }, () => chance.u32()));
}

const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

async function body(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function listen(pair: NodePair, server: HttpServer): Promise<Server> {
  const listening = serveHttp(pair.run, pair.hostB, server).listen(80);
  await once(listening, 'listening');
  return listening;
}

interface Answer {
  readonly message: IncomingMessage;
  readonly data: Buffer;
}

async function request(agent: HttpAgent, options: RequestOptions, data?: Uint8Array): Promise<Answer> {
  const outgoing = http.request({ host: B, port: 80, agent, ...options });
  outgoing.end(data);
  const [message] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { message, data: await body(message) };
}

/** Answers with the request's body, doubled; counts connections. */
function doubling(): HttpServer & { connections: number } {
  const server = Object.assign(
    http.createServer((incoming, response) => {
      body(incoming).then(
        data => response.setHeader('x-length', data.length).end(Buffer.concat([data, data])),
        () => {},
      );
    }),
    { connections: 0 },
  );
  server.on('connection', () => server.connections++);
  return server;
}

test('several at once over a bad wire, connections kept alive: bodies equal both ways', () =>
  inPair(
    async pair => {
      const server = doubling();
      await listen(pair, server);
      const agent = new HttpAgent(pair.run, pair.hostA, { keepAlive: true, maxSockets: 4 });
      const ask = async (i: number): Promise<void> => {
        const data = bytes(i * 7919, i);
        const answer = await request(agent, { method: 'POST', path: `/${i}` }, data);
        expect(answer.message.statusCode).toBe(200);
        expect(answer.message.headers['x-length']).toBe(String(data.length));
        expect(sha(answer.data)).toBe(sha(Buffer.concat([data, data])));
      };
      await Promise.all(Array.from({ length: 20 }, (_, i) => ask(i)));
      expect(server.connections).toBe(4);
      agent.destroy();
    },
    { impairments: BAD },
  ));

test('the same run twice: the same hash; another seed: another', async () => {
  const run = (seed: number): Promise<string | undefined> =>
    inPair(
      async pair => {
        await listen(pair, doubling());
        const agent = new HttpAgent(pair.run, pair.hostA, { keepAlive: true, maxSockets: 2 });
        const all = [1, 2, 3, 4].map(i => request(agent, { method: 'PUT' }, bytes(20_000, i)));
        for (const { message } of await Promise.all(all)) expect(message.headers.date).toMatch(/^Thu, 01 Jan 2026/);
        agent.destroy();
      },
      { impairments: BAD, hash: true, seed },
    );
  const first = await run(1);
  expect(first).toMatch(/^[0-9a-f]+$/);
  expect(await run(1)).toBe(first);
  expect(await run(2)).not.toBe(first);
});

test('a chunked answer, piece by piece; a HEAD without body; a 404', () =>
  inPair(async pair => {
    const server = http.createServer((incoming, response) => {
      if (incoming.url !== '/slow') {
        response.writeHead(404).end('no such thing');
        return;
      }
      let left = 5;
      const timer = setInterval(() => {
        response.write(`piece ${left}\n`);
        if (--left > 0) return;
        clearInterval(timer);
        response.end();
      }, 1000);
    });
    await listen(pair, server);
    const agent = new HttpAgent(pair.run, pair.hostA);
    const started = pair.run.now();
    const { message, data } = await request(agent, { path: '/slow' });
    expect(message.headers['transfer-encoding']).toBe('chunked');
    expect(data.toString()).toBe('piece 5\npiece 4\npiece 3\npiece 2\npiece 1\n');
    expect(Math.round((pair.run.now() - started) / 1000)).toBe(5);
    const missing = await request(agent, { path: '/', method: 'HEAD' });
    expect([missing.message.statusCode, missing.data.length]).toEqual([404, 0]);
  }));

test('a slow reader: the server is held back and nothing is lost', () =>
  inPair(async pair => {
    const data = bytes(4_000_000, 9);
    const all = Buffer.concat([data, data, data, data]);
    const server = http.createServer((_incoming, response) => {
      response.end(all);
      response.on('finish', () => {
        finished = pair.run.now();
      });
    });
    let finished = 0;
    await listen(pair, server);
    const outgoing = http.get({ host: B, port: 80, agent: new HttpAgent(pair.run, pair.hostA) });
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage];
    await pair.run.sleep(10_000);
    expect(finished).toBe(0);
    expect(sha(await body(message))).toBe(sha(all));
    expect(finished).toBeGreaterThan(10_000);
  }));

test('nobody listens: ECONNREFUSED; the server dies in the middle: the client hears of it', () =>
  inPair(async pair => {
    const agent = new HttpAgent(pair.run, pair.hostA);
    const [refused] = await once(http.get({ host: B, port: 81, agent }), 'error');
    expect(refused).toMatchObject({ code: 'ECONNREFUSED' });
    const server = http.createServer((_incoming, response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('half', () => response.destroy());
    });
    await listen(pair, server);
    const outgoing = http.get({ host: B, port: 80, agent });
    outgoing.on('error', () => {});
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage];
    await expect(body(message)).rejects.toThrow('aborted');
  }));

test('a request timeout, in simulated time', () =>
  inPair(async pair => {
    await listen(
      pair,
      http.createServer(() => {}),
    );
    const started = pair.run.now();
    const outgoing = http.get({ host: B, port: 80, timeout: 5000, agent: new HttpAgent(pair.run, pair.hostA) });
    await once(outgoing, 'timeout');
    expect(Math.round((pair.run.now() - started) / 100)).toBe(50);
    outgoing.destroy(new Error('too slow'));
    await expect(once(outgoing, 'response')).rejects.toThrow('too slow');
  }));

test('keep-alive ends by itself: the server closes an idle connection after its time', () =>
  inPair(async pair => {
    const server = doubling();
    server.keepAliveTimeout = 3000;
    const listening = await listen(pair, server);
    const agent = new HttpAgent(pair.run, pair.hostA, { keepAlive: true });
    await request(agent, { method: 'POST' }, bytes(10, 1));
    const count = (): Promise<number> => new Promise(resolve => listening.getConnections((_error, n) => resolve(n)));
    await pair.run.sleep(2000);
    expect(await count()).toBe(1);
    await pair.run.sleep(3000);
    expect(await count()).toBe(0);
    await request(agent, { method: 'POST' }, bytes(10, 1));
    expect(server.connections).toBe(2);
    listening.close();
    await once(listening, 'close');
  }));

test('an upgrade: the raw stream, both ways', () =>
  inPair(async pair => {
    const server = http.createServer();
    server.on('upgrade', (_incoming, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      socket.pipe(socket);
    });
    await listen(pair, server);
    const agent = new HttpAgent(pair.run, pair.hostA);
    const outgoing = http.get({ host: B, port: 80, agent, headers: { connection: 'Upgrade', upgrade: 'echo' } });
    const [, socket] = await once(outgoing, 'upgrade');
    socket.write('around');
    const [data] = await once(socket, 'data');
    expect(String(data)).toBe('around');
    socket.end();
    await once(socket, 'close');
  }));
