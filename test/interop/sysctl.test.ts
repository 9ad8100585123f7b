/** Our settings' ranges and defaults, judged by Linux's own /proc/sys in a namespace of its own. */
import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import { findTool } from '../../harness/ci/tools.mjs';
import { World } from '../../harness/machine/world.ts';
import { testOnTap } from '../needs.ts';

const VALUES = [
  '-2147483648 -100 -32 -31 -2 -1 0 1 2 3 4 5 6 31 32 47 48 127 128 255 256 999 1000 1001 60000 60001 65535 65536',
  '86400 86401 120000 120001 1000000 2147483648 4294967296 x 1x +1 0x10 010',
].flatMap(line => line.split(' '));

/** Written by Linux versions after 6.18, or of another meaning for lack of memory, CPUs or a namespace. */
const SKIPPED = new Set([
  // The namespace starts with the machine's default.
  'net.ipv4.tcp_congestion_control',
  'net.ipv4.tcp_available_congestion_control',
  // Ours forbids what is no number; so does Linux, but it counts several.
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ping_group_range',
]);

/** Where Linux counts in jiffies of milliseconds, 2^32 is cut to 0. */
const WRAPS = /^(icmp_ratelimit|tcp_invalid_ratelimit) takes 4294967296$/;

/** Accurate ECN: 6.18 has it and documents these values, but takes them only in later versions. */
const LATER = /^tcp_ecn refuses [345]$/;

/** Ours differ on purpose: a small host, and what distributions set. */
const DEFAULTS_DIFFER = new Set([
  'tcp_rmem',
  'tcp_mem',
  'tcp_max_orphans',
  'tcp_max_tw_buckets',
  'tcp_max_syn_backlog',
]);

testOnTap()('each setting takes what Linux takes and refuses what Linux refuses; defaults equal', () => {
  const world = new World();
  const { kernel } = world.addHost({ name: 'a', nics: [] });
  const { sysctl } = kernel;
  const names = sysctl.names().filter(name => /^net\.ipv4\.[a-z0-9_]+$/.test(name) && !SKIPPED.has(name));
  const script = `
    for n in ${names.map(name => name.slice('net.ipv4.'.length)).join(' ')}; do
      f=/proc/sys/net/ipv4/$n
      [ -e $f ] || { echo "$n missing"; continue; }
      old=$(cat $f)
      echo "$n default $old"
      for v in ${VALUES.join(' ')}; do
        if (echo $v > $f) 2>/dev/null; then echo "$n takes $v"; else echo "$n refuses $v"; fi
        (echo "$old" > $f) 2>/dev/null
      done
    done`;
  const { stdout } = spawnSync(findTool('unshare') ?? 'unshare', ['--net', 'sh', '-c', script], { encoding: 'utf8' });
  const differences: string[] = [];
  let compared = 0;
  for (const line of stdout.trim().split('\n')) {
    const [setting = '', verb, ...rest] = line.split(' ');
    if (WRAPS.test(line) || LATER.test(line)) continue;
    const name = `net.ipv4.${setting}`;
    const value = rest.join(' ');
    if (verb === 'default') {
      if (!DEFAULTS_DIFFER.has(setting) && sysctl.read(name) !== value) {
        differences.push(`${name}: ${sysctl.read(name)}, on Linux ${value}`);
      }
    } else if (verb !== 'missing') {
      compared++;
      const old = String(sysctl.read(name));
      const taken = sysctl.write(name, value) === 0;
      sysctl.write(name, old);
      if (taken !== (verb === 'takes')) differences.push(line);
    }
  }
  world.finish();
  expect(compared).toBeGreaterThan(1000);
  expect(differences).toEqual([]);
});
