import {ceilDiv} from '../../support/index.js';
import {SHARE_LINES} from '../tile/lines.js';
import {program} from '../text/make_program.js';
import {NUMBERS} from '../text/numbers.js';
import {PARAMS} from '../text/params.js';
import type {BindingRole, Program} from '../text/program.js';
import {rowAccess} from '../text/row_access.js';
import {lines} from '../text/text.js';

const INVOCATIONS = 256;

/** Which gradients lie side by side in a record, and how many features each has. */
export interface Records {
  readonly owns: 'rows' | 'keys';
  /** Rows of a tile. */
  readonly size: number;
  readonly outputs: readonly {readonly role: BindingRole; readonly features: number}[];
}

const columnsOf = ({outputs}: Records): number => outputs.reduce((sum, {features}) => sum + ceilDiv(features, 4), 0);

/** Workgroups per merge: an invocation sums one vec4 column of one row. */
export const sumGroups = (records: Records): number => ceilDiv(records.size * columnsOf(records), INVOCATIONS);

/** Sums the partial gradients of a tile, those of keys over the query heads that share them, in the order of the schedule. */
export function sumProgram(records: Records): Program {
  const {owns, size, outputs} = records;
  const tensors = outputs.map(({role, features}) => ({role, access: rowAccess(role, features, true)}));
  const columns = columnsOf(records);
  let first = 0;
  const stores = tensors.map(({access}) => {
    const [begin, end] = [first, (first += access.columns)];
    const column = begin === 0 ? 'column' : `(column - ${begin}u)`;
    const base = access.base('at');
    return lines(
      `if (column >= ${begin}u && column < ${end}u) {`,
      `if (continues) { sum += ${access.load(base, column)}; }`,
      access.store(base, column, 'sum'),
      '}',
    );
  });
  const ownsKeys = owns === 'keys';
  return program({
    name: ownsKeys ? 'SparseAttention.sumKeyGradients' : 'SparseAttention.sumQueryGradients',
    bindings: ['params', 'schedule', 'scratch', ...tensors.map(({role}) => role)],
    writes: ['scratch', ...tensors.map(({role}) => role)],
    elements: {schedule: 'vec2i', scratch: 'vec4f', ...Object.fromEntries(tensors.map(({role, access}) => [role, access.element]))},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      `
// Sums partial gradients. A merge owns ${size} ${owns}; an invocation owns one vec4 column of one of them.
`,
      NUMBERS,
      PARAMS,
      ...tensors.map(({access}) => access.functions),
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let item = params.first + 4u * (group.y / ${sumGroups(records)}u);
let tile = schedule[item];       // (first, stride)
let owned = schedule[item + 1u]; // (${owns}, slotBegin)
let slotEnd = schedule[item + 2u].x;
${ownsKeys ? KEY_LINES : SHARE_LINES}
let own = (group.y % ${sumGroups(records)}u) * ${INVOCATIONS}u + lane;
let x = own / ${columns}u;
let column = own % ${columns}u;
if (i32(x) >= owned.x) { return; }
let at = ${ownsKeys ? 'keyLine' : 'queryLine'} + u32(tile.x + tile.y * i32(x)) * params.${ownsKeys ? 'keyStrides' : 'queryStrides'}.y;
let continues = (params.flags & CONTINUES) != 0u;
var sum = vec4f();
${ownsKeys ? 'for (var shareLine = firstLine; shareLine < lineEnd; shareLine++) {' : '{'}
for (var slot = owned.y; slot < slotEnd; slot++) {
sum += scratch[params.slotBase + ((shareLine * params.slots + u32(slot)) * ${size}u + x) * ${columns}u + column];
}
}
`,
      ...stores,
      '}',
    ),
  });
}

/** A workgroup works on a head of keys: on all of its query heads, or on those that the share has. */
const KEY_LINES = /* wgsl */ `
let head = params.firstHead / params.groupSize + group.x;
let batch = params.firstBatch + group.z;
let firstLine = group.z * params.shareHeads + group.x * params.groupSize;
let lineEnd = firstLine + min(params.groupSize, params.shareHeads);
let keyLine = batch * params.keyHeads * params.keyLength + head * params.keyStrides.x;
`;
