import type {BlockMask} from './block_mask.js';
import {batchOf, blocksOf} from './problem.js';
import type {ProductPlan} from './product_plan.js';
import {tileBytes} from './tiles.js';

/** A plan of a product in words. */
export function productText(plan: ProductPlan): string {
  const {problem, tile, schedule, layers, tiles, lists, choice, predictedMs, predictedDenseMs} = plan;
  const {m, k, n, block, transposeA, transposeB, maskA, maskB, maskC} = problem;
  const faster = Math.max(predictedMs, predictedDenseMs) / Math.min(predictedMs, predictedDenseMs);
  const [by, other] = choice === 'blocks' ? ['block by block', 'tf.matMul'] : ['tf.matMul of masked operands', 'block by block'];
  const sides = blocksOf(problem);
  const masks = [
    maskText('A', maskA, `${sides.m} × ${sides.k}`),
    maskText('B', maskB, `${sides.k} × ${sides.n}`),
    maskText('output', maskC, `${sides.m} × ${sides.n}`),
  ];
  const turned = [transposeA ? 'A transposed' : '', transposeB ? 'B transposed' : ''].filter(Boolean);
  const parts =
    schedule.merges === 0 ? '' : `, of ${schedule.slots * layers} the sums are merged into ${schedule.merges * layers} tiles`;
  return [
    `product  ${choice}: ${by}, predicted ${faster.toFixed(1)}× faster than ${other}`,
    `  ${[`${batchOf(problem)} × [${m}, ${k}] · [${k}, ${n}]`, `blocks of ${block.m} × ${block.k} × ${block.n}`, ...turned].join(', ')}`,
    `  ${masks.join('; ')}`,
    `  tile ${tile.rows} × ${tile.columns}, ${tile.threadsX} × ${tile.threadsY} invocations${engineText(plan)}, ${tile.step} numbers a step, ${tileBytes(tile)} bytes shared`,
    `  ${schedule.items * layers} work items for ${tiles} tiles${parts}; ${lists.empty * layers} tiles are zeros`,
    `  ${lists.distinct} lists, the longest of ${lists.longest} numbers, ${lists.mean.toFixed(1)} a tile; ${4 * schedule.words.length} bytes`,
    `  useful ${flopsText(plan.usefulFlops)}, computed ${flopsText(plan.computedFlops)}, dense ${flopsText(plan.denseFlops)}`,
    `  predicted ${predictedMs.toPrecision(3)} ms by blocks, ${predictedDenseMs.toPrecision(3)} by tf.matMul of masked operands, on the GPU that plans assume`,
  ].join('\n');
}

function engineText({problem: {precision}, tile: {matrix}}: ProductPlan): string {
  if (precision === 'float32') return '';
  return matrix === null ? ' in float32, for lack of tensor cores or blocks that suit them' : ' on tensor cores';
}

function maskText(name: string, mask: BlockMask | null, sides: string): string {
  if (mask === null) return `${name} whole`;
  const {held, rows, columns, distinct, of} = mask;
  const density = ((100 * held) / Math.max(1, rows * columns * distinct)).toFixed(1);
  return `${name} ${density} % of ${sides} blocks${of.length === 1 ? '' : `, ${distinct} masks`}`;
}

const flopsText = (flops: number): string => `${(flops / 1e9).toPrecision(3)} GFLOP`;
