/**
 * Affine-compressed sparse rows (SPLAT, arXiv 2407.16847; several runs per row are ours).
 *
 * Run `r` is the keys `start[r] + stride[r]·i, 0 ≤ i < count[r]`, and query `q` attends to the runs `rowRuns[q] ≤ r < rowRuns[q + 1]`.
 * Runs of a row are disjoint and ascend by start. A key set has several such splits; `compress` picks one.
 *
 * A row that would need more than `MAX_RUNS` runs is irregular: it owns no runs and is one row of bits instead.
 */
export interface Acsr {
  readonly queryLength: number;
  readonly keyLength: number;
  /** Number of (query, key) pairs. */
  readonly nnz: number;
  /** [queryLength + 1] */
  readonly rowRuns: Int32Array;
  /** [runs] */
  readonly start: Int32Array;
  /** [runs] ≥ 1; meaningful for one-key runs too: the stride of the progression they are the rest of. */
  readonly stride: Int32Array;
  /** [runs] ≥ 1 */
  readonly count: Int32Array;
  /** [irregular rows] ascending query indices */
  readonly irregularRows: Int32Array;
  /** [irregular rows · ⌈keyLength/32⌉] bit `key % 32` of word `⌊key/32⌋` of the row, as in a mask pattern */
  readonly bits: Uint32Array;
  /**
   * The same rows in fewer words, where some are known; then the runs above are written out when they are first read. Two coprime strides
   * at 262,144 tokens have up to 16 million runs, 200 MB, of which one period differs.
   */
  readonly recurrence?: Recurrence | undefined;
  /**
   * Where all rows are irregular and row q is row `q % period`: the bits of one period. The bits above are written out when they are first
   * read: at 16,384 tokens they take 32 MiB.
   */
  readonly recurringBits?: {readonly period: number; readonly words: Uint32Array} | undefined;
}

/**
 * Rows that recur: row q has the keys of row `q % period` below that lie in `low[q] … high[q]`. There are two periods at least, and no
 * irregular rows.
 */
export interface Recurrence {
  readonly period: number;
  /** [period + 1], [runs], [runs], [runs]: as above, of one period. */
  readonly rowRuns: Int32Array;
  readonly start: Int32Array;
  readonly stride: Int32Array;
  readonly count: Int32Array;
  /** [runs] ≥ 1; the keys of each run in the row that has most of them. */
  readonly most: Int32Array;
  /** [queryLength] the first and the last key that a query may attend to, high < low where there is none; null: all keys. */
  readonly clip: {readonly low: Int32Array; readonly high: Int32Array} | null;
}

/** Beyond this a row is stored as bits: 64 runs cost 768 bytes, the bits of a row of 6144 keys. */
export const MAX_RUNS = 64;
