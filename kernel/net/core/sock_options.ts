/** Options of level SOL_SOCKET (net/core/sock.c). */
import { EBADF, EDOM, EINVAL, ENODATA, ENODEV, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../../errno.ts';
import {
  CMSG_MARK,
  CMSG_PRIORITY,
  CMSG_RXQ_OVFL,
  CMSG_TIMESTAMP,
  CMSG_TIMESTAMP_US,
  CMSG_TIMESTAMPING,
  SOCK_STREAM,
  type sockopt,
} from '../msg.ts';
import { SKF_AD_MAX, sk_attach_filter, sk_detach_filter } from './filter.ts';
import {
  SOF_TIMESTAMPING_BIND_PHC,
  SOF_TIMESTAMPING_MASK,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_ID_TCP,
  SOF_TIMESTAMPING_OPT_RX_FILTER,
  SOF_TIMESTAMPING_OPT_STATS,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_RX_SOFTWARE,
  SOF_TIMESTAMPING_SOFTWARE,
} from './skb_tstamp.ts';
import {
  own_opts,
  SCHEDULE_TIMEOUT_MAX,
  SOCK_MIN_RCVBUF,
  SOCK_MIN_SNDBUF,
  SOCK_RCVBUF_LOCK,
  SOCK_SNDBUF_LOCK,
  sk_dst_reset,
  type sock,
  sock_error,
  TCP_CLOSE,
  TCP_LISTEN,
} from './sock.ts';
import { reuseport_attach_prog, reuseport_detach_prog, reuseport_update_incoming_cpu } from './sock_reuseport.ts';

export const SOL_SOCKET = 1;
export const SO_DEBUG = 1;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_DONTROUTE = 5;
export const SO_BROADCAST = 6;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_OOBINLINE = 10;
export const SO_NO_CHECK = 11;
export const SO_PRIORITY = 12;
export const SO_LINGER = 13;
export const SO_BSDCOMPAT = 14;
export const SO_REUSEPORT = 15;
export const SO_PASSCRED = 16;
export const SO_PEERCRED = 17;
export const SO_RCVLOWAT = 18;
export const SO_SNDLOWAT = 19;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const SO_BINDTODEVICE = 25;
export const SO_ATTACH_FILTER = 26;
export const SO_DETACH_FILTER = 27;
/** As an option that is asked for, SO_ATTACH_FILTER has this name. */
export const SO_GET_FILTER = SO_ATTACH_FILTER;
export const SO_PEERNAME = 28;
export const SO_TIMESTAMP = 29;
export const SO_ACCEPTCONN = 30;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_PASSSEC = 34;
export const SO_TIMESTAMPNS = 35;
export const SO_MARK = 36;
export const SO_TIMESTAMPING = 37;
export const SO_PROTOCOL = 38;
export const SO_DOMAIN = 39;
export const SO_RXQ_OVFL = 40;
export const SO_WIFI_STATUS = 41;
export const SO_PEEK_OFF = 42;
export const SO_NOFCS = 43;
export const SO_LOCK_FILTER = 44;
export const SO_SELECT_ERR_QUEUE = 45;
export const SO_BUSY_POLL = 46;
export const SO_MAX_PACING_RATE = 47;
export const SO_BPF_EXTENSIONS = 48;
export const SO_INCOMING_CPU = 49;
export const SO_ATTACH_BPF = 50;
export const SO_ATTACH_REUSEPORT_CBPF = 51;
export const SO_ATTACH_REUSEPORT_EBPF = 52;
export const SO_CNX_ADVICE = 53;
export const SO_MEMINFO = 55;
export const SO_INCOMING_NAPI_ID = 56;
export const SO_COOKIE = 57;
export const SO_PEERGROUPS = 59;
export const SO_ZEROCOPY = 60;
export const SO_TXTIME = 61;
export const SO_BINDTOIFINDEX = 62;
export const SO_TIMESTAMP_NEW = 63;
export const SO_TIMESTAMPNS_NEW = 64;
export const SO_TIMESTAMPING_NEW = 65;
export const SO_DETACH_REUSEPORT_BPF = 68;
export const SO_PREFER_BUSY_POLL = 69;
export const SO_BUSY_POLL_BUDGET = 70;
export const SO_NETNS_COOKIE = 71;
export const SO_BUF_LOCK = 72;
export const SO_RESERVE_MEM = 73;
export const SO_TXREHASH = 74;
export const SO_RCVMARK = 75;
export const SO_PASSPIDFD = 76;
export const SO_PEERPIDFD = 77;
export const SO_DEVMEM_DONTNEED = 80;
export const SO_RCVPRIORITY = 82;
export const SO_PASSRIGHTS = 83;

const IPPROTO_TCP = 6;
const U32_MAX = 0xffffffff;
const SIZEOF_INT = 4;
const SIZEOF_TIMEVAL = 16;
const SIZEOF_LINGER = 8;
const SIZEOF_COOKIE = 8;
const SIZEOF_SO_TIMESTAMPING = 8;
const SIZEOF_SOCK_TXTIME = 8;
const SIZEOF_DMABUF_TOKEN = 8;
const U16_MAX = 0xffff;
/** SOF_TXTIME_DEADLINE_MODE, SOF_TXTIME_REPORT_ERRORS. */
const SOF_TXTIME_FLAGS_MASK = 3;
const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const CLOCK_TAI = 11;
/** The one net of a host is its first. */
const NET_COOKIE = 1;
const IFNAMSIZ = 16;
/** SOCK_SNDBUF_LOCK and SOCK_RCVBUF_LOCK. */
const SOCK_BUF_LOCK_MASK = 3;

/** SO_RCVBUF and SO_SNDBUF: double what was asked for, which leaves room for the sk_buffs themselves. */
function buffer_size(value: number, max: number, min: number): number {
  // A negative value is a large one: the comparison is unsigned.
  return Math.max(Math.min(value >>> 0, max) * 2, min);
}

/** sock_set_timeout: the time in ns; 0, or more than the clock can say, means for ever. NaN: microseconds out of range. */
function timeout_of(opt: sockopt): number {
  if (!(opt.usec >= 0 && opt.usec < 1e6)) return Number.NaN;
  if (opt.sec < 0) return 0;
  if (opt.sec === 0 && opt.usec === 0) return SCHEDULE_TIMEOUT_MAX;
  const timeout = opt.sec * 1e9 + opt.usec * 1e3;
  return timeout > Number.MAX_SAFE_INTEGER / 2 ? SCHEDULE_TIMEOUT_MAX : timeout;
}

/** The bytes that C would have to pass for an option. */
function size_of(name: number): number {
  switch (name) {
    case SO_RCVTIMEO:
    case SO_SNDTIMEO:
      return SIZEOF_TIMEVAL;
    case SO_LINGER:
      return SIZEOF_LINGER;
    case SO_COOKIE:
    case SO_NETNS_COOKIE:
      return SIZEOF_COOKIE;
    case SO_TXTIME:
      return SIZEOF_SOCK_TXTIME;
    default:
      return SIZEOF_INT;
  }
}

function set_cmsg(sk: sock, bit: number, on: boolean): number {
  sk.cmsg_flags = on ? sk.cmsg_flags | bit : sk.cmsg_flags & ~bit;
  return 0;
}

/** What TCP's socks know of their stream, and of their memory. */
interface stream_numbers extends sock {
  readonly write_seq: number;
  readonly snd_una: number;
  readonly sk_forward_alloc: number;
  readonly sk_wmem_queued: number;
}

const SOCK_TIMESTAMP = 1;
const SOCK_TIMESTAMPING_RX_SOFTWARE = 2;

/** sock_enable_timestamp: from now on packets are stamped when they arrive. */
function sock_enable_timestamp(sk: sock, flag: number): void {
  const had = sk.opts.sk_netstamp;
  if ((had & flag) !== 0) return;
  own_opts(sk).sk_netstamp = had | flag;
  if (had === 0) sk.sk_net.netstamp_needed++;
}

/** sock_disable_timestamp */
function sock_disable_timestamp(sk: sock, flag: number): void {
  const had = sk.opts.sk_netstamp;
  if ((had & flag) === 0) return;
  own_opts(sk).sk_netstamp = had & ~flag;
  if (had === flag) sk.sk_net.netstamp_needed--;
}

/** sock_set_timestamping. Numbers count from where a stream stands: from what was written last, or acknowledged. */
function sock_set_timestamping(sk: sock, value: number): number {
  if ((value & ~SOF_TIMESTAMPING_MASK) !== 0) return -EINVAL;
  const id = (value & SOF_TIMESTAMPING_OPT_ID) !== 0;
  const id_tcp = (value & SOF_TIMESTAMPING_OPT_ID_TCP) !== 0;
  if (id_tcp && !id) return -EINVAL;
  if (id && (sk.opts.sk_tsflags & SOF_TIMESTAMPING_OPT_ID) === 0) {
    sk.sk_tskey = 0;
    if (sk_is_tcp(sk)) {
      if (sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_LISTEN) return -EINVAL;
      const { write_seq, snd_una } = sk as stream_numbers;
      sk.sk_tskey = id_tcp ? write_seq : snd_una;
    }
  }
  if ((value & SOF_TIMESTAMPING_OPT_STATS) !== 0 && (value & SOF_TIMESTAMPING_OPT_TSONLY) === 0) return -EINVAL;
  // sock_timestamping_bind_phc: a clock of the bound device; ours have none that could be named.
  if ((value & SOF_TIMESTAMPING_BIND_PHC) !== 0) return sk.sk_bound_dev_if === 0 ? -EOPNOTSUPP : -EINVAL;
  own_opts(sk).sk_tsflags = value;
  if ((value & SOF_TIMESTAMPING_RX_SOFTWARE) !== 0) sock_enable_timestamp(sk, SOCK_TIMESTAMPING_RX_SOFTWARE);
  else sock_disable_timestamp(sk, SOCK_TIMESTAMPING_RX_SOFTWARE);
  // Stamps that somebody else wanted are told, too, unless it is said that they are not to be.
  const filtered =
    (value & (SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_OPT_RX_FILTER)) === SOF_TIMESTAMPING_OPT_RX_FILTER;
  return set_cmsg(sk, CMSG_TIMESTAMPING, (value & SOF_TIMESTAMPING_SOFTWARE) !== 0 && !filtered);
}

function sk_is_tcp(sk: sock): boolean {
  return sk.sk_type === SOCK_STREAM && sk.sk_protocol === IPPROTO_TCP;
}

/** sk_setsockopt: 0 or a negative errno. */
export function sk_setsockopt(sk: sock, name: number, opt: sockopt): number {
  const { value, optlen } = opt;
  if (name === SO_BINDTODEVICE) return sock_setbindtodevice(sk, opt);
  if (optlen >= 0 && optlen < SIZEOF_INT) return -EINVAL;
  if (optlen >= 0 && optlen < size_of(name)) return -EINVAL;
  const on = value !== 0;
  const { sysctl } = sk.sk_net;
  switch (name) {
    case SO_REUSEADDR:
      sk.sk_reuse = on;
      return 0;
    case SO_REUSEPORT:
      sk.sk_reuseport = on;
      return 0;
    case SO_BROADCAST:
      own_opts(sk).sk_broadcast = on;
      return 0;
    case SO_DEBUG:
      own_opts(sk).sk_debug = on;
      return 0;
    case SO_DONTROUTE:
      own_opts(sk).sk_localroute = on;
      sk_dst_reset(sk);
      return 0;
    case SO_KEEPALIVE:
      if (sk.sk_prot.keepalive !== null) sk.sk_prot.keepalive(sk, on);
      own_opts(sk).sk_keepopen = on;
      return 0;
    case SO_OOBINLINE:
      own_opts(sk).sk_urginline = on;
      return 0;
    case SO_LINGER:
      // struct linger: l_onoff in `value`, l_linger in `sec`.
      own_opts(sk).sk_linger = on;
      if (on) own_opts(sk).sk_lingertime = opt.sec;
      return 0;
    case SO_SNDBUF:
      set_sndbuf(sk, buffer_size(value, sysctl.wmem_max, SOCK_MIN_SNDBUF));
      return 0;
    case SO_SNDBUFFORCE:
      set_sndbuf(sk, buffer_size(Math.max(value, 0), U32_MAX / 4, SOCK_MIN_SNDBUF));
      return 0;
    case SO_RCVBUF:
      set_rcvbuf(sk, buffer_size(value, sysctl.rmem_max, SOCK_MIN_RCVBUF));
      return 0;
    case SO_RCVBUFFORCE:
      set_rcvbuf(sk, buffer_size(Math.max(value, 0), U32_MAX / 4, SOCK_MIN_RCVBUF));
      return 0;
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_NEW:
      // sock_set_timestamp: one or the other, and either option turns both off.
      set_cmsg(sk, CMSG_TIMESTAMP | CMSG_TIMESTAMP_US, false);
      if (on) {
        const in_ns = name === SO_TIMESTAMPNS || name === SO_TIMESTAMPNS_NEW;
        set_cmsg(sk, in_ns ? CMSG_TIMESTAMP : CMSG_TIMESTAMP_US, true);
        own_opts(sk).sk_tstamp_new = name === SO_TIMESTAMP_NEW || name === SO_TIMESTAMPNS_NEW;
        sock_enable_timestamp(sk, SOCK_TIMESTAMP);
      }
      return 0;
    case SO_TIMESTAMPING:
    case SO_TIMESTAMPING_NEW:
      own_opts(sk).sk_tstamp_new = name === SO_TIMESTAMPING_NEW;
      return sock_set_timestamping(sk, value);
    case SO_ZEROCOPY:
      if (!sk_is_tcp(sk)) return -EOPNOTSUPP;
      if (value < 0 || value > 1) return -EINVAL;
      sk.sk_zerocopy = on;
      return 0;
    case SO_PASSCRED:
    case SO_PASSSEC:
    case SO_PASSPIDFD:
    case SO_PASSRIGHTS:
      // sk_may_scm_recv: for local sockets only.
      return -EOPNOTSUPP;
    case SO_BSDCOMPAT:
      // Taken, and of no effect, since Linux 2.2.
      return 0;
    case SO_BUSY_POLL:
      if (value < 0) return -EINVAL;
      own_opts(sk).sk_ll_usec = value;
      return 0;
    case SO_PREFER_BUSY_POLL:
      own_opts(sk).sk_prefer_busy_poll = on;
      return 0;
    case SO_BUSY_POLL_BUDGET:
      // Nobody can ask for it.
      return value < 0 || value > U16_MAX ? -EINVAL : 0;
    case SO_TXTIME:
      // struct sock_txtime: the clock in `value`, flags in `sec`.
      if (optlen >= 0 && optlen !== SIZEOF_SOCK_TXTIME) return -EINVAL;
      if ((opt.sec & ~SOF_TXTIME_FLAGS_MASK) !== 0) return -EINVAL;
      if (value !== CLOCK_REALTIME && value !== CLOCK_MONOTONIC && value !== CLOCK_TAI) return -EINVAL;
      own_opts(sk).sk_clockid = value;
      own_opts(sk).sk_txtime_flags = opt.sec;
      return 0;
    case SO_RESERVE_MEM:
      // sock_reserve_memory: for sockets of a memory cgroup.
      return value < 0 ? -EINVAL : -EOPNOTSUPP;
    case SO_TXREHASH:
      if (!sk_is_tcp(sk)) return -EOPNOTSUPP;
      if (value < -1 || value > 1) return -EINVAL;
      // -1: as the system has it (net.core.txrehash).
      own_opts(sk).sk_txrehash = value !== 0;
      return 0;
    case SO_DEVMEM_DONTNEED:
      // sock_devmem_dontneed: how many of these tokens were held: none ever is.
      if (!sk_is_tcp(sk)) return -EBADF;
      return optlen >= 0 && optlen % SIZEOF_DMABUF_TOKEN !== 0 ? -EINVAL : 0;
    case SO_WIFI_STATUS:
      own_opts(sk).sk_wifi_status = on;
      return 0;
    case SO_NOFCS:
      own_opts(sk).sk_nofcs = on;
      return 0;
    case SO_CNX_ADVICE:
      // dst_negative_advice: the peer cannot be reached this way.
      if (value === 1) sk_dst_reset(sk);
      return 0;
    case SO_BUF_LOCK:
      if ((value & ~SOCK_BUF_LOCK_MASK) !== 0) return -EINVAL;
      sk.sk_userlocks = (sk.sk_userlocks & ~SOCK_BUF_LOCK_MASK) | value;
      return 0;
    case SO_RXQ_OVFL:
      return set_cmsg(sk, CMSG_RXQ_OVFL, on);
    case SO_RCVMARK:
      return set_cmsg(sk, CMSG_MARK, on);
    case SO_RCVPRIORITY:
      return set_cmsg(sk, CMSG_PRIORITY, on);
    case SO_SELECT_ERR_QUEUE:
      own_opts(sk).sk_select_err_queue = on;
      return 0;
    case SO_NO_CHECK:
      own_opts(sk).sk_no_check_tx = on;
      return 0;
    case SO_PRIORITY:
      own_opts(sk).sk_priority = value;
      return 0;
    case SO_MARK:
      if (sk.sk_mark !== value) {
        sk.sk_mark = value;
        sk_dst_reset(sk);
      }
      return 0;
    case SO_RCVLOWAT:
      own_opts(sk).sk_rcvlowat = value < 0 ? 0x7fffffff : value === 0 ? 1 : value;
      if (sk.sk_prot.set_rcvlowat !== null) sk.sk_prot.set_rcvlowat(sk, sk.opts.sk_rcvlowat);
      return 0;
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: {
      const timeout = timeout_of(opt);
      if (Number.isNaN(timeout)) return -EDOM;
      if (name === SO_RCVTIMEO) own_opts(sk).sk_rcvtimeo = timeout;
      else own_opts(sk).sk_sndtimeo = timeout;
      return 0;
    }
    case SO_PEEK_OFF:
      if (!sk.sk_prot.set_peek_off) return -EOPNOTSUPP;
      own_opts(sk).sk_peek_off = value;
      return 0;
    case SO_INCOMING_CPU:
      reuseport_update_incoming_cpu(sk, value);
      sk.sk_prot.update(sk);
      return 0;
    case SO_ATTACH_FILTER:
      return sk_attach_filter(opt.filter, sk);
    case SO_DETACH_FILTER:
      return sk_detach_filter(sk);
    case SO_ATTACH_REUSEPORT_CBPF:
      return reuseport_attach_prog(sk, opt.filter);
    case SO_DETACH_REUSEPORT_BPF:
      return reuseport_detach_prog(sk);
    case SO_LOCK_FILTER:
      if (sk.opts.sk_filter_locked && !on) return -EPERM;
      own_opts(sk).sk_filter_locked = on;
      return 0;
    case SO_MAX_PACING_RATE:
      // As an int, -1 means no limit; as 64 bits all ones do.
      own_opts(sk).sk_max_pacing_rate = value < 0 || value >= Number.MAX_SAFE_INTEGER ? U32_MAX : value;
      if (sk.sk_prot.set_max_pacing_rate !== null) {
        sk.sk_prot.set_max_pacing_rate(sk, sk.opts.sk_max_pacing_rate);
      }
      return 0;
    case SO_BINDTOIFINDEX:
      // Whether there is such a device, nobody asks.
      if (value < 0) return -EINVAL;
      return sock_bindtoindex(sk, value);
    default:
      return -ENOPROTOOPT;
  }
}

/** sock_setbindtodevice: by name; none frees the socket. */
function sock_setbindtodevice(sk: sock, opt: sockopt): number {
  const name = opt.optlen >= 0 ? opt.text.slice(0, Math.min(opt.optlen, IFNAMSIZ - 1)) : opt.text;
  const dev = name === '' ? null : sk.sk_net.dev_get_by_name(name);
  if (name !== '' && dev === null) return -ENODEV;
  return sock_bindtoindex(sk, dev === null ? 0 : dev.ifindex);
}

/** sock_bindtoindex: in the tables a bound device matters for the score only, so they stay as they are. */
function sock_bindtoindex(sk: sock, ifindex: number): number {
  sk.sk_bound_dev_if = ifindex;
  sk.sk_prot.rehash(sk);
  sk_dst_reset(sk);
  return 0;
}

function set_sndbuf(sk: sock, size: number): void {
  sk.sk_userlocks |= SOCK_SNDBUF_LOCK;
  sk.sk_sndbuf = size;
  // Somebody may wait for just this.
  sk.sk_write_space(sk);
}

function set_rcvbuf(sk: sock, size: number): void {
  sk.sk_userlocks |= SOCK_RCVBUF_LOCK;
  sk.sk_rcvbuf = size;
}

/** sk_getsockopt: 0 with the answer in `opt`, or a negative errno. */
export function sk_getsockopt(sk: sock, name: number, opt: sockopt): number {
  const { optlen } = opt;
  if (name === SO_COOKIE && optlen >= 0 && optlen < SIZEOF_COOKIE) return -EINVAL;
  if (name === SO_NETNS_COOKIE && optlen >= 0 && optlen !== SIZEOF_COOKIE) return -EINVAL;
  const err = get_option(sk, name, opt);
  // The length of the answer, where the program told how much room there is. These tell theirs themselves.
  const own = name === SO_BINDTODEVICE || name === SO_GET_FILTER || name === SO_MEMINFO || name === SO_PEERCRED;
  const size = name === SO_TIMESTAMPING || name === SO_TIMESTAMPING_NEW ? SIZEOF_SO_TIMESTAMPING : size_of(name);
  if (err === 0 && opt.optlen >= 0 && !own) opt.optlen = Math.min(opt.optlen, size);
  return err;
}

/** A struct of ints: as much of it as the program has room for. */
function answer_ints(opt: sockopt, list: number[]): number {
  opt.list = list;
  if (opt.optlen >= 0) opt.optlen = Math.min(opt.optlen, list.length * SIZEOF_INT);
  return 0;
}

function get_option(sk: sock, name: number, opt: sockopt): number {
  switch (name) {
    case SO_REUSEADDR:
      opt.value = Number(sk.sk_reuse);
      return 0;
    case SO_REUSEPORT:
      opt.value = Number(sk.sk_reuseport);
      return 0;
    case SO_BROADCAST:
      opt.value = Number(sk.opts.sk_broadcast);
      return 0;
    case SO_DEBUG:
      opt.value = Number(sk.opts.sk_debug);
      return 0;
    case SO_DONTROUTE:
      opt.value = Number(sk.opts.sk_localroute);
      return 0;
    case SO_KEEPALIVE:
      opt.value = Number(sk.opts.sk_keepopen);
      return 0;
    case SO_MAX_PACING_RATE:
      opt.value = sk.opts.sk_max_pacing_rate;
      return 0;
    case SO_LINGER:
      opt.value = Number(sk.opts.sk_linger);
      opt.sec = sk.opts.sk_lingertime;
      return 0;
    case SO_SNDBUF:
      opt.value = sk.sk_sndbuf;
      return 0;
    case SO_RCVBUF:
      opt.value = sk.sk_rcvbuf;
      return 0;
    case SO_TYPE:
      opt.value = sk.sk_type;
      return 0;
    case SO_PROTOCOL:
      opt.value = sk.sk_protocol;
      return 0;
    case SO_DOMAIN:
      opt.value = sk.sk_family;
      return 0;
    case SO_ERROR: {
      let error = -sock_error(sk);
      if (error === 0) {
        error = sk.sk_err_soft;
        sk.sk_err_soft = 0;
      }
      opt.value = error;
      return 0;
    }
    case SO_PASSCRED:
    case SO_PASSSEC:
    case SO_PASSPIDFD:
    case SO_PASSRIGHTS:
      return -EOPNOTSUPP;
    case SO_PEERGROUPS:
    case SO_PEERPIDFD:
      // Who is at the other end, only local sockets know.
      return -ENODATA;
    case SO_PEERCRED:
      // struct ucred of nobody: no process, user and group -1.
      opt.value = 0;
      return answer_ints(opt, [0, -1, -1]);
    case SO_BSDCOMPAT:
      opt.value = 0;
      return 0;
    case SO_WIFI_STATUS:
      opt.value = Number(sk.opts.sk_wifi_status);
      return 0;
    case SO_NOFCS:
      opt.value = Number(sk.opts.sk_nofcs);
      return 0;
    case SO_BUF_LOCK:
      opt.value = sk.sk_userlocks & SOCK_BUF_LOCK_MASK;
      return 0;
    case SO_OOBINLINE:
      opt.value = Number(sk.opts.sk_urginline);
      return 0;
    case SO_TIMESTAMP:
    case SO_TIMESTAMP_NEW:
      return get_stamp(sk, CMSG_TIMESTAMP_US, name === SO_TIMESTAMP_NEW, opt);
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMPNS_NEW:
      return get_stamp(sk, CMSG_TIMESTAMP, name === SO_TIMESTAMPNS_NEW, opt);
    case SO_TIMESTAMPING:
      opt.value = sk.opts.sk_tsflags;
      return 0;
    case SO_TIMESTAMPING_NEW:
      opt.value = sk.opts.sk_tstamp_new ? sk.opts.sk_tsflags : 0;
      return 0;
    case SO_BUSY_POLL:
      opt.value = sk.opts.sk_ll_usec;
      return 0;
    case SO_PREFER_BUSY_POLL:
      opt.value = Number(sk.opts.sk_prefer_busy_poll);
      return 0;
    case SO_INCOMING_NAPI_ID:
    case SO_RESERVE_MEM:
      opt.value = 0;
      return 0;
    case SO_TXTIME:
      opt.value = sk.opts.sk_clockid;
      opt.sec = sk.opts.sk_txtime_flags;
      return 0;
    case SO_NETNS_COOKIE:
      opt.value = NET_COOKIE;
      return 0;
    case SO_TXREHASH:
      if (!sk_is_tcp(sk)) return -EOPNOTSUPP;
      opt.value = Number(sk.opts.sk_txrehash);
      return 0;
    case SO_ZEROCOPY:
      opt.value = Number(sk.sk_zerocopy);
      return 0;
    case SO_RXQ_OVFL:
      return get_cmsg(sk, CMSG_RXQ_OVFL, opt);
    case SO_RCVMARK:
      return get_cmsg(sk, CMSG_MARK, opt);
    case SO_RCVPRIORITY:
      return get_cmsg(sk, CMSG_PRIORITY, opt);
    case SO_SELECT_ERR_QUEUE:
      opt.value = Number(sk.opts.sk_select_err_queue);
      return 0;
    case SO_SNDLOWAT:
      opt.value = 1;
      return 0;
    case SO_PEEK_OFF:
      if (!sk.sk_prot.set_peek_off) return -EOPNOTSUPP;
      opt.value = sk.opts.sk_peek_off;
      return 0;
    case SO_INCOMING_CPU:
      opt.value = sk.sk_incoming_cpu;
      return 0;
    case SO_BPF_EXTENSIONS:
      opt.value = SKF_AD_MAX;
      return 0;
    case SO_COOKIE:
      // sock_gen_cookie
      if (sk.sk_cookie === 0) sk.sk_cookie = ++sk.sk_net.core.cookies;
      opt.value = sk.sk_cookie;
      return 0;
    case SO_MEMINFO: {
      // sk_get_meminfo: what is received, its limit, what is sent, its limit, fwd_alloc, queued, options, backlog, drops.
      const { sk_rmem_alloc, sk_rcvbuf, sk_wmem_alloc, sk_sndbuf, sk_drops } = sk;
      const { sk_forward_alloc = 0, sk_wmem_queued = 0 } = sk as Partial<stream_numbers>;
      const queues = [sk_rmem_alloc, sk_rcvbuf, sk_wmem_alloc - 1, sk_sndbuf, sk_forward_alloc, sk_wmem_queued];
      return answer_ints(opt, [...queues, sk.sk_omem_alloc, 0, sk_drops]);
    }
    case SO_NO_CHECK:
      opt.value = Number(sk.opts.sk_no_check_tx);
      return 0;
    case SO_PRIORITY:
      opt.value = sk.opts.sk_priority;
      return 0;
    case SO_MARK:
      opt.value = sk.sk_mark;
      return 0;
    case SO_RCVLOWAT:
      opt.value = sk.opts.sk_rcvlowat;
      return 0;
    case SO_ACCEPTCONN:
      opt.value = Number(sk.sk_state === TCP_LISTEN);
      return 0;
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: {
      const timeout = Math.max(0, name === SO_RCVTIMEO ? sk.opts.sk_rcvtimeo : sk.opts.sk_sndtimeo);
      opt.sec = Math.floor(timeout / 1e9);
      opt.usec = Math.floor((timeout % 1e9) / 1e3);
      return 0;
    }
    case SO_GET_FILTER:
      // sk_get_filter: the number of instructions, 0 without a filter.
      opt.filter = sk.sk_filter === null ? null : sk.sk_filter.orig_prog;
      opt.value = opt.filter === null ? 0 : opt.filter.length;
      return 0;
    case SO_LOCK_FILTER:
      opt.value = Number(sk.opts.sk_filter_locked);
      return 0;
    case SO_BINDTODEVICE: {
      const dev = sk.sk_bound_dev_if === 0 ? null : sk.sk_net.dev_get_by_index(sk.sk_bound_dev_if);
      if (sk.sk_bound_dev_if !== 0 && dev === null) return -ENODEV;
      // sock_getbindtodevice: room for any name there is, once there is a device.
      if (dev !== null && opt.optlen >= 0 && opt.optlen < IFNAMSIZ) return -EINVAL;
      opt.text = dev === null ? '' : dev.name;
      if (opt.optlen >= 0) opt.optlen = dev === null ? 0 : dev.name.length + 1;
      return 0;
    }
    case SO_BINDTOIFINDEX:
      opt.value = sk.sk_bound_dev_if;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

function get_stamp(sk: sock, bit: number, by_new_name: boolean, opt: sockopt): number {
  opt.value = Number((sk.cmsg_flags & bit) !== 0 && sk.opts.sk_tstamp_new === by_new_name);
  return 0;
}

function get_cmsg(sk: sock, bit: number, opt: sockopt): number {
  opt.value = Number((sk.cmsg_flags & bit) !== 0);
  return 0;
}
