import type {Constants} from './constants.js';
import {BATCH_MATMULS} from './contraction.js';
import {dataInputs, numberAttr, passesThrough, tensorName, type Graph, type NodeDef} from './graph.js';
import {broadcast, inferOp} from './infer.js';
import type {Shape, ShapeTable, Sizes} from './shape_table.js';
import {numberOf, sizeOf, unknownSize, type Size} from './size.js';
import {valueOf} from './shape_values.js';

/** What stands between the product of query and key and the softmax. */
const ELEMENTWISE = ['Reshape', 'Add', 'AddV2', 'AddN', 'Sub', 'Mul', 'RealDiv', 'Div', 'SelectV2', 'Identity'];

/**
 * What constants, attributes and arithmetic on shapes tell about the tensors of a graph, before anything runs.
 *
 * Every tensor whose rank is known has a shape, with a fresh unknown where a size is not. Equal unknowns are equal in every run.
 */
export class Shapes implements ShapeTable {
  private readonly shapes = new Map<string, Shape>();
  private readonly values = new Map<string, Sizes>();
  private readonly scores = new Set<string>();
  /** Products and sums with a weight that cannot fit the other operand. */
  readonly conflicts: string[] = [];
  /** A branch that is never taken may hold anything. */
  private readonly branches: boolean;

  /** `masksFit`: what is added to scores has no more elements than they; without it nothing is taken for granted. */
  constructor(
    readonly graph: Graph,
    readonly constants: Constants,
    private readonly masksFit = true,
  ) {
    this.branches = [...graph.nodes.values()].some(({op}) => op === 'Switch');
    for (const node of graph.inOrder()) this.visit(node);
  }

  of(input: string): Shape | undefined {
    return this.shapes.get(tensorName(input));
  }

  rank(input: string): number | undefined {
    return this.of(input)?.length;
  }

  valueOf(input: string): Sizes | undefined {
    return this.values.get(tensorName(input));
  }

  integers(input: string | undefined): readonly number[] | undefined {
    const elements = input === undefined ? undefined : this.valueOf(input)?.elements.map(numberOf);
    return elements?.every((element) => element !== undefined) ? (elements as number[]) : undefined;
  }

  integer(input: string | undefined): number | undefined {
    const integers = this.integers(input);
    return integers?.length === 1 ? integers[0] : undefined;
  }

  isScores(input: string): boolean {
    return this.scores.has(tensorName(input));
  }

  conflict(inputs: readonly string[], what: string): void {
    const weighted = inputs.some((input) => this.graph.producer(input)?.op === 'Const');
    if (weighted && !this.branches) this.conflicts.push(what);
  }

  unknown(tensor: string, axis: number): Size {
    return unknownSize(`${tensor}@${axis}`);
  }

  unknowns(tensor: string, rank: number): Shape {
    return Array.from({length: rank}, (_, axis) => this.unknown(tensor, axis));
  }

  private visit(node: NodeDef): void {
    const inferred = this.inferred(node);
    inferred.forEach((shape, port) => shape && this.shapes.set(port === 0 ? node.name : `${node.name}:${port}`, shape));
    const isProduct = BATCH_MATMULS.includes(node.op) || node.op === 'Einsum';
    const goesOn = ELEMENTWISE.includes(node.op) && dataInputs(node).some((input) => this.isScores(input));
    if (this.masksFit && inferred[0] !== undefined && (isProduct || goesOn)) this.scores.add(node.name);
    const values = valueOf(this, node);
    values.forEach((value, port) => value && this.values.set(port === 0 ? node.name : `${node.name}:${port}`, value));
  }

  private inferred(node: NodeDef): readonly (Shape | undefined)[] {
    const [first = ''] = dataInputs(node);
    if (passesThrough(node)) return [this.of(first)];
    switch (node.op) {
      case 'Const':
        return [this.constants.shape(node.name)?.map(sizeOf)];
      case 'Placeholder':
      case 'PlaceholderWithDefault':
        return [this.declared(node)];
      case 'SplatLayerNorm':
      case 'SplatRmsNorm':
        return this.normShapes(node);
      case 'Split':
      case 'SplitV':
        return this.splitShapes(node);
      case 'Unpack': {
        const shape = this.of(first);
        const axis = numberAttr(node, 'axis');
        const at = shape && (axis < 0 ? axis + shape.length : axis);
        return Array<Shape | undefined>(numberAttr(node, 'num')).fill(shape?.filter((_, i) => i !== at));
      }
      default:
        return [inferOp(this, node)];
    }
  }

  /** The second output is the sum that the first is the norm of; either operand of it may be spread over the rows of the other. */
  private normShapes(node: NodeDef): readonly (Shape | undefined)[] {
    const [x = '', ...more] = dataInputs(node);
    const residual = node.attr?.['hasResidual']?.b === true ? more.at(-1) : undefined;
    const shape = residual === undefined ? this.of(x) : broadcast(this, node, [x, residual]);
    return [shape, shape];
  }

  private declared(node: NodeDef): Shape | undefined {
    const shape = node.attr?.['shape']?.shape;
    // A graph made by hand may leave the shape out, and then it means nothing.
    if (shape === undefined || shape.unknownRank === true || shape.dim === undefined) return undefined;
    return shape.dim.map(({size}, axis) => (Number(size ?? -1) < 0 ? this.unknown(node.name, axis) : sizeOf(Number(size))));
  }

  private splitShapes(node: NodeDef): (Shape | undefined)[] {
    const inputs = dataInputs(node);
    const [tensor, axisInput] = node.op === 'Split' ? [inputs[1], inputs[0]] : [inputs[0], inputs[2]];
    const shape = this.of(tensor ?? '');
    const axis = this.integer(axisInput);
    const sizes = node.op === 'SplitV' ? this.integers(inputs[1]) : undefined;
    const count = numberAttr(node, 'num_split', sizes?.length ?? 1);
    return Array.from({length: count}, (_, port) => {
      if (shape === undefined || axis === undefined) return undefined;
      const at = axis < 0 ? axis + shape.length : axis;
      const whole = numberOf(shape[at]);
      const part = sizes?.[port] ?? (node.op === 'Split' && whole !== undefined ? whole / count : undefined);
      const known = part !== undefined && part >= 0 ? sizeOf(part) : this.unknown(`${node.name}:${port}`, at);
      return shape.map((size, i) => (i === at ? known : size));
    });
  }
}
