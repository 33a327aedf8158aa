import {gradientScratch, ITEM_PAIRS, MERGE_PAIRS, type GradientPlan, type Pass} from '../plan/index.js';
import {gatherGrid, gatherProgram, gathers} from './gather.js';
import {PLAIN, tailOf, type Features} from './features.js';
import {launchOf, remembered} from './generate.js';
import {gradientProgram} from './gradient.js';
import {gradientShape} from './gradient_shape.js';
import {packGrid, packMaskProgram} from './pack_mask.js';
import {CONTINUES, SUMS_BATCH, SUMS_HEADS} from './params.js';
import type {Launch, Program} from './program.js';
import {ROUNDED, roundGrid, roundProgram} from './round.js';
import {rowStatsGrid, rowStatsProgram} from './row_stats.js';
import {clearProgram, diagonalProgram, elementGrid} from './score_gradients.js';
import {sumGroups, sumProgram, type Records} from './sum_records.js';

export interface GradientOptions {
  readonly features?: Features;
  readonly maskShape?: readonly [number, number, number, number];
  /** A gradient of the log-sum-exp is given. */
  readonly dLogSumExp?: boolean;
}

/** The dispatches of a backward pass, in order: what rows need, gradients of queries and their parts, of keys and values and their sums. */
export function generateGradients(plan: GradientPlan, options: GradientOptions = {}): Launch[] {
  const {features = PLAIN} = options;
  const {rows} = plan;
  const {headDim, valueDim} = rows.problem;
  const writer = new Writer(plan, options);
  const queries: Records = {owns: 'rows', size: rows.tile.rows, outputs: [{role: 'dQuery', features: headDim}]};
  const keys: Records = {
    owns: 'keys',
    size: rows.tile.keys,
    outputs: [
      {role: 'dKey', features: headDim},
      {role: 'dValue', features: valueDim},
    ],
  };
  writer.rows(remembered(gradientProgram, gradientShape(rows, 'rows', features)), queries);
  writer.keys(remembered(gradientProgram, gradientShape(rows, 'keys', features)), keys);
  return writer.launches;
}

/** What is wanted of the gradients of scores: each of them, or sums along diagonals (both over the batch or heads that share them), or over rows. */
export type ScoreSums =
  {readonly kind: 'pairs' | 'diagonals'; readonly shape: readonly [number, number, number, number]} | {readonly kind: 'keys'};

/** The dispatches that give gradients of a bias: dScores (and from it dRelative), or dKeyScores. */
export function generateScoreGradients(plan: GradientPlan, sums: ScoreSums, options: GradientOptions = {}): Launch[] {
  const {features = PLAIN} = options;
  const {rows} = plan;
  const writer = new Writer(plan, options);
  if (sums.kind === 'keys') {
    const records: Records = {owns: 'keys', size: rows.tile.keys, outputs: [{role: 'dKeyScores', features: 1}]};
    writer.keys(remembered(gradientProgram, gradientShape(rows, 'keys', features, 'scores')), records, true);
    return writer.launches;
  }
  writer.pairs(remembered(gradientProgram, gradientShape(rows, 'rows', features, 'scores')), sums.shape);
  if (sums.kind === 'diagonals') writer.diagonals(sums.shape[1]);
  return writer.launches;
}

const flagsOf = ({continues}: Pass): number => (continues ? CONTINUES : 0);

/** Lists launches. Every backward pass begins with what all of them need. */
class Writer {
  readonly launches: Launch[] = [];
  private readonly launchRows: ReturnType<typeof launchOf>;
  private readonly slotBase: number;

  constructor(
    private readonly plan: GradientPlan,
    private readonly options: GradientOptions,
  ) {
    const {features = PLAIN, maskShape, dLogSumExp = false} = options;
    const {rows} = plan;
    this.slotBase = gradientScratch(plan).rowStats;
    this.launchRows = launchOf(rows, options, {slotBase: this.slotBase});
    const tail = tailOf(rows, features, maskShape ?? null);
    if (plan.storage === 'float16') this.launches.push(this.launchRows(roundProgram(rows), roundGrid(rows), 0, 0));
    if (maskShape !== undefined) this.add(packMaskProgram(maskShape[3]), packGrid(tail.maskPairs));
    if (gathers(features)) this.add(gatherProgram(features), gatherGrid(tail));
    this.add(rowStatsProgram(rows, dLogSumExp), rowStatsGrid(rows));
  }

  rows(program: Program, records: Records): void {
    const {problem, offsets, passes} = this.plan.rows;
    const {heads, batch} = problem;
    for (const pass of passes) {
      const {itemBegin, itemEnd, mergeBegin, mergeEnd} = pass;
      if (itemEnd > itemBegin)
        this.add(program, [heads, itemEnd - itemBegin, batch], offsets.items + ITEM_PAIRS * itemBegin, flagsOf(pass));
      const merges = (mergeEnd - mergeBegin) * sumGroups(records);
      if (merges > 0)
        this.add(sumProgram(records), [heads, merges, batch], offsets.merges + MERGE_PAIRS * mergeBegin, flagsOf(pass));
    }
  }

  /** `apart`: sums stay with their query head, in the layout [batch, heads, keyLength]. */
  keys(program: Program, records: Records, apart = false): void {
    const {rows, keys} = this.plan;
    const {batch, heads, keyHeads} = rows.problem;
    const {visits: spans, intervals} = keys.offsets;
    const own = {slotBase: this.slotBase, slots: keys.slots, spans, intervals};
    const launch = launchOf(rows, this.options, own);
    const launchSum = apart ? inHeads(launchOf(rows, this.options, {...own, keyHeads: heads, groupSize: 1})) : launch;
    for (const pass of keys.passes) {
      const {itemBegin, itemEnd, mergeBegin, mergeEnd} = pass;
      const first = keys.offsets.items + ITEM_PAIRS * itemBegin;
      if (itemEnd > itemBegin) this.push(launch(program, [heads, itemEnd - itemBegin, batch], first, flagsOf(pass)));
      const grid: Launch['grid'] = [apart ? heads : keyHeads, (mergeEnd - mergeBegin) * sumGroups(records), batch];
      const merges = keys.offsets.merges + MERGE_PAIRS * mergeBegin;
      if (mergeEnd > mergeBegin) this.push(launchSum(sumProgram(records), grid, merges, flagsOf(pass)));
    }
  }

  pairs(program: Program, [batch, heads, queries, keys]: ScoreShape): void {
    const {problem, offsets, passes} = this.plan.rows;
    this.add(clearProgram(), elementGrid(batch * heads * queries * keys));
    const flags = (batch < problem.batch ? SUMS_BATCH : 0) | (heads < problem.heads ? SUMS_HEADS : 0);
    for (const {itemBegin, itemEnd} of passes)
      if (itemEnd > itemBegin)
        this.add(program, [heads, itemEnd - itemBegin, batch], offsets.items + ITEM_PAIRS * itemBegin, flags);
  }

  diagonals(heads: number): void {
    const {queryLength, keyLength} = this.plan.rows.problem;
    this.add(diagonalProgram(), elementGrid(heads * (queryLength + keyLength - 1)));
  }

  private add(program: Program, grid: Launch['grid'], first = 0, flags = 0): void {
    this.push(this.launchRows(program, grid, first, flags));
  }

  private push(launch: Launch): void {
    this.launches.push(this.plan.storage === 'float16' ? {...launch, instead: ROUNDED} : launch);
  }
}

type ScoreShape = readonly [number, number, number, number];

/** The sums of a call in either layout lie head by head. */
const inHeads =
  (launch: ReturnType<typeof launchOf>): ReturnType<typeof launchOf> =>
  (...args) => {
    const {params, ...rest} = launch(...args);
    return {...rest, params: (call) => params({...call, layout: 'bhld'})};
  };
