/** `sysctl` as procps 4 has it: reads and writes a host's settings, with its output and its complaints. */
import { EACCES, ENOENT } from '../../kernel/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { CommandResult } from './ip-words.ts';

interface Flags {
  all: boolean;
  values: boolean;
  names: boolean;
  binary: boolean;
  ignore: boolean;
  quiet: boolean;
  write: boolean;
  pattern: RegExp | null;
}

const SWITCHES: Readonly<Record<string, keyof Flags>> = {
  '-a': 'all',
  '-A': 'all',
  '-X': 'all',
  '--all': 'all',
  '-n': 'values',
  '--values': 'values',
  '-N': 'names',
  '--names': 'names',
  '-b': 'binary',
  '--binary': 'binary',
  '-e': 'ignore',
  '--ignore': 'ignore',
  '-q': 'quiet',
  '--quiet': 'quiet',
  '-w': 'write',
  '--write': 'write',
};

const USAGE = `
Usage:
 sysctl [options] [variable[=value] ...]

Options:
  -a, --all            display all variables
  -b, --binary         print value without new line
  -e, --ignore         ignore unknown variables errors
  -N, --names          print variable names without values
  -n, --values         print only values of the given variable(s)
  -r, --pattern <expression>
                       select setting that match expression
  -q, --quiet          do not echo variable set
  -w, --write          enable writing a value to variable
`;

class Sysctl {
  private readonly kernel: Kernel;
  private readonly flags: Flags;
  stdout = '';
  stderr = '';
  status = 0;

  constructor(kernel: Kernel, flags: Flags) {
    this.kernel = kernel;
    this.flags = flags;
  }

  private complain(text: string, status = 1): void {
    this.stderr += `sysctl: ${text}\n`;
    if (status !== 0) this.status = status;
  }

  private print(name: string, value: string): void {
    const { names, values, binary } = this.flags;
    if (names) this.stdout += `${name}\n`;
    else if (binary) this.stdout += value;
    else this.stdout += values ? `${value}\n` : `${name} = ${value}\n`;
  }

  private missing(name: string): void {
    if (!this.flags.ignore) this.complain(`cannot stat /proc/sys/${path(name)}: No such file or directory`);
  }

  /** A setting, or all below a directory. */
  read(name: string): void {
    const { sysctl } = this.kernel;
    const { pattern } = this.flags;
    const value = sysctl.read(name);
    const dotted = name.includes('/') ? name.replace(/[./]/g, mark => (mark === '/' ? '.' : '/')) : name;
    if (typeof value === 'string') {
      if (pattern === null || pattern.test(dotted)) this.print(dotted, value);
      return;
    }
    const below = sysctl.names().filter(each => name === '' || each.startsWith(`${dotted}.`));
    if (below.length === 0) this.missing(name);
    for (const each of below) {
      const text = sysctl.read(each);
      if (typeof text === 'string' && (pattern === null || pattern.test(each))) this.print(each, text);
    }
  }

  write(name: string, value: string): void {
    const { kernel, flags } = this;
    const dotted = name.includes('/') ? name.replace(/[./]/g, mark => (mark === '/' ? '.' : '/')) : name;
    if (!kernel.sysctl.has(name)) {
      this.missing(name);
      return;
    }
    const result = kernel.exec(() => kernel.sysctl.write(name, value));
    if (result === 0) {
      if (!flags.quiet) this.print(dotted, value);
      return;
    }
    const why = result === -ENOENT ? 'No such file or directory' : 'Invalid argument';
    // What may only be read is complained of, and forgiven.
    this.complain(`setting key "${dotted}": ${why}`, result === -EACCES ? 0 : 1);
  }
}

/** Where a setting is below /proc/sys: dots and slashes change places where the first separator is a dot. */
function path(name: string): string {
  const [first] = /[./]/.exec(name) ?? ['/'];
  return first === '/' ? name : name.replace(/[./]/g, mark => (mark === '.' ? '/' : '.'));
}

/** Runs `sysctl ARGS` on a host. */
export function sysctl(kernel: Kernel, args: readonly string[]): CommandResult {
  const flags: Flags = {
    all: false,
    values: false,
    names: false,
    binary: false,
    ignore: false,
    quiet: false,
    write: false,
    pattern: null,
  };
  const usage = (message: string): CommandResult => ({ status: 1, stdout: '', stderr: `${message}${USAGE}` });
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const flag = SWITCHES[arg];
    if (arg === '-r' || arg === '--pattern') {
      try {
        flags.pattern = new RegExp(args[++i] ?? '');
      } catch {
        return usage(`sysctl: invalid regular expression\n`);
      }
    } else if (flag !== undefined && flag !== 'pattern') {
      flags[flag] = true;
    } else if (arg.startsWith('-') && arg.length > 1) {
      return usage(`sysctl: unrecognized option '${arg}'\n`);
    } else {
      words.push(arg);
    }
  }
  const run = new Sysctl(kernel, flags);
  if (flags.all) run.read('');
  else if (words.length === 0) return usage('');
  else {
    for (const word of words) {
      const equals = word.indexOf('=');
      if (equals >= 0) run.write(word.slice(0, equals).trim(), word.slice(equals + 1).trim());
      else if (!flags.write) run.read(word);
      else {
        run.stderr += 'sysctl: command line(0): invalid syntax, continuing...\n';
        run.status = 1;
      }
    }
  }
  return { status: run.status, stdout: run.stdout, stderr: run.stderr };
}
