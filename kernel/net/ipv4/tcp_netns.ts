/** TCP's sysctls: net.ipv4.tcp_*, each by the name that sysctl(8) shows, with Linux 6.18's defaults (net/ipv4/tcp_ipv4.c: tcp_sk_init). */
import type { RandomStream } from '../../arch.ts';
import { HZ } from '../../time/timer.ts';
import type { tcp_out_options } from './tcp_options.ts';
import type { tcp_sacktag_state } from './tcp_sack.ts';
import type { ack_sample, rate_sample, tcp_congestion_ops } from './tcp_sock.ts';
import type { tsq_tasklet } from './tcp_tsq.ts';

export class netns_ipv4_tcp {
  tcp_sack = 1;
  tcp_dsack = 1;
  tcp_timestamps = 1;
  tcp_window_scaling = 1;
  tcp_ecn = 2;
  tcp_ecn_fallback = 1;
  tcp_ecn_option = 2;
  tcp_ecn_option_beacon = 3;
  tcp_early_retrans = 3;
  /** Bits: TCP_RACK_LOSS_DETECTION 1, TCP_RACK_STATIC_REO_WND 2, TCP_RACK_NO_DUPTHRESH 4. */
  tcp_recovery = 1;
  tcp_thin_linear_timeouts = 0;
  tcp_slow_start_after_idle = 1;
  tcp_retrans_collapse = 1;
  tcp_stdurg = 0;
  tcp_rfc1337 = 0;
  tcp_abort_on_overflow = 0;
  tcp_max_reordering = 300;
  tcp_reordering = 3;
  tcp_app_win = 31;
  tcp_adv_win_scale = 1;
  tcp_frto = 2;
  tcp_no_metrics_save = 0;
  tcp_no_ssthresh_metrics_save = 1;
  tcp_moderate_rcvbuf = 1;
  tcp_tso_win_divisor = 3;
  tcp_tso_rtt_log = 9;
  tcp_workaround_signed_windows = 0;
  tcp_limit_output_bytes = 4 * 1024 * 1024;
  /** Challenge ACKs a second for the whole host (RFC 5961 7): no limit, as the limit itself tells a third party much. */
  tcp_challenge_ack_limit = 0x7fffffff;
  tcp_min_tso_segs = 2;
  tcp_autocorking = 1;
  /** ms between two ACKs of the same kind for one connection's out-of-window segments. */
  tcp_invalid_ratelimit = HZ / 2;
  tcp_pacing_ss_ratio = 200;
  tcp_pacing_ca_ratio = 120;
  tcp_comp_sack_delay_ns = 1_000_000;
  tcp_comp_sack_slack_ns = 100_000;
  tcp_comp_sack_nr = 44;
  tcp_backlog_ack_defer = 1;
  tcp_keepalive_time = 7200;
  tcp_keepalive_probes = 9;
  tcp_keepalive_intvl = 75;
  tcp_syn_retries = 6;
  tcp_synack_retries = 5;
  tcp_syncookies = 1;
  tcp_max_syn_backlog = 512;
  tcp_migrate_req = 0;
  tcp_retries1 = 3;
  tcp_retries2 = 15;
  tcp_orphan_retries = 0;
  tcp_max_orphans = 16384;
  tcp_max_tw_buckets = 16384;
  tcp_tw_reuse = 2;
  tcp_tw_reuse_delay = 1000;
  /** s; the others of its kind too. */
  tcp_fin_timeout = 60;
  tcp_notsent_lowat = 0xffffffff;
  tcp_syn_linear_timeouts = 4;
  tcp_shrink_window = 0;
  tcp_mtu_probing = 0;
  tcp_mtu_probe_floor = 48;
  tcp_base_mss = 1024;
  tcp_min_snd_mss = 48;
  tcp_probe_threshold = 8;
  tcp_probe_interval = 600;
  tcp_rto_min_us = 200_000;
  tcp_rto_max_ms = 120_000;
  /** Bits: TFO_CLIENT_ENABLE 1, TFO_SERVER_ENABLE 2 and so on (tcp_fastopen.ts). */
  tcp_fastopen = 1;
  tcp_fastopen_blackhole_timeout_sec = 0;
  tcp_plb_enabled = 0;
  tcp_pingpong_thresh = 1;
  tcp_l3mdev_accept = 0;
  tcp_reflect_tos = 0;
  tcp_early_demux = 1;
  tcp_fwmark_accept = 0;
  tcp_congestion_control = 'cubic';
  /** Bytes: least, default, most. */
  readonly tcp_wmem = [4096, 16 * 1024, 4 * 1024 * 1024];
  /** The most is what TCP test suites set, and gives window scale 8; Linux derives it from the machine's memory. */
  readonly tcp_rmem = [4096, 131072, 15 * 1024 * 1024];
  /** Pages of 4096 bytes for all sockets: low, pressure, high. */
  readonly tcp_mem = [46404, 61872, 92808];
  tcp_min_rtt_wlen = 300;

  // Not sysctls: pages that TCP's queues hold, and whether that is too many (tcp_memory_allocated, tcp_memory_pressure).
  tcp_memory_allocated = 0;
  tcp_memory_pressure = false;
  /** Socks that exist (tcp_sockets_allocated), and those without a program (tcp_orphan_count). */
  tcp_sockets_allocated = 0;
  tcp_orphan_count = 0;
  /** Challenge ACKs sent in the second that began at this time (tcp_challenge_count, tcp_challenge_timestamp). */
  tcp_challenge_count = 0;
  tcp_challenge_timestamp = -1;
  // Set by tcp_output_init and tcp_cong_init.
  tsq!: tsq_tasklet;
  tcp_random!: RandomStream;
  /** Scratch of the ACK in hand: a context is atomic. */
  tcp_rs!: rate_sample;
  tcp_ack_sample!: ack_sample;
  tcp_sack_state!: tcp_sacktag_state;
  /** Where the header in hand has its option of accurate ECN (rx_opt.accecn), 0: nowhere; set with every parsing of options. */
  tcp_rx_accecn = 0;
  /** Options of the header being written. */
  tcp_out_opts!: tcp_out_options;
  /** tcp_cong_list */
  readonly tcp_cong_list: tcp_congestion_ops[] = [];
}
