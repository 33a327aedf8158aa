import {gpuOf, type Gpu} from '../src/plan/index.js';
import type {Device} from '../src/pure.js';

/** Ways to compute a mask that a planner chooses from. */
export const WAYS = ['arithmetic', 'lists', 'low lists', 'row by row', 'in fours'] as const;
export type Way = (typeof WAYS)[number];

/** How much dearer the other ways are said to be: no mask gains as much by them. */
const DEAR = 1e5;

/** The device, with rates that leave a planner one way where the mask has it. */
export function favouring(way: Way, device: Device): Device {
  const gpu = gpuOf(device);
  const {wide, ...flops} = gpu.flopsPerMs;
  const lists: Partial<Gpu> = {listTile: DEAR * gpu.listTile, matrixListTile: DEAR * gpu.matrixListTile};
  const ownRows: Partial<Gpu> = {ownRowMs: DEAR * gpu.ownRowMs, ownPairMs: DEAR * gpu.ownPairMs, ownKeyMs: DEAR * gpu.ownKeyMs};
  const fours: Partial<Gpu> = {fourRowMs: DEAR * gpu.fourRowMs, fourMs: DEAR * gpu.fourMs};
  const slow = (rates: typeof flops): typeof flops => ({...rates, narrow: rates.narrow / DEAR, low: rates.low / DEAR});
  const slowTiles: Partial<Gpu> = {
    flopsPerMs: {wide: wide / DEAR, ...slow(flops), matrix: flops.matrix / DEAR, lowMatrix: flops.lowMatrix / DEAR},
  };
  const changes: Readonly<Record<Way, Partial<Gpu>>> = {
    arithmetic: {...lists, ...ownRows, ...fours},
    lists: {flopsPerMs: {wide, ...slow(flops)}, partialTile: DEAR, bitTile: DEAR, ...ownRows, ...fours},
    'low lists': {flopsPerMs: {wide: wide / DEAR, ...flops}, partialTile: DEAR, bitTile: DEAR, ...ownRows, ...fours},
    'row by row': {...slowTiles, ...fours},
    'in fours': {...slowTiles, ...ownRows},
  };
  return {...device, gpu: {...gpu, ...changes[way]}};
}

/** What a mask may be asked to be computed by: as planned, by one implementation, or one way. */
export const ASKED = ['auto', 'fused', 'dense', ...WAYS] as const;
export type Asked = (typeof ASKED)[number];
