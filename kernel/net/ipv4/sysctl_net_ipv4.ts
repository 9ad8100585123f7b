/** net.ipv4.* (net/ipv4/sysctl_net_ipv4.c, devinet.c, net/core/neighbour.c): names and ranges as Linux 6.18 has them. */
import { EINVAL, ENOENT } from '../../errno.ts';
import {
  bool,
  type ctl_dir,
  type ctl_entry,
  int,
  jiffies,
  ms_jiffies,
  proc_get_long,
  read_only,
  seconds,
  type sysctl_table,
  u8,
  u32,
  ulong,
  vector,
} from '../../sysctl.ts';
import type { neigh_parms } from '../core/neigh_parms.ts';
import { neigh_sysctl_get, neigh_sysctl_names, neigh_sysctl_set } from '../core/neigh_sysctl.ts';
import type { net } from '../core/net_namespace.ts';
import { devconf_names, devinet_conf_get, devinet_conf_set } from './devconf.ts';
import type { netns_ipv4 } from './netns.ts';
import { tcp_ca_find } from './tcp_cong.ts';
import { TCP_FASTOPEN_KEY_LENGTH, tcp_fastopen_get_cipher, tcp_fastopen_reset_cipher } from './tcp_fastopen.ts';

const any = int();
const natural = int(0);
const positive = int(1);
/** Of a Maximum Segment Size (TCP_MIN_SND_MSS to 65535). */
const mss = int(48, 65535);

const ipv4_net_table: ctl_dir<netns_ipv4> = {
  kinds: {
    ip_default_ttl: int(1, 255),
    ip_early_demux: u8,
    ip_forward: any,
    ip_no_pmtu_disc: u8,
    ip_nonlocal_bind: u8,
    fwmark_reflect: u8,
    icmp_echo_ignore_all: bool,
    icmp_echo_enable_probe: bool,
    icmp_echo_ignore_broadcasts: bool,
    icmp_ignore_bogus_error_responses: bool,
    icmp_errors_use_inbound_ifaddr: bool,
    icmp_ratelimit: ms_jiffies,
    icmp_ratemask: any,
    icmp_msgs_per_sec: natural,
    icmp_msgs_burst: natural,
    igmp_max_memberships: any,
    igmp_max_msf: any,
    igmp_qrv: positive,
    igmp_link_local_mcast_reports: u8,
    ip_forward_use_pmtu: u8,
    ip_forward_update_priority: bool,
    fib_multipath_hash_policy: int(0, 3),
    fib_multipath_use_neigh: bool,
    udp_rmem_min: positive,
    udp_wmem_min: positive,
    tcp_abort_on_overflow: u8,
    tcp_adv_win_scale: int(-31, 31),
    tcp_app_win: int(0, 31),
    tcp_autocorking: bool,
    tcp_backlog_ack_defer: bool,
    tcp_base_mss: any,
    tcp_challenge_ack_limit: any,
    tcp_comp_sack_delay_ns: ulong,
    tcp_comp_sack_nr: u8,
    tcp_comp_sack_slack_ns: ulong,
    tcp_dsack: u8,
    tcp_early_demux: u8,
    tcp_early_retrans: int(0, 4),
    tcp_ecn: int(0, 5),
    tcp_ecn_fallback: bool,
    tcp_ecn_option: int(0, 2),
    tcp_ecn_option_beacon: int(0, 3),
    tcp_fastopen: any,
    tcp_fin_timeout: seconds,
    tcp_frto: u8,
    tcp_fwmark_accept: u8,
    tcp_invalid_ratelimit: ms_jiffies,
    tcp_keepalive_intvl: seconds,
    tcp_keepalive_probes: u8,
    tcp_keepalive_time: seconds,
    tcp_l3mdev_accept: bool,
    tcp_limit_output_bytes: any,
    tcp_max_orphans: any,
    tcp_max_reordering: positive,
    tcp_max_syn_backlog: any,
    tcp_max_tw_buckets: any,
    tcp_mem: vector(0),
    tcp_migrate_req: bool,
    tcp_min_rtt_wlen: int(0, 86400),
    tcp_min_snd_mss: mss,
    tcp_min_tso_segs: int(1, 255),
    tcp_moderate_rcvbuf: u8,
    tcp_mtu_probe_floor: mss,
    tcp_mtu_probing: u8,
    tcp_no_metrics_save: u8,
    tcp_no_ssthresh_metrics_save: bool,
    tcp_notsent_lowat: u32,
    tcp_orphan_retries: u8,
    tcp_pacing_ca_ratio: int(0, 1000),
    tcp_pacing_ss_ratio: int(0, 1000),
    tcp_pingpong_thresh: int(1, 255),
    tcp_plb_enabled: bool,
    tcp_probe_interval: int(0, 0x7fffffff / 1000),
    tcp_probe_threshold: any,
    tcp_recovery: u8,
    tcp_reflect_tos: bool,
    tcp_reordering: int(1, 300),
    tcp_retrans_collapse: u8,
    tcp_retries1: u8,
    tcp_retries2: u8,
    tcp_rfc1337: u8,
    tcp_rmem: vector(1),
    tcp_rto_max_ms: int(1000, 120_000),
    tcp_rto_min_us: positive,
    tcp_sack: u8,
    tcp_shrink_window: bool,
    tcp_slow_start_after_idle: u8,
    tcp_stdurg: u8,
    tcp_syn_linear_timeouts: int(0, 127),
    tcp_syn_retries: int(1, 127),
    tcp_synack_retries: u8,
    tcp_syncookies: u8,
    tcp_thin_linear_timeouts: u8,
    tcp_timestamps: u8,
    tcp_tso_rtt_log: u8,
    tcp_tso_win_divisor: u8,
    tcp_tw_reuse: int(0, 2),
    tcp_tw_reuse_delay: int(1, 60_000),
    tcp_window_scaling: u8,
    tcp_wmem: vector(1),
    tcp_workaround_signed_windows: u8,
  },
};

/** net.ipv4.conf.*: any integer (devinet_conf_proc). */
function register_conf(sysctl: sysctl_table, net: net): void {
  const kinds = Object.fromEntries(devconf_names().map(name => [name, any]));
  sysctl.register_each('net.ipv4.conf', {
    kinds,
    names: () => ['all', 'default', ...devices(net)],
    get: (device, name) => devinet_conf_get(net, device, name),
    set: (device, name, value) => devinet_conf_set(net, device, name, value),
  });
}

/** net.ipv4.neigh.* (neigh_sysctl_table). */
function register_neigh(sysctl: sysctl_table, net: net): void {
  const { arp } = net.ipv4;
  const kinds = Object.fromEntries(neigh_sysctl_names().map(name => [name, natural]));
  const parms = (device: string): neigh_parms | null =>
    device === 'default' ? arp.parms : (net.dev_get_by_name(device)?.ip_ptr?.arp_parms ?? null);
  const all = (): neigh_parms[] => devices(net).map(device => parms(device) as neigh_parms);
  sysctl.register_each('net.ipv4.neigh', {
    kinds,
    names: () => ['default', ...devices(net)],
    get(device, name) {
      const found = parms(device);
      return found === null ? -ENOENT : neigh_sysctl_get(found, name);
    },
    set(device, name, value) {
      const found = parms(device);
      return found === null ? -ENOENT : neigh_sysctl_set(found, name, value, all());
    },
  });
}

function devices(net: net): string[] {
  return net.devices.filter(dev => dev.ip_ptr !== null).map(dev => dev.name);
}

/** net.ipv4.route.* and net.ipv4.ipfrag_*. */
function register_route(sysctl: sysctl_table, net: net): void {
  const { route, fqdir } = net.ipv4;
  sysctl.register('net.ipv4.route', route, {
    kinds: {
      min_pmtu: int(68),
      mtu_expires: jiffies,
      min_adv_mss: any,
      gc_timeout: jiffies,
      error_cost: any,
      error_burst: any,
      redirect_number: any,
      redirect_load: any,
      redirect_silence: any,
    },
  });
  // Neither may pass the other.
  const threshold = (name: 'high_thresh' | 'low_thresh', good: (value: number) => boolean): void =>
    sysctl.register_entry(`net.ipv4.ipfrag_${name}`, {
      read: () => String(fqdir[name]),
      write(text) {
        const [value] = numbers(text, 1, 0, Number.MAX_SAFE_INTEGER) ?? [];
        if (value === undefined || !good(value)) return -EINVAL;
        fqdir[name] = value;
        return 0;
      },
    });
  threshold('high_thresh', value => value >= fqdir.low_thresh);
  threshold('low_thresh', value => value <= fqdir.high_thresh);
  sysctl.register_field('net.ipv4.ipfrag_time', fqdir, 'timeout', jiffies);
  sysctl.register_field('net.ipv4.ipfrag_max_dist', fqdir, 'max_dist', natural);
}

/** The text of `words` numbers, each in a range; null: something else. */
function numbers(text: string, words: number, min: number, max: number): number[] | null {
  const values = text
    .trim()
    .split(/\s+/)
    .map(word => proc_get_long(word) ?? Number.NaN);
  const good =
    values.length === words && values.every(value => Number.isInteger(value) && value >= min && value <= max);
  return good ? values : null;
}

/** ipv4_local_port_range, ipv4_ping_group_range: first and last. */
function range_entry(range: number[], min: number, max: number, lowest: () => number): ctl_entry {
  return {
    read: () => range.join('\t'),
    write(text) {
      const values = numbers(text, 2, min, max);
      if (values === null) return -EINVAL;
      const [low, high] = values as [number, number];
      if (high < low || low < lowest()) return -EINVAL;
      range[0] = low;
      range[1] = high;
      return 0;
    },
  };
}

function register_tcp_congestion(sysctl: sysctl_table, net: net): void {
  const { ipv4 } = net;
  const known = (): string => ipv4.tcp_cong_list.map(ca => ca.name).join(' ');
  sysctl.register_entry('net.ipv4.tcp_available_congestion_control', read_only(known));
  // proc_tcp_congestion_control: what is not known is no file.
  sysctl.register_entry('net.ipv4.tcp_congestion_control', {
    read: () => ipv4.tcp_congestion_control,
    write(text) {
      const name = text.trim();
      if (tcp_ca_find(net, name) === null) return -ENOENT;
      ipv4.tcp_congestion_control = name;
      return 0;
    },
  });
}

/** proc_tcp_fastopen_key: four words of hexadecimal digits for a key, and perhaps an older one behind a comma. */
function register_tcp_fastopen(sysctl: sysctl_table, net: net): void {
  const word = '(?:0x)?([0-9a-f]+)';
  const words = new RegExp(`^\\s*${[word, word, word, word].join('-')}`, 'i');
  sysctl.register_entry('net.ipv4.tcp_fastopen_key', {
    read() {
      const known = tcp_fastopen_get_cipher(net, null);
      const bytes = known.length === 0 ? new Uint8Array(TCP_FASTOPEN_KEY_LENGTH) : known;
      const view = new DataView(bytes.buffer);
      const digits = (i: number): string =>
        view
          .getUint32(4 * i, true)
          .toString(16)
          .padStart(8, '0');
      const keys = Array.from({ length: bytes.length / TCP_FASTOPEN_KEY_LENGTH }, (_, k) => 4 * k);
      return keys.map(i => [digits(i), digits(i + 1), digits(i + 2), digits(i + 3)].join('-')).join(',');
    },
    write(text) {
      const bytes: number[] = [];
      for (const key of text.split(',').slice(0, 2)) {
        const match = words.exec(key);
        if (match === null) return -EINVAL;
        for (const each of match.slice(1)) {
          // The low 32 bits of what is longer.
          const value = Number.parseInt(each.slice(-8), 16);
          bytes.push(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
        }
      }
      tcp_fastopen_reset_cipher(net, null, Uint8Array.from(bytes));
      return 0;
    },
  });
  // proc_tfo_blackhole_detect_timeout: whoever sets it begins anew.
  const { ipv4 } = net;
  sysctl.register_entry('net.ipv4.tcp_fastopen_blackhole_timeout_sec', {
    read: () => String(ipv4.tcp_fastopen_blackhole_timeout_sec),
    write(text) {
      const [timeout] = numbers(text, 1, 0, 0x7fffffff) ?? [];
      if (timeout === undefined) return -EINVAL;
      ipv4.tcp_fastopen_blackhole_timeout_sec = timeout;
      ipv4.tcp.fastopen.active_disable_times = 0;
      return 0;
    },
  });
}

/** proc_do_large_bitmap: ports as numbers and ranges with commas between; what is written takes the place of what was. */
function ports_entry(ports: Set<number>): ctl_entry {
  return {
    read() {
      const ranges: string[] = [];
      const sorted = [...ports].sort((a, b) => a - b);
      for (let i = 0; i < sorted.length; i++) {
        const first = sorted[i] as number;
        while (sorted[i + 1] === (sorted[i] as number) + 1) i++;
        const last = sorted[i] as number;
        ranges.push(first === last ? `${first}` : `${first}-${last}`);
      }
      return ranges.join(',');
    },
    write(text) {
      const given: number[] = [];
      const list = text.replace(/^\n+|\n+$/g, '').replace(/,$/, '');
      for (const each of list === '' ? [] : list.split(',')) {
        const ends = each.split('-').map(proc_get_long);
        const [first = null, last = first] = ends;
        if (first === null || last === null || ends.length > 2 || first > last || last > 65535) return -EINVAL;
        for (let port = first; port <= last; port++) given.push(port);
      }
      ports.clear();
      for (const port of given) ports.add(port);
      return 0;
    },
  };
}

/** sysctl_ipv4_init: called when IPv4 and its transports are there. */
export function sysctl_ipv4_init(net: net): void {
  const { ipv4 } = net;
  const { sysctl } = net.kernel;
  sysctl.register('net.ipv4', ipv4, ipv4_net_table);
  register_tcp_congestion(sysctl, net);
  register_tcp_fastopen(sysctl, net);
  const { ip_local_port_range } = ipv4;
  sysctl.register_entry(
    'net.ipv4.ip_local_port_range',
    range_entry(ip_local_port_range, 1, 65535, () => ipv4.ip_unprivileged_port_start),
  );
  sysctl.register_entry(
    'net.ipv4.ping_group_range',
    range_entry(ipv4.ping_group_range, 0, 0x7fffffff, () => 0),
  );
  sysctl.register_entry('net.ipv4.ip_local_reserved_ports', ports_entry(ipv4.ip_local_reserved_ports));
  // ipv4_privileged_ports
  sysctl.register_entry('net.ipv4.ip_unprivileged_port_start', {
    read: () => String(ipv4.ip_unprivileged_port_start),
    write(text) {
      const [port] = numbers(text, 1, 0, ip_local_port_range[0] as number) ?? [];
      if (port === undefined) return -EINVAL;
      ipv4.ip_unprivileged_port_start = port;
      return 0;
    },
  });
  register_conf(sysctl, net);
  register_neigh(sysctl, net);
  register_route(sysctl, net);
}
