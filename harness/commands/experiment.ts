/** `ringside experiment`: what the cost model and the machine show when they are pushed. */
import type { Command } from 'commander';
import { countBetween, parseSeed } from '../cli/options.ts';
import { checkOutput, writeOutput } from '../cli/output.ts';
import { experiments } from '../experiment/index.ts';

interface Options {
  readonly json?: boolean;
  readonly svg?: string;
  readonly ms: number;
  readonly seed: number;
}

const COSTS = '\nAll costs come from kernel/costs.ts. The same seed gives the same figures.';

export function registerExperiment(program: Command): void {
  const command = program.command('experiment').description('measure what the simulated machine does under load');
  for (const experiment of experiments) {
    command
      .command(experiment.name)
      .description(experiment.summary)
      .option('--json', `print ${experiment.shape}`)
      .option('--svg <file>', `write the figure: ${experiment.plotted}`)
      .option(
        '--ms <n>',
        'simulated milliseconds measured at each point, 1 to 10000',
        countBetween(1, 10_000),
        experiment.defaultMs,
      )
      .option('--seed <n>', 'seed of the run', parseSeed, 1)
      .addHelpText('after', `${experiment.help}\n${COSTS}`)
      .action((options: Options) => {
        if (options.svg !== undefined) checkOutput(options.svg);
        const { isTTY } = process.stderr;
        const { points, table, figure } = experiment.measure(options, what => {
          if (isTTY) process.stderr.write(`\r\x1b[K${what} …`);
        });
        if (isTTY) process.stderr.write('\r\x1b[K');
        if (options.svg !== undefined) writeOutput(options.svg, figure());
        process.stdout.write(options.json === true ? `${JSON.stringify(points, null, 1)}\n` : `${table()}\n`);
      });
  }
}
