import {
  blockLocal,
  causal,
  documents,
  fromMask,
  full,
  globalTokens,
  prefix,
  slidingWindow,
  strided,
  type Pattern,
  type PatternShape,
} from '../src/pattern/index.js';
import {problemOf, type Problem} from '../src/pure.js';
import {mulberry32} from './oracle.js';

/** An attention with a name: tests, goldens and demos speak of the same ones. */
export interface Case {
  readonly name: string;
  readonly pattern: Pattern;
  readonly shape: PatternShape;
  readonly headDim: number;
  readonly valueDim: number;
  readonly heads: number;
  readonly batch: number;
  /** Given where the planner would choose dense at this size and the tiles are the point. */
  readonly implementation?: 'fused';
}

/** The sizes of a case as the planner takes them. */
export const problemOfCase = ({shape, headDim, valueDim, heads, batch}: Case): Problem =>
  problemOf({...shape, headDim, valueDim, heads, batch});

interface Sizes {
  readonly queryLength: number;
  readonly keyLength?: number;
  readonly queryOffset?: number;
  readonly headDim?: number;
  readonly valueDim?: number;
  readonly heads?: number;
  readonly batch?: number;
  readonly implementation?: 'fused';
}

/** Heads of 16 features unless said otherwise: a headDim is a pipeline, and a software adapter takes seconds for each. */
function make(
  name: string,
  pattern: Pattern,
  {
    queryLength,
    keyLength = queryLength,
    queryOffset,
    headDim = 16,
    valueDim = headDim,
    heads = 1,
    batch = 1,
    implementation,
  }: Sizes,
): Case {
  const shape = queryOffset === undefined ? {queryLength, keyLength} : {queryLength, keyLength, queryOffset};
  return {name, pattern, shape, headDim, valueDim, heads, batch, ...(implementation && {implementation})};
}

/** Each pair attends with probability `share`. */
export function randomMask(queryLength: number, keyLength: number, share: number, seed: number): Pattern {
  const random = mulberry32(seed);
  const mask = Uint8Array.from({length: queryLength * keyLength}, () => (random() < share ? 1 : 0));
  return fromMask(mask, {queryLength, keyLength});
}

const window = (left: number, right = left, dilation = 1): Pattern => slidingWindow({left, right, dilation});

/** The first eight are the benchmark's, at sizes that a software adapter runs in milliseconds. */
export const CORPUS: readonly Case[] = [
  make('causal', causal(), {queryLength: 97, heads: 2}),
  make('window', window(16), {queryLength: 130, batch: 2}),
  make('causal-window', window(31, 0), {queryLength: 77}),
  make('dilated', window(4, 4, 8), {queryLength: 264}),
  make('strided-and-local', strided({stride: 8}).and(causal()).or(window(7, 0)), {queryLength: 130, implementation: 'fused'}),
  make('block-local', blockLocal({size: 24}), {queryLength: 100}),
  make('window-and-globals', window(12).or(globalTokens(4)), {queryLength: 96, heads: 2}),
  make('full', full(), {queryLength: 64}),

  make('strided', strided({stride: 5}), {queryLength: 70, implementation: 'fused'}),
  make('scattered-globals', globalTokens([0, 17, 50]), {queryLength: 65}),
  make('prefix-and-causal', prefix(10).or(causal()), {queryLength: 70}),
  make('packed-documents', documents([30, 1, 0, 33, 20]), {queryLength: 84, batch: 2, heads: 3}),
  make('documents-and-causal', documents([50, 14, 36]).and(causal()), {queryLength: 100}),
  make('sinks', prefix(4).or(window(15, 0)).and(causal()), {queryLength: 75}),
  make('all-but-a-window', window(10).not(), {queryLength: 67}),
  make('two-strides', window(5, 5, 3).or(window(4, 4, 7)), {queryLength: 90, implementation: 'fused'}),
  make('coprime-strides', strided({stride: 3}).or(strided({stride: 4})), {queryLength: 90, implementation: 'fused'}),
  make(
    'three-strides',
    window(9, 0, 2)
      .or(window(8, 0, 5))
      .or(window(3, 0)),
    {queryLength: 80, implementation: 'fused'},
  ),
  make('few-queries', causal(), {queryLength: 5, keyLength: 133}),
  make('few-keys', causal(), {queryLength: 133, keyLength: 37}),
  make('offset', window(6, 2), {queryLength: 50, keyLength: 90, queryOffset: 20}),
  make('empty-rows', causal().not().and(prefix(40)), {queryLength: 64}),
  make('nothing', full().not(), {queryLength: 33}),
  make('one-pair', causal(), {queryLength: 1}),
  make('long-rows', globalTokens(3), {queryLength: 40, keyLength: 500, queryOffset: 0, heads: 2}),
  make('long-strided-rows', strided({stride: 2}).or(window(230, 0)), {queryLength: 33, keyLength: 600, implementation: 'fused'}),
  make('unaligned-features', window(9, 3), {queryLength: 61, keyLength: 71, headDim: 5, valueDim: 3, heads: 2}),
  make('random-mask', randomMask(45, 61, 0.5, 1), {queryLength: 45, keyLength: 61}),
  make('irregular-mask', randomMask(21, 330, 0.5, 2), {queryLength: 21, keyLength: 330, heads: 2}),
];

/** The case of a name that is known to exist. */
export function corpusCase(name: string): Case {
  const found = CORPUS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`test/corpus.ts has no case '${name}'`);
  return found;
}
