import type {Operand} from './contraction.js';
import {parseEdge, type NodeDef} from './graph.js';
import {isScale, type Logits} from './normal_form.js';
import {partsOf, type Dims} from './regroup.js';
import type {ShapeTable} from './shape_table.js';
import {numberOf, same, type Size} from './size.js';

/**
 * Which of the axes `own`, those that the query has and the key has not, is that of the queries; `last` stands next to the keys in the
 * scores. Keys without heads leave two to choose from, and a pattern must not lie over the heads: an Einsum may have them next to the
 * keys, so there the sizes must not speak for another axis. Undefined: it cannot be told.
 */
export function queryAxis(
  shapes: ShapeTable,
  product: NodeDef,
  own: readonly string[],
  last: string,
  query: Operand,
  keys: Size | undefined,
): string | undefined {
  if (!own.includes(last)) return own.length === 1 ? own[0] : undefined;
  if (product.op !== 'Einsum') return last;
  const sizeOf = (label: string): Size | undefined => shapes.of(query.input)?.[query.labels.indexOf(label)];
  const size = sizeOf(last);
  if (size === undefined || same(size, keys)) return last;
  const likelier = own.some((label) => {
    const other = sizeOf(label);
    return label !== last && (same(other, keys) || (numberOf(size) !== undefined && numberOf(other) === undefined));
  });
  return likelier ? undefined : last;
}

/**
 * Why a mask does not lie on the scores as the op reads them: [batch, heads, queries, keys], `expected` by name. `order` is that of the
 * axes of the scores, with all their parts.
 */
export function unfitMask(
  shapes: ShapeTable,
  {terms, growth, causal}: Logits,
  order: readonly string[],
  expected: readonly string[],
  splits: ReadonlyMap<string, readonly string[]>,
): string | undefined {
  if (causal !== undefined && order.at(-2) !== expected.at(-2)) {
    return 'its causal mask lies on scores of another order than [batch, heads, queries, keys]';
  }
  const spelled = (dims: Dims): string[] => dims.map((labels) => labels.flatMap((label) => partsOf(label, splits)).join('+'));
  // From the last axis on, as it broadcasts: an axis of size 1 may be any.
  const lies = (axes: readonly string[], ones: readonly boolean[] | undefined): boolean =>
    ones?.every((one, i) => one || axes.at(i - ones.length) === expected.at(i - ones.length)) ?? false;
  for (const {sizes, dims} of growth) {
    const ones = sizes.map((size) => size === 1);
    if (lies(spelled(dims), ones)) continue;
    return `a constant makes scores of another order than [batch, heads, queries, keys] larger`;
  }
  for (const term of terms) {
    const {input, dims} = term;
    const {name} = parseEdge(input);
    const scales = isScale(term);
    const shape = shapes.of(input);
    if (shape !== undefined && shape.length > 4 && order.length < shape.length)
      return `the ${scales ? 'scale' : 'addend'} '${name}' has a rank above 4`;
    const axes = spelled(dims);
    if (axes.join() === expected.join()) continue;
    const ones = shape?.map((size) => numberOf(size) === 1);
    const meets = scales ? `the scale '${name}' lies on` : `the addend '${name}' is added to`;
    if (!lies(axes, ones)) return `${meets} scores of another order than [batch, heads, queries, keys]`;
  }
  return undefined;
}
