import {tile} from './configurations.js';
import type {Kinds, TileShape} from './plan.js';
import type {Device} from './problem.js';

/**
 * The shape of row-wise passes: 8 invocations own a row of one head and all of its keys, and take 4 keys a trip. No key is staged or computed
 * in vain, so that what it costs are its pairs, however they lie. Of 2, 4, 8 and 16 invocations a row and 4 to 32 rows a workgroup the fastest (in
 * a lab, H200, 2026-11-29: nearest neighbours .121, .047, .036, .039 ms).
 */
export const ROW_WISE: TileShape = tile(8, 4, 8, 8, {scores: 1, values: 1}, 2048);

/**
 * The same with four rows that share a list, so that each key is read once for all of them. For devices whose subgroups add up products: vertical-slash
 * n = 16,384 .387 → .290 ms (H200, 2026-11-30), in core WebGPU .425 → .411, n = 4,096 .110 → .125. In the lab groups of 8 lost everywhere.
 */
export const FOURS: TileShape = tile(32, 4, 8, 8, {scores: 1, values: 1}, 8192);

/** Whether neighbours in x are in one subgroup. */
export const addsInSubgroups = ({subgroups}: Pick<Device, 'subgroups'>): boolean => (subgroups?.min ?? 1) >= ROW_WISE.threadsX;

/** Row by row, and in fours where the device and the numbers of keys (or of rows, seen from the keys) allow. */
export const ownShapes = (device: Pick<Device, 'subgroups'>, longest: number): readonly TileShape[] =>
  addsInSubgroups(device) && longest <= MOST_KEYS_OF_FOURS ? [ROW_WISE, FOURS] : [ROW_WISE];

/** Rows that share a span of a row-wise pass; null of passes whose rows share all of their spans. */
export const rowsPerSpan = ({mask}: Pick<Kinds, 'mask'>): number | null => (mask === 'own' ? 1 : mask === 'fours' ? 4 : null);

export const isRowWise = (kinds: Pick<Kinds, 'mask'>): boolean => rowsPerSpan(kinds) !== null;

/** The shape of a row-wise pass. */
export const ownTile = ({mask}: Pick<Kinds, 'mask'>): TileShape => (mask === 'fours' ? FOURS : ROW_WISE);

/** Where in the number of a key the bits of its four rows begin. */
export const FOUR_BITS = 24;
export const MOST_KEYS_OF_FOURS = 2 ** FOUR_BITS;
export const keyOfFour = (number: number): number => number & (MOST_KEYS_OF_FOURS - 1);
