/**
 * CUBIC (net/ipv4/tcp_cubic.c, RFC 9438) with HyStart. The window grows along a cubic function of the time since the last
 * loss; in Linux's fixed point, time is in 1/1024 s and the function's factor is 41/1024 · 1/(10 · 2^30) of that cubed.
 */
import { tcp_cong_avoid_ai, tcp_slow_start } from './tcp_cong.ts';
import { tcp_is_cwnd_limited } from './tcp_cwnd.ts';
import {
  type ack_sample,
  after,
  CA_EVENT_TX_START,
  SK_PACING_NONE,
  TCP_CA_Loss,
  type tcp_congestion_ops,
  tcp_in_slow_start,
  tcp_jiffies,
  type tcp_sock,
  usecs_to_jiffies,
} from './tcp_sock.ts';

const BICTCP_BETA_SCALE = 1024;
/** What is left of the window after a loss: 717/1024, about 0.7. */
const BETA = 717;
const HZ = 1000;
const CUBE_RTT_SCALE = 41 * 10;
const TWO_40 = 2 ** 40;
const CUBE_FACTOR = Math.floor(TWO_40 / CUBE_RTT_SCALE);
/** Segments in 1/8 that Reno needs for one more, so that both are as fast on average: 8·(1+β)/3/(1-β). */
const BETA_SCALE = Math.floor(Math.floor((8 * (BICTCP_BETA_SCALE + BETA)) / 3) / (BICTCP_BETA_SCALE - BETA));

const HYSTART_MIN_SAMPLES = 8;
const HYSTART_DELAY_MIN = 4000;
const HYSTART_DELAY_MAX = 16000;
const HYSTART_LOW_WINDOW = 16;
const HYSTART_ACK_DELTA_US = 2000;

/** struct bictcp. Times in jiffies, those of HyStart in µs. */
class bictcp {
  cnt = 0;
  last_max_cwnd = 0;
  last_cwnd = 0;
  last_time = 0;
  bic_origin_point = 0;
  bic_K = 0;
  delay_min = 0;
  epoch_start = 0;
  ack_cnt = 0;
  tcp_cwnd = 0;
  found = 0;
  sample_cnt = 0;
  round_start = 0;
  end_seq = 0;
  last_ack = 0;
  curr_rtt = 0xffffffff;
}

/** Made when it is first needed: an idle connection has none. The first ACK begins a round of HyStart's. */
function ca_of(sk: tcp_sock): bictcp {
  if (sk.icsk_ca_priv === null) {
    const ca = new bictcp();
    ca.end_seq = (sk.snd_una - 1) | 0;
    sk.icsk_ca_priv = ca;
  }
  return sk.icsk_ca_priv as bictcp;
}

function bictcp_reset(ca: bictcp): void {
  ca.cnt = 0;
  ca.last_max_cwnd = 0;
  ca.last_cwnd = 0;
  ca.last_time = 0;
  ca.bic_origin_point = 0;
  ca.bic_K = 0;
  ca.delay_min = 0;
  ca.epoch_start = 0;
  ca.ack_cnt = 0;
  ca.tcp_cwnd = 0;
  ca.found = 0;
}

function bictcp_hystart_reset(sk: tcp_sock, ca: bictcp): void {
  ca.round_start = sk.tcp_mstamp;
  ca.last_ack = sk.tcp_mstamp;
  ca.end_seq = sk.snd_nxt;
  ca.curr_rtt = 0xffffffff;
  ca.sample_cnt = 0;
}

function cubictcp_init(sk: tcp_sock): void {
  sk.icsk_ca_priv = null;
}

/** cubictcp_cwnd_event: after an idle time the curve goes on where it was. */
function cubictcp_cwnd_event(sk: tcp_sock, event: number): void {
  if (event !== CA_EVENT_TX_START || sk.icsk_ca_priv === null) return;
  const ca = ca_of(sk);
  const now = tcp_jiffies(sk.kernel);
  const delta = now - sk.lsndtime;
  if (ca.epoch_start !== 0 && delta > 0) ca.epoch_start = Math.min(ca.epoch_start + delta, now);
}

/** bictcp_update: for how many acknowledged segments the window shall grow by one. */
function bictcp_update(sk: tcp_sock, ca: bictcp, cwnd: number, acked: number): void {
  const now = tcp_jiffies(sk.kernel);
  ca.ack_cnt += acked;
  if (ca.last_cwnd === cwnd && now - ca.last_time <= HZ / 32) return;
  // Once a jiffy is enough for the cubic part.
  if (ca.epoch_start === 0 || now !== ca.last_time) cubic_function(ca, cwnd, acked, now);
  // RFC 9438 4.3: not slower than Reno.
  const per_segment = (cwnd * BETA_SCALE) >> 3;
  if (per_segment > 0) {
    const steps = Math.ceil(ca.ack_cnt / per_segment) - 1;
    if (steps > 0) {
      ca.ack_cnt -= steps * per_segment;
      ca.tcp_cwnd += steps;
    }
  }
  if (ca.tcp_cwnd > cwnd) ca.cnt = Math.min(ca.cnt, Math.floor(cwnd / (ca.tcp_cwnd - cwnd)));
  // Not more than half a segment for each: 1.5 times in a round trip.
  ca.cnt = Math.max(ca.cnt, 2);
}

function cubic_function(ca: bictcp, cwnd: number, acked: number, now: number): void {
  ca.last_cwnd = cwnd;
  ca.last_time = now;
  if (ca.epoch_start === 0) {
    ca.epoch_start = now;
    ca.ack_cnt = acked;
    ca.tcp_cwnd = cwnd;
    if (ca.last_max_cwnd <= cwnd) {
      ca.bic_K = 0;
      ca.bic_origin_point = cwnd;
    } else {
      ca.bic_K = Math.floor(Math.cbrt(CUBE_FACTOR * (ca.last_max_cwnd - cwnd)));
      ca.bic_origin_point = ca.last_max_cwnd;
    }
  }
  // Where the curve will be a round trip from now.
  const jiffies = now - ca.epoch_start + usecs_to_jiffies(ca.delay_min);
  const t = Math.floor((jiffies * 1024) / HZ);
  const offs = Math.abs(t - ca.bic_K);
  const delta = Math.floor((CUBE_RTT_SCALE * offs * offs * offs) / TWO_40);
  const target = t < ca.bic_K ? ca.bic_origin_point - delta : ca.bic_origin_point + delta;
  ca.cnt = target > cwnd ? Math.floor(cwnd / (target - cwnd)) : 100 * cwnd;
  // Before the first loss nothing is known of the path: at least 5 % in a round trip.
  if (ca.last_max_cwnd === 0 && ca.cnt > 20) ca.cnt = 20;
}

function cubictcp_cong_avoid(sk: tcp_sock, _ack: number, acked: number): void {
  if (!tcp_is_cwnd_limited(sk)) return;
  if (tcp_in_slow_start(sk)) {
    acked = tcp_slow_start(sk, acked);
    if (acked === 0) return;
  }
  const ca = ca_of(sk);
  bictcp_update(sk, ca, sk.snd_cwnd, acked);
  tcp_cong_avoid_ai(sk, ca.cnt, acked);
}

/** cubictcp_recalc_ssthresh: with fast convergence, a flow that shrinks makes room (RFC 9438 4.7). */
function cubictcp_recalc_ssthresh(sk: tcp_sock): number {
  const ca = ca_of(sk);
  const cwnd = sk.snd_cwnd;
  ca.epoch_start = 0;
  ca.last_max_cwnd =
    cwnd < ca.last_max_cwnd ? Math.floor((cwnd * (BICTCP_BETA_SCALE + BETA)) / (2 * BICTCP_BETA_SCALE)) : cwnd;
  return Math.max(Math.floor((cwnd * BETA) / BICTCP_BETA_SCALE), 2);
}

function cubictcp_state(sk: tcp_sock, new_state: number): void {
  if (new_state !== TCP_CA_Loss) return;
  const ca = ca_of(sk);
  bictcp_reset(ca);
  bictcp_hystart_reset(sk, ca);
}

/** hystart_ack_delay: what the bursts of large packets add to an ACK train, in µs. */
function hystart_ack_delay(sk: tcp_sock): number {
  const rate = sk.sk_pacing_rate;
  return rate === 0 ? 0 : Math.min(1000, Math.floor((sk.sk_gso_max_size * 4 * 1_000_000) / rate));
}

/** hystart_update: leaves slow start when ACKs come in a train as long as half a round trip, or when the RTT grows. */
function hystart_update(sk: tcp_sock, ca: bictcp, delay: number): void {
  const { mib } = sk.sk_net.ipv4;
  if (after(sk.snd_una, ca.end_seq)) bictcp_hystart_reset(sk, ca);
  if (sk.snd_cwnd < HYSTART_LOW_WINDOW) return;
  const now = sk.tcp_mstamp;
  if (now - ca.last_ack <= HYSTART_ACK_DELTA_US) {
    ca.last_ack = now;
    let threshold = ca.delay_min + hystart_ack_delay(sk);
    if (sk.opts.sk_pacing_status === SK_PACING_NONE) threshold >>= 1;
    if (now - ca.round_start > threshold) {
      ca.found = 1;
      mib.TcpExtTCPHystartTrainDetect++;
      mib.TcpExtTCPHystartTrainCwnd += sk.snd_cwnd;
      sk.snd_ssthresh = sk.snd_cwnd;
    }
  }
  if (ca.curr_rtt > delay) ca.curr_rtt = delay;
  if (ca.sample_cnt < HYSTART_MIN_SAMPLES) {
    ca.sample_cnt++;
  } else {
    const slack = Math.min(Math.max(ca.delay_min >> 3, HYSTART_DELAY_MIN), HYSTART_DELAY_MAX);
    if (ca.curr_rtt > ca.delay_min + slack) {
      ca.found = 1;
      mib.TcpExtTCPHystartDelayDetect++;
      mib.TcpExtTCPHystartDelayCwnd += sk.snd_cwnd;
      sk.snd_ssthresh = sk.snd_cwnd;
    }
  }
}

function cubictcp_acked(sk: tcp_sock, sample: ack_sample): void {
  if (sample.rtt_us < 0) return;
  const ca = ca_of(sk);
  // Right after a recovery delays say nothing.
  if (ca.epoch_start !== 0 && tcp_jiffies(sk.kernel) - ca.epoch_start < HZ) return;
  const delay = Math.max(sample.rtt_us, 1);
  if (ca.delay_min === 0 || ca.delay_min > delay) ca.delay_min = delay;
  if (ca.found === 0 && tcp_in_slow_start(sk)) hystart_update(sk, ca, delay);
}

function cubictcp_undo_cwnd(sk: tcp_sock): number {
  return Math.max(sk.snd_cwnd, sk.slow.prior_cwnd);
}

export const cubic: tcp_congestion_ops = {
  name: 'cubic',
  non_restricted: true,
  needs_ecn: false,
  init: cubictcp_init,
  release: null,
  ssthresh: cubictcp_recalc_ssthresh,
  cong_avoid: cubictcp_cong_avoid,
  set_state: cubictcp_state,
  cwnd_event: cubictcp_cwnd_event,
  pkts_acked: cubictcp_acked,
  undo_cwnd: cubictcp_undo_cwnd,
  cong_control: null,
};
