// Calls with more features than our kernels take, for every backend. Importers need the gradients of tf ops: '@tensorflow/tfjs'.
import {BASE, type OptionCase} from './option_cases.js';

const SMALL: Partial<OptionCase> = {queryLength: 9, keyLength: 14, queryOffset: 5, implementation: 'auto'};

/** Widths past 256 of queries, of values, of both; each option, both layouts, rank 3, grouped heads, masks. */
export const WIDE: readonly (readonly [string, OptionCase])[] = (
  [
    ['queries of 257', {headDim: 257, valueDim: 3}],
    ['values of 300 on the dense kernel', {headDim: 5, valueDim: 300, implementation: 'dense'}],
    ['512 features and a log-sum-exp', {headDim: 512, valueDim: 512, aux: true}],
    ['1,024 features, heads after rows', {headDim: 1024, valueDim: 1024, keyHeads: 1, layout: 'blhd'}],
    ['one head of rank 3, bits', {headDim: 300, valueDim: 300, keyHeads: 1, group: 1, rank3: true, pattern: 'strided(stride: 3)'}],
    [
      'rows without keys beside sinks',
      {headDim: 260, valueDim: 4, pattern: 'slidingWindow(left: 1)', queryOffset: -3, sinks: true, aux: true},
    ],
    ['a mask of each head', {headDim: 260, valueDim: 4, pattern: null, mask: [true, true, true, true]}],
    ['a mask of keys', {headDim: 4, valueDim: 260, pattern: null, mask: [true, false, false, true]}],
    ['a bias with excluded keys, and lengths', {headDim: 260, valueDim: 4, bias: [true, false, true, true], lengths: true}],
    ['segments, slopes and a relative bias', {headDim: 260, valueDim: 4, segments: true, alibi: true, relative: 'heads'}],
    ['a softcap and dropout', {headDim: 260, valueDim: 260, softcap: 1.5, dropout: 0.3, seed: 5, pattern: null}],
    ['one query', {headDim: 512, valueDim: 512, queryLength: 1, queryOffset: 13}],
  ] as const satisfies readonly (readonly [string, Partial<OptionCase>])[]
).map(([name, changes]) => [name, {...BASE, ...SMALL, ...changes}]);
