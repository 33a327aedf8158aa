import type {Plan} from '../plan/index.js';
import {ceilDiv} from '../support/index.js';
import type {Region} from './barriers.js';

/** Columns `first ≤ c < first + count` of a row of vec4. */
export interface Columns {
  readonly first: number;
  readonly count: number;
}

/** Everything the text of the attention kernel depends on. Two plans with equal shapes share a pipeline. */
export interface KernelShape {
  readonly headDim: number;
  readonly valueDim: number;
  readonly rows: number;
  readonly keys: number;
  readonly threadsX: number;
  readonly threadsY: number;
  /** How masked pairs are told in partial tiles: by the interval of the row, or by a bit per pair. */
  readonly mask: 'interval' | 'bits';
  readonly bias: boolean;
  /** Feature and key steps written out per loop trip. */
  readonly unroll: number;
  /** Keys are staged a range of features at a time. */
  readonly keyColumns: readonly Columns[];
  /** Probabilities are exchanged, and values staged, for this many equal groups of keys in turn. */
  readonly keyGroups: number;
  /** Values are staged a range of features at a time; `first` and `count` here count columns of one invocation (threadsX apart). */
  readonly valueColumns: readonly Columns[];
  readonly regions: {readonly key: Region; readonly value: Region; readonly probability: Region; readonly maximum: Region};
  /** vec4<f32> of workgroup memory. */
  readonly memory: number;
}

/**
 * Every WebGPU device has 16 KB of workgroup memory for a workgroup. More would be granted, and is slower: less of it means more
 * workgroups at once (H200, 2026-11-20: the same kernel at 26.6 → 16 KB, 19.4 → 28.9 TFLOPS, although it needs two more barriers).
 */
const MEMORY_LIMIT = 16384 / 16;

/** H200, 2026-11-20, 64 × 64 tiles: 1 → 4 is 32.1 → 33.9 TFLOPS. A CPU that plays GPU pays for every line when it compiles. */
const UNROLL = {gpu: 4, software: 1};

/** Chooses how much of a key tile is in workgroup memory at a time: the fewest steps that fit. */
export function kernelShape({problem, tile, implementation, device}: Plan, bias: boolean): KernelShape {
  const {rows, keys, threadsX, threadsY} = tile;
  const headColumns = ceilDiv(problem.headDim, 4);
  const valueColumns = ceilDiv(problem.valueDim, 4);
  const ownColumns = ceilDiv(valueColumns, threadsX);
  const keySteps = ceilDiv(keys * headColumns, MEMORY_LIMIT);
  const keyColumns = split(headColumns, keySteps);
  const key = keys * keyColumns[0]!.count;
  const maximum = threadsX * ceilDiv(rows / threadsY, 4) * threadsY;

  for (let steps = 1; ; steps++) {
    for (let keyGroups = 1; keyGroups <= steps; keyGroups++) {
      const columnSteps = steps / keyGroups;
      // A vec4 of probabilities holds four keys of one invocation, so a group has at least 4·threadsX keys.
      if (!Number.isInteger(columnSteps) || keys % (4 * threadsX * keyGroups) !== 0 || columnSteps > ownColumns) continue;
      const columns = split(ownColumns, columnSteps);
      const value = (keys / keyGroups) * Math.min(valueColumns, columns[0]!.count * threadsX);
      const probability = (rows * keys) / keyGroups / 4;
      const memory = Math.max(key, value + Math.max(probability, maximum));
      if (memory > MEMORY_LIMIT) continue;
      return {
        headDim: problem.headDim,
        valueDim: problem.valueDim,
        rows,
        keys,
        threadsX,
        threadsY,
        mask: implementation === 'dense' ? 'bits' : 'interval',
        bias,
        unroll: device.software ? UNROLL.software : UNROLL.gpu,
        keyColumns,
        keyGroups,
        valueColumns: columns,
        regions: {
          key: {begin: 0, end: key},
          value: {begin: 0, end: value},
          probability: {begin: value, end: value + probability},
          maximum: {begin: value, end: value + maximum},
        },
        memory,
      };
    }
  }
}

/** [0, total) in `parts` nearly equal ranges, the larger first. */
function split(total: number, parts: number): Columns[] {
  const ranges: Columns[] = [];
  for (let part = 0, first = 0; part < parts; part++) {
    const count = ceilDiv(total - first, parts - part);
    ranges.push({first, count});
    first += count;
  }
  return ranges;
}
