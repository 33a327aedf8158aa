import {ceilDiv} from '../support/index.js';
import type {TileShape} from './plan.js';
import type {Device} from './problem.js';
import {gpuOf} from './gpu_of.js';
import {FOURS, ROW_WISE} from './row_wise.js';

/** How the rows of a pass are cut: those of more than `longest` key tiles, into parts of about `part`. */
export interface Parts {
  readonly longest: number;
  readonly part: number;
}

/** Every row in one piece. */
export const WHOLE = (): Parts => ({longest: Infinity, part: Infinity});

/** Workgroups that run at once. */
const atOnceOn = (device: Device, tile: TileShape): number => {
  const {multiprocessors, workgroupMemory} = gpuOf(device);
  return multiprocessors * Math.floor(workgroupMemory / tile.workgroupBytes);
};

/** A part is worth its merge from this many keys on (H200: no gain below 3 tiles of 64). */
const MIN_PART_KEYS = 192;
/** The same of a row alone, which waits for each of its trips: 8 rows of 4,096 keys among rows of 16 took .711 ms whole, .035 without them (lab, H200). */
const MIN_OWN_KEYS = 128;

/**
 * Long rows are cut so that the device stays busy, by one of two rules; `lengths` are those of all items, which run on `lines` lines.
 *
 * Rows that do not fill the device are cut into the smallest parts that still run all at once, a little more than exactly. NVIDIA H200,
 * 2026-11-20, ms by key tiles of the longest part: causal n = 1024 .0545 (3), .0608 (4), .0661 (5); full n = 1024 .0831 (6), .0865 (3),
 * .1022 (4); full n = 4096 .974 (64, whole), 1.008 (22).
 *
 * Rows that fill it are left whole unless one is much longer than its share: causal n = 4096 .687 (whole) → .559 (more than 31 tiles, by
 * 16), Longformer n = 16384 2.00 → .758. Rows of even length gain nothing: window n = 4096 .174 (9, whole), .187 (5).
 */
export function partsOf(lengths: readonly number[], lines: number, device: Device, tile: TileShape): Parts {
  // A CPU that plays GPU gains nothing from parts.
  if (device.software) return WHOLE();
  const rowWise = tile === ROW_WISE || tile === FOURS;
  const least = ceilDiv(rowWise ? MIN_OWN_KEYS : MIN_PART_KEYS, tile.keys);
  const atOnce = atOnceOn(device, tile);
  if (lengths.length * lines < atOnce) {
    const longest = lengths.reduce((most, length) => Math.max(most, length), least);
    let part = least;
    while (part < longest && lines * itemsOf(lengths, part) > 1.15 * atOnce) part++;
    return {longest: part, part};
  }
  const total = lengths.reduce((sum, length) => sum + length, 0);
  // Rows with keys of their own share nothing but what they wait for: parts of those of even length gain nothing, however long.
  if (rowWise) return {longest: Math.max(least, ceilDiv(2 * total, lengths.length)), part: least};
  const share = ceilDiv(3 * total * lines, 8 * atOnce);
  return {longest: Math.max(2 * least, 2 * share) - 1, part: Math.max(least, share)};
}

/** A step of decoding has hardly any work beside its keys, so it pays to cut earlier. Not measured yet. */
const MIN_STEP_KEYS = 64;

/** Parts of the rows of a decoding step: the shortest with which all parts run at once, for rows on `lines` heads. */
export function stepParts(lengths: readonly number[], lines: number, device: Device, tile: TileShape): Parts {
  if (device.software) return WHOLE();
  const longest = lengths.reduce((most, length) => Math.max(most, length), 1);
  const atOnce = atOnceOn(device, tile);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  // No fewer than a fair share each, so that the search is short.
  let part = Math.max(ceilDiv(MIN_STEP_KEYS, tile.keys), Math.floor((total * lines) / atOnce));
  while (part < longest && lines * itemsOf(lengths, part) > atOnce) part++;
  return {longest: part, part};
}

const itemsOf = (lengths: readonly number[], part: number): number =>
  lengths.reduce((items, length) => items + Math.max(1, ceilDiv(length, part)), 0);

/** How a draft becomes items. */
export interface Cutting {
  /** From the weights of all items of a pass. */
  parts(weights: readonly number[], tile: TileShape): Parts;
  /** Whether tiles of one part write what they leave themselves. Default true; else all go through slots and merges. */
  readonly direct?: boolean;
  /** The draft is not used again, so that its intervals may stay where they are. Default false. */
  readonly last?: boolean;
  /** A pass that would need more slots is done in waves, which use the same slots one after another. Default no bound. */
  mostSlots?(tile: TileShape): number;
}
