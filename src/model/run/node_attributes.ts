import {Recent, refuse} from '../../support/index.js';
import {apart, PARTS} from '../graph/letters.js';
import type {Term} from '../read/normal_form.js';

type Kind = {readonly kind: 'add'; readonly factor: number} | {readonly kind: Exclude<Term['kind'], 'add'>};

/** How a term of the scores is read; see `Term` of the normal form. `axes`: where they are not the last of those of the scores. */
export type TermKind = Kind & {readonly axes?: string};

const WORDS: Readonly<Record<string, Kind>> = {
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
  /** The sizes of parts of merged axes, by letter, where the graph tells. */
  readonly parts: Readonly<Record<string, number>>;
  /** How many heads key and value have where their features lie in one axis; undefined: as many as the query. */
  readonly keyHeads?: number;
  /** Of tensors 'blf' that hold more than their heads: the first feature of query, key and value, and how many each head has. */
  readonly within?: {readonly firsts: readonly number[]; readonly headDim: number};
  /** The output has as many sequences as the query: a model may reshape it so while it brings heads together. */
  readonly queryBatch: boolean;
  readonly layout: 'bhld' | 'blhd';
  readonly pattern: string;
  readonly implementation: string;
  readonly scale: number;
  readonly queryOffset?: number;
}

/** Merged and leading axes, or `*` for those of any rank, in any order with l and d; tfjs turns tensors of up to 6 axes. */
const AXES = /^(\*[ld]{2}|[xyzabhmwgfld]{2,6})$/;
/** Of a term: k stands for keys. */
const TERM_AXES = /^[xyzabhmwglk]{1,6}$/;
const MOST_AXES = 8;

type Attributes = Readonly<Record<string, unknown>>;

/** Layers of a model have equal nodes, mostly, and each that runs brings a record of its own. */
const MOST_NODES = 32;
const known = new Recent<{readonly attrs: Attributes; readonly inputs: number}, NodeAttributes>(MOST_NODES);

/** The attributes of a node. A model.json may hold anything: throws a `SplatError` unless they are such as a swap writes. */
export function nodeAttributes(attrs: Attributes, inputs: number): NodeAttributes {
  const node = {attrs, inputs};
  return known.get(node) ?? known.set({attrs: {...attrs}, inputs}, readAttributes(attrs, inputs));
}

function readAttributes(attrs: Attributes, inputs: number): NodeAttributes {
  const text = (name: string): string => (typeof attrs[name] === 'string' ? attrs[name] : '');
  const number = (name: string): number => (typeof attrs[name] === 'number' ? attrs[name] : NaN);
  const axes = text('axes');
  const [read = '', writes = '', ...more] = axes.split('->');
  const reads = read.split(',');
  if (reads.length !== 3 || more.length > 0 || ![...reads, writes].every(isSpec)) {
    wrong('axes', say(attrs['axes']), "the axes of query, key, value and output, such as 'blhd,blhd,blhd->blhd'");
  }
  const terms = text('terms').split(' ').filter(Boolean).map(termOf);
  if (terms.includes(undefined))
    wrong('terms', say(attrs['terms']), `words of 'add:1', ${Object.keys(WORDS).join(', ')}, perhaps with axes: 'keep@whlk'`);
  // Nodes that it waits for come behind.
  if (inputs < 3 + terms.length) {
    wrong('terms', `${terms.length} terms and ${inputs} inputs`, 'an input for query, key, value and each of the terms');
  }
  const broadcast = text('broadcast').split(',').filter(Boolean).map(Number);
  if (broadcast.length > MOST_AXES || !broadcast.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    wrong('broadcast', say(attrs['broadcast']), 'at most 8 sizes');
  }
  const count = (name: string): number => {
    const given = number(name);
    return Number.isSafeInteger(given) && given > 0 ? given : wrong(name, say(attrs[name]), 'a positive integer');
  };
  const given = Object.entries(PARTS).filter(([, name]) => attrs[name] !== undefined);
  const parts = Object.fromEntries(given.map(([letter, name]) => [letter, count(name)]));
  const layout = text('layout');
  if (layout !== 'bhld' && layout !== 'blhd') wrong('layout', say(attrs['layout']), "'bhld' or 'blhd'");
  const queryBatch = attrs['query_batch'] === true;
  if (queryBatch && (writes !== 'blf' || !reads[0]!.startsWith('b')))
    wrong('query_batch', `true beside ${axes}`, "an output 'blf'");
  const firsts = attrs['firsts'] === undefined ? undefined : text('firsts').split(',').map(Number);
  if (firsts !== undefined && (firsts.length !== 3 || !firsts.every((first) => Number.isSafeInteger(first) && first >= 0))) {
    wrong('firsts', say(attrs['firsts']), "the first feature of query, key and value, such as '0,768,1536'");
  }
  if (firsts?.some((first, i) => first > 0 && reads[i] !== 'blf')) wrong('firsts', firsts.join(), `0 beside the axes ${axes}`);
  if (firsts !== undefined && parts['h'] === undefined) wrong('heads', 'nothing', 'their number, beside firsts');
  return {
    ...{queryBatch, reads, writes, terms: terms as TermKind[], broadcast, parts, layout: layout as 'bhld' | 'blhd'},
    ...{pattern: text('pattern'), implementation: text('implementation'), scale: number('scale')},
    ...(attrs['key_heads'] !== undefined && {keyHeads: count('key_heads')}),
    ...(firsts && {within: {firsts, headDim: count('head_dim')}}),
    ...(attrs['query_offset'] !== undefined && {queryOffset: number('query_offset')}),
  };
}

/** Throws: the node is none that a swap wrote. */
export function wrong(attribute: string, found: string, expected: string): never {
  return refuse(`SparseAttention ${attribute}`, found, expected, 'The model was changed since it was swapped: swap it anew.');
}

function isSpec(spec: string): boolean {
  const all = apart(spec);
  const letters = new Set(all);
  return AXES.test(spec) && letters.size === all.length && letters.has('l') && letters.has('d');
}

function termOf(text: string): TermKind | undefined {
  const [word = '', axes, ...more] = text.split('@');
  const kind = kindOf(word);
  if (kind === undefined || axes === undefined) return kind;
  const all = apart(axes);
  return more.length === 0 && TERM_AXES.test(axes) && new Set(all).size === all.length ? {...kind, axes} : undefined;
}

function kindOf(word: string): Kind | undefined {
  if (Object.hasOwn(WORDS, word)) return WORDS[word];
  const factor = word.startsWith('add:') ? Number(word.slice(4) || NaN) : NaN;
  return Number.isFinite(factor) ? {kind: 'add', factor} : undefined;
}

const say = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : typeof value === 'string' ? `'${value}'` : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
};
