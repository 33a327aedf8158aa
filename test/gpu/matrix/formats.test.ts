import * as tf from '@tensorflow/tfjs-core';
import {complete, compress, oneLine, PLAIN, type Formats, type Precision} from '../../../src/pure.js';
import {causal, globalTokens, slidingWindow, strided} from '../../../src/index.js';
import {TILES} from '../../../src/plan/configurations.js';
import {checkPlan, convertedOperands, CORE_DEVICE, formatsText, makePlan, type TileShape} from '../../../src/plan/index.js';
import {launchGradients} from '../../../src/runtime/launch/launch_gradients.js';
import {launch} from '../../../src/runtime/launch/launch.js';
import {mulberry32, randomInputs, expectAttention, type AttentionInputs} from '../../oracle.js';
import {expectGradient, gradientTolerance, oracleGradients} from '../../oracle_gradients.js';
import {host, poison, tensorsOf} from '../../support/attend.js';
import {inHalves} from '../../support/halves.js';
import {problemFor} from '../../support/plans.js';

const NAMES: readonly Precision[] = ['float32', 'float16'];
const ALL: readonly Formats[] = NAMES.flatMap((query) => NAMES.flatMap((key) => NAMES.map((value) => ({query, key, value}))));

/** Tiles that a software adapter compiles fast; queries read from storage and from workgroup memory. */
const TILE: readonly TileShape[] = [TILES.software, {...TILES.software, queries: TILES.staged.queries}];

const shape = {queryLength: 45, keyLength: 71, queryOffset: 26};
/** Interval masks, and two passes of rows in parts. */
const pattern = slidingWindow({left: 40})
  .or(strided({stride: 3}))
  .or(globalTokens(2))
  .and(causal());

describe('a format for each of query, key and value', () => {
  for (const [index, formats] of ALL.entries()) {
    it(`computes with what it holds: ${formatsText(formats)}`, async () => {
      // Numbers that only a scale far from 1 brings back, whose root multiplies both sides as they are staged; halves hold none such.
      const far = {query: formats.query === 'float32' ? 1e15 : 1, key: formats.key === 'float32' ? 1e15 : 1};
      let turn = 0;
      for (const [headDim, valueDim, scale] of [
        [3, 5, 0.5],
        [64, 64, 0.125],
        [20, 36, 0.3 / (far.query * far.key)],
      ] as const) {
        const farScale = headDim === 20;
        const problem = problemFor(shape, {headDim, valueDim, heads: 2});
        // The next format begins with the other tile, so that each width has both.
        const tile = TILE[(index + turn++) % 2]!;
        const acsr = compress(pattern, problem);
        const plan = makePlan(acsr, problem, CORE_DEVICE, 'fused', {formats, tile});
        checkPlan(plan);
        const {query, key, ...rest} = randomInputs(problem);
        const times = (factor: number) => (x: number) => x * (farScale ? factor : 1);
        const inputs: AttentionInputs = {...rest, query: query.map(times(far.query)), key: key.map(times(far.key))};
        const compiled = complete(plan, oneLine(acsr), {features: {...PLAIN, farScale}});
        await poison(4 * 2 * 45 * valueDim, ...Object.values(compiled.workBytes));
        const [info] = launch(host(), compiled, named(inputs), {scale});
        const output = tf.engine().makeTensorFromTensorInfo(info!);
        const read = inHalves(inputs, convertedOperands(formats));
        const what = `${formatsText(formats)}, ${headDim} → ${valueDim}, scale ${scale}, queries in ${tile.queries}`;
        await expectAttention(output, read, (q, k) => pattern.attends(q, k, problem), {scale}, what);
      }
    });

    it(`has the gradients of what it holds: ${formatsText(formats)}`, async () => {
      const problem = problemFor(shape, {headDim: 6, valueDim: 20, heads: 2});
      const acsr = compress(pattern, problem);
      const plan = makePlan(acsr, problem, CORE_DEVICE, 'fused', {formats, tile: TILES.software});
      const compiled = complete(plan, oneLine(acsr), {aux: 'rowSums'});
      const inputs = randomInputs(problem);
      const tensors = named(inputs);
      const numbers = {scale: 0.3, aux: 'rowSums'} as const;
      const [output, rowSums] = launch(host(), compiled, tensors, numbers);
      const random = mulberry32(5);
      const dOutput = Float32Array.from({length: 2 * 45 * 20}, () => 2 * random() - 1);
      const asTensor = (info: tf.TensorInfo): tf.Tensor => tf.engine().makeTensorFromTensorInfo(info);
      const found = launchGradients(
        host(),
        compiled,
        {
          ...{...tensors, output: asTensor(output!), rowSums: asTensor(rowSums!)},
          dOutput: tf.tensor4d(dOutput, [1, 2, 45, 20]),
        },
        numbers,
      );
      const read = inHalves(inputs, convertedOperands(formats));
      const attends = (q: number, k: number): boolean => pattern.attends(q, k, problem);
      const expected = oracleGradients(read, attends, {scale: 0.3}, dOutput);
      const limits = await gradientTolerance(read, attends, {scale: 0.3}, dOutput, undefined, expected);
      for (const name of ['query', 'key', 'value'] as const)
        await expectGradient(found[name]!(), expected[name], limits[name], `${name}, ${formatsText(formats)}`);
    });
  }
});

function named(inputs: AttentionInputs): Record<'query' | 'key' | 'value', tf.Tensor4D> {
  const [query, key, value] = tensorsOf(inputs);
  return {query, key, value};
}
