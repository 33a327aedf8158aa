import type {Plan} from '../plan/index.js';
import {ceilDiv} from '../support/index.js';
import {program} from './make_program.js';
import {NUMBERS} from './numbers.js';
import {PARAMS} from './params.js';
import type {Program} from './program.js';
import {rowAccess} from './row_access.js';
import {lines} from './text.js';

const INVOCATIONS = 256;

/** Workgroups per merge: an invocation joins one vec4 column of one row. */
export const mergeGroups = ({problem, tile}: Plan): number => ceilDiv(tile.rows * ceilDiv(problem.valueDim, 4), INVOCATIONS);

/** Joins the parts of long rows by their maximum and sum: w_p = sum_p · 2^(maximum_p − largest), output = Σ w_p · output_p / Σ w_p. */
export function mergeProgram(plan: Plan): Program {
  const columns = ceilDiv(plan.problem.valueDim, 4);
  const output = rowAccess('output', plan.problem.valueDim, true);
  const groups = mergeGroups(plan);
  return program({
    name: 'SparseAttention.merge',
    bindings: ['params', 'schedule', 'output', 'scratch'],
    writes: ['output', 'scratch'],
    elements: {schedule: 'vec2i', output: output.element, scratch: 'vec4f'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      `
// Joins partial rows. A merge owns the rows of one tile and its slots; an invocation owns one vec4 column of one row.
const ROWS = ${plan.tile.rows}u;
const COLUMNS = ${columns}u;
const RECORD = COLUMNS + 1u;
`,
      NUMBERS,
      PARAMS,
      output.functions,
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let line = group.z * params.heads + group.x;
let merge = params.first + 4u * (group.y / ${groups}u);
let rowsOf = schedule[merge];     // (firstRow, rowStride)
let owned = schedule[merge + 1u]; // (rows, slotBegin)
let slotEnd = schedule[merge + 2u].x;
let own = (group.y % ${groups}u) * ${INVOCATIONS}u + lane;
let x = own / COLUMNS;
let column = own % COLUMNS;
if (i32(x) >= owned.x) { return; }
let row = line * params.queryLength + u32(rowsOf.x + rowsOf.y * i32(x));

// Earlier passes left the row in the output; it counts as one more part.
let continues = (params.flags & CONTINUES) != 0u;
var largest = EMPTY;
if (continues) { largest = scratch[row].x; }
for (var slot = owned.y; slot < slotEnd; slot++) {
largest = max(largest, scratch[recordOf(line, slot, x) + COLUMNS].x);
}
var total = 0.0;
var sum = vec4f();
if (continues) {
total = weight(scratch[row].xy, largest);
sum = total * ${output.load(output.base('row'), 'column')};
}
for (var slot = owned.y; slot < slotEnd; slot++) {
let record = recordOf(line, slot, x);
let share = weight(scratch[record + COLUMNS].xy, largest);
total += share;
sum = fma(vec4f(share), scratch[record + column], sum);
}
${output.store(output.base('row'), 'column', 'sum * select(1.0 / total, 0.0, total == 0.0)')}
// All columns of a row read its old sum, so it may only be written where there is none: the planner cuts no rows of a middle pass.
if (column == 0u && (params.flags & KEEPS_SUM) != 0u && !continues) {
scratch[row] = vec4f(largest, total, 0.0, 0.0);
}
}

fn recordOf(line: u32, slot: i32, x: u32) -> u32 {
return params.slotBase + ((line * params.slots + u32(slot)) * ROWS + x) * RECORD;
}

// Of a part with this (maximum, sum): 0 when it saw no key, for its sum is.
fn weight(part: vec2f, largest: f32) -> f32 {
return part.y * exp2(part.x - largest);
}
`,
    ),
  });
}
