/** The disciplines by name (register_qdisc, net/sched/sch_api.c). */
import type { net_device } from '../core/netdevice.ts';
import type { Qdisc_ops } from './qdisc.ts';
import { bfifo_qdisc_ops, pfifo_head_drop_qdisc_ops, pfifo_qdisc_ops } from './sch_fifo.ts';
import { fq_qdisc_ops } from './sch_fq.ts';
import { fq_codel_qdisc_ops } from './sch_fq_codel.ts';
import { noqueue_qdisc_ops, pfifo_fast_ops } from './sch_generic.ts';
import { mq_qdisc_ops } from './sch_mq.ts';
import { netem_qdisc_ops } from './sch_netem.ts';
import { prio_qdisc_ops } from './sch_prio.ts';
import { tbf_qdisc_ops } from './sch_tbf.ts';

/** qdisc_lookup_ops: null for a kind that nobody has registered. */
export function qdisc_lookup_ops(kind: string): Qdisc_ops | null {
  switch (kind) {
    case 'pfifo_fast':
      return pfifo_fast_ops;
    case 'fq':
      return fq_qdisc_ops;
    case 'fq_codel':
      return fq_codel_qdisc_ops;
    case 'pfifo':
      return pfifo_qdisc_ops;
    case 'bfifo':
      return bfifo_qdisc_ops;
    case 'pfifo_head_drop':
      return pfifo_head_drop_qdisc_ops;
    case 'prio':
      return prio_qdisc_ops;
    case 'tbf':
      return tbf_qdisc_ops;
    case 'netem':
      return netem_qdisc_ops;
    case 'mq':
      return mq_qdisc_ops;
    case 'noqueue':
      return noqueue_qdisc_ops;
    default:
      return null;
  }
}

/** get_default_qdisc_ops: net.core.default_qdisc. */
export function get_default_qdisc_ops(dev: net_device): Qdisc_ops {
  return qdisc_lookup_ops(dev.nd_net.sysctl.default_qdisc) ?? pfifo_fast_ops;
}
