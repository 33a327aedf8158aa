import {
  columnsIn,
  converts,
  FORMATS,
  paddedRow,
  REGULAR,
  type FormatName,
  type Formats,
  type Kinds,
  type Work,
  type TileShape,
} from '../../plan/index.js';
import {ceilDiv} from '../../support/index.js';
import {split, type Columns} from './columns.js';
import type {Region} from './flow.js';
import type {Features} from '../text/features.js';

/** What the texts of kernels that own rows depend on. Two plans with equal shapes share a pipeline. */
export interface OwnShape {
  readonly headDim: number;
  readonly valueDim: number;
  readonly rows: number;
  readonly keys: number;
  readonly threadsX: number;
  readonly threadsY: number;
  readonly formats: Formats;
  /** The device converts halves itself; otherwise they are unpacked from words. */
  readonly nativeHalves: boolean;
  /** Neighbours in x that find their row maximum by subgroup shuffles, a power of two; 1: all go through workgroup memory. */
  readonly shuffled: number;
  /** How the schedule names rows, keys, pairs and lines. */
  readonly kinds: Kinds;
  readonly features: Features;
  /** Values are read as packed halves, eight to a column; otherwise as floats. */
  readonly valueHalves: boolean;
  /** Units of 16 bytes of workgroup memory. */
  readonly memory: number;
}

/** Everything the text of the attention kernel depends on. */
export interface KernelShape extends OwnShape {
  readonly unroll: TileShape['unroll'];
  /** Keys are staged a range of columns at a time. */
  readonly keyColumns: readonly Columns[];
  /** Probabilities are exchanged, and values staged, for this many equal groups of keys in turn. */
  readonly keyGroups: number;
  /** Values are staged a range of columns at a time; `first` and `count` here count columns of one invocation (threadsX apart). */
  readonly valueColumns: readonly Columns[];
  readonly regions: Regions;
}

/** What workgroup memory holds, in turn or together. `query` is null where queries are read from storage. */
export interface Regions {
  readonly query: Region | null;
  readonly key: Region;
  readonly value: Region;
  readonly probability: Region;
  readonly maximum: Region;
}

/** What the texts of a plan's kernels depend on. */
export type Structure = Pick<Work, 'tile' | 'formats' | 'device'> & {
  readonly problem: Pick<Work['problem'], 'headDim' | 'valueDim'>;
};

/** Chooses how much of a key tile is in workgroup memory at a time: the fewest steps that fit. */
export function kernelShape(structure: Structure, features: Features, kinds: Kinds = REGULAR): KernelShape {
  const {problem, tile, device, formats} = structure;
  const {rows, keys, threadsX, threadsY} = tile;
  const {headDim, valueDim} = problem;
  const {query, key, value} = formats;
  const headColumns = columnsIn(key, headDim);
  const shuffled = Math.min(threadsX, largestPower(device.subgroups?.min ?? 1));
  const valueHalves = FORMATS[value].bytes === 2 && spreads(valueDim, value, threadsX);
  const valueColumns = valueHalves ? columnsIn(value, valueDim) : floatColumns(valueDim, value);
  const ownColumns = ceilDiv(valueColumns, threadsX);
  // Queries may take half of the memory; longer ones are read from storage.
  const whole = tile.workgroupBytes / 16;
  const querySize = rows * columnsIn(query, headDim);
  const begin = tile.queries === 'workgroup' && querySize <= whole / 2 ? querySize : 0;
  const limit = whole - begin;
  const keyColumns = split(headColumns, ceilDiv(keys * headColumns, limit));
  const keySize = keys * keyColumns[0]!.count;
  // One vec4 holds the maxima of four rows of an invocation.
  const maximum = (threadsX / shuffled) * ceilDiv(rows / threadsY, 4) * threadsY;

  for (let steps = 1; steps <= keys * ownColumns; steps++) {
    for (let keyGroups = 1; keyGroups <= steps; keyGroups++) {
      const columnSteps = steps / keyGroups;
      // A vec4 of probabilities holds four keys of one invocation, so a group has at least 4·threadsX keys.
      if (!Number.isInteger(columnSteps) || keys % (4 * threadsX * keyGroups) !== 0 || columnSteps > ownColumns) continue;
      const columns = split(ownColumns, columnSteps);
      const valueSize = (keys / keyGroups) * Math.min(valueColumns, columns[0]!.count * threadsX);
      const probability = (rows * keys) / keyGroups / 4;
      const memory = Math.max(keySize, valueSize + Math.max(probability, maximum));
      if (memory > limit) continue;
      const region = (from: number, size: number): Region => ({begin: begin + from, end: begin + from + size});
      return {
        headDim,
        valueDim,
        rows,
        keys,
        threadsX,
        threadsY,
        formats,
        nativeHalves: converts(formats) && device.float16,
        shuffled,
        kinds,
        features,
        unroll: tile.unroll,
        keyColumns,
        keyGroups,
        valueColumns: columns,
        valueHalves,
        regions: {
          query: begin > 0 ? {begin: 0, end: begin} : null,
          key: region(0, keySize),
          value: region(0, valueSize),
          probability: region(valueSize, probability),
          maximum: region(valueSize, maximum),
        },
        memory: begin + memory,
      };
    }
  }
  throw new Error(
    `no way to fit tiles of ${rows} × ${keys} for ${headDim} → ${valueDim} features into ${tile.workgroupBytes} bytes`,
  );
}

/** vec4 columns of a value row that is staged as floats. */
const floatColumns = (features: number, format: FormatName): number => ceilDiv(paddedRow(format, features), 4);

/** Whether columns of eight halves leave no more invocations idle than columns of four floats: 64 features do, 32 or 80 do not. */
const spreads = (features: number, format: FormatName, threadsX: number): boolean =>
  2 * ceilDiv(columnsIn(format, features), threadsX) <= ceilDiv(floatColumns(features, format), threadsX);

const largestPower = (most: number): number => 2 ** Math.floor(Math.log2(most));
