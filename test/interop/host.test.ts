/** A host of ours at the other end of a TAP, as the real Linux sees it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { ping } from '../../harness/user/index.ts';
import type { Program } from '../../kernel/sched/task.ts';
import { pingFlood, pingsInARow, UDP_CLIENT, udpEchoes } from './cases.ts';
import { DEVICE, interop, LINUX, OUR_MAC, OURS } from './lab.ts';

const NEW_MAC = '02:00:00:00:00:99';
/** A gratuitous ARP does not override an entry that was updated less than a second ago (locktime). */
const LOCKTIME_MS = 1200;

interop('ping in a row: all answered, median below 1 ms', lab => pingsInARow(lab, 300));

interop('ping -f: all answered', lab => pingFlood(lab, 2000));

interop('ping of every size up to the MTU: all answered, equal', async lab => {
  for (const size of [0, 1, 17, 18, 19, 1471, 1472]) {
    const { received, stdout } = await lab.ping(3, ['-i', '0.05', '-s', String(size)]);
    expect(received, `-s ${size}`).toBe(3);
    expect(stdout).not.toContain('wrong data');
  }
});

interop('ping beyond the MTU, in fragments both ways: all answered, equal', async lab => {
  for (const size of [1473, 8000, 65507]) {
    const { received, stdout } = await lab.ping(3, ['-i', '0.05', '-W', '2', '-s', String(size)]);
    expect(received, `-s ${size}`).toBe(3);
    expect(stdout).not.toContain('wrong data');
  }
  const { mib, fqdir } = lab.host.kernel.init_net.ipv4;
  expect(mib).toMatchObject({ IpReasmOKs: 9, IpReasmFails: 0, IpFragOKs: 9, IpFragFails: 0 });
  expect(fqdir.mem).toBe(0);
});

const large: string[] = [];
interop(
  'our own pings of 8,000 and 65,507 bytes: Linux puts our fragments together and answers',
  async lab => {
    for (let tries = 0; tries < 300 && large.filter(line => line.includes('time=')).length < 6; tries++)
      await sleep(50);
    const answers = large.filter(line => line.includes('time='));
    expect(answers.filter(line => line.startsWith('8008 bytes'))).toHaveLength(3);
    expect(answers.filter(line => line.startsWith('65515 bytes'))).toHaveLength(3);
    expect(lab.host.kernel.init_net.ipv4.mib).toMatchObject({ IpReasmOKs: 6, IpReasmFails: 0 });
  },
  {
    setup: host => {
      host.spawn('pings', function* (sys): Program {
        // The first one finds the neighbour: the fragments of two large ones are more than may wait for an answer to ARP.
        yield* ping({ destination: LINUX, interval: 50, count: 1 }, () => {})(sys);
        for (const size of [8000, 65507]) {
          yield* ping({ destination: LINUX, interval: 50, count: 3, size }, line => large.push(line))(sys);
        }
        return 0;
      });
    },
  },
);

interop(
  'UDP echo: datagrams of up to 8,000 and of 65,507 bytes, in fragments both ways, come back equal',
  async lab => {
    for (const [count, longest] of [
      [200, 8000],
      [20, 65507],
    ] as const) {
      const args = [UDP_CLIENT, OURS, '7', String(count), String(longest), '1'];
      const { stdout, stderr } = await lab.run(process.execPath, args);
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual({ sent: count, equal: count, different: 0, missing: 0 });
    }
    expect(lab.host.kernel.init_net.ipv4.mib.IpReasmFails).toBe(0);
  },
);

interop('UDP echo: datagrams of 1 to 1472 bytes come back equal, and tcpdump finds nothing wrong', async lab => {
  await lab.watch();
  await udpEchoes(lab, 1000);
  await lab.ping(20, ['-i', '0.05', '-s', '1000']);
  const packets = await lab.watched();
  expect(packets.filter(packet => /bad|wrong|incorrect|truncated|invalid|\[\|/i.test(packet))).toEqual([]);
  // Both ways, and each with a sum that tcpdump verified.
  expect(packets.filter(packet => packet.includes('[udp sum ok]')).length).toBe(2000);
  expect(packets.filter(packet => packet.includes('ICMP echo reply')).length).toBe(20);
});

interop('a datagram from an address that our host has no route to: the echo server goes on', async lab => {
  lab.ip('address', 'add', '192.168.55.1/32', 'dev', DEVICE);
  const send = `require('dgram').createSocket('udp4').bind(0, '192.168.55.1', function () {
    this.send('x', 7, '${OURS}', () => this.close());
  });`;
  expect((await lab.run(process.execPath, ['-e', send])).status).toBe(0);
  await udpEchoes(lab, 10);
});

interop('UDP to a port where nobody listens: ICMP port unreachable', async lab => {
  await lab.watch();
  await lab.run('bash', ['-c', `echo x > /dev/udp/${OURS}/9`]);
  const packets = await lab.watched();
  expect(packets.join('\n')).toContain(`${OURS} > ${LINUX}: ICMP ${OURS} udp port 9 unreachable`);
  expect(packets.filter(packet => /bad|wrong/i.test(packet))).toEqual([]);
});

interop('arping: answered by our card, and the address is found to be in use', async lab => {
  const asked = await lab.run('arping', ['-c', '3', '-I', DEVICE, OURS]);
  expect(asked.stdout.toLowerCase()).toContain(OUR_MAC);
  expect(asked.stdout).toContain('Received 3 response(s)');
  // Duplicate address detection: 1 when somebody has it.
  const duplicate = await lab.run('arping', ['-D', '-c', '2', '-w', '3', '-I', DEVICE, OURS]);
  expect(duplicate.status).toBe(1);
  expect((await lab.run('arping', ['-D', '-c', '1', '-w', '1', '-I', DEVICE, '10.9.0.77'])).status).toBe(0);
});

interop('our MAC address changes: the gratuitous ARP moves Linux to the new one', async lab => {
  await sleep(LOCKTIME_MS);
  expect(lab.ip('neigh', 'show', OURS)).toContain(OUR_MAC);
  lab.setMac(NEW_MAC);
  for (let tries = 0; tries < 20 && !lab.ip('neigh', 'show', OURS).includes(NEW_MAC); tries++) await sleep(50);
  expect(lab.ip('neigh', 'show', OURS)).toContain(NEW_MAC);
  expect((await lab.ping(20, ['-i', '0.01'])).received).toBe(20);
});

interop(
  'the address of Linux is removed and added again, and another one: our host answers it each time',
  async lab => {
    lab.ip('address', 'del', `${LINUX}/24`, 'dev', DEVICE);
    expect((await lab.run('ping', ['-c', '1', '-W', '1', OURS])).status).not.toBe(0);
    lab.ip('address', 'add', `${LINUX}/24`, 'dev', DEVICE);
    expect((await lab.ping(20, ['-i', '0.01'])).received).toBe(20);
    lab.ip('address', 'add', '10.9.0.33/24', 'dev', DEVICE);
    expect((await lab.ping(20, ['-i', '0.01', '-I', '10.9.0.33'])).received).toBe(20);
  },
);

const lines: string[] = [];
interop(
  'the TAP is set down and up: our host goes on, and its own pings too',
  async lab => {
    lab.ip('link', 'set', DEVICE, 'down');
    await sleep(300);
    expect(lab.tap.refusedDown).toBeGreaterThan(0);
    lab.ip('link', 'set', DEVICE, 'up');
    expect((await lab.ping(20, ['-i', '0.01', '-W', '3'])).received).toBe(20);
    const before = lines.length;
    await sleep(300);
    expect(lines.length).toBeGreaterThan(before);
    expect(lab.tap.refusedOther).toBe(0);
  },
  {
    lossy: true,
    setup: host => {
      host.spawn(
        'ping',
        ping({ destination: LINUX, interval: 20 }, line => lines.push(line)),
      );
    },
  },
);

interop('the TAP is deleted: the run ends and says so', async lab => {
  lab.ip('link', 'del', DEVICE);
  expect(await lab.ended()).toEqual({ message: `${DEVICE} was deleted` });
});

interop('the namespace is deleted: the run ends and says so', async lab => {
  await lab.run('ip', ['netns', 'del', lab.namespace]);
  expect(await lab.ended()).toEqual({ message: `the namespace ${lab.namespace} was deleted` });
});

interop(
  'a wire of ours that loses, doubles and damages frames: pings get through, and Linux sees no damaged frame',
  async lab => {
    await lab.watch();
    const { received, stdout } = await lab.ping(200, ['-i', '0.005', '-W', '1', '-s', '300']);
    expect(received).toBeGreaterThan(100);
    expect(received).toBeLessThan(200);
    expect(stdout).not.toContain('wrong data');
    const packets = await lab.watched();
    expect(packets.filter(packet => /bad|wrong|truncated|invalid/i.test(packet))).toEqual([]);
  },
  { lossy: true, impairments: { loss: 0.05, duplicate: 0.05, corrupt: 0.05 } },
);
