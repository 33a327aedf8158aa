import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {dispose, memory, setBackend, tensor, type io, type Tensor} from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {rewriteGraphModel} from '../../../src/model/index.js';
import {full, prefix, slidingWindow} from '../../../src/pattern/index.js';
import {
  combined,
  COMBINATIONS,
  fits,
  LONGEST,
  WINDOWS,
  type Combination,
  type Fixed,
} from '../../support/attention_combinations.js';
import {uniform} from '../../support/hand_made_graph.js';
import {withPattern} from '../../support/models/with_pattern.js';

interface Run extends Fixed {
  /** Whether the inputs declare their sizes. */
  readonly known: boolean;
  readonly sparse: boolean;
  readonly later: boolean;
}

/** Every query keeps key 0. */
const SPARSE = slidingWindow({left: 2, right: 1}).or(prefix(1));

/** Every key of `combination` with every value of it, over all runs of the property. */
const combinations = fc
  .record(Object.fromEntries(Object.entries(COMBINATIONS).map(([key, values]) => [key, fc.constantFrom(...values)])))
  .map((record) => record as unknown as Combination)
  .filter(fits);

const runs = fc.record({
  batch: fc.integer({min: 1, max: 3}),
  queries: fc.integer({min: 1, max: 7}),
  keys: fc.integer({min: 1, max: 7}),
  known: fc.boolean(),
  sparse: fc.boolean(),
  later: fc.boolean(),
});

function inputsOf({mask, causal, softmax, windows}: Combination, {batch, queries, keys, sparse}: Run): Record<string, Tensor> {
  const random = uniform(batch + 10 * queries + 100 * keys);
  const draw = (rows: number): Tensor =>
    tensor(
      Float32Array.from({length: batch * rows * 12}, () => 2 * random() - 1),
      windows === 'none' ? [batch, rows, 12] : [batch / WINDOWS, WINDOWS, rows, 12],
    );
  const length = causal === 'none' ? keys : queries;
  // Where no row may be empty, every sequence keeps key 0: written out without the shift by the maximum, an empty row is 0 / 0, and
  // under a causal mask the original looks at later keys then, and under a pattern at those that it hides. Where something is added behind a mask
  // of −1e4, an empty row weighs its keys by that; the op weighs them alike.
  const needed = causal !== 'none' || softmax === 'plain' || sparse || windows === 'up to the product';
  const seen = Array.from({length: batch * length}, (_, i) =>
    Number((needed && i % length === 0) || (i >= length && random() < 0.6)),
  );
  return {
    x: draw(queries),
    ...(causal === 'none' && {c: draw(keys)}),
    ...((mask !== 'none' || causal === 'with padding') && {seen: tensor(seen, [batch, length], 'bool')}),
  };
}

async function outputOf(artifacts: io.ModelArtifacts, inputs: Record<string, Tensor>, later = false): Promise<Float32Array> {
  const model = loadGraphModelSync(artifacts);
  const output = (later ? await model.executeAsync(inputs) : model.execute(inputs)) as Tensor;
  const values = (await output.data()) as Float32Array;
  dispose(output);
  model.dispose();
  return values;
}

/** Swaps and runs both. Returns the names of ops that are left. */
async function check(combination: Combination, {batch, ...others}: Run): Promise<void> {
  const run = {...others, batch: combination.windows === 'none' ? batch : batch * WINDOWS};
  const about = JSON.stringify({...combination, ...run});
  const built = combined(combination, run.queries, run.known ? run : undefined);
  const pattern = run.sparse ? SPARSE : full();
  const {artifacts: swapped, report} = rewriteGraphModel(built.artifacts, {pattern});
  expect(report.left).withContext(about).toEqual([]);
  expect(report.replaced.length).withContext(about).toBe(1);
  const [replaced] = report.replaced;
  // A mask of one query hides nothing where its size is known.
  const known =
    combination.causal !== 'none' &&
    !(run.queries === 1 && combination.causal !== 'slice' && (run.known || combination.causal === 'constant'));
  expect(replaced!.causal).withContext(about).toBe(known);
  expect(replaced!.kept).withContext(about).toEqual([]);
  // Windows and heads are taken for heads, so the op reads them side by side.
  if (combination.windows === 'none' && ['einsum', 'transpose'].includes(combination.heads)) {
    expect(replaced!.axes).withContext(about).toBe('blhd,blhd,blhd->blhd');
  }

  const start = memory().numTensors;
  const inputs = inputsOf(combination, run);
  const shape = [run.queries, combination.causal === 'none' ? run.keys : run.queries];
  const expected = await outputOf(run.sparse ? withPattern(built, [shape], pattern) : built.artifacts, inputs);
  const found = await outputOf(swapped, inputs, run.later);
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const error = found.reduce((a, b, i) => Math.max(a, Number.isFinite(b) ? Math.abs(b - expected[i]!) : Infinity), 0);
  expect(found.length).toBe(expected.length);
  expect(error)
    .withContext(about)
    .toBeLessThanOrEqual(1e-5 * largest + 1e-6);
  dispose(inputs);
  expect(memory().numTensors).withContext(about).toBe(start);
}

describe('an attention of any spelling', () => {
  beforeAll(() => setBackend('cpu'));
  // `executeAsync` says each time that `execute` would do.
  beforeEach(() => spyOn(console, 'warn'));

  it('is swapped and computes the same, whatever its parts are combined to', async () => {
    expect(LONGEST).toBeGreaterThan(7);
    await fc.assert(fc.asyncProperty(combinations, runs, check), {numRuns: 150});
  });

  const base: Combination = {
    heads: 'transpose',
    repeat: 'none',
    product: 'adjoint',
    scale: 'divide',
    mask: 'none',
    causal: 'none',
    windows: 'none',
    softmax: 'softmax',
  };
  for (const [part, values] of Object.entries(COMBINATIONS)) {
    for (const value of values) {
      const combination = {
        ...base,
        ...(value === 'key first' && {heads: 'einsum'}),
        [part]: value,
      } as Combination;
      const fitting = fits(combination) ? combination : {...combination, product: 'einsum' as const};
      it(`is swapped with ${part}: ${value}`, () =>
        check(fitting, {batch: 2, queries: 5, keys: 7, known: false, sparse: true, later: true}));
    }
  }
});
