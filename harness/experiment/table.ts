/** Text tables for the experiments: columns as wide as their widest entry. */

/** `left`: how many columns are text, at the left edge; the others are figures, to the right. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[], left = 0): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map(row => (row[i] ?? '').length)));
  return all.map(row =>
    row
      .map((cell, i) => (i < left ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
      .join('  ')
      .trimEnd(),
  );
}

export const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
