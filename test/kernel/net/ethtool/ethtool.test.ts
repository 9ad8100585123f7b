/** What is checked before a driver is asked, with the reference driver behind it and with a device that can nothing. */
import { describe, expect, it } from 'vitest';
import { World } from '../../../../harness/machine/world.ts';
import { parseMac } from '../../../../harness/packet/address.ts';
import { ethtool_get_features, ethtool_set_features } from '../../../../kernel/net/core/features.ts';
import { NETIF_F_GRO, NETIF_F_RXCSUM, type net_device } from '../../../../kernel/net/core/netdevice.ts';
import {
  ethtool_get_stats,
  ethtool_rxfh_indir_default,
  ethtool_set_channels,
  ethtool_set_coalesce,
  ethtool_set_ringparam,
  ethtool_set_rxfh,
  netdev_rss_key_fill,
} from '../../../../kernel/net/ethtool/ethtool.ts';

const EOPNOTSUPP = -95;
const EINVAL = -22;

function setUp(cpus = 2, seed = 1) {
  const world = new World({ seed });
  const nics = [{ mac: parseMac('02:00:00:00:00:01') }, { mac: parseMac('02:00:00:00:00:02') }];
  const host = world.addHost({ name: 'h', cpus, nics });
  const dev = host.up('eth0', 0x0a000001, 24);
  return { world, host, kernel: host.kernel, dev, lo: host.kernel.init_net.loopback_dev as net_device };
}

describe('a device without operations', () => {
  it('asked for anything, -EOPNOTSUPP, and no counters', () => {
    const { lo } = setUp();
    expect([
      ethtool_set_channels(lo, 1),
      ethtool_set_ringparam(lo, 64, 64),
      ethtool_set_coalesce(lo, 1, 0),
      ethtool_set_rxfh(lo, 'default', null),
    ]).toEqual([EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP]);
    expect(ethtool_get_stats(lo).size).toBe(0);
  });

  it('a feature that is not to be switched, -EINVAL; one of the stack’s own, switched', () => {
    const { host, lo } = setUp();
    expect(host.exec(() => ethtool_set_features(lo, NETIF_F_RXCSUM, 0))).toBe(EINVAL);
    expect(host.exec(() => ethtool_set_features(lo, NETIF_F_GRO, 0))).toBe(0);
    expect(ethtool_get_features(lo).get('rx-gro')).toEqual({ on: false, fixed: false });
    expect(ethtool_get_features(lo).get('rx-checksum')).toEqual({ on: true, fixed: true });
  });
});

describe('numbers', () => {
  it('out of range or none at all, -EINVAL, and nothing changes', () => {
    const { host, dev } = setUp();
    const ops = dev.ethtool_ops;
    const before = JSON.stringify([ops?.get_channels?.(dev), ops?.get_ringparam?.(dev), ops?.get_coalesce?.(dev)]);
    for (const wrong of [-1, 1.5, Number.NaN, 2 ** 32, 2 ** 40]) {
      expect(host.exec(() => ethtool_set_channels(dev, wrong))).toBe(EINVAL);
      expect(host.exec(() => ethtool_set_ringparam(dev, wrong, undefined))).toBe(EINVAL);
      expect(host.exec(() => ethtool_set_ringparam(dev, undefined, wrong))).toBe(EINVAL);
      expect(host.exec(() => ethtool_set_coalesce(dev, wrong, undefined))).toBe(EINVAL);
      expect(host.exec(() => ethtool_set_coalesce(dev, 10, wrong))).toBe(EINVAL);
      expect(host.exec(() => ethtool_set_coalesce(dev, 10, undefined, wrong))).toBe(EINVAL);
    }
    expect(host.exec(() => ethtool_set_ringparam(dev, 0, 64))).toBe(EINVAL);
    expect(JSON.stringify([ops?.get_channels?.(dev), ops?.get_ringparam?.(dev), ops?.get_coalesce?.(dev)])).toBe(
      before,
    );
  });

  it('one of two given, the other stays', () => {
    const { host, dev } = setUp();
    host.exec(() => ethtool_set_coalesce(dev, 30, 7));
    host.exec(() => ethtool_set_coalesce(dev, 40, undefined));
    expect(dev.ethtool_ops?.get_coalesce?.(dev)).toEqual({
      rx_coalesce_usecs: 40,
      rx_max_coalesced_frames: 7,
      tx_coalesce_usecs: 16,
    });
    host.exec(() => ethtool_set_ringparam(dev, undefined, 512));
    expect(dev.ethtool_ops?.get_ringparam?.(dev)).toMatchObject({ rx_pending: 256, tx_pending: 512 });
  });
});

describe('RSS', () => {
  it('a fresh table, the queues in turn; the key the host’s, the same for each card, another from another seed', () => {
    const { dev, kernel } = setUp();
    const { indir, key } = dev.ethtool_ops?.get_rxfh?.(dev) ?? {};
    expect([...(indir ?? [])]).toEqual(Array.from({ length: 128 }, (_, i) => ethtool_rxfh_indir_default(i, 2)));
    const other = kernel.init_net.dev_get_by_name('eth1') as net_device;
    expect(other.ethtool_ops?.get_rxfh?.(other).key).toEqual(key);
    expect(netdev_rss_key_fill(kernel, 40)).toEqual(key);
    expect(netdev_rss_key_fill(setUp(2, 2).kernel, 40)).not.toEqual(key);
  });
});
