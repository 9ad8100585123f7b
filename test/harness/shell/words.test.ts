import { expect, test } from 'vitest';
import { ShellWordError, shellWords } from '../../../harness/shell/words.ts';

// What dash makes of each.
test.each([
  ['', []],
  ['  ip \t route\n', ['ip', 'route']],
  ['a "b c" d', ['a', 'b c', 'd']],
  ["a 'b  c'd", ['a', 'b  cd']],
  ["''", ['']],
  ['x"" ""', ['x', '']],
  ['a\\ b \\"c', ['a b', '"c']],
  ['"a\\"b\\\\c\\d\'"', ['a"b\\c\\d\'']],
  ["'a\\'b", ['a\\b']],
  ['"\\$x\\`"', ['$x`']],
])('%j: %j', (line, words) => expect(shellWords(line)).toEqual(words));

test.each(['"', "a 'b", '"a\\"', 'a\\'])('%j: refused', line => {
  expect(() => shellWords(line)).toThrow(ShellWordError);
});
