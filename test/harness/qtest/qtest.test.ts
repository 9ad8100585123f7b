import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NIC } from '../../../device/regs/nic.ts';
import { parseMac } from '../../../harness/packet/address.ts';
import { NE2000_IRQ, NE2000_PORT, NIC_ADDRESS, QtestMachine } from '../../../harness/qtest/machine.ts';
import { QtestSession } from '../../../harness/qtest/protocol.ts';
import { parseAddress, QtestServer, type ServerOptions } from '../../../harness/qtest/server.ts';
import { parseVectors } from '../../../harness/vectors/load.ts';
import type { Op, Scenario } from '../../../harness/vectors/script.ts';
import { accept, FramePeer, listening, QtestClient, reach } from './client.ts';

const MAC = parseMac('52:54:00:12:34:56');
const MACHINE = { mac: MAC, ram: 1024 * 1024, nicMemory: 4096, rate: 'instant' } as const;
const VECTORS = join(import.meta.dirname, '../../data/vectors/ne2000-qemu.json');
const CR = NE2000_PORT;
const ISR = NE2000_PORT + 7;

let folder: string;
let servers: QtestServer[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qtest-'));
  servers = [];
});

afterEach(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true });
});

async function open(options: Partial<ServerOptions> = {}): Promise<QtestServer> {
  const at = { listen: { path: join(folder, 'q') } };
  const server = new QtestServer({ ...MACHINE, ...at, once: false, log: () => {}, ...options });
  servers.push(server);
  await server.open();
  return server;
}

const client = async (): Promise<QtestClient> => new QtestClient(await reach({ path: join(folder, 'q') }));

test('ports of every width, in order, with QEMU’s forms of numbers and answers', async () => {
  await open();
  const q = await client();
  expect(await q.send('endianness')).toBe('OK little');
  expect(await q.send(`inb ${CR}`)).toBe('OK 0x0021');
  expect(await q.send(`inb 0x${CR.toString(16)}`)).toBe('OK 0x0021');
  expect(await q.send(`outb ${CR} 0x22`)).toBe('OK');
  expect(await q.send(`inb 01400`)).toBe('OK 0x0022');
  expect(await q.send(`inw ${CR}`)).toBe('OK 0xffff');
  expect(await q.send('inl 0')).toBe('OK 0xffffffff');
  expect(await q.send('outl 0 0xffffffffffffffff')).toBe('OK');
  await q.close();
});

test('RAM: bytes to quads, blocks, base64, memset; beyond it nothing', async () => {
  await open();
  const q = await client();
  expect(await q.send('writeq 0x100 0x1122334455667788')).toBe('OK');
  expect(await q.send('readq 0x100')).toBe('OK 0x1122334455667788');
  expect(await q.send('readl 0x100')).toBe('OK 0x0000000055667788');
  expect(await q.send('readw 0x101')).toBe('OK 0x0000000000006677');
  expect(await q.send('readb 0x107')).toBe('OK 0x0000000000000011');
  expect(await q.send('writeb 0x100 0x1ff')).toBe('OK');
  expect(await q.send('writew 0x102 0xabcd')).toBe('OK');
  expect(await q.send('read 0x100 8')).toBe('OK 0xff77cdab44332211');
  expect(await q.send('write 0x200 4 0xa1b2')).toBe('OK');
  expect(await q.send('read 0x1ff 6')).toBe('OK 0x00a1b2000000');
  expect(await q.send('memset 0x200 3 0x5a')).toBe('OK');
  expect(await q.send('b64read 0x200 4')).toBe('OK WlpaAA==');
  expect(await q.send('b64write 0x300 4 WlpaAA==')).toBe('OK');
  expect(await q.send('read 0x300 4')).toBe('OK 0x5a5a5a00');
  expect(await q.send('read 0x300 0')).toBe('OK 0x');
  expect(await q.send('readl 0x100000')).toBe('OK 0x00000000ffffffff');
  expect(await q.send('writel 0x100000 1')).toBe('OK');
  expect(await q.send('writel 0xffffe 0x01020304')).toBe('OK');
  expect(await q.send('read 0xffffc 8')).toBe('OK 0x00000403ffffffff');
  await q.close();
});

test('the native card answers at its address, and its DMA reaches RAM', async () => {
  await open();
  const q = await client();
  const at = (offset: number): string => `0x${(NIC_ADDRESS + offset).toString(16)}`;
  expect(await q.value(`readl ${at(NIC.ID.offset)}`)).toBe(NIC.ID.reset);
  await q.send('irq_intercept_in ioapic');
  // Two descriptors; the first sends 60 bytes from 2000h.
  await q.send('memset 0x2000 60 0x33');
  await q.send('writel 0x1000 0x2000');
  await q.send('writel 0x1008 60');
  await q.send('writel 0x100c 0x6');
  await q.send(`writel ${at(NIC.TDBA.offset)} 0x1000`);
  await q.send(`writel ${at(NIC.TDLEN.offset)} 2`);
  await q.send(`writel ${at(NIC.IMS.offset)} 0xffff`);
  await q.send(`writel ${at(NIC.TDCTL.offset)} ${NIC.TDCTL.EN.mask}`);
  await q.send(`writel ${at(NIC.CTRL.offset)} ${NIC.CTRL.TXE.mask}`);
  await q.send(`writel ${at(NIC.TDT.offset)} 1`);
  expect(await q.value(`readl ${at(NIC.TDH.offset)}`)).toBe(1);
  await q.close();
});

test('interrupt lines: raise and lower, before the answer of the command that caused them, once asked for', async () => {
  await open();
  const q = await client();
  // A remote command without bytes sets RDC.
  const rdc = [`outb ${CR} 0x22`, `outb ${NE2000_PORT + 15} 0x40`, `outb ${CR} 0x0a`];
  for (const line of rdc) expect(await q.send(line)).toBe('OK');
  expect(q.irqs).toEqual([]);
  expect(await q.send('irq_intercept_in ioapic')).toBe('OK');
  await q.send(`outb ${ISR} 0x40`);
  expect(q.irqs).toEqual([`IRQ lower ${NE2000_IRQ}`]);
  await q.send(`outb ${CR} 0x0a`);
  expect(q.irqs).toEqual([`IRQ lower ${NE2000_IRQ}`, `IRQ raise ${NE2000_IRQ}`]);
  await q.close();
});

test('the clock stands still until it is stepped or set, never runs backwards, and a transmission takes its time', async () => {
  await open({ rate: 10_000_000 });
  const q = await client();
  expect(await q.send('clock_step 1000')).toBe('OK 1000');
  expect(await q.send('clock_set 500')).toBe('OK 1000');
  expect(await q.send('clock_set 2000')).toBe('OK 2000');
  expect(await q.send('clock_step')).toBe('OK 2000');
  for (const [port, value] of [
    [0, 0x22],
    [4, 0x40],
    [5, 60],
    [6, 0],
    [0, 0x26],
  ]) {
    await q.send(`outb ${NE2000_PORT + (port as number)} ${value}`);
  }
  expect(await q.send(`inb ${CR}`)).toBe('OK 0x0026');
  // 8 bytes of preamble, 60, 4 of FCS at 800 ns each.
  expect(await q.send('clock_step')).toBe('OK 59600');
  expect(await q.send(`inb ${CR}`)).toBe('OK 0x0022');
  await q.close();
});

test.each([
  ['frobnicate 1', "Unknown command 'frobnicate'"],
  ['constructor', "Unknown command 'constructor'"],
  ['inb', 'inb: the port is missing'],
  ['inb x', "inb: the port 'x' is no number"],
  ['inb 65536', 'inb: the port is too large'],
  ['inb 1 2', 'inb: too many arguments'],
  ['outb 1', 'outb: the value is missing'],
  ['readl 0x10000000000000000', "readl: the address '0x10000000000000000' is no number"],
  ['readl 0xffffffffffffffff', 'readl: the address is too large'],
  ['read 0 99999999999', 'read: the length is too large'],
  ['write 0 4 a1b2', 'write: the data is no 0x… string of bytes'],
  ['write 0 4 0xa1b', 'write: the data is no 0x… string of bytes'],
  ['clock_step -1', "clock_step: the time '-1' is no number"],
  ['irq_intercept_in', 'irq_intercept_in: the path is missing'],
])('%s: FAIL %s', (line, why) => {
  const out: string[] = [];
  new QtestSession(new QtestMachine(MACHINE), text => void out.push(text)).line(line);
  expect(out.join('')).toBe(`FAIL ${why}\n`);
});

test('an empty line is no command', () => {
  const out: string[] = [];
  const session = new QtestSession(new QtestMachine(MACHINE), text => void out.push(text));
  session.line('');
  session.line('  \r');
  expect(out).toEqual([]);
});

test('whatever a line holds, it is answered by one OK or FAIL', () => {
  const words = fc.constantFrom(
    'inb',
    'outl',
    'read',
    'write',
    'memset',
    'writeq',
    'b64write',
    'clock_set',
    '0x',
    '-1',
  );
  const word = fc.oneof(words, fc.string(), fc.integer({ min: 0, max: 2000 }).map(String));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), list => {
      const out: string[] = [];
      const text = list.join(' ').replaceAll('\n', ' ');
      new QtestSession(new QtestMachine({ ...MACHINE, ram: 65536 }), line => void out.push(line)).line(text);
      expect(out.join('')).toMatch(text.trim() === '' ? /^$/ : /^(OK|FAIL)[^\n]*\n$/);
    }),
    { numRuns: 200 },
  );
});

test('several clients in turn, each with a fresh machine; one that leaves in the middle of a line harms nobody', async () => {
  await open();
  const first = await client();
  const second = await client();
  await first.send('writel 0 0x12345678');
  await first.send(`outb ${CR} 0x22`);
  const waiting = second.send('readl 0');
  first.socket.write('readl ');
  await first.close();
  expect(await waiting).toBe('OK 0x0000000000000000');
  expect(await second.send(`inb ${CR}`)).toBe('OK 0x0021');
  second.socket.destroy();
  const third = await client();
  expect(await third.send('endianness')).toBe('OK little');
  await third.close();
});

test('commands in pieces, in heaps, and with garbage between them', async () => {
  await open();
  const q = await client();
  const answers = [q.send('endianness')];
  q.socket.write('');
  for (let i = 0; i < 500; i++) answers.push(q.send(`writel ${i * 4} ${i}`));
  answers.push(q.send('\x00\xff\xfe'), q.send('readl 1996'));
  const all = await Promise.all(answers);
  expect(all[0]).toBe('OK little');
  expect(new Set(all.slice(1, 501))).toEqual(new Set(['OK']));
  expect(all[501]).toMatch(/^FAIL Unknown command/);
  expect(all[502]).toBe('OK 0x00000000000001f3');
  await q.close();
});

test('--once: the server ends with its first client, and its socket is gone', async () => {
  const server = await open({ once: true });
  const q = await client();
  await q.send('endianness');
  await q.close();
  await server.ended;
  expect(existsSync(join(folder, 'q'))).toBe(false);
});

test('a server that connects, as QEMU does, and ends with its client; over TCP', async () => {
  const { server: listener, port } = await listening();
  const socket = accept(listener);
  const server = new QtestServer({ ...MACHINE, connect: { host: '127.0.0.1', port }, once: false, log: () => {} });
  servers.push(server);
  await server.open();
  const q = new QtestClient(await socket);
  expect(await q.send('endianness')).toBe('OK little');
  await q.close();
  await server.ended;
  listener.close();
});

test('a socket left over by a server that died is taken over; one that is in use is refused', async () => {
  await open();
  await expect(open()).rejects.toThrow(/somebody listens there already/);
});

test('a socket in a folder that is not there: said so', async () => {
  const server = new QtestServer({ ...MACHINE, listen: { path: join(folder, 'no', 'q') }, once: false, log: () => {} });
  await expect(server.open()).rejects.toThrow(/: no such file or folder$/);
});

test('addresses', () => {
  expect(parseAddress('unix:/tmp/q')).toEqual({ path: '/tmp/q' });
  expect(parseAddress('tcp:localhost:80')).toEqual({ host: 'localhost', port: 80 });
  expect(parseAddress('tcp:[::1]:0')).toEqual({ host: '::1', port: 0 });
  for (const bad of ['', 'unix:', 'tcp:80', 'tcp:h:65536', '/tmp/q', 'tcp:h:x']) {
    expect(() => parseAddress(bad), bad).toThrow(RangeError);
  }
});

test('a frame length that no frame has closes the frame socket only', async () => {
  const frames = { path: join(folder, 'f') };
  await open({ framesListen: frames });
  const q = await client();
  const peer = await reach(frames);
  const closed = new Promise(resolve => peer.once('close', resolve));
  peer.write(Buffer.from('ffffffff00', 'hex'));
  await closed;
  expect(await q.send('endianness')).toBe('OK little');
  await q.close();
});

/** Round trips after a frame, so that the server has read it. */
const ROUND_TRIPS = 4;

async function replay(scenario: Scenario, q: QtestClient, wire: FramePeer): Promise<string | null> {
  await q.send('irq_intercept_in ioapic');
  const suffix = { 8: 'b', 16: 'w', 32: 'l' } as const;
  for (const [i, op] of scenario.ops.entries()) {
    const seen = await perform(op);
    if (op.op === 'write' || op.op === 'frame-in' || op.expect === 'any') continue;
    const mask = op.op === 'read' && op.mask !== undefined ? op.mask : -1;
    const masked = (value: unknown): unknown => (typeof value === 'number' ? (value & mask) >>> 0 : value);
    const want = op.op === 'read' ? op.expect.map(masked) : op.expect;
    if (JSON.stringify(want) !== JSON.stringify(Array.isArray(seen) ? seen.map(masked) : seen)) {
      return `op ${i + 1}: ${JSON.stringify(want)} expected, got ${JSON.stringify(seen)}`;
    }
  }
  return null;

  async function perform(op: Op): Promise<unknown> {
    switch (op.op) {
      case 'write': {
        const lines = op.values.map(value => q.send(`out${suffix[op.width]} ${NE2000_PORT + op.port} ${value}`));
        await Promise.all(lines);
        return null;
      }
      case 'read': {
        const line = `in${suffix[op.width]} ${NE2000_PORT + op.port}`;
        return Promise.all(Array.from({ length: op.count }, () => q.value(line)));
      }
      case 'frame-in':
        wire.send(op.bytes);
        for (let i = 0; i < ROUND_TRIPS; i++) await q.send('endianness');
        return null;
      case 'frames-out': {
        for (let i = 0; i < ROUND_TRIPS; i++) await q.send('endianness');
        const { received } = wire;
        wire.received = [];
        return received;
      }
      case 'irq':
        return q.irqs.at(-1) === `IRQ raise ${NE2000_IRQ}`;
    }
  }
}

test('every recorded scenario passes through the sockets too', async () => {
  const frames = { path: join(folder, 'f') };
  await open({ framesListen: frames });
  const wire = new FramePeer(await reach(frames));
  const { scenarios } = parseVectors(readFileSync(VECTORS, 'utf8'), VECTORS);
  const failed: string[] = [];
  for (const scenario of scenarios) {
    const q = await client();
    wire.received = [];
    const difference = await replay(scenario, q, wire);
    if (difference !== null) failed.push(`${scenario.name}: ${difference}`);
    await q.close();
  }
  expect(failed).toEqual([]);
});
