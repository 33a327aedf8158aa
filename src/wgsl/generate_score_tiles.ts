import type {Pass, ScorePlan} from '../plan/index.js';
import {ceilDiv} from '../support/index.js';
import {gatherGrid, gatherProgram, gathers} from './around/gather.js';
import {remembered} from './generate.js';
import {sumGroups, sumProgram, type Records} from './gradient/sum_records.js';
import {launcher, type GridLines} from './launcher.js';
import {packedUnit} from './packed/packed_scores.js';
import {sddmmTilesProgram, sddmmTilesShape} from './packed/sddmm_tiles.js';
import {spmmKeyTilesProgram} from './packed/spmm_key_tiles.js';
import {spmmTilesProgram, spmmTilesShape} from './packed/spmm_tiles.js';
import {tailOf, type Tail} from './terms/fields.js';
import {PLAIN} from './terms/terms.js';
import type {Features} from './text/features.js';
import {CONTINUES} from './text/params.js';
import type {BindingRole, Launch} from './text/program.js';

/** Launches over tiles of packed numbers. */
export interface ScoreTileLaunches {
  readonly plan: ScorePlan['rows'];
  readonly launches: readonly Launch[];
  readonly tail: Tail;
  readonly workBytes: Readonly<Partial<Record<BindingRole, number>>>;
}

export interface ScoreTileOptions {
  /** What a call adds to scores. Default nothing. */
  readonly features?: Features;
  /** Numbers of x that are not finite count as 0. Default false. */
  readonly finite?: boolean;
}

const flagsOf = ({continues}: Pass): number => (continues ? CONTINUES : 0);

/** The dispatches of a product of packed numbers: each pass, and the sums of rows, or of keys, that are cut into parts. */
export function generateScoreTiles(plan: ScorePlan, {features = PLAIN, finite = false}: ScoreTileOptions = {}): ScoreTileLaunches {
  const {product, rows, keys, nnz} = plan;
  const {batch, heads, headDim} = rows.problem;
  const lines: GridLines = [heads, batch];
  const tail = tailOf(rows, features, null);
  const launches: Launch[] = [];
  const params = {pairs: nnz, unit: 1};
  if (product === 'sddmm') {
    const {one, over} = launcher(rows, {features}, {params: {...params, unit: packedUnit(features)}});
    if (gathers(features)) launches.push(one(gatherProgram(features), gatherGrid(tail)));
    for (const pass of rows.passes) {
      const program = remembered(sddmmTilesProgram, sddmmTilesShape(pass.tile, headDim, pass.kinds, features));
      launches.push(...over(program, 'items', pass, lines, flagsOf(pass)));
    }
    return Object.freeze({plan: rows, launches: Object.freeze(launches), tail, workBytes: Object.freeze({})});
  }
  const outputs: Records['outputs'] = [{role: 'output', features: headDim}];
  const scratch = (passes: readonly Pass[], own: (pass: Pass) => number): number =>
    Math.max(1, ...passes.map((pass) => batch * heads * pass.slots * own(pass) * ceilDiv(headDim, 4)));
  const finish = (units: number): ScoreTileLaunches =>
    Object.freeze({plan: rows, launches: Object.freeze(launches), tail, workBytes: Object.freeze({scratch: 16 * units})});
  if (keys === null) {
    const {over} = launcher(rows, {}, {params});
    for (const pass of rows.passes) {
      const {kinds, tile} = pass;
      const records: Records = {owns: 'rows', kinds, size: tile.rows, outputs};
      const program = remembered(spmmTilesProgram, spmmTilesShape(tile, headDim, kinds, finite));
      launches.push(...over(program, 'items', pass, lines, flagsOf(pass)));
      launches.push(...over(sumProgram(records), 'merges', pass, lines, flagsOf(pass), {groups: sumGroups(records)}));
    }
    return finish(scratch(rows.passes, ({tile}) => tile.rows));
  }
  const {items, merges, spans, intervals, numbers} = keys.offsets;
  const sections = {keyItems: items, keyMerges: merges};
  const own = {...params, spans, intervals, numbers};
  const {over} = launcher(rows, {}, {params: own, sections, weights: keys.weights});
  // Every query head has sums of its own, whichever head of values it reads.
  const sums = launcher(rows, {}, {params: {...own, keyHeads: heads, groupSize: 1}, sections, weights: keys.weights}).over;
  for (const pass of keys.passes) {
    const {kinds, tile} = pass;
    const records: Records = {owns: 'keys', kinds, size: tile.keys, outputs};
    const program = remembered(spmmKeyTilesProgram, spmmTilesShape(tile, headDim, kinds, finite));
    launches.push(...over(program, 'keyItems', pass, lines, flagsOf(pass)));
    launches.push(...sums(sumProgram(records), 'keyMerges', pass, lines, flagsOf(pass), {groups: sumGroups(records)}));
  }
  return finish(scratch(keys.passes, ({tile}) => tile.keys));
}
