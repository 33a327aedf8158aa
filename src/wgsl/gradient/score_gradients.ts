import {gridIndex, gridOf} from '../text/grid.js';
import {program} from '../text/make_program.js';
import {PARAMS} from '../text/params.js';
import type {Launch, Program} from '../text/program.js';
import {lines} from '../text/text.js';

const INVOCATIONS = 256;

export const elementGrid = (elements: number): Launch['grid'] => gridOf(elements, INVOCATIONS);

const INDEX = /* wgsl */ `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = ${gridIndex(INVOCATIONS)};
`;

/** Zeros for the pairs that nobody visits. */
export const clearProgram = (): Program =>
  program({
    name: 'SparseAttention.clear',
    bindings: ['params', 'dScores'],
    writes: ['dScores'],
    elements: {dScores: 'f32'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(PARAMS, INDEX, 'if (index < arrayLength(&dScores)) { dScores[index] = 0.0 * f32(params.flags & 0u); }', '}'),
  });

/** Sums along the diagonals key − query, which share an entry of a relative bias. */
export const diagonalProgram = (): Program =>
  program({
    name: 'SparseAttention.diagonals',
    bindings: ['params', 'dScores', 'dRelative'],
    writes: ['dRelative'],
    elements: {dScores: 'f32', dRelative: 'f32'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      PARAMS,
      INDEX,
      `
let entries = params.queryLength + params.keyLength - 1u;
if (index >= arrayLength(&dRelative)) { return; }
let head = index / entries;
let first = i32(index % entries) - i32(params.queryLength) + 1; // the key of query 0
var sum = 0.0;
for (var query = max(0, -first); query < min(i32(params.queryLength), i32(params.keyLength) - first); query++) {
sum += dScores[(head * params.queryLength + u32(query)) * params.keyLength + u32(query + first)];
}
dRelative[index] = sum;
}
`,
    ),
  });
