import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import {loadGraphModelSync, type GraphModel} from '@tensorflow/tfjs-converter';
import {dispose, memory, setBackend, tensor2d, type io, type Tensor} from '@tensorflow/tfjs-core';
import {sparseIOHandler} from '../../../src/model/index.js';
import {full, prefix, slidingWindow, type Pattern} from '../../../src/pattern/index.js';
import {executedNodes} from '../../support/executed_nodes.js';
import type {BuiltArtifacts} from '../../support/models/graph_builder.js';
import {handWritten} from '../../support/models/generic.js';
import {gpt2} from '../../support/models/gpt2.js';
import {zoo, type ZooModel, type ZooRun} from '../../support/models/zoo.js';
import {withPattern} from '../../support/models/with_pattern.js';
import {floats, padding, type Inputs} from '../../support/models/zoo_inputs.js';

/** Every query keeps key 0 whatever causal mask a model adds, so that no row is empty by the pattern. */
const SPARSE = slidingWindow({left: 5, right: 3}).or(prefix(2));

/**
 * Two orders of the same float32 sums, through all layers: the largest difference seen is 1e-6 of an output's largest magnitude. A key
 * too many or too few shows above 1e-3.
 */
const TOLERANCE = 1e-5;

const handlerOf = (artifacts: io.ModelArtifacts, pattern: Pattern) => sparseIOHandler(artifacts, {pattern});

type SyncModel = GraphModel<io.IOHandlerSync>;

const plain = (artifacts: io.ModelArtifacts): SyncModel => loadGraphModelSync({load: () => artifacts});

const swapped = (artifacts: io.ModelArtifacts, pattern: Pattern): SyncModel => loadGraphModelSync(handlerOf(artifacts, pattern));

const execute = async (model: SyncModel, inputs: Inputs, zooModel: ZooModel, outputs?: string[]): Promise<Tensor[]> =>
  [zooModel.dynamic ? await model.executeAsync(inputs, outputs) : model.execute(inputs, outputs)].flat();

/** What a model returns, read back; it and the inputs are disposed of. */
async function run(zooModel: ZooModel, artifacts: io.ModelArtifacts, make: () => Inputs, pattern?: Pattern): Promise<Output[]> {
  const model = pattern === undefined ? plain(artifacts) : swapped(artifacts, pattern);
  const inputs = make();
  const outputs = await execute(model, inputs, zooModel);
  const read = await readAll(outputs);
  dispose([outputs, inputs]);
  model.dispose();
  return read;
}

interface Output {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const readAll = (outputs: readonly Tensor[]): Promise<Output[]> =>
  Promise.all(outputs.map(async (output) => ({shape: output.shape, values: (await output.data()) as Float32Array})));

function expectSame(found: readonly Output[], expected: readonly Output[], context: string, rows = Infinity): void {
  expect(found.map(({shape}) => shape))
    .withContext(context)
    .toEqual(expected.map(({shape}) => shape));
  expected.forEach((output, i) => {
    expect(Math.max(...output.values.map(Math.abs)))
      .withContext(context)
      .toBeGreaterThan(0.01);
    const error = errorOf(found[i]!, output, rows);
    expect(error).withContext(`${context}, output ${i}`).toBeLessThanOrEqual(TOLERANCE);
  });
}

/** Largest difference in the first rows as a share of the largest number there; infinite where any number is not finite. */
function errorOf(found: Output, {shape, values}: Output, rows = Infinity): number {
  const count = (values.length / (shape[0] ?? 1)) * Math.min(rows, shape[0] ?? 1);
  let [largest, error] = [1e-30, 0];
  for (let j = 0; j < values.length; j++) {
    if (!Number.isFinite(found.values[j]) || !Number.isFinite(values[j])) return Infinity;
    if (j >= count) continue;
    largest = Math.max(largest, Math.abs(values[j]!));
    error = Math.max(error, Math.abs(values[j]! - found.values[j]!));
  }
  return error / largest;
}

const largestDifference = (a: readonly Output[], b: readonly Output[]): number =>
  Math.max(...a.flatMap(({values}, i) => Array.from(values, (value, j) => Math.abs(value - b[i]!.values[j]!))));

/** Shapes of tensors of the model, by name. */
async function shapesOf(zooModel: ZooModel, artifacts: io.ModelArtifacts, {inputs}: ZooRun, names: readonly string[]) {
  const model = plain(artifacts);
  const given = inputs();
  const outputs = await execute(model, given, zooModel, [...names]);
  const shapes = outputs.map(({shape}) => shape);
  dispose([outputs, given]);
  model.dispose();
  return shapes;
}

const makeFirst = (zooModel: ZooModel): ZooRun => zooModel.make(...zooModel.runs[0]!);

describe('a model of the zoo', () => {
  beforeAll(() => setBackend('cpu'));

  for (const zooModel of zoo) {
    const {title, attentions, left, notes, otherSoftmaxes = 0} = zooModel;

    it(`${title}: all its attentions are found and swapped`, () => {
      const {artifacts} = makeFirst(zooModel);
      const handler = handlerOf(artifacts, full());
      const node = executedNodes(handler.load());
      const report = handler.report!;
      expect(report.left.map(({reason}) => reason)).toEqual(left ? [jasmine.stringMatching(left) as unknown as string] : []);
      expect(report.replaced.length).toBe(attentions);
      if (notes) expect(report.notes.join()).toMatch(notes);
      const count = (op: string): number => node.filter((each) => each.op === op).length;
      expect(count('SparseAttention')).toBe(attentions);
      expect(count('Softmax')).toBe(otherSoftmaxes + (left ? 1 : 0));
      expect(count('Einsum')).toBe(0);
    });

    it(`${title}: computes what it computed, under full()`, async () => {
      for (const [batch, length] of zooModel.runs) {
        const {artifacts, inputs} = zooModel.make(batch, length);
        const rows = zooModel.emptyRows === 'finite' && batch > 1 ? batch - 1 : Infinity;
        const expected = await run(zooModel, artifacts, inputs);
        expectSame(await run(zooModel, artifacts, inputs, full()), expected, `batch ${batch}, length ${length}`, rows);
      }
    });

    it(`${title}: leaves no tensor behind`, async () => {
      const {artifacts, inputs} = makeFirst(zooModel);
      const start = memory().numTensors;
      const model = swapped(artifacts, full());
      const given = inputs();
      const loaded = memory().numTensors;
      for (let i = 0; i < 2; i++) {
        const outputs = await execute(model, given, zooModel);
        expect(memory().numTensors).toBe(loaded + outputs.length);
        dispose(outputs);
      }
      dispose(given);
      model.dispose();
      expect(memory().numTensors).toBe(start);
    });

    if (attentions === 0) continue;

    it(`${title}: attends where both its masks and a pattern allow`, async () => {
      for (const [batch, length] of zooModel.runs.slice(0, 2)) {
        const made = zooModel.make(batch, length);
        const rows = zooModel.emptyRows === 'finite' && batch > 1 ? batch - 1 : Infinity;
        const shapes = await shapesOf(zooModel, made.artifacts, made, made.logits);
        const written = await run(zooModel, withPattern(made, shapes, SPARSE, zooModel.queryOffset), made.inputs);
        if (length > 1) expect(largestDifference(written, await run(zooModel, made.artifacts, made.inputs))).toBeGreaterThan(1e-3);
        expectSame(await run(zooModel, made.artifacts, made.inputs, SPARSE), written, `batch ${batch}, length ${length}`, rows);
      }
    });

    it(`${title}: has no tensor of all pairs of query and key any more`, async () => {
      const made = makeFirst(zooModel);
      const pairs = (await shapesOf(zooModel, made.artifacts, made, made.logits)).map((shape) => shape.at(-1)! * shape.at(-2)!);
      const topology = handlerOf(made.artifacts, full()).load();
      const {node} = topology.modelTopology as BuiltArtifacts['modelTopology'];
      const asked = node.filter(({op}) => !['Const', 'Placeholder', 'NoOp'].includes(op));
      const names = asked.map(({name}) => name);
      const shapes = await shapesOf(zooModel, topology, made, names);
      const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
      // Lengths are primes, or at least no factors of the other sizes: what holds all pairs is divisible by their number.
      const large = asked.filter((_, i) => pairs.some((count) => size(shapes[i]!) > 0 && size(shapes[i]!) % count === 0));
      const kept = zooModel.pairs ? large.filter(({op}) => /MatMul|Softmax|Exp$/.test(op)) : large;
      expect(kept.map(({name, op}) => `${op} ${name}`)).toEqual([]);
    });
  }

  it('runs in executeAsync too, without leaving a tensor behind', async () => {
    // TensorFlow.js says that execute would do.
    spyOn(console, 'warn');
    for (const zooModel of zoo.filter(({dynamic}) => !dynamic)) {
      const {artifacts, inputs} = makeFirst(zooModel);
      const model = swapped(artifacts, SPARSE);
      const given = inputs();
      const start = memory().numTensors;
      const expected = [model.execute(given)].flat();
      const found = [await model.executeAsync(given)].flat();
      expectSame(await readAll(found), await readAll(expected), zooModel.title);
      dispose([expected, found]);
      expect(memory().numTensors).withContext(zooModel.title).toBe(start);
      dispose(given);
      model.dispose();
    }
  });

  it('is swapped however its scale, mask and softmax are written together', async () => {
    const spelling = fc.record({
      scale: fc.constantFrom('divide', 'multiply', 'query', 'key', 'folded'),
      softmax: fc.constantFrom('softmax', 'shifted', 'plain', 'flattened'),
      mask: fc.constantFrom(undefined, 'added', 'logarithm', 'SelectV2', 'Select', 'multiplied'),
      transposedKey: fc.boolean(),
      shareConstants: fc.boolean(),
      heads: fc.integer({min: 1, max: 3}),
      headDim: fc.integer({min: 1, max: 9}),
      seed: fc.nat(1000),
      batch: fc.integer({min: 1, max: 3}),
      length: fc.integer({min: 1, max: 19}),
    } as const);
    await fc.assert(
      fc.asyncProperty(spelling, async ({batch, length, ...options}) => {
        // Without its Max, the softmax of a sequence of padding is 0 / 0.
        fc.pre(options.softmax !== 'plain' || options.mask === undefined || batch === 1);
        const {artifacts} = handWritten(options);
        const handler = handlerOf(artifacts, full());
        handler.load();
        if (handler.report!.replaced.length !== 1) throw new Error(JSON.stringify(handler.report));
        const inputs = (): Inputs => ({
          x: floats([batch, length, options.heads * options.headDim], options.seed),
          ...(options.mask && {mask: padding(batch, length, 'bool')}),
        });
        const zooModel = zoo[0]!;
        const [expected] = await run(zooModel, artifacts, inputs);
        const [found] = await run(zooModel, artifacts, inputs, full());
        return errorOf(found!, expected!) <= TOLERANCE;
      }),
      {numRuns: 150},
    );
  });

  it('GPT-2 computes the same for its tokens when the padding comes first', async () => {
    const [batch, length, pad] = [2, 13, 4];
    const {artifacts} = gpt2({layers: 2, heads: 2, headDim: 6, ffn: 20, vocabulary: 40, positions: 16});
    const mask = Array.from({length: batch * length}, (_, i) => Number(i % length >= (i < length ? 0 : pad)));
    const inputs = (): Inputs => ({
      input_ids: tensor2d(
        Array.from({length: batch * length}, (_, i) => (7 * i) % 40),
        [batch, length],
        'int32',
      ),
      attention_mask: tensor2d(mask, [batch, length], 'int32'),
    });
    // A padded query sees no key that counts: what it computes is read by nobody, and may differ.
    const tokensOf = (outputs: Output[]): Output[] => {
      const {values} = outputs[0]!;
      const row = values.length / mask.length;
      return [{shape: [], values: values.filter((_, i) => mask[Math.floor(i / row)] === 1)}];
    };
    const zooModel = zoo.find(({title}) => title.startsWith('GPT-2'))!;
    const expected = await run(zooModel, artifacts, inputs);
    expectSame(tokensOf(await run(zooModel, artifacts, inputs, full())), tokensOf(expected), 'tokens');
  });
});
