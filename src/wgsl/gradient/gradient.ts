import {ceilDiv} from '../../support/index.js';
import {placeBarriers} from '../tile/barriers.js';
import type {GradientShape} from './gradient_shape.js';
import {gradientTensors, GradientTrip} from './gradient_steps.js';
import {SHARE_LINES} from '../tile/lines.js';
import {program} from '../text/make_program.js';
import {NUMBERS} from '../text/numbers.js';
import {unitText} from '../terms/unit.js';
import type {BindingRole, Program} from '../text/program.js';
import {rowAccess, type RowAccess} from '../text/row_access.js';
import {Scoring} from '../tile/scoring.js';
import {each, lines} from '../text/text.js';

/**
 * Gradients of queries (a workgroup owns rows and visits keys, over the schedule of a forward pass) or of keys and values (a workgroup owns
 * keys and visits rows). No atomics: every number has one writer, so results are the same in every run.
 */
export function gradientProgram(shape: GradientShape): Program {
  const {owns, wants, headDim, valueDim, direct, features} = shape;
  const {name, output: alone} = KINDS[owns][wants];
  const output: BindingRole[] = direct ? ['dKey', 'dValue'] : alone;
  const {bindings, elements} = new Scoring(features);
  const text = owns === 'rows' ? rowsText(shape) : keysText(shape);
  return program({
    name: `SparseAttention.${name}`,
    bindings: ['params', 'query', 'key', 'value', 'dOutput', 'schedule', 'scratch', ...output, ...bindings],
    // Records of parts go to scratch; gradients of single scores have none.
    writes: name === 'scoreGradients' ? output : ['scratch', ...output],
    elements: {
      query: rowAccess('query', headDim).element,
      key: rowAccess('key', headDim).element,
      value: rowAccess('value', valueDim).element,
      dOutput: rowAccess('dOutput', valueDim).element,
      schedule: 'vec2i',
      scratch: 'vec4f',
      dQuery: rowAccess('dQuery', headDim).element,
      dKey: rowAccess('dKey', headDim).element,
      dValue: rowAccess('dValue', valueDim).element,
      dScores: 'f32',
      ...elements,
    },
    code: lines(head(shape), text),
    workgroupBytes: 16 * shape.memory,
    invocations: shape.threadsX * shape.threadsY,
  });
}

const KINDS: Record<GradientShape['owns'], Record<GradientShape['wants'], {name: string; output: BindingRole[]}>> = {
  rows: {features: {name: 'queryGradients', output: ['dQuery']}, scores: {name: 'scoreGradients', output: ['dScores']}},
  keys: {features: {name: 'keyGradients', output: []}, scores: {name: 'keyScoreGradients', output: []}},
};

function head({owns, wants, headDim, valueDim, size, threadsX, threadsY, memory, mask, direct, features}: GradientShape): string {
  const reads = [
    rowAccess('query', headDim),
    rowAccess('key', headDim),
    rowAccess('value', valueDim),
    rowAccess('dOutput', valueDim),
  ];
  return lines(
    `
// Gradients of ${owns === 'rows' ? 'queries: a workgroup owns SIZE rows of one head and visits their keys' : 'keys and values: a workgroup owns SIZE keys and visits the rows of one head'}, SIZE at a time.
// query, key [.., ${headDim}]  value, dOutput [.., ${valueDim}].  Invocation (tx, ty) owns numbers ty + TY·i, and meets tx + TX·j.
const SIZE = ${size};
const TX = ${threadsX}u;
const TY = ${threadsY}u;
`,
    NUMBERS + unitText(features),
    new Scoring(features).params,
    mask === 'bits' ? BIT : '',
    ...reads.map(({functions}) => functions),
    owns === 'rows' && wants === 'features' ? rowAccess('dQuery', headDim, true).functions : '',
    direct ? rowAccess('dKey', headDim, true).functions + rowAccess('dValue', valueDim, true).functions : '',
    `
var<workgroup> memory: array<vec4f, ${memory}>;

@compute @workgroup_size(${threadsX * threadsY})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let tx = lane % TX;
let ty = lane / TX;
let item = params.first + 4u * group.y;
`,
  );
}

function loopText(trip: GradientTrip): string {
  const steps = trip.steps();
  const barriers = placeBarriers(steps);
  return lines(...steps.loop.map((step) => lines(`// ${step.name}`, barriers.has(step) ? 'workgroupBarrier();' : '', step.code)));
}

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

function rowsText(shape: GradientShape): string {
  const {headDim, valueDim, threadsX, threadsY, mask, wants} = shape;
  const trip = new GradientTrip(shape, gradientTensors(shape));
  const {rows} = trip.grid;
  const width = ceilDiv(headDim, 4);
  const [query, dOutput, dQuery] = [
    rowAccess('query', headDim),
    rowAccess('dOutput', valueDim),
    rowAccess('dQuery', headDim, true),
  ];
  const declare = (i: number): string =>
    lines(
      `let x${i} = ty + ${threadsY * i}u;`,
      `let row${i} = u32(rowsOf.x + rowsOf.y * min(i32(x${i}), owned.x - 1));`,
      `let at${i} = queryLine + row${i} * params.queryStrides.y;`,
      `let query${i} = ${query.base(`at${i}`)};`,
      `let dOutput${i} = ${dOutput.base(`at${i}`)};`,
      `let stats${i} = scratch[shareLine * params.queryLength + row${i}]; // (maximum, 1 / sum, D)`,
      trip.scoring.query(i, `row${i}`, `line * params.queryLength + row${i}`),
      wants === 'scores' ? `let pairs${i} = (written * params.queryLength + row${i}) * params.keyLength;` : '',
      mask === 'bits' ? `let bits${i} = dot(vec3u(batch, head, row${i}), params.maskStrides.xyz);` : '',
    );
  const write = (i: number): string => {
    const to = dQuery.base(`at${i}`);
    return lines(
      `if (i32(x${i}) < owned.x) {`,
      'if (owned.y < 0) {',
      ownColumns(width, threadsX, (column, c) => add(dQuery, to, column, `g${i}_${c} * params.gradientScale`)),
      '} else {',
      `let record = params.slotBase + ((shareLine * params.slots + u32(owned.y)) * u32(SIZE) + x${i}) * ${width}u;`,
      ownColumns(width, threadsX, (column, c) => `scratch[record + ${column}] = g${i}_${c} * params.gradientScale;`),
      '}\n}',
    );
  };
  const visit = lines(
    each(rows, declare),
    wants === 'features' ? declareSums('g', rows, width, threadsX) : '',
    `
for (var index = spanRange.x; index < spanRange.y; index++) {
let span = params.spans + 4u * u32(index);
let keysOf = schedule[span];         // (firstKey, keyStride)
let keyRows = keysOf * i32(params.keyStrides.y);
${trip.scoring.clips ? 'var' : 'let'} y = schedule[span + 1u];         // [begin, end)
${trip.scoring.clip}
${mask === 'interval' ? 'let full = schedule[span + 2u];      // keys that every row attends to\nlet intervals = params.intervals + u32(schedule[span + 3u].x);' : ''}
for (var y0 = y.x; y0 < y.y; y0 += SIZE) {
`,
    loopText(trip),
    '}\n}',
  );
  return lines(
    `
let rowsOf = schedule[item];         // (firstRow, rowStride)
let owned = schedule[item + 1u];     // (rows, slot)
let spanRange = schedule[item + 2u]; // (spanBegin, spanEnd)
`,
    wants === 'scores' ? lines(EVERY_LINE, visit, '}') : lines(SHARE_LINES, visit, CONTINUED, each(rows, write)),
    '}',
    trip.scoring.functions,
    wants === 'features' ? trip.scoring.slopeFunctions : '',
  );
}

function keysText(shape: GradientShape): string {
  const {headDim, valueDim, threadsX, threadsY, mask, direct, wants} = shape;
  const trip = new GradientTrip(shape, gradientTensors(shape));
  const {rows} = trip.grid;
  const [headWidth, valueWidth] = [ceilDiv(headDim, 4), ceilDiv(valueDim, 4)];
  const [key, value] = [rowAccess('key', headDim), rowAccess('value', valueDim)];
  const [dKey, dValue] = [rowAccess('dKey', headDim, true), rowAccess('dValue', valueDim, true)];
  const declare = (i: number): string =>
    lines(
      `let own${i} = ty + ${threadsY * i}u;`,
      `let number${i} = first + i32(own${i});`,
      `let key${i} = keysOf.x + keysOf.y * min(i32(own${i}), owned.x - 1);`,
      `let at${i} = keyLine + u32(key${i}) * params.keyStrides.y;`,
      `let ownKey${i} = ${key.base(`at${i}`)};`,
      `let ownValue${i} = ${value.base(`at${i}`)};`,
      trip.scoring.key(i, `key${i}`),
    );
  const record = (i: number): string =>
    lines(
      `let record = params.slotBase + ((shareLine * params.slots + u32(owned.y)) * u32(SIZE) + own${i}) * ${headWidth + valueWidth}u;`,
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
  const meet = lines(
    'workgroupBarrier();',
    each(rows, (i) => `memory[own${i} * TX + tx] = vec4f(r${i}, 0.0, 0.0, 0.0);`),
    'workgroupBarrier();',
  );
  const writeSum = (i: number): string =>
    lines(
      `if (tx == 0u && i32(own${i}) < owned.x) {`,
      `var sum = 0.0; for (var x = 0u; x < TX; x++) { sum += memory[own${i} * TX + x].x; }`,
      `scratch[params.slotBase + (shareLine * params.slots + u32(owned.y)) * u32(SIZE) + own${i}] = vec4f(sum, 0.0, 0.0, 0.0);`,
      '}',
    );
  return lines(
    `
let keysOf = schedule[item];          // (firstKey, keyStride)
let owned = schedule[item + 1u];      // (keys, slot)
let visitRange = schedule[item + 2u]; // (visitBegin, visitEnd)
let first = schedule[item + 3u].x;    // number of the first key in its residue class
`,
    SHARE_LINES,
    trip.scoring.clips ? `let keysLeft = ${trip.scoring.keyCount};` : '',
    each(rows, declare),
    ...(wants === 'features'
      ? [declareSums('g', rows, headWidth, threadsX), declareSums('v', rows, valueWidth, threadsX)]
      : [each(rows, (i) => `var r${i} = 0.0;`, ' ')]),
    `
for (var index = visitRange.x; index < visitRange.y; index++) {
let visit = params.spans + 4u * u32(index);
let rowsOf = schedule[visit];       // (firstRow, rowStride)
let visited = schedule[visit + 1u]; // [begin, end) of rows
${mask === 'interval' ? 'let full = schedule[visit + 2u].x;  // every row attends to every key\nlet intervals = params.intervals + u32(schedule[visit + 3u].x);' : ''}
for (var begin = visited.x; begin < visited.y; begin += SIZE) {
`,
    loopText(trip),
    '}\n}',
    ...(wants === 'features' ? [direct ? CONTINUED : '', each(rows, write)] : [meet, each(rows, writeSum)]),
    '}',
    trip.scoring.functions,
    wants === 'features' ? trip.scoring.slopeFunctions : '',
  );
}

/** All lines that a bias is broadcast to, in turn; `written` is the one of the bias. */
const EVERY_LINE = /* wgsl */ `
const SUMS_BATCH = 8u;
const SUMS_HEADS = 16u;
let loopHeads = select(1u, params.heads, (params.flags & SUMS_HEADS) != 0u);
let loopBatch = select(1u, params.batch, (params.flags & SUMS_BATCH) != 0u);
let written = group.z * (params.heads / loopHeads) + group.x;
for (var turn = 0u; turn < loopHeads * loopBatch; turn++) {
let head = select(group.x, turn % loopHeads, loopHeads > 1u);
let batch = select(group.z, turn / loopHeads, loopBatch > 1u);
let line = batch * params.heads + head;
let shareLine = line; // one share covers all
let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;
let keyLine = batch * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;
`;

const BIT = /* wgsl */ `
fn bitOf(words: vec2i, key: u32) -> bool {
  return ((select(words.x, words.y, key % 64u >= 32u) >> (key % 32u)) & 1) == 1;
}
`;
