/**
 * Node's http on two emulated hosts, over a wire that loses, doubles and reorders frames. Quoted by docs/http.md.
 *
 *     npx tsx harness/node/example.ts
 */
import http from 'node:http';
import type { Host, Plugged } from '../machine/host.ts';
import { World } from '../machine/world.ts';
import { HttpAgent, serveHttp } from './http.ts';
import { NodeRun } from './run.ts';

const SERVER = '10.1.0.2';

// Two hosts, each with a card, and a bad wire between them: 1 ms long, one frame in fifty lost.
const world = new World({ seed: 7, hash: true });
const hosts = [1, 2].map((last): Host => {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, last);
  return world.addHost({ name: `host${last}`, nics: [{ mac }] });
});
const [client, server] = hosts as [Host, Host];
world.connect(client.cards[0] as Plugged, server.cards[0] as Plugged, {
  latencyNs: 1_000_000,
  impairments: { loss: 0.02, duplicate: 0.01, reorder: 0.05 },
});
client.up('eth0', 0x0a010001, 24);
server.up('eth0', 0x0a010002, 24);

// An ordinary server of Node's. Its timers and dates are simulated.
const web = http.createServer((request, response) => {
  setTimeout(() => response.end(`${request.url} at ${new Date().toISOString()}\n`), 250);
});

const run = new NodeRun(world, { epoch: Date.UTC(2026, 0, 1) });

/** What any promise-based program would do. */
async function program(): Promise<void> {
  const listening = serveHttp(run, server, web).listen(80);
  await new Promise<void>(resolve => listening.once('listening', resolve));
  const agent = new HttpAgent(run, client, { keepAlive: true });
  for (const path of ['/one', '/two', '/three']) {
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get({ host: SERVER, port: 80, path, agent }, resolve).on('error', reject);
    });
    for await (const text of answer.setEncoding('utf8')) process.stdout.write(`${answer.statusCode} ${text}`);
  }
  agent.destroy();
  listening.close();
}

await run.until(program);
const findings = world.finish();
console.log(`leaks and faults of our own: ${findings.length}`);
console.log(`run hash: ${world.hash?.digest()}`);
