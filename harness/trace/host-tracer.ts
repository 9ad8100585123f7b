/** One host's part of a trace: its kernel's tracepoints and its cards', and who is who in its RAM. */
import type { Kernel } from '../../kernel/kernel.ts';
import { drop_reason_name } from '../../kernel/net/core/dropreason.ts';
import { nud_state_name } from '../../kernel/net/core/neighbour.ts';
import { IFF_LOOPBACK, NETDEV_TX_OK, type net_device } from '../../kernel/net/core/netdevice.ts';
import type { sk_buff } from '../../kernel/net/core/skbuff.ts';
import type { Qdisc } from '../../kernel/net/sched/qdisc.ts';
import type { task_struct } from '../../kernel/sched/task.ts';
import { softirq_names } from '../../kernel/softirq.ts';
import type { Tracepoints } from '../../kernel/trace/events.ts';
import type { Host, Plugged } from '../machine/host.ts';
import type { Layer } from './event.ts';
import * as say from './say.ts';
import { hook } from './slots.ts';
import type { Tracer } from './tracer.ts';

/** The name of a softirq's action, which is what people know. */
const SOFTIRQ_ACTIONS: Readonly<Record<string, string>> = { NET_RX: 'net_rx_action', NET_TX: 'net_tx_action' };

/** Tracepoints that say nothing but that a packet has come by, upwards: it is what the context works on from then on. */
const UP: readonly [slot: keyof Tracepoints & SkbSlots, layer: Layer, text: (skb: sk_buff) => string][] = [
  ['netif_receive_skb', 'core', say.etherType],
  ['sch_handle_ingress', 'core', say.ingress],
  ['vlan_do_receive', 'core', say.vlan],
  ['br_handle_frame', 'core', say.bridge],
  ['arp_rcv', 'arp', say.arp],
  ['ip_rcv', 'ip', say.ip],
  ['ip_rcv_finish', 'ip', say.route],
  ['ip_local_deliver', 'ip', say.protocol],
  ['ip_forward', 'ip', say.forward],
  ['icmp_rcv', 'transport', say.icmp],
  ['udp_rcv', 'transport', say.udp],
  ['tcp_v4_rcv', 'transport', say.tcp],
  ['tcp_send_reset', 'transport', () => 'answered with a RST'],
];

/** The same downwards. What a context allocates after one of the first kind belongs to that packet (fragments). */
const DOWN: readonly [slot: keyof Tracepoints & SkbSlots, layer: Layer, text: (skb: sk_buff) => string][] = [
  ['br_forward', 'core', say.device],
  ['ip_local_out', 'ip', say.ip],
  ['ip_output', 'ip', say.device],
  ['arp_send', 'arp', say.arpSent],
  ['ip_finish_output2', 'ip', say.nextHop],
  ['dev_queue_xmit', 'core', say.queue],
];
const OWNS_ALLOCATIONS: ReadonlySet<string> = new Set(['ip_local_out', 'ip_output']);

type SkbSlots = {
  [K in keyof Tracepoints]: Tracepoints[K] extends ((skb: sk_buff) => void) | null ? K : never;
}[keyof Tracepoints];

export class HostTracer {
  readonly undo: (() => void)[] = [];
  private readonly tracer: Tracer;
  private readonly host: Host;
  private readonly kernel: Kernel;
  /** Packet by sk_buff number, for the living. */
  private readonly packets = new Map<number, number>();
  /** What a context worked on when it allocated an skb, by the skb's number: its parent, should it ever be sent. */
  private readonly causes = new Map<number, number>();
  /** Packet by the RAM address that a card has written a frame to, until an skb takes it up; and by that of one to be sent. */
  private readonly inBuffer = new Map<number, number>();
  private readonly toSend = new Map<number, number>();
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
    this.watchContexts();
    this.watchBuffers();
    this.watchReceive();
    this.watchSockets();
    this.watchTransmit();
    for (const card of host.cards) this.watchCard(card);
  }

  // ---- who is who -----------------------------------------------------------------------------------------------------

  private at(time: number, stage: string, layer: Layer, packet: number, skb: number, text: string, drop = ''): void {
    const { cpu } = this.kernel;
    this.tracer.emit(time, this.host.name, cpu.context === 0 ? -1 : cpu.id, stage, layer, packet, skb, text, drop);
  }

  private now(stage: string, layer: Layer, packet: number, skb: number, text: string, drop = ''): void {
    this.at(this.kernel.clock.now, stage, layer, packet, skb, text, drop);
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
    const packet = this.inBuffer.get(address);
    if (packet === undefined || this.packets.has(skb.id)) return this.identify(skb);
    this.inBuffer.delete(address);
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
    this.inBuffer.delete(skb.data);
    this.toSend.delete(skb.data);
  }

  // ---- kernel ---------------------------------------------------------------------------------------------------------

  private on<K extends keyof Tracepoints>(slot: K, observer: NonNullable<Tracepoints[K]>): void {
    this.undo.push(hook(this.kernel.trace, slot, observer as never));
  }

  private watchContexts(): void {
    const fresh = (): void => {
      this.context();
      this.leave();
    };
    this.on('irq_handler_entry', (irq, name) => {
      fresh();
      this.now('irq_handler_entry', 'irq', 0, 0, `irq ${irq}: the handler of ${name}`);
    });
    this.on('irq_handler_exit', (irq, handled) => {
      const text = handled === 0 ? `irq ${irq}: IRQ_NONE, nobody’s` : `irq ${irq}: IRQ_HANDLED`;
      this.now('irq_handler_exit', 'irq', 0, 0, text);
    });
    this.on('softirq_raise', nr => this.now('raise_softirq', 'irq', 0, 0, softirq(nr)));
    this.on('softirq_entry', nr => {
      fresh();
      this.now(SOFTIRQ_ACTIONS[softirq(nr)] ?? 'softirq_entry', 'irq', 0, 0, `${softirq(nr)}_SOFTIRQ runs`);
    });
    this.on('softirq_exit', nr => {
      fresh();
      this.now('softirq_exit', 'irq', 0, 0, `${softirq(nr)}_SOFTIRQ is done`);
    });
    this.on('timer_expire', () => {
      fresh();
      this.now('timer_expire', 'irq', 0, 0, 'a timer is due');
    });
    this.on('napi_schedule', dev => this.now('napi_schedule', 'driver', 0, 0, `${dev.name}: on this CPU’s poll list`));
    this.on('napi_poll', (dev, work, budget) => {
      this.now('napi_poll', 'driver', 0, 0, `${dev.name}: ${say.count(work, 'frame')}, budget ${budget}`);
    });
    this.on('napi_complete', (dev, work) => {
      this.now('napi_complete_done', 'driver', 0, 0, `${dev.name}: below budget after ${say.count(work, 'frame')}`);
    });
    this.on('netdev_tx_timeout', dev => {
      this.now('dev_watchdog', 'qdisc', 0, 0, `${dev.name}: the transmitter hangs`);
    });
    this.on('sched_wakeup', task => {
      this.context();
      this.now('try_to_wake_up', 'sched', this.current, 0, `${say.task(task)} is woken`);
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
      this.now('skb_clone', 'core', packet, clone.id, `a clone of #${original}: same bytes, sk_buff ${clone.id}`);
    });
    this.on('skb_copy_from', (skb, address, length) => {
      const packet = this.inBuffer.get(address);
      if (packet === undefined) {
        const own = this.packets.get(skb.id);
        if (own === undefined) return;
        this.now('skb_put_data', 'socket', own, skb.id, `${say.bytes(length)} copied from the program’s memory`);
        return;
      }
      this.inBuffer.delete(address);
      this.name(skb, packet);
      const text = `copybreak: ${say.bytes(length)} copied from the DMA buffer to sk_buff ${skb.id}`;
      this.now('skb_put_data', 'driver', packet, skb.id, text);
    });
    this.on('consume_skb', skb => {
      const packet = this.packets.get(skb.id);
      if (packet !== undefined) {
        const text = this.sent.has(skb.id) ? 'sent: its sk_buff is freed' : 'done: its sk_buff is freed';
        this.now('consume_skb', 'core', packet, skb.id, text);
        this.ended(packet);
      }
      this.forget(skb);
    });
    this.on('kfree_skb', (skb, reason) => {
      const packet = this.packets.get(skb.id);
      if (packet !== undefined) {
        this.now('kfree_skb_reason', 'core', packet, skb.id, 'dropped', drop_reason_name(reason));
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
      this.now('napi_gro_receive', 'core', packet, skb.id, text);
    });
    this.on('netif_rx', skb => {
      const packet = this.up(skb);
      this.now('netif_rx', 'core', packet, skb.id, 'to this CPU’s backlog');
    });
    this.on('skb_gro_receive', (p, skb) => {
      const packet = this.up(skb);
      const held = this.identify(p);
      this.tracer.adopt(packet, held);
      this.now('skb_gro_receive', 'core', packet, skb.id, `merged into #${held}, ${say.bytes(p.len)} so far`);
    });
    this.on('napi_gro_complete', (skb, segments) => {
      const text = `${say.count(segments, 'segment')} in one packet of ${say.bytes(skb.len)}`;
      this.now('napi_gro_complete', 'core', this.up(skb), skb.id, text);
    });
    this.on('skb_segment', (skb, segment) => {
      const packet = this.identify(segment, this.packets.get(skb.id));
      this.now(
        'skb_segment',
        'core',
        packet,
        segment.id,
        `cut out of #${this.identify(skb)}: ${say.bytes(segment.len)}`,
      );
    });
    this.on('enqueue_to_backlog', (skb, cpu, queued) => {
      const text = `to the backlog of CPU ${cpu}: ${say.count(queued, 'packet')} waiting`;
      this.now('enqueue_to_backlog', 'core', this.up(skb), skb.id, text);
    });
    this.on('net_rps_send_ipi', cpu =>
      this.now('net_rps_send_ipi', 'irq', 0, 0, `CPU ${cpu} is called to its backlog`),
    );
    this.on('call_function_entry', () => {
      this.context();
      this.leave();
      this.now('rps_trigger_softirq', 'irq', 0, 0, 'function call interrupt: the backlog is on this CPU’s poll list');
    });
    this.on('br_pass_frame_up', (skb, br) => {
      this.now('br_pass_frame_up', 'core', this.up(skb), skb.id, `for this host, by ${br.name}`);
    });
    this.on('br_fdb_update', (br, port, high, low) => {
      this.context();
      this.now(
        'br_fdb_update',
        'core',
        this.current,
        0,
        `${br.name} learns: ${say.mac(high, low)} is behind ${port.name}`,
      );
    });
    this.on('packet_rcv_fanout', (skb, member, members) => {
      const text = `member ${member} of ${members} has it`;
      this.now('packet_rcv_fanout', 'tap', this.arrived(skb), skb.id, text);
    });
    this.on('packet_rcv', (skb, _sk) => {
      // Not `up`: a tap's copy is not what the context works on.
      this.now('packet_rcv', 'tap', this.arrived(skb), skb.id, `tap: ${say.bytes(skb.len)}`);
    });
    for (const [slot, layer, text] of UP) {
      this.on(slot, skb => this.now(slot, layer, this.up(skb), skb.id, text(skb)));
    }
    this.on('neigh_update', (ip, from, to) => {
      this.context();
      const text = `${say.address(ip)}: ${nud_state_name(from)} to ${nud_state_name(to)}`;
      this.now('neigh_update', 'arp', this.output === 0 ? this.current : this.output, 0, text);
    });
  }

  private watchSockets(): void {
    this.on('sock_queue_rcv_skb', (skb, sk) => {
      const text = `${say.socket(sk)}: ${say.count(sk.sk_receive_queue.qlen, 'packet')} waiting`;
      this.now('sock_queue_rcv_skb', 'socket', this.up(skb), skb.id, text);
    });
    this.on('sk_data_ready', sk => {
      this.context();
      this.now('sk_data_ready', 'socket', this.current, 0, say.socket(sk));
    });
    this.on('skb_copy_datagram', (skb, length) => {
      this.context();
      const packet = this.arrived(skb);
      this.delivered.push(packet);
      this.now(
        'skb_copy_datagram_msg',
        'socket',
        packet,
        skb.id,
        `${say.bytes(length)} copied to the program’s memory`,
      );
    });
    this.on('sys_enter', (task, name) => {
      this.context();
      this.leave();
      this.calls.set(task.pid, { time: this.kernel.clock.now, name: say.call(name) });
    });
    this.on('sys_exit', (task, name, result) => {
      this.context();
      for (const packet of this.delivered) {
        this.now(say.call(name), 'syscall', packet, 0, `${say.task(task)} gets ${say.bytes(result)}`);
      }
      if (this.sending !== 0 && result < 0) {
        this.now(say.call(name), 'syscall', this.sending, 0, `${say.task(task)}: fails with errno ${-result}`);
      }
      this.calls.delete(task.pid);
      this.leave();
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
    const skb = this.unclaimed === 0 ? (this.newest?.id ?? 0) : 0;
    this.newest = null;
    this.current = packet;
    this.sending = packet;
    const task: task_struct | null = this.kernel.cpu.current;
    const call = task === null ? undefined : this.calls.get(task.pid);
    if (task !== null && call !== undefined) {
      this.at(call.time, call.name, 'syscall', packet, 0, `${say.task(task)} sends ${say.bytes(length)}`);
    }
    this.now(stage, 'transport', packet, skb, `from ${stage === 'udp_sendmsg' ? 'port' : 'id'} ${port}`);
  }

  private watchTransmit(): void {
    this.on('icmp_send', (skb, type, code) => {
      this.now('icmp_send', 'transport', this.arrived(skb), skb.id, say.icmpSent(type, code));
    });
    for (const [slot, layer, text] of DOWN) {
      this.on(slot, skb => {
        const packet = this.leaving(skb);
        this.context();
        if (OWNS_ALLOCATIONS.has(slot)) this.output = packet;
        this.now(slot, layer, packet, skb.id, text(skb));
      });
    }
    const queued = (stage: string, text: (q: Qdisc) => string) => (skb: sk_buff, q: Qdisc) => {
      const packet = this.leaving(skb);
      this.context();
      this.now(stage, 'qdisc', packet, skb.id, text(q));
    };
    this.on('qdisc_enqueue', queued('qdisc_enqueue', say.waits));
    this.on('qdisc_dequeue', queued('qdisc_dequeue', say.turn));
    this.on('qdisc_requeue', queued('qdisc_requeue', say.requeued));
    this.on('skb_gso_segment', (skb, segment) => {
      const whole = this.leaving(skb);
      this.name(segment, this.tracer.newPacket(whole));
      const text = `cut from #${whole}: ${say.bytes(segment.len)}, sk_buff ${segment.id}`;
      this.now('skb_gso_segment', 'core', this.leaving(segment), segment.id, text);
    });
    this.on('neigh_queue', (skb, queued) => {
      const text = `the next hop is not known: ${say.count(queued, 'packet')} waiting for it`;
      const packet = this.leaving(skb);
      this.context();
      this.output = packet;
      this.now('neigh_event_send', 'arp', packet, skb.id, text);
    });
    this.on('dev_hard_start_xmit', skb => {
      const packet = this.leaving(skb);
      const dev = skb.dev as net_device;
      if ((dev.flags & IFF_LOOPBACK) === 0) {
        this.toSend.set(skb.data, packet);
        this.tracer.handed(packet, skb.len);
      }
      this.now('dev_hard_start_xmit', 'core', packet, skb.id, `${say.bytes(skb.len)} to the driver of ${dev.name}`);
    });
    this.on('net_dev_xmit', (skb, _length, result) => {
      const packet = this.packets.get(skb.id);
      if (packet === undefined) return;
      const ok = result === NETDEV_TX_OK;
      if (ok) this.sent.add(skb.id);
      else this.toSend.delete(skb.data);
      const more = this.kernel.softnet[this.kernel.cpu.id]?.xmit_more === true;
      const doorbell = more ? 'another follows at once' : 'doorbell rung';
      const text = ok ? `descriptor written, ${doorbell}: NETDEV_TX_OK` : 'NETDEV_TX_BUSY';
      this.now('ndo_start_xmit', 'driver', packet, skb.id, text);
    });
  }

  // ---- card -----------------------------------------------------------------------------------------------------------

  private watchCard({ nic, slot }: Plugged): void {
    const { trace } = nic;
    const { name } = this.host;
    const emit = (stage: string, packet: number, text: string, drop = ''): void =>
      this.tracer.emit(nic.time, name, -1, stage, 'card', packet, 0, text, drop);
    const { undo } = this;
    undo.push(
      hook(trace, 'frame_arrived', (id, length) =>
        emit('frame_arrived', id, `${say.bytes(length)}: the last bit is in`),
      ),
      hook(trace, 'rx_stored', (id, page, length) => {
        const last = say.lastPage(nic.ring, page, length);
        const pages = last === page ? `page ${say.hex(page)}` : `pages ${say.hex(page)} to ${say.hex(last)}`;
        emit('rx_stored', id, `in packet memory, ${pages}; CURR is ${say.hex(nic.ring.curr)}`);
      }),
      hook(trace, 'rx_dma', (id, _queue, index, address, length) => {
        const ram = slot.iommu.peek(address);
        if (id !== 0 && ram !== 0) this.inBuffer.set(ram, id);
        emit('rx_dma', id, `${say.bytes(length)} to I/O address ${say.hex(address)}, for descriptor ${index}`);
      }),
      hook(trace, 'rx_done', (id, _queue, index) =>
        emit('rx_done', id, `descriptor ${index} is done: the host owns it`),
      ),
      hook(trace, 'rx_dropped', (id, reason) => emit('rx_dropped', id, 'dropped', reason)),
      hook(trace, 'tx_gather', (address, length) => {
        const ram = slot.iommu.peek(address);
        const packet = this.toSend.get(ram) ?? this.tracer.newPacket();
        this.toSend.delete(ram);
        this.tracer.sends(packet, name);
        emit('tx_gather', packet, `${say.bytes(length)} from I/O address ${say.hex(address)} to the transmit pages`);
        return packet;
      }),
      hook(trace, 'tx_start', (id, length) => emit('tx_start', id, `${say.bytes(length)}: the first bit leaves`)),
      hook(trace, 'tx_done', (id, length) => emit('tx_done', id, `${say.bytes(length)}: the last bit has left`)),
      hook(trace, 'tx_dropped', (id, reason) => emit('tx_dropped', id, 'not sent', reason)),
      hook(trace, 'irq', level =>
        emit('irq', 0, level ? 'the interrupt pin is asserted' : 'the interrupt pin is released'),
      ),
    );
  }
}

function softirq(nr: number): string {
  return softirq_names[nr] ?? String(nr);
}
