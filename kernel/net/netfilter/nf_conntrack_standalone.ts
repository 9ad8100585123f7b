/** Tracking on and off, and what it shows (nf_conntrack_proto.c: nf_ct_netns_get; nf_conntrack_standalone.c). */
import { HZ } from '../../time/timer.ts';
import type { net } from '../core/net_namespace.ts';
import type { sk_buff } from '../core/skbuff.ts';
import {
  IP_DEFRAG_CONNTRACK_BRIDGE_IN,
  IP_DEFRAG_CONNTRACK_IN,
  IP_DEFRAG_CONNTRACK_OUT,
  ip_defrag,
} from '../ipv4/ip_fragment.ts';
import { inet_ntoa, ip_is_fragment } from '../ipv4/ip_header.ts';
import {
  NF_ACCEPT,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_IP_PRI_CONNTRACK,
  NF_IP_PRI_CONNTRACK_CONFIRM,
  NF_IP_PRI_CONNTRACK_DEFRAG,
  NF_STOLEN,
  NFPROTO_IPV4,
  type nf_hook_ops,
  type nf_hook_state,
  nf_register_net_hooks,
  nf_unregister_net_hooks,
} from './core.ts';
import {
  IP_CT_UNTRACKED,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DYING,
  IPS_SEEN_REPLY,
  type nf_conn,
  T_DST,
  T_PORTS,
  T_SRC,
} from './nf_conntrack.ts';
import { nf_confirm, nf_conntrack_attach, nf_conntrack_in, nf_conntrack_net } from './nf_conntrack_core.ts';
import { tcp_conntrack_names } from './nf_conntrack_proto_tcp.ts';

/** ipv4_conntrack_defrag: the trackers and tables see whole packets. */
function ipv4_conntrack_defrag(_priv: unknown, skb: sk_buff, state: nf_hook_state): number {
  if (!ip_is_fragment(skb)) return NF_ACCEPT;
  if (skb._nfct !== null || skb.nfctinfo === IP_CT_UNTRACKED) return NF_ACCEPT;
  const user =
    state.hook !== NF_INET_PRE_ROUTING
      ? IP_DEFRAG_CONNTRACK_OUT
      : skb.nf_bridge !== 0
        ? IP_DEFRAG_CONNTRACK_BRIDGE_IN
        : IP_DEFRAG_CONNTRACK_IN;
  if (ip_defrag(state.net, skb, user) !== 0) return NF_STOLEN;
  // It goes on in fragments no larger than those it came in, DF or not.
  skb.ignore_df = 1;
  return NF_ACCEPT;
}

function hooks(ct_net: nf_conntrack_net): nf_hook_ops[] {
  const pf = NFPROTO_IPV4;
  const defrag = { hook: ipv4_conntrack_defrag, pf, priority: NF_IP_PRI_CONNTRACK_DEFRAG };
  const track = { hook: nf_conntrack_in, pf, priority: NF_IP_PRI_CONNTRACK, priv: ct_net };
  const confirm = { hook: nf_confirm, pf, priority: NF_IP_PRI_CONNTRACK_CONFIRM, priv: ct_net };
  return [
    { ...defrag, hooknum: NF_INET_PRE_ROUTING },
    { ...defrag, hooknum: NF_INET_LOCAL_OUT },
    { ...track, hooknum: NF_INET_PRE_ROUTING },
    { ...track, hooknum: NF_INET_LOCAL_OUT },
    { ...confirm, hooknum: NF_INET_POST_ROUTING },
    { ...confirm, hooknum: NF_INET_LOCAL_IN },
  ];
}

/** The net's tracker, made when there is none. Without nf_ct_netns_get nothing is tracked yet. */
export function nf_conntrack_init(net: net): nf_conntrack_net {
  const { nf } = net;
  if (nf.ct === null) nf.ct = new nf_conntrack_net(net);
  return nf.ct;
}

/** nf_ct_netns_get: one more who needs tracking. */
export function nf_ct_netns_get(net: net): nf_conntrack_net {
  const ct_net = nf_conntrack_init(net);
  const users = ct_net.users[NFPROTO_IPV4] as number;
  ct_net.users[NFPROTO_IPV4] = users + 1;
  if (users === 0) {
    const ops = hooks(ct_net);
    ct_net.ops = ops;
    nf_register_net_hooks(net, ops);
    net.nf.attach = nf_conntrack_attach;
  }
  return ct_net;
}

/** nf_ct_netns_put: with the last one, the hooks go. */
export function nf_ct_netns_put(net: net): void {
  const { ct } = net.nf;
  if (ct === null) return;
  const users = (ct.users[NFPROTO_IPV4] as number) - 1;
  ct.users[NFPROTO_IPV4] = users;
  if (users !== 0) return;
  nf_unregister_net_hooks(net, ct.ops);
  net.nf.attach = null;
}

const NAMES: Record<number, string> = { 1: 'icmp', 6: 'tcp', 17: 'udp' };

function print_tuple(ct: nf_conn, dir: number): string {
  const { ct_net } = ct;
  const ports = ct_net.word(ct, dir, T_PORTS);
  const addresses = `src=${inet_ntoa(ct_net.word(ct, dir, T_SRC))} dst=${inet_ntoa(ct_net.word(ct, dir, T_DST))} `;
  if (ct.protonum === 1) {
    return `${addresses}type=${(ports >>> 8) & 255} code=${ports & 255} id=${ports >>> 16} `;
  }
  if (ct.protonum !== 6 && ct.protonum !== 17) return addresses;
  return `${addresses}sport=${ports >>> 16} dport=${ports & 0xffff} `;
}

function print_acct(ct: nf_conn, dir: number): string {
  if (ct.ct_net.sysctl.nf_conntrack_acct === 0) return '';
  return `packets=${ct.packets[dir]} bytes=${ct.bytes[dir]} `;
}

/** A connection as the proc file and conntrack(8) print it, without what comes before the protocol and after the mark. */
function print(ct: nf_conn): string {
  const left = Math.max(0, Math.floor((ct.timeout - ct.ct_net.jiffies()) / HZ));
  let line = `${(NAMES[ct.protonum] ?? 'unknown').padEnd(8)} ${ct.protonum} ${left} `;
  if (ct.protonum === 6) line += `${tcp_conntrack_names[ct.tcp_state]} `;
  line += print_tuple(ct, 0) + print_acct(ct, 0);
  if ((ct.status & IPS_SEEN_REPLY) === 0) line += '[UNREPLIED] ';
  line += print_tuple(ct, 1) + print_acct(ct, 1);
  if ((ct.status & IPS_ASSURED) !== 0) line += '[ASSURED] ';
  return `${line}mark=${ct.mark >>> 0} `;
}

/** Every confirmed connection that has not expired. */
export function nf_conntrack_list(net: net): nf_conn[] {
  const { ct } = net.nf;
  if (ct === null) return [];
  const now = ct.jiffies();
  return ct.conns.filter(
    each => (each.status & (IPS_CONFIRMED | IPS_DYING)) === IPS_CONFIRMED && each.use > 0 && each.timeout > now,
  );
}

/** /proc/net/nf_conntrack */
export function nf_conntrack_format(net: net): string {
  return nf_conntrack_list(net)
    .map(ct => `ipv4     2 ${print(ct)}zone=0 use=${ct.use + 1}\n`)
    .join('');
}

/** `conntrack -L` */
export function conntrack_list(net: net): string {
  return nf_conntrack_list(net)
    .map(ct => `${print(ct)}use=${ct.use}\n`)
    .join('');
}

const STAT_HEAD =
  'entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart';

/** /proc/net/stat/nf_conntrack (ct_cpu_seq_show): a line per CPU; there are no expectations. */
export function nf_conntrack_stat_format(net: net): string {
  const { ct } = net.nf;
  const line = (values: readonly number[]): string => {
    const hex = values.map(value => (value >>> 0).toString(16).padStart(8, '0'));
    return `${hex[0]}  ${hex.slice(1, 13).join(' ')}  ${hex.slice(13).join(' ')}\n`;
  };
  const lines = net.kernel.cpus.map((_, cpu) => {
    const values = new Array<number>(17).fill(0);
    values[0] = ct?.count ?? 0;
    // What is counted is counted for all CPUs together.
    if (cpu === 0 && ct !== null) {
      const { stat } = ct;
      values[1] = stat.clash_resolve;
      values[2] = stat.found;
      values[4] = stat.invalid;
      values[8] = stat.insert;
      values[9] = stat.insert_failed;
      values[10] = stat.drop;
      values[11] = stat.early_drop;
      values[12] = stat.error;
    }
    return line(values);
  });
  return `${STAT_HEAD}\n${lines.join('')}`;
}
