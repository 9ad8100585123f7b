import { describe, expect, it } from 'vitest';
import { plot } from '../../../harness/experiment/plot.ts';

const axes = { title: 'T&T', x: 'x', y: 'y' };

describe('a plot', () => {
  it('names with markup and a single point, a figure all the same', () => {
    const svg = plot([{ name: 'a<b', points: [[1, 2]] }], axes);
    expect(svg).toContain('a&lt;b');
    expect(svg).toContain('T&amp;T');
    expect(svg).not.toContain('NaN');
  });

  it('logarithmic axes, a tenfold is the same step everywhere, and 0 lies at the foot', () => {
    const svg = plot(
      [
        {
          name: 'a',
          points: [
            [1, 10],
            [10, 100],
            [100, 1000],
            [1000, 0],
          ],
        },
      ],
      { ...axes, logX: true, logY: true },
    );
    const [line = ''] = /points="([^"]*)"/.exec(svg)?.slice(1) ?? [];
    const points = line.split(' ').map(point => point.split(',').map(Number) as [number, number]);
    const [a, b, c, d] = points as [[number, number], [number, number], [number, number], [number, number]];
    expect(b[0] - a[0]).toBeCloseTo(c[0] - b[0], 0);
    expect(b[1] - a[1]).toBeCloseTo(c[1] - b[1], 0);
    expect(d[1]).toBe(a[1]);
    expect(svg).not.toContain('NaN');
  });

  it('categories, a bar for each series and each of them, as high as its value', () => {
    const points = [
      [0, 1],
      [1, 2],
    ] as const;
    const series = [
      { name: 'a', points },
      { name: 'b', points },
    ];
    const svg = plot(series, { ...axes, categories: ['one<', 'two'] });
    const heights = [...svg.matchAll(/<rect x="[^"]*" y="[^"]*" width="[^"]*" height="([\d.]+)" fill="#[\da-f]{6}"/g)]
      .map(match => Number(match[1]))
      .filter(height => height > 10);
    expect(heights).toHaveLength(4);
    expect((heights[1] as number) / (heights[0] as number)).toBeCloseTo(2, 1);
    expect(svg).toContain('>one&lt;<');
    expect(svg).not.toContain('polyline');
  });

  it('nothing to show on a logarithmic axis, no NaN', () => {
    expect(plot([{ name: 'a', points: [] }], { ...axes, logX: true, logY: true })).not.toMatch(/NaN|Infinity/);
  });
});
