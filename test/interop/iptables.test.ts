/** What a real Linux's iptables-save says restores here and saves back equal, and the other way round. */
import { spawnSync } from 'node:child_process';
import { describe, expect } from 'vitest';
import { findTool } from '../../harness/ci/tools.mjs';
import { World } from '../../harness/machine/world.ts';
import { iptables, iptables_restore, iptables_save } from '../../harness/shell/iptables.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { COMMANDS, QUERIES } from '../harness/shell/commands.ts';
import { testWith } from '../needs.ts';

/** Runs a script in a network namespace of its own. */
function linux(script: string): string {
  const { stdout, stderr, status } = spawnSync(findTool('unshare') ?? 'unshare', ['--net', 'sh', '-c', script], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

const uncommented = (text: string): string => text.replaceAll(/^#.*\n/gm, '');

function host(): { kernel: Kernel; finish(): void } {
  const world = new World();
  const { kernel } = world.addHost({ name: 'host', nics: [] });
  return { kernel, finish: () => expect(world.finish()).toEqual([]) };
}

const script = COMMANDS.map(command => `iptables-legacy ${command}`).join('\n');

function build(kernel: Kernel): void {
  for (const command of COMMANDS) {
    const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
    const { stderr } = iptables(kernel, words);
    expect(stderr, command).toBe('');
  }
}

describe('iptables of a real Linux and ours', () => {
  testWith('iptables-legacy')('its save restores here and saves back equal', () => {
    const real = linux(`${script}\niptables-legacy-save`);
    const { kernel, finish } = host();
    expect(iptables_restore(kernel, real)).toMatchObject({ status: 0, stderr: '' });
    // Tables come in the order of their first use, the newest first: so it is with a restore, of the reverse.
    const tables = (text: string): string[] =>
      uncommented(text)
        .split(/(?=^\*)/m)
        .sort();
    expect(tables(iptables_save(kernel).stdout)).toEqual(tables(real));
    finish();
  });

  testWith('iptables-legacy')('the same commands here: byte for byte what it saves and lists', () => {
    const real = linux(`${script}\niptables-legacy-save -c; echo @@; iptables-legacy -L -n -v --line-numbers`);
    const { kernel, finish } = host();
    build(kernel);
    const ours = `${uncommented(iptables_save(kernel, { counters: true }).stdout)}@@\n`;
    expect(ours + iptables(kernel, ['-L', '-n', '-v', '--line-numbers']).stdout).toBe(uncommented(real));
    finish();
  });

  testWith('iptables-legacy')('lists and refusals: word for word, with the same exit status', () => {
    const asked = QUERIES.map(query => `echo '@@'; iptables-legacy ${query} 2>&1; echo "status $?"`).join('\n');
    const answers = linux(`${script}\n${asked}`).split('@@\n').slice(1);
    const { kernel, finish } = host();
    build(kernel);
    for (const [i, query] of QUERIES.entries()) {
      const { stdout, stderr, status } = iptables(kernel, query.split(/ +/));
      expect(`${stdout}${stderr}status ${status}\n`, query).toBe(answers[i]);
    }
    finish();
  });

  testWith('iptables-legacy')('our save restores there and saves back equal', () => {
    const { kernel, finish } = host();
    build(kernel);
    const ours = iptables_save(kernel).stdout;
    const real = linux(`iptables-legacy-restore <<'END'\n${ours}END\niptables-legacy-save`);
    const tables = (text: string): string[] =>
      uncommented(text)
        .split(/(?=^\*)/m)
        .sort();
    expect(tables(real)).toEqual(tables(ours));
    finish();
  });
});
