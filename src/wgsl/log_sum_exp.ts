import type {Plan} from '../plan/index.js';
import {program} from './make_program.js';
import {PARAMS} from './params.js';
import type {Launch, Program} from './program.js';
import {lines} from './text.js';

const INVOCATIONS = 256;
const GRID_WIDTH = 32768;

export function logSumExpGrid({problem: {batch, heads, queryLength}}: Plan): Launch['grid'] {
  const groups = Math.ceil((batch * heads * queryLength) / INVOCATIONS);
  return [Math.min(groups, GRID_WIDTH), Math.ceil(groups / GRID_WIDTH), 1];
}

/** Natural log-sum-exp of each row from its maximum and sum; minus infinity where a row attends to nothing. */
export const logSumExpProgram = (): Program =>
  program({
    name: 'SparseAttention.logSumExp',
    bindings: ['params', 'rowSums', 'logSumExp'],
    writes: ['logSumExp'],
    elements: {rowSums: 'vec2f', logSumExp: 'f32'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      PARAMS,
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let row = (group.y * ${GRID_WIDTH}u + group.x) * ${INVOCATIONS}u + lane;
if (row >= arrayLength(&logSumExp)) { return; }
let sums = rowSums[row]; // (maximum in log2, sum)
// Infinity is not a constant of WGSL.
logSumExp[row] = select(sums.x * 0.6931471805599453 + log(sums.y), bitcast<f32>(0xff800000u | (params.flags & 0u)), sums.y == 0.0);
}
`,
    ),
  });
