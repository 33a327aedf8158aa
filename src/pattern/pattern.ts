import {refuse} from '../support/index.js';
import {attends} from './attends.js';
import {nodeToJSON, type PatternJSON} from './json.js';
import {lineShape} from './line_shape.js';
import {combineLines} from './lists.js';
import type {PatternNode, PatternShape, PlainNode} from './node.js';
import {print} from './print.js';
import {checkFits, resolveShape} from './shape.js';
import {checkSize} from './sizes.js';
import {refusePattern} from './wrong_pattern.js';

/** Everything that walks a pattern recurses; this keeps the walks well inside any stack. */
export const MAX_DEPTH = 1000;

/** The patterns of every copy of this package: a program may hold two, where one dependency requires it and another imports it. */
const PATTERN = Symbol.for('tfjs-splat.Pattern');

/**
 * Who attends to whom: an immutable value, made by the builders (`causal`, `slidingWindow`, …) and composed by `and`, `or` and `not`.
 *
 * A pattern knows no lengths unless it was written for some (`documents`, `fromMask`); they come with each call.
 *
 * @example
 * const pattern = slidingWindow({left: 256, right: 256}).or(globalTokens(64));
 * String(pattern); // 'slidingWindow(left: 256, right: 256) or globalTokens(64)'
 */
export class Pattern {
  /** What the pattern says, as frozen data. */
  readonly node: PatternNode;
  /** Operators on the longest way down, for `MAX_DEPTH`. */
  readonly #depth: number;
  #text: string | undefined;

  /** Builders, `parsePattern` and `patternFromJSON` make patterns; `node` is trusted and frozen here, its lists are frozen by them. */
  constructor(node: PatternNode, operands: readonly Pattern[] = []) {
    // Not by Math.max of them all: a list of 65,535 heads has more than a call takes.
    this.#depth = operands.reduce(
      (most, operand) => Math.max(most, 1 + (#depth in operand ? operand.#depth : depthOf(operand))),
      0,
    );
    if (this.#depth > MAX_DEPTH) {
      refuse(
        'pattern',
        `${this.#depth} operators inside each other`,
        `at most ${MAX_DEPTH}`,
        'Combine the operands pairwise, as a tree, instead of one after another.',
      );
    }
    this.node = Object.freeze(node);
    Object.freeze(this);
  }

  /** True for the patterns of other copies too. */
  static [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && PATTERN in value;
  }

  /**
   * The pairs in both patterns. Throws `SplatError` when `other` is not a pattern.
   *
   * @example
   * causal().and(blockLocal({size: 2})).attends(3, 1, {queryLength: 4, keyLength: 4}); // false
   */
  and(other: Pattern, ...more: readonly Pattern[]): Pattern {
    return this.#combine('and', [other, ...more]);
  }

  /**
   * The pairs in any of the patterns. Throws `SplatError` when `other` is not a pattern.
   *
   * @example
   * causal().or(prefix(2)).attends(0, 1, {queryLength: 4, keyLength: 4}); // true
   */
  or(other: Pattern, ...more: readonly Pattern[]): Pattern {
    return this.#combine('or', [other, ...more]);
  }

  /**
   * The pairs that are not in this pattern.
   *
   * @example
   * causal().not().attends(0, 1, {queryLength: 4, keyLength: 4}); // true
   */
  not(): Pattern {
    return new Pattern(
      combineLines([this.node], ([operand]) => ({kind: 'not', operand: operand!})),
      [this],
    );
  }

  /**
   * Whether `query` attends to `key`, both indices from 0. This is the definition, one pair at a time and slow.
   *
   * Throws `SplatError` when an index lies outside `shape` or the pattern was written for other lengths, and where heads or sequences
   * differ and `shape` does not say which is meant.
   *
   * @example
   * slidingWindow({left: 1}).attends(2, 1, {queryLength: 4, keyLength: 4}); // true
   */
  attends(query: number, key: number, shape: PatternShape): boolean {
    const resolved = resolveShape(shape);
    checkFits(this.node, resolved);
    const index = {
      query: checkIndex('query', query, resolved.queryLength),
      key: checkIndex('key', key, resolved.keyLength),
    };
    return attends(this.node, index.query, index.key, lineShape(this.node, shape, resolved));
  }

  /**
   * The pattern as text that `parsePattern` reads back, in any case and spacing. Equal patterns may have several texts; equal texts
   * are equal patterns.
   *
   * @example
   * slidingWindow({left: Infinity, dilation: 2}).not().toString(); // 'not slidingWindow(left: infinity, dilation: 2)'
   */
  toString(): string {
    return (this.#text ??= print(this.node));
  }

  /**
   * The pattern as plain data that `JSON.stringify` takes and `patternFromJSON` reads back.
   *
   * @example
   * slidingWindow({left: Infinity}).toJSON(); // {kind: 'slidingWindow', left: 'Infinity', right: 0, dilation: 1}
   */
  toJSON(): PatternJSON {
    return nodeToJSON(this.node);
  }

  #combine(kind: 'and' | 'or', others: readonly Pattern[]): Pattern {
    return others.reduce((all: Pattern, other) => {
      if (!(other instanceof Pattern)) refusePattern(`pattern.${kind}`, other);
      const both = (lines: readonly PlainNode[]): PlainNode => ({kind, operands: Object.freeze([lines[0]!, lines[1]!] as const)});
      return new Pattern(combineLines([all.node, other.node], both), [all, other]);
    }, this);
  }
}

Object.defineProperty(Pattern.prototype, PATTERN, {value: true});

/** Of a pattern of another copy, which hides its depth from this one. */
function depthOf({node}: {readonly node: PatternNode}): number {
  if (node.kind === 'not') return 1 + depthOf({node: node.operand});
  const inside = 'operands' in node ? node.operands : 'patterns' in node ? node.patterns : [];
  return inside.reduce((depth, operand) => Math.max(depth, 1 + depthOf({node: operand})), 0);
}

function checkIndex(thing: 'query' | 'key', given: number, length: number): number {
  const index = checkSize(thing, given, {least: 0});
  if (index < length) return index;
  return refuse(thing, String(index), `an index below ${thing}Length = ${length}`, 'Indices count from 0.');
}
