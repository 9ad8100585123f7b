/** The three ways in which a command ends badly. Anything else that is thrown is a bug of ours. */

/** Used wrongly: exit status 2. The message is one line, without a full stop: `FILE: no such file`. */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UsageError';
  }
}

/** What the command judges has failed: exit status 1. The message is one line. */
export class JudgedFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'JudgedFailure';
  }
}

/** What a system call's error says, in words; the code itself where there are none. */
export function describeSystemError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code === undefined ? undefined : SYSTEM_ERRORS[code]) ?? code ?? message;
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRINUSE: 'somebody listens there already',
  EADDRNOTAVAIL: 'it is no address of this machine',
  EBUSY: 'it is busy',
  ECONNREFUSED: 'nobody listens there',
  EDQUOT: 'the disk quota is used up',
  EEXIST: 'it exists already',
  EISDIR: 'it is a folder',
  ELOOP: 'too many symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'no such file or folder',
  ENOSPC: 'no space is left on the disk',
  ENOTDIR: 'part of the path is not a folder',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
  ERR_INVALID_ARG_VALUE: 'the name has a zero byte',
};
