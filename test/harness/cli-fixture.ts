/** A program with commands that end in every way there is; cli.test.ts runs it as a process. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { JudgedFailure, UsageError } from '../../harness/cli/errors.ts';
import { loadCapture } from '../../harness/cli/input.ts';
import { onInterrupt } from '../../harness/cli/interrupt.ts';
import { type RegisterCommand, runProcess } from '../../harness/cli/main.ts';
import { parseHost, parseSeed } from '../../harness/cli/options.ts';
import { writeOutput } from '../../harness/cli/output.ts';

export const fixtureCommands: readonly RegisterCommand[] = [
  (program: Command) => {
    program
      .command('read')
      .argument('<file>', 'a capture')
      .requiredOption('--as <host>', 'who we are', parseHost)
      .option('--out <file>', 'where to write')
      .action((file: string, options: { out?: string }) => {
        const capture = loadCapture(file);
        if (options.out !== undefined) writeOutput(options.out, 'result\n');
        process.stdout.write(`${capture.frames.length} frames\n`);
      });
  },
  program => {
    program
      .command('fail')
      .argument('<how>')
      .option('--seed <n>', 'chance', parseSeed, 1)
      .action(async (how: string) => {
        if (how === 'usage') throw new UsageError('x: no such thing');
        if (how === 'quoting') throw new UsageError('x: unexpected "\x1b[2J\n\u009b"');
        if (how === 'judged') throw new JudgedFailure('2 of 3 passed');
        if (how === 'status') process.exitCode = 1;
        if (how === 'bug') throw new Error('assertion failed: head <= tail');
        if (how === 'seeded') throw Object.assign(new Error('assertion failed'), { seed: 99 });
        if (how === 'later') {
          setImmediate(() => {
            throw new Error('assertion failed later');
          });
          await sleep(10_000);
        }
      });
  },
  program => {
    program.command('print').action(async () => {
      for (;;) {
        process.stdout.write('line\n'.repeat(1000));
        await sleep(0);
      }
    });
  },
  program => {
    program.command('wait').action(async () => {
      onInterrupt(() => void process.stdout.write('undone\n'));
      process.stdout.write('ready\n');
      await sleep(20_000);
    });
  },
  program => {
    program.command('group').command('member');
  },
];

if (process.argv[1]?.endsWith('cli-fixture.ts') === true) await runProcess(fixtureCommands);
