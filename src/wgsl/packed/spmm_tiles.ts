import type {Kinds, TileShape} from '../../plan/index.js';
import {PLAIN} from '../terms/terms.js';
import type {Program} from '../text/program.js';
import {rowAccess} from '../text/row_access.js';
import {each, lines} from '../text/text.js';
import {plain, type Region} from '../tile/flow.js';
import {linesOf, slotLine} from '../tile/lines.js';
import {keyRowAt, ownRow} from '../tile/places.js';
import {recordAt, rowsIn, rowsOut, SCHEDULE, tileProgram, type TileKernel} from '../tile/shell.js';
import {LINE_BEGIN, PAIRS, PLACES} from './packed_pairs.js';
import {ownColumnCount, FINITE_FOUR, loaded, ownColumns, rounds, stagedColumn} from './staging.js';

/** What the text of a sum of values depends on. */
export interface SpmmTilesShape {
  readonly dim: number;
  readonly rows: number;
  readonly keys: number;
  readonly threadsX: number;
  readonly threadsY: number;
  readonly unroll: number;
  readonly kinds: Kinds;
  /** Numbers of x that are not finite count as 0. */
  readonly finite: boolean;
}

export const spmmTilesShape = (
  {rows, keys, threadsX, threadsY, unroll}: TileShape,
  dim: number,
  kinds: Kinds,
  finite: boolean,
): SpmmTilesShape => ({
  ...{dim, rows, keys, threadsX, threadsY},
  unroll: unroll.values,
  kinds,
  finite,
});

/** Weights times values: weights and values of a tile are staged, those of the next read before the present ones are used (−5 to −14 %, H200). */
export const spmmTilesProgram = (shape: SpmmTilesShape): Program => tileProgram(spmmTilesKernel(shape));

export function spmmTilesKernel({dim, rows, keys, threadsX, threadsY, unroll, kinds, finite}: SpmmTilesShape): TileKernel {
  const [x, output] = [rowAccess('x', dim), rowAccess('output', dim, true)];
  const {columns} = x;
  const threads = threadsX * threadsY;
  const own = rows / threadsY;
  const count = ownColumnCount(columns, threadsX);
  const quads = keys / 4;
  const weights: Region = {begin: 0, end: rows * quads};
  const values: Region = {begin: weights.end, end: weights.end + keys * columns};
  const [ofWeights, ofValues] = [rounds(rows * quads, threads), rounds(keys * columns, threads)];
  const load = (y: string): string =>
    lines(
      `if (${y} >= full.x && ${y} + KEYS <= min(full.y, y.y) && owned.x == ROWS) {`,
      each(ofWeights.length, (n) => ofWeights[n]!(`w${n} = fourAt(u32(place${n} + ${y} + key${n}));`)),
      '} else {',
      each(ofWeights.length, (n) =>
        ofWeights[n]!(`w${n} = vec4f(${each(4, (e) => `pairAt(own${n}, place${n}, ${y} + key${n} + ${e})`, ', ')});`),
      ),
      '}',
      each(ofValues.length, (n) => {
        const id = `(lane + ${n * threads}u)`;
        const row = `(keyLine + ${keyRowAt(kinds, `min(${y} + i32(${id} / ${columns}u), y.y - 1)`)})`;
        return ofValues[n]!(`v${n} = ${loaded(x.load(x.base(row), `${id} % ${columns}u`), finite)};`);
      }),
    );
  const sums = (text: (i: number, c: number) => string): string => each(own, (i) => each(count, (c) => text(i, c), ' '));
  const quad = (q: string): string =>
    lines(
      '{',
      `let q = ${q};`,
      each(own, (i) => `let p${i} = memory[(ty + ${threadsY * i}u) * ${quads}u + q];`),
      each(4, (e) =>
        lines(
          '{',
          each(
            count,
            (c) => `let v${c} = memory[${values.begin}u + (4u * q + ${e}u) * ${columns}u + ${stagedColumn(columns, threadsX, c)}];`,
            ' ',
          ),
          sums((i, c) => `o${i}_${c} = fma(vec4f(p${i}[${e}]), v${c}, o${i}_${c});`),
          '}',
        ),
      ),
      '}',
    );
  const steps = Math.min(unroll, quads);
  return {
    name: 'spmmTiles',
    says: `
// Packed weights times values: a workgroup owns ROWS rows of one head and visits their keys, KEYS at a time.
// values [batch, heads, pairs]  x [.., ${dim}]  output [batch, heads, queryLength, ${dim}].
const ROWS = ${rows};
const KEYS = ${keys};`,
    operands: [
      {role: 'values', element: 'f32'},
      rowsIn('x', x),
      SCHEDULE,
      rowsOut('output', output),
      {role: 'scratch', element: 'vec4f', writes: true},
    ],
    features: PLAIN,
    functions: lines(PLACES, PAIRS, finite ? FINITE_FOUR : ''),
    masked: {owns: 'rows', kinds, clip: '', size: 'KEYS', width: keys, grid: {threadsX, threadsY, rows: own, keys: quads}},
    memory: {element: 'vec4f', units: values.end},
    lines: lines(linesOf(kinds, 'item'), LINE_BEGIN),
    before: [
      plain(
        lines(
          sums((i, c) => `var o${i}_${c} = vec4f();`),
          each(ofWeights.length, (n) => {
            const id = `(lane + ${n * threads}u)`;
            return `let x${n} = ${id} / ${quads}u; let key${n} = 4 * i32(${id} % ${quads}u);`;
          }),
        ),
      ),
    ],
    span: [
      plain(
        lines(
          each(ofWeights.length, (n) =>
            lines(
              `var own${n} = schedule[intervals + x${n}]; own${n}.y = min(own${n}.y, y.y);`,
              `let place${n} = linePairs + placeAt(intervals - params.intervals + x${n});`,
              `var w${n} = vec4f();`,
            ),
          ),
          each(ofValues.length, (n) => `var v${n} = vec4f();`),
          load('y.x'),
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
      plain(lines('if (y0 + KEYS < y.y) {', load('(y0 + KEYS)'), '}')),
      {
        name: 'weigh values',
        reads: [weights, values],
        writes: [],
        code: lines(
          `for (var n = 0u; n < ${quads}u; n += ${steps}u) {`,
          each(steps, (u) => quad(`n + ${u}u`)),
          '}',
        ),
      },
    ],
    after: [
      plain(
        lines(
          'let continues = (params.flags & CONTINUES) != 0u;',
          each(own, (i) =>
            lines(
              `{ let own = ty + ${threadsY * i}u;`,
              'if (i32(own) < owned.x) {',
              'if (owned.y < 0) {',
              `let to = ${output.base(`(outputLine + ${ownRow(kinds, 'own')} * params.outputStrides.y)`)};`,
              ownColumns(columns, threadsX, (column, c) =>
                lines(
                  `if (continues) { ${output.store('to', column, `${output.load('to', column)} + o${i}_${c} * params.scale`)} }`,
                  `else { ${output.store('to', column, `o${i}_${c} * params.scale`)} }`,
                ),
              ),
              '} else {',
              `let record = ${recordAt(slotLine(kinds), 'u32(owned.y)', 'u32(ROWS)', 'own', columns)};`,
              ownColumns(columns, threadsX, (column, c) => `scratch[record + ${column}] = o${i}_${c} * params.scale;`),
              '}\n}\n}',
            ),
          ),
        ),
      ),
    ],
  };
}
