import {ceilDiv} from '../support/index.js';
import type {KernelShape} from './kernel_shape.js';
import {rowAccess, type RowAccess} from './numbers.js';
import {each, lines, tree} from './text.js';

/** What one invocation of the attention kernel owns of a tile, and how it speaks with its neighbours. */
export class Share {
  readonly query: RowAccess;
  readonly key: RowAccess;
  readonly value: RowAccess;
  readonly output: RowAccess;
  /** Rows and keys of a tile, and output columns (vec4), of one invocation. */
  readonly rows: number;
  readonly keys: number;
  readonly columns: number;
  /** vec4 columns of an output row. */
  readonly outputColumns: number;
  readonly threads: number;

  constructor(readonly shape: KernelShape) {
    this.query = rowAccess('query', shape.headDim);
    this.key = rowAccess('key', shape.headDim);
    this.value = rowAccess('value', shape.valueDim);
    this.output = rowAccess('output', shape.valueDim, true);
    this.rows = shape.rows / shape.threadsY;
    this.keys = shape.keys / shape.threadsX;
    this.outputColumns = ceilDiv(shape.valueDim, 4);
    this.columns = ceilDiv(this.outputColumns, shape.threadsX);
    this.threads = shape.threadsX * shape.threadsY;
  }

  /** Puts one number of each row of this invocation where its neighbours in x find it. */
  publish(name: string): string {
    const {regions, threadsY} = this.shape;
    const groups = ceilDiv(this.rows, 4);
    return each(groups, (g) => {
      const parts = [0, 1, 2, 3].map((e) => `${name}${Math.min(this.rows - 1, 4 * g + e)}`);
      return `memory[${regions.maximum.begin}u + (tx * ${groups}u + ${g}u) * ${threadsY}u + ty] = vec4f(${parts.join(', ')});`;
    });
  }

  /** Combines what all neighbours in x published. */
  collect(name: string, combine: (a: string, b: string) => string): string {
    const {regions, threadsX, threadsY} = this.shape;
    const groups = ceilDiv(this.rows, 4);
    const at = (x: number, g: number): string => `memory[${regions.maximum.begin + (x * groups + g) * threadsY}u + ty]`;
    return lines(
      each(
        groups,
        (g) =>
          `let all${g} = ${tree(
            Array.from({length: threadsX}, (_, x) => at(x, g)),
            combine,
          )};`,
      ),
      each(this.rows, (i) => `${name}${i} = all${i >> 2}.${'xyzw'[i & 3]};`, ' '),
    );
  }

  ownColumn(c: number): string {
    return `(tx + ${this.shape.threadsX * c}u)`;
  }

  /** An output column that exists: the last one for invocations past the end. */
  column(c: number): string {
    const inside = this.shape.threadsX * (c + 1) <= this.outputColumns;
    return inside ? this.ownColumn(c) : `min(${this.ownColumn(c)}, ${this.outputColumns - 1}u)`;
  }
}
