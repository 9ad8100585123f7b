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
