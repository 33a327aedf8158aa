import {ceilDiv, inSteps, type Sliced} from '../support/index.js';
import {Draft, TURN, type DraftGroup, type DraftTile} from './draft.js';
import {bitOf, readNumberOf, SPAN, VISIT, write} from './format.js';
import type {BitRows} from './bit_rows.js';
import {addIrregular, chooseIrregular, type TileChoices} from './irregular.js';
import type {Kinds, TileShape} from './plan.js';
import type {Problem} from './problem.js';
import {FOUR_BITS, keyOfFour, rowsPerSpan} from './row_wise.js';

/** Masks of keys that no list names. */
type AffineMask = 'interval' | 'bits' | 'tensor';

/**
 * The tiles of a draft seen from its keys, for gradients of keys and values: tiles of keys, and the rows that visit them, laid out alike
 * with VISIT in the place of spans. What is affine is not transposed, for a column of an affine pattern need not be an interval: rows keep
 * their [lo, hi), or their bits, and the kernel asks whether its keys lie in it. Listed keys are transposed pair by pair, into lists of rows.
 *
 * `choices`: what they may be tiled by, which need not be what rows have. `turn` is the order in which lines add to the gradients that they share: the heads of a group, one after another. `numbered`: rows of full tiles have their intervals one after another, too.
 */
export function* transpose(
  rows: Draft,
  {queryLength, keyLength}: Problem,
  tile: TileShape,
  turnOf: (line: number) => number,
  choices: TileChoices,
  onGrid: number,
  {numbered = false}: {readonly numbered?: boolean} = {},
): Sliced<Draft> {
  const keys = new Draft(tile, rows);
  // Some rows of a line may have one kind of tiles, and others another: the first of them begins all keys.
  const passes = new Map<readonly number[], number>();
  for (const {kinds, groups} of rows.passes) {
    for (const {lines, tiles} of groups) {
      const order = passes.get(lines) ?? 0;
      passes.set(lines, order + 1);
      for (const [turn, some] of turnsOf(lines, turnOf)) {
        const at = order + TURN * turn;
        if (kinds.keys === 'list') {
          const pairs = yield* pairsByKey(rows, tiles, kinds, {queryLength, keyLength}, order === 0);
          const chosen = yield* chooseIrregular(pairs, choices, some.length * onGrid);
          yield* addIrregular(keys, chosen, kinds, at, some, 'keys');
          continue;
        }
        const own = keys.group(kinds, at, some);
        const met = yield* keyTiles(rows, tiles, keyLength, tile, kinds.mask as AffineMask, order === 0, numbered);
        const visits = met.reduce((sum, each) => sum + each.visits.length, 0);
        yield* inSteps(met.length, (96 * visits) / met.length, (from, end) => {
          for (let index = from; index < end; index++) addVisited(keys, own, met[index]!);
        });
      }
    }
  }
  return keys;
}

function turnsOf(lines: readonly number[], turnOf: (line: number) => number): Iterable<[number, readonly number[]]> {
  const turns = new Map<number, number[]>();
  for (const line of lines) {
    const turn = turnOf(line);
    const some = turns.get(turn);
    if (some === undefined) turns.set(turn, [line]);
    else some.push(line);
  }
  return turns.size === 1 ? [[turns.keys().next().value!, lines]] : turns;
}

/** Rows that meet a tile of keys: `firstRow + rowStride·y`, y < rows. */
interface Visit {
  readonly firstRow: number;
  readonly rowStride: number;
  rows: number;
  readonly full: boolean;
  readonly mask: number;
  readonly bitStride: number;
}

interface KeyTile {
  readonly residue: number;
  readonly stride: number;
  /** Number of the first key in its residue class. */
  readonly y: number;
  readonly keys: number;
  readonly visits: Visit[];
}

function addVisited(draft: Draft, group: DraftGroup, {residue, stride, y, keys, visits}: KeyTile): void {
  const spanBegin = draft.nextSpan;
  for (const {firstRow, rowStride, rows, full, mask, bitStride} of visits)
    write(draft.spans, VISIT, {firstRow, rowStride, begin: 0, end: rows, full: full ? 1 : 0, none: 0, mask, bitStride});
  draft.add(group, residue + stride * y, stride, keys, spanBegin, y);
}

/** The key tiles of affine spans in the order of their keys; all there are, `owned`, also those that nobody visits. */
function* keyTiles(
  {spans: {data}}: Draft,
  rowTiles: readonly DraftTile[],
  keyLength: number,
  {rows: height, keys: width}: TileShape,
  mask: AffineMask,
  owned: boolean,
  numbered: boolean,
): Sliced<readonly KeyTile[]> {
  const tiles = new Map<number, KeyTile>();
  const tileAt = (residue: number, stride: number, number: number): KeyTile => {
    const y = number * width;
    const name = residue + stride * y;
    let tile = tiles.get(name);
    if (tile === undefined) {
      const keys = Math.min(width, ceilDiv(keyLength - residue, stride) - y);
      tiles.set(name, (tile = {residue, stride, y, keys, visits: []}));
    }
    return tile;
  };
  // Row tiles that follow one another become one visit.
  const sorted = [...rowTiles].sort(
    (a, b) => a.stride - b.stride || (a.first % a.stride) - (b.first % b.stride) || a.first - b.first,
  );
  let stride = 1;
  for (const {spanBegin, spanEnd} of sorted) if (spanBegin < spanEnd) stride = data[SPAN.words * spanBegin + SPAN.at.keyStride]!;
  if (owned)
    for (let residue = 0; residue < Math.min(stride, keyLength); residue++)
      for (let number = 0; number * width < ceilDiv(keyLength - residue, stride); number++) tileAt(residue, stride, number);
  const visit = ({first: firstRow, stride: rowStride, count: rows, spanBegin, spanEnd}: DraftTile): void => {
    for (let at = SPAN.words * spanBegin; at < SPAN.words * spanEnd; at += SPAN.words) {
      const [firstKey, keyStride] = [data[at + SPAN.at.firstKey]!, data[at + SPAN.at.keyStride]!];
      const [begin, end] = [data[at + SPAN.at.begin]!, data[at + SPAN.at.end]!];
      const [fullBegin, fullEnd] = [data[at + SPAN.at.fullBegin]!, data[at + SPAN.at.fullEnd]!];
      const [from, bitStride] = [data[at + SPAN.at.mask]!, data[at + SPAN.at.bitStride]!];
      for (let number = Math.floor(begin / width); number * width < end; number++) {
        const tile = tileAt(firstKey, keyStride, number);
        const full = fullBegin <= tile.y && tile.y + tile.keys <= fullEnd;
        // Bits of a row are counted from key 0; those of a tile of keys begin in one pair.
        const own = mask === 'bits' ? from + (tile.y >>> 6) : from;
        addVisit(tile.visits, {firstRow, rowStride, rows, full, mask: own, bitStride}, height, mask, numbered);
      }
    }
  };
  const visited = rowTiles.reduce((sum, {weight}) => sum + weight, 0);
  yield;
  yield* inSteps(sorted.length, (96 * visited) / sorted.length, (from, end) => {
    for (let index = from; index < end; index++) visit(sorted[index]!);
  });
  return [...tiles.values()];
}

/** Appends a visit, or makes the last one longer. */
function addVisit(visits: Visit[], next: Visit, height: number, mask: AffineMask, numbered: boolean): void {
  const last = visits.at(-1);
  const perRow = mask === 'interval' ? 1 : next.bitStride;
  const follows =
    last !== undefined &&
    last.rowStride === next.rowStride &&
    last.firstRow + last.rowStride * last.rows === next.firstRow &&
    last.rows % height === 0 &&
    last.full === next.full &&
    ((next.full && !numbered) || (last.mask + last.rows * perRow === next.mask && last.bitStride === next.bitStride));
  if (follows) last.rows += next.rows;
  else visits.push(next);
}

/** The pairs of listed tiles by their keys: of all keys, `owned`, or of those that somebody attends to. */
function* pairsByKey(
  draft: Draft,
  tiles: readonly DraftTile[],
  kinds: Kinds,
  {queryLength, keyLength}: Pick<Problem, 'queryLength' | 'keyLength'>,
  owned: boolean,
): Sliced<BitRows> {
  const wordsPerRow = ceilDiv(queryLength, 32);
  const place = new Int32Array(keyLength).fill(-1);
  const keys: number[] = [];
  const {data} = draft.spans;
  const keyOf = kinds.mask === 'fours' ? keyOfFour : (number: number): number => number;
  const ofTile = (tile: DraftTile, visit: (number: number, y: number, tile: DraftTile, span: number) => void): void => {
    for (let span = SPAN.words * tile.spanBegin; span < SPAN.words * tile.spanEnd; span += SPAN.words) {
      const list = data[span + SPAN.at.firstKey]!;
      const end = data[span + SPAN.at.end]!;
      for (let y = data[span + SPAN.at.begin]!; y < end; y++) visit(readNumberOf(draft.numbers.data, list, y), y, tile, span);
    }
  };
  const eachNumber = (words: number, visit: (number: number, y: number, tile: DraftTile, span: number) => void): Sliced<void> =>
    inSteps(tiles.length, words * (1 + draft.numbers.length / tiles.length), (from, end) => {
      for (let index = from; index < end; index++) ofTile(tiles[index]!, visit);
    });
  if (owned) for (let key = 0; key < keyLength; key++) keys.push(key);
  else {
    yield* eachNumber(4, (each) => (place[keyOf(each)] = 0));
    for (let key = 0; key < keyLength; key++) if (place[key] === 0) keys.push(key);
  }
  keys.forEach((key, index) => (place[key] = index));
  const words = new Uint32Array(keys.length * wordsPerRow);
  // Every pair is in a page of its own, and memory comes page by page as it is touched: 20 ms in one piece where that was left to the pairs.
  yield* inSteps(words.length, 4, (from, end) => words.fill(0, from, end));
  const set = (key: number, {first, stride}: DraftTile, x: number): void => {
    const row = stride === 0 ? readNumberOf(draft.numbers.data, first, x) : first + stride * x;
    words[place[key]! * wordsPerRow + (row >>> 5)]! |= 1 << (row & 31);
  };
  // Where a key has its bits lies far from those of the next.
  const perSpan = rowsPerSpan(kinds);
  if (perSpan === 1) yield* eachNumber(48, (key, _, tile, span) => set(key, tile, span / SPAN.words - tile.spanBegin));
  else if (perSpan !== null)
    yield* eachNumber(48 * perSpan, (number, _, tile, span) => {
      const first = perSpan * (span / SPAN.words - tile.spanBegin);
      for (let x = 0; x < perSpan; x++) if ((number >>> (FOUR_BITS + x)) & 1) set(keyOf(number), tile, first + x);
    });
  else
    yield* eachNumber(12 * (tiles[0]?.count ?? 1), (key, y, tile, span) => {
      const bits = data[span + SPAN.at.mask]!;
      const bitStride = data[span + SPAN.at.bitStride]!;
      for (let x = 0; x < tile.count; x++) if (bitOf(draft.bits.data, bits + x * bitStride, y) === 1) set(key, tile, x);
    });
  return {rows: Int32Array.from(keys), words, wordsPerRow};
}
