import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {dispose, setBackend, type io, tensor, type Tensor} from '@tensorflow/tfjs-core';
import type {GraphDef, NodeDef} from '../../src/model/graph/graph.js';
import {rewriteGraphModel, type FoldReport} from '../../src/model/index.js';
import {full} from '../../src/pattern/index.js';
import {node as bare} from '../support/attention_graphs.js';
import {executedNodes} from '../support/executed_nodes.js';
import {handMade, uniform, type Constant, type GraphArtifacts} from '../support/hand_made_graph.js';

const WIDTH = 6;

const node = (name: string, op: string, ...input: string[]): NodeDef => bare(name, op, ...input);
const withAttr = (each: NodeDef, attr: NodeDef['attr']): NodeDef => ({...each, attr: {...each.attr, ...attr}});
const mean = (name: string, of: string, axes = 'last'): NodeDef => withAttr(node(name, 'Mean', of, axes), {keep_dims: {b: true}});

const placeholder = (name: string, sizes: readonly number[] = [-1, -1, WIDTH]): NodeDef =>
  withAttr(node(name, 'Placeholder'), {
    dtype: {type: 'DT_FLOAT'},
    shape: {shape: {dim: sizes.map((size) => ({size: String(size)}))}},
  });

const random = uniform(5);
const numbers = (count: number): number[] => Array.from({length: count}, () => random() + 0.3);
const vector = (shape: readonly number[] = [WIDTH]): Constant => ({shape, values: numbers(shape.reduce((a, b) => a * b, 1))});

const CONSTANTS: Readonly<Record<string, Constant>> = {
  last: {shape: [1], values: [-1], int: true},
  epsilon: 1e-3,
  gamma: vector(),
  beta: vector(),
  long: vector([1, 1, WIDTH]),
  two: 2,
  three: 3,
  half: 0.5,
  one: 1,
  minusHalf: -0.5,
  root2: Math.SQRT2,
  inverseRoot2: Math.SQRT1_2,
  bend: Math.sqrt(2 / Math.PI),
  cubic: 0.044715,
  steep: 1.702,
};

/** A graph of these nodes behind x and y [batch, length, 6]. */
const graphOf = (
  nodes: readonly NodeDef[],
  outputs: readonly string[] = ['out'],
  more: Readonly<Record<string, Constant>> = {},
): GraphArtifacts => handMade([placeholder('x'), placeholder('y'), ...nodes], {...CONSTANTS, ...more}, outputs);

interface Folding {
  readonly artifacts: io.ModelArtifacts;
  readonly folded: FoldReport;
  /** Executed. */
  readonly ops: readonly string[];
}

function fold(graph: io.ModelArtifacts): Folding {
  const {artifacts, report} = rewriteGraphModel(graph, {pattern: full()});
  return {artifacts, folded: report.folded!, ops: executedNodes(artifacts).map(({op}) => op)};
}

function run(artifacts: io.ModelArtifacts, names?: string[], shape: readonly number[] = [2, 3, WIDTH]): Float32Array[] {
  const model = loadGraphModelSync(artifacts);
  const draw = uniform(9);
  const inputs = Object.fromEntries(
    model.inputs.map(({name}) => {
      const count = shape.reduce((a, b) => a * b, 1);
      return [
        name,
        tensor(
          Float32Array.from({length: count}, () => 4 * draw() - 2),
          [...shape],
        ),
      ];
    }),
  );
  const outputs = [model.execute(inputs, names)].flat();
  const values = outputs.map((output: Tensor) => output.dataSync() as Float32Array);
  dispose([outputs, inputs]);
  model.dispose();
  return values;
}

function farthest(found: readonly Float32Array[], expected: readonly Float32Array[]): number {
  const shares = expected.map((values, i) => {
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
    return values.reduce((most, value, j) => Math.max(most, Math.abs(value - found[i]![j]!)), 0) / largest;
  });
  return Math.max(...shares);
}

function expectSame(graph: GraphArtifacts, names?: string[]): Folding {
  const folding = fold(graph);
  expect(farthest(run(folding.artifacts, names), run(graph, names))).toBeLessThanOrEqual(2e-6);
  return folding;
}

/** σ², 1 / σ and x, its mean, as they are written; `deviation` is x − mean. */
const SQUARES: Readonly<Record<string, readonly NodeDef[]>> = {
  SquaredDifference: [node('squares', 'SquaredDifference', 'x', 'mean')],
  'SquaredDifference, turned': [node('squares', 'SquaredDifference', 'mean', 'x')],
  Square: [node('apart', 'Sub', 'x', 'mean'), node('squares', 'Square', 'apart')],
  Mul: [node('apart', 'Sub', 'x', 'mean'), node('squares', 'Mul', 'apart', 'apart')],
  Pow: [node('apart', 'Sub', 'x', 'mean'), node('squares', 'Pow', 'apart', 'two')],
};
const ROOTS: Readonly<Record<string, readonly NodeDef[]>> = {
  Rsqrt: [node('root', 'Rsqrt', 'sum')],
  Pow: [node('root', 'Pow', 'sum', 'minusHalf')],
  Sqrt: [node('deviationOf', 'Sqrt', 'sum'), node('root', 'RealDiv', 'one', 'deviationOf')],
};
/** Ways to put x, mean, root and perhaps gamma together as `normed`. */
const SCALED: Readonly<Record<string, (gamma: string | undefined) => readonly NodeDef[]>> = {
  'a batch norm': (gamma) => [
    ...(gamma === undefined ? [] : [node('gain', 'Mul', gamma, 'root')]),
    node('left', 'Mul', 'x', gamma === undefined ? 'root' : 'gain'),
    node('right', 'Mul', gamma === undefined ? 'root' : 'gain', 'mean'),
    node('normed', 'Sub', 'left', 'right'),
  ],
  'a difference': (gamma) => [
    node('centre', 'Sub', 'x', 'mean'),
    node(gamma === undefined ? 'normed' : 'plain', 'Mul', 'centre', 'root'),
    ...(gamma === undefined ? [] : [node('normed', 'Mul', gamma, 'plain')]),
  ],
  'Keras 3': (gamma) => [
    ...(gamma === undefined ? [] : [node('gain', 'Mul', 'root', gamma)]),
    node('minus', 'Neg', 'mean'),
    node('shift', 'Mul', 'minus', gamma === undefined ? 'root' : 'gain'),
    node('stretched', 'Mul', 'x', gamma === undefined ? 'root' : 'gain'),
    node('normed', 'AddV2', 'stretched', 'shift'),
  ],
};

describe('a layer norm', () => {
  beforeAll(() => setBackend('cpu'));

  it('is one node however it is spelled', () => {
    const spelling = fc.record({
      squares: fc.constantFrom(...Object.keys(SQUARES)),
      root: fc.constantFrom(...Object.keys(ROOTS)),
      scaled: fc.constantFrom(...Object.keys(SCALED)),
      gamma: fc.constantFrom(undefined, 'gamma', 'long', 'two'),
      beta: fc.constantFrom(undefined, 'beta', 'long'),
      turned: fc.boolean(),
      residual: fc.constantFrom('none', 'alone', 'read by others'),
      stopped: fc.boolean(),
    });
    fc.assert(
      fc.property(spelling, ({squares, root, scaled, gamma, beta, turned, residual, stopped}) => {
        const rename = (each: NodeDef): NodeDef =>
          residual === 'none' ? each : {...each, input: each.input!.map((input) => (input === 'x' ? 'whole' : input))};
        const both = (name: string, op: string, a: string, b: string): NodeDef =>
          turned ? node(name, op, b, a) : node(name, op, a, b);
        const parts = [
          mean(stopped ? 'average' : 'mean', 'x'),
          ...(stopped ? [node('mean', 'StopGradient', 'average')] : []),
          ...SQUARES[squares]!,
          mean('variance', 'squares'),
          both('sum', 'AddV2', 'variance', 'epsilon'),
          ...ROOTS[root]!,
          ...SCALED[scaled]!(gamma),
          ...(beta === undefined ? [] : [both('shifted', 'AddV2', 'normed', beta)]),
        ].map(rename);
        const nodes = [
          ...(residual === 'none' ? [] : [both('whole', 'AddV2', 'x', 'y')]),
          ...parts,
          node('out', 'Identity', beta === undefined ? 'normed' : 'shifted'),
          ...(residual === 'read by others' ? [node('kept', 'Relu', 'whole')] : []),
        ];
        const graph = graphOf(nodes, residual === 'read by others' ? ['out', 'kept'] : ['out']);
        const {artifacts, ops} = fold(graph);
        const expected = ['SplatLayerNorm', 'Identity', ...(residual === 'read by others' ? ['Relu'] : [])].sort();
        if (ops.toSorted().join() !== expected.join()) throw new Error(ops.join());
        return farthest(run(artifacts), run(graph)) <= 2e-6;
      }),
      {numRuns: 200},
    );
  });

  it('divides by a deviation as well', () => {
    const graph = graphOf([
      mean('mean', 'x'),
      node('apart', 'Sub', 'x', 'mean'),
      node('squares', 'Square', 'apart'),
      mean('variance', 'squares'),
      node('sum', 'AddV2', 'variance', 'epsilon'),
      node('deviation', 'Sqrt', 'sum'),
      node('plain', 'RealDiv', 'apart', 'deviation'),
      node('scaled', 'Mul', 'plain', 'gamma'),
      node('out', 'AddV2', 'scaled', 'beta'),
    ]);
    expect(expectSame(graph).ops).toEqual(['SplatLayerNorm']);
  });

  it('of the mean square alone is an RMS norm', () => {
    for (const squares of [node('squares', 'Square', 'x'), node('squares', 'Mul', 'x', 'x'), node('squares', 'Pow', 'x', 'two')]) {
      const graph = graphOf([
        squares,
        mean('variance', 'squares'),
        node('sum', 'AddV2', 'variance', 'epsilon'),
        node('root', 'Rsqrt', 'sum'),
        node('plain', 'Mul', 'x', 'root'),
        node('out', 'Mul', 'gamma', 'plain'),
      ]);
      expect(expectSame(graph).ops).toEqual(['SplatRmsNorm']);
    }
  });

  const spelled = (changes: Readonly<Record<string, NodeDef>>): NodeDef[] =>
    [
      mean('mean', 'x'),
      node('squares', 'SquaredDifference', 'x', 'mean'),
      mean('variance', 'squares'),
      node('sum', 'AddV2', 'variance', 'epsilon'),
      node('root', 'Rsqrt', 'sum'),
      node('centre', 'Sub', 'x', 'mean'),
      node('plain', 'Mul', 'centre', 'root'),
      node('out', 'Mul', 'plain', 'gamma'),
    ].map((each) => changes[each.name] ?? each);

  it('stays what it is where it is something else', () => {
    const others: Readonly<Record<string, Readonly<Record<string, NodeDef>>>> = {
      'a mean over another axis': {mean: mean('mean', 'x', 'middle')},
      'a mean over two axes': {variance: mean('variance', 'squares', 'two axes')},
      'the variance of another tensor': {squares: node('squares', 'SquaredDifference', 'y', 'mean')},
      'the mean of another tensor taken off': {mean: mean('mean', 'y')},
      'an ε for each feature': {sum: node('sum', 'AddV2', 'variance', 'gamma')},
      'an ε of the run': {sum: node('sum', 'AddV2', 'variance', 'variance')},
      'the sum of x and its mean': {centre: node('centre', 'AddV2', 'x', 'mean')},
      'an ε with more axes than x': {sum: node('sum', 'AddV2', 'variance', 'deep')},
      'an unknown op between': {plain: node('plain', 'Maximum', 'centre', 'root')},
    };
    const more = {
      middle: {shape: [1], values: [1], int: true},
      'two axes': {shape: [2], values: [1, 2], int: true},
      deep: {shape: [1, 1, 1, 1], values: [0.1]},
    } as const;
    for (const [title, changes] of Object.entries(others)) {
      const graph = graphOf(spelled(changes), ['out'], more);
      const {artifacts, ops} = fold(graph);
      expect(ops).withContext(title).not.toContain('SplatLayerNorm');
      expect(farthest(run(artifacts), run(graph)))
        .withContext(title)
        .toBe(0);
    }
  });

  it('with a scale of more axes than x gives the output more, after the norm', () => {
    const graph = graphOf(spelled({out: node('out', 'Mul', 'plain', 'deep')}), ['out'], {deep: vector([1, 1, 1, WIDTH])});
    expect(expectSame(graph).ops.toSorted()).toEqual(['Mul', 'SplatLayerNorm']);
  });

  it('with a scale that a run computes has none, and is multiplied', () => {
    const graph = graphOf(spelled({out: node('out', 'Mul', 'plain', 'y')}));
    expect(expectSame(graph).ops.toSorted()).toEqual(['Mul', 'SplatLayerNorm']);
  });

  it('of a sum that is broadcast adds as the model did', () => {
    const nodes = spelled({}).map((each) => ({...each, input: each.input!.map((input) => (input === 'x' ? 'whole' : input))}));
    const graph = handMade(
      [
        placeholder('x'),
        placeholder('y', [1, -1, WIDTH]),
        node('whole', 'AddV2', 'x', 'y'),
        ...nodes,
        node('also', 'Relu', 'whole'),
      ],
      CONSTANTS,
      ['out', 'also'],
    );
    const {artifacts, ops} = fold(graph);
    expect(ops.toSorted()).toEqual(['Relu', 'SplatLayerNorm']);
    const draw = (shape: number[]): Tensor => tensor(numbers(shape.reduce((a, b) => a * b)), shape);
    const inputs = {x: draw([2, 3, WIDTH]), y: draw([1, 3, WIDTH])};
    const values = [graph, artifacts].map((each) => {
      const outputs = loadGraphModelSync(each).execute(inputs) as Tensor[];
      return outputs.map((output) => output.dataSync() as Float32Array);
    });
    expect(farthest(values[1]!, values[0]!)).toBeLessThanOrEqual(2e-6);
  });

  it('of a sum whose first operand is spread has the rows of the other, and so has the sum', () => {
    const of = (nodes: readonly NodeDef[]): NodeDef[] =>
      nodes.map((each) => ({...each, input: each.input!.map((input) => (input === 'x' ? 'whole' : input))}));
    const batch = (of: string): NodeDef[] => [
      withAttr(node(`sizes of ${of}`, 'Shape', of), {out_type: {type: 'DT_INT32'}}),
      withAttr(node(`batch of ${of}`, 'GatherV2', `sizes of ${of}`, 'zero', 'zero'), {Tparams: {type: 'DT_INT32'}}),
      withAttr(node(`dims of ${of}`, 'Pack', `batch of ${of}`, 'four'), {T: {type: 'DT_INT32'}, axis: {i: 0}, N: {i: 2}}),
      node(`rows of ${of}`, 'Fill', `dims of ${of}`, 'half'),
    ];
    const outputs = ['out', 'rows of out', 'rows of also'];
    const graph = graphOf(
      [
        node('whole', 'AddV2', 'positions', 'x'),
        ...of(spelled({})),
        node('also', 'Relu', 'whole'),
        ...batch('out'),
        ...batch('also'),
      ],
      outputs,
      {positions: vector([1, 3, WIDTH]), zero: {shape: [], values: [0], int: true}, four: {shape: [], values: [4], int: true}},
    );
    const {artifacts} = expectSame(graph);
    expect(run(artifacts).map(({length}) => length)).toEqual([2 * 3 * WIDTH, 2 * 4, 2 * 4]);
  });

  it('of single features, with a neutral scale or shift for many, gives them all', () => {
    for (const [op, value] of [
      ['Mul', 1],
      ['AddV2', 0],
    ] as const) {
      for (const width of [1, -1]) {
        const nodes = [...spelled({out: node('out', op, 'plain', 'neutral')})];
        const neutral = {shape: [WIDTH], values: Array<number>(WIDTH).fill(value)};
        const graph = handMade([placeholder('x', [-1, -1, width]), ...nodes], {...CONSTANTS, neutral}, ['out']);
        const {artifacts} = fold(graph);
        const [found, expected] = [artifacts, graph].map((each) => run(each, ['out'], [2, 3, 1])[0]!);
        expect(found!.length).withContext(`${op}, ${width}`).toBe(expected!.length);
      }
    }
  });
});

const CUBES: Readonly<Record<string, readonly NodeDef[]>> = {
  Pow: [node('cube', 'Pow', 'x', 'three')],
  products: [node('square', 'Mul', 'x', 'x'), node('cube', 'Mul', 'square', 'x')],
  Square: [node('square', 'Square', 'x'), node('cube', 'Mul', 'x', 'square')],
};
const TANH = (cube: readonly NodeDef[]): NodeDef[] => [
  ...cube,
  node('little', 'Mul', 'cubic', 'cube'),
  node('bent', 'AddV2', 'x', 'little'),
  node('argument', 'Mul', 'bend', 'bent'),
  node('curve', 'Tanh', 'argument'),
];
const ERF = (op: 'Mul' | 'RealDiv'): NodeDef[] => [
  node('argument', op, 'x', op === 'Mul' ? 'inverseRoot2' : 'root2'),
  node('curve', 'Erf', 'argument'),
];
const HALVES: Readonly<Record<string, readonly NodeDef[]>> = {
  'x / 2 · (1 + t)': [node('part', 'Mul', 'half', 'x'), node('more', 'AddV2', 'one', 'curve'), node('out', 'Mul', 'part', 'more')],
  'x · ((1 + t) / 2)': [
    node('more', 'AddV2', 'curve', 'one'),
    node('part', 'Mul', 'more', 'half'),
    node('out', 'Mul', 'x', 'part'),
  ],
  'x · (1 + t) / 2': [node('more', 'AddV2', 'one', 'curve'), node('part', 'Mul', 'x', 'more'), node('out', 'Mul', 'part', 'half')],
  'x · (1/2 + t/2)': [node('part', 'Mul', 'half', 'curve'), node('more', 'AddV2', 'half', 'part'), node('out', 'Mul', 'more', 'x')],
};

describe('an activation', () => {
  beforeAll(() => setBackend('cpu'));

  it('GELU is one node however it is spelled', () => {
    const curves = [...Object.values(CUBES).map(TANH), ERF('Mul'), ERF('RealDiv')];
    for (const curve of curves) {
      for (const [title, halves] of Object.entries(HALVES)) {
        expect(expectSame(graphOf([...curve, ...halves])).ops)
          .withContext(title)
          .toEqual(['SplatGelu']);
      }
    }
    const sigmoid = [node('argument', 'Mul', 'steep', 'x'), node('curve', 'Sigmoid', 'argument'), node('out', 'Mul', 'x', 'curve')];
    expect(expectSame(graphOf(sigmoid)).ops).toEqual(['SplatGelu']);
  });

  it('SiLU is one node, of a product too', () => {
    expect(expectSame(graphOf([node('curve', 'Sigmoid', 'x'), node('out', 'Mul', 'curve', 'x')])).ops).toEqual(['SplatSilu']);
    const gated = graphOf([
      node('scaled', 'Mul', 'x', 'gamma'),
      node('curve', 'Sigmoid', 'scaled'),
      node('out', 'Mul', 'scaled', 'curve'),
    ]);
    expect(expectSame(gated).ops).toEqual(['Mul', 'SplatSilu']);
  });

  it('of other constants stays what it is', () => {
    const halves = HALVES['x / 2 · (1 + t)']!;
    const others: readonly (readonly [NodeDef[], number])[] = [
      [[...ERF('Mul').map((each) => (each.name === 'argument' ? node('argument', 'Mul', 'x', 'half') : each)), ...halves], 5],
      [
        [...TANH(CUBES['Pow']!).map((each) => (each.name === 'little' ? node('little', 'Mul', 'half', 'cube') : each)), ...halves],
        8,
      ],
      [[node('argument', 'Mul', 'two', 'x'), node('curve', 'Sigmoid', 'argument'), node('out', 'Mul', 'x', 'curve')], 3],
      [[node('curve', 'Sigmoid', 'y'), node('out', 'Mul', 'x', 'curve')], 2],
    ];
    for (const [nodes, count] of others) {
      const {artifacts, ops} = fold(graphOf(nodes));
      expect(ops.length).toBe(count);
      expect(farthest(run(artifacts), run(graphOf(nodes)))).toBe(0);
    }
  });
});

const matmul = (name: string, a: string, b: string): NodeDef =>
  withAttr(node(name, 'MatMul', a, b), {transpose_a: {b: false}, transpose_b: {b: false}});
const DENSE: Readonly<Record<string, Constant>> = {
  weight: vector([WIDTH, 4]),
  rows: {shape: [2], values: [-1, WIDTH], int: true},
  back: {shape: [3], values: [2, 3, 4], int: true},
  turned: {shape: [3], values: [3, 2, 4], int: true},
  offset: vector([4]),
  offsets: vector([1, 3, 4]),
  free: {shape: [2], values: [0, 1], int: true},
  width: {shape: [1], values: [4], int: true},
  zero: {shape: [], values: [0], int: true},
};
/** [batch, length, 6] by [6, 4] as Tensordot has it. */
const TENSORDOT: readonly NodeDef[] = [
  node('shape', 'Shape', 'x'),
  node('sizes', 'GatherV2', 'shape', 'free', 'zero'),
  node('target', 'ConcatV2', 'sizes', 'width', 'zero'),
  node('flat', 'Reshape', 'x', 'rows'),
  matmul('product', 'flat', 'weight'),
  node('dot', 'Reshape', 'product', 'target'),
];

describe('a dense layer', () => {
  beforeAll(() => setBackend('cpu'));

  const dense = (
    nodes: readonly NodeDef[],
    outputs?: readonly string[],
    more: Readonly<Record<string, Constant>> = {},
  ): GraphArtifacts => graphOf(nodes, outputs, {...DENSE, ...more});

  it('over the last axis is one product, with bias and activation', () => {
    for (const op of ['Relu', 'Relu6', 'Elu', 'Sigmoid']) {
      const graph = dense([...TENSORDOT, node('biased', 'BiasAdd', 'dot', 'offset'), node('out', op, 'biased')]);
      expect(expectSame(graph).ops).withContext(op).toEqual(['SplatDense']);
    }
    expect(expectSame(dense([...TENSORDOT, node('biased', 'AddV2', 'offset', 'dot'), node('out', 'Tanh', 'biased')])).ops).toEqual([
      'SplatDense',
      'Tanh',
    ]);
  });

  it('whose rows are put together otherwise keeps its Reshape', () => {
    const graph = dense([...TENSORDOT.slice(3, 5), node('out', 'Reshape', 'product', 'turned')]);
    expect(expectSame(graph).ops).toEqual(['BatchMatMulV2', 'Reshape']);
  });

  it('of other rows stays as it is, and the report says why', () => {
    const graph = dense(
      [node('flat', 'Reshape', 'x', 'other'), matmul('product', 'flat', 'small'), node('out', 'Reshape', 'product', 'back')],
      ['out'],
      {other: {shape: [2], values: [-1, 9], int: true}, small: vector([9, 6])},
    );
    const {folded, ops} = expectSame(graph);
    expect(ops).toEqual(['Reshape', 'MatMul', 'Reshape']);
    expect(folded.left).toEqual([{name: 'out', reason: "the product 'product' cannot be proven to take the rows that 'x' has"}]);
  });

  it('that is read before its bias, or whose bias differs by row, keeps them apart', () => {
    const shared = dense([...TENSORDOT, node('out', 'BiasAdd', 'dot', 'offset'), node('also', 'Relu', 'dot')], ['out', 'also']);
    const {folded, ops} = expectSame(shared);
    expect(ops.toSorted()).toEqual(['BatchMatMulV2', 'BiasAdd', 'Relu']);
    expect(folded.left).toEqual([{name: 'out', reason: "the product 'dot' is read without its bias too"}]);
    const rows = expectSame(dense([...TENSORDOT, node('out', 'AddV2', 'dot', 'offsets')]));
    expect(rows.ops.toSorted()).toEqual(['AddV2', 'BatchMatMulV2']);
  });

  it('may be an output, and any of its nodes may be asked for by name', () => {
    const graph = dense([...TENSORDOT, node('out', 'BiasAdd', 'dot', 'offset')], ['out', 'dot']);
    expectSame(graph);
    const inner = ['product', 'flat', 'dot', 'out', 'target', 'sizes', 'shape', 'weight'];
    const single = dense([...TENSORDOT, node('out', 'BiasAdd', 'dot', 'offset')]);
    expect(expectSame(single, inner).ops).toEqual(['SplatDense']);
  });
});

describe('bad input', () => {
  beforeAll(() => setBackend('cpu'));

  it('whose names are those of new nodes keeps them', () => {
    const names = ['splat/int32_6', 'out/gamma', 'out/beta', 'out/flat', 'out/bias', 'product/rows', 'splat/int32_-1_6'];
    const taken = names.map((name, i) => node(name, 'Relu', i === 0 ? 'x' : names[i - 1]!));
    const graph = graphOf(
      [
        ...TENSORDOT.slice(3, 5),
        node('turnedDot', 'Reshape', 'product', 'turned'),
        mean('mean', 'x'),
        node('squares', 'SquaredDifference', 'x', 'mean'),
        mean('variance', 'squares'),
        node('sum', 'AddV2', 'variance', 'epsilon'),
        node('root', 'Rsqrt', 'sum'),
        node('centre', 'Sub', 'x', 'mean'),
        node('plain', 'Mul', 'centre', 'root'),
        node('out', 'Mul', 'plain', 'long'),
        ...taken,
      ],
      ['out', 'turnedDot', names.at(-1)!],
      DENSE,
    );
    const {artifacts} = expectSame(graph, [...names, 'out', 'turnedDot', 'long', 'plain']);
    const all = (artifacts.modelTopology as GraphDef).node.map(({name}) => name);
    expect(new Set(all).size).toBe(all.length);
  });

  it('without a signature keeps the outputs that it had', () => {
    const graph = graphOf([...TENSORDOT, node('out', 'BiasAdd', 'dot', 'offset')], [], DENSE);
    const used = {
      ...graph,
      modelTopology: {...graph.modelTopology, node: graph.modelTopology.node.filter(({name}) => name !== 'y')},
    };
    const {artifacts, ops} = fold(used);
    expect(ops.filter((op) => op !== 'Const')).toEqual(['SplatDense']);
    const outputs = [used, artifacts].map((each) =>
      loadGraphModelSync(each)
        .outputs.map(({name}) => name)
        .filter((name) => name === 'out'),
    );
    expect(outputs[1]).toEqual(outputs[0]!);
  });

  it('without a signature keeps a norm that nobody reads an output, though its sum is read by others', () => {
    const norm = [
      node('whole', 'AddV2', 'x', 'y'),
      mean('mean', 'whole'),
      node('squares', 'SquaredDifference', 'whole', 'mean'),
      mean('variance', 'squares'),
      node('sum', 'AddV2', 'variance', 'epsilon'),
      node('root', 'Rsqrt', 'sum'),
      node('centre', 'Sub', 'whole', 'mean'),
      node('normed', 'Mul', 'centre', 'root'),
      node('also', 'Relu', 'whole'),
    ];
    const graph = handMade([placeholder('x'), placeholder('y'), ...norm], {last: CONSTANTS['last']!, epsilon: 1e-3}, []);
    const {artifacts, ops} = fold(graph);
    expect(ops.toSorted()).toEqual(['AddV2', 'Relu', 'SplatLayerNorm']);
    expect(loadGraphModelSync(artifacts).outputs.map(({name}) => name)).toEqual(['normed', 'also']);
    expect(farthest(run(artifacts), run(graph))).toBeLessThanOrEqual(2e-6);
  });

  it('without a signature makes no output of an input that only its shape was read of', () => {
    const size = withAttr(node('size', 'Shape', 'y'), {out_type: {type: 'DT_INT32'}});
    const nodes = [
      placeholder('x'),
      placeholder('y', [2, 3, WIDTH]),
      size,
      node('again', 'Reshape', 'x', 'size'),
      node('out', 'Relu', 'again'),
    ];
    const graph = handMade(nodes, {}, []);
    const {artifacts, folded} = fold(graph);
    expect(loadGraphModelSync(artifacts).outputs.map(({name}) => name)).toEqual(['out']);
    expect(String(folded)).toContain("not folded 'y'");
  });

  it('with constants that a graph beside it reads by name leaves those as they are', () => {
    const nodes = [node('line', 'Reshape', 'gamma', 'flatShape'), node('out', 'Mul', 'x', 'line')];
    const graph = graphOf(nodes, ['out'], {flatShape: {shape: [2], values: [1, WIDTH], int: true}});
    expect(expectSame(graph).folded.folds).toEqual([{kind: 'constant', count: 1}]);
    const beside = {...graph, modelInitializer: {node: [{name: 'gamma', op: 'Const'}]}};
    const {artifacts, report} = rewriteGraphModel(beside, {pattern: full()});
    expect(report.folded!.folds).toEqual([]);
    expect(artifacts).toBe(beside);
  });

  it('with constants that many nodes share computes what it did', () => {
    const graph = graphOf(
      [
        node('a', 'Reshape', 'gamma', 'column'),
        node('b', 'Reshape', 'gamma', 'line'),
        node('c', 'Mul', 'a', 'b'),
        node('d', 'Mul', 'x', 'gamma'),
        node('e', 'ExpandDims', 'd', 'zero'),
        node('f', 'Squeeze', 'e'),
        node('out', 'AddV2', 'd', 'b'),
      ],
      ['out', 'c'],
      {...DENSE, column: {shape: [2], values: [6, 1], int: true}, line: {shape: [2], values: [1, 6], int: true}},
    );
    expectSame(graph, ['out', 'c', 'gamma', 'a', 'b']);
  });

  it('with nodes that wait, loses what they wait for', () => {
    const graph = graphOf([
      node('noise', 'Relu', 'y'),
      node('anchor', 'NoOp', '^noise'),
      node('first', 'Mul', 'x', 'one'),
      node('out', 'Relu', 'first', '^anchor'),
    ]);
    expect(expectSame(graph).ops).toEqual(['Relu']);
  });

  it('transposes that cancel, casts between floats, products with one and copies go; outputs keep their names', () => {
    const perm = {shape: [3], values: [0, 2, 1], int: true} as const;
    const cast = withAttr(node('cast', 'Cast', 'there'), {SrcT: {type: 'DT_HALF'}, DstT: {type: 'DT_FLOAT'}});
    const graph = graphOf(
      [
        node('copy', 'Identity', 'x'),
        node('back', 'Transpose', 'copy', 'perm'),
        node('there', 'Transpose', 'back', 'perm'),
        cast,
        node('same', 'Mul', 'one', 'cast'),
        node('out', 'Relu', 'same'),
        node('named', 'Identity', 'same'),
      ],
      ['out', 'named'],
      {perm},
    );
    const {folded, ops} = expectSame(graph, ['out', 'named', 'there', 'back', 'copy', 'same', 'cast']);
    expect(ops.toSorted()).toEqual(['Identity', 'Relu']);
    expect(folded.folds.map(({kind}) => kind)).toEqual(['pass-through']);
  });

  it('with bodies of functions folds around them, and says so', () => {
    const graph = graphOf([...TENSORDOT, node('out', 'BiasAdd', 'dot', 'offset')], ['out'], DENSE);
    const body = {
      signature: {name: 'body', inputArg: [], outputArg: []},
      nodeDef: [node('inner', 'Identity', 'given'), node('result', 'Identity', 'inner')],
      ret: {out: 'result:output:0'},
    };
    const withBody = {...graph, modelTopology: {...graph.modelTopology, library: {function: [body]}}};
    const {artifacts, report} = rewriteGraphModel(withBody, {pattern: full()});
    expect(report.folded!.left).toEqual([{name: 'body', reason: 'nodes in the body of a function are not folded'}]);
    expect((artifacts.modelTopology as GraphDef).library!.function).toEqual([body]);
    expect(executedNodes(artifacts).map(({op}) => op)).toEqual(['SplatDense']);
  });

  it('is left alone with fold: false, and the report has no word of it', () => {
    const graph = graphOf([...TENSORDOT, node('out', 'BiasAdd', 'dot', 'offset')], ['out'], DENSE);
    const {artifacts, report} = rewriteGraphModel(graph, {pattern: full(), fold: false});
    expect(artifacts).toBe(graph);
    expect(report.folded).toBeUndefined();
    expect(String(rewriteGraphModel(graph, {pattern: full()}).report)).toContain('folded: 7 nodes a run are now 1 (1 dense layer)');
  });
});
