import fc from 'fast-check';
import {checkAcsr, compress, compressLines, decodeRow, reachOf, rowsAt, type Lines} from '../../src/acsr/index.js';
import {
  causal,
  fromMask,
  full,
  globalTokens,
  perBatch,
  perHead,
  prefix,
  slidingWindow,
  strided,
  type Pattern,
} from '../../src/pattern/index.js';
import {linesText} from '../../src/explain.js';
import {mulberry32} from '../oracle.js';
import {arbitraryListCase} from '../support/arbitraries.js';
import {refusal} from '../support/errors.js';

const SHAPE = {queryLength: 8, keyLength: 8, heads: 4, batch: 2};

/** Throws unless the record says of each line what the pattern does, and nothing twice. */
function checkLines(lines: Lines, pattern: Pattern, shape: typeof SHAPE): void {
  lines.rows.forEach(checkAcsr);
  if (lines.of.length !== lines.heads * lines.batch) throw new Error(`${lines.of.length} lines`);
  if (![1, shape.heads].includes(lines.heads) || ![1, shape.batch].includes(lines.batch)) throw new Error('other axes');
  const used = new Set(lines.of);
  if (used.size !== lines.rows.length) throw new Error('rows that no line has');
  for (let batch = 0; batch < shape.batch; batch++) {
    for (let head = 0; head < shape.heads; head++) {
      const acsr = rowsAt(lines, batch, head);
      for (let query = 0; query < shape.queryLength; query++) {
        const keys = decodeRow(acsr, query).join();
        const said = Array.from({length: shape.keyLength}, (_, key) => key)
          .filter((key) => pattern.attends(query, key, {...shape, head, batch}))
          .join();
        if (keys !== said) throw new Error(`query ${query} of head ${head} of sequence ${batch}: ${keys}, expected ${said}`);
      }
    }
  }
}

/** The keys of all rows as one text: what two lines that share rows have in common. */
const textOf = (lines: Lines): string[] =>
  lines.rows.map((acsr) => Array.from({length: acsr.queryLength}, (_, query) => decodeRow(acsr, query).join()).join(';'));

describe('the rows of all heads and sequences', () => {
  it('are what the pattern says, pair by pair, each held once', () => {
    const holds = fc.property(arbitraryListCase({masks: true}), ({pattern, shape, heads, batch}) => {
      const lines = compressLines(pattern, {...shape, heads, batch});
      checkLines(lines, pattern, {...shape, heads, batch});
    });
    expect(() => fc.assert(holds, {numRuns: 60})).not.toThrow();
  });

  it('are shared by equal patterns, however they are written', () => {
    const lines = compressLines(perHead([causal(), slidingWindow({left: Infinity}), full(), causal().and(full())]), SHAPE);
    expect(lines.of).toEqual([0, 0, 1, 0]);
    expect([lines.heads, lines.batch, lines.rows.length]).toEqual([4, 1, 2]);
    expect(new Set(textOf(lines)).size).toBe(2);
  });

  it('have the axes that differ and no others', () => {
    const axes = (pattern: Pattern): number[] => {
      const {heads, batch, of} = compressLines(pattern, SHAPE);
      return [heads, batch, ...of];
    };
    const [a, b] = [causal(), full()];
    expect(axes(a)).toEqual([1, 1, 0]);
    expect(axes(perHead([a, a, a, a]))).toEqual([1, 1, 0]);
    expect(axes(perBatch([a, a]))).toEqual([1, 1, 0]);
    expect(axes(perBatch([a, b]))).toEqual([1, 2, 0, 1]);
    expect(axes(perHead([a, b, b, a]))).toEqual([4, 1, 0, 1, 1, 0]);
    expect(axes(perBatch([perHead([a, b, b, a]), perHead([a, b, b, a])]))).toEqual([4, 1, 0, 1, 1, 0]);
    expect(axes(perBatch([perHead([a, a, a, a]), b]))).toEqual([1, 2, 0, 1]);
    expect(axes(perBatch([perHead([a, b, a, a]), b]))).toEqual([4, 2, 0, 1, 0, 0, 1, 1, 1, 1]);
  });

  it('of 32 heads of four patterns cost what the four do', () => {
    const shape = {queryLength: 4096, keyLength: 4096, heads: 32, batch: 1};
    const make = [
      () => slidingWindow({left: 256}).or(globalTokens(8)),
      () =>
        strided({stride: 64})
          .or(slidingWindow({left: 64}))
          .and(causal()),
      () => causal(),
      () => prefix(9).or(slidingWindow({left: 3, right: 4, dilation: 8})),
    ];
    const pattern = perHead(Array.from({length: 32}, (_, head) => make[head % 4]!()));
    const lines = compressLines(pattern, shape);
    expect(lines.rows.length).toBe(4);
    expect(lines.of).toEqual(Array.from({length: 32}, (_, head) => head % 4));
    const time = (heads: number, list: Pattern): number => {
      const start = performance.now();
      compressLines(list, {...shape, heads});
      return performance.now() - start;
    };
    // Thirty-two alone would take eight times as long.
    const four = perHead(make.map((each) => each()));
    const rounds = Array.from({length: 9}, () => [time(4, four), time(32, pattern)]);
    const [ofFour, ofAll] = [0, 1].map((i) => Math.min(...rounds.map((round) => round[i]!))) as [number, number];
    expect(ofAll).toBeLessThan(2 * ofFour + 5);
  });

  it('share masks too long to be named by their text', () => {
    const random = mulberry32(3);
    const length = 400;
    const draw = (): Uint8Array => Uint8Array.from({length: length * length}, () => Number(random() < 0.3));
    const [first, second] = [draw(), draw()];
    const shape = {queryLength: length, keyLength: length};
    const pattern = perHead([first, second, first, first.slice()].map((mask) => fromMask(mask, shape)));
    const lines = compressLines(pattern, {...shape, heads: 4, batch: 1});
    expect(lines.of).toEqual([0, 1, 0, 0]);
  });

  it('are refused where the lists do not fit the call', () => {
    const [a, b] = [causal(), full()];
    const refused = (pattern: Pattern, shape: Partial<typeof SHAPE> & {keyHeads?: number} = {}) =>
      refusal(() => compressLines(pattern, {...SHAPE, ...shape}));
    expect(refused(perHead([a, b])).message).toBe(
      'perHead: found 2 patterns, expected 4, the heads of query. Give one for each query head, or a pattern without perHead for all of them.',
    );
    expect(refused(perHead([a, b]), {keyHeads: 2}).cure).toBe(
      'These are the heads of key: repeat each pattern 2 times, for the query heads that share it.',
    );
    expect(refused(perBatch([a, b, a])).message).toContain('perBatch: found 3 patterns, expected 2, the sequences of the batch');
    expect(refused(perBatch([a, perHead([a])])).thing).toBe('perHead');
    expect(refused(perHead([a]), {heads: 0}).thing).toBe('perHead');
    const mask = fromMask([1], {queryLength: 1, keyLength: 1});
    expect(refused(perHead([a, b, mask, b])).thing).toBe('fromMask');
    expect(refusal(() => compress(perHead([a, b]), SHAPE)).message).toContain('found a perHead');
  });

  it('reach as far as the head that reaches furthest', () => {
    const heads = [slidingWindow({left: 7}), prefix(3).or(slidingWindow({left: 2})), globalTokens([5])];
    const {sinks, back, leastLength} = reachOf(perHead(heads.map((each) => each.and(causal()))));
    expect([sinks, back, leastLength]).toEqual([6, 7, 6]);
    expect(reachOf(perHead([slidingWindow({left: 7}), slidingWindow({left: 2, right: 1})]))).toEqual(
      jasmine.objectContaining({sinks: 0, back: 7, ahead: 1, fixedLength: false}),
    );
    expect(reachOf(perBatch([causal(), fromMask([1], {queryLength: 1, keyLength: 1})])).fixedLength).toBe(true);
  });

  it('show as text, each below the lines that have it', () => {
    const text = linesText(compressLines(perBatch([perHead([causal(), full(), causal(), full()]), full()]), SHAPE));
    expect(text.split('\n').filter((line) => line.startsWith('lines'))).toEqual([
      'lines    sequence 0 head 0, sequence 0 head 2',
      'lines    sequence 0 head 1, sequence 0 head 3, sequence 1 head 0, sequence 1 head 1, sequence 1 head 2, sequence 1 head 3',
    ]);
    expect(text).toContain('nnz 36');
  });
});
