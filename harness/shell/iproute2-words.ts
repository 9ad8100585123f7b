/** What the commands of iproute2 have in common: words taken one after the other. */

/** The words that are left of a command line. */
export class Words {
  private readonly words: readonly string[];
  private readonly incomplete: (message: string) => Error;
  private at = 0;

  /** `incomplete`: what `next` throws when there is none. */
  constructor(words: readonly string[], incomplete: (message: string) => Error) {
    this.words = words;
    this.incomplete = incomplete;
  }

  get more(): boolean {
    return this.at < this.words.length;
  }

  peek(): string | undefined {
    return this.words[this.at];
  }

  /** The next word. @throws `incomplete` */
  next(): string {
    const word = this.words[this.at++];
    if (word === undefined) throw this.incomplete('Command line is not complete. Try option "help"');
    return word;
  }

  /** Takes the next word if it is this one. */
  take(word: string): boolean {
    if (this.words[this.at] !== word) return false;
    this.at++;
    return true;
  }

  /** The next word if it looks like a number (a percentage, a time): an optional argument. */
  number(): string | undefined {
    return /^[\d.]/.test(this.peek() ?? '') ? this.next() : undefined;
  }
}
