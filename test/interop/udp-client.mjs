/**
 * A plain UDP client, run in a namespace: sends `count` datagrams of 1 to `longest` bytes to `host`:`port`, up to 16 (or
 * as the fifth argument says) under way, and compares what comes back. Prints {sent, equal, different, missing} as JSON.
 */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';

const [host, port, countText, longestText, windowText] = process.argv.slice(2);
const count = Number(countText);
const longest = Number(longestText);
const WINDOW = Number(windowText ?? 16);
const PATIENCE_MS = 5000;

/** Datagram `i`: the longest first, then all lengths in turn; the bytes begin with the number where there is room, the rest is noise. */
function datagram(i) {
  const length = longest - ((i * 7919) % longest);
  const bytes = Buffer.alloc(length);
  for (let at = 0, block = 0; at < length; at += 32, block++) {
    createHash('sha256').update(`${i}:${block}`).digest().copy(bytes, at);
  }
  return bytes;
}

const socket = createSocket('udp4');
let sent = 0;
let equal = 0;
let different = 0;
/** Echoes need not keep their order in general: what is under way, by content. */
const underWay = new Map();

function end() {
  console.log(JSON.stringify({ sent, equal, different, missing: sent - equal - different }));
  socket.close();
}
let patience = setTimeout(end, PATIENCE_MS);

function send() {
  while (sent < count && sent - equal - different < WINDOW) {
    const bytes = datagram(sent++);
    const key = bytes.toString('latin1');
    underWay.set(key, (underWay.get(key) ?? 0) + 1);
    socket.send(bytes);
  }
}

socket.on('message', bytes => {
  const key = bytes.toString('latin1');
  const waiting = underWay.get(key) ?? 0;
  if (waiting > 0) equal++;
  else different++;
  if (waiting === 1) underWay.delete(key);
  else if (waiting > 1) underWay.set(key, waiting - 1);
  clearTimeout(patience);
  if (equal + different === count) end();
  else {
    patience = setTimeout(end, PATIENCE_MS);
    send();
  }
});
socket.connect(Number(port), host, send);
