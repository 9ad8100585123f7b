/**
 * Sends UDP datagrams as fast as Linux takes them, 64 to a system call: `udp-blast.mjs HOST PORT LENGTH COUNT`. Prints
 * {"sent", "seconds"} as JSON. Run in the namespace that shall send; needs koffi, which `bench tap` has looked for.
 */
import koffi from 'koffi';

const [host, port, lengthText, countText] = process.argv.slice(2);
const length = Number(lengthText);
const count = Number(countText);

const AF_INET = 2;
const SOCK_DGRAM = 2;
const BATCH = 64;
// struct mmsghdr on 64-bit Linux: a msghdr of 56 bytes, and the length sent.
const MMSGHDR = 64;
const MSG_IOV = 16;
const MSG_IOVLEN = 24;

const libc = koffi.load(null);
const socket = libc.func('int socket(int domain, int type, int protocol)');
const connect = libc.func('int connect(int fd, void *address, unsigned int length)');
const sendmmsg = libc.func('int sendmmsg(int fd, void *messages, unsigned int count, int flags)');

const fd = socket(AF_INET, SOCK_DGRAM, 0);
const address = Buffer.alloc(16);
address.writeUInt16LE(AF_INET, 0);
address.writeUInt16BE(Number(port), 2);
for (const [i, part] of host.split('.').entries()) address[4 + i] = Number(part);
if (connect(fd, address, address.length) < 0) throw new Error(`connect: errno ${koffi.errno()}`);

const payload = Buffer.from(Uint8Array.from({ length }, (_, i) => i & 0xff));
const iovec = Buffer.alloc(16);
iovec.writeBigUInt64LE(koffi.address(payload), 0);
iovec.writeBigUInt64LE(BigInt(length), 8);
const messages = Buffer.alloc(BATCH * MMSGHDR);
for (let i = 0; i < BATCH; i++) {
  messages.writeBigUInt64LE(koffi.address(iovec), i * MMSGHDR + MSG_IOV);
  messages.writeBigUInt64LE(1n, i * MMSGHDR + MSG_IOVLEN);
}

const start = process.hrtime.bigint();
let sent = 0;
while (sent < count) {
  const result = sendmmsg(fd, messages, Math.min(BATCH, count - sent), 0);
  if (result < 0) throw new Error(`sendmmsg: errno ${koffi.errno()}`);
  sent += result;
}
console.log(JSON.stringify({ sent, seconds: Number(process.hrtime.bigint() - start) / 1e9 }));
