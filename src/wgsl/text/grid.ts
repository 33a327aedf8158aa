import {ceilDiv} from '../../support/index.js';

/** Workgroups of one row of the dispatch grid: 65,535 is the limit of a dimension. */
const GRID_WIDTH = 32768;

/** The grid of `count` invocations, so many to a workgroup, in each of `layers`; at least one workgroup. */
export function gridOf(count: number, invocations: number, layers = 1): [number, number, number] {
  const groups = Math.max(1, ceilDiv(count, invocations));
  return [Math.min(groups, GRID_WIDTH), ceilDiv(groups, GRID_WIDTH), layers];
}

/** WGSL: the number of an invocation on that grid, of `count` to a workgroup. */
export const gridIndex = (count: number, lane = 'lane'): string => `(group.y * ${GRID_WIDTH}u + group.x) * ${count}u + ${lane}`;
