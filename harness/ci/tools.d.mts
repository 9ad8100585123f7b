export interface Tool {
  /** The program. */
  readonly name: string;
  readonly debianPackage: string;
  /** What is skipped without it. */
  readonly neededFor: string;
}

export const TOOLS: readonly Tool[];

/** The program's path. */
export function findTool(name: string): string | undefined;

/** The device node of the TAP driver. */
export const TUN: string;

/** Why tests against the real Linux cannot run here; undefined when they can. */
export function tapProblem(): string | undefined;
