import type {Acsr} from '../acsr/index.js';
import type {TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';

/**
 * The shapes that won on the NVIDIA H200 through Dawn, float32, 2026-11-20, headDim 64, within 16 KB of workgroup memory
 * (useful TFLOPS of causal n = 16384): WIDE 33.9, NARROW 26.2.
 */
const WIDE: TileShape = {rows: 64, keys: 64, threadsX: 8, threadsY: 16};
/** Less work lost at the ends of short rows: dilated n = 4096 .069 ms against .075 of WIDE. Software adapters compile it in seconds. */
const NARROW: TileShape = {rows: 32, keys: 32, threadsX: 8, threadsY: 8};
/** Two rows an invocation instead of four: 256 value features would take 128 registers of output in the others. */
const DEEP: TileShape = {rows: 32, keys: 32, threadsX: 8, threadsY: 16};

/** The widest value for which an invocation's share of the output (rows/threadsY · valueDim/threadsX floats) stays in registers. */
const MAX_VALUE_DIM = 128;

/** A rule, not a search: short rows and short residue classes take small tiles. Shapes were compared at headDim 64 only. */
export function chooseTile(acsr: Acsr | null, {valueDim, queryLength}: Problem, device: Device): TileShape {
  if (valueDim > MAX_VALUE_DIM) return DEEP;
  if (device.software) return NARROW;
  if (acsr === null) return WIDE;
  const keysPerRow = acsr.nnz / Math.max(1, queryLength);
  const shortRows = keysPerRow <= 2 * WIDE.keys && queryLength <= 4096;
  return shortRows || shortestColumn(acsr) < WIDE.rows ? NARROW : WIDE;
}

/** Rows of the smallest residue class: queryLength / the largest stride. */
function shortestColumn({queryLength, stride, count}: Acsr): number {
  let largest = 1;
  for (let run = 0; run < stride.length; run++) if (count[run]! > 1 && stride[run]! > largest) largest = stride[run]!;
  return queryLength / largest;
}
