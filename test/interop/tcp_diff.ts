/**
 * One script of socket calls and raw segments, played to our stack and to this machine's Linux (tcp-diff.py), and what the two
 * did, compared.
 *
 * A script is lines of `[+MS] step`; a step comes MS (20 unless given) after the one before it. Steps:
 *
 *     socket F                 bsocket F (blocking)      bind F PORT           listen F N      accept L F      baccept L F
 *     bind F PORT [ADDRESS]    connect F PORT [ADDRESS] name F                  peername F
 *     connect F PORT           write F N [FLAGS]         read F N [FLAGS]      close F         shutdown F RD|WR|RDWR
 *     set F OPTION N           get F OPTION              linger F ON SECONDS   disconnect F    poll F          pollfor F EVENTS MS
 *     epoll E                  epadd E F EVENTS          epwait E              inq|outq|outqnsd|atmark F       info F
 *     sysctl NAME VALUE        < SEGMENT                 icmp TYPE CODE INFO SEQ               flow PEERPORT HOSTPORT
 *     end
 *
 * Segments are in tcp_peer.ts's notation. A blocking call holds up later calls, not the segments.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findTool } from '../../harness/ci/tools.mjs';
import { errno_name } from '../../kernel/errno.ts';
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, epoll_event } from '../../kernel/fs/eventpoll.ts';
import { POLLIN, POLLOUT, POLLPRI, POLLRDHUP, pollfd } from '../../kernel/fs/select.ts';
import { in_aton, inet_ntoa } from '../../kernel/net/ipv4/ip_header.ts';
import { tcp_info_parse } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import {
  AF_INET,
  AF_UNSPEC,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_FASTOPEN,
  MSG_MORE,
  MSG_NOSIGNAL,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddr,
  sockaddr_in,
  sockopt,
} from '../../kernel/net/msg.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import { type SentSegment, TcpPeer } from '../kernel/net/ipv4/tcp_peer.ts';
import { A } from '../kernel/net/segment.ts';

const RUNNER = fileURLToPath(new URL('tcp-diff.py', import.meta.url));

export type Step = [ms: number, ...words: string[]];
export type Entry = [ms: number, kind: string, text: string];

/** As in tcp-diff.py; times in ms or µs that differ from run to run are left out of the comparison, or loosely held. */
const OPTIONS: { readonly [name: string]: readonly [level: number, name: number] } = {
  SO_REUSEADDR: [1, 2],
  SO_ERROR: [1, 4],
  SO_SNDBUF: [1, 7],
  SO_RCVBUF: [1, 8],
  SO_KEEPALIVE: [1, 9],
  SO_OOBINLINE: [1, 10],
  SO_REUSEPORT: [1, 15],
  SO_RCVLOWAT: [1, 18],
  SO_RCVTIMEO: [1, 20],
  SO_SNDTIMEO: [1, 21],
  SO_ACCEPTCONN: [1, 30],
  SO_BINDTOIFINDEX: [1, 62],
  TCP_NODELAY: [6, 1],
  TCP_MAXSEG: [6, 2],
  TCP_CORK: [6, 3],
  TCP_KEEPIDLE: [6, 4],
  TCP_KEEPINTVL: [6, 5],
  TCP_KEEPCNT: [6, 6],
  TCP_SYNCNT: [6, 7],
  TCP_LINGER2: [6, 8],
  TCP_DEFER_ACCEPT: [6, 9],
  TCP_WINDOW_CLAMP: [6, 10],
  TCP_QUICKACK: [6, 12],
  TCP_THIN_LINEAR_TIMEOUTS: [6, 16],
  TCP_USER_TIMEOUT: [6, 18],
  TCP_FASTOPEN: [6, 23],
  TCP_TIMESTAMP: [6, 24],
  TCP_NOTSENT_LOWAT: [6, 25],
  TCP_SAVE_SYN: [6, 27],
  TCP_FASTOPEN_CONNECT: [6, 30],
  TCP_FASTOPEN_NO_COOKIE: [6, 34],
  TCP_INQ: [6, 36],
  IP_TOS: [0, 1],
  IP_TTL: [0, 2],
  IP_MTU_DISCOVER: [0, 10],
  IP_RECVERR: [0, 11],
  IP_MTU: [0, 14],
  IP_FREEBIND: [0, 15],
  IP_TRANSPARENT: [0, 19],
  IP_BIND_ADDRESS_NO_PORT: [0, 24],
  IP_LOCAL_PORT_RANGE: [0, 51],
};
/** What scripts call addresses, as in tcp-diff.py; ADDRESS left out: that of any host for bind, the peer's for connect. */
const ADDRESSES: { readonly [name: string]: string } = {
  any: '0.0.0.0',
  host: '10.1.0.2',
  peer: '10.1.0.1',
  lo: '127.0.0.1',
  lo2: '127.0.0.2',
  bcast: '10.1.0.255',
  limited: '255.255.255.255',
  group: '224.0.0.251',
  far: '192.0.2.1',
};
const FLAGS: { readonly [name: string]: number } = {
  OOB: MSG_OOB,
  PEEK: MSG_PEEK,
  TRUNC: MSG_TRUNC,
  DONTWAIT: MSG_DONTWAIT,
  WAITALL: MSG_WAITALL,
  MORE: MSG_MORE,
  FASTOPEN: MSG_FASTOPEN,
  ERRQUEUE: MSG_ERRQUEUE,
};
/** Fields of struct tcp_info that are compared, by tcp-diff.py's names. */
const INFO =
  'state ca_state retransmits probes backoff options wscale limited rto ato snd_mss rcv_mss unacked sacked lost retrans last_data_sent last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans bytes_acked bytes_received segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out delivered delivered_ce bytes_sent bytes_retrans dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash total_rto total_rto_recoveries received_ce delivered_e1_bytes delivered_e0_bytes delivered_ce_bytes received_e1_bytes received_e0_bytes received_ce_bytes accecn_fail_mode accecn_opt_seen fastopen_client_fail'.split(
    ' ',
  );
const INFO_NAMES: { readonly [name: string]: string } = {
  limited: 'tcpi_delivery_rate_app_limited',
};

export function parseScript(text: string): Step[] {
  let now = 0;
  const steps: Step[] = [];
  for (const line of text.split('\n').map(each => each.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^(?:\+(\d+) )?(.*)$/.exec(line) as RegExpExecArray;
    const rest = match[2] as string;
    if (rest.startsWith('sysctl ')) {
      steps.push([0, ...rest.split(' ')]);
      continue;
    }
    now += Number(match[1] ?? 20);
    steps.push(rest.startsWith('< ') ? [now, '<', rest.slice(2)] : [now, ...rest.split(' ')]);
  }
  return steps;
}

/** What Linux does with each of the scripts; all are played at the same time. */
export function playLinux(scripts: readonly Step[][], ...options: string[]): Entry[][] {
  const { stdout, stderr, status } = spawnSync(findTool('python3') ?? 'python3', [RUNNER, ...options], {
    input: JSON.stringify(scripts),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Entry[][];
}

const address = (name: string): number => in_aton(ADDRESSES[name] as string);

const POLLED = POLLIN | POLLPRI | POLLOUT | POLLRDHUP;

/** The calls of a script, on our host; `fds` are its names for descriptors. */
export class OurRunner {
  private readonly fds = new Map<string, number>();
  /** What epoll instances watch: descriptors' names, also of those that have been closed since. */
  private readonly watched = new Map<number, string>();
  private readonly opt = new sockopt();
  private readonly entry = new pollfd(0, POLLED);

  /** One call's words, to what is logged as its result. */
  *call(sys: Syscalls, words: readonly string[]): Generator<undefined, string, undefined> {
    const [name, first = '', second = '', ...more] = words;
    const fd = this.fds.get(first) ?? -1;
    const { opt, entry } = this;
    const shown = (result: number, text = String(result)): string => (result < 0 ? `-${errno_name(-result)}` : text);
    const done = (result: number): string => shown(result, 'ok');
    const flags = !['write', 'read'].includes(name as string)
      ? 0
      : more.reduce((sum, flag) => sum | (FLAGS[flag] as number), 0);
    switch (name) {
      case 'usocket':
        this.fds.set(first, yield* sys.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
        return 'ok';
      case 'socket':
      case 'bsocket':
        this.fds.set(first, yield* sys.socket(AF_INET, SOCK_STREAM | (name === 'socket' ? SOCK_NONBLOCK : 0), 0));
        return 'ok';
      case 'bind':
        return done(yield* sys.bind(fd, new sockaddr_in(address(more[0] ?? 'any'), Number(second))));
      case 'listen':
        return done(yield* sys.listen(fd, Number(second)));
      case 'accept':
      case 'baccept': {
        const child = yield* sys.accept4(fd, null, name === 'accept' ? SOCK_NONBLOCK : 0);
        if (child >= 0) this.fds.set(second, child);
        return done(child);
      }
      case 'connect':
        return done(yield* sys.connect(fd, new sockaddr_in(address(more[0] ?? 'peer'), Number(second))));
      case 'disconnect':
        return done(yield* sys.connect(fd, new sockaddr(AF_UNSPEC)));
      case 'write': {
        const length = Number(second);
        const at = sys.mmap(Math.max(length, 1));
        const result = yield* sys.send(fd, at, length, flags | MSG_NOSIGNAL);
        sys.munmap(at);
        return shown(result);
      }
      case 'sendto': {
        const length = Number(more[0]);
        const given = more.slice(1).reduce((sum, flag) => sum | (FLAGS[flag] as number), 0);
        const at = sys.mmap(Math.max(length, 1));
        const peer = new sockaddr_in(A, Number(second));
        const result = yield* sys.sendto(fd, at, length, given | MSG_NOSIGNAL, peer);
        sys.munmap(at);
        return shown(result);
      }
      case 'read': {
        const length = Number(second);
        const at = sys.mmap(Math.max(length, 1));
        const result = yield* sys.recv(fd, at, length, flags);
        const { u8 } = sys.kernel.ram;
        const ends = `${u8[at]} ${u8[at + Math.max(0, result - 1)]}`;
        sys.munmap(at);
        return shown(result, result > 0 && (flags & MSG_TRUNC) === 0 ? `${result} ${ends}` : String(result));
      }
      case 'name':
      case 'peername': {
        const addr = new sockaddr_in();
        const result = name === 'name' ? yield* sys.getsockname(fd, addr) : yield* sys.getpeername(fd, addr);
        return shown(
          result,
          `${inet_ntoa(addr.sin_addr)} ${addr.sin_port >= 32768 ? 'ephemeral' : String(addr.sin_port)}`,
        );
      }
      case 'close':
        this.fds.delete(first);
        return done(yield* sys.close(fd));
      case 'shutdown':
        return done(yield* sys.shutdown(fd, ['RD', 'WR', 'RDWR'].indexOf(second)));
      case 'set': {
        const [level, option] = OPTIONS[second] as readonly [number, number];
        opt.value = Number(more[0]);
        opt.sec = Math.floor(opt.value / 1000);
        opt.usec = (opt.value % 1000) * 1000;
        return done(yield* sys.setsockopt(fd, level, option, opt));
      }
      case 'get': {
        const [level, option] = OPTIONS[second] as readonly [number, number];
        const result = yield* sys.getsockopt(fd, level, option, opt);
        return shown(result, String(opt.value));
      }
      case 'linger':
        opt.value = Number(second);
        opt.sec = Number(more[0]);
        return done(yield* sys.setsockopt(fd, 1, 13, opt));
      case 'poll':
      case 'pollfor':
        if (fd < 0) return '-EBADF';
        entry.fd = fd;
        entry.events = name === 'poll' ? POLLED : Number(second);
        entry.revents = 0;
        yield* sys.poll([entry], 1, name === 'poll' ? 0 : Number(more[0]));
        return String(entry.revents);
      case 'epoll':
        this.fds.set(first, yield* sys.epoll_create1(0));
        return 'ok';
      case 'epadd':
      case 'epmod':
      case 'epdel': {
        const target = this.fds.get(second) ?? -1;
        this.watched.set(target, second);
        const operation = { epadd: EPOLL_CTL_ADD, epmod: EPOLL_CTL_MOD, epdel: EPOLL_CTL_DEL }[name];
        return done(yield* sys.epoll_ctl(fd, operation, target, new epoll_event(Number(more[0]) | 0, target)));
      }
      case 'epwait': {
        const most = Number(second || 10);
        const events = Array.from({ length: most }, () => new epoll_event());
        const n = yield* sys.epoll_wait(fd, events, most, Number(more[0] ?? 0));
        const found = events.slice(0, Math.max(n, 0)).map(event => `${this.watched.get(event.data)}:${event.events}`);
        return shown(n, found.join(' ') || 'none');
      }
      case 'inq':
      case 'outq':
      case 'outqnsd':
      case 'atmark': {
        const command = { inq: 0x541b, outq: 0x5411, outqnsd: 0x894b, atmark: 0x8905 }[name];
        const result = yield* sys.ioctl(fd, command, opt);
        return shown(result, String(opt.value));
      }
      case 'mem': {
        const result = yield* sys.getsockopt(fd, 1, 55, opt);
        const [rmem, rcvbuf, , sndbuf, , wmem] = opt.list as number[];
        return shown(result, `${rmem} of ${rcvbuf}, ${wmem} of ${sndbuf}`);
      }
      case 'info': {
        opt.value = 256;
        opt.optlen = -1;
        const result = yield* sys.getsockopt(fd, 6, 11, opt);
        if (result < 0) return shown(result);
        const info = tcp_info_parse(opt.bytes as Uint8Array) as unknown as Record<string, number>;
        return INFO.map(field => `${field}=${info[INFO_NAMES[field] ?? `tcpi_${field}`]}`).join(' ');
      }
      default:
        throw new Error(`no step "${name}"`);
    }
  }
}

/** The script's settings, on our host. */
export function applySysctls(peer: TcpPeer, script: readonly Step[]): void {
  for (const [, name, option, ...value] of script) {
    if (name !== 'sysctl' || option === undefined) continue;
    const given = value.map(word => (Number.isNaN(Number(word)) ? word : Number(word)));
    const bag = (option.includes('/') ? peer.net.core : peer.net.ipv4) as unknown as Record<string, unknown>;
    const key = option.split('/').at(-1) as string;
    if (key in bag && !(bag[key] instanceof Set)) bag[key] = given.length === 1 ? given[0] : given;
    else if (peer.kernel.sysctl.write(`net.ipv4.${option}`, value.join(' ')) !== 0)
      throw new Error(`no sysctl ${option}`);
  }
}

/** A segment as it is logged: its flow where it is another than the usual one, its DS field and ECN where there are any. */
export function shownSegment(segment: SentSegment): string {
  const flow =
    segment.destinationPort === 40000 && segment.sourcePort === 8080
      ? ''
      : `${segment.sourcePort}>${segment.destinationPort} `;
  const text =
    segment.tos === 0 ? segment.text : segment.text.replace(/( <.*)?$/, options => ` tos ${segment.tos}${options}`);
  return flow + text;
}

/** What our stack does with a script. */
export function playOurs(script: readonly Step[]): Entry[] {
  const peer = new TcpPeer();
  const runner = new OurRunner();
  const log: Entry[] = [];
  const outside = ['<', 'flow', 'icmp'];
  applySysctls(peer, script);
  const begin = peer.kernel.clock.now;
  const now = (): number => (peer.kernel.clock.now - begin) / 1e6;
  peer.program(function* (sys) {
    for (const [ms, ...words] of script) {
      if (outside.includes(words[0] as string) || words[0] === 'sysctl' || words[0] === 'end') continue;
      const delay = ms - now();
      if (delay > 0) yield* sys.nanosleep(delay * 1e6);
      const result = yield* runner.call(sys, words);
      log.push([now(), 'call', `${words.join(' ')} = ${result}`]);
    }
    // Not over yet: what is open stays open.
    for (;;) yield* sys.nanosleep(1e12);
  });
  const shift = peer.now;
  const collect = (): void => {
    for (const segment of peer.segments()) log.push([segment.time - shift, 'segment', shownSegment(segment)]);
  };
  for (const [ms, name, ...words] of script) {
    peer.wait(Math.max(0, (ms - now()) / 1000));
    // The peer learns ISNs and timestamps of what has been sent.
    collect();
    if (name === 'flow') peer.flow = { ...peer.flow, peerPort: Number(words[0]), hostPort: Number(words[1]) };
    else if (name === 'icmp') peer.icmp(...(words.map(Number) as [number, number, number, number]));
    else if (name === '<') {
      const [, text, tos] = /^(.*?)(?: tos (\d+))?$/.exec(words[0] as string) as RegExpExecArray;
      peer.inject(text as string, { tos: Number(tos ?? 0) });
    }
    collect();
  }
  peer.wait(0);
  collect();
  return log.sort((a, b) => a[0] - b[0]);
}

/** ms by which times may differ, and the part of the time since the script began: real clocks, and wheels of 4 ms. */
const SLACK_MS = 45;
const SLACK_PART = 0.02;
/** Fields that hold times, and how much they may differ: their slack, or null where anything goes. */
const LOOSE: { readonly [name: string]: number | null } = {
  rto: 45_000,
  ato: null,
  rtt: 30_000,
  rttvar: 30_000,
  min_rtt: 30_000,
  rcv_rtt: 60_000,
  last_data_sent: null,
  last_data_recv: null,
  last_ack_recv: null,
};

/** The parts that must be equal, and the numbers that must be near. */
export function looseParts(text: string): { exact: string; near: [value: number, slack: number][] } {
  const near: [number, number][] = [];
  let exact = text.replace(/TS val (\d+)/, (_, value: string) => {
    near.push([Number(value), SLACK_MS + Number(value) * SLACK_PART]);
    return 'TS val ~';
  });
  exact = exact.replace(/\b(\w+)=(\d+)/g, (whole, name: string, value: string) => {
    const slack = LOOSE[name];
    if (slack === undefined) return whole;
    if (slack !== null) near.push([Number(value), slack]);
    return `${name}=~`;
  });
  return { exact, near };
}

/** Lines that say what differs; none when nothing does. Calls and segments are two lists: their order is in the times. */
export function compare(linux: readonly Entry[], ours: readonly Entry[]): string[] {
  const differences: string[] = [];
  for (const kind of ['call', 'segment', 'error']) {
    const [a, b] = [linux, ours].map(log => log.filter(entry => entry[1] === kind)) as [Entry[], Entry[]];
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      const [theirs, own] = [a[i], b[i]];
      if (theirs === undefined || own === undefined) {
        const [ms, , text] = (theirs ?? own) as Entry;
        differences.push(`${theirs === undefined ? 'only ours' : 'only Linux'}: ${Math.round(ms)} ms ${text}`);
        continue;
      }
      const [x, y] = [looseParts(theirs[2]), looseParts(own[2])];
      const late = Math.abs(theirs[0] - own[0]) > SLACK_MS + theirs[0] * SLACK_PART;
      const far = x.near.some(([value, slack], n) => Math.abs(value - (y.near[n]?.[0] ?? 0)) > slack);
      if (x.exact === y.exact && !late && !far) continue;
      if (theirs[2].includes('state=') && x.exact !== y.exact && !late) {
        const fields = y.exact.split(' ');
        const changed = x.exact
          .split(' ')
          .flatMap((field, n) => (field === fields[n] ? [] : [`${field}|${fields[n]}`]));
        differences.push(`${Math.round(theirs[0])} ms ${changed.join(' ')} (Linux | ours)`);
      } else
        differences.push(`Linux ${Math.round(theirs[0])} ms ${theirs[2]}`, `ours  ${Math.round(own[0])} ms ${own[2]}`);
    }
  }
  return differences;
}
