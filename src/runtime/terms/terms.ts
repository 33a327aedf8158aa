import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, TensorInfo} from '@tensorflow/tfjs-core';
import type {Given, NamesOf} from '../../support/index.js';
import {isFarScale, PLAIN, type Features, type Problem, type TermRole} from '../../pure.js';
import {alibiCall, type AlibiOptions} from './alibi.js';
import {biasCall, type BiasOptions} from './bias.js';
import {dropoutCall, type DropoutOptions} from './dropout.js';
import {lengthsCall, type LengthOptions} from './lengths.js';
import {relativeCall, type RelativeOptions} from './relative.js';
import {segmentsCall, type SegmentOptions} from './segments.js';
import {sinksCall, type SinkOptions} from './sinks.js';
import {softcapCall, type SoftcapOptions} from './softcap.js';
import type {Part, TermNumbers, TermTensors} from './part.js';
import type {Brought, CallTerm} from './term.js';

/** What terms of scores take of the options of a call. */
export interface TermOptions
  extends BiasOptions, LengthOptions, SegmentOptions, AlibiOptions, RelativeOptions, SoftcapOptions, SinkOptions, DropoutOptions {}

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

/** The names of all of them. */
export const termNames = (): NamesOf<TermOptions> =>
  Object.assign({}, ...CALL_TERMS.map(({options}) => options)) as NamesOf<TermOptions>;

/** What the terms of a call bring. */
export function checkTerms(
  options: Given<TermOptions>,
  call: {readonly rank: 3 | 4; readonly problem: Problem},
): Required<Brought> {
  return together(CALL_TERMS.map((term) => term.check(options as never, call)));
}

export function together(brought: readonly Brought[]): Required<Brought> {
  const tensors: TermTensors = Object.assign({}, ...brought.map(({tensors}) => tensors));
  const numbers: TermNumbers = Object.assign({}, ...brought.map(({numbers}) => numbers));
  return {tensors, numbers};
}

type Roles = {readonly [role in TermRole]?: unknown};

const isOn = ({roles, isOn}: CallTerm, tensors: Roles, numbers: TermNumbers): boolean =>
  roles.some((role) => tensors[role] !== undefined) || isOn?.(numbers) === true;

/** The terms that a call brings. */
export const termsBrought = (tensors: Roles, numbers: TermNumbers): CallTerm[] =>
  CALL_TERMS.filter((term) => isOn(term, tensors, numbers));

/** What the text of kernels depends on. */
export const featuresOf = (tensors: Roles, numbers: TermNumbers & {readonly scale: number}): Features => ({
  ...PLAIN,
  ...Object.fromEntries(termsBrought(tensors, numbers).map(({name}) => [name, true])),
  farScale: isFarScale(numbers),
});

/** The numbers of a call that are those of terms. */
export const numbersOf = (numbers: TermNumbers): TermNumbers =>
  Object.fromEntries(
    CALL_TERMS.flatMap(({numbers: names = []}) => names).flatMap((name) =>
      numbers[name] === undefined ? [] : [[name, numbers[name]]],
    ),
  );

/** The numbers that kernels are told of a call. */
export const termParams = (tensors: {readonly [role in TermRole]?: Pick<TensorInfo, 'shape'>}, numbers: TermNumbers): TermNumbers =>
  Object.assign(numbersOf(numbers), ...termsBrought(tensors, numbers).map((term) => term.params?.(tensors))) as TermNumbers;

/** Roles of terms whose tensors hold int32. */
export const integerRoles = (): TermRole[] => CALL_TERMS.flatMap(({roles, integers}) => (integers ? roles : []));

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
