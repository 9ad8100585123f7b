/**
 * What a card needs from where it sits. Each interface is a place where an embedder plugs in and where a fault
 * can be decorated on; the card knows nothing else of the world.
 */

/** Frame check sequence argument of a frame whose FCS is right by construction: nobody needs to compute it. */
export const FCS_GOOD = -1;

/**
 * Something with its own time: the card, a link. `deadline` is the next moment (ns, Infinity for none) at which it
 * wants `advance` called; `advance(now)` does everything that is due up to and including `now`. Whoever embeds it
 * calls `advance` before every access and looks at `deadline` after it. Times never run backwards: a `now` in the
 * past is taken as the present.
 */
export interface Timed {
  readonly deadline: number;
  advance(now: number): void;
}

/**
 * Bus mastering. Addresses are I/O addresses (what the driver wrote into a descriptor), lengths are bytes.
 * False: the access faulted (no mapping, wrong direction, bus mastering off) and no byte was moved.
 */
export interface Dma {
  /** Host memory at `address` → `into[at .. at+length)`. */
  read(address: number, into: Uint8Array, at: number, length: number): boolean;
  /** `from[at .. at+length)` → host memory at `address`. */
  write(address: number, from: Uint8Array, at: number, length: number): boolean;
  /**
   * For speed, both or neither: the memory behind the port, and where in it `length` bytes at `address` lie for a
   * read or a write of the card, -1 for a fault. With them the card calls `read` and `write` no more: who decorates
   * a port in order to see or spoil accesses leaves them out.
   */
  readonly direct?: Uint8Array | undefined;
  locate?(address: number, length: number, write: boolean): number;
}

/** The interrupt pin: a level, asserted or not. Called on changes only. */
export interface IrqLine {
  setLevel(asserted: boolean): void;
  /** A message of `vector`, once, with the data that its table entry holds. Left out: messages go nowhere. */
  message?(vector: number, data: number): void;
}

/** Registers of a PHY as IEEE 802.3 clause 22 has them, behind MDIO: 16 bits each. */
export interface Phy {
  /** FFFFh where nobody has this address. */
  read(address: number, register: number): number;
  write(address: number, register: number, value: number): void;
  /** Whether a PHY answers at this address. */
  answers(address: number): boolean;
}

/**
 * The medium, as the card's transmitter sees it: called when the last bit has left, at the card's own time.
 * `fcs` is FCS_GOOD or the 32-bit value that was sent. The bytes are only valid during the call.
 * `id` is the frame's identity for tracing (0: none); it carries no meaning for the card.
 */
export interface Wire {
  transmit(bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void;
}

/**
 * What a medium delivers to: a card, a tap, a capture writer. Called when the last bit has arrived. `length` is without
 * the FCS; `fcs` is FCS_GOOD or the value received, unsigned.
 */
export interface FrameSink {
  receive(bytes: Uint8Array, at: number, length: number, fcs: number, id: number): void;
}

/**
 * A party on a medium: it hears frames and has a clock. A medium calls `advance(t)` before it delivers what arrived
 * at `t`, and takes `time` as the moment of what the station sends.
 */
export interface Station extends FrameSink, Timed {
  /** The station's present, ns. */
  readonly time: number;
}

/**
 * `size` bytes of on-card RAM at `bytes[base]`: whole pages of 256 bytes, 2 to 192 of them. Card address 4000h (page
 * 40h) is `bytes[base]`.
 */
export interface PacketMemory {
  readonly bytes: Uint8Array;
  readonly base: number;
  readonly size: number;
  /** For speed, where the embedder has something better than `copyWithin`: `length` bytes from `from` to `into` of `bytes`. */
  readonly move?: ((into: number, from: number, length: number) => void) | undefined;
  /**
   * For speed, too: the sum of the little-endian 16-bit words of `bytes[at .. at+length)`, an odd last byte the low half of
   * one, below 2^31 for `length` up to 64 KiB. It must not be the code that the host's kernel checks the sums with.
   */
  readonly sum?: ((at: number, length: number) => number) | undefined;
}

/** The serial EEPROM: 64 words of 16 bits. Words 0–2 hold the station address, low byte first. */
export interface Eeprom {
  readWord(index: number): number;
}

/**
 * A misuse of the card that its datasheet defines: what rule, on which register (its offset, -1 for a descriptor or
 * frame), with which value. Never an exception: the harness decides what to make of it.
 */
export interface ViolationSink {
  violation(rule: string, offset: number, value: number, time: number): void;
}
