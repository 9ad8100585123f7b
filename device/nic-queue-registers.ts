/** The native card's registers of the descriptor rings (datasheet §5.3, §6.2): a table for the register file. */
import type { OpTable } from './regfile.ts';
import type { Reg } from './regs/describe.ts';
import { NIC, type NicSpecs } from './regs/nic.ts';
import type { Reporter } from './reporter.ts';
import type { RxEngine, RxQueue } from './rx-engine.ts';
import type { Transmitter, TxQueue } from './tx.ts';

const { RDCTL, TDCTL } = NIC;
const RQ_EN = RDCTL.EN.mask;
const RQ_DROP = RDCTL.DROP.mask;
const RQ_HOLD = RDCTL.HOLD.mask;
const BSIZE = RDCTL.BSIZE;
const TQ_EN = TDCTL.EN.mask;
const RDT = NIC.RDT.offset;
const TDT = NIC.TDT.offset;
const QUEUE_STRIDE = NIC.RDT.stride;

/** Offset of instance `index` of a register. */
function at(reg: Reg<string>, index: number): number {
  return reg.offset + index * reg.stride;
}

/** A ring's place and length stay while it is on: a write of another value is a violation. */
function mayChange(reporter: Reporter, on: boolean, before: number, value: number, offset: number): boolean {
  if (!on) return true;
  if (before !== value) reporter.report('ring-changed-enabled', offset, value);
  return false;
}

export function rxQueueRegisters(engine: RxEngine, reporter: Reporter): OpTable<NicSpecs> {
  const queue = (index: number): RxQueue => engine.queues[index] as RxQueue;
  return {
    RDBA: {
      read: index => queue(index).base,
      write: (index, value) => {
        const { on, base } = queue(index);
        if (mayChange(reporter, on, base, value, at(NIC.RDBA, index))) queue(index).base = value;
      },
    },
    RDLEN: {
      read: index => queue(index).count,
      write: (index, value) => {
        const { on, count } = queue(index);
        if (mayChange(reporter, on, count, value, at(NIC.RDLEN, index))) queue(index).count = value;
      },
    },
    RDH: { read: index => queue(index).head },
    RDT: {
      read: index => queue(index).tail,
      write: (index, value) => {
        if (queue(index).setTail(value, RDT + index * QUEUE_STRIDE)) engine.kick(false);
      },
    },
    RDCTL: {
      read: index => {
        const { on, drop, hold, bufferSize } = queue(index);
        return (on ? RQ_EN : 0) | (drop ? RQ_DROP : 0) | (hold ? RQ_HOLD : 0) | (bufferSize << BSIZE.lsb);
      },
      write: (index, value) => {
        setRdctl(queue(index), at(RDCTL, index), value, reporter);
        engine.kick(false);
      },
    },
  };
}

function setRdctl(queue: RxQueue, offset: number, value: number, reporter: Reporter): void {
  const size = (value & BSIZE.mask) >>> BSIZE.lsb;
  const on = (value & RQ_EN) !== 0;
  queue.drop = (value & RQ_DROP) !== 0;
  queue.hold = (value & RQ_HOLD) !== 0;
  if (queue.on && on) {
    if (size !== queue.bufferSize) reporter.report('ring-changed-enabled', offset, value);
    return;
  }
  queue.bufferSize = size;
  if (!on) queue.on = false;
  else if (size === 0) reporter.report('buffer-size', offset, value);
  else queue.start(offset, value);
}

export function txQueueRegisters(transmitter: Transmitter, reporter: Reporter): OpTable<NicSpecs> {
  const queue = (index: number): TxQueue => transmitter.queues[index] as TxQueue;
  return {
    TDBA: {
      read: index => queue(index).base,
      write: (index, value) => {
        const { on, base } = queue(index);
        if (mayChange(reporter, on, base, value, at(NIC.TDBA, index))) queue(index).base = value;
      },
    },
    TDLEN: {
      read: index => queue(index).count,
      write: (index, value) => {
        const { on, count } = queue(index);
        if (mayChange(reporter, on, count, value, at(NIC.TDLEN, index))) queue(index).count = value;
      },
    },
    TDH: { read: index => queue(index).head },
    TDT: {
      read: index => queue(index).tail,
      write: (index, value) => {
        if (queue(index).setTail(value, TDT + index * QUEUE_STRIDE)) transmitter.doorbell(index);
      },
    },
    TDCTL: {
      read: index => (queue(index).on ? TQ_EN : 0),
      write: (index, value) => {
        const each = queue(index);
        if ((value & TQ_EN) === 0) {
          each.on = false;
          transmitter.stopped(index);
        } else if (!each.on && each.start(at(TDCTL, index), value)) transmitter.doorbell(index);
      },
    },
  };
}
