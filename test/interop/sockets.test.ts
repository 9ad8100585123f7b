/** Sockets of ours and of the real Linux at the two ends of a TAP: errors both ways, and what nmap makes of our host. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { ECONNREFUSED } from '../../kernel/errno.ts';
import { in_aton, inet_ntoa } from '../../kernel/lib/inet.ts';
import { IP_RECVERR, SOL_IP } from '../../kernel/net/ipv4/ip_sockglue.ts';
import { AF_INET, cmsg, MSG_ERRQUEUE, SOCK_DGRAM, sockaddr_in, sockopt, user_msghdr } from '../../kernel/net/msg.ts';
import { interop, type Lab, LINUX, OURS } from './lab.ts';

const REFUSED = fileURLToPath(new URL('udp-refused.py', import.meta.url));
const SCAN_TIMEOUT_MS = 60_000;

/** What nmap says of each port or protocol: 'NUMBER' → 'open', 'closed', 'open|filtered' … */
async function scan(lab: Lab, kind: '-sU' | '-sO', numbers: readonly number[], host: string): Promise<unknown> {
  const args = [
    kind,
    '-Pn',
    '-n',
    '-p',
    numbers.join(','),
    '--max-retries',
    '2',
    '--host-timeout',
    '50s',
    '-oG',
    '-',
    host,
  ];
  const { stdout, stderr, status } = await lab.run('nmap', args, SCAN_TIMEOUT_MS);
  expect(status, stderr).toBe(0);
  const list = /(?:Ports|Protocols): ([^\t\n]*)/.exec(stdout)?.[1] ?? '';
  return Object.fromEntries(list.split(', ').map(entry => entry.split('/').slice(0, 2)));
}

interop(
  'nmap -sU on five ports: our host looks like a Linux host with the same services',
  async lab => {
    const echo = `require('dgram').createSocket('udp4').on('message', function (data, { port, address }) {
      this.send(data, port, address);
    }).bind(7, () => console.log('ready'));`;
    await lab.start(process.execPath, ['-e', echo], SCAN_TIMEOUT_MS).prints('ready');
    const ports = [7, 9, 53, 123, 4000];
    const ours = await scan(lab, '-sU', ports, OURS);
    expect(ours).toEqual({ 7: 'open', 9: 'closed', 53: 'closed', 123: 'closed', 4000: 'closed' });
    expect(ours).toEqual(await scan(lab, '-sU', ports, LINUX));
  },
  { timeoutMs: 150_000 },
);

interop(
  'nmap -sO on ten protocols: our host looks like a Linux host',
  async lab => {
    const protocols = [1, 2, 3, 5, 9, 17, 88, 99, 150, 253];
    const ours = await scan(lab, '-sO', protocols, OURS);
    expect(ours).toEqual(await scan(lab, '-sO', protocols, LINUX));
    expect(ours).toMatchObject({ 1: 'open', 17: 'open', 99: 'closed', 253: 'closed' });
  },
  { timeoutMs: 150_000 },
);

interop(
  'a connected UDP socket of Linux to our closed port: ECONNREFUSED, and the error queue tells the same',
  async lab => {
    const { stdout, stderr } = await lab.run('python3', [REFUSED, OURS, '9']);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      connected: 'ECONNREFUSED',
      recverr: 'ECONNREFUSED',
      payload: 'hello',
      name: [OURS, 9],
      // errno, origin ICMP, type, code, info, data
      ee: [ECONNREFUSED, 2, 3, 3, 0, 0],
      offender: OURS,
    });
  },
);

const said: unknown[] = [];
interop(
  'a connected UDP socket of ours to a closed port of Linux: ECONNREFUSED, and the error queue tells the same',
  async lab => {
    for (let tries = 0; tries < 100 && said.length < 5; tries++) await new Promise(done => setTimeout(done, 50));
    expect(lab.tap.refusedOther).toBe(0);
    expect(said.slice(0, 5)).toEqual([1, -ECONNREFUSED, 5, [5, LINUX, 9], [ECONNREFUSED, 2, 3, 3, 0, LINUX]]);
  },
  {
    setup: host => {
      host.spawn('refused', function* (sys) {
        const buffer = sys.mmap(256);
        const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
        const to = new sockaddr_in(in_aton(LINUX), 9);
        // Linux is there when its first frame has come.
        yield* sys.nanosleep(1_000_000_000);
        yield* sys.connect(fd, to);
        said.push(yield* sys.send(fd, buffer, 1, 0), yield* sys.recv(fd, buffer, 10, 0));
        const other = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
        const opt = new sockopt();
        opt.value = 1;
        yield* sys.setsockopt(other, SOL_IP, IP_RECVERR, opt);
        said.push(yield* sys.sendto(other, buffer, 5, 0, to));
        yield* sys.nanosleep(500_000_000);
        const hdr = new user_msghdr();
        const control = new cmsg();
        const name = new sockaddr_in();
        Object.assign(hdr, { base: buffer, length: 100, control, name });
        const n = yield* sys.recvmsg(other, hdr, MSG_ERRQUEUE);
        said.push([n, inet_ntoa(name.sin_addr), name.sin_port]);
        const { ee_errno, ee_origin, ee_type, ee_code, ee_info, ee_offender } = control;
        said.push([ee_errno, ee_origin, ee_type, ee_code, ee_info, inet_ntoa(ee_offender)]);
        return 0;
      });
    },
  },
);
