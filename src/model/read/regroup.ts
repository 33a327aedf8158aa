import {numberOf, over, same, sizeOf, times, type Size} from '../graph/size.js';
import type {Shape} from '../graph/shape_table.js';

/** The axes of a tensor, by name; several where they were merged into one. */
export type Dims = readonly (readonly string[])[];

export interface Regrouped {
  readonly dims: Dims;
  /** Axes that were cut in parts, outermost first. */
  readonly splits: ReadonlyMap<string, readonly string[]>;
  /** Sizes of all axes, the new ones included. */
  readonly sizes: ReadonlyMap<string, Size>;
}

/** How a reshape merges and splits axes, when their sizes prove that it does nothing else; undefined otherwise. */
export function regroup(dims: Dims, sizes: ReadonlyMap<string, Size>, target: Shape, name: string): Regrouped | undefined {
  return regroupFromLeft(dims, sizes, target, name) ?? regroupFromRight(dims, sizes, target, name);
}

/**
 * Where the last axes stay, and one axis is left before them, or is to be: whatever the others are, a reshape can only split or merge it. So
 * windows are taken out of a batch of any size.
 */
function regroupFromRight(dims: Dims, sizes: ReadonlyMap<string, Size>, target: Shape, name: string): Regrouped | undefined {
  if (dims.some((labels) => labels.includes('*'))) return undefined;
  const sizeOfAxis = (labels: readonly string[]): Size | undefined => {
    const own = labels.map((label) => sizes.get(label));
    return own.every((size) => size !== undefined) ? own.reduce(times, sizeOf(1)) : undefined;
  };
  let stay = 0;
  while (stay < Math.min(dims.length, target.length) - 1) {
    const size = sizeOfAxis(dims.at(-1 - stay)!);
    // Of an empty axis nothing follows for the others.
    if (!same(size, target.at(-1 - stay)) || numberOf(size) === 0) break;
    stay++;
  }
  const [before, after] = [dims.slice(0, dims.length - stay), target.slice(0, target.length - stay)];
  const kept = dims.slice(dims.length - stay);
  if (after.length === 1) return {dims: [before.flat(), ...kept], splits: new Map(), sizes};
  const [only, ...more] = before.flat();
  if (only === undefined || more.length > 0) return undefined;
  const parts = after.map((_, axis) => `${only}/${name}/${axis}`);
  const known = new Map([...sizes, ...parts.map((part, i) => [part, after[i]!] as const)]);
  return {dims: [...parts.map((part) => [part]), ...kept], splits: new Map([[only, parts]]), sizes: known};
}

function regroupFromLeft(dims: Dims, sizes: ReadonlyMap<string, Size>, target: Shape, name: string): Regrouped | undefined {
  const known = new Map(sizes);
  const splits = new Map<string, string[]>();
  const open = dims.flat();
  const isOne = (label: string | undefined): boolean => label !== undefined && numberOf(known.get(label)) === 1;
  const found = target.map((size, axis): string[] | undefined => {
    const group: string[] = [];
    let covered: Size = sizeOf(1);
    while (!same(covered, size)) {
      const label = open.shift();
      const own = label === undefined ? undefined : known.get(label);
      const rest = over(size, covered);
      if (label === undefined || own === undefined || rest === undefined) return undefined;
      if (same(own, rest) || over(rest, own) !== undefined) {
        group.push(label);
        covered = times(covered, own);
        continue;
      }
      // A part of an axis: its outer part ends here, the inner one is for the axes that follow.
      const inner = over(own, rest);
      if (inner === undefined) return undefined;
      const [outerName, innerName] = [`${label}/${name}/${axis}`, `${label}/${name}/${axis}'`];
      known.set(outerName, rest).set(innerName, inner);
      splits.set(label, [outerName, innerName]);
      group.push(outerName);
      open.unshift(innerName);
      covered = size;
    }
    // Axes of size 1 may stand anywhere: as many axes remain as there are targets for them, if that can be.
    while (isOne(open[0]) && (open.length > target.length - axis - 1 || group.length === 0)) group.push(open.shift()!);
    if (group.length > 0) return group;
    const one = `${name}/one${axis}`;
    known.set(one, sizeOf(1));
    return [one];
  });
  if (open.length > 0 || found.some((group) => group === undefined)) return undefined;
  return {dims: found as string[][], splits, sizes: known};
}

/** An axis written as the parts it consists of in the end. */
export function splitLabels(label: string, splits: ReadonlyMap<string, readonly string[]>): readonly string[] {
  return splits.get(label)?.flatMap((part) => splitLabels(part, splits)) ?? [label];
}
