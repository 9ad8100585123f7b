/** The same packets through a router of ours and this machine's Linux (conntrack-diff.py): what comes out, what is tracked. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findTool } from '../../harness/ci/tools.mjs';
import { internetChecksum } from '../../harness/packet/checksum.ts';
import { pseudoHeader } from '../../harness/packet/ipv4.ts';
import { Random } from '../../harness/sim/random.ts';
import { in_aton } from '../../kernel/net/ipv4/ip_header.ts';
import { Lab } from '../kernel/net/netfilter/lab.ts';
import { hex, type Ip, icmp, ipFrame } from '../kernel/net/segment.ts';

const RUNNER = fileURLToPath(new URL('conntrack-diff.py', import.meta.url));

/** A packet that arrives at side 0 (10.1.0.0/24) or 1 (192.0.2.0/24), in hex, and the source port to look for in the table. */
export type Step = readonly [side: 0 | 1, packet: string, port: number];
/** What came out, and the line of the table. */
export type Seen = readonly [out: readonly (readonly [side: number, packet: string])[], line: string];

export interface Play {
  readonly rules: string;
  readonly sysctl?: Readonly<Record<string, number>>;
  readonly scripts: readonly (readonly Step[])[];
}

export function playLinux(play: Play): Seen[][] {
  const { stdout, stderr, status } = spawnSync(findTool('python3') ?? 'python3', [RUNNER], {
    input: JSON.stringify(play),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Seen[][];
}

export function playOurs({ rules, sysctl, scripts }: Play): Seen[][] {
  const lab = new Lab(rules);
  for (const [name, value] of Object.entries(sysctl ?? {})) {
    const err = lab.kernel.sysctl.write(name, String(value));
    if (err !== 0) throw new Error(`sysctl ${name}: ${err}`);
  }
  const result = scripts.map(script =>
    script.map(([side, packet, port]): Seen => {
      const bytes = new Uint8Array(Buffer.from(packet, 'hex'));
      const dev = side === 0 ? lab.dev : lab.outside;
      const frame = new Uint8Array(14 + bytes.length);
      frame.set(dev.dev_addr, 0);
      frame.set([2, 0, 0, 0, 0, 1, 8, 0], 6);
      frame.set(bytes, 14);
      const out: [number, string][] = [];
      lab.kernel.trace.dev_hard_start_xmit = skb => out.push([skb.dev === lab.dev ? 0 : 1, '']);
      lab.receive(frame, dev);
      const sent = lab.sent.splice(0).map((f, i): [number, string] => [out[i]?.[0] ?? -1, hex(f.subarray(14))]);
      return [sent, lab.table().find(line => line.includes(`sport=${port} `)) ?? ''];
    }),
  );
  lab.kernel.trace.dev_hard_start_xmit = null;
  return result;
}

export const INSIDE = '10.1.0.1';
export const OUTSIDE = '192.0.2.9';

export interface Segment {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly options: readonly number[];
  readonly length: number;
}

const be16 = (v: number): number[] => [(v >> 8) & 255, v & 255];
const be32 = (v: number): number[] => [(v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];

/** An IPv4 packet with a TCP segment, in hex. */
export function tcpPacket(src: string, sport: number, dst: string, dport: number, s: Segment, ip: Ip = {}): string {
  const segment = tcpSegment(src, sport, dst, dport, s);
  return packet(src, dst, 6, segment, { frag: 0x4000, ...ip });
}

function packet(src: string, dst: string, protocol: number, payload: readonly number[], ip: Ip = {}): string {
  return hex(ipFrame([...payload], { ...ip, protocol, src: in_aton(src), dst: in_aton(dst) }).subarray(14));
}

function tcpSegment(src: string, sport: number, dst: string, dport: number, s: Segment): number[] {
  const bytes = Uint8Array.from([
    ...be16(sport),
    ...be16(dport),
    ...be32(s.seq),
    ...be32(s.ack),
    (5 + s.options.length / 4) << 4,
    s.flags,
    ...be16(s.window),
    ...[0, 0, 0, 0],
    ...s.options,
    ...new Array<number>(s.length).fill(0x61),
  ]);
  bytes.set(be16(internetChecksum(pseudoHeader({ source: src, destination: dst }, 6, bytes.length), bytes)), 16);
  return [...bytes];
}

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

/** Segments of two sides that mostly do as they should; some have the flags `extra`, too. */
export function randomTcp(seed: number, port: number, steps: number, extra = 0): Step[] {
  const chance = new Random(seed, 'conntrack');
  const pick = <T>(from: readonly T[]): T => from[chance.below(from.length)] as T;
  const next = [chance.u32(), chance.u32()];
  const script: Step[] = [];
  const emit = (side: 0 | 1, s: Segment): void => {
    const [from, to] = side === 0 ? [INSIDE, OUTSIDE] : [OUTSIDE, INSIDE];
    const [sport, dport] = side === 0 ? [port, 80] : [80, port];
    script.push([side, tcpPacket(from, sport, to, dport, s), port]);
    const end = (s.seq + s.length + ((s.flags & SYN) !== 0 ? 1 : 0) + ((s.flags & FIN) !== 0 ? 1 : 0)) >>> 0;
    if ((((end - (next[side] as number)) | 0) > 0 && chance.below(10) !== 0) || (s.flags & SYN) !== 0) next[side] = end;
  };
  const synOptions = (): number[] =>
    pick([[], [2, 4, 5, 180], [2, 4, 5, 180, 1, 3, 3, 7], [2, 4, 5, 180, 4, 2, 1, 1], [4, 2, 1, 1, 1, 3, 3, 14]]);
  const window = (): number => pick([0, 1, 100, 1000, 8192, 8192, 65535, 65535]);
  const off = (): number =>
    chance.below(3) !== 0
      ? 0
      : pick([1, -1, 2, -100, 100, -1460, 1460, 8192, -8192, 65535, 66000, -66000, -66001, 70000, 1000000, -1000000]);
  const handshake = chance.below(4);
  if (handshake > 0) {
    const [a, b] = next as [number, number];
    emit(0, { seq: a, ack: 0, flags: SYN, window: window(), options: synOptions(), length: 0 });
    if (handshake > 1) {
      emit(1, { seq: b, ack: a + 1, flags: SYN | ACK, window: window(), options: synOptions(), length: 0 });
    }
    if (handshake > 2) emit(0, { seq: a + 1, ack: b + 1, flags: ACK, window: window(), options: [], length: 0 });
  }
  while (script.length < steps) {
    const side = chance.below(2) as 0 | 1;
    const kind = chance.below(20);
    let flags = ACK;
    if (kind === 0) flags = SYN;
    else if (kind === 1) flags = SYN | ACK;
    else if (kind < 4) flags = FIN | ACK;
    else if (kind === 4) flags = RST;
    else if (kind === 5) flags = RST | ACK;
    else if (kind === 6) flags = pick([0, FIN, FIN | SYN, RST | FIN, ACK | 32, 255, SYN | 32, ACK | 8]);
    const mine = next[side] as number;
    const other = next[1 - side] as number;
    const ack = other + (chance.below(2) === 0 ? 0 : off());
    const block = [1, 1, 5, 10, ...be32(ack + 1000), ...be32(ack + 2000 + chance.below(3) * 70000)];
    if (extra !== 0 && chance.below(6) === 0) flags |= extra;
    emit(side, {
      seq: chance.below(30) === 0 ? 0 : mine + off(),
      ack: (flags & ACK) === 0 || chance.below(20) === 0 ? pick([0, ack]) : ack,
      flags,
      window: window(),
      options: (flags & SYN) !== 0 ? synOptions() : chance.below(5) === 0 ? block : [],
      length: (flags & (SYN | RST)) !== 0 ? 0 : pick([0, 0, 0, 1, 100, 1400]),
    });
  }
  return script;
}

/** The gateway's address outside, and others' on both sides. */
export const GATEWAY = '192.0.2.1';
const NEIGHBOURS = ['10.1.0.7', '192.0.2.8'] as const;
/** Record route, router alert, a loose and a strict source route, an unknown one, and one that is wrong. */
const IP_OPTIONS: readonly (readonly number[])[] = [
  [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  [7, 7, 8, 1, 2, 3, 4, 0],
  [148, 4, 0, 0],
  [131, 7, 4, 192, 0, 2, 8, 0],
  [137, 7, 4, 10, 1, 0, 7, 0],
  [30, 4, 1, 2],
  [7, 5, 4, 0, 0, 0, 0, 0],
];

/**
 * A connection from the inside by a gateway that has one address (`SNAT --to-source GATEWAY`), or, for odd ports, from
 * the outside to `GATEWAY:port`, which is 10.1.0.1:80 inside; with IP options, fragments, small TTLs, and ICMP errors that
 * quote what the receivers saw, more or less.
 */
export function randomNat(seed: number, port: number, steps: number): Step[] {
  const chance = new Random(seed, 'nat');
  const pick = <T>(from: readonly T[]): T => from[chance.below(from.length)] as T;
  const inward = (port & 1) === 1;
  // By side: addresses and ports as that side sends, and as it sees what the other sends.
  const sends = inward
    ? ([
        [INSIDE, 80, OUTSIDE, port],
        [OUTSIDE, port, GATEWAY, port],
      ] as const)
    : ([
        [INSIDE, port, OUTSIDE, 80],
        [OUTSIDE, 80, GATEWAY, port],
      ] as const);
  const first = inward ? 1 : 0;
  const next = [chance.u32(), chance.u32()];
  const script: Step[] = [];
  const send = (side: 0 | 1, flags: number, length: number): void => {
    const [src, sport, dst, dport] = sends[side] as (typeof sends)[number];
    const seq = next[side] as number;
    const s = {
      seq,
      ack: (flags & ACK) !== 0 ? (next[1 - side] as number) : 0,
      flags,
      window: 8192,
      options: [],
      length,
    };
    next[side] = (seq + length + ((flags & SYN) !== 0 ? 1 : 0)) >>> 0;
    const ip: Ip = {
      // The handshake gets through: else a connection the other way round would have its port changed, by chance.
      ttl: script.length > 3 && chance.below(12) === 0 ? 1 : 64,
      options: script.length > 3 && chance.below(4) === 0 ? [...pick(IP_OPTIONS)] : [],
      id: 1 + chance.below(65535),
      frag: pick([0, 0x4000]),
    };
    if (length > 200 && chance.below(2) === 0) {
      const bytes = tcpSegment(src, sport, dst, dport, s);
      const cut = pick([24, 104, 200]);
      const parts: string[] = [
        packet(src, dst, 6, bytes.slice(0, cut), { ...ip, ttl: 64, frag: 0x2000 }),
        packet(src, dst, 6, bytes.slice(cut), { ...ip, ttl: 64, options: [], frag: cut / 8 }),
      ];
      if (chance.below(3) === 0) parts.reverse();
      for (const part of parts) script.push([side, part, port]);
    } else script.push([side, tcpPacket(src, sport, dst, dport, s, ip), port]);
  };
  send(first, SYN, 0);
  send((1 - first) as 0 | 1, SYN | ACK, 0);
  send(first, ACK, 0);
  while (script.length < steps) {
    const side = chance.below(2) as 0 | 1;
    if (chance.below(3) !== 0) {
      send(
        side,
        chance.below(12) === 0 ? pick([FIN | ACK, RST, side === first ? SYN : FIN | ACK]) : ACK,
        pick([0, 1, 100, 1000]),
      );
      continue;
    }
    // What this side was sent: the other way round of what it sends.
    const [to, tport, from, fport] = sends[side] as (typeof sends)[number];
    const s = {
      seq: next[1 - side] as number,
      ack: 1,
      flags: ACK,
      window: 8192,
      options: [],
      length: pick([0, 20, 600]),
    };
    const seen = tcpSegment(from, fport, to, chance.below(15) === 0 ? 9 : tport, s);
    const quoted = ipFrame(seen, {
      protocol: 6,
      src: in_aton(from),
      dst: in_aton(to),
      ttl: 1,
      options: chance.below(4) === 0 ? [...pick(IP_OPTIONS)] : [],
      frag: pick([0, 0x4000, 0x2000]),
    }).subarray(14);
    const [type, code] = pick([
      [3, 1],
      [3, 3],
      [3, 4],
      [11, 0],
      [12, 0],
      [4, 0],
      [5, 1],
      [3, 13],
    ] as const);
    const message = icmp(type, code, type === 3 && code === 4 ? 1200 : 0, [
      ...quoted.subarray(0, pick([28, 40, quoted.length, 27])),
    ]);
    if (chance.below(20) === 0) message[2] = (message[2] as number) ^ 1;
    const sender = pick([side === 0 ? INSIDE : OUTSIDE, NEIGHBOURS[side] as string]);
    script.push([side, packet(sender, from, 1, message, { ttl: 64, id: 7 }), port]);
  }
  return script;
}
