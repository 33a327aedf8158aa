import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {dispose, einsum, memory, setBackend, tensor, type Tensor} from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import type {GraphDef} from '../../../src/model/graph/graph.js';
import {rewriteGraphModel} from '../../../src/model/index.js';
import {full} from '../../../src/pattern/index.js';
import {node} from '../../support/attention_graphs.js';
import {handMade, uniform, type GraphArtifacts} from '../../support/hand_made_graph.js';

const draw = (shape: readonly number[], seed: number): Tensor => {
  const random = uniform(seed);
  return tensor(
    Float32Array.from({length: shape.reduce((a, b) => a * b, 1)}, () => random() - 0.5),
    [...shape],
  );
};

/** A model of one Einsum. Sizes of `known` letters are declared, the others are −1. */
function model(equation: string, sizes: Readonly<Record<string, number>>, known: string): GraphArtifacts {
  const [left = ''] = equation.split('->');
  const placeholders = left.split(',').map((letters, i) => {
    const dim = [...letters].map((letter) => ({size: known.includes(letter) ? String(sizes[letter]) : '-1'}));
    return {name: 'xy'[i]!, op: 'Placeholder', attr: {dtype: {type: 'DT_FLOAT'}, shape: {shape: {dim}}}};
  });
  const out = {name: 'out', op: 'Einsum', input: ['x', 'y'], attr: {T: {type: 'DT_FLOAT'}, equation: {s: btoa(equation)}}};
  return handMade([...placeholders, out], {}, ['out']);
}

const ops = (artifacts: object): string[] => (artifacts as {modelTopology: GraphDef}).modelTopology.node.map(({op}) => op);

/** Two operands of up to 4 letters: shared by both, kept or summed, or of one alone and kept. */
const equations = fc
  .record({
    letters: fc.shuffledSubarray([...'abcdef'], {minLength: 2, maxLength: 6}),
    kinds: fc.array(fc.constantFrom('batch', 'sum', 'left', 'right'), {minLength: 6, maxLength: 6}),
    shuffles: fc.tuple(fc.integer(), fc.integer(), fc.integer()),
  })
  .map(({letters, kinds, shuffles}) => {
    const of = (...wanted: string[]): string[] => letters.filter((_, i) => wanted.includes(kinds[i]!));
    const turn = (list: string[], seed: number): string => {
      const random = uniform(seed);
      return list
        .map((letter) => ({letter, at: random()}))
        .sort((a, b) => a.at - b.at)
        .map(({letter}) => letter)
        .join('');
    };
    const [a, b] = [of('batch', 'sum', 'left'), of('batch', 'sum', 'right')];
    return {a, b, text: `${turn(a, shuffles[0])},${turn(b, shuffles[1])}->${turn(of('batch', 'left', 'right'), shuffles[2])}`};
  })
  .filter(({a, b}) => a.length > 0 && b.length > 0 && a.length < 5 && b.length < 5)
  .map(({text}) => text);

describe('an Einsum of a graph', () => {
  beforeAll(() => setBackend('cpu'));

  it('becomes a matrix product that computes the same, of any axes and sizes', async () => {
    const cases = fc.record({
      equation: equations,
      sizes: fc.array(fc.integer({min: 1, max: 4}), {minLength: 6, maxLength: 6}),
      known: fc.subarray([...'abcdef']),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({equation, sizes, known}) => {
        const bySize = Object.fromEntries([...'abcdef'].map((letter, i) => [letter, sizes[i]!]));
        const artifacts = model(equation, bySize, known.join(''));
        const {artifacts: rewritten, report} = rewriteGraphModel(artifacts, {pattern: full()});
        // Only where two merged axes have sizes that nothing tells it stays.
        if (report.einsums === 0) {
          expect(report.notes.join())
            .withContext(equation)
            .toMatch(/merges axes of unknown sizes/);
          return;
        }
        expect(ops(rewritten)).not.toContain('Einsum');
        const [left = ''] = equation.split('->');
        const [x, y] = left.split(',').map((letters, i) =>
          draw(
            [...letters].map((letter) => bySize[letter]!),
            i + 1,
          ),
        ) as [Tensor, Tensor];
        const expected = einsum(equation, x, y);
        const loaded = loadGraphModelSync(rewritten);
        const found = loaded.execute({x, y}) as Tensor;
        expect(found.shape).withContext(equation).toEqual(expected.shape);
        const [a, b] = [await found.data(), await expected.data()];
        for (let i = 0; i < b.length; i++)
          expect(Math.abs(a[i]! - b[i]!))
            .withContext(equation)
            .toBeLessThan(1e-5);
        dispose([x, y, expected, found]);
        loaded.dispose();
      }),
      {numRuns: 200},
    );
  });

  it('needs no transpose in the projections of Keras, and reads sizes that only a run tells', async () => {
    for (const [equation, shapes, count] of [
      ['abc,cde->abde', {a: 2, b: 3, c: 4, d: 2, e: 5}, 3],
      ['abcd,cde->abe', {a: 2, b: 3, c: 2, d: 5, e: 4}, 3],
    ] as const) {
      const artifacts = model(equation, shapes, 'cde');
      const {artifacts: rewritten, report} = rewriteGraphModel(artifacts, {pattern: full()});
      expect(report.einsums).toBe(1);
      expect(ops(rewritten).filter((op) => op === 'Reshape').length).toBe(count);
      expect(ops(rewritten)).not.toContain('Transpose');
      expect(ops(rewritten)).toContain('MatMul');
      expect(ops(rewritten)).toContain('Shape');
      const start = memory().numTensors;
      const loaded = loadGraphModelSync(rewritten);
      const [x, y] = equation
        .split('->')[0]!
        .split(',')
        .map((letters, i) =>
          draw(
            [...letters].map((l) => (shapes as Record<string, number>)[l]!),
            i,
          ),
        );
      dispose([loaded.execute({x: x!, y: y!}), x!, y!]);
      loaded.dispose();
      expect(memory().numTensors).toBe(start);
      await Promise.resolve();
    }
  });

  it('stays where it is no product of two tensors by distinct axes, and the report says why', () => {
    for (const [equation, reason] of [
      ['aab,bc->ac', /no product of two tensors by distinct axes/],
      ['ab,bc->a', /sums an axis of one operand alone/],
      ['ab,bc', /no product/],
      ['ab->ba', /no product/],
    ] as const) {
      const artifacts = handMade(
        [
          node('x', 'Placeholder'),
          node('y', 'Placeholder'),
          {...node('out', 'Einsum', 'x', 'y'), attr: {equation: {s: btoa(equation)}}},
        ],
        {},
        ['out'],
      );
      const {artifacts: same, report} = rewriteGraphModel(artifacts, {pattern: full()});
      expect(report.einsums).toBe(0);
      expect(report.notes).toEqual([jasmine.stringMatching(reason) as unknown as string]);
      expect(same).toBe(artifacts);
    }
  });
});
