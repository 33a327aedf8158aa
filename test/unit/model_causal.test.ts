import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {dispose, setBackend, tensor, type io, type Tensor} from '@tensorflow/tfjs-core';
import {rewriteGraphModel, type SwapReport} from '../../src/model/index.js';
import {full, slidingWindow, type Pattern} from '../../src/pattern/index.js';
import {uniform} from '../support/hand_made_graph.js';
import {GraphBuilder, type BuiltArtifacts, type Ref} from '../support/models/graph_builder.js';
import * as l from '../support/models/layers.js';

/** What a mask is made of: how many queries and keys, padding (1 for tokens) [batch, keys], and the scores. */
interface Parts {
  readonly g: GraphBuilder;
  readonly queries: Ref;
  readonly keys: Ref;
  readonly padding: Ref;
  readonly scores: Ref;
}

interface Case {
  readonly title: string;
  readonly mask: (parts: Parts) => Ref;
  /** Queries and keys; default [5, 5]. */
  readonly lengths?: readonly [number, number];
  /** The query is as long as the key, and the graph knows. */
  readonly self?: boolean;
}

const INT = {T: 'DT_INT32'};
const range = (g: GraphBuilder, size: Ref): Ref => g.op('Range', [g.int(0), size, g.int(1)], {Tidx: 'DT_INT32'});
const column = (g: GraphBuilder, size: Ref): Ref => l.expandDims(g, range(g, size), 1);
const ones = (g: GraphBuilder, condition: Ref): Ref => l.cast(g, condition, 'DT_BOOL', 'DT_FLOAT');
const far = (g: GraphBuilder, condition: Ref, value = -1e9): Ref => l.farWhereZero(g, ones(g, condition), value);
const plus = ({g, scores}: Parts, condition: Ref): Ref => l.add(g, scores, far(g, condition));
const below = ({g, queries, keys}: Parts): Ref => g.op('GreaterEqual', [column(g, queries), range(g, keys)], INT);
const pad4 = ({g, padding}: Parts): Ref => l.expandDims(g, l.expandDims(g, padding, 1), 1);
const triangle = (size: number, of: (key: number, query: number) => number): Float32Array =>
  Float32Array.from({length: size * size}, (_, i) => of(i % size, Math.floor(i / size)));

const causalCases: readonly Case[] = [
  {title: 'query ≥ key', mask: (parts) => plus(parts, below(parts))},
  {
    title: 'not key > query',
    mask: (parts) => {
      const {g, queries, keys} = parts;
      return plus(parts, g.op('LogicalNot', [g.op('Greater', [range(g, keys), column(g, queries)], INT)]));
    },
  },
  {
    title: 'key < query + 1, tiled, as a Select of 0 and −1e8 (Bart)',
    mask: ({g, queries, keys, scores}) => {
      const condition = g.op(
        'Less',
        [range(g, keys), l.reshape(g, g.op('AddV2', [range(g, queries), g.int(1)], INT), [queries, 1])],
        INT,
      );
      const fill = l.mul(g, g.op('Fill', [l.pack(g, [queries, keys]), g.float(1)]), g.float(-1e8));
      const bias = g.op('SelectV2', [condition, g.float(0), fill]);
      const tiled = g.op('Tile', [l.expandDims(g, l.expandDims(g, bias, 0), 0), l.pack(g, [l.sizeOf(g, scores, 0), 1, 1, 1])]);
      return l.add(g, scores, tiled);
    },
  },
  {
    title: 'beside a padding mask that is added to it',
    mask: (parts) => {
      const {g, scores} = parts;
      return l.add(g, scores, l.add(g, far(g, below(parts)), l.farWhereZero(g, pad4(parts), -1e9)));
    },
  },
  {
    title: 'times a padding mask (T5)',
    mask: (parts) => {
      const {g, scores} = parts;
      const both = l.mul(g, l.expandDims(g, l.expandDims(g, ones(g, below(parts)), 0), 0), pad4(parts));
      return l.add(g, scores, l.farWhereZero(g, both, -1e9));
    },
  },
  {
    title: 'the maximum of a look-ahead mask and a padding mask',
    mask: (parts) => {
      const {g, scores} = parts;
      const ahead = l.sub(g, g.float(1), ones(g, below(parts)));
      const padded = ones(g, g.op('Equal', [pad4(parts), g.float(0)]));
      return l.add(g, scores, l.mul(g, g.op('Maximum', [padded, ahead]), g.float(-1e9)));
    },
  },
  {
    title: 'the minimum with a padding mask, as int32 (KerasNLP)',
    mask: (parts) => {
      const {g, padding} = parts;
      const causal = l.expandDims(g, l.cast(g, below(parts), 'DT_BOOL', 'DT_INT32'), 0);
      const whole = l.cast(g, g.op('Equal', [l.expandDims(g, padding, 1), g.float(1)]), 'DT_BOOL', 'DT_INT32');
      const both = g.op('Minimum', [causal, whole], INT);
      return plus(parts, l.cast(g, l.expandDims(g, both, 1), 'DT_INT32', 'DT_BOOL'));
    },
  },
  {
    title: 'a Select of the scores',
    mask: (parts) => parts.g.op('SelectV2', [below(parts), parts.scores, parts.g.float(-3.4e38)]),
  },
  {
    title: 'running sums of ones',
    mask: (parts) => {
      const {g, queries, keys} = parts;
      const filled = g.op('Fill', [l.pack(g, [queries, keys]), g.int(1)], INT);
      const count = (axis: number): Ref => g.op('Cumsum', [filled, g.int(axis)], {...INT, exclusive: false, reverse: false});
      return plus(parts, g.op('GreaterEqual', [count(0), count(1)], INT));
    },
  },
  {
    title: 'ranges that are constants',
    mask: (parts) => {
      const {g} = parts;
      const rows = g.constant(Int32Array.of(0, 1, 2, 3, 4), [5, 1], 'int32');
      return plus(parts, g.op('LessEqual', [g.ints([0, 1, 2, 3, 4]), rows], INT));
    },
  },
  {
    title: 'a constant of 0 and −1e9',
    mask: ({g, scores}) =>
      l.add(
        g,
        scores,
        g.constant(
          triangle(5, (k, q) => (k > q ? -1e9 : 0)),
          [5, 5],
          'float32',
        ),
      ),
  },
  {
    title: 'a constant of 0 and −∞',
    mask: ({g, scores}) =>
      l.add(
        g,
        scores,
        g.constant(
          triangle(5, (k, q) => (k > q ? -Infinity : 0)),
          [1, 1, 5, 5],
          'float32',
        ),
      ),
  },
  {
    title: 'a constant of 0 and ∞, subtracted',
    mask: ({g, scores}) =>
      l.sub(
        g,
        scores,
        g.constant(
          triangle(5, (k, q) => (k > q ? Infinity : 0)),
          [5, 5],
          'float32',
        ),
      ),
  },
  {
    title: 'a Select of 0 and −∞',
    mask: (parts) => {
      const {g, scores} = parts;
      return l.add(g, scores, g.op('SelectV2', [below(parts), g.float(0), g.float(-Infinity)]));
    },
  },
  {
    title: 'a part of a larger constant of −∞',
    mask: ({g, queries, keys, scores}) => {
      const lower = g.constant(
        triangle(9, (k, q) => (k > q ? -Infinity : 0)),
        [9, 9],
        'float32',
      );
      return l.add(g, scores, g.op('Slice', [lower, g.ints([0, 0]), l.pack(g, [queries, keys])]));
    },
  },
  {
    title: 'a boolean constant that is larger, cut to the lengths (nanoGPT)',
    mask: (parts) => {
      const {g, queries, keys, scores} = parts;
      const lower = g.constant(Uint8Array.from(triangle(9, (k, q) => Number(k <= q))), [1, 1, 9, 9], 'bool');
      const whole = {begin_mask: 3, end_mask: 3, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 0};
      const cut = g.op(
        'StridedSlice',
        [lower, g.ints([0, 0, 0, 0]), l.pack(g, [0, 0, queries, keys]), g.ints([1, 1, 1, 1])],
        whole,
      );
      return g.op('SelectV2', [cut, scores, g.float(-1e4)]);
    },
  },
  {
    title: 'from the top left, of fewer queries than keys',
    lengths: [3, 7],
    self: false,
    mask: (parts) => plus(parts, below(parts)),
  },
  {
    title: 'from the bottom right, of fewer queries than keys (GPT-2)',
    lengths: [3, 7],
    self: false,
    mask: (parts) => {
      const {g, queries, keys} = parts;
      const offset = g.op('AddV2', [g.op('Sub', [range(g, keys), keys], INT), queries], INT);
      return plus(parts, g.op('GreaterEqual', [column(g, queries), offset], INT));
    },
  },
  {
    title: 'a part of a larger constant, its last rows',
    lengths: [3, 7],
    self: false,
    mask: ({g, queries, keys, scores}) => {
      const lower = g.constant(
        triangle(9, (k, q) => (k > q ? -1e9 : 0)),
        [9, 9],
        'float32',
      );
      const first = g.op('Sub', [keys, queries], INT);
      const whole = {begin_mask: 0, end_mask: 0, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 0};
      const cut = g.op('StridedSlice', [lower, l.pack(g, [first, 0]), l.pack(g, [keys, keys]), g.ints([1, 1])], whole);
      return l.add(g, scores, cut);
    },
  },
];

const others: readonly Case[] = [
  {
    title: 'key < query',
    mask: (parts) => plus(parts, parts.g.op('Greater', [column(parts.g, parts.queries), range(parts.g, parts.keys)], INT)),
  },
  {
    title: 'key ≤ query + 1',
    mask: (parts) => {
      const {g, queries, keys} = parts;
      return plus(parts, g.op('LessEqual', [g.op('Sub', [range(g, keys), g.int(1)], INT), column(g, queries)], INT));
    },
  },
  {
    title: 'key ≥ query',
    mask: (parts) => plus(parts, parts.g.op('GreaterEqual', [range(parts.g, parts.keys), column(parts.g, parts.queries)], INT)),
  },
  {
    title: 'a causal mask that is turned',
    mask: (parts) => plus(parts, parts.g.op('Transpose', [below(parts), parts.g.ints([1, 0])])),
  },
  {
    title: 'a triangle with one key too many',
    mask: ({g, scores}) =>
      l.add(
        g,
        scores,
        g.constant(
          triangle(5, (k, q) => (k > q && k * q !== 12 ? -1e9 : 0)),
          [5, 5],
          'float32',
        ),
      ),
  },
  {
    title: 'a triangle of −∞ with one key too few',
    mask: ({g, scores}) =>
      l.add(
        g,
        scores,
        g.constant(
          triangle(5, (k, q) => (k > q || (q === 4 && k === 2) ? -Infinity : 0)),
          [5, 5],
          'float32',
        ),
      ),
  },
  {
    title: 'a triangle that hides only a little',
    mask: ({g, scores}) =>
      l.add(
        g,
        scores,
        g.constant(
          triangle(5, (k, q) => (k > q ? -2 : 0)),
          [5, 5],
          'float32',
        ),
      ),
  },
  {
    title: 'causal or padding',
    mask: (parts) => {
      const {g} = parts;
      const padded = g.op('Equal', [pad4(parts), g.float(0)]);
      return plus(parts, g.op('LogicalOr', [below(parts), padded]));
    },
  },
  {
    title: 'one over heads, not keys',
    mask: ({g, scores}) => {
      const [heads, queries] = [l.sizeOf(g, scores, 1), l.sizeOf(g, scores, 2)];
      const grid = g.op('GreaterEqual', [column(g, heads), range(g, queries)], INT);
      return l.add(g, scores, l.expandDims(g, far(g, grid), 2));
    },
  },
];

function model({mask, self = true}: Case): BuiltArtifacts {
  const g = new GraphBuilder();
  const q = g.placeholder('q', [-1, 2, -1, 4]);
  const k = self ? q : g.placeholder('k', [-1, 2, -1, 4]);
  const v = self ? q : g.placeholder('v', [-1, 2, -1, 4]);
  const padding = g.placeholder('padding', [-1, -1]);
  const scores = l.mul(g, l.matmul(g, q, k, {adjY: true}), g.float(0.5));
  const logits = mask({g, scores, padding, queries: l.sizeOf(g, q, 2), keys: l.sizeOf(g, k, 2)});
  return g.build({y: l.matmul(g, g.op('Softmax', [logits]), v)}).artifacts;
}

const draw = (shape: number[], seed: number): Tensor => {
  const random = uniform(seed);
  return tensor(
    Float32Array.from({length: shape.reduce((a, b) => a * b)}, () => 4 * random() - 2),
    shape,
  );
};

/** Of two sequences; of the second the last key is padding, and key 1. */
function inputs({lengths: [queries, keys] = [5, 5], self = true}: Case): Record<string, Tensor> {
  const seen = Array.from({length: 2 * keys}, (_, i) => Number(i < keys || (i % keys !== 1 && i % keys !== keys - 1)));
  return {
    q: draw([2, 2, queries, 4], 1),
    ...(!self && {k: draw([2, 2, keys, 4], 2), v: draw([2, 2, keys, 4], 3)}),
    padding: tensor(seen, [2, keys]),
  };
}

async function run(artifacts: io.ModelArtifacts, given: Record<string, Tensor>): Promise<Float32Array> {
  const loaded = loadGraphModelSync(artifacts);
  const output = loaded.execute(given) as Tensor;
  const values = (await output.data()) as Float32Array;
  dispose(output);
  loaded.dispose();
  return values;
}

async function expectUnchanged(each: Case, pattern: Pattern = full()): Promise<SwapReport> {
  const artifacts = model(each);
  const {artifacts: swapped, report} = rewriteGraphModel(artifacts, {pattern});
  expect(report.left).toEqual([]);
  expect(report.replaced.length).toBe(1);
  const [expected, found] = [await run(artifacts, inputs(each)), await run(swapped, inputs(each))];
  found.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5));
  return report;
}

describe('a causal mask in a graph', () => {
  beforeAll(() => setBackend('cpu'));

  for (const each of causalCases) {
    it(`is made a pattern: ${each.title}`, async () => {
      const report = await expectUnchanged(each);
      const [replaced] = report.replaced;
      expect(replaced!.causal).toBeTrue();
      expect(replaced!.pattern).toBe('causal()');
      expect(report.notes).toEqual([]);
      expect(replaced!.bias.length).toBe(/padding/.test(each.title) ? 1 : 0);
    });
  }

  for (const each of others) {
    it(`is not seen in ${each.title}, which stays a tensor`, async () => {
      const report = await expectUnchanged(each);
      expect(report.replaced[0]!.causal).toBeFalse();
      expect(report.replaced[0]!.bias.length).toBe(1);
    });
  }

  it('is joined with the pattern that is given, and says from where positions count', () => {
    const [first, last] = causalCases.filter(({lengths}) => lengths !== undefined);
    for (const [each, offset] of [
      [first!, {i: 0}],
      [last!, undefined],
    ] as const) {
      const {artifacts, report} = rewriteGraphModel(model(each), {pattern: slidingWindow({left: 2, right: 2})});
      expect(report.replaced[0]!.pattern).toBe('slidingWindow(left: 2, right: 2) and causal()');
      const {node} = artifacts.modelTopology as BuiltArtifacts['modelTopology'];
      expect(node.find(({op}) => op === 'SparseAttention')!.attr['query_offset']).toEqual(offset);
    }
  });

  for (const far of [-1e9, -Infinity]) {
    it(`that also holds other biases stays a constant, beside the pattern (${far})`, async () => {
      const table = (k: number, q: number): number => (k > q ? far : 0.3 * (q - k));
      const report = await expectUnchanged({
        title: 'T5',
        mask: ({g, scores}) => l.add(g, scores, g.constant(triangle(5, table), [1, 1, 5, 5], 'float32', 'relative')),
      });
      expect(report.replaced[0]!.causal).toBeTrue();
      expect(report.replaced[0]!.bias).toEqual(['relative']);
      expect(report.notes).toEqual([jasmine.stringMatching(/'relative' has an element for each pair/) as unknown as string]);
    });
  }
});

describe('what TensorFlow.js computes in another way than TensorFlow', () => {
  beforeAll(() => setBackend('cpu'));

  it('stays what it is: a band that hides nothing, and the report says so', async () => {
    const report = await expectUnchanged({
      title: 'MatrixBandPart',
      mask: (parts) => {
        const {g, queries, keys} = parts;
        const filled = g.op('Fill', [l.pack(g, [queries, keys]), g.constant(Uint8Array.of(1), [], 'bool')], {T: 'DT_BOOL'});
        return plus(parts, g.op('MatrixBandPart', [filled, g.int(-1), g.int(0)], {T: 'DT_BOOL'}));
      },
    });
    expect(report.replaced[0]!.causal).toBeFalse();
    expect(report.replaced[0]!.bias).toEqual([]);
    expect(report.notes).toEqual([jasmine.stringMatching(/reads num_lower .* twice/) as unknown as string]);
  });
});
