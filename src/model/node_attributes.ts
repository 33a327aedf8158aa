import {refuse} from '../support/index.js';
import {LEADING} from './axes.js';
import type {Term} from './normal_form.js';

/** How a term of the scores is read; see `Term` of the normal form. */
export type TermKind = {readonly kind: 'add'; readonly factor: number} | {readonly kind: Exclude<Term['kind'], 'add'>};

const WORDS: Readonly<Record<string, TermKind>> = {
  times: {kind: 'times'},
  over: {kind: 'over'},
  keep: {kind: 'keep'},
  drop: {kind: 'drop'},
} satisfies Record<Exclude<Term['kind'], 'add'>, TermKind>;

/** The attributes of a `SparseAttention` node, as the op reads them. */
export interface NodeAttributes {
  /** The axes of query, key and value, a letter each; see `arrange`. */
  readonly reads: readonly string[];
  /** Those of the output. */
  readonly writes: string;
  readonly terms: readonly TermKind[];
  /** What the scores are broadcast to besides, as constants that were folded did; empty: nothing. */
  readonly broadcast: readonly number[];
  /** Heads of axes `m`. */
  readonly heads: number;
  readonly layout: 'bhld' | 'blhd';
  readonly pattern: string;
  readonly implementation: string;
  readonly scale: number;
  readonly queryOffset?: number;
}

/** Merged and leading axes, or `*` for those of any rank, in any order with l and d; tfjs turns tensors of up to 6 axes. */
const AXES = /^(\*[ld]{2}|[xyzabhmld]{2,6})$/;
const MOST_AXES = 8;

/** The attributes of a node. A model.json may hold anything: throws a `SplatError` unless they are such as a swap writes. */
export function readAttributes(attrs: Readonly<Record<string, unknown>>, inputs: number): NodeAttributes {
  const text = (name: string): string => (typeof attrs[name] === 'string' ? attrs[name] : '');
  const number = (name: string): number => (typeof attrs[name] === 'number' ? attrs[name] : NaN);
  const axes = text('axes');
  const [read = '', writes = '', ...more] = axes.split('->');
  const reads = read.split(',');
  if (reads.length !== 3 || more.length > 0 || ![...reads, writes].every(isSpec)) {
    wrong('axes', say(attrs['axes']), "the axes of query, key, value and output, such as 'blhd,blhd,blhd->blhd'");
  }
  const terms = text('terms').split(' ').filter(Boolean).map(kindOf);
  if (terms.includes(undefined)) wrong('terms', say(attrs['terms']), `words of 'add:1', ${Object.keys(WORDS).join(', ')}`);
  // Nodes that it waits for come behind.
  if (inputs < 3 + terms.length) {
    wrong('terms', `${terms.length} terms and ${inputs} inputs`, 'an input for query, key, value and each of the terms');
  }
  const broadcast = text('broadcast').split(',').filter(Boolean).map(Number);
  if (broadcast.length > MOST_AXES || !broadcast.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    wrong('broadcast', say(attrs['broadcast']), 'at most 8 sizes');
  }
  const heads = attrs['heads'] === undefined ? 1 : number('heads');
  if (!Number.isSafeInteger(heads) || heads < 1) wrong('heads', say(attrs['heads']), 'a positive integer');
  const layout = text('layout');
  if (layout !== 'bhld' && layout !== 'blhd') wrong('layout', say(attrs['layout']), "'bhld' or 'blhd'");
  return {
    ...{reads, writes, terms: terms as TermKind[], broadcast, heads, layout: layout as 'bhld' | 'blhd'},
    ...{pattern: text('pattern'), implementation: text('implementation'), scale: number('scale')},
    ...(attrs['query_offset'] !== undefined && {queryOffset: number('query_offset')}),
  };
}

/** Throws: the node is none that a swap wrote. */
export function wrong(attribute: string, found: string, expected: string): never {
  return refuse(`SparseAttention ${attribute}`, found, expected, 'The model was changed since it was swapped: swap it anew.');
}

function isSpec(spec: string): boolean {
  const letters = new Set(spec);
  const apart = !letters.has('m') || ![...LEADING].some((letter) => letters.has(letter));
  return AXES.test(spec) && letters.size === spec.length && letters.has('l') && letters.has('d') && apart;
}

function kindOf(word: string): TermKind | undefined {
  if (Object.hasOwn(WORDS, word)) return WORDS[word];
  const factor = word.startsWith('add:') ? Number(word.slice(4) || NaN) : NaN;
  return Number.isFinite(factor) ? {kind: 'add', factor} : undefined;
}

const say = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : typeof value === 'string' ? `'${value}'` : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
};
