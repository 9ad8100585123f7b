/**
 * Numbers that an outsider must not be able to guess (net/core/secure_seq.c): initial sequence numbers (RFC 6528), offsets
 * of timestamps, first ephemeral ports (RFC 6056). Each is a keyed hash over addresses and ports; secrets are per net.
 */
import { siphash, siphash_key } from '../../lib/siphash.ts';
import type { net } from '../core/net_namespace.ts';

export class secure_seq_state {
  private readonly net: net;
  private readonly net_secret: siphash_key;
  private readonly ts_secret: siphash_key;
  private readonly words = new Int32Array(4);

  constructor(net: net) {
    this.net = net;
    const random = net.kernel.arch.random('tcp.secret');
    const key = (): siphash_key => new siphash_key(random.u32(), random.u32(), random.u32(), random.u32());
    this.net_secret = key();
    this.ts_secret = key();
  }

  /** secure_tcp_seq: a hash of the connection and a clock of 64 ns, an int32 (RFC 6528 3). */
  tcp_seq(saddr: number, daddr: number, sport: number, dport: number): number {
    const { words } = this;
    words[0] = saddr;
    words[1] = daddr;
    words[2] = (sport << 16) | dport;
    // seq_scale: at 274 s the clock has gone round; at gigabit speed a sequence number has after 34.
    const clock = Math.floor(this.net.kernel.clock.now / 64) % 0x100000000;
    return (siphash(words, 3, this.net_secret) + clock) | 0;
  }

  /** secure_tcp_ts_off: what is added to the clock of timestamps towards one peer, an int32. */
  tcp_ts_off(saddr: number, daddr: number): number {
    const { words } = this;
    words[0] = saddr;
    words[1] = daddr;
    return siphash(words, 2, this.ts_secret);
  }

  /** secure_ipv4_port_ephemeral: where the search for a port towards one destination begins, unsigned 32 bits. */
  port_ephemeral(saddr: number, daddr: number, dport: number): number {
    const { words } = this;
    words[0] = saddr;
    words[1] = daddr;
    words[2] = dport;
    words[3] = 0;
    return siphash(words, 4, this.net_secret) >>> 0;
  }
}
