import type {Acsr} from '../acsr/index.js';
import type {RowTile, StrideClass} from './row_tiles.js';

/** The runs of a tile of rows, by residue: looking through all runs for each of 63 residues took 5 s for 262,144 rows. */
export class ResidueGroups {
  /** Row of the tile and run of the pattern, in the order in which they were met. */
  readonly rowOf: Int32Array;
  readonly runOf: Int32Array;
  /** Indices of these, by the number of their residue, otherwise in order; group i ends at `ends[i]`. */
  readonly order: Int32Array;
  ends = new Int32Array(0);
  private readonly numberOf: Int32Array;

  /** `most`: runs that a tile may have. */
  constructor(most: number) {
    this.rowOf = new Int32Array(most);
    this.runOf = new Int32Array(most);
    this.order = new Int32Array(most);
    this.numberOf = new Int32Array(most);
  }

  sort(
    {firstRow, rowStride, rows, residues}: RowTile,
    {stride, owner, index}: Omit<StrideClass, 'tiles'>,
    {rowRuns, start}: Acsr,
  ): void {
    const {rowOf, runOf, order, numberOf} = this;
    const ends = this.ends.length === residues.length ? this.ends.fill(0) : (this.ends = new Int32Array(residues.length));
    let length = 0;
    for (let x = 0; x < rows; x++) {
      const row = firstRow + rowStride * x;
      const end = rowRuns[row + 1]!;
      let expected = 0;
      for (let run = rowRuns[row]!; run < end; run++) {
        if (owner !== null && owner[run] !== index) continue;
        const key = start[run]!;
        const residue = key < stride ? key : key % stride;
        // Rows mostly have their residues in order, one run for each.
        const number = residues[expected] === residue ? expected : residues.indexOf(residue);
        expected = number + 1;
        rowOf[length] = x;
        runOf[length] = run;
        numberOf[length++] = number;
        ends[number]!++;
      }
    }
    let total = 0;
    for (let number = 0; number < ends.length; number++) {
      const count = ends[number]!;
      ends[number] = total;
      total += count;
    }
    for (let i = 0; i < length; i++) order[ends[numberOf[i]!]!++] = i;
  }
}
