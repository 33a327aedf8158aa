/** A part of workgroup memory, in units of 16 bytes. Parts may overlap: that is what barriers are for. */
export interface Region {
  readonly begin: number;
  readonly end: number;
  /**
   * Touched by whole subgroups at once, each in its own slice, as matrix loads and stores do: two such steps need no barrier between
   * them, for a subgroup executes them in order.
   */
  readonly collective?: boolean;
}

/** One step of a kernel: what it reads and writes of workgroup memory, and its text. */
export interface Step {
  readonly name: string;
  readonly reads: readonly Region[];
  readonly writes: readonly Region[];
  readonly code: string;
}

/** The order in which steps follow each other when the kernel runs. */
export type Path = readonly Step[];

/** A kernel as its steps in the order of the text, and the ways through it when loops make up to `trips` trips. */
export interface Steps {
  paths(trips: number): Path[];
}

/**
 * The steps that need a workgroup barrier in front: those that touch memory which another invocation may still be using since the last
 * barrier. Two trips of a loop show every pair of steps that a third could.
 */
export function placeBarriers(steps: Steps): ReadonlySet<Step> {
  const needed = new Set<Step>();
  for (const path of steps.paths(2)) {
    let since: Step[] = [];
    for (const step of path) {
      if (since.some((earlier) => conflicts(earlier, step))) needed.add(step);
      if (needed.has(step)) since = [];
      since.push(step);
    }
  }
  return needed;
}

/** Two steps race when one writes what the other reads or writes. */
function conflicts(a: Step, b: Step): boolean {
  const meet = (left: readonly Region[], right: readonly Region[]): boolean =>
    left.some((x) => right.some((y) => x.begin < y.end && y.begin < x.end && !(x.collective && y.collective)));
  return meet(a.writes, b.reads) || meet(a.writes, b.writes) || meet(a.reads, b.writes);
}

/** `trips` times the same steps. */
export const repeat = (steps: Path, trips: number): Path => Array.from({length: trips}, () => steps).flat();
