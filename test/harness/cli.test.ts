import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UsageError } from '../../harness/cli/errors.ts';
import { main } from '../../harness/cli/main.ts';
import { countBetween, parseCount, parseDuration, parseHost, parseSeed } from '../../harness/cli/options.ts';
import { checkOutput, writeOutput } from '../../harness/cli/output.ts';
import { registerCommands } from '../../harness/commands/index.ts';
import { testOnLinux } from '../needs.ts';
import { fixtureCommands } from './cli-fixture.ts';

const bin = fileURLToPath(new URL('../../harness/ringside.mjs', import.meta.url));
const fixture = fileURLToPath(new URL('cli-fixture.ts', import.meta.url));
const ping4 = fileURLToPath(new URL('../data/captures/ping4.pcap', import.meta.url));
const host = '02:00:00:00:00:02,10.1.0.2/24';
const tsx = import.meta.resolve('tsx');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringside-test-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const status = await main(args, fixtureCommands, {
    out: text => {
      out += text;
    },
    err: text => {
      err += text;
    },
  });
  return { status, out, err };
}

const runFixture = (...args: string[]) =>
  spawnSync(process.execPath, ['--import', tsx, fixture, ...args], { encoding: 'utf8', cwd: folder });

describe('used wrongly: status 2, what was wrong, where to read on', () => {
  test.each([
    [['--foo'], "ringside: unknown option '--foo'\nsee ringside --help\n"],
    [['wait', '--foo'], "ringside wait: unknown option '--foo'\nsee ringside wait --help\n"],
    [['reed'], "ringside: unknown command 'reed' (Did you mean read?)\nsee ringside --help\n"],
    [['read', '--as', host], "ringside read: missing required argument 'file'\nsee ringside read --help\n"],
    [['read', ping4], "ringside read: required option '--as <host>' not specified\nsee ringside read --help\n"],
    [['wait', 'x'], /^ringside wait: too many arguments/],
    [
      ['read', ping4, '--as', 'x'],
      /^ringside read: option '--as <host>' argument 'x' is invalid\. It lacks a part; a host/,
    ],
    [['fail', 'usage'], 'ringside fail: x: no such thing\nsee ringside fail --help\n'],
    [['fail', 'quoting'], 'ringside fail: x: unexpected "\\x1b[2J\\x0a\\x9b"\nsee ringside fail --help\n'],
    [['read', 'no/file', '--as', host], /^ringside read: no\/file: cannot be read: no such file or folder\nsee /],
    [['read', '/', '--as', host], /^ringside read: \/: cannot be read: it is a folder\n/],
    [
      ['read', fixture, '--as', host],
      /cli-fixture\.ts: not a capture file: it begins with 2f 2a 2a 20.* \(at byte 0\)\n/,
    ],
    [
      ['read', ping4, '--as', host, '--out', 'no/x'],
      /^ringside read: no\/x: cannot be written: no such file or folder\n/,
    ],
  ])('%j', async (args, err) => {
    const result = await run(...args);
    expect(result).toMatchObject({ status: 2, out: '' });
    if (typeof err === 'string') expect(result.err).toBe(err);
    else expect(result.err).toMatch(err);
    expect(result.err.split('\n')).toHaveLength(3);
  });

  test('a group without a command: its help, on standard error', async () => {
    expect(await run('group')).toMatchObject({
      status: 2,
      out: '',
      err: expect.stringMatching(/^Usage: ringside group/),
    });
  });
});

describe('used rightly', () => {
  test.each([[[]], [['--help']], [['help']]])('%j: help, status 0', async args => {
    expect(await run(...args)).toMatchObject({ status: 0, out: expect.stringMatching(/^Usage: ringside/), err: '' });
  });

  test('--version is package.json’s', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await run('--version')).toEqual({ status: 0, out: `${version}\n`, err: '' });
  });

  test('the judged thing failed: status 1, no hint', async () => {
    expect(await run('fail', 'judged')).toEqual({ status: 1, out: '', err: 'ringside fail: 2 of 3 passed\n' });
  });
});

describe('our own bugs: status 1, stack, seed, replay', () => {
  test('the seed is the option’s', async () => {
    const { status, err } = await run('fail', 'bug');
    expect(status).toBe(1);
    expect(err).toMatch(/^ringside fail: this is a bug in Ringside\nError: assertion failed: head <= tail\n {4}at /);
    expect(err).toMatch(/\nseed: 1\nreplay: ringside fail --seed 1 bug\n$/);
  });

  test('the seed that the error carries goes before one that was given', async () => {
    const { err } = await run('fail', 'seeded', '--seed', '7');
    expect(err).toMatch(/\nseed: 99\nreplay: ringside fail --seed 99 seeded\n$/);
    expect((await run('fail', '--seed=7', 'seeded')).err).toMatch(/\nreplay: ringside fail --seed 99 seeded\n$/);
  });
});

describe('as a process', () => {
  test('bin: works from any folder, and when linked to', () => {
    const link = join(folder, 'ringside');
    symlinkSync(bin, link);
    const { status, stdout } = spawnSync(link, ['--version'], { encoding: 'utf8', cwd: folder });
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    const wrong = spawnSync(bin, ['--wrong'], { encoding: 'utf8', cwd: folder });
    expect(wrong).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/^ringside: unknown option/) });
  });

  test('exit statuses reach the shell', () => {
    expect(runFixture('read', ping4, '--as', host)).toMatchObject({ status: 0, stdout: '28 frames\n', stderr: '' });
    expect(runFixture('fail', 'status')).toMatchObject({ status: 1, stderr: '' });
    expect(runFixture('fail', 'usage')).toMatchObject({ status: 2 });
    expect(runFixture('fail', 'later', '--seed', '5')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /^ringside fail: this is a bug in Ringside\nError: assertion failed later\n[\s\S]*\nseed: 5\nreplay: ringside fail --seed 5 later\n$/,
      ),
    });
  });

  test('reader goes away: ends quietly', () => {
    const { stdout, stderr } = spawnSync(
      'bash',
      ['-c', '"$0" --import "$1" "$2" print | head -n 1; echo "status $PIPESTATUS"', process.execPath, tsx, fixture],
      { encoding: 'utf8', timeout: 15_000 },
    );
    expect({ stdout, stderr }).toEqual({ stdout: 'line\nstatus 0\n', stderr: '' });
  });

  testOnLinux()('the disk is full: one line, no stack, status 2', () => {
    const { stderr } = spawnSync(
      'bash',
      ['-c', '"$0" --import "$1" "$2" print >/dev/full; echo "status $?" >&2', process.execPath, tsx, fixture],
      { encoding: 'utf8', timeout: 15_000 },
    );
    expect(stderr).toBe('ringside print: standard output: cannot be written: no space is left on the disk\nstatus 2\n');
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s: undoes, ends with %i', async (signal, status) => {
    const child: ChildProcess = spawn(process.execPath, ['--import', tsx, fixture, 'wait']);
    let out = '';
    child.stdout?.on('data', chunk => {
      if (out === '') child.kill(signal);
      out += chunk;
    });
    const [code] = await once(child, 'close');
    expect({ code, out }).toEqual({ code: status, out: 'ready\nundone\n' });
  });
});

describe('help', () => {
  const group = new Command('ringside');
  for (const register of registerCommands) register(group);
  const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];

  test.each(all(group).map(command => [command.name(), command] as const))(
    '%s: options and defaults as a user would write them',
    (_, command) => {
      const text = command.helpInformation().replaceAll(/\s+/g, ' ');
      // Commander prints a default that nobody described as JSON.
      expect(text.match(/\(default: (?:[[{][^)]*|\d{6,})\)/g) ?? []).toEqual([]);
      for (const option of command.options) expect(option.description, option.flags).not.toBe('');
    },
  );
});

describe('outputs', () => {
  const left = () => readdirSync(folder);

  test('whole file, and no other', () => {
    const path = join(folder, 'out.txt');
    checkOutput(path);
    expect(left()).toEqual([]);
    writeOutput(path, 'text');
    writeOutput(path, Uint8Array.of(0x61));
    expect(readFileSync(path, 'utf8')).toBe('a');
    expect(left()).toEqual(['out.txt']);
  });

  test('replaces what is behind a symbolic link, keeps link and mode', () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'old');
    chmodSync(path, 0o640);
    symlinkSync('file', join(folder, 'link'));
    checkOutput(join(folder, 'link'));
    expect(readFileSync(path, 'utf8')).toBe('old');
    writeOutput(join(folder, 'link'), 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(left()).toEqual(['file', 'link']);
  });

  test('a device is written to, not replaced', () => {
    checkOutput('/dev/null');
    writeOutput('/dev/null', 'x');
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test.each([
    ['a folder', 'sub', /sub: cannot be written: it is a folder/],
    ['a missing folder', 'none/x', /no such file or folder/],
    ['a path through a file', 'file/x', /part of the path is not a folder/],
    ['an endless name', 'x'.repeat(300), /the name is too long/],
  ])('%s: refused early and late, nothing left behind', (_, name, message) => {
    mkdirSync(join(folder, 'sub'));
    writeFileSync(join(folder, 'file'), 'old');
    for (const attempt of [checkOutput, (path: string) => writeOutput(path, 'x')]) {
      expect(() => attempt(join(folder, name))).toThrow(UsageError);
      expect(() => attempt(join(folder, name))).toThrow(message);
    }
    expect(left()).toEqual(['file', 'sub']);
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('old');
  });

  test('a full device: said so', () => {
    if (!existsSync('/dev/full')) return;
    expect(() => writeOutput('/dev/full', 'x')).toThrow(/\/dev\/full: cannot be written: no space is left/);
  });
});

describe('option values', () => {
  const refused = (parse: (text: string) => unknown, text: string): string => {
    try {
      parse(text);
    } catch (error) {
      if (error instanceof InvalidArgumentError) return error.message;
      throw error;
    }
    throw new Error(`"${text}" was taken`);
  };

  test('seeds', () => {
    expect(['0', '7', '0xFF', '9007199254740991'].map(parseSeed)).toEqual([0, 7, 255, Number.MAX_SAFE_INTEGER]);
    for (const text of ['', '-1', '1.5', '1e3', 'x', '9007199254740992', ' 1']) {
      expect(refused(parseSeed, text)).toMatch(/^A seed is a whole number/);
    }
  });

  test('counts', () => {
    expect([parseCount('1'), countBetween(0, 5)('5')]).toEqual([1, 5]);
    for (const text of ['', '0', '-1', '1.5', 'x']) refused(parseCount, text);
    expect(refused(countBetween(0, 5), '6')).toBe('It must be a whole number from 0 to 5.');
  });

  test('durations, in ns', () => {
    expect(['0', '1ns', '250us', '250µs', '1.5s', '0.1ms', '2m', '1h'].map(parseDuration)).toEqual([
      0, 1, 250_000, 250_000, 1_500_000_000, 100_000, 120_000_000_000, 3_600_000_000_000,
    ]);
    for (const text of ['', '5', 's', '-1s', '1.s', '1 s', '1d', '1e3s', '99999999h', 'constructor']) {
      expect(refused(parseDuration, text)).toMatch(/^A duration is/);
    }
  });

  test('hosts', () => {
    expect(parseHost('02:00:00:00:00:AB,10.1.0.2/24')).toEqual({
      mac: '02:00:00:00:00:ab',
      macBytes: Uint8Array.of(2, 0, 0, 0, 0, 0xab),
      ip: '10.1.0.2',
      ipBytes: Uint8Array.of(10, 1, 0, 2),
      ipNumber: 0x0a010002,
      prefixLength: 24,
    });
    expect(parseHost('02:00:00:00:00:01,192.168.0.0/31').ipNumber).toBe(0xc0a80000);
  });

  test.each([
    ['', /^It lacks a part/],
    ['02:00:00:00:00:02', /^It lacks a part/],
    ['02:00:00:00:00:02,10.1.0.2', /^It lacks a part/],
    [',10.1.0.2/24', /^It lacks a part/],
    [`${host},x`, /^It lacks a part/],
    [`${host}/8`, /^It lacks a part/],
    ['02-00-00-00-00-02,10.1.0.2/24', /^"02-00-00-00-00-02" is not a MAC address/],
    ['02:00:00:00:00:0g,10.1.0.2/24', /is not a MAC address/],
    ['03:00:00:00:00:02,10.1.0.2/24', /^03:00:00:00:00:02 is a group address/],
    ['00:00:00:00:00:00,10.1.0.2/24', /is no host's address/],
    ['02:00:00:00:00:02,10.1.2/24', /^"10\.1\.2" is not an IPv4 address/],
    ['02:00:00:00:00:02,10.1.0.256/24', /is not an IPv4 address/],
    ['02:00:00:00:00:02,10.1.0.02/24', /is not an IPv4 address/],
    ['02:00:00:00:00:02,0.1.0.2/24', /cannot be a host's address/],
    ['02:00:00:00:00:02,127.0.0.1/24', /cannot be a host's address/],
    ['02:00:00:00:00:02,224.0.0.1/24', /cannot be a host's address/],
    ['02:00:00:00:00:02,10.1.0.2/', /prefix "" is not/],
    ['02:00:00:00:00:02,10.1.0.2/0', /prefix "0" is not/],
    ['02:00:00:00:00:02,10.1.0.2/32', /prefix "32" is not/],
    ['02:00:00:00:00:02,10.1.0.0/24', /is the network's own address/],
    ['02:00:00:00:00:02,200.1.0.255/24', /is the network's broadcast address/],
    ['02:00:00:00:00:02,10.255.255.255/8', /is the network's broadcast address/],
  ])('host %j: refused, with an example of a good one', (text, message) => {
    expect(refused(parseHost, text)).toMatch(message);
    expect(refused(parseHost, text)).toMatch(
      /; a host is MAC,IP\/PREFIX, for example 02:00:00:00:00:02,10\.1\.0\.2\/24\.$/,
    );
  });
});
