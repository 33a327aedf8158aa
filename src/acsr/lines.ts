import {
  checkFits,
  checkLists,
  holdsLongMask,
  isPlain,
  lineOf,
  listsOf,
  print,
  resolveShape,
  type Lengths,
  type LineCounts,
  type Pattern,
  type PlainNode,
} from '../pattern/index.js';
import {atOnce, type Sliced} from '../support/index.js';
import type {Acsr} from './acsr.js';
import {compressing, nodeOf} from './compress.js';
import {cutRows} from './slots.js';

/** The rows of all heads of all sequences. */
export interface Lines {
  /** Each once, in the order in which lines first have them. */
  readonly rows: readonly Acsr[];
  /** Query heads, or 1 where all heads of a sequence have the same rows. */
  readonly heads: number;
  /** Sequences, or 1 where all have the same rows. */
  readonly batch: number;
  /** [batch · heads] Which of `rows` a line has, by batch · heads + head. */
  readonly of: readonly number[];
}

/** What a call brings to a pattern that may have one for each head and sequence. */
export interface LinesShape extends Lengths, LineCounts {}

/**
 * `compress` for every head of every sequence. Lines whose patterns are the same value, the same text or come to the same rows share
 * them, so that 32 heads of four patterns cost what the four do.
 *
 * Throws `SplatError` as `compress` does, and where a `perHead` or `perBatch` is not as long as there are query heads and sequences.
 */
export const compressLines = (pattern: Pattern, shape: LinesShape): Lines => atOnce(compressingLines(pattern, shape));

/** The same, in slices. */
export function* compressingLines(pattern: Pattern, shape: LinesShape): Sliced<Lines> {
  const node = nodeOf(pattern);
  const resolved = resolveShape(shape);
  checkLists(node, shape);
  checkFits(node, resolved);
  if (isPlain(node)) return oneLine(yield* compressing(node, resolved));

  const {perHead: heads = 1, perBatch: batch = 1} = listsOf(node);
  const rows: Acsr[] = [];
  const known = new Map<PlainNode | string, number>();
  function* numberOf(line: PlainNode): Sliced<number> {
    let number = known.get(line);
    if (number !== undefined) return number;
    const key = holdsLongMask(line) ? line : print(line);
    number = known.get(key);
    if (number === undefined) {
      const own = yield* compressing(line, resolved);
      number = rows.findIndex((acsr) => isSame(acsr, own));
      if (number < 0) number = rows.push(own) - 1;
      known.set(key, number);
    }
    known.set(line, number);
    return number;
  }
  const of: number[] = [];
  for (let line = 0; line < batch * heads; line++) of.push(yield* numberOf(lineOf(node, line % heads, Math.floor(line / heads))));
  return linesOf(rows, heads, batch, of);
}

/** Lines, of which those of all heads or sequences may be the same. */
function linesOf(rows: readonly Acsr[], heads: number, batch: number, of: readonly number[]): Lines {
  const headsDiffer = of.some((number, line) => number !== of[line - (line % heads)]);
  const batchDiffers = of.some((number, line) => number !== of[line % heads]);
  return Object.freeze({
    rows: Object.freeze(rows),
    heads: headsDiffer ? heads : 1,
    batch: batchDiffers ? batch : 1,
    of: Object.freeze(of.filter((_, line) => (headsDiffer || line % heads === 0) && (batchDiffers || line < heads))),
  });
}

/** Rows that all lines have. */
export const oneLine = (acsr: Acsr): Lines =>
  Object.freeze({rows: Object.freeze([acsr]), heads: 1, batch: 1, of: Object.freeze([0])});

/** The rows of a head of a sequence of the call. */
export const rowsAt = ({rows, heads, batch, of}: Lines, sequence: number, head: number): Acsr =>
  rows[of[(batch === 1 ? 0 : sequence) * heads + (heads === 1 ? 0 : head)]!]!;

/** The same lines of other rows. */
export const mapRows = (lines: Lines, make: (acsr: Acsr) => Acsr): Lines =>
  Object.freeze({...lines, rows: Object.freeze(lines.rows.map(make))});

/** Some rows of each line, see `cutRows`. Those of lines that differ elsewhere may be the same. */
export function cutLines({rows, heads, batch, of}: Lines, first: number, count: number, queryLength: number): Lines {
  const cut: Acsr[] = [];
  const numbers = rows.map((acsr) => {
    const own = cutRows(acsr, first, count, queryLength);
    const number = cut.findIndex((other) => isSame(other, own));
    return number < 0 ? cut.push(own) - 1 : number;
  });
  return of.length === 1
    ? oneLine(cut[0]!)
    : linesOf(
        cut,
        heads,
        batch,
        of.map((line) => numbers[line]!),
      );
}

const ROWS = ['rowRuns', 'start', 'stride', 'count', 'irregularRows', 'bits'] as const;
const PERIOD = ['rowRuns', 'start', 'stride', 'count'] as const;

/** Whether two patterns came to the same rows of one shape. Rows that recur are compared by their period, so that none are written out. */
function isSame(a: Acsr, b: Acsr): boolean {
  if (a.nnz !== b.nnz) return false;
  const [x, y] = [a.recurrence, b.recurrence];
  if (x === undefined || y === undefined) return ROWS.every((name) => sameNumbers(a[name], b[name]));
  if (x.period !== y.period || !PERIOD.every((name) => sameNumbers(x[name], y[name]))) return false;
  if (x.clip === null || y.clip === null) return x.clip === y.clip;
  return sameNumbers(x.clip.low, y.clip.low) && sameNumbers(x.clip.high, y.clip.high);
}

function sameNumbers(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  // A loop: `every` of a typed array takes three times as long.
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
