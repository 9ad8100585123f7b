/** What every experiment is to the command line: a run that gives points, and two ways to show them. */

export interface ExperimentOptions {
  /** Simulated milliseconds measured at each point. */
  readonly ms: number;
  readonly seed: number;
}

export interface Experiment<Point> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--json` prints, and what `--svg` shows. */
  readonly shape: string;
  readonly plotted: string;
  readonly defaultMs: number;
  /** What is measured and how to read it, for `--help`. */
  readonly help: string;
  /** Every point; `progress` is told what comes next. */
  run(options: ExperimentOptions, progress: (what: string) => void): Point[];
  table(points: readonly Point[]): string;
  /** SVG. */
  figure(points: readonly Point[]): string;
}

/** What came out, for who does not look into the points. */
export interface Outcome {
  readonly points: readonly unknown[];
  table(): string;
  figure(): string;
}

/** An experiment whose points only it knows. */
export interface AnyExperiment extends Omit<Experiment<never>, 'run' | 'table' | 'figure'> {
  measure(options: ExperimentOptions, progress: (what: string) => void): Outcome;
}

export function anyExperiment<Point>(experiment: Experiment<Point>): AnyExperiment {
  return {
    ...experiment,
    measure(options, progress) {
      const points = experiment.run(options, progress);
      return { points, table: () => experiment.table(points), figure: () => experiment.figure(points) };
    },
  };
}
