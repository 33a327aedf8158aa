import {MERGE, REGULAR, type Kinds} from '../../plan/index.js';
import {ceilDiv} from '../../support/index.js';
import {program} from '../text/make_program.js';
import type {Features} from '../text/features.js';
import type {Structure} from '../tile/kernel_shape.js';
import {linesOf, slotLine} from '../tile/lines.js';
import {letPair, ownRow, pairOf, placeFunctions, recordFrom} from '../tile/places.js';
import {FINITE, NUMBERS} from '../text/numbers.js';
import {power, unitText} from '../terms/unit.js';
import type {Program} from '../text/program.js';
import {rowAccess} from '../text/row_access.js';
import {Scoring} from '../tile/scoring.js';
import {each, lines} from '../text/text.js';

const INVOCATIONS = 256;

/** Rows that a workgroup of a merge joins; all columns of a row lie in one workgroup. */
const rowsPerGroup = ({problem}: Pick<Structure, 'problem'>): number => Math.floor(INVOCATIONS / ceilDiv(problem.valueDim, 4));

/** Workgroups per merge: an invocation joins one vec4 column of one row. */
export const mergeGroups = (plan: Pick<Structure, 'problem' | 'tile'>): number => ceilDiv(plan.tile.rows, rowsPerGroup(plan));

/** Joins the parts of long rows by their maximum and sum: w_p = sum_p · exp(maximum_p − largest), output = Σ w_p · output_p / Σ w_p. */
export function mergeProgram(plan: Pick<Structure, 'problem' | 'tile'>, features: Features, kinds: Kinds = REGULAR): Program {
  const scoring = new Scoring(features);
  const seen = scoring.seen('head', 'own', 'batch');
  const columns = ceilDiv(plan.problem.valueDim, 4);
  const groups = mergeGroups(plan);
  const output = rowAccess('output', plan.problem.valueDim, true);
  return program({
    name: 'SparseAttention.merge',
    bindings: ['params', 'schedule', 'output', 'scratch', 'rowSums'],
    writes: ['output', 'scratch', 'rowSums'],
    elements: {schedule: 'vec2i', output: output.element, scratch: 'vec4f', rowSums: 'vec2f'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      `
// Joins partial rows. A merge owns the rows of one tile and its slots; an invocation owns one vec4 column of one row.
const ROWS = ${plan.tile.rows}u;
const COLUMNS = ${columns}u;
const RECORD = COLUMNS + 1u;
`,
      NUMBERS + unitText(features),
      scoring.params,
      FINITE,
      placeFunctions({rows: kinds.rows, keys: 'affine'}),
      seen === null ? '' : scoring.rowFunctions,
      output.functions,
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let item = ${recordFrom('params.first', MERGE, `(group.y / ${groups}u)`)};
${letPair(MERGE, 'rowsOf', 'item')}
${letPair(MERGE, 'owned', 'item')}
let slotEnd = ${pairOf(MERGE, 'slots', 'item')}.x;
`,
      linesOf(kinds, 'merge'),
      `
let x = (group.y % ${groups}u) * ${rowsPerGroup(plan)}u + lane / COLUMNS;
let column = lane % COLUMNS;
let owns = lane < ${rowsPerGroup(plan)}u * COLUMNS && i32(x) < owned.x;
let own = ${ownRow(kinds, 'x')};
let row = line * params.queryLength + own;
let to = ${output.base('(outputLine + own * params.outputStrides.y)')};

// Earlier passes left the row in the output; it counts as one more part.
let continues = (params.flags & CONTINUES) != 0u;
var before = vec2f(EMPTY, 0.0);
if (continues) { before = rowSums[row]; }
${seen === null ? '' : `else { before = ${seen}; }`}
// All columns of a row read its old sum before one of them writes the new one.
storageBarrier();
if (!owns) { return; }
var largest = before.x;
for (var slot = owned.y; slot < slotEnd; slot += 4) {
// Four at a time: a row of 32 parts waits for memory, not for arithmetic. The last one again does no harm.
${each(4, (s) => `let maximum${s} = scratch[recordOf(${slotLine(kinds)}, min(slot + ${s}, slotEnd - 1), x) + COLUMNS].x;`)}
largest = max(largest, max(max(maximum0, maximum1), max(maximum2, maximum3)));
}
var total = weight(before, largest);
var sum = vec4f();
if (continues) { sum = total * ${output.load('to', 'column')}; }
for (var slot = owned.y; slot < slotEnd; slot += 4) {
${each(4, (s) => `let record${s} = recordOf(${slotLine(kinds)}, min(slot + ${s}, slotEnd - 1), x);`)}
${each(4, (s) => `let part${s} = scratch[record${s} + COLUMNS].xy; let row${s} = scratch[record${s} + column];`)}
${each(4, (s) => `if (slot + ${s} < slotEnd) { let share = weight(part${s}, largest); total += share; sum = fma(vec4f(share), row${s}, sum); }`)}
}
let inverse = select(1.0 / total, 0.0, total == 0.0);
var mean = sum * inverse;
if (!isFinite(sizeOf(sum))) {
// Shares of 1, whose sums are not past the largest output. Not at once: tiny outputs would vanish.
mean = vec4f();
if (continues) { mean = (weight(before, largest) * inverse) * ${output.load('to', 'column')}; }
for (var slot = owned.y; slot < slotEnd; slot++) {
let record = recordOf(${slotLine(kinds)}, slot, x);
mean = fma(vec4f(weight(scratch[record + COLUMNS].xy, largest) * inverse), scratch[record + column], mean);
}
}
${output.store('to', 'column', 'mean')}
if (column == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[row] = vec2f(largest, total); }
}

fn recordOf(line: u32, slot: i32, x: u32) -> u32 {
return params.slotBase + ((line * params.slots + u32(slot)) * ROWS + x) * RECORD;
}

// Of a part with this (maximum, sum): 0 when it saw no key, for its sum is.
fn weight(part: vec2f, largest: f32) -> f32 {
return part.y * exp2(${power('part.x - largest', features)});
}
`,
    ),
  });
}
