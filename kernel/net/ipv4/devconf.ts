/** net.ipv4.conf.<device>.*: IPv4's settings of one device (struct ipv4_devconf). Names as sysctl(8) shows them. */
import { ENOENT } from '../../errno.ts';
import type { net } from '../core/net_namespace.ts';

/** The settings by name, with the value they have at boot. */
const DEFAULTS = {
  forwarding: 0,
  accept_redirects: 1,
  secure_redirects: 1,
  send_redirects: 1,
  shared_media: 1,
  accept_source_route: 0,
  accept_local: 0,
  route_localnet: 0,
  rp_filter: 0,
  log_martians: 0,
  src_valid_mark: 0,
  bc_forwarding: 0,
  proxy_arp: 0,
  proxy_arp_pvlan: 0,
  medium_id: 0,
  arp_filter: 0,
  arp_announce: 0,
  arp_ignore: 0,
  arp_accept: 0,
  arp_notify: 0,
  arp_evict_nocarrier: 1,
  drop_gratuitous_arp: 0,
  drop_unicast_in_l2_multicast: 0,
  promote_secondaries: 0,
  ignore_routes_with_linkdown: 0,
};

export type devconf_name = keyof typeof DEFAULTS;

export class ipv4_devconf {
  forwarding = 0;
  accept_redirects = 1;
  secure_redirects = 1;
  send_redirects = 1;
  shared_media = 1;
  accept_source_route = 0;
  accept_local = 0;
  route_localnet = 0;
  rp_filter = 0;
  log_martians = 0;
  src_valid_mark = 0;
  bc_forwarding = 0;
  proxy_arp = 0;
  proxy_arp_pvlan = 0;
  medium_id = 0;
  arp_filter = 0;
  arp_announce = 0;
  arp_ignore = 0;
  arp_accept = 0;
  arp_notify = 0;
  arp_evict_nocarrier = 1;
  drop_gratuitous_arp = 0;
  drop_unicast_in_l2_multicast = 0;
  promote_secondaries = 0;
  ignore_routes_with_linkdown = 0;
  /** 1, 2 or 3; 0: as the queriers do. */
  force_igmp_version = 0;
  /** ms */
  igmpv2_unsolicited_report_interval = 10000;
  igmpv3_unsolicited_report_interval = 1000;
  /** Which of them were set for this device: conf.default moves the others only (ipv4_devconf.state). */
  readonly state = new Set<string>();

  /** A device starts with what conf.default says. */
  assign(from: ipv4_devconf): void {
    for (const name of devconf_names()) this[name] = from[name];
  }

  /** ipv4_devconf_setall: the device has addresses: from now on it goes its own way. */
  setall(): void {
    for (const name of devconf_names()) this.state.add(name);
  }
}

export function devconf_names(): devconf_name[] {
  return Object.keys(DEFAULTS) as devconf_name[];
}

/**
 * devinet_conf_proc, devinet_sysctl_forward: sets `net.ipv4.conf.DEVICE.NAME`. `device`: a device's name, `all` or
 * `default`. What is set for `default` goes to every device that has no value of its own; `forwarding` for `all` to
 * every device there is. 0, or -ENOENT when there is no such device or setting.
 */
export function devinet_conf_set(net: net, device: string, name: string, value: number): number {
  const key = name as devconf_name;
  if (!Object.hasOwn(DEFAULTS, name)) return -ENOENT;
  const { devconf_all, devconf_dflt } = net.ipv4;
  const cnf = device === 'all' ? devconf_all : device === 'default' ? devconf_dflt : conf_of(net, device);
  if (cnf === null) return -ENOENT;
  if (key === 'forwarding') {
    const old = cnf.forwarding;
    if (device === 'all') {
      if (old !== value) inet_forward_change(net, value);
    } else {
      cnf.forwarding = value;
      cnf.state.add(key);
      if (device === 'default') copy_default(net, key);
      if (old !== value) flush(net);
    }
    return 0;
  }
  const old = cnf[key];
  cnf[key] = value;
  cnf.state.add(key);
  if (device === 'default') copy_default(net, key);
  if (old !== value) flush(net);
  return 0;
}

/** The value of `net.ipv4.conf.DEVICE.NAME`, or -ENOENT. */
export function devinet_conf_get(net: net, device: string, name: string): number {
  if (!Object.hasOwn(DEFAULTS, name)) return -ENOENT;
  const { devconf_all, devconf_dflt } = net.ipv4;
  const cnf = device === 'all' ? devconf_all : device === 'default' ? devconf_dflt : conf_of(net, device);
  return cnf === null ? -ENOENT : cnf[name as devconf_name];
}

function conf_of(net: net, device: string): ipv4_devconf | null {
  return net.dev_get_by_name(device)?.ip_ptr?.cnf ?? null;
}

/** devinet_copy_dflt_conf */
function copy_default(net: net, key: devconf_name): void {
  for (const dev of net.devices) {
    const cnf = dev.ip_ptr?.cnf;
    if (cnf !== undefined && !cnf.state.has(key)) cnf[key] = net.ipv4.devconf_dflt[key];
  }
}

/** inet_forward_change (`net.ipv4.ip_forward`, `conf.all.forwarding`): for every device, now and to come. */
export function inet_forward_change(net: net, on: number): void {
  const { devconf_all, devconf_dflt } = net.ipv4;
  devconf_all.forwarding = on;
  devconf_all.accept_redirects = on === 0 ? 1 : 0;
  devconf_dflt.forwarding = on;
  for (const dev of net.devices) if (dev.ip_ptr !== null) dev.ip_ptr.cnf.forwarding = on;
  flush(net);
}

/** rt_cache_flush: what routing decided under the old settings is stale. */
function flush(net: net): void {
  net.ipv4.rt_genid = (net.ipv4.rt_genid + 1) | 0;
}
