import {ceilDiv} from '../../support/index.js';
import type {KernelShape, OwnShape} from './kernel_shape.js';
import type {Masked} from './mask.js';
import {ownPlace} from './places.js';
import type {Grid} from './tile_math.js';
import {operandAccess, rowAccess, type RowAccess} from '../text/row_access.js';
import {each, lines, tree} from '../text/text.js';

/** What one invocation of a kernel that owns rows has of them. */
export class Share<Shape extends OwnShape = OwnShape> {
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
  /** Columns of a value row as it is staged. */
  readonly valueColumns: number;
  readonly threads: number;
  /** Whether workgroup memory holds words, because some of them are packed halves, or floats. */
  private readonly words: boolean;

  /** `keys`: of one invocation. */
  constructor(
    readonly shape: Shape,
    keys: number,
  ) {
    const {formats} = shape;
    this.query = operandAccess('query', formats, shape.headDim);
    this.key = operandAccess('key', formats, shape.headDim);
    this.value = operandAccess('value', formats, shape.valueDim);
    this.words = [this.query, this.key, this.value].some(isPacked);
    this.output = rowAccess('output', shape.valueDim, true);
    this.rows = shape.rows / shape.threadsY;
    this.keys = keys;
    this.outputColumns = ceilDiv(shape.valueDim, 4);
    this.valueColumns = isPacked(this.value) && !shape.valueHalves ? 2 * this.value.columns : this.value.columns;
    this.columns = ceilDiv(this.valueColumns, shape.threadsX) * (shape.valueHalves ? 2 : 1);
    this.threads = shape.threadsX * shape.threadsY;
  }

  /** Number i of the rows of this invocation, among those of the tile. */
  rowNumber(i: number): string {
    return ownPlace(this.grid, this.shape.kinds, i);
  }

  get grid(): Grid {
    const {threadsX, threadsY} = this.shape;
    return {threadsX, threadsY, rows: this.rows, keys: this.keys};
  }

  /** The scores of a tile, as the mask sees them. */
  masked(clip: string): Masked {
    const {kinds, keys} = this.shape;
    return {owns: 'rows', kinds, clip, size: 'KEYS', width: keys, grid: this.grid};
  }

  /** What a column of query or key is multiplied by, ready to follow it. Halves could not hold it, nor need they. */
  sideScale(operand: 'query' | 'key'): string {
    return this.shape.features.farScale && !isPacked(this[operand]) ? ' * params.sideScale' : '';
  }

  /** What is left for their product, where the scale is far. */
  get productScale(): string {
    if (!this.shape.features.farScale) return '';
    return ' * params.sideScale'.repeat([this.query, this.key].filter(isPacked).length);
  }

  /** A value, or a weight of values, scaled so that no sum of values is past float32. Sums of halves never are. */
  scaled(x: string): string {
    return isPacked(this.value) ? x : `(${x} * params.valueScale)`;
  }

  get memoryElement(): 'vec4u' | 'vec4f' {
    return this.words ? 'vec4u' : 'vec4f';
  }

  /** Floats as workgroup memory holds them, and back. */
  pack(floats: string): string {
    return this.words ? `bitcast<vec4u>(${floats})` : floats;
  }

  unpack(element: string): string {
    return this.words ? `bitcast<vec4f>(${element})` : element;
  }

  /** A column as it was loaded, as workgroup memory holds it, and the vec4 of floats in it then. */
  hold(access: RowAccess, column: string): string {
    return isPacked(access) ? column : this.pack(column);
  }

  held(access: RowAccess, column: string): readonly string[] {
    return isPacked(access) ? access.floats(column) : [this.unpack(column)];
  }

  /** The vec4 column of the output that is number c of this invocation's. */
  ownColumn(c: number): string {
    const {threadsX, valueHalves} = this.shape;
    if (!valueHalves) return `(tx + ${threadsX * c}u)`;
    return `(2u * tx + ${2 * threadsX * (c >> 1) + (c & 1)}u)`;
  }

  /** Whether column number c exists for every invocation. */
  isInside(c: number): boolean {
    const {threadsX, valueHalves} = this.shape;
    const last = valueHalves ? 2 * (threadsX * ((c >> 1) + 1) - 1) + (c & 1) : threadsX * (c + 1) - 1;
    return last < this.outputColumns;
  }

  /** An output column that exists: the last one for invocations past the end. */
  column(c: number): string {
    return this.isInside(c) ? this.ownColumn(c) : `min(${this.ownColumn(c)}, ${this.outputColumns - 1}u)`;
  }
}

/** The same of a tile whose keys neighbours share, and how it speaks with them. */
export class TileShare extends Share<KernelShape> {
  constructor(shape: KernelShape) {
    super(shape, shape.keys / shape.threadsX);
  }

  /** Combines one number of each row of this invocation with the neighbours that a subgroup shuffle reaches. */
  shuffle(name: string, combine: (a: string, b: string) => string): string {
    const distances = [1, 2, 4, 8].filter((distance) => distance < this.shape.shuffled);
    const step = (distance: number): string =>
      each(this.rows, (i) => `${name}${i} = ${combine(`${name}${i}`, `subgroupShuffleXor(${name}${i}, ${distance}u)`)};`, ' ');
    return lines(...distances.map(step));
  }

  /** Puts one number of each row of this invocation where its neighbours in x find it. */
  publish(name: string): string {
    const {regions, threadsX, threadsY, shuffled} = this.shape;
    if (shuffled === threadsX) return '';
    const groups = ceilDiv(this.rows, 4);
    const from = shuffled === 1 ? 'tx' : `(tx / ${shuffled}u)`;
    const stores = each(groups, (g) => {
      const parts = [0, 1, 2, 3].map((e) => `${name}${Math.min(this.rows - 1, 4 * g + e)}`);
      const at = `${regions.maximum.begin}u + (${from} * ${groups}u + ${g}u) * ${threadsY}u + ty`;
      return `memory[${at}] = ${this.pack(`vec4f(${parts.join(', ')})`)};`;
    });
    return shuffled === 1 ? stores : `if (tx % ${shuffled}u == 0u) { ${stores} }`;
  }

  /** Combines what all neighbours in x published. */
  collect(name: string, combine: (a: string, b: string) => string): string {
    const {regions, threadsX, threadsY, shuffled} = this.shape;
    if (shuffled === threadsX) return '';
    const groups = ceilDiv(this.rows, 4);
    const at = (x: number, g: number): string =>
      this.unpack(`memory[${regions.maximum.begin + (x * groups + g) * threadsY}u + ty]`);
    const parts = (g: number): string[] => Array.from({length: threadsX / shuffled}, (_, x) => at(x, g));
    return lines(
      each(groups, (g) => `let all${g} = ${tree(parts(g), combine)};`),
      each(this.rows, (i) => `${name}${i} = all${i >> 2}.${'xyzw'[i & 3]};`, ' '),
    );
  }
}

/** Whether a column is words, whose numbers are to be unpacked. */
const isPacked = ({element}: RowAccess): boolean => element === 'vec4u';
