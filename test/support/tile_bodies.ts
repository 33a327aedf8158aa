import {REGULAR} from '../../src/plan/index.js';
import {PLAIN} from '../../src/wgsl/index.js';
import {keyAt, keyRowAt, ownRow} from '../../src/wgsl/tile/places.js';
import {rowAccess} from '../../src/wgsl/text/row_access.js';
import {each, lines} from '../../src/wgsl/text/text.js';
import {plain, type Region} from '../../src/wgsl/tile/flow.js';
import {linesOf} from '../../src/wgsl/tile/lines.js';
import {hide, type Masked} from '../../src/wgsl/tile/mask.js';
import {meetSteps, productSteps} from '../../src/wgsl/tile/products.js';
import {rowsIn, SCHEDULE, type TileKernel} from '../../src/wgsl/tile/shell.js';

/** What the bodies below are written for: tiles of 32 × 32 pairs, 64 invocations, intervals. */
const SIZE = 32;
const GRID = {threadsX: 8, threadsY: 8, rows: 4, keys: 4};
const masked = (owns: Masked['owns']): Masked => ({owns, kinds: REGULAR, clip: '', size: 'SIZE', width: SIZE, grid: GRID});

/** Products of the pairs that attend, times the scale, written out: [lines, queryLength, keyLength] (SDDMM). */
export function pairProducts(headDim: number): TileKernel {
  const [query, key] = [rowAccess('query', headDim), rowAccess('key', headDim)];
  const region = {begin: 0, end: SIZE * key.columns};
  const pair = (i: number, j: number): string =>
    `if (y0 + i32(tx) + ${8 * j} < y.y && s${i}_${j} != HIDDEN) { dScores[pairs${i} + u32(${keyAt(REGULAR, `(y0 + i32(tx) + ${8 * j})`)})] = s${i}_${j} * params.scale; }`;
  return {
    name: 'pairProducts',
    says: `const SIZE = ${SIZE};`,
    operands: [rowsIn('query', query), rowsIn('key', key), SCHEDULE, {role: 'dScores', element: 'f32', writes: true}],
    features: PLAIN,
    functions: '',
    masked: masked('rows'),
    memory: {element: 'vec4f', units: region.end},
    lines: linesOf(REGULAR, 'item'),
    before: [
      plain(
        each(GRID.rows, (i) =>
          lines(
            `let x${i} = ty + ${8 * i}u;`,
            `let row${i} = ${ownRow(REGULAR, `x${i}`)};`,
            `let query${i} = ${query.base(`(queryLine + row${i} * params.queryStrides.y)`)};`,
            `let pairs${i} = (line * params.queryLength + row${i}) * params.keyLength;`,
          ),
        ),
      ),
    ],
    tile: [
      ...productSteps(
        {grid: GRID, size: SIZE},
        {
          name: 's',
          what: 'keys',
          staged: {
            access: key,
            row: (place) => `(keyLine + ${keyRowAt(REGULAR, `min(y0 + i32(${place}), y.y - 1)`)})`,
            factor: '',
          },
          ranges: [{first: 0, count: key.columns}],
          region,
          unroll: 1,
          own: (i, column) => query.load(`query${i}`, column),
        },
      ),
      plain(hide(masked('rows'))),
      plain(each(GRID.rows, (i) => `if (i32(x${i}) < owned.x) {\n${each(GRID.keys, (j) => pair(i, j))}\n}`)),
    ],
    after: [],
  };
}

/** How many rows attend to each key, which records of one number keep. */
export function columnSums(): TileKernel {
  const meeting: Region = {begin: 0, end: SIZE * GRID.threadsX};
  const own = (i: number): string => `let own${i} = ty + ${8 * i}u; let number${i} = first + i32(own${i});`;
  return {
    name: 'columnSums',
    says: `const SIZE = ${SIZE};`,
    operands: [SCHEDULE, {role: 'scratch', element: 'vec4f', writes: true}],
    features: PLAIN,
    functions: '',
    masked: masked('keys'),
    memory: {element: 'vec4f', units: meeting.end},
    lines: linesOf(REGULAR, 'item'),
    before: [plain(each(GRID.rows, (i) => `${own(i)} var sum${i} = 0.0;`))],
    tile: [
      plain(
        lines(
          each(GRID.keys, (j) => `let place${j} = min(begin + i32(tx) + ${8 * j}, visited.y - 1);`),
          each(GRID.rows, (i) => each(GRID.keys, (j) => `var s${i}_${j} = 1.0;`, ' ')),
          hide(masked('keys')),
          each(GRID.rows, (i) => each(GRID.keys, (j) => `sum${i} += select(1.0, 0.0, s${i}_${j} == HIDDEN);`, ' ')),
        ),
      ),
    ],
    after: meetSteps({
      rows: GRID.rows,
      meeting,
      name: 'sum',
      keep: (i, sum) =>
        `if (i32(own${i}) < owned.x) { scratch[(line * params.slots + u32(owned.y)) * u32(SIZE) + own${i}].x = ${sum}; }`,
    }),
  };
}
