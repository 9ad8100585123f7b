/** The import rule and the bans of the house, held against every file; and each rule against a planted violation. */

import { describe, expect, test } from 'vitest';
import {
  checkFacade,
  checkImports,
  checkOutsideWorld,
  checkSkipping,
  checkText,
  checkTopLevel,
  checkTypes,
} from './tidy/rules.ts';
import {
  type Finding,
  isTypeScript,
  listFiles,
  parse,
  readText,
  type SourceFile,
  type TextFile,
} from './tidy/source.ts';

describe('the repository', () => {
  const paths = listFiles();
  const texts = paths.map(readText).filter((file): file is TextFile => file !== undefined);
  const sources = texts.filter(file => isTypeScript(file.path)).map(parse);
  const report = (findings: Finding[]): string[] =>
    findings.map(({ path, line, problem }) => `${path}:${line}: ${problem}`);

  test('is seen', () => {
    for (const folder of ['device', 'driver', 'kernel', 'kernel/include', 'harness', 'test']) {
      expect(sources.filter(({ path }) => path.startsWith(`${folder}/`)).length, folder).toBeGreaterThan(0);
    }
    expect(texts.map(file => file.path)).toEqual(expect.arrayContaining(['package-lock.json', '.ci/run']));
  });

  test.each([
    ['imports go where they may', checkImports],
    ['kernel/include only re-exports', checkFacade],
    ['time, chance and promises stay in harness/', checkOutsideWorld],
    ['types have no holes', checkTypes],
    ['no test is skipped', checkSkipping],
  ])('%s', (_, check) => {
    expect(report(sources.flatMap(check))).toEqual([]);
  });

  test('texts hold no unfinished business and no path of another machine', () => {
    expect(report(texts.flatMap(checkText))).toEqual([]);
  });

  test('the top level is the six rooms and the listed files', () => {
    expect(report(checkTopLevel(paths))).toEqual([]);
  });
});

describe('the rules', () => {
  const source = (path: string, text: string): SourceFile => parse({ path, text });

  test.each([
    ['device/nic.ts', "import { x } from '../kernel/arch.ts';"],
    ['device/nic.ts', "import type { X } from '../kernel/arch.ts';"],
    ['device/nic.ts', "import { type X } from '../kernel/arch.ts';"],
    ['device/nic.ts', "import '../kernel/arch.ts';"],
    ['device/nic.ts', "export { x } from '../kernel/arch.ts';"],
    ['device/nic.ts', "export type * from '../kernel/arch.ts';"],
    ['device/nic.ts', "const x = import('../kernel/arch.ts');"],
    ['device/nic.ts', 'const name = "a"; const x = import(name);'],
    ['device/nic.ts', "type X = import('../kernel/arch.ts').Y;"],
    ['device/nic.ts', "let x: typeof import('../kernel/arch.ts');"],
    ['device/nic.ts', "import x = require('../kernel/arch.ts');"],
    ['device/nic.ts', "const x = require('../kernel/arch.ts');"],
    ['device/nic.ts', '/// <reference path="../kernel/arch.ts" />'],
    ['device/nic.ts', "import fs from 'node:fs';"],
    ['device/nic.ts', "import type { Buffer } from 'node:buffer';"],
    ['device/nic.ts', "import ws from 'ws';"],
    ['device/regs/nic.ts', "import { x } from '../nic.ts';"],
    ['kernel/softirq.ts', "import { x } from '../device/ports.ts';"],
    ['kernel/net/ipv4/arp.ts', "import { x } from '../../../driver/ringside/main.ts';"],
    ['kernel/softirq.ts', "import { x } from '../../elsewhere.ts';"],
    ['driver/ringside/main.ts', "import { x } from '../../device/nic.ts';"],
    ['driver/ringside/main.ts', "import { x } from '../../device/regs/../nic.ts';"],
    ['driver/ringside/main.ts', "import { x } from '../../kernel/softirq.ts';"],
    ['driver/ringside/main.ts', "import type { x } from '../../kernel/net/core/dev.ts';"],
    ['driver/ringside/main.ts', "import { x } from '../../harness/sim/sim.ts';"],
    ['harness/packet/udp.ts', "import { x } from '../../kernel/lib/checksum.ts';"],
    ['harness/sim/sim.ts', "import { x } from '../../test/needs.ts';"],
    ['harness/sim/sim.ts', "import ws from 'ws';"],
    ['harness/sim/sim.ts', "import { pack } from 'msgpackr/pack';"],
  ])('%s: %s: refused', (path, text) => {
    expect(checkImports(source(path, text))).toMatchObject([{ path, line: 1 }]);
  });

  test.each([
    ['device/nic.ts', "import { x } from './regs/nic.ts'; export * from './ports.ts';"],
    ['device/rx/ring.ts', "import { x } from '../ports.ts';"],
    ['driver/ringside/main.ts', "import { NIC } from '../../device/regs/nic.ts'; import '../lib/io.ts';"],
    ['driver/ringside/main.ts', "export { x } from '../../kernel/include/skbuff.ts';"],
    ['kernel/include/skbuff.ts', "export { x } from '../net/core/skbuff.ts';"],
    ['harness/machine/machine.ts', "import '../../device/nic.ts'; import 'node:fs'; import '../../kernel/arch.ts';"],
    ['harness/remote/server.ts', "import ws from 'ws'; const x = import(process.argv[2]);"],
    ['test/remote/server.test.ts', "import ws from 'ws'; import '../../kernel/softirq.ts';"],
    ['device/nic.ts', 'export { x }; const x = 1; const text = "import(\'../kernel\')";'],
  ])('%s: %s: allowed', (path, text) => {
    expect(checkImports(source(path, text))).toEqual([]);
  });

  test.each([
    "import { x } from '../softirq.ts';\nexport { x };",
    'export const x = 1;',
    'export function f(): void {}',
    'export default 1;',
    "export type { X } from '../softirq.ts';\nexport interface Y {}",
    'const x = 1;',
  ])('kernel/include with %j: refused', text => {
    expect(checkFacade(source('kernel/include/x.ts', text))).not.toEqual([]);
    expect(checkFacade(source('kernel/x.ts', text))).toEqual([]);
  });

  test('kernel/include with re-exports: allowed', () => {
    const text =
      "/** Why. */\nexport { x, type Y } from '../a.ts';\nexport type { Z } from '../b.ts';\nexport * from '../c.ts';";
    expect(checkFacade(source('kernel/include/x.ts', text))).toEqual([]);
  });

  test.each([
    'Date.now();',
    'new Date();',
    'const { now } = Date;',
    'performance.now();',
    'Math.random();',
    "Math['random']();",
    'const { random } = Math;',
    'const m = Math;',
    'setTimeout(f, 1);',
    'setInterval(f, 1);',
    'setImmediate(f);',
    'queueMicrotask(f);',
    'const later = setTimeout;',
    'const o = { setTimeout };',
    'globalThis.setTimeout(f);',
    'async function f() {}',
    'const f = async () => 1;',
    'const o = { async f() {} };',
    'class C { async f() {} }',
    'async function* f() {}',
    'await f();',
    'for await (const x of y) f(x);',
    'Promise.resolve();',
    'function f(): Promise<void> {}',
    'process.hrtime();',
    'new WeakRef(x);',
  ])('%s: refused below harness/, allowed in it', text => {
    for (const folder of ['device', 'kernel/net', 'driver']) {
      expect(checkOutsideWorld(source(`${folder}/x.ts`, text)), folder).not.toEqual([]);
    }
    for (const folder of ['harness', 'test']) expect(checkOutsideWorld(source(`${folder}/x.ts`, text))).toEqual([]);
  });

  test.each([
    'clock.performance.now();',
    'const o = { Date: 1, setTimeout: f };',
    'class C { process(): void {} }',
    'interface I { process: number }',
    'Math.min(1, 2); Math.imul(a, b);',
    'const text = "Date.now()"; // Math.random()',
    'function* f() { yield* g(); }',
  ])('%s: allowed', text => {
    expect(checkOutsideWorld(source('device/x.ts', text))).toEqual([]);
  });

  test.each([
    ['kernel/x.ts', 'const x = y as any;'],
    ['kernel/x.ts', 'function f(x: any[]): void {}'],
    ['test/x.test.ts', 'let x: Map<string, any>;'],
    ['test/x.test.ts', '// @ts-ignore\nf();'],
    ['kernel/x.ts', '/* @ts-nocheck */\nf();'],
    ['kernel/x.ts', '// @ts-expect-error: why\nf();'],
  ])('%s: %j: refused', (path, text) => {
    expect(checkTypes(source(path, text))).toHaveLength(1);
  });

  test('any as a word, and what must not compile in a test: allowed', () => {
    expect(checkTypes(source('kernel/x.ts', '// any\nconst any = "any" as unknown;'))).toEqual([]);
    expect(checkTypes(source('test/x.test.ts', '// @ts-expect-error: read-only\nf();'))).toEqual([]);
  });

  test.each([
    "test.only('x', f);",
    "it.skip('x', f);",
    "describe.skip('x', f);",
    "test.each([1]).only('x', f);",
    "test.concurrent.skip('x', f);",
    "test.skipIf(true)('x', f);",
    "test.runIf(false)('x', f);",
    "test.todo('x');",
    "test['skip']('x', f);",
    "testWith('tcpdump').skip('x', f);",
    "test('x', context => context.skip());",
  ])('%s: refused', text => {
    expect(checkSkipping(source('test/x.test.ts', text))).not.toEqual([]);
    expect(checkSkipping(source('test/needs.ts', text))).toEqual([]);
  });

  test('tests that run, and other things that skip: allowed', () => {
    const text = "test.each([1])('x', f); reader.skip(4); testWith('tcpdump')('x', f); const only = o.only;";
    expect(checkSkipping(source('test/x.test.ts', text))).toEqual([]);
  });

  test.each([
    ['docs/x.md', `a\n${['TO', 'DO'].join('')}: later`, 2],
    ['device/x.ts', `// ${['FIX', 'ME'].join('')}`, 1],
    ['README.md', ['see /', 'work/main'].join(''), 1],
    ['README.md', ['see (/', 'home/me/x)'].join(''), 1],
    ['test/x.ts', ['read("../..', '/shared/captures")'].join(''), 1],
    ['docs/x.md', `a\n\n${'<'.repeat(7)} HEAD`, 3],
    ['package-lock.json', '{\n"resolved": "https://registry.example/x.tgz" }', 2],
  ])('%s: %j: refused', (path, text, line) => {
    expect(checkText({ path, text })).toMatchObject([{ path, line }]);
  });

  test('harmless texts: allowed', () => {
    const text = 'net/work/x framework/ ~/work/x mastodon ../shared-memory.ts /working/ "resolved": "https://x"';
    expect(checkText({ path: 'docs/x.md', text })).toEqual([]);
  });

  test('the top level', () => {
    expect(checkTopLevel(['README.md', 'device/nic.ts', '.ci/run', '.gitignore', 'docs/a/b.md'])).toEqual([]);
    const strange = ['src/a.ts', 'src/b.ts', 'notes.md', 'device'];
    expect(checkTopLevel(strange).map(({ path }) => path)).toEqual(['src', 'notes.md', 'device']);
  });
});
