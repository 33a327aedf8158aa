import {apart, mergedLetter} from '../graph/letters.js';
import type {Logits, PathNode} from './normal_form.js';
import {splitLabels} from './regroup.js';
import type {ShapeTable} from '../graph/shape_table.js';
import {numberOf, type Size} from '../graph/size.js';

/** The axes of the nodes of a path where all of them have a letter. */
export function pathAxes(
  path: readonly PathNode[],
  letters: ReadonlyMap<string, string>,
  splits: ReadonlyMap<string, readonly string[]>,
): Map<string, readonly string[]> {
  const letterOf = (labels: readonly string[]): string | undefined =>
    mergedLetter(labels.flatMap((label) => splitLabels(label, splits)).map((label) => letters.get(label) ?? ' '));
  const axes = path.filter(({masked}) => !masked).map(({name, dims}) => [name, dims.map(letterOf)] as const);
  return new Map(
    axes.filter((entry): entry is [string, string[]] => entry[1].every((letter) => letter !== undefined && letter !== ' ')),
  );
}

/** What the letters of leading axes stand for in most models. */
const NAMES: Readonly<Record<string, string>> = {h: 'heads', b: 'batch', a: 'outer batch'};

/** The sizes of leading axes that are numbers, by letter. `letters` are those of the axes, `sizes` what reshapes told of them. */
export function partSizes(
  shapes: ShapeTable,
  {contraction, product}: Logits,
  sizes: ReadonlyMap<string, Size>,
  letters: ReadonlyMap<string, string>,
): Record<string, number> {
  const known = [...letters].flatMap(([label, letter]) => {
    const at = contraction.out.indexOf(label);
    const size = numberOf(sizes.get(label) ?? (at < 0 ? undefined : shapes.of(product.name)?.[at]));
    return size === undefined ? [] : [[letter, size] as const];
  });
  return Object.fromEntries(known);
}

/** The axis that an output lacks. */
export function missingOf(axes: readonly string[], leading: number): string | undefined {
  if (axes[0] === '*') return undefined;
  const letters = apart(axes.join(''));
  return Object.entries(NAMES)
    .slice(0, leading)
    .find(([letter]) => !letters.includes(letter))?.[1];
}
