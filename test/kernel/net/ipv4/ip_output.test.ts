import { describe, expect, it } from 'vitest';
import { dst_input } from '../../../../kernel/net/core/dst.ts';
import { netdev_alloc_skb_ip_align, type sk_buff, skb_put } from '../../../../kernel/net/core/skbuff.ts';
import { own_opts, sock } from '../../../../kernel/net/core/sock.ts';
import { eth_type_trans } from '../../../../kernel/net/ethernet/eth.ts';
import { IP_PMTUDISC_DO, IP_PMTUDISC_DONT } from '../../../../kernel/net/ipv4/datagram.ts';
import { ip_route_add } from '../../../../kernel/net/ipv4/fib.ts';
import { IP_DEFRAG_CONNTRACK_IN, ip_defrag } from '../../../../kernel/net/ipv4/ip_fragment.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { ip_options_get } from '../../../../kernel/net/ipv4/ip_options.ts';
import {
  inet_cork,
  ip_append_data,
  ip_flush_pending_frames,
  ip_make_skb,
  ip_push_pending_frames,
  ip_send_skb,
  ipcm_cookie,
} from '../../../../kernel/net/ipv4/ip_output.ts';
import { flowi4, ip_route_input, ip_route_output_key, type rtable } from '../../../../kernel/net/ipv4/route.ts';
import { udp_prot } from '../../../../kernel/net/ipv4/udp.ts';
import { MSG_MORE } from '../../../../kernel/net/msg.ts';
import { A, arpFrame, B, bytesOf, ipFrame, Segment } from '../segment.ts';
import { bytes, PROTOCOL, sink } from './frags.ts';

interface Frag {
  id: number;
  off: number;
  flags: number;
  header: string;
  payload: number[];
}

function parse(frame: string): Frag {
  const all = [...bytesOf(frame)];
  const hlen = ((all[14] as number) & 15) * 4;
  const frag = ((all[20] as number) << 8) | (all[21] as number);
  const length = ((all[16] as number) << 8) | (all[17] as number);
  return {
    id: ((all[18] as number) << 8) | (all[19] as number),
    off: (frag & 0x1fff) * 8,
    flags: frag >> 13,
    header: frame.slice(68, (14 + hlen) * 2),
    payload: all.slice(14 + hlen, 14 + length),
  };
}

interface Sender {
  segment: Segment;
  sk: sock;
  fl4: flowi4;
  rt: rtable;
  ipc: ipcm_cookie;
}

function sender(): Sender {
  const segment = new Segment();
  segment.receive(arpFrame());
  segment.take();
  const sk = new sock(segment.net, 2, 2, PROTOCOL, udp_prot);
  const fl4 = new flowi4();
  const rt = segment.exec(() => ip_route_output_key(segment.net, fl4.init(A, 0))) as rtable;
  return { segment, sk, fl4, rt, ipc: new ipcm_cookie().init(sk) };
}

function done({ segment, sk }: Sender): void {
  expect(sk.sk_wmem_alloc).toBe(1);
  segment.net.core.sockets--;
  segment.finish();
}

const from = (payload: readonly number[]) => payload;
function getfrag(
  payload: readonly number[],
  to: number,
  offset: number,
  len: number,
  _odd: number,
  skb: sk_buff,
): number {
  skb.ram.u8.set(payload.slice(offset, offset + len), to);
  return 0;
}

function send(host: Sender, payload: number[]): number {
  const { segment, sk, fl4, rt, ipc } = host;
  return segment.exec(() => {
    const skb = ip_make_skb(sk, fl4, getfrag, from(payload), payload.length, 0, ipc, rt, 0);
    return typeof skb === 'number' ? skb : ip_send_skb(segment.net, skb);
  });
}

/** The datagram that fragments make: they fit each other, and the MTU. */
function joined(frames: string[]): number[] {
  const list = frames.map(parse);
  const all: number[] = [];
  for (const [i, frag] of list.entries()) {
    expect(frag.off).toBe(all.length);
    expect(frag.id).toBe(list[0]?.id);
    expect(frag.flags).toBe(i < list.length - 1 ? 1 : 0);
    expect(frag.payload.length).toBeLessThanOrEqual(1480);
    all.push(...frag.payload);
  }
  return all;
}

describe('ip_make_skb', () => {
  for (const length of [0, 1, 1479, 1480]) {
    it(`${length} bytes: one packet, with DF, identification 0 not needed`, () => {
      const host = sender();
      expect(send(host, bytes(length))).toBe(0);
      const [frame, ...rest] = host.segment.take().map(parse);
      expect(rest).toEqual([]);
      expect(frame?.payload).toEqual(bytes(length));
      expect(frame?.flags).toBe(2);
      done(host);
    });
  }

  for (const length of [1481, 1488, 2960, 2961, 8000, 65515]) {
    it(`${length} bytes: fragments, none of them copied again`, () => {
      const host = sender();
      let cut = 0;
      let allocated = 0;
      host.segment.kernel.trace.ip_fragment = () => cut++;
      host.segment.kernel.trace.skb_alloc = () => allocated++;
      expect(send(host, bytes(length))).toBe(0);
      const frames = host.segment.take();
      expect(joined(frames)).toEqual(bytes(length));
      expect(frames).toHaveLength(Math.ceil(length / 1480));
      expect([allocated, cut]).toEqual([frames.length, frames.length - 1]);
      expect(host.segment.net.ipv4.mib).toMatchObject({ IpFragOKs: 1, IpFragCreates: frames.length, IpOutRequests: 1 });
      done(host);
    });
  }

  it('an MTU that is no multiple of eight: what no longer fits moves on', () => {
    const host = sender();
    host.segment.dev.mtu = 1003;
    const payload = bytes(4000);
    expect(send(host, payload)).toBe(0);
    const frames = host.segment.take().map(parse);
    expect(frames.map(frag => frag.payload.length)).toEqual([976, 976, 976, 976, 96]);
    expect(frames.flatMap(frag => frag.payload)).toEqual(payload);
    done(host);
  });

  it('too long, or with IP_PMTUDISC_DO over the MTU: -EMSGSIZE, nothing is left', () => {
    const host = sender();
    expect(send(host, bytes(65516))).toBe(-90);
    own_opts(host.sk).pmtudisc = IP_PMTUDISC_DO;
    expect(send(host, bytes(1481))).toBe(-90);
    expect(send(host, bytes(1480))).toBe(0);
    expect(host.segment.take().map(parse)).toMatchObject([{ flags: 2, id: 0 }]);
    done(host);
  });

  it('IP_PMTUDISC_DONT: never DF', () => {
    const host = sender();
    own_opts(host.sk).pmtudisc = IP_PMTUDISC_DONT;
    expect(send(host, bytes(10))).toBe(0);
    expect(host.segment.take().map(parse)).toMatchObject([{ flags: 0 }]);
    done(host);
  });

  it('a send buffer that is more than full: -ENOBUFS, nothing is left', () => {
    const host = sender();
    host.sk.sk_sndbuf = 2048;
    expect(send(host, bytes(40000))).toBe(-105);
    done(host);
  });

  it('options: all of them in the first fragment, in the others those that say so', () => {
    const host = sender();
    // Router alert (to be copied), record route with room for one address (not to be copied).
    const opt = ip_options_get(host.segment.net, Uint8Array.of(148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0));
    if (typeof opt === 'number') throw new Error('refused');
    host.ipc.opt = opt;
    expect(send(host, bytes(3000))).toBe(0);
    const frames = host.segment.take().map(parse);
    expect(frames.map(frag => frag.header)).toEqual([
      '940400000707080a01000200',
      '940400000101010101010100',
      '940400000101010101010100',
    ]);
    expect(frames.flatMap(frag => frag.payload)).toEqual(bytes(3000));
    done(host);
  });
});

describe('ip_append_data', () => {
  it('pieces of any length: the same fragments as in one', () => {
    const host = sender();
    const { segment, sk, fl4, rt, ipc } = host;
    const payload = bytes(5000);
    const cork = new inet_cork();
    segment.exec(() => {
      for (let at = 0, n = 1; at < payload.length; at += n, n = (n * 7) % 1201) {
        n = Math.min(Math.max(n, 1), payload.length - at);
        const piece = payload.slice(at, at + n);
        expect(ip_append_data(sk, cork, getfrag, from(piece), n, 0, ipc, rt, MSG_MORE)).toBe(0);
      }
      expect(ip_push_pending_frames(sk, fl4, cork)).toBe(0);
    });
    expect(joined(segment.take())).toEqual(payload);
    done(host);
  });

  it('flushed: nothing is sent, nothing is left', () => {
    const host = sender();
    const { segment, sk, rt, ipc } = host;
    const cork = new inet_cork();
    segment.exec(() => {
      ip_append_data(sk, cork, getfrag, from(bytes(3000)), 3000, 0, ipc, rt, MSG_MORE);
      ip_flush_pending_frames(cork);
    });
    expect(segment.take()).toEqual([]);
    done(host);
  });
});

describe('ip_fragment, on a router', () => {
  function router(mtu: number): { segment: Segment; send(frame: Uint8Array): Frag[] } {
    const { segment } = sink();
    const far = segment.device('far', '0200000000f1');
    far.min_mtu = 68;
    far.mtu = mtu;
    segment.exec(() => {
      segment.net.ipv4.ip_forward = 1;
      ip_route_add(segment.net, { dst: in_aton('10.2.0.0'), prefix_len: 16, dev: far });
    });
    segment.exec(() => {
      if (far.ip_ptr !== null) far.ip_ptr.cnf.forwarding = 1;
      far.flags |= 0x80;
    });
    return {
      segment,
      send(frame) {
        segment.receive(frame);
        return segment.take().map(parse);
      },
    };
  }
  const dst = in_aton('10.2.0.9');

  it('without DF: cut, each piece a copy', () => {
    const { segment, send: forward } = router(576);
    const payload = bytes(1400);
    const frames = forward(ipFrame(payload, { dst, protocol: 17 }));
    expect(frames.map(({ off, flags }) => [off, flags])).toEqual([
      [0, 1],
      [552, 1],
      [1104, 0],
    ]);
    expect(frames.flatMap(frag => frag.payload)).toEqual(payload);
    expect(segment.net.ipv4.mib).toMatchObject({ IpFragOKs: 1, IpFragCreates: 3 });
    segment.finish();
  });

  it('a fragment: cut further, its place kept', () => {
    const { segment, send: forward } = router(576);
    const payload = bytes(1400);
    const frames = forward(ipFrame(payload, { dst, protocol: 17, frag: 0x2000 | 100 }));
    expect(frames.map(({ off, flags }) => [off, flags])).toEqual([
      [800, 1],
      [1352, 1],
      [1904, 1],
    ]);
    segment.finish();
  });

  it('with DF: its sender is told what fits', () => {
    const { segment, send: forward } = router(576);
    const told = forward(ipFrame(bytes(1400), { dst, protocol: 17, frag: 0x4000 }));
    expect(told[0]?.payload.slice(0, 2)).toEqual([3, 4]);
    expect(told[0]?.payload.slice(6, 8)).toEqual([0x02, 0x40]);
    expect(segment.drops).toEqual(['PKT_TOO_BIG']);
    segment.finish();
  });
});

describe('a datagram that was reassembled to be looked at, and goes on', () => {
  /** What conntrack does before it: reassembled at the door, then routed. */
  function through(mtu: number, df: boolean): { segment: Segment; frames: Frag[] } {
    const { segment } = sink();
    const far = segment.device('far', '0200000000f1');
    far.mtu = mtu;
    far.flags |= 0x80;
    segment.net.ipv4.ip_forward = 1;
    segment.exec(() => ip_route_add(segment.net, { dst: in_aton('10.2.0.0'), prefix_len: 16, dev: far }));
    const payload = bytes(1000);
    for (const [from, to] of [
      [400, 800],
      [0, 400],
      [800, 1000],
    ] as const) {
      const frag = (df ? 0x4000 : 0) | (to < 1000 ? 0x2000 : 0) | (from >> 3);
      const frame = ipFrame(payload.slice(from, to), { dst: in_aton('10.2.0.9'), protocol: 17, frag });
      segment.exec(() => {
        const skb = netdev_alloc_skb_ip_align(segment.dev, frame.length) as sk_buff;
        skb.ram.u8.set(frame, skb_put(skb, frame.length));
        skb.protocol = eth_type_trans(skb, segment.dev);
        skb.network_header = skb.data;
        if (ip_defrag(segment.net, skb, IP_DEFRAG_CONNTRACK_IN) !== 0) return;
        skb.ignore_df = 1;
        expect(ip_route_input(skb, in_aton('10.2.0.9'), A, 0, segment.dev)).toBe(0);
        dst_input(skb);
      });
    }
    return { segment, frames: segment.take().map(parse) };
  }

  it('cut as it came, though more would fit', () => {
    const { segment, frames } = through(1500, false);
    expect(frames.map(({ off, flags, payload }) => [off, flags, payload.length])).toEqual([
      [0, 1, 400],
      [400, 1, 400],
      [800, 0, 200],
    ]);
    expect(frames.flatMap(frag => frag.payload)).toEqual(bytes(1000));
    segment.finish();
  });

  it('what came with DF and does not fit: its sender is told', () => {
    const { segment, frames } = through(300, true);
    expect(frames.map(({ payload }) => payload.slice(0, 2))).toEqual([[3, 4]]);
    segment.finish();
  });
});

describe('over the loopback', () => {
  it('a datagram to ourselves beyond the MTU of 65,536: whole', () => {
    const { segment, got } = sink();
    const lo = segment.net.loopback_dev;
    if (lo === null) throw new Error('no loopback');
    lo.mtu = 1500;
    const fl4 = new flowi4();
    segment.exec(() => {
      const rt = ip_route_output_key(segment.net, fl4.init(B, 0)) as rtable;
      fl4.proto = PROTOCOL;
      const skb = ip_make_skb(null, fl4, getfrag, from(bytes(5000)), 5000, 0, new ipcm_cookie(), rt, 0) as sk_buff;
      expect(ip_send_skb(segment.net, skb)).toBe(0);
    });
    expect(got).toEqual([bytes(5000)]);
    expect(segment.net.ipv4.mib).toMatchObject({ IpFragCreates: 4, IpReasmOKs: 1 });
    segment.finish();
  });
});
