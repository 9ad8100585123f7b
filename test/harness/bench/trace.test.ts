/** Cutting tracepoints out of the sources, for the measurement of what they cost. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { cutTracepoints } from '../../../harness/bench/trace.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

test('a tracepoint on two lines, one in a field, one with a statement on its own line: gone, and nothing else', () => {
  const text = `function f(skb) {
  const tp = skb.kernel.trace.ip_rcv;
  if (tp !== null) tp(skb);
  work(skb);
  if (this.trace.irq !== null) this.trace.irq(level);
  const entry = kernel.trace.irq_handler_entry;
  if (entry !== null)
    entry(irq, 1);
  return 0;
}
`;
  expect(cutTracepoints(text)).toEqual({ text: 'function f(skb) {\n  work(skb);\n  return 0;\n}\n', cut: 3, left: 0 });
});

test('of the sources nearly all are cut: what stays is counted', () => {
  let cut = 0;
  let left = 0;
  for (const room of ['device', 'driver', 'kernel']) {
    for (const path of readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })) {
      if (!path.endsWith('.ts')) continue;
      const result = cutTracepoints(readFileSync(join(ROOT, room, path), 'utf8'));
      cut += result.cut;
      left += result.left;
    }
  }
  expect(cut).toBeGreaterThan(90);
  expect(left).toBeLessThan(10);
});
