/** Fragments by hand, and a protocol that keeps what is delivered to it. */
import { consume_skb, skb_copy_bits } from '../../../../kernel/net/core/skbuff.ts';
import { inet_add_protocol } from '../../../../kernel/net/ipv4/protocol.ts';
import { arpFrame, type Ip, ipFrame, Segment } from '../segment.ts';

export const PROTOCOL = 200;

/** Datagrams delivered to PROTOCOL, payload only, and whether each was in several pieces. */
export interface Sink {
  readonly segment: Segment;
  readonly got: number[][];
  readonly linear: boolean[];
}

/** A host that knows A's address, with a sink. */
export function sink(options: ConstructorParameters<typeof Segment>[0] = {}): Sink {
  const segment = new Segment(options);
  segment.receive(arpFrame());
  segment.take();
  const got: number[][] = [];
  const linear: boolean[] = [];
  segment.exec(() =>
    inet_add_protocol(
      segment.net,
      {
        handler: skb => {
          const bytes = segment.kernel.slab.kmalloc(Math.max(64, skb.len));
          skb_copy_bits(skb, 0, bytes, skb.len);
          got.push([...segment.kernel.ram.u8.subarray(bytes, bytes + skb.len)]);
          segment.kernel.slab.put(bytes);
          linear.push(skb.frag_list === null);
          consume_skb(skb);
          return 0;
        },
        err_handler: () => 0,
      },
      PROTOCOL,
    ),
  );
  return { segment, got, linear };
}

export const bytes = (length: number, seed = 7): number[] =>
  Array.from({ length }, (_, i) => (i * 131 + (i >> 8) * 17 + seed) & 255);

/** Bytes [from, to) of a datagram as a frame; `from` is a multiple of eight. */
export function fragment(payload: readonly number[], from: number, to: number, ip: Ip = {}): Uint8Array {
  const more = to < payload.length ? 0x2000 : 0;
  return ipFrame(payload.slice(from, to), { protocol: PROTOCOL, frag: more | (from >> 3), ...ip });
}
