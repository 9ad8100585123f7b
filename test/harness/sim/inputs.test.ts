import { describe, expect, it } from 'vitest';
import { formatLog, type Input, InputLogError, Inputs, parseLog } from '../../../harness/sim/inputs.ts';
import { RunHash } from '../../../harness/sim/runhash.ts';
import { Sim } from '../../../harness/sim/sim.ts';

/** A little world: an input arms an event a little later; everything seen goes into the hash. */
function world(): { sim: Sim; inputs: Inputs; hash: RunHash; log: Input[] } {
  const sim = new Sim();
  const hash = new RunHash();
  const inputs = new Inputs(sim, hash);
  const log: Input[] = [];
  inputs.onInput = input => log.push(input);
  const later = sim.event('later', () => hash.note('later', sim.time));
  inputs.port('wire', data => {
    hash.data(data, 0, data.length);
    sim.schedule(later, sim.time + (data[0] ?? 0));
  });
  return { sim, inputs, hash, log };
}

describe('the input log', () => {
  it('a live run replayed from its log, gives the same hash', () => {
    const live = world();
    for (let i = 0; i < 50; i++) {
      // Offered for the present, now and then several at once, also for a time that has passed.
      live.inputs.offer('wire', new Uint8Array([i % 7, i]), live.sim.time - (i % 3));
      if (i % 4 !== 0) live.sim.run(live.sim.time + (i % 5));
    }
    live.sim.settle();
    const { inputs } = parseLog(formatLog({ scenario: 'test', seed: 1 }, live.log));
    const again = world();
    again.inputs.replay(inputs);
    again.sim.settle();
    expect(again.hash.digest()).toBe(live.hash.digest());
    expect(again.log).toEqual(live.log);
  });

  it('an input offered while the clock stands at a time, enters after everything served then', () => {
    const { sim, inputs, log } = world();
    sim.schedule(
      sim.event('x', () => {}),
      100,
    );
    sim.run(100);
    expect(inputs.offer('wire', new Uint8Array([1]), 100)).toBe(101);
    sim.settle();
    expect(log.map(input => input.time)).toEqual([101]);
  });

  it('inputs offered for times out of order, keep the order in which they were offered', () => {
    const { sim, inputs, log } = world();
    inputs.offer('wire', new Uint8Array([1]), 500);
    inputs.offer('wire', new Uint8Array([2]), 300);
    sim.settle();
    expect(log.map(input => [input.time, input.data[0]])).toEqual([
      [500, 1],
      [500, 2],
    ]);
  });

  it('an input whose handler arms something for the same time: the next input of that time still comes first', () => {
    const { sim, inputs, hash, log } = world();
    inputs.replay([
      { time: 5, port: 'wire', data: new Uint8Array([0, 1]) },
      { time: 5, port: 'wire', data: new Uint8Array([0, 2]) },
      { time: 6, port: 'wire', data: new Uint8Array([0, 3]) },
    ]);
    sim.settle();
    expect(log.map(input => [input.time, input.data[1]])).toEqual([
      [5, 1],
      [5, 2],
      [6, 3],
    ]);
    // Three inputs with their data, which the handler takes in too, and one `later` for each time.
    expect(hash.records).toBe(3 * 3 + 2);
    expect(inputs.pending).toBe(0);
  });

  it('a log of which only the next input is held: taken as the run gets there', () => {
    const { sim, inputs, log } = world();
    let taken = 0;
    function* many(): Generator<Input> {
      for (; taken < 1000; taken++) yield { time: taken * 10, port: 'wire', data: new Uint8Array([1]) };
    }
    inputs.replay(many());
    sim.run(99);
    expect(log.length).toBe(10);
    expect(taken).toBe(10);
    sim.settle();
    expect(log.length).toBe(1000);
  });

  it('closed: what was offered for later does not enter', () => {
    const { sim, inputs, log } = world();
    inputs.offer('wire', new Uint8Array([1]), 10);
    inputs.offer('wire', new Uint8Array([2]), 20);
    sim.run(10);
    inputs.close();
    expect(sim.settle()).toBe(true);
    expect(log.length).toBe(1);
  });

  it('the end of a log: read back, and held against the number of inputs', () => {
    const header = { scenario: 'test', seed: 1, config: { host: 'us' } };
    const input = { time: 5, port: 'wire', data: new Uint8Array([1, 2]) };
    const end = { end: 9, inputs: 1, hash: 'ab' };
    expect(parseLog(formatLog(header, [input], end))).toEqual({ header, inputs: [input], end });
    expect(() => parseLog(formatLog(header, [], end))).toThrow('line 2: 1 inputs were recorded, 0 are here');
    expect(() => parseLog(formatLog(header, [input], { ...end, end: 4 }))).toThrow('line 3: bad end');
  });

  it.each([
    ['', 'line 1: not a JSON object'],
    ['{"format":"other"}\n', 'line 1: not a ringside-inputs/1 log'],
    ['{"format":"ringside-inputs/1"}\n', 'line 1: scenario or seed is missing'],
    ['{"format":"ringside-inputs/1","scenario":"s","seed":1}\n{"time":-1,"port":"p","data":""}\n', 'line 2: bad time'],
    ['{"format":"ringside-inputs/1","scenario":"s","seed":1}\n{"time":1}\n', 'line 2: port or data is missing'],
    ['{"format":"ringside-inputs/1","scenario":"s","seed":1}\n{"time"', 'line 2: not a JSON object'],
  ])('a log that is broken, refused by line: %s', (text, message) => {
    expect(() => parseLog(text)).toThrow(new InputLogError(message));
  });
});
