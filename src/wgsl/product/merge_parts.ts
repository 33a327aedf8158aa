import {PRODUCT_MERGE} from '../../product/index.js';
import {gridIndex} from '../text/grid.js';
import {program} from '../text/make_program.js';
import type {Program} from '../text/program.js';
import {lines} from '../text/text.js';
import {outputFirst, writeFour, type ProductShape} from './product.js';
import {PRODUCT_PARAMS} from './product_params.js';

const INVOCATIONS = 64;

/** Adds the parts of tiles, each time in the same order. */
export function mergePartsProgram({tile: {rows, columns}, inFours: [, , inFours], ragged}: ProductShape): Program {
  const word = (name: keyof typeof PRODUCT_MERGE): string => `schedule[record + ${PRODUCT_MERGE[name]}u]`;
  const fours = (rows * columns) / 4;
  return program({
    name: 'SplatBlockSparseMatMul.merge',
    bindings: ['params', 'schedule', 'output', 'scratch'],
    writes: ['output'],
    elements: {schedule: 'u32', output: inFours ? 'vec4f' : 'f32', scratch: 'vec4f'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      `// The sum of the parts of a tile of ${rows} × ${columns}.`,
      PRODUCT_PARAMS,
      writeFour(inFours, ragged),
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      `let index = params.first + ${gridIndex(1, '0u')};`,
      `if (index >= params.end) { return; }
let record = params.mergesAt + ${PRODUCT_MERGE.words}u * index;
let slot = ${word('slot')} + group.z * params.slots;
let parts = ${word('parts')};
let product = ${word('product')} + group.z;
let first = ${outputFirst(inFours)};
for (var four = lane; four < ${fours}u; four += ${INVOCATIONS}u) {
var sum = scratch[slot * ${fours}u + four];
for (var part = 1u; part < parts; part++) { sum += scratch[(slot + part) * ${fours}u + four]; }
writeFour(first, ${word('row')} + four / ${columns / 4}u, ${word('column')} + 4u * (four % ${columns / 4}u), sum);
}
}`,
    ),
  });
}
