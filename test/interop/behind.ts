/** A second host of ours behind the one on the TAP, on a link of its own between the two kernels. */
import type { Host } from '../../harness/machine/host.ts';
import { parseMac } from '../../harness/packet/address.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import {
  alloc_netdev,
  dev_open,
  dev_set_mtu,
  netif_carrier_on,
  netif_receive_skb,
  register_netdev,
} from '../../kernel/net/core/dev.ts';
import { NETDEV_TX_OK, type net_device } from '../../kernel/net/core/netdevice.ts';
import { consume_skb, netdev_alloc_skb_ip_align, skb_put } from '../../kernel/net/core/skbuff.ts';
import { eth_type_trans, ether_setup } from '../../kernel/net/ethernet/eth.ts';
import { inet_addr_add } from '../../kernel/net/ipv4/devinet.ts';
import { ip_route_add } from '../../kernel/net/ipv4/fib.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';

export const BEHIND = '10.99.0.2';
export const BEHIND_NET = '10.99.0.0/24';
const ROUTER_INSIDE = '10.99.0.1';
const LINK_NS = 5000;

/** Makes `router` a router with a host behind it, over a link of `mtu` bytes on the router's side. */
export function hostBehind(router: Host, mtu: number): Host {
  const { world } = router;
  const behind = world.addHost({ name: 'behind', nics: [] });
  const ends: { kernel: Kernel; dev: net_device }[] = [];
  const device = (host: Host, mac: string, peer: number): net_device => {
    const { kernel } = host;
    return kernel.exec(() => {
      const dev = alloc_netdev(
        kernel,
        'veth%d',
        {
          ndo_open: () => 0,
          ndo_stop: () => 0,
          ndo_start_xmit(skb) {
            const frame = skb.ram.u8.slice(skb.data, skb.tail);
            consume_skb(skb);
            const arrive = world.sim.event('veth', () => arrived(ends[peer] as (typeof ends)[0], frame));
            world.sim.schedule(arrive, kernel.clock.now + LINK_NS);
            return NETDEV_TX_OK;
          },
        },
        ether_setup,
      );
      dev.dev_addr.set(parseMac(mac));
      register_netdev(dev);
      netif_carrier_on(dev);
      dev_open(dev);
      return dev;
    });
  };
  const inside = device(router, '02:00:00:00:0a:01', 1);
  ends.push({ kernel: router.kernel, dev: inside });
  const outside = device(behind, '02:00:00:00:0a:02', 0);
  ends.push({ kernel: behind.kernel, dev: outside });
  router.exec(() => {
    inet_addr_add(inside, in_aton(ROUTER_INSIDE), 24);
    dev_set_mtu(inside, mtu);
    router.kernel.init_net.ipv4.ip_forward = 1;
  });
  behind.exec(() => {
    inet_addr_add(outside, in_aton(BEHIND), 24);
    ip_route_add(behind.kernel.init_net, { dst: 0, prefix_len: 0, gateway: in_aton(ROUTER_INSIDE) });
  });
  return behind;
}

function arrived({ kernel, dev }: { kernel: Kernel; dev: net_device }, frame: Uint8Array): void {
  kernel.exec(() => {
    const skb = netdev_alloc_skb_ip_align(dev, frame.length);
    if (skb === null) return;
    skb.ram.u8.set(frame, skb_put(skb, frame.length));
    skb.protocol = eth_type_trans(skb, dev);
    netif_receive_skb(skb);
  });
}
