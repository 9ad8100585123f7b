/** Real programs of Linux against ours over a TAP: what the short and the long check share. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import { expect } from 'vitest';
import type { Host } from '../../harness/machine/host.ts';
import { serveHttp } from '../../harness/node/http.ts';
import { Net } from '../../harness/node/net.ts';
import { NodeRun } from '../../harness/node/run.ts';
import { Random } from '../../harness/sim/random.ts';
import { type Iperf3Test, iperf3Server } from '../../harness/user/index.ts';
import type { Impairments } from '../../harness/wire/impair.ts';
import { interop, type Lab, OURS } from './lab.ts';

const MB = 1_000_000;

/** `megabytes` of noise, in pieces: equal for equal seeds. */
function* noise(megabytes: number, seed: number): Generator<Buffer> {
  const chance = new Random(seed, 'noise');
  const block = Buffer.from(Uint8Array.from({ length: MB }, () => chance.u32()));
  for (let i = 0; i < megabytes; i++) {
    block.writeUInt32LE(i);
    yield Buffer.from(block);
  }
}

const sha = (): Hash => createHash('sha256');

async function hashOf(file: string): Promise<string> {
  const hash = sha();
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Node's http server on our host: GET gives noise, PUT answers with the hash of what came. */
function nodeServer(host: Host, megabytes: number): void {
  const run = new NodeRun(host.world, { live: true });
  const server = http.createServer((incoming, response) => {
    if (incoming.method === 'PUT') {
      const hash = sha();
      pipeline(incoming, hash).then(
        () => response.end(hash.digest('hex')),
        () => {},
      );
      return;
    }
    response.setHeader('content-length', megabytes * MB);
    pipeline(noise(megabytes, 1), response).catch(() => {});
  });
  serveHttp(run, host, server).listen(80);
}

/** curl gets so much from Node's http server on our host, and puts as much: equal hashes. */
export function curlBothWays(
  title: string,
  megabytes: number,
  impairments: Impairments | null,
  timeoutMs: number,
): void {
  interop(
    title,
    async lab => {
      const source = join(lab.folder, 'source');
      const expected = sha();
      const file = createWriteStream(source);
      for (const block of noise(megabytes, 1)) {
        expected.update(block);
        if (!file.write(block)) await new Promise<void>(resolve => file.once('drain', () => resolve()));
      }
      file.end();
      await finished(file);
      const hash = expected.digest('hex');
      const target = join(lab.folder, 'target');
      const got = await lab.run('curl', ['-sS', '-o', target, '-w', '%{http_code}', `http://${OURS}/`], timeoutMs);
      expect(got).toMatchObject({ status: 0, stdout: '200' });
      expect(await hashOf(target)).toBe(hash);
      const put = await lab.run('curl', ['-sS', '-T', source, `http://${OURS}/put`], timeoutMs);
      expect(put).toMatchObject({ status: 0, stdout: hash });
      expect(lab.host.kernel.init_net.ipv4.mib.TcpInErrs).toBeLessThan(impairments?.corrupt === undefined ? 1 : 1000);
    },
    {
      setup: host => nodeServer(host, megabytes),
      unrecorded: true,
      timeoutMs: 2 * timeoutMs + 20_000,
      memory: 16384,
      ...(impairments === null ? {} : { impairments, lossy: true }),
    },
  );
}

interface IperfReport {
  readonly error?: string;
  readonly end: {
    readonly sum_sent: { readonly bytes: number };
    readonly sum_received: { readonly bytes: number; readonly bits_per_second: number };
  };
}

async function iperf(lab: Lab, tests: readonly Iperf3Test[], args: readonly string[], seconds: number): Promise<void> {
  const before = tests.length;
  const { status, stdout } = await lab.run(
    'iperf3',
    ['-c', OURS, '-J', '-t', String(seconds), ...args],
    (seconds + 20) * 1000,
  );
  const report = JSON.parse(stdout) as IperfReport;
  expect([status, report.error]).toEqual([0, undefined]);
  expect(report.end.sum_received.bytes).toBeGreaterThan(MB);
  for (let tries = 0; tries < 50 && tests.length === before; tries++) await new Promise(done => setTimeout(done, 20));
  const ours = tests[before] as Iperf3Test;
  // Ours counts what it sent or got; what was on its way at the end, nobody's.
  if (ours.reverse) expect(ours.bytes).toBeGreaterThanOrEqual(report.end.sum_received.bytes);
  else expect(ours.bytes).toBeLessThanOrEqual(report.end.sum_sent.bytes);
  expect(ours.seconds).toBeGreaterThan(seconds * 0.9);
}

/** iperf3 sends to us, and we to it, with one stream and with four. */
export function iperfBothWays(title: string, seconds: number, impairments: Impairments | null): void {
  const tests: Iperf3Test[] = [];
  interop(
    title,
    async lab => {
      await iperf(lab, tests, [], seconds);
      await iperf(lab, tests, ['-R'], seconds);
      await iperf(lab, tests, ['-P', '4'], seconds);
    },
    {
      setup: host => {
        tests.length = 0;
        host.spawn(
          'iperf3',
          iperf3Server({}, test => tests.push(test)),
        );
      },
      unrecorded: true,
      memory: 16384,
      timeoutMs: (3 * seconds + 60) * 1000,
      ...(impairments === null ? {} : { impairments, lossy: true }),
    },
  );
}

/** So many connections of a Linux client, one after the other and then all at once: every one is served. */
export function connections(title: string, count: number, impairments: Impairments | null): void {
  const script = `
    const net = require('net');
    let done = 0;
    const one = i => new Promise(next => {
      let got = '';
      const s = net.connect(7, '${OURS}', () => s.write('x' + i));
      s.on('data', d => { got += d; if (got === 'x' + i) s.end(); });
      s.on('error', e => console.log(e.code));
      s.on('close', () => { if (got === 'x' + i) done++; next(); });
    });
    (async () => {
      for (let i = 0; i < ${count}; i++) await one(i);
      console.log('in turn ' + done);
      await Promise.all(Array.from({ length: ${count} }, (_, i) => one(i)));
      console.log('all ' + done);
    })();`;
  interop(
    title,
    async lab => {
      const { stdout } = await lab.run(process.execPath, ['-e', script], 240_000);
      expect(stdout).toBe(`in turn ${count}\nall ${2 * count}\n`);
    },
    {
      // An echo for each connection at the same time.
      setup: host => {
        const net = new Net(new NodeRun(host.world, { live: true }), host);
        net.createServer(socket => void socket.on('error', () => {}).pipe(socket)).listen(7);
      },
      unrecorded: true,
      timeoutMs: 300_000,
      ...(impairments === null ? {} : { impairments, lossy: true }),
    },
  );
}

/** A file of noise for a program to send: its name and its hash. */
export function noiseFile(lab: Lab, megabytes: number): { readonly file: string; readonly hash: string } {
  const file = join(lab.folder, 'noise');
  const all = Buffer.concat([...noise(megabytes, 2)]);
  writeFileSync(file, all);
  return { file, hash: sha().update(all).digest('hex') };
}
