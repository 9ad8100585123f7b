/** Under any sequence of sends, blocks, configurations and ups and downs, every packet is accounted for. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dev_change_tx_queue_len,
  dev_close,
  dev_open,
  netif_carrier_off,
  netif_carrier_on,
  netif_stop_queue,
  netif_wake_queue,
} from '../../../../kernel/net/core/dev.ts';
import type { Qdisc } from '../../../../kernel/net/sched/qdisc.ts';
import { tc_dump_qdisc } from '../../../../kernel/net/sched/sch_api.ts';
import { QueueBench } from './queue.ts';

const KINDS = [
  'pfifo limit 7',
  'bfifo limit 4000',
  'pfifo_head_drop limit 5',
  'pfifo_fast',
  'prio',
  'tbf rate 2mbit burst 3000 limit 9000',
  'fq_codel limit 12 flows 4',
  'fq_codel memory_limit 12000 noecn target 1ms interval 5ms',
  'fq limit 12 flow_limit 5',
  'fq maxrate 2mbit buckets 1',
  'netem delay 3ms 2ms loss 10% reorder 20% 10% limit 9',
  'netem rate 3mbit corrupt 5%',
];

/** Packets and bytes that a discipline and all below it really hold: the books must say the same. */
function check(q: Qdisc): void {
  expect(q.qlen).toBeGreaterThanOrEqual(0);
  expect(q.backlog).toBeGreaterThanOrEqual(0);
  if (q.qlen === 0) expect(q.backlog).toBe(0);
  const { cl_ops } = q.ops;
  if (cl_ops === null || q.ops.id === 'mq' || q.ops.id === 'netem') return;
  let qlen = q.gso_skb.qlen + q.skb_bad_txq.qlen;
  cl_ops.walk(q, cl => {
    const child = cl_ops.leaf(q, cl);
    if (child === null) return;
    check(child);
    qlen += child.qlen;
  });
  expect(q.qlen).toBe(qlen);
}

type Step =
  | {
      readonly do: 'send';
      readonly count: number;
      readonly length: number;
      readonly flow: number;
      readonly priority: number;
    }
  | { readonly do: 'run'; readonly ns: number }
  | { readonly do: 'root' | 'child'; readonly kind: string }
  | { readonly do: 'stop' | 'wake' | 'busy' | 'free' | 'down' | 'up' | 'off' | 'on' | 'del' }
  | { readonly do: 'len'; readonly length: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      count: fc.integer({ min: 1, max: 12 }),
      length: fc.constantFrom(60, 100, 700, 1514),
      flow: fc.integer({ min: 0, max: 5 }),
      priority: fc.integer({ min: 0, max: 7 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('run' as const), ns: fc.integer({ min: 0, max: 8_000_000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('root' as const, 'child' as const), kind: fc.constantFrom(...KINDS) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(...(['stop', 'wake', 'busy', 'free', 'down', 'up', 'off', 'on', 'del'] as const)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('len' as const), length: fc.integer({ min: 1, max: 20 }) }) },
);

function apply(b: QueueBench, s: Step): number {
  switch (s.do) {
    case 'send':
      for (let i = 0; i < s.count; i++) b.send(s.length, s.flow, skb => (skb.priority = s.priority));
      return s.count;
    case 'run':
      // A driver that stays busy would be asked for ever at one instant.
      b.busy = false;
      b.run(s.ns);
      break;
    case 'root':
      b.tc(`qdisc replace dev eth0 root handle 1: ${s.kind}`.replace('handle 1: ', ''));
      break;
    case 'child': {
      const { handle, ops } = b.dev.qdisc as Qdisc;
      if (handle === 0 || ops.cl_ops === null || ops.id === 'mq') break;
      b.tc(`qdisc replace dev eth0 parent ${(handle >>> 16).toString(16)}:1 ${s.kind}`);
      break;
    }
    case 'del':
      if ((b.dev.qdisc?.handle ?? 0) !== 0) b.tc('qdisc del dev eth0 root');
      break;
    case 'stop':
      netif_stop_queue(b.dev);
      break;
    case 'busy':
      netif_stop_queue(b.dev, b.dev._tx.length - 1);
      break;
    case 'wake':
    case 'free':
      b.exec(() => {
        for (const txq of b.dev._tx) netif_wake_queue(b.dev, txq.index);
      });
      break;
    case 'down':
      b.exec(() => dev_close(b.dev));
      break;
    case 'up':
      b.exec(() => dev_open(b.dev));
      break;
    case 'off':
      b.exec(() => netif_carrier_off(b.dev));
      break;
    case 'on':
      b.exec(() => netif_carrier_on(b.dev));
      break;
    case 'len':
      b.exec(() => dev_change_tx_queue_len(b.dev, s.length));
      break;
  }
  return 0;
}

const waiting = (b: QueueBench): number => {
  const roots = b.dev.qdisc?.ops.id === 'mq' ? b.dev._tx.map(txq => txq.qdisc_sleeping) : [b.dev.qdisc];
  return roots.reduce((sum, q) => sum + (q?.qlen ?? 0), 0);
};

describe('the books', () => {
  it.each([1, 3])('%i queues, any sequence of operations: enqueued is sent, dropped or waiting', queues => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, wire) => {
        const b = new QueueBench({ queues, ...(wire && queues === 1 ? { rate: 4e6, ring: 8 } : {}) });
        let given = 0;
        for (const s of steps) {
          given += apply(b, s);
          for (const q of tc_dump_qdisc(b.dev)) check(q);
          expect(b.sent.length + b.drops.length + waiting(b)).toBe(given);
        }
        // What was held up leaves when nothing holds it up any more.
        b.exec(() => {
          dev_open(b.dev);
          netif_carrier_on(b.dev);
          for (const txq of b.dev._tx) netif_wake_queue(b.dev, txq.index);
        });
        b.run(3e9);
        expect(waiting(b)).toBe(0);
        b.finish();
      }),
      { numRuns: 150, seed: 5 },
    );
  });
});
