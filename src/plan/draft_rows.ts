import type {Acsr, Lines} from '../acsr/index.js';
import {ceilDiv, refuse, type Sliced} from '../support/index.js';
import {everyRow, type BitRows} from './bit_rows.js';
import {maskBits, type MaskBits} from './bits.js';
import {lowerTiles} from './configurations.js';
import {predictMs, ratesOf} from './cost.js';
import {addDense, denseCounts} from './dense.js';
import {computedPairs, sum, type Counts} from './counts.js';
import {Draft, EVERY_LINE} from './draft.js';
import {addFused, type Place} from './fused.js';
import {addIrregular, chooseIrregular, type Granules, type TileChoices} from './irregular.js';
import {gridLines, lineKinds, lineWords} from './lines.js';
import {REGULAR, type PlanCandidate, type Implementation, type Kinds, type Report, type TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import {partsOf} from './parts.js';
import {gpuOf} from './gpu_of.js';
import {addsInSubgroups, FOURS, MOST_KEYS_OF_FOURS, ROW_WISE} from './row_wise.js';

/** Lower tiles, and row by row; all heights are powers of two. */
function besidesOf(tile: TileShape, device: Device, {keyLength}: Problem): readonly TileShape[] {
  if (!Number.isInteger(Math.log2(tile.rows))) return [];
  const inFours = addsInSubgroups(device) && keyLength <= MOST_KEYS_OF_FOURS;
  return [...lowerTiles(tile), ROW_WISE, ...(inFours ? [FOURS] : [])];
}

/** Tiles, and why these. */
interface Drafted extends Pick<Report, 'implementation' | 'reason' | 'candidates' | 'untried'> {
  readonly draft: Draft;
}

/** The tiles of all lines, each pattern by the tiling that is predicted to be fastest of those allowed. `beside`: shapes that what has no arithmetic may have, too. */
export function* draftRows(
  lines: Lines,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto',
  tile: TileShape,
  beside: readonly TileShape[] = besidesOf(tile, device, problem),
): Sliced<Drafted> {
  const kinds: Kinds = {...REGULAR, ...lineKinds(lines)};
  const words = lineWords(lines, problem);
  const draft = new Draft(tile);
  const onGrid = gridLines(kinds, problem);
  const choices: Choice[] = [];
  for (const [index, acsr] of lines.rows.entries()) {
    const own = lines.rows.length === 1 && words[index]!.length === 1 ? EVERY_LINE : words[index]!;
    choices.push(yield* draftOne(draft, acsr, {kinds, lines: own, onGrid}, problem, device, implementation, tile, beside));
  }
  const [first] = choices as [Choice, ...Choice[]];
  const alike = choices.length === 1;
  return {
    draft,
    candidates: first.candidates,
    untried: first.untried,
    implementation: choices.every((each) => each.implementation === 'dense') ? 'dense' : 'fused',
    reason: alike ? first.reason : `${choices.length} patterns in ${lines.of.length} ${whatDiffers(lines)}: ${first.reason}, …`,
  };
}

const whatDiffers = ({heads, batch}: Lines): string =>
  heads === 1 ? 'sequences' : batch === 1 ? 'heads' : 'heads of all sequences';

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

interface Choice {
  readonly implementation: Implementation;
  readonly reason: string;
  readonly candidates: readonly PlanCandidate[];
  readonly untried: readonly string[];
}

/** Below this density of its tiles, a pattern is looked at as if it had no arithmetic, to see which is faster. */
const SPARSE_TILES = 0.4;

/** Empty passes that something else must gain over arithmetic, and over dense: it is a kernel of its own to compile, which takes as long as thousands of small calls. */
const WORTH = {arithmetic: 1.2, dense: 0.8};
/** Below this one, dense is counted tile by tile. */
const LOOSE_TILES = 0.7;
/** Above this density no list leaves out more than it costs. */
const DENSE = 0.9;
/** Dense must be so much faster than what has arithmetic, whose schedule is small. */
const TIE = 1.05;
/** Bits of a pattern that are written out for that: 16,384 tokens squared take half. */
const MOST_LISTED_BYTES = 2 ** 26;

/** Adds the tiles of one pattern. */
function* draftOne(
  draft: Draft,
  acsr: Acsr,
  place: Place,
  problem: Problem,
  device: Device,
  implementation: Implementation | 'auto',
  tile: TileShape,
  beside: readonly TileShape[],
): Sliced<Choice> {
  const {kinds, lines, onGrid} = place;
  const gpu = gpuOf(device);
  const shapes = choicesOf([tile, ...beside], problem, device, lines.length * onGrid);
  const dense = (): void => addDense(draft, problem, maskBits(acsr, tile.rows), tile, kinds, lines);
  const maskBytes = maskBytesOf(problem);
  const fits = maskBytes <= device.maxBindingBytes;
  if (implementation === 'dense') {
    if (!fits) refuseMask(maskBytes, device);
    dense();
    return {implementation, reason: 'asked for', candidates: [], untried: []};
  }
  const before = draft.mark();
  const passes = draft.passes.length;
  const measure = (): Measured => {
    const counts = draft.counts(before);
    const ms = predictMs(counts, onGrid, Math.max(1, draft.passes.length - passes), problem, gpu);
    return {counts, ms, bytes: draft.bytes};
  };
  const candidates: PlanCandidate[] = [];
  let untried: readonly string[] = [];
  const consider = (name: string, computed: number, costMs: number): void => {
    candidates.push({name, tileDensity: computed === 0 ? 1 : (acsr.nnz * lines.length) / computed, costMs});
  };
  const choose = function* (all: BitRows): Sliced<Granules> {
    countDense({words: all.words, rows: all.rows.length});
    const chosen = yield* chooseIrregular(all, shapes, lines.length * onGrid);
    for (const {name, computed, ms} of chosen.tried)
      consider(name, computed * lines.length, gpu.firstDispatchMs + ms * lines.length * onGrid);
    untried = chosen.untried;
    return chosen;
  };
  const canList = maskBytes <= MOST_LISTED_BYTES;
  let denseTiles = 0;
  let denseMs = 0;
  const countDense = (mask: MaskBits | null): void => {
    const counts = denseCounts(problem, tile, mask);
    denseTiles = counts.tiles;
    denseMs = predictMs([counts], onGrid * lines.length, 1, problem, gpu);
  };
  countDense(null);
  const mayBeDense = implementation === 'auto' && fits;
  const takeDense = (what: string, ms: number): Choice => {
    draft.rollback(before);
    dense();
    const reason = `fused would compute ${what}; predicted ${ratio(ms, denseMs)} slower than dense`;
    return {implementation: 'dense', reason, candidates: sorted(candidates), untried};
  };
  let best: Measured;
  if (canList && (isScattered(acsr) || acsr.irregularRows.length === acsr.queryLength)) {
    if (mayBeDense && acsr.nnz > DENSE * problem.queryLength * problem.keyLength)
      return takeDense('all keys in lists, or row by row', (denseMs * gpu.listTile) / gpu.bitTile);
    const chosen = yield* choose(everyRow(acsr));
    const ms = gpu.firstDispatchMs + chosen.ms * lines.length * onGrid;
    if (mayBeDense && ms > denseMs - WORTH.dense * gpu.firstDispatchMs) {
      // Before it is written out, which takes longer than to look through.
      consider('dense', lines.length * denseTiles * tile.rows * tile.keys, denseMs);
      return takeDense(`${acsr.nnz} pairs without order where dense computes ${denseTiles} key tiles`, ms);
    }
    yield* addIrregular(draft, chosen, kinds, 0, lines);
    best = measure();
  } else {
    untried = yield* addFused(draft, acsr, tile, place, shapes);
    best = measure();
    consider('as arithmetic', sum(best.counts, computedPairs), best.ms);
    // Where runs of several kinds leave tiles half empty, dense may leave out as many: a prefix and a random tree n = 1,024 .077 ms, dense .050 (H200).
    const isLoose = acsr.nnz * lines.length < LOOSE_TILES * sum(best.counts, computedPairs);
    if (canList && mayBeDense && isLoose && hasRuns(acsr, SEVERAL_RUNS)) countDense(maskBits(acsr, tile.rows));
    const isRegular = best.counts.some(({tiles, listed}) => tiles > listed);
    if (canList && isRegular && acsr.nnz * lines.length < SPARSE_TILES * sum(best.counts, computedPairs)) {
      const chosen = yield* choose(everyRow(acsr));
      const ms = gpu.firstDispatchMs + chosen.ms * lines.length * onGrid;
      if (ms < best.ms - WORTH.arithmetic * gpu.firstDispatchMs) {
        draft.rollback(before);
        yield* addIrregular(draft, chosen, kinds, 0, lines);
        best = measure();
      }
    }
  }
  if (implementation === 'fused') return {implementation, reason: 'asked for', candidates: [], untried};
  if (!fits)
    return {
      implementation: 'fused',
      reason: `dense would bind ${maskBytes} bytes of mask, the device takes ${device.maxBindingBytes}`,
      candidates: sorted(candidates),
      untried,
    };
  consider('dense', lines.length * denseTiles * tile.rows * tile.keys, denseMs);
  const tiles = `${visitedText(best.counts, lines.length)} where dense computes ${denseTiles}${sum(best.counts, (each) => each.tiles) === 0 ? ' key tiles' : ''}`;
  const isIrregular = best.counts.some(({listed, pairs}) => listed + pairs > 0);
  if (
    best.ms <= (isIrregular ? denseMs - WORTH.dense * gpu.firstDispatchMs : TIE * denseMs) &&
    best.bytes <= device.maxBindingBytes
  )
    return {
      implementation: 'fused',
      reason: `computes ${tiles}; predicted ${ratio(denseMs, best.ms)} faster than dense`,
      candidates: sorted(candidates),
      untried,
    };
  return takeDense(tiles, best.ms);
}

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

interface Measured {
  readonly counts: readonly Counts[];
  readonly ms: number;
  readonly bytes: number;
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
