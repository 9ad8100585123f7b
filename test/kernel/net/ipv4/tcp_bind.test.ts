/** Ports: who may share one, which one connect and bind choose, and which listener a SYN goes to. */
import { describe, expect, test } from 'vitest';
import { EADDRINUSE, EADDRNOTAVAIL, EINPROGRESS, EINVAL, ENOTCONN, EOPNOTSUPP } from '../../../../kernel/errno.ts';
import { SO_BINDTODEVICE, SO_REUSEADDR, SO_REUSEPORT, SOL_SOCKET } from '../../../../kernel/net/core/sock.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import { AF_INET, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM, sockaddr_in, sockopt } from '../../../../kernel/net/msg.ts';
import {
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_getpeername,
  sys_getsockname,
  sys_listen,
  sys_setsockopt,
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import type { task_struct } from '../../../../kernel/sched/task.ts';
import { A, B } from '../segment.ts';
import { TcpPeer } from './tcp_peer.ts';

const sys_close = (task: task_struct, fd: number): number => task.files.close(fd);
const SECOND = 0x0a010003;

class Ports {
  readonly peer = new TcpPeer();

  socket(...options: number[]): number {
    const fd = this.peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    for (const name of options) this.set(fd, name, 1);
    return fd;
  }

  set(fd: number, name: number, value: number): void {
    const opt = new sockopt();
    opt.value = value;
    expect(this.peer.call(sys_setsockopt, fd, SOL_SOCKET, name, opt)).toBe(0);
  }

  bind(fd: number, port: number, addr = 0): number {
    return this.peer.call(sys_bind, fd, new sockaddr_in(addr, port));
  }

  listen(fd: number): number {
    return this.peer.call(sys_listen, fd, 5);
  }

  connect(fd: number, port: number, addr = A): number {
    return this.peer.call(sys_connect, fd, new sockaddr_in(addr, port));
  }

  port(fd: number): number {
    const addr = new sockaddr_in();
    expect(this.peer.call(sys_getsockname, fd, addr)).toBe(0);
    return addr.sin_port;
  }

  close(fd: number): void {
    expect(this.peer.call(sys_close, fd)).toBe(0);
  }
}

describe('bind', () => {
  test('one port, two sockets: refused, whatever the addresses, unless they differ', () => {
    const p = new Ports();
    p.peer.exec(() => inet_addr_add(p.peer.dev, SECOND, 24));
    expect(p.bind(p.socket(), 80)).toBe(0);
    expect(p.bind(p.socket(), 80)).toBe(-EADDRINUSE);
    expect(p.bind(p.socket(), 80, B)).toBe(-EADDRINUSE);
    expect(p.bind(p.socket(), 81, B)).toBe(0);
    expect(p.bind(p.socket(), 81, SECOND)).toBe(0);
    expect(p.bind(p.socket(), 81)).toBe(-EADDRINUSE);
    p.peer.finish();
  });

  test('SO_REUSEADDR: shared by those who all have it, while none listens', () => {
    const p = new Ports();
    const first = p.socket(SO_REUSEADDR);
    expect(p.bind(first, 80)).toBe(0);
    expect(p.bind(p.socket(), 80)).toBe(-EADDRINUSE);
    const second = p.socket(SO_REUSEADDR);
    expect(p.bind(second, 80)).toBe(0);
    expect(p.listen(first)).toBe(0);
    expect(p.bind(p.socket(SO_REUSEADDR), 80)).toBe(-EADDRINUSE);
    // Bound before; but there cannot be two listeners.
    expect(p.listen(second)).toBe(-EADDRINUSE);
    p.peer.finish();
  });

  test('SO_REUSEPORT: shared by those who all have it, listeners too', () => {
    const p = new Ports();
    for (let i = 0; i < 3; i++) {
      const fd = p.socket(SO_REUSEPORT);
      expect(p.bind(fd, 80)).toBe(0);
      expect(p.listen(fd)).toBe(0);
    }
    expect(p.bind(p.socket(), 80)).toBe(-EADDRINUSE);
    expect(p.bind(p.socket(SO_REUSEADDR), 80)).toBe(-EADDRINUSE);
    p.peer.finish();
  });

  test('different devices: no conflict', () => {
    const p = new Ports();
    const bound = p.socket();
    const opt = new sockopt();
    opt.text = 'eth0';
    p.peer.call(sys_setsockopt, bound, SOL_SOCKET, SO_BINDTODEVICE, opt);
    const lo = p.socket();
    opt.text = 'lo';
    p.peer.call(sys_setsockopt, lo, SOL_SOCKET, SO_BINDTODEVICE, opt);
    expect(p.bind(bound, 80)).toBe(0);
    expect(p.bind(lo, 80)).toBe(0);
    expect(p.bind(p.socket(), 80)).toBe(-EADDRINUSE);
    p.peer.finish();
  });

  test('port 0: a free one of the range, an odd distance from its beginning; all taken: EADDRINUSE', () => {
    const p = new Ports();
    const range = p.peer.net.ipv4.ip_local_port_range;
    range[0] = 40000;
    range[1] = 40007;
    const seen = new Set<number>();
    for (let i = 0; i < 4; i++) {
      const fd = p.socket();
      expect(p.bind(fd, 0)).toBe(0);
      seen.add(p.port(fd));
    }
    expect([...seen].sort()).toEqual([40001, 40003, 40005, 40007]);
    for (let i = 0; i < 4; i++) expect(p.bind(p.socket(), 0)).toBe(0);
    expect(p.bind(p.socket(), 0)).toBe(-EADDRINUSE);
    p.peer.finish();
  });

  test('an address that is not ours, a second bind: refused; closed: the port is free', () => {
    const p = new Ports();
    const fd = p.socket();
    expect(p.bind(fd, 80, A)).toBe(-EADDRNOTAVAIL);
    expect(p.bind(fd, 80)).toBe(0);
    expect(p.bind(fd, 81)).toBe(-EINVAL);
    p.close(fd);
    expect(p.bind(p.socket(), 80)).toBe(0);
    expect(p.peer.net.ipv4.tcp.hashinfo.bind_buckets).toBe(1);
    p.peer.finish();
  });
});

describe('connect', () => {
  test('RFC 6056: ports of the range, of even distance, not in a row for different destinations', () => {
    const p = new Ports();
    const { ip_local_port_range: range } = p.peer.net.ipv4;
    const ports: number[] = [];
    for (let i = 0; i < 20; i++) {
      const fd = p.socket();
      expect(p.connect(fd, 1000 + i)).toBe(-EINPROGRESS);
      const port = p.port(fd);
      expect(port).toBeGreaterThanOrEqual(range[0] as number);
      expect(port).toBeLessThanOrEqual(range[1] as number);
      expect((port - (range[0] as number)) % 2).toBe(0);
      ports.push(port);
    }
    expect(new Set(ports).size).toBe(20);
    const near = ports.filter((port, i) => i > 0 && Math.abs(port - (ports[i - 1] as number)) < 20);
    expect(near.length).toBeLessThan(5);
    p.peer.finish();
  });

  test('one port for connections to different peers when the range is used up; EADDRNOTAVAIL for the same peer', () => {
    const p = new Ports();
    const range = p.peer.net.ipv4.ip_local_port_range;
    range[0] = 40000;
    range[1] = 40001;
    for (const port of [80, 81]) {
      for (let i = 0; i < 2; i++) expect(p.connect(p.socket(), port)).toBe(-EINPROGRESS);
    }
    expect(p.connect(p.socket(), 80)).toBe(-EADDRNOTAVAIL);
    p.peer.finish();
  });

  test('a port that somebody has bound is not chosen', () => {
    const p = new Ports();
    const range = p.peer.net.ipv4.ip_local_port_range;
    range[0] = 40000;
    range[1] = 40001;
    expect(p.bind(p.socket(), 40000)).toBe(0);
    const fd = p.socket();
    expect(p.connect(fd, 80)).toBe(-EINPROGRESS);
    expect(p.port(fd)).toBe(40001);
    // Nothing has come from the peer yet: it is none (seen of Linux).
    expect(p.peer.call(sys_getpeername, fd, new sockaddr_in())).toBe(-ENOTCONN);
    expect(p.connect(p.socket(), 80)).toBe(-EADDRNOTAVAIL);
    p.peer.finish();
  });
});

describe('listeners', () => {
  const synTo = (p: Ports, host: number, peerPort: number): void => {
    const flow = { ...p.peer.flow, hostPort: 80, peerPort, host };
    p.peer.inject('S 0:0(0) win 1000 <mss 1000>', { flow });
    p.peer.segments();
    p.peer.inject('. 1:1(0) ack 1 win 1000', { flow });
  };
  const waiting = (p: Ports, fd: number): boolean => p.peer.call(sys_accept4, fd, null, 0) >= 0;

  test('one for an address and one for all: the nearer one has it', () => {
    const p = new Ports();
    p.peer.exec(() => inet_addr_add(p.peer.dev, SECOND, 24));
    const any = p.socket(SO_REUSEADDR);
    const own = p.socket(SO_REUSEADDR);
    expect(p.bind(any, 80)).toBe(0);
    expect(p.bind(own, 80, B)).toBe(0);
    // There may be no second listener on an overlapping address, unless both share ports.
    expect(p.listen(any)).toBe(0);
    expect(p.listen(own)).toBe(-EADDRINUSE);
    p.close(any);
    p.close(own);
    const all = p.socket(SO_REUSEPORT);
    const one = p.socket(SO_REUSEPORT);
    expect(p.bind(all, 80)).toBe(0);
    expect(p.bind(one, 80, B)).toBe(0);
    expect([p.listen(all), p.listen(one)]).toEqual([0, 0]);
    synTo(p, B, 1001);
    expect([waiting(p, all), waiting(p, one)]).toEqual([false, true]);
    synTo(p, SECOND, 1002);
    expect([waiting(p, all), waiting(p, one)]).toEqual([true, false]);
    p.peer.finish();
  });

  test('SO_REUSEPORT: each flow goes to one of the group, and all get some', () => {
    const p = new Ports();
    const group = [0, 0, 0].map(() => {
      const fd = p.socket(SO_REUSEPORT);
      expect([p.bind(fd, 80), p.listen(fd)]).toEqual([0, 0]);
      return fd;
    });
    const counts = group.map(() => 0);
    for (let port = 1; port <= 60; port++) {
      synTo(p, B, 1000 + port);
      group.forEach((fd, i) => {
        if (waiting(p, fd)) counts[i] = (counts[i] as number) + 1;
      });
    }
    expect(counts.reduce((a, b) => a + b)).toBe(60);
    for (const count of counts) expect(count).toBeGreaterThan(5);
    p.peer.finish();
  });

  test('listen without bind: a port of its own; on a datagram socket: EOPNOTSUPP; on a connecting one: EINVAL', () => {
    const p = new Ports();
    const fd = p.socket();
    expect(p.listen(fd)).toBe(0);
    expect(p.port(fd)).toBeGreaterThan(0);
    const dgram = p.peer.call(sys_socket, AF_INET, SOCK_DGRAM, 0);
    expect(p.listen(dgram)).toBe(-EOPNOTSUPP);
    expect(p.peer.call(sys_accept4, dgram, null, 0)).toBe(-EOPNOTSUPP);
    const busy = p.socket();
    expect(p.connect(busy, 80)).toBe(-EINPROGRESS);
    expect(p.listen(busy)).toBe(-EINVAL);
    expect(p.peer.call(sys_accept4, busy, null, 0)).toBe(-EINVAL);
    p.peer.finish();
  });

  test('net.core.somaxconn cuts the backlog', () => {
    const p = new Ports();
    p.peer.net.sysctl.somaxconn = 0;
    const fd = p.socket();
    expect(p.bind(fd, 80)).toBe(0);
    expect(p.listen(fd)).toBe(0);
    synTo(p, B, 1001);
    p.peer.inject('S 0:0(0) win 1000 <mss 1000>', { flow: { ...p.peer.flow, hostPort: 80 } });
    p.peer.expect();
    expect(p.peer.net.ipv4.mib.TcpExtListenOverflows).toBe(1);
    p.peer.finish();
  });
});
