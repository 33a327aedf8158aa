import {readFileSync} from 'node:fs';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import {attentionWeights, sddmm, slidingWindow, sparseAttention, sparseSoftmax, spmm} from '../../../src/index.js';
import {CORPUS} from '../../corpus.js';
import {expectWithin, randomInputs} from '../../oracle.js';
import {specifyScores} from '../../support/score_cases.js';

for (const backend of ['cpu', 'wasm'])
  describe(`packed scores on the ${backend} backend:`, () => {
    beforeAll(() => tf.setBackend(backend));
    specifyScores(2e-6, 60);
  });

describe('weights times values are attention', () => {
  beforeAll(() => tf.setBackend('wasm'));
  for (const {name, pattern, shape, headDim, valueDim, heads, batch} of CORPUS)
    it(`of ${name}`, async () => {
      tf.engine().startScope();
      const {queryLength, keyLength = queryLength, queryOffset} = shape;
      const inputs = randomInputs({batch, heads, queryLength, keyLength, headDim, valueDim});
      const query = tf.tensor4d(inputs.query, [batch, heads, queryLength, headDim]);
      const key = tf.tensor4d(inputs.key, [batch, heads, keyLength, headDim]);
      const value = tf.tensor4d(inputs.value, [batch, heads, keyLength, valueDim]);
      const output = spmm(attentionWeights(query, key, pattern, {queryOffset}), value);
      const expected = sparseAttention(query, key, value, pattern, {queryOffset});
      expectWithin(await output.data(), await expected.data(), 2e-6, name);
      tf.engine().endScope();
    });
});

describe('the examples of packed scores', () => {
  // The backend of plain JavaScript takes 20 s.
  beforeAll(() => tf.setBackend('wasm'));
  for (const name of ['sddmm', 'sparse_scores', 'sparse_softmax', 'spmm'])
    it(`in ${name}.ts run, and give what they say`, () => {
      tf.engine().startScope();
      const source = readFileSync(`src/runtime/scores/${name}.ts`, 'utf8');
      const examples = [...source.matchAll(/^ \* ```js\n([\s\S]*?) \* ```/gm)].map(([, code]) => code!.replace(/^ \* ?/gm, ''));
      expect(examples.length).toBeGreaterThan(0);
      for (const code of examples) {
        const said = /^const (\w+) = .+; \/\/ (\[[\d, ]+\])/gm;
        expect(code).toMatch(said);
        const asked = code.replace(
          said,
          (line, output: string, shape: string) => `${line.split(' //')[0]} same(${output}.shape, ${shape}); //`,
        );
        const [query, key, value] = [1, 2, 3].map((seed) => tf.randomNormal([1, 8, 1024, 64], 0, 1, 'float32', seed));
        const same = (found: unknown, expected: unknown) => expect(found).withContext(code).toEqual(expected);
        const names = {
          tf,
          same,
          query,
          key,
          value,
          slidingWindow,
          pattern: slidingWindow({left: 8}),
          attentionWeights,
          sddmm,
          sparseSoftmax,
          spmm,
        };
        new Function(...Object.keys(names), asked)(...Object.values(names));
      }
      tf.engine().endScope();
    });
});
