import {isDeepStrictEqual} from 'node:util';
import fc from 'fast-check';
import {
  checkAcsr,
  compressLines,
  decodeRow,
  mapRows,
  reachOf,
  rowsAt,
  toSlots,
  type Acsr,
  type Lines,
} from '../../src/acsr/index.js';
import {blockLocal, causal, globalTokens, perHead, prefix, slidingWindow, strided, type Pattern} from '../../src/pattern/index.js';
import {slotLines} from '../../src/runtime/kv/kv_rows.js';
import {arbitraryPattern} from '../support/arbitraries.js';

/** With rows without keys behind them. */
const padded = (acsr: Acsr, queryLength: number): Acsr => ({
  ...acsr,
  queryLength,
  rowRuns: Int32Array.from({length: queryLength + 1}, (_, row) => acsr.rowRuns[Math.min(row, acsr.queryLength)]!),
});

/** Causal patterns that fit sequences that grow: one, or one for each of four heads. */
const arbitraryStep = () =>
  fc
    .record({
      patterns: fc.oneof(
        fc.array(arbitraryPattern(), {minLength: 1, maxLength: 1}),
        fc.array(arbitraryPattern(), {minLength: 4, maxLength: 4}),
      ),
      lengths: fc.array(fc.nat(200), {minLength: 1, maxLength: 6}),
      count: fc.integer({min: 0, max: 40}),
      padding: fc.nat(3),
    })
    .map(({patterns, ...rest}) => {
      const causals = patterns.map((pattern) => pattern.and(causal()));
      return {...rest, pattern: causals.length === 1 ? causals[0]! : perHead(causals)};
    })
    .filter(({pattern}) => !reachOf(pattern).fixedLength);

const LAYOUT = {sinks: 3, ring: 300};

/** Planned for the tokens of the step alone. */
function anew(pattern: Pattern, length: number, count: number, queryLength: number): Lines {
  const lines = compressLines(pattern, shapeOf(pattern, length, count));
  return mapRows(lines, (acsr) => padded(toSlots(acsr, LAYOUT), queryLength));
}

const stepLines = (pattern: Pattern, length: number, count: number, queryLength: number): Lines =>
  slotLines({shape: shapeOf(pattern, length, count), queryLength, layout: LAYOUT, pattern});

const shapeOf = (pattern: Pattern, length: number, count: number) => ({
  ...{queryOffset: length, queryLength: count, keyLength: Math.max(length + count, reachOf(pattern).leastLength)},
  ...{heads: 4, keyHeads: 4, batch: 1},
});

describe('the rows of a step', () => {
  it('have the keys of its tokens alone, whichever tokens came before', () => {
    fc.assert(
      fc.property(arbitraryStep(), ({pattern, lengths, count, padding}) => {
        for (const length of lengths) {
          const lines = stepLines(pattern, length, count, count + padding);
          const expected = anew(pattern, length, count, count + padding);
          lines.rows.forEach(checkAcsr);
          for (let head = 0; head < 4; head++) {
            const [found, wanted] = [rowsAt(lines, 0, head), rowsAt(expected, 0, head)];
            if (found.nnz !== wanted.nnz || found.queryLength !== wanted.queryLength) return false;
            for (let row = 0; row < found.queryLength; row++)
              if (!isDeepStrictEqual(decodeRow(found, row), decodeRow(wanted, row))) return false;
          }
        }
        return true;
      }),
      {numRuns: 200},
    );
  });

  it('are those very runs for the patterns that models have', () => {
    const strides = strided({stride: 7}).or(slidingWindow({left: 6}));
    const patterns = [
      causal(),
      prefix(4).or(slidingWindow({left: 40})),
      slidingWindow({left: 9, dilation: 3}),
      strides,
      globalTokens(2).or(slidingWindow({left: 12})),
      blockLocal({size: 10}),
    ].map((pattern) => pattern.and(causal()));
    patterns.push(perHead([patterns[0]!, patterns[1]!, patterns[1]!, patterns[3]!]));
    for (const pattern of patterns)
      for (let length = 1; length < 330; length++) {
        const count = 1 + (length % 3);
        expect(stepLines(pattern, length, count, 3))
          .withContext(`${String(pattern)} after ${length}`)
          .toEqual(anew(pattern, length, count, 3));
      }
  });

  it('are one object for all layers that share the pattern', () => {
    const pattern = causal();
    const lines = stepLines(pattern, 70, 1, 1);
    stepLines(slidingWindow({left: 3}).and(pattern), 70, 1, 1);
    expect(stepLines(pattern, 70, 1, 1)).toBe(lines);
  });
});
