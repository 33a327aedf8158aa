import {ceilDiv} from '../../support/index.js';
import type {RowAccess} from '../text/row_access.js';
import {each, lines} from '../text/text.js';
import {plain, type Flow, type Region} from '../tile/flow.js';
import {addParts, eachColumn, orZeros, overTrips} from '../tile/own_trips.js';
import {numberedKeys, rowAt} from '../tile/places.js';
import {ROW_WISE} from '../../plan/index.js';
import {FLOATS} from '../tile/tile_math.js';
import type {OwnGradientShape} from './gradient_shape.js';
import {gradientTensors, type GradientTensors} from './gradient_tensors.js';
import {GradientTrip} from './gradient_trip.js';

/** Columns of an invocation up to which what it has read of both products stays in registers until it is summed: 64 features. */
const KEPT = 2;

/**
 * A trip of the gradients of single rows (over their keys) or single keys (over the rows that attend to them): both products by columns, whose parts
 * neighbours add up, then what is owned sums up its columns.
 *
 * Names in the WGSL beside those of tiles: h<n> and w<n> own columns of head and value, k<j>_<n> and u<j>_<n> those of what is met.
 */
export class OwnTrip extends GradientTrip<OwnGradientShape> {
  private readonly tensors: GradientTensors;

  constructor(shape: OwnGradientShape) {
    super(shape, ROW_WISE.keys);
    this.tensors = gradientTensors(shape);
  }

  /** Own columns, which stay in registers. */
  before(): Flow {
    const {ownHead, ownValue, head} = this.tensors;
    const own = (name: string, access: RowAccess, base: string, factor: string): string =>
      this.columns(
        access,
        (n, column, inside) => `let ${name}${n} = ${orZeros('vec4f', access.load(base, column) + factor, inside)};`,
      );
    return plain(lines(own('h', ownHead.access, ownHead.own(0), head.factor), own('w', ownValue.access, ownValue.own(0), '')));
  }

  /** What met nothing has read anything. */
  after(): Flow {
    const {head, value} = this.tensors;
    const clear = (name: string, access: RowAccess): string =>
      this.columns(access, (n) => `${name}0_${n} = select(vec4f(), ${name}0_${n}, has);`);
    return plain(lines(clear('g', head.access), this.shape.owns === 'keys' ? clear('v', value.access) : ''));
  }

  tile(): Flow[] {
    return [overTrips(this.shape.owns === 'rows' ? 'y.x' : 'visited.x', this.shape.parts, (parts) => this.trip(parts))];
  }

  private trip(parts: readonly Region[]): Flow[] {
    const {head, value} = this.tensors;
    const numbers = Array.from({length: this.grid.keys}, (_, j) => j);
    const names = ['s', 't'].map((name) => numbers.map((j) => `${name}0_${j}`));
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
      each(
        this.grid.keys,
        (j) => `s0_${j} = ${this.dot('h', 'k', head.access, j)}; t0_${j} = ${this.dot('w', 'u', value.access, j)};`,
      ),
      '}',
    );
    return [
      ...addParts(this.shape, FLOATS, parts, names, lines(this.declareNumbers(), declared, loads(true), products)),
      {name: 'gradients', reads: [], writes: [], code: lines(this.scoreGradients(), this.sums())},
    ];
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

  private dot(own: string, met: string, access: RowAccess, j: number): string {
    const columns = ceilDiv(access.columns, this.shape.threadsX);
    return Array.from({length: columns}, (_, n) => `dot(${own}${n}, ${met}${j}_${n})`).join(' + ');
  }

  /** Where met number j has its row. */
  private base(access: RowAccess, j: number): string {
    if (this.shape.owns === 'rows') return access.base(`(keyLine + u32(number${j}) * params.keyStrides.y)`);
    return access.base(`(queryLine + row${j} * params.queryStrides.y)`);
  }

  private declareNumbers(): string {
    const {kinds, owns} = this.shape;
    if (owns === 'rows') return numberedKeys(kinds, this.grid.keys);
    return each(this.grid.keys, (j) => `let row${j} = ${rowAt(kinds, `max(min(y0 + ${j}, visited.y - 1), 0)`)};`);
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
    const sum = (to: string, weight: string, met: string, access: RowAccess, factor: string): string =>
      lines(
        this.isKept(access) ? '{' : `{ ${this.load(met, access, factor)}`,
        each(this.grid.keys, (j) =>
          this.columns(access, (n) => `${to}0_${n} = fma(vec4f(${weight}0_${j}), ${met}${j}_${n}, ${to}0_${n});`),
        ),
        '}',
      );
    return lines(
      this.shape.owns === 'keys' ? sum('v', 's', 'u', value.access, '') : '',
      sum('g', 't', 'k', head.access, head.factor),
    );
  }
}
