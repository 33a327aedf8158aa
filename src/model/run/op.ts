import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D, Tensor4D} from '@tensorflow/tfjs-core';
// A required peer, not an optional one: an optional import would have to be dynamic, and `sparseIOHandler` must have registered the
// op before `loadGraphModel` maps the first node. Whoever has a graph model has the converter, and the script-tag `tf` contains it.
import {registerOp, type GraphNode} from '@tensorflow/tfjs-converter';
import {isPlain, parsePattern, type Pattern} from '../../pattern/index.js';
import {attentionWithin, cutOut, shapeWithin, sparseAttention, type HeadsWithin, type OperandsWithin} from '../../runtime/index.js';
import {arrange, broadcastShapes, LEADING, leadingOf, restore, spreadTo} from './axes.js';
import {apart, holdsMerged, PARTS} from '../graph/letters.js';
import {runDenseNode} from './dense_node.js';
import {NORMS_AND_ACTIVATIONS} from './norm_nodes.js';
import {nodeAttributes, wrong, type NodeAttributes, type TermKind} from './node_attributes.js';

/** A model has one pattern, or one per layer, a page a few models; beyond that, parsing again is cheap. */
const MOST_PATTERNS = 64;
const patterns = new Map<string, Pattern>();

/** What a hidden score is, so that a row in which all are hidden stays uniform, as a softmax has it. */
const HIDDEN = -1e30;

/**
 * Teaches the graph executor the op `SparseAttention`, and those of dense layers, norms and activations. Calling it again changes nothing.
 *
 * It must run before a graph with such nodes is loaded; importing this package does it, so that a swapped model that was saved
 * loads like any other.
 */
export function registerGraphOp(): void {
  registerOp('SparseAttention', runGraphNode);
  registerOp('SplatDense', runDenseNode);
  for (const [name, execute] of Object.entries(NORMS_AND_ACTIVATIONS)) registerOp(name, execute);
}

/**
 * Runs one `SparseAttention` node: inputs query, key, value and the terms of the scores; attributes as in `NodeAttributes`.
 *
 * It stands for two batched matrix products, so leading dimensions of size 1 broadcast as theirs and those of an added mask do. (In
 * TensorFlow.js itself [2, 1] beside [2, 3] is multiplied wrongly: its matMul takes matrix i modulo their number.) The executor
 * does not clean up after foreign ops, and in `executeAsync` every intermediate would stay, hence the tidy.
 */
export function runGraphNode({inputs, attrs}: GraphNode): Tensor {
  const {reads, writes, terms: kinds, broadcast, ...options} = nodeAttributes(attrs, inputs.length);
  return tf.tidy(() => {
    const parts = {...seenParts(inputs, [...reads, ...kinds.map((kind) => kind.axes ?? '')]), ...options.parts};
    const known = (part: string): boolean => part in options.parts;
    const ofKeys = options.keyHeads === undefined ? parts : {...parts, h: options.keyHeads};
    const own = Math.max(...reads.map((spec, i) => leadingOf(axesOf(inputs[i]!, spec))), leadingOf(apart(writes)));
    const axes = kinds.map((kind, i) => termAxes(inputs[3 + i]!, kind.axes));
    const rank = Math.max(own, ...axes.map((spec) => leadingOf(apart(spec))), broadcast.length - 2);
    const leading = Math.max(2, rank);
    const order = options.layout === 'blhd' && leading === 2 ? 'blhd' : `${LEADING.slice(LEADING.length - leading)}ld`;
    const terms = axes.map((spec, i) => inOrder(inputs[3 + i]!, spec, leading, parts, known));
    const masks = [...terms.map(({shape}) => shape), broadcast];
    const pattern = cachedPattern(options.pattern);
    const numbers = {
      scale: options.scale,
      implementation: options.implementation as 'auto' | 'fused' | 'dense',
      ...(options.queryOffset !== undefined && {queryOffset: options.queryOffset}),
    };
    const within = inputs.slice(0, 3).map((tensor, i) => headsWithin(tensor, reads[i]!, i, i === 0 ? parts : ofKeys, options));
    const attendApart = (): Tensor => {
      const given = within.map((heads, i) =>
        heads === undefined
          ? split(inputs[i]!, reads[i]!, i === 0 ? parts : ofKeys, known)
          : {tensor: cutOut(heads, options.within!.headDim), axes: 'blhd'},
      );
      const plain = given.map(({tensor, axes}) => arrange(tensor, axes, order)) as [Tensor, Tensor, Tensor];
      const arranged = scaled(plain, terms, kinds, order);
      const {shapes, sizes} = broadcastShapes(arranged.map(shapeOfTensor), masks, order);
      const bias = biasOf(terms, kinds);
      const batched = leading > 2 ? batchedAxes(sizes, bias, pattern) : leading - 1;
      const flat = arranged.map((tensor, i) => flatten(spreadTo(tensor, shapes[i]!), leading, batched));
      const output = sparseAttention(...(flat as [Tensor, Tensor, Tensor]), pattern, {
        ...numbers,
        layout: order === 'blhd' ? 'blhd' : 'bhld',
        ...(bias && {bias: flattenBias(bias, sizes, batched)}),
      });
      return leading > 2 ? tf.reshape(output, [...sizes, ...output.shape.slice(-2)]) : output;
    };
    const operands = order === 'blhd' && !kinds.some(isFactor) ? inPlace(within, options.within, masks) : undefined;
    const output =
      operands === undefined ? attendApart() : attentionWithin(operands, pattern, {...numbers, bias: biasOf(terms, kinds)});
    // A mask of more axes than the operands gives them to the output.
    const outer = LEADING.slice(LEADING.length - rank, writes.startsWith('*') ? undefined : LEADING.length - own);
    const written = restore(output, order, `${outer}${writes.replace('*', '')}`);
    return options.queryBatch ? asMany(written, inputs[0]!.shape[0]!) : written;
  });
}

const shapeOfTensor = ({shape}: Tensor): number[] => shape;
const isFactor = ({kind}: TermKind): boolean => kind === 'times' || kind === 'over';

/** The heads that an operand has among the features of its tensor, where the node says which they are. */
function headsWithin(
  tensor: Tensor,
  axes: string,
  role: number,
  {h}: Parts,
  {within}: Pick<NodeAttributes, 'within'>,
): HeadsWithin | undefined {
  if (within === undefined || (axes !== 'blf' && axes !== 'blhd')) return undefined;
  const first = within.firsts[role]!;
  const [batch, length, ...sizes] = tensor.shape as [number, number, ...number[]];
  const features = sizes.reduce((a, b) => a * b, 1);
  const heads = axes === 'blhd' ? sizes[0]! : h!;
  const fits = axes === 'blf' ? first + heads * within.headDim <= features : sizes[1] === within.headDim;
  if (tensor.rank !== axes.length || !fits) {
    wrong('firsts', `${first} beside [${tensor.shape.join()}]`, `${heads} heads of ${within.headDim} features from there on`);
  }
  const whole = axes === 'blf' ? tensor : tf.reshape(tensor, [batch, length, features]);
  return {whole: whole as Tensor3D, first, heads};
}

/** Operands that can be read where they are: masks ask for no more sequences, heads, queries or keys than they have. */
function inPlace(
  [query, key, value]: readonly (HeadsWithin | undefined)[],
  within: NodeAttributes['within'],
  masks: readonly (readonly number[])[],
): OperandsWithin | undefined {
  if (within === undefined || query === undefined || key === undefined || value === undefined) return undefined;
  const own = [query, key, value].map((heads) => shapeWithin(heads, within.headDim));
  const {shapes} = broadcastShapes(own, masks, 'blhd');
  return shapes.join() === own.join() ? {query, key, value, headDim: within.headDim} : undefined;
}

/** [batch, −1, features], where a mask of more sequences than the query has gave the output more of them. */
function asMany(output: Tensor, batch: number): Tensor {
  return output.rank === 3 && output.shape[0] === batch ? output : tf.reshape(output, [batch, -1, output.shape.at(-1)!]);
}

type Parts = NodeAttributes['parts'];

/** The sizes that leading axes have where they are not merged; 1 says nothing, for it broadcasts. */
function seenParts(inputs: readonly Tensor[], specs: readonly string[]): Parts {
  const parts: Record<string, number> = {};
  // Nobody asks where all axes lie apart. Loops: every node that runs passes here.
  if (!specs.some(holdsMerged)) return parts;
  for (const [i, spec] of specs.entries()) {
    const {shape} = inputs[i]!;
    const axes = spec === '' ? termAxes(inputs[i]!) : spec;
    if (axes.includes('*')) continue;
    for (let axis = 0; axis < axes.length; axis++) {
      const size = shape[axis - axes.length + shape.length] ?? 1;
      if (size > 1 && LEADING.includes(axes[axis]!)) parts[axes[axis]!] = size;
    }
  }
  return parts;
}

/** The axes of a tensor, merged ones apart, and letters for `*`. */
const axesOf = ({rank}: Tensor, spec: string): string =>
  spec.startsWith('*') ? `${LEADING.slice(LEADING.length - Math.max(0, rank - 2))}${spec.slice(1)}` : apart(spec);

/** A tensor whose merged axes lie apart, and whose `*` are letters. */
function split(tensor: Tensor, spec: string, parts: Parts, known: (part: string) => boolean): {tensor: Tensor; axes: string} {
  if (!holdsMerged(spec)) return {tensor, axes: axesOf(tensor, spec)};
  if (tensor.rank !== spec.length) wrong('axes', spec, `the axes of the shape [${tensor.shape.join()}]`);
  const sizes = [...spec].flatMap((letter, axis) => splitSize(tensor.shape[axis]!, [...apart(letter)], parts, known));
  return {tensor: tf.reshape(tensor, sizes), axes: apart(spec)};
}

/** The sizes of the parts of an axis. Where two are not known, what other tensors have decides, the last first. */
function splitSize(size: number, letters: readonly string[], parts: Parts, known: (part: string) => boolean): number[] {
  // One matrix beside many: it is that of every sequence and head.
  if (letters.length === 1 || size === 1) return letters.map(() => size);
  let rest = letters.filter(known).reduce((left, part) => left / parts[part]!, size);
  const open = letters.filter((part) => !known(part));
  if (!Number.isInteger(rest) || (open.length === 0 && rest !== 1)) {
    const names = letters.map((part) => PARTS[part as keyof typeof PARTS]).join();
    wrong(names, letters.map((part) => parts[part]).join(), `parts of an axis of ${size}`);
  }
  const sizes = new Map<string, number>();
  for (const part of open.slice(1).reverse()) {
    const seen = parts[part] ?? 1;
    sizes.set(part, rest % seen === 0 ? seen : 1);
    rest /= sizes.get(part)!;
  }
  return letters.map((part) => (known(part) ? parts[part]! : (sizes.get(part) ?? rest)));
}

/** The axes of a term: the last of the given ones, with any further axes before them. */
function termAxes({rank}: Tensor, given = `${LEADING}lk`): string {
  if (rank <= given.length) return given.slice(given.length - rank);
  const outer = LEADING.length - leadingOf(apart(given));
  return `${LEADING.slice(Math.max(0, outer + given.length - rank), outer)}${given}`;
}

/** A term as it broadcasts to the scores [.., queries, keys]. */
function inOrder(term: Tensor, axes: string, leading: number, parts: Parts, known: (part: string) => boolean): Tensor {
  const own = split(term, axes, parts, known);
  const order = `${LEADING.slice(LEADING.length - leading)}lk`;
  return order.endsWith(own.axes) ? own.tensor : arrange(own.tensor, own.axes, order);
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
    if (!isFactor(kinds[i]!)) return;
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
    if (as.kind === 'times' || as.kind === 'over') {
      // What was added before is scaled with the scores.
      sum = sum && (as.kind === 'times' ? tf.mul(sum, term) : tf.div(sum, term));
      return;
    }
    const condition = tf.cast(term, 'bool');
    const holds = as.kind === 'keep' ? condition : tf.logicalNot(condition);
    attends = attends === undefined ? holds : tf.logicalAnd(attends, holds);
  });
  if (attends === undefined) return sum;
  const hidden = tf.where(attends, tf.scalar(0), tf.scalar(HIDDEN));
  return sum === undefined ? hidden : tf.add(sum, hidden);
}

/** As many leading axes as `batched` as one, the others as heads: [batch, heads, length, dim]. */
function flatten(tensor: Tensor, leading: number, batched: number): Tensor {
  return leading <= 2 ? tensor : tf.reshape(tensor, twoOf(tensor.shape, batched));
}

function twoOf(shape: readonly number[], batched: number): [number, number, number, number] {
  const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
  const [length, dim] = shape.slice(-2) as [number, number];
  return [product(shape.slice(0, batched)), product(shape.slice(batched, -2)), length, dim];
}

/**
 * How many leading axes become the batch: all but the last, the heads, unless that would repeat a bias more often. A mask for each window of
 * an image is the same for all images, so windows and heads are taken for heads then, but where each head has a pattern of its own.
 */
function batchedAxes(sizes: readonly number[], bias: Tensor | undefined, {node}: Pattern): number {
  const usual = sizes.length - 1;
  const most = sizes.slice(-2).reduce((a, b) => a * b);
  if (bias === undefined || bias.rank < 4 || most > MOST_HEADS || !isPlain(node)) return usual;
  const size = (batched: number): number => spread(bias.shape, sizes, batched).reduce((a, b) => a * b, 1);
  return size(usual - 1) < size(usual) ? usual - 1 : usual;
}

/** Of WebGPU: heads are an axis of the grid. */
const MOST_HEADS = 65535;

/** The shape of a bias in which each of the two groups of leading axes is either all there or 1. */
function spread(shape: readonly number[], sizes: readonly number[], batched: number): number[] {
  const own = [...Array<number>(sizes.length + 2 - shape.length).fill(1), ...shape];
  const whole = (from: number, to: number): number[] =>
    own.slice(from, to).every((size) => size === 1) ? own.slice(from, to) : sizes.slice(from, to);
  return [...whole(0, batched), ...whole(batched, sizes.length), ...own.slice(-2)];
}

function flattenBias(bias: Tensor, sizes: readonly number[], batched: number): Tensor {
  if (sizes.length <= 2 || bias.rank <= 2) return bias;
  const shape = spread(bias.shape, sizes, batched);
  const full = shape.join() === bias.shape.join() ? bias : tf.broadcastTo(bias, shape as Tensor4D['shape']);
  return tf.reshape(full, twoOf(shape, batched));
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
