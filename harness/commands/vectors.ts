/** `ringside vectors`: replays files of register scenarios against our card. */
import { type Command, Option } from 'commander';
import { UsageError } from '../cli/errors.ts';
import { readInput } from '../cli/input.ts';
import type { RegisterCommand } from '../cli/main.ts';
import { parseVectors, VectorError } from '../vectors/load.ts';
import { Ne2000Names, Ne2000Target } from '../vectors/ne2000.ts';
import { describeDifference, type Outcome, runScenario, transcript } from '../vectors/run.ts';
import type { Scenario, Vectors } from '../vectors/script.ts';

interface VectorsOptions {
  readonly json?: boolean;
  readonly only: readonly string[];
  readonly list?: boolean;
}

const HELP = `
A vector file (format nic-register-vectors/1) holds scenarios: register writes and reads, frames in and out, the level of
the interrupt line. Each scenario starts from a freshly powered card. It is judged by what the data sheet asks for where
the file says that, and by what was recorded from another device elsewhere; "any" is not compared.

The last line tells how many passed and failed; with --json every line is an object, the last one
{"passed":N,"failed":N}, and that line goes to standard error. Exit status 1 when a scenario failed.`;

const DEVICE = 'ne2000';

function load(path: string): Vectors {
  try {
    const vectors = parseVectors(Buffer.from(readInput(path)).toString('utf8'), path);
    if (vectors.device !== DEVICE) {
      throw new UsageError(`${path}: its device is "${vectors.device}"; there is only "${DEVICE}"`);
    }
    return vectors;
  } catch (error) {
    if (error instanceof VectorError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

function report(file: string, outcome: Outcome, json: boolean): void {
  const { scenario, difference } = outcome;
  if (json) {
    const { name, topic } = scenario;
    const line = { file, name, topic, passed: difference === null, difference, seen: transcript(outcome) };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  } else if (difference !== null) {
    process.stdout.write(`FAILED ${scenario.name}: ${describeDifference(difference)}\n`);
    if (scenario.why !== '') process.stdout.write(`       ${scenario.why}\n`);
  }
}

export const registerVectors: RegisterCommand = (program: Command) => {
  program
    .command('vectors')
    .description('replay files of register scenarios against our NE2000 and name the first difference of each')
    .argument('<file...>', 'vector files')
    .addOption(
      new Option('--only <name>', 'run only this scenario, or this topic; may be repeated')
        .argParser(collect)
        .default([], 'all'),
    )
    .option('--list', 'print the names of the scenarios and run none')
    .option('--json', 'print JSON lines instead of text')
    .addHelpText('after', HELP)
    .action((files: readonly string[], options: VectorsOptions) => {
      // All files are read before the first is run: a bad one leaves nothing half-done.
      const loaded = files.map(file => ({ file, vectors: load(file) }));
      const chosen = ({ name, topic }: Scenario): boolean =>
        options.only.length === 0 || options.only.includes(name) || options.only.includes(topic);
      const known = loaded.flatMap(({ vectors }) => vectors.scenarios.flatMap(({ name, topic }) => [name, topic]));
      for (const name of options.only) {
        if (!known.includes(name)) throw new UsageError(`--only ${name}: there is no such scenario or topic`);
      }
      const json = options.json === true;
      let passed = 0;
      let failed = 0;
      for (const { file, vectors } of loaded) {
        for (const scenario of vectors.scenarios.filter(chosen)) {
          if (options.list === true) {
            const { name, topic, why } = scenario;
            process.stdout.write(json ? `${JSON.stringify({ file, name, topic, why })}\n` : `${name}\n`);
            continue;
          }
          const outcome = runScenario(scenario, new Ne2000Target(vectors.mac), new Ne2000Names());
          if (outcome.difference === null) passed++;
          else failed++;
          report(file, outcome, json);
        }
      }
      if (options.list === true) return;
      process.stdout.write(json ? `${JSON.stringify({ passed, failed })}\n` : `${passed} passed, ${failed} failed\n`);
      if (failed > 0) process.exitCode = 1;
    });
};

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
