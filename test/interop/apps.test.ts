/** Real programs of Linux against ours over a TAP. The long check has more of the same (apps.long.test.ts). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Host } from '../../harness/machine/host.ts';
import { tcpEcho } from '../../harness/user/index.ts';
import { curlBothWays, iperfBothWays, noiseFile } from './apps.ts';
import { interop, OURS } from './lab.ts';

const WORSE = { loss: 0.05, duplicate: 0.02, reorder: 0.05 };

curlBothWays('curl and Node http on our host: 10 MB each way, equal', 10, null, 20_000);
curlBothWays(
  '1 % lost, doubled, reordered: 3 MB each way, equal',
  3,
  { loss: 0.01, duplicate: 0.01, reorder: 0.01 },
  30_000,
);
curlBothWays('5 % lost, 2 % doubled, 5 % reordered: 1 MB each way, equal', 1, WORSE, 40_000);
iperfBothWays('iperf3 for 2 s: to us, from us, four streams', 2, null);

const echo = (host: Host): void => void host.spawn('echo', tcpEcho({ port: 7 }));

for (const [name, impairments] of [
  ['a good wire', null],
  ['a bad wire', WORSE],
] as const) {
  interop(
    `nc through our echo, ${name}: 1 MB there and back, equal`,
    async lab => {
      const { file } = noiseFile(lab, 1);
      const target = join(lab.folder, 'back');
      const { status } = await lab.run('sh', ['-c', `nc -N ${OURS} 7 < ${file} > ${target}`], 40_000);
      expect(status).toBe(0);
      expect(Buffer.compare(readFileSync(target), readFileSync(file))).toBe(0);
    },
    { setup: echo, timeoutMs: 60_000, ...(impairments === null ? {} : { impairments, lossy: true }) },
  );
}

interop(
  'nmap scans all low ports and the operating system: it ends, and our host lives',
  async lab => {
    const { status, stdout } = await lab.run(
      'nmap',
      ['-n', '-Pn', '-sS', '-O', '--max-os-tries', '1', '-p', '1-1000', OURS],
      50_000,
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/^7\/tcp +open +echo$/m);
    expect(stdout).toContain('999 closed tcp ports (reset)');
    expect(stdout).toMatch(/OS details|Aggressive OS guesses|No exact OS matches|Running/);
    expect((await lab.ping(3)).received).toBe(3);
    const { ipv4 } = lab.host.kernel.init_net;
    expect(ipv4.mib.TcpOutRsts).toBeGreaterThan(999);
  },
  { setup: echo, unrecorded: true, timeoutMs: 70_000, memory: 16384 },
);

interop(
  'ss on Linux: SACK, timestamps and window scaling are in use, and there is a round trip',
  async lab => {
    const script = `const s = require('net').connect(7, '${OURS}'); let n = 0;
      s.on('data', d => { n += d.length; if (n === 300000) console.log('there'); }); s.write(Buffer.alloc(300000));`;
    const client = lab.start(process.execPath, ['-e', script]);
    await client.prints('there');
    const { stdout } = await lab.run('ss', ['-toin', 'dst', OURS]);
    expect(stdout).toMatch(/\bts sack\b.* wscale:8,\d+ /);
    expect(stdout).toMatch(/\brtt:\d/);
    expect(stdout).toMatch(/bytes_acked:300001\b/);
    expect(stdout).toMatch(/bytes_received:300000\b/);
    await client.stop();
  },
  { setup: echo },
);
