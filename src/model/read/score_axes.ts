import type {Factor} from '../graph/contraction.js';
import {parseEdge} from '../graph/graph.js';
import {mergedLetter} from '../graph/letters.js';
import {isScale, type Logits, type Term} from './normal_form.js';
import {areHeads} from './origin.js';
import {splitLabels, type Dims} from './regroup.js';
import type {ShapeTable} from '../graph/shape_table.js';
import {numberOf, same, type Size} from '../graph/size.js';

/** The axis of the queries. */
export interface QueryAxis {
  readonly label: string;
  /** Why it may be another one. */
  readonly unsure?: string;
}

/**
 * Which of the axes `own`, those that the query has and the key has not, is that of the queries; `last` stands next to the keys in the
 * scores. Keys without heads, or with one that broadcasts, leave several to choose from, and a pattern must not lie over the heads.
 * Whatever is proven to be heads is not it, and what has the unknown length of the keys is; equal numbers are no proof, for there may be as many heads as keys. Undefined: none of them stands next to the keys.
 */
export function queryAxis(
  shapes: ShapeTable,
  scores: string,
  own: readonly string[],
  last: string,
  {query, key, keyLabel, features}: {query: Factor; key: Factor; keyLabel: string; features: string},
): QueryAxis | undefined {
  const sizeOf = ({input, labels}: Factor, label: string): Size | undefined => shapes.of(input)?.[labels.indexOf(label)];
  const ones = key.labels.filter((label) => label !== features && label !== keyLabel && numberOf(sizeOf(key, label)) === 1);
  // One head of both is no choice. Beside a query of unknown rank all that is known is that it may have such axes.
  const [single, shared] = [true, false].map((one) =>
    query.labels.filter(
      (label) => (ones.includes(label) && (numberOf(sizeOf(query, label)) === 1) === one) || (label === '*' && ones.length > 0),
    ),
  ) as [string[], string[]];
  const at = (label: string): number => query.labels.indexOf(label);
  const open = [...own, ...shared];
  const rest = open.filter((label) => !areHeads(shapes, query.input, at(label), at(features)));
  const keys = sizeOf(key, keyLabel);
  const proofs = [
    rest.length === 0 && single.length === 0 ? open : rest,
    rest.filter((label) => numberOf(keys) === undefined && same(sizeOf(query, label), keys)),
  ];
  const proven = proofs.find(({length}) => length === 1)?.[0];
  if (proven !== undefined && own.includes(proven)) return {label: proven};
  const label = own.includes(last) ? last : own.length === 1 ? own[0] : undefined;
  const unsure =
    proven === undefined
      ? `of the scores '${scores}' it cannot be told which axis are the queries: its keys have no heads, and neither sizes nor weights tell`
      : `the queries of the scores '${scores}' stand where the keys have one head for all`;
  return label === undefined ? undefined : {label, unsure};
}

/** A term, and its axes where they are not the last ones of [.., batch, heads, queries, keys]: a letter each, k for keys. */
export type PlacedTerm = Term & {readonly axes?: readonly string[]};

/**
 * The terms with the axes that they have on the scores, or why one cannot be told. `order` are the axes of the scores with all their parts,
 * `expected` those as the op reads them, and `letters` their letters.
 */
export function placeTerms(
  shapes: ShapeTable,
  {terms, growth, causal, maximum}: Logits,
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
  if (maximum !== undefined && maximum !== expected.at(-1)) {
    return 'the maximum that is subtracted from its scores is that of another axis than the keys';
  }
  const placed = terms.map((term) => placeTerm(shapes, term, order, expected, letters, splits));
  return placed.find((each): each is string => typeof each === 'string') ?? (placed as PlacedTerm[]);
}

const spelledAs = (dims: Dims, splits: ReadonlyMap<string, readonly string[]>): string[] =>
  dims.map((labels) => labels.flatMap((label) => splitLabels(label, splits)).join('+'));

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
  const ofKeys = shape?.[spelled.indexOf(expected.at(-1)!) - spelled.length + shape.length];
  if (term.shifted && ofKeys !== undefined && numberOf(ofKeys) !== 1) {
    return `${what} has a number for each key, and something was added to all scores of a row before`;
  }
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
