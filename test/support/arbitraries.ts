// Random patterns and shapes for property tests. fast-check prints the seed and the shrunk counterexample: patterns and cases print
// as their text.
import fc from 'fast-check';
import {
  blockLocal,
  causal,
  documents,
  fromMask,
  full,
  globalTokens,
  perBatch,
  perHead,
  prefix,
  slidingWindow,
  strided,
  type Pattern,
  type ResolvedShape,
} from '../../src/pattern/index.js';

/** Lengths that straddle 32, the bits of a word, and 16, the rows of a small tile; 0 now and then. */
const arbitraryLength = (): fc.Arbitrary<number> =>
  fc.oneof({weight: 8, arbitrary: fc.integer({min: 1, max: 41})}, {weight: 1, arbitrary: fc.constant(0)});

/** queryLength and keyLength of 0 to 41; half of the offsets are the default, the others put queries before, inside and past the keys. */
export function arbitraryShape(): fc.Arbitrary<ResolvedShape> {
  return fc
    .record({queryLength: arbitraryLength(), keyLength: arbitraryLength(), moved: fc.option(fc.integer({min: -50, max: 50}))})
    .map(({queryLength, keyLength, moved}) => ({queryLength, keyLength, queryOffset: moved ?? keyLength - queryLength}));
}

/** Document lengths, empty ones among them, that sum to `keyLength`. */
export function arbitraryDocuments(keyLength: number): fc.Arbitrary<Pattern> {
  return fc
    .array(fc.integer({min: 0, max: keyLength}), {maxLength: 4})
    .map((cuts) => [0, ...cuts.sort((a, b) => a - b), keyLength])
    .map((ends) => documents(ends.slice(1).map((end, i) => end - ends[i]!)));
}

export function arbitraryMask(queryLength: number, keyLength: number): fc.Arbitrary<Pattern> {
  const length = queryLength * keyLength;
  return fc
    .uint8Array({min: 0, max: 1, minLength: length, maxLength: length})
    .map((mask) => fromMask(mask, {queryLength, keyLength}));
}

/** One pattern without operators. See `arbitraryPattern`. */
export function arbitraryLeaf(keyLength?: number, options: {readonly maskQueryLength?: number} = {}): fc.Arbitrary<Pattern> {
  const side = fc.oneof(
    {weight: 6, arbitrary: fc.nat(12)},
    {weight: 1, arbitrary: fc.nat(60)},
    {weight: 1, arbitrary: fc.constant(Infinity)},
  );
  const size = fc.oneof(
    {weight: 6, arbitrary: fc.integer({min: 1, max: 9})},
    {weight: 1, arbitrary: fc.integer({min: 10, max: 60})},
  );
  const leaves: fc.Arbitrary<Pattern>[] = [
    fc.constant(full()),
    fc.constant(causal()),
    fc.record({left: side, right: side, dilation: size}).map(slidingWindow),
    fc.record({left: side, right: side}).map(slidingWindow),
    size.map((stride) => strided({stride})),
    size.map((size) => blockLocal({size})),
    fc.nat(8).map(globalTokens),
    fc.nat(20).map(prefix),
  ];
  if (keyLength !== undefined) leaves.push(arbitraryDocuments(keyLength));
  if (keyLength !== undefined && keyLength > 0) leaves.push(fc.array(fc.nat(keyLength - 1), {maxLength: 5}).map(globalTokens));
  if (keyLength !== undefined && options.maskQueryLength !== undefined)
    leaves.push(arbitraryMask(options.maskQueryLength, keyLength));
  return fc.oneof(...leaves);
}

/**
 * A pattern of up to three levels of and, or, not. Without a keyLength it is size-free; with one it may hold documents that sum to it
 * and token indices below it; with `maskQueryLength` too, masks of [maskQueryLength, keyLength].
 */
export function arbitraryPattern(keyLength?: number, options: {readonly maskQueryLength?: number} = {}): fc.Arbitrary<Pattern> {
  const leaf = arbitraryLeaf(keyLength, options);
  const level = (inner: fc.Arbitrary<Pattern>): fc.Arbitrary<Pattern> =>
    fc.oneof(
      {weight: 3, arbitrary: leaf},
      {weight: 2, arbitrary: fc.tuple(inner, inner).map(([a, b]) => a.and(b))},
      {weight: 2, arbitrary: fc.tuple(inner, inner).map(([a, b]) => a.or(b))},
      {weight: 1, arbitrary: inner.map((a) => a.not())},
    );
  return level(level(level(leaf)));
}

/** A pattern and a shape that it fits. */
export interface PatternCase {
  readonly pattern: Pattern;
  readonly shape: ResolvedShape;
}

/** Cases over all patterns; masks are among them when asked for. */
export function arbitraryCase(options: {readonly masks?: boolean} = {}): fc.Arbitrary<PatternCase> {
  return arbitraryShape().chain((shape) => {
    const masks = options.masks ? {maskQueryLength: shape.queryLength} : {};
    return fc.record({pattern: arbitraryPattern(shape.keyLength, masks), shape: fc.constant(shape)});
  });
}

/** A pattern that may have others for each head and sequence, with the numbers of both. */
export interface ListCase extends PatternCase {
  readonly heads: number;
  readonly batch: number;
}

/** Up to two levels of and, or, not over patterns with and without lists, of which some hold equal ones. */
export function arbitraryListCase(options: {readonly masks?: boolean} = {}): fc.Arbitrary<ListCase> {
  const counts = fc.record({heads: fc.integer({min: 1, max: 4}), batch: fc.integer({min: 1, max: 3})});
  return fc.tuple(arbitraryShape(), counts).chain(([shape, {heads, batch}]) => {
    const masks = options.masks ? {maskQueryLength: shape.queryLength} : {};
    const plain = arbitraryPattern(shape.keyLength, masks);
    const some = fc.array(plain, {minLength: 1, maxLength: 3});
    const entries = <T>(of: fc.Arbitrary<readonly T[]>, count: number): fc.Arbitrary<T[]> =>
      of.chain((pool) => fc.array(fc.constantFrom(...pool), {minLength: count, maxLength: count}));
    const ofHeads = entries(some, heads).map(perHead);
    const ofBatch = entries(some, batch).map(perBatch);
    const pairOf = (list: fc.Arbitrary<Pattern>) => fc.array(fc.oneof(list, plain), {minLength: 1, maxLength: 3});
    const list = fc.oneof(
      ofHeads,
      ofBatch,
      entries(pairOf(ofHeads), batch).map(perBatch),
      entries(pairOf(ofBatch), heads).map(perHead),
    );
    const level = (inner: fc.Arbitrary<Pattern>): fc.Arbitrary<Pattern> =>
      fc.oneof(
        {weight: 3, arbitrary: list},
        {weight: 2, arbitrary: fc.tuple(inner, inner).map(([a, b]) => a.and(b))},
        {weight: 2, arbitrary: fc.tuple(inner, inner).map(([a, b]) => a.or(b))},
        {weight: 1, arbitrary: inner.map((a) => a.not())},
      );
    const pattern = level(level(fc.oneof(list, plain)));
    return fc.record({pattern, shape: fc.constant(shape), heads: fc.constant(heads), batch: fc.constant(batch)});
  });
}
