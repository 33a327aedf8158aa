// Gradients of cases of option_cases.ts, beside those of the oracle. Importers need the gradients of tf ops: '@tensorflow/tfjs'.
import * as tf from '@tensorflow/tfjs-core';
import {compress, CORE_DEVICE, type Device, type Pattern, type Problem} from '../../src/pure.js';
import {TILES} from '../../src/plan/configurations.js';
import {gradientScratch, makeGradientPlan, type GradientPlan, type KeyResults} from '../../src/plan/index.js';
import {callParams, launch, type CallTensors} from '../../src/runtime/launch/launch.js';
import {resident} from '../../src/runtime/launch/resident.js';
import {run as runLaunches} from '../../src/runtime/launch/run.js';
import {generateGradients, generateScoreGradients, keyResults, tailOf, type ScoreSums} from '../../src/wgsl/index.js';
import {mulberry32} from '../oracle.js';
import {
  expectGradient,
  gradientTolerance,
  oracleGradients,
  sumsOfBroadcast,
  sumsOfDiagonals,
  type GradientLimits,
  type OracleGradients,
} from '../oracle_gradients.js';
import {compileInParts, host} from './attend.js';
import {spell, spoilPadding, type Spelled} from './dense_cases.js';
import {callCase, featuresOfCase, inputsRead, problemOfCase, type OptionCase, type Tensors} from './option_cases.js';
import {retiled} from './plans.js';

type Four = [number, number, number, number];

const TRAINED = ['query', 'key', 'value', 'bias', 'relativeBias', 'alibiSlopes', 'sinks'] as const;

/** What comes back for the output, and for the log-sum-exp where the case has it. */
export interface Given {
  readonly dOutput: Float32Array;
  readonly dLogSumExp?: Float32Array;
}

export function drawGiven({seed, aux}: OptionCase, {inputs: {batch, heads, queryLength, valueDim}}: Spelled): Given {
  const random = mulberry32(seed + 1);
  const draw = (length: number): Float32Array => Float32Array.from({length}, () => 2 * random() - 1);
  const dOutput = draw(batch * heads * queryLength * valueDim);
  return {dOutput, ...(aux && {dLogSumExp: draw(batch * heads * queryLength)})};
}

/** All gradients of Σ dOutput·output + Σ dLogSumExp·logSumExp, by the name of the tensor. */
export function gradientsOf(given: OptionCase, spelled: Spelled, {dOutput, dLogSumExp}: Given, names = trained(spelled)): Tensors {
  const {heads, queryLength, valueDim} = spelled.inputs;
  const tensors = spelled.tensors as unknown as Tensors;
  const weights = spelled.laidOut(dOutput, heads, queryLength, valueDim);
  const loss = (...given_: tf.Tensor[]): tf.Tensor => {
    const replaced = Object.fromEntries(names.map((name, i) => [name, given_[i]!]));
    const {output, logSumExp} = callCase(given, spelled, {...tensors, ...replaced});
    const sum = tf.sum(tf.mul(output, weights));
    if (dLogSumExp === undefined) return sum;
    return tf.add(sum, tf.sum(tf.mul(logSumExp!, tf.tensor(dLogSumExp, logSumExp!.shape))));
  };
  const found = tf.grads(loss)(names.map((name) => tensors[name]!));
  return Object.fromEntries(names.map((name, i) => [name, found[i]!]));
}

export const trained = ({tensors}: Spelled): string[] => TRAINED.filter((name) => tensors[name] !== undefined);

/** What the oracle says of each, and how near one has to come. */
export interface ExpectedGradients {
  readonly of: Readonly<Record<string, ArrayLike<number>>>;
  readonly limits: Readonly<Record<string, number>>;
}

export async function expectedGradients(
  given: OptionCase,
  spelled: Spelled,
  {dOutput, dLogSumExp}: Given,
): Promise<ExpectedGradients> {
  const {attends, says, tensors} = spelled;
  // Through the rounding of float16 gradients pass as they are.
  const inputs = inputsRead(given, spelled);
  const expected = oracleGradients(inputs, attends, says, dOutput, dLogSumExp);
  const limits = await gradientTolerance(inputs, attends, says, dOutput, dLogSumExp, expected);
  const sums = Object.entries(reductions(given, spelled)).filter(([name]) => name in tensors);
  return {
    of: {
      ...pick(expected),
      ...Object.fromEntries(sums.map(([name, reduce]) => [name, reduce(expected.scores)])),
      ...(expected.sinks && {sinks: expected.sinks}),
    },
    limits: {
      ...pick(limits),
      ...Object.fromEntries(sums.map(([name, reduce]) => [name, limits.sums(reduce)])),
      sinks: limits.sinks,
    },
  };
}

const pick = <T extends OracleGradients | GradientLimits>({query, key, value}: T): Pick<T, 'query' | 'key' | 'value'> =>
  ({query, key, value}) as Pick<T, 'query' | 'key' | 'value'>;

/** From gradients of scores to those of what was added to them. */
function reductions(
  {queryOffset}: OptionCase,
  {inputs: {batch, heads, queryLength, keyLength}, tensors: {bias, relativeBias}}: Spelled,
): Record<string, (scores: ArrayLike<number>) => Float64Array> {
  const sizes: Four = [batch, heads, queryLength, keyLength];
  const distance = (i: number): number => Math.abs((Math.floor(i / keyLength) % queryLength) + queryOffset - (i % keyLength));
  return {
    bias: (scores) => sumsOfBroadcast(scores, sizes, bias!.shape),
    relativeBias: (scores) => sumsOfDiagonals(scores, sizes, relativeBias!.shape[0]),
    alibiSlopes: (scores) =>
      sumsOfBroadcast(
        Float64Array.from(scores, (x, i) => -x * distance(i)),
        sizes,
        [1, heads, 1, 1],
      ),
  };
}

/** Compares all gradients of a case with the oracle's. With `bad`, keys and values behind its lengths hold that. */
export async function expectGradients(given: OptionCase, what = JSON.stringify(given), bad?: number): Promise<void> {
  const clean = spell(given);
  const spelled = bad === undefined ? clean : {...clean, tensors: spoilPadding(clean, bad).tensors};
  const back = drawGiven(given, spelled);
  await expectSame(gradientsOf(given, spelled, back), spelled, await expectedGradients(given, spelled, back), what);
}

export async function expectSame(
  found: Tensors,
  {tensors, plain}: Spelled,
  expected: ExpectedGradients,
  what: string,
): Promise<void> {
  for (const [name, gradient] of Object.entries(found)) {
    expect(gradient.shape)
      .withContext(`shape of ${name} of ${what}`)
      .toEqual((tensors as unknown as Tensors)[name]!.shape);
    const laid = ['query', 'key', 'value'].includes(name) ? plain(gradient) : gradient;
    await expectGradient(laid, expected.of[name]!, expected.limits[name]!, `${name} of ${what}`);
  }
}

/** A gradient plan as a GPU gets it, with kernels that a software adapter compiles fast. */
export function gradientPlanInParts(
  pattern: Pattern,
  problem: Problem,
  results: KeyResults,
  device: Device = CORE_DEVICE,
): GradientPlan {
  const acsr = compress(pattern, problem);
  const plan = makeGradientPlan({...compileInParts(pattern, problem).plan, device}, acsr, results);
  if (plan.rows.tile.rows !== 32)
    throw new Error(`tiles of ${plan.rows.tile.rows} rows take minutes to compile on a software adapter`);
  const tile = {...plan.rows.tile, unroll: TILES.software.unroll};
  return {
    ...plan,
    rows: retiled(plan.rows, tile),
    keys: {...plan.keys, passes: retiled({tile: plan.rows.tile, passes: plan.keys.passes}, tile).passes},
  };
}

/** Gradients of query, key and value, and of each score, from plans that are cut into parts. */
export function gradientsInParts(
  given: OptionCase,
  spelled: Spelled,
  pattern: Pattern,
  {dOutput, dLogSumExp}: Given,
  device: Device = CORE_DEVICE,
): Tensors {
  const {inputs, options, laidOut} = spelled;
  const {batch, heads, queryLength, keyLength, valueDim} = inputs;
  const {layout, softcap, dropout, seed} = given;
  const features = featuresOfCase(given, spelled);
  const problem = problemOfCase(given);
  const forward = compileInParts(pattern, problem, {features, aux: 'rowSums'});
  const tensors = spelled.tensors as unknown as CallTensors;
  const numbers = {scale: options.scale, layout, ...(softcap !== null && {softcap}), dropout, seed, aux: 'rowSums' as const};
  const [output, rowSums] = launch(host(), forward, tensors, numbers);
  const weights = laidOut(dOutput, heads, queryLength, valueDim);
  const all = {
    ...{...tensors, output: output!, rowSums: rowSums!, dOutput: weights},
    ...(dLogSumExp && {dLogSumExp: tf.tensor3d(dLogSumExp, [batch, heads, queryLength])}),
  };
  const run = (sums: ScoreSums | undefined, shapes: Record<string, number[]>): tf.Tensor[] => {
    const how = {features, dLogSumExp: dLogSumExp !== undefined};
    const plan = gradientPlanInParts(pattern, problem, keyResults(problem, features, sums), device);
    const launches = sums === undefined ? generateGradients(plan, how) : generateScoreGradients(plan, sums, how);
    const runnable = {
      ...{plan: plan.rows, launches, tail: tailOf(plan.rows, features, null)},
      workBytes: {scratch: 16 * gradientScratch(plan).total},
    };
    return runLaunches(host(), resident(runnable), {tensors: all, shapes, call: callParams(tensors, numbers)}).map((info) =>
      tf.engine().makeTensorFromTensorInfo(info),
    );
  };
  const {query, key, value} = tensors;
  const [dQuery, dKey, dValue] = run(undefined, {dQuery: query.shape, dKey: key.shape, dValue: value.shape});
  const shape: Four = [batch, heads, queryLength, keyLength];
  const [dScores] = run({kind: 'pairs', shape}, {dScores: shape});
  const [dKeyScores] = run({kind: 'keys'}, {dKeyScores: [batch, heads, keyLength]});
  return {query: dQuery!, key: dKey!, value: dValue!, scores: dScores!, keyScores: dKeyScores!};
}
