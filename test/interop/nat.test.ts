/**
 * A host of ours as the NAT gateway between two namespaces of the real Linux: `inside` is the laboratory's own, at eth0;
 * `outside` is another, at a card of its own (a macvlan) on the same wire, and knows no way back to the inside.
 */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { Host } from '../../harness/machine/host.ts';
import { iptables, iptables_restore } from '../../harness/shell/iptables.ts';
import type { net_device } from '../../kernel/net/core/netdevice.ts';
import { devinet_conf_set } from '../../kernel/net/ipv4/devconf.ts';
import { inet_addr_add } from '../../kernel/net/ipv4/devinet.ts';
import { ip_route_add } from '../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import { conntrack_list } from '../../kernel/net/netfilter/nf_conntrack_standalone.ts';
import { DEVICE, type Finished, freshName, interop, type Lab, LINUX, OURS, type Running, run, start } from './lab.ts';

const OUTSIDE = '10.20.0.1';
const OUR_OUTSIDE = '10.20.0.2';
/** Behind `outside`, which says that it is unreachable. */
const NOWHERE = '10.30.0.1';
const ECHO_PORT = 7;
const CLOSED_PORT = 9;
const CONNECTION_MS = 30_000;

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const REFUSED = path('udp-refused.py');

/** Echo servers and clients by protocol: a client prints what udp-client.mjs prints. */
const EXCHANGES = {
  udp: {
    server: `require('dgram').createSocket('udp4').on('message', function (data, { port, address }) {
      if (process.argv[1]) console.log('from', address);
      this.send(data, port, address);
    }).bind(${ECHO_PORT}, () => console.log('ready'))`,
    client: (to: string, port: number) => [path('udp-client.mjs'), to, String(port), '200', '1472'],
    equal: { sent: 200, equal: 200, different: 0, missing: 0 },
  },
  tcp: {
    server: `require('net').createServer(socket => {
      if (process.argv[1]) console.log('from', socket.remoteAddress);
      socket.pipe(socket);
    }).listen(${ECHO_PORT}, '0.0.0.0', () => console.log('ready'))`,
    client: (to: string, port: number) => [path('tcp-client.mjs'), to, String(port), '300000'],
    equal: { sent: 300_000, equal: 300_000, different: 0, missing: 0 },
  },
} as const;
type Protocol = keyof typeof EXCHANGES;
const PROTOCOLS = Object.keys(EXCHANGES) as Protocol[];

/** The namespace beyond the gateway. */
class Outside {
  readonly name: string;
  private readonly children: Running[] = [];

  constructor(name: string) {
    this.name = name;
  }

  start(program: string, args: readonly string[]): Running {
    const running = start('ip', ['netns', 'exec', this.name, program, ...args]);
    this.children.push(running);
    return running;
  }

  async run(program: string, args: readonly string[]): Promise<Finished> {
    return await this.start(program, args).finished;
  }

  stop(): void {
    for (const running of this.children) running.child.kill('SIGKILL');
  }
}

/** A test with the gateway under these rules. */
function gateway(
  name: string,
  rules: string,
  body: (lab: Lab, outside: Outside, gateway: Host) => Promise<void>,
): void {
  let host: Host | null = null;
  interop(
    name,
    async lab => {
      const outside = new Outside(freshName());
      const ip = async (...args: string[]): Promise<void> => {
        const { status, stderr } = await run('ip', args);
        expect([args, status, stderr]).toEqual([args, 0, '']);
      };
      await ip('netns', 'add', outside.name);
      try {
        lab.ip('link', 'add', 'link', DEVICE, 'name', 'outside', 'type', 'macvlan', 'mode', 'private');
        lab.ip('link', 'set', 'outside', 'netns', outside.name);
        const there = (...args: string[]): Promise<void> => ip('-n', outside.name, ...args);
        await there('link', 'set', 'lo', 'up');
        await there('address', 'add', `${OUTSIDE}/24`, 'dev', 'outside');
        await there('link', 'set', 'outside', 'up');
        await there('route', 'add', 'unreachable', '10.30.0.0/24');
        expect((await outside.run('sysctl', ['-qw', 'net.ipv4.ip_forward=1'])).stderr).toBe('');
        lab.ip('route', 'add', '10.20.0.0/24', 'via', OURS);
        lab.ip('route', 'add', '10.30.0.0/24', 'via', OURS);
        await body(lab, outside, host as Host);
      } finally {
        outside.stop();
        await run('ip', ['netns', 'del', outside.name]);
      }
    },
    {
      setup(ours) {
        host = ours;
        const { kernel } = ours;
        const { init_net } = kernel;
        ours.exec(() => {
          init_net.ipv4.ip_forward = 1;
          devinet_conf_set(init_net, 'all', 'send_redirects', 0);
          devinet_conf_set(init_net, 'eth0', 'send_redirects', 0);
          inet_addr_add(init_net.dev_get_by_name('eth0') as net_device, in_aton(OUR_OUTSIDE), 24);
          ip_route_add(init_net, { dst: in_aton('10.30.0.0'), prefix_len: 24, gateway: in_aton(OUTSIDE) });
        });
        expect(iptables_restore(kernel, rules)).toMatchObject({ status: 0, stderr: '' });
      },
      timeoutMs: 90_000,
    },
  );
}

/** The connections of a protocol, as `conntrack -L` prints them. */
function connections(host: Host, protocol: Protocol | 'icmp'): string[] {
  return conntrack_list(host.kernel.init_net)
    .split('\n')
    .filter(line => line.startsWith(protocol));
}

const escaped = (text: string): string => text.replaceAll('.', '\\.');

gateway(
  'MASQUERADE: pings of every size, UDP and TCP from the inside get through under our address, and only so',
  `*nat
-A POSTROUTING -s 10.9.0.0/24 ! -d 10.9.0.0/24 -o eth0 -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -s 10.9.0.0/24 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
`,
  async (lab, outside, host) => {
    const seen = outside.start('tcpdump', ['-lnni', 'outside', 'ip']);
    await seen.prints('listening on');
    for (const size of [0, 56, 1472, 8000]) {
      const { stdout } = await lab.run('ping', ['-n', '-c', '3', '-i', '0.05', '-W', '3', '-s', String(size), OUTSIDE]);
      expect([size, / (\d+) received/.exec(stdout)?.[1]]).toEqual([size, '3']);
      expect(stdout).toContain('ttl=63');
    }
    for (const protocol of PROTOCOLS) {
      const { server, client, equal } = EXCHANGES[protocol];
      const serving = outside.start(process.execPath, ['-e', server, 'tell']);
      await serving.prints('ready');
      const { stdout, stderr } = await lab.run(process.execPath, client(OUTSIDE, ECHO_PORT), CONNECTION_MS);
      expect([protocol, JSON.parse(stdout || `{"stderr":${JSON.stringify(stderr)}}`)]).toEqual([protocol, equal]);
      expect(new Set(serving.stdout.match(/(?<=from )\S+/g))).toEqual(new Set([OUR_OUTSIDE]));
      const there = `src=${LINUX} dst=${OUTSIDE} sport=(\\d+) dport=${ECHO_PORT}`;
      const back = `src=${OUTSIDE} dst=${OUR_OUTSIDE} sport=${ECHO_PORT} dport=\\1 (\\[ASSURED\\] )?mark=0`;
      expect(connections(host, protocol).join('\n')).toMatch(new RegExp(escaped(`${there} ${back}`)));
    }
    expect(connections(host, 'icmp').join('\n')).toMatch(
      new RegExp(
        escaped(
          `src=${LINUX} dst=${OUTSIDE} type=8 code=0 id=(\\d+) src=${OUTSIDE} dst=${OUR_OUTSIDE} type=0 code=0 id=\\1 `,
        ),
      ),
    );
    // From outside there is no way in; nothing of the inside was to be seen there.
    const in_ = await outside.run('ip', ['route', 'get', LINUX]);
    expect(in_.stderr).toContain('unreachable');
    const { stdout } = await seen.stop('SIGINT');
    expect(stdout).toContain(`IP ${OUR_OUTSIDE}`);
    expect(stdout).not.toContain('10.9.0.');
  },
);

gateway(
  'MASQUERADE: traceroute, and the ICMP errors of others reach the program that caused them',
  '*nat\n-A POSTROUTING -s 10.9.0.0/24 ! -d 10.9.0.0/24 -o eth0 -j MASQUERADE\nCOMMIT\n',
  async (lab, _outside, host) => {
    const trace = await lab.run('traceroute', ['-n', '-q', '2', '-w', '3', '-N', '1', OUTSIDE]);
    const hops = [...trace.stdout.matchAll(/^ *(\d+) +(\S+)/gm)].map(match => `${match[1]} ${match[2]}`);
    expect(hops).toEqual([`1 ${OURS}`, `2 ${OUTSIDE}`]);
    expect(trace.stdout).not.toMatch(/[!*]/);
    // Port unreachable, for a connected socket and for one with an error queue: the quoted datagram is its own again.
    const refused = await lab.run('python3', [REFUSED, OUTSIDE, String(CLOSED_PORT)]);
    expect(refused.stderr).toBe('');
    expect(JSON.parse(refused.stdout)).toMatchObject({
      connected: 'ECONNREFUSED',
      payload: 'hello',
      name: [OUTSIDE, CLOSED_PORT],
      offender: OUTSIDE,
    });
    // Host unreachable, about an echo request: ping knows it by the identifier in the quote.
    const { stdout } = await lab.run('ping', ['-n', '-c', '1', '-W', '3', NOWHERE]);
    expect(stdout).toContain(`From ${OUTSIDE} icmp_seq=1 Destination Host Unreachable`);
    // Errors make no connections of their own.
    const icmp = connections(host, 'icmp').filter(line => !line.includes('type=8'));
    expect(icmp).toEqual([]);
  },
);

gateway(
  "DNAT: who asks our outside address is served from inside, and the server sees the asker's own address",
  `*nat
-A PREROUTING -d ${OUR_OUTSIDE} -p udp --dport 5000 -j DNAT --to-destination ${LINUX}:${ECHO_PORT}
-A PREROUTING -d ${OUR_OUTSIDE} -p tcp --dport 5000 -j DNAT --to-destination ${LINUX}:${ECHO_PORT}
-A PREROUTING -d ${OUR_OUTSIDE} -p udp --dport 5001 -j DNAT --to-destination ${LINUX}:${CLOSED_PORT}
-A PREROUTING -d ${OUR_OUTSIDE} -p icmp --icmp-type 8 -j DNAT --to-destination ${LINUX}
COMMIT
`,
  async (lab, outside, host) => {
    for (const size of [0, 56, 1472, 8000]) {
      const { stdout } = await outside.run('ping', [
        '-n',
        '-c',
        '3',
        '-i',
        '0.05',
        '-W',
        '3',
        '-s',
        String(size),
        OUR_OUTSIDE,
      ]);
      expect([size, / (\d+) received/.exec(stdout)?.[1]]).toEqual([size, '3']);
      // It went farther than to us.
      expect(stdout).toContain('ttl=63');
    }
    for (const protocol of PROTOCOLS) {
      const { server, client, equal } = EXCHANGES[protocol];
      const serving = lab.start(process.execPath, ['-e', server, 'tell'], CONNECTION_MS);
      await serving.prints('ready');
      const { stdout, stderr } = await outside.run(process.execPath, client(OUR_OUTSIDE, 5000));
      expect([protocol, JSON.parse(stdout || `{"stderr":${JSON.stringify(stderr)}}`)]).toEqual([protocol, equal]);
      expect(new Set(serving.stdout.match(/(?<=from )\S+/g))).toEqual(new Set([OUTSIDE]));
      const there = `src=${OUTSIDE} dst=${OUR_OUTSIDE} sport=(\\d+) dport=5000`;
      const back = `src=${LINUX} dst=${OUTSIDE} sport=${ECHO_PORT} dport=\\1 (\\[ASSURED\\] )?mark=0`;
      expect(connections(host, protocol).join('\n')).toMatch(new RegExp(escaped(`${there} ${back}`)));
    }
    // The server's port unreachable comes from the address and about the port that were asked.
    const refused = await outside.run('python3', [REFUSED, OUR_OUTSIDE, '5001']);
    expect(refused.stderr).toBe('');
    expect(JSON.parse(refused.stdout)).toMatchObject({
      connected: 'ECONNREFUSED',
      name: [OUR_OUTSIDE, 5001],
      offender: OUR_OUTSIDE,
    });
    // The nat table sees the first packet of each connection only.
    const counts = iptables(host.kernel, ['-t', 'nat', '-S', 'PREROUTING', '-v']).stdout;
    expect(counts).toMatch(/--dport 5000 -c 1 \d+ -j DNAT/);
  },
);
