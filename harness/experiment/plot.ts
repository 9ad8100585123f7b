/** A line plot as SVG: enough for the experiments' figures, readable in a page and in a document. */

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface PlotOptions {
  readonly title: string;
  readonly x: string;
  readonly y: string;
}

const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 78;
const RIGHT = 20;
const TOP = 48;
const BOTTOM = 92;
/** Colours that remain apart for the colour-blind (Okabe and Ito). */
const COLOURS = ['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#e69f00'];

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

/** The figure; both axes start at 0. */
export function plot(series: readonly Series[], { title, x, y }: PlotOptions): string {
  const all = series.flatMap(({ points }) => points);
  const xMax = Math.max(1e-9, ...all.map(([value]) => value));
  const yTop = Math.max(1e-9, ...all.map(([, value]) => value));
  const yStep = niceStep(yTop, 6);
  const yMax = Math.ceil(yTop / yStep) * yStep;
  const xStep = niceStep(xMax, 8);
  const px = (value: number): number => LEFT + (value / xMax) * (WIDTH - LEFT - RIGHT);
  const py = (value: number): number => HEIGHT - BOTTOM - (value / yMax) * (HEIGHT - TOP - BOTTOM);
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="26" font-size="16" font-weight="600">${escapeXml(title)}</text>`,
  ];
  for (let value = 0; value <= yMax + yStep / 2; value += yStep) {
    const at = py(value).toFixed(1);
    out.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#ddd"/>`);
    out.push(`<text x="${LEFT - 8}" y="${at}" text-anchor="end" dominant-baseline="middle">${short(value)}</text>`);
  }
  for (let value = 0; value <= xMax + 1e-9; value += xStep) {
    const at = px(value).toFixed(1);
    out.push(`<line x1="${at}" x2="${at}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM + 5}" stroke="#333"/>`);
    out.push(`<text x="${at}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${short(value)}</text>`);
  }
  out.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}" stroke="#333"/>`);
  out.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - BOTTOM + 42}" text-anchor="middle">${escapeXml(x)}</text>`,
  );
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  out.push(
    `<text x="20" y="${middle}" text-anchor="middle" transform="rotate(-90 20 ${middle})">${escapeXml(y)}</text>`,
  );
  series.forEach(({ name, points }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const line = points.map(([a, b]) => `${px(a).toFixed(1)},${py(b).toFixed(1)}`).join(' ');
    out.push(`<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const [a, b] of points)
      out.push(`<circle cx="${px(a).toFixed(1)}" cy="${py(b).toFixed(1)}" r="3" fill="${colour}"/>`);
    const at = LEFT + i * 210;
    out.push(`<rect x="${at}" y="${HEIGHT - 28}" width="14" height="4" fill="${colour}"/>`);
    out.push(`<text x="${at + 20}" y="${HEIGHT - 22}">${escapeXml(name)}</text>`);
  });
  out.push('</svg>');
  return `${out.join('\n')}\n`;
}
