import type {GraphBuilder} from '../graph/builder.js';
import {dataInputs, parseEdge, tensorName, type NodeDef, type Source} from '../graph/graph.js';
import {numberOf, same, sizeOf} from '../graph/size.js';
import {keepsWholeBand} from './stock.js';
import type {Shape, ShapeTable} from '../graph/shape_table.js';
import {cutsOf} from '../graph/slices.js';

/** What is left of a tensor: one number for all its elements, or a tensor by name. */
export type Folded = number | string;

/**
 * What a node becomes under an assumption, such as that a key is no later than its query; undefined: the assumption says nothing
 * about it.
 */
export type Assumption = (tensor: string, node: NodeDef) => Folded | undefined;

/** The assumption that changes nothing. */
export const NO_ASSUMPTION: Assumption = () => undefined;

/** A tensor that is gone, by its name where it had it, and its shape. */
export interface Lost {
  readonly name?: string;
  readonly shape: Shape | undefined;
}

export interface Result {
  readonly value: Folded;
  /** Whether the assumption was used. */
  readonly used: boolean;
  /** What was folded had the shape to which the value and these broadcast. */
  readonly lost: readonly Lost[];
}

/** How deep masks are read. */
const DEEPEST = 40;

/**
 * Evaluates the arithmetic of masks: constants fold, and what an assumption decides is taken out, so that of
 * `(1 − causal · padding) · −1e9` only `(1 − padding) · −1e9` is left where `causal` is 1.
 *
 * Undefined where the assumption is used in a way that this does not follow.
 */
export class Folder {
  private readonly clones = new Map<string, string>();
  /** Of a clone, the tensors to whose shapes it broadcasts. */
  private readonly parts = new Map<string, readonly string[]>();

  constructor(
    private readonly shapes: ShapeTable,
    private readonly builder: GraphBuilder,
  ) {}

  /** The number that all elements of a tensor are, whatever runs. */
  number(input: string): number | undefined {
    const value = this.fold(input, NO_ASSUMPTION)?.value;
    return typeof value === 'number' ? value : undefined;
  }

  fold(input: string, assume: Assumption): Result | undefined {
    return this.visit(input, assume, new Map(), 0);
  }

  /** Tensors that broadcast to the shape of one that is in the graph, or that was added to it; undefined where that is not known. */
  partsOf(tensor: string): readonly string[] | undefined {
    return this.shapes.graph.nodes.has(parseEdge(tensor).name) ? [tensor] : this.parts.get(tensor);
  }

  private visit(input: string, assume: Assumption, seen: Map<string, Result | undefined>, depth: number): Result | undefined {
    const source = this.shapes.graph.source(input);
    const opaque: Result = {value: source?.input ?? tensorName(input), used: false, lost: []};
    if (source === undefined || depth > DEEPEST) return opaque;
    if (!seen.has(source.input)) {
      // Tensors are shared, and a sum of sums would be walked again and again.
      seen.set(source.input, opaque);
      seen.set(
        source.input,
        this.source(source, opaque, assume, (operand) => this.visit(operand, assume, seen, depth + 1)),
      );
    }
    return seen.get(source.input);
  }

  private source(
    source: Source,
    opaque: Result,
    assume: Assumption,
    fold: (input: string) => Result | undefined,
  ): Result | undefined {
    const assumed = assume(source.input, source.node);
    if (assumed !== undefined) return {value: assumed, used: true, lost: [this.gone(source.input)]};
    const known = this.shapes.valueOf(source.input);
    const whole = known?.scalar ? numberOf(known.elements[0]) : undefined;
    if (whole !== undefined) return {value: whole, used: false, lost: []};
    return source.input === source.node.name ? this.node(source.node, opaque, fold) : opaque;
  }

  private node(node: NodeDef, opaque: Result, fold: (input: string) => Result | undefined): Result | undefined {
    const inputs = dataInputs(node);
    if (node.op === 'Const') {
      const value = this.shapes.constants.uniform(node.name);
      return value === undefined ? opaque : {value, used: false, lost: [this.gone(node.name)]};
    }
    if (node.op === 'Fill') {
      const filling = fold(inputs[1] ?? '');
      return filling && {...filling, lost: [this.gone(node.name)]};
    }
    if (node.op === 'OnesLike' || node.op === 'ZerosLike')
      return {value: Number(node.op === 'OnesLike'), used: false, lost: [this.gone(node.name)]};
    if (node.op === 'MatrixBandPart' && keepsWholeBand(this.shapes, node)) return fold(inputs[0] ?? '');
    if (VIEWS.includes(node.op)) return this.view(node, opaque, fold(inputs[0] ?? ''));
    if (!(node.op in UNARY) && !(node.op in BINARY) && !SELECTS.includes(node.op) && node.op !== 'Cast') return opaque;

    const results = inputs.map(fold);
    if (!results.every((result) => result !== undefined)) return undefined;
    const used = results.some((result) => result.used);
    const values = results.map(({value}) => value);
    const simple = this.simplified(node, values);
    if (simple !== undefined) return {value: simple, used, lost: this.lostBesides(inputs, results, simple)};
    const unchanged = values.every(
      (value, i) => value === this.shapes.graph.source(inputs[i]!)?.input || typeof value === 'number',
    );
    if (!used && unchanged) return opaque;
    const kept = (input: string): boolean => this.shapes.graph.source(input)?.node.op === 'Const';
    return {value: this.clone(node, values), used, lost: results.flatMap(({lost}, i) => (kept(inputs[i]!) ? [] : lost))};
  }

  /** What is gone when of some operands only one is left. */
  private lostBesides(inputs: readonly string[], results: readonly Result[], left: Folded): Lost[] {
    return results.flatMap(({value, lost}, i) => {
      if (typeof value === 'number' || value === left) return lost;
      const whole = this.shapes.graph.source(inputs[i]!)?.input ?? inputs[i]!;
      return [...lost, ...(this.partsOf(value) ?? [whole]).map((part) => this.gone(part))];
    });
  }

  private simplified(node: NodeDef, values: readonly Folded[]): Folded | undefined {
    const [a, b, c] = values;
    if (SELECTS.includes(node.op)) {
      if (typeof a === 'number') return a === 0 ? c : b;
      return b === c ? b : undefined;
    }
    if (node.op === 'Cast') return typeof a === 'number' ? (isBoolean(node.attr?.['DstT']?.type) ? Number(a !== 0) : a) : undefined;
    const unary = UNARY[node.op];
    if (unary !== undefined) return typeof a === 'number' ? unary(a) : undefined;
    if (values.length !== 2) return undefined;
    if (typeof a === 'number' && typeof b === 'number') return BINARY[node.op]!(a, b);
    // One is a tensor: what 0 and 1 do to it.
    const number = typeof a === 'number' ? a : typeof b === 'number' ? b : undefined;
    const tensor = typeof a === 'string' ? a : (b as string);
    if (number === undefined) return undefined;
    switch (node.op) {
      case 'LogicalAnd':
        return number === 0 ? 0 : tensor;
      case 'LogicalOr':
        return number === 0 ? tensor : 1;
      case 'Mul':
        return number === 0 ? 0 : number === 1 ? tensor : undefined;
      case 'Add':
      case 'AddV2':
        return number === 0 ? tensor : undefined;
      case 'Sub':
        return b === 0 ? tensor : undefined;
      case 'Minimum':
      case 'Maximum': {
        // Of ones and zeros: and, or.
        if ((number !== 0 && number !== 1) || !this.isIndicator(tensor)) return undefined;
        return (node.op === 'Minimum') === (number === 1) ? tensor : number;
      }
      default:
        return undefined;
    }
  }

  /** The same node on what is left of its operands. */
  private clone(node: NodeDef, values: readonly Folded[]): string {
    const inputs = dataInputs(node);
    const operands = values.map((value, i) => {
      if (typeof value === 'string') return value;
      const source = this.shapes.graph.source(inputs[i]!);
      // A constant stays the node it was.
      if (source?.node.op === 'Const') return source.input;
      const type = node.attr?.['T']?.type;
      return type === 'DT_INT32' || type === 3 ? this.builder.integer(value) : this.builder.float(value);
    });
    // Layers share masks, and what is left of them.
    const key = [node.name, ...operands].join('\n');
    const known = this.clones.get(key) ?? this.builder.add(`${node.name}/part`, node.op, operands, node.attr);
    this.clones.set(key, known);
    const parts = operands.map((operand, i) => (typeof values[i] === 'number' ? [] : this.partsOf(operand)));
    if (!VIEWS.includes(node.op) && parts.every((part) => part !== undefined)) this.parts.set(known, parts.flat());
    return known;
  }

  /** A tensor in another shape. A number has none; a tensor that became smaller may only be taken where nothing else moves. */
  private view(node: NodeDef, opaque: Result, inner: Result | undefined): Result | undefined {
    if (inner === undefined) return undefined;
    const [first = '', second = ''] = dataInputs(node);
    const source = this.shapes.graph.source(first)?.input;
    if (inner.used && !this.keepsPairs(node)) return undefined;
    const lost = this.lostBehind(node, inner.lost);
    if (typeof inner.value === 'number') return {...inner, lost};
    const {shapes} = this;
    const sameRank = shapes.rank(inner.value) !== undefined && shapes.rank(inner.value) === shapes.rank(first);
    if (node.op === 'BroadcastTo' || node.op === 'Tile') {
      // Whatever reads it broadcasts: repeating an axis of size 1 may be left out.
      const onlyOnes = shapes
        .of(first)
        ?.every((size, i) => numberOf(size) === 1 || numberOf(shapes.valueOf(second)?.elements[i]) === 1);
      const drops = sameRank && (node.op === 'BroadcastTo' || onlyOnes);
      if (drops && shapes.rank(node.name) === shapes.rank(first)) return {...inner, lost: [this.gone(node.name)]};
      return inner.used ? undefined : opaque;
    }
    if (inner.value === source) return opaque;
    if (node.op !== 'ExpandDims' || !sameRank) return inner.used ? undefined : opaque;
    return {value: this.clone(node, [inner.value, shapes.integer(second) ?? second]), used: inner.used, lost};
  }

  private gone(name: string): Lost {
    const {shapes} = this;
    return {name, shape: shapes.of(name) ?? (shapes.valueOf(name)?.scalar ? [] : undefined)};
  }

  /** What is gone of the input of a view, as it broadcasts behind it. */
  private lostBehind(node: NodeDef, lost: readonly Lost[]): readonly Lost[] {
    if (lost.length === 0) return lost;
    const rank = this.shapes.rank(node.name);
    const axis = node.op === 'ExpandDims' ? this.shapes.integer(dataInputs(node)[1]) : undefined;
    // Counted from the last axis, which all of them share.
    const behind = axis === undefined || axis < 0 ? axis && -axis - 1 : rank && rank - 1 - axis;
    if (behind === undefined || !lost.every(({shape}) => shape !== undefined)) return [this.gone(node.name)];
    return lost.map(({shape}) => ({
      shape: shape!.length < behind ? shape : shape!.toSpliced(shape!.length - behind, 0, sizeOf(1)),
    }));
  }

  /** Whether a view leaves the last two axes, queries and keys, where they are. */
  private keepsPairs(node: NodeDef): boolean {
    const {shapes} = this;
    const [first = '', second = ''] = dataInputs(node);
    const [from, to] = [shapes.of(first), shapes.of(node.name)];
    if (from === undefined || to === undefined || from.length < 2 || to.length < 2) return false;
    const sameEnd = [-1, -2].every((axis) => same(from.at(axis), to.at(axis)));
    switch (node.op) {
      case 'ExpandDims': {
        const axis = shapes.integer(second);
        return axis !== undefined && (axis < 0 ? axis <= -3 : axis <= from.length - 2);
      }
      case 'Reshape':
      case 'BroadcastTo':
        return sameEnd;
      case 'Tile':
        return (
          shapes
            .integers(second)
            ?.slice(-2)
            .every((multiple) => multiple === 1) ?? sameEnd
        );
      default: {
        const ends = cutsOf(shapes, node)?.slice(-2) ?? [];
        return (
          sameEnd && ends.every((cut, i) => cut.kind === 'range' && cut.from === from.length - 2 + i && numberOf(cut.begin) === 0)
        );
      }
    }
  }

  /** Whether a tensor holds ones and zeros only, by the way it is made. */
  isIndicator(input: string, depth = 0): boolean {
    const node = this.shapes.graph.producer(input);
    if (node === undefined || depth > DEEPEST) return false;
    const [first = '', second = '', third = ''] = dataInputs(node);
    const of = (tensor: string): boolean => this.isIndicator(tensor, depth + 1);
    if (CONDITIONS.includes(node.op)) return true;
    if (node.op === 'Placeholder') return isBoolean(node.attr?.['dtype']?.type);
    if (node.op === 'Const') {
      const values = this.shapes.constants.values(node.name);
      return values?.every((value) => value === 0 || value === 1) ?? false;
    }
    if (node.op === 'Cast') return isBoolean(node.attr?.['DstT']?.type) || isBoolean(node.attr?.['SrcT']?.type) || of(first);
    if (node.op === 'Fill') return of(second);
    if (['Mul', 'Minimum', 'Maximum'].includes(node.op)) return of(first) && of(second);
    if (node.op === 'Sub') return this.number(first) === 1 && of(second);
    if (SELECTS.includes(node.op)) return of(second) && of(third);
    return [...VIEWS, 'Transpose', 'MatrixBandPart', 'Squeeze', 'GatherV2', 'Slice'].includes(node.op) && of(first);
  }
}

const VIEWS = ['ExpandDims', 'Reshape', 'Tile', 'BroadcastTo', 'StridedSlice'];
const SELECTS = ['SelectV2', 'Select'];
const CONDITIONS = ['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Equal', 'NotEqual', 'LogicalAnd', 'LogicalOr', 'LogicalNot'];

const isBoolean = (type: string | number | undefined): boolean => type === 'DT_BOOL' || type === 10;

const UNARY: Readonly<Record<string, (x: number) => number>> = {
  LogicalNot: (x) => Number(x === 0),
  Neg: (x) => -x,
  Sqrt: Math.sqrt,
  Rsqrt: (x) => 1 / Math.sqrt(x),
  Square: (x) => x * x,
  Reciprocal: (x) => 1 / x,
};

const BINARY: Readonly<Record<string, (x: number, y: number) => number>> = {
  LogicalAnd: (x, y) => Number(x !== 0 && y !== 0),
  LogicalOr: (x, y) => Number(x !== 0 || y !== 0),
  Add: (x, y) => x + y,
  AddV2: (x, y) => x + y,
  Sub: (x, y) => x - y,
  Mul: (x, y) => x * y,
  RealDiv: (x, y) => x / y,
  Div: (x, y) => x / y,
  Pow: Math.pow,
  Minimum: Math.min,
  Maximum: Math.max,
  Equal: (x, y) => Number(x === y),
  NotEqual: (x, y) => Number(x !== y),
  Greater: (x, y) => Number(x > y),
  GreaterEqual: (x, y) => Number(x >= y),
  Less: (x, y) => Number(x < y),
  LessEqual: (x, y) => Number(x <= y),
};
