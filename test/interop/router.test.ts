/** A host of ours as a router, as the real Linux sees it. */
import { expect } from 'vitest';
import { devinet_conf_set } from '../../kernel/net/ipv4/devconf.ts';
import { inet_addr_add } from '../../kernel/net/ipv4/devinet.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import { BEHIND, BEHIND_NET, hostBehind } from './behind.ts';
import { DEVICE, freshName, interop, LINUX, OURS, run } from './lab.ts';

const SMALL_MTU = 1280;
/** Headers of IP and ICMP. */
const PING_HEADERS = 28;

interop(
  'traceroute to a host behind our router: the router, then the host',
  async lab => {
    lab.ip('route', 'add', BEHIND_NET, 'via', OURS);
    const { stdout, status } = await lab.run('traceroute', ['-n', '-q', '2', '-w', '3', '-N', '1', BEHIND]);
    expect(status).toBe(0);
    const hops = [...stdout.matchAll(/^ *(\d+) +(\S+)/gm)].map(match => `${match[1]} ${match[2]}`);
    expect(hops).toEqual([`1 ${OURS}`, `2 ${BEHIND}`]);
    expect(stdout).not.toMatch(/[!*]/);
    const icmp = await lab.run('traceroute', ['-I', '-n', '-q', '1', '-w', '3', '-N', '1', BEHIND]);
    expect(icmp.stdout).toMatch(new RegExp(`1 +${OURS}[^]*2 +${BEHIND}`));
  },
  { setup: host => void hostBehind(host, 1500) },
);

interop(
  'PMTU discovery across a small link behind us: Linux is told 1280, and keeps to it',
  async lab => {
    lab.ip('route', 'add', BEHIND_NET, 'via', OURS);
    const ping = (size: number) =>
      lab.run('ping', ['-n', '-c', '1', '-W', '3', '-M', 'do', '-s', String(size), BEHIND]);
    expect((await ping(100)).stdout).toContain(' 1 received');
    const large = await ping(1400);
    expect(large.stdout + large.stderr).toContain(`Frag needed and DF set (mtu = ${SMALL_MTU})`);
    expect(lab.ip('route', 'get', BEHIND)).toMatch(new RegExp(`expires \\d+sec mtu ${SMALL_MTU}`));
    expect((await ping(SMALL_MTU - PING_HEADERS)).stdout).toContain(' 1 received');
    // Linux itself refuses what it knows to be too long.
    const refused = await ping(SMALL_MTU - PING_HEADERS + 1);
    expect(refused.stdout + refused.stderr).toContain(`message too long, mtu=${SMALL_MTU}`);
  },
  { setup: host => void hostBehind(host, SMALL_MTU) },
);

const OTHER = '10.20.0.1';
const OUR_OTHER = '10.20.0.2';

interop(
  'our host as the gateway between two real namespaces: pings, large ones too, and UDP get through; nobody redirects',
  async lab => {
    const other = freshName();
    lab.ip('link', 'add', 'link', DEVICE, 'name', 'mv0', 'type', 'macvlan', 'mode', 'private');
    const ip = async (...args: string[]): Promise<void> => {
      const { status, stderr } = await run('ip', args);
      expect([args, status, stderr]).toEqual([args, 0, '']);
    };
    await ip('netns', 'add', other);
    try {
      lab.ip('link', 'set', 'mv0', 'netns', other);
      await ip('-n', other, 'address', 'add', `${OTHER}/24`, 'dev', 'mv0');
      await ip('-n', other, 'link', 'set', 'mv0', 'up');
      await ip('-n', other, 'route', 'add', 'default', 'via', OUR_OTHER);
      lab.ip('route', 'add', '10.20.0.0/24', 'via', OURS);
      for (const size of [0, 56, 1472]) {
        const { stdout } = await lab.run('ping', ['-n', '-c', '5', '-i', '0.05', '-W', '3', '-s', String(size), OTHER]);
        expect([size, / (\d+) received/.exec(stdout)?.[1]]).toEqual([size, '5']);
        // Our router took one from it.
        expect(stdout).toContain('ttl=63');
        expect(stdout).not.toContain('Redirect');
      }
      const back = await run('ip', ['netns', 'exec', other, 'ping', '-n', '-c', '3', '-i', '0.05', '-W', '3', LINUX]);
      expect(back.stdout).toContain(' 3 received');
      const trace = await lab.run('traceroute', ['-n', '-q', '1', '-w', '3', '-N', '1', OTHER]);
      expect(trace.stdout).toMatch(new RegExp(`1 +${OURS}[^]*2 +${OTHER}`));
    } finally {
      await run('ip', ['netns', 'del', other]);
    }
  },
  {
    setup(host) {
      const { init_net } = host.kernel;
      host.exec(() => {
        init_net.ipv4.ip_forward = 1;
        devinet_conf_set(init_net, 'all', 'send_redirects', 0);
        devinet_conf_set(init_net, 'eth0', 'send_redirects', 0);
        const dev = init_net.dev_get_by_name('eth0');
        if (dev !== null) inet_addr_add(dev, in_aton(OUR_OTHER), 24);
      });
    },
  },
);
