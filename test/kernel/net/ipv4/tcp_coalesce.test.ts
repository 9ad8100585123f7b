/** Small segments share a buffer while they wait to be read (tcp_try_coalesce). */
import { expect, test } from 'vitest';
import { TcpFlow } from './tcp_flow.ts';

/** Bytes of the `i`th segment of 200. */
const at = (i: number): string => `${1 + i * 200}:${201 + i * 200}(200)`;

test('segments of 200 bytes: two in a buffer of 1024; every byte comes out right', () => {
  const f = new TcpFlow({ rtt: 0.01 });
  const { sk } = f;
  const sizes: number[] = [];
  for (let i = 0; i < 7; i++) {
    f.inject(`P. ${at(i)} ack 1 win 257`);
    sizes.push(sk.sk_rmem_alloc);
  }
  expect(sizes).toEqual([1280, 1280, 2560, 2560, 3840, 3840, 5120]);
  expect(sk.sk_receive_queue.qlen).toBe(4);
  expect(f.net.ipv4.mib.TcpExtTCPRcvCoalesce).toBe(3);
  const to = f.memory(2000);
  expect(f.readTo(to, 150)).toBe(150);
  // What was read in part goes on growing behind.
  f.inject(`P. ${at(7)} ack 1 win 257`);
  expect(f.readTo(to + 150, 2000)).toBe(1450);
  const { u8 } = f.kernel.ram;
  for (let i = 0; i < 1600; i++) expect(u8[to + i]).toBe((1 + i) & 255);
  expect(sk.sk_rmem_alloc).toBe(0);
});

test('full segments: each as it is; what fits behind the last one joins it, with its FIN', () => {
  const f = new TcpFlow({ rtt: 0.01 });
  f.inject('. 1:1001(1000) ack 1 win 257');
  f.inject('. 1001:2001(1000) ack 1 win 257');
  expect(f.sk.sk_receive_queue.qlen).toBe(2);
  f.inject('P. 2001:2201(200) ack 1 win 257');
  f.inject('F. 2201:2301(100) ack 1 win 257');
  expect(f.sk.sk_receive_queue.qlen).toBe(2);
  expect(f.read()).toBe(2300);
  expect(f.read()).toBe(0);
});

test('out of order: what follows the last one, or fills up behind another, joins it; SACK blocks are as without', () => {
  const f = new TcpFlow({ rtt: 0.01 });
  const { sk } = f;
  f.inject(`. ${at(1)} ack 1 win 257`);
  f.inject(`. ${at(5)} ack 1 win 257`);
  f.inject(`. ${at(6)} ack 1 win 257`);
  f.inject(`. ${at(2)} ack 1 win 257`);
  expect(sk.slow.out_of_order_queue.qlen).toBe(2);
  expect(sk.sk_rmem_alloc).toBe(2560);
  expect(f.segments().at(-1)?.text).toContain('<nop,nop,sack 201:601 1001:1401>');
  f.inject(`. ${at(0)} ack 1 win 257`);
  f.inject(`. ${at(3)} ack 1 win 257`);
  f.inject(`. ${at(4)} ack 1 win 257`);
  expect(f.segments().at(-1)?.text).toMatch(/^\. 1:1\(0\) ack 1401 /);
  expect(sk.slow.out_of_order_queue.qlen).toBe(0);
  expect(f.read()).toBe(1400);
  expect(sk.sk_rmem_alloc).toBe(0);
  f.close();
});

test('what overlaps, or whose buffer another reads, too, stays alone', () => {
  const f = new TcpFlow({ rtt: 0.01 });
  f.inject('. 1:201(200) ack 1 win 257');
  f.inject('. 101:301(200) ack 1 win 257');
  expect(f.sk.sk_receive_queue.qlen).toBe(2);
  expect(f.read()).toBe(300);
});
