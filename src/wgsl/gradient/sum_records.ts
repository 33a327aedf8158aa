import {KEY_MERGE, MERGE, type Kinds} from '../../plan/index.js';
import {ceilDiv} from '../../support/index.js';
import {keyMergeLines, shareLinesOf, shareSlotLine} from '../tile/lines.js';
import {keyRowAt, keyRows, letPair, pairOf, placeFunctions, recordFrom, rowAt, type Owns} from '../tile/places.js';
import {program} from '../text/make_program.js';
import {NUMBERS} from '../text/numbers.js';
import {PARAMS} from '../text/params.js';
import type {BindingRole, Program} from '../text/program.js';
import {rowAccess} from '../text/row_access.js';
import {each, lines} from '../text/text.js';

const INVOCATIONS = 256;

/** Which gradients lie side by side in a record, and how many features each has. */
export interface Records {
  readonly owns: Owns;
  readonly kinds: Kinds;
  /** Rows of a tile. */
  readonly size: number;
  readonly outputs: readonly {readonly role: BindingRole; readonly features: number}[];
}

const columnsOf = ({outputs}: Pick<Records, 'outputs'>): number =>
  outputs.reduce((sum, {features}) => sum + ceilDiv(features, 4), 0);

/** Workgroups per merge: an invocation sums one vec4 column of one row. */
export const sumGroups = (records: Omit<Records, 'kinds'>): number => ceilDiv(records.size * columnsOf(records), INVOCATIONS);

/** Sums the partial gradients of a tile, those of keys over the query heads that share them, in the order of the schedule. */
export function sumProgram(records: Records): Program {
  const {owns, size, outputs, kinds} = records;
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
  const recordOf = (slot: string): string =>
    `params.slotBase + ((${ownsKeys ? 'slotLine' : shareSlotLine(kinds)} * params.slots + u32(${slot})) * ${size}u + x) * ${columns}u + column`;
  const format = ownsKeys ? KEY_MERGE : MERGE;
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
      placeFunctions({rows: ownsKeys ? 'affine' : kinds.rows, keys: ownsKeys ? kinds.keys : 'affine'}),
      ...tensors.map(({access}) => access.functions),
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let item = ${recordFrom('params.first', format, `(group.y / ${sumGroups(records)}u)`)};
${ownsKeys ? lines(letPair(KEY_MERGE, 'keysOf', 'item'), keyRows(kinds)) : letPair(MERGE, 'rowsOf', 'item')}
${ownsKeys ? letPair(KEY_MERGE, 'owned', 'item') : letPair(MERGE, 'owned', 'item')}
let slotEnd = ${ownsKeys ? pairOf(KEY_MERGE, 'slots', 'item') : pairOf(MERGE, 'slots', 'item')}.x;
${ownsKeys ? keyMergeLines(kinds) : shareLinesOf(kinds, 'merge')}
let own = (group.y % ${sumGroups(records)}u) * ${INVOCATIONS}u + lane;
let x = own / ${columns}u;
let column = own % ${columns}u;
if (i32(x) >= owned.x) { return; }
let at = ${ownsKeys ? `keyLine + ${keyRowAt(kinds, 'i32(x)')}` : `queryLine + ${rowAt(kinds, 'i32(x)')} * params.queryStrides.y`};
let continues = (params.flags & CONTINUES) != 0u;
var sum = vec4f();
${ownsKeys ? 'for (var slotLine = firstLine; slotLine < lineEnd; slotLine++) {' : '{'}
for (var slot = owned.y; slot < slotEnd; slot += 4) {
// Four at a time, as merges read them; added one after another.
${each(4, (s) => `let part${s} = scratch[${recordOf(`min(slot + ${s}, slotEnd - 1)`)}];`)}
${each(4, (s) => `sum += select(vec4f(), part${s}, slot + ${s} < slotEnd);`)}
}
}
`,
      ...stores,
      '}',
    ),
  });
}
