/** The rules of the house. Each is a function from a file to findings; tidy.test.ts shows for each that it bites. */

import { posix } from 'node:path';
import { type Finding, finding, type SourceFile, type TextFile, type TreeNode, visitTree } from './source.ts';

const isUnder = (path: string, folder: string): boolean => path.startsWith(`${folder}/`);

const nodeOf = (value: unknown): TreeNode | undefined => value as TreeNode | undefined;

const nameOf = (value: unknown): string | undefined => {
  const node = nodeOf(value);
  return node?.type === 'Identifier' ? (node.name as string) : undefined;
};

// --- Who may import whom -------------------------------------------------------------------------------------------

/** Folders that see themselves and what is listed, and no package. The first that fits a file counts. */
const ROOMS: readonly { readonly folder: string; readonly sees: readonly string[] }[] = [
  // A driver sees the registers; it must not see the card through them.
  { folder: 'device/regs', sees: [] },
  { folder: 'device', sees: [] },
  { folder: 'kernel', sees: [] },
  { folder: 'driver', sees: ['device/regs', 'kernel/include'] },
  // Independent of card and kernel, so that they can disagree with it.
  { folder: 'harness/packet', sees: [] },
];

/** Packages that have one place. */
const PACKAGE_PLACES: Readonly<Record<string, string>> = { ws: 'harness/remote', msgpackr: 'harness/remote' };

/** Every way to name a module: import, export from, import(), import type, import =, require(), reference comments. */
export function moduleRequests(file: SourceFile): { readonly request: string | undefined; readonly start: number }[] {
  const requests: { request: string | undefined; start: number }[] = [];
  const add = (node: TreeNode | undefined, start: number): void => {
    // TSImportType wraps its string in a literal type in some versions of the tree.
    const literal = node?.type === 'TSLiteralType' ? nodeOf(node.literal) : node;
    requests.push({ request: typeof literal?.value === 'string' ? literal.value : undefined, start });
  };
  visitTree(file.tree, node => {
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
      case 'ImportExpression':
        add(nodeOf(node.source), node.start);
        break;
      case 'ExportNamedDeclaration':
        if (nodeOf(node.source) !== undefined && node.source !== null) add(nodeOf(node.source), node.start);
        break;
      case 'TSImportType':
        add(nodeOf(node.source ?? node.argument), node.start);
        break;
      case 'TSExternalModuleReference':
        add(nodeOf(node.expression), node.start);
        break;
      case 'CallExpression':
        if (nameOf(node.callee) === 'require') add((node.arguments as TreeNode[])[0], node.start);
        break;
    }
  });
  for (const { value, start } of file.comments) {
    const path = /^\/\s*<reference\s+path\s*=\s*["']([^"']*)["']/.exec(value)?.[1];
    if (path !== undefined) requests.push({ request: path.startsWith('.') ? path : `./${path}`, start });
  }
  return requests;
}

export function checkImports(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  const room = ROOMS.find(({ folder }) => isUnder(file.path, folder));
  const name = room?.folder ?? posix.dirname(file.path);
  for (const { request, start } of moduleRequests(file)) {
    const refuse = (what: string): void => {
      findings.push(finding(file, start, `${name} must not import ${what}`));
    };
    if (request === undefined) {
      if (room !== undefined) refuse('what is only known at run time');
    } else if (!request.startsWith('.')) {
      const place = PACKAGE_PLACES[request.split('/')[0] ?? ''];
      if (room !== undefined || (place !== undefined && !isUnder(file.path, place) && !isUnder(file.path, 'test'))) {
        refuse(request);
      }
    } else {
      const target = posix.join(posix.dirname(file.path), request);
      if (room === undefined) {
        if (isUnder(file.path, 'harness') && isUnder(target, 'test')) refuse(target);
      } else if (![room.folder, ...room.sees].some(folder => isUnder(target, folder))) {
        refuse(target);
      }
    }
  }
  return findings;
}

/** The facade has no code: what a driver sees of the kernel is the kernel's own. */
export function checkFacade(file: SourceFile): Finding[] {
  if (!isUnder(file.path, 'kernel/include')) return [];
  return (file.tree.body as TreeNode[])
    .filter(
      ({ type, source }) =>
        !(type === 'ExportAllDeclaration' || (type === 'ExportNamedDeclaration' && nodeOf(source)?.type === 'Literal')),
    )
    .map(({ start }) => finding(file, start, 'kernel/include may only re-export'));
}

// --- What a simulated world must not do ----------------------------------------------------------------------------

/** The host's time, chance, scheduling and input: all of them make two runs of one seed differ. */
const OUTSIDE_WORLD = new Set([
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'Promise',
  'PromiseLike',
  'AsyncGenerator',
  'AsyncIterable',
  'FinalizationRegistry',
  'WeakRef',
  'crypto',
  'eval',
  'fetch',
  'global',
  'globalThis',
  'process',
  'require',
]);

/** False for `x.Date`, `{ Date: 1 }` and the like, which name something else. */
function isReference(parent: TreeNode | undefined, key: string): boolean {
  if (parent === undefined || parent.computed === true) return true;
  if (parent.type === 'MemberExpression') return key !== 'property';
  if (parent.type === 'TSQualifiedName') return key !== 'right';
  if (parent.type === 'Property') return key !== 'key' || parent.shorthand === true;
  if (key === 'key') return false;
  return !['LabeledStatement', 'BreakStatement', 'ContinueStatement'].includes(parent.type);
}

export function checkOutsideWorld(file: SourceFile): Finding[] {
  if (!['device', 'driver', 'kernel'].some(folder => isUnder(file.path, folder))) return [];
  const findings: Finding[] = [];
  visitTree(file.tree, (node, parent, key) => {
    const refuse = (what: string): void => {
      findings.push(finding(file, node.start, `${what} is for harness/ only`));
    };
    if (node.type === 'Identifier' && isReference(parent, key)) {
      const name = node.name as string;
      if (OUTSIDE_WORLD.has(name)) refuse(name);
      const isPlainMember = parent?.type === 'MemberExpression' && key === 'object' && parent.computed !== true;
      if (name === 'Math') {
        // By another name, or by a computed one, random would go unseen.
        if (!isPlainMember) refuse('Math other than as Math.name');
        else if (nameOf(parent.property) === 'random') refuse('Math.random');
      }
    }
    if (node.async === true) refuse('async');
    if (node.type === 'AwaitExpression' || node.await === true) refuse('await');
  });
  return findings;
}

// --- Types ---------------------------------------------------------------------------------------------------------

export function checkTypes(file: SourceFile): Finding[] {
  const findings: Finding[] = [];
  visitTree(file.tree, node => {
    if (node.type === 'TSAnyKeyword') findings.push(finding(file, node.start, 'any'));
  });
  for (const { value, start } of file.comments) {
    const directive = /@ts-(ignore|nocheck|expect-error)\b/.exec(value)?.[1];
    // Tests of what must not compile need the third.
    if (directive === undefined || (directive === 'expect-error' && isUnder(file.path, 'test'))) continue;
    findings.push(finding(file, start, `@ts-${directive}`));
  }
  return findings;
}

// --- Tests that do not run -----------------------------------------------------------------------------------------

const TEST_ROOTS = new Set([
  'test',
  'it',
  'describe',
  'suite',
  'bench',
  'testWith',
  'testOnTap',
  'testOnLinux',
  'context',
  'ctx',
  'task',
]);
const NOT_RUNNING = new Set(['only', 'skip', 'skipIf', 'runIf', 'todo', 'fails']);

/** The only file that may skip: it does so for programs that are missing, and never in CI. */
const SKIPPING_FILE = 'test/needs.ts';

/** `test` in `test.each(rows).only`. */
function rootName(node: TreeNode | undefined): string | undefined {
  let at = node;
  while (at !== undefined && at.type !== 'Identifier') {
    at = nodeOf(
      at.type === 'CallExpression' || at.type === 'TaggedTemplateExpression' ? (at.callee ?? at.tag) : at.object,
    );
  }
  return nameOf(at);
}

export function checkSkipping(file: SourceFile): Finding[] {
  if (!isUnder(file.path, 'test') || file.path === SKIPPING_FILE) return [];
  const findings: Finding[] = [];
  visitTree(file.tree, node => {
    if (node.type !== 'MemberExpression') return;
    const property = nameOf(node.property) ?? (nodeOf(node.property)?.value as string | undefined) ?? '';
    if (NOT_RUNNING.has(property) && TEST_ROOTS.has(rootName(nodeOf(node.object)) ?? '')) {
      findings.push(finding(file, node.start, `.${property}: every test runs; see ${SKIPPING_FILE}`));
    }
  });
  return findings;
}

// --- Any text ------------------------------------------------------------------------------------------------------

/** Put together here so that this file passes its own rule. */
const UNFINISHED = ['TO', 'FIX'].map((start, index) => start + ['DO', 'ME'][index]);

const BANNED_TEXT: readonly (readonly [pattern: RegExp, problem: string])[] = [
  [new RegExp(`\\b(${UNFINISHED.join('|')})\\b`), 'unfinished: do it, or open an issue'],
  [/(?<![\w.~*)\]}-])\/(work|home|Users)\/\w/, "a path of one person's machine"],
  [/\.\.\/shared(?![\w-])/, 'a path outside the repository'],
  [/^(<{7}|>{7}) /m, 'a merge conflict'],
];

export function checkText(file: TextFile): Finding[] {
  const findings: Finding[] = [];
  for (const [pattern, problem] of BANNED_TEXT) {
    const global = new RegExp(pattern.source, `${pattern.flags}g`);
    for (const { index } of file.text.matchAll(global)) findings.push(finding(file, index, problem));
  }
  if (file.path === 'package-lock.json') {
    for (const { index } of file.text.matchAll(/"resolved": "(https?|git|file)[:+]/g)) {
      findings.push(
        finding(file, index, 'a package from a fixed host: run npm install --omit-lockfile-registry-resolved'),
      );
    }
  }
  return findings;
}

// --- The top level -------------------------------------------------------------------------------------------------

const TOP_FOLDERS = new Set(['device', 'driver', 'kernel', 'harness', 'test', 'docs']);
const TOP_FILES = new Set([
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'biome.json',
  'package-lock.json',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
  'vitest.long.config.ts',
]);

export function checkTopLevel(paths: readonly string[]): Finding[] {
  const strangers = new Set<string>();
  for (const path of paths) {
    const [top = '', ...rest] = path.split('/');
    if (!top.startsWith('.') && !(rest.length > 0 ? TOP_FOLDERS : TOP_FILES).has(top)) strangers.add(top);
  }
  return [...strangers].map(path => ({ path, line: 0, problem: 'does not belong on the top level' }));
}
