/**
 * The registry of stages: every place of a packet's way that has a tracepoint, by its Linux name, in the order of
 * the packet's way. The tracer takes lanes, simple tracepoints and the places of drops from here; docs/packet-path.md
 * is made of it; the stage suite (test/harness/trace/stages.test.ts) holds each entry to what it says.
 */
import type { Layer } from './event.ts';
import type { Section, Stage } from './stage.ts';
import { RECEIVE_STAGES } from './stages-receive.ts';
import { STACK_STAGES } from './stages-stack.ts';

export { COMPLETE, SECTIONS, type Section, type Stage } from './stage.ts';

export const STAGES: readonly Stage[] = [...RECEIVE_STAGES, ...STACK_STAGES];

/** What ends a packet; the reason and the stage are in the event's `drop` and `where`. */
export const ENDINGS: Readonly<Record<string, Layer>> = {
  kfree_skb_reason: 'core',
  netdev_rx_drop: 'driver',
  rx_dropped: 'card',
  tx_dropped: 'card',
};

const byName = new Map(STAGES.map(stage => [stage.name, stage]));

/** The registry's entry for a TraceEvent's stage; undefined for an ending. System calls share one. */
export function stageOf(name: string, layer: Layer): Stage | undefined {
  return byName.get(name) ?? (layer === 'syscall' ? byName.get('syscall') : undefined);
}

/** The lane of a stage. Throws for a name that is not registered: a tracepoint without an entry here. */
export function laneOf(name: string): Layer {
  const lane = byName.get(name)?.lane ?? ENDINGS[name];
  if (lane === undefined) throw new Error(`stage ${name} is not in harness/trace/stages.ts`);
  return lane;
}

// ---- where a drop belongs --------------------------------------------------------------------------------------------

const byFunction = new Map<string, string>();
const byPath: (readonly [path: string, stage: string])[] = [];
for (const { name, at = [] } of STAGES) {
  for (const place of at) {
    if (place.includes('/')) byPath.push([place, name]);
    else byFunction.set(place, name);
  }
}

/** The card's reasons say their stage. */
const cardStages = (section: Section): Map<string, string> =>
  new Map(
    STAGES.filter(stage => stage.section === section && stage.slot.startsWith('card:')).flatMap(stage =>
      typeof stage.drops === 'string' ? [] : stage.drops.map(reason => [reason, stage.name] as const),
    ),
  );
const rxStages = cardStages(1);
const txStages = cardStages(7);

/** The stage of a card's drop. */
export function cardStageOf(received: boolean, reason: string): string {
  return (received ? rxStages : txStages).get(reason) ?? (received ? 'frame_arrived' : 'tx_start');
}

/** The stage that a kernel function's drop is charged to; '' when it is the packet's last one. */
export function stageOfFunction(name: string, path: string): string {
  return byFunction.get(name) ?? byPath.find(([start]) => path.includes(start))?.[1] ?? '';
}
