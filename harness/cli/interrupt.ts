/** What is to be undone when the user ends a command with ^C, or a supervisor with SIGTERM. */

const EXIT_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Calls `undo` once and ends the process with 128 + the signal's number, when SIGINT or SIGTERM comes before the returned
 * function has been called. A second signal ends it at once.
 *
 * Without a call of this the signals end the process as the system does (a shell sees 130 and 143 too), even in the
 * midst of a computation. With it the signal waits until the event loop turns: only what does turn may ask for it.
 */
export function onInterrupt(undo: () => void | Promise<void>): () => void {
  const release = (): void => {
    process.off('SIGINT', handle);
    process.off('SIGTERM', handle);
  };
  const handle = (signal: NodeJS.Signals): void => {
    release();
    const status = EXIT_STATUS[signal as keyof typeof EXIT_STATUS];
    Promise.resolve()
      .then(undo)
      .then(
        () => process.exit(status),
        error => {
          process.stderr.write(`ringside: while ending: ${error instanceof Error ? error.stack : String(error)}\n`);
          process.exit(status);
        },
      );
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return release;
}
