import {gridIndex, gridOf} from '../text/grid.js';
import {program} from '../text/make_program.js';
import {PARAMS} from '../text/params.js';
import type {Launch, Program} from '../text/program.js';
import {lines} from '../text/text.js';

export const PACK_INVOCATIONS = 64;

/** The grid that writes `pairs` pairs of words, one per invocation. */
export const packGrid = (pairs: number): Launch['grid'] => gridOf(pairs, PACK_INVOCATIONS);

/** Packs a boolean tensor (one int32 per element, as tfjs stores it) behind the schedule, 64 keys a pair; four keys a load where rows begin at them. */
export function packMaskProgram(keysInMask: number): Program {
  const inFours = keysInMask % 4 === 0;
  return program({
    name: 'SparseAttention.packMask',
    bindings: ['params', 'mask', 'schedule'],
    writes: ['schedule'],
    elements: {mask: inFours ? 'vec4i' : 'i32', schedule: 'vec2i'},
    workgroupBytes: 0,
    invocations: PACK_INVOCATIONS,
    code: lines(
      `
// mask [rows, ${keysInMask === 1 ? '1, one element for all keys' : 'keyLength'}] → bits [rows, ⌈keyLength / 64⌉]. An invocation packs one pair of words.
`,
      PARAMS,
      `
@compute @workgroup_size(${PACK_INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = ${gridIndex(PACK_INVOCATIONS)};
if (index >= params.pairs) { return; }
let perRow = (params.keyLength + 63u) / 64u;
let row = index / perRow;
let firstKey = (index % perRow) * 64u;
schedule[params.maskBits + index] = vec2i(wordOf(row, firstKey), wordOf(row, firstKey + 32u));
}

${inFours ? WORD_IN_FOURS : wordOneByOne(keysInMask)}`,
    ),
  });
}

const WORD_IN_FOURS = /* wgsl */ `
fn wordOf(row: u32, firstKey: u32) -> i32 {
var word = 0u;
let first = (row * params.keyLength + firstKey) / 4u;
for (var four = 0u; four < min(8u, (max(params.keyLength, firstKey) - firstKey) / 4u); four++) {
word |= dot(vec4u(mask[first + four] != vec4i()), vec4u(1u, 2u, 4u, 8u)) << (4u * four);
}
return i32(word);
}
`;

const wordOneByOne = (keysInMask: number): string => /* wgsl */ `
fn wordOf(row: u32, firstKey: u32) -> i32 {
var word = 0u;
for (var bit = 0u; bit < 32u; bit++) {
let key = firstKey + bit;
if (key < params.keyLength && mask[${keysInMask === 1 ? 'row' : 'row * params.keyLength + key'}] != 0) { word |= 1u << bit; }
}
return i32(word);
}
`;
