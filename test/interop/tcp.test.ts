/** TCP of ours and the real Linux's, at the two ends of a TAP. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Host } from '../../harness/machine/host.ts';
import { Random } from '../../harness/sim/random.ts';
import { httpServer, tcpEcho, tcpSend } from '../../harness/user/index.ts';
import { spawn } from '../../kernel/syscalls.ts';
import { interop, LINUX, OURS } from './lab.ts';

const SIZE = 1_000_000;

function random(length: number, seed: number): Buffer {
  const chance = new Random(seed, 'file');
  return Buffer.from(Uint8Array.from({ length }, () => chance.u32()));
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const file = random(SIZE, 1);
const received = new Map<string, string>();

function server(host: Host): void {
  const { kernel } = host;
  const files = new Map([['/file', file as Uint8Array]]);
  kernel.exec(() =>
    spawn(
      kernel,
      'http',
      httpServer({ port: 80 }, files, (path, body) => received.set(path, hash(body))),
    ),
  );
}

interop(
  'curl gets a file, and puts one: equal, and what Linux sees is in order',
  async lab => {
    await lab.watch();
    const target = join(lab.folder, 'got');
    const got = await lab.run('curl', [
      '-sS',
      '-o',
      target,
      '-w',
      '%{http_code} %{size_download}',
      `http://${OURS}/file`,
    ]);
    expect(got).toMatchObject({ status: 0, stdout: `200 ${SIZE}` });
    expect((await lab.run('sha256sum', [target])).stdout.slice(0, 64)).toBe(hash(file));
    const source = join(lab.folder, 'put');
    const body = random(300_000, 2);
    writeFileSync(source, body);
    const put = await lab.run('curl', ['-sS', '-T', source, '-w', '%{http_code}', `http://${OURS}/put`]);
    expect(put).toMatchObject({ status: 0, stdout: '204' });
    expect(received.get('/put')).toBe(hash(body));
    const packets = await lab.watched();
    expect(packets.filter(packet => /\b(bad|wrong|incorrect|truncated|invalid)\b|\[\|/i.test(packet))).toEqual([]);
    // Both sides have offered, and taken, all three options.
    const syns = packets.filter(packet => packet.includes('Flags [S'));
    expect(syns.length).toBe(4);
    for (const syn of syns) expect(syn).toMatch(/mss 1460,sackOK,TS val \d+ ecr \d+,nop,wscale \d+/);
  },
  { setup: server },
);

interop('a port of ours where nobody listens: curl is refused', async lab => {
  const { status, stderr } = await lab.run('curl', ['-sS', `http://${OURS}:81/`]);
  expect(status).toBe(7);
  expect(stderr).toMatch(/refused|Could(n't| not) connect/i);
});

const answers: string[] = [];

interop(
  'our client, a server on Linux: every byte there and back',
  async lab => {
    const script = `require('net').createServer({ allowHalfOpen: true }, s => s.pipe(s)).listen(7007, '${LINUX}', () => console.log('ready'))`;
    const echo = lab.start(process.execPath, ['-e', script]);
    await echo.prints('ready');
    for (let tries = 0; tries < 100 && answers.length === 0; tries++) await new Promise(done => setTimeout(done, 100));
    expect(answers).toEqual([hash(file.subarray(0, 400_000))]);
    await echo.stop();
  },
  {
    setup(host) {
      const { kernel } = host;
      answers.length = 0;
      kernel.exec(() =>
        spawn(kernel, 'client', function* (sys) {
          // Until the server is there.
          for (;;) {
            const send = tcpSend({ address: LINUX, port: 7007 }, file.subarray(0, 400_000), data => {
              answers.push(hash(data));
            });
            if ((yield* send(sys)) === 0) return 0;
            yield* sys.nanosleep(100_000_000);
          }
        }),
      );
    },
  },
);

interop(
  '200 connections of Linux at once: all served',
  async lab => {
    const script = `
      const net = require('net'); let open = 0, done = 0;
      const all = [];
      for (let i = 0; i < 200; i++) {
        const s = net.connect(7, '${OURS}', () => { if (++open === 200) console.log('open'); s.write('x' + i); });
        let got = '';
        s.on('data', d => { got += d; if (got === 'x' + i) s.end(); });
        s.on('close', () => { if (got === 'x' + i) done++; if (++closed === 200) { console.log('done ' + done); process.exit(0); } });
        s.on('error', e => console.log(e.code));
        all.push(s);
      }
      let closed = 0;`;
    const clients = lab.start(process.execPath, ['-e', script]);
    await clients.prints('open');
    expect((await clients.finished).stdout).toContain('done 200');
  },
  {
    setup(host) {
      const { kernel } = host;
      kernel.exec(() => spawn(kernel, 'echo', tcpEcho({ port: 7, backlog: 256 })));
    },
  },
);

for (const [name, impairments] of [
  ['1 % of the frames lost, 1 % doubled', { loss: 0.01, duplicate: 0.01 }],
  ['5 % lost, 2 % doubled, 1 % corrupt', { loss: 0.05, duplicate: 0.02, corrupt: 0.01 }],
] as const) {
  interop(
    `${name}: curl gets a file and puts one, equal`,
    async lab => {
      const target = join(lab.folder, 'got');
      const got = await lab.run('curl', ['-sS', '-o', target, `http://${OURS}/file`], 60_000);
      expect(got.status).toBe(0);
      expect((await lab.run('sha256sum', [target])).stdout.slice(0, 64)).toBe(hash(file));
      const source = join(lab.folder, 'source');
      writeFileSync(source, file);
      const put = await lab.run('curl', ['-sS', '-T', source, '-w', '%{http_code}', `http://${OURS}/lossy`], 60_000);
      expect(put).toMatchObject({ status: 0, stdout: '204' });
      expect(received.get('/lossy')).toBe(hash(file));
      received.delete('/lossy');
    },
    { setup: server, impairments, lossy: true, timeoutMs: 150_000 },
  );
}

interop(
  '1000 connections of Linux in turn: all served, and none is left behind',
  async lab => {
    const script = `
      const net = require('net'); let done = 0;
      const next = i => {
        if (i === 1000) { console.log('done ' + done); return; }
        let got = '';
        const s = net.connect(7, '${OURS}', () => s.write('x' + i));
        s.on('data', d => { got += d; if (got === 'x' + i) s.end(); });
        s.on('close', () => { if (got === 'x' + i) done++; next(i + 1); });
        s.on('error', e => console.log(e.code));
      };
      next(0);`;
    expect((await lab.run(process.execPath, ['-e', script], 40_000)).stdout).toContain('done 1000');
    const { ipv4 } = lab.host.kernel.init_net;
    expect(ipv4.mib.TcpPassiveOpens).toBe(1000);
    expect([ipv4.mib.TcpCurrEstab, ipv4.tcp_orphan_count, ipv4.tcp.hashinfo.ehash.count]).toEqual([0, 0, 0]);
  },
  { setup: host => void host.kernel.exec(() => spawn(host.kernel, 'echo', tcpEcho({ port: 7 }))) },
);
