/** Pipes, files in memory, splice and sendfile through the door: what waits, what comes out, and that nothing stays behind. */
import { describe, expect, test } from 'vitest';
import type { DrillHost } from '../../../harness/drill/api.ts';
import { AF_INET, drill, good, hex, int, SOCK_DGRAM, SOCK_STREAM } from './drills.ts';

const NONBLOCK = 0o4000;
const SPLICE_F_NONBLOCK = 2;
const LOCAL = '127.0.0.1';

const pattern = (n: number, from = 0): Uint8Array =>
  Uint8Array.from({ length: n }, (_, i) => ((from + i) * 31 + ((from + i) >> 8)) & 255);

/** A connection over loopback: both its ends. */
function connected(host: DrillHost): [number, number] {
  const listener = host.socket(AF_INET, SOCK_STREAM, 0).result;
  good(host.bind(listener, { address: LOCAL, port: 7000 }));
  good(host.listen(listener, 1));
  const client = host.socket(AF_INET, SOCK_STREAM, 0).result;
  good(host.connect(client, { address: LOCAL, port: 7000 }));
  const server = host.accept(listener).result;
  good(host.close(listener));
  return [client, server];
}

/** Reads `n` bytes of a descriptor, however they come. */
function readAll(host: DrillHost, fd: number, n: number): Uint8Array {
  const all: number[] = [];
  while (all.length < n) {
    const read = host.read(fd, n - all.length);
    host.runUntilDone(read, host.now + 10e9);
    const { data } = good(read);
    if (data.length === 0) break;
    all.push(...data);
  }
  return Uint8Array.from(all);
}

describe('a pipe', () => {
  test('empty: the reader waits; no writer left: the end', () =>
    drill(host => {
      const [reader, writer] = good(host.pipe()) as [number, number];
      const read = host.read(reader, 10);
      expect(read.done).toBe(false);
      good(host.write(writer, pattern(3)));
      expect(read.done && hex(good(read).data)).toBe(hex(pattern(3)));
      const last = host.read(reader, 10);
      expect(last.done).toBe(false);
      good(host.close(writer));
      expect(last.result).toBe(0);
    }));

  test('full: the writer waits, and goes on page by page; no reader left: EPIPE', () =>
    drill(host => {
      const [reader, writer] = good(host.pipe()) as [number, number];
      const write = host.write(writer, pattern(100_000));
      expect(write.done).toBe(false);
      expect(hex(readAll(host, reader, 50_000))).toBe(hex(pattern(50_000)));
      expect(hex(readAll(host, reader, 50_000))).toBe(hex(pattern(50_000, 50_000)));
      expect(write.result).toBe(100_000);
      const more = host.write(writer, pattern(70_000));
      expect(more.done).toBe(false);
      good(host.close(reader));
      expect(more.result).toBe(65_536);
      expect(host.write(writer, pattern(1)).errno).toBe('EPIPE');
    }));

  test('poll and epoll tell of both ends; FIONREAD of what is in it; wrong ends are EBADF', () =>
    drill(host => {
      const [reader, writer] = good(host.pipe(NONBLOCK)) as [number, number];
      const events = (): readonly number[] =>
        good(
          host.poll(
            [
              { fd: reader, events: 0xfff },
              { fd: writer, events: 0xfff },
            ],
            0,
          ),
        );
      expect(events()).toEqual([0, 0x104]);
      good(host.write(writer, pattern(70_000)));
      expect(events()).toEqual([0x41, 0]);
      expect(good(host.ioctl(reader, 0x541b))).toBe(65_536);
      expect([host.read(writer, 1).errno, host.write(reader, pattern(1)).errno]).toEqual(['EBADF', 'EBADF']);
      const ep = host.epoll_create1(0).result;
      good(host.epoll_ctl(ep, 1, writer, { events: 4, data: 9 }));
      const wait = host.epoll_wait(ep, 1, -1);
      expect(wait.done).toBe(false);
      good(host.read(reader, 4096));
      expect(good(wait)).toEqual([{ events: 4, data: 9 }]);
      good(host.close(writer));
      expect(events()[0]).toBe(0x51);
      good(host.close(reader));
      expect(host.pipe(0o40000).errno).toBe('EINVAL');
      expect(good(host.pipe())).toEqual([reader, writer]);
    }));
});

describe('a file in memory', () => {
  test('written, read, holes, cut and grown again: what Linux would have there', () =>
    drill(host => {
      const fd = host.memfd_create('f').result;
      good(host.write(fd, pattern(5000)));
      expect(hex(good(host.pread(fd, 10_000, 4000)))).toBe(hex(pattern(1000, 4000)));
      good(host.pwrite(fd, pattern(10), 20_000));
      expect(host.lseek(fd, 0, 2).result).toBe(20_010);
      expect(good(host.pread(fd, 100, 10_000)).every(byte => byte === 0)).toBe(true);
      good(host.ftruncate(fd, 4500));
      good(host.ftruncate(fd, 6000));
      expect(hex(good(host.pread(fd, 10_000, 4400)))).toBe(`${hex(pattern(100, 4400))}${'00'.repeat(1500)}`);
      expect([host.lseek(fd, -1, 0).errno, host.lseek(fd, 0, 7).errno]).toEqual(['EINVAL', 'EINVAL']);
      expect(host.lseek(fd, -100, 2).result).toBe(5900);
      expect(host.read(fd, 1000).result).toBe(100);
      const socket = host.socket(AF_INET, SOCK_STREAM, 0).result;
      expect([host.lseek(socket, 0, 0).errno, host.pread(socket, 1, 0).errno]).toEqual(['ESPIPE', 'ESPIPE']);
      expect(host.ftruncate(socket, 0).errno).toBe('EINVAL');
      expect(host.memfd_create('x'.repeat(250)).errno).toBe('EINVAL');
      expect(host.memfd_create('f', 64).errno).toBe('EINVAL');
    }));
});

describe('sendfile', () => {
  test('a megabyte to a reader that takes its time: every byte, once; the position goes on', () =>
    drill(host => {
      const [client, server] = connected(host);
      const fd = host.memfd_create('f').result;
      const size = 1_000_000;
      good(host.setsockopt(client, 1, 7, int(20_000)));
      good(host.setsockopt(server, 1, 8, int(20_000)));
      good(host.write(fd, pattern(size)));
      const send = host.sendfile(client, fd, 123, size);
      expect(send.done).toBe(false);
      expect(hex(readAll(host, server, size - 123))).toBe(hex(pattern(size - 123, 123)));
      expect([send.result, send.value]).toEqual([size - 123, size]);
      expect(host.lseek(fd, 0, 1).result).toBe(size);
      good(host.lseek(fd, 10, 0));
      expect(host.sendfile(client, fd, null, 20).result).toBe(20);
      expect(host.lseek(fd, 0, 1).result).toBe(30);
    }));

  test('what it is not for: errno as Linux', () =>
    drill(host => {
      const [client, server] = connected(host);
      const fd = host.memfd_create('f').result;
      const [reader, writer] = good(host.pipe()) as [number, number];
      expect(host.sendfile(99, fd, null, 1).errno).toBe('EBADF');
      expect(host.sendfile(client, 99, null, 1).errno).toBe('EBADF');
      expect(host.sendfile(client, writer, null, 1).errno).toBe('EBADF');
      expect(host.sendfile(client, server, null, 1).errno).toBe('EINVAL');
      expect(host.sendfile(client, server, 0, 1).errno).toBe('ESPIPE');
      expect(host.sendfile(reader, fd, null, 1).errno).toBe('EBADF');
      expect(host.sendfile(fd, fd, null, 1).errno).toBe('EINVAL');
      expect(host.sendfile(client, fd, -1, 1).errno).toBe('EINVAL');
      good(host.write(fd, pattern(5000)));
      expect(host.sendfile(writer, fd, 0, 5000).result).toBe(5000);
      expect(hex(good(host.read(reader, 9000)).data)).toBe(hex(pattern(5000)));
      good(host.shutdown(client, 1));
      expect(host.sendfile(client, fd, 0, 5000).errno).toBe('EPIPE');
    }));

  test('a host that ends while it waits: nothing is left', () =>
    drill(host => {
      const [client] = connected(host);
      const fd = host.memfd_create('f').result;
      good(host.ftruncate(fd, 8_000_000));
      expect(host.sendfile(client, fd, 0, 8_000_000).done).toBe(false);
      const [, writer] = good(host.pipe()) as [number, number];
      expect(host.write(writer, pattern(100_000)).done).toBe(false);
    }));
});

describe('splice', () => {
  test('a file into a pipe by reference, and on to a datagram; the file may change before', () =>
    drill(host => {
      const fd = host.memfd_create('f').result;
      good(host.write(fd, pattern(10_000)));
      const [reader, writer] = good(host.pipe()) as [number, number];
      const moved = host.splice(fd, writer, 3000, 0, 2000);
      expect([moved.result, moved.value]).toEqual([3000, 5000]);
      good(host.pwrite(fd, Uint8Array.of(255), 2000));
      const [to, from] = [host.socket(AF_INET, SOCK_DGRAM, 0).result, host.socket(AF_INET, SOCK_DGRAM, 0).result];
      good(host.bind(to, { address: LOCAL, port: 7001 }));
      good(host.connect(from, { address: LOCAL, port: 7001 }));
      expect(host.splice(reader, from, 5000).result).toBe(3000);
      expect(hex(good(host.recv(to, 9000)).data)).toBe(`ff${hex(pattern(2999, 2001))}`);
    }));

  test('from an empty pipe it waits, for a full one too; what is between two pipes or two sockets is EINVAL', () =>
    drill(host => {
      const [client, server] = connected(host);
      const [reader, writer] = good(host.pipe()) as [number, number];
      expect(host.splice(reader, client, 10, SPLICE_F_NONBLOCK).errno).toBe('EAGAIN');
      const send = host.splice(reader, client, 100);
      expect(send.done).toBe(false);
      good(host.write(writer, pattern(10)));
      expect(send.result).toBe(10);
      expect(hex(readAll(host, server, 10))).toBe(hex(pattern(10)));
      const receive = host.splice(server, writer, 100);
      expect(receive.done).toBe(false);
      good(host.send(client, pattern(50), 0));
      host.runUntilDone(receive, host.now + 1e9);
      expect(receive.result).toBe(50);
      good(host.send(client, pattern(70_000), 0));
      host.advance(1e8);
      let moved = 50;
      for (;;) {
        const part = host.splice(server, writer, 100_000, SPLICE_F_NONBLOCK);
        if (part.result < 0) {
          expect(part.errno).toBe('EAGAIN');
          break;
        }
        moved += part.result;
      }
      const full = host.splice(server, writer, 100_000);
      expect(full.done).toBe(false);
      expect(hex(readAll(host, reader, moved))).toBe(hex(Uint8Array.from([...pattern(50), ...pattern(moved - 50)])));
      expect(full.result).toBeGreaterThan(0);
      const other = good(host.pipe()) as [number, number];
      expect(host.splice(reader, other[1], 1).errno).toBe('EINVAL');
      expect(host.splice(client, server, 1).errno).toBe('EINVAL');
      expect(host.splice(writer, client, 1).errno).toBe('EBADF');
      expect(host.splice(reader, client, 1, 0, 0).errno).toBe('ESPIPE');
      expect(host.splice(server, writer, 1, 0, 0).errno).toBe('EINVAL');
      expect(host.splice(server, writer, 1, 16).errno).toBe('EINVAL');
      expect(host.splice(99, 98, 0).result).toBe(0);
    }));
});
