import {plainNumber, refuse} from '../support/index.js';
import type {Lengths, PatternNode, ResolvedShape} from './node.js';
import {spell} from './sizes.js';

/** The records after a pattern hold indices as 32-bit integers. */
const MAX_INDEX = 2 ** 31 - 1;
/** 16,777,216. Planning takes about 0.2 µs and 40 bytes a query, so a slip of units fails here and not by filling memory. Keys cost nothing. */
const MAX_QUERIES = 2 ** 24;

/** The same shape, checked, with its default offset filled in. Other properties of `shape` are ignored. */
export function resolveShape(shape: Lengths): ResolvedShape {
  if (typeof shape !== 'object' || shape === null)
    refuse('shape', spell(shape), 'an object {queryLength, keyLength}', 'Pass the lengths of the call.');
  const queryLength = checkLength('queryLength', shape.queryLength, MAX_QUERIES);
  const keyLength = checkLength('keyLength', shape.keyLength, MAX_INDEX);
  const queryOffset = plainNumber(shape.queryOffset ?? keyLength - queryLength) as number;
  if (!Number.isInteger(queryOffset) || Math.abs(queryOffset) > MAX_INDEX) {
    refuse(
      'queryOffset',
      spell(queryOffset),
      'an integer of 32 bits',
      'It is the position of query 0 among the keys; leave it out to align the last query with the last key.',
    );
  }
  return Object.freeze({queryLength, keyLength, queryOffset: queryOffset + 0}); // + 0: −0 becomes 0
}

function checkLength(thing: string, given: unknown, most: number): number {
  const length = plainNumber(given);
  if (Number.isInteger(length) && (length as number) >= 0 && (length as number) <= most) return length as number;
  return refuse(thing, spell(length), `a non-negative integer up to ${most}`, 'Pass the number of tokens.');
}

/** Throws unless every part of the pattern that is written for certain lengths is written for these. */
export function checkFits(node: PatternNode, shape: ResolvedShape): void {
  const {queryLength, keyLength} = shape;
  switch (node.kind) {
    case 'globalTokens': {
      const last = typeof node.tokens === 'number' ? -1 : (node.tokens[node.tokens.length - 1] ?? -1);
      if (last < keyLength) return;
      return refuse(
        'globalTokens.tokens',
        `index ${last}`,
        `indices below keyLength = ${keyLength}`,
        'Drop the indices outside the keys.',
      );
    }
    case 'documents': {
      const total = node.lengths.reduce((sum, length) => sum + length, 0);
      if (total === keyLength) return;
      return refuse('documents.lengths', `a sum of ${total}`, `keyLength = ${keyLength}`, 'Give padding a document of its own.');
    }
    case 'mask': {
      if (node.queryLength === queryLength && node.keyLength === keyLength) return;
      const found = `a mask of [${node.queryLength}, ${node.keyLength}]`;
      return refuse(
        'fromMask',
        found,
        `[queryLength, keyLength] = [${queryLength}, ${keyLength}]`,
        'A mask fits one shape only; make one for this shape.',
      );
    }
    case 'and':
    case 'or':
      return node.operands.forEach((operand) => checkFits(operand, shape));
    case 'not':
      return checkFits(node.operand, shape);
    case 'perHead':
    case 'perBatch':
      return new Set<PatternNode>(node.patterns).forEach((pattern) => checkFits(pattern, shape));
  }
}
