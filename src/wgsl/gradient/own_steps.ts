import {ceilDiv} from '../../support/index.js';
import type {RowAccess} from '../text/row_access.js';
import {each, lines} from '../text/text.js';
import {plain, type Flow, type Region} from '../tile/flow.js';
import {addParts, eachColumn, orZeros, overTrips, whereLeft} from '../tile/own_trips.js';
import {numberedKeys, numberedRows} from '../tile/places.js';
import {ownTile} from '../../plan/index.js';
import {FLOATS} from '../tile/tile_math.js';
import type {OwnGradientShape} from './gradient_shape.js';
import {gradientTensors, type GradientTensors, type Side} from './gradient_tensors.js';
import {GradientTrip} from './gradient_trip.js';

/** Columns of an invocation up to which what it has read of both products stays in registers until it is summed: 64 features. */
const KEPT = 2;

/**
 * A trip of the gradients of single rows (over their keys) or single keys (over the rows that attend to them), or of four that share a list: both
 * products by columns, whose parts neighbours add up, then what is owned sums up its columns.
 *
 * Names in the WGSL beside those of tiles: h<i>_<n> and w<i>_<n> own columns of head and value, k<j>_<n> and u<j>_<n> those of what is met.
 */
export class OwnTrip extends GradientTrip<OwnGradientShape> {
  private readonly tensors: GradientTensors;

  constructor(shape: OwnGradientShape) {
    super(shape, ownTile(shape.kinds).keys);
    this.tensors = gradientTensors(shape);
  }

  /** Own columns, which stay in registers. */
  before(): Flow {
    const {ownHead, ownValue, head} = this.tensors;
    const own = (name: string, {access, own: base}: Side, factor: string): string =>
      each(this.grid.rows, (i) =>
        this.columns(
          access,
          (n, column, inside) => `let ${name}${i}_${n} = ${orZeros('vec4f', access.load(base(i), column) + factor, inside)};`,
        ),
      );
    return plain(lines(own('h', ownHead, head.factor), own('w', ownValue, '')));
  }

  /** What met nothing has read anything. */
  after(): Flow {
    const {head, value} = this.tensors;
    const clear = (name: string, access: RowAccess): string =>
      each(this.grid.rows, (i) => this.columns(access, (n) => `${name}${i}_${n} = select(vec4f(), ${name}${i}_${n}, has);`));
    return plain(lines(clear('g', head.access), this.shape.owns === 'keys' ? clear('v', value.access) : ''));
  }

  tile(): Flow[] {
    return [overTrips(`${this.met}.x`, this.shape.parts, (parts) => this.trip(parts))];
  }

  /** (begin, end) of what an own number meets. */
  private get met(): string {
    return this.shape.owns === 'rows' ? 'y' : 'visited';
  }

  private trip(parts: readonly Region[]): Flow[] {
    const {head, value} = this.tensors;
    const {rows, keys} = this.grid;
    const names = ['s', 't'].flatMap((name) =>
      Array.from({length: rows}, (_, i) => Array.from({length: keys}, (_unused, j) => `${name}${i}_${j}`)),
    );
    const declared = names
      .flat()
      .map((name) => `var ${name} = 0.0;`)
      .join(' ');
    const loads = (kept: boolean): string =>
      lines(
        this.isKept(head.access) === kept ? this.load('k', head.access, head.factor) : '',
        this.isKept(value.access) === kept ? this.load('u', value.access, '') : '',
      );
    const products = lines(
      `{ ${loads(false)}`,
      each(keys, (j) =>
        each(
          rows,
          (i) => `s${i}_${j} = ${this.dot('h', 'k', head.access, i, j)}; t${i}_${j} = ${this.dot('w', 'u', value.access, i, j)};`,
        ),
      ),
      '}',
    );
    return [
      ...addParts(this.shape, FLOATS, parts, names, lines(this.declareNumbers(), declared, loads(true), products)),
      {
        name: 'gradients',
        reads: [],
        writes: [],
        code: this.shape.branches ? whereLeft(`${this.met}.y`, this.gradients()) : this.gradients(),
      },
    ];
  }

  private gradients(): string {
    return lines(this.scoreGradients(), this.sums());
  }

  private columns(access: RowAccess, text: (n: number, column: string, inside: string | null) => string): string {
    return eachColumn(access, this.shape.threadsX, text);
  }

  private isKept(access: RowAccess): boolean {
    return ceilDiv(access.columns, this.shape.threadsX) <= KEPT;
  }

  private load(name: string, access: RowAccess, factor: string): string {
    return each(this.grid.keys, (j) =>
      this.columns(access, (n, column, inside) => {
        const four = access.load(this.base(access, j), column) + factor;
        return `let ${name}${j}_${n} = ${orZeros('vec4f', four, inside)};`;
      }),
    );
  }

  private dot(own: string, met: string, access: RowAccess, i: number, j: number): string {
    const columns = ceilDiv(access.columns, this.shape.threadsX);
    return Array.from({length: columns}, (_, n) => `dot(${own}${i}_${n}, ${met}${j}_${n})`).join(' + ');
  }

  /** Where met number j has its row. */
  private base(access: RowAccess, j: number): string {
    if (this.shape.owns === 'rows') return access.base(`(keyLine + u32(number${j}) * params.keyStrides.y)`);
    return access.base(`(queryLine + row${j} * params.queryStrides.y)`);
  }

  private declareNumbers(): string {
    const {kinds, owns} = this.shape;
    return owns === 'rows' ? numberedKeys(kinds, this.grid.keys) : numberedRows(kinds, this.grid.keys);
  }

  protected declareMet(j: number): string {
    if (this.shape.owns === 'rows') return this.scoring.key(j, `number${j}`);
    return lines(
      `let stats${j} = scratch[shareLine * params.queryLength + row${j}];`,
      this.scoring.query(j, `row${j}`, `line * params.queryLength + row${j}`),
    );
  }

  private sums(): string {
    const {head, value} = this.tensors;
    const {rows, keys} = this.grid;
    const sum = (to: string, weight: string, met: string, access: RowAccess, factor: string): string =>
      lines(
        this.isKept(access) ? '{' : `{ ${this.load(met, access, factor)}`,
        each(keys, (j) =>
          each(rows, (i) =>
            this.columns(access, (n) => `${to}${i}_${n} = fma(vec4f(${weight}${i}_${j}), ${met}${j}_${n}, ${to}${i}_${n});`),
          ),
        ),
        '}',
      );
    return lines(
      this.shape.owns === 'keys' ? sum('v', 's', 'u', value.access, '') : '',
      sum('g', 't', 'k', head.access, head.factor),
    );
  }
}
