/** A drill from its beginning to its end, and what its tests need to talk with it. */
import { expect } from 'vitest';
import { DrillHost, type DrillOptions, type Operation } from '../../../harness/drill/api.ts';

export const AF_INET = 2;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;

/** An int as a C program has it. */
export function int(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

/** Runs `body`, then looks for what was left behind. */
export function drill(body: (host: DrillHost) => void, options: DrillOptions = {}): void {
  const host = new DrillHost(options);
  body(host);
  expect(host.end()).toEqual([]);
}

/** The value of a call that went well. */
export function good<T>(operation: Operation<T>): T {
  expect(operation.result, operation.call).toBeGreaterThanOrEqual(0);
  return operation.value as T;
}

export const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
export const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');
