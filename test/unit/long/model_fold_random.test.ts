import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {dispose, setBackend, tensor, type io} from '@tensorflow/tfjs-core';
import type {GraphDef, NodeDef} from '../../../src/model/graph/graph.js';
import {rewriteGraphModel} from '../../../src/model/index.js';
import {full} from '../../../src/pattern/index.js';
import {node} from '../../support/attention_graphs.js';
import {handMade, uniform, type Constant, type GraphArtifacts} from '../../support/hand_made_graph.js';

/** [batch, length, width] of the run; the graph knows the width alone. */
const RUN = [2, 3, 4] as const;
const [, length, WIDTH] = RUN;
/** One is of a single sequence, which the graph does not know: sums spread it. */
const INPUTS: Readonly<Record<string, readonly number[]>> = {x: RUN, y: RUN, z: [1, length, WIDTH]};

interface Made {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Draws graphs of the nodes that folds look for, put together at random, and with what they need to be told apart. */
class Drawer {
  readonly nodes: NodeDef[] = [];
  readonly constants: Record<string, Constant> = {};
  private readonly made: Made[] = [];
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = uniform(seed);
    for (const [name, run] of Object.entries(INPUTS)) {
      const shape = {dim: [-1, -1, WIDTH].map((size) => ({size: String(size)}))};
      this.nodes.push({name, op: 'Placeholder', attr: {dtype: {type: 'DT_FLOAT'}, shape: {shape}}});
      this.made.push({name, shape: run});
    }
  }

  /** `count` random nodes, and the names of those that are outputs. */
  draw(count: number): string[] {
    while (this.made.length < count) this.step();
    const last = this.made.slice(-1 - this.pick(3)).map(({name}) => name);
    return last.map((name, i) => this.add(`out${i}`, 'Identity', [name], []).name);
  }

  private pick(count: number): number {
    return Math.floor(this.random() * count);
  }

  private one<T>(list: readonly T[]): T {
    return list[this.pick(list.length)]!;
  }

  /** Rather a late one: graphs are deep. */
  private any(fits: (made: Made) => boolean = () => true): Made | undefined {
    const list = this.made.filter(fits);
    return list.length === 0 ? undefined : list[Math.max(this.pick(list.length), this.pick(list.length))];
  }

  private add(name: string, op: string, input: readonly string[], shape: readonly number[], attr: NodeDef['attr'] = {}): Made {
    const each = node(name, op, ...input);
    this.nodes.push({...each, attr: {...each.attr, ...attr}});
    const made = {name, shape};
    if (!name.startsWith('out') && shape.length > 0) this.made.push(made);
    return made;
  }

  private fresh(op: string): string {
    return `${op.toLowerCase()}${this.nodes.length}`;
  }

  private op(op: string, input: readonly string[], shape: readonly number[], attr: NodeDef['attr'] = {}): Made {
    return this.add(this.fresh(op), op, input, shape, attr);
  }

  private ints(values: readonly number[], scalar = false): string {
    const name = `int${values.join('_').replace(/-/g, 'm')}${scalar ? 's' : ''}`;
    this.constants[name] = {shape: scalar ? [] : [values.length], values, int: true};
    return name;
  }

  private floats(shape: readonly number[], value?: number): string {
    const name = `float${Object.keys(this.constants).length}`;
    const count = shape.reduce((a, b) => a * b, 1);
    this.constants[name] = {shape, values: Array.from({length: count}, () => value ?? this.random() + 0.25)};
    return name;
  }

  private step(): void {
    const x = this.any()!;
    const {name, shape} = x;
    const width = shape.at(-1)!;
    const rank = shape.length;
    switch (this.pick(21)) {
      case 0:
        this.op(
          this.one(['Identity', 'StopGradient', 'Relu', 'Relu6', 'Elu', 'Sigmoid', 'Tanh', 'Erf', 'Square', 'Neg']),
          [name],
          shape,
        );
        return;
      case 1: {
        const factor = this.floats(this.one([[], [1], [width], [1, width]]), this.one([undefined, 1, 0.5]));
        const op = this.one(['Mul', 'AddV2', 'Sub', 'RealDiv']);
        // Divided by numbers near 0, everything is noise.
        const turned = op !== 'RealDiv' && this.random() < 0.3;
        if (rank >= 2) this.op(op, turned ? [factor, name] : [name, factor], shape);
        return;
      }
      case 2: {
        const other = this.any((each) => each.shape.join() === shape.join())!;
        this.op(this.one(['Mul', 'AddV2', 'Sub', 'SquaredDifference']), [name, other.name], shape);
        return;
      }
      case 3:
        this.op('Mean', [name, this.ints([this.one([-1, rank - 1, 0])])], shape, {keep_dims: {b: true}});
        this.made.pop();
        return;
      case 4:
        this.normed(x, this.one(['Rsqrt', 'Sqrt']));
        return;
      case 5:
        if (rank >= 2) this.dense(x);
        return;
      case 6:
        if (rank === 3)
          this.op(
            'Reshape',
            [name, this.one([this.ints([-1, width]), this.packed(name, [shape[0]! * shape[1]!, width])])],
            [shape[0]! * shape[1]!, width],
          );
        return;
      case 7:
        if (rank === 2 && shape[0] === RUN[0] * RUN[1]) this.op('Reshape', [name, this.sizes([width])], [RUN[0], RUN[1], width]);
        return;
      case 8:
        if (rank === 3 && width % 2 === 0 && shape[0] === RUN[0] && shape[1] === RUN[1])
          this.op('Reshape', [name, this.sizes([2, width / 2])], [RUN[0], RUN[1], 2, width / 2]);
        return;
      case 9: {
        if (rank < 2) return;
        const perm = this.one([[...shape.keys()], [...shape.keys()].toSpliced(-2, 2, rank - 1, rank - 2)]);
        this.op(
          'Transpose',
          [name, this.ints(perm)],
          perm.map((axis) => shape[axis]!),
        );
        return;
      }
      case 10:
        if (rank < 5) this.op('ExpandDims', [name, this.ints([rank], true)], [...shape, 1]);
        return;
      case 11:
        if (shape.at(-1) === 1 && rank > 2) this.op('Squeeze', [name], shape.slice(0, -1), {squeeze_dims: {list: {i: [rank - 1]}}});
        return;
      case 12:
        if (rank >= 3) this.gelu(x);
        return;
      case 13:
        this.op('Mul', [name, this.op('Sigmoid', [name], shape).name], shape);
        return;
      case 14:
        this.spread(x);
        return;
      case 15:
        this.resized(x);
        return;
      case 16:
        this.affine(x, this.one(['Rsqrt', 'Sqrt']), this.random() < 0.5);
        return;
      case 17:
        if (rank === 2) {
          const weight = this.floats([WIDTH, width]);
          const flags = {transpose_a: {b: false}, transpose_b: {b: true}};
          const product = this.op('MatMul', [name, weight], [shape[0]!, WIDTH], flags);
          const sum = this.op('BiasAdd', [product.name, this.floats([WIDTH])], product.shape);
          this.op(this.one(['Relu', 'Relu6', 'Elu', 'Sigmoid', 'Tanh']), [sum.name], sum.shape);
        }
        return;
      case 18: {
        const dense = this.dense(x);
        if (dense !== undefined) this.op(this.one(['Relu', 'Elu', 'Sigmoid', 'Tanh', 'Erf']), [dense.name], dense.shape);
        return;
      }
      case 19: {
        const keep = {keep_dims: {b: false}};
        if (rank >= 2) this.op('Mean', [name, this.ints([this.one([-1, 0])])], this.one([shape.slice(0, -1)]), keep);
        this.made.pop();
        return;
      }
      default: {
        const constant = this.floats([2, WIDTH / 2]);
        const flat = this.op('Reshape', [constant, this.ints([WIDTH])], [WIDTH]);
        if (width === WIDTH) this.op('AddV2', [name, flat.name], shape);
      }
    }
  }

  /** The target [batch, length, …rest], from the shape of an input. */
  private sizes(rest: readonly number[]): string {
    const shape = this.op('Shape', [this.one(['x', 'y'])], []).name;
    const two = this.op('GatherV2', [shape, this.ints([0, 1]), this.ints([0], true)], [], {Tparams: {type: 'DT_INT32'}}).name;
    return this.op('ConcatV2', [two, this.ints(rest), this.ints([0], true)], [], {T: {type: 'DT_INT32'}, N: {i: 2}}).name;
  }

  /** Sizes as a product and a constant, as Tensordot makes them. */
  private packed(of: string, [, width]: readonly [number, number]): string {
    const shape = this.op('Shape', [of], []).name;
    const free = this.op('GatherV2', [shape, this.ints([0, 1]), this.ints([0], true)], [], {Tparams: {type: 'DT_INT32'}}).name;
    const rows = this.op('Prod', [free, this.ints([0])], [], {T: {type: 'DT_INT32'}}).name;
    return this.op('Pack', [rows, this.ints([width], true)], [], {T: {type: 'DT_INT32'}, axis: {i: 0}, N: {i: 2}}).name;
  }

  /** A sum with what has fewer rows, on either side. */
  private spread({name, shape}: Made): void {
    const fits = (each: Made): boolean =>
      each.shape.length === shape.length && each.shape.every((size, i) => size === shape[i] || size === 1);
    const small = this.any(fits);
    const constant = this.floats(shape.map((size, i) => (i === shape.length - 1 || this.random() < 0.5 ? size : 1)));
    const other = this.random() < 0.5 && small !== undefined ? small.name : constant;
    const sum = this.op('AddV2', this.random() < 0.5 ? [name, other] : [other, name], shape);
    if (this.random() < 0.7) this.affine(sum, 'Rsqrt', this.random() < 0.7);
    this.resized(this.made.at(-1)!);
  }

  /** A Reshape to sizes that a tensor of the graph has. */
  private resized({name, shape}: Made): void {
    if (shape.length < 2) return;
    const like = this.random() < 0.5 ? {name} : this.any((each) => each.shape.join() === shape.join())!;
    const all = this.op('Shape', [like.name], []).name;
    if (this.random() < 0.3) {
      const batch = this.op('GatherV2', [all, this.ints([0], true), this.ints([0], true)], [], {Tparams: {type: 'DT_INT32'}}).name;
      const sizes = this.op('Pack', [batch, this.ints([WIDTH], true)], [], {T: {type: 'DT_INT32'}, axis: {i: 0}, N: {i: 2}}).name;
      this.op('Fill', [sizes, this.floats([])], [shape[0]!, WIDTH]);
      return;
    }
    const target = this.random() < 0.5 ? all : this.ints([-1, ...shape.slice(1)]);
    const again = this.op('Reshape', [name, target], shape);
    if (this.random() < 0.5)
      this.op(
        'Reshape',
        [again.name, this.ints([-1, shape.at(-1)!])],
        [shape.slice(0, -1).reduce((a, b) => a * b, 1), shape.at(-1)!],
      );
  }

  /** A norm with scale and shift, in one of the ways to write them. */
  private affine({name, shape}: Made, root: string, centred: boolean): void {
    const width = shape.at(-1)!;
    const keep = {keep_dims: {b: true}};
    const column = [...shape.slice(0, -1), 1];
    const last = (): string => this.ints([this.one([-1, shape.length - 1])]);
    const vector = (value?: number): string =>
      this.floats(
        this.one<readonly number[]>(
          [[], [width], [width], [1, width], [...shape.map(() => 1)].with(-1, width)].filter((each) => each.length <= shape.length),
        ),
        value,
      );
    const mean = centred ? this.op('Mean', [name, last()], column, keep).name : '';
    const centre = centred ? this.op('Sub', [name, mean], shape).name : name;
    const squares = this.op('Square', [centre], shape).name;
    const variance = this.op('Mean', [squares, last()], column, keep).name;
    const sum = this.op(
      'AddV2',
      this.random() < 0.5 ? [variance, this.floats([], 0.125)] : [this.floats([1], 0.125), variance],
      column,
    ).name;
    const deviation = this.op(root, [sum], column).name;
    const by = root === 'Sqrt' ? 'RealDiv' : 'Mul';
    const gamma = vector(this.one([undefined, undefined, 1]));
    const beta = vector(this.one([undefined, undefined, 0]));
    if (centred && this.random() < 0.5) {
      // As Keras does: x · (gamma / σ) + (beta − mean · (gamma / σ)).
      const scale =
        root === 'Sqrt' ? this.op('RealDiv', [gamma, deviation], shape).name : this.op('Mul', [deviation, gamma], shape).name;
      // Of a gamma without features, no number for each of them.
      this.made.pop();
      const shift = this.op('Sub', [beta, this.op('Mul', [mean, scale], shape).name], shape).name;
      this.made.splice(-2);
      this.op('AddV2', [this.op('Mul', [name, scale], shape).name, shift], shape);
      return;
    }
    const normal = this.op(by, [centre, deviation], shape).name;
    const scaled = this.op('Mul', this.random() < 0.5 ? [normal, gamma] : [gamma, normal], shape).name;
    if (centred) this.op('AddV2', [scaled, beta], shape);
  }

  private dense({name, shape}: Made): Made | undefined {
    if (shape.length < 2) return undefined;
    const to = this.one([WIDTH, 2 * WIDTH]);
    const weight = this.floats([shape.at(-1)!, to]);
    const out = [...shape.slice(0, -1), to];
    const product =
      shape.length === 2
        ? this.op('MatMul', [name, weight], out, {transpose_a: {b: false}, transpose_b: {b: false}})
        : this.op('BatchMatMulV2', [name, weight], out, {adj_x: {b: false}, adj_y: {b: false}});
    if (this.random() < 0.4) return product;
    return this.op(this.one(['BiasAdd', 'AddV2']), [product.name, this.floats([to])], out);
  }

  private normed({name, shape}: Made, root: string): void {
    const keep = {keep_dims: {b: true}};
    const column = [...shape.slice(0, -1), 1];
    const mean = this.op('Mean', [name, this.ints([-1])], column, keep).name;
    const squares = this.op(
      'SquaredDifference',
      this.one([
        [name, mean],
        [mean, name],
      ]),
      shape,
    ).name;
    const variance = this.op('Mean', [squares, this.ints([-1])], column, keep).name;
    const sum = this.op('AddV2', [variance, this.floats([], 0.125)], column).name;
    const deviation = this.op(root, [sum], column).name;
    const centre = this.op('Sub', [name, mean], shape).name;
    this.op(root === 'Sqrt' ? 'RealDiv' : 'Mul', [centre, deviation], shape);
  }

  private gelu({name, shape}: Made): void {
    const curve = this.op('Erf', [this.op('Mul', [name, this.floats([], Math.SQRT1_2)], shape).name], shape).name;
    const more = this.op('AddV2', [curve, this.floats([], 1)], shape).name;
    const half = this.op('Mul', [this.floats([], 0.5), name], shape).name;
    this.op('Mul', [half, more], shape);
  }
}

function run(artifacts: io.ModelArtifacts, names: string[]): {shape: number[]; values: Float32Array | Int32Array | Uint8Array}[] {
  const model = loadGraphModelSync(artifacts);
  const draw = uniform(9);
  const inputs = Object.fromEntries(
    Object.entries(INPUTS).map(([name, shape]) => [
      name,
      tensor(
        Float32Array.from({length: shape.reduce((a, b) => a * b)}, () => 2 * draw() - 1),
        [...shape],
      ),
    ]),
  );
  const outputs = [model.execute(inputs, names)].flat();
  const read = outputs.map((output) => ({shape: output.shape, values: output.dataSync()}));
  dispose([outputs, inputs]);
  model.dispose();
  return read;
}

describe('a random graph', () => {
  beforeAll(() => setBackend('cpu'));

  it('without a signature has the outputs that it had, folded', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({min: 20, max: 40}), (seed, count) => {
        const drawer = new Drawer(seed);
        drawer.draw(count);
        const graph = handMade(drawer.nodes, drawer.constants, []);
        const outputsOf = (artifacts: io.ModelArtifacts): string[] =>
          loadGraphModelSync(artifacts)
            .outputs.map(({name}) => name)
            .sort();
        expect(outputsOf(rewriteGraphModel(graph, {pattern: full()}).artifacts)).toEqual(outputsOf(graph));
      }),
      {numRuns: 300},
    );
  });

  it('computes in all of its nodes what it computed, folded', () => {
    let folded = 0;
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({min: 4, max: 40}), (seed, count) => {
        const drawer = new Drawer(seed);
        const outputs = drawer.draw(count);
        const graph: GraphArtifacts = handMade(drawer.nodes, drawer.constants, outputs);
        const names = drawer.nodes.filter(({op}) => op !== 'Placeholder').map(({name}) => name);
        const {artifacts, report} = rewriteGraphModel(graph, {pattern: full()});
        const known = new Set((artifacts.modelTopology as GraphDef).node.map(({name}) => name));
        if (!names.every((name) => known.has(name))) throw new Error('a name is gone');
        folded += report.folded!.before - report.folded!.after;
        const expected = run(graph, names);
        fc.pre(expected.every(({values}) => values.every((value) => Math.abs(value) < 1e3)));
        run(artifacts, names).forEach(({shape, values}, i) => {
          const {shape: wanted, values: right} = expected[i]!;
          if (shape.join() !== wanted.join()) throw new Error(`${names[i]!}: [${shape.join()}], not [${wanted.join()}]`);
          let [largest, error] = [0, 0];
          right.forEach((value, j) => {
            largest = Math.max(largest, Math.abs(value));
            error = Math.max(error, Number.isFinite(values[j]) ? Math.abs(value - values[j]!) : Infinity);
          });
          // What a few layers make of the last digit, where they divide by small numbers.
          if (error > 1e-4 * largest + 1e-5) throw new Error(`${names[i]!} is off by ${error} of ${largest}`);
        });
      }),
      {numRuns: 400},
    );
    expect(folded).toBeGreaterThan(400);
  });
});
