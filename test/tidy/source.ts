/** Reading the repository for the tidy test: which files there are, and a TypeScript file as a tree. */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse as parseModule } from '@babel/parser';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A file, its path from the repository's root with forward slashes. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** Not `Node`: only what the rules look at, for every kind of node. */
export interface TreeNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

export interface SourceFile extends TextFile {
  readonly tree: TreeNode;
  readonly comments: readonly { readonly value: string; readonly start: number }[];
}

export interface Finding {
  readonly path: string;
  /** From 1; 0 where it is the file as such. */
  readonly line: number;
  readonly problem: string;
}

const UNTRACKED_FOLDERS = ['.git', 'node_modules', 'coverage', 'tmp'];

function walk(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return UNTRACKED_FOLDERS.includes(entry.name) ? [] : walk(path);
    return entry.isFile() ? [path] : [];
  });
}

/** What is tracked, and what would be with `git add`. Without git: all but what never is. */
export function listFiles(): string[] {
  const git = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (git.status !== 0) return walk('');
  const isFile = (path: string): boolean => statSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true;
  return git.stdout.split('\0').filter(path => path !== '' && isFile(path));
}

/** Undefined for a binary file. */
export function readText(path: string): TextFile | undefined {
  const bytes = readFileSync(join(root, path));
  return bytes.includes(0) ? undefined : { path, text: bytes.toString('utf8') };
}

export const isTypeScript = (path: string): boolean => /\.[mc]?ts$/.test(path);

export function parse(file: TextFile): SourceFile {
  const { program, comments } = parseModule(file.text, {
    sourceType: 'module',
    sourceFilename: file.path,
    plugins: [['typescript', { dts: /\.d\.[mc]?ts$/.test(file.path) }], 'estree'],
  });
  return { ...file, tree: program as unknown as TreeNode, comments: comments as SourceFile['comments'] };
}

const isNode = (value: unknown): value is TreeNode =>
  typeof value === 'object' && value !== null && typeof (value as TreeNode).type === 'string';

/** Calls `visit` for each node with its parent and the parent's key it is under, parents first. */
export function visitTree(
  tree: TreeNode,
  visit: (node: TreeNode, parent: TreeNode | undefined, key: string) => void,
): void {
  const descend = (node: TreeNode, parent: TreeNode | undefined, key: string): void => {
    visit(node, parent, key);
    for (const [childKey, value] of Object.entries(node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (isNode(child)) descend(child, node, childKey);
      }
    }
  };
  descend(tree, undefined, '');
}

export function finding(file: TextFile, offset: number, problem: string): Finding {
  return { path: file.path, line: file.text.slice(0, offset).split('\n').length, problem };
}
