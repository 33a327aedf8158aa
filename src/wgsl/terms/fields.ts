import type {Work} from '../../plan/index.js';
import type {Features} from '../text/features.js';
import {paramsText, type Field} from '../text/params.js';
import type {CallParams, TermRole} from '../text/program.js';
import {heldPairs} from '../text/held.js';
import {scoreUnit, termsOf} from './terms.js';
import type {TermField, TermTensor} from './term.js';

/** The tensors of a call that are copied behind the schedule, one word a pair: a binding each would be more than a stock device has. */
export const gatheredTensors = (features: Features): (TermTensor & {readonly words: NonNullable<TermTensor['words']>})[] =>
  termsOf(features).flatMap(({brings = []}) => brings.flatMap((each) => (each.words ? [{...each, words: each.words}] : [])));

/** Those with bindings of their own. */
export const boundTensors = (features: Features): TermRole[] =>
  termsOf(features).flatMap(({brings = []}) => brings.filter(({words}) => words === undefined).map(({role}) => role));

export interface Tail {
  /** Pair offset of the mask bits. */
  readonly maskBits: number;
  /** Pairs of mask bits. */
  readonly maskPairs: number;
  /** Pairs of what their tiles hold, behind them. */
  readonly statePairs: number;
  /** Pair offset of what a cache holds. */
  readonly held: number;
  /** The tensors that are copied there: pair offset and number of words of each. */
  readonly gathered: readonly {readonly role: TermRole; readonly at: number; readonly words: number}[];
  /** Pairs of the whole buffer. */
  readonly pairs: number;
}

/** What follows the schedule in its buffer: the bits of a mask tensor, what a cache holds, what calls bring. */
export function tailOf(
  {problem, schedule, tile}: Pick<Work, 'problem' | 'schedule'> & {readonly tile: Pick<Work['tile'], 'rows'>},
  features: Features,
  maskShape: readonly number[] | null,
): Tail {
  const {batch, keyLength} = problem;
  const [maskBatch, maskHeads, maskRows] = maskShape ?? [0, 0, 0];
  const maskPairs = maskBatch! * maskHeads! * maskRows! * pairsPerRow(keyLength);
  const maskBits = schedule.length / 2;
  const states = maskShape === null ? 0 : statePairs(maskShape, tile.rows, pairsPerRow(keyLength));
  const held = maskBits + maskPairs + states;
  let pairs = held + (features.ring ? heldPairs(batch) : 0);
  const gathered = gatheredTensors(features).map(({role, words}) => {
    const own = {role, at: pairs, words: words(problem)};
    pairs += own.words;
    return own;
  });
  return Object.freeze({maskBits, maskPairs, statePairs: states, held, gathered, pairs});
}

/** Pairs of states of a mask tensor of a shape, for tiles of so many rows. */
const statePairs = ([batch, heads, rows]: readonly number[], tileRows: number, perRow: number): number =>
  batch! * heads! * Math.ceil(rows! / tileRows) * perRow;

/** A row of mask bits: 64 keys a pair. */
export const pairsPerRow = (keyLength: number): number => Math.ceil(keyLength / 64);

/** Vectors first, which are aligned to their size. */
const fieldsOfTerms = (features: Features): TermField[] => {
  const fields = termsOf(features).flatMap(({fields = []}) => fields);
  return [...fields.filter(({type}) => type === 'vec4u'), ...fields.filter(({type}) => type !== 'vec4u')];
};

/** What the terms of a call have in the uniform: their numbers, and where their tensors lie. */
export function fieldsOf(features: Features, {problem}: Pick<Work, 'problem'>, {gathered}: Tail): (call: CallParams) => Field[] {
  const fields = fieldsOfTerms(features);
  const sizes = {...problem, unit: scoreUnit(features)};
  const offsets = gathered.map(({role, at}): Field => ({name: role, type: 'u32', values: [at]}));
  return (call) => [...fields.map(({name, type, value}): Field => ({name, type, values: [value(call, sizes)].flat()})), ...offsets];
}

/** The largest factor that terms give a probability. */
export function keptAtMost(features: Features): (call: CallParams) => number {
  const terms = termsOf(features);
  return (call) => terms.reduce((most, term) => most * (term.keepsAtMost?.(call) ?? 1), 1);
}

/** `Params` of programs that compute scores. */
export const paramsOf = (features: Features): string =>
  paramsText([...fieldsOfTerms(features), ...gatheredTensors(features).map(({role}) => ({name: role, type: 'u32'}) as const)]);
