/** The state of a host as its owner would ask for it: registers, rings, interrupts, counters. Nothing is disturbed. */

import { Ne2000 } from '../../device/ne2000.ts';
import { type Field, type Reg, registersOf } from '../../device/regs/describe.ts';
import { NE2000 } from '../../device/regs/ne2000.ts';
import { NIC } from '../../device/regs/nic.ts';
import { drop_reason_name } from '../../kernel/net/core/dropreason.ts';
import { softirq_names } from '../../kernel/softirq.ts';
import type { Host, Plugged } from '../machine/host.ts';
import { formatMac } from '../packet/address.ts';

export interface RegisterStatus {
  readonly name: string;
  readonly value: number;
  /** Fields that are not 0. */
  readonly fields: Readonly<Record<string, number>>;
}

export interface RingStatus {
  readonly queue: number;
  readonly count: number;
  readonly head: number;
  readonly tail: number;
  /** Descriptors from head to tail; the others are the driver's. */
  readonly cardOwns: number;
}

export interface CardStatus {
  readonly slot: string;
  readonly model: 'ringside' | 'ne2000';
  readonly mac: string;
  readonly irq: number;
  readonly registers: readonly RegisterStatus[];
  /** Those that are set up, by queue; the NE2000 has none. */
  readonly rx: readonly RingStatus[];
  readonly tx: readonly RingStatus[];
  /** Page numbers; `free` of `pages` can be written. */
  readonly pageRing: {
    readonly pstart: number;
    readonly pstop: number;
    readonly curr: number;
    readonly bnry: number;
    readonly pages: number;
    readonly free: number;
  };
  /** Statistics registers that are not 0, by name. */
  readonly counters: Readonly<Record<string, number>>;
}

export interface HostStatus {
  readonly name: string;
  readonly cards: readonly CardStatus[];
  /** Per interrupt: its number or name (`LOC`), deliveries by CPU, and whose it is. */
  readonly interrupts: readonly { readonly irq: string; readonly counts: readonly number[]; readonly name: string }[];
  /** Runs of each softirq, all CPUs together; those that never ran are left out. */
  readonly softirqs: Readonly<Record<string, number>>;
  readonly napi: readonly { readonly device: string; readonly polls: number; readonly packets: number }[];
  /** net_device_stats that are not 0, by device. */
  readonly devices: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Time of each CPU, ns. */
  readonly cpus: readonly { readonly hardirq: number; readonly softirq: number; readonly task: number }[];
  /** Packets that the kernel dropped, by SKB_DROP_REASON without its prefix. */
  readonly drops: Readonly<Record<string, number>>;
  /** sk_buffs alive: most of them in receive rings. */
  readonly skbs: number;
}

const registers = registersOf(NIC);
/** What can be read of an NE2000, page by page; its tally counters. */
const neRegisters = Object.values(NE2000).filter(({ index }) => index >= 0);
const neCounters: ReadonlySet<string> = new Set(['CNTR0', 'CNTR1', 'CNTR2']);
const isCounter = (register: Reg<string>): boolean => register.access === 'rc';

function nonZero(entries: Iterable<readonly [string, number]>): Record<string, number> {
  return Object.fromEntries([...entries].filter(([, value]) => value !== 0));
}

const fieldValue = (value: number, { lsb, max }: Field<string>): number => Math.floor(value / 2 ** lsb) & max;

function ringStatuses(card: Plugged, rx: boolean): RingStatus[] {
  const { count: queues, stride } = NIC.RDLEN;
  const rings = Array.from({ length: queues }, (_, queue): RingStatus => {
    const peek = (register: { readonly offset: number }): number => card.nic.peek(register.offset + queue * stride);
    const count = peek(rx ? NIC.RDLEN : NIC.TDLEN);
    const head = peek(rx ? NIC.RDH : NIC.TDH);
    const tail = peek(rx ? NIC.RDT : NIC.TDT);
    return { queue, count, head, tail, cardOwns: count === 0 ? 0 : (tail - head + count) % count };
  });
  // The first one is shown in any case.
  return rings.filter(({ queue, count }) => queue === 0 || count > 0);
}

function cardStatus(card: Plugged): CardStatus {
  const { nic } = card;
  if (nic instanceof Ne2000) return ne2000Status(card, nic);
  const { pstart, pstop, curr, bnry } = nic.ring;
  const pages = pstop - pstart;
  return {
    slot: card.slot.slot,
    model: 'ringside',
    mac: formatMac(card.mac),
    irq: card.line,
    registers: registers
      .filter(register => !isCounter(register) && register.access !== 'wo')
      .map(register => {
        const value = nic.peek(register.offset);
        const fields = nonZero(register.fields.map(field => [field.name, fieldValue(value, field)] as const));
        return { name: register.name, value, fields };
      }),
    rx: ringStatuses(card, true),
    tx: ringStatuses(card, false),
    pageRing: { pstart, pstop, curr, bnry, pages, free: (bnry - curr + pages) % pages },
    counters: nonZero(registers.filter(isCounter).map(each => [each.name, nic.peek(each.offset)] as const)),
  };
}

function ne2000Status(card: Plugged, nic: Ne2000): CardStatus {
  const { pstart, pstop, curr, bnry } = nic.ring;
  const pages = Math.max(pstop - pstart, 0);
  const free = pages === 0 ? 0 : bnry === curr ? pages : (bnry - curr + pages) % pages;
  const registers = neRegisters
    .filter(({ name }) => !neCounters.has(name))
    .map(register => {
      const value = nic.peek(register.index);
      const fields = nonZero(register.fields.map(field => [field.name, fieldValue(value, field)] as const));
      return { name: register.name, value, fields };
    });
  return {
    slot: card.slot.slot,
    model: 'ne2000',
    mac: formatMac(card.mac),
    irq: card.line,
    registers,
    rx: [],
    tx: [],
    pageRing: { pstart, pstop, curr, bnry, pages, free },
    counters: nonZero([...neCounters].map(name => [name, nic.peek(NE2000[name as 'CNTR0'].index)] as const)),
  };
}

export function hostStatus(host: Host): HostStatus {
  const { kernel } = host;
  const { devices, drops } = kernel.init_net;
  const used = kernel.irqs.filter(desc => desc.actions.length > 0 || desc.kstat.some(count => count > 0));
  const runs = softirq_names.map((name, nr) => {
    const total = kernel.softirq_stat.reduce((sum, stat) => sum + (stat[nr] ?? 0), 0);
    return [name, total] as const;
  });
  return {
    name: host.name,
    cards: host.cards.map(cardStatus),
    interrupts: [
      ...used.map(desc => ({
        irq: String(desc.irq),
        counts: [...desc.kstat],
        name: desc.actions.map(action => action.name).join(', '),
      })),
      { irq: 'LOC', counts: [...kernel.local_timer_count], name: 'local timer' },
    ],
    softirqs: nonZero(runs),
    napi: devices.flatMap(dev => dev.napis.map(({ polls, packets }) => ({ device: dev.name, polls, packets }))),
    devices: Object.fromEntries(devices.map(dev => [dev.name, nonZero(Object.entries(dev.stats))])),
    cpus: kernel.cpus.map(({ times }) => ({ ...times })),
    drops: nonZero([...drops].map((count, reason) => [drop_reason_name(reason), count] as const)),
    skbs: kernel.skbs.alive,
  };
}

const hex = (value: number, digits: number): string => `${value.toString(16).padStart(digits, '0')}h`;

/** `GPRC 5, GORC 490`; `none` for an empty one. */
export function formatCounts(counts: Readonly<Record<string, number>>): string {
  const list = Object.entries(counts).map(([name, value]) => `${name} ${value}`);
  return list.length === 0 ? 'none' : list.join(', ');
}

/** `STATUS 00640007h RDY LU FD SPEED=100`. */
function formatRegister({ name, value, fields }: RegisterStatus, digits: number): string {
  const bits = Object.entries(fields).map(([field, n]) => (n === 1 ? field : `${field}=${n}`));
  return [name, hex(value, digits), ...bits].join(' ');
}

/** Fills lines up to `width` columns with `items`, a separator between two. */
function flow(items: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 3 + item.length <= width) lines[lines.length - 1] = `${last} · ${item}`;
    else lines.push(item);
  }
  return lines;
}

const LABEL_WIDTH = 13;

function labelled(label: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${line}`);
}

const SHOWN_REGISTERS: ReadonlySet<string> = new Set([
  'CTRL',
  'STATUS',
  'ISR',
  'IMS',
  'RCR',
  'RDCTL',
  'TDCTL',
  'CR',
  'IMR',
  'TCR',
  'DCR',
]);

function formatRing({ count, head, tail, cardOwns }: RingStatus): string {
  return `head ${head}, tail ${tail} of ${count}: ${cardOwns} the card's, ${count - cardOwns} the driver's`;
}

function formatCard(card: CardStatus): string[] {
  const { pstart, pstop, curr, bnry, pages, free } = card.pageRing;
  const shown = card.registers.filter(({ name }) => SHOWN_REGISTERS.has(name));
  const digits = card.model === 'ne2000' ? 2 : 8;
  const { rx, tx } = card;
  const named = (what: string, rings: readonly RingStatus[]): string[] =>
    rings.map(ring => `${what}${rings.length > 1 ? ` ${ring.queue}` : ''}: ${formatRing(ring)}`);
  const rings = [...named('receive', rx), ...named('transmit', tx)];
  return [
    ...labelled(
      'registers',
      flow(
        shown.map(each => formatRegister(each, digits)),
        95,
      ),
    ),
    ...labelled('rings', rings),
    ...labelled('page ring', [
      `PSTART ${hex(pstart, 2)}, PSTOP ${hex(pstop, 2)}, CURR ${hex(curr, 2)}, BNRY ${hex(bnry, 2)}: ${free} of ${pages} pages free`,
    ]),
    ...labelled('counters', flow([formatCounts(card.counters)], 95)),
  ];
}

/** Some twenty lines for a host. */
export function formatStatus(status: HostStatus): string[] {
  const µs = (ns: number): string => `${(ns / 1000).toFixed(1)} µs`;
  const cpus = status.cpus.map(
    ({ hardirq, softirq, task }, id) =>
      `cpu${id}: hardirq ${µs(hardirq)}, softirq ${µs(softirq)}, tasks and boot ${µs(task)}`,
  );
  const interrupts = status.interrupts.map(
    ({ irq, counts, name }) => `${irq.padStart(3)}:${counts.map(n => String(n).padStart(6)).join('')}   ${name}`,
  );
  const devices = Object.entries(status.devices)
    .filter(([, stats]) => Object.keys(stats).length > 0)
    .map(([name, stats]) => `${name}: ${formatCounts(stats)}`);
  const napi = status.napi.map(({ device, polls, packets }) => `${device}: ${polls} polls, ${packets} frames`);
  return [
    ...status.cards.flatMap(formatCard),
    ...labelled('interrupts', interrupts),
    ...labelled('softirqs', [formatCounts(status.softirqs)]),
    ...labelled('NAPI', napi),
    ...labelled('devices', devices),
    ...labelled('drops', [formatCounts(status.drops)]),
    ...labelled('CPU time', cpus),
  ];
}
