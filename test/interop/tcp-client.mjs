/**
 * A plain TCP client, run in a namespace: sends `length` bytes of noise to `host`:`port` and compares what comes back.
 * Prints {sent, equal, different, missing}, in bytes, as JSON.
 */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';

const [host, port, lengthText] = process.argv.slice(2);
const length = Number(lengthText);
const BLOCK = 32;
const PATIENCE_MS = 10_000;

const bytes = Buffer.alloc(length);
for (let at = 0; at < length; at += BLOCK) {
  createHash('sha256').update(String(at)).digest().copy(bytes, at);
}

const chunks = [];
const socket = connect(Number(port), host, () => socket.end(bytes));
socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('nothing came for 10 s')));
socket.on('data', chunk => chunks.push(chunk));
socket.on('error', error => {
  console.error(error.message);
  process.exitCode = 1;
});
socket.on('close', () => {
  const back = Buffer.concat(chunks);
  let equal = 0;
  for (let i = 0; i < Math.min(length, back.length); i++) if (back[i] === bytes[i]) equal++;
  console.log(
    JSON.stringify({ sent: length, equal, different: back.length - equal, missing: Math.max(0, length - back.length) }),
  );
});
