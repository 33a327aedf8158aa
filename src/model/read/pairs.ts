import {contractionOf, type Contraction} from '../graph/contraction.js';
import {isProduct} from './dense_layers.js';
import {dataInputs, parseEdge, textAttr, type NodeDef} from '../graph/graph.js';
import {regroup, type Dims} from './regroup.js';
import type {ShapeTable} from '../graph/shape_table.js';
import {same, type Size} from '../graph/size.js';

/** A tensor in which two kinds of axes are followed: those of the one and of the other operand of a product. */
interface Marked {
  /** Its axes by name; `*` for leading ones of unknown number. */
  readonly dims: Dims;
  readonly marks: ReadonlyMap<string, 'a' | 'b'>;
  /** Sizes of axes that were merged. */
  readonly sizes: ReadonlyMap<string, Size>;
}

/** Ops that give away something else than elements, or belong to another layer. */
const ENDS = ['Shape', 'Size', 'Rank', 'ArgMax', 'ArgMin', 'Softmax', 'LogSoftmax', 'TopKV2', 'Where', 'Unpack'];
const CONVOLUTIONS = ['Conv2D', '_FusedConv2D', 'DepthwiseConv2dNative', 'FusedDepthwiseConv2dNative'];

/**
 * Tensors that have an element for each pair of a query and a key, through layers of weights too: those mix heads (talking heads) or
 * neighbours, and leave the pairs. A dense layer over the keys, such as a class head or a gate, does not.
 */
export class Pairs {
  private readonly found = new Map<string, Marked>();

  constructor(private readonly shapes: ShapeTable) {
    for (const node of shapes.graph.nodes.values()) {
      const product = this.productOf(node);
      if (product === undefined) continue;
      const [a, b] = product.operands.map(({labels}) => labels) as [readonly string[], readonly string[]];
      const owns = product.out.filter((label) => label !== '*' && a.includes(label) !== b.includes(label));
      const marks = new Map(owns.map((label) => [label, a.includes(label) ? 'a' : 'b'] as const));
      this.spread(node.name, {dims: product.out.map((label) => [label]), marks, sizes: new Map()}, this.found);
    }
  }

  /** Whether a softmax over the last axis of a tensor runs over the keys of each query. */
  has(tensor: string): boolean {
    const marked = this.found.get(parseEdge(tensor).name);
    if (marked === undefined) return false;
    const [own, ...more] = marksOf(marked.dims.slice(-1), marked);
    return own !== undefined && more.length === 0 && marksOf(marked.dims, marked).some((mark) => mark !== own);
  }

  /** Whether probabilities over the last axis go into a product that sums over this axis. */
  areSummed(probabilities: string): boolean {
    let summed = false;
    const rank = this.shapes.rank(probabilities);
    const leading = rank === undefined ? [['*']] : Array.from({length: Math.max(0, rank - 2)}, (_, i) => [`${i}`]);
    const marks = new Map([
      ['query', 'a'],
      ['key', 'b'],
    ] as const);
    this.spread(
      probabilities,
      {dims: [...leading, ['query'], ['key']], marks, sizes: new Map()},
      new Map(),
      (node, input, {dims}) => {
        const product = this.productOf(node);
        const labels = product?.operands.find((operand) => operand.input === input)?.labels ?? [];
        const label = labels.at(dims.findIndex((group) => group.includes('key')) - dims.length);
        summed ||= label !== undefined && !product!.out.includes(label);
      },
    );
    return summed;
  }

  private productOf(node: NodeDef): Contraction | undefined {
    return isProduct(this.shapes, node) ? contractionOf(this.shapes, node) : undefined;
  }

  private spread(
    from: string,
    marked: Marked,
    reached: Map<string, Marked>,
    visit?: (node: NodeDef, input: string, marked: Marked) => void,
  ): void {
    const open: [string, Marked][] = [[from, marked]];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const [name, own] = at;
      if (new Set(marksOf(own.dims, own)).size < 2 || reached.has(name)) continue;
      reached.set(name, own);
      for (const {node, input, control} of this.shapes.graph.consumers(name)) {
        if (control || ENDS.includes(node.op)) continue;
        visit?.(node, input, own);
        const next = this.behind(node, input, own);
        if (next !== undefined) open.push([node.name, next]);
      }
    }
  }

  /** What a node makes of a tensor; undefined where it makes something else of it. */
  private behind(node: NodeDef, input: string, marked: Marked): Marked | undefined {
    const {shapes} = this;
    const {dims, marks} = marked;
    const inputs = dataInputs(node);
    const contraction = contractionOf(shapes, node);
    if (contraction !== undefined || node.op === 'Einsum') {
      const labels = contraction?.operands.find((operand) => operand.input === input)?.labels;
      if (labels === undefined || isProduct(shapes, node)) return undefined;
      const groupOf = (label: string): readonly string[] | undefined =>
        labels.includes(label) ? dims.at(labels.indexOf(label) - labels.length) : undefined;
      return {...marked, dims: contraction!.out.map((label) => groupOf(label) ?? [`${node.name}/${label}`])};
    }
    if (CONVOLUTIONS.includes(node.op)) {
      const channels = dims.at(textAttr(node.attr?.['data_format']) === 'NCHW' ? -3 : -1) ?? [];
      return inputs[0] === input && !channels.some((label) => marks.has(label)) ? marked : undefined;
    }
    if (node.op === 'Transpose') {
      const perm = shapes.integers(inputs[1]);
      return perm && {...marked, dims: perm.map((axis) => dims.at(axis - perm.length) ?? [`${node.name}/${axis}`])};
    }
    if (['Reshape', 'ExpandDims', 'Squeeze'].includes(node.op)) return this.regrouped(node, input, marked);
    const [before, after] = [shapes.rank(input), shapes.rank(node.name)];
    return before === undefined || after === undefined || after >= before ? marked : undefined;
  }

  private regrouped(node: NodeDef, input: string, marked: Marked): Marked | undefined {
    const {dims, marks} = marked;
    const [from, to] = [this.shapes.of(input), this.shapes.of(node.name)];
    if (from === undefined || to === undefined) return undefined;
    const whole = from.map((_, axis) => dims.at(axis - from.length) ?? [`${node.name}/axis${axis}`]);
    const known = whole.flatMap((group, axis): [string, Size][] => (group.length === 1 ? [[group[0]!, from[axis]!]] : []));
    const sizes = new Map([...marked.sizes, ...known]);
    const next = regroup(whole, sizes, to, node.name);
    if (next === undefined) {
      const stays = to.length > 1 && [-1, -2].every((axis) => same(from.at(axis), to.at(axis)));
      return stays ? {...marked, dims: [['*'], ...whole.slice(-2)]} : undefined;
    }
    const parts = [...next.splits].flatMap(([label, names]) => {
      const mark = marks.get(label);
      return mark === undefined ? [] : names.map((name) => [name, mark] as const);
    });
    return {dims: next.dims, marks: new Map([...marks, ...parts]), sizes: next.sizes};
  }
}

const marksOf = (dims: Dims, {marks}: Marked): ('a' | 'b')[] => dims.flat().flatMap((label) => marks.get(label) ?? []);
