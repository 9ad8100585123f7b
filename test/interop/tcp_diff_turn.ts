/**
 * Scripts of tcp_diff.ts in turn: one step after the other, so that what a step does cannot depend on how long the calls before
 * it took. Linux notes when it took each step, and our host takes it at that very moment of its own clock. What is left of
 * real time is how late Linux's timers fire; `OurTurn.clear` keeps steps away from them.
 *
 * Beside tcp_diff.ts's steps:
 *
 *     bg CALL                                      in a thread of its own: it may block
 *     usocket F                                    a UDP socket
 *     mem F                                        bytes of memory in its queues, and how many may be (SO_MEMINFO)
 *     epmod E F EVENTS        epdel E F            epwait E [MAX [MS]]
 *     udp PEERPORT HOSTPORT LENGTH                 a datagram arrives
 *     icmpudp TYPE CODE INFO PEERPORT HOSTPORT LENGTH   an error about one that was sent
 *
 * `ecr last` in a segment is the last timestamp that the host has sent.
 */

import { tunReceive } from '../../harness/drill/tun.ts';
import { IFF_NOARP } from '../../kernel/net/core/netdevice.ts';
import { ETH_HLEN } from '../../kernel/net/ethernet/eth.ts';
import type { task_struct } from '../../kernel/sched/task.ts';
import { spawn } from '../../kernel/syscalls.ts';
import { type SentSegment, TcpPeer } from '../kernel/net/ipv4/tcp_peer.ts';
import { A, B, icmp as icmpMessage, ipFrame } from '../kernel/net/segment.ts';
import { applySysctls, type Entry, looseParts, OurRunner, playLinux, type Step, shownSegment } from './tcp_diff.ts';

/** How late a timer of Linux may be, beside LATE_PART of its time: a granule of the wheel's second level (HZ=250), and more. */
const LATE_MS = 45;
const LATE_PART = 0.02;
/** How late it may do a step, or answer it. */
const SOON_MS = 8;
/** How much earlier than ours a timer of more than LONG_MS may be: a granule of our wheel's third level (HZ=1000). */
const EARLY_MS = 70;
const LONG_MS = 400;

const be16 = (v: number): number[] => [(v >> 8) & 255, v & 255];

/** Our host, which takes steps when it is told to. Times are ms since it began. */
export class OurTurn {
  readonly peer = new TcpPeer();
  readonly log: Entry[] = [];
  /** What the host has sent, ever. */
  readonly segments: SentSegment[] = [];
  /** The result of the last call; '' while it blocks. */
  result = '';
  private readonly runner = new OurRunner();
  private readonly leader: task_struct;
  private readonly begin: number;
  private readonly shift: number;
  private readonly last_ts = new Map<string, number>();

  constructor(script: readonly Step[] = []) {
    const { peer } = this;
    // As tcp-diff.py has it.
    peer.net.ipv4.tcp_no_metrics_save = 1;
    applySysctls(peer, script);
    // Nobody is asked for.
    peer.dev.flags |= IFF_NOARP;
    // What arrives takes as much memory as with the TUN device on the other side.
    peer.receive = frame => {
      peer.exec(() => tunReceive(peer.kernel, peer.dev, frame.subarray(ETH_HLEN), 0));
    };
    this.leader = peer.exec(() =>
      spawn(peer.kernel, 'script', function* (sys) {
        for (;;) yield* sys.nanosleep(1e14);
      }),
    );
    this.begin = peer.kernel.clock.now;
    this.shift = peer.now;
  }

  get now(): number {
    return (this.peer.kernel.clock.now - this.begin) / 1e6;
  }

  /** When the next timer fires; what it does may be nothing. */
  get next(): number {
    return (this.peer.world.sim.next() - this.begin) / 1e6;
  }

  wait(until: number): void {
    this.peer.wait(Math.max(0, (until - this.now) / 1000));
    this.collect();
  }

  /** Lets time pass, at least until `at`, to a moment that is neither shortly before a timer nor where one may be late. */
  clear(at: number): void {
    let when = at;
    const { now } = this;
    for (let { next } = this; next <= when + (next - now > LONG_MS ? EARLY_MS : SOON_MS); { next } = this) {
      this.wait(next);
      when = Math.max(when, next + LATE_MS + next * LATE_PART + 1);
    }
    this.wait(Math.ceil(when));
  }

  step(n: number, words: readonly string[]): void {
    const { peer, runner } = this;
    const [name, ...args] = words as [string, ...string[]];
    const numbers = args.map(Number);
    this.collect();
    if (name === 'sysctl' || name === 'end') return;
    if (name === 'flow') peer.flow = { ...peer.flow, peerPort: numbers[0] as number, hostPort: numbers[1] as number };
    else if (name === 'icmp') peer.icmp(...(numbers as [number, number, number, number]));
    else if (name === 'udp') {
      const [from, to, length] = numbers as [number, number, number];
      const data = Array.from({ length }, (_, i) => i);
      peer.receive(ipFrame([...be16(from), ...be16(to), ...be16(8 + length), 0, 0, ...data], { protocol: 17 }));
    } else if (name === 'icmpudp') {
      const [type, code, info, to, from, length] = numbers as [number, number, number, number, number, number];
      const quoted = [...be16(from), ...be16(to), ...be16(8 + length), 0, 0];
      const quote = ipFrame(quoted, { protocol: 17, src: B, dst: A, length: 28 + length }).subarray(14);
      peer.receive(ipFrame(icmpMessage(type, code, info, [...quote])));
    } else if (name === '<') {
      const [, text, tos] = /^(.*?)(?: tos (\d+))?$/.exec(args[0] as string) as RegExpExecArray;
      const ecr = this.last_ts.get(`${peer.flow.peerPort} ${peer.flow.hostPort}`) ?? 0;
      peer.inject((text as string).replace('ecr last', `ecr ${ecr}`), { tos: Number(tos ?? 0) });
    } else {
      const call = name === 'bg' ? args : words;
      const turn = this;
      this.result = '';
      peer.exec(() =>
        spawn(
          peer.kernel,
          'call',
          function* (sys) {
            const result = yield* runner.call(sys, call);
            turn.result = result;
            turn.log.push([turn.now, 'call', `${n} ${call.join(' ')} = ${result}`]);
            return 0;
          },
          0,
          this.leader,
        ),
      );
    }
    this.collect();
  }

  private collect(): void {
    for (const segment of this.peer.segments()) {
      const ts = /TS val (\d+)/.exec(segment.text);
      if (ts !== null) this.last_ts.set(`${segment.destinationPort} ${segment.sourcePort}`, Number(ts[1]));
      this.segments.push(segment);
      this.log.push([segment.time - this.shift, 'segment', shownSegment(segment)]);
    }
  }
}

/** What our host does with the steps, taken when Linux took them. */
export function playOursInTurn(script: readonly Step[], linux: readonly Entry[]): Entry[] {
  const turn = new OurTurn(script);
  for (const [ms, kind, text] of linux) {
    if (kind !== 'step') continue;
    turn.wait(ms);
    turn.step(Number(text), (script[Number(text)] as Step).slice(1) as string[]);
  }
  return turn.log;
}

/** As tcp_diff.ts's; but what our host does at once, Linux must do soon. */
export function compareInTurn(linux: readonly Entry[], ours: readonly Entry[]): string[] {
  const found: string[] = [];
  // A sample's rate and whether it counts hang on microseconds; ephemeral ports, and numbers of such flows, on chance.
  const plain = (text: string): string =>
    /^(9\d|[3-6]\d\d)\d\d>/.test(text)
      ? text.replace(/^\d{5}>/, 'ephemeral>').replace(/\d{6,}/g, '~')
      : text.replace(/ limited=\d/, '');
  const steps = linux.filter(([, kind]) => kind === 'step').map(([ms]) => ms);
  const last = steps.at(-1) as number;
  const error = linux.find(([, kind]) => kind === 'error');
  if (error !== undefined) return [`Linux: ${error[2]}`];
  const number = (entry: Entry): number => Number.parseInt(entry[2], 10);
  for (const kind of ['call', 'segment']) {
    const [a, b] = [linux, ours].map(log =>
      log.filter(entry => entry[1] === kind && (kind === 'call' || entry[0] <= last)),
    ) as [Entry[], Entry[]];
    if (kind === 'call') for (const log of [a, b]) log.sort((x, y) => number(x) - number(y));
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      const [theirs, own] = [a[i], b[i]];
      if (theirs === undefined || own === undefined) {
        const [ms, , text] = (theirs ?? own) as Entry;
        // On the other side its timer may be due after the end.
        if (ms > last - LATE_MS - last * LATE_PART && !steps.some(at => Math.abs(at - ms) < SOON_MS)) break;
        found.push(`${theirs === undefined ? 'only ours' : 'only Linux'}: ${ms.toFixed(1)} ms ${text}`);
        break;
      }
      const [x, y] = [looseParts(plain(theirs[2])), looseParts(plain(own[2]))];
      const atOnce = steps.some(ms => Math.abs(ms - own[0]) < 0.001);
      const slack = atOnce ? SOON_MS : LATE_MS + theirs[0] * LATE_PART;
      const early = atOnce ? SOON_MS : EARLY_MS + theirs[0] * LATE_PART;
      const off = theirs[0] - own[0] > slack || own[0] - theirs[0] > early;
      const far = x.near.some(([value, allowed], n) => Math.abs(value - (y.near[n]?.[0] ?? 0)) > allowed);
      if (x.exact === y.exact && !off && !far) continue;
      if (theirs[2].includes('state=') && own[2].includes('state=') && !off) {
        const fields = own[2].split(' ');
        const changed = theirs[2]
          .split(' ')
          .flatMap((field, n) =>
            looseParts(field).exact === looseParts(fields[n] ?? '').exact ? [] : [`${field}|${fields[n]}`],
          );
        found.push(
          `${theirs[0].toFixed(1)} ms ${number(theirs)} ${changed.join(' ')} (Linux | ours)${far ? ' far' : ''}`,
        );
      } else found.push(`Linux ${theirs[0].toFixed(1)} ms ${theirs[2]}`, `ours  ${own[0].toFixed(1)} ms ${own[2]}`);
      if (kind === 'segment') break;
    }
  }
  return found;
}

/** Our answer to a moment of noise: what differs is played again. */
const TRIES = 4;

/** What differs in each script: only what does each time that it is played. */
export function differencesInTurn(scripts: readonly Step[][]): string[][] {
  const result: string[][] = scripts.map(() => []);
  let left = scripts.map((_, i) => i);
  for (let n = 0; n < TRIES && left.length > 0; n++) {
    const linux = playLinux(
      left.map(i => scripts[i] as Step[]),
      'in-turn',
    );
    left = left.filter((i, at) => {
      const log = linux[at] as Entry[];
      const found = compareInTurn(log, playOursInTurn(scripts[i] as Step[], log));
      result[i] = found;
      return found.length > 0;
    });
  }
  return result;
}

/** Of what kind a difference is: without its numbers. */
const kindOf = (found: readonly string[]): string => (found[0] ?? '').replace(/[\d.]+/g, '').replace(/<.*/, '');

/** The steps of a script without which it would not differ any more; those that are left keep their times. */
export function shrink(script: readonly Step[], found: readonly string[]): Step[] {
  let kept = [...script];
  for (let size = Math.ceil(kept.length / 2); size >= 1; ) {
    const without: Step[][] = [];
    for (let at = 0; at < kept.length && kept.length > size; at += size)
      without.push([...kept.slice(0, at), ...kept.slice(at + size)]);
    const which = differencesInTurn(without).findIndex(each => kindOf(each) === kindOf(found));
    if (which >= 0) kept = without[which] as Step[];
    else if (size === 1) break;
    else size = Math.ceil(size / 2);
  }
  return kept;
}

/** A script's steps as its text. */
export function scriptText(script: readonly Step[]): string {
  let now = 0;
  return script
    .map(([ms, ...words]) => {
      if (words[0] === 'sysctl') return words.join(' ');
      const line = `+${Math.round(ms - now)} ${words.join(' ')}`;
      now = Math.round(ms);
      return line;
    })
    .join('\n');
}

/** Makes a script from a seed, with every gap `pace` ms longer than usual. */
export type RandomScript = (seed: number, pace?: number) => Step[];

/** What differs in random scripts: for each its seed, the shortened script, and the lines. */
export function playSeeds(random: RandomScript, seeds: readonly number[]): string[] {
  const scripts = seeds.map(seed => random(seed));
  return differencesInTurn(scripts).flatMap((found, i) => {
    if (found.length === 0) return [];
    // What is gone when everything comes a little later hangs on timers that meet.
    const slower = random(seeds[i] as number, 3);
    if ((differencesInTurn([slower])[0] as string[]).length === 0) return [];
    const short = shrink(scripts[i] as Step[], found);
    return [`seed ${seeds[i]}\n${scriptText(short)}\n\n${found.join('\n')}`];
  });
}
