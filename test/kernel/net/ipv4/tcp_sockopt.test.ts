/** Options of TCP sockets at their edges, as Linux 6.18 answered. */
import { expect, test } from 'vitest';
import { EAGAIN, ENOPROTOOPT, EOPNOTSUPP } from '../../../../kernel/errno.ts';
import { SO_PEEK_OFF, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import { MSG_PEEK, sockopt } from '../../../../kernel/net/msg.ts';
import { sys_getsockopt, sys_recvfrom, sys_setsockopt } from '../../../../kernel/net/socket.ts';
import { TcpFlow } from './tcp_flow.ts';

test('levels that TCP has not: EOPNOTSUPP to who asks, ENOPROTOOPT to who sets', () => {
  const f = new TcpFlow();
  const opt = new sockopt();
  for (const level of [2, 17, 41, 136, 255, 263, 1000, -1]) {
    expect(f.call(sys_getsockopt, f.fd, level, 200, opt), `${level}`).toBe(-EOPNOTSUPP);
    expect(f.call(sys_setsockopt, f.fd, level, 200, opt), `${level}`).toBe(-ENOPROTOOPT);
  }
  expect(f.call(sys_getsockopt, f.fd, 6, 200, opt)).toBe(-ENOPROTOOPT);
  f.close();
});

test('SO_PEEK_OFF: each peek goes on where the last one ended; a read moves it back', () => {
  const f = new TcpFlow();
  const at = f.memory(100);
  const { u8 } = f.kernel.ram;
  /** The bytes and where the next peek begins; or the errno. */
  const receive = (length: number, flags: number): [number[] | number, number] => {
    const n = f.call(sys_recvfrom, f.fd, at, length, flags, null);
    const opt = new sockopt();
    expect(f.call(sys_getsockopt, f.fd, SOL_SOCKET, SO_PEEK_OFF, opt)).toBe(0);
    return [n < 0 ? n : [...u8.subarray(at, at + n)], opt.value];
  };
  expect(receive(1, 0)).toEqual([-EAGAIN, -1]);
  f.set(SOL_SOCKET, SO_PEEK_OFF, 2);
  f.inject('P. 1:7(6) ack 1 win 257');
  f.inject('P. 7:11(4) ack 1 win 257');
  expect(receive(2, MSG_PEEK)).toEqual([[3, 4], 4]);
  expect(receive(100, MSG_PEEK)).toEqual([[5, 6, 7, 8, 9, 10], 10]);
  expect(receive(5, MSG_PEEK)).toEqual([-EAGAIN, 10]);
  expect(receive(3, 0)).toEqual([[1, 2, 3], 7]);
  expect(receive(9, MSG_PEEK)).toEqual([-EAGAIN, 7]);
  expect(receive(9, 0)).toEqual([[4, 5, 6, 7, 8, 9, 10], 0]);
  f.set(SOL_SOCKET, SO_PEEK_OFF, 9);
  f.inject('P. 11:14(3) ack 1 win 257');
  expect(receive(9, MSG_PEEK)).toEqual([-EAGAIN, 9]);
  f.inject('F. 14:14(0) ack 1 win 257');
  // Behind the end there is the end.
  expect(receive(9, MSG_PEEK)).toEqual([[], 9]);
  expect(receive(9, 0)).toEqual([[11, 12, 13], 6]);
  f.close();
});
