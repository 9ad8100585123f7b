/** How an extension of iptables looks: its options, what they make, and how that is saved and listed. */

/** An option with its values, as it stood on the line. */
export interface Given {
  readonly values: readonly string[];
  readonly invert: boolean;
}

export interface Extension<Info = unknown> {
  readonly name: string;
  /** What the kernel calls it, when that is another name. */
  readonly kernelName?: string;
  /** Options with the number of values they take; a '!' marks those that may be negated. */
  readonly options: Readonly<Record<string, 0 | 1 | 2 | '!0' | '!1' | '!2'>>;
  /** @throws IptablesProblem */
  parse(given: ReadonlyMap<string, Given>, protocol: number): Info;
  /** Options for iptables-save, with a space in front, or ''. */
  save(info: Info): string;
  /** For the list, with a space in front, or ''. */
  list(info: Info, numeric: boolean): string;
}

/** Declares an extension: what `parse` makes is what `save` and `list` take. */
export function extension<Info>(declaration: Extension<Info>): Extension {
  return declaration as Extension;
}
