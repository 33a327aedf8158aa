import fc from 'fast-check';
import {checkAcsr, compress, type Acsr} from '../../src/acsr/index.js';
import {rowsOf} from '../../src/acsr/expression.js';
import {steadyRows} from '../../src/acsr/steady.js';
import {
  blockLocal,
  causal,
  documents,
  full,
  globalTokens,
  isPlain,
  prefix,
  resolveShape,
  slidingWindow,
  strided,
  type Pattern,
  type PatternShape,
  type PlainNode,
} from '../../src/pattern/index.js';

const nodeOf = ({node}: Pattern): PlainNode => (isPlain(node) ? node : (fail('a plain pattern') as never));

/** The rows that follow by addition instead of being worked out. */
function followed(pattern: Pattern, shape: PatternShape): number {
  const steady = steadyRows(nodeOf(pattern), resolveShape(shape));
  return (steady?.stretches ?? []).reduce((sum, {from, to}) => sum + to + 1 - from - 2 * steady!.period, 0);
}

/** Each row of a record beside the same row worked out by itself. */
function expectRowsOf(acsr: Acsr, pattern: Pattern, shape: PatternShape): void {
  const rows = rowsOf(nodeOf(pattern), resolveShape(shape));
  let nnz = 0;
  for (let query = 0; query < shape.queryLength; query++) {
    const own = rows.runs(query);
    if (own.overflow) {
      for (let key = 0; key < acsr.keyLength; key++) nnz += Number(pattern.attends(query, key, shape));
      continue;
    }
    const begin = acsr.rowRuns[query]!;
    const end = acsr.rowRuns[query + 1]!;
    for (const name of ['start', 'stride', 'count'] as const) {
      const same =
        end - begin === own.length && own[name].subarray(0, own.length).every((value, i) => value === acsr[name][begin + i]);
      if (!same)
        fail(`${name} of query ${query} of ${pattern}: ${acsr[name].slice(begin, end)}, not ${own[name].slice(0, own.length)}`);
    }
    nnz += own.count.subarray(0, own.length).reduce((sum, count) => sum + count, 0);
  }
  expect(acsr.nnz).toBe(nnz);
}

describe('rows that go on as those before them', () => {
  const square = (length: number): PatternShape => ({queryLength: length, keyLength: length});
  const windows = slidingWindow({left: 30, right: 30});

  it('follow by addition, all but a few around where ends meet', () => {
    const cases: readonly [Pattern, number][] = [
      [causal(), 4080],
      [windows.or(globalTokens(64)), 4020],
      [
        strided({stride: 16})
          .and(causal())
          .or(slidingWindow({left: 15})),
        3900,
      ],
      [windows.or(globalTokens(64)).or(strided({stride: 16})), 3600],
      [
        blockLocal({size: 256})
          .or(slidingWindow({left: 8, right: 8, dilation: 4}))
          .or(globalTokens(16)),
        2400,
      ],
      [documents([1000, 96, 3000]).and(causal()), 3800],
    ];
    for (const [pattern, least] of cases) {
      expect(followed(pattern, square(4096)))
        .withContext(String(pattern))
        .toBeGreaterThan(least);
      const acsr = compress(pattern, square(4096));
      checkAcsr(acsr);
      expectRowsOf(acsr, pattern, square(4096));
    }
  });

  it('are the rows that would be worked out, of any pattern', () => {
    const size = fc.nat(70);
    const leaf = (stride: number): fc.Arbitrary<Pattern> =>
      fc.oneof(
        fc.constantFrom(full(), causal(), strided({stride})),
        size.map(prefix),
        size.map(globalTokens),
        fc.tuple(size, size).map(([left, right]) => slidingWindow({left, right})),
        fc
          .tuple(fc.nat(20), fc.constantFrom(0, 5, Infinity))
          .map(([left, right]) => slidingWindow({left, right, dilation: stride})),
        fc.integer({min: 20, max: 200}).map((each) => blockLocal({size: each})),
      );
    const pattern = fc.integer({min: 1, max: 9}).chain(
      (stride) =>
        fc.letrec<{node: Pattern}>((tie) => ({
          node: fc.oneof(
            {depthSize: 'small'},
            leaf(stride),
            tie('node').map((each) => each.not()),
            fc.tuple(tie('node'), tie('node')).map(([a, b]) => a.and(b)),
            fc.tuple(tie('node'), tie('node')).map(([a, b]) => a.or(b)),
          ),
        })).node,
    );
    const length = fc.integer({min: 1, max: 700});
    let rows = 0;
    fc.assert(
      fc.property(pattern, length, length, fc.integer({min: -300, max: 300}), (each, queryLength, keyLength, queryOffset) => {
        const shape = {queryLength, keyLength, queryOffset};
        const many = followed(each, shape);
        const acsr = compress(each, shape);
        // Rows that recur are cut into runs in another way, and are not worked out here.
        if (many === 0 || acsr.recurrence !== undefined) return;
        rows += many;
        expectRowsOf(acsr, each, shape);
      }),
      {numRuns: 3000},
    );
    expect(rows).toBeGreaterThan(100_000);
  });

  it('are worked out one by one where nothing is known of them', () => {
    // Two strides, and the complement of one, make runs of other residues; short blocks have as many meetings as rows.
    const others = [
      strided({stride: 3})
        .or(slidingWindow({left: 4, dilation: 5}))
        .or(causal()),
      causal().and(strided({stride: 8}).not()),
      globalTokens([3, 700]).or(causal()),
      blockLocal({size: 4}),
    ];
    for (const pattern of others)
      expect(followed(pattern, square(1024)))
        .withContext(String(pattern))
        .toBe(0);
  });
});
