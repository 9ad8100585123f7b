import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NE2000 } from '../../device/regs/ne2000.ts';
import { NE2000_RULES } from '../../device/regs/ne2000-rules.ts';
import { NIC } from '../../device/regs/nic.ts';
import { RULES } from '../../device/regs/rules.ts';
import { datasheet } from '../../harness/docs/datasheet.ts';
import { staleDocuments } from '../../harness/docs/generate.ts';
import { ne2000Manual } from '../../harness/docs/ne2000.ts';

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

test('the NE2000’s manual: every register, every rule, and every section that is cited', () => {
  const text = ne2000Manual();
  for (const name of Object.keys(NE2000)) expect(text).toContain(`### ${name}: `);
  for (const name of Object.keys(NE2000_RULES)) expect(text).toContain(`| \`${name}\` |`);
  const headings = new Set([...text.matchAll(/^#+ (N\d+(?:\.\d+)?) /gm)].map(match => match[1]));
  const cited = [...text, ...sources(DEVICE)].join('').matchAll(/\b(N[1-9](?:\.\d+)?)\b/g);
  expect([...cited].map(match => match[1]).filter(section => !headings.has(section))).toEqual([]);
  const code = sources(DEVICE)
    .filter(source => !source.includes('export const NE2000_RULES'))
    .join('\n');
  expect(Object.keys(NE2000_RULES).filter(name => !code.includes(`'${name}'`))).toEqual([]);
});
