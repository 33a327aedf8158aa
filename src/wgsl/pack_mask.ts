import {program} from './make_program.js';
import {PARAMS} from './params.js';
import type {Program} from './program.js';
import {lines} from './text.js';

const INVOCATIONS = 64;
/** Workgroups of one row of the dispatch grid: 65,535 is the limit of a dimension. */
const GRID_WIDTH = 32768;

/** The grid that packs `words` words, one per invocation. */
export function packGrid(words: number): [number, number, number] {
  const groups = Math.ceil(words / INVOCATIONS);
  return [Math.min(groups, GRID_WIDTH), Math.ceil(groups / GRID_WIDTH), 1];
}

/** Packs a boolean tensor (one int32 per element, as tfjs stores it) into 32 pairs a word. */
export function packMaskProgram(keysInMask: number): Program {
  return program({
    name: 'SparseAttention.packMask',
    bindings: ['params', 'mask', 'maskWords'],
    writes: ['maskWords'],
    elements: {mask: 'i32', maskWords: 'u32'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      `
// mask [rows, ${keysInMask === 1 ? '1, one element for all keys' : 'keyLength'}] → maskWords [rows, wordsPerRow]. An invocation packs one word; params.first is the number of words.
`,
      PARAMS,
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = (group.y * ${GRID_WIDTH}u + group.x) * ${INVOCATIONS}u + lane;
if (index >= params.first) { return; }
let row = index / params.wordsPerRow;
let firstKey = (index % params.wordsPerRow) * 32u;
var word = 0u;
for (var bit = 0u; bit < 32u; bit++) {
let key = firstKey + bit;
if (key < params.keyLength && mask[${keysInMask === 1 ? 'row' : 'row * params.keyLength + key'}] != 0) { word |= 1u << bit; }
}
maskWords[index] = word;
}
`,
    ),
  });
}
