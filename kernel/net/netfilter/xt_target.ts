/** Targets that only touch the packet or tell of it (xt_mark.c, xt_LOG.c, xt_TRACE.c). */
import { NFPROTO_UNSPEC } from './core.ts';
import { nf_log_packet } from './nf_log.ts';
import { XT_CONTINUE, type xt_target } from './x_tables.ts';

/** mark = (mark & ~mask) ^ value */
export interface xt_mark_tginfo {
  readonly mark: number;
  readonly mask: number;
}

const mark: xt_target = {
  name: 'MARK',
  family: NFPROTO_UNSPEC,
  target(skb, data) {
    const info = data as xt_mark_tginfo;
    skb.mark = (skb.mark & ~info.mask) ^ info.mark;
    return XT_CONTINUE;
  },
};

export interface xt_log_info {
  readonly level: number;
  readonly prefix: string;
  /** NF_LOG_* */
  readonly logflags: number;
}

const log: xt_target = {
  name: 'LOG',
  family: NFPROTO_UNSPEC,
  target(skb, data, par) {
    const info = data as xt_log_info;
    nf_log_packet(skb, par.state, info.prefix, info.logflags);
    return XT_CONTINUE;
  },
};

const trace: xt_target = {
  name: 'TRACE',
  family: NFPROTO_UNSPEC,
  table: 'raw',
  target(skb) {
    skb.nf_trace = 1;
    return XT_CONTINUE;
  },
};

export const xt_targets: readonly xt_target[] = [mark, log, trace];
