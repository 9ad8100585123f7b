/** A live run without Linux: frames offered from outside, recorded, and the recording run again. */
import { expect, test } from 'vitest';
import type { Input } from '../../../harness/sim/inputs.ts';
import { buildAttached, finishLive, type LiveResult, type LiveWorld } from '../../../harness/wire/tap/scenario.ts';
import { bytesOf } from '../../kernel/net/segment.ts';

const config = { host: '02:00:00:00:00:02,10.9.0.2/24', rate: 1e9, memory: 4096, costs: true } as const;
const PORT = 'tap0';
/** 10.9.0.1 asks for 10.9.0.2. */
const WHO_HAS = bytesOf(
  'ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a090001 000000000000 0a090002',
);

function build(): LiveWorld {
  return buildAttached(config, { seed: 7, hash: true, port: PORT }).live;
}

function record(last: number): { log: Input[]; result: LiveResult } {
  const live = build();
  const { inputs, sim } = live.world;
  const log: Input[] = [];
  inputs.onInput = input => log.push(input);
  for (let i = 0; i < 20; i++) {
    const frame = Uint8Array.from([...WHO_HAS, ...new Array<number>(18).fill(0)]);
    frame[59] = i === 19 ? last : i;
    inputs.offer(PORT, frame, sim.time + i * 1000);
    sim.run(sim.time + 700 * i);
  }
  live.command({ host: 'us', mac: '02:00:00:00:00:99' }, sim.time);
  sim.run(sim.time + 12_345_678);
  return { log, result: finishLive(live) };
}

test('a recording run again: the same figures, the same end, the same hash', () => {
  const { log, result } = record(19);
  expect(result.findings).toEqual([]);
  expect([result.in, result.out > 10]).toEqual([20, true]);
  const live = build();
  const { inputs, sim } = live.world;
  inputs.replay(log);
  while (sim.time < result.end) sim.run(Math.min(result.end, sim.time + 1_000_000));
  expect(finishLive(live)).toEqual(result);
});

test('one byte of padding that nobody looks at: another hash', () => {
  expect(record(20).result.hash).not.toBe(record(19).result.hash);
});
