import type {Alignment} from './causal.js';
import {contractionOf} from '../graph/contraction.js';
import {isProduct, reachesProduct} from './dense_layers.js';
import {dataInputs, parseEdge, passesThrough, type NodeDef} from '../graph/graph.js';
import {broadcastOf} from './growth.js';
import {chooseLayout, type Placement} from './layout.js';
import {leadsToScores, readLogits, unanswered} from './logits.js';
import {scalesKeysOfHeads} from './scale.js';
import {missingOf, partSizes, pathAxes} from './leading_axes.js';
import {isMerged, mergedLetter} from '../graph/letters.js';
import {isMasked, isScale, type Logits, type LogitsContext} from './normal_form.js';
import {candidatesOf, exitsOf, type Candidate, type Exit, type MergedHeads} from './operands.js';
import {splitLabels, regroup, type Dims} from './regroup.js';
import {placeTerms, queryAxis, type PlacedTerm} from './score_axes.js';
import type {Size} from '../graph/size.js';
import {readersOutside, softmaxesOf, type Softmax} from './softmax.js';

/** output = softmax(scale · query·keyᵀ + Σ terms, where causal) · value, found in a graph. */
export interface Attention extends Placement {
  /** The node whose output are the probabilities. */
  readonly softmax: NodeDef;
  readonly scale: number;
  readonly terms: readonly PlacedTerm[];
  readonly causal?: Alignment;
  /** What folded tensors broadcast the scores to; empty: nothing. */
  readonly broadcast: readonly number[];
  /** The sizes of leading axes that are known, by letter. */
  readonly parts: Readonly<Record<string, number>>;
  /** Why it is not known which axis are the queries; `full()` is right all the same. */
  readonly unsure?: string;
  /** The nodes from the probabilities to the product of query and key. */
  readonly path: readonly string[];
  /** The axes of nodes of the path, where they are known: the letters of the query, k for keys. */
  readonly pathAxes: ReadonlyMap<string, readonly string[]>;
}

/** An attention that stays as it is. */
export interface Misfit {
  /** Its softmax. */
  readonly name: string;
  readonly reason: string;
}

export interface Found {
  /** In the order in which they are computed. */
  readonly attentions: readonly Attention[];
  readonly misfits: readonly Misfit[];
}

/**
 * Every attention in a graph: a softmax between two products of activations, with no dense layer or convolution between, unless it
 * leaves the pairs of queries and keys what they are.
 *
 * Any other softmax (a class head, the box decoder of YOLO) is no attention and is not mentioned. Nodes are recognised by what they
 * compute; their names say nothing (grappler calls a score product `FoldTransposeIntoMatMul_MatMul` and a multiplication `truediv`).
 */
export function findAttentions(context: LogitsContext): Found {
  const {shapes, pairs} = context;
  const attentions: Attention[] = [];
  const misfits: Misfit[] = [];
  for (const softmax of softmaxesOf(shapes)) {
    const logits = 'logits' in softmax ? softmax.logits : softmax.node.name;
    const name = softmax.node.name;
    if (!leadsToScores(context, logits) || !(reachesProduct(shapes, name) || pairs.areSummed(name))) continue;
    const match = 'reason' in softmax ? softmax.reason : readAttention(context, softmax);
    if (typeof match === 'string') misfits.push({name, reason: match});
    else attentions.push(match);
  }
  return {attentions, misfits};
}

function readAttention(context: LogitsContext, softmax: Softmax): Attention | string {
  const logits = readLogits(context, softmax.logits);
  if (typeof logits === 'string') return logits;
  if (logits.multiplied !== undefined) return unanswered(logits.multiplied);
  const outside = readersOutside(context.shapes, softmax);
  if (outside !== undefined) return outside;
  const output = readOutput(context, softmax, logits);
  return typeof output === 'string' ? output : assemble(context, softmax, logits, output);
}

interface Output {
  readonly node: NodeDef;
  readonly value: {readonly input: string; readonly labels: readonly string[]};
  readonly labels: readonly string[];
  readonly splits: ReadonlyMap<string, readonly string[]>;
  readonly sizes: ReadonlyMap<string, Size>;
  /** Axes of the probabilities as the product reads them. */
  readonly dims: Dims;
  readonly path: readonly string[];
}

/** The one product that reads the probabilities, through reshapes and transposes, else why not. */
function readOutput({shapes}: LogitsContext, softmax: Softmax, logits: Logits): Output | string {
  const {graph} = shapes;
  let at = softmax.node.name;
  let [dims, sizes, splits]: [Dims, ReadonlyMap<string, Size>, ReadonlyMap<string, readonly string[]>] = [
    logits.dims,
    logits.sizes,
    logits.splits,
  ];
  const path: string[] = [];
  for (;;) {
    path.push(at);
    if (graph.outputs.has(at)) return `its probabilities ('${at}') are an output of the model`;
    const readers = graph.consumers(at).filter(({control, node}) => !control && node.op !== 'Shape');
    const [reader, ...more] = readers.map(({node}) => node);
    if (reader === undefined || more.length > 0) {
      const names = readers.map(({node}) => `'${node.name}'`).join(' and ');
      return names === ''
        ? 'nothing reads its probabilities'
        : `its probabilities are read by ${names}; a swap never computes them`;
    }
    const inputs = dataInputs(reader);
    if (passesThrough(reader)) {
      at = reader.name;
    } else if (['Reshape', 'ExpandDims', 'Squeeze'].includes(reader.op)) {
      const target = shapes.of(reader.name);
      const next = target && regroup(dims, sizes, target, reader.name);
      if (next === undefined)
        return `the ${reader.op} '${reader.name}' of its probabilities cannot be proven to only regroup heads`;
      [dims, sizes, splits] = [next.dims, next.sizes, new Map([...splits, ...next.splits])];
      at = reader.name;
    } else if (reader.op === 'Transpose' && shapes.integers(inputs[1])?.length === dims.length && dims[0]?.[0] !== '*') {
      dims = shapes.integers(inputs[1])!.map((axis) => dims[axis]!);
      at = reader.name;
    } else {
      return readLastProduct({dims, sizes, splits, path}, reader, at);
    }
  }

  function readLastProduct(
    before: Pick<Output, 'dims' | 'sizes' | 'splits' | 'path'>,
    node: NodeDef,
    probabilities: string,
  ): Output | string {
    const rank = before.dims[0]?.[0] === '*' ? undefined : before.dims.length;
    const inputs = dataInputs(node);
    const side = inputs.findIndex(
      (input) => graph.source(input)?.input === softmax.node.name || parseEdge(input).name === probabilities,
    );
    const product = contractionOf(shapes, node, new Map([[inputs[side] ?? '', rank]]));
    if (product === undefined) {
      return `the ${node.op} '${node.name}' stands between the softmax and the product with the value`;
    }
    if (!isProduct(shapes, node)) return `the ${node.op} '${node.name}' multiplies its probabilities with weights`;
    const mine = product.operands[side as 0 | 1]!;
    const value = product.operands[side === 0 ? 1 : 0];
    if (mine.labels.length !== before.dims.length) return `'${node.name}' reads the probabilities with other axes than they have`;
    const names = new Map(mine.labels.map((label, i) => [label, before.dims[i]!.join('+')]));
    const rename = (label: string): string => names.get(label) ?? (label === '*' ? label : `${label}=`);
    return {...before, node, value: {...value, labels: value.labels.map(rename)}, labels: product.out.map(rename)};
  }
}

/** Gives each axis of each tensor its letter, and chooses what to read and where to write. */
function assemble(context: LogitsContext, softmax: Softmax, logits: Logits, output: Output): Attention | string {
  const {shapes, folder} = context;
  const {splits} = output;
  const single = (dims: Dims): string[] => dims.flat().flatMap((label) => splitLabels(label, splits));
  const last = logits.dims.at(-1)!;
  const [keyLabel] = last;
  if (last.length !== 1 || keyLabel === undefined || splits.has(keyLabel))
    return 'its keys share an axis with others, or are cut into several axes';
  const [a, b] = logits.contraction.operands;
  const isKey = ({labels}: {labels: readonly string[]}): boolean => labels.includes(keyLabel);
  if (isKey(a) === isKey(b)) return 'its softmax does not run over the keys of its scores';
  const [key, query] = isKey(a) ? [a, b] : [b, a];
  const scoreLabels = single(logits.dims);
  const summed = query.labels.filter((label) => key.labels.includes(label) && !logits.contraction.out.includes(label));
  const own = scoreLabels.filter((label) => query.labels.includes(label) && !key.labels.includes(label));
  if (summed.length !== 1) return `'${logits.product.name}' sums over ${summed.length} axes, not over one of features`;
  const features = summed[0]!;
  const queries = queryAxis(shapes, logits.product.name, own, scoreLabels.at(-2)!, {query, key, keyLabel, features});
  if (queries === undefined) return `of the scores '${logits.product.name}' it cannot be told which axis are the queries`;
  const queryLabel = queries.label;
  const batch = scoreLabels.filter((label) => label !== queryLabel && label !== keyLabel);
  const leading = batch[0] === '*' ? [] : batch;
  if (leading.length > 3) return `its scores have ${leading.length + 2} axes; at most 5 are understood`;
  const letters = new Map(leading.map((label, i) => [label, ['a', 'b', 'h'][3 - leading.length + i]!]));

  /** Letters of a tensor, or undefined where one axis is none of this attention. */
  const spell = (labels: readonly string[], named: Readonly<Record<string, string>>): string[] | undefined => {
    const axes = labels.map((label) => {
      const parts = label.split('+').flatMap((part) => splitLabels(part, splits));
      if (label === '*') return '*';
      if (parts.length > 1) return mergedLetter(parts.map((part) => letters.get(part) ?? ''));
      return named[parts[0]!] ?? letters.get(parts[0]!) ?? leadingLetter(parts[0]!);
    });
    return axes.includes(undefined) || new Set(axes).size !== axes.length ? undefined : (axes as string[]);
  };
  // Beside a tensor of unknown rank, axes are counted from the last.
  const leadingLetter = (label: string): string | undefined =>
    batch[0] === '*' ? ({batch0: 'h', batch1: 'b', batch2: 'a'} as Record<string, string>)[label.replace('=', '')] : undefined;

  const feature = output.labels.filter((label) => output.value.labels.includes(label) && label.endsWith('='));
  const ofValue = {[keyLabel]: 'l', [feature.at(-1) ?? '']: 'd'};
  const axes = {
    query: spell(query.labels, {[queryLabel]: 'l', [features]: 'd'}),
    key: spell(key.labels, {[keyLabel]: 'l', [features]: 'd'}),
    value: spell(output.value.labels, ofValue),
    output: spell(output.labels, {[queryLabel]: 'l', [feature.at(-1) ?? '']: 'd'}),
  };
  for (const [role, found] of Object.entries(axes)) {
    if (found === undefined || !found.includes('l') || !found.includes('d')) {
      return `the axes of its ${role} in '${role === 'query' || role === 'key' ? logits.product.name : output.node.name}' are not those of attention`;
    }
  }
  const turned = besideUnknown(axes.query!, axes.key!)
    ? logits.product
    : besideUnknown(axes.value!, axes.output!)
      ? output.node
      : undefined;
  if (turned !== undefined)
    return `'${turned.name}' multiplies a tensor of unknown rank by axes of another order than [batch, heads]`;
  const named = new Map([...letters, [queryLabel, 'l'], [keyLabel, 'k']]);
  const terms = placeTerms(shapes, logits, scoreLabels, [...batch, queryLabel, keyLabel], named, splits);
  if (typeof terms === 'string') return terms;
  const parts = partSizes(shapes, logits, output.sizes, letters);
  const missing = missingOf(axes.output!, leading.length);
  if (missing !== undefined) return `the output '${output.node.name}' has no axis of its ${missing}`;
  const merge: MergedHeads | undefined = parts['h'] === undefined ? undefined : {heads: parts['h']};
  const candidates = (role: 'query' | 'key' | 'value', input: string): Candidate[] =>
    candidatesOf(
      shapes,
      folder,
      {input: shapes.graph.source(input)?.input ?? input, axes: axes[role]!, scale: 1, group: 1},
      role,
      merge,
    );
  // Heads that share a key cannot each scale it.
  const shared = !logits.terms.some((term) => isScale(term) && scalesKeysOfHeads(shapes.of(term.input)));
  const placement = chooseLayout(
    {
      query: candidates('query', query.input),
      key: candidates('key', key.input).filter(({group}) => shared || group === 1),
      value: candidates('value', output.value.input),
      exits: exitsOf(shapes, {node: output.node, axes: axes.output!} satisfies Exit, merge),
    },
    leading.length,
  );
  const wrong = writtenInPlace(context, placement.key);
  if (wrong !== undefined) return wrong;
  return {
    ...placement,
    softmax: softmax.node,
    scale: logits.scale * placement.query.scale * placement.key.scale,
    terms,
    ...(queries.unsure !== undefined && {unsure: queries.unsure}),
    broadcast: broadcastOf(logits.growth),
    ...(logits.causal && {causal: logits.causal}),
    parts,
    path: [...new Set([...output.path.toReversed(), ...softmax.path, ...logits.path.map(({name}) => name)])],
    pathAxes: pathAxes(
      [...softmax.path.map((name) => ({name, dims: logits.dims, masked: isMasked(logits)})), ...logits.path],
      named,
      splits,
    ),
  };
}

const WRITES: readonly string[] = [
  'TensorScatterUpdate',
  'ScatterNd',
  'XlaDynamicUpdateSlice',
  'DynamicUpdateSlice',
  'TensorListStack',
];

/** A cache of a fixed size that a decoder writes into: where a query stands among its keys is known only when it runs. */
function writtenInPlace({shapes}: LogitsContext, key: Candidate): string | undefined {
  const node = shapes.graph.producer(key.input);
  if (node === undefined || !WRITES.includes(node.op)) return undefined;
  const made = node.op === 'TensorListStack' ? 'is stacked from a list' : `is a cache that is written in place (${node.op})`;
  return `its key '${node.name}' ${made}; where a query stands among its keys only a run tells`;
}

/** Whether a tensor of unknown rank, the axes of which are counted from the last, stands beside leading axes in another order. */
function besideUnknown(a: readonly string[], b: readonly string[]): boolean {
  const [known, ...more] = [a, b].filter((spec) => spec[0] !== '*');
  const leading = known?.filter((letter) => letter !== 'l' && letter !== 'd').join('') ?? '';
  return more.length === 0 && !isMerged(leading) && !'abh'.endsWith(leading);
}
