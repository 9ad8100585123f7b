/** A live run: a world's wires on TAP devices, in step with real time, recorded if wanted. */
import { Pacer } from '../../sim/pace.ts';
import type { PcapngWriter } from '../pcap/write.ts';
import type { LogWriter } from './recording.ts';
import { finishLive, type LiveCommand, type LiveResult, type LiveWire, type LiveWorld } from './scenario.ts';
import type { Tap } from './tap.ts';

/** Frames from TAPs that may wait to enter the simulation: beyond that they stay in Linux's queue. */
const PENDING_MAX = 1024;
/** Frames from Linux are kept in pieces of such blocks until they have entered. */
const BLOCK = 1024 * 1024;
/** How often it is looked whether all is still there, ms. */
const WATCH_MS = 250;
/** A capture is kept in memory: what goes beyond is counted only. */
const CAPTURE_MAX = 256 * 1024 * 1024;
const CAPTURE_PER_FRAME = 32;

export interface LiveOptions {
  /** Which TAP each wire ends in. */
  readonly taps: readonly { readonly wire: LiveWire; readonly tap: Tap }[];
  readonly recorder?: LogWriter;
  /** Frames as they enter and leave the simulation. */
  readonly capture?: CaptureFile;
  /** Asked now and then; a message ends the run with it. */
  readonly watch?: () => string | undefined;
}

/** Why a run ended. `message` is set where it was not asked to. */
export interface LiveEnd {
  readonly message?: string;
}

/** Frames of all wires as a pcapng file in bounded memory. */
export class CaptureFile {
  readonly writer: PcapngWriter;
  frames = 0;
  /** Frames for which there was no room. */
  omitted = 0;
  private bytes = 0;

  constructor(writer: PcapngWriter) {
    this.writer = writer;
  }

  add(wire: number, timeNs: number, frame: Uint8Array, direction: 'inbound' | 'outbound'): void {
    if (this.bytes > CAPTURE_MAX) {
      this.omitted++;
      return;
    }
    this.bytes += frame.length + CAPTURE_PER_FRAME;
    this.frames++;
    this.writer.addFrame(wire, timeNs, frame, { direction });
  }

  /** From now on every frame on the wires of `live`. Directions are our host's. */
  watch(live: LiveWorld): void {
    for (const wire of live.wires) this.writer.addInterface(wire.port);
    const end = 1;
    live.world.watchFrames((wire, from, bytes, at, length, _fcs, _id, time) => {
      this.add(wire, time, bytes.subarray(at, at + length), from === end ? 'inbound' : 'outbound');
    });
  }
}

export class Live {
  readonly live: LiveWorld;
  readonly pacer: Pacer;
  private readonly options: LiveOptions;
  private block = Buffer.allocUnsafeSlow(BLOCK);
  private used = 0;
  private present = -1;
  private end: LiveEnd = {};
  private failure: unknown;

  constructor(live: LiveWorld, options: LiveOptions) {
    this.live = live;
    this.options = options;
    this.pacer = new Pacer(live.world.sim);
    live.world.poke = () => this.pacer.poke();
    const { recorder, capture } = options;
    if (recorder !== undefined) live.world.inputs.onInput = input => recorder.input(input);
    capture?.watch(live);
  }

  /** Runs until `stop`, until `untilNs` of simulated time, or until a device or namespace is gone. */
  async run(untilNs = Infinity): Promise<LiveEnd> {
    const { taps, watch, recorder } = this.options;
    for (const { wire, tap } of taps) this.plug(wire, tap);
    const timer = setInterval(() => {
      const message = watch?.();
      if (message !== undefined) this.stop(message);
      try {
        recorder?.flush();
      } catch (error) {
        this.fail(error);
      }
    }, WATCH_MS);
    try {
      await this.pacer.run(untilNs);
      if (this.failure !== undefined) throw this.failure;
    } finally {
      clearInterval(timer);
      for (const { wire } of taps) wire.deliver = null;
    }
    return this.end;
  }

  private fail(error: unknown): void {
    this.failure ??= error;
    this.pacer.stop();
  }

  /** Ends `run`; with a message when nobody asked for it. */
  stop(message?: string): void {
    if (message !== undefined && this.end.message === undefined) this.end = { message };
    this.pacer.stop();
  }

  /** A command to a host of ours, at the present. */
  command(command: LiveCommand): void {
    this.live.command(command, this.pacer.present());
    this.pacer.poke();
  }

  /** After `run`: shuts the hosts down, ends the recording. */
  finish(): LiveResult {
    const result = finishLive(this.live);
    this.options.recorder?.end({ end: result.end, hash: result.hash ?? '' });
    return result;
  }

  /** After `run` threw: ends the recording so that a replay shows it again. */
  abort(error: unknown): void {
    const { world } = this.live;
    world.inputs.close();
    this.options.recorder?.end({ end: world.sim.time, hash: '', error: String(error) });
  }

  private plug(wire: LiveWire, tap: Tap): void {
    const { live, pacer } = this;
    const { inputs } = live.world;
    wire.deliver = (bytes, at, length) => {
      tap.write(bytes.subarray(at, at + length), length);
    };
    tap.start({
      frame: (bytes, length) => {
        if (this.present < 0) this.present = pacer.present();
        inputs.offer(wire.port, this.keep(bytes, length), this.present);
      },
      batch: () => {
        this.present = -1;
        pacer.poke();
      },
      full: () => inputs.pending >= PENDING_MAX,
      gone: () => this.stop(`${tap.name} was deleted`),
      failed: error => this.fail(error),
    });
  }

  /** A copy that stays, out of a block that many frames share. */
  private keep(bytes: Buffer, length: number): Uint8Array {
    if (this.used + length > BLOCK) {
      this.block = Buffer.allocUnsafeSlow(BLOCK);
      this.used = 0;
    }
    const at = this.used;
    bytes.copy(this.block, at, 0, length);
    this.used = at + length;
    return this.block.subarray(at, at + length);
  }
}
