/** One CPU asks another to run a function: the function call interrupt (kernel/smp.c). */
import type { ClockEvent } from './arch.ts';
import type { Kernel } from './kernel.ts';
import type { Cpu } from './sched/cpu.ts';

/** A call to one CPU (call_single_data_t): made once, used again and again, under way at most once. */
export class call_single_data {
  readonly cpu: Cpu;
  readonly func: () => void;
  readonly event: ClockEvent;

  constructor(kernel: Kernel, cpu: Cpu, func: () => void) {
    this.cpu = cpu;
    this.func = func;
    this.event = kernel.clock.event(`csd.cpu${cpu.id}`, () => cpu.call(this));
  }
}

/**
 * smp_call_function_single_async: `csd.func` shall run on its CPU, in hard interrupt context. The sender is charged for
 * sending, from `at` on when that is later than now; the interrupt arrives one trip later.
 */
export function smp_call_function_single_async(kernel: Kernel, csd: call_single_data, at = 0): void {
  const { clock, cost } = kernel;
  clock.now += cost.ipi_send;
  clock.schedule(csd.event, Math.max(at, clock.now) + cost.ipi_trip);
}

/** The interrupt on the CPU that was called (generic_smp_call_function_single_interrupt). */
export function call_function_interrupt(cpu: Cpu, csd: call_single_data): void {
  const { kernel } = cpu;
  kernel.clock.now += kernel.cost.irq_entry;
  cpu.call_count++;
  const entry = kernel.trace.call_function_entry;
  if (entry !== null) entry(cpu.id);
  csd.func();
  kernel.clock.now += kernel.cost.irq_exit;
}
