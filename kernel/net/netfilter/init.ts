/** What a host's netfilter can do; nothing runs until a table is used or tracking asked for. */

import { ebtable_filter } from '../bridge/ebtables.ts';
import type { net } from '../core/net_namespace.ts';
import { NETDEV_DOWN } from '../core/net_namespace.ts';
import { proc_create_net } from '../core/net-procfs.ts';
import { register_inetaddr_notifier } from '../ipv4/devinet.ts';
import { arptable_filter } from '../ipv4/netfilter/arp_tables.ts';
import { ipv4_tables } from '../ipv4/netfilter/iptable.ts';
import { ipt_reject } from '../ipv4/netfilter/nf_reject_ipv4.ts';
import { NFPROTO_ARP, NFPROTO_IPV4 } from './core.ts';
import { T_DST } from './nf_conntrack.ts';
import { nf_conntrack_format, nf_conntrack_stat_format } from './nf_conntrack_standalone.ts';
import { xt_net, xt_register_match, xt_register_target, xt_table_names } from './x_tables.ts';
import { xt_conntrack_matches, xt_conntrack_targets } from './xt_conntrack.ts';
import { xt_matches } from './xt_match.ts';
import { xt_targets } from './xt_target.ts';

const names = (list: readonly string[]): string => list.map(name => `${name}\n`).join('');

/** netfilter_init: as loading the modules does. */
export function netfilter_init(net: net): void {
  net.nf.xt = new xt_net();
  for (const match of [...xt_matches, ...xt_conntrack_matches]) xt_register_match(net, match);
  for (const target of [...xt_targets, ...xt_conntrack_targets, ipt_reject]) xt_register_target(net, target);
  net.nf.xt.templates.push(...ipv4_tables, arptable_filter, ebtable_filter);
  // masq_device_event: what was masqueraded by a device ends with it.
  net.register_netdevice_notifier((event, dev) => {
    if (event === NETDEV_DOWN) net.nf.ct?.iterate_cleanup(ct => ct.masq_index === dev.ifindex);
  });
  // masq_inet_event: or with the address that it was given.
  register_inetaddr_notifier(net, (event, { ifa_local, ifa_dev: { dev } }) => {
    const { ct: ct_net } = net.nf;
    if (event !== NETDEV_DOWN || ct_net === null) return;
    ct_net.iterate_cleanup(ct => ct.masq_index === dev.ifindex && ct_net.word(ct, 1, T_DST) === ifa_local);
  });
  proc_create_net(net, 'nf_conntrack', nf_conntrack_format);
  proc_create_net(net, 'stat/nf_conntrack', nf_conntrack_stat_format);
  proc_create_net(net, 'ip_tables_names', of => names(xt_table_names(of, NFPROTO_IPV4)));
  proc_create_net(net, 'arp_tables_names', of => names(xt_table_names(of, NFPROTO_ARP)));
}
