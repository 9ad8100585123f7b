/** The lists behind docs/conformance.md: every test they name is there, and none that is named after an RFC is left out. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { RFCS } from '../../../harness/docs/conformance.ts';
import { parse, readText, type TreeNode, visitTree } from '../../tidy/source.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

interface Titles {
  /** First arguments of calls, and first elements of arrays: titles, and the rows of tables of tests. */
  readonly literals: ReadonlySet<string>;
  /** Titles with holes, which literals or numbers fill. */
  readonly patterns: readonly RegExp[];
}

/** A string, or a template as a pattern with a group for each hole. */
function addTitle(node: TreeNode | null | undefined, literals: Set<string>, patterns: RegExp[]): void {
  if (node?.type === 'Literal' && typeof node.value === 'string') literals.add(node.value);
  if (node?.type !== 'TemplateLiteral') return;
  const texts = (node.quasis as TreeNode[]).map(quasi => (quasi.value as { cooked: string }).cooked);
  if (texts.length === 1) literals.add(texts[0] as string);
  else if (texts.some(text => text.trim() !== '')) {
    patterns.push(new RegExp(`^${texts.map(text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('(.+)')}$`, 's'));
  }
}

function titlesIn(path: string): Titles {
  const source = parse(readText(path) as { path: string; text: string });
  const literals = new Set<string>();
  const patterns: RegExp[] = [];
  visitTree(source.tree, node => {
    if (node.type === 'CallExpression') addTitle((node.arguments as TreeNode[])[0], literals, patterns);
    if (node.type === 'ArrayExpression') addTitle((node.elements as TreeNode[])[0], literals, patterns);
  });
  return { literals, patterns };
}

function has({ literals, patterns }: Titles, name: string): boolean {
  if (literals.has(name)) return true;
  const filled = (hole: string): boolean => literals.has(hole) || /^\d+$/.test(hole);
  return patterns.some(pattern => pattern.exec(name)?.slice(1).every(filled) ?? false);
}

const listed = new Map<string, Set<string>>();
for (const { rules } of RFCS) {
  for (const { file, names } of rules.flatMap(({ tests }) => tests)) {
    const set = listed.get(file) ?? new Set();
    for (const name of names) set.add(name);
    listed.set(file, set);
  }
}

describe('docs/conformance.md', () => {
  test.each([...listed.keys()].sort())('%s: the tests that are named are there', file => {
    const titles = titlesIn(file);
    expect([...(listed.get(file) as Set<string>)].filter(name => !has(titles, name))).toEqual([]);
  });

  test('a test that was renamed is found', () => {
    const titles = titlesIn('test/conformance/rfc768.test.ts');
    expect(has(titles, 'RFC 768: no such test')).toBe(false);
    expect(
      has(
        titlesIn('test/kernel/net/ipv4/errqueue.test.ts'),
        'RFC 1122 4.1.3.3: no such error: what a connected socket hears without, and with IP_RECVERR',
      ),
    ).toBe(false);
  });

  test('each test that is named after one of these RFCs is listed', () => {
    const numbers = RFCS.map(({ number }) => number).join('|');
    const named = new RegExp(`^(?:\\w+: )?RFC (?:${numbers})\\b`);
    const files = readdirSync(`${root}test`, { recursive: true, encoding: 'utf8' })
      .map(path => `test/${path.replaceAll('\\', '/')}`)
      .filter(path => path.endsWith('.test.ts') && path !== 'test/harness/docs/conformance.test.ts');
    const missing = files.flatMap(file =>
      [...(readText(file)?.text.includes('RFC ') ? titlesIn(file).literals : [])]
        .filter(title => named.test(title) && listed.get(file)?.has(title) !== true)
        .map(title => `${file}: ${title}`),
    );
    expect(missing).toEqual([]);
  });

  test.each(RFCS.map(({ number, rules }) => ({ number, rules })))(
    'RFC $number: every rule has a test, or a reason',
    ({ rules }) => {
      const bare = rules.filter(({ standing, note, tests }) => (standing === 'yes' ? tests.length === 0 : note === ''));
      expect(bare).toEqual([]);
      expect(rules.flatMap(({ tests }) => tests).filter(({ names }) => names.length === 0)).toEqual([]);
    },
  );

  test('RFC 9293: all of its numbers, once', () => {
    const rfc = RFCS.find(({ number }) => number === 9293);
    const numbered = rfc?.rules.filter(({ level }) => level !== 'rule');
    const numbers = numbered?.map(({ section }) => Number(/^MUST-(\d+)/.exec(section)?.[1]));
    expect(numbers).toEqual(Array.from({ length: 69 }, (_, i) => i + 1));
  });
});
