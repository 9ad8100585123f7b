import { expect, it } from 'vitest';
import { benchStages } from '../../../harness/bench/stages.ts';

it('the stages of the receive path, every frame ends where it shall and each stage has a figure', () => {
  const results = benchStages(1, 2000);
  expect(results.map(({ name, unit }) => `${name} ${unit}`)).toEqual(
    ['card', 'driver', 'ip_rcv', 'udp_rcv', 'recvfrom'].map(stage => `stage.${stage} ns/frame`),
  );
  expect(results[0]?.median).toBeGreaterThan(0);
});
