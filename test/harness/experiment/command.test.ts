/** `ringside experiment` at the command line: what it prints, where it writes, what it refuses. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { main } from '../../../harness/cli/main.ts';
import { registerCommands } from '../../../harness/commands/index.ts';
import { experiments } from '../../../harness/experiment/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'ringside-experiment-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(...args: string[]): Promise<{ status: number; err: string; out: string }> {
  let err = '';
  let out = '';
  const write = process.stdout.write;
  // The result of an experiment goes to the process's own output.
  process.stdout.write = ((text: string) => {
    out += text;
    return true;
  }) as typeof process.stdout.write;
  try {
    const status = await main(['experiment', ...args], registerCommands, {
      out: text => {
        out += text;
      },
      err: text => {
        err += text;
      },
    });
    return { status, err, out };
  } finally {
    process.stdout.write = write;
  }
}

describe('each experiment', () => {
  it.each(experiments.map(({ name }) => name))('%s --help: its options and what is measured', async name => {
    const { status, out } = await run(name, '--help');
    expect(status).toBe(0);
    for (const option of ['--json', '--svg', '--seed', '--ms', 'kernel/costs.ts']) expect(out).toContain(option);
  });

  it.each(experiments.map(({ name }) => name))('%s used wrongly: status 2, and nothing is measured', async name => {
    for (const wrong of [['--ms', '0'], ['--seed', 'x'], ['--what'], ['--svg', join(folder, 'no', 'such.svg')]]) {
      const { status, out, err } = await run(name, ...wrong);
      expect([status, out]).toEqual([2, '']);
      expect(err).not.toBe('');
    }
  });

  it('that is none, status 2', async () => {
    expect((await run('nothing')).status).toBe(2);
  });
});

describe('copies', () => {
  it('--json and --svg, a list and a figure; the table without', async () => {
    const svg = join(folder, 'copies.svg');
    const json = await run('copies', '--json', '--svg', svg);
    expect([json.status, json.err]).toEqual([0, '']);
    const points = JSON.parse(json.out) as { scenario: string; place: string }[];
    expect(points.map(({ place }) => place)).toContain('copybreak');
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    const { out } = await run('copies');
    for (const { scenario } of points) expect(out).toContain(scenario);
  });
});
