/** Files that a command writes: whole, or not at all. */

import { closeSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describeSystemError, UsageError } from './errors.ts';

type Target =
  /** To be replaced by a finished file beside it. */
  | { readonly kind: 'file'; readonly path: string; readonly mode: number }
  /** A device, pipe or socket: written in place. Renaming over it would destroy it. */
  | { readonly kind: 'special'; readonly path: string };

function findTarget(path: string): Target {
  let existing: string;
  try {
    // A symbolic link stays: the file behind it is replaced.
    existing = realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { kind: 'file', path, mode: 0o666 };
  }
  const status = statSync(existing);
  if (status.isDirectory()) throw Object.assign(new Error('EISDIR'), { code: 'EISDIR' });
  if (!status.isFile()) return { kind: 'special', path: existing };
  return { kind: 'file', path: existing, mode: status.mode & 0o777 };
}

const temporaryName = (path: string): string =>
  join(dirname(path), `.${basename(path).slice(0, 100)}.${process.pid}.tmp`);

function cannotWrite(path: string, error: unknown): UsageError {
  return new UsageError(`${path}: cannot be written: ${describeSystemError(error)}`, { cause: error });
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
}

function replace(path: string, mode: number, bytes: Uint8Array | undefined): void {
  const temporary = temporaryName(path);
  const file = openSync(temporary, 'wx', mode);
  try {
    try {
      if (bytes !== undefined) {
        writeAll(file, bytes);
        fsyncSync(file);
      }
    } finally {
      closeSync(file);
    }
    if (bytes !== undefined) renameSync(temporary, path);
  } finally {
    // After the rename there is nothing by this name.
    rmSync(temporary, { force: true });
  }
}

/**
 * To be called before long work whose result goes to `path`: fails now where `writeOutput` would fail later. Leaves
 * nothing behind, and an existing file as it is.
 *
 * @throws UsageError
 */
export function checkOutput(path: string): void {
  try {
    const target = findTarget(path);
    if (target.kind === 'file') replace(target.path, target.mode, undefined);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/**
 * Writes a file beside its place and moves it there when it is complete, so that nobody ever sees half of it and an
 * older file survives a failure.
 *
 * @throws UsageError
 */
export function writeOutput(path: string, content: Uint8Array | string): void {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  try {
    const target = findTarget(path);
    if (target.kind === 'file') {
      replace(target.path, target.mode, bytes);
      return;
    }
    const file = openSync(target.path, 'w');
    try {
      writeAll(file, bytes);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw cannotWrite(path, error);
  }
}
