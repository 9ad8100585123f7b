/** `ringside drill serve`: the door for judges as JSON lines (docs/drill.md). */
import { once } from 'node:events';
import type { Command } from 'commander';
import type { RegisterCommand } from '../cli/main.ts';
import { countBetween } from '../cli/options.ts';
import { boundedLines, DrillSession } from '../drill/serve.ts';

const HELP = `
One request a line, one answer a line:

  {"id": 1, "call": "socket", "args": [2, 1, 0]}
  {"id":1,"operation":1,"done":true,"result":3,"errno":"","value":null,"finishedAt":5000,"now":5000}

Calls and arguments are those of docs/drill.md; bytes are hexadecimal text. A call that blocks is answered by
"done": false, and comes in the "finished" of a later answer. {"call": "end"} gives what was left behind.

Exit status 1: the host that was open at the end of the input left something behind.`;

export const registerDrill: RegisterCommand = (program: Command) => {
  const drill = program.command('drill').description('a host of ours for conformance tools: calls, packets, clock');
  drill
    .command('serve')
    .description('take requests as JSON lines from stdin, answer on stdout')
    .option('--seed <number>', 'what is drawn, 0 to 2^32 - 1', countBetween(0, 0xffffffff), 1)
    .option('--mtu <bytes>', 'of the device, 68 to 1500', countBetween(68, 1500), 1500)
    .addHelpText('after', HELP)
    .action(async (options: { readonly seed: number; readonly mtu: number }) => {
      const session = new DrillSession({ seed: options.seed, mtu: options.mtu });
      const { stdin, stdout } = process;
      // Who asked may have gone without waiting for the answers.
      let gone = false;
      stdout.on('error', () => {
        gone = true;
        stdin.destroy();
      });
      for await (const line of boundedLines(stdin.setEncoding('utf8'))) {
        if (gone) break;
        if (line.trim() !== '' && !stdout.write(`${session.line(line)}\n`)) {
          await Promise.race([once(stdout, 'drain'), once(stdout, 'close')]).catch(() => undefined);
        }
      }
      if (session.close() > 0) process.exitCode = 1;
    });
};
