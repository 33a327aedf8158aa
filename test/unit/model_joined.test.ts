import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {dispose, io, memory, setBackend, type Tensor} from '@tensorflow/tfjs-core';
import type {FunctionDef, GraphDef} from '../../src/model/graph/graph.js';
import {weightFiles} from '../../src/model/graph/weight_files.js';
import {rewriteGraphModel, type FoldReport} from '../../src/model/index.js';
import {full} from '../../src/pattern/index.js';
import {executedNodes} from '../support/executed_nodes.js';
import {GraphBuilder, type BuiltArtifacts, type Ref} from '../support/models/graph_builder.js';
import * as l from '../support/models/layers.js';
import {
  attentionOver,
  DIM,
  linear,
  OWN,
  projectedInputs,
  projectedModel,
  selfAttention,
  WIDTH,
} from '../support/models/projections.js';
import type {Inputs} from '../support/models/zoo_inputs.js';
import {quantized} from '../support/quantized.js';

interface Folding {
  readonly artifacts: io.ModelArtifacts;
  readonly folded: FoldReport;
  readonly ops: readonly string[];
  readonly joined: number;
}

function fold(artifacts: io.ModelArtifacts): Folding {
  const result = rewriteGraphModel(artifacts, {pattern: full()});
  const {folded} = result.report;
  const joined = folded!.folds.find(({kind}) => kind === 'joined projections')?.count ?? 0;
  return {artifacts: result.artifacts, folded: folded!, ops: executedNodes(result.artifacts).map(({op}) => op), joined};
}

const attributes = ({artifacts}: Folding): readonly string[] =>
  executedNodes(artifacts)
    .filter(({op}) => op === 'SparseAttention')
    .map(({attr}) => (attr!['firsts'] === undefined ? 'apart' : atob(attr!['firsts'].s as string)));

async function read(artifacts: io.ModelArtifacts, given: Inputs, names?: string[]): Promise<Float32Array[]> {
  const model = loadGraphModelSync(artifacts);
  const outputs = [model.execute(given, names)].flat();
  const values = await Promise.all(outputs.map((output) => output.data() as Promise<Float32Array>));
  dispose(outputs);
  model.dispose();
  return values;
}

/** The folded model computes what the model does, outputs and what else has a name. */
async function expectSame({artifacts}: Folding, original: io.ModelArtifacts, names?: string[]): Promise<void> {
  const plain = rewriteGraphModel(original, {pattern: full(), fold: false}).artifacts;
  for (const [batch, length] of [
    [1, 1],
    [2, 7],
    [3, 4],
  ] as const) {
    const given = projectedInputs(batch, length, length + 2);
    const [expected, found] = [await read(plain, given, names), await read(artifacts, given, names)];
    expected.forEach((values, i) => {
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
      const error = values.reduce((most, value, at) => Math.max(most, Math.abs(value - found[i]![at]!)), 0);
      expect(found[i]!.length).toBe(values.length);
      expect(error / largest)
        .withContext(`output ${i}, batch ${batch}`)
        .toBeLessThanOrEqual(2e-6);
    });
    dispose(given);
  }
}

const bytesOf = ({weightData}: io.ModelArtifacts): number => new io.CompositeArrayBuffer(weightData).byteLength;
const namesOf = ({weightSpecs}: io.ModelArtifacts): string[] => weightSpecs!.map(({name}) => name);

describe('projections of one tensor', () => {
  beforeAll(() => setBackend('cpu'));

  it('are one product, of which the attention reads its parts', async () => {
    const original = selfAttention();
    const folding = fold(original);
    expect(folding.ops).toEqual(['SplatDense', 'SparseAttention', 'Identity']);
    expect(attributes(folding)).toEqual([`0,${OWN},${2 * OWN}`]);
    expect(folding.folded.folds).toContain({kind: 'joined projections', count: 1});
    expect(folding.folded.left).toEqual([]);
    await expectSame(folding, original);
  });

  it('may have biases or none, and matrices that lie the other way round', async () => {
    const none = selfAttention([{bias: false}, {bias: false}, {bias: false}]);
    expect(fold(none).ops).toEqual(['BatchMatMulV2', 'SparseAttention', 'Identity']);
    await expectSame(fold(none), none);
    // Whisper: keys have none.
    const some = selfAttention([{}, {bias: false}, {}]);
    expect(fold(some).ops).toEqual(['SplatDense', 'SparseAttention', 'Identity']);
    await expectSame(fold(some), some);
    const turned = selfAttention([{turned: true}, {turned: true}, {turned: true}]);
    expect(fold(turned).joined).toBe(1);
    await expectSame(fold(turned), turned);
    const mixed = selfAttention([{turned: true}, {}, {}]);
    expect(attributes(fold(mixed))).toEqual([`0,0,${OWN}`]);
    await expectSame(fold(mixed), mixed);
  });

  it('are joined for keys and values where queries are those of other tokens', async () => {
    const original = projectedModel((g, x, y) => [linear(g.in('q'), x, OWN), linear(g.in('k'), y, OWN), linear(g.in('v'), y, OWN)]);
    const folding = fold(original);
    expect(folding.ops.filter((op) => op === 'SplatDense').length).toBe(2);
    expect(attributes(folding)).toEqual([`0,0,${OWN}`]);
    await expectSame(folding, original);
  });

  it('may have fewer heads of keys and values', async () => {
    const g = new GraphBuilder({seed: 8});
    const x = g.placeholder('x', [-1, -1, WIDTH]);
    g.placeholder('y', [-1, -1, WIDTH]);
    const [query, key, value] = [OWN, 2 * DIM, 2 * DIM].map((size, i) => linear(g.in(`p${i}`), x, size)) as [Ref, Ref, Ref];
    // Each head of keys serves two of queries.
    const spread = (at: GraphBuilder, tensor: Ref): Ref => {
      const sizes = [l.sizeOf(at, tensor, 0), l.sizeOf(at, tensor, 1)] as const;
      const one = l.reshape(at, tensor, [...sizes, 2, 1, DIM]);
      const twice = at.op('Tile', [one, at.ints([1, 1, 1, 2, 1])], {Tmultiples: 'DT_INT32'});
      return l.reshape(at, twice, [...sizes, OWN]);
    };
    const grouped = attentionOver(g.in('attention'), [query, spread(g.in('ks'), key), spread(g.in('vs'), value)]);
    const {artifacts} = g.build({out: grouped});
    const folding = fold(artifacts);
    await expectSame(folding, artifacts);
    // Where the swap takes the copies for what they are.
    if (folding.ops.length === 3) expect(attributes(folding)).toEqual([`0,${OWN},${OWN + 2 * DIM}`]);
  });

  it('need no more memory, on the file and loaded, and every weight can be fetched by its name', async () => {
    const original = selfAttention();
    for (const artifacts of [original, ...(['float16', 'uint8', 'uint16'] as const).map((dtype) => quantized(original, dtype))]) {
      const plain = rewriteGraphModel(artifacts, {pattern: full(), fold: false}).artifacts;
      const folding = fold(artifacts);
      const quantization = artifacts.weightSpecs!.find(({name}) => name === 'query/kernel')!.quantization?.dtype;
      if (quantization === undefined || quantization === 'float16')
        expect(bytesOf(folding.artifacts)).toBeLessThan(bytesOf(plain) + 200);
      expect(namesOf(folding.artifacts)).not.toContain('query/kernel');
      expect(namesOf(folding.artifacts)).toContain('query/kernel/joined');
      const loaded = (each: io.ModelArtifacts): number => {
        const before = memory().numBytes;
        const model = loadGraphModelSync(each);
        const bytes = memory().numBytes - before;
        model.dispose();
        expect(memory().numBytes).toBe(before);
        return bytes;
      };
      // Beginnings and sizes of the parts.
      expect(loaded(folding.artifacts)).toBeLessThan(loaded(plain) + 200);
      await expectSame(folding, artifacts);
      const names = ['kernel', 'BiasAdd/ReadVariableOp'].flatMap((name) => ['query', 'key', 'value'].map((at) => `${at}/${name}`));
      const given = projectedInputs(1, 2);
      expect(await read(folding.artifacts, given, names)).toEqual(await read(plain, given, names));
      expect(await read(folding.artifacts, given, ['key/BiasAdd'])).toEqual(await read(plain, given, ['key/BiasAdd']));
      dispose(given);
    }
  });

  it('keep their weights in files of any cut', async () => {
    const original = selfAttention([{}, {bias: false}, {}]);
    const whole = io.CompositeArrayBuffer.join(original.weightData);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.integer({min: 1, max: whole.byteLength - 1}), {maxLength: 6}), async (cuts) => {
        const ends = [0, ...cuts.sort((a, b) => a - b), whole.byteLength];
        const weightData = ends.slice(1).map((end, i) => whole.slice(ends[i]!, end));
        // TensorFlow.js misreads such files.
        fc.pre(weightFiles(weightData).length === weightData.length);
        const folding = fold({...original, weightData});
        const given = projectedInputs(1, 3);
        expect(await read(folding.artifacts, given)).toEqual(await read(fold(original).artifacts, given));
        dispose(given);
      }),
      {numRuns: 40, seed: 20261130},
    );
  });

  it('of several layers may share their weights, which are joined once', async () => {
    const g = new GraphBuilder({seed: 9});
    let x = g.placeholder('x', [-1, -1, WIDTH]);
    g.placeholder('y', [-1, -1, WIDTH]);
    const matrices = ['q', 'k', 'v'].map((name) => g.weight([WIDTH, OWN], {}, `${name}/kernel`));
    const back = g.weight([OWN, WIDTH], {}, 'back');
    for (let layer = 0; layer < 3; layer++) {
      const at = g.in(`layer${layer}`);
      const three = matrices.map((matrix) => linear(at, x, OWN, {matrix, bias: false})) as [Ref, Ref, Ref];
      x = l.matmul(at, attentionOver(at.in('attention'), three), back);
    }
    const {artifacts} = g.build({out: x});
    const folding = fold(artifacts);
    expect(folding.joined).toBe(3);
    expect(namesOf(folding.artifacts).filter((name) => name.endsWith('/joined'))).toEqual(['q/kernel/joined']);
    expect(bytesOf(folding.artifacts)).toBeLessThan(bytesOf(artifacts) + 200);
    await expectSame(folding, artifacts);
  });

  it('are written in files that TensorFlow.js reads', () => {
    const file = (length: number): ArrayBuffer => Uint8Array.from({length}, (_, i) => length + i).buffer;
    fc.assert(
      fc.property(fc.array(fc.nat(6), {minLength: 1, maxLength: 5}), (lengths) => {
        const pieces = lengths.map(file);
        const bytes = pieces.flatMap((piece) => [...new Uint8Array(piece)]);
        const written = new io.CompositeArrayBuffer(weightFiles(pieces));
        bytes.forEach((byte, at) => expect([...new Uint8Array(written.slice(at, at + 1))]).toEqual([byte]));
      }),
      {seed: 20261130},
    );
  });

  it('of layers that read their weights the other way round are not those of others', async () => {
    const g = new GraphBuilder({seed: 10});
    const x = g.placeholder('x', [-1, -1, WIDTH]);
    g.placeholder('y', [-1, -1, WIDTH]);
    // As many features as heads have, so that either way is right.
    const wide = linear(g.in('wide'), x, OWN);
    const matrices = ['q', 'k', 'v'].map((name) => g.weight([OWN, OWN], {}, `${name}/kernel`));
    const layer = (name: string, from: Ref, turned: boolean): Ref => {
      const three = matrices.map((matrix) => linear(g.in(name), from, OWN, {matrix, turned, bias: false})) as [Ref, Ref, Ref];
      return attentionOver(g.in(`${name}/attention`), three);
    };
    const {artifacts} = g.build({out: layer('second', layer('first', wide, false), true)});
    const folding = fold(artifacts);
    expect(attributes(folding)).toEqual(['apart', 'apart']);
    await expectSame(folding, artifacts);
  });

  it('get names that are free', async () => {
    const original = projectedModel((g, x) => {
      const taken = g.weight([WIDTH], {}, 'query/kernel/joined');
      const shifted = l.add(g, x, taken);
      return ['query', 'key', 'value'].map((name) => linear(g.in(name), shifted, OWN)) as [Ref, Ref, Ref];
    });
    const folding = fold(original);
    expect(folding.joined).toBe(1);
    expect(namesOf(folding.artifacts)).toEqual(jasmine.arrayContaining(['query/kernel/joined', 'query/kernel/joined_1']));
    await expectSame(folding, original);
  });

  const LEFT: readonly (readonly [string, BuiltArtifacts, RegExp, string])[] = [
    [
      'somebody else reads one of them',
      projectedModel((g, x) => {
        const [q, k, v] = ['query', 'key', 'value'].map((name) => linear(g.in(name), x, OWN)) as [Ref, Ref, Ref];
        return [q, k, v, l.mul(g, k, g.float(2))];
      }),
      /the product 'key\/BiasAdd' is read by others too/,
      'apart',
    ],
    [
      'somebody else reads the queries',
      projectedModel((g, x) => {
        const [q, k, v] = ['query', 'key', 'value'].map((name) => linear(g.in(name), x, OWN)) as [Ref, Ref, Ref];
        return [q, k, v, l.mul(g, q, g.float(2))];
      }),
      /^$/,
      `0,0,${OWN}`,
    ],
    [
      'values are those of another tensor (MobileBERT)',
      projectedModel((g, x) => [
        linear(g.in('q'), x, OWN),
        linear(g.in('k'), x, OWN),
        linear(g.in('v'), l.mul(g, x, g.float(2)), OWN),
      ]),
      /its values are those of another tensor/,
      'apart',
    ],
    [
      'a matrix is used elsewhere',
      projectedModel((g, x) => {
        const matrix = g.weight([WIDTH, OWN], {}, 'tied');
        const three = [linear(g.in('q'), x, OWN), linear(g.in('k'), x, OWN), linear(g.in('v'), x, OWN, {matrix})] as const;
        return [...three, linear(g.in('again'), l.mul(g, x, g.float(3)), OWN, {matrix})];
      }),
      /the matrix 'tied' is used elsewhere too/,
      'apart',
    ],
    [
      'queries and keys share a matrix',
      projectedModel((g, x) => {
        const matrix = g.weight([WIDTH, OWN], {}, 'tied');
        return [linear(g.in('q'), x, OWN, {matrix}), linear(g.in('k'), x, OWN, {matrix}), linear(g.in('v'), x, OWN)];
      }),
      /the matrix 'tied' serves two of them/,
      'apart',
    ],
    [
      'keys have an activation',
      projectedModel((g, x) => [linear(g.in('q'), x, OWN), g.op('Relu', [linear(g.in('k'), x, OWN)]), linear(g.in('v'), x, OWN)]),
      /the product '.*Relu' has an activation/,
      'apart',
    ],
    [
      'a weight is an output',
      projectedModel((g, x) => {
        const matrix = g.weight([WIDTH, OWN], {}, 'shown');
        return [linear(g.in('q'), x, OWN), linear(g.in('k'), x, OWN), linear(g.in('v'), x, OWN, {matrix}), matrix];
      }),
      /the matrix 'shown' is used elsewhere too/,
      'apart',
    ],
  ];
  for (const [what, original, reason, reads] of LEFT)
    it(`stay as they are where ${what}, and the report says why`, async () => {
      const folding = fold(original);
      expect(folding.folded.left.map((each) => each.reason).join()).toMatch(reason);
      expect(attributes(folding)).toEqual([reads]);
      await expectSame(folding, original);
    });

  it('stay where the body of a function has a weight of the same name', async () => {
    const original = selfAttention();
    const topology = original.modelTopology as unknown as GraphDef;
    const signature = {name: 'body', inputArg: [], outputArg: []};
    const body: FunctionDef = {signature, nodeDef: topology.node.filter(({name}) => name === 'key/kernel'), ret: {}};
    const artifacts = {...original, modelTopology: {...topology, library: {function: [body]}}};
    const folding = fold(artifacts);
    expect(folding.folded.left.map(({reason}) => reason)).toContain(
      "its projections are not joined: the matrix 'key/kernel' is used elsewhere too",
    );
    expect(attributes(folding)).toEqual(['apart']);
    await expectSame(folding, artifacts);
  });
});

describe('a product that is cut in query, key and value', () => {
  beforeAll(() => setBackend('cpu'));

  /** [batch, length, ≥ 3 · 20], cut from these features on. */
  const cutBy = (op: 'Slice' | 'StridedSlice', firsts: readonly number[], features: number): BuiltArtifacts =>
    projectedModel((g, x) => {
      const whole = linear(g.in('c_attn'), x, features);
      const masks = {begin_mask: 3, end_mask: 3, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 0};
      return firsts.map((first) =>
        op === 'Slice'
          ? g.op(op, [whole, g.ints([0, 0, first]), g.ints([-1, -1, OWN])], {Index: 'DT_INT32'})
          : g.op(op, [whole, g.ints([0, 0, first]), g.ints([0, 0, first + OWN]), g.ints([1, 1, 1])], masks),
      ) as [Ref, Ref, Ref];
    });
  const splitBy = (sizes: readonly number[], order: readonly number[]): BuiltArtifacts =>
    projectedModel((g, x) => {
      const whole = linear(
        g.in('c_attn'),
        x,
        sizes.reduce((a, b) => a + b, 0),
      );
      const split = g.op('SplitV', [whole, g.ints(sizes), g.int(-1)], {num_split: sizes.length});
      return order.map((port) => (port === 0 ? split : `${split}:${port}`)) as [Ref, Ref, Ref];
    });

  const CUT: readonly (readonly [string, BuiltArtifacts, string])[] = [
    ['slices', cutBy('Slice', [0, OWN, 2 * OWN], 3 * OWN), `0,${OWN},${2 * OWN}`],
    ['slices of a wider one, in another order', cutBy('Slice', [3 * OWN, 2 * OWN, 0], 4 * OWN), `${3 * OWN},${2 * OWN},0`],
    ['strided slices', cutBy('StridedSlice', [OWN, 0, 2 * OWN], 3 * OWN), `${OWN},0,${2 * OWN}`],
    ['slices that overlap', cutBy('StridedSlice', [0, DIM, DIM], 3 * OWN), `0,${DIM},${DIM}`],
    ['a split', splitBy([OWN, OWN, OWN], [0, 1, 2]), `0,${OWN},${2 * OWN}`],
    [
      'a split with others beside',
      splitBy([DIM, OWN, OWN, 2 * DIM, OWN], [4, 1, 2]),
      `${7 * DIM + 2 * OWN - 4 * DIM},${DIM},${DIM + OWN}`,
    ],
  ];
  for (const [what, original, firsts] of CUT)
    it(`is read where its parts lie: ${what}`, async () => {
      const folding = fold(original);
      expect(attributes(folding)).toEqual([firsts]);
      expect(folding.ops).toEqual(['SplatDense', 'SparseAttention', 'Identity']);
      await expectSame(folding, original);
    });

  it('stays where the parts begin inside of a head, or somebody else reads one', async () => {
    const inside = cutBy('Slice', [0, OWN + 2, 2 * OWN], 3 * OWN + 2);
    expect(attributes(fold(inside))).toEqual(['apart']);
    expect(
      fold(inside)
        .folded.left.map(({reason}) => reason)
        .join(),
    ).toMatch(/features are not those of heads of 5/);
    await expectSame(fold(inside), inside);
    const read = projectedModel((g, x) => {
      const whole = linear(g.in('c_attn'), x, 3 * OWN);
      const split = g.op('Split', [g.int(2), whole], {num_split: 3});
      return [split, `${split}:1`, `${split}:2`, l.mul(g, `${split}:1`, g.float(2))];
    });
    expect(attributes(fold(read))).toEqual(['apart']);
    expect(
      fold(read)
        .folded.left.map(({reason}) => reason)
        .join(),
    ).toMatch(/a part of a larger tensor, is read by others too/);
    await expectSame(fold(read), read);
  });
});

describe('a folded model with joined projections', () => {
  beforeAll(() => setBackend('cpu'));

  it('leaves no tensor behind, and has gradients of its inputs', () => {
    const model = loadGraphModelSync(fold(selfAttention()).artifacts);
    const given = projectedInputs(2, 5);
    const start = memory().numTensors;
    (model.execute(given) as Tensor).dispose();
    expect(memory().numTensors).toBe(start);
    model.dispose();
    dispose(given);
  });
});
