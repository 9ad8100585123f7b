/**
 * The controller, whatever board it sits on (lib8390.c): programmed I/O, an interrupt for each packet, no NAPI; what is
 * received goes to netif_rx and waits in the CPU's backlog.
 */
import { NE2000 } from '../../device/regs/ne2000.ts';
import { ether_crc } from '../../kernel/include/crc32.ts';
import { ETH_FRAME_LEN, ETH_ZLEN, eth_type_trans } from '../../kernel/include/etherdevice.ts';
import { IRQ_HANDLED, IRQ_NONE, type irqreturn_t } from '../../kernel/include/interrupt.ts';
import { udelay } from '../../kernel/include/io.ts';
import {
  IFF_ALLMULTI,
  IFF_PROMISC,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  type net_device,
  type netdev_tx_t,
  netif_device_detach,
  netif_running,
  netif_rx,
  netif_stop_queue,
  netif_wake_queue,
} from '../../kernel/include/netdevice.ts';
import {
  consume_skb,
  kfree_skb_reason,
  netdev_alloc_skb_ip_align,
  SKB_DROP_REASON,
  type sk_buff,
  skb_put,
  skb_tx_timestamp,
} from '../../kernel/include/skbuff.ts';
import { ne2k_pci_block_input, ne2k_pci_block_output, ne2k_pci_get_8390_hdr, ne2k_pci_reset_8390 } from './block.ts';
import {
  DCR_CONFIG,
  E8390_NODMA,
  E8390_PAGE0,
  E8390_PAGE1,
  E8390_RXCONFIG,
  E8390_RXOFF,
  E8390_START,
  E8390_STOP,
  E8390_TRANS,
  E8390_TXCONFIG,
  E8390_TXOFF,
  ENISR_ALL,
  type ei_device,
  ei_inb,
  ei_outb,
  MAX_SERVICE,
  netdev_priv,
  TX_1X_PAGES,
  TX_EMPTY,
  TX_READY,
  TX_SENDING,
} from './ne2k.ts';

const { CR, ISR, IMR, RCR, TCR, DCR, RSR, TSR, BNRY, CURR, PSTART, PSTOP, TPSR } = NE2000;
const PAR = [NE2000.PAR0, NE2000.PAR1, NE2000.PAR2, NE2000.PAR3, NE2000.PAR4, NE2000.PAR5] as const;
const MAR = [
  NE2000.MAR0,
  NE2000.MAR1,
  NE2000.MAR2,
  NE2000.MAR3,
  NE2000.MAR4,
  NE2000.MAR5,
  NE2000.MAR6,
  NE2000.MAR7,
] as const;
const PAGE0 = E8390_NODMA | E8390_PAGE0 | E8390_START;
const PAGE1 = E8390_NODMA | E8390_PAGE1 | E8390_START;
const RECEIVED = ISR.PRX.mask | ISR.RXE.mask;
const HEADER = 4;
const FCS = 4;
const VLAN_TAG = 4;
/** Errors that a stored frame's status may tell of. */
const BAD_FRAME = RSR.CRC.mask | RSR.FAE.mask | RSR.FO.mask;
/** What the controller may need to come to rest, by its data sheet 1.6 ms; Linux waits longer. */
const STOP_US = 10_000;
/** What ISR reads when nobody answers: every cause there is, and RST. */
const GONE = 0xff;

/** Programs a controller that was reset or stopped; with `startp` lets it run. */
export function NS8390_init(ei: ei_device, startp: boolean): void {
  const { io, netdev } = ei;
  ei_outb(io, CR, E8390_NODMA | E8390_PAGE0 | E8390_STOP);
  ei_outb(io, DCR, DCR_CONFIG);
  ei_outb(io, NE2000.RBCR0, 0);
  ei_outb(io, NE2000.RBCR1, 0);
  ei_outb(io, RCR, E8390_RXOFF);
  ei_outb(io, TCR, E8390_TXOFF);
  ei_outb(io, TPSR, ei.tx_start_page);
  ei_outb(io, PSTART, ei.rx_start_page);
  ei_outb(io, BNRY, ei.stop_page - 1);
  ei_outb(io, PSTOP, ei.stop_page);
  ei.tx_state.fill(TX_EMPTY);
  ei.dmaing = false;
  ei_outb(io, ISR, ISR.writable);
  ei_outb(io, IMR, 0);
  ei_outb(io, CR, E8390_NODMA | E8390_PAGE1 | E8390_STOP);
  PAR.forEach((reg, i) => void ei_outb(io, reg, netdev.dev_addr[i] as number));
  ei.current_page = ei.rx_start_page;
  ei_outb(io, CURR, ei.rx_start_page);
  ei_outb(io, CR, E8390_NODMA | E8390_PAGE0 | E8390_STOP);
  if (!startp) return;
  ei_outb(io, ISR, ISR.writable);
  ei_outb(io, IMR, ENISR_ALL);
  ei_outb(io, CR, PAGE0);
  ei_outb(io, TCR, E8390_TXCONFIG);
  set_multicast_list(netdev);
}

/** ndo_set_rx_mode: the hash table of the addresses listened to; all ones for every multicast. */
export function set_multicast_list(dev: net_device): void {
  const { io } = netdev_priv(dev);
  const all = (dev.flags & (IFF_PROMISC | IFF_ALLMULTI)) !== 0;
  const table = new Uint8Array(8).fill(all ? 0xff : 0);
  for (const address of dev.mc.keys()) {
    const bit = ether_crc(mac_bytes(address)) >>> 26;
    table[bit >> 3] = (table[bit >> 3] as number) | (1 << (bit & 7));
  }
  ei_outb(io, CR, PAGE1);
  MAR.forEach((reg, i) => void ei_outb(io, reg, table[i] as number));
  ei_outb(io, CR, PAGE0);
  const promiscuous = (dev.flags & IFF_PROMISC) !== 0 ? RCR.PRO.mask : 0;
  ei_outb(io, RCR, E8390_RXCONFIG | promiscuous);
}

function mac_bytes(address: number): Uint8Array {
  const bytes = new Uint8Array(6);
  for (let i = 5, rest = address; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

/** The interrupt handler: round after round until nothing is left, or it has been at it for long enough. */
export function ei_interrupt(_irq: number, dev_id: unknown): irqreturn_t {
  const dev = dev_id as net_device;
  const ei = netdev_priv(dev);
  const { io } = ei;
  ei_outb(io, CR, PAGE0);
  let rounds = 0;
  for (;;) {
    const isr = ei_inb(io, ISR);
    if (isr === GONE) {
      ei.removed = true;
      netif_device_detach(dev);
      return IRQ_NONE;
    }
    const causes = isr & ENISR_ALL;
    if (causes === 0) break;
    if (rounds++ === MAX_SERVICE) {
      // Linux gives the same up: what is lost with it, the next packet or the watchdog brings back.
      io.kernel.printk(`${dev.name}: too much work at interrupt, status 0x${isr.toString(16)}`);
      ei_outb(io, ISR, ENISR_ALL);
      break;
    }
    if (!netif_running(dev)) {
      ei_outb(io, ISR, causes);
      break;
    }
    if ((causes & ISR.OVW.mask) !== 0) ei_rx_overrun(ei);
    else if ((causes & RECEIVED) !== 0) ei_receive(ei);
    if ((causes & ISR.PTX.mask) !== 0) ei_tx_intr(ei);
    else if ((causes & ISR.TXE.mask) !== 0) ei_tx_err(ei);
    if ((causes & ISR.CNT.mask) !== 0) {
      get_stats(dev);
      ei_outb(io, ISR, ISR.CNT.mask);
    }
    ei_outb(io, CR, PAGE0);
  }
  return rounds > 0 ? IRQ_HANDLED : IRQ_NONE;
}

/** Takes every frame out of the ring; those that come in meanwhile too, but no more than a ring full. */
function ei_receive(ei: ei_device): void {
  const { io, netdev } = ei;
  const { stats } = netdev;
  // Acknowledged first: a frame that comes in after the last look raises it again.
  ei_outb(io, ISR, RECEIVED);
  for (let frames = ei.stop_page - ei.rx_start_page; frames > 0; frames--) {
    ei_outb(io, CR, PAGE1);
    const rxing_page = ei_inb(io, CURR);
    ei_outb(io, CR, PAGE0);
    const this_frame = ei.current_page;
    // Never equal while something is unread: BNRY, one page behind, is not entered.
    if (this_frame === rxing_page) return;
    const header = ne2k_pci_get_8390_hdr(ei, this_frame);
    if (header < 0) return;
    const status = header & 0xff;
    const next = (header >>> 8) & 0xff;
    const pkt_len = (header >>> 16) - FCS;
    if (!plausible(ei, this_frame, next, pkt_len)) {
      // The ring makes no sense: everything in it is given up.
      stats.rx_errors++;
      give_back(ei, rxing_page);
      return;
    }
    if (pkt_len < ETH_ZLEN || pkt_len > ETH_FRAME_LEN + VLAN_TAG) {
      stats.rx_errors++;
      stats.rx_length_errors++;
    } else if ((status & BAD_FRAME) !== 0) {
      stats.rx_errors++;
      if ((status & RSR.FO.mask) !== 0) stats.rx_fifo_errors++;
    } else {
      pass_up(ei, this_frame, pkt_len, (status & RSR.PHY.mask) !== 0);
    }
    give_back(ei, next);
  }
}

/** Whether a header's next page is the one that its length leads to, inside the ring. */
function plausible(ei: ei_device, page: number, next: number, pkt_len: number): boolean {
  if (pkt_len < 0 || next < ei.rx_start_page || next >= ei.stop_page) return false;
  let expected = page + ((pkt_len + HEADER + FCS + 255) >> 8);
  if (expected >= ei.stop_page) expected -= ei.stop_page - ei.rx_start_page;
  return next === expected;
}

function pass_up(ei: ei_device, page: number, pkt_len: number, multicast: boolean): void {
  const { netdev } = ei;
  const { stats } = netdev;
  const skb = netdev_alloc_skb_ip_align(netdev, pkt_len);
  if (skb === null) {
    stats.rx_dropped++;
    return;
  }
  if (!ne2k_pci_block_input(ei, pkt_len, skb_put(skb, pkt_len), (page << 8) + HEADER)) {
    stats.rx_errors++;
    kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
    return;
  }
  skb.protocol = eth_type_trans(skb, netdev);
  stats.rx_packets++;
  stats.rx_bytes += pkt_len;
  if (multicast) stats.multicast++;
  netif_rx(skb);
}

/** Gives back the pages before `next`, where the next frame begins. BNRY stays one page behind, in the ring. */
function give_back(ei: ei_device, next: number): void {
  ei.current_page = next;
  ei_outb(ei.io, BNRY, next === ei.rx_start_page ? ei.stop_page - 1 : next - 1);
}

/**
 * The ring ran over (DP8390D data sheet, "Buffer Ring Overflow"): the controller is stopped, given time to finish what it
 * was sending, started in loopback, emptied, and let loose again. A frame that it had to give up is sent anew.
 */
function ei_rx_overrun(ei: ei_device): void {
  const { io, netdev } = ei;
  const was_txing = (ei_inb(io, CR) & CR.TXP.mask) !== 0;
  ei_outb(io, CR, E8390_NODMA | E8390_PAGE0 | E8390_STOP);
  ei.overruns++;
  netdev.stats.rx_over_errors++;
  udelay(io.kernel, STOP_US);
  ei_outb(io, NE2000.RBCR0, 0);
  ei_outb(io, NE2000.RBCR1, 0);
  const must_resend = was_txing && (ei_inb(io, ISR) & (ISR.PTX.mask | ISR.TXE.mask)) === 0;
  ei_outb(io, TCR, E8390_TXOFF);
  ei_outb(io, CR, PAGE0);
  ei_receive(ei);
  ei_outb(io, ISR, ISR.OVW.mask);
  ei_outb(io, TCR, E8390_TXCONFIG);
  if (must_resend) ei_outb(io, CR, PAGE0 | E8390_TRANS);
}

/** A frame has left: counts it, sends the other buffer if that is ready, and lets the stack go on. */
function ei_tx_intr(ei: ei_device): void {
  const { io, netdev } = ei;
  const { stats } = netdev;
  const status = ei_inb(io, TSR);
  ei_outb(io, ISR, ISR.PTX.mask);
  const sent = ei.tx_state.indexOf(TX_SENDING);
  if (sent < 0) return;
  ei.tx_state[sent as 0 | 1] = TX_EMPTY;
  const other = (1 - sent) as 0 | 1;
  if (ei.tx_state[other] === TX_READY) NS8390_trigger_send(ei, other);
  if ((status & TSR.PTX.mask) !== 0) {
    stats.tx_packets++;
    stats.tx_bytes += ei.tx_length[sent as 0 | 1];
  } else {
    stats.tx_errors++;
  }
  netif_wake_queue(netdev);
}

/** Sixteen collisions or an underrun: the frame is gone. */
function ei_tx_err(ei: ei_device): void {
  const status = ei_inb(ei.io, TSR);
  ei_outb(ei.io, ISR, ISR.TXE.mask);
  if ((status & (TSR.ABT.mask | TSR.FU.mask)) !== 0) ei_tx_intr(ei);
  else ei.netdev.stats.tx_errors++;
}

function NS8390_trigger_send(ei: ei_device, buffer: 0 | 1): void {
  const { io } = ei;
  const length = ei.tx_length[buffer];
  ei.tx_state[buffer] = TX_SENDING;
  ei_outb(io, NE2000.TBCR0, length & 0xff);
  ei_outb(io, NE2000.TBCR1, length >> 8);
  ei_outb(io, TPSR, ei.tx_start_page + buffer * TX_1X_PAGES);
  ei_outb(io, CR, PAGE0 | E8390_TRANS);
}

/** ndo_start_xmit: into a free buffer; the controller sends one while the other is filled. */
export function ei_start_xmit(skb: sk_buff, dev: net_device): netdev_tx_t {
  const ei = netdev_priv(dev);
  const buffer = ei.tx_state[0] === TX_EMPTY ? 0 : 1;
  if (ei.tx_state[buffer] !== TX_EMPTY) {
    // The queue should have been stopped before this.
    netif_stop_queue(dev);
    return NETDEV_TX_BUSY;
  }
  const length = Math.max(skb.len, ETH_ZLEN);
  if (!ne2k_pci_block_output(ei, skb.len, length, skb.data, ei.tx_start_page + buffer * TX_1X_PAGES)) {
    dev.stats.tx_errors++;
    kfree_skb_reason(skb, SKB_DROP_REASON.DEV_READY);
    return NETDEV_TX_OK;
  }
  skb_tx_timestamp(skb);
  ei.tx_length[buffer] = length;
  ei.tx_state[buffer] = TX_READY;
  const other = (1 - buffer) as 0 | 1;
  if (ei.tx_state[other] !== TX_SENDING) NS8390_trigger_send(ei, buffer);
  if (ei.tx_state[other] !== TX_EMPTY) netif_stop_queue(dev);
  consume_skb(skb);
  return NETDEV_TX_OK;
}

/** ndo_tx_timeout: a frame did not leave. The controller is reset and programmed anew. */
export function ei_tx_timeout(dev: net_device): void {
  const ei = netdev_priv(dev);
  dev.stats.tx_errors++;
  ei.resets++;
  ne2k_pci_reset_8390(ei);
  NS8390_init(ei, true);
  netif_wake_queue(dev);
}

/** ndo_get_stats: the tally counters, which a read clears. */
export function get_stats(dev: net_device): void {
  const { io, removed } = netdev_priv(dev);
  if (!netif_running(dev) || removed) return;
  const { stats } = dev;
  stats.rx_frame_errors += ei_inb(io, NE2000.CNTR0);
  stats.rx_crc_errors += ei_inb(io, NE2000.CNTR1);
  stats.rx_missed_errors += ei_inb(io, NE2000.CNTR2);
}
