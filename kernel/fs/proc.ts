/** Files of /proc that show interrupts, softirqs and the receive path: their text, as Linux 6.18 on x86 prints it. */
import type { Kernel } from '../kernel.ts';
import { dev_get_stats, type softnet_data } from '../net/core/dev.ts';
import type { net } from '../net/core/net_namespace.ts';
import { NR_SOFTIRQS, softirq_names } from '../softirq.ts';

const column = (value: number, width: number): string => String(value).padStart(width);
const cpu_heads = (kernel: Kernel): string => kernel.cpus.map(({ id }) => `CPU${String(id).padEnd(8)}`).join('');

/** /proc/interrupts (kernel/irq/proc.c, arch/x86/kernel/irq.c): lines with a handler or a count, then those without a line. */
export function proc_interrupts(kernel: Kernel): string {
  const { cpus, irqs } = kernel;
  let prec = 3;
  for (let j = 1000; j <= irqs.length; j *= 10) prec++;
  const counts = (of: (cpu: number) => number): string => cpus.map(({ id }) => ` ${column(of(id), 10)}`).join('');
  const lines = [`${' '.repeat(prec + 8)}${cpu_heads(kernel)}\n`];
  for (const { irq, kstat, actions, chip, hwirq, flow } of irqs) {
    if (actions.length === 0 && kstat.every(count => count === 0)) continue;
    const names = actions.map(({ name }) => name).join(', ');
    const handler = `${column(hwirq, prec)}-${flow.padEnd(8)}`;
    const action = names === '' ? '' : `  ${names}`;
    lines.push(`${column(irq, prec)}:${counts(cpu => kstat[cpu] as number)} ${chip.padStart(8)} ${handler}${action}\n`);
  }
  const arch = (label: string, of: (cpu: number) => number, what: string): void => {
    lines.push(`${label.padStart(prec)}:${counts(of)}   ${what}\n`);
  };
  arch('LOC', cpu => kernel.local_timer_count[cpu] as number, 'Local timer interrupts');
  arch('CAL', cpu => kernel.cpus[cpu]?.call_count ?? 0, 'Function call interrupts');
  // Interrupts that nobody claimed.
  lines.push(
    `${'ERR'.padStart(prec)}: ${column(
      irqs.reduce((sum, { spurious }) => sum + spurious, 0),
      10,
    )}\n`,
  );
  return lines.join('');
}

/** /proc/softirqs (fs/proc/softirqs.c) */
export function proc_softirqs(kernel: Kernel): string {
  const lines = [`${' '.repeat(20)}${cpu_heads(kernel)}\n`];
  for (let nr = 0; nr < NR_SOFTIRQS; nr++) {
    const counts = kernel.softirq_stat.map(stat => ` ${column(stat[nr] as number, 10)}`).join('');
    lines.push(`${(softirq_names[nr] as string).padStart(12)}:${counts}\n`);
  }
  return lines.join('');
}

/** /proc/net/softnet_stat (net/core/net-procfs.c): a line per CPU, fifteen columns in hexadecimal. */
export function proc_net_softnet_stat(kernel: Kernel): string {
  const line = (sd: softnet_data): string => {
    const input = sd.input_pkt_queue.qlen;
    const taken = sd.process_queue.qlen;
    const flow_limit = sd.flow_limit?.count ?? 0;
    const columns = [sd.processed, sd.dropped, sd.time_squeeze, 0, 0, 0, 0, 0, 0, sd.received_rps, flow_limit];
    columns.push(input + taken, sd.cpu.id, input, taken);
    return `${columns.map(value => (value >>> 0).toString(16).padStart(8, '0')).join(' ')}\n`;
  };
  return kernel.softnet.map(line).join('');
}

/** /proc/net/dev (net/core/net-procfs.c) */
export function proc_net_dev(net: net): string {
  const lines = [
    'Inter-|   Receive                                                |  Transmit\n',
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n',
  ];
  for (const dev of net.devices) {
    const s = dev_get_stats(dev);
    const receive = [
      column(s.rx_bytes, 7),
      column(s.rx_packets, 7),
      column(s.rx_errors, 4),
      column(s.rx_dropped + s.rx_missed_errors, 4),
      column(s.rx_fifo_errors, 4),
      column(s.rx_length_errors + s.rx_over_errors + s.rx_crc_errors + s.rx_frame_errors, 5),
      column(0, 10),
      column(s.multicast, 9),
    ];
    const transmit = [
      column(s.tx_bytes, 8),
      column(s.tx_packets, 7),
      column(s.tx_errors, 4),
      column(s.tx_dropped, 4),
      column(s.tx_fifo_errors, 4),
      column(s.collisions, 5),
      column(s.tx_carrier_errors, 7),
      column(0, 10),
    ];
    lines.push(`${dev.name.padStart(6)}: ${receive.join(' ')} ${transmit.join(' ')}\n`);
  }
  return lines.join('');
}

/** /proc/irq/N/smp_affinity: the CPUs that the line may interrupt, in hexadecimal. null: there is no such line. */
export function proc_irq_smp_affinity(kernel: Kernel, irq: number): string | null {
  const desc = kernel.irqs[irq];
  return desc === undefined ? null : `${(1 << desc.affinity).toString(16)}\n`;
}

/** What there is beside /proc/net's registered files, by path. */
const files: Readonly<Record<string, (kernel: Kernel) => string>> = {
  '/proc/interrupts': proc_interrupts,
  '/proc/softirqs': proc_softirqs,
  '/proc/net/dev': kernel => proc_net_dev(kernel.init_net),
  '/proc/net/softnet_stat': proc_net_softnet_stat,
};

/** Every file that proc_read knows, sorted. */
export function proc_list(kernel: Kernel): string[] {
  const registered = [...kernel.init_net.proc_net.files.keys()].map(name => `/proc/net/${name}`);
  const lines = kernel.irqs.map(({ irq }) => `/proc/irq/${irq}/smp_affinity`);
  return [...Object.keys(files), ...registered, ...lines].sort();
}

/** The text of a file of /proc, as Linux 6.18 on x86 prints it; null: there is no such file. */
export function proc_read(kernel: Kernel, path: string): string | null {
  if (Object.hasOwn(files, path)) return (files[path] as (kernel: Kernel) => string)(kernel);
  const irq = /^\/proc\/irq\/(\d+)\/smp_affinity$/.exec(path)?.[1];
  if (irq !== undefined) return proc_irq_smp_affinity(kernel, Number(irq));
  const parts = path.startsWith('/proc/net/') ? kernel.init_net.proc_net.files.get(path.slice(10)) : undefined;
  return parts?.map(({ show }) => show(kernel.init_net)).join('') ?? null;
}
