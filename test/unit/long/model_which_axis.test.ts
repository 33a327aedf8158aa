import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {setBackend, tensor, type io, type Tensor} from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import type {NodeDef} from '../../../src/model/graph/graph.js';
import {rewriteGraphModel, type SwapReport} from '../../../src/model/index.js';
import {causal, full, slidingWindow, type Pattern} from '../../../src/pattern/index.js';
import {attentionGraph, node, product} from '../../support/attention_graphs.js';
import {uniform, type Constant, type GraphArtifacts} from '../../support/hand_made_graph.js';

type Axis = 'b' | 'h' | 'q' | 'k' | 'd' | 'e';

/** An attention of which the axes are known to the test alone. */
interface Hidden {
  readonly sizes: Readonly<Record<Axis, number>>;
  /** The axes of the query that is projected, or declared, in their order. */
  readonly query: readonly Axis[];
  /** Without h: keys have no heads. */
  readonly key: readonly Axis[];
  readonly scores: readonly Axis[];
  readonly output: readonly Axis[];
  /** `input`: the query is one; the others make it of [b, q, 6]. */
  readonly made: 'input' | 'reshape' | 'einsum';
  /** `one`: a BatchMatMul, and keys of one head that broadcasts. */
  readonly by: 'einsum' | 'one';
  readonly declared: 'nothing' | 'ranks' | 'all' | 'heads';
}

const FEATURES = 6;

const einsum = (name: string, equation: string, ...input: string[]): NodeDef => ({
  ...node(name, 'Einsum', ...input),
  attr: {T: {type: 'DT_FLOAT'}, equation: {s: btoa(equation)}},
});
const numbers = (shape: readonly number[], seed: number): Constant => {
  const random = uniform(seed);
  return {shape, values: Array.from({length: shape.reduce((a, b) => a * b, 1)}, () => 2 * random() - 1)};
};
const ints = (values: readonly number[]): Constant => ({shape: [values.length], values, int: true});

/** The graph, and the same with a pattern written into its scores, over queries and keys. */
function graphs(
  hidden: Hidden,
  pattern: Pattern,
): {plain: GraphArtifacts; masked: GraphArtifacts; inputs: Record<string, readonly number[]>} {
  const {sizes, query, key, scores, output, made, by, declared} = hidden;
  const of = (axes: readonly Axis[]): number[] => axes.map((axis) => sizes[axis]);
  const valueAxes = key.map((axis) => (axis === 'd' ? 'e' : axis));
  const inputs: Record<string, readonly number[]> = {
    ...(made === 'input' ? {q: of(query)} : {m: [sizes.b, sizes.q, FEATURES]}),
    k: of(key),
    v: of(valueAxes),
  };
  const constants: Record<string, Constant> = {};
  const nodes: NodeDef[] = [];
  let asked = 'q';
  if (made === 'einsum') {
    constants['w'] = numbers([FEATURES, sizes.h, sizes.d], 5);
    nodes.push(einsum('asked', `bqf,fhd->${query.join('')}`, 'm', 'w'));
    asked = 'asked';
  } else if (made === 'reshape') {
    constants['w'] = numbers([FEATURES, sizes.h * sizes.d], 5);
    constants['flat'] = ints([-1, FEATURES]);
    constants['apart'] = ints([sizes.b, sizes.q, sizes.h, sizes.d]);
    constants['perm'] = ints(query.map((axis) => ['b', 'q', 'h', 'd'].indexOf(axis)));
    nodes.push(node('rows', 'Reshape', 'm', 'flat'), node('projected', 'MatMul', 'rows', 'w'));
    nodes.push(node('cut', 'Reshape', 'projected', 'apart'), node('asked', 'Transpose', 'cut', 'perm'));
    asked = 'asked';
  }
  let finish: NodeDef;
  if (by === 'one') {
    constants['wide'] = ints([sizes.b, 1, sizes.k, sizes.d]);
    constants['wide_value'] = ints([sizes.b, 1, sizes.k, sizes.e]);
    nodes.push(node('one_key', 'Reshape', 'k', 'wide'), node('one_value', 'Reshape', 'v', 'wide_value'));
    nodes.push(product('scores', asked, 'one_key', {adj_y: {b: true}}));
    finish = product('out', 'probs', 'one_value');
  } else {
    nodes.push(einsum('scores', `${query.join('')},${key.join('')}->${scores.join('')}`, asked, 'k'));
    finish = einsum('out', `${scores.join('')},${valueAxes.join('')}->${output.join('')}`, 'probs', 'v');
  }
  const declare = (axes: readonly number[], name: string): number[] => {
    const heads = name === 'q' ? query : name === 'm' ? [] : key;
    return axes.map((size, i) =>
      declared === 'all' ||
      (declared === 'heads' && heads[i] === 'h') ||
      name === 'm' ||
      (i === axes.length - 1 && declared === 'heads')
        ? size
        : -1,
    );
  };
  const shapes =
    declared === 'nothing' ? {} : Object.fromEntries(Object.entries(inputs).map(([name, shape]) => [name, declare(shape, name)]));
  const sees = (q: number, k: number): boolean => pattern.attends(q, k, {queryLength: sizes.q, keyLength: sizes.k});
  const maskShape = scores.map((axis) => (axis === 'q' || axis === 'k' ? sizes[axis] : 1));
  const atEnd = Array.from({length: sizes.q * sizes.k}, (_, i) => (sees(Math.floor(i / sizes.k), i % sizes.k) ? 0 : -3e38));
  const plain = attentionGraph([...nodes, node('probs', 'Softmax', 'scores'), finish], constants, ['out'], shapes);
  const masked = attentionGraph(
    [...nodes, node('seen', 'AddV2', 'scores', 'hidden'), node('probs', 'Softmax', 'seen'), finish],
    {...constants, hidden: {shape: maskShape, values: atEnd}},
    ['out'],
    shapes,
  );
  return {plain, masked, inputs};
}

async function run(artifacts: io.ModelArtifacts, inputs: Record<string, Tensor>): Promise<Float32Array> {
  return (await (loadGraphModelSync(artifacts).execute(inputs) as Tensor).data()) as Float32Array;
}

async function difference(a: io.ModelArtifacts, b: io.ModelArtifacts, inputs: Record<string, Tensor>): Promise<number> {
  const [found, expected] = [await run(a, inputs), await run(b, inputs)];
  if (found.length !== expected.length) return Infinity;
  return found.reduce((most, value, i) => Math.max(most, Number.isFinite(value) ? Math.abs(value - expected[i]!) : Infinity), 0);
}

const shuffled = (axes: readonly Axis[]): fc.Arbitrary<Axis[]> =>
  fc.shuffledSubarray([...axes], {minLength: axes.length, maxLength: axes.length});

const attentions: fc.Arbitrary<Hidden> = fc
  .record({
    made: fc.constantFrom('input', 'reshape', 'einsum'),
    by: fc.constantFrom('einsum', 'einsum', 'einsum', 'one'),
    declared: fc.constantFrom('nothing', 'ranks', 'all', 'heads'),
    // Small, so that many are equal by chance; queries of which a window hides something.
    sizes: fc.record({
      b: fc.integer({min: 1, max: 3}),
      h: fc.integer({min: 1, max: 4}),
      q: fc.integer({min: 1, max: 5}),
      k: fc.integer({min: 1, max: 5}),
      d: fc.integer({min: 1, max: 3}),
      e: fc.integer({min: 1, max: 3}),
    }),
    query: shuffled(['b', 'h', 'q', 'd']),
    key: fc.oneof(shuffled(['b', 'k', 'd']), shuffled(['b', 'h', 'k', 'd']), shuffled(['k', 'd'])),
    leading: shuffled(['b', 'h', 'q']),
    output: shuffled(['b', 'h', 'q', 'e']),
  })
  .map(({made, by, declared, sizes, query, key, leading, output}) => {
    const base = {made, by, declared, scores: [...leading, 'k'], output} as const;
    if (by === 'einsum') return {...base, sizes, query, key} as Hidden;
    // Heads beside queries in either order; TensorFlow.js multiplies [b, 1] beside [b, h] wrongly unless b is 1.
    const order: Axis[] = leading.indexOf('h') < leading.indexOf('q') ? ['b', 'h', 'q'] : ['b', 'q', 'h'];
    // One query and one head look alike there, and are taken for heads.
    return {
      ...base,
      sizes: {...sizes, b: 1, q: sizes.q + 1},
      query: [...order, 'd'],
      key: ['b', 'k', 'd'],
      scores: [...order, 'k'],
      output: [...order, 'e'],
    } as Hidden;
  });

const UNSURE = /it cannot be told which axis are the queries/;

describe('keys without heads', () => {
  beforeAll(() => setBackend('cpu'));

  const reportOf = (hidden: Hidden, pattern: Pattern = causal()): SwapReport =>
    rewriteGraphModel(graphs(hidden, pattern).plain, {pattern}).report;

  const base: Hidden = {
    sizes: {b: 2, h: 3, q: 4, k: 4, d: 2, e: 2},
    query: ['b', 'q', 'h', 'd'],
    key: ['b', 'k', 'd'],
    scores: ['b', 'q', 'h', 'k'],
    output: ['b', 'q', 'h', 'e'],
    ...{made: 'input', by: 'einsum', declared: 'all'},
  };

  it('are left where nothing proves which axis are the queries, whatever the sizes happen to be', () => {
    for (const declared of ['nothing', 'ranks', 'all', 'heads'] as const) {
      for (const query of [base.query, ['b', 'h', 'q', 'd']] as const) {
        const {left, replaced} = reportOf({...base, query, declared});
        expect(replaced).toEqual([]);
        expect(left.map(({reason}) => reason)).toEqual([jasmine.stringMatching(UNSURE) as unknown as string]);
      }
    }
  });

  it('are swapped with full(), which lies on any axis', async () => {
    const {plain, inputs} = graphs(base, full());
    const {artifacts, report} = rewriteGraphModel(plain, {pattern: full(), strict: true});
    expect(report.replaced.length).toBe(1);
    const given = Object.fromEntries(Object.entries(inputs).map(([name, shape], i) => [name, draw(shape, i)]));
    expect(await difference(artifacts, plain, given)).toBeLessThan(1e-5);
  });

  it('are counted or not in a list of patterns', () => {
    const {plain} = graphs(base, full());
    expect(rewriteGraphModel(plain, {pattern: [full()]}).report.replaced.length).toBe(1);
    expect(rewriteGraphModel(plain, {pattern: [causal()]}).report.left[0]!.reason).toMatch(UNSURE);
    expect(rewriteGraphModel(plain, {pattern: []}).report.left[0]!.reason).toMatch(UNSURE);
  });

  it('are swapped where weights or a reshape make the heads, in any order', () => {
    for (const made of ['reshape', 'einsum'] as const) {
      for (const order of [
        ['b', 'q', 'h'],
        ['b', 'h', 'q'],
      ] as const) {
        const hidden: Hidden = {...base, made, query: [...order, 'd'], scores: [...order, 'k'], output: [...order, 'e']};
        expect(reportOf(hidden).replaced.length).withContext(JSON.stringify(hidden)).toBe(1);
        // Next to the keys, where a product of matrices has them.
        const one = reportOf({...hidden, by: 'one', sizes: {...base.sizes, b: 1}});
        expect(one.replaced.length)
          .withContext(String(one))
          .toBe(Number(order[2] === 'q'));
      }
    }
  });

  it('never have a pattern laid over another axis than their queries', async () => {
    let [swapped, left] = [0, 0];
    const check = fc.asyncProperty(
      attentions,
      fc.constantFrom(causal(), slidingWindow({left: 1}), full()),
      async (hidden, pattern) => {
        const {plain, masked, inputs} = graphs(hidden, pattern);
        const {artifacts, report} = rewriteGraphModel(plain, {pattern});
        if (report.replaced.length === 0) {
          left++;
          return;
        }
        swapped++;
        const given = Object.fromEntries(Object.entries(inputs).map(([name, shape], i) => [name, draw(shape, i)]));
        // A row that sees nothing is zero, and even where the mask is written out.
        if (hidden.sizes.q > hidden.sizes.k && pattern.node.kind !== 'full') return;
        expect(await difference(artifacts, masked, given))
          .withContext(`${JSON.stringify(hidden)} ${pattern.toString()}`)
          .toBeLessThan(1e-5);
      },
    );
    await fc.assert(check, {numRuns: 400});
    expect(swapped).toBeGreaterThan(120);
    expect(left).toBeGreaterThan(20);
  });
});

function draw(shape: readonly number[], seed: number): Tensor {
  const random = uniform(seed + 1);
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({length: count}, () => 2 * random() - 1),
    [...shape],
  );
}
