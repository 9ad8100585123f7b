/** A bug of ours, not of anything that came from outside: caught once, at the harness's top. */
export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed';
}

/** BUG_ON: throws when `condition` does not hold. The message is a constant: nothing is built on the good path. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message);
}
