/** ARP for others, and a neighbour table under attack. */
import { describe, expect, it } from 'vitest';
import { pneigh_add, pneigh_delete } from '../../../../kernel/net/core/neigh_proxy.ts';
import { neigh_sysctl_get, neigh_sysctl_set } from '../../../../kernel/net/core/neigh_sysctl.ts';
import { NUD_DELAY, NUD_REACHABLE, neigh_lookup } from '../../../../kernel/net/core/neighbour.ts';
import { arp_seq_show } from '../../../../kernel/net/ipv4/arp.ts';
import { devinet_conf_set } from '../../../../kernel/net/ipv4/devconf.ts';
import type { in_device } from '../../../../kernel/net/ipv4/devinet.ts';
import { ip_route_add } from '../../../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../../../kernel/net/ipv4/ip_header.ts';
import { A, A_MAC, arpFrame, B_MAC, hex, icmp, ipFrame } from '../segment.ts';
import { FAR, Router } from './router.ts';

const answer = (tip: number): string => hex(arpFrame({ op: 2, to: A_MAC, sha: B_MAC, sip: tip, tha: A_MAC, tip: A }));

describe('proxy ARP (RFC 1027)', () => {
  it('proxy_arp: a host on another link is answered for after a random while of up to 0.8 s', () => {
    const router = new Router();
    router.receive(arpFrame({ tip: FAR }));
    router.wait(1);
    expect(router.take()).toEqual([]);
    devinet_conf_set(router.net, 'eth0', 'proxy_arp', 1);
    router.receive(arpFrame({ tip: FAR }));
    expect(router.take()).toEqual([]);
    router.wait(0.81);
    expect(router.take()).toEqual([answer(FAR)]);
    // Asked of us directly: at once.
    router.receive(arpFrame({ tip: FAR, to: B_MAC }));
    expect(router.take()).toEqual([answer(FAR)]);
    // Not for the asker's own link, nor for nowhere.
    router.receive(arpFrame({ tip: in_aton('10.1.0.77') }));
    router.receive(arpFrame({ tip: in_aton('9.9.9.9') }));
    router.wait(1);
    expect(router.take()).toEqual([]);
    router.finish();
  });

  it('more questions than proxy_qlen: the rest is dropped', () => {
    const router = new Router();
    devinet_conf_set(router.net, 'eth0', 'proxy_arp', 1);
    for (let i = 0; i < 100; i++) router.receive(arpFrame({ tip: FAR }));
    expect(router.drops).toEqual(new Array(35).fill('NEIGH_QUEUEFULL'));
    router.wait(1);
    expect(router.take()).toHaveLength(65);
    router.finish();
  });

  it('proxy_arp_pvlan: for hosts of the same link, but not to one that asks for itself', () => {
    const router = new Router();
    devinet_conf_set(router.net, 'eth0', 'proxy_arp_pvlan', 1);
    const other = in_aton('10.1.0.77');
    router.receive(arpFrame({ tip: other, to: B_MAC }));
    router.receive(arpFrame({ tip: A, to: B_MAC }));
    expect(router.take()).toEqual([answer(other)]);
    router.finish();
  });

  it('a single address (ip neigh add proxy): answered for as long as it is there', () => {
    const router = new Router();
    const { arp } = router.net.ipv4;
    pneigh_add(arp, FAR, router.dev);
    expect(arp_seq_show(router.net)).toContain(
      '10.2.0.2         0x1         0xc         00:00:00:00:00:00     *        eth0\n',
    );
    router.receive(arpFrame({ tip: FAR, to: B_MAC }));
    expect(router.take()).toEqual([answer(FAR)]);
    expect([pneigh_delete(arp, FAR, router.dev), pneigh_delete(arp, FAR, router.dev)]).toEqual([0, -2]);
    router.receive(arpFrame({ tip: FAR, to: B_MAC }));
    expect(router.take()).toEqual([]);
    router.finish();
  });
});

describe('the neighbour table', () => {
  it('RFC 1122 2.3.2.1: a scan of 100,000 addresses stays below gc_thresh3 while a flow that was there goes on', () => {
    const router = new Router({ neighbours: false });
    const { net } = router;
    const { arp } = net.ipv4;
    router.exec(() => ip_route_add(net, { dst: in_aton('10.64.0.0'), prefix_len: 11, dev: router.eth1 }));
    const isAt = (): Uint8Array =>
      arpFrame({
        op: 2,
        sha: '020000000022',
        sip: FAR,
        to: '020000000003',
        tha: '020000000003',
        tip: in_aton('10.2.0.1'),
      });
    const flow = (): void => router.receive(ipFrame([0, 1, 0, 9, 0, 8, 0, 0], { protocol: 17, dst: FAR }));
    flow();
    router.receive(isAt(), router.eth1);
    let most = 0;
    let passed = 0;
    router.take();
    for (let i = 0; i < 100_000; i++) {
      router.receive(ipFrame(icmp(8, 0, i), { dst: in_aton('10.64.0.0') + i + 1 }));
      if (i % 1000 !== 0) continue;
      flow();
      passed += router.packets().filter(({ packet }) => packet.slice(32, 40) === '0a020002').length;
      most = Math.max(most, arp.entries);
      router.wait(0.3);
      // The far host answers when it is asked.
      if (((neigh_lookup(arp, FAR, router.eth1)?.nud_state ?? 0) & (NUD_REACHABLE | NUD_DELAY)) === 0) {
        router.receive(isAt(), router.eth1);
      }
    }
    expect(passed).toBe(100);
    expect(most).toBeLessThanOrEqual(1024);
    expect(arp.table_fulls).toBeGreaterThan(0);
    const said = router.kernel.log.filter(({ message }) =>
      message.includes('neighbour: arp_cache: neighbor table overflow!'),
    );
    // Not for each packet.
    expect(said.length).toBeGreaterThan(0);
    expect(said.length).toBeLessThan(20);
    router.wait(10);
    router.finish();
  }, 60_000);

  it('net.ipv4.neigh: a device starts with the defaults, and follows them until it has a value of its own', () => {
    const router = new Router();
    const { arp } = router.net.ipv4;
    const [eth0, eth1] = [router.dev, router.eth1].map(dev => (dev.ip_ptr as in_device).arp_parms);
    if (eth0 === undefined || eth1 === undefined) throw new Error('no parms');
    neigh_sysctl_set(eth0, 'retrans_time_ms', 500, []);
    neigh_sysctl_set(arp.parms, 'retrans_time_ms', 250, [eth0, eth1]);
    neigh_sysctl_set(arp.parms, 'gc_thresh3', 2048, []);
    expect([eth0, eth1, arp.parms].map(parms => neigh_sysctl_get(parms, 'retrans_time_ms'))).toEqual([500, 250, 250]);
    expect([arp.gc_thresh3, neigh_sysctl_set(eth0, 'nosuch', 1, [])]).toEqual([2048, -2]);
    expect((router.device('eth%d', '020000000044').ip_ptr as in_device).arp_parms.retrans_time).toBe(250);
    router.finish();
  });
});
