/** docs/conformance.md: every rule of the RFCs, with the test that shows it or the reason why there is none. */
import { RFC768 } from './conformance/rfc768.ts';
import { RFC791 } from './conformance/rfc791.ts';
import { RFC792 } from './conformance/rfc792.ts';
import { RFC826 } from './conformance/rfc826.ts';
import { RFC1122 } from './conformance/rfc1122.ts';
import { RFC1812 } from './conformance/rfc1812.ts';
import { RFC2385 } from './conformance/rfc2385.ts';
import { RFC7413 } from './conformance/rfc7413.ts';
import { RFC9293 } from './conformance/rfc9293.ts';
import { RFC9768 } from './conformance/rfc9768.ts';
import type { Rfc, Rule, Standing } from './conformance/rules.ts';
import { table } from './datasheet.ts';

export const RFCS: readonly Rfc[] = [
  RFC791,
  RFC792,
  RFC826,
  RFC768,
  RFC1122,
  RFC1812,
  RFC9293,
  RFC7413,
  RFC2385,
  RFC9768,
];

const WORDS: Readonly<Record<Standing, string>> = {
  yes: 'yes',
  linux: 'as Linux',
  no: 'no',
  none: 'n/a',
  untested: 'no test yet',
};

const INTRO = `<!-- Generated from harness/docs/conformance/ by npm run generate: do not edit. -->

# Conformance

What the RFCs demand, rule by rule, in short words of our own, with the test that shows it. Names of tests are those they
are run under (of a table's row, the row; of a group, all in it); a test fails when one of them is no longer there, or
when a test that is named after one of these RFCs is not listed. Every MUST is listed; of what is only recommended, some
(SHOULD). The older RFCs know no such words: there, whatever they state as how it is done is a rule.

- **yes**: the tests show it.
- **as Linux**: Linux 6.18 does otherwise, and so does this stack; the tests show what Linux does.
- **no**: not done, and why.
- **n/a**: it does not concern a stack of this kind, or nothing that could be tested follows from it, and why.
- **no test yet**: believed to be so, not shown.
`;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

/** A test file as a link from docs/. */
const link = (path: string): string => `[${path.replace(/^.*\//, '').replace(/\.test\.ts$/, '')}](../${path})`;

function shownBy({ note, tests }: Rule): string {
  const names = tests.map(({ file, names }) => `${link(file)}: ${names.map(name => `“${cell(name)}”`).join(', ')}`);
  return [...(note === '' ? [] : [cell(note)]), ...names].join('<br>');
}

function summary(): string {
  const kinds = Object.keys(WORDS) as Standing[];
  const rows = RFCS.map(({ number, title, rules }) => [
    `[RFC ${number}](#rfc-${number})`,
    title,
    String(rules.length),
    ...kinds.map(kind => String(rules.filter(({ standing }) => standing === kind).length)),
  ]);
  return table(['RFC', 'title', 'rules', ...kinds.map(kind => WORDS[kind])], rows);
}

function section({ number, title, intro, rules }: Rfc): string {
  const rows = rules.map(rule => [rule.section, rule.level, cell(rule.text), WORDS[rule.standing], shownBy(rule)]);
  const head = ['section', 'level', 'what', 'done', 'test, or reason'];
  return [`## RFC ${number}`, `${title}. ${intro}`.trim(), table(head, rows)].join('\n\n');
}

/** The whole document, Markdown. */
export function conformance(): string {
  return `${[INTRO, summary(), ...RFCS.map(section)].join('\n\n').replace(/\n{3,}/g, '\n\n')}\n`;
}
