/** A part of workgroup memory, in vec4<f32>. Parts may overlap: that is what barriers are for. */
export interface Region {
  readonly begin: number;
  readonly end: number;
}

/** One step of the loop over key tiles: what it reads and writes of workgroup memory, and its text. */
export interface Step {
  readonly name: string;
  readonly reads: readonly Region[];
  readonly writes: readonly Region[];
  readonly code: string;
}

/**
 * The steps that need a workgroup barrier in front, by index: those that touch memory which another invocation may still be using since
 * the last barrier. The steps run in a loop, so they are walked twice.
 */
export function placeBarriers(steps: readonly Step[]): ReadonlySet<number> {
  const needed = new Set<number>();
  let since: Step[] = [];
  for (let at = 0; at < 2 * steps.length; at++) {
    const index = at % steps.length;
    const step = steps[index]!;
    if (since.some((earlier) => conflicts(earlier, step))) needed.add(index);
    if (needed.has(index)) since = [];
    since.push(step);
  }
  return needed;
}

/** Two steps race when one writes what the other reads or writes. */
function conflicts(a: Step, b: Step): boolean {
  const meet = (left: readonly Region[], right: readonly Region[]): boolean =>
    left.some((x) => right.some((y) => x.begin < y.end && y.begin < x.end));
  return meet(a.writes, b.reads) || meet(a.writes, b.writes) || meet(a.reads, b.writes);
}
