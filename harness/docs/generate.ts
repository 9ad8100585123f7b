/**
 * Writes the generated documents. `npx tsx harness/docs/generate.ts` writes; with `--check` it writes nothing, names
 * every file that is stale, and exits with 1.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { conformance } from './conformance.ts';
import { datasheet } from './datasheet.ts';
import { ne2000Manual } from './ne2000.ts';
import { packetPath } from './packet-path.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Path under the repository → what makes its contents. */
export const DOCUMENTS: Readonly<Record<string, () => string>> = {
  'docs/conformance.md': conformance,
  'docs/datasheet.md': datasheet,
  'docs/ne2000.md': ne2000Manual,
  'docs/packet-path.md': packetPath,
};

function onDisk(path: string): string | null {
  try {
    return readFileSync(join(ROOT, path), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Documents that differ from what would be generated. */
export function staleDocuments(): string[] {
  return Object.entries(DOCUMENTS)
    .filter(([path, make]) => onDisk(path) !== make())
    .map(([path]) => path);
}

function main(args: readonly string[]): number {
  const unknown = args.find(arg => arg !== '--check');
  if (unknown !== undefined) {
    process.stderr.write(`generate: unknown argument ${unknown}; usage: generate.ts [--check]\n`);
    return 2;
  }
  const stale = staleDocuments();
  if (args.includes('--check')) {
    for (const path of stale) process.stderr.write(`${path} is stale: run npm run generate\n`);
    return stale.length > 0 ? 1 : 0;
  }
  for (const path of stale) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true });
    writeFileSync(join(ROOT, path), (DOCUMENTS[path] as () => string)());
    process.stdout.write(`wrote ${path}\n`);
  }
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
