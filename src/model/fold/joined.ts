import {controlInputs, dataInputs, parseEdge, textAttr, type NodeDef} from '../graph/graph.js';
import type {ShapeTable} from '../graph/shape_table.js';
import {numberOf, same} from '../graph/size.js';
import {cutsOf} from '../graph/slices.js';
import {denseNode, denseProductOf, type DenseProduct} from './dense.js';
import {makerOf, servesOnly, type Fold, type FoldContext, type FoldResult} from './fold.js';

/** An attention over [batch, length, heads · features], whose heads of query, key and value have as many features. */
interface Attention {
  readonly node: NodeDef;
  /** Query, key and value. */
  readonly inputs: readonly string[];
  readonly reads: readonly string[];
  readonly heads: readonly number[];
  readonly headDim: number;
}

/** What an attention can read of a larger tensor where it lies; undefined for others, and for those that do already. */
function attentionOf(shapes: ShapeTable, node: NodeDef | undefined): Attention | undefined {
  if (node?.op !== 'SparseAttention' || node.attr?.['firsts'] !== undefined) return undefined;
  const text = (name: string): string => textAttr(node.attr?.[name]);
  // What is scaled row by row is made anew, in the order of heads.
  if (text('layout') !== 'blhd' || /times|over/.test(text('terms'))) return undefined;
  const reads = text('axes').split('->')[0]!.split(',');
  const count = (name: string): number | undefined => (node.attr?.[name]?.i === undefined ? undefined : Number(node.attr[name].i));
  const own = count('heads');
  const ofKeys = count('key_heads') ?? own;
  if (own === undefined || ofKeys === undefined || !reads.every((axes) => axes === 'blf' || axes === 'blhd')) return undefined;
  const heads = [own, ofKeys, ofKeys];
  const inputs = dataInputs(node).slice(0, 3);
  const dims = inputs.map((input, role) => {
    const last = numberOf(shapes.of(input)?.at(-1));
    return last === undefined || reads[role] === 'blhd' ? last : last / heads[role]!;
  });
  const [headDim] = dims;
  if (headDim === undefined || !Number.isInteger(headDim) || dims.some((dim) => dim !== headDim)) return undefined;
  return {node, inputs, reads, heads, headDim};
}

/** The same attention over other tensors, of which it reads the features from `firsts` on. */
function reading({node, headDim}: Attention, inputs: readonly string[], firsts: readonly number[]): NodeDef {
  return {
    ...node,
    input: [...inputs, ...(node.input ?? []).slice(3)],
    attr: {...node.attr, firsts: {s: btoa(firsts.join())}, head_dim: {i: headDim}},
  };
}

/** An attention reads one product for query, key and value (GPT-2): what cuts it in parts goes. */
export const cutHeads: Fold = ({graph, shapes}, node) => {
  const attention = attentionOf(shapes, node);
  if (attention === undefined) return undefined;
  const {inputs, reads, headDim} = attention;
  const parts = inputs.map((input, role) => (reads[role] === 'blf' ? partOf(shapes, input) : undefined));
  if (parts.every((part) => part === undefined)) return undefined;
  const cuts = inputs.filter((_, role) => parts[role] !== undefined).map((input) => parseEdge(input).name);
  const shared = cuts.find((name) => !servesOnly(graph, name, node.name));
  if (shared !== undefined) return {reason: `'${shared}', a part of a larger tensor, is read by others too`};
  const [, key, value] = parts;
  if (key?.whole !== value?.whole) return {reason: 'keys and values are not parts of one tensor'};
  const counted = parts.every((part) => part === undefined || (part.first % headDim === 0 && part.features % headDim === 0));
  if (!counted) return {reason: `it reads parts of a tensor whose features are not those of heads of ${headDim}`};
  const wholes = inputs.map((input, role) => parts[role]?.whole ?? input);
  return {
    kind: 'heads',
    node: reading(
      attention,
      wholes,
      parts.map((part) => part?.first ?? 0),
    ),
  };
};

interface Part {
  readonly whole: string;
  /** Its first feature in the whole. */
  readonly first: number;
  /** Those of the whole. */
  readonly features: number;
}

/** What a tensor [batch, length, features] is a part of, with others beside it along the last axis. */
function partOf(shapes: ShapeTable, input: string): Part | undefined {
  const {name, port} = parseEdge(input);
  const node = shapes.graph.nodes.get(name);
  if (node === undefined || controlInputs(node).length > 0) return undefined;
  const inputs = dataInputs(node);
  const [whole = '', axis] = node.op === 'Split' ? [inputs[1], inputs[0]] : [inputs[0], inputs[2]];
  const shape = shapes.of(whole);
  const features = numberOf(shape?.[2]);
  if (shape?.length !== 3 || features === undefined) return undefined;
  if (node.op === 'Split' || node.op === 'SplitV') {
    const along = shapes.integer(axis);
    const before = Array.from({length: port}, (_, i) => numberOf(shapes.of(i === 0 ? name : `${name}:${i}`)?.[2]));
    if ((along !== 2 && along !== -1) || before.includes(undefined)) return undefined;
    return {whole, features, first: (before as number[]).reduce((a, b) => a + b, 0)};
  }
  if (node.op !== 'StridedSlice' && node.op !== 'Slice') return undefined;
  const cuts = cutsOf(shapes, node) ?? [];
  const isCut = (from: number): boolean => {
    const cut = cuts[from];
    return cut?.kind !== 'range' || cut.from !== from || numberOf(cut.begin) !== 0 || !same(cut.size, shape[from]);
  };
  const last = cuts[2];
  if (cuts.length !== 3 || isCut(0) || isCut(1) || last?.kind !== 'range') return undefined;
  const first = numberOf(last.begin);
  return first === undefined ? undefined : {whole, features, first};
}

/** Those of self-attention and of attention over other tokens, whose keys and values alone share an input. */
const GROUPS: readonly (readonly number[])[] = [
  [0, 1, 2],
  [1, 2],
];

/**
 * Projections of one tensor become one product, with their weights side by side, of which the attention reads its parts where they lie.
 */
export const joinedProjections: Fold = (context, node) => {
  const attention = attentionOf(context.shapes, node);
  if (attention === undefined) return undefined;
  let reason: string | undefined;
  for (const roles of GROUPS) {
    const group = groupOf(context, attention, roles);
    if (group === undefined) continue;
    const problem = misfit(context, attention, group) ?? otherUse(context, group, roles);
    if (problem === undefined) return joined(context, attention, group, roles);
    reason ??= problem;
  }
  if (reason !== undefined) return {reason: `its projections are not joined: ${reason}`};
  return groupOf(context, attention, [0, 1]) && {reason: 'its projections are not joined: its values are those of another tensor'};
};

/** The products that an attention reads for these roles, where they are products of one tensor. */
function groupOf({graph, shapes}: FoldContext, {inputs, reads}: Attention, roles: readonly number[]): DenseProduct[] | undefined {
  const products = roles.map((role) => (reads[role] === 'blf' ? denseProductOf(shapes, makerOf(graph, inputs[role])) : undefined));
  const [first] = products;
  const share = products.every((product) => product !== undefined && product.input === first!.input);
  return share ? (products as DenseProduct[]) : undefined;
}

/** Why products cannot become one, whatever else reads their weights. */
function misfit({graph, shapes, weights}: FoldContext, {node}: Attention, group: readonly DenseProduct[]): string | undefined {
  const [first] = group as [DenseProduct, ...DenseProduct[]];
  const twice = group.find(({matrix}, i) => group.slice(0, i).some((other) => other.matrix === matrix));
  if (twice !== undefined) return `the matrix '${twice.matrix}' serves two of them`;
  if (shapes.rank(first.input) !== 3) return `'${first.input}' is no tensor [batch, length, features]`;
  for (const product of group) {
    const {name} = product.node;
    if (!servesOnly(graph, name, node.name)) return `the product '${name}' is read by others too`;
    if (controlInputs(product.node).length > 0) return `the product '${name}' waits for other nodes`;
    if (product.activation !== 'linear') return `the product '${name}' has an activation`;
    if (product.turned !== first.turned) return `the matrix of '${name}' lies the other way round`;
    const [size, more] = product.bias === undefined ? [shapes.of(name)?.at(-1)] : (shapes.of(product.bias) ?? []);
    if (more !== undefined || !same(size, shapes.of(name)?.at(-1)))
      return `the bias of '${name}' has not a number for each feature`;
    for (const weight of weightsOf(product)) {
      if (makerOf(graph, weight)?.op !== 'Const') return `'${weight}' is no weight`;
      const dtype = weights.constants.dtype(weight) ?? 'float32';
      if (dtype !== 'float32') return `'${weight}' is of dtype ${dtype}`;
    }
  }
  return undefined;
}

const weightsOf = ({matrix, bias}: DenseProduct): string[] => (bias === undefined ? [matrix] : [matrix, bias]);
/** What becomes of a group's weights, as a key: their names, and how their matrices lie. */
const namesOf = (group: readonly DenseProduct[]): string => [group[0]!.turned, ...group.flatMap(weightsOf)].join();

/**
 * What else reads the matrices of a group than the same group of other attentions (ALBERT has one for all layers): they would be there
 * twice.
 */
function otherUse(context: FoldContext, group: readonly DenseProduct[], roles: readonly number[]): string | undefined {
  const other = group.find(({matrix}) => !isOnlyJoined(context, matrix, namesOf(group), roles));
  return other && `the matrix '${other.matrix}' is used elsewhere too`;
}

/** Whether a weight is read by products alone that become one with the same others. */
function isOnlyJoined(context: FoldContext, weight: string, names: string, roles: readonly number[]): boolean {
  const {graph, shapes, weights} = context;
  if (graph.outputs.has(weight) || !weights.mayMove(weight)) return weights.joined.has(names);
  return graph.consumers(weight).every(({node: product}) => {
    const readers = graph.consumers(product.name);
    return (
      readers.length > 0 &&
      readers.every(({node}) => {
        const attention = attentionOf(shapes, node);
        const group = attention && groupOf(context, attention, roles);
        if (group === undefined || !group.some((each) => each.node === product)) return false;
        return namesOf(group) === names && misfit(context, attention!, group) === undefined;
      })
    );
  });
}

function joined(context: FoldContext, attention: Attention, group: readonly DenseProduct[], roles: readonly number[]): FoldResult {
  const {builder, weights} = context;
  const [first] = group as [DenseProduct, ...DenseProduct[]];
  const names = namesOf(group);
  let made = weights.joined.get(names);
  if (made === undefined) {
    made = joinWeights(context, group, roles);
    weights.joined.set(names, made);
  }
  const {op, input, attr} = denseNode('', {...first, ...made, activation: 'linear'});
  const product = builder.add(`${attention.node.name}/projections`, op, input!, attr);
  const firsts = [0, 0, 0];
  let at = 0;
  for (const role of roles) {
    firsts[role] = at;
    at += attention.heads[role]! * attention.headDim;
  }
  const inputs = attention.inputs.map((each, role) => (roles.includes(role) ? product : each));
  return {kind: 'heads', node: reading(attention, inputs, firsts), added: new Map([[product, 'joined projections']])};
}

/** The weights of a group side by side. Those that nobody else reads are parts of them from now on, for whoever asks for them by name. */
function joinWeights(
  context: FoldContext,
  group: readonly DenseProduct[],
  roles: readonly number[],
): {readonly matrix: string; readonly bias: string | undefined} {
  const {builder, weights} = context;
  const names = namesOf(group);
  const [{turned}] = group as [DenseProduct, ...DenseProduct[]];
  const widths = group.map(({matrix}) => weights.constants.shape(matrix)![turned ? 0 : 1]!);
  const join = (of: readonly (string | undefined)[], axis: number): string => {
    const parts = of.map((name, i) => name ?? widths[i]!);
    const given = of.filter((name) => name !== undefined);
    const gone = given.filter((name) => isOnlyJoined(context, name, names, roles));
    const whole = builder.weight(`${given[0]!}/joined`, weights.joinedParts(parts, axis));
    const open = new Set(gone);
    let at = 0;
    of.forEach((name, i) => {
      const shape = name === undefined ? undefined : weights.constants.shape(name)!;
      if (name !== undefined && open.delete(name)) {
        const begin = shape!.map((_, dimension) => (dimension === axis ? at : 0));
        const input = [whole, builder.integers(begin), builder.integers(shape!)];
        builder.redefine({name, op: 'Slice', input, attr: {T: {type: 'DT_FLOAT'}, Index: {type: 'DT_INT32'}}});
      }
      at += widths[i]!;
    });
    for (const name of new Set(gone)) weights.drop(name);
    return whole;
  };
  const biases = group.map(({bias}) => bias);
  const bias = biases.every((each) => each === undefined) ? undefined : join(biases, 0);
  return {
    matrix: join(
      group.map(({matrix}) => matrix),
      turned ? 0 : 1,
    ),
    bias,
  };
}
