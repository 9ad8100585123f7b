/** Fast Open (RFC 7413), segment by segment. What Linux does with most of this is asked in test/interop/tcp_diff_fastopen.ts. */
import { describe, expect, test } from 'vitest';
import { DrillHost } from '../../../../harness/drill/api.ts';
import {
  ECONNABORTED,
  ECONNREFUSED,
  EINPROGRESS,
  EINVAL,
  EOPNOTSUPP,
  EPIPE,
  ETIMEDOUT,
} from '../../../../kernel/errno.ts';
import type { file } from '../../../../kernel/fs/file.ts';
import { POLLOUT, POLLWRNORM } from '../../../../kernel/fs/select.ts';
import { tcp_poll } from '../../../../kernel/net/ipv4/tcp.ts';
import {
  TFO_COOKIE_UNAVAILABLE,
  TFO_DATA_NOT_ACKED,
  TFO_SYN_RETRANSMITTED,
} from '../../../../kernel/net/ipv4/tcp_fastopen.ts';
import type { tcp_sock } from '../../../../kernel/net/ipv4/tcp_sock.ts';
import {
  SOL_TCP,
  TCP_FASTOPEN,
  TCP_FASTOPEN_CONNECT,
  TCP_FASTOPEN_KEY,
  TCP_INFO,
  TCPI_OPT_SYN_DATA,
  tcp_get_info,
  tcp_info_bytes,
  tcp_info_parse,
} from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import {
  AF_INET,
  MSG_DONTWAIT,
  MSG_FASTOPEN,
  MSG_WAITALL,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddr_in,
  sockopt,
} from '../../../../kernel/net/msg.ts';
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
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import type { task_struct } from '../../../../kernel/sched/task.ts';
import { spawn } from '../../../../kernel/syscalls.ts';
import { pair, RIGHT } from '../../../pair.ts';
import { A } from '../segment.ts';
import { type Flow, TcpPeer } from './tcp_peer.ts';

const sys_close = (task: task_struct, fd: number): number => task.files.close(fd);
const KEY = '01020304-0a0b0c0d-deadbeef-00c0ffee';
/** What Linux 6.18 makes of that key for 10.1.0.1 at 10.1.0.2. */
const COOKIE = 'b6ce081d7715d8d0';
const OPTIONS = 'mss 1000,sackOK,nop,nop,nop,wscale 7';
const from = (peer: TcpPeer, port: number): { flow: Flow } => ({ flow: { ...peer.flow, peerPort: port } });
function sk_of(peer: TcpPeer, fd: number): tcp_sock {
  const found: tcp_sock[] = [];
  peer.call(task => found.push(((task.files.get(fd) as file).private_data as socket).sk as tcp_sock));
  return found[0] as tcp_sock;
}

function set(peer: TcpPeer, fd: number, name: number, value: number): number {
  const opt = new sockopt();
  opt.value = value;
  return peer.call(sys_setsockopt, fd, SOL_TCP, name, opt);
}

function set_key(peer: TcpPeer, fd: number, bytes: Uint8Array): number {
  const opt = new sockopt();
  opt.bytes = bytes;
  return peer.call(sys_setsockopt, fd, SOL_TCP, TCP_FASTOPEN_KEY, opt);
}

/** A host with Fast Open on both sides, and a listener with room for `qlen` connections. */
function server(qlen = 5): { peer: TcpPeer; fd: number } {
  const peer = new TcpPeer();
  const { sysctl } = peer.kernel;
  expect(sysctl.write('net.ipv4.tcp_fastopen', '3')).toBe(0);
  expect(sysctl.write('net.ipv4.tcp_fastopen_key', KEY)).toBe(0);
  const fd = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  expect(set(peer, fd, TCP_FASTOPEN, qlen)).toBe(0);
  expect(peer.call(sys_bind, fd, new sockaddr_in(0, 8080))).toBe(0);
  expect(peer.call(sys_listen, fd, 100)).toBe(0);
  return { peer, fd };
}

const accept = (peer: TcpPeer, fd: number): number => peer.call(sys_accept4, fd, null, SOCK_NONBLOCK);
const read = (peer: TcpPeer, fd: number): number => peer.call(sys_recvfrom, fd, peer.memory(4096), 4096, 0, null);
const write = (peer: TcpPeer, fd: number, length: number): number =>
  peer.call(sys_sendto, fd, peer.memory(8192), length, 0, null);

describe('server', () => {
  test('RFC 7413 4.1.2: a request for a cookie: it comes with the SYN/ACK, made as Linux makes it; the data is not taken', () => {
    const { peer, fd } = server();
    peer.inject(`S 0:70(70) win 30000 <${OPTIONS},FO>`);
    peer.expect(`S. 0:0(0) ack 1 win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 8,FO ${COOKIE},nop,nop>`);
    peer.inject(`S 0:0(0) win 30000 <mss 1000,FOEXP>`, from(peer, 40001));
    peer.expect(`S. 0:0(0) ack 1 win 64240 <mss 1460,FOEXP ${COOKIE}>`);
    expect(accept(peer, fd)).toBeLessThan(0);
    expect(peer.net.ipv4.mib.TcpExtTCPFastOpenCookieReqd).toBe(2);
    peer.finish();
  });

  test('RFC 7413 3: a good cookie: the data is acknowledged, read and answered before the third segment', () => {
    const { peer, fd } = server();
    peer.inject(`S 0:70(70) win 30000 <${OPTIONS},FO ${COOKIE}>`);
    peer.expect('S. 0:0(0) ack 71 win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 8>');
    const child = accept(peer, fd);
    expect(sk_of(peer, child).sk_rmem_alloc).toBeGreaterThan(70);
    expect([read(peer, child), write(peer, child, 1500)]).toEqual([70, 1500]);
    expect(sk_of(peer, child).sk_rmem_alloc).toBe(0);
    expect(peer.segments().map(({ text }) => text.split(' win')[0])).toEqual([
      '. 1:1001(1000) ack 71',
      'P. 1001:1501(500) ack 71',
    ]);
    const info = (): number => tcp_get_info(sk_of(peer, child)).tcpi_options & TCPI_OPT_SYN_DATA;
    expect(info()).not.toBe(0);
    peer.inject('. 71:71(0) ack 1501 win 257');
    peer.inject('P. 71:81(10) ack 1501 win 257');
    expect(read(peer, child)).toBe(10);
    const { mib } = peer.net.ipv4;
    expect([mib.TcpExtTCPFastOpenPassive, mib.TcpExtTCPFastOpenPassiveFail, mib.TcpCurrEstab]).toEqual([1, 0, 1]);
    expect(sk_of(peer, fd).fastopenq?.qlen).toBe(0);
    peer.finish();
  });

  test('RFC 7413 4.1.2: a wrong cookie: an ordinary handshake, with the right one', () => {
    const { peer, fd } = server();
    peer.inject(`S 0:70(70) win 30000 <mss 1000,FO ${COOKIE.replace('b6', 'b7')}>`);
    peer.expect(`S. 0:0(0) ack 1 win 64240 <mss 1460,FO ${COOKIE},nop,nop>`);
    peer.inject('P. 1:71(70) ack 1 win 257');
    expect(read(peer, accept(peer, fd))).toBe(70);
    expect(peer.net.ipv4.mib.TcpExtTCPFastOpenPassiveFail).toBe(1);
    peer.finish();
  });

  test('the cookie of the key before: taken, and the new one comes with the SYN/ACK', () => {
    const { peer, fd } = server();
    const old = Uint8Array.from([4, 3, 2, 1, 13, 12, 11, 10, 0xef, 0xbe, 0xad, 0xde, 0xee, 0xff, 0xc0, 0]);
    const next = Uint8Array.from({ length: 16 }, (_, i) => i);
    expect([set_key(peer, fd, next.subarray(1)), set_key(peer, fd, new Uint8Array(0))]).toEqual([-EINVAL, -EINVAL]);
    expect(set_key(peer, fd, Uint8Array.from([...next, ...old]))).toBe(0);
    const opt = new sockopt();
    expect(peer.call(sys_getsockopt, fd, SOL_TCP, TCP_FASTOPEN_KEY, opt)).toBe(0);
    expect([...(opt.bytes as Uint8Array)]).toEqual([...next, ...old]);
    peer.inject('S 0:0(0) win 30000 <mss 1000,FO>');
    const cookie = /FO (\w+)/.exec(peer.segments()[0]?.text ?? '')?.[1] ?? '';
    expect(cookie).not.toBe(COOKIE);
    peer.inject(`S 0:70(70) win 30000 <mss 1000,FO ${COOKIE}>`, from(peer, 40001));
    peer.expect(`S. 0:0(0) ack 71 win 64240 <mss 1460,FO ${cookie},nop,nop>`);
    peer.inject(`S 0:70(70) win 30000 <mss 1000,FO ${cookie}>`, from(peer, 40002));
    peer.expect('S. 0:0(0) ack 71 win 64240 <mss 1460>');
    peer.inject(`S 0:70(70) win 30000 <mss 1000,FOEXP ${COOKIE}>`, from(peer, 40003));
    peer.expect(`S. 0:0(0) ack 71 win 64240 <mss 1460,FOEXP ${cookie}>`);
    const { mib } = peer.net.ipv4;
    expect([mib.TcpExtTCPFastOpenPassive, mib.TcpExtTCPFastOpenPassiveAltKey]).toEqual([3, 2]);
    peer.finish();
  });

  test('tcp_fastopen_key: a word of more digits loses the first ones; what is no key is refused; none is all zeros', () => {
    const { sysctl } = new TcpPeer().kernel;
    const name = 'net.ipv4.tcp_fastopen_key';
    expect(sysctl.read(name)).toBe('00000000-00000000-00000000-00000000');
    expect(sysctl.write(name, '123456789-0x2-3-4,A-b-c-d')).toBe(0);
    const both = '23456789-00000002-00000003-00000004,0000000a-0000000b-0000000c-0000000d';
    expect(sysctl.read(name)).toBe(both);
    for (const bad of ['', '1-2-3', '1-2-3-4,', 'x-2-3-4']) expect(sysctl.write(name, bad)).toBe(-EINVAL);
    expect(sysctl.read(name)).toBe(both);
  });

  test('RFC 7413 5.1: more wait than there is room for: ordinary handshakes; those that were reset count for a minute', () => {
    const { peer, fd } = server(2);
    const { mib } = peer.net.ipv4;
    const syn = (port: number): string => {
      peer.inject(`S 0:70(70) win 30000 <mss 1000,FO ${COOKIE}>`, from(peer, port));
      return peer.segments()[0]?.text.replace(/ win.*/, '') ?? '';
    };
    expect([syn(1), syn(2), syn(3)]).toEqual(['S. 0:0(0) ack 71', 'S. 0:0(0) ack 71', 'S. 0:0(0) ack 1']);
    expect(mib.TcpExtTCPFastOpenListenOverflow).toBe(1);
    // One is accepted, and its client turns out to be none.
    accept(peer, fd);
    peer.inject('R 71:71(0) win 0', from(peer, 1));
    expect(syn(4)).toBe('S. 0:0(0) ack 1');
    peer.wait(61);
    peer.segments();
    expect(syn(5)).toBe('S. 0:0(0) ack 71');
    expect(sk_of(peer, fd).fastopenq?.qlen).toBe(2);
    // One was reset, for one there is room.
    expect(syn(7)).toBe('S. 0:0(0) ack 1');
    // A handshake that ends makes room at once.
    peer.inject('. 71:71(0) ack 1 win 257', from(peer, 5));
    expect(syn(6)).toBe('S. 0:0(0) ack 71');
    peer.finish();
  });

  test('no answer: the SYN/ACK again after 1, 3, 7 s …, once more than of a request; data does not go again; then ETIMEDOUT', () => {
    const { peer, fd } = server();
    peer.net.ipv4.tcp_synack_retries = 2;
    peer.inject(`S 0:70(70) win 30000 <mss 1000,FO ${COOKIE}>`);
    const child = accept(peer, fd);
    read(peer, child);
    write(peer, child, 500);
    peer.wait(60);
    const sent = peer.segments();
    expect(sent.map(({ text }) => text.replace(/ win.*/, ''))).toEqual([
      'S. 0:0(0) ack 71',
      'P. 1:501(500) ack 71',
      'S. 0:0(0) ack 71',
      'S. 0:0(0) ack 71',
      'S. 0:0(0) ack 71',
    ]);
    for (const [i, at] of [1, 3, 7].entries()) {
      const seconds = ((sent[i + 2]?.time ?? 0) - (sent[0]?.time ?? 0)) / 1000;
      expect(seconds).toBeGreaterThanOrEqual(at);
      expect(seconds).toBeLessThan(at * 1.13);
    }
    expect(read(peer, child)).toBe(-ETIMEDOUT);
    expect(sk_of(peer, fd).fastopenq?.qlen).toBe(0);
    peer.finish();
  });

  test('the listener is closed: children that nobody accepted are reset, accepted ones live on', () => {
    const { peer, fd } = server();
    peer.inject(`S 0:70(70) win 30000 <mss 1000,FO ${COOKIE}>`);
    const child = accept(peer, fd);
    peer.inject(`S 0:70(70) win 30000 <mss 1000,FO ${COOKIE}>`, from(peer, 40001));
    peer.segments();
    peer.call(sys_close, fd);
    peer.expect('R. 1:1(0) ack 71');
    peer.inject('P. 71:91(20) ack 1 win 257');
    expect(read(peer, child)).toBe(90);
    peer.finish();
  });

  test('SYN cookies: nothing of Fast Open', () => {
    const { peer } = server();
    peer.net.ipv4.tcp_syncookies = 2;
    peer.inject(`S 0:70(70) win 30000 <mss 1000,FO ${COOKIE}>`);
    peer.expect('S. 0:0(0) ack 1 win 64240 <mss 1460>');
    peer.finish();
  });

  test('options of every length: only an even number of 4 to 16 bytes is a cookie; none reaches beyond the header', () => {
    const { peer } = server();
    for (let length = 0; length <= 20; length++) {
      const bytes = Array.from({ length }, () => '5a').join('');
      peer.inject(`S 0:9(9) win 30000 <FO ${bytes},mss 1000>`, from(peer, 41000 + length));
      const asked = length === 0 || (length % 2 === 0 && length >= 4 && length <= 16);
      peer.expect(`S. 0:0(0) ack 1 win 64240 <mss 1460${asked ? `,FO ${COOKIE},nop,nop` : ''}>`);
    }
    // Its length says more than is there.
    peer.inject('S 0:9(9) win 30000 <mss 1000,raw 22 12>', from(peer, 42000));
    peer.expect('S. 0:0(0) ack 1 win 64240 <mss 1460>');
    peer.finish();
  });
});

describe('client', () => {
  const SYNACK = 'mss 1200,sackOK,nop,nop,nop,wscale 6';

  function client(): { peer: TcpPeer; open: (port: number) => number; send: (fd: number, length: number) => number } {
    const peer = new TcpPeer();
    peer.net.ipv4.tcp_timestamps = 0;
    const open = (port: number): number => {
      const fd = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      expect(peer.call(sys_bind, fd, new sockaddr_in(0, port))).toBe(0);
      peer.flow = { ...peer.flow, peerPort: 80, hostPort: port };
      return fd;
    };
    const send = (fd: number, length: number): number =>
      peer.call(sys_sendto, fd, peer.memory(8192), length, MSG_FASTOPEN | MSG_DONTWAIT, new sockaddr_in(A, 80));
    return { peer, open, send };
  }

  /** The same, the server's cookie known. */
  function warm(): ReturnType<typeof client> {
    const all = client();
    const { peer, open, send } = all;
    expect(send(open(9000), 100)).toBe(-EINPROGRESS);
    peer.expect('S 0:0(0) win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 8,FO,nop,nop>');
    peer.inject(`S. 0:0(0) ack 1 win 5792 <${SYNACK},FO 0123456789ab>`);
    peer.expect('. 1:1(0) ack 1');
    return all;
  }

  test('RFC 7413 4.1.3: no cookie: the SYN asks for one; the next SYN brings it, with data of the MSS that was told', () => {
    const { peer, open, send } = warm();
    const fd = open(8081);
    expect(send(fd, 3000)).toBe(1160);
    peer.expect('S 0:1160(1160) win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 8,FO 0123456789ab>');
    peer.inject(`S. 0:0(0) ack 1161 win 5792 <${SYNACK}>`);
    peer.expect('. 1161:1161(0) ack 1');
    const info = tcp_get_info(sk_of(peer, fd));
    expect([info.tcpi_options & TCPI_OPT_SYN_DATA, info.tcpi_delivered, info.tcpi_unacked]).toEqual([
      TCPI_OPT_SYN_DATA,
      1,
      0,
    ]);
    expect([info.tcpi_bytes_acked, info.tcpi_fastopen_client_fail]).toEqual([1161, 0]);
    const { mib } = peer.net.ipv4;
    expect([mib.TcpExtTCPFastOpenActive, mib.TcpExtTCPFastOpenActiveFail]).toEqual([1, 0]);
    expect(mib.TcpExtTCPOrigDataSent).toBe(1);
    peer.finish();
  });

  test('RFC 7413 4.2.1: only the SYN is acknowledged: the data again, at once; tcp_info says why', () => {
    const { peer, open, send } = warm();
    const fd = open(8081);
    expect(send(fd, 600)).toBe(600);
    peer.expect('S 0:600(600)');
    peer.inject(`S. 0:0(0) ack 1 win 5792 <${SYNACK}>`);
    peer.expect('P. 1:601(600) ack 1');
    const info = tcp_get_info(sk_of(peer, fd));
    expect(info.tcpi_fastopen_client_fail).toBe(TFO_DATA_NOT_ACKED);
    expect(tcp_info_parse(tcp_info_bytes({ ...info, tcpi_delivery_rate_app_limited: 1 }))).toMatchObject({
      tcpi_fastopen_client_fail: TFO_DATA_NOT_ACKED,
      tcpi_delivery_rate_app_limited: 1,
    });
    peer.inject('. 1:1(0) ack 601 win 257');
    expect(sk_of(peer, fd).packets_out).toBe(0);
    expect(peer.net.ipv4.mib.TcpExtTCPFastOpenActiveFail).toBe(1);
    peer.finish();
  });

  test('RFC 7413 4.2.1: the SYN is lost: again without option and data; the data follows the handshake', () => {
    const { peer, open, send } = warm();
    const fd = open(8081);
    send(fd, 600);
    peer.wait(1.2);
    peer.expect('S 0:600(600)', 'S 0:0(0) win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 8>');
    peer.inject(`S. 0:0(0) ack 1 win 5792 <${SYNACK}>`);
    peer.expect('P. 1:601(600) ack 1');
    expect(tcp_get_info(sk_of(peer, fd)).tcpi_fastopen_client_fail).toBe(TFO_SYN_RETRANSMITTED);
    peer.finish();
  });

  test('a server without the option: the experimental one is tried once, then none but the standard one', () => {
    const { peer, open, send } = client();
    const options = ['FO,nop,nop', 'FOEXP', 'FO,nop,nop', 'FO,nop,nop'].map((option, i) => {
      const fd = open(8100 + i);
      expect(send(fd, 10)).toBe(-EINPROGRESS);
      const [syn] = peer.segments();
      peer.inject(`S. 0:0(0) ack 1 win 5792 <${SYNACK}>`);
      peer.segments();
      expect(tcp_get_info(sk_of(peer, fd)).tcpi_fastopen_client_fail).toBe(TFO_COOKIE_UNAVAILABLE);
      return [syn?.text.endsWith(`wscale 8,${option}>`), syn?.text];
    });
    expect(options.map(([good]) => good)).toEqual([true, true, true, true]);
    peer.finish();
  });

  test('TCP_FASTOPEN_CONNECT: connect waits for the first write, which goes with the SYN; then it is as ever', () => {
    const { peer, open } = warm();
    const fd = open(8081);
    expect(set(peer, fd, TCP_FASTOPEN_CONNECT, 1)).toBe(0);
    expect(peer.call(sys_connect, fd, new sockaddr_in(A, 80))).toBe(0);
    peer.expect();
    expect(tcp_poll(sk_of(peer, fd))).toBe(POLLOUT | POLLWRNORM);
    expect(write(peer, fd, 200)).toBe(200);
    peer.expect('S 0:200(200) win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 8,FO 0123456789ab>');
    peer.inject(`S. 0:0(0) ack 201 win 5792 <${SYNACK}>`);
    peer.expect('. 201:201(0) ack 1');
    expect(write(peer, fd, 100)).toBe(100);
    peer.expect('P. 201:301(100) ack 1');
    peer.finish();
  });

  test('a blocking send of more than a segment: it waits for the connection, and the rest carries the ACK', () => {
    const { peer } = warm();
    peer.flow = { ...peer.flow, hostPort: 8082 };
    const sent = peer.program(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_STREAM, 0);
      yield* sys.bind(fd, new sockaddr_in(0, 8082));
      return yield* sys.sendto(fd, sys.mmap(4096), 1660, MSG_FASTOPEN, new sockaddr_in(A, 80));
    });
    peer.settle();
    peer.expect('S 0:1160(1160)');
    peer.wait(0.1);
    expect(sent.done).toBe(false);
    peer.inject(`S. 0:0(0) ack 1161 win 5792 <${SYNACK}>`);
    // And the program ends.
    peer.expect('P. 1161:1661(500) ack 1', 'F. 1661:1661(0) ack 1');
    expect(sent.value).toBe(1660);
    peer.finish();
  });

  test('refused: the error once, and the socket can connect anew', () => {
    const { peer, open, send } = warm();
    const fd = open(8081);
    expect(send(fd, 50)).toBe(50);
    peer.expect('S 0:50(50)');
    peer.inject('R. 0:0(0) ack 51 win 0');
    expect([write(peer, fd, 10), write(peer, fd, 10)]).toEqual([-ECONNREFUSED, -EPIPE]);
    // The attempt of before is over with that.
    expect([send(fd, 40), send(fd, 40)]).toEqual([-ECONNABORTED, 40]);
    peer.expect('S 0:40(40)');
    peer.finish();
  });

  test('a blocking send is refused: the error, whatever an earlier one has sent', () => {
    const { peer, open, send } = warm();
    expect(send(open(8081), 50)).toBe(50);
    peer.expect('S 0:50(50)');
    peer.flow = { ...peer.flow, hostPort: 8082 };
    const sent = peer.program(function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_STREAM, 0);
      yield* sys.bind(fd, new sockaddr_in(0, 8082));
      return yield* sys.sendto(fd, sys.mmap(4096), 2000, MSG_FASTOPEN, new sockaddr_in(A, 80));
    });
    peer.settle();
    peer.expect('S 0:1160(1160)');
    peer.inject('R. 0:0(0) ack 1161 win 0');
    expect(sent.value).toBe(-ECONNREFUSED);
    peer.finish();
  });

  test('a bad pointer: the SYN goes without data, and asks for a cookie', () => {
    const { peer, open } = warm();
    const fd = open(8081);
    const to = new sockaddr_in(A, 80);
    expect(peer.call(sys_sendto, fd, 16, 100, MSG_FASTOPEN | MSG_DONTWAIT, to)).toBe(-EINPROGRESS);
    peer.expect('S 0:0(0) win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 8,FO,nop,nop>');
    peer.finish();
  });

  test('a second one while the first waits: EALREADY; AF_UNSPEC: EOPNOTSUPP', () => {
    const host = new DrillHost();
    const fd = host.socket(AF_INET, SOCK_STREAM, 0).result;
    const to = { address: '192.0.2.1', port: 80 };
    const data = new Uint8Array(100);
    expect(host.sendto(fd, data, MSG_FASTOPEN, { ...to, family: 0 }).errno).toBe('EOPNOTSUPP');
    const first = host.sendto(fd, data, MSG_FASTOPEN, to);
    expect(first.done).toBe(false);
    expect(host.sendto(fd, data, MSG_FASTOPEN | MSG_DONTWAIT, to).errno).toBe('EALREADY');
    expect(host.end()).toEqual([]);
  });

  test('net.ipv4.tcp_fastopen without bit 1: neither option nor flag', () => {
    const { peer, open, send } = client();
    peer.net.ipv4.tcp_fastopen = 0;
    const fd = open(8081);
    expect([send(fd, 10), set(peer, fd, TCP_FASTOPEN_CONNECT, 1)]).toEqual([-EOPNOTSUPP, -EOPNOTSUPP]);
    peer.expect();
    peer.finish();
  });

  test('three timeouts in a row: no data in SYNs for a while, twice as long the next time; data that comes ends it', () => {
    const { peer, open, send } = warm();
    const { kernel, net } = peer;
    expect(kernel.sysctl.write('net.ipv4.tcp_fastopen_blackhole_timeout_sec', '20')).toBe(0);
    const with_data = (port: number): boolean => {
      const fd = open(port);
      const took = send(fd, 50);
      const [syn] = peer.segments();
      if (took > 0) return true;
      // Nor does it ask for a cookie.
      expect(syn?.text).not.toContain('FO');
      // Not of interest any more.
      peer.call(sys_close, fd);
      return false;
    };
    expect(with_data(8101)).toBe(true);
    peer.wait(3.5);
    expect(net.ipv4.mib.TcpExtTCPFastOpenBlackhole).toBe(1);
    expect(with_data(8102)).toBe(false);
    peer.wait(20);
    expect(with_data(8103)).toBe(true);
    peer.wait(3.5);
    expect(net.ipv4.mib.TcpExtTCPFastOpenBlackhole).toBe(2);
    peer.wait(30);
    expect(with_data(8104)).toBe(false);
    peer.wait(15);
    const fd = open(8105);
    expect(send(fd, 50)).toBe(50);
    peer.segments();
    peer.inject(`S. 0:0(0) ack 51 win 5792 <${SYNACK}>`);
    peer.inject('P. 1:11(10) ack 51 win 257');
    expect(net.ipv4.tcp.fastopen.active_disable_times).toBe(2);
    read(peer, fd);
    peer.call(sys_close, fd);
    peer.inject('F. 11:11(0) ack 52 win 257');
    peer.wait(70);
    expect(net.ipv4.tcp.fastopen.active_disable_times).toBe(0);
    peer.segments();
    peer.finish();
  });
});

test('two hosts of ours: from the second connection on the request comes with the SYN; nothing is left at the end', () => {
  const p = pair();
  expect(p.right.kernel.sysctl.write('net.ipv4.tcp_fastopen', '1027')).toBe(0);
  const got: number[] = [];
  const early: boolean[] = [];
  p.right.kernel.exec(() =>
    spawn(p.right.kernel, 'server', function* (sys) {
      const fd = yield* sys.socket(AF_INET, SOCK_STREAM, 0);
      yield* sys.bind(fd, new sockaddr_in(0, 80));
      yield* sys.listen(fd, 5);
      const buffer = sys.mmap(8192);
      for (let i = 0; i < 3; i++) {
        const child = yield* sys.accept4(fd, null, 0);
        const opt = new sockopt();
        yield* sys.getsockopt(child, SOL_TCP, TCP_INFO, opt);
        early.push((tcp_info_parse(opt.bytes as Uint8Array).tcpi_options & TCPI_OPT_SYN_DATA) !== 0);
        got.push(yield* sys.recv(child, buffer, 3000, MSG_WAITALL));
        yield* sys.send(child, buffer, 8000, 0);
        yield* sys.close(child);
      }
      yield* sys.close(fd);
      return 0;
    }),
  );
  p.left.kernel.exec(() =>
    spawn(p.left.kernel, 'client', function* (sys) {
      const buffer = sys.mmap(8192);
      for (let i = 0; i < 3; i++) {
        const fd = yield* sys.socket(AF_INET, SOCK_STREAM, 0);
        got.push(yield* sys.sendto(fd, buffer, 3000, MSG_FASTOPEN, new sockaddr_in(RIGHT, 80)));
        got.push(yield* sys.recv(fd, buffer, 8192, MSG_WAITALL));
        yield* sys.close(fd);
      }
      return 0;
    }),
  );
  p.run(10e9);
  expect(got).toEqual([3000, 3000, 8000, 3000, 3000, 8000, 3000, 3000, 8000]);
  expect(early).toEqual([false, true, true]);
  const active = p.left.kernel.init_net.ipv4.mib.TcpExtTCPFastOpenActive;
  expect([active, p.right.kernel.init_net.ipv4.mib.TcpExtTCPFastOpenPassive]).toEqual([2, 2]);
  p.run(130e9);
  expect(p.finish()).toEqual([]);
});
