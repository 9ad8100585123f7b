/**
 * One script of segments and socket calls, played to Linux's TCP (tcp-recovery.py, in a namespace of its own) and to ours,
 * and what differs between the two: segments with their windows and options, struct tcp_info, and times.
 *
 * A script's steps: `+ms what`, the time since the step before:
 *
 *     < SEGMENT        arrives at the host, in tcp_peer.ts's notation; `< ce SEGMENT` with a mark of congestion
 *     w BYTES, r BYTES write, read without blocking
 *     i                compares tcp_info
 *     n                compares counters of SACK and the memory of the write queue
 *     c                close
 *     rs END           the connection into a new socket, by TCP_REPAIR, which END takes off
 *     sf SIZE OFFSET COUNT   sendfile from a file of SIZE bytes
 *     pw BYTES, pr BYTES     write to a pipe, read from it
 *     po BYTES FLAGS   splice from the pipe to the socket; pi BYTES FLAGS: the other way
 *     k KEY            another key for the peer, none: no key
 *     icmp TYPE CODE INFO SEQ
 *     m BYTES FLAGS ROOM   recvmsg with that much room for control messages (0: none), and what came
 *     opt LEVEL NAME VALUE
 *     -                nothing: time passes
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { encodeControl } from '../../harness/drill/control.ts';
import { tcp_get_info, type tcp_info, tcp_info_bytes, tcp_info_parse } from '../../kernel/net/ipv4/tcp_sockopt.ts';
import { TcpFlow } from '../kernel/net/ipv4/tcp_flow.ts';

export interface Script {
  readonly name: string;
  readonly steps: readonly string[];
  readonly cc?: 'reno' | 'cubic';
  /** Options of the peer's SYN, its window after it, ms between SYN/ACK and ACK. */
  readonly options?: string;
  readonly win?: number;
  readonly rtt?: number;
  readonly ecn?: boolean;
  /** The listener's key for the peer (TCP_MD5SIG): the handshake is signed with it, and what has the option `md5`. */
  readonly md5?: string;
  readonly rcvbuf?: number;
  readonly sysctl?: Record<string, number | number[]>;
}

export interface Told {
  readonly step: number;
  readonly time: number;
  readonly text: string;
}

const SYSCTL = { tcp_rmem: [4096, 131072, 15728640], tcp_wmem: [4096, 262144, 4194304], tcp_no_metrics_save: 1 };

function whole(script: Script): Required<Script> {
  return {
    cc: 'cubic',
    options: 'mss 1000,sackOK,nop,nop,nop,wscale 7',
    win: 257,
    rtt: 0,
    ecn: false,
    md5: '',
    rcvbuf: 0,
    ...script,
    sysctl: { ...SYSCTL, ...script.sysctl },
  };
}

export function playLinux(script: Script): Promise<Told[]> {
  const program = fileURLToPath(new URL('tcp-recovery.py', import.meta.url));
  const child = spawn('unshare', ['-n', 'python3', program], { stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  child.stdin.end(JSON.stringify(whole(script)));
  return new Promise((resolve, reject) => {
    child.on('close', status => {
      if (status === 0) resolve(JSON.parse(out) as Told[]);
      else reject(new Error(`tcp-recovery.py: ${err}`));
    });
  });
}

const COUNTERS = [
  'TCPSackShifted',
  'TCPSackMerged',
  'TCPSackShiftFallback',
  'TCPSACKReorder',
  'TCPSACKDiscard',
  'TCPDSACKRecv',
  'TCPDSACKOfoRecv',
  'TCPDSACKIgnoredOld',
  'TCPDSACKIgnoredNoUndo',
  'TCPSACKReneging',
  'TCPLostRetransmit',
  'TCPOrigDataSent',
  'TCPDelivered',
  'TCPMD5NotFound',
  'TCPMD5Unexpected',
  'TCPMD5Failure',
] as const;

function counters(f: TcpFlow): string {
  const { mib } = f.net.ipv4;
  const known = COUNTERS.map(name => `${name} ${mib[`TcpExt${name}`]}`);
  return `${known.join(' ')} wmem_queued ${f.sk.sk_wmem_queued}`;
}

/** What recvmsg gave, with stamps as the steps whose segments they are of. */
function received(f: TcpFlow, length: number, flags: number, room: boolean, arrivals: [number, number][]): string {
  const hdr = f.recvmsg(length, flags, room);
  if (typeof hdr === 'number') return `recvmsg ${hdr}`;
  let text = `recvmsg ${hdr.length} flags ${hdr.flags}`;
  for (const { level, type, data } of hdr.control === null ? [] : encodeControl(hdr.control)) {
    if (level !== 1) {
      text += ` level ${level} ${type}: ${Buffer.from(data).toString('hex')}`;
      continue;
    }
    const view = new DataView(data.buffer, data.byteOffset);
    const numbers = Array.from({ length: data.length / 8 }, (_, i) => Number(view.getBigInt64(i * 8, true)));
    const ns = (numbers[0] as number) * 1e9 + (numbers[1] as number) * (type === 29 || type === 63 ? 1000 : 1);
    const step = Math.max(-1, ...arrivals.filter(([, time]) => time <= ns + 1e5).map(([at]) => at));
    const others = numbers.slice(2).filter(n => n !== 0).length;
    text += ` ${type}: step ${step}, ${data.length} bytes, ${others} others`;
  }
  return text;
}

export function playOurs(given: Script): Told[] {
  const script = whole(given);
  const f = new TcpFlow({
    options: script.options,
    win: script.win,
    rtt: script.rtt / 1000,
    ecn: script.ecn,
    ...(script.md5 === '' ? {} : { md5: script.md5 }),
    gso: true,
    sysctl: { ...script.sysctl, tcp_congestion_control: script.cc } as Record<string, number | string>,
    rmemMax: Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8')),
  });
  const out: Told[] = [];
  const start = f.now;
  const arrivals: [step: number, time: number][] = [];
  let at = start;
  let open = true;
  const collect = (step: number): void => {
    for (const s of f.segments()) {
      const ecn = (s.tos & 3) === 0 ? '' : ` ecn ${s.tos & 3}`;
      const cut = s.text.indexOf(' <');
      const text = cut < 0 ? s.text + ecn : s.text.slice(0, cut) + ecn + s.text.slice(cut);
      out.push({ step, time: s.time - start, text });
    }
  };
  const say = (step: number, text: string): void => {
    out.push({ step, time: f.now - start, text });
  };
  script.steps.forEach((line, step) => {
    const match = /^\+([\d.]+) (\S+) ?(.*)$/.exec(line);
    if (match === null) throw new Error(`"${line}" is no step`);
    at += Number(match[1]);
    if (at > f.now) f.wait((at - f.now) / 1000);
    collect(step - 1);
    const rest = match[3] as string;
    switch (match[2]) {
      case '<':
        arrivals.push([step, f.kernel.clock.now]);
        if (rest.startsWith('ce ')) f.inject(rest.slice(3), { tos: 3 });
        else f.inject(rest);
        break;
      case 'w': {
        let left = Number(rest);
        let done = 0;
        for (; left > 0; ) {
          const n = f.write(Math.min(left, 100_000));
          if (n <= 0) {
            if (done === 0) done = n;
            break;
          }
          done += n;
          left -= n;
        }
        say(step, `write ${done}`);
        break;
      }
      case 'r':
        say(step, `read ${f.read(Number(rest))}`);
        break;
      case 'i':
        say(step, `info ${Buffer.from(tcp_info_bytes(tcp_get_info(f.sk))).toString('hex')}`);
        break;
      case 'm': {
        const [length, flags, room] = rest.split(' ').map(Number) as [number, number, number];
        say(step, received(f, length, flags, room > 0, arrivals));
        break;
      }
      case 'rs':
        say(step, f.restored(Number(rest)));
        break;
      case 'sf':
      case 'pw':
      case 'pr':
      case 'po':
      case 'pi':
        say(step, `${match[2]} ${f.moved(match[2], rest.split(' ').map(Number))}`);
        break;
      case 'c':
        open = false;
        f.close();
        break;
      case 'k':
        say(step, `key ${f.setMd5(f.fd, rest)}`);
        break;
      case 'n':
        say(step, counters(f));
        break;
      case 'icmp': {
        const [type, code, info, seq] = rest.split(' ').map(Number) as [number, number, number, number];
        f.icmp(type, code, info, seq);
        break;
      }
      case 'opt': {
        const [level, name, value] = rest.split(' ').map(Number) as [number, number, number];
        f.set(level, name, value);
        break;
      }
      case '-':
        break;
      default:
        throw new Error(`"${line}" is no step`);
    }
    collect(step);
  });
  if (open) f.close();
  return out;
}

/** Fields that must be equal, and those in µs or ms that may differ as times do. */
const EXACT = (
  'state ca_state retransmits probes backoff options wscale snd_mss rcv_mss unacked sacked lost retrans pmtu ' +
  'rcv_ssthresh snd_ssthresh snd_cwnd advmss reordering rcv_space total_retrans bytes_acked bytes_received segs_out ' +
  'segs_in notsent_bytes data_segs_in data_segs_out delivered delivered_ce bytes_sent bytes_retrans dsack_dups ' +
  'reord_seen rcv_ooopack snd_wnd rcv_wnd total_rto total_rto_recoveries received_ce ' +
  'received_e0_bytes received_e1_bytes received_ce_bytes delivered_e0_bytes delivered_e1_bytes delivered_ce_bytes rehash'
).split(' ');
const TIMES: readonly (readonly [name: string, per_ms: number])[] = [
  ['rto', 1000],
  ['ato', 1000],
  ['rtt', 1000],
  ['rttvar', 1000],
  ['min_rtt', 1000],
];

export interface Tolerance {
  readonly ms: number;
}

/** Timestamps run on: only those that came from the peer are compared. */
const plain = (text: string): string => text.replace(/TS val \d+/, 'TS val -');

/** What differs, a line for each; segments of a step are compared in order. */
export function differences(linux: readonly Told[], ours: readonly Told[], tolerance: Tolerance): string[] {
  const lines: string[] = [];
  const steps = Math.max(-1, ...linux.map(t => t.step), ...ours.map(t => t.step));
  for (let step = 0; step <= steps; step++) {
    const theirs = linux.filter(t => t.step === step);
    const own = ours.filter(t => t.step === step);
    for (let i = 0; i < Math.max(theirs.length, own.length); i++) {
      const a = theirs[i];
      const b = own[i];
      if (a === undefined || b === undefined) {
        lines.push(`${step}: Linux ${shown(a)} | ours ${shown(b)}`);
      } else if (a.text.startsWith('info ') && b.text.startsWith('info ')) {
        const wrong = info_differences(parsed(a.text), parsed(b.text), tolerance);
        if (wrong.length > 0) lines.push(`${step}: tcp_info ${wrong.join(', ')}`);
      } else if (plain(a.text) !== plain(b.text) || Math.abs(a.time - b.time) > tolerance.ms + b.time * 0.02) {
        lines.push(`${step}: Linux ${shown(a)} | ours ${shown(b)}`);
      }
    }
  }
  return lines;
}

const parsed = (text: string): tcp_info => tcp_info_parse(Uint8Array.from(Buffer.from(text.slice(5), 'hex')));

function info_differences(linux: tcp_info, ours: tcp_info, tolerance: Tolerance): string[] {
  const field = (info: tcp_info, name: string): number => info[`tcpi_${name}` as keyof tcp_info];
  const wrong: string[] = [];
  for (const name of EXACT) {
    const [a, b] = [field(linux, name), field(ours, name)];
    if (a !== b) wrong.push(`${name} ${a} | ${b}`);
  }
  for (const [name, per_ms] of TIMES) {
    const [a, b] = [field(linux, name), field(ours, name)];
    if (Math.abs(a - b) > tolerance.ms * per_ms + b * 0.03) wrong.push(`${name} ${a} | ${b}`);
  }
  return wrong;
}

function shown(told: Told | undefined): string {
  if (told === undefined) return 'nothing';
  return `@${told.time.toFixed(1)} ${told.text.startsWith('info') ? 'info' : told.text}`;
}

/** ms that a script takes. */
export function duration(script: Script): number {
  return script.steps.reduce((sum, step) => sum + Number(/^\+([\d.]+)/.exec(step)?.[1]), script.rtt ?? 0);
}

/** Timers of Linux's wheel are late by up to an eighth of what they wait, and this machine may be busy. */
const TOLERANCE: Tolerance = { ms: 45 };
const AT_ONCE = 3;
/** A script whose timers were late on Linux's side is played again. */
const TRIES = 4;
const TRIES_ALONE = 12;

/** Each of them with Reno and with CUBIC. */
export function withBoth(scripts: readonly Script[]): Script[] {
  return scripts.flatMap(script =>
    (['reno', 'cubic'] as const).map(cc => ({ ...script, cc, name: `${script.name}, ${cc}` })),
  );
}

/** Plays scripts to both; what differs. */
export async function against(scripts: readonly Script[]): Promise<string[]> {
  const queue = [...scripts];
  const wrong: string[] = [];
  const doubtful: Script[] = [];
  const player = async (): Promise<void> => {
    for (let script = queue.shift(); script !== undefined; script = queue.shift()) {
      const ours = playOurs(script);
      let lines: string[] = [];
      for (let i = 0; i < TRIES; i++) {
        lines = differences(await playLinux(script), ours, TOLERANCE);
        if (lines.length === 0) break;
      }
      if (lines.length > 0) doubtful.push(script);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, player));
  // A machine with other work is late at times: what differs must differ alone, again and again.
  for (const script of doubtful) {
    const ours = playOurs(script);
    let lines: string[] = [];
    for (let i = 0; i < TRIES_ALONE; i++) {
      lines = differences(await playLinux(script), ours, TOLERANCE);
      if (lines.length === 0) break;
    }
    wrong.push(...lines.map(line => `${script.name}: ${line}`));
  }
  return wrong;
}
