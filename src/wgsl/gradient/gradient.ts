import {ceilDiv} from '../../support/index.js';
import type {BindingRole, Program} from '../text/program.js';
import {rowAccess, type RowAccess} from '../text/row_access.js';
import {each, lines} from '../text/text.js';
import {plain} from '../tile/flow.js';
import {meetSteps} from '../tile/products.js';
import {everyLine, shareLinesOf, shareSlotLine} from '../tile/lines.js';
import {rowBits} from '../tile/mask.js';
import {keyAt, ownNumber, ownPlace, ownRow} from '../tile/places.js';
import {recordAt, rowsIn, rowsOut, SCHEDULE, termOperands, tileProgram, type Operand, type TileKernel} from '../tile/shell.js';
import type {GradientShape, OwnedShape, OwnGradientShape} from './gradient_shape.js';
import {TileTrip} from './gradient_steps.js';
import type {GradientTrip} from './gradient_trip.js';
import {OwnTrip} from './own_steps.js';

/**
 * Gradients of queries (a workgroup owns rows and visits keys, over the schedule of a forward pass) or of keys and values (a workgroup owns
 * keys and visits rows). No atomics: every number has one writer, so results are the same in every run.
 */
export const gradientProgram = (shape: GradientShape): Program => tileProgram(gradientKernel(shape));

/** The same row by row, or key by key. */
export const ownGradientProgram = (shape: OwnGradientShape): Program => tileProgram(ownGradientKernel(shape));

const NAMES: Record<OwnedShape['owns'], Record<OwnedShape['wants'], string>> = {
  rows: {features: 'queryGradients', scores: 'scoreGradients'},
  keys: {features: 'keyGradients', scores: 'keyScoreGradients'},
};

export const gradientKernel = (shape: GradientShape): TileKernel =>
  kernel(new TileTrip(shape), NAMES[shape.owns][shape.wants], `const SIZE = ${shape.size};`);

export function ownGradientKernel(shape: OwnGradientShape): TileKernel {
  const trip = new OwnTrip(shape);
  const made = kernel(trip, `${NAMES[shape.owns].features}Rows`, `const SIZE = ${shape.size};\nconst KEYS = ${trip.grid.keys};`);
  const directives = shape.parts.length === 0 ? ['enable subgroups'] : [];
  return {...made, directives, before: [...made.before, trip.before()], after: [trip.after(), ...made.after]};
}

function kernel(trip: GradientTrip, name: string, constants: string): TileKernel {
  const {shape} = trip;
  const {owns, wants, headDim, valueDim, memory, features} = shape;
  return {
    name,
    says: `
// Gradients of ${owns === 'rows' ? 'queries: a workgroup owns SIZE rows of one head and visits their keys' : 'keys and values: a workgroup owns SIZE keys and visits the rows of one head'}, SIZE at a time.
// query, key [.., ${headDim}]  value, dOutput [.., ${valueDim}].  Invocation (tx, ty) owns numbers ty + TY·i, and meets tx + TX·j.
${constants}`,
    operands: [...operands(shape), ...termOperands(trip.scoring)],
    features,
    functions: lines(trip.scoring.functions, wants === 'features' ? trip.scoring.slopeFunctions : ''),
    masked: trip.masked,
    memory: {element: 'vec4f', units: memory},
    ...(owns === 'rows' ? ownRows(shape, trip) : ownKeys(shape, trip)),
    tile: trip.tile(),
  };
}

function operands({owns, wants, headDim, valueDim, direct}: OwnedShape): Operand[] {
  const read = (role: BindingRole, dim: number): Operand => rowsIn(role, rowAccess(role, dim));
  const written = (role: BindingRole, dim: number): Operand => rowsOut(role, rowAccess(role, dim, true));
  const pairs = owns === 'rows' && wants === 'scores';
  return [
    read('query', headDim),
    read('key', headDim),
    read('value', valueDim),
    read('dOutput', valueDim),
    SCHEDULE,
    // Records of parts go to scratch; gradients of single scores have none.
    {role: 'scratch', element: 'vec4f', writes: !pairs},
    ...(owns === 'rows' && !pairs ? [written('dQuery', headDim)] : []),
    ...(pairs ? [{role: 'dScores', element: 'f32', writes: true} as const] : []),
    ...(direct ? [written('dKey', headDim), written('dValue', valueDim)] : []),
  ];
}

type Own = Pick<TileKernel, 'lines' | 'before' | 'after'>;

const declareSums = (name: string, rows: number, width: number, threadsX: number): string =>
  each(rows, (i) => each(ceilDiv(width, threadsX), (c) => `var ${name}${i}_${c} = vec4f();`, ' '));

/** `store` for each own column that exists. */
function ownColumns(width: number, threadsX: number, store: (column: string, c: number) => string): string {
  return each(ceilDiv(width, threadsX), (c) => {
    const column = `(tx + ${threadsX * c}u)`;
    return threadsX * (c + 1) <= width ? store(column, c) : `if (${column} < ${width}u) { ${store(column, c)} }`;
  });
}

const CONTINUED = 'let continues = (params.flags & CONTINUES) != 0u;';

/** A sum into a gradient, to what is there from an earlier pass. */
const add = (to: RowAccess, base: string, column: string, sum: string): string =>
  `if (continues) { ${to.store(base, column, `${to.load(base, column)} + ${sum}`)} } else { ${to.store(base, column, sum)} }`;

function ownRows(shape: OwnedShape, trip: GradientTrip): Own {
  const {headDim, valueDim, threadsX, kinds, wants} = shape;
  const {rows} = trip.grid;
  const width = ceilDiv(headDim, 4);
  const [query, dOutput, dQuery] = [
    rowAccess('query', headDim),
    rowAccess('dOutput', valueDim),
    rowAccess('dQuery', headDim, true),
  ];
  const declare = (i: number): string =>
    lines(
      `let x${i} = ${ownPlace(trip.grid, kinds, i)};`,
      `let row${i} = ${ownRow(kinds, `x${i}`)};`,
      `let at${i} = queryLine + row${i} * params.queryStrides.y;`,
      `let query${i} = ${query.base(`at${i}`)};`,
      `let dOutput${i} = ${dOutput.base(`at${i}`)};`,
      `let stats${i} = scratch[shareLine * params.queryLength + row${i}]; // (maximum, 1 / sum, D)`,
      trip.scoring.query(i, `row${i}`, `line * params.queryLength + row${i}`),
      wants === 'scores' ? `let pairs${i} = (written * params.queryLength + row${i}) * params.keyLength;` : '',
      rowBits(kinds, i),
    );
  const write = (i: number): string => {
    const to = dQuery.base(`at${i}`);
    return lines(
      `if (i32(x${i}) < owned.x) {`,
      'if (owned.y < 0) {',
      ownColumns(width, threadsX, (column, c) => add(dQuery, to, column, `g${i}_${c} * params.gradientScale`)),
      '} else {',
      `let record = ${recordAt(shareSlotLine(kinds), 'u32(owned.y)', 'u32(SIZE)', `x${i}`, width)};`,
      ownColumns(width, threadsX, (column, c) => `scratch[record + ${column}] = g${i}_${c} * params.gradientScale;`),
      '}\n}',
    );
  };
  const declared = each(rows, declare);
  if (wants === 'scores') return {lines: {open: everyLine(kinds)}, before: [plain(declared)], after: []};
  return {
    lines: shareLinesOf(kinds, 'item'),
    before: [plain(lines(declared, declareSums('g', rows, width, threadsX)))],
    after: [plain(lines(CONTINUED, each(rows, write)))],
  };
}

function ownKeys(shape: OwnedShape, trip: GradientTrip): Own {
  const {headDim, valueDim, threadsX, direct, meeting, kinds} = shape;
  const {rows} = trip.grid;
  const [headWidth, valueWidth] = [ceilDiv(headDim, 4), ceilDiv(valueDim, 4)];
  const [key, value] = [rowAccess('key', headDim), rowAccess('value', valueDim)];
  const [dKey, dValue] = [rowAccess('dKey', headDim, true), rowAccess('dValue', valueDim, true)];
  const declare = (i: number): string =>
    lines(
      `let own${i} = ${ownPlace(trip.grid, kinds, i)};`,
      `let number${i} = first + i32(own${i});`,
      `let key${i} = ${keyAt(kinds, ownNumber(`own${i}`))};`,
      `let at${i} = keyLine + u32(key${i}) * params.keyStrides.y;`,
      `let ownKey${i} = ${key.base(`at${i}`)};`,
      `let ownValue${i} = ${value.base(`at${i}`)};`,
      trip.scoring.key(i, `key${i}`),
    );
  const record = (i: number): string =>
    lines(
      `let record = ${recordAt(shareSlotLine(kinds), 'u32(owned.y)', 'u32(SIZE)', `own${i}`, headWidth + valueWidth)};`,
      ownColumns(headWidth, threadsX, (column, c) => `scratch[record + ${column}] = g${i}_${c} * params.gradientScale;`),
      ownColumns(valueWidth, threadsX, (column, c) => `scratch[record + ${headWidth}u + ${column}] = v${i}_${c};`),
    );
  const gradients = (i: number): string =>
    lines(
      ownColumns(headWidth, threadsX, (column, c) => add(dKey, `ownKey${i}`, column, `g${i}_${c} * params.gradientScale`)),
      ownColumns(valueWidth, threadsX, (column, c) => add(dValue, `ownValue${i}`, column, `v${i}_${c}`)),
    );
  const write = (i: number): string =>
    lines(
      `if (i32(own${i}) < owned.x) {`,
      direct ? lines('if (owned.y < 0) {', gradients(i), '} else {', record(i), '}') : record(i),
      '}',
    );
  const keepSum = (i: number, sum: string): string =>
    lines(
      `if (i32(own${i}) < owned.x) {`,
      `scratch[${recordAt(shareSlotLine(kinds), 'u32(owned.y)', 'u32(SIZE)', `own${i}`, 1)}] = vec4f(${sum}, 0.0, 0.0, 0.0);`,
      '}',
    );
  const sums =
    meeting === null
      ? [declareSums('g', rows, headWidth, threadsX), declareSums('v', rows, valueWidth, threadsX)]
      : [each(rows, (i) => `var r${i} = 0.0;`, ' ')];
  return {
    lines: lines(shareLinesOf(kinds, 'keyItem'), trip.scoring.clips ? `let keysLeft = ${trip.scoring.keyCount};` : ''),
    before: [plain(lines(each(rows, declare), ...sums))],
    after:
      meeting === null
        ? [plain(lines(direct ? CONTINUED : '', each(rows, write)))]
        : meetSteps({rows, meeting, name: 'r', keep: keepSum}),
  };
}
