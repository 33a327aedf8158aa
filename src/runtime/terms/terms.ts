import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import type {Given} from '../../support/index.js';
import {isFarScale, PLAIN, type Features, type Problem, type TermRole} from '../../pure.js';
import {alibiCall, type AlibiOptions} from './alibi.js';
import {biasCall, type BiasOptions} from './bias.js';
import {dropoutCall, type DropoutOptions} from './dropout.js';
import {lengthsCall, type LengthOptions} from './lengths.js';
import {relativeCall, type RelativeOptions} from './relative.js';
import {segmentsCall, type SegmentOptions} from './segments.js';
import {sinksCall, type SinkOptions} from './sinks.js';
import {softcapCall, type SoftcapOptions} from './softcap.js';
import type {Part, TermNumbers} from './part.js';
import type {Brought, CallTerm} from './term.js';

/** What terms of scores take of the options of a call. */
export interface TermOptions
  extends BiasOptions, LengthOptions, SegmentOptions, AlibiOptions, RelativeOptions, SoftcapOptions, SinkOptions, DropoutOptions {}

/** Of those, what a cache takes as calls do. */
export interface CachedOptions extends AlibiOptions, SoftcapOptions, SinkOptions {}

/** All terms, in the order in which they make a score of a product. */
export const CALL_TERMS: CallTerm[] = [
  softcapCall,
  alibiCall,
  biasCall,
  relativeCall,
  segmentsCall,
  lengthsCall,
  sinksCall,
  dropoutCall,
];

/** An option of `sparseAttention` that changes the kernel. */
export type ScoreOption = Exclude<keyof TermOptions, 'seed'>;

/** Its terms by that name. */
export const termOf = (option: string): CallTerm | undefined => CALL_TERMS.find(({options}) => Object.keys(options)[0] === option);

export const scoreOptions = (): ScoreOption[] => CALL_TERMS.map(({options}) => Object.keys(options)[0] as ScoreOption);

/** What follows from a list of terms. */
interface Listed {
  readonly of: readonly CallTerm[];
  readonly names: readonly string[];
  /** What calls bring of which no option is given: the same for all. */
  nothing?: Required<Brought>;
  /** By a bit for each term, and one for far scales: equal ones are one record. */
  readonly features: Map<number, Features>;
}

let listed: Listed = {of: [], names: [], features: new Map()};

/** One record, as long as the list of terms is the same. */
function listedTerms(): Listed {
  const {of} = listed;
  let isSame = of.length === CALL_TERMS.length;
  for (let i = 0; isSame && i < of.length; i++) isSame = of[i] === CALL_TERMS[i];
  if (!isSame) listed = {of: [...CALL_TERMS], names: CALL_TERMS.flatMap(({options}) => Object.keys(options)), features: new Map()};
  return listed;
}

/** The names of all of them: one array, as long as the list of terms is the same. */
export const termNames = (): readonly string[] => listedTerms().names;

interface Checked {
  readonly rank: 3 | 4;
  readonly problem: Problem;
}

/** What the terms of a call bring: one record for all calls that give none of their options. */
export function checkTerms(options: Given<TermOptions>, call: Checked): Required<Brought> {
  const terms = listedTerms();
  for (const name in options) if (terms.names.includes(name)) return broughtBy(CALL_TERMS, (term) => term.check(options, call));
  return (terms.nothing ??= Object.freeze(broughtBy(CALL_TERMS, (term) => term.check(NOTHING, call))));
}

const NOTHING = {};

/** Those that a cache takes as calls do. */
export const cachedTerms = (): CallTerm[] => CALL_TERMS.filter(({cached}) => cached !== undefined);

/** What these bring of a step. */
export const checkCached = (options: Given<CachedOptions>, call: Checked): Required<Brought> =>
  broughtBy(cachedTerms(), (term) => term.check(options, call));

// Loops here and below: every call of sparseAttention passes through, and chains of array methods take five times as long.
export function broughtBy(terms: readonly CallTerm[], of: (term: CallTerm) => Brought): Required<Brought> {
  const all = {tensors: {}, numbers: {}};
  for (const term of terms) {
    const {tensors, numbers} = of(term);
    if (tensors) Object.assign(all.tensors, tensors);
    if (numbers) Object.assign(all.numbers, numbers);
  }
  return all;
}

type Roles = {readonly [role in TermRole]?: unknown};

function isOn({roles, isOn}: CallTerm, tensors: Roles, numbers: TermNumbers): boolean {
  for (const role of roles) if (tensors[role] !== undefined) return true;
  return isOn?.(numbers) === true;
}

/** The terms that a call brings. */
export const termsBrought = (tensors: Roles, numbers: TermNumbers): CallTerm[] =>
  CALL_TERMS.filter((term) => isOn(term, tensors, numbers));

/** What the text of kernels depends on. */
export function featuresOf(tensors: Roles, numbers: TermNumbers, scale: number): Features {
  const farScale = isFarScale({scale, softcap: numbers.softcap});
  const known = listedTerms().features;
  let bits = farScale ? 1 : 0;
  for (let i = 0; i < CALL_TERMS.length; i++) if (isOn(CALL_TERMS[i]!, tensors, numbers)) bits |= 2 << i;
  const found = known.get(bits);
  if (found !== undefined) return found;
  const names = CALL_TERMS.filter((_, i) => (bits & (2 << i)) !== 0).map(({name}) => [name, true]);
  const features: Features = Object.freeze({...PLAIN, farScale, ...Object.fromEntries(names)});
  known.set(bits, features);
  return features;
}

/** The numbers that kernels are told of a call. */
export function termParams(tensors: {readonly [role in TermRole]?: Pick<TensorInfo, 'shape'>}, numbers: TermNumbers): TermNumbers {
  const params: Record<string, unknown> = {};
  for (const term of CALL_TERMS) {
    if (term.numbers) for (const name of term.numbers) if (numbers[name] !== undefined) params[name] = numbers[name];
    if (term.params && isOn(term, tensors, numbers)) Object.assign(params, term.params(tensors));
  }
  return params;
}

/** Whether the tensor of a role is of a term and holds int32. */
export function isIntegerRole(role: string): boolean {
  for (const {roles, integers} of CALL_TERMS) if (integers === true && (roles as readonly string[]).includes(role)) return true;
  return false;
}

/** What rows have seen before their first key, a score in words of calls, broadcastable to [batch, heads, rows, 1]; null for nothing. */
export function seenOf(call: Omit<Part, 'unit' | 'chunk'>): Tensor | null {
  const term = termsBrought(call.inputs, call.options).find(({ops}) => ops.seen);
  return term?.ops.seen!(call) ?? null;
}

/** What terms take from all scores of a row and leave out of them, in words of calls, broadcastable to [batch, heads, rows, 1]; null for nothing. */
export function apartOf(call: Omit<Part, 'unit'>): Tensor | null {
  const parts = termsBrought(call.inputs, call.options).flatMap(({ops}) => ops.apart?.(call) ?? []);
  return parts.length === 0 ? null : parts.reduce((sum, part) => tf.add(sum, part));
}

/** What rows have seen, where scores are without that. */
export function seenBefore(call: Omit<Part, 'unit'>): Tensor | null {
  const [seen, apart] = [seenOf(call), apartOf(call)];
  return seen === null || apart === null ? seen : tf.add(seen, apart);
}
