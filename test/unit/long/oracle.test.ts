import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import {
  alibiBias,
  dropoutKeep,
  expectAttentionWithAux,
  mulberry32,
  oracle,
  oracleWithAux,
  randomInputs,
  relativeBiasOf,
  sameSegment,
  sumOfBiases,
  tfjsAttention,
  tfjsInputs,
  withinLengths,
  type AttentionInputs,
  type Attends,
  type OracleOptions,
} from '../../oracle.js';
import {expectGradient, gradientTolerance, oracleGradients, sumsOfBroadcast, sumsOfDiagonals} from '../../oracle_gradients.js';
import {arbitraryDenseCase, spell, type DenseCase} from '../../support/dense_cases.js';

/** One query [1], two keys with scores 0 and ln 3, values 5 and 9. */
const TWO_KEYS: AttentionInputs<number[]> = {
  ...{batch: 1, heads: 1, queryLength: 1, keyLength: 2, headDim: 1, valueDim: 1},
  ...{query: [1], key: [0, Math.log(3)], value: [5, 9]},
};
const all: Attends = () => true;

function close(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((x, i) => expect(actual[i]).withContext(`element ${i}`).toBeCloseTo(x, 12));
}

describe('the oracle', () => {
  beforeAll(() => tf.setBackend('cpu'));

  const says = (options: OracleOptions, attends = all, inputs = TWO_KEYS) => oracleWithAux(inputs, attends, options);

  it('gives what one computes by hand', () => {
    close(says({}).output, [8]);
    close(says({}).logSumExp, [Math.log(4)]);
    close(says({scale: 2}).output, [(5 + 9 * 9) / 10]);
    close(says({bias: (_b, _h, _q, k) => (k === 0 ? Math.log(3) : 0)}).output, [7]);
    close(says({bias: (_b, _h, _q, k) => (k === 0 ? -Infinity : 0)}).output, [9]);
    close(says({}, (_q, k) => k === 0).output, [5]);
  });

  it('lets a sink join the denominator only', () => {
    const sunk = says({sinks: [Math.log(4)]});
    close(sunk.output, [4]);
    close(sunk.logSumExp, [Math.log(8)]);
    const empty = says({sinks: [0.25]}, () => false);
    close(empty.output, [0]);
    close(empty.logSumExp, [0.25]);
    expect(says({}, () => false).logSumExp[0]).toBe(-Infinity);
    close(says({sinks: [1000]}).output, [0]);
  });

  it('caps the scaled score before the bias', () => {
    const cap = (raw: number): number => 2 * Math.tanh(raw / 2);
    const high = Math.exp(cap(3 * Math.log(3)) + 1);
    close(says({scale: 3, softcap: 2, bias: (_b, _h, _q, k) => k}).output, [(5 + 9 * high) / (1 + high)]);
  });

  it('drops after the division', () => {
    const dropped = says({keep: (_b, _h, _q, k) => (k === 0 ? 2 : 0)});
    close(dropped.output, [2.5]);
    close(dropped.logSumExp, [Math.log(4)]);
  });

  it('gives each head the key head of its group', () => {
    const sizes = {batch: 1, queryLength: 1, keyLength: 1, headDim: 1, valueDim: 1};
    const grouped = {...sizes, heads: 4, keyHeads: 2, query: [1, 1, 1, 1], key: [0, 0], value: [5, 9]};
    close(oracle(grouped, all), [5, 5, 9, 9]);
  });

  it('knows biases and masks by their makers', () => {
    expect(alibiBias([0.5, 2], 3)(0, 1, 1, 9)).toBe(-10);
    expect(alibiBias([0.5, 2], 3)(0, 0, 9, 1)).toBe(-5.5);
    // 2 queries, 3 keys: key − query from −1 to 2.
    const relative = relativeBiasOf([-1, 0, 1, 2, 9, 10, 11, 12], 2, 2, 3);
    expect([relative(0, 0, 1, 0), relative(0, 0, 0, 2), relative(7, 1, 1, 1)]).toEqual([-1, 2, 10]);
    expect(relativeBiasOf([-1, 0, 1, 2], 1, 2, 3)(0, 5, 0, 1)).toBe(1);
    expect(sumOfBiases(relative, alibiBias([1, 1], 0))(0, 0, 0, 2)).toBe(0);
    const short = withinLengths(all, [2, 0]);
    expect([short(0, 1, 0, 0), short(0, 2, 0, 0), short(0, 0, 1, 0)]).toEqual([true, false, false]);
    const same = sameSegment(all, [0, 1, 5, 5], [0, 0, 1, 5, 6, 6], 2, 3);
    expect([same(0, 1, 0, 0), same(1, 1, 0, 0), same(1, 0, 1, 0), same(1, 2, 1, 0)]).toEqual([true, false, true, false]);
  });

  it('drops the pairs that the hash names, as its definition in 32-bit arithmetic says', () => {
    const wrap = (x: bigint): bigint => BigInt.asUintN(32, x);
    const mix = (x: bigint): bigint => {
      x ^= x >> 16n;
      x = wrap(x * 0x7feb352dn);
      x ^= x >> 15n;
      x = wrap(x * 0x846ca68bn);
      return x ^ (x >> 16n);
    };
    fc.assert(
      fc.property(
        fc.record({b: fc.nat(9), h: fc.nat(6), q: fc.nat(2 ** 20), k: fc.nat(2 ** 20)}),
        fc.integer({min: -(2 ** 31), max: 2 ** 32 - 1}),
        fc.double({min: 0, max: 0.99, noNaN: true}),
        ({b, h, q, k}, seed, rate) => {
          const row = mix(wrap(BigInt((b * 7 + h) * (2 ** 20 + 1) + q) + mix(wrap(BigInt(seed)))));
          const kept = mix(wrap(row + BigInt(k) * 0x9e3779b9n)) >= BigInt(Math.floor(rate * 2 ** 32));
          expect(dropoutKeep(rate, seed, 7, 2 ** 20 + 1)(b, h, q, k)).toBe(kept ? 1 / (1 - rate) : 0);
        },
      ),
      {numRuns: 500},
    );
  });

  it('agrees with tfjs under its own tolerance, whatever the options', () =>
    fc.assert(
      fc.asyncProperty(arbitraryDenseCase(), async (given) => {
        tf.engine().startScope();
        const {inputs, attends, says} = spell(given);
        const {output, logSumExp} = tfjsAttention(tfjsInputs(inputs, attends, says));
        // Where no key is left tfjs takes the mean.
        const empty = oracleWithAux(inputs, attends, says).logSumExp.map((sum) => (sum === -Infinity ? 1 : 0));
        const rows = await logSumExp.data();
        const actual = {
          output: (await output.data()).map((x, i) => (empty[Math.floor(i / inputs.valueDim)] === 1 ? 0 : x)),
          logSumExp: rows.map((x, i) => (empty[i] === 1 ? -Infinity : x)),
        };
        await expectAttentionWithAux(actual, inputs, attends, says, JSON.stringify(given));
        tf.engine().endScope();
      }),
      {numRuns: 40},
    ));
});

/** The case in float64, and what comes from above. */
function derivable(given: DenseCase) {
  const {inputs, attends, says} = spell(given);
  const random = mulberry32(given.seed + 1);
  const {output, logSumExp} = oracleWithAux(inputs, attends, says);
  const draw = (data: Float64Array): Float64Array => data.map(() => 2 * random() - 1);
  const wide = {
    ...inputs,
    query: Float64Array.from(inputs.query),
    key: Float64Array.from(inputs.key),
    value: Float64Array.from(inputs.value),
  };
  return {inputs, wide, attends, says, random, dOutput: draw(output), dLogSumExp: draw(logSumExp)};
}

describe('the gradients of the oracle', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('are what differences of the oracle say, whatever the options', () => {
    fc.assert(
      fc.property(arbitraryDenseCase(), fc.boolean(), (given, withSums) => {
        tf.engine().startScope();
        const {wide, attends, says, random, dOutput, dLogSumExp} = derivable(given);
        const gradients = oracleGradients(wide, attends, says, dOutput, withSums ? dLogSumExp : undefined);
        const loss = (options: OracleOptions): number => {
          const {output, logSumExp} = oracleWithAux(wide, attends, options);
          const sums = withSums ? logSumExp.reduce((sum, x, i) => sum + (x === -Infinity ? 0 : x * dLogSumExp[i]!), 0) : 0;
          return output.reduce((sum, x, i) => sum + x * dOutput[i]!, sums);
        };
        const step = 1e-5;
        const expectSlope = (found: number, lossAt: (moved: number) => number, what: string): void =>
          expect(Math.abs(found - (lossAt(step) - lossAt(-step)) / (2 * step)))
            .withContext(`${what} of ${JSON.stringify(given)}`)
            .toBeLessThan(1e-6);
        const pick = (length: number): number => Math.floor(random() * length);
        for (const name of ['query', 'key', 'value'] as const) {
          for (let turn = 0; turn < 4; turn++) {
            const i = pick(wide[name].length);
            const was = wide[name][i]!;
            const lossAt = (moved: number): number => {
              wide[name][i] = was + moved;
              const found = loss(says);
              wide[name][i] = was;
              return found;
            };
            expectSlope(gradients[name][i]!, lossAt, `${name} ${i}`);
          }
        }
        for (let turn = 0; turn < 4; turn++) {
          const i = pick(gradients.scores.length);
          const moves = (b: number, h: number, q: number, k: number): boolean =>
            i === ((b * wide.heads + h) * wide.queryLength + q) * wide.keyLength + k;
          const lossAt = (moved: number): number =>
            loss({...says, bias: (b, h, q, k) => (says.bias?.(b, h, q, k) ?? 0) + (moves(b, h, q, k) ? moved : 0)});
          expectSlope(gradients.scores[i]!, lossAt, `score ${i}`);
        }
        expect(gradients.sinks === null).toBe(says.sinks === undefined);
        gradients.sinks?.forEach((found, h) => {
          const lossAt = (moved: number): number =>
            loss({...says, sinks: Array.from(says.sinks!, (sink, i) => (i === h ? sink + moved : sink))});
          expectSlope(found, lossAt, `sink ${h}`);
        });
        tf.engine().endScope();
      }),
      {numRuns: 60},
    );
  });

  it('agree with tfjs under their own tolerance, which a wrong sign or factor exceeds', async () => {
    const inputs = randomInputs({batch: 1, heads: 4, keyHeads: 2, queryLength: 9, keyLength: 11, headDim: 4, valueDim: 3}, 5);
    const says: OracleOptions = {softcap: 1.5, sinks: [0, 1, -1, 0.5], keep: dropoutKeep(0.3, 9, 4, 9)};
    const attends = (q: number, k: number): boolean => k <= q;
    const dOutput = randomInputs({batch: 1, heads: 4, queryLength: 9, keyLength: 1, headDim: 3, valueDim: 1}, 6).query;
    const expected = oracleGradients(inputs, attends, says, dOutput);
    const limits = await gradientTolerance(inputs, attends, says, dOutput, undefined, expected);
    for (const name of ['query', 'key', 'value', 'scores', 'sinks'] as const) {
      await expectGradient(Float32Array.from(expected[name]!), expected[name]!, limits[name], name);
      const largest = Math.max(...expected[name]!.map(Math.abs));
      expect(limits[name]).withContext(name).toBeGreaterThan(0);
      expect(limits[name])
        .withContext(name)
        .toBeLessThan(1e-4 * largest);
    }
    const limit = limits.sums((scores) => sumsOfDiagonals(scores, [1, 4, 9, 11], 1));
    expect(limit).toBeLessThan(1e-4);
  });

  it('come in sums for what is broadcast', () => {
    const scores = Float64Array.from({length: 2 * 3 * 2 * 2}, (_, i) => 10 ** (i % 4) * (1 + Math.floor(i / 4)));
    // Keys of query 0, then of query 1: 1, 10, 100, 1000 times 1 + batch · 3 + head.
    expect([...sumsOfBroadcast(scores, [2, 3, 2, 2], [1, 1, 1, 2])]).toEqual([101 * 21, 1010 * 21]);
    expect([...sumsOfBroadcast(scores, [2, 3, 2, 2], [2, 1, 2, 1])]).toEqual([11 * 6, 1100 * 6, 11 * 15, 1100 * 15]);
    expect([...sumsOfBroadcast(scores, [2, 3, 2, 2], [2, 3, 2, 2])]).toEqual([...scores]);
    expect([...sumsOfDiagonals(scores, [2, 3, 2, 2], 1)]).toEqual([100 * 21, 1001 * 21, 10 * 21]);
    expect([...sumsOfDiagonals(scores, [2, 3, 2, 2], 3).slice(3, 6)]).toEqual([100 * 7, 1001 * 7, 10 * 7]);
  });
});
