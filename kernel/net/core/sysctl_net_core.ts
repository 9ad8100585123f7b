/** net.core.* (net/core/sysctl_net_core.c): names and ranges as Linux 6.18 has them. */
import { EINVAL, ENOENT } from '../../errno.ts';
import { type ctl_dir, int } from '../../sysctl.ts';
import { qdisc_lookup_ops } from '../sched/registry.ts';
import type { net } from './net_namespace.ts';
import { rps_sock_flow_sysctl } from './rps.ts';
import { SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF } from './sock.ts';

const positive = int(1);

const net_core_table: ctl_dir<net['sysctl']> = {
  kinds: {
    netdev_budget: int(),
    netdev_budget_usecs: int(0),
    netdev_max_backlog: int(),
    dev_weight: positive,
    gro_normal_batch: positive,
    flow_limit_table_len: int(),
    somaxconn: int(0, 65535),
    rmem_default: int(SOCK_MIN_RCVBUF),
    rmem_max: int(SOCK_MIN_RCVBUF),
    optmem_max: int(),
    tstamp_allow_data: int(0, 1),
    wmem_default: int(SOCK_MIN_SNDBUF),
    wmem_max: int(SOCK_MIN_SNDBUF),
  },
};

/** net_core sysctls: called once the net is there. */
export function sysctl_core_init(net: net): void {
  const { sysctl, kernel } = net;
  kernel.sysctl.register('net.core', sysctl, net_core_table);
  // set_default_qdisc
  kernel.sysctl.register_entry('net.core.default_qdisc', {
    read: () => sysctl.default_qdisc,
    write(text) {
      const name = text.trim();
      if (qdisc_lookup_ops(name) === null) return -ENOENT;
      sysctl.default_qdisc = name;
      return 0;
    },
  });
  // rps_sock_flow_sysctl
  kernel.sysctl.register_entry('net.core.rps_sock_flow_entries', {
    read: () => String(net.rps_sock_flow_table === null ? 0 : net.rps_sock_flow_table.mask + 1),
    write: text => (/^\s*\d+\s*$/.test(text) ? rps_sock_flow_sysctl(net, Number(text)) : -EINVAL),
  });
}
