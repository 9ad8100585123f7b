/** A system call of a drill, from its begin on. */
import { errno_name } from '../../kernel/errno.ts';
import type { Syscalls } from '../../kernel/syscalls.ts';
import type { Operation } from './types.ts';

/** What a call does in its thread: its result, and its value in case of success. */
export type Body<T = undefined> = (sys: Syscalls) => Generator<undefined, [result: number, value?: T], undefined>;

/** Finished once, by the thread that made the call; asked for its result before, it throws. */
export class Pending<T> implements Operation<T> {
  readonly call: string;
  readonly startedAt: number;
  done = false;
  private returned = 0;
  private given: T | undefined;
  private at = 0;

  constructor(call: string, startedAt: number) {
    this.call = call;
    this.startedAt = startedAt;
  }

  finish(result: number, value: T | undefined, at: number): void {
    this.returned = result;
    this.given = value;
    this.at = at;
    this.done = true;
  }

  private need(): void {
    if (!this.done) throw new Error(`${this.call} is pending since ${this.startedAt} ns`);
  }

  get result(): number {
    this.need();
    return this.returned;
  }

  get value(): T | undefined {
    this.need();
    return this.given;
  }

  get finishedAt(): number {
    this.need();
    return this.at;
  }

  get errno(): string {
    return this.result < 0 ? errno_name(this.result) : '';
  }
}
