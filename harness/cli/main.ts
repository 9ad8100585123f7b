/**
 * From arguments to an exit status: 0 all well, 1 what was judged failed (or we did), 2 used wrongly.
 *
 * Users' mistakes give two lines: what was wrong, and where to read on. Our own bugs give a stack, the seed, and the
 * command that shows them again.
 */

import { readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';
import { inspect } from 'node:util';
import { Command, type CommanderError } from 'commander';
import { describeSystemError, JudgedFailure, UsageError } from './errors.ts';

/** Adds one subcommand to the program. */
export type RegisterCommand = (program: Command) => void;

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** What commander reported, with the command that it was reported for. */
class ParseStop extends Error {
  readonly reason: CommanderError;
  readonly command: Command;

  constructor(reason: CommanderError, command: Command) {
    super(reason.message);
    this.reason = reason;
    this.command = command;
  }
}

/** `ringside trace`. */
function commandPath(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

function buildProgram(commands: readonly RegisterCommand[], output: Output): Command {
  const program = new Command('ringside');
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  };
  program
    .description('An emulated Ethernet card, a driver written against its registers, and a Linux-shaped network stack.')
    .version(version, '--version', 'print the version and end')
    .helpOption('-h, --help', 'print this help and end')
    .showSuggestionAfterError(true)
    // What goes wrong is reported in one place, below.
    .configureOutput({ writeOut: output.out, writeErr: output.err, outputError: () => {} });
  for (const register of commands) register(program);
  const visit = (command: Command): void => {
    command.exitOverride(reason => {
      throw new ParseStop(reason, command);
    });
    for (const each of command.commands) visit(each);
  };
  visit(program);
  return program;
}

/** One line: commander's prefix and line breaks go. */
const oneLine = (message: string): string =>
  message
    .replace(/^error: /, '')
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ');

/** What a message quotes of a file must not speak to the terminal, nor break the line. */
const printable = (message: string): string =>
  message.replaceAll(/\p{Cc}/gu, character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);

const quote = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;

/** How this process was started, for a line that can be pasted. */
function invocation(script: string | undefined): string {
  if (script === undefined) return 'ringside';
  if (basename(script) === 'ringside.mjs') return `node ${quote(relative('', script))}`;
  if (basename(script) === 'cli.ts') return `npx tsx ${quote(relative('', script))}`;
  return 'ringside';
}

/** A seed that the error itself carries (a run among many) goes before the command's option. */
function findSeed(error: unknown, command: Command): number | undefined {
  const seed = (error as { readonly seed?: unknown } | null)?.seed ?? (command.opts() as { seed?: unknown }).seed;
  return typeof seed === 'number' ? seed : undefined;
}

function reportBug(error: unknown, command: Command, args: readonly string[], output: Output): void {
  output.err(`${commandPath(command)}: this is a bug in Ringside\n${inspect(error)}\n`);
  const seed = findSeed(error, command);
  if (seed !== undefined) output.err(`seed: ${seed}\n`);
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] as string;
    if (seed !== undefined && argument === '--seed') at++;
    else if (seed === undefined || !argument.startsWith('--seed=')) rest.push(argument);
  }
  if (seed !== undefined && args.length > 0) rest.splice(1, 0, '--seed', String(seed));
  output.err(`replay: ${[invocation(process.argv[1]), ...rest.map(quote)].join(' ')}\n`);
}

/** Where a run has got to, for those who report on it from outside. */
interface Progress {
  /** The subcommand whose action has begun; before that the program. */
  command: Command;
}

function isBrokenPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'EPIPE';
}

/** Standard output goes to a full disk, say: nothing else of ours writes without giving such an error a file's name. */
function isFailedWrite(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.syscall === 'write';
}

const describeFailedWrite = (error: unknown): string =>
  `standard output: cannot be written: ${describeSystemError(error)}`;

/**
 * Runs one command line and gives its exit status. Never throws.
 *
 * A command's action ends well by returning, and may set `process.exitCode` to 1 for what it judged; it throws UsageError
 * or JudgedFailure.
 */
export async function main(
  args: readonly string[],
  commands: readonly RegisterCommand[],
  output: Output,
  progress: Progress = { command: new Command('ringside') },
): Promise<number> {
  const program = buildProgram(commands, output);
  program.hook('preAction', (_, command) => {
    progress.command = command;
  });
  const fail = (command: Command, message: string, hint: boolean): void => {
    output.err(`${commandPath(command)}: ${printable(message)}\n`);
    if (hint) output.err(`see ${commandPath(command)} --help\n`);
  };
  try {
    if (args.length === 0) {
      program.outputHelp();
      return EXIT_OK;
    }
    await program.parseAsync(args, { from: 'user' });
    return EXIT_OK;
  } catch (error) {
    if (error instanceof ParseStop) {
      // Help that was asked for and --version come this way too, with 0.
      if (error.reason.exitCode === 0) return EXIT_OK;
      // A group of commands without one of them: its help is out already.
      if (error.reason.code === 'commander.help') return EXIT_USAGE;
      fail(error.command, oneLine(error.message), true);
      return EXIT_USAGE;
    }
    if (error instanceof UsageError) {
      fail(progress.command, error.message, true);
      return EXIT_USAGE;
    }
    if (error instanceof JudgedFailure) {
      fail(progress.command, error.message, false);
      return EXIT_FAILED;
    }
    if (isBrokenPipe(error)) return EXIT_OK;
    if (isFailedWrite(error)) {
      fail(progress.command, describeFailedWrite(error), false);
      return EXIT_USAGE;
    }
    reportBug(error, progress.command, args, output);
    return EXIT_FAILED;
  }
}

/** Runs this process's own command line. */
export async function runProcess(commands: readonly RegisterCommand[]): Promise<void> {
  const args = process.argv.slice(2);
  const output: Output = {
    out: text => process.stdout.write(text),
    err: text => process.stderr.write(text),
  };
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', error => {
      // The reader has gone (`| head`): there is nobody left to tell, and nothing is wrong.
      if (isBrokenPipe(error)) process.exit();
      throw error;
    });
  }
  const progress: Progress = { command: new Command('ringside') };
  process.on('uncaughtException', error => {
    if (isFailedWrite(error)) {
      output.err(`${commandPath(progress.command)}: ${describeFailedWrite(error)}\n`);
      process.exit(EXIT_USAGE);
    }
    reportBug(error, progress.command, args, output);
    process.exit(EXIT_FAILED);
  });
  const status = await main(args, commands, output, progress);
  if (status !== EXIT_OK) process.exitCode = status;
}
