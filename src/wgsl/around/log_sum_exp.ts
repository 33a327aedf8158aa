import type {Work} from '../../plan/index.js';
import {gridIndex, gridOf} from '../text/grid.js';
import {program} from '../text/make_program.js';
import {FAR_UNIT, type Features} from '../text/features.js';
import {hasFarScores} from '../terms/terms.js';
import {NUMBERS} from '../text/numbers.js';
import type {Launch, Program} from '../text/program.js';
import {Scoring} from '../tile/scoring.js';
import {lines} from '../text/text.js';

const INVOCATIONS = 256;

export const logSumExpGrid = ({problem: {batch, heads, queryLength}}: Work): Launch['grid'] =>
  gridOf(batch * heads * queryLength, INVOCATIONS);

/** Natural log-sum-exp of each row from its maximum and sum; minus infinity where a row attends to nothing. */
export const logSumExpProgram = (features: Features): Program => {
  const scoring = new Scoring(features);
  // What scores of a row are less by, its sink is not.
  const apart = scoring.apart('head', 'row % params.queryLength', 'batch');
  const seen = scoring.seen('head', 'row % params.queryLength', 'batch');
  const way = `let head = row / params.queryLength % params.heads;
let batch = row / params.queryLength / params.heads;
let way = ${apart?.factor} * ${apart?.way};`;
  const sink = `let sink = ${seen};
let ofSink = way != 0.0 && sink.y != 0.0 && sums.x - sink.x <= 1e-6 * abs(sink.x);`;
  const largest = `sums.x * ${hasFarScores(features) ? `${FAR_UNIT}.0` : Math.LN2}`;
  const most =
    apart === null ? largest : seen ? `select(${largest} - way, ${scoring.seenLogit('head')}, ofSink)` : `${largest} - way`;
  return program({
    name: 'SparseAttention.logSumExp',
    bindings: ['params', 'rowSums', ...(apart === null ? [] : (['schedule'] as const)), 'logSumExp'],
    writes: ['logSumExp'],
    elements: {rowSums: 'vec2f', schedule: 'vec2i', logSumExp: 'f32'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      scoring.params,
      apart === null ? '' : NUMBERS + scoring.rowFunctions,
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let row = ${gridIndex(INVOCATIONS)};
if (row >= arrayLength(&logSumExp)) { return; }
let sums = rowSums[row]; // (maximum, sum)
${apart === null ? '' : way}
${apart !== null && seen ? sink : ''}
// Infinity is not a constant of WGSL.
logSumExp[row] = select(${most} + log(sums.y), bitcast<f32>(0xff800000u | (params.flags & 0u)), sums.y == 0.0);
}
`,
    ),
  });
};
