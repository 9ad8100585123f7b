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

  testWith('iptables-legacy')('odd rules, one by one: taken, saved and refused as there', () => {
    const odd = [
      '-A INPUT -m comment --comment "it\'s a word" -j ACCEPT',
      '-A INPUT ! -s 10.0.0.0/8 ! -d 10.1.2.3 ! -i eth0 -j DROP',
      '-A INPUT -s 10.0.0.0/255.0.255.0 -j DROP',
      '-A INPUT -p tcp -m multiport ! --dports 1,2:5,70 -j DROP',
      '-A INPUT -p tcp -m multiport --dports 5:2 -j DROP',
      '-A INPUT -p tcp --dport 9:3 -j DROP',
      '-A INPUT -p tcp ! --tcp-flags ALL NONE -j DROP',
      '-A INPUT -p icmp ! --icmp-type 3/4 -j DROP',
      '-A INPUT -p icmp --icmp-type 256 -j DROP',
      '-A INPUT -p icmp --icmp-type foo -j DROP',
      '-A INPUT -m limit --limit 7/min --limit-burst 1 -j DROP',
      '-A INPUT -m limit --limit 1/day --limit-burst 10000 -j DROP',
      '-A INPUT -m limit ! --limit 1/s -j DROP',
      '-A FORWARD -m physdev ! --physdev-in eth+ --physdev-is-bridged -j DROP',
      '-A OUTPUT -m physdev --physdev-out eth0 -j DROP',
      '-t mangle -A PREROUTING -j MARK --set-mark 0x1/0xff',
      '-t mangle -A PREROUTING -j MARK --set-mark 99999999999',
      '-A INPUT -m mark ! --mark 0x5/0x7 -j DROP',
      '-t nat -A POSTROUTING -p udp -j SNAT --to 1.2.3.4:5-9 --persistent',
      '-t nat -A INPUT -j DNAT --to 1.2.3.4',
    ];
    const rules = (text: string): string =>
      uncommented(text)
        .replaceAll(/^[*:].*\n|^COMMIT\n/gm, '')
        .replaceAll('iptables-legacy', 'iptables')
        .trim();
    const clear = ['filter', 'nat', 'mangle'].map(table => `iptables-legacy -t ${table} -F`).join('; ');
    const each = odd.map(
      rule => `${clear}; iptables-legacy ${rule} 2>&1; echo "status $?"; iptables-legacy-save; echo @@`,
    );
    const real = linux(each.join('\n')).split('@@\n');
    for (const [i, rule] of odd.entries()) {
      const { kernel, finish } = host();
      const words = [...rule.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
      const { status, stdout, stderr } = iptables(kernel, words);
      const ours = `${stdout}${stderr}status ${status}\n${iptables_save(kernel).stdout}`;
      expect(rules(ours), rule).toBe(rules(real[i] as string));
      finish();
    }
  });
});
