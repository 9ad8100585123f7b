import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NIC } from '../../device/regs/nic.ts';
import { RULES } from '../../device/regs/rules.ts';
import { datasheet } from '../../harness/docs/datasheet.ts';
import { staleDocuments } from '../../harness/docs/generate.ts';

const DEVICE = join(import.meta.dirname, '../../device');

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => readFileSync(join(folder, name), 'utf8'));
}

test('the generated documents are those in docs/ (otherwise: npm run generate)', () => {
  expect(staleDocuments()).toEqual([]);
});

test('every section that rules, prose and comments cite exists', () => {
  const text = datasheet();
  const headings = new Set([...text.matchAll(/^#+ (\d+(?:\.\d+)?) /gm)].map(match => match[1]));
  const cited = [...text, ...sources(DEVICE)].join('').matchAll(/§(\d+(?:\.\d+)?)/g);
  const missing = [...cited].map(match => match[1]).filter(section => !headings.has(section));
  expect(missing).toEqual([]);
});

test('every register and every rule is in the datasheet', () => {
  const text = datasheet();
  for (const name of Object.keys(NIC)) expect(text).toContain(`### ${name}: `);
  for (const name of Object.keys(RULES)) expect(text).toContain(`| \`${name}\` |`);
});

test('every rule is reported somewhere in the card', () => {
  const code = sources(DEVICE)
    .filter(source => !source.includes('export const RULES'))
    .join('\n');
  expect(Object.keys(RULES).filter(name => !code.includes(`'${name}'`))).toEqual([]);
});
