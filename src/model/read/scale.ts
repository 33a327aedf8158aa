import {dataInputs, type NodeDef} from '../graph/graph.js';
import {through, withTerm, type Logits, type LogitsContext} from './normal_form.js';
import type {Shape, ShapeTable} from '../graph/shape_table.js';
import {numberOf, same} from '../graph/size.js';

/** What is hidden by `FAR` or more is still so after a scale of this: −1000 / 32 leaves e^−31. */
export const LEAST_FACTOR = 1 / 32;

/**
 * The logits times a tensor, or divided by it: a scale for each head, a temperature for each query. Where it has one number for each row
 * of the scores, the query can be multiplied instead, where it has one for each key, the key. What was added before is scaled as it was.
 */
export function withScale(
  context: LogitsContext,
  node: NodeDef,
  inner: Logits,
  given: string,
  kind: 'times' | 'over',
): Logits | string {
  const {shapes} = context;
  const tensor = unrepeated(shapes, given, inner.path[0]!.name);
  const does = `'${node.name}' ${kind === 'times' ? 'multiplies' : 'divides'} the scores by '${tensor}'`;
  const shape = shapes.of(tensor);
  if (shape === undefined) return `${does}, of which it is not known whether it has a number for each pair of query and key`;
  // A column of the scores, or a row of them.
  if (![-1, -2].some((axis) => shape.length < -axis || numberOf(shape.at(axis)) === 1)) {
    return `${does}, which may have a number for each pair of query and key`;
  }
  const hides = inner.causal !== undefined || inner.terms.some((term) => term.kind === 'keep' || term.kind === 'drop');
  if (hides && !(leastFactor(context, tensor, kind) >= LEAST_FACTOR)) {
    return `'${node.name}' scales masked scores by '${tensor}', which may bring back what the mask hides`;
  }
  return through(node, withTerm(context, inner, {input: tensor, kind, factor: 1, ...(inner.shifted && {shifted: true})}), {});
}

/** A tensor before it was repeated to the size of the scores, which it would be anyway. */
function unrepeated(shapes: ShapeTable, tensor: string, scores: string): string {
  const node = shapes.graph.producer(tensor);
  const [few = ''] = node === undefined ? [] : dataInputs(node);
  if (node === undefined || (node.op !== 'BroadcastTo' && node.op !== 'Tile')) return tensor;
  const [shape, whole, before] = [node.name, scores, few].map((each) => shapes.of(each));
  const fits = shape !== undefined && shape.length === whole?.length && shape.every((size, axis) => same(size, whole[axis]));
  // What a Tile repeats has to be one number along each axis.
  const repeats = before?.every((size, i) => numberOf(size) === 1 || same(size, shape?.at(i - before.length)));
  return fits && repeats ? few : tensor;
}

/** Whether a scale has a number for each key of each head. */
export const scalesKeysOfHeads = (shape: Shape | undefined): boolean =>
  shape === undefined || (numberOf(shape.at(-1)) !== 1 && shape.length > 2 && numberOf(shape.at(-3)) !== 1);

/** The smallest number that a constant tensor scales by; NaN when only a run tells. */
function leastFactor({shapes}: LogitsContext, tensor: string, kind: 'times' | 'over'): number {
  const node = shapes.graph.producer(tensor);
  const values = node?.op === 'Const' ? shapes.constants.values(node.name) : undefined;
  return values?.reduce((least, value) => Math.min(least, kind === 'times' ? value : 1 / value), Infinity) ?? NaN;
}
