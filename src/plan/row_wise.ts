import {tile} from './configurations.js';
import type {Kinds, TileShape} from './plan.js';

/**
 * The shape of a row-wise pass: 8 invocations own a row of one head and all of its keys, and take 4 keys a trip. No key is staged or computed
 * in vain, so that what it costs are its pairs, however they lie. Of 2, 4, 8 and 16 invocations a row and 4 to 32 rows a workgroup the fastest (in
 * a lab, H200, 2026-11-29: nearest neighbours .121, .047, .036, .039 ms).
 */
export const ROW_WISE: TileShape = tile(8, 4, 8, 8, {scores: 1, values: 1}, 2048);

export const isRowWise = ({mask}: Pick<Kinds, 'mask'>): boolean => mask === 'own';
