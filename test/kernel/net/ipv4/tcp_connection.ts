/** One connection of the host's with the peer of segments (tcp_peer.ts): what tests do to its socket. */
import { expect } from 'vitest';
import { EINPROGRESS } from '../../../../kernel/errno.ts';
import { POLLIN, POLLOUT, POLLRDHUP, pollfd, sys_poll } from '../../../../kernel/fs/select.ts';
import { SO_ERROR, SO_LINGER, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import type { tcp_timewait_sock } from '../../../../kernel/net/ipv4/tcp_sock.ts';
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM, sockaddr_in, sockopt } from '../../../../kernel/net/msg.ts';
import {
  type socket,
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_getsockopt,
  sys_listen,
  sys_recvfrom,
  sys_sendto,
  sys_setsockopt,
  sys_shutdown,
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import type { task_struct } from '../../../../kernel/sched/task.ts';
import { A } from '../segment.ts';
import { TcpPeer } from './tcp_peer.ts';

/** close(2), for TcpPeer.call. */
export const sys_close = (task: task_struct, fd: number): number => task.files.close(fd);
const poll_ = (task: task_struct, fd: number): number => {
  const entry = new pollfd(fd, POLLIN | POLLOUT | POLLRDHUP);
  sys_poll(task, [entry], 1, 0);
  return entry.revents;
};
const state_ = (task: task_struct, fd: number): number =>
  (task.files.get(fd)?.private_data as socket | undefined)?.sk?.sk_state ?? 0;

export class Connection {
  readonly peer = new TcpPeer();
  fd = 0;

  socket(): number {
    this.fd = this.peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    return this.fd;
  }

  /** Passive: the peer has connected, the handshake is done. */
  accepted(syn = 'S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>'): this {
    const { peer } = this;
    const listener = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    expect(peer.call(sys_bind, listener, new sockaddr_in(0, 8080))).toBe(0);
    expect(peer.call(sys_listen, listener, 5)).toBe(0);
    peer.inject(syn);
    peer.expect('S. 0:0(0) ack 1');
    peer.inject('. 1:1(0) ack 1 win 257');
    this.fd = peer.call(sys_accept4, listener, null, SOCK_NONBLOCK);
    expect(this.fd).toBeGreaterThan(0);
    expect(peer.call(sys_close, listener)).toBe(0);
    peer.expect();
    return this;
  }

  /** Active: the SYN is out, to the peer's port 80. */
  connecting(): this {
    const { peer } = this;
    this.socket();
    expect(peer.call(sys_bind, this.fd, new sockaddr_in(0, 8080))).toBe(0);
    peer.flow = { ...peer.flow, peerPort: 80 };
    expect(peer.call(sys_connect, this.fd, new sockaddr_in(A, 80))).toBe(-EINPROGRESS);
    return this;
  }

  get state(): number {
    return this.peer.call(state_, this.fd);
  }

  get revents(): number {
    return this.peer.call(poll_, this.fd);
  }

  error(): number {
    const opt = new sockopt();
    expect(this.peer.call(sys_getsockopt, this.fd, SOL_SOCKET, SO_ERROR, opt)).toBe(0);
    return opt.value;
  }

  close(): void {
    expect(this.peer.call(sys_close, this.fd)).toBe(0);
  }

  shutdown(how: number): number {
    return this.peer.call(sys_shutdown, this.fd, how);
  }

  read(length = 1000): number {
    return this.peer.call(sys_recvfrom, this.fd, this.peer.memory(length), length, 0, null);
  }

  write(length: number): number {
    return this.peer.call(sys_sendto, this.fd, this.peer.memory(length), length, 0, null);
  }

  /** States of what is in the established table; 6 and the substate of TIME_WAIT. */
  table(): number[] {
    return this.peer.net.ipv4.tcp.hashinfo.ehash
      .all()
      .map(entry => (entry.sk_state === 6 ? (entry as tcp_timewait_sock).tw_substate + 60 : entry.sk_state));
  }

  linger(on: boolean, seconds: number): void {
    const opt = new sockopt();
    opt.value = on ? 1 : 0;
    opt.sec = seconds;
    expect(this.peer.call(sys_setsockopt, this.fd, SOL_SOCKET, SO_LINGER, opt)).toBe(0);
  }
}
