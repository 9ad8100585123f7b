/** What passes by the drill's door: options, addresses, operations and what they give. */
import type { ControlMessage } from './control.ts';

export interface DrillOptions {
  /** The host's address, default 192.168.0.1, and its network's length, default 16. */
  readonly localAddress?: string;
  readonly prefixLength?: number;
  /** Default 192.168.0.2; every address but the host's own is beyond it or on the link. */
  readonly gateway?: string;
  /** 68 to 1500, the default: the card's driver takes no longer frames. */
  readonly mtu?: number;
  /** Decides over initial sequence numbers, ports and whatever else is drawn. Default 1. */
  readonly seed?: number;
  /** Segments longer than the MSS down to the device, cut by software there (GSO) or by the card (TSO). Default true. */
  readonly gso?: boolean;
  readonly tso?: boolean;
  /** Segments merged on their way up. Default true. */
  readonly gro?: boolean;
  /**
   * Packets longer than the MTU that are injected: true, the default, they come up whole, past the card, as from the TUN
   * device of packetdrill; false: through the card, as a train of full-sized segments or as fragments.
   */
  readonly whole?: boolean;
  /**
   * A packet is off its socket's books when the driver gets it, as with the TUN device of packetdrill. False: when the
   * card has sent it, so that TCP's small queues wait for that. Default true.
   */
  readonly orphan?: boolean;
  /** Checksums made by the card. Default true; it checks those of what comes after `ethtool -K eth0 rx on`. */
  readonly checksums?: boolean;
  /** Settings made before the interface comes up, by Linux's names. */
  readonly sysctls?: Readonly<Record<string, string | number>>;
  /** Keep the frames of the wire for `pcap`. Default false. */
  readonly capture?: boolean;
  /** The host's memory in bytes, 256 KiB to 1 GiB; default 64 MiB. */
  readonly ram?: number;
}

/** An IPv4 address and port. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
  /** sa_family where it is to be another than AF_INET. */
  readonly family?: number;
}

/** A system call that was begun. */
export interface Operation<T = undefined> {
  /** Its name, for messages. */
  readonly call: string;
  readonly startedAt: number;
  readonly done: boolean;
  /** ≥ 0, or a negative errno. @throws Error while it is pending */
  readonly result: number;
  /** What it gave beside: data, an address. undefined after a failure. @throws Error while it is pending */
  readonly value: T | undefined;
  /** When it returned, ns. @throws Error while it is pending */
  readonly finishedAt: number;
  /** 'EAGAIN' and so on, '' for success. @throws Error while it is pending */
  readonly errno: string;
}

export interface Received {
  readonly data: Uint8Array;
  /** Whom it came from, where the protocol says. */
  readonly from: SocketAddress | undefined;
}

export interface ReceivedMessage {
  /** One for each buffer, filled in their order. */
  readonly data: readonly Uint8Array[];
  readonly from: SocketAddress | undefined;
  /** msg_flags */
  readonly flags: number;
  readonly control: readonly ControlMessage[];
}

export interface PollEntry {
  readonly fd: number;
  readonly events: number;
}

export interface EpollEvent {
  readonly events: number;
  readonly data: number;
}

export interface Route {
  /** `198.51.100.0/24`, or `default`. */
  readonly destination: string;
  readonly gateway?: string;
  readonly source?: string;
  readonly metric?: number;
  readonly mtu?: number;
}

/** What was left behind, or went wrong by our own fault. */
export interface DrillFinding {
  readonly detector: string;
  readonly message: string;
  /** ns */
  readonly time: number;
}
