import type {Plan} from '../../plan/index.js';
import {program} from '../text/make_program.js';
import {hasFarScores, FAR_UNIT, type Features} from '../text/features.js';
import {NUMBERS} from '../text/numbers.js';
import {PARAMS} from '../text/params.js';
import type {Launch, Program} from '../text/program.js';
import {EXTRA, sinkText, standing} from '../tile/scoring.js';
import {lines} from '../text/text.js';

const INVOCATIONS = 256;
const GRID_WIDTH = 32768;

export function logSumExpGrid({problem: {batch, heads, queryLength}}: Plan): Launch['grid'] {
  const groups = Math.ceil((batch * heads * queryLength) / INVOCATIONS);
  return [Math.min(groups, GRID_WIDTH), Math.ceil(groups / GRID_WIDTH), 1];
}

/** Natural log-sum-exp of each row from its maximum and sum; minus infinity where a row attends to nothing. */
export const logSumExpProgram = (features: Features): Program => {
  const {alibi, sinks, lengths} = features;
  // Slopes count from the key nearest to a query; the way to that key is the same for all of a row, but not for its sink.
  const way = `let head = row / params.queryLength % params.heads;
let batch = row / params.queryLength / params.heads;
let way = extra(params.alibiSlopes + head) * beyond(row % params.queryLength, batch);`;
  const sink = `let sink = sinkOf(head, row % params.queryLength, batch);
let ofSink = way != 0.0 && sink.y != 0.0 && sums.x - sink.x <= 1e-6 * abs(sink.x);
let logit = extra(params.sinks + head);`;
  const largest = `sums.x * ${hasFarScores(features) ? `${FAR_UNIT}.0` : Math.LN2}`;
  const most = !alibi ? largest : sinks ? `select(${largest} - way, logit, ofSink)` : `${largest} - way`;
  return program({
    name: 'SparseAttention.logSumExp',
    bindings: ['params', 'rowSums', ...(alibi ? (['schedule'] as const) : []), 'logSumExp'],
    writes: ['logSumExp'],
    elements: {rowSums: 'vec2f', schedule: 'vec2i', logSumExp: 'f32'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      PARAMS,
      alibi ? NUMBERS + EXTRA + standing(lengths) : '',
      alibi && sinks ? sinkText(features) : '',
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let row = (group.y * ${GRID_WIDTH}u + group.x) * ${INVOCATIONS}u + lane;
if (row >= arrayLength(&logSumExp)) { return; }
let sums = rowSums[row]; // (maximum, sum)
${alibi ? way : ''}
${alibi && sinks ? sink : ''}
// Infinity is not a constant of WGSL.
logSumExp[row] = select(${most} + log(sums.y), bitcast<f32>(0xff800000u | (params.flags & 0u)), sums.y == 0.0);
}
`,
    ),
  });
};
