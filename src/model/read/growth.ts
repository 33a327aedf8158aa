import type {Lost} from './fold.js';
import {withRank, type Growth, type Logits, type LogitsContext} from './normal_form.js';
import {numberOf, same} from '../graph/size.js';
import type {Shape, ShapeTable} from '../graph/shape_table.js';

/**
 * The logits when tensors that they met are gone, because they are one number or a causal mask; `rest` is what is left of them. They still
 * broadcast: a constant of [3, 1, n, n] makes three results of one. Undefined where the graph does not tell what they broadcast to.
 */
export function without(
  {shapes, folder}: LogitsContext,
  logits: Logits,
  lost: readonly Lost[],
  rest: readonly string[] = [],
): Logits | undefined {
  const kept = rest.flatMap((tensor) => folder.partsOf(tensor) ?? []);
  const others = [logits.path[0]!.name, ...kept].map((tensor) => shapes.of(tensor));
  let result: Logits | undefined = logits;
  for (const {name, shape} of lost) {
    if (name === undefined || !kept.includes(name)) result = result && grown(result, shape, others);
  }
  return result;
}

function grown(logits: Logits, shape: Shape | undefined, others: readonly (Shape | undefined)[]): Logits | undefined {
  const sizes = shape?.map((size, axis) => {
    const at = axis - shape.length;
    return numberOf(size) === 1 || others.some((other) => same(other?.at(at), size)) ? 1 : numberOf(size);
  });
  if (sizes === undefined || sizes.includes(undefined)) return undefined;
  // What is known to have two axes at least has them.
  const rank = Math.max(2, ...others.map((other) => other?.length ?? 0));
  if (sizes.length <= rank && sizes.every((size) => size === 1)) return logits;
  const wide = withRank(logits, sizes.length);
  return {...wide, growth: [...wide.growth, {sizes: sizes as number[], dims: wide.dims}]};
}

/** What all of them broadcast to, from the last axis on. */
export function broadcastOf(growth: readonly Growth[]): number[] {
  const rank = Math.max(0, ...growth.map(({sizes}) => sizes.length));
  return Array.from({length: rank}, (_, axis) => Math.max(1, ...growth.map(({sizes}) => sizes.at(axis - rank) ?? 1)));
}

/** Whether a product with this tensor has the shape of the other factor. */
export function keepsShape(shapes: ShapeTable, tensor: string, other: string): boolean {
  const shape = shapes.of(tensor) ?? (shapes.valueOf(tensor)?.scalar ? [] : undefined);
  const target = shapes.of(other);
  if (shape === undefined) return false;
  // Whatever goes into a product of matrices has two axes.
  if (target === undefined) return shape.length < 2 && shape.every((size) => numberOf(size) === 1);
  return shape.length <= target.length && shape.every((size, i) => numberOf(size) === 1 || same(size, target.at(i - shape.length)));
}
