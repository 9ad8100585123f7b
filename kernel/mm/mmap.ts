/**
 * A task's user memory (mm/mmap.c, mm/util.c): blocks of the host's RAM that belong to it. Addresses are not
 * translated; what a system call is given is checked against the blocks, so that a wrong pointer is -EFAULT.
 */
import { EINVAL, ENOMEM } from '../errno.ts';
import type { Kernel } from '../kernel.ts';
import { GFP_KERNEL } from './slab.ts';

export class mm_struct {
  private readonly kernel: Kernel;
  private readonly start: number[] = [];
  private readonly end: number[] = [];
  /** The block that held the last address: most programs use one or two. */
  private last = 0;
  /** Tasks that share the memory (CLONE_VM). */
  users = 1;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** mmap: the address of `length` zeroed bytes, -EINVAL, or -ENOMEM (also above the allocator's 4 MiB). */
  mmap(length: number): number {
    if (!(length > 0)) return -EINVAL;
    const address = this.kernel.slab.kmalloc(length, GFP_KERNEL);
    if (address === 0) return -ENOMEM;
    this.kernel.ram.u8.fill(0, address, address + length);
    this.start.push(address);
    this.end.push(address + length);
    return address;
  }

  /** munmap of a whole block: 0 or -EINVAL. */
  munmap(address: number): number {
    const index = this.start.indexOf(address);
    if (index < 0) return -EINVAL;
    this.start.splice(index, 1);
    this.end.splice(index, 1);
    this.last = 0;
    this.kernel.slab.put(address);
    return 0;
  }

  /** access_ok: does [address, address + length) belong to the task? An empty range always does. */
  access_ok(address: number, length: number): boolean {
    if (length === 0) return true;
    const { start, end, last } = this;
    const top = address + length;
    if (last < start.length && address >= (start[last] as number) && top <= (end[last] as number)) return true;
    for (let i = 0; i < start.length; i++) {
      if (address >= (start[i] as number) && top <= (end[i] as number)) {
        this.last = i;
        return true;
      }
    }
    return false;
  }

  /** exit_mmap, when the last task is gone. */
  exit(): void {
    if (--this.users > 0) return;
    for (const address of this.start) this.kernel.slab.put(address);
    this.start.length = 0;
    this.end.length = 0;
  }
}
