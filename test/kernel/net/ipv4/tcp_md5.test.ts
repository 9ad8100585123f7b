/** RFC 2385: keys by address, what is signed, what is dropped and why. What a connection does is compared with Linux's in test/interop. */
import { describe, expect, test } from 'vitest';
import { DrillHost } from '../../../../harness/drill/api.ts';
import { EINVAL, ENOENT, ENOMEM } from '../../../../kernel/errno.ts';
import { in_aton } from '../../../../kernel/lib/inet.ts';
import { SKB_DROP_REASON } from '../../../../kernel/net/core/skbuff.ts';
import { TCP_MD5SIG, TCP_MD5SIG_EXT } from '../../../../kernel/net/ipv4/tcp_md5.ts';
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM, sockaddr_in } from '../../../../kernel/net/msg.ts';
import { sys_bind, sys_connect, sys_listen, sys_socket } from '../../../../kernel/net/socket.ts';
import { md5sig, TcpFlow } from './tcp_flow.ts';
import { TcpPeer } from './tcp_peer.ts';
import { signatureAt, tcpSignature } from './tcp_signature.ts';

const SYN = 'S 0:0(0) win 1000 <mss 1000,sackOK,nop,nop,md5>';
const PREFIX = 1;
const IFINDEX = 2;
const OTHER = 0x0a010203;

/** A listener on 8080 with these keys, by address or prefix; the peer signs with `key`. */
function listening(key: string, ...keys: [key: string, address: number, prefixlen?: number][]): TcpFlow {
  const f = new TcpFlow();
  f.close();
  f.segments();
  f.inject('. 1:1(0) ack 2 win 257');
  const fd = f.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  expect(f.call(sys_bind, fd, new sockaddr_in(0, 9090))).toBe(0);
  for (const [text, address, prefixlen] of keys) {
    const bytes = md5sig(text, address, prefixlen === undefined ? 0 : PREFIX, prefixlen ?? 0);
    expect(f.setOption(fd, TCP_MD5SIG_EXT, bytes)).toBe(0);
  }
  expect(f.call(sys_listen, fd, 5)).toBe(0);
  f.flow = { ...f.flow, hostPort: 9090 };
  f.md5Key = key;
  return f;
}

describe('setting keys', () => {
  const set = (host: DrillHost, fd: number, option: number, bytes: Uint8Array): number =>
    host.setsockopt(fd, 6, option, bytes).result;

  test('every field at its edges: errno as Linux', () => {
    const host = new DrillHost();
    const fd = host.socket(2, 1, 0).result;
    const peer = in_aton('192.0.2.1');
    expect(set(host, fd, TCP_MD5SIG, md5sig('', peer))).toBe(-ENOENT);
    expect(set(host, fd, TCP_MD5SIG, md5sig('k', peer))).toBe(0);
    expect(set(host, fd, TCP_MD5SIG, md5sig('k'.repeat(80), peer))).toBe(0);
    expect(set(host, fd, TCP_MD5SIG, md5sig('k'.repeat(81), peer))).toBe(-EINVAL);
    expect(set(host, fd, TCP_MD5SIG, md5sig('k', peer).subarray(0, 215))).toBe(-EINVAL);
    const inet6 = md5sig('k', peer);
    inet6[0] = 10;
    expect(set(host, fd, TCP_MD5SIG, inet6)).toBe(-EINVAL);
    // The short option does not look at prefix and device.
    expect(set(host, fd, TCP_MD5SIG, md5sig('k', peer, PREFIX | IFINDEX, 33, 1))).toBe(0);
    expect(set(host, fd, TCP_MD5SIG_EXT, md5sig('k', peer, PREFIX, 33))).toBe(-EINVAL);
    expect(set(host, fd, TCP_MD5SIG_EXT, md5sig('k', peer, PREFIX, 0))).toBe(0);
    expect(set(host, fd, TCP_MD5SIG_EXT, md5sig('', peer, PREFIX, 24))).toBe(-ENOENT);
    expect(set(host, fd, TCP_MD5SIG_EXT, md5sig('', peer, PREFIX, 0))).toBe(0);
    expect(set(host, fd, TCP_MD5SIG_EXT, md5sig('k', peer, IFINDEX, 0, 2))).toBe(-EINVAL);
    expect(set(host, fd, TCP_MD5SIG, md5sig('', peer))).toBe(0);
    expect(host.getsockopt(fd, 6, TCP_MD5SIG, 216).errno).toBe('ENOPROTOOPT');
    expect(host.end()).toEqual([]);
  });

  test('more than optmem_max holds: ENOMEM; taken away: room again', () => {
    const host = new DrillHost();
    const fd = host.socket(2, 1, 0).result;
    const most = Math.ceil(131072 / 136) - 1;
    for (let i = 0; i < most; i++) expect(set(host, fd, TCP_MD5SIG, md5sig('k', OTHER + i))).toBe(0);
    expect(set(host, fd, TCP_MD5SIG, md5sig('k', OTHER - 1))).toBe(-ENOMEM);
    expect(set(host, fd, TCP_MD5SIG, md5sig('other', OTHER))).toBe(0);
    expect(set(host, fd, TCP_MD5SIG, md5sig('', OTHER))).toBe(0);
    expect(set(host, fd, TCP_MD5SIG, md5sig('k', OTHER - 1))).toBe(0);
    expect(host.end()).toEqual([]);
  });
});

describe('signed segments', () => {
  test('a key for a prefix, and one for the peer in it: the longer prefix counts', () => {
    const f = listening(
      'mine',
      ['all', 0, 0],
      ['mine', new TcpPeer().flow.peer, 32],
      ['net', new TcpPeer().flow.peer, 8],
    );
    f.inject(SYN);
    const [synack] = f.segments();
    expect(synack?.text).toContain('md5');
    expect(synack?.text).not.toContain('wrong');
  });

  test('a SYN by which no key, another one or none at all goes: dropped, each with its reason', () => {
    const f = listening('guess', ['right', new TcpPeer().flow.peer]);
    const drops = (): number[] =>
      (['TCP_MD5NOTFOUND', 'TCP_MD5FAILURE', 'TCP_MD5UNEXPECTED', 'TCP_AUTH_HDR'] as const).map(
        name => f.net.drops[SKB_DROP_REASON[name]] as number,
      );
    f.inject('S 0:0(0) win 1000 <mss 1000>');
    expect(drops()).toEqual([1, 0, 0, 0]);
    f.inject(SYN);
    expect(drops()).toEqual([1, 1, 0, 0]);
    f.inject('S 0:0(0) win 1000 <md5,md5>');
    expect(drops()).toEqual([1, 1, 0, 1]);
    f.flow = { ...f.flow, peer: OTHER };
    f.inject(SYN);
    expect(drops()).toEqual([1, 1, 1, 1]);
    f.expect();
  });

  test('SYN cookies: the handshake is signed, and so is the connection', () => {
    const f = listening('right', ['right', new TcpPeer().flow.peer]);
    f.net.ipv4.tcp_syncookies = 2;
    f.inject(SYN);
    expect(f.segments().map(s => s.text)).toEqual([expect.stringMatching(/^S\..*md5(?! wrong)/)]);
    f.inject('. 1:1(0) ack 1 win 1000 <nop,nop,md5>');
    f.inject('P. 1:101(100) ack 1 win 1000 <nop,nop,md5>');
    expect(f.segments().map(s => s.text)).toEqual([expect.stringMatching(/^\. 1:1\(0\) ack 101 .*md5(?! wrong)/)]);
  });

  test('nobody there: unsigned is reset; signed only by who can have the key of a listener on the same port', () => {
    const f = listening('right', ['right', new TcpPeer().flow.peer]);
    f.flow = { ...f.flow, hostPort: 7777, peerPort: 9090 };
    f.inject('. 5:5(0) ack 9 win 10');
    f.expect('R 9:9(0) win 0');
    f.inject('. 5:5(0) ack 9 win 10 <nop,nop,md5>');
    expect(f.segments().map(s => s.text)).toEqual([expect.stringMatching(/^R 9:9\(0\).*md5(?! wrong)/)]);
    f.inject('. 5:5(0) ack 9 win 10 <nop,nop,md5 wrong>');
    f.inject('. 5:5(0) ack 9 win 10 <md5,md5>');
    f.expect();
  });

  test('connect: the SYN is signed and has no timestamps; it does not take an unsigned answer', () => {
    const f = new TcpFlow();
    f.md5Key = 'right';
    const fd = f.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    expect(f.setMd5(fd, 'right')).toBe(0);
    f.flow = { ...f.flow, peerPort: 9, hostPort: 0 };
    expect(f.call(sys_connect, fd, new sockaddr_in(f.flow.peer, 9))).toBeLessThan(0);
    const [syn] = f.segments();
    expect(syn?.text).toMatch(/^S 0:0\(0\) win \d+ <nop,nop,md5,mss 1460,nop,nop,sackOK,nop,wscale \d+>$/);
    f.flow = { ...f.flow, hostPort: syn?.sourcePort as number };
    f.inject('S. 0:0(0) ack 1 win 1000 <mss 1000>');
    f.expect();
    f.inject('S. 0:0(0) ack 1 win 1000 <mss 1000,nop,nop,md5>');
    expect(f.segments().map(s => s.text)).toEqual([expect.stringMatching(/^\. 1:1\(0\) ack 1 .*md5(?! wrong)/)]);
  });
});

test('RFC 2385 2.0: the digest: pseudo-header, header without options, data, key', () => {
  const f = new TcpFlow({ md5: 'key', options: 'mss 1000,sackOK,nop,nop,nop,wscale 7,nop,nop,md5' });
  f.write(10);
  const segment = f.sent[0] as Uint8Array;
  const bytes = segment.subarray(34);
  const at = signatureAt(bytes);
  const pair = [[...segment.subarray(26, 30)], [...segment.subarray(30, 34)]] as const;
  expect(bytes.slice(at, at + 16)).toEqual(Uint8Array.from(tcpSignature('key', ...pair, bytes)));
  expect(f.segments()[0]?.text).toContain('md5');
});
