import type {Acsr} from '../acsr/index.js';
import {ceilDiv, refuse, type Sliced} from '../support/index.js';
import {everyRow} from './bit_rows.js';
import {maskBits, type MaskBits} from './bits.js';
import {predictMs, ratesOf} from './cost.js';
import {computedPairs, sum, type Counts} from './counts.js';
import {addDense, countDense, denseCounts, foreseeDense} from './dense.js';
import type {Draft, Mark} from './draft.js';
import {addFused, foreseeFused, type Place} from './fused.js';
import {gpuOf} from './gpu_of.js';
import {addIrregular, chooseIrregular, type Granules, type TileChoices} from './irregular.js';
import {partsOf} from './parts.js';
import type {Implementation, PlanCandidate, TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import type {Gpu} from './reference.js';

/** What one pattern came to. */
export interface Choice {
  readonly implementation: Implementation;
  readonly reason: string;
  readonly candidates: readonly PlanCandidate[];
  readonly untried: readonly string[];
}

/** What tilings are chosen for, and among which shapes. */
export interface Setting {
  readonly problem: Problem;
  readonly device: Device;
  readonly implementation: Implementation | 'auto';
  readonly tile: TileShape;
  /** Shapes that what has no arithmetic may have, too. */
  readonly beside: readonly TileShape[];
}

/** Below this density of its tiles, a pattern is looked at as if it had no arithmetic, to see which is faster. */
const SPARSE_TILES = 0.4;
/** Below this one, dense is counted tile by tile. */
const LOOSE_TILES = 0.7;
/** Dense that is foreseen to take so much longer is not counted. */
const NEAR_DENSE = 1.5;
/** Above this density no list leaves out more than it costs. */
const DENSE = 0.9;
/** Empty passes that something else must gain over arithmetic, and over dense: it is a kernel of its own to compile, which takes as long as thousands of small calls. */
const WORTH = {arithmetic: 1.2, dense: 0.8};
/** Dense must be so much faster than what has arithmetic, whose schedule is small. */
const TIE = 1.05;
/** Bits of a pattern that are written out for that: 16,384 tokens squared take half. */
const MOST_LISTED_BYTES = 2 ** 26;

interface Measured {
  readonly counts: readonly Counts[];
  readonly ms: number;
}

/** Adds the tiles of one pattern to a draft: by its arithmetic, as rows without order, or dense, whichever is predicted to be fastest of those allowed. */
export const addBest = (draft: Draft, acsr: Acsr, place: Place, setting: Setting): Sliced<Choice> =>
  new Chooser(draft, acsr, place, setting).add();

class Chooser {
  private readonly gpu: Gpu;
  private readonly before: Mark;
  private readonly passesBefore: number;
  private readonly maskBytes: number;
  private readonly candidates: PlanCandidate[] = [];
  private untried: readonly string[] = [];
  private dense = {tiles: 0, ms: 0};

  constructor(
    private readonly draft: Draft,
    private readonly acsr: Acsr,
    private readonly place: Place,
    private readonly setting: Setting,
  ) {
    this.gpu = gpuOf(setting.device);
    this.before = draft.mark();
    this.passesBefore = draft.passes.length;
    this.maskBytes = maskBytesOf(setting.problem);
    this.takeCounts(denseCounts(setting.problem, setting.tile));
  }

  *add(): Sliced<Choice> {
    const {acsr} = this;
    const {implementation, device} = this.setting;
    if (implementation === 'dense') {
      if (!this.fits) refuseMask(this.maskBytes, device);
      yield* this.addDense();
      return {implementation, reason: 'asked for', candidates: [], untried: []};
    }
    const hasNoOrder = this.canList && (isScattered(acsr) || acsr.irregularRows.length === acsr.queryLength);
    return hasNoOrder ? yield* this.withoutOrder() : yield* this.byArithmetic();
  }

  private *withoutOrder(): Sliced<Choice> {
    const {acsr, gpu} = this;
    if (this.mayBeDense && this.isNearlyFull)
      return yield* this.takeDense('all keys in lists, or row by row', (this.dense.ms * gpu.listTile) / gpu.bitTile);
    const chosen = yield* this.lookAtRows();
    const ms = this.msOf(chosen);
    if (this.mayBeDense && ms > this.dense.ms - WORTH.dense * gpu.firstDispatchMs) {
      // Before it is written out, which takes longer than to look through.
      this.considerDense();
      return yield* this.takeDense(`${acsr.nnz} pairs without order where dense computes ${this.dense.tiles} key tiles`, ms);
    }
    yield* this.addRows(chosen);
    return yield* this.compared(this.measure());
  }

  private *byArithmetic(): Sliced<Choice> {
    const {draft, acsr, place} = this;
    const {tile} = this.setting;
    const foreseen = yield* this.foresee();
    if (foreseen !== null) return yield* this.takeDense(...foreseen);
    this.untried = yield* addFused(draft, acsr, tile, place, this.shapes);
    const best = this.measure();
    const computed = sum(best.counts, computedPairs);
    const pairs = acsr.nnz * place.lines.length;
    this.consider('as arithmetic', computed, best.ms);
    // Where runs of several kinds leave tiles half empty, dense may leave out as many: a prefix and a random tree n = 1,024 .077 ms, dense .050 (H200).
    const isLoose = this.canList && this.mayBeDense && pairs < LOOSE_TILES * computed && hasRuns(acsr, SEVERAL_RUNS);
    if (isLoose && (yield* this.isNearDense(best.ms))) yield* this.countDense(yield* maskBits(acsr, tile.rows));
    const isRegular = best.counts.some(({tiles, listed}) => tiles > listed);
    if (this.canList && isRegular && pairs < SPARSE_TILES * computed) {
      const chosen = yield* this.lookAtRows();
      if (this.msOf(chosen) < best.ms - WORTH.arithmetic * this.gpu.firstDispatchMs) {
        draft.rollback(this.before);
        yield* this.addRows(chosen);
        return yield* this.compared(this.measure());
      }
    }
    return yield* this.compared(best);
  }

  /** Of nearly all pairs, by many runs a row: what arithmetic would compute and its time, where some of its tiles show that dense is faster; else null. */
  private *foresee(): Sliced<readonly [string, number] | null> {
    const {draft, acsr, place, dense} = this;
    const {tile, problem} = this.setting;
    if (!this.mayBeDense || !this.isNearlyFull || !(acsr.irregularRows.length > 0 || hasRuns(acsr, MANY_RUNS))) return null;
    const counts = yield* foreseeFused(draft, acsr, tile, place);
    const ms = predictMs(counts, place.onGrid, Math.max(1, counts.length), problem, this.gpu);
    if (ms <= TIE * dense.ms) return null;
    const tiles = sum(counts, (each) => each.tiles) / place.lines.length;
    this.consider('as arithmetic', sum(counts, computedPairs), ms);
    this.considerDense();
    return [`about ${Math.round(tiles)} key tiles where dense computes ${dense.tiles}`, ms];
  }

  /** What was drafted beside dense. */
  private *compared(best: Measured): Sliced<Choice> {
    const {untried, dense, draft, gpu} = this;
    const {implementation, device} = this.setting;
    if (implementation === 'fused') return {implementation, reason: 'asked for', candidates: [], untried};
    const fused = (reason: string): Choice => ({implementation: 'fused', reason, candidates: sorted(this.candidates), untried});
    if (!this.fits) return fused(`dense would bind ${this.maskBytes} bytes of mask, the device takes ${device.maxBindingBytes}`);
    this.considerDense();
    const unit = sum(best.counts, (each) => each.tiles) === 0 ? ' key tiles' : '';
    const tiles = `${visitedText(best.counts, this.place.lines.length)} where dense computes ${dense.tiles}${unit}`;
    const isIrregular = best.counts.some(({listed, pairs}) => listed + pairs > 0);
    const most = isIrregular ? dense.ms - WORTH.dense * gpu.firstDispatchMs : TIE * dense.ms;
    return best.ms <= most && draft.bytes <= device.maxBindingBytes
      ? fused(`computes ${tiles}; predicted ${ratio(dense.ms, best.ms)} faster than dense`)
      : yield* this.takeDense(tiles, best.ms);
  }

  private *takeDense(what: string, ms: number): Sliced<Choice> {
    this.draft.rollback(this.before);
    yield* this.addDense();
    const reason = `fused would compute ${what}; predicted ${ratio(ms, this.dense.ms)} slower than dense`;
    return {implementation: 'dense', reason, candidates: sorted(this.candidates), untried: this.untried};
  }

  private *addDense(): Sliced<void> {
    const {problem, tile} = this.setting;
    const {kinds, lines} = this.place;
    yield* addDense(this.draft, problem, yield* maskBits(this.acsr, tile.rows), tile, kinds, lines);
  }

  /** Whether dense may be as fast as that, by a few of its row tiles: all of 16,384 rows take 30 ms to count. */
  private *isNearDense(ms: number): Sliced<boolean> {
    const {acsr} = this;
    return acsr.irregularRows.length > 0 || this.denseMs(yield* foreseeDense(acsr, this.setting.tile)) < NEAR_DENSE * ms;
  }

  private *countDense(mask: MaskBits): Sliced<void> {
    const {problem, tile} = this.setting;
    this.takeCounts(yield* countDense(problem, tile, mask));
  }

  private takeCounts(counts: Counts): void {
    this.dense = {tiles: counts.tiles, ms: this.denseMs(counts)};
  }

  private denseMs(counts: Counts): number {
    return predictMs([counts], this.allLines, 1, this.setting.problem, this.gpu);
  }

  /** All rows as if they had no arithmetic, which are written out for that, so dense is counted too. */
  private *lookAtRows(): Sliced<Granules> {
    const all = yield* everyRow(this.acsr);
    yield* this.countDense({words: all.words, rows: all.rows.length});
    const chosen = yield* chooseIrregular(all, this.shapes, this.allLines);
    for (const {name, computed, ms} of chosen.tried)
      this.consider(name, computed * this.place.lines.length, this.gpu.firstDispatchMs + ms * this.allLines);
    this.untried = chosen.untried;
    return chosen;
  }

  private addRows(chosen: Granules): Sliced<void> {
    return addIrregular(this.draft, chosen, this.place.kinds, 0, this.place.lines);
  }

  private measure(): Measured {
    const {draft, place, gpu} = this;
    const counts = draft.counts(this.before);
    const passes = Math.max(1, draft.passes.length - this.passesBefore);
    return {counts, ms: predictMs(counts, place.onGrid, passes, this.setting.problem, gpu)};
  }

  private consider(name: string, computed: number, costMs: number): void {
    const pairs = this.acsr.nnz * this.place.lines.length;
    this.candidates.push({name, tileDensity: computed === 0 ? 1 : pairs / computed, costMs});
  }

  private considerDense(): void {
    const {rows, keys} = this.setting.tile;
    this.consider('dense', this.place.lines.length * this.dense.tiles * rows * keys, this.dense.ms);
  }

  private msOf({ms}: Granules): number {
    return this.gpu.firstDispatchMs + ms * this.allLines;
  }

  private get allLines(): number {
    return this.place.lines.length * this.place.onGrid;
  }

  private get shapes(): TileChoices {
    const {tile, beside, problem, device} = this.setting;
    return choicesOf([tile, ...beside], problem, device, this.allLines);
  }

  private get isNearlyFull(): boolean {
    const {queryLength, keyLength} = this.setting.problem;
    return this.acsr.nnz > DENSE * queryLength * keyLength;
  }

  private get canList(): boolean {
    return this.maskBytes <= MOST_LISTED_BYTES;
  }

  private get fits(): boolean {
    return this.maskBytes <= this.setting.device.maxBindingBytes;
  }

  private get mayBeDense(): boolean {
    return this.setting.implementation === 'auto' && this.fits;
  }
}

/** Empty passes that a further shape of tiles in a plan must gain: it is a kernel more. */
const WORTH_KERNEL = 3.3;

/** Shapes to choose from, with what each costs, for rows that so many lines have. */
export const choicesOf = (all: readonly TileShape[], problem: Problem, device: Device, lines: number): TileChoices => ({
  all,
  rates: (shape, workgroups) => ratesOf(shape, problem, gpuOf(device), workgroups),
  mergeMs: (weights, shape) => {
    const {longest} = partsOf(weights, lines, device, shape);
    return weights.some((weight) => weight > longest) ? gpuOf(device).dispatchMs : 0;
  },
  kernelMs: WORTH_KERNEL * gpuOf(device).firstDispatchMs,
});

const sorted = (candidates: readonly PlanCandidate[]): readonly PlanCandidate[] =>
  Object.freeze([...candidates].sort((a, b) => a.costMs - b.costMs).map((each) => Object.freeze(each)));

/** Runs of an average row from which on it may be scattered, and from which on they are of several kinds. */
const MANY_RUNS = 4;
const SEVERAL_RUNS = 2;

/** Whether an average row has more. Not so rows that recur, which are not worth writing out. */
const hasRuns = ({recurrence, queryLength, start}: Acsr, runs: number): boolean =>
  recurrence === undefined && start.length > runs * queryLength;

/** Whether rows have many runs, and most keys stand alone or in twos: no arithmetic says where. */
function isScattered(acsr: Acsr): boolean {
  if (!hasRuns(acsr, MANY_RUNS)) return false;
  const {start, count} = acsr;
  let [all, alone] = [0, 0];
  for (let run = 0; run < start.length; run++) {
    all += count[run]!;
    if (count[run]! <= 2) alone += count[run]!;
  }
  return 2 * alone > all;
}

/** What a line computes, in words. */
function visitedText(counts: readonly Counts[], lines: number): string {
  const tiles = sum(counts, (each) => each.tiles) / lines;
  const pairs = sum(counts, (each) => each.pairs) / lines;
  const rowByRow = `${pairs} pairs row by row`;
  return pairs === 0 ? `${tiles} key tiles` : tiles === 0 ? rowByRow : `${tiles} key tiles, and ${rowByRow},`;
}

const maskBytesOf = ({queryLength, keyLength}: Problem): number => 4 * queryLength * ceilDiv(keyLength, 32);

/** Refused before it is allocated: no binding could hold it. */
function refuseMask(bytes: number, {maxBindingBytes}: Device): never {
  return refuse(
    'mask bits of the dense kernel',
    `${bytes} bytes`,
    `at most ${maxBindingBytes}, a binding of this device`,
    'Split the queries over several calls, or simplify the pattern until it has a tiling.',
  );
}

const ratio = (slow: number, fast: number): string => `${(slow / fast).toPrecision(slow / fast < 10 ? 2 : 3)}×`;
