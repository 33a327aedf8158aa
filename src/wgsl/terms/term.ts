import type {Features} from '../text/features.js';
import type {CallParams, TermRole} from '../text/program.js';

/**
 * One thing that a call may add to the scores of a pattern, as kernels know it. A term is a file here and a file in src/runtime/terms, each in
 * the list of its room; features, what lies behind the schedule, the uniform, bindings and the text of kernels follow from the lists.
 *
 * Queries and keys have numbers `a` and `b`, one for each that an invocation owns or meets: `query` and `key` declare what belongs to one of
 * them, in names of the term with that number; what becomes of a pair may use both, and k<b>, the index of the key as i32. Where they stand,
 * `batch`, `head` (of lines) and `params` are there.
 */
export interface ScoreTerm {
  /** Of `Features`. */
  readonly name: string;
  /** The tensors that a call brings with it. */
  readonly brings?: readonly TermTensor[];
  /** The numbers that it adds to the uniform. */
  readonly fields?: readonly TermField[];
  /** What it brings may be as large as float32 goes: see `hasFarScores`. So may what a term `adds`. */
  readonly far?: boolean;
  /** The kernel of tensor cores knows it. */
  readonly matrices?: boolean;
  /** It asks where a key stands: beside slots of a cache held<b> is the position of the key, else k<b>. */
  readonly places?: boolean;

  /** Functions of the module. */
  functions?(beside: Beside): string;
  query?(a: number, row: QueryRow, beside: Beside): string;
  key?(b: number, beside: Beside): string;

  /** What it makes of the score so far, an expression in the unit of scores; first of all it is the product, scaled. In the order of the list. */
  moves?(score: string, a: number, b: number, beside: Beside): string;
  /** The derivative of `moves` by the score so far, and the functions that it needs beside the others; without it, 1. */
  readonly slope?: {readonly functions?: string; of(score: string, a: number, b: number): string};
  /** What it adds after that, a number as calls give it; minus infinity hides the pair. */
  adds?(a: number, b: number, beside: Beside): string;
  /** The condition under which the pair attends, last of all. */
  shows?(a: number, b: number): string;

  /** How many keys a sequence has, as i32; the others are never visited. */
  keyCount?(batch: string): string;
  /** The factor of a probability, which counts in the sum all the same. */
  keeps?(a: number, b: number): string;
  /** The largest that it is. */
  keepsAtMost?(call: CallParams): number;
  /** What a row has seen before its first key: `pair` is (maximum, sum) of row `own` of a line, `logit` that of a query head as calls give it. */
  readonly seen?: {pair(head: string, own: string, batch: string): string; logit(query: string): string};
  /** What it takes from all scores of a row, and `moves` leaves out; in words of calls. */
  apart?(query: string, token: string, batch: string, beside: Beside): Apart | null;
}

/** A tensor of a term: one with a binding of its own, or small and copied behind the schedule, where a number takes a pair. */
export interface TermTensor {
  readonly role: TermRole;
  /** How many numbers; without it, a binding. */
  readonly words?: (sizes: TermSizes) => number;
  /** The numbers are floats. */
  readonly floats?: boolean;
}

export interface TermField {
  readonly name: string;
  readonly type: 'u32' | 'f32' | 'vec4u';
  readonly value: (call: CallParams, sizes: TermSizes & {readonly unit: number}) => number | readonly number[];
}

/** Of a problem. */
export interface TermSizes {
  readonly batch: number;
  readonly heads: number;
  readonly packedHeads: number;
  readonly queryLength: number;
  readonly keyLength: number;
}

/** `row` is the index of a query in its line as u32, `place` that among all rows. Lines hold `packedHeads` heads one after the other. */
export interface QueryRow {
  readonly row: string;
  readonly place: string;
  /** Of a query head among all, and the token of the row. */
  readonly head: string;
  readonly token: string;
}

/** What a term knows of the others. */
export interface Beside {
  readonly features: Features;
  /** Keys are slots of a cache. */
  readonly ring: boolean;
  /** How many keys a sequence has, as i32. */
  readonly keyCount: (batch: string) => string;
  /** Whether a term says so. */
  readonly clips: boolean;
  readonly apart: (query: string, token: string, batch: string) => Apart | null;
}

/** A product: of a head, and of a row. */
export interface Apart {
  readonly factor: string;
  readonly way: string;
}
