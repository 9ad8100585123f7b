/** Interrupt lines, their handlers, and the watch for lines that nobody serves (kernel/irq/{manage,handle,spurious}.c). */

import { EBUSY, EINVAL } from '../errno.ts';
import type { Kernel } from '../kernel.ts';

export const IRQ_NONE = 0;
export const IRQ_HANDLED = 1;
export type irqreturn_t = typeof IRQ_NONE | typeof IRQ_HANDLED;
export type irq_handler_t = (irq: number, dev_id: unknown) => irqreturn_t;

export const IRQF_SHARED = 0x80;

interface irqaction {
  readonly handler: irq_handler_t;
  readonly name: string;
  readonly dev_id: unknown;
  readonly flags: number;
}

const LINE_CHIP = 'IO-APIC';
const LINE_FLOW = 'fasteoi';

/** One line, or one message's number (struct irq_desc). */
export class irq_desc {
  readonly irq: number;
  actions: irqaction[] = [];
  /** Depth of disable_irq; the line is masked while it is not 0. */
  depth = 1;
  affinity = 0;
  /** For /proc/interrupts: the controller's name, the number it knows the interrupt by, how it is handled. */
  chip = LINE_CHIP;
  hwirq: number;
  flow = LINE_FLOW;
  /** Interrupts handled, per CPU. */
  readonly kstat: Int32Array;
  /** note_interrupt: interrupts seen, and how many nobody claimed, in the present window. */
  irq_count = 0;
  irqs_unhandled = 0;
  /** Interrupts nobody claimed, in all. */
  spurious = 0;
  /** The line was shut off because nobody cared. */
  spurious_disabled = false;

  constructor(irq: number, cpus: number) {
    this.irq = irq;
    this.hwirq = irq;
    this.kstat = new Int32Array(cpus);
  }
}

/** Window and limit of note_interrupt (kernel/irq/spurious.c): 99,900 of 100,000. */
const SPURIOUS_WINDOW = 100_000;
const SPURIOUS_LIMIT = 99_900;

export function init_irqs(kernel: Kernel): irq_desc[] {
  const descs: irq_desc[] = [];
  for (let irq = 0; irq < kernel.arch.intc.lines; irq++) descs.push(new irq_desc(irq, kernel.arch.cpus));
  return descs;
}

/**
 * Installs a handler on a line and, when it is the first one, unmasks the line.
 * @returns 0, -EINVAL for a line that does not exist, -EBUSY when the line is taken and not shared by both.
 */
export function request_irq(
  kernel: Kernel,
  irq: number,
  handler: irq_handler_t,
  flags: number,
  name: string,
  dev_id: unknown,
): number {
  const desc = kernel.irqs[irq];
  if (desc === undefined) return -EINVAL;
  const shared = (flags & IRQF_SHARED) !== 0 && desc.actions.every(action => (action.flags & IRQF_SHARED) !== 0);
  if (desc.actions.length > 0 && !shared) return -EBUSY;
  desc.actions.push({ handler, name, dev_id, flags });
  const tp = kernel.trace.request_irq;
  if (tp !== null) tp(irq, name);
  if (desc.actions.length === 1) {
    desc.depth = 0;
    desc.irq_count = 0;
    desc.irqs_unhandled = 0;
    desc.spurious_disabled = false;
    kernel.arch.intc.unmask(irq);
  }
  return 0;
}

/** Removes the handler with this `dev_id`; the last one masks the line. Freeing what is not there is reported. */
export function free_irq(kernel: Kernel, irq: number, dev_id: unknown): void {
  const desc = kernel.irqs[irq];
  const index = desc?.actions.findIndex(action => action.dev_id === dev_id) ?? -1;
  if (desc === undefined || index < 0) {
    kernel.arch.report('irq', `free_irq: no handler with that dev_id on irq ${irq}`);
    return;
  }
  desc.actions.splice(index, 1);
  if (desc.actions.length === 0) {
    desc.depth = 1;
    kernel.arch.intc.mask(irq);
  }
}

/** Masks the line; calls nest. */
export function disable_irq(kernel: Kernel, irq: number): void {
  const desc = kernel.irqs[irq];
  if (desc !== undefined && desc.depth++ === 0) kernel.arch.intc.mask(irq);
}

/** Undoes one disable_irq; an unbalanced call is reported. */
export function enable_irq(kernel: Kernel, irq: number): void {
  const desc = kernel.irqs[irq];
  if (desc === undefined) return;
  if (desc.depth === 0) {
    kernel.arch.report('irq', `unbalanced enable_irq for irq ${irq}`);
    return;
  }
  if (--desc.depth === 0 && !desc.spurious_disabled) kernel.arch.intc.unmask(irq);
}

/** irq_set_chip_and_handler: what stands behind an interrupt number, as /proc/interrupts tells it. */
export function irq_set_chip_and_handler(kernel: Kernel, irq: number, chip: string, hwirq: number, flow: string): void {
  const desc = kernel.irqs[irq];
  if (desc === undefined) return;
  desc.chip = chip;
  desc.hwirq = hwirq;
  desc.flow = flow;
}

/** The number stands for a line again, and its counts begin anew (irq_free_desc). */
export function irq_set_line_chip(kernel: Kernel, irq: number): void {
  irq_set_chip_and_handler(kernel, irq, LINE_CHIP, irq, LINE_FLOW);
  kernel.irqs[irq]?.kstat.fill(0);
}

/** Nobody has a handler on it. */
export function irq_desc_is_free(kernel: Kernel, irq: number): boolean {
  return kernel.irqs[irq]?.actions.length === 0;
}

/** irq_set_affinity: the CPU that takes this line from now on. */
export function irq_set_affinity(kernel: Kernel, irq: number, cpu: number): number {
  const desc = kernel.irqs[irq];
  if (desc === undefined || cpu < 0 || cpu >= kernel.cpus.length) return -EINVAL;
  desc.affinity = cpu;
  kernel.arch.intc.setAffinity(irq, cpu);
  return 0;
}

/** A hard interrupt from entry to exit: every handler of the line is asked (handle_level_irq). */
export function handle_irq(kernel: Kernel, irq: number): void {
  const { clock, cost, cpu } = kernel;
  const desc = kernel.irqs[irq] as irq_desc;
  // Freed or disabled since it was delivered: handle_level_irq leaves it pending.
  if (desc.depth > 0 || desc.actions.length === 0) {
    kernel.arch.intc.eoi(irq);
    return;
  }
  clock.now += cost.irq_entry;
  desc.kstat[cpu.id] = (desc.kstat[cpu.id] as number) + 1;
  const entry = kernel.trace.irq_handler_entry;
  if (entry !== null) entry(irq, desc.actions.length > 0 ? (desc.actions[0] as irqaction).name : 'none');
  let handled: irqreturn_t = IRQ_NONE;
  for (let i = 0; i < desc.actions.length; i++) {
    const action = desc.actions[i] as irqaction;
    if (action.handler(irq, action.dev_id) === IRQ_HANDLED) handled = IRQ_HANDLED;
  }
  const exit = kernel.trace.irq_handler_exit;
  if (exit !== null) exit(irq, handled);
  note_interrupt(kernel, desc, handled);
  clock.now += cost.irq_exit;
  kernel.arch.intc.eoi(irq);
}

function note_interrupt(kernel: Kernel, desc: irq_desc, handled: irqreturn_t): void {
  if (handled === IRQ_NONE) {
    desc.irqs_unhandled++;
    desc.spurious++;
  }
  if (++desc.irq_count < SPURIOUS_WINDOW) return;
  desc.irq_count = 0;
  if (desc.irqs_unhandled > SPURIOUS_LIMIT) {
    desc.spurious_disabled = true;
    const tp = kernel.trace.irq_nobody_cared;
    if (tp !== null) tp(desc.irq, desc.irqs_unhandled);
    kernel.arch.intc.mask(desc.irq);
    kernel.printk(`irq ${desc.irq}: nobody cared; Disabling IRQ #${desc.irq}`);
    kernel.arch.report('irq', `irq ${desc.irq}: nobody cared`);
  }
  desc.irqs_unhandled = 0;
}
