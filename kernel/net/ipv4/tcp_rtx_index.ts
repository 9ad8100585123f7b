/**
 * Finding a sequence number in the queue of sent packets, which Linux keeps as a tree (tcp_rtx_queue, tcp_sacktag_bsearch).
 * Here it is a list, as nothing but a SACK block points into its middle; what blocks make us look at leaves marks in it,
 * about one in STRIDE packets, and the next search starts from the nearest one. A connection without SACKs has none.
 *
 * A mark is a hint: nobody tells it when its packet is acknowledged, merged or cut. It counts as long as the packet hangs
 * in the queue with the number that was noted; one that is met and does not count any more is dropped.
 */
import type { sk_buff, sk_buff_head } from '../core/skbuff.ts';
import { after, before } from './tcp_sock.ts';

/** Packets from a mark to the next. */
const STRIDE = 32;

export class tcp_rtx_index {
  private readonly skbs: sk_buff[] = [];
  private readonly seqs: number[] = [];

  /** Of how many packets a search took a look, in all: what tests measure. */
  steps = 0;

  /** tcp_sacktag_bsearch: the first packet that ends behind `seq`, null when none does. */
  find(queue: sk_buff_head, seq: number): sk_buff | null {
    const { skbs, seqs } = this;
    this.drop_old(queue);
    // The last mark at or before `seq`.
    let low = 0;
    for (let high = seqs.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (after(seqs[middle] as number, seq)) high = middle;
      else low = middle + 1;
    }
    const end = low;
    while (low > 0 && !this.counts(queue, low - 1)) low--;
    if (low < end) this.drop(low, end - low);
    let skb = low > 0 ? (skbs[low - 1] as sk_buff) : queue.first;
    for (let passed = 0; skb !== null && !after(skb.end_seq, seq); skb = skb.next) {
      this.steps++;
      if (++passed % STRIDE !== 0) continue;
      skbs.splice(low, 0, skb);
      seqs.splice(low, 0, skb.seq);
      low++;
    }
    return skb;
  }

  /** Everything is acknowledged, or given up. */
  clear(): void {
    this.skbs.length = 0;
    this.seqs.length = 0;
  }

  private counts(queue: sk_buff_head, i: number): boolean {
    const skb = this.skbs[i] as sk_buff;
    return skb.list === queue && skb.seq === this.seqs[i];
  }

  /** Marks of what was acknowledged, at the front. */
  private drop_old(queue: sk_buff_head): void {
    const { first } = queue;
    let n = 0;
    while (
      n < this.seqs.length &&
      (first === null || before(this.seqs[n] as number, first.seq) || !this.counts(queue, n))
    )
      n++;
    if (n > 0) this.drop(0, n);
  }

  private drop(at: number, n: number): void {
    this.skbs.splice(at, n);
    this.seqs.splice(at, n);
  }
}
