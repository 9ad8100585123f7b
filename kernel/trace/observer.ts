/**
 * What the machine wants to know of programs whether or not anybody traces: the run hash does. A slot of its own beside
 * the tracepoints, so that whoever sets one of those takes nobody's place.
 */
import type { task_struct } from '../sched/task.ts';

export interface ProgramObserver {
  /** A system call has its result; what it told the program beside is in its arguments. */
  sys_exit(
    task: task_struct,
    name: string,
    result: number,
    a: unknown,
    b: unknown,
    c: unknown,
    d: unknown,
    e: unknown,
    f: unknown,
  ): void;
  /** The kernel has written `length` bytes at `address` of a program's memory. */
  copy_to_user(address: number, length: number): void;
}
