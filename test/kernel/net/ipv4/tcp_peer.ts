/**
 * A TCP peer made of nothing but segments: the test says, in packetdrill's notation, which segments arrive at the host, and
 * which must come out, with their times. Nothing is answered that the test does not answer.
 *
 *     S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,nop,wscale 7>
 *     P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 100 ecr 200>
 *
 * Flags: F S R P . (ACK) U E W (CWR) A (AE), or - for none. Sequence numbers are relative: the peer's to PEER_ISN, the host's to
 * that of its first SYN. So are the host's timestamps, to its first one. In what is expected, `win` and the options may be
 * left out: then they may be anything.
 */
import { expect } from 'vitest';
import { internetChecksum } from '../../../../harness/packet/checksum.ts';
import { type Ipv4Read, parseIpv4Packet, pseudoHeader } from '../../../../harness/packet/ipv4.ts';
import { parseTcp, type TcpSegment, tcpChecksumOk } from '../../../../harness/packet/tcp.ts';
import { NUD_PERMANENT, neigh_add } from '../../../../kernel/net/core/neighbour.ts';
import { in_aton, inet_ntoa } from '../../../../kernel/net/ipv4/ip_header.ts';
import type { tcp_sock } from '../../../../kernel/net/ipv4/tcp_sock.ts';
import type { socket } from '../../../../kernel/net/socket.ts';
import { ERESTARTSYS, TASK_INTERRUPTIBLE, type task_struct } from '../../../../kernel/sched/task.ts';
import { type Syscalls, spawn } from '../../../../kernel/syscalls.ts';
import { A, A_MAC, B, bytesOf, hex, ipFrame, Segment } from '../segment.ts';
import { signatureAt, tcpSignature } from './tcp_signature.ts';

/** Where the peer's relative sequence number 0 is. */
export const PEER_ISN = 0x10000000;

const LETTERS: readonly (readonly [letter: string, bit: number])[] = [
  ['F', 1],
  ['S', 2],
  ['R', 4],
  ['P', 8],
  ['.', 16],
  ['U', 32],
  ['E', 64],
  ['W', 128],
  ['A', 256],
];

export interface SentSegment extends TcpSegment {
  /** In the notation above. */
  readonly text: string;
  /** ms since the peer was made. */
  readonly time: number;
  readonly tos: number;
  readonly ttl: number;
  readonly df: boolean;
  /** Where it is addressed to: with a source route, that leads somewhere else first. */
  readonly destination: string;
  /** In hex. */
  readonly ipOptions: string;
}

/** The end of a source route, which the checksum is made for; else the destination. */
function endOfRoute(ip: Ipv4Read): string {
  const { options, destination } = ip;
  if (options[0] !== 131 && options[0] !== 137) return destination;
  const length = options[1] as number;
  return length < 7 ? destination : options.slice(length - 4, length).join('.');
}

export interface Flow {
  /** The peer's port and address, and the host's. */
  readonly peerPort: number;
  readonly hostPort: number;
  readonly peer: number;
  readonly host: number;
}

/** What the notation does not say. */
export interface SegmentOptions {
  readonly data?: Uint8Array;
  readonly flow?: Flow;
  readonly tos?: number;
  readonly ttl?: number;
  /** IP options, whole words. */
  readonly ipOptions?: number[];
  readonly badChecksum?: boolean;
}

/** The parts of a segment in the notation above. */
interface Parsed {
  readonly flags: number;
  readonly seq: number;
  readonly length: number;
  readonly ack: number | null;
  readonly win: number | null;
  readonly urg: number | null;
  readonly options: string | null;
}

function parse(text: string): Parsed {
  const match =
    /^([FSRP.UEWA]+|-) (\d+)(?::(\d+)\((\d+)\))?(?: ack (\d+))?(?: win (\d+))?(?: urg (\d+))?(?: <([^>]*)>)?$/.exec(
      text,
    );
  if (match === null) throw new Error(`"${text}" is no segment`);
  const number = (i: number): number | null => (match[i] === undefined ? null : Number(match[i]));
  const letters = match[1] as string;
  let flags = 0;
  for (const [letter, bit] of LETTERS) if (letters.includes(letter)) flags |= bit;
  const seq = number(2) as number;
  const length = number(4) ?? 0;
  if (number(3) !== null && number(3) !== seq + length) throw new Error(`"${text}": end and length differ`);
  return { flags, seq, length, ack: number(5), win: number(6), urg: number(7), options: match[8] ?? null };
}

const be16 = (v: number): number[] => [(v >> 8) & 255, v & 255];
const be32 = (v: number): number[] => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];

export class TcpPeer extends Segment {
  /** The flow that segments belong to when nothing else is said. */
  flow: Flow;
  /** What the option `md5` is signed with, and by what the host's are read; null: it is left at 0. */
  md5Key: string | null = null;
  private readonly task: task_struct;
  private done = false;
  private readonly isns = new Map<string, number>();
  private readonly ts = new Map<string, number>();
  private readonly start: number;

  constructor(options: { hostPort?: number; peerPort?: number; costs?: boolean; ram?: number } = {}) {
    const { ram, costs = false } = options;
    super({ costs, ...(ram === undefined ? {} : { ram }) });
    this.flow = { peerPort: options.peerPort ?? 40000, hostPort: options.hostPort ?? 8080, peer: A, host: B };
    const { kernel } = this;
    kernel.exec(() => neigh_add(this.net.ipv4.arp, A, this.dev, bytesOf(A_MAC), NUD_PERMANENT));
    const park = (task: task_struct): number => {
      if (this.done) return 0;
      task.state = TASK_INTERRUPTIBLE;
      return -ERESTARTSYS;
    };
    this.task = kernel.exec(() =>
      spawn(kernel, 'caller', function* (sys) {
        return yield* sys.task.call.begin(park);
      }),
    );
    this.settle();
    // Not at time 0, where clocks that have just been set look like clocks that have not.
    this.wait(1);
    this.start = this.kernel.clock.now;
  }

  /** ms since the peer was made. */
  get now(): number {
    return (this.world.sim.time - this.start) / 1e6;
  }

  /** A system call of a program that does nothing else, with its arguments; it must not block. */
  call<A extends unknown[]>(fn: (task: task_struct, ...args: A) => number, ...args: A): number {
    const { call } = this.task;
    // As in the first slice of a call of its own.
    call.restarted = false;
    call.progress = 0;
    call.deadline = 0;
    call.held = null;
    const result = this.exec(() => fn(this.task, ...args));
    call.restarted = true;
    if (result === -ERESTARTSYS) throw new Error(`${fn.name} would block`);
    return result;
  }

  /** The sock behind the calling program's descriptor. */
  sockOf(fd: number): tcp_sock {
    let found: tcp_sock | null = null;
    this.call(task => {
      found = (task.files.get(fd) as socket).sk as tcp_sock;
      return 0;
    });
    if (found === null) throw new Error(`${fd} is no descriptor`);
    return found;
  }

  /** Memory of that program's. */
  memory(length: number): number {
    return this.task.mm.mmap(length);
  }

  /** Starts a program of its own, for what may block. The result appears in `value` once it has ended. */
  program<T>(body: (sys: Syscalls) => Generator<undefined, T, undefined>): { value: T | undefined; done: boolean } {
    const result: { value: T | undefined; done: boolean } = { value: undefined, done: false };
    this.exec(() =>
      spawn(this.kernel, 'program', function* (sys) {
        result.value = yield* body(sys);
        result.done = true;
        return 0;
      }),
    );
    return result;
  }

  private key(flow: Flow): string {
    return `${flow.peer}:${flow.peerPort} ${flow.host}:${flow.hostPort}`;
  }

  /** The host's ISN in the flow: what its sequence numbers are relative to. */
  hostIsn(flow = this.flow): number {
    return this.isns.get(this.key(flow)) ?? 0;
  }

  /** A segment arrives. `data` fills its payload, else it is bytes of their relative sequence number. */
  inject(text: string, options: SegmentOptions = {}): void {
    this.receive(this.frame(text, options));
  }

  /** The frame that carries a segment. */
  frame(text: string, options: SegmentOptions = {}): Uint8Array {
    const parsed = parse(text);
    const flow = options.flow ?? this.flow;
    const opts = this.encode(parsed.options ?? '', flow);
    const data = options.data ?? Uint8Array.from({ length: parsed.length }, (_, i) => (parsed.seq + i) & 255);
    const segment = Uint8Array.from([
      ...be16(flow.peerPort),
      ...be16(flow.hostPort),
      ...be32((PEER_ISN + parsed.seq) >>> 0),
      ...be32(parsed.ack === null ? 0 : (this.hostIsn(flow) + parsed.ack) >>> 0),
      (((20 + opts.length) / 4) << 4) | (parsed.flags >> 8),
      parsed.flags & 255,
      ...be16(parsed.win ?? 0xffff),
      0,
      0,
      ...be16(parsed.urg ?? 0),
      ...opts,
      ...data,
    ]);
    const signature = signatureAt(segment);
    if (signature >= 0 && this.md5Key !== null) {
      segment.set(tcpSignature(this.md5Key, be32(flow.peer), be32(flow.host), segment), signature);
      if (parsed.options?.includes('md5 wrong')) (segment[signature] as number) ^= 1;
    }
    const pair = { source: inet_ntoa(flow.peer), destination: inet_ntoa(flow.host) };
    const sum =
      internetChecksum(pseudoHeader(pair, 6, segment.length), segment) ^ (options.badChecksum === true ? 1 : 0);
    segment[16] = sum >> 8;
    segment[17] = sum & 255;
    return ipFrame([...segment], {
      protocol: 6,
      src: flow.peer,
      dst: flow.host,
      tos: options.tos ?? 0,
      ttl: options.ttl ?? 64,
      options: options.ipOptions ?? [],
    });
  }

  /** An ICMP message that quotes the host's segment `seq:seq+length` arrives. */
  icmp(type: number, code: number, info: number, seq: number, flow = this.flow): void {
    const quote = ipFrame(
      [
        ...be16(flow.hostPort),
        ...be16(flow.peerPort),
        ...be32((this.hostIsn(flow) + seq) >>> 0),
        ...new Array<number>(12).fill(0),
      ],
      { protocol: 6, src: flow.host, dst: flow.peer },
    ).subarray(14);
    const message = [type, code, 0, 0, ...be32(info), ...quote];
    const sum = internetChecksum(Uint8Array.from(message));
    message[2] = sum >> 8;
    message[3] = sum & 255;
    this.receive(ipFrame(message, { protocol: 1, src: flow.peer, dst: flow.host }));
  }

  private encode(text: string, flow: Flow): number[] {
    const bytes: number[] = [];
    for (const option of text === '' ? [] : text.split(',')) {
      const words = option.trim().split(/[ :]/);
      const number = (i: number): number => Number(words[i]);
      switch (words[0]) {
        case 'nop':
          bytes.push(1);
          break;
        case 'eol':
          bytes.push(0);
          break;
        case 'mss':
          bytes.push(2, 4, ...be16(number(1)));
          break;
        case 'wscale':
          bytes.push(3, 3, number(1));
          break;
        case 'sackOK':
          bytes.push(4, 2);
          break;
        case 'sack': {
          // Blocks the peer has received: the host's sequence numbers.
          const isn = this.hostIsn(flow);
          bytes.push(5, 2 + (words.length - 1) * 4);
          for (let i = 1; i < words.length; i++) bytes.push(...be32((isn + number(i)) >>> 0));
          break;
        }
        case 'TS': {
          const base = this.ts.get(this.key(flow)) ?? 0;
          const ecr = number(4);
          bytes.push(8, 10, ...be32(number(2)), ...be32(ecr === 0 && base === 0 ? 0 : (base + ecr) >>> 0));
          break;
        }
        case 'FO':
        case 'FOEXP': {
          const cookie = (words[1] ?? '').match(/../g) ?? [];
          const head = words[0] === 'FO' ? [34, 2 + cookie.length] : [254, 4 + cookie.length, 0xf9, 0x89];
          bytes.push(...head, ...cookie.map(digits => Number.parseInt(digits, 16)));
          break;
        }
        case 'ECN':
          // Byte counts of accurate ECN; the first one says which of the two options it is.
          bytes.push(words[1] === 'e0b' ? 172 : 174, 2 + 3 * ((words.length - 1) / 2));
          for (let i = 2; i < words.length; i += 2) bytes.push(...be32(number(i)).slice(1));
          break;
        case 'md5':
          bytes.push(19, 18, ...new Array<number>(16).fill(0));
          break;
        case 'raw':
          bytes.push(...words.slice(1).map(word => Number.parseInt(word, 16)));
          break;
        default:
          throw new Error(`no TCP option "${option}"`);
      }
    }
    while (bytes.length % 4 !== 0) bytes.push(0);
    return bytes;
  }

  /** The option, and whether it is what it should be. */
  private decodeSignature(bytes: Uint8Array, flow: Flow): string {
    if (this.md5Key === null) return 'md5';
    const right = tcpSignature(this.md5Key, be32(flow.host), be32(flow.peer), bytes);
    const at = signatureAt(bytes);
    return Buffer.from(right).equals(bytes.subarray(at, at + 16)) ? 'md5' : 'md5 wrong';
  }

  private decode(segment: TcpSegment, flow: Flow, bytes: Uint8Array): string {
    const { options } = segment;
    const view = new DataView(options.buffer, options.byteOffset, options.length);
    const names: string[] = [];
    for (let i = 0; i < options.length; ) {
      const kind = options[i] as number;
      if (kind === 0) break;
      if (kind === 1) {
        names.push('nop');
        i++;
        continue;
      }
      const size = options[i + 1] as number;
      switch (kind) {
        case 2:
          names.push(`mss ${view.getUint16(i + 2)}`);
          break;
        case 3:
          names.push(`wscale ${options[i + 2]}`);
          break;
        case 4:
          names.push('sackOK');
          break;
        case 5: {
          const blocks: string[] = [];
          for (let b = i + 2; b < i + size; b += 8) {
            blocks.push(`${(view.getUint32(b) - PEER_ISN) >>> 0}:${(view.getUint32(b + 4) - PEER_ISN) >>> 0}`);
          }
          names.push(`sack ${blocks.join(' ')}`);
          break;
        }
        case 8: {
          const key = this.key(flow);
          const val = view.getUint32(i + 2);
          if (!this.ts.has(key)) this.ts.set(key, val);
          names.push(`TS val ${(val - (this.ts.get(key) as number)) >>> 0} ecr ${view.getUint32(i + 6)}`);
          break;
        }
        case 172:
        case 174: {
          const order = kind === 172 ? ['e0b', 'ceb', 'e1b'] : ['e1b', 'ceb', 'e0b'];
          const counts = order.slice(0, (size - 2) / 3).map((name, n) => {
            const at = i + 2 + n * 3;
            return ` ${name} ${(view.getUint8(at) << 16) | view.getUint16(at + 1)}`;
          });
          names.push(`ECN${counts.join('')}`);
          break;
        }
        case 19:
          names.push(this.decodeSignature(bytes, flow));
          break;
        case 34:
        case 254: {
          const cookie = options.subarray(i + (kind === 34 ? 2 : 4), i + size);
          const digits = [...cookie].map(byte => byte.toString(16).padStart(2, '0')).join('');
          names.push(`${kind === 34 ? 'FO' : 'FOEXP'} ${digits}`.trim());
          break;
        }
        default:
          names.push(`option ${kind}`);
      }
      i += Math.max(size, 2);
    }
    return names.join(',');
  }

  /** The TCP segments the host has sent since the last look, oldest first. Whatever else it sent is dropped. */
  segments(): SentSegment[] {
    const times = this.sentAt.splice(0);
    return this.sent.splice(0).flatMap((bytes, i) => {
      if (bytes[12] !== 8 || bytes[13] !== 0 || bytes[23] !== 6) return [];
      const ip = parseIpv4Packet(bytes.subarray(14));
      expect(tcpChecksumOk(ip.payload, { ...ip, destination: endOfRoute(ip) }), 'checksum of what was sent').toBe(true);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const segment = parseTcp(ip.payload);
      const flow = {
        peer: in_aton(endOfRoute(ip)),
        peerPort: segment.destinationPort,
        host: view.getInt32(26),
        hostPort: segment.sourcePort,
      };
      const key = this.key(flow);
      if ((segment.flags & 2) !== 0) this.isns.set(key, segment.sequence);
      const isn = this.isns.get(key) ?? 0;
      const flags = segment.flags | (((ip.payload[12] as number) & 1) << 8);
      const letters = LETTERS.filter(([, bit]) => (flags & bit) !== 0).map(([letter]) => letter);
      // A reset that answers no ACK has no number to begin with.
      const seq = (segment.flags & 4) !== 0 && segment.sequence === 0 ? 0 : (segment.sequence - isn) >>> 0;
      const { length } = segment.payload;
      let text = `${letters.length === 0 ? '-' : letters.join('')} ${seq}:${seq + length}(${length})`;
      if ((segment.flags & 16) !== 0) text += ` ack ${(segment.acknowledgment - PEER_ISN) >>> 0}`;
      text += ` win ${segment.window}`;
      if ((segment.flags & 32) !== 0) text += ` urg ${segment.urgentPointer}`;
      const options = this.decode(segment, flow, ip.payload);
      if (options !== '') text += ` <${options}>`;
      const time = ((times[i] as number) - this.start) / 1e6;
      const { typeOfService: tos, timeToLive: ttl, dontFragment: df, destination } = ip;
      return [{ ...segment, text, time, tos, ttl, df, destination, ipOptions: hex(ip.options) }];
    });
  }

  /** Exactly these segments have been sent since the last look. Gives them back, with their times. */
  expect(...texts: string[]): SentSegment[] {
    const segments = this.segments();
    const shown = segments.map(({ text }, i) => {
      const wanted = texts[i];
      let seen = text;
      if (wanted !== undefined) {
        if (!wanted.includes('<')) seen = seen.replace(/ <.*>$/, '');
        if (!wanted.includes(' win ')) seen = seen.replace(/ win \d+/, '');
      }
      return seen;
    });
    expect(shown).toEqual(texts);
    return segments;
  }

  /** Ends the calling program too, so that its descriptors are closed. */
  override finish(): void {
    this.done = true;
    this.exec(() => this.kernel.sched.try_to_wake_up(this.task));
    super.finish();
  }
}
