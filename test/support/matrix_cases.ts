// What tensor cores have to get right, as data: test/gpu/kernels/kernels_matrix.test.ts runs it.
import {
  blockLocal,
  causal,
  fromMask,
  full,
  globalTokens,
  prefix,
  slidingWindow,
  strided,
  type Pattern,
  type ResolvedShape,
} from '../../src/pattern/index.js';
import {TILES, type TileName} from '../../src/plan/configurations.js';
import type {Implementation, Problem} from '../../src/plan/index.js';
import {randomMask} from '../corpus.js';
import {broadcastBias, mulberry32, randomInputs, type AttentionInputs, type Bias} from '../oracle.js';
import {problemFor} from './plans.js';

export interface MatrixCase {
  readonly name: string;
  readonly pattern: Pattern;
  readonly problem: Problem;
  readonly implementation: Implementation;
  readonly inputs: AttentionInputs;
  /** Default 1/√headDim. */
  readonly scale?: number;
  readonly bias?: {readonly shape: readonly [number, number, number, number]; readonly data: Float32Array};
  /** Default: the planner's. */
  readonly tile?: TileName;
  /** Long rows are not cut into parts, as on a GPU that many heads keep busy. */
  readonly whole?: true;
}

export const biasOf = ({bias}: MatrixCase): {bias?: Bias} => (bias ? {bias: broadcastBias(bias.data, bias.shape)} : {});

type Sizes = Partial<Problem>;

function make(name: string, pattern: Pattern, shape: ResolvedShape, sizes: Sizes, rest: Partial<MatrixCase> = {}): MatrixCase {
  const problem = problemFor(shape, sizes);
  const implementation = rest.implementation ?? 'fused';
  const tile = rest.tile === undefined ? '' : `, tile ${rest.tile}`;
  const what = `${name}: ${pattern.toString().slice(0, 80)}, ${shape.queryLength} × ${shape.keyLength} at ${shape.queryOffset}`;
  return {
    pattern,
    problem,
    inputs: gaussianInputs(problem),
    ...rest,
    implementation,
    name: `${what}, ${problem.batch} × ${problem.heads} heads of ${problem.headDim} → ${problem.valueDim}, ${implementation}${tile}`,
  };
}

const square = (length: number): ResolvedShape => ({queryLength: length, keyLength: length, queryOffset: 0});

/** Inputs as models have them: N(0, 1), the same on every machine but for the last bits of a logarithm. */
export function gaussianInputs(problem: Problem, seed = 7): AttentionInputs {
  const random = mulberry32(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const {query, key, value} = randomInputs(problem);
  for (const tensor of [query, key, value]) for (let i = 0; i < tensor.length; i++) tensor[i] = normal();
  return {...problem, query, key, value};
}

/** The same with keys changed: `change(x, key, feature)` for every head. */
function withKeys(inputs: AttentionInputs, change: (x: number, key: number, feature: number) => number): AttentionInputs {
  const {headDim, keyLength} = inputs;
  return {...inputs, key: inputs.key.map((x, i) => change(x, Math.floor(i / headDim) % keyLength, i % headDim))};
}

const local = slidingWindow({left: 40, right: 40});
const stridedAndLocal = strided({stride: 16})
  .and(causal())
  .or(slidingWindow({left: 15}));
const longformer = slidingWindow({left: 32, right: 32}).or(globalTokens(5));

function* patterns(): Generator<MatrixCase> {
  for (const headDim of [16, 64]) {
    for (const [name, pattern, shape] of [
      ['causal', causal(), square(300)],
      ['window', local, square(301)],
      ['dilated', slidingWindow({left: 16, right: 16, dilation: 8}), square(523)],
      ['strided and local, two passes', stridedAndLocal, square(260)],
      ['longformer', longformer, square(320)],
      ['full', full(), {queryLength: 130, keyLength: 201, queryOffset: 0}],
      ['block-local', blockLocal({size: 48}), square(200)],
      [
        'three passes',
        slidingWindow({left: 40, right: 0, dilation: 2})
          .or(slidingWindow({left: 30, right: 5, dilation: 5}))
          .or(slidingWindow({left: 3})),
        square(180),
      ],
      ['fewer queries', causal(), {queryLength: 37, keyLength: 100, queryOffset: 63}],
      ['fewer keys, so rows without any', causal(), {queryLength: 100, keyLength: 37, queryOffset: -63}],
      ['an offset before the keys', local, {queryLength: 90, keyLength: 80, queryOffset: -50}],
      ['an offset past the keys', local, {queryLength: 90, keyLength: 80, queryOffset: 45}],
      ['empty rows', causal().not().and(prefix(40)), square(64)],
      ['nothing', full().not(), square(33)],
      ['one pair', causal(), square(1)],
      ['seventeen keys', full(), {queryLength: 31, keyLength: 17, queryOffset: 0}],
    ] as const) {
      yield make(name, pattern, shape, {headDim, heads: 2});
      if (headDim === 16) yield make(name, pattern, shape, {headDim, heads: 2}, {implementation: 'dense'});
    }
    yield make(
      'random mask',
      randomMask(90, 130, 0.4, 3),
      {queryLength: 90, keyLength: 130, queryOffset: 0},
      {headDim, batch: 2, heads: 3},
      {implementation: 'dense'},
    );
    yield make(
      'sparse random mask, with empty rows',
      randomMask(70, 77, 0.02, 4),
      {queryLength: 70, keyLength: 77, queryOffset: 0},
      {headDim, heads: 2},
      {implementation: 'dense'},
    );
  }
}

/** [headDim, valueDim]: whole fragments, padded ones, few and many. */
const DIMS = [
  [16, 16],
  [16, 32],
  [32, 16],
  [48, 64],
  [64, 48],
  [80, 80],
  [96, 128],
  [128, 96],
  [128, 128],
  [5, 3],
  [100, 20],
  [1, 127],
] as const;

function* widths(): Generator<MatrixCase> {
  const pattern = slidingWindow({left: 30, right: 9}).or(globalTokens(2));
  for (const [headDim, valueDim] of DIMS) {
    const shape = {queryLength: 77, keyLength: 90, queryOffset: 13};
    yield make('widths', pattern, shape, {headDim, valueDim, heads: 2, batch: 2});
    yield make('widths', pattern, shape, {headDim, valueDim}, {implementation: 'dense'});
    yield make('widths, long rows', causal(), {...square(290)}, {headDim, valueDim});
  }
}

function* tiles(): Generator<MatrixCase> {
  for (const tile of ['matrix', 'matrixEager', 'matrixNarrow'] as const) {
    for (const headDim of [16, 64]) {
      yield make('a tile', local, square(301), {headDim, heads: 2}, {tile});
      yield make('a tile', stridedAndLocal, square(260), {headDim}, {tile});
      yield make('a tile', causal(), square(263), {headDim}, {tile, implementation: 'dense'});
      yield make('a tile, every reference outgrown', causal(), square(263), {headDim}, {tile, ...growing(square(263), {headDim})});
    }
  }
}

/** One or two heads do not fill a GPU, so rows are cut into parts of about 192 keys. */
function* parts(): Generator<MatrixCase> {
  const atEnd = (keyLength: number): ResolvedShape => ({queryLength: 60, keyLength, queryOffset: keyLength - 60});
  const wide = slidingWindow({left: 450});
  for (const headDim of [16, 64]) {
    yield make('parts', full(), atEnd(1300), {headDim, heads: 2});
    yield make('parts', globalTokens(5), {...atEnd(1300), queryOffset: 0}, {headDim});
    yield make('parts of the first of two passes', wide.or(strided({stride: 9}).and(slidingWindow({left: 550}))), atEnd(1300), {
      headDim,
    });
    yield make('parts of both passes', wide.or(strided({stride: 2})), atEnd(1300), {headDim, heads: 2});
    yield make(
      'parts, every reference outgrown',
      wide.or(strided({stride: 2})),
      atEnd(1300),
      {headDim},
      growing(atEnd(1300), {headDim}),
    );
  }
}

const growing = (shape: ResolvedShape, sizes: Sizes): Pick<MatrixCase, 'inputs'> => ({
  inputs: withKeys(gaussianInputs(problemFor(shape, sizes)), (x, key) => x * (0.2 + (6 * key) / shape.keyLength)),
});

type BiasOf = (random: () => number, batch: number, head: number, query: number, key: number) => number;

function withBias(
  name: string,
  pattern: Pattern,
  shape: ResolvedShape,
  sizes: Sizes,
  dims: string,
  bias: BiasOf,
  implementation: Implementation,
): MatrixCase {
  const {batch, heads, queryLength, keyLength} = problemFor(shape, sizes);
  const full = {b: batch, h: heads, q: queryLength, k: keyLength};
  const [b, h, q, k] = [...'bhqk'].map((dim) => (dims.includes(dim) ? full[dim as keyof typeof full] : 1)) as [
    number,
    number,
    number,
    number,
  ];
  const random = mulberry32(11);
  const data = Float32Array.from({length: b * h * q * k}, (_, i) =>
    bias(random, Math.floor(i / (h * q * k)), Math.floor(i / (q * k)) % h, Math.floor(i / k) % q, i % k),
  );
  return make(`bias [${[b, h, q, k].join()}] ${name}`, pattern, shape, sizes, {bias: {shape: [b, h, q, k], data}, implementation});
}

function* biases(): Generator<MatrixCase> {
  const shape = {queryLength: 75, keyLength: 100, queryOffset: 25};
  const window = slidingWindow({left: 50, right: 50});
  for (const headDim of [16, 64]) {
    for (const implementation of ['fused', 'dense'] as const) {
      const sizes = {headDim, batch: 2, heads: 2};
      for (const [name, pattern, dims, bias] of [
        ['random', window, 'bhqk', (random) => 8 * random() - 4],
        ['of keys', window, 'k', (random) => 8 * random() - 4],
        ['of heads and queries', window, 'hq', (random) => 8 * random() - 4],
        ['of one number', window, '', () => 3],
        ['hiding 40 % of the keys by −Infinity', full(), 'bhqk', (random) => (random() < 0.4 ? -Infinity : random())],
        ['hiding padding by −Infinity, all of batch 1', full(), 'bk', (_, b, _h, _q, k) => (b === 1 || k > 70 ? -Infinity : 0)],
        ['of −Infinity in every third row', full(), 'qk', (_, _b, _h, q) => (q % 3 === 0 ? -Infinity : 0)],
        ['of −Infinity in all rows of a window', window, 'bhqk', () => -Infinity],
        ['of −Infinity in the first tile', full(), 'k', (random, _b, _h, _q, k) => (k < 16 ? -Infinity : random())],
        ['of −Infinity in all but the last key', full(), 'k', (_, _b, _h, _q, k) => (k < 99 ? -Infinity : 0)],
        ['of −Infinity from the second tile on', full(), 'k', (_, _b, _h, _q, k) => (k >= 16 ? -Infinity : 0)],
        ['of −1e9 in the first tile', full(), 'k', (random, _b, _h, _q, k) => (k < 16 ? -1e9 : random())],
        ['of −1e4 in the first tile', full(), 'k', (random, _b, _h, _q, k) => (k < 16 ? -1e4 : random())],
        ['of −30 in the first tile', full(), 'k', (random, _b, _h, _q, k) => (k < 16 ? -30 : random())],
        ['of −3.4e38 in the first tile', full(), 'k', (random, _b, _h, _q, k) => (k < 16 ? -3.4028234663852886e38 : random())],
        ['of −1e9 everywhere but in one tile', full(), 'k', (_, _b, _h, _q, k) => (k >> 4 === 3 ? 0 : -1e9)],
        ['of −3.4e38 everywhere: a uniform row', window, 'qk', () => -3.4028234663852886e38],
        [
          'of −3.4e38 in every third row, −Infinity in every fifth',
          window,
          'qk',
          (_, _b, _h, q) => (q % 5 === 0 ? -Infinity : q % 3 === 0 ? -3.4028234663852886e38 : 0),
        ],
        ['of −1e9 in a whole batch', full(), 'bk', (_, b) => (b === 1 ? -1e9 : 0)],
        ['of 3e4 on keys that the pattern hides', causal(), 'qk', (_, _b, _h, q, k) => (k > q + 25 ? 3e4 : 0)],
        ['of NaN on keys that the pattern hides', causal(), 'qk', (_, _b, _h, q, k) => (k > q + 25 ? NaN : 0)],
        ['of −Infinity where two passes begin', stridedAndLocal, 'qk', (random) => (random() < 0.3 ? -Infinity : random())],
        ['growing along the row', full(), 'k', (_, _b, _h, _q, k) => 0.9 * k],
        ['falling along the row', full(), 'k', (_, _b, _h, _q, k) => -0.9 * k],
      ] as const satisfies readonly (readonly [string, Pattern, string, BiasOf])[]) {
        if (headDim === 64 && implementation === 'dense') continue;
        yield withBias(name, pattern, shape, sizes, dims, bias, implementation);
      }
    }
  }
}

function* adversaries(): Generator<MatrixCase> {
  for (const headDim of [16, 64]) {
    const sizes = {headDim, heads: 2};
    for (const implementation of ['fused', 'dense'] as const) {
      const add = (
        name: string,
        pattern: Pattern,
        shape: ResolvedShape,
        change: (given: AttentionInputs) => AttentionInputs,
        scale?: number,
      ): MatrixCase => {
        const inputs = change(gaussianInputs(problemFor(shape, sizes)));
        return make(name, pattern, shape, sizes, {inputs, implementation, ...(scale !== undefined && {scale})});
      };
      const same = (inputs: AttentionInputs): AttentionInputs => inputs;
      const usual = 1 / Math.sqrt(headDim);
      const grow = (inputs: AttentionInputs): AttentionInputs =>
        withKeys(inputs, (x, key) => x * (0.2 + (6 * key) / inputs.keyLength));
      const shrink = (inputs: AttentionInputs): AttentionInputs =>
        withKeys(inputs, (x, key) => x * (6.2 - (6 * key) / inputs.keyLength));
      for (const [name, pattern] of [
        ['causal', causal()],
        ['window', local],
        ['longformer', longformer],
        ['full', full()],
      ] as const) {
        yield add(`key norms growing 30 times, ${name}`, pattern, square(250), grow);
        yield add(`key norms falling 30 times, ${name}`, pattern, square(250), shrink);
      }
      yield add('key norms growing 30 times, two passes', stridedAndLocal, square(260), grow);
      yield add('constant keys', causal(), square(200), (inputs) => withKeys(inputs, () => 0.5));
      yield add('constant keys', full(), square(200), (inputs) => withKeys(inputs, () => -3));
      yield add('keys of zeros', local, square(200), (inputs) => withKeys(inputs, () => 0));
      for (const [what, scale] of [
        ['100 times', 100 * usual],
        ['1e-4 of', 1e-4 * usual],
        ['minus', -usual],
        ['−100 times', -100 * usual],
        ['zero times', 0],
      ] as const) {
        yield add(`${what} the usual scale`, local, square(203), same, scale);
        yield add(
          `${what} the usual scale, rows without keys`,
          causal(),
          {queryLength: 100, keyLength: 60, queryOffset: -30},
          same,
          scale,
        );
        yield add(`${what} the usual scale, key norms growing`, causal(), square(203), grow, scale);
      }
      yield add('one huge key at the end', full(), {queryLength: 70, keyLength: 300, queryOffset: 0}, (inputs) =>
        withKeys(inputs, (x, key) => (key === 299 ? 60 * x : x)),
      );
      yield add('one huge key at the beginning', causal(), square(300), (inputs) =>
        withKeys(inputs, (x, key) => (key === 0 ? 60 * x : x)),
      );
      // The first tile of a span, which most of its rows do not attend to, has scores above all others by so many powers of e.
      for (const above of [3, 6, 9, 11, 12, 13, 14, 15, 16, 18, 25, 60, 300]) {
        const far = {queryLength: 64, keyLength: 400, queryOffset: 336};
        const pattern = slidingWindow({left: 180});
        for (const alike of [false, true]) {
          const inputs = (given: AttentionInputs): AttentionInputs => ({
            ...withKeys(given, (x, key, feature) => (feature > 0 ? (alike ? 0 : x) : key >= 156 && key < 172 ? above / usual : 0)),
            query: given.query.map((x, i) => (i % headDim === 0 ? 1 : x)),
          });
          yield add(`hidden first keys e^${above} above ${alike ? 'equal' : 'other'} ones`, pattern, far, inputs);
        }
      }
    }
  }
}

/** Even rows attend to all keys, odd ones to none. */
function everyOtherRow(queryLength: number, keyLength: number): Pattern {
  const mask = Uint8Array.from({length: queryLength * keyLength}, (_, pair) => 1 - (Math.floor(pair / keyLength) % 2));
  return fromMask(mask, {queryLength, keyLength});
}

/**
 * Rows that attend to nothing, or to nothing in a part or a pass, beside rows whose reference is outgrown: they are computed again together.
 * A hidden score times the scale is rounded up for some scales and down for others, hence the many widths.
 */
function* rowsWithoutKeys(): Generator<MatrixCase> {
  for (const headDim of [16, 32, 48, 64, 128]) {
    for (const implementation of ['fused', 'dense'] as const) {
      const add = (name: string, pattern: Pattern, shape: ResolvedShape, scale?: number): MatrixCase => {
        const sizes = {headDim, valueDim: 16};
        return make(name, pattern, shape, sizes, {...growing(shape, sizes), implementation, ...(scale !== undefined && {scale})});
      };
      yield add('every other row is empty', everyOtherRow(70, 200), {queryLength: 70, keyLength: 200, queryOffset: 130});
      yield add('rows before the first key', causal(), {queryLength: 100, keyLength: 80, queryOffset: -20});
      yield add('empty rows', causal().not().and(prefix(40)), square(64));
      if (headDim === 16) {
        for (const scale of [0.1, 0.3, -0.3, -0.25, 0.9, 1.7, 0])
          yield add(
            `every other row is empty, scale ${scale}`,
            everyOtherRow(70, 200),
            {queryLength: 70, keyLength: 200, queryOffset: 130},
            scale,
          );
      }
      if (implementation === 'dense') continue;
      yield add('parts that some rows have no keys in', globalTokens(5), {queryLength: 60, keyLength: 700, queryOffset: 0});
      yield add('a second pass without keys', slidingWindow({left: 40}).or(strided({stride: 30}).and(prefix(60))), square(200));
    }
  }
}

/** The hidden first keys of above, before rows of so many equal keys that each has a small share of the sum. */
function* longWholeRows(): Generator<MatrixCase> {
  for (const left of [500, 2000]) {
    for (const above of [9, 11, 12, 13, 14, 15, 16]) {
      const shape = {queryLength: 64, keyLength: left + 220, queryOffset: left + 156};
      const given = gaussianInputs(problemFor(shape));
      const inputs = {
        ...withKeys(given, (_, key, feature) => (feature === 0 && key >= 156 && key < 172 ? 4 * above : 0)),
        query: given.query.map((x, i) => (i % 16 === 0 ? 1 : x)),
      };
      yield make(
        `hidden first keys e^${above} above equal ones, rows whole`,
        slidingWindow({left}),
        shape,
        {},
        {
          inputs,
          tile: 'matrixNarrow',
          whole: true,
        },
      );
    }
  }
}

/** The cases by what they are about. */
export const MATRIX_CASES: Readonly<Record<string, () => Iterable<MatrixCase>>> = {
  'patterns and lengths': patterns,
  'features of queries and values': widths,
  'each of its tile shapes': tiles,
  'rows in parts': parts,
  biases,
  'rows without keys': rowsWithoutKeys,
  'inputs that are made to break it': adversaries,
  'long rows that are not cut': longWholeRows,
};

export const tileOf = ({tile}: MatrixCase): {tile?: (typeof TILES)[TileName]} => (tile === undefined ? {} : {tile: TILES[tile]});
