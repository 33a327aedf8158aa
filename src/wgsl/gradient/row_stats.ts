import type {Work} from '../../plan/index.js';
import {gridIndex, gridOf} from '../text/grid.js';
import {program} from '../text/make_program.js';
import {PARAMS} from '../text/params.js';
import type {BindingRole, Launch, Program} from '../text/program.js';
import {rowAccess} from '../text/row_access.js';
import {lines} from '../text/text.js';
import {plain, textOf, type Flow} from '../tile/flow.js';

const INVOCATIONS = 256;
/** Invocations that share a row. */
const SHARED = 8;

export const rowStatsGrid = (rows: number): Launch['grid'] => gridOf(rows, INVOCATIONS / SHARED);

/** What a backward pass needs of each row: (maximum, 1 / sum, D = output · dOutput − dLogSumExp), zeros for rows without keys. */
export function rowStatsProgram({problem: {valueDim}}: Work, withLogSumExp: boolean): Program {
  const [output, dOutput] = [rowAccess('output', valueDim), rowAccess('dOutput', valueDim)];
  const bindings: BindingRole[] = ['params', 'output', 'dOutput', 'rowSums', 'scratch'];
  if (withLogSumExp) bindings.push('dLogSumExp');
  return program({
    name: 'SparseAttention.rowStats',
    bindings,
    writes: ['scratch'],
    elements: {output: output.element, dOutput: dOutput.element, rowSums: 'vec2f', scratch: 'vec4f', dLogSumExp: 'f32'},
    workgroupBytes: 4 * INVOCATIONS,
    invocations: INVOCATIONS,
    code: lines(
      PARAMS,
      output.functions + dOutput.functions,
      `
var<workgroup> parts: array<f32, ${INVOCATIONS}>;

@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      textOf(rowStatsFlow(valueDim, withLogSumExp)),
      '}',
    ),
  });
}

export function rowStatsFlow(valueDim: number, withLogSumExp: boolean): readonly Flow[] {
  const [output, dOutput] = [rowAccess('output', valueDim), rowAccess('dOutput', valueDim)];
  const parts = {begin: 0, end: INVOCATIONS / 4};
  return [
    plain(`let rows = params.slotBase; // of the share
let own = ${gridIndex(INVOCATIONS / SHARED, `lane / ${SHARED}u`)};
let row = min(own, rows - 1u);
let shareLine = row / params.queryLength;
let batch = params.firstBatch + shareLine / params.shareHeads;
let head = params.firstHead + shareLine % params.shareHeads;
let query = row % params.queryLength;
let at = batch * params.heads * params.queryLength + head * params.queryStrides.x + query * params.queryStrides.y;
var sum = 0.0;
for (var column = lane % ${SHARED}u; column < ${output.columns}u; column += ${SHARED}u) {
sum += dot(${output.load(output.base('at'), 'column')}, ${dOutput.load(dOutput.base('at'), 'column')});
}`),
    {name: 'parts of a row', reads: [], writes: [parts], code: 'parts[lane] = sum;'},
    {
      name: 'whole rows',
      reads: [parts],
      writes: [],
      code: `if (lane % ${SHARED}u != 0u || own >= rows) { return; }
var whole = 0.0;
for (var i = 0u; i < ${SHARED}u; i++) { whole += parts[lane + i]; }
let place = (batch * params.heads + head) * params.queryLength + query;
let sums = rowSums[place]; // (maximum in log2, sum)
// A row without keys keeps zeros, also where a gradient of its log-sum-exp, minus infinity, is not finite.
let attends = sums.y != 0.0;
scratch[row] = select(vec4f(), vec4f(sums.x, 1.0 / sums.y, whole${withLogSumExp ? ' - dLogSumExp[place]' : ''}, 0.0), attends);`,
    },
  ];
}
