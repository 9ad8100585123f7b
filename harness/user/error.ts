/** A failed system call, for programs: what its negative result means. */
import { errno_name } from '../../kernel/errno.ts';

export class SysError extends Error {
  /** Positive, as in C. */
  readonly errno: number;
  /** 'EAGAIN' and so on. */
  readonly code: string;
  readonly syscall: string;

  constructor(syscall: string, result: number) {
    const code = errno_name(result);
    super(`${syscall}: ${code}`);
    this.name = 'SysError';
    this.errno = -result;
    this.code = code;
    this.syscall = syscall;
  }
}

/** The result of a system call when it is one. @throws SysError when it is negative */
export function check(syscall: string, result: number): number {
  if (result < 0) throw new SysError(syscall, result);
  return result;
}
