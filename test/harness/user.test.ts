import { describe, expect, test } from 'vitest';
import { World } from '../../harness/machine/world.ts';
import { type Endpoint, ping, SysError, User, udpEcho, udpSend } from '../../harness/user/index.ts';
import { spawn } from '../../kernel/syscalls.ts';

const mac = (last: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, 0, last);

/** Two hosts, 10.0.0.1 and 10.0.0.2, on one cable. */
function pair(costs: boolean): { world: World; a: World['hosts'][0]; b: World['hosts'][0] } {
  const world = new World();
  const hosts = [1, 2].map(i => {
    const host = world.addHost({ name: `host${i}`, costs, nics: [{ mac: mac(i) }] });
    host.up('eth0', 0x0a000000 | i, 24);
    return host;
  });
  const [a, b] = hosts as [World['hosts'][0], World['hosts'][0]];
  const [ca, cb] = [a.cards[0], b.cards[0]];
  if (ca === undefined || cb === undefined) throw new Error('no card');
  world.connect(ca, cb);
  world.sim.settle(10_000_000);
  return { world, a, b };
}

function run(host: World['hosts'][0], program: Parameters<typeof spawn>[2]): { readonly status: number | null } {
  const result = { status: null as number | null };
  host.exec(() => {
    spawn(host.kernel, 'test', program).exit_wait.push(task => {
      if (task.exit_error !== null) throw task.exit_error;
      result.status = task.exit_code;
    });
  });
  return result;
}

describe.each([false, true])('two hosts on a wire, costs %s', costs => {
  test('ping prints what Linux prints', () => {
    const { world, a } = pair(costs);
    const lines: string[] = [];
    const result = run(
      a,
      ping({ destination: '10.0.0.2', count: 3 }, line => lines.push(line)),
    );
    world.sim.settle(world.sim.time + 20e9);
    expect(result.status).toBe(0);
    expect(lines[0]).toBe('PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.');
    for (let i = 1; i <= 3; i++) {
      expect(lines[i]).toMatch(new RegExp(`^64 bytes from 10\\.0\\.0\\.2: icmp_seq=${i} ttl=64 time=0\\.\\d{3} ms$`));
    }
    expect(lines.slice(4, 6)).toEqual(['', '--- 10.0.0.2 ping statistics ---']);
    expect(lines[6]).toBe('3 packets transmitted, 3 received, 0% packet loss, time 2000ms');
    expect(lines[7]).toMatch(/^rtt min\/avg\/max\/mdev = 0\.\d{3}\/0\.\d{3}\/0\.\d{3}\/0\.\d{3} ms$/);
    expect(world.finish()).toEqual([]);
  });

  test('udpEcho answers udpSend, byte for byte', () => {
    const { world, a, b } = pair(costs);
    const answers: { data: Uint8Array; from: Endpoint }[] = [];
    const server = run(b, udpEcho(7, { count: 3 }));
    const messages = ['one', 'two', Uint8Array.from({ length: 1472 }, (_, i) => i & 255)];
    const client = run(
      a,
      udpSend({
        to: { address: '10.0.0.2', port: 7 },
        messages,
        wait: 1000,
        answer: (data, from) => answers.push({ data, from }),
      }),
    );
    world.sim.settle(world.sim.time + 20e9);
    expect([server.status, client.status]).toEqual([0, 0]);
    expect(answers.map(answer => answer.from)).toEqual(new Array(3).fill({ address: '10.0.0.2', port: 7 }));
    const decoder = new TextDecoder();
    expect(answers.slice(0, 2).map(answer => decoder.decode(answer.data))).toEqual(['one', 'two']);
    expect(answers[2]?.data).toEqual(messages[2]);
    expect(world.finish()).toEqual([]);
  });
});

test('nobody answers a ping: everything is lost, status 1', () => {
  const { world, a } = pair(false);
  const lines: string[] = [];
  const result = run(
    a,
    ping({ destination: '10.0.0.9', count: 2, linger: 100 }, line => lines.push(line)),
  );
  world.sim.settle(world.sim.time + 20e9);
  expect(result.status).toBe(1);
  expect(lines).toContain('2 packets transmitted, 0 received, 100% packet loss, time 1100ms');
  expect(world.finish()).toEqual([]);
});

test('nobody listens: udpSend says ECONNREFUSED', () => {
  const { world, a } = pair(false);
  const lines: string[] = [];
  const result = run(
    a,
    udpSend({ to: { address: '10.0.0.2', port: 9 }, messages: ['x'], wait: 1000 }, line => lines.push(line)),
  );
  world.sim.settle(world.sim.time + 20e9);
  expect(result.status).toBe(1);
  expect(lines).toEqual(['udp: recvfrom: ECONNREFUSED']);
  expect(world.finish()).toEqual([]);
});

test('SysError carries number, name and call', () => {
  const { world, a } = pair(false);
  let error: unknown = null;
  run(a, function* (sys) {
    const user = new User(sys);
    const fd = yield* user.udp();
    try {
      yield* user.bind(fd, '8.8.8.8', 7);
    } catch (thrown) {
      error = thrown;
    }
    return 0;
  });
  world.sim.settle(world.sim.time + 1e9);
  expect(error).toBeInstanceOf(SysError);
  expect(error).toMatchObject({ errno: 99, code: 'EADDRNOTAVAIL', syscall: 'bind', message: 'bind: EADDRNOTAVAIL' });
  expect(world.finish()).toEqual([]);
});
