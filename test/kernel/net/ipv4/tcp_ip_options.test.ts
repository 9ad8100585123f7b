/** IP options below TCP: source routes, what answers echo, IP_MINTTL, marks. Values in hex are those that Linux 6.18 sent. */
import { describe, expect, test } from 'vitest';
import { EINPROGRESS, EINVAL } from '../../../../kernel/errno.ts';
import { NUD_PERMANENT, neigh_add } from '../../../../kernel/net/core/neighbour.ts';
import { SO_MARK, SOL_SOCKET } from '../../../../kernel/net/core/sock_options.ts';
import { ip_route_add } from '../../../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { IP_MINTTL, IP_OPTIONS, SOL_IP } from '../../../../kernel/net/ipv4/ip_sockglue.ts';
import { SOL_TCP, TCP_MAXSEG } from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM, sockaddr_in, sockopt } from '../../../../kernel/net/msg.ts';
import {
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_getsockopt,
  sys_listen,
  sys_sendto,
  sys_setsockopt,
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import { A, bytesOf, hex } from '../segment.ts';
import { type SentSegment, TcpPeer } from './tcp_peer.ts';

const AHEAD = in_aton('10.1.0.9');
const MAC = '020000000001';
/** A loose source route by 10.1.0.8 and 10.1.0.9 that has been gone: the way back is by 10.1.0.9 and 10.1.0.8. */
const CAME = [131, 11, 12, 10, 1, 0, 8, 10, 1, 0, 9, 0];
const BACK = '830b040a0100080a01000100';
const LOOSE = '830b040a0100080a01000900';
const STRICT_FAR = '890b04c63364080a01000900';

class Peer extends TcpPeer {
  constructor() {
    super();
    const { arp, devconf_all } = this.net.ipv4;
    this.exec(() => {
      for (const last of [8, 9]) neigh_add(arp, in_aton(`10.1.0.${last}`), this.dev, bytesOf(MAC), NUD_PERMANENT);
      ip_route_add(this.net, { dst: 0, prefix_len: 0, gateway: A });
    });
    devconf_all.accept_source_route = 1;
    if (this.dev.ip_ptr !== null) this.dev.ip_ptr.cnf.accept_source_route = 1;
  }

  socket(): number {
    return this.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  }

  listener(port = 8080, setup: (fd: number) => void = () => {}): number {
    const fd = this.socket();
    setup(fd);
    expect(this.call(sys_bind, fd, new sockaddr_in(0, port))).toBe(0);
    expect(this.call(sys_listen, fd, 5)).toBe(0);
    return fd;
  }

  set(fd: number, level: number, name: number, value: number | string): number {
    const opt = new sockopt();
    if (typeof value === 'number') opt.value = value;
    else opt.bytes = bytesOf(value);
    return this.call(sys_setsockopt, fd, level, name, opt);
  }

  get(fd: number, level: number, name: number): sockopt {
    const opt = new sockopt();
    expect(this.call(sys_getsockopt, fd, level, name, opt)).toBe(0);
    return opt;
  }

  options(fd: number): string {
    return hex(this.get(fd, SOL_IP, IP_OPTIONS).bytes as Uint8Array);
  }

  accept(fd: number): number {
    return this.call(sys_accept4, fd, null, SOCK_NONBLOCK);
  }

  write(fd: number, length: number): void {
    expect(this.call(sys_sendto, fd, this.memory(length), length, 0, null)).toBe(length);
  }

  /** The connection of the SYN with these IP options. */
  accepted(ipOptions: number[]): { listener: number; fd: number; answer: SentSegment } {
    const listener = this.listener();
    this.inject('S 0:0(0) win 65535 <mss 1460>', { ipOptions });
    const [answer] = this.expect('S. 0:0(0) ack 1');
    this.inject('. 1:1(0) ack 1');
    return { listener, fd: this.accept(listener), answer: answer as SentSegment };
  }
}

const route = ({ destination, ipOptions }: SentSegment): string => `${destination} ${ipOptions}`;

describe('source route', () => {
  test('RFC 9293 MUST-51, MUST-52: set before connect: the SYN goes to its first hop, and on from there', () => {
    const peer = new Peer();
    const fd = peer.socket();
    expect(peer.set(fd, SOL_IP, IP_OPTIONS, LOOSE)).toBe(0);
    const far = in_aton('198.51.100.5');
    expect(peer.call(sys_connect, fd, new sockaddr_in(far, 80))).toBe(-EINPROGRESS);
    const [syn] = peer.segments();
    expect(route(syn as SentSegment)).toBe('10.1.0.8 830b040a010009c633640500');
    expect(peer.options(fd)).toBe(LOOSE);
    // The other side's comes back by another one; ours stays.
    peer.flow = { peer: far, peerPort: 80, host: peer.flow.host, hostPort: (syn as SentSegment).sourcePort };
    peer.inject('S. 0:0(0) ack 1 win 65535 <mss 1460>', {
      ipOptions: [131, 11, 12, 10, 1, 0, 7, 10, 1, 0, 6, 0],
    });
    const [ack] = peer.expect('. 1:1(0) ack 1');
    expect(route(ack as SentSegment)).toBe('10.1.0.8 830b040a010009c633640500');
    peer.write(fd, 5);
    const [data] = peer.expect('P. 1:6(5) ack 1');
    expect(route(data as SentSegment)).toBe('10.1.0.8 830b040a010009c633640500');
    peer.finish();
  });

  test('RFC 9293 MUST-53: a SYN that came by one: everything goes back by it', () => {
    const peer = new Peer();
    const { fd, answer } = peer.accepted(CAME);
    expect(route(answer)).toBe(`10.1.0.9 ${BACK}`);
    expect(peer.options(fd)).toBe('830b040a0100090a01000800');
    peer.write(fd, 3000);
    const sent = peer.segments();
    // 12 bytes of options are not the segments' to use.
    expect(sent.map(({ payload }) => payload.length)).toEqual([1448, 1448, 104]);
    expect(new Set(sent.map(route))).toEqual(new Set([`10.1.0.9 ${BACK}`]));
    peer.finish();
  });

  test('with SYN cookies: the route is that of the ACK', () => {
    const peer = new Peer();
    peer.net.ipv4.tcp_syncookies = 2;
    const listener = peer.listener();
    peer.inject('S 0:0(0) win 65535 <mss 1460>', { ipOptions: CAME });
    peer.expect('S. 0:0(0) ack 1');
    peer.inject('. 1:1(0) ack 1', { ipOptions: CAME });
    const fd = peer.accept(listener);
    expect(fd).toBeGreaterThan(0);
    peer.write(fd, 4);
    const [data] = peer.expect('P. 1:5(4) ack 1');
    expect(route(data as SentSegment)).toBe(`10.1.0.9 ${BACK}`);
    peer.finish();
  });

  test('strict, its first hop behind a gateway: nothing is sent', () => {
    const peer = new Peer();
    const fd = peer.socket();
    expect(peer.set(fd, SOL_IP, IP_OPTIONS, STRICT_FAR)).toBe(0);
    expect(peer.call(sys_connect, fd, new sockaddr_in(in_aton('198.51.100.5'), 80))).toBe(-EINPROGRESS);
    peer.expect();
    expect(peer.net.ipv4.mib.IpOutNoRoutes).toBe(1);
    expect(peer.drops).toEqual(['IP_OUTNOROUTES']);
    peer.listener();
    peer.inject('S 0:0(0) win 65535 <mss 1460>', { ipOptions: [137, 7, 8, 198, 51, 100, 8, 0] });
    peer.expect();
    peer.inject('S 0:0(0) win 65535 <mss 1460>', { ipOptions: [137, 7, 8, 10, 1, 0, 8, 0] });
    const [answer] = peer.expect('S. 0:0(0) ack 1');
    expect(route(answer as SentSegment)).toBe('10.1.0.8 8907040a01000100');
    peer.finish();
  });

  test('set, and connect to 0.0.0.0: EINVAL', () => {
    const peer = new Peer();
    const fd = peer.socket();
    expect(peer.set(fd, SOL_IP, IP_OPTIONS, LOOSE)).toBe(0);
    expect(peer.call(sys_connect, fd, new sockaddr_in(0, 80))).toBe(-EINVAL);
    peer.finish();
  });

  test('an ICMP error about a segment that went by one: it belongs to the connection', () => {
    const peer = new Peer();
    const fd = peer.socket();
    expect(peer.set(fd, SOL_IP, IP_OPTIONS, LOOSE)).toBe(0);
    expect(peer.call(sys_connect, fd, new sockaddr_in(AHEAD, 80))).toBe(-EINPROGRESS);
    expect(peer.segments().map(route)).toEqual(['10.1.0.8 830b040a0100090a01000900']);
    // The path is found anew, by the first hop, and kept.
    peer.exec(() => peer.net.ipv4.rt_genid++);
    peer.wait(1.1);
    expect(peer.segments().map(route)).toEqual(['10.1.0.8 830b040a0100090a01000900']);
    peer.finish();
  });
});

describe('IP options of a connection', () => {
  test('set, changed, taken away while connected: segments shrink and grow', () => {
    const peer = new Peer();
    const { fd } = peer.accepted([]);
    const maxseg = (): number => peer.get(fd, SOL_TCP, TCP_MAXSEG).value;
    expect(maxseg()).toBe(1460);
    expect(peer.set(fd, SOL_IP, IP_OPTIONS, `072704${'00'.repeat(37)}`)).toBe(0);
    expect(maxseg()).toBe(1420);
    peer.write(fd, 10);
    const [data] = peer.expect('P. 1:11(10) ack 1');
    expect(route(data as SentSegment)).toBe(`10.1.0.1 0727080a010002${'00'.repeat(33)}`);
    expect(peer.set(fd, SOL_IP, IP_OPTIONS, '94040000')).toBe(0);
    expect(maxseg()).toBe(1456);
    expect(peer.set(fd, SOL_IP, IP_OPTIONS, '')).toBe(0);
    expect(maxseg()).toBe(1460);
    peer.finish();
  });

  test('of a listener: not those of its connections', () => {
    const peer = new Peer();
    const listener = peer.listener();
    expect(peer.set(listener, SOL_IP, IP_OPTIONS, '94040000')).toBe(0);
    peer.inject('S 0:0(0) win 65535 <mss 1460>');
    expect(peer.segments().map(route)).toEqual(['10.1.0.1 ']);
    peer.inject('. 1:1(0) ack 1');
    expect(peer.options(peer.accept(listener))).toBe('');
    peer.finish();
  });
});

describe('a SYN with IP options to a closed port: the reset', () => {
  const cases: [string, number[], string][] = [
    ['record route goes on', [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], '10.1.0.1 070b0c0a0100020a01000200'],
    ['a source route is turned round', CAME, `10.1.0.9 ${BACK}`],
    ['a source route of one hop', [131, 7, 8, 10, 1, 0, 8, 0], '10.1.0.8 8307040a01000100'],
    ['what TCP does not know is left out', [30, 4, 1, 2], '10.1.0.1 '],
  ];
  for (const [what, ipOptions, answer] of cases) {
    test(what, () => {
      const peer = new Peer();
      peer.inject('S 0:0(0) win 65535', { ipOptions });
      expect(peer.expect('R. 0:0(0) ack 1').map(route)).toEqual([answer]);
      peer.finish();
    });
  }

  test('timestamps go on', () => {
    const peer = new Peer();
    peer.inject('S 0:0(0) win 65535', { ipOptions: [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0] });
    const [reset] = peer.expect('R. 0:0(0) ack 1');
    expect(route(reset as SentSegment)).toMatch(/^10\.1\.0\.1 440c0d010a010002/);
    peer.finish();
  });
});

describe('IP_MINTTL', () => {
  test('a listener: what comes from farther away is dropped and counted; its connections have it, too', () => {
    const peer = new Peer();
    const listener = peer.listener(8080, fd => expect(peer.set(fd, SOL_IP, IP_MINTTL, 100)).toBe(0));
    peer.inject('S 0:0(0) win 65535 <mss 1460>', { ttl: 99 });
    peer.expect();
    expect(peer.drops).toEqual(['TCP_MINTTL']);
    expect(peer.net.ipv4.mib.TcpExtTCPMinTTLDrop).toBe(1);
    peer.inject('S 0:0(0) win 65535 <mss 1460>', { ttl: 100 });
    peer.expect('S. 0:0(0) ack 1');
    // As Linux: the request itself does not ask.
    peer.inject('. 1:1(0) ack 1', { ttl: 99 });
    const fd = peer.accept(listener);
    expect(peer.get(fd, SOL_IP, IP_MINTTL).value).toBe(100);
    peer.inject('P. 1:11(10) ack 1', { ttl: 99 });
    peer.wait(0.1);
    peer.expect();
    peer.inject('P. 1:11(10) ack 1', { ttl: 100 });
    peer.wait(0.1);
    peer.expect('. 1:1(0) ack 11');
    expect(peer.net.ipv4.mib.TcpExtTCPMinTTLDrop).toBe(2);
    peer.finish();
  });
});

describe('marks', () => {
  const marks = (peer: Peer): number[] => {
    const seen: number[] = [];
    peer.kernel.trace.ip_output = skb => seen.push(skb.mark);
    return seen;
  };

  test('of a listener: on the SYN/ACK, the connection, and what answers without one', () => {
    const peer = new Peer();
    const listener = peer.listener(8080, fd => expect(peer.set(fd, SOL_SOCKET, SO_MARK, 7)).toBe(0));
    const seen = marks(peer);
    peer.inject('S 0:0(0) win 65535 <mss 1460>');
    peer.segments();
    peer.inject('. 1:1(0) ack 77');
    peer.expect('R 77:77(0)');
    peer.inject('. 1:1(0) ack 1');
    peer.write(peer.accept(listener), 1);
    expect(seen).toEqual([7, 7, 7]);
    peer.finish();
  });

  test('tcp_fwmark_accept and fwmark_reflect: the mark of what came', () => {
    const peer = new Peer();
    peer.net.ipv4.tcp_fwmark_accept = 1;
    peer.net.ipv4.fwmark_reflect = 1;
    const listener = peer.listener();
    const seen = marks(peer);
    const marked = (text: string, hostPort = 8080): void => {
      const frame = peer.frame(text, { flow: { ...peer.flow, hostPort } });
      peer.receive(frame, peer.dev, skb => {
        skb.mark = 5;
      });
    };
    marked('S 0:0(0) win 65535 <mss 1460>');
    peer.segments();
    marked('. 1:1(0) ack 1');
    peer.write(peer.accept(listener), 1);
    marked('S 0:0(0) win 65535', 99);
    expect(seen).toEqual([5, 5, 5]);
    peer.finish();
  });
});
