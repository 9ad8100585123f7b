/** A line plot as SVG: enough for the experiments' figures, readable in a page and in a document. */

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface PlotOptions {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** A logarithmic axis, over whole powers of ten; what is 0 is drawn at its foot. */
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** Bars over these instead of lines; x of a point is its place among them, from 0. */
  readonly categories?: readonly string[];
}

const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 78;
const RIGHT = 20;
const TOP = 48;
const BOTTOM = 92;
/** Colours that remain apart for the colour-blind (Okabe and Ito). */
const COLOURS = ['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];

/** A step of 1, 2 or 5 times a power of ten that divides `range` into at most `most` parts. */
function niceStep(range: number, most: number): number {
  const rough = range / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5, 10].find(factor => factor * power >= rough) as number) * power;
}

function short(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toFixed(2))} M`;
  if (value >= 1e3) return `${Number((value / 1e3).toFixed(1))} k`;
  return String(Number(value.toFixed(2)));
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Where values lie on an axis, from 0 to 1, and which of them it names. */
interface Axis {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

function linearAxis(values: readonly number[], most: number, toTick: boolean): Axis {
  const top = Math.max(1e-9, ...values);
  const step = niceStep(top, most);
  const end = toTick ? Math.ceil(top / step) * step : top;
  const ticks: number[] = [];
  for (let value = 0; value <= end + step * 1e-6; value += step) ticks.push(value);
  return { at: value => value / end, ticks };
}

/** From the power of ten below the smallest value that is not 0 to the one above the largest. */
function logAxis(values: readonly number[]): Axis {
  const shown = values.filter(value => value > 0);
  if (shown.length === 0) return linearAxis(values, 1, true);
  const low = Math.floor(Math.log10(Math.min(...shown)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...shown))));
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { at: value => (value <= 0 ? 0 : (Math.log10(value) - low) / (high - low)), ticks };
}

/** Categories side by side, each in the middle of its share. */
function categoryAxis(count: number): Axis {
  return { at: value => (value + 0.5) / count, ticks: Array.from({ length: count }, (_, i) => i) };
}

/** The figure; axes that are not logarithmic start at 0. */
export function plot(series: readonly Series[], options: PlotOptions): string {
  const { title, x, y, logX, logY, categories } = options;
  const all = series.flatMap(({ points }) => points);
  const xs = all.map(([value]) => value);
  const ys = all.map(([, value]) => value);
  const lines = logX === true ? logAxis(xs) : linearAxis(xs, 8, false);
  const xAxis = categories === undefined ? lines : categoryAxis(categories.length);
  const yAxis = logY === true ? logAxis(ys) : linearAxis(ys, 6, true);
  const px = (value: number): number => LEFT + xAxis.at(value) * (WIDTH - LEFT - RIGHT);
  const py = (value: number): number => HEIGHT - BOTTOM - yAxis.at(value) * (HEIGHT - TOP - BOTTOM);
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="26" font-size="16" font-weight="600">${escapeXml(title)}</text>`,
  ];
  for (const value of yAxis.ticks) {
    const at = py(value).toFixed(1);
    out.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#ddd"/>`);
    out.push(`<text x="${LEFT - 8}" y="${at}" text-anchor="end" dominant-baseline="middle">${short(value)}</text>`);
  }
  for (const value of xAxis.ticks) {
    const at = px(value).toFixed(1);
    out.push(`<line x1="${at}" x2="${at}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM + 5}" stroke="#333"/>`);
    out.push(
      `<text x="${at}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${escapeXml(categories?.[value] ?? short(value))}</text>`,
    );
  }
  out.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}" stroke="#333"/>`);
  out.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - BOTTOM + 42}" text-anchor="middle">${escapeXml(x)}</text>`,
  );
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  out.push(
    `<text x="20" y="${middle}" text-anchor="middle" transform="rotate(-90 20 ${middle})">${escapeXml(y)}</text>`,
  );
  const legend = Math.min(210, (WIDTH - LEFT) / Math.max(1, series.length));
  series.forEach(({ name, points }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    if (categories === undefined) {
      const line = points.map(([a, b]) => `${px(a).toFixed(1)},${py(b).toFixed(1)}`).join(' ');
      out.push(`<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2"/>`);
      for (const [a, b] of points)
        out.push(`<circle cx="${px(a).toFixed(1)}" cy="${py(b).toFixed(1)}" r="3" fill="${colour}"/>`);
    } else {
      const width = (0.7 * (WIDTH - LEFT - RIGHT)) / (categories.length * series.length);
      for (const [a, b] of points) {
        const left = px(a) + (i - series.length / 2) * width;
        const size = `width="${width.toFixed(1)}" height="${(py(0) - py(b)).toFixed(1)}"`;
        out.push(`<rect x="${left.toFixed(1)}" y="${py(b).toFixed(1)}" ${size} fill="${colour}"/>`);
      }
    }
    const at = LEFT + i * legend;
    out.push(`<rect x="${at}" y="${HEIGHT - 28}" width="14" height="4" fill="${colour}"/>`);
    out.push(`<text x="${at + 20}" y="${HEIGHT - 22}">${escapeXml(name)}</text>`);
  });
  out.push('</svg>');
  return `${out.join('\n')}\n`;
}
