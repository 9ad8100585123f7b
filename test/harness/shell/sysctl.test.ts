/** sysctl's output and complaints, as procps 4.0.2 printed them on Linux 6.18. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { World } from '../../../harness/machine/world.ts';
import { sysctl } from '../../../harness/shell/sysctl.ts';
import type { Kernel } from '../../../kernel/kernel.ts';

let world: World;
let kernel: Kernel;

beforeAll(() => {
  world = new World();
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
  ({ kernel } = world.addHost({ name: 'a', nics: [{ mac }] }));
});
afterAll(() => void world.finish());

const NO_FILE = 'No such file or directory';

describe('what it prints', () => {
  const cases: [args: string, status: number, stdout: string, stderr?: string][] = [
    ['net.ipv4.tcp_sack', 0, 'net.ipv4.tcp_sack = 1\n'],
    ['-n net.ipv4.tcp_sack', 0, '1\n'],
    ['-N net.ipv4.tcp_sack', 0, 'net.ipv4.tcp_sack\n'],
    ['-b net.ipv4.tcp_sack', 0, '1'],
    ['-w net.ipv4.tcp_sack=0', 0, 'net.ipv4.tcp_sack = 0\n'],
    ['net.ipv4.tcp_sack=0x1', 0, 'net.ipv4.tcp_sack = 0x1\n'],
    ['-q -w net.ipv4.tcp_sack=1', 0, ''],
    ['-n -w net.ipv4.tcp_sack=1', 0, '1\n'],
    ['net/ipv4/tcp_sack', 0, 'net.ipv4.tcp_sack = 1\n'],
    ['-w net.ipv4.tcp_sack=9999', 1, '', 'sysctl: setting key "net.ipv4.tcp_sack": Invalid argument\n'],
    ['net.ipv4.tcp_sack=+1', 1, '', 'sysctl: setting key "net.ipv4.tcp_sack": Invalid argument\n'],
    ['net.ipv4.tcp_sack=', 1, '', 'sysctl: setting key "net.ipv4.tcp_sack": Invalid argument\n'],
    ['net.ipv4.foo', 1, '', `sysctl: cannot stat /proc/sys/net/ipv4/foo: ${NO_FILE}\n`],
    ['-w net.ipv4.foo=1', 1, '', `sysctl: cannot stat /proc/sys/net/ipv4/foo: ${NO_FILE}\n`],
    ['-e net.ipv4.foo', 0, ''],
    ['-w net.ipv4.tcp_sack', 1, '', 'sysctl: command line(0): invalid syntax, continuing...\n'],
    [
      '-w net.ipv4.tcp_congestion_control=nope',
      1,
      '',
      `sysctl: setting key "net.ipv4.tcp_congestion_control": ${NO_FILE}\n`,
    ],
    [
      'net.ipv4.tcp_sack=1 net.ipv4.foo net.ipv4.tcp_dsack',
      1,
      'net.ipv4.tcp_sack = 1\nnet.ipv4.tcp_dsack = 1\n',
      `sysctl: cannot stat /proc/sys/net/ipv4/foo: ${NO_FILE}\n`,
    ],
    ['-r tcp_sa.k net.ipv4', 0, 'net.ipv4.tcp_sack = 1\n'],
    ['-a -r tcp_sa.k', 0, 'net.ipv4.tcp_sack = 1\n'],
    ['net.ipv4.conf.lo.forwarding', 0, 'net.ipv4.conf.lo.forwarding = 0\n'],
    ['net.core.default_qdisc', 0, 'net.core.default_qdisc = pfifo_fast\n'],
  ];
  test.each(cases)('sysctl %s', (args, status, stdout, stderr = '') => {
    expect(sysctl(kernel, args.split(' '))).toEqual({ status, stdout, stderr });
  });
});

test('several values: the first ones where fewer are given, as written in the echo', () => {
  const run = (...args: string[]): string => sysctl(kernel, args).stdout;
  expect(run('net.ipv4.tcp_rmem=4096 100000 200000')).toBe('net.ipv4.tcp_rmem = 4096 100000 200000\n');
  expect(run('net.ipv4.tcp_rmem=5000 6000')).toBe('net.ipv4.tcp_rmem = 5000 6000\n');
  expect(run('net.ipv4.tcp_rmem')).toBe('net.ipv4.tcp_rmem = 5000\t6000\t200000\n');
  expect(sysctl(kernel, ['net.ipv4.ip_local_port_range=100 50']).status).toBe(1);
});

test('a directory: all below it; no arguments, unknown options: the usage', () => {
  const { stdout } = sysctl(kernel, ['net.ipv4.neigh.eth0']);
  expect(stdout.split('\n')).toContain('net.ipv4.neigh.eth0.base_reachable_time_ms = 30000');
  expect(stdout).toContain('net.ipv4.neigh.eth0.retrans_time_ms = 1000\n');
  expect(sysctl(kernel, [])).toMatchObject({ status: 1, stdout: '' });
  expect(sysctl(kernel, ['--nope']).stderr).toMatch(/^sysctl: unrecognized option '--nope'\n\nUsage:/);
});

test('a change acts: forwarding for all is for every device, and ip_forward is the same', () => {
  sysctl(kernel, ['net.ipv4.conf.all.forwarding=1']);
  const get = (name: string): string => sysctl(kernel, ['-n', name]).stdout;
  expect([get('net.ipv4.ip_forward'), get('net.ipv4.conf.eth0.forwarding')]).toEqual(['1\n', '1\n']);
  sysctl(kernel, ['net.ipv4.ip_forward=0']);
  expect([get('net.ipv4.conf.all.forwarding'), get('net.ipv4.conf.lo.forwarding')]).toEqual(['0\n', '0\n']);
});
