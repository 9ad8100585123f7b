/** One host's part of a trace: its kernel's tracepoints and its cards', and who is who in its RAM. */
import type { Iommu } from '../../kernel/arch.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { drop_reason_name } from '../../kernel/net/core/dropreason.ts';
import { nud_state_name } from '../../kernel/net/core/neighbour.ts';
import { IFF_LOOPBACK, NETDEV_TX_OK, type net_device } from '../../kernel/net/core/netdevice.ts';
import type { sk_buff } from '../../kernel/net/core/skbuff.ts';
import type { Qdisc } from '../../kernel/net/sched/qdisc.ts';
import type { task_struct } from '../../kernel/sched/task.ts';
import { softirq_names } from '../../kernel/softirq.ts';
import type { Tracepoints } from '../../kernel/trace/events.ts';
import type { Host } from '../machine/host.ts';
import { Buffers, traceCard } from './card-tracer.ts';
import { dropLocation } from './location.ts';
import * as say from './say.ts';
import { hook } from './slots.ts';
import { laneOf, STAGES, stageOfFunction } from './stages.ts';
import type { Tracer } from './tracer.ts';

/** The name of a softirq's action, which is what people know. */
const SOFTIRQ_ACTIONS: Readonly<Record<string, string>> = { NET_RX: 'net_rx_action', NET_TX: 'net_tx_action' };

export class HostTracer {
  readonly undo: (() => void)[] = [];
  private readonly tracer: Tracer;
  private readonly host: Host;
  private readonly kernel: Kernel;
  /** Packet by sk_buff number, for the living. */
  private readonly packets = new Map<number, number>();
  /** What a context worked on when it allocated an skb, by the skb's number: its parent, should it ever be sent. */
  private readonly causes = new Map<number, number>();
  private readonly buffers = new Buffers();
  /** Packet by I/O address, for frames that the card may read. */
  private readonly mapped = new Map<number, number>();
  /** sk_buffs that a driver has taken. */
  private readonly sent = new Set<number>();
  /** The system call that each task is in. */
  private readonly calls = new Map<number, { readonly time: number; readonly name: string }>();

  // What the running context works on. A context is told from the next one by event and level.
  private served = -1;
  private level = 0;
  private current = 0;
  private output = 0;
  /** A send: its packet while no skb has it, the newest skb while no packet has it, and what to report errors for. */
  private unclaimed = 0;
  private newest: sk_buff | null = null;
  private sending = 0;
  private readonly delivered: number[] = [];

  constructor(tracer: Tracer, host: Host) {
    this.tracer = tracer;
    this.host = host;
    this.kernel = host.kernel;
    this.watchBoot();
    this.watchDma();
    this.watchContexts();
    this.watchBuffers();
    this.watchReceive();
    this.watchSockets();
    this.watchTransmit();
    this.watchSimple();
    this.buffers.read = (packet, length) => this.readFrom(packet, length);
    for (const card of host.cards) this.undo.push(...traceCard(tracer, host.name, card, this.buffers));
  }

  // ---- who is who -----------------------------------------------------------------------------------------------------

  private at(time: number, stage: string, packet: number, skb: sk_buff | null, text: string, length = 0): void {
    const { cpu } = this.kernel;
    const bytes = skb === null ? length : skb.len;
    const { name } = this.host;
    const on = cpu.context === 0 ? -1 : cpu.id;
    this.tracer.emit(time, name, on, stage, laneOf(stage), packet, skb === null ? 0 : skb.id, bytes, text);
  }

  private now(stage: string, packet: number, skb: sk_buff | null, text: string): void {
    this.at(this.kernel.clock.now, stage, packet, skb, text);
  }

  /** A system call, by its own name. */
  private call(time: number, name: string, packet: number, length: number, text: string): void {
    const { cpu } = this.kernel;
    const bytes = Math.max(length, 0);
    this.tracer.emit(time, this.host.name, cpu.context === 0 ? -1 : cpu.id, name, 'syscall', packet, 0, bytes, text);
  }

  /** What happens between packets. */
  private around(stage: string, text: string): void {
    this.at(this.kernel.clock.now, stage, 0, null, text);
  }

  private dropped(packet: number, skb: sk_buff, reason: string): void {
    const { clock, cpu } = this.kernel;
    const { name, path } = dropLocation();
    const where = stageOfFunction(name, path) || this.tracer.lastStage(packet);
    const on = cpu.context === 0 ? -1 : cpu.id;
    const { name: host } = this.host;
    const stage = 'kfree_skb_reason';
    this.tracer.emit(
      clock.now,
      host,
      on,
      stage,
      laneOf(stage),
      packet,
      skb.id,
      skb.len,
      'dropped',
      reason,
      where,
      name,
    );
  }

  /** Forgets what another context worked on. */
  private context(): void {
    const { served } = this.host.world.sim;
    const level = this.kernel.cpu.context;
    if (served !== this.served || level !== this.level) this.leave();
    this.served = served;
    this.level = level;
  }

  private leave(): void {
    this.current = 0;
    this.output = 0;
    this.unclaimed = 0;
    this.newest = null;
    this.sending = 0;
    this.delivered.length = 0;
  }

  /** The identity of an skb, which gets one now if it has none. `cause`: unless known otherwise, its parent. */
  private identify(skb: sk_buff, cause = 0): number {
    const known = this.packets.get(skb.id);
    if (known !== undefined) return known;
    const packet = this.tracer.newPacket(this.packets.get(skb.parent) ?? cause);
    this.name(skb, packet);
    return packet;
  }

  private name(skb: sk_buff, packet: number): void {
    this.packets.set(skb.id, packet);
    this.causes.delete(skb.id);
  }

  /** An skb that comes up from a driver: its bytes lie where a card has put them. */
  private arrived(skb: sk_buff): number {
    const address = skb.mac_header === 0 ? skb.data : skb.mac_header;
    const packet = this.buffers.arrived.get(address);
    if (packet === undefined || this.packets.has(skb.id)) return this.identify(skb);
    this.buffers.arrived.delete(address);
    this.name(skb, packet);
    return packet;
  }

  /** An skb on its way out. */
  private leaving(skb: sk_buff): number {
    return this.identify(skb, this.causes.get(skb.id));
  }

  private forget(skb: sk_buff): void {
    this.packets.delete(skb.id);
    this.causes.delete(skb.id);
    this.sent.delete(skb.id);
    this.buffers.arrived.delete(skb.data);
    this.buffers.toSend.delete(skb.data);
  }

  // ---- kernel ---------------------------------------------------------------------------------------------------------

  private on<K extends keyof Tracepoints>(slot: K, observer: NonNullable<Tracepoints[K]>): void {
    this.undo.push(hook(this.kernel.trace, slot, observer as never));
  }

  /** The registry's simple stages. */
  private watchSimple(): void {
    for (const { name, simple } of STAGES) {
      if (simple === undefined) continue;
      const { slot, way, owns, text } = simple;
      if (way === 'up') {
        this.on(slot, skb => this.now(name, this.up(skb), skb, text(skb)));
        continue;
      }
      this.on(slot, skb => {
        const packet = this.leaving(skb);
        this.context();
        // What a context allocates after this belongs to the packet (fragments).
        if (owns === true) this.output = packet;
        this.now(name, packet, skb, text(skb));
      });
    }
  }

  private watchBoot(): void {
    this.on('pci_probe', (driver, device, result) =>
      this.around('pci_device_probe', `${device}: ${driver} ${result === 0 ? 'has it' : `fails with ${result}`}`),
    );
    this.on('request_irq', (irq, name) => this.around('request_irq', `irq ${irq}: ${name}`));
    this.on('netif_napi_add', (dev, weight) => this.around('netif_napi_add', `${dev.name}: weight ${weight}`));
    this.on('register_netdev', dev => this.around('register_netdev', `${dev.name} is device ${dev.ifindex}`));
    this.on('dma_alloc_coherent', region =>
      this.around('dma_alloc_coherent', `${say.bytes(region.size)} at I/O address ${say.hex(region.dma_addr)}`),
    );
    this.on('dev_open', (dev, result) =>
      this.around('dev_open', `${dev.name}: ${result === 0 ? 'up' : `fails with ${result}`}`),
    );
    this.on('dev_close', dev => this.around('dev_close', `${dev.name}: down`));
    this.on('netif_carrier', (dev, on) =>
      this.around(on ? 'netif_carrier_on' : 'netif_carrier_off', `${dev.name}: ${on ? 'link' : 'no link'}`),
    );
  }

  private watchDma(): void {
    const { buffers, mapped } = this;
    this.on('dma_map', (_dev, address, iova, length) => {
      const packet = buffers.toSend.get(address);
      if (packet === undefined || iova === 0) return;
      mapped.set(iova, packet);
      const text = `${say.bytes(length)} at I/O address ${say.hex(iova)}`;
      this.at(this.kernel.clock.now, 'dma_map_single', packet, null, text, length);
    });
    this.on('dma_unmap', (dev, iova) => {
      const packet = mapped.get(iova) ?? this.received(dev.iommu, iova);
      mapped.delete(iova);
      if (packet !== undefined) this.now('dma_unmap_single', packet, null, 'the buffer is the CPU’s again');
    });
    this.on('dma_sync_for_cpu', (dev, iova, length) => {
      const packet = this.received(dev.iommu, iova);
      if (packet === undefined) return;
      this.now('dma_sync_single_for_cpu', packet, null, `${say.bytes(length)} may be read; the mapping stays`);
    });
  }

  /** The packet that a card has written to a mapped buffer. */
  private received(iommu: Iommu, iova: number): number | undefined {
    const slot = this.host.cards.find(card => card.slot.iommu === iommu)?.slot;
    return slot === undefined ? undefined : this.buffers.arrived.get(slot.iommu.peek(iova));
  }

  /** NE2000: the bytes of a packet go into the sk_buff that was allocated last. */
  private readFrom(packet: number, _length: number): void {
    if (this.newest !== null && !this.packets.has(this.newest.id)) this.name(this.newest, packet);
    this.newest = null;
  }

  private watchContexts(): void {
    const fresh = (): void => {
      this.context();
      this.leave();
    };
    this.on('irq_handler_entry', (irq, name) => {
      fresh();
      this.around('irq_handler_entry', `irq ${irq}: the handler of ${name}`);
    });
    this.on('irq_handler_exit', (irq, handled) => {
      const text = handled === 0 ? `irq ${irq}: IRQ_NONE, nobody’s` : `irq ${irq}: IRQ_HANDLED`;
      this.around('irq_handler_exit', text);
    });
    this.on('softirq_raise', nr => this.around('raise_softirq', softirq(nr)));
    this.on('softirq_entry', nr => {
      fresh();
      this.around(SOFTIRQ_ACTIONS[softirq(nr)] ?? 'softirq_entry', `${softirq(nr)}_SOFTIRQ runs`);
    });
    this.on('softirq_exit', nr => {
      fresh();
      this.around('softirq_exit', `${softirq(nr)}_SOFTIRQ is done`);
    });
    this.on('irq_nobody_cared', (irq, unhandled) =>
      this.around('note_interrupt', `irq ${irq}: nobody cared for ${unhandled} interrupts; it is shut off`),
    );
    this.on('wakeup_softirqd', cpu => this.around('wakeup_softirqd', `ksoftirqd/${cpu} shall do the rest`));
    this.on('net_rx_squeeze', budget =>
      this.around('time_squeeze', budget <= 0 ? 'the budget is used up' : 'the time is used up'),
    );
    this.on('netif_tx_stop_queue', (dev, queue) =>
      this.around('netif_tx_stop_queue', `${dev.name}, queue ${queue}: the ring is nearly full`),
    );
    this.on('netif_tx_wake_queue', (dev, queue) =>
      this.around('netif_tx_wake_queue', `${dev.name}, queue ${queue}: room again`),
    );
    this.on('timer_expire', () => {
      fresh();
      this.around('timer_expire', 'a timer is due');
    });
    this.on('napi_schedule', dev => this.around('napi_schedule', `${dev.name}: on this CPU’s poll list`));
    this.on('napi_poll', (dev, work, budget) => {
      this.around('napi_poll', `${dev.name}: ${say.count(work, 'frame')}, budget ${budget}`);
    });
    this.on('netdev_rx_drop', (_dev, address, reason) => {
      const packet = this.buffers.arrived.get(address) ?? 0;
      this.buffers.arrived.delete(address);
      const { clock, cpu } = this.kernel;
      const { name } = this.host;
      const text = 'thrown away by the driver';
      const why = drop_reason_name(reason);
      this.tracer.emit(clock.now, name, cpu.id, 'netdev_rx_drop', 'driver', packet, 0, 0, text, why, 'napi_poll', '');
    });
    this.on('napi_complete', (dev, work) => {
      this.around('napi_complete_done', `${dev.name}: below budget after ${say.count(work, 'frame')}`);
    });
    this.on('netdev_tx_timeout', dev => {
      this.around('dev_watchdog', `${dev.name}: the transmitter hangs`);
    });
    this.on('sched_wakeup', task => {
      this.context();
      this.now('try_to_wake_up', this.current, null, `${say.task(task)} is woken`);
    });
  }

  private watchBuffers(): void {
    this.on('skb_alloc', skb => {
      this.context();
      if (this.unclaimed !== 0) {
        this.name(skb, this.unclaimed);
        this.unclaimed = 0;
        return;
      }
      const cause = this.output !== 0 ? this.output : this.current;
      if (cause !== 0) this.causes.set(skb.id, cause);
      this.newest = skb;
    });
    this.on('skb_clone', (skb, clone) => {
      const original = this.packets.get(skb.id);
      if (original === undefined) return;
      const packet = this.identify(clone, original);
      this.now('skb_clone', packet, clone, `a clone of #${original}: same bytes, sk_buff ${clone.id}`);
    });
    this.on('skb_copy_from', (skb, address, length) => {
      const packet = this.buffers.arrived.get(address);
      if (packet === undefined) {
        const own = this.packets.get(skb.id);
        if (own === undefined) return;
        this.now('skb_put_data', own, skb, `${say.bytes(length)} copied from the program’s memory`);
        return;
      }
      this.buffers.arrived.delete(address);
      this.name(skb, packet);
      const text = `copybreak: ${say.bytes(length)} to sk_buff ${skb.id}`;
      this.now('skb_put_data', packet, skb, text);
    });
    this.on('consume_skb', skb => {
      const packet = this.packets.get(skb.id);
      if (packet !== undefined) {
        const text = this.sent.has(skb.id) ? 'sent: its sk_buff is freed' : 'done: its sk_buff is freed';
        this.now('consume_skb', packet, skb, text);
        this.ended(packet);
      }
      this.forget(skb);
    });
    this.on('kfree_skb', (skb, reason) => {
      const packet = this.packets.get(skb.id);
      if (packet !== undefined) {
        this.dropped(packet, skb, drop_reason_name(reason));
        this.ended(packet);
      }
      this.forget(skb);
    });
  }

  private ended(packet: number): void {
    if (this.current === packet) this.current = 0;
    if (this.output === packet) this.output = 0;
  }

  private up(skb: sk_buff): number {
    const packet = this.arrived(skb);
    this.context();
    this.current = packet;
    this.output = 0;
    return packet;
  }

  private watchReceive(): void {
    this.on('napi_gro_receive', skb => {
      const zeroCopy = !this.packets.has(skb.id);
      const packet = this.up(skb);
      const text = zeroCopy ? `sk_buff ${skb.id}: the DMA buffer itself goes up` : `sk_buff ${skb.id} goes up`;
      this.now('napi_gro_receive', packet, skb, text);
    });
    this.on('netif_rx', skb => {
      const packet = this.up(skb);
      this.now('netif_rx', packet, skb, 'to this CPU’s backlog');
    });
    this.on('skb_gro_receive', (p, skb) => {
      const packet = this.up(skb);
      const held = this.identify(p);
      this.tracer.adopt(packet, held);
      this.now('skb_gro_receive', packet, skb, `merged into #${held}, ${say.bytes(p.len)} so far`);
    });
    this.on('napi_gro_complete', (skb, segments) => {
      const text = `${say.count(segments, 'segment')} in one packet of ${say.bytes(skb.len)}`;
      this.now('napi_gro_complete', this.up(skb), skb, text);
    });
    this.on('skb_segment', (skb, segment) => {
      const packet = this.identify(segment, this.packets.get(skb.id));
      this.now('skb_segment', packet, segment, `cut out of #${this.identify(skb)}: ${say.bytes(segment.len)}`);
    });
    this.on('ip_frag_queue', (skb, offset) => {
      this.now('ip_frag_queue', this.up(skb), skb, `${say.bytes(skb.len)} from offset ${offset} wait for the rest`);
    });
    this.on('ip_frag_reasm', skb => {
      this.now('ip_frag_reasm', this.up(skb), skb, `all there: ${say.bytes(skb.len)}`);
    });
    this.on('ip_fragment', (skb, fragment) => {
      const packet = this.identify(fragment, this.packets.get(skb.id));
      this.now('ip_do_fragment', packet, fragment, `cut out of #${this.identify(skb)}: ${say.bytes(fragment.len)}`);
    });
    this.on('enqueue_to_backlog', (skb, cpu, queued) => {
      const text = `to the backlog of CPU ${cpu}: ${say.count(queued, 'packet')} waiting`;
      this.now('enqueue_to_backlog', this.up(skb), skb, text);
    });
    this.on('net_rps_send_ipi', cpu => this.around('net_rps_send_ipi', `CPU ${cpu} is called to its backlog`));
    this.on('call_function_entry', () => {
      this.context();
      this.leave();
      this.around('rps_trigger_softirq', 'function call interrupt: the backlog is on this CPU’s poll list');
    });
    this.on('br_pass_frame_up', (skb, br) => {
      this.now('br_pass_frame_up', this.up(skb), skb, `for this host, by ${br.name}`);
    });
    this.on('br_fdb_update', (br, port, high, low) => {
      this.context();
      const text = `${br.name} learns: ${say.mac(high, low)} is behind ${port.name}`;
      this.now('br_fdb_update', this.current, null, text);
    });
    this.on('packet_rcv_fanout', (skb, member, members) => {
      const text = `member ${member} of ${members} has it`;
      this.now('packet_rcv_fanout', this.arrived(skb), skb, text);
    });
    this.on('packet_rcv', (skb, _sk) => {
      // Not `up`: a tap's copy is not what the context works on.
      this.now('packet_rcv', this.arrived(skb), skb, `tap: ${say.bytes(skb.len)}`);
    });
    this.on('neigh_update', (ip, from, to) => {
      this.context();
      const text = `${say.address(ip)}: ${nud_state_name(from)} to ${nud_state_name(to)}`;
      this.now('neigh_update', this.output === 0 ? this.current : this.output, null, text);
    });
  }

  private watchSockets(): void {
    this.on('sock_queue_rcv_skb', (skb, sk) => {
      const text = `${say.socket(sk)}: ${say.count(sk.sk_receive_queue.qlen, 'packet')} waiting`;
      this.now('sock_queue_rcv_skb', this.up(skb), skb, text);
    });
    this.on('sk_data_ready', sk => {
      this.context();
      this.now('sk_data_ready', this.current, null, say.socket(sk));
    });
    this.on('skb_copy_datagram', (skb, length) => {
      this.context();
      const packet = this.arrived(skb);
      this.delivered.push(packet);
      this.now('skb_copy_datagram_msg', packet, skb, `${say.bytes(length)} copied to the program’s memory`);
    });
    this.on('sys_enter', (task, name) => {
      this.context();
      this.leave();
      this.calls.set(task.pid, { time: this.kernel.clock.now, name: say.call(name) });
    });
    this.on('sys_exit', (task, name, result) => {
      this.context();
      for (const packet of this.delivered) {
        this.call(this.kernel.clock.now, say.call(name), packet, result, `${say.task(task)} gets ${say.bytes(result)}`);
      }
      if (this.sending !== 0 && result < 0) {
        const text = `${say.task(task)}: fails with errno ${-result}`;
        this.call(this.kernel.clock.now, say.call(name), this.sending, 0, text);
      }
      this.calls.delete(task.pid);
      this.leave();
    });
    this.on('tcp_sendmsg', (sk, length) => {
      this.context();
      this.now('tcp_sendmsg', this.current, null, `${say.bytes(length)} from port ${sk.inet_num}`);
    });
    this.on('tcp_transmit_skb', (skb, sent) => {
      const packet = this.identify(sent, this.packets.get(skb.id));
      this.now('tcp_transmit_skb', packet, sent, `${say.bytes(skb.len)} of the send queue, which keeps them`);
    });
    this.on('inet_sock_set_state', (sk, before, after) => {
      this.context();
      this.now(
        'inet_sock_set_state',
        this.current,
        null,
        `port ${sk.inet_num}: ${say.state(before)} → ${say.state(after)}`,
      );
    });
    for (const slot of ['udp_sendmsg', 'ping_sendmsg'] as const) {
      this.on(slot, (sk, length) => this.send(slot, sk.inet_num, length));
    }
  }

  /** A program sends: a packet begins. Its skb has been allocated just now, or will be next. */
  private send(stage: string, port: number, length: number): void {
    this.context();
    const packet = this.tracer.newPacket();
    if (this.newest !== null && !this.packets.has(this.newest.id)) this.name(this.newest, packet);
    else this.unclaimed = packet;
    const skb = this.unclaimed === 0 ? this.newest : null;
    this.newest = null;
    this.current = packet;
    this.sending = packet;
    const task: task_struct | null = this.kernel.cpu.current;
    const call = task === null ? undefined : this.calls.get(task.pid);
    if (task !== null && call !== undefined) {
      this.call(call.time, call.name, packet, length, `${say.task(task)} sends ${say.bytes(length)}`);
    }
    this.at(
      this.kernel.clock.now,
      stage,
      packet,
      skb,
      `from ${stage === 'udp_sendmsg' ? 'port' : 'id'} ${port}`,
      length,
    );
  }

  private watchTransmit(): void {
    this.on('icmp_send', (skb, type, code) => {
      this.now('icmp_send', this.arrived(skb), skb, say.icmpSent(type, code));
    });
    const queued = (stage: string, text: (q: Qdisc) => string) => (skb: sk_buff, q: Qdisc) => {
      const packet = this.leaving(skb);
      this.context();
      this.now(stage, packet, skb, text(q));
    };
    this.on('qdisc_enqueue', queued('qdisc_enqueue', say.waits));
    this.on('qdisc_dequeue', queued('qdisc_dequeue', say.turn));
    this.on('qdisc_requeue', queued('qdisc_requeue', say.requeued));
    this.on('skb_gso_segment', (skb, segment) => {
      const whole = this.leaving(skb);
      this.name(segment, this.tracer.newPacket(whole));
      const text = `cut from #${whole}: ${say.bytes(segment.len)}, sk_buff ${segment.id}`;
      this.now('skb_gso_segment', this.leaving(segment), segment, text);
    });
    this.on('neigh_queue', (skb, queued) => {
      const text = `the next hop is not known: ${say.count(queued, 'packet')} waiting for it`;
      const packet = this.leaving(skb);
      this.context();
      this.output = packet;
      this.now('neigh_event_send', packet, skb, text);
    });
    this.on('dev_hard_start_xmit', skb => {
      const packet = this.leaving(skb);
      const dev = skb.dev as net_device;
      if ((dev.flags & IFF_LOOPBACK) === 0) {
        this.buffers.toSend.set(skb.data, packet);
        this.buffers.handing = packet;
        this.tracer.handed(packet, skb.len);
      }
      this.now('dev_hard_start_xmit', packet, skb, `${say.bytes(skb.len)} to the driver of ${dev.name}`);
    });
    this.on('net_dev_xmit', (skb, _length, result) => {
      this.buffers.handing = 0;
      const packet = this.packets.get(skb.id);
      if (packet === undefined) return;
      const ok = result === NETDEV_TX_OK;
      if (ok) this.sent.add(skb.id);
      else this.buffers.toSend.delete(skb.data);
      const more = this.kernel.softnet[this.kernel.cpu.id]?.xmit_more === true;
      const doorbell = more ? 'another follows at once' : 'doorbell rung';
      const text = ok ? `descriptor written, ${doorbell}: NETDEV_TX_OK` : 'NETDEV_TX_BUSY';
      this.now('ndo_start_xmit', packet, skb, text);
    });
  }
}

function softirq(nr: number): string {
  return softirq_names[nr] ?? String(nr);
}
