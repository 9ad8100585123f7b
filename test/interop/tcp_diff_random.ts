/**
 * Random scripts for tcp_diff_turn.ts: a connection of our host with a peer that mostly does as it should. A script is made
 * while our host plays it, so that the peer knows what there is to acknowledge, and steps keep away from timers.
 */
import { Random } from '../../harness/sim/random.ts';
import type { SentSegment } from '../kernel/net/ipv4/tcp_peer.ts';
import type { Step } from './tcp_diff.ts';
import { OurTurn } from './tcp_diff_turn.ts';

const u32 = (n: number): number => n >>> 0;
const after = (a: number, b: number): boolean => ((a - b) | 0) > 0;

/** Half of TCP_ATO_MIN, and that, ms. */
const NEAR_ATO = [20, 40];

/** What a script is made with: chance, and the host that plays it meanwhile. */
export class Writer {
  readonly chance: Random;
  readonly script: Step[] = [];
  readonly turn: OurTurn;
  private readonly pace: number;
  private now = 0;
  /** When data came last. */
  private data = -1000;

  /** `pace`: ms that every gap is longer than usual. */
  constructor(
    seed: number,
    name: string,
    pace: number,
    sysctls: (pick: Writer['pick'], one: Writer['one']) => string[][],
  ) {
    this.pace = pace;
    this.chance = new Random(seed, name);
    for (const words of sysctls(this.pick, this.one)) this.script.push([0, 'sysctl', ...words]);
    this.turn = new OurTurn(this.script);
  }

  readonly pick = <T>(from: readonly T[]): T => from[this.chance.below(from.length)] as T;

  /** Once in `n` times. */
  readonly one = (n: number): boolean => this.chance.below(n) === 0;

  /** A step, `gap` ms after the last one at the earliest. */
  step(gap: number, ...words: string[]): string {
    this.turn.clear(this.now + gap + this.pace);
    // What is sent 20 or 40 ms after data came, or comes then, makes delayed ACKs of another kind: jiffies decide.
    while (NEAR_ATO.some(ms => Math.abs(this.turn.now - this.data - ms) < 6)) this.turn.clear(this.turn.now + 6);
    this.now = this.turn.now;
    if (words[0] === '<' && !(words[1] as string).includes('(0)')) this.data = this.now;
    this.script.push([this.now, ...words]);
    this.turn.step(this.script.length - 1, words);
    return this.turn.result;
  }

  call(text: string, gap = this.pick([1, 1, 2, 5])): string {
    return this.step(gap, ...text.split(' '));
  }

  segment(text: string, gap = this.pick([1, 2, 3, 5, 5, 10, 10, 25, 60])): void {
    this.step(gap, '<', text);
  }
}

/** The peer's end of the connection, as far as the peer knows. */
class Peer {
  /** What it has sent, and the host has acknowledged. */
  nxt: number;
  acked: number;
  /** What it has acknowledged, and the host has sent. */
  una = 1;
  sent = 1;
  /** The host's window and its edge. */
  window = 0;
  /** Edges of the host's segments. */
  edges: number[] = [1];
  private scale = 0;
  private seen: number;

  constructor(nxt = 1, seen = 0) {
    this.nxt = nxt;
    this.acked = nxt;
    this.seen = seen;
  }

  /** The host's segments since the last look. */
  look(segments: readonly SentSegment[], scaled: boolean): void {
    for (; this.seen < segments.length; this.seen++) {
      const { text, flags, window } = segments[this.seen] as SentSegment;
      const [, seq, end] = /^\S+ (\d+):(\d+)/.exec(text) as unknown as [string, string, string];
      if ((flags & 4) !== 0) continue;
      const scale = /wscale (\d+)/.exec(text);
      if (scale !== null) this.scale = Number(scale[1]);
      const ack = / ack (\d+)/.exec(text);
      if (ack !== null && after(Number(ack[1]), this.acked)) this.acked = Number(ack[1]);
      this.window = (flags & 2) !== 0 || !scaled ? window : window << this.scale;
      const last = u32(Number(end) + ((flags & 1) !== 0 ? 1 : 0));
      if ((flags & 2) !== 0) continue;
      for (const edge of [Number(seq), last]) if (!this.edges.includes(edge)) this.edges.push(edge);
      if (after(last, this.sent)) this.sent = last;
    }
  }
}

const SOCKOPTS: readonly (readonly [name: string, values: readonly number[]])[] = [
  ['TCP_NODELAY', [0, 1]],
  ['TCP_CORK', [0, 1]],
  ['TCP_QUICKACK', [0, 1, 2]],
  ['TCP_MAXSEG', [0, 87, 88, 536, 700, 1460, 40000]],
  ['SO_RCVLOWAT', [0, 1, 2, 300, 2000, 100000]],
  ['SO_KEEPALIVE', [0, 1]],
  ['TCP_KEEPIDLE', [1, 10]],
  ['TCP_KEEPINTVL', [1]],
  ['TCP_KEEPCNT', [1, 3]],
  ['TCP_USER_TIMEOUT', [0, 300, 1000, 100000]],
  ['TCP_NOTSENT_LOWAT', [0, 1, 2000, 20000]],
  ['SO_RCVBUF', [0, 2304, 5000, 20000, 100000]],
  ['SO_SNDBUF', [0, 4608, 10000, 100000]],
  ['SO_OOBINLINE', [0, 1]],
  ['TCP_WINDOW_CLAMP', [0, 1, 1000, 3000, 30000]],
  ['TCP_LINGER2', [-1, 0, 1, 60]],
  ['TCP_THIN_LINEAR_TIMEOUTS', [0, 1]],
  ['IP_TOS', [0, 2, 16, 255]],
  ['IP_RECVERR', [0, 1]],
  ['TCP_INQ', [0, 1]],
  ['TCP_SYNCNT', [1, 2]],
  ['TCP_DEFER_ACCEPT', [0, 1]],
];
const GETTABLE = [...SOCKOPTS.map(([name]) => name), 'SO_ERROR', 'SO_ERROR', 'SO_ERROR', 'IP_MTU', 'SO_ACCEPTCONN'];

/** Features of both ends, and of one script. */
function settings(pick: Writer['pick'], one: Writer['one']): string[][] {
  // Of how many segments a packet is hangs on the round-trip time: on microseconds; what CUBIC does, on jiffies.
  const all = [
    ['tcp_min_tso_segs', '255'],
    ['tcp_congestion_control', 'reno'],
  ];
  if (one(5)) all.push(['tcp_sack', '0']);
  if (one(5)) all.push(['tcp_timestamps', pick(['0', '2'])]);
  if (one(5)) all.push(['tcp_window_scaling', '0']);
  if (one(4)) all.push(['tcp_ecn', pick(['0', '1'])]);
  if (one(8)) all.push(['tcp_dsack', '0']);
  if (one(8)) all.push(['tcp_early_retrans', '0']);
  if (one(8)) all.push(['tcp_recovery', pick(['0', '2', '5'])]);
  if (one(8)) all.push(['tcp_frto', '0']);
  if (one(8)) all.push(['tcp_abort_on_overflow', '1']);
  if (one(8)) all.push(['tcp_rfc1337', '1']);
  if (one(8)) all.push(['tcp_syncookies', '0']);
  // Cookies put options where a timestamp says what time it is.
  else if (one(10)) all.push(['tcp_syncookies', '2'], ['tcp_timestamps', '0']);
  if (one(8)) all.push(['tcp_stdurg', '1']);
  if (one(8)) all.push(['tcp_slow_start_after_idle', '0']);
  if (one(8)) all.push(['tcp_autocorking', '0']);
  if (one(8)) all.push(['tcp_moderate_rcvbuf', '0']);
  if (one(10)) all.push(['tcp_adv_win_scale', pick(['-2', '1', '2'])]);
  if (one(10)) all.push(['tcp_shrink_window', '1']);
  if (one(10)) all.push(['tcp_reordering', pick(['1', '10'])]);
  if (one(10)) all.push(['tcp_retrans_collapse', '0']);
  if (one(10)) all.push(['tcp_limit_output_bytes', '4096']);
  if (one(10)) all.push(['tcp_mtu_probing', pick(['1', '2'])]);
  if (one(10)) all.push(['tcp_base_mss', '700']);
  return all;
}

/** One connection's life. */
class Life {
  private readonly w: Writer;
  private peer = new Peer();
  private listens = false;
  /** The receive buffer is: what is collapsed into packets of less than 192 bytes takes 64 bytes less than on Linux. */
  private tiny = false;
  private timestamps = false;
  private sack = false;
  private scaled = false;
  private scale = 0;
  private mss = 536;
  private fin = false;
  /** Ranges that have come out of order. */
  private readonly ahead: (readonly [seq: number, end: number])[] = [];

  constructor(seed: number, pace: number) {
    this.w = new Writer(seed, 'tcp', pace, settings);
  }

  write(steps: number): Step[] {
    const { w } = this;
    if (w.one(2)) this.passive();
    else this.active();
    const again = this.listens && w.one(4) ? w.chance.below(steps) : -1;
    for (let n = 0; n < steps; n++) {
      this.peer.look(w.turn.segments, this.scaled);
      if (n === again) this.reopen();
      if (w.chance.below(100) < 45) this.call();
      else if (w.one(25)) this.icmp();
      else if (w.one(12)) w.call('end', w.pick([100, 300, 500, 1300]));
      else this.segment();
    }
    w.call('info C');
    if (!this.tiny) w.call('mem C');
    w.call('read C 100000');
    w.call('poll C');
    w.call('end', 15);
    return w.script;
  }

  // Opening.

  private synOptions(reply: boolean): string {
    const { w } = this;
    const options: string[] = [];
    if (!w.one(8)) {
      this.mss = w.pick([48, 88, 536, 1000, 1000, 1000, 1460, 1460, 9000]);
      options.push(`mss ${this.mss}`);
    }
    const asked = reply ? ((w.turn.segments[0] as SentSegment | undefined)?.text ?? '') : 'sackOK TS wscale';
    const wants = (what: string, n: number): boolean => (asked.includes(what) ? !w.one(n) : w.one(20));
    this.sack = wants('sackOK', 4);
    if (this.sack) options.push('sackOK');
    this.timestamps = wants('TS', 2);
    if (this.timestamps) options.push(`TS val ${this.clock()} ecr ${reply ? 'last' : '0'}`);
    this.scaled = wants('wscale', 4);
    if (this.scaled) {
      this.scale = w.pick([0, 2, 7, 7, 7, 14, 15]);
      options.push('nop', `wscale ${this.scale}`);
    }
    return options.length === 0 ? '' : ` <${options.join(',')}>`;
  }

  /** The peer's timestamp clock. */
  private clock(): number {
    return 1000 + Math.round(this.w.turn.now);
  }

  private ts(): string {
    const { w } = this;
    if (!this.timestamps ? !w.one(40) : w.one(40)) return '';
    const val = w.one(15) ? u32(this.clock() + w.pick([-2000, -10, -1, 1000, 0x7fffffff, 0x80001000])) : this.clock();
    return `nop,nop,TS val ${val} ecr ${w.one(12) ? w.pick(['0', '1', '5', '100000']) : 'last'}`;
  }

  private before(name: string): void {
    const { w } = this;
    for (let n = w.pick([0, 0, 0, 1, 2]); n > 0; n--) this.set(name);
  }

  private passive(): void {
    const { w } = this;
    w.call('socket L');
    w.call('set L SO_REUSEADDR 1');
    this.before('L');
    w.call('bind L 8080');
    w.call(`listen L ${w.pick([0, 1, 5])}`);
    const flags = w.one(5) ? 'SEW' : 'S';
    const window = w.pick([0, 100, 1000, 5000, 32792, 65535]);
    w.segment(`${flags} 0:0(0) win ${window}${this.synOptions(false)}`);
    if (w.one(10)) this.odd(0, 1);
    if (w.one(10)) w.segment(`${flags} 0:0(0) win 32792 <mss 1000>`);
    const data = w.one(6) ? w.pick([1, 100, 1000]) : 0;
    this.fin = w.one(30);
    w.segment(this.text(this.fin ? 'F.' : data > 0 ? 'P.' : '.', 1, data, 1, this.window(), this.ts()));
    this.peer.nxt = 1 + data + (this.fin ? 1 : 0);
    w.call('accept L C');
    this.listens = !w.one(2);
    if (!this.listens) w.call('close L');
  }

  /** The same addresses and ports once more, as the host is in whatever state. */
  private reopen(): void {
    const { w, peer } = this;
    if (w.one(3)) w.segment(this.text('F.', peer.nxt, 0, peer.sent, this.window(), this.ts()));
    w.call('close C');
    if (w.one(3)) w.segment(this.text('F.', peer.nxt, 0, peer.sent + 1, this.window(), this.ts()));
    const isn = u32(peer.nxt + w.pick([-1, 0, 1, 1, 2, 1000, 1000000, -1000000]));
    const before = w.turn.segments.length;
    w.segment(`S ${isn}:${isn}(0) win 32792${this.synOptions(false)}`);
    const answer = w.turn.segments.slice(before).find(({ flags }) => (flags & 2) !== 0);
    if (answer === undefined) return;
    this.peer = new Peer(isn + 1, before);
    this.fin = false;
    this.ahead.length = 0;
    w.segment(this.text('.', isn + 1, 0, 1, this.window(), this.ts()));
    w.call('accept L C');
  }

  private active(): void {
    const { w } = this;
    w.call('socket C');
    this.before('C');
    w.call('bind C 8080');
    w.call('flow 80 8080', 1);
    w.call('connect C 80');
    if (w.one(12)) this.odd(0, 1);
    if (w.one(12)) w.segment(`S 0:0(0) win 5792${this.synOptions(true)}`);
    if (w.one(12)) this.call();
    const data = w.one(10) ? w.pick([1, 100]) : 0;
    const options = this.synOptions(true);
    w.segment(`${w.one(5) ? 'SE.' : 'S.'} 0:${data}(${data}) ack 1 win ${w.pick([0, 100, 5792, 65535])}${options}`);
    if (data > 0 && w.one(2)) w.segment(this.text('P.', 1, data, 1, this.window(), this.ts()));
    this.peer.look(w.turn.segments, false);
    this.peer.nxt = this.peer.acked;
  }

  // Calls.

  private set(name: string): void {
    const { w } = this;
    const [option, values] = w.pick(SOCKOPTS);
    const value = w.pick(values);
    w.call(`set ${name} ${option} ${value}`);
    if (option === 'SO_RCVBUF' && value <= 5000) this.tiny = true;
  }

  private call(): void {
    const { w } = this;
    const name = 'C';
    // Packets that are much longer are not filled up by ours as far as by Linux (tcp_grow_skb), which PSH shows.
    const size = (): number => w.pick([0, 1, 10, 100, 500, 1000, 1000, 3000, 10000, 20000]);
    const flags = (from: readonly string[]): string => (w.one(4) ? ` ${w.pick(from)}` : '');
    switch (w.chance.below(30)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
        w.call(`write ${name} ${size()}${flags(['OOB', 'MORE', 'MORE', 'DONTWAIT'])}`);
        break;
      case 8:
      case 9:
      case 10:
      case 11:
      case 12:
      case 13:
        w.call(`read ${name} ${size()}${flags(['OOB', 'PEEK', 'PEEK', 'TRUNC', 'WAITALL', 'OOB PEEK'])}`);
        break;
      case 14:
      case 15:
        this.set(name);
        break;
      case 16:
        w.call(`get ${name} ${w.pick(GETTABLE)}`);
        break;
      case 17:
      case 18:
        w.call(`poll ${name}`);
        break;
      case 19:
      case 20:
      case 21:
        w.call(`${w.pick(['inq', 'outq', 'outqnsd', 'atmark'])} ${name}`);
        break;
      case 22:
      case 23:
      case 24:
      case 25:
        w.call(`${w.pick(['info', 'info', this.tiny ? 'info' : 'mem'])} ${name}`);
        break;
      case 26:
        if (w.one(2)) w.call(`shutdown ${name} ${w.pick(['RD', 'WR', 'WR', 'RDWR'])}`);
        break;
      case 27:
        w.call(w.pick([`close ${name}`, `linger ${name} 1 0`, 'end', 'end', 'end']));
        break;
      case 28:
        if (w.one(6))
          w.call(w.pick([`disconnect ${name}`, `connect ${name} 80`, `listen ${name} 5`, `accept ${name} X`]));
        break;
      default:
        w.call(`write ${name} ${size()}`, 0);
        w.call(`write ${name} ${size()}`, 0);
    }
  }

  // What arrives.

  private window(): number {
    const { w } = this;
    if (w.one(8)) return w.pick([0, 0, 1, 10, 65535]);
    return Math.min(65535, w.pick([500, 2000, 5000, 32000, 60000]) >> (this.scaled ? Math.min(14, this.scale) : 0));
  }

  private text(
    flags: string,
    seq: number,
    length: number,
    ack: number | null,
    win: number,
    ...options: string[]
  ): string {
    const given = options.filter(option => option !== '');
    let text = `${flags} ${u32(seq)}:${u32(seq) + length}(${length})`;
    if (ack !== null) text += ` ack ${u32(ack)}`;
    text += ` win ${win}`;
    if (flags.includes('U')) text += ` urg ${this.w.pick([0, 1, 1, 2, 10, length, length + 1, 1000, 65535])}`;
    return given.length === 0 ? text : `${text} <${given.join(',')}>`;
  }

  private ackNumber(): number {
    const { w, peer } = this;
    switch (w.chance.below(14)) {
      case 0:
      case 1:
      case 2:
        return w.pick(peer.edges);
      case 3:
        return peer.una + w.chance.below(Math.max(1, (peer.sent - peer.una) | 0));
      case 4:
      case 5:
        return peer.una;
      case 6:
        return w.one(3) ? u32(w.pick([peer.una - 1, peer.sent + 1, peer.una - 70000, peer.sent + 100000])) : peer.sent;
      default:
        return peer.sent;
    }
  }

  private blocks(ack: number): string {
    const { w, peer } = this;
    if (!this.sack ? !w.one(60) : !w.one(3)) return '';
    const above = peer.edges.filter(edge => after(edge, ack)).sort((a, b) => (a - b) | 0);
    const blocks: string[] = [];
    for (let n = w.pick([1, 1, 1, 2, 3]); n > 0; n--) {
      if (w.one(8)) {
        // Old, beyond, empty, the wrong way round, half a segment.
        const from = u32(w.pick([peer.una - 1000, peer.sent, peer.una, ack + 1, ack + 500]));
        blocks.push(`${from}:${u32(from + w.pick([0, 1, 500, 1000, 100000, -1000]))}`);
      } else if (above.length > 1) {
        const at = w.chance.below(above.length - 1);
        const to = at + 1 + w.chance.below(above.length - 1 - at);
        blocks.push(`${above[at]}:${above[to]}`);
      }
    }
    return blocks.length === 0 ? '' : `nop,nop,sack ${blocks.slice(0, this.timestamps ? 3 : 4).join(' ')}`;
  }

  private segment(): void {
    const { w, peer } = this;
    if (w.one(20)) {
      this.odd(peer.acked, peer.sent);
      return;
    }
    const ack = this.ackNumber();
    const sack = this.blocks(ack);
    let length = w.one(2) ? 0 : w.pick([1, 10, 100, 536, 1000, 1000, 1400]);
    let seq = peer.nxt;
    let kind = 0;
    if (length > 0) {
      kind = w.chance.below(12);
      if (kind === 0) seq = peer.nxt + w.pick([1, 100, 1000, 3000, 10000]);
      else if (kind === 1) seq = peer.acked + w.chance.below(Math.max(1, (peer.nxt - peer.acked) | 0));
      else if (kind === 2) seq = peer.nxt - w.pick([1, 50, 1000, 2000]);
      else if (kind === 3) seq = peer.acked;
      else if (kind === 4 && w.one(3)) {
        seq = peer.acked + peer.window + w.pick([-1, 0, 1, -length, -length + 1, -500, 100000]);
        length = w.pick([length, 1, 3000]);
      }
    }
    let flags = length > 0 && w.one(2) ? 'P.' : '.';
    const fin = w.one(this.fin ? 6 : 40);
    // Data with an ACK as old as that is taken by Linux, and by ours not (RFC 5961 5.2).
    if (length > 0 && after(peer.una, ack) && (after(1, ack) || u32(peer.una - ack) > 500)) length = 0;
    // Small ones that repeat what waits out of order are put to what lies before them where Linux's tree leads there first.
    if (after(seq + length, peer.acked) && seq !== peer.acked) {
      const again = this.ahead.some(([from, to]) => after(to, seq) && !after(from, seq + length));
      if (again) length = 1400;
      if (again && fin) return;
      this.ahead.push([seq, seq + length + (fin ? 1 : 0)]);
    }
    if (fin) flags = `F${flags}`;
    if (length > 0 && w.one(25)) flags = `U${flags}`;
    if (w.one(25)) flags = `E${flags}`;
    if (w.one(40)) flags = `W${flags}`;
    const tos = w.one(20) ? ` tos ${w.pick([1, 2, 3])}` : '';
    w.segment(this.text(flags, seq, length, ack, this.window(), this.ts(), sack) + tos);
    const end = u32(seq + length + (fin ? 1 : 0));
    if (fin) this.fin = true;
    else if (!this.fin && after(end, peer.nxt) && end - peer.acked < 200000) peer.nxt = end;
    if (after(ack, peer.una) && !after(ack, peer.sent)) peer.una = ack;
  }

  /** What no peer sends that is right. */
  private odd(seq: number, ack: number): void {
    const { w, peer } = this;
    const off = w.pick([0, 0, 0, 1, -1, 100, peer.window - 1, peer.window, peer.window + 1, 100000000]);
    const flags = w.pick(['R', 'R', 'R.', 'R.', 'S', 'S.', 'SF', '-', 'P', 'F', 'SR', 'RF', 'FPU.', 'SP.', 'UP']);
    const length = w.one(3) ? w.pick([1, 100, 1000]) : 0;
    const given = flags.includes('.') ? ack + w.pick([0, 0, 0, 1, -1, 1000, -100000]) : null;
    w.segment(this.text(flags, seq + off, length, given, this.window(), this.ts()));
  }

  private icmp(): void {
    const { w, peer } = this;
    const [type, code] = w.pick([
      [3, 0],
      [3, 1],
      [3, 2],
      [3, 3],
      [3, 4],
      [3, 4],
      [3, 13],
      [11, 0],
      [12, 0],
      [4, 0],
      [5, 1],
    ] as const);
    const mtu = type === 3 && code === 4 ? w.pick([0, 68, 552, 600, 1000, 1499, 1500, 9000]) : 0;
    const seq = w.pick([peer.una, peer.una, Math.max(0, peer.sent - 1), peer.sent + 1, u32(peer.una - 100)]);
    w.step(w.pick([1, 5]), 'icmp', `${type}`, `${code}`, `${mtu}`, `${seq}`);
  }
}

export function randomConnection(seed: number, pace = 0): Step[] {
  return new Life(seed, pace).write(10 + (seed % 3) * 10);
}
