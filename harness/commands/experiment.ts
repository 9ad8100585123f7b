/** `ringside experiment`: what the cost model and the machine show when they are pushed. */
import type { Command } from 'commander';
import { countBetween, parseSeed } from '../cli/options.ts';
import { checkOutput, writeOutput } from '../cli/output.ts';
import { type LivelockPoint, livelockDrivers, livelockLoads, livelockPoint } from '../experiment/livelock.ts';
import { plot } from '../experiment/plot.ts';

interface LivelockOptions {
  readonly json?: boolean;
  readonly svg?: string;
  readonly ms: number;
  readonly seed: number;
}

export function registerExperiment(program: Command): void {
  const experiment = program.command('experiment').description('measure what the simulated machine does under load');
  experiment
    .command('livelock')
    .description('rising load against a driver with an interrupt per packet, and one with NAPI')
    .option('--json', 'print a list of {driver, offered_pps, goodput_pps, received_pps, irqs_per_packet, cpu}')
    .option('--svg <file>', 'write the figure: goodput over offered load')
    .option('--ms <n>', 'simulated milliseconds measured at each load, 1 to 10000', countBetween(1, 10_000), 50)
    .option('--seed <n>', 'seed of the run', parseSeed, 1)
    .addHelpText(
      'after',
      `
A host with one CPU forwards 60-byte UDP frames from one 10 Gbit/s card to another. goodput is what leaves the second
card; received is what a program's recvfrom gets of the same load sent to the host itself, in a run of its own. The CPU
shares are those of the forwarding run. All costs come from kernel/costs.ts.

This is the figure of Mogul and Ramakrishnan, "Eliminating Receive Livelock in an Interrupt-driven Kernel" (1997).`,
    )
    .action((options: LivelockOptions) => {
      if (options.svg !== undefined) checkOutput(options.svg);
      const points: LivelockPoint[] = [];
      for (const driver of livelockDrivers) {
        for (const load of livelockLoads) {
          if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${driver.name} at ${load} packets/s …`);
          points.push(livelockPoint(driver, load, options.ms * 1e6, options.seed));
        }
      }
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
      if (options.svg !== undefined) writeOutput(options.svg, livelockFigure(points));
      process.stdout.write(options.json === true ? `${JSON.stringify(points, null, 1)}\n` : livelockTable(points));
    });
}

function livelockFigure(points: readonly LivelockPoint[]): string {
  const series = livelockDrivers.map(({ name, what }) => ({
    name: what,
    points: points.filter(point => point.driver === name).map(point => [point.offered_pps, point.goodput_pps] as const),
  }));
  return plot(series, { title: 'Receive livelock', x: 'offered load, packets/s', y: 'forwarded, packets/s' });
}

function livelockTable(points: readonly LivelockPoint[]): string {
  const lines: string[] = [];
  for (const { name, what } of livelockDrivers) {
    const mine = points.filter(point => point.driver === name);
    const peak = mine.reduce((best, point) => (point.goodput_pps > best.goodput_pps ? point : best));
    lines.push(`${name}: ${what}`);
    lines.push('   offered  forwarded   received  irqs/packet   hardirq  softirq    task    idle');
    for (const point of mine) {
      const { hardirq, softirq, task, idle } = point.cpu;
      const rates = [point.offered_pps, point.goodput_pps, point.received_pps].map(rate =>
        rate.toFixed(0).padStart(10),
      );
      const shares = [hardirq, softirq, task, idle].map(value => `${(value * 100).toFixed(0)} %`.padStart(8));
      lines.push(`${rates.join(' ')}  ${point.irqs_per_packet.toFixed(2).padStart(11)}  ${shares.join('')}`);
    }
    const last = mine.at(-1) as LivelockPoint;
    const share = (100 * last.goodput_pps) / peak.goodput_pps;
    lines.push(
      `  peak ${peak.goodput_pps.toFixed(0)} packets/s at ${peak.offered_pps} offered; ${share.toFixed(0)} % of it at ${last.offered_pps}`,
      '',
    );
  }
  return `${lines.join('\n').trimEnd()}\n`;
}
