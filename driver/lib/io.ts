/**
 * Register access by register instead of by offset: a field of another register, a write to a read-only register or
 * a read of a write-only one does not compile.
 */
import type { Access, Field, Member, Reg, Word } from '../../device/regs/describe.ts';
import { type iomem, readl as ioread32, writel as iowrite32 } from '../../kernel/include/io.ts';

/** Reads a register (instance `queue` of a per-queue one). Unsigned. */
export function readl<R extends string>(io: iomem, reg: Reg<R, Exclude<Access, 'wo'>>, queue = 0): Word<R> {
  return ioread32(io, reg.offset + queue * reg.stride);
}

/** Writes a register: posted. */
export function writel<R extends string>(
  io: iomem,
  reg: Reg<R, Exclude<Access, 'ro' | 'rc'>>,
  value: Word<NoInfer<R>>,
  queue = 0,
): void {
  iowrite32(io, reg.offset + queue * reg.stride, value);
}

/**
 * Where a register that may be read is, for the accesses of every packet and interrupt: each Reg has a shape of its own, so
 * that looking into one is slow where many come by.
 */
export function read_at<R extends string>(reg: Reg<R, Exclude<Access, 'wo'>>, queue = 0): number {
  return reg.offset + queue * reg.stride;
}

/** Where a register that may be written is: as read_at. */
export function write_at<R extends string>(reg: Reg<R, Exclude<Access, 'ro' | 'rc'>>, queue = 0): number {
  return reg.offset + queue * reg.stride;
}

/** A field's value in a word of its own register (or descriptor member). */
export function field<R extends string>(word: Word<NoInfer<R>>, of: Field<R>): number {
  return (word & of.mask) >>> of.lsb;
}

/** A word with the given fields set to all-ones: bits(NIC.IMS.RX, NIC.IMS.TX). */
export function bits<R extends string>(...fields: Field<R>[]): Word<R> {
  let word = 0;
  for (const f of fields) word |= f.mask;
  return word >>> 0;
}

/** `value` placed in its field. */
export function place<R extends string>(of: Field<R>, value: number): Word<R> {
  return (value << of.lsb) >>> 0;
}

/** Byte offset of a member of descriptor `index`. */
export function member(index: number, bytes: number, of: Member<string>): number {
  return index * bytes + of.offset;
}
