/** Accurate ECN (RFC 9768), segment by segment. What a client does is compared with Linux’s in test/interop/tcp_diff_ecn.ts. */
import { describe, expect, test } from 'vitest';
import type { Host } from '../../../../harness/machine/host.ts';
import { tc } from '../../../../harness/shell/tc.ts';
import { accept as acceptStream, connect, listen } from '../../../../harness/user/index.ts';
import { tcp_sock } from '../../../../kernel/net/ipv4/tcp_sock.ts';
import { tcp_get_info, type tcp_info } from '../../../../kernel/net/ipv4/tcp_sockopt.ts';
import { AF_INET, SOCK_NONBLOCK, SOCK_STREAM, sockaddr_in } from '../../../../kernel/net/msg.ts';
import {
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_listen,
  sys_sendto,
  sys_socket,
} from '../../../../kernel/net/socket.ts';
import { spawn } from '../../../../kernel/syscalls.ts';
import { pair } from '../../../pair.ts';
import { A } from '../segment.ts';
import { TcpPeer } from './tcp_peer.ts';

const OPTIONS = 'mss 1000,nop,nop,sackOK,nop,wscale 7';
const FIRST = 'ECN e1b 1 ceb 0 e0b 1,nop';
const SYNACK = `mss 1460,${FIRST},nop,nop,sackOK,nop,wscale 8`;
const [ECT0, CE] = [2, 3];

/** A host whose net.ipv4.tcp_ecn is `mode`; others of that kind in `sysctls`. Each packet is one segment. */
function host(mode: number, sysctls: { readonly [name: string]: number } = {}): TcpPeer {
  const peer = new TcpPeer();
  peer.dev.gso_max_segs = 1;
  Object.assign(peer.net.ipv4, { tcp_ecn: mode, ...sysctls });
  return peer;
}

function listener(peer: TcpPeer): number {
  const fd = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  expect(peer.call(sys_bind, fd, new sockaddr_in(0, 8080))).toBe(0);
  expect(peer.call(sys_listen, fd, 5)).toBe(0);
  return fd;
}

const accept = (peer: TcpPeer, fd: number): number => peer.call(sys_accept4, fd, null, SOCK_NONBLOCK);

/** A connection of the peer's to a host with tcp_ecn 3, agreed on; its descriptor. `third`: flags of the handshake's end. */
function accepted(peer: TcpPeer, third = 'W.', tos = ECT0): number {
  const fd = listener(peer);
  peer.inject(`SEWA 0:0(0) win 32792 <${OPTIONS}>`);
  peer.expect(`S.W 0:0(0) ack 1 <${SYNACK}>`);
  peer.inject(`${third} 1:1(0) ack 1 win 257 <ECN e0b 1 ceb 0 e1b 1,nop>`, { tos });
  return accept(peer, fd);
}

/** A socket that connects to the peer; its descriptor. */
function connecting(peer: TcpPeer): number {
  const fd = peer.call(sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  expect(peer.call(sys_bind, fd, new sockaddr_in(0, 8080))).toBe(0);
  peer.call(sys_connect, fd, new sockaddr_in(A, 80));
  peer.flow = { ...peer.flow, peerPort: 80 };
  return fd;
}

const write = (peer: TcpPeer, fd: number, length: number): number =>
  peer.call(sys_sendto, fd, peer.memory(length), length, 0, null);

const info = (peer: TcpPeer, fd: number): tcp_info => tcp_get_info(peer.sockOf(fd));

describe('the handshake', () => {
  test('RFC 9768 3.1.1: tcp_ecn 3: the SYN asks with all three flags; what the answer says, and how it came, is fed back', () => {
    for (const [tos, flags] of [
      [0, 'W.'],
      [1, 'EW.'],
      [2, '.A'],
      [3, 'WA.'],
    ] as const) {
      const peer = host(3);
      connecting(peer);
      peer.expect('SEWA 0:0(0) win 64240 <mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 8>');
      peer.inject(`SW. 0:0(0) ack 1 win 65535 <mss 1000,ECN e0b 1 ceb 0 e1b 1,nop,nop,nop,sackOK>`, { tos });
      const [ack] = peer.segments();
      expect([...(ack?.text ?? '').split(' ', 1).join('')].sort()).toEqual([...flags].sort());
      expect([ack?.tos, ack?.text.includes(FIRST)]).toEqual([ECT0, true]);
      peer.finish();
    }
  });

  test('RFC 9768 3.1.2: a listener with tcp_ecn 3 to 5: whatever the SYN says but nothing and RFC 3168’s is accurate ECN', () => {
    for (const mode of [3, 4, 5]) {
      const peer = host(mode);
      listener(peer);
      const ask = (flags: string, peerPort: number): string => {
        peer.inject(`${flags} 0:0(0) win 32792 <${OPTIONS}>`, { flow: { ...peer.flow, peerPort } });
        return (
          peer
            .segments()
            .map(({ text }) => (text.split(' ')[0] as string) + (text.includes('ECN') ? ' option' : ''))[0] ?? ''
        );
      };
      const flags = ['S', 'SE', 'SW', 'SEW', 'SA', 'SEA', 'SWA', 'SEWA'];
      expect(flags.map((each, i) => ask(each, 41000 + i))).toEqual([
        'S.',
        'S.W option',
        'S.W option',
        'S.E',
        'S.W option',
        'S.W option',
        'S.W option',
        'S.W option',
      ]);
      peer.finish();
    }
  });

  test('RFC 9768 3.1.2: the SYN/ACK says how the SYN came: not ECT, ECT(1), ECT(0), CE', () => {
    const peer = host(3);
    listener(peer);
    const flags = [0, 1, 2, 3].map(tos => {
      peer.inject(`SEWA 0:0(0) win 32792 <${OPTIONS}>`, { tos, flow: { ...peer.flow, peerPort: 41000 + tos } });
      return peer.segments()[0]?.text.split(' ')[0];
    });
    expect(flags).toEqual(['S.W', 'S.EW', 'S.A', 'S.WA']);
    peer.finish();
  });

  test('a listener with tcp_ecn 2, the default: RFC 3168 for who asks for more', () => {
    const peer = host(2);
    listener(peer);
    peer.inject(`SEWA 0:0(0) win 32792 <${OPTIONS}>`);
    peer.expect('S.E 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 8>');
    peer.finish();
  });

  test('RFC 9768 3.1.4.1: the SYN is lost: once more as it was, then without ECN; the answer to that decides', () => {
    const peer = host(3);
    const fd = connecting(peer);
    const letters = (): (string | undefined)[] => peer.segments().map(({ text }) => text.split(' ')[0]);
    expect(letters()).toEqual(['SEWA']);
    peer.wait(1.1);
    expect(letters()).toEqual(['SEWA']);
    peer.wait(1.1);
    expect(letters()).toEqual(['S']);
    peer.inject('S. 0:0(0) ack 1 win 65535 <mss 1000>');
    expect(letters()).toEqual(['.']);
    expect(info(peer, fd).tcpi_options & 8).toBe(0);
    peer.finish();
  });

  test('RFC 9768 3.2.3.2.2: the SYN/ACK is lost: without its option, then without flags, and no ECT from then on', () => {
    const peer = host(3);
    const fd = listener(peer);
    peer.inject(`SEWA 0:0(0) win 32792 <${OPTIONS}>`);
    peer.expect(`S.W 0:0(0) ack 1 <${SYNACK}>`);
    peer.wait(1.1);
    peer.expect('S.W 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 8>');
    peer.wait(2.1);
    peer.expect('S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 8>');
    peer.inject('W. 1:1(0) ack 1 win 257 <ECN e0b 1 ceb 0 e1b 1,nop>', { tos: ECT0 });
    const c = accept(peer, fd);
    write(peer, c, 100);
    const [data] = peer.expect('P.EA 1:101(100) ack 1');
    expect([data?.tos, info(peer, c).tcpi_accecn_fail_mode]).toEqual([0, 1]);
    peer.finish();
  });

  test('RFC 9768 3.2.2.1: the third segment without flags: they are bleached: no ECT, and its counts are not believed', () => {
    const peer = host(3);
    const fd = accepted(peer, '.');
    write(peer, fd, 100);
    const [data] = peer.expect('P.EA 1:101(100) ack 1');
    expect(data?.tos).toBe(0);
    peer.inject('WA. 1:1(0) ack 101 win 257 <ECN e0b 1 ceb 100 e1b 1,nop>');
    expect([info(peer, fd).tcpi_accecn_fail_mode & 2, info(peer, fd).tcpi_delivered_ce_bytes]).toEqual([2, 0]);
    peer.finish();
  });

  test('SYN cookies: the last segment says which ECN was agreed on', () => {
    for (const [third, options] of [
      ['W.', 8],
      ['.', 8],
    ] as const) {
      const peer = host(3, { tcp_syncookies: 2 });
      const fd = listener(peer);
      peer.inject('SEWA 0:0(0) win 32792 <mss 1000,sackOK,TS val 700 ecr 0,nop,wscale 7>');
      const [synack] = peer.segments();
      expect(synack?.text).toMatch(/^S\.W 0:0\(0\) ack 1 /);
      peer.inject(`${third} 1:1(0) ack 1 win 257 <nop,nop,TS val 701 ecr 0>`);
      const c = accept(peer, fd);
      expect(c).toBeGreaterThan(0);
      expect(info(peer, c).tcpi_options & options).toBe(options);
      write(peer, c, 100);
      // A count, or RFC 3168's flags, of which none is set.
      expect(peer.segments()[0]?.text.split(' ')[0]).toBe(third === 'W.' ? 'P.EA' : 'P.');
      peer.finish();
    }
  });
});

describe('an established connection', () => {
  test('RFC 9768 3.2.2.2: every segment tells how many came marked, modulo 8, from 5; the option how many bytes', () => {
    const peer = host(3);
    const fd = accepted(peer);
    let seq = 1;
    const flags: string[] = [];
    for (let n = 1; n <= 9; n++, seq += 100) {
      peer.inject(`PEA. ${seq}:${seq + 100}(100) ack 1 win 257`, { tos: CE });
      const sent = peer.segments();
      expect(sent.length).toBe(1);
      expect(sent[0]?.text).toContain(`ECN e1b 1 ceb ${n * 100} e0b 1`);
      flags.push((sent[0]?.text ?? '').split(' ', 1).join('').replace('.', ''));
    }
    expect(flags).toEqual(['WA', 'EWA', '', 'E', 'W', 'EW', 'A', 'EA', 'WA']);
    const { tcpi_received_ce, tcpi_received_ce_bytes } = info(peer, fd);
    expect([tcpi_received_ce, tcpi_received_ce_bytes]).toEqual([9, 900]);
    peer.finish();
  });

  test('RFC 9768 3.2.2.5.1: another codepoint than before is told at once', () => {
    const peer = host(3);
    accepted(peer);
    for (const [n, tos, e1b, ceb, e0b] of [
      [0, 1, 101, 0, 1],
      [1, 2, 101, 0, 101],
      [2, 3, 101, 100, 101],
    ] as const) {
      peer.inject(`PEA. ${1 + n * 100}:${101 + n * 100}(100) ack 1 win 257`, { tos });
      expect(peer.segments().map(({ text }) => /ECN[^,]*/.exec(text)?.[0])).toEqual([
        `ECN e1b ${e1b} ceb ${ceb} e0b ${e0b}`,
      ]);
    }
    peer.finish();
  });

  test('RFC 9768 3.2.2.5: marks that are told of slow the sender down once a window, and count in tcp_info', () => {
    const peer = host(3);
    const fd = accepted(peer);
    write(peer, fd, 4000);
    expect(peer.segments().length).toBe(5);
    const before = info(peer, fd).tcpi_snd_cwnd;
    peer.inject('WA. 1:1(0) ack 1001 win 257 <ECN e0b 13 ceb 988 e1b 1,nop>');
    const after = info(peer, fd);
    expect(after.tcpi_snd_cwnd).toBeLessThan(before);
    expect([after.tcpi_ca_state, after.tcpi_delivered_ce, after.tcpi_delivered_ce_bytes]).toEqual([2, 1, 988]);
    expect(after.tcpi_delivered_e0_bytes).toBe(12);
    peer.finish();
  });

  test('RFC 9768 3.2.2.5.2: an ACK that covers more than the count can tell: the option decides, else the worst is assumed', () => {
    for (const [option, marked] of [
      ['', 8],
      [' <ECN e0b 13001 ceb 0 e1b 1,nop>', 0],
    ] as const) {
      const peer = host(3);
      const fd = accepted(peer);
      write(peer, fd, 12000);
      peer.segments();
      // The first ones by themselves, so that the peer does not look like one that thins out its ACKs.
      peer.inject(`EA. 1:1(0) ack 989 win 257${option === '' ? '' : ' <ECN e0b 989 ceb 0 e1b 1,nop>'}`, { tos: ECT0 });
      peer.segments();
      peer.inject(
        `EA. 1:1(0) ack ${988 * 10 + 1} win 257${option === '' ? '' : ` <ECN e0b ${988 * 10 + 1} ceb 0 e1b 1,nop>`}`,
      );
      expect([option, info(peer, fd).tcpi_delivered_ce]).toEqual([option, marked]);
      peer.finish();
    }
  });

  test('RFC 9768 3.2.3.2.2: what is acknowledged with an option is sent a third time: no option from then on', () => {
    const peer = host(3);
    const fd = accepted(peer);
    const ask = (): boolean => {
      peer.inject('PEA. 1:101(100) ack 1 win 257', { tos: ECT0 });
      const sent = peer.segments();
      expect(sent.length).toBe(1);
      return sent[0]?.text.includes('ECN') === true;
    };
    expect([ask(), ask(), ask()]).toEqual([true, true, false]);
    expect(info(peer, fd).tcpi_accecn_fail_mode).toBe(4);
    peer.finish();
  });

  test('packets of several segments: CWR is part of a count, and stays in every segment', () => {
    const peer = host(3);
    peer.dev.gso_max_segs = 65535;
    const fd = accepted(peer, 'W.', CE);
    write(peer, fd, 6000);
    const sent = peer.segments();
    expect(sent.length).toBe(7);
    expect(sent.map(({ text, tos }) => [(text.split(' ')[0] as string).replace('P', ''), tos])).toEqual(
      sent.map(() => ['.WA', ECT0]),
    );
    peer.finish();
  });

  test('tcp_ecn_option 0 none, 1 when there is news, 2 always, until it seems to be what does not get through', () => {
    const count = (mode: number): number => {
      const peer = host(3, { tcp_ecn_option: mode, tcp_ecn_option_beacon: 0 });
      const fd = listener(peer);
      peer.inject(`SEWA 0:0(0) win 32792 <${OPTIONS}>`);
      peer.segments();
      peer.inject('W. 1:1(0) ack 1 win 257 <ECN e0b 1 ceb 0 e1b 1,nop>', { tos: ECT0 });
      const c = accept(peer, fd);
      let options = 0;
      for (let n = 0; n < 8; n++) {
        write(peer, c, 100);
        options += peer.segments().filter(({ text }) => text.includes('ECN')).length;
        peer.inject(`EA. 1:1(0) ack ${n * 100 + 101} win 257`, { tos: ECT0 });
      }
      for (let n = 0; n < 4; n++) {
        peer.inject('PEA. 1:101(100) ack 801 win 257', { tos: ECT0 });
        options += peer.segments().filter(({ text }) => text.includes('ECN')).length;
      }
      peer.finish();
      return options;
    };
    const [none, some, always] = [0, 1, 2].map(count) as [number, number, number];
    expect(none).toBe(0);
    expect(some).toBeGreaterThan(0);
    expect(always).toBeGreaterThan(some);
    expect(always).toBe(10);
  });
});

describe('two hosts', () => {
  /** tcp_info of the host's only connection. */
  const only = (machine: Host): tcp_info => {
    const socks = [...machine.kernel.init_net.ipv4.tcp.hashinfo.ehash.all()].filter(entry => entry instanceof tcp_sock);
    expect(socks.length).toBe(1);
    return tcp_get_info(socks[0] as tcp_sock);
  };

  test('a queue on the way marks: every mark comes back, once; nothing is sent twice; the window follows', () => {
    const p = pair();
    for (const { kernel } of [p.left, p.right]) kernel.init_net.ipv4.tcp_ecn = 3;
    expect(tc([p.leftDev], 'qdisc add dev eth0 root netem limit 5000 delay 5ms loss 2% ecn').error).toBe(0);
    const length = 3_000_000;
    const infos: { sender?: tcp_info; receiver?: tcp_info } = {};
    let got = 0;
    p.right.kernel.exec(() =>
      spawn(p.right.kernel, 'right', function* (sys) {
        const fd = yield* listen(sys, 80);
        const { stream } = yield* acceptStream(sys, fd);
        while (got < length) got += (yield* stream.read()).length;
        infos.receiver = only(p.right);
        yield* stream.write(new Uint8Array(1));
        yield* stream.readAll();
        yield* stream.close();
        yield* sys.close(fd);
        return 0;
      }),
    );
    p.left.kernel.exec(() =>
      spawn(p.left.kernel, 'left', function* (sys) {
        const stream = yield* connect(sys, { address: '10.0.0.2', port: 80 });
        yield* stream.write(new Uint8Array(length));
        yield* stream.read();
        infos.sender = only(p.left);
        yield* stream.close();
        return 0;
      }),
    );
    p.run(60e9);
    const { sender, receiver } = infos as { sender: tcp_info; receiver: tcp_info };
    expect(got).toBe(length);
    expect(receiver.tcpi_received_ce).toBeGreaterThan(10);
    expect(sender.tcpi_delivered_ce).toBe(receiver.tcpi_received_ce);
    const bytes = receiver.tcpi_received_ce_bytes + receiver.tcpi_received_e0_bytes;
    expect([bytes, receiver.tcpi_received_e1_bytes]).toEqual([length, 0]);
    expect(sender.tcpi_delivered_ce_bytes).toBe(receiver.tcpi_received_ce_bytes);
    expect(sender.tcpi_delivered_e0_bytes).toBe(receiver.tcpi_received_e0_bytes);
    expect(sender.tcpi_bytes_retrans).toBe(0);
    expect(sender.tcpi_snd_ssthresh).toBeLessThan(1000);
    p.run(130e9);
    expect(p.finish()).toEqual([]);
  });
});
