/** A command line taken apart as a shell does it: quotes and backslashes, nothing else (no variables, no patterns). */

/** A quote that has no end, or a backslash behind which nothing comes. */
export class ShellWordError extends Error {}

/** Which characters a backslash takes the meaning from within double quotes. */
const ESCAPED = '$`"\\\n';

/**
 * POSIX.1-2024, Shell Command Language 2.2: single quotes keep everything, double quotes all but a backslash before one of
 * `$`, `` ` ``, `"`, `\` and a newline. @throws ShellWordError
 */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let inWord = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i] as string;
    if (c === ' ' || c === '\t' || c === '\n' || c === '\r') {
      if (inWord) words.push(word);
      word = '';
      inWord = false;
      continue;
    }
    inWord = true;
    if (c === "'") {
      const end = line.indexOf("'", i + 1);
      if (end < 0) throw new ShellWordError("a ' without its end");
      word += line.slice(i + 1, end);
      i = end;
    } else if (c === '"') {
      for (i++; line[i] !== '"'; i++) {
        if (i >= line.length) throw new ShellWordError('a " without its end');
        if (line[i] === '\\' && ESCAPED.includes(line[i + 1] ?? ' ')) i++;
        word += line[i];
      }
    } else if (c === '\\') {
      if (++i >= line.length) throw new ShellWordError('a \\ at the end');
      word += line[i];
    } else word += c;
  }
  if (inWord) words.push(word);
  return words;
}
