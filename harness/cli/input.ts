/** Files that a user names on the command line. */

import { readFileSync } from 'node:fs';
import { type Capture, CaptureError } from '../wire/pcap/capture.ts';
import { readCapture } from '../wire/pcap/read.ts';
import { describeSystemError, UsageError } from './errors.ts';

/** @throws UsageError when the file cannot be read */
export function readInput(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(`${path}: cannot be read: ${describeSystemError(error)}`, { cause: error });
  }
}

/** @throws UsageError when the file cannot be read, or is no capture */
export function loadCapture(path: string): Capture {
  try {
    return readCapture(readInput(path), path);
  } catch (error) {
    if (error instanceof CaptureError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}
