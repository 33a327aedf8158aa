import {PRODUCT_MERGE, type ProductTile} from '../../product/index.js';
import {ceilDiv} from '../../support/index.js';
import {gridIndex} from '../text/grid.js';
import {program} from '../text/make_program.js';
import type {Program} from '../text/program.js';
import {each, lines} from '../text/text.js';
import {outputFirst, writeFour} from './product.js';
import type {ProductShape} from './product_shape.js';
import {PRODUCT_PARAMS} from './product_params.js';

const INVOCATIONS = 64;

/**
 * Workgroups to a tile: an invocation adds one four. With one workgroup to a tile, each four would wait for those before it: all ones 1024³, 256 tiles of
 * three parts, .0814 ms in all (H200, 2026-11-30), .068 in a lab.
 */
export const groupsOfTile = ({rows, columns}: ProductTile): number => ceilDiv((rows * columns) / 4, INVOCATIONS);

/** Parts that are on their way at a time. */
const AT_ONCE = 4;

/** Adds the parts of tiles, each time in the same order. */
export function mergePartsProgram({tile, inFours: [, , inFours], ragged}: ProductShape): Program {
  const {rows, columns} = tile;
  const groups = groupsOfTile(tile);
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
      `let workgroup = ${gridIndex(1, '0u')};`,
      `let index = params.first + workgroup / ${groups}u;`,
      `let four = workgroup % ${groups}u * ${INVOCATIONS}u + lane;`,
      `if (index >= params.end${fours % INVOCATIONS === 0 ? '' : ` || four >= ${fours}u`}) { return; }
let record = params.mergesAt + ${PRODUCT_MERGE.words}u * index;
let slot = ${word('slot')} + group.z * params.slots;
let parts = ${word('parts')};
let product = ${word('product')} + group.z;
let first = ${outputFirst(inFours)};
var sum = vec4f();
for (var part = 0u; part < parts; part += ${AT_ONCE}u) {`,
      each(AT_ONCE, (i) => `let part${i} = scratch[(slot + min(part + ${i}u, parts - 1u)) * ${fours}u + four];`),
      each(AT_ONCE, (i) => `sum += ${i === 0 ? 'part0' : `select(vec4f(), part${i}, part + ${i}u < parts)`};`),
      `}
writeFour(first, ${word('row')} + four / ${columns / 4}u, ${word('column')} + 4u * (four % ${columns / 4}u), sum);
}`,
    ),
  });
}
