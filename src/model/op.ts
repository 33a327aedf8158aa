import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor4D} from '@tensorflow/tfjs-core';
// A required peer, not an optional one: an optional import would have to be dynamic, and `sparseIOHandler` must have registered the
// op before `loadGraphModel` maps the first node. Whoever has a graph model has the converter, and the script-tag `tf` contains it.
import {registerOp, type GraphNode} from '@tensorflow/tfjs-converter';
import {parsePattern, type Pattern} from '../pattern/index.js';
import {sparseAttention} from '../runtime/index.js';
import {arrange, broadcastAxes, LEADING, leadingOf, restore} from './axes.js';

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
 * Runs one `SparseAttention` node: inputs query, key, value and the terms of the scores; attributes `pattern`, `scale`,
 * `implementation`, `axes` (the axes of each tensor, see `arrange`), `layout`, `terms` (`add:factor`, `times`, `over`, `keep` or `drop` for
 * each), and, where they are needed, `heads` (of merged axes) and `query_offset`.
 *
 * It stands for two batched matrix products, so leading dimensions of size 1 broadcast as theirs and those of an added mask do. (In
 * TensorFlow.js itself [2, 1] beside [2, 3] is multiplied wrongly: its matMul takes matrix i modulo their number.) The executor
 * does not clean up after foreign ops, and in `executeAsync` every intermediate would stay, hence the tidy.
 */
export function runGraphNode({inputs, attrs}: GraphNode): Tensor {
  return tf.tidy(() => {
    const text = (name: string): string => String(attrs[name] ?? '');
    const [reads = '', written = ''] = text('axes').split('->');
    const specs = reads.split(',');
    const kinds = text('terms').split(' ').filter(Boolean);
    const terms = inputs.slice(3, 3 + kinds.length);
    const heads = Number(attrs['heads'] ?? 1);
    const given = inputs.slice(0, 3).map((tensor, i) => split(tensor, specs[i]!, heads));
    const own = Math.max(...given.map(({axes}) => leadingOf(axes)));
    const rank = Math.max(own, ...terms.map((term) => term.rank - 2));
    const leading = Math.max(2, rank);
    const order = text('layout') === 'blhd' && leading === 2 ? 'blhd' : `${LEADING.slice(LEADING.length - leading)}ld`;
    const plain = given.map(({tensor, axes}) => arrange(tensor, axes, order));
    const arranged = scaled(plain, terms, kinds, order);
    const bias = biasOf(terms, kinds);
    const {tensors, sizes} = broadcastAxes(arranged, bias, order);
    const [query, key, value] = tensors.map((tensor) => flatten(tensor, leading)) as [Tensor, Tensor, Tensor];
    const output = sparseAttention(query, key, value, cachedPattern(text('pattern')), {
      scale: Number(attrs['scale']),
      implementation: text('implementation') as 'auto' | 'fused' | 'dense',
      layout: order === 'blhd' ? 'blhd' : 'bhld',
      ...(bias && {bias: flattenBias(bias, sizes)}),
      ...(attrs['query_offset'] !== undefined && {queryOffset: Number(attrs['query_offset'])}),
    });
    const unflat = leading > 2 ? tf.reshape(output, [...sizes, ...output.shape.slice(-2)]) : output;
    // A mask of more axes than the operands gives them to the output.
    const outer = LEADING.slice(LEADING.length - rank, written.startsWith('*') ? undefined : LEADING.length - own);
    return restore(unflat, order, `${outer}${written.replace('*', '')}`);
  });
}

/** A tensor whose axis `m` is two, batch and heads, and whose `*` are letters. */
function split(tensor: Tensor, spec: string, heads: number): {tensor: Tensor; axes: string} {
  const at = spec.indexOf('m');
  if (at >= 0) {
    const {shape} = tensor;
    const sizes = [...shape.slice(0, at), shape[at]! / heads, heads, ...shape.slice(at + 1)];
    return {tensor: tf.reshape(tensor, sizes), axes: spec.replace('m', 'bh')};
  }
  const leading = LEADING.slice(LEADING.length - Math.max(0, tensor.rank - 2));
  return {tensor, axes: spec.startsWith('*') ? `${leading}${spec.slice(1)}` : spec};
}

/**
 * Query and key times, or divided by, what the scores are: a tensor that broadcasts to them [.., queries, keys], and has one number for
 * each row of them (then the query takes it) or for each key.
 */
function scaled(tensors: readonly Tensor[], terms: readonly Tensor[], kinds: readonly string[], order: string): Tensor[] {
  const results = [...tensors];
  terms.forEach((term, i) => {
    if (kinds[i] !== 'times' && kinds[i] !== 'over') return;
    const whole = [...Array<number>(order.length - term.rank).fill(1), ...term.shape];
    const ofKey = whole.at(-1) !== 1;
    const [queries, keys] = whole.splice(-2) as [number, number];
    const column = tf.reshape(term, [...whole, ofKey ? keys : queries, 1]);
    const factor = arrange(column, `${LEADING.slice(LEADING.length - whole.length)}ld`, order);
    const role = Number(ofKey);
    results[role] = kinds[i] === 'times' ? tf.mul(results[role]!, factor) : tf.div(results[role]!, factor);
  });
  return results;
}

/** The sum of the terms: what is added, and `HIDDEN` where a condition does not hold. */
function biasOf(terms: readonly Tensor[], kinds: readonly string[]): Tensor | undefined {
  let sum: Tensor | undefined;
  let attends: Tensor | undefined;
  terms.forEach((term, i) => {
    const [kind, factor] = kinds[i]!.split(':');
    if (kind === 'add') {
      const addend = factor === '1' ? term : tf.mul(term, Number(factor));
      sum = sum === undefined ? addend : tf.add(sum, addend);
      return;
    }
    if (kind === 'times' || kind === 'over') return;
    const condition = tf.cast(term, 'bool');
    const holds = kind === 'keep' ? condition : tf.logicalNot(condition);
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
