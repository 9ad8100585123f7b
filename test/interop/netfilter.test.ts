/** A real Linux meets the rules of a host of ours. */
import { expect } from 'vitest';
import type { Host } from '../../harness/machine/host.ts';
import { iptables, iptables_restore } from '../../harness/shell/iptables.ts';
import { conntrack_list } from '../../kernel/net/netfilter/nf_conntrack_standalone.ts';
import { CLI, interop, LINUX, OURS } from './lab.ts';

const UDP_CLIENT = CLI.replace('harness/ringside.mjs', 'test/interop/udp-client.mjs');

/** The host under test, with its rules. */
function ruled(rules: string): { setup: (host: Host) => void; host: () => Host } {
  let host: Host | null = null;
  return {
    setup(ours) {
      host = ours;
      expect(iptables_restore(ours.kernel, rules)).toMatchObject({ status: 0, stderr: '' });
    },
    host() {
      if (host === null) throw new Error('no host yet');
      return host;
    },
  };
}

const rejecting = ruled('*filter\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n');
interop(
  'a rule rejects with a reset: connect() of a real Linux is refused at once',
  async lab => {
    const { stderr, status } = await lab.run('bash', ['-c', `exec 3<>/dev/tcp/${OURS}/99`]);
    expect(status).not.toBe(0);
    expect(stderr).toContain('Connection refused');
    expect(iptables(rejecting.host().kernel, ['-S', 'INPUT', '-v']).stdout).toMatch(/-c 1 60 -j REJECT/);
  },
  { setup: rejecting.setup },
);

const prohibiting = ruled(
  '*filter\n-A INPUT -p icmp --icmp-type 8 -m length --length 1028 -j REJECT --reject-with icmp-host-prohibited\nCOMMIT\n',
);
interop(
  'a rule rejects large pings as prohibited: ping says so',
  async lab => {
    const { stdout } = await lab.run('ping', ['-c', '1', '-W', '2', '-s', '1000', OURS]);
    expect(stdout).toContain('Destination Host Prohibited');
  },
  { setup: prohibiting.setup },
);

const redirecting = ruled(`*nat
-A PREROUTING -p udp --dport 99 -j REDIRECT --to-ports 7
COMMIT
*filter
:INPUT DROP [0:0]
-A INPUT -p icmp -j ACCEPT
-A INPUT -m conntrack --ctstate NEW,ESTABLISHED --ctorigdstport 99 -j ACCEPT
COMMIT
`);
interop(
  'REDIRECT to the echo port, tracked: datagrams of every size come back equal from the port that was asked',
  async lab => {
    const { stdout } = await lab.run(process.execPath, [UDP_CLIENT, OURS, '99', '300', '1472']);
    expect(JSON.parse(stdout)).toMatchObject({ sent: 300, equal: 300, different: 0, missing: 0 });
    const table = conntrack_list(redirecting.host().kernel.init_net);
    expect(table).toMatch(
      new RegExp(`src=${LINUX} dst=${OURS} sport=(\\d+) dport=99 src=${OURS} dst=${LINUX} sport=7 dport=\\1`),
    );
  },
  { setup: redirecting.setup },
);
