import {PLAIN} from '../terms/terms.js';
import type {Program} from '../text/program.js';
import {rowAccess} from '../text/row_access.js';
import {each, lines} from '../text/text.js';
import {plain, type Region} from '../tile/flow.js';
import {shareLinesOf, shareSlotLine} from '../tile/lines.js';
import {keyAt, rowAt} from '../tile/places.js';
import {recordAt, rowsIn, rowsOut, SCHEDULE, tileProgram, type TileKernel} from '../tile/shell.js';
import {LINE_BEGIN, PAIRS, PLACES} from './packed_pairs.js';
import {ownColumnCount, FINITE_FOUR, loaded, ownColumns, rounds, stagedColumn} from './staging.js';
import type {SpmmTilesShape} from './spmm_tiles.js';

/** The same transposed, with nothing moved before: an invocation owns four successive keys, whose weights of a row are one vec4, and no number is added twice. */
export const spmmKeyTilesProgram = (shape: SpmmTilesShape): Program => tileProgram(spmmKeyTilesKernel(shape));

export function spmmKeyTilesKernel({dim, rows, keys, threadsX, threadsY, unroll, kinds, finite}: SpmmTilesShape): TileKernel {
  const [x, output] = [rowAccess('x', dim), rowAccess('output', dim, true)];
  const {columns} = x;
  const threads = threadsX * threadsY;
  const quads = keys / 4;
  const own = quads / threadsY;
  const count = ownColumnCount(columns, threadsX);
  const weights: Region = {begin: 0, end: rows * quads};
  const values: Region = {begin: weights.end, end: weights.end + rows * columns};
  const [ofWeights, ofValues] = [rounds(rows * quads, threads), rounds(rows * columns, threads)];
  const load = (from: string): string =>
    lines(
      `let inside = full == 1 && ${from} + SIZE <= visited.y && owned.x == KEYS;`,
      each(ofWeights.length, (n) =>
        ofWeights[n]!(
          lines(
            '{',
            `let row = ${from} + row${n};`,
            `let met = u32(min(row, visited.y - 1));`,
            'let place = linePairs + placeAt(intervals - params.intervals + met);',
            'if (inside) {',
            `w${n} = fourAt(u32(place + key${n}));`,
            '} else {',
            'var own = schedule[intervals + met];',
            'if (row >= visited.y) { own.y = own.x; }',
            `w${n} = vec4f(${each(4, (e) => `pairAt(own, place, key${n} + ${e})`, ', ')});`,
            '}',
            '}',
          ),
        ),
      ),
      each(ofValues.length, (n) => {
        const id = `(lane + ${n * threads}u)`;
        const row = `(xLine + ${rowAt(kinds, `min(${from} + i32(${id} / ${columns}u), visited.y - 1)`)} * xRow)`;
        return ofValues[n]!(
          lines(
            `v${n} = ${loaded(x.load(x.base(row), `${id} % ${columns}u`), finite)};`,
            // What no key of the tile has any use for may be NaN.
            `if (!inside) { v${n} = select(vec4f(), v${n}, meets(intervals, ${from} + i32(${id} / ${columns}u), visited.y, first)); }`,
          ),
        );
      }),
    );
  const sums = (text: (i: number, c: number) => string): string => each(4 * own, (i) => each(count, (c) => text(i, c), ' '));
  const row = (r: string): string =>
    lines(
      '{',
      `let r = ${r};`,
      each(own, (g) => `let p${g} = memory[r * ${quads}u + ty + ${threadsY * g}u];`),
      each(count, (c) => `let v${c} = memory[${values.begin}u + r * ${columns}u + ${stagedColumn(columns, threadsX, c)}];`),
      sums((i, c) => `o${i}_${c} = fma(vec4f(p${i >> 2}[${i & 3}]), v${c}, o${i}_${c});`),
      '}',
    );
  return {
    name: 'spmmKeyTiles',
    says: `
// Packed weights, transposed, times values: a workgroup owns KEYS keys of one head and visits the rows that attend to them, SIZE at a time.
// values [batch, heads, pairs]  x [.., ${dim}], a row for each query  output [batch, heads, keyLength, ${dim}].
const KEYS = ${keys};
const SIZE = ${rows};`,
    operands: [
      {role: 'values', element: 'f32'},
      rowsIn('x', x),
      SCHEDULE,
      rowsOut('output', output),
      {role: 'scratch', element: 'vec4f', writes: true},
    ],
    features: PLAIN,
    functions: lines(PLACES, PAIRS, MEETS, finite ? FINITE_FOUR : ''),
    masked: {owns: 'keys', kinds, clip: '', size: 'SIZE', width: rows, grid: {threadsX, threadsY, rows: own, keys: rows}},
    memory: {element: 'vec4f', units: values.end},
    lines: lines(
      shareLinesOf(kinds, 'keyItem'),
      LINE_BEGIN,
      // Heads lie between rows, or before them.
      'let between = params.queryStrides.y != 1u;',
      'let xRow = select(1u, params.keyHeads, between);',
      'let xLine = batch * params.keyHeads * params.queryLength + head / params.groupSize * select(params.queryLength, 1u, between);',
      'let outputRow = select(1u, params.heads, between);',
      'let ownLine = batch * params.heads * params.keyLength + head * select(params.keyLength, 1u, between);',
    ),
    before: [
      plain(
        lines(
          sums((i, c) => `var o${i}_${c} = vec4f();`),
          each(ofWeights.length, (n) => {
            const id = `(lane + ${n * threads}u)`;
            return `let row${n} = i32(${id} / ${quads}u); let key${n} = first + 4 * i32(${id} % ${quads}u);`;
          }),
        ),
      ),
    ],
    span: [
      plain(
        lines(
          each(ofWeights.length, (n) => `var w${n} = vec4f();`),
          each(ofValues.length, (n) => `var v${n} = vec4f();`),
          '{',
          load('visited.x'),
          '}',
        ),
      ),
    ],
    tile: [
      {
        name: 'stage weights and values',
        reads: [],
        writes: [weights, values],
        code: lines(
          each(ofWeights.length, (n) => ofWeights[n]!(`memory[lane + ${n * threads}u] = w${n};`)),
          each(ofValues.length, (n) => ofValues[n]!(`memory[lane + ${values.begin + n * threads}u] = v${n};`)),
        ),
      },
      plain(lines('if (begin + SIZE < visited.y) {', load('(begin + SIZE)'), '}')),
      {
        name: 'weigh values',
        reads: [weights, values],
        writes: [],
        code: lines(
          `for (var n = 0u; n < ${rows}u; n += ${unroll}u) {`,
          each(unroll, (u) => row(`n + ${u}u`)),
          '}',
        ),
      },
    ],
    after: [
      plain(
        lines(
          'let continues = (params.flags & CONTINUES) != 0u;',
          each(4 * own, (i) =>
            lines(
              `{ let own = 4u * (ty + ${threadsY * (i >> 2)}u) + ${i & 3}u;`,
              'if (i32(own) < owned.x) {',
              'if (owned.y < 0) {',
              `let to = ${output.base(`(ownLine + u32(${keyAt(kinds, 'i32(own)')}) * outputRow)`)};`,
              ownColumns(columns, threadsX, (column, c) =>
                lines(
                  `if (continues) { ${output.store('to', column, `${output.load('to', column)} + o${i}_${c} * params.scale`)} }`,
                  `else { ${output.store('to', column, `o${i}_${c} * params.scale`)} }`,
                ),
              ),
              '} else {',
              `let record = ${recordAt(shareSlotLine(kinds), 'u32(owned.y)', 'u32(KEYS)', 'own', columns)};`,
              ownColumns(columns, threadsX, (column, c) => `scratch[record + ${column}] = o${i}_${c} * params.scale;`),
              '}\n}\n}',
            ),
          ),
        ),
      ),
    ],
  };
}

const MEETS = /* wgsl */ `
fn meets(intervals: u32, row: i32, end: i32, first: i32) -> bool {
  let own = schedule[intervals + u32(min(row, end - 1))];
  return row < end && own.x < own.y && own.x < first + KEYS && own.y > first;
}
`;
