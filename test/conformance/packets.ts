/** What the tests of conformance share: packets read by the independent codec, programs with one UDP socket. */
import { parseIpv4Packet } from '../../harness/packet/ipv4.ts';
import { AF_INET, SOCK_DGRAM, sockaddr_in } from '../../kernel/net/msg.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import { arpFrame, bytesOf, hex, Segment } from '../kernel/net/segment.ts';
import type { Step } from '../kernel/net/user.ts';

/** An IPv4 packet that was sent, and to which Ethernet address. */
export interface Sent extends ReturnType<typeof parseIpv4Packet> {
  readonly to: string;
  /** Reserved bit of the flags. */
  readonly reserved: boolean;
  /** ICMP type and code. */
  readonly icmp: string;
  readonly data: string;
}

/** The IPv4 packets among the frames that were sent since the last time, in order. */
export function packets(segment: Segment): Sent[] {
  return segment
    .take()
    .filter(frame => frame.slice(24, 28) === '0800')
    .map(frame => {
      const ip = parseIpv4Packet(bytesOf(frame.slice(28)));
      return {
        ...ip,
        to: frame.slice(0, 12),
        reserved: (Number.parseInt(frame.slice(40, 42), 16) & 0x80) !== 0,
        icmp: ip.protocol === 1 ? `${ip.payload[0]}/${ip.payload[1]}` : '',
        data: hex(ip.payload),
      };
    });
}

/** A host that knows A's Ethernet address. */
export function known(): Segment {
  const segment = new Segment();
  segment.receive(arpFrame());
  segment.take();
  return segment;
}

/** Runs a program with a UDP socket that is bound to `port`, for up to `seconds`. */
export function withSocket(
  segment: Segment,
  program: (sys: Syscalls, fd: number) => Step<void>,
  port = 7,
  seconds = 1,
): void {
  let ended = false;
  segment.host.spawn('test', function* (sys) {
    const fd = yield* sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* sys.bind(fd, new sockaddr_in(0, port));
    yield* program(sys, fd);
    ended = true;
    return 0;
  });
  segment.wait(seconds);
  if (!ended) throw new Error('the program did not end');
}
