/** `ringside attach` as a user runs it: as a process, and what it leaves behind. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { main } from '../../harness/cli/main.ts';
import { registerCommands } from '../../harness/commands/index.ts';
import { testOnTap } from '../needs.ts';
import { udpEchoes } from './cases.ts';
import { CLI, freshName, type Lab, OURS, type Running, run, start } from './lab.ts';

const test = testOnTap();
const TIMEOUT = { timeout: 60_000 };
const NOBODY = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ringside-attach-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const attach = (...args: string[]): Running => start(process.execPath, [CLI, 'attach', ...args]);

async function namespaces(): Promise<string[]> {
  const { stdout } = await run('ip', ['netns', 'list']);
  return stdout.split('\n').map(line => line.split(' ')[0] as string);
}

const inNamespace = (name: string, ...command: string[]): ReturnType<typeof run> =>
  run('ip', ['netns', 'exec', name, ...command]);

/** A recording with some traffic in it, made with the given signal as its end. */
async function record(file: string, signal: NodeJS.Signals): Promise<{ stdout: string; status: number | null }> {
  const name = freshName();
  const live = attach('tap', '--netns', name, '--record', file, '--pcap', `${file}.pcapng`);
  await live.prints('ready\n');
  const lab = { run: (...args: [string, string[], number?]) => inNamespace(name, args[0], ...args[1]) };
  await udpEchoes(lab as unknown as Lab, 200);
  expect((await inNamespace(name, 'ping', '-q', '-f', '-c', '200', OURS)).stdout).toContain(' 0% packet loss');
  const { stdout, status } = await live.stop(signal);
  expect(await namespaces()).not.toContain(name);
  return { stdout, status };
}

/** The command in this process, which is quicker: what it says on standard error, and its status. */
async function attachHere(...args: string[]): Promise<{ stderr: string; status: number }> {
  let stderr = '';
  const output = {
    out: () => {},
    err: (text: string) => {
      stderr += text;
    },
  };
  const status = await main(['attach', ...args], registerCommands, output);
  return { stderr, status };
}

const hashIn = (text: string): string | undefined => /run hash: ([0-9a-f]{64})/.exec(text)?.[1];

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)(
  'a recorded run ended by %s: nothing is left, and the replay has the same hash',
  TIMEOUT,
  async (signal, status) => {
    const file = join(folder, `${signal}.log`);
    const live = await record(file, signal);
    expect(live.status).toBe(status);
    expect(live.stdout).toMatch(
      /frames: \d+ from Linux, \d+ to Linux, 0 lost; sockets: 1; violations: 0; findings: none/,
    );
    expect(hashIn(live.stdout)).toBeDefined();

    const again = await attach('replay', file, '--pcap', `${file}.again.pcapng`).finished;
    expect(again.stderr).toBe('');
    expect(again.stdout).toContain('the same as recorded');
    expect(hashIn(again.stdout)).toBe(hashIn(live.stdout));
    expect(again.status).toBe(0);
    // The frames, bit for bit and at the same times.
    expect(readFileSync(`${file}.again.pcapng`).equals(readFileSync(`${file}.pcapng`))).toBe(true);
  },
);

describe('a damaged recording is refused with its line', () => {
  const header = JSON.stringify({
    format: 'ringside-inputs/1',
    scenario: 'attach tap',
    seed: 1,
    config: { host: '02:00:00:00:00:02,10.9.0.2/24', rate: 1e9, memory: 4096, costs: false },
  });
  const input = '{"time":5000,"port":"tap0","data":"////////AgAAAAABCAY="}';
  const end = '{"end":6000,"hash":"0","inputs":1}';

  test.each([
    ['empty', '', 'line 1: the file is empty'],
    ['no log', 'hello\n', 'line 1: not a JSON object'],
    ['another scenario', header.replace('attach tap', 'x'), 'line 1: a recording of "x"'],
    ['a host that is none', header.replace('10.9.0.2/24', '10.9.0.2'), 'line 1: It lacks a part'],
    ['a rate that is none', header.replace('1000000000', '-1'), 'line 1: bad rate'],
    ['half a line', `${header}\n${input}\n${input.slice(0, 20)}`, 'line 3: not a JSON object'],
    ['a hole', `${header}\n${end}\n`, 'line 2: 1 inputs were recorded, 0 are here'],
    ['another port', `${header}\n${input.replace('tap0', 'tap7')}\n${end}\n`, 'line 2: no input port tap7'],
    ['a bad command', `${header}\n${input.replace('tap0', 'command')}\n${end}\n`, 'line 2: bad command'],
    ['bad data', `${header}\n${input.replace('////', '//*/')}\n${end}\n`, 'line 2: data is not base64'],
    ['time backwards', `${header}\n${input}\n${input.replace('5000', '4999')}\n`, 'line 3: bad time'],
    ['more after the end', `${header}\n${input}\n${end}\n${input}\n`, 'line 4: something follows the end'],
    ['cut off', `${header}\n${input}\n`, 'line 3: the end is missing'],
  ])('%s', TIMEOUT, async (_, text, message) => {
    const file = join(folder, 'damaged.log');
    writeFileSync(file, text);
    const { status, stderr } = await attachHere('replay', file);
    expect(stderr).toContain(`ringside attach replay: ${file}: ${message}`);
    expect(stderr).not.toContain('bug');
    expect(status).toBe(2);
  });

  test('cut off, with --partial: taken up to there', TIMEOUT, async () => {
    const file = join(folder, 'partial.log');
    writeFileSync(file, `${header}\n${input}\n${input.slice(0, 20)}`);
    const { status, stdout } = await attach('replay', file, '--partial').finished;
    expect(stdout).toContain('frames: 1 from Linux');
    expect(status).toBe(0);
  });

  test('another run than the recorded one: 1', TIMEOUT, async () => {
    const file = join(folder, 'other.log');
    writeFileSync(file, `${header}\n${input}\n${end}\n`);
    const { status, stderr } = await attach('replay', file).finished;
    expect(stderr).toContain('not the run that was recorded');
    expect(status).toBe(1);
  });
});

test('--seconds: ends by itself, 0; an existing namespace and its devices stay', TIMEOUT, async () => {
  const name = freshName();
  await run('ip', ['netns', 'add', name]);
  try {
    await run('ip', ['-n', name, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1']);
    const { status, stdout } = await attach('tap', '--netns', name, '--seconds', '1', '--host', '10.9.0.9/24').finished;
    expect(stdout).toContain('ready\n');
    expect(status).toBe(0);
    expect(await namespaces()).toContain(name);
    const { stdout: links } = await run('ip', ['-n', name, '-br', 'link']);
    expect(links).toContain('v0@v1');
    expect(links).not.toContain('tap0');
  } finally {
    await run('ip', ['netns', 'del', name]);
  }
});

test('the namespace deleted under our feet: a clear end, 1, and it is really gone', TIMEOUT, async () => {
  const name = freshName();
  const live = attach('tap', '--netns', name);
  await live.prints('ready\n');
  await run('ip', ['netns', 'del', name]);
  const { status, stderr } = await live.finished;
  expect(stderr).toContain(`the namespace ${name} was deleted`);
  expect(status).toBe(1);
});

test('without root, under unshare -Urn: ready, and the printed nsenter line works', TIMEOUT, async () => {
  // Distributions make /dev/net/tun usable by everybody; a bare machine may not.
  const tun = join(folder, 'tun');
  await run('mknod', [tun, 'c', '10', '200']);
  await run('chmod', ['0666', tun]);
  await run('chmod', ['0755', folder]);
  const live = start('setpriv', [
    ...[...NOBODY, '--no-new-privs', 'unshare', '-Urn', process.execPath, CLI],
    ...['attach', 'tap', '--tun', tun, '--linux', '10.8.0.1/24', '--host', '10.8.0.2/24'],
  ]);
  await live.prints('ready\n');
  const [, command = ''] = /from another shell: (.*)\n/.exec(live.stdout) ?? [];
  expect(command).toMatch(/^nsenter -t \d+ -U -n --preserve-credentials ping 10\.8\.0\.2$/);
  const [program = '', ...args] = command.split(' ');
  const pinged = await run('setpriv', [...NOBODY, program, ...args, '-q', '-c', '20', '-i', '0.01']);
  expect(pinged.stdout).toContain('20 received');
  const { stdout, status } = await live.stop('SIGTERM');
  expect(status).toBe(143);
  expect(stdout).toContain('0 lost');
});

describe('used wrongly: a clear message, 2, nothing left behind', () => {
  const missing = freshName();

  test.each([
    ['no TAP driver', ['--netns', missing, '--tun', '/dev/net/none'], '/dev/net/none does not exist'],
    ['another device node', ['--netns', missing, '--tun', '/dev/null'], '/dev/null is not a TUN/TAP device'],
    ['no namespace named', [], "this is the machine's own network: name a namespace with --netns"],
    ['a bad namespace name', ['--netns', '../x'], '"../x" cannot be a namespace\'s name'],
    ['a bad device name', ['--netns', missing, '--dev', 'a/b'], '"a/b" cannot be a device\'s name'],
    ['a long device name', ['--netns', missing, '--dev', 'abcdefghijklmnop'], 'up to 15 letters'],
    ['lo as the device', ['--netns', missing, '--dev', 'lo'], 'a device lo exists already'],
    [
      'an address without prefix',
      ['--netns', missing, '--host', '10.9.0.2'],
      "option '--host <ip/prefix>' argument '10.9.0.2' is invalid",
    ],
    ['a network address', ['--netns', missing, '--linux', '10.9.0.0/24'], "the network's own address"],
    ['two networks', ['--netns', missing, '--host', '10.8.0.2/24'], '10.9.0.1 and 10.8.0.2 are not in one network'],
    ['one address for both', ['--netns', missing, '--host', '10.9.0.1/24'], '--linux and --host are both 10.9.0.1'],
    ['a group MAC', ['--netns', missing, '--mac', '01:00:5e:00:00:01'], '01:00:5e:00:00:01 is a group address'],
    ['no time', ['--netns', missing, '--seconds', '0'], 'It must be a whole number from 1'],
    ['an unwritable recording', ['--netns', missing, '--record', '/none/x.log'], '/none/x.log: cannot be written'],
  ])('%s', TIMEOUT, async (_, args, message) => {
    const { status, stderr } = await attachHere('tap', ...args);
    expect(stderr).toContain(message);
    expect(stderr).toContain('see ringside attach tap --help');
    expect(status).toBe(2);
    expect(await namespaces()).not.toContain(missing);
  });

  test('the device name is taken', TIMEOUT, async () => {
    const name = freshName();
    const live = attach('tap', '--netns', name);
    await live.prints('ready\n');
    const { status, stderr } = await attach('tap', '--netns', name, '--linux', '10.8.0.1/24', '--host', '10.8.0.2/24')
      .finished;
    expect(stderr).toContain('a device tap0 exists already: name another one with --dev');
    expect(status).toBe(2);
    // The other one goes on undisturbed.
    expect((await inNamespace(name, 'ping', '-c', '3', '-i', '0.01', '-q', OURS)).stdout).toContain('3 received');
    expect((await live.stop()).status).toBe(143);
    expect(await namespaces()).not.toContain(name);
  });

  test('no right, and the namespace is missing', TIMEOUT, async () => {
    const { status, stderr } = await run('setpriv', [
      ...NOBODY,
      process.execPath,
      CLI,
      'attach',
      'tap',
      '--netns',
      missing,
    ]);
    expect(stderr).toContain(`namespace ${missing} cannot be made`);
    expect(status).toBe(2);
    expect(existsSync(`/var/run/netns/${missing}`)).toBe(false);
  });

  test('no right in a namespace of somebody else', TIMEOUT, async () => {
    const name = freshName();
    await run('ip', ['netns', 'add', name]);
    try {
      const { status, stderr } = await run('setpriv', [
        ...NOBODY,
        process.execPath,
        CLI,
        'attach',
        'tap',
        '--netns',
        name,
      ]);
      expect(stderr).toContain(`namespace ${name} cannot be entered (EPERM: operation not permitted): it takes root`);
      expect(status).toBe(2);
      expect(await namespaces()).toContain(name);
    } finally {
      await run('ip', ['netns', 'del', name]);
    }
  });
});
