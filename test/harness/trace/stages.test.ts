/**
 * Each stage of the packet's way is seen, and each reason that it has to end a packet ends one, in some scene. A stage
 * without a scene, a reason without a scene, and a drop that the registry does not know fail.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { NicTrace } from '../../../device/trace.ts';
import { COMPLETE, STAGES } from '../../../harness/trace/stages.ts';
import { Tracepoints } from '../../../kernel/trace/events.ts';
import { CARD_SCENES } from './card-scenes.ts';
import { HOST_SCENES } from './host-scenes.ts';
import { registered, type Shown } from './scenes.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SCENES = [...CARD_SCENES, ...HOST_SCENES];
const complete = STAGES.filter(({ section }) => COMPLETE.has(section));
const known = registered();
const declared = new Set(SCENES.flatMap(({ shows }) => shows));

describe('scenes', () => {
  it.each(SCENES.map(each => [each.name, each] as const))('%s', (_, { shows, run }) => {
    const shown = run();
    expect(shows.filter(each => !shown.has(each))).toEqual([]);
    const drops = [...shown].filter(each => each.includes(' '));
    expect(drops.filter(drop => drop.endsWith(' NOT_SPECIFIED'))).toEqual([]);
    const inComplete = (drop: Shown): boolean => complete.some(({ name }) => drop.startsWith(`${name} `));
    expect(drops.filter(drop => inComplete(drop) && !known.has(drop))).toEqual([]);
    expect(drops.filter(drop => drop.startsWith(' '))).toEqual([]);
  });
});

describe('the registry', () => {
  it.each(complete.map(stage => [stage.name, stage] as const))('%s: seen in a scene', name => {
    expect(declared.has(name)).toBe(true);
  });

  it.each(
    complete.flatMap(({ name, drops }) => (typeof drops === 'string' ? [] : drops.map(reason => `${name} ${reason}`))),
  )('%s: a packet ends so in a scene', drop => {
    expect(declared.has(drop)).toBe(true);
  });

  it('says why where nothing ends', () => {
    for (const { name, drops } of STAGES) {
      if (typeof drops === 'string') expect(drops.length, name).toBeGreaterThan(10);
      else expect(drops.length, name).toBeGreaterThan(0);
    }
  });

  it('has each name once', () => {
    expect(new Set(STAGES.map(({ name }) => name)).size).toBe(STAGES.length);
  });

  it.each(STAGES.map(stage => [stage.name, stage] as const))(
    '%s: its source has the tracepoint, its test exists',
    (_, stage) => {
      expect(existsSync(`${ROOT}/${stage.test}`), stage.test).toBe(true);
      const source = readFileSync(`${ROOT}/${stage.file}`, 'utf8');
      const slot = stage.slot.replace(/^card:/, '');
      if (slot !== '') expect(source).toMatch(new RegExp(`trace\\??\\.${slot}\\b|\\b${slot}\\(|\\b${slot}\\b`));
    },
  );

  // A tracepoint that no stage names is one that nobody can read of.
  const AROUND = ['copy', 'sys_enter', 'skb_alloc', 'dma_coherent_store', 'kfree_skb', 'netdev_rx_drop'];
  it('names every tracepoint of the kernel', () => {
    const slots = new Set(STAGES.map(({ slot }) => slot));
    expect(Object.keys(new Tracepoints()).filter(slot => !slots.has(slot) && !AROUND.includes(slot))).toEqual([]);
  });

  it('names every tracepoint of the card', () => {
    const slots = new Set(STAGES.map(({ slot }) => slot));
    const ends = ['rx_dropped', 'tx_dropped'];
    expect(Object.keys(new NicTrace()).filter(slot => !slots.has(`card:${slot}`) && !ends.includes(slot))).toEqual([]);
  });
});
