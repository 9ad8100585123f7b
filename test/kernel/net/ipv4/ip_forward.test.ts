import { describe, expect, it } from 'vitest';
import type { Host, Plugged } from '../../../../harness/machine/host.ts';
import { World } from '../../../../harness/machine/world.ts';
import { parseMac } from '../../../../harness/packet/address.ts';
import { checkFrame } from '../../../../harness/packet/check.ts';
import { describeFrame } from '../../../../harness/packet/describe.ts';
import { buildEthernet } from '../../../../harness/packet/ethernet.ts';
import { buildIpv4Packet, parseIpv4Packet } from '../../../../harness/packet/ipv4.ts';
import { buildUdp } from '../../../../harness/packet/udp.ts';
import { drop_reason_name } from '../../../../kernel/net/core/dropreason.ts';
import { inet_addr_add } from '../../../../kernel/net/ipv4/devinet.ts';
import { ip_route_add } from '../../../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';

const ROUTER = '02:00:00:00:00:0a';
const SENDER = '02:00:00:00:00:01';

interface Bench {
  readonly world: World;
  readonly router: Host;
  readonly drops: string[];
  /** What the sender's side and the far side hear. */
  readonly back: Uint8Array[];
  readonly out: Uint8Array[];
  send(packet: Uint8Array): void;
}

/** A router between 10.1.0.0/24 (the sender is 10.1.0.1) and 10.2.0.0/24 (the far host is 10.2.0.2, known). */
function setUp(forward = true): Bench {
  const world = new World();
  const router = world.addHost({
    name: 'router',
    nics: [{ mac: parseMac(ROUTER) }, { mac: parseMac('02:00:00:00:00:0b') }],
  });
  const near = world.connectSource(router.cards[0] as Plugged);
  const far = world.connectSource(router.cards[1] as Plugged);
  router.up('eth0', in_aton('10.1.0.254'), 24);
  router.up('eth1', in_aton('10.2.0.254'), 24);
  const net = router.kernel.init_net;
  router.exec(() => {
    net.ipv4.ip_forward = forward ? 1 : 0;
    ip_route_add(net, { dst: in_aton('10.3.0.0'), prefix_len: 16, gateway: in_aton('10.2.0.2') });
  });
  const drops: string[] = [];
  router.kernel.trace.kfree_skb = (_skb, reason) => drops.push(drop_reason_name(reason));
  const back: Uint8Array[] = [];
  const out: Uint8Array[] = [];
  near.source.heard = (bytes, at, length) => back.push(bytes.slice(at, at + length));
  far.source.heard = (bytes, at, length) => out.push(bytes.slice(at, at + length));
  world.sim.run(1_000_000);
  // The neighbours answer when they are asked.
  const answer = (end: typeof near, mac: string, heard: Uint8Array[]): void => {
    const ask = heard.findIndex(frame => frame[12] === 0x08 && frame[13] === 0x06);
    if (ask < 0) return;
    const question = heard.splice(ask, 1)[0] as Uint8Array;
    const reply = question.slice();
    reply.set(question.subarray(6, 12), 0);
    reply.set(parseMac(mac), 6);
    reply[21] = 2;
    reply.set(parseMac(mac), 22);
    reply.set(question.subarray(38, 42), 28);
    reply.set(question.subarray(22, 32), 32);
    end.source.send(reply, 0, reply.length, -1, 0, world.sim.time);
    end.cable.refresh();
    world.sim.run(world.sim.time + 1_000_000);
  };
  return {
    world,
    router,
    drops,
    back,
    out,
    send(packet) {
      const frame = buildEthernet({ destination: ROUTER, source: SENDER, etherType: 0x0800, payload: packet });
      near.source.send(frame, 0, frame.length, -1, 0, world.sim.time);
      near.cable.refresh();
      world.sim.run(world.sim.time + 1_000_000);
      answer(far, '02:00:00:00:00:02', out);
      answer(near, SENDER, back);
    },
  };
}

function udp(
  options: { destination?: string; timeToLive?: number; dontFragment?: boolean; size?: number } = {},
): Uint8Array {
  const addresses = { source: '10.1.0.1', destination: options.destination ?? '10.2.0.2' };
  const payload = new Uint8Array(options.size ?? 20).fill(7);
  return buildIpv4Packet({
    ...addresses,
    protocol: 17,
    identification: 0x1234,
    timeToLive: options.timeToLive ?? 64,
    dontFragment: options.dontFragment ?? false,
    payload: buildUdp({ sourcePort: 1000, destinationPort: 2000, payload }, addresses),
  });
}

describe('a router', () => {
  it('a packet for a neighbour on the other side, passed on with one hop less and a right checksum', () => {
    const b = setUp();
    b.send(udp());
    expect(b.out).toHaveLength(1);
    const [frame] = b.out as [Uint8Array];
    expect(checkFrame(frame)).toEqual([]);
    expect([...frame.subarray(0, 6)]).toEqual([2, 0, 0, 0, 0, 2]);
    const packet = parseIpv4Packet(frame.subarray(14));
    expect([packet.timeToLive, packet.identification, packet.source]).toEqual([63, 0x1234, '10.1.0.1']);
    expect(b.router.kernel.init_net.ipv4.mib.IpForwDatagrams).toBe(1);
    expect(b.world.finish()).toEqual([]);
  });

  it.each(Array.from({ length: 8 }, (_, i) => 2 + i * 36))('TTL %i, the adjusted checksum is right', ttl => {
    const b = setUp();
    b.send(udp({ timeToLive: ttl }));
    expect(b.out.flatMap(checkFrame)).toEqual([]);
    expect(parseIpv4Packet((b.out[0] as Uint8Array).subarray(14)).timeToLive).toBe(ttl - 1);
  });

  it('a packet behind a gateway, sent to the gateway’s address', () => {
    const b = setUp();
    b.send(udp({ destination: '10.3.9.9' }));
    expect(b.out.map(describeFrame)).toEqual([expect.stringContaining('10.1.0.1.1000 > 10.3.9.9.2000: UDP')]);
  });

  it('the last hop, time exceeded to the sender and nothing out', () => {
    const b = setUp();
    b.send(udp({ timeToLive: 1 }));
    expect(b.out).toEqual([]);
    expect(b.drops).toEqual(['IP_INHDR']);
    expect(b.back.map(describeFrame)).toEqual([
      expect.stringMatching(/10\.1\.0\.254 > 10\.1\.0\.1: ICMP time exceeded/),
    ]);
    expect(b.back.flatMap(checkFrame)).toEqual([]);
  });

  it('larger than the next link with DF, fragmentation needed with that link’s MTU', () => {
    const b = setUp();
    const eth1 = b.router.kernel.init_net.dev_get_by_name('eth1');
    if (eth1 === null) throw new Error('no eth1');
    eth1.mtu = 600;
    b.send(udp({ size: 1000, dontFragment: true }));
    expect(b.out).toEqual([]);
    expect(b.drops).toEqual(['PKT_TOO_BIG']);
    const [answer] = b.back as [Uint8Array];
    expect([answer[34], answer[35], ((answer[40] as number) << 8) | (answer[41] as number)]).toEqual([3, 4, 600]);
  });

  it('no route, network unreachable to the sender', () => {
    const b = setUp();
    b.send(udp({ destination: '172.16.0.1' }));
    const [answer] = b.back as [Uint8Array];
    expect([answer[34], answer[35]]).toEqual([3, 0]);
    expect(b.world.finish()).toEqual([]);
  });

  it('forwarding off, dropped in silence', () => {
    const b = setUp(false);
    b.send(udp());
    expect([b.out, b.back]).toEqual([[], []]);
    expect(b.drops).toHaveLength(1);
    expect(b.world.finish()).toEqual([]);
  });

  it('an address of the router’s other side, answered by the router itself', () => {
    const b = setUp();
    b.router.exec(() =>
      inet_addr_add(b.router.kernel.init_net.dev_get_by_name('eth1') as never, in_aton('10.9.0.1'), 24),
    );
    b.send(udp({ destination: '10.9.0.1' }));
    expect(b.back.map(describeFrame)).toEqual([expect.stringContaining('ICMP 10.9.0.1 udp port 2000 unreachable')]);
  });
});
