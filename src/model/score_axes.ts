import type {Operand} from './contraction.js';
import {parseEdge, type NodeDef} from './graph.js';
import {mergedLetter} from './letters.js';
import {isScale, type Logits, type Term} from './normal_form.js';
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

/** A term, and its axes where they are not the last ones of [.., batch, heads, queries, keys]: a letter each, k for keys. */
export type PlacedTerm = Term & {readonly axes?: readonly string[]};

/**
 * The terms with the axes that they have on the scores, or why one cannot be told. `order` are the axes of the scores with all their parts,
 * `expected` those as the op reads them, and `letters` their letters.
 */
export function placeTerms(
  shapes: ShapeTable,
  {terms, growth, causal}: Logits,
  order: readonly string[],
  expected: readonly string[],
  letters: ReadonlyMap<string, string>,
  splits: ReadonlyMap<string, readonly string[]>,
): readonly PlacedTerm[] | string {
  if (causal !== undefined && order.at(-2) !== expected.at(-2)) {
    return 'its causal mask lies on scores of another order than [batch, heads, queries, keys]';
  }
  for (const {sizes, dims} of growth) {
    const fits = sizes.every(
      (size, i) => size === 1 || spelledAs(dims, splits).at(i - sizes.length) === expected.at(i - sizes.length),
    );
    if (!fits) return `a constant makes scores of another order than [batch, heads, queries, keys] larger`;
  }
  const placed = terms.map((term) => placeTerm(shapes, term, order, expected, letters, splits));
  return placed.find((each): each is string => typeof each === 'string') ?? (placed as PlacedTerm[]);
}

const spelledAs = (dims: Dims, splits: ReadonlyMap<string, readonly string[]>): string[] =>
  dims.map((labels) => labels.flatMap((label) => partsOf(label, splits)).join('+'));

function placeTerm(
  shapes: ShapeTable,
  term: Term,
  order: readonly string[],
  expected: readonly string[],
  letters: ReadonlyMap<string, string>,
  splits: ReadonlyMap<string, readonly string[]>,
): PlacedTerm | string {
  const {name} = parseEdge(term.input);
  const shape = shapes.of(term.input);
  const what = isScale(term) ? `the scale '${name}'` : `the addend '${name}'`;
  if (shape !== undefined && shape.length > 4 && order.length < shape.length) return `${what} has a rank above 4`;
  const spelled = spelledAs(term.dims, splits);
  if (spelled.join() === expected.join()) return term;
  // From the last axis on, as it broadcasts: an axis of size 1 may be any.
  const fits = shape?.every((size, axis) => {
    const at = axis - shape.length;
    return numberOf(size) === 1 || spelled.at(at) === expected.at(at);
  });
  if (fits) return term;
  const axes = spelled.map((label) => mergedLetter(label.split('+').map((part) => letters.get(part) ?? ' ')));
  if (!axes.every((letter) => letter !== undefined && letter !== ' ')) {
    return `${what} lies on scores of another order than [batch, heads, queries, keys]`;
  }
  // Where its shape is not known, the op counts from the last axis when it runs.
  return {...term, axes: (axes as string[]).slice(Math.max(0, axes.length - (shape?.length ?? Infinity)))};
}
