import {isList, refuse, say} from '../support/index.js';
import type {PatternNode} from './node.js';

/** A call of each builder. `fromMask` makes masks. */
const CALLS: Readonly<Record<Exclude<PatternNode['kind'], 'mask'> | 'fromMask', string>> = {
  full: 'full()',
  causal: 'causal()',
  slidingWindow: 'slidingWindow({left: 64, right: 64})',
  strided: 'strided({stride: 8})',
  blockLocal: 'blockLocal({size: 64})',
  globalTokens: 'globalTokens(4)',
  prefix: 'prefix(4)',
  documents: 'documents([100, 28])',
  fromMask: 'fromMask(mask, {queryLength, keyLength})',
  and: 'pattern.and(other)',
  or: 'pattern.or(other)',
  not: 'pattern.not()',
  perHead: 'perHead([causal(), full()])',
  perBatch: 'perBatch([causal(), full()])',
};

/** Refuses what stands in the place of a pattern, and says what it is and how a pattern is made of it. */
export function refusePattern(thing: string, given: unknown, expected = 'a Pattern'): never {
  const [found, cure] = recognise(given);
  return refuse(thing, found, expected, cure);
}

/** What it is, and the cure. */
function recognise(given: unknown): readonly [found: string, cure: string] {
  if (typeof given === 'function') {
    // Minifiers take names away.
    const call = Object.entries(CALLS).find(([name]) => name === given.name)?.[1];
    return [
      `${say(given)}, not called`,
      call === undefined ? 'Call it, as in causal(): a pattern is what it returns.' : `Call it: ${call}.`,
    ];
  }
  if (typeof given === 'string') {
    const isJSON = /^\s*\{/.test(given);
    return [
      say(given),
      isJSON
        ? 'Read JSON with patternFromJSON(JSON.parse(text)).'
        : 'Read text with parsePattern(text), or make a pattern with a builder such as slidingWindow({left: 64, right: 64}).',
    ];
  }
  if (isList(given)) return recogniseList(given);
  if (typeof given !== 'object' || given === null) return [say(given), `Make one with a builder such as ${CALLS.slidingWindow}.`];
  const {then, kind, dtype, shape, pattern} = given as Readonly<Record<string, unknown>>;
  if (typeof then === 'function')
    return ['a promise', 'Forgot await? Write await patternFromMask(mask), and so with all that takes time.'];
  if (typeof kind === 'string') return [`JSON, {kind: '${kind}'}`, 'Read it with patternFromJSON(json).'];
  if (typeof dtype === 'string' && Array.isArray(shape))
    return [`a tensor of dtype ${dtype}, [${shape.join(', ')}]`, 'Read a boolean mask back, once: await patternFromMask(mask).'];
  if (pattern !== undefined) return ['an object that has a pattern', 'Take it out: object.pattern.'];
  return ['an object', `Make a pattern with a builder such as ${CALLS.slidingWindow}.`];
}

function recogniseList(list: ArrayLike<unknown>): readonly [found: string, cure: string] {
  const first = list[0];
  if (typeof first === 'object' && first !== null && 'node' in first)
    return [
      'an array of patterns',
      'One for each query head is perHead(patterns), for each sequence perBatch(patterns); first.or(second) has the pairs of both, ' +
        'first.and(second) those that both have.',
    ];
  return [
    'an array',
    'Make a pattern of a mask with fromMask(values, {queryLength, keyLength}), its rows one after another: mask.flat(). Builders such ' +
      'as causal() make the others.',
  ];
}
