/** Transmit: skbs into descriptors, and back when the card has sent them. */
import { TXC, TXD } from '../../device/regs/desc.ts';
import {
  DMA_TO_DEVICE,
  dma_map_single,
  dma_mapping_error,
  dma_unmap_single,
} from '../../kernel/include/dma-mapping.ts';
import { ETH_P_8021Q } from '../../kernel/include/if_vlan.ts';
import { writel } from '../../kernel/include/io.ts';
import {
  __netif_subqueue_stopped,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_HW_CSUM,
  NETIF_F_HW_VLAN_CTAG_TX,
  NETIF_F_TSO,
  napi_consume_skb,
  type net_device,
  type netdev_queue,
  netdev_tx_completed_queue,
  netdev_tx_reset_queue,
  netdev_tx_sent_queue,
  type netdev_tx_t,
  netdev_xmit_more,
  netif_stop_subqueue,
  netif_wake_subqueue,
  netif_xmit_stopped,
} from '../../kernel/include/netdevice.ts';
import {
  CHECKSUM_PARTIAL,
  kfree_skb_reason,
  SKB_DROP_REASON,
  SKB_GSO_TCP_ECN,
  SKB_GSO_TCPV4,
  type sk_buff,
  skb_gso_transport_seglen_headers,
  skb_headlen,
  skb_tx_timestamp,
} from '../../kernel/include/skbuff.ts';
import { netdev_priv, type q_vector, type ring, TX_LATE_MAX, TX_MAX_PIECES, TX_STOP_THRESHOLD } from './ringside.ts';

const { bytes: TXD_SIZE } = TXD;
const STATUS = TXD.STATUS.offset;
const LEN = TXD.LEN.offset;
const IDE = TXD.STATUS.IDE.mask;
const SEND = TXD.STATUS.EOP.mask | TXD.STATUS.RS.mask | IDE;
const VLE = TXD.STATUS.VLE.mask;
const DD = TXD.STATUS.DD.mask;
const ERR = TXD.STATUS.ERR.mask;
const { L4, CSO, IP, HDR } = TXC.OFFSETS;
const { MSS } = TXC.SEGMENT;
const CTX = TXC.STATUS.CTX.mask;
const L4CS = TXC.STATUS.L4CS.mask;
const TSO = TXC.STATUS.TSO.mask;
/** Kinds of GSO packets that the card cuts as Linux would: CWR in the first segment alone, identifications that count up. */
const GSO_ABLE = SKB_GSO_TCPV4 | SKB_GSO_TCP_ECN;

/** ndo_features_check: what the card can do for this packet: headers within reach of a context descriptor, few pieces. */
export function features_check(skb: sk_buff, _dev: net_device, features: number): number {
  let able = features;
  if (skb.vlan_present !== 0 && skb.vlan_proto !== ETH_P_8021Q) able &= ~NETIF_F_HW_VLAN_CTAG_TX;
  if (skb.ip_summed !== CHECKSUM_PARTIAL) {
    // To cut it the card must make the sums.
    able &= ~NETIF_F_TSO;
  } else {
    if (skb.csum_start - skb.data > L4.max) able &= ~(NETIF_F_HW_CSUM | NETIF_F_TSO);
    else if (skb.gso_size !== 0 && !tso_able(skb)) able &= ~NETIF_F_TSO;
  }
  if (skb.data_len !== 0 && pieces_of(skb) > TX_MAX_PIECES) able &= ~NETIF_F_FRAGLIST;
  return able;
}

function tso_able(skb: sk_buff): boolean {
  return (
    (skb.gso_type & ~GSO_ABLE) === 0 &&
    skb.gso_size <= MSS.max &&
    skb_gso_transport_seglen_headers(skb) <= HDR.max &&
    !ip_options(skb)
  );
}

/** The card sums the pseudo header by the addresses that it sees, which a source route makes wrong. */
function ip_options(skb: sk_buff): boolean {
  const first = skb.ram.u8[skb.network_header] as number;
  return first >> 4 === 4 && (first & 15) > 5;
}

/** Stretches of memory that a packet lies in; one that is empty does not count. */
function pieces_of(skb: sk_buff): number {
  let count = skb_headlen(skb) > 0 ? 1 : 0;
  for (let frag = skb.frag_list; frag !== null; frag = frag.next) count += pieces_of(frag);
  return count;
}

/** ndo_start_xmit */
export function xmit_frame(skb: sk_buff, netdev: net_device): netdev_tx_t {
  const adapter = netdev_priv(netdev);
  const q = adapter.q_vector[skb.queue_mapping] as q_vector;
  const tx = q.tx as ring;
  const plain = skb.ip_summed !== CHECKSUM_PARTIAL && skb.data_len === 0;
  const needed = plain ? 1 : 1 + pieces_of(skb);
  if (tx.unused() < needed) {
    // The queue should have been stopped before this, but for a packet in many pieces.
    q.tx_busy++;
    netif_stop_subqueue(netdev, q.index);
    return NETDEV_TX_BUSY;
  }
  const first = tx.next_to_use;
  const mapped = plain ? put_frame(q, tx, skb) : put_pieces(q, tx, skb);
  if (!mapped) {
    netdev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON.NOMEM);
    // The doorbell may be owed to those before it.
    if (!netdev_xmit_more(netdev)) writel(adapter.io, tx.tail, first);
    return NETDEV_TX_OK;
  }
  if (tx.unused() < TX_STOP_THRESHOLD) netif_stop_subqueue(netdev, q.index);
  skb_tx_timestamp(skb);
  // BQL; and the doorbell only for the last of a row.
  const txq = netdev._tx[q.index] as netdev_queue;
  const ring_it = netdev_tx_sent_queue(txq, skb.len, netdev_xmit_more(netdev));
  // Whoever waits for descriptors, or for BQL, shall not wait for a late interrupt.
  if (netif_xmit_stopped(txq) || tx.used() > TX_LATE_MAX) hurry(tx);
  if (ring_it) writel(adapter.io, tx.tail, tx.next_to_use);
  return NETDEV_TX_OK;
}

/** The last frame's interrupt comes at once: the doorbell has not rung for it yet. */
function hurry(tx: ring): void {
  tx.region.st32(((tx.next_to_use - 1) & (tx.count - 1)) * TXD_SIZE + STATUS, tx.command & ~IDE);
}

/** A packet in one piece that needs nothing but perhaps its tag: one descriptor. */
function put_frame(q: q_vector, tx: ring, skb: sk_buff): boolean {
  const i = tx.next_to_use;
  const iova = dma_map_single(q.adapter.pdev, skb.data, skb.len, DMA_TO_DEVICE);
  if (dma_mapping_error(iova)) return false;
  tx.skb[i] = skb;
  tx.last[i] = i;
  tx.dma[i] = iova;
  tx.length[i] = skb.len;
  const at = i * TXD_SIZE;
  const { region } = tx;
  const tagged = skb.vlan_present !== 0;
  const length = tagged ? skb.len | (skb.vlan_tci << 16) : skb.len;
  tx.command = tagged ? SEND | VLE : SEND;
  region.st128(at, iova, 0, length, tx.command);
  tx.next_to_use = (i + 1) & (tx.count - 1);
  return true;
}

/** Orders in a context descriptor, then a descriptor for each piece. False, and nothing done, when mapping failed. */
function put_pieces(q: q_vector, tx: ring, skb: sk_buff): boolean {
  const first = tx.next_to_use;
  if (skb.ip_summed === CHECKSUM_PARTIAL) put_context(q, tx, skb);
  const start = tx.next_to_use;
  if (!put_parts(q, tx, skb)) {
    for (let i = start; i !== tx.next_to_use; i = (i + 1) & (tx.count - 1)) unmap(q, tx, i);
    tx.next_to_use = first;
    return false;
  }
  const last = (tx.next_to_use - 1) & (tx.count - 1);
  const { region } = tx;
  if (skb.vlan_present !== 0) {
    const at = start * TXD_SIZE;
    region.st32(at + LEN, (tx.length[start] as number) | (skb.vlan_tci << 16));
    region.st32(at + STATUS, VLE);
  }
  tx.command = last === start && skb.vlan_present !== 0 ? SEND | VLE : SEND;
  region.st32(last * TXD_SIZE + STATUS, tx.command);
  tx.skb[first] = skb;
  tx.last[first] = last;
  return true;
}

/** What the card shall do to the frame that follows (datasheet §6.4). */
function put_context(q: q_vector, tx: ring, skb: sk_buff): void {
  const i = tx.next_to_use;
  const at = i * TXD_SIZE;
  const { region } = tx;
  let offsets = ((skb.csum_start - skb.data) << L4.lsb) | (skb.csum_offset << CSO.lsb);
  let orders = CTX | L4CS;
  let mss = 0;
  if (skb.gso_size !== 0) {
    offsets |= (skb.network_header - skb.data) << IP.lsb;
    offsets |= skb_gso_transport_seglen_headers(skb) << HDR.lsb;
    mss = skb.gso_size;
    orders = CTX | TSO;
    q.tx_tso++;
  } else {
    q.tx_csum++;
  }
  region.st128(at, offsets, mss << MSS.lsb, 0, orders);
  tx.dma[i] = 0;
  tx.length[i] = 0;
  tx.next_to_use = (i + 1) & (tx.count - 1);
}

/** The linear part of a packet, then its fragments'. False when a mapping failed; what was mapped stays. */
function put_parts(q: q_vector, tx: ring, skb: sk_buff): boolean {
  const length = skb_headlen(skb);
  if (length > 0 && !put_piece(q, tx, skb.data, length)) return false;
  for (let frag = skb.frag_list; frag !== null; frag = frag.next) {
    if (!put_parts(q, tx, frag)) return false;
  }
  return true;
}

function put_piece(q: q_vector, tx: ring, address: number, length: number): boolean {
  const i = tx.next_to_use;
  const iova = dma_map_single(q.adapter.pdev, address, length, DMA_TO_DEVICE);
  if (dma_mapping_error(iova)) return false;
  tx.dma[i] = iova;
  tx.length[i] = length;
  tx.region.st128(i * TXD_SIZE, iova, 0, length, 0);
  tx.next_to_use = (i + 1) & (tx.count - 1);
  return true;
}

function unmap(q: q_vector, tx: ring, i: number): void {
  const length = tx.length[i] as number;
  if (length === 0) return;
  dma_unmap_single(q.adapter.pdev, tx.dma[i] as number, length, DMA_TO_DEVICE);
  tx.length[i] = 0;
}

/** Takes back what the card has sent. True: nothing is left with the card. */
export function clean_tx_irq(q: q_vector, tx: ring, budget: number): boolean {
  const { netdev } = q.adapter;
  const { stats } = netdev;
  const wrap = tx.count - 1;
  let packets = 0;
  let bytes = 0;
  while (tx.next_to_clean !== tx.next_to_use) {
    const i = tx.next_to_clean;
    const last = tx.last[i] as number;
    const status = tx.region.ld32(last * TXD_SIZE + STATUS);
    if ((status & DD) === 0) break;
    const skb = tx.skb[i] as sk_buff;
    const end = (last + 1) & wrap;
    for (let d = i; d !== end; d = (d + 1) & wrap) unmap(q, tx, d);
    if ((status & ERR) !== 0) stats.tx_errors++;
    else count_sent(q, skb);
    packets++;
    bytes += skb.len;
    tx.skb[i] = null;
    tx.next_to_clean = end;
    napi_consume_skb(skb, budget);
  }
  netdev_tx_completed_queue(netdev._tx[q.index] as netdev_queue, packets, bytes);
  if (__netif_subqueue_stopped(netdev, q.index) && tx.unused() >= 2 * TX_STOP_THRESHOLD) {
    netif_wake_subqueue(netdev, q.index);
  }
  return tx.next_to_clean === tx.next_to_use;
}

/** Packets and bytes as they were on the wire: of one that the card has cut, each segment with its headers. */
function count_sent(q: q_vector, skb: sk_buff): void {
  const { stats } = q.adapter.netdev;
  let packets = 1;
  let bytes = skb.len;
  if (skb.gso_size !== 0) {
    packets = skb.gso_segs;
    bytes += (packets - 1) * skb_gso_transport_seglen_headers(skb);
  }
  stats.tx_packets += packets;
  stats.tx_bytes += bytes;
  q.tx_packets += packets;
  q.tx_bytes += bytes;
}

/** Takes everything back: what was not sent is dropped. The card must be stopped. */
export function clean_tx_ring(q: q_vector, tx: ring): void {
  const { netdev } = q.adapter;
  for (let i = 0; i < tx.count; i++) {
    unmap(q, tx, i);
    const skb = tx.skb[i] as sk_buff | null;
    if (skb === null) continue;
    tx.skb[i] = null;
    // Sent, and its interrupt was late: not dropped.
    if ((tx.region.ld32((tx.last[i] as number) * TXD_SIZE + STATUS) & (DD | ERR)) === DD) {
      count_sent(q, skb);
      napi_consume_skb(skb, 0);
      continue;
    }
    netdev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
  }
  netdev_tx_reset_queue(netdev._tx[q.index] as netdev_queue);
}
