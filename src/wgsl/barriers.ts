/** A part of workgroup memory, in units of 16 bytes. Parts may overlap: that is what barriers are for. */
export interface Region {
  readonly begin: number;
  readonly end: number;
}

/** One step of a kernel: what it reads and writes of workgroup memory, and its text. */
export interface Step {
  readonly name: string;
  readonly reads: readonly Region[];
  readonly writes: readonly Region[];
  readonly code: string;
}

/** A kernel as steps: those before, inside and after its loop over key tiles, which may run any number of times. */
export interface Steps {
  readonly before: readonly Step[];
  readonly loop: readonly Step[];
  readonly after: readonly Step[];
}

/**
 * The steps that need a workgroup barrier in front: those that touch memory which another invocation may still be using since the last
 * barrier. All ways through the kernel are walked: without the loop, and with two trips, which show every pair of steps that a third
 * could.
 */
export function placeBarriers({before, loop, after}: Steps): ReadonlySet<Step> {
  const needed = new Set<Step>();
  for (const path of [
    [...before, ...loop, ...loop, ...after],
    [...before, ...after],
  ]) {
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
export function conflicts(a: Step, b: Step): boolean {
  const meet = (left: readonly Region[], right: readonly Region[]): boolean =>
    left.some((x) => right.some((y) => x.begin < y.end && y.begin < x.end));
  return meet(a.writes, b.reads) || meet(a.writes, b.writes) || meet(a.reads, b.writes);
}
