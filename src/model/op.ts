import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
// A required peer, not an optional one: an optional import would have to be dynamic, and `sparseIOHandler` must have registered the
// op before `loadGraphModel` maps the first node. Whoever has a graph model has the converter, and the script-tag `tf` contains it.
import {registerOp, type GraphNode} from '@tensorflow/tfjs-converter';
import {parsePattern, type Pattern} from '../pattern/index.js';
import {sparseAttention} from '../runtime/index.js';
import {arrange, broadcastAxes, LEADING, leadingOf, restore} from './axes.js';
import {readAttributes, wrong, type TermKind} from './node_attributes.js';

/** A model has one pattern, or one per layer, a page a few models; beyond that, parsing again is cheap. */
const MOST_PATTERNS = 64;
const patterns = new Map<string, Pattern>();

/** What a hidden score is, so that a row in which all are hidden stays uniform, as a softmax has it. */
const HIDDEN = -1e30;

/**
 * Teaches the graph executor the op `SparseAttention`. Calling it again changes nothing.
 *
 * It must run before a graph with such nodes is loaded; importing this package does it, so that a swapped model that was saved
 * loads like any other.
 */
export function registerGraphOp(): void {
  registerOp('SparseAttention', runGraphNode);
}

/**
 * Runs one `SparseAttention` node: inputs query, key, value and the terms of the scores; attributes as in `NodeAttributes`.
 *
 * It stands for two batched matrix products, so leading dimensions of size 1 broadcast as theirs and those of an added mask do. (In
 * TensorFlow.js itself [2, 1] beside [2, 3] is multiplied wrongly: its matMul takes matrix i modulo their number.) The executor
 * does not clean up after foreign ops, and in `executeAsync` every intermediate would stay, hence the tidy.
 */
export function runGraphNode({inputs, attrs}: GraphNode): Tensor {
  const {reads, writes, terms: kinds, broadcast, ...options} = readAttributes(attrs, inputs.length);
  return tf.tidy(() => {
    const terms = inputs.slice(3, 3 + kinds.length);
    const given = inputs.slice(0, 3).map((tensor, i) => split(tensor, reads[i]!, options.heads));
    const own = Math.max(...given.map(({axes}) => leadingOf(axes)), leadingOf(writes.replace('m', 'bh')));
    const rank = Math.max(own, ...terms.map((term) => term.rank - 2), broadcast.length - 2);
    const leading = Math.max(2, rank);
    const order = options.layout === 'blhd' && leading === 2 ? 'blhd' : `${LEADING.slice(LEADING.length - leading)}ld`;
    const plain = given.map(({tensor, axes}) => arrange(tensor, axes, order)) as [Tensor, Tensor, Tensor];
    const arranged = scaled(plain, terms, kinds, order);
    const {tensors, sizes} = broadcastAxes(arranged, [...terms.map(({shape}) => shape), broadcast], order);
    const [query, key, value] = tensors.map((tensor) => flatten(tensor, leading)) as [Tensor, Tensor, Tensor];
    const bias = biasOf(terms, kinds);
    const output = sparseAttention(query, key, value, cachedPattern(options.pattern), {
      scale: options.scale,
      implementation: options.implementation as 'auto' | 'fused' | 'dense',
      layout: order === 'blhd' ? 'blhd' : 'bhld',
      ...(bias && {bias: flattenBias(bias, sizes)}),
      ...(options.queryOffset !== undefined && {queryOffset: options.queryOffset}),
    });
    const unflat = leading > 2 ? tf.reshape(output, [...sizes, ...output.shape.slice(-2)]) : output;
    // A mask of more axes than the operands gives them to the output.
    const outer = LEADING.slice(LEADING.length - rank, writes.startsWith('*') ? undefined : LEADING.length - own);
    return restore(unflat, order, `${outer}${writes.replace('*', '')}`);
  });
}

/** A tensor whose axis `m` is two, batch and heads, and whose `*` are letters. */
function split(tensor: Tensor, spec: string, heads: number): {tensor: Tensor; axes: string} {
  const at = spec.indexOf('m');
  if (at >= 0) {
    const merged = tensor.shape[at] ?? 0;
    // One matrix beside many: it is that of every sequence and head.
    const [batch, own] = merged === 1 ? [1, 1] : [merged / heads, heads];
    if (!Number.isInteger(batch)) wrong('heads', `${heads}`, `a divisor of ${merged}, the merged axis of [${tensor.shape.join()}]`);
    const sizes = [...tensor.shape.slice(0, at), batch, own, ...tensor.shape.slice(at + 1)];
    return {tensor: tf.reshape(tensor, sizes), axes: spec.replace('m', 'bh')};
  }
  const leading = LEADING.slice(LEADING.length - Math.max(0, tensor.rank - 2));
  return {tensor, axes: spec.startsWith('*') ? `${leading}${spec.slice(1)}` : spec};
}

/**
 * Query and key times, or divided by, what the scores are: a tensor that broadcasts to them [.., queries, keys], and has one number for
 * each row of them (then the query takes it) or for each key.
 */
function scaled(
  tensors: readonly [Tensor, Tensor, Tensor],
  terms: readonly Tensor[],
  kinds: readonly TermKind[],
  order: string,
): [Tensor, Tensor, Tensor] {
  const results: [Tensor, Tensor, Tensor] = [...tensors];
  terms.forEach((term, i) => {
    const {kind} = kinds[i]!;
    if (kind !== 'times' && kind !== 'over') return;
    const whole = [...Array<number>(order.length - term.rank).fill(1), ...term.shape];
    const ofKey = whole.at(-1) !== 1;
    const [queries, keys] = whole.splice(-2) as [number, number];
    if (ofKey && queries !== 1) wrong('terms', `${kind} beside [${term.shape.join()}]`, 'a number for each row or each key');
    const column = tf.reshape(term, [...whole, ofKey ? keys : queries, 1]);
    const factor = arrange(column, `${LEADING.slice(LEADING.length - whole.length)}ld`, order);
    const role = ofKey ? 1 : 0;
    results[role] = kind === 'times' ? tf.mul(results[role], factor) : tf.div(results[role], factor);
  });
  return results;
}

/** The sum of the terms: what is added, and `HIDDEN` where a condition does not hold. */
function biasOf(terms: readonly Tensor[], kinds: readonly TermKind[]): Tensor | undefined {
  let sum: Tensor | undefined;
  let attends: Tensor | undefined;
  terms.forEach((term, i) => {
    const as = kinds[i]!;
    if (as.kind === 'add') {
      const addend = as.factor === 1 ? term : tf.mul(term, as.factor);
      sum = sum === undefined ? addend : tf.add(sum, addend);
      return;
    }
    if (as.kind === 'times' || as.kind === 'over') return;
    const condition = tf.cast(term, 'bool');
    const holds = as.kind === 'keep' ? condition : tf.logicalNot(condition);
    attends = attends === undefined ? holds : tf.logicalAnd(attends, holds);
  });
  if (attends === undefined) return sum;
  const hidden = tf.where(attends, tf.scalar(0), tf.scalar(HIDDEN));
  return sum === undefined ? hidden : tf.add(sum, hidden);
}

/** All leading axes but the last as one: [batch, heads, length, dim]. */
function flatten(tensor: Tensor, leading: number): Tensor {
  if (leading <= 2) return tensor;
  const [heads, length, dim] = tensor.shape.slice(-3) as [number, number, number];
  return tf.reshape(tensor, [tensor.size / (heads * length * dim || 1), heads, length, dim]);
}

function flattenBias(bias: Tensor, sizes: readonly number[]): Tensor {
  if (sizes.length <= 2 || bias.rank <= 3) return bias;
  const full = tf.broadcastTo(bias, [...sizes, ...bias.shape.slice(-2)] as Tensor4D['shape']);
  return flatten(full, sizes.length);
}

function cachedPattern(text: string): Pattern {
  let pattern = patterns.get(text);
  if (pattern === undefined) {
    if (patterns.size === MOST_PATTERNS) patterns.clear();
    pattern = parsePattern(text);
    patterns.set(text, pattern);
  }
  return pattern;
}
