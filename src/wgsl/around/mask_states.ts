import {gridIndex} from '../text/grid.js';
import {program} from '../text/make_program.js';
import {PARAMS} from '../text/params.js';
import type {Program} from '../text/program.js';
import {lines} from '../text/text.js';
import {STATES} from '../tile/states.js';
import {PACK_INVOCATIONS} from './pack_mask.js';

/** Writes behind the bits of a mask tensor what each tile of `rows` rows and 32 keys holds, so that kernels skip tiles of nothing, and test no bits in full ones. Runs on the grid of `packGrid`. */
export function maskStatesProgram(rows: number): Program {
  return program({
    name: 'SparseAttention.maskStates',
    bindings: ['params', 'schedule'],
    writes: ['schedule'],
    elements: {schedule: 'vec2i'},
    workgroupBytes: 0,
    invocations: PACK_INVOCATIONS,
    code: lines(
      `
// bits [planes, rows, ⌈keyLength / 64⌉] → states [planes, ⌈rows / ${rows}⌉, ⌈keyLength / 64⌉]. An invocation writes one pair, for two tiles of 32 keys.
`,
      PARAMS,
      STATES,
      `
@compute @workgroup_size(${PACK_INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = ${gridIndex(PACK_INVOCATIONS)};
let perRow = (params.keyLength + 63u) / 64u;
let maskRows = select(1u, params.queryLength, params.maskStrides.z != 0u);
let tiles = (maskRows + ${rows - 1}u) / ${rows}u;
let plane = index / (perRow * tiles);
if (plane >= params.pairs / (perRow * maskRows)) { return; }
let first = (index / perRow) % tiles * ${rows}u;
var any = vec2i();
var all = vec2i(-1);
for (var row = first; row < min(maskRows, first + ${rows}u); row++) {
let bits = schedule[params.maskBits + (plane * maskRows + row) * perRow + index % perRow];
any |= bits;
all &= bits;
}
schedule[params.maskBits + params.pairs + index] = select(select(vec2i(SOME), vec2i(ALL), all == vec2i(-1)), vec2i(NONE), any == vec2i());
}
`,
    ),
  });
}
