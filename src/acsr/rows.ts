import type {MaskNode, PlainNode, ResolvedShape} from '../pattern/index.js';
import {ceilDiv, mod} from '../support/index.js';
import {paint} from './bits.js';
import {Recogniser} from './recognise.js';
import {RunList} from './runs.js';

/**
 * The rows of a pattern, one at a time, best in ascending order: some patterns walk along. The list that `runs` returns is theirs and
 * holds until the next row is asked for.
 */
export interface Rows {
  /** All strides are 1. */
  readonly intervals: boolean;
  /** Rows that overflow have been looked through, so that `bits` show no more. */
  readonly looked?: boolean;
  /** The keys of a row as runs; when they overflow, `bits` knows them. */
  readonly runs: (query: number) => RunList;
  /** Overwrites `words` [⌈keyLength/32⌉] with the keys of a row. */
  readonly bits: (query: number, words: Uint32Array) => void;
}

type LeafNode = Exclude<PlainNode, {kind: 'and' | 'or' | 'not'}>;

/**
 * The rows of a pattern without operators: each is one run, or a few, in closed form. Only masks and lists of tokens are looked through.
 *
 * `position` is the query's place among the keys and may lie outside them; keys are clipped to 0 … keyLength − 1.
 */
export function leafRows(node: LeafNode, shape: ResolvedShape): Rows {
  const {queryOffset, keyLength} = shape;
  const row = new RunList();
  switch (node.kind) {
    case 'full':
      row.setKeys(0, keyLength - 1);
      return withBits(() => row);
    case 'prefix':
      row.setKeys(0, Math.min(node.count, keyLength) - 1);
      return withBits(() => row);
    case 'causal':
      return withBits((query) => row.setKeys(0, Math.min(query + queryOffset, keyLength - 1)));
    case 'slidingWindow':
      return windowRows(node, shape);
    case 'strided': {
      const stride = Math.min(node.stride, MAX_DISTANCE);
      return withBits((query) => row.setProgression(mod(query + queryOffset, stride), stride, keyLength - 1), stride === 1);
    }
    case 'blockLocal':
      return withBits((query) => {
        const first = Math.floor((query + queryOffset) / node.size) * node.size;
        return row.setKeys(Math.max(first, 0), Math.min(first + node.size, keyLength) - 1);
      });
    case 'globalTokens':
      return typeof node.tokens === 'number' ? firstTokensRows(node.tokens, shape) : listedTokensRows(node.tokens, shape);
    case 'documents':
      return documentRows(node.lengths, shape);
    case 'mask':
      return maskRows(node, shape);
  }
}

/** No query is as far from any key: a stride or dilation of this much and more means the key at the query's own position only. */
const MAX_DISTANCE = 2 ** 40;

/** Rows whose runs never overflow. */
function withBits(runs: (query: number) => RunList, intervals = true): Rows {
  return {intervals, runs, bits: (query, words) => paint(runs(query), words)};
}

function windowRows(node: {left: number; right: number; dilation: number}, shape: ResolvedShape): Rows {
  const {queryLength, keyLength, queryOffset} = shape;
  const dilation = Math.min(node.dilation, MAX_DISTANCE);
  // More steps than this lead past the keys from any position.
  const reach = queryLength + keyLength + Math.abs(queryOffset);
  const left = Math.min(node.left, reach) * dilation;
  const right = Math.min(node.right, reach) * dilation;
  const row = new RunList();
  return withBits((query) => {
    const position = query + queryOffset;
    const first = position - left;
    const last = Math.min(position + right, keyLength - 1);
    return row.setProgression(first >= 0 ? first : dilation === 1 ? 0 : mod(position, dilation), dilation, last);
  }, dilation === 1);
}

function firstTokensRows(tokens: number, {keyLength, queryOffset}: ResolvedShape): Rows {
  const count = Math.min(tokens, keyLength);
  const row = new RunList();
  return withBits((query) => {
    const position = query + queryOffset;
    const isGlobal = 0 <= position && position < count;
    return row.setKeys(0, (isGlobal ? keyLength : count) - 1);
  });
}

function listedTokensRows(tokens: readonly number[], {keyLength, queryOffset}: ResolvedShape): Rows {
  const words = new Uint32Array(ceilDiv(keyLength, 32));
  for (const token of tokens) words[token >>> 5]! |= 1 << (token & 31);
  const row = new RunList();
  new Recogniser(keyLength).read(words, 0, 0, row);
  const all = leafRows({kind: 'full'}, {queryLength: 1, keyLength, queryOffset});
  const isGlobal = (query: number) => {
    const position = query + queryOffset;
    return 0 <= position && position < keyLength && ((words[position >>> 5]! >>> (position & 31)) & 1) === 1;
  };
  return {
    intervals: row.unit,
    runs: (query) => (isGlobal(query) ? all.runs(query) : row),
    bits: (query, out) => (isGlobal(query) ? all.bits(query, out) : out.set(words)),
  };
}

function documentRows(lengths: readonly number[], {keyLength, queryOffset}: ResolvedShape): Rows {
  let next = 0; // the document after the one that holds the keys first … end − 1
  let first = 0;
  let end = 0;
  const row = new RunList();
  return withBits((query) => {
    const position = query + queryOffset;
    if (position < 0 || position >= keyLength) return row.clear();
    if (position < first) next = first = end = 0;
    while (position >= end) {
      first = end;
      end += lengths[next++]!;
    }
    return row.setKeys(first, end - 1);
  });
}

function maskRows({words, queryLength, keyLength}: MaskNode, {queryOffset}: ResolvedShape): Rows {
  const wordsPerRow = ceilDiv(keyLength, 32);
  const recogniser = new Recogniser(keyLength);
  // Of a mask that a text wrote in runs, one row is there at a time.
  const held = words.all ?? new Uint32Array(wordsPerRow);
  const baseOf = (query: number): number => {
    if (words.all !== null) return query * wordsPerRow;
    words.read(query * wordsPerRow, held);
    return 0;
  };
  recogniser.learn(held, queryLength, baseOf);
  const row = new RunList();
  return {
    intervals: false, // not known before they are read
    looked: true,
    runs(query) {
      recogniser.read(held, baseOf(query), query + queryOffset, row);
      return row;
    },
    bits: (query, out) => words.read(query * wordsPerRow, out.subarray(0, wordsPerRow)),
  };
}
