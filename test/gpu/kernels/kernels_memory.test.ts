import * as tf from '@tensorflow/tfjs-core';
import {causal, full, slidingWindow, sparseAttention, strided, type Pattern} from '../../../src/index.js';
import {corpusCase, problemOfCase} from '../../corpus.js';
import {expectAttention, randomInputs, type AttentionInputs} from '../../oracle.js';
import {backend, compileInParts, expectRight, poison, runCompiled, tensorsOf} from '../../support/attend.js';
import {problemFor} from '../../support/plans.js';

const IMPLEMENTATIONS = ['fused', 'dense'] as const;

describe('on WebGPU, what is not attended', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const shape = {queryLength: 70, keyLength: 100, queryOffset: 30};
  const problem = problemFor(shape);
  const patterns: readonly Pattern[] = [
    causal(),
    slidingWindow({left: 70, right: 5}),
    slidingWindow({left: 4, right: 4, dilation: 5}),
    strided({stride: 8}).or(slidingWindow({left: 7})),
  ];

  /** Rows of the output that hold a NaN anywhere, and whether all of the row is NaN. */
  async function nanRows(
    inputs: AttentionInputs,
    pattern: Pattern,
    implementation: 'fused' | 'dense',
  ): Promise<[Set<number>, boolean]> {
    const output = await sparseAttention(...tensorsOf(inputs), pattern, {implementation}).data();
    const rows = new Set<number>();
    let nans = 0;
    output.forEach((x, i) => {
      if (!Number.isNaN(x)) return;
      nans++;
      rows.add(Math.floor(i / inputs.valueDim));
    });
    return [rows, nans === rows.size * inputs.valueDim];
  }

  it('as a NaN in a key reaches no row, and the rows that attend to it are NaN', async () => {
    for (const pattern of patterns) {
      for (const key of [0, 31, 64, 99]) {
        const inputs = randomInputs(problem);
        inputs.key[key * 16 + 5] = NaN;
        const expected = [...Array(70).keys()].filter((query) => pattern.attends(query, key, shape));
        for (const implementation of IMPLEMENTATIONS) {
          const [rows, whole] = await nanRows(inputs, pattern, implementation);
          expect([...rows])
            .withContext(`${pattern} key ${key} ${implementation}`)
            .toEqual(expected);
          expect(whole).toBeTrue();
        }
      }
    }
  });

  it('as a NaN in a query reaches no other row', async () => {
    for (const pattern of patterns) {
      for (const query of [0, 31, 69]) {
        const inputs = randomInputs(problem);
        inputs.query[query * 16] = NaN;
        for (const implementation of IMPLEMENTATIONS) {
          const [rows] = await nanRows(inputs, pattern, implementation);
          expect([...rows])
            .withContext(`${pattern} query ${query} ${implementation}`)
            .toEqual([query]);
        }
      }
    }
  });

  it('as a NaN or an infinity in a hidden key leaves the answer right', async () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const inputs = randomInputs(problem);
      const pattern = causal().and(slidingWindow({left: 20}));
      // Query 0 stands at key 30 and sees keys 10 and after.
      for (let i = 0; i < 10 * 16; i++) inputs.key[i] = bad;
      const clean = {...inputs, key: inputs.key.map((x, i) => (i < 160 ? 0 : x))};
      for (const implementation of IMPLEMENTATIONS) {
        const output = sparseAttention(...tensorsOf(inputs), pattern, {implementation});
        await expectAttention(output, clean, (q, k) => pattern.attends(q, k, shape), {}, `${bad} ${implementation}`);
      }
    }
  });

  it('as a NaN in a value makes its column NaN in the rows that attend to it, and no other column', async () => {
    const pattern = slidingWindow({left: 70, right: 5});
    const inputs = randomInputs(problem);
    inputs.value[50 * 16 + 3] = NaN;
    for (const implementation of IMPLEMENTATIONS) {
      const output = await sparseAttention(...tensorsOf(inputs), pattern, {implementation}).data();
      for (let query = 0; query < 70; query++) {
        const row = output.slice(16 * query, 16 * query + 16);
        if (pattern.attends(query, 50, shape)) expect(row[3]).withContext(`row ${query}`).toBeNaN();
        expect(row.filter((x, column) => column !== 3 && Number.isNaN(x)).length).toBe(0);
      }
    }
  });
});

describe('on WebGPU, memory that other tensors left behind', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const name of [
    'few-keys',
    'empty-rows',
    'nothing',
    'packed-documents',
    'strided-and-local',
    'unaligned-features',
    'random-mask',
  ]) {
    it(`never reaches the output of ${name}`, async () => {
      const each = corpusCase(name);
      const problem = problemOfCase(each);
      const {batch, heads, queryLength, valueDim} = problem;
      const bytes = 4 * batch * heads * queryLength * valueDim;
      const scratch = 16 * batch * heads * queryLength;
      const {implementation} = each;
      const inputs = randomInputs(problem);
      // The first run uploads the plan; the second finds its output and its scratch in the pool.
      await expectRight({pattern: each.pattern, problem, inputs, options: {implementation}, what: name});
      await poison(bytes, 16, scratch);
      await expectRight({pattern: each.pattern, problem, inputs, options: {implementation}, what: `${name} poisoned`});
    });
  }

  it('is what outputs are made of: the poison of these tests works', async () => {
    const {bufferManager} = backend() as unknown as {bufferManager: {numBytesAllocated: number}};
    const problem = problemFor({queryLength: 333, keyLength: 20, queryOffset: 0});
    const three = tensorsOf(randomInputs(problem));
    await tf.addN([tf.sum(three[0]), tf.sum(three[1]), tf.sum(three[2])]).data(); // uploaded
    await sparseAttention(...three, full()).data();
    await poison(4 * 333 * 16);
    const before = bufferManager.numBytesAllocated;
    await sparseAttention(...three, full()).data();
    expect(bufferManager.numBytesAllocated).toBeLessThan(before + 4 * 333 * 16);
  });

  it('never reaches rows joined from parts', async () => {
    const each = corpusCase('long-rows');
    const compiled = compileInParts(each.pattern, problemOfCase(each));
    expect(compiled.plan.slots).toBeGreaterThan(0);
    const inputs = randomInputs(problemOfCase(each));
    await poison(4 * 2 * 40 * 16, compiled.workBytes.scratch!);
    const output = runCompiled(compiled, tensorsOf(inputs), 0.25);
    await expectAttention(output, inputs, (q, k) => each.pattern.attends(q, k, each.shape));
  });
});
