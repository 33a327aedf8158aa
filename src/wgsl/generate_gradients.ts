import {
  converts,
  gradientScratch,
  isRowWise,
  type GradientPlan,
  type KeyResults,
  type LineShare,
  type Pass,
  type Problem,
} from '../plan/index.js';
import {gatherGrid, gatherProgram, gathers} from './around/gather.js';
import {boundTensors, tailOf} from './terms/fields.js';
import {PLAIN} from './terms/terms.js';
import type {Features} from './text/features.js';
import {remembered, skipsTiles} from './generate.js';
import {launcher, type Launcher, type Own} from './launcher.js';
import {gradientProgram, ownGradientProgram} from './gradient/gradient.js';
import {gradientShape, ownGradientShape} from './gradient/gradient_shape.js';
import {maskStatesProgram} from './around/mask_states.js';
import {packGrid, packMaskProgram} from './around/pack_mask.js';
import {CONTINUES, SUMS_BATCH, SUMS_HEADS} from './text/params.js';
import type {Launch, Program} from './text/program.js';
import {roundedRoles, roundGrid, roundProgram} from './around/round.js';
import {rowStatsGrid, rowStatsProgram} from './gradient/row_stats.js';
import {clearProgram, diagonalProgram, elementGrid} from './gradient/score_gradients.js';
import {sumGroups, sumProgram, type Records} from './gradient/sum_records.js';

export interface GradientOptions {
  readonly features?: Features;
  readonly maskShape?: readonly [number, number, number, number];
  /** A gradient of the log-sum-exp is given. */
  readonly dLogSumExp?: boolean;
}

/**
 * What the key tiles of a call leave. A kernel that writes gradients of keys and values binds eight storage buffers, all that a stock device
 * has, so beside a bias they are summed from records, as where several query heads share a head of keys.
 */
export function keyResults({heads, keyHeads}: Problem, features: Features, sums?: ScoreSums): KeyResults {
  if (sums !== undefined) return sums.kind === 'keys' ? 'scores' : 'nothing';
  return boundTensors(features).length > 0 || heads !== keyHeads ? 'records' : 'gradients';
}

/** The dispatches of a backward pass, in order: what rows need, gradients of queries and their parts, of keys and values and their sums. */
export function generateGradients(plan: GradientPlan, options: GradientOptions = {}): readonly Launch[] {
  const {features = PLAIN} = options;
  const {rows} = plan;
  const {headDim, valueDim} = rows.problem;
  const writer = new Writer(plan, options);
  const queries: Joined = {owns: 'rows', outputs: [{role: 'dQuery', features: headDim}]};
  const keys: Joined = {
    owns: 'keys',
    outputs: [
      {role: 'dKey', features: headDim},
      {role: 'dValue', features: valueDim},
    ],
  };
  const of =
    (owns: 'rows' | 'keys') =>
    ({kinds, tile}: Pass): Program =>
      isRowWise(kinds)
        ? remembered(ownGradientProgram, ownGradientShape(plan, owns, features, kinds))
        : remembered(gradientProgram, gradientShape(plan, owns, features, 'features', kinds, tile));
  writer.eachShare((share) => {
    writer.rows(share, of('rows'), queries);
    writer.keys(share, of('keys'), keys);
  });
  return Object.freeze(writer.launches);
}

/** What is wanted of the gradients of scores: each of them, or sums along diagonals (both over the batch or heads that share them), or over rows. */
export type ScoreSums =
  {readonly kind: 'pairs' | 'diagonals'; readonly shape: readonly [number, number, number, number]} | {readonly kind: 'keys'};

/** The dispatches that give gradients of a bias: dScores (and from it dRelative), or dKeyScores. */
export function generateScoreGradients(plan: GradientPlan, sums: ScoreSums, options: GradientOptions = {}): readonly Launch[] {
  const {features = PLAIN} = options;
  const writer = new Writer(plan, options);
  const owns = sums.kind === 'keys' ? 'keys' : 'rows';
  const program = ({kinds}: Pass): Program => remembered(gradientProgram, gradientShape(plan, owns, features, 'scores', kinds));
  if (sums.kind === 'keys') {
    const records: Joined = {owns: 'keys', outputs: [{role: 'dKeyScores', features: 1}]};
    writer.eachShare((share) => writer.keys(share, program, records, true));
    return Object.freeze(writer.launches);
  }
  writer.eachShare((share) => writer.pairs(share, program, sums.shape));
  if (sums.kind === 'diagonals') writer.diagonals(sums.shape[1]);
  return Object.freeze(writer.launches);
}

/** The kernel of a pass, and what its parts leave. */
type OfPass = (pass: Pass) => Program;
type Joined = Omit<Records, 'kinds' | 'size'>;

/** A kernel of a backward pass in those of a forward pass: both together take 2.2 to 4.3 times as long (H200, 2026-11-30). */
const WORK = 2;

const flagsOf = ({continues}: Pass): number => (continues ? CONTINUES : 0);

/** Lists launches. Every backward pass begins with what all of them need. */
class Writer {
  readonly launches: Launch[] = [];

  constructor(
    private readonly plan: GradientPlan,
    private readonly options: GradientOptions,
  ) {
    const {features = PLAIN, maskShape} = options;
    const {rows, formats} = plan;
    const {one} = launcher(rows, options);
    const tail = tailOf(rows, features, maskShape ?? null);
    if (converts(formats)) this.launches.push(one(roundProgram(rows, formats), roundGrid(rows, formats)));
    if (maskShape !== undefined) this.push(one(packMaskProgram(maskShape[3]), packGrid(tail.maskPairs)));
    if (skipsTiles(rows.passes)) this.push(one(maskStatesProgram(rows.tile.rows), packGrid(tail.statePairs)));
    if (gathers(features)) this.push(one(gatherProgram(features), gatherGrid(tail)));
  }

  /** The scratch belongs to one share after another. */
  eachShare(write: (share: LineShare) => void): void {
    const {rows} = this.plan;
    const program = rowStatsProgram(rows, this.options.dLogSumExp ?? false);
    for (const share of gradientScratch(this.plan).shares) {
      this.push(this.on(share).one(program, rowStatsGrid(this.rowsIn(share))));
      write(share);
    }
  }

  rows(share: LineShare, program: OfPass, records: Joined): void {
    const {over} = this.on(share);
    const lines = [share.heads, share.batches] as const;
    for (const pass of this.plan.rows.passes) {
      this.push(...over(program(pass), 'items', pass, lines, flagsOf(pass)));
      const of = {kinds: pass.kinds, size: pass.tile.rows};
      this.push(
        ...over(sumProgram({...records, ...of}), 'merges', pass, lines, flagsOf(pass), {groups: sumGroups({...records, ...of})}),
      );
    }
  }

  /** `apart`: sums stay with their query head, in the layout [batch, heads, keyLength]. */
  keys(share: LineShare, program: OfPass, records: Joined, apart = false): void {
    const {rows, keys} = this.plan;
    const {heads, keyHeads} = rows.problem;
    const {items, merges, ...own} = keys.offsets;
    const group = apart ? 1 : heads / keyHeads;
    const sections = {keyItems: items, keyMerges: merges};
    const {over} = this.on(share, {params: own, sections, weights: keys.weights});
    const sums = apart ? this.on(share, {params: {...own, keyHeads: heads, groupSize: 1}, sections, layout: 'bhld'}).over : over;
    const keyLines = [Math.ceil(share.heads / group), share.batches] as const;
    // The shares of a group add up, one after another.
    const again = share.firstHead % group === 0 ? 0 : CONTINUES;
    for (const pass of keys.passes) {
      const of = {kinds: pass.kinds, size: pass.tile.rows};
      this.push(...over(program(pass), 'keyItems', pass, [share.heads, share.batches], flagsOf(pass)));
      this.push(
        ...sums(sumProgram({...records, ...of}), 'keyMerges', pass, keyLines, flagsOf(pass) | again, {
          groups: sumGroups({...records, ...of}),
        }),
      );
    }
  }

  pairs(share: LineShare, program: OfPass, [batch, heads, queries, keys]: ScoreShape): void {
    const {problem, passes} = this.plan.rows;
    const {one} = this.on(share);
    this.push(one(clearProgram(), elementGrid(batch * heads * queries * keys)));
    const flags = (batch < problem.batch ? SUMS_BATCH : 0) | (heads < problem.heads ? SUMS_HEADS : 0);
    for (const pass of passes) {
      // Items of the lines that share a bias, where they name those: one line after another.
      const turns = (axis: 'heads' | 'batch', ofBias: number): number =>
        pass.kinds[axis] === 'item' && ofBias < problem[axis] ? problem[axis] : 1;
      for (let firstBatch = 0; firstBatch < turns('batch', batch); firstBatch++)
        for (let firstHead = 0; firstHead < turns('heads', heads); firstHead++)
          this.push(...this.on({...share, firstBatch, firstHead}).over(program(pass), 'items', pass, [heads, batch], flags));
    }
  }

  diagonals(heads: number): void {
    const {queryLength, keyLength} = this.plan.rows.problem;
    const {one} = launcher(this.plan.rows, this.options);
    this.push(one(diagonalProgram(), elementGrid(heads * (queryLength + keyLength - 1))));
  }

  private on(share: LineShare, {params, ...own}: Own = {}): Launcher {
    const {firstBatch, firstHead, heads} = share;
    const shared = {slotBase: this.rowsIn(share), share: [firstBatch, firstHead, heads] as const};
    return launcher(this.plan.rows, this.options, {params: {...shared, ...params}, work: WORK, ...own});
  }

  private rowsIn({batches, heads}: LineShare): number {
    return batches * heads * this.plan.rows.problem.queryLength;
  }

  private push(...launches: readonly Launch[]): void {
    const {formats} = this.plan;
    const instead = converts(formats) ? {instead: roundedRoles(formats)} : {};
    for (const launch of launches) this.launches.push(Object.freeze({...launch, ...instead}));
  }
}

type ScoreShape = readonly [number, number, number, number];
