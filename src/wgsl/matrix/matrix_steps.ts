import {ceilDiv} from '../../support/index.js';
import {plain, type Block, type Flow, type Region, type Step} from '../tile/flow.js';
import {keyAt, keyRowAt} from '../tile/places.js';
import {overTiles} from '../tile/shell.js';
import {hasStates} from '../tile/states.js';
import {firstTile, hideQuads, nextTile, ownSpanMask} from './matrix_mask.js';
import {addedTo, SLICE_STRIDE, type MatrixAccess, type MatrixShape} from './matrix_shape.js';
import {power} from '../terms/unit.js';
import {Scoring} from '../tile/scoring.js';
import type {RowAccess} from '../text/row_access.js';
import {each, lines, tree} from '../text/text.js';

/** The tensor-core kernel: queries into fragments, the loops, and output out of fragments. */
export interface MatrixSteps {
  readonly before: readonly Flow[];
  /** The repair alone: the loops that find the maximum of each row. */
  readonly maximum: Block | null;
  readonly loops: Block;
  readonly after: readonly Flow[];
}

/**
 * Names in the WGSL: q<r>_<k> query fragment, s<r>_<n> score fragment, o<r>_<n> output fragment; r counts fragments of rows, k and n
 * those of features or keys. `scores`, `m`, `sum` belong to the row of the lane.
 */
export class MatrixTrip {
  /** Fragments of a subgroup's rows, of a tile's keys, of the features of a key and of a value. */
  readonly rowFragments: number;
  readonly valueFragments: number;
  private readonly keyFragments: number;
  private readonly featureFragments: number;
  private readonly perUnit: number;
  private readonly threads: number;
  private readonly half: boolean;

  constructor(
    private readonly shape: MatrixShape,
    private readonly access: MatrixAccess,
  ) {
    const {matrix, lanes, keys, keyUnits, valueUnits, subgroups} = shape;
    this.half = matrix.componentType === 'f16';
    this.perUnit = this.half ? 8 : 4;
    this.rowFragments = lanes / matrix.M;
    this.keyFragments = keys / matrix.N;
    this.featureFragments = (keyUnits * this.perUnit) / matrix.K;
    this.valueFragments = (valueUnits * this.perUnit) / matrix.N;
    this.threads = lanes * subgroups;
  }

  steps(): MatrixSteps {
    const {slices, key, value} = this.shape.regions;
    const collective: Region = {...slices, collective: true};
    const before: Step[] = [];
    for (let first = 0; first < this.shape.keyUnits; first += 4) {
      const count = Math.min(4, this.shape.keyUnits - first);
      before.push({name: 'stage queries', reads: [], writes: [slices], code: this.stageQueries(first, count)});
      before.push({name: 'take queries', reads: [collective], writes: [], code: this.takeQueries(first, count)});
    }
    const scores = (name: string): Step => ({name, reads: [key], writes: [collective], code: this.scores()});
    const stageKeys = (name: string, y0: string): Step => ({name, reads: [], writes: [key], code: this.stageKeys(y0)});
    const maximum: Step[] = [
      stageKeys('stage keys', 'y0'),
      scores('scores'),
      {name: 'maximum of each row', reads: [slices], writes: [], code: this.maximum()},
    ];
    const {first, next: nextKeys} = this;
    const span = [stageKeys('stage the first keys', first), scores('scores of the first keys')];
    const tile: Step[] = [
      {name: 'probabilities; stage values and the next keys', reads: [slices], writes: [slices, key, value], code: this.softmax()},
      {name: 'weigh values', reads: [collective, value], writes: [], code: this.weighValues()},
    ];
    const next: Block = {
      open: this.shape.eager ? '{' : `if (${nextKeys} < y.y) {`,
      body: [scores('scores of the next keys')],
      runs: this.shape.eager ? 'once' : 'between',
    };
    const after: Step[] = [];
    for (let block = 0; block < ceilDiv(this.shape.valueDim, 16); block++) {
      after.push({name: 'spread output', reads: [], writes: [collective], code: this.spread(block)});
      after.push({name: 'write output', reads: [slices], writes: [], code: this.writeOutput(block)});
    }
    const {exact, lengths, kinds} = this.shape;
    const skips = hasStates(kinds);
    const words = plain(lines(ownSpanMask(kinds, lengths), this.origins(), firstTile(kinds)));
    const state = plain(nextTile(kinds));
    const walk = skips ? {from: this.first, step: `y0 = ${this.next}`} : {};
    const clip = new Scoring(addedTo(this.shape)).clip(kinds);
    const visits = {owns: 'rows', clip, size: 'KEYS'} as const;
    return {
      before,
      maximum: exact ? overTiles(visits, {keys: '', mask: [words]}, [state, ...maximum], walk) : null,
      // A span of no tiles leaves scores that nobody reads, so none is as good as one.
      loops: overTiles(visits, {keys: '', mask: [words, ...span]}, [state, ...tile, next], {
        ...walk,
        runs: skips ? 'any' : 'some',
      }),
      after,
    };
  }

  /** The first tile of a span, and in a tile the next: of a mask tensor those that hold something. */
  private get first(): string {
    return hasStates(this.shape.kinds) ? 'first' : 'y.x';
  }

  private get next(): string {
    return hasStates(this.shape.kinds) ? 'next.x' : 'y0 + KEYS';
  }

  private slice(unit: string): string {
    return `slices[subgroup][${unit}]`;
  }

  private floats(element: string): string {
    return this.half ? `bitcast<vec4f>(${element})` : element;
  }

  /** Each lane brings its row: rows past the tile repeat the last, and no fragment reaches past the tensor. */
  private stageQueries(first: number, count: number): string {
    const load = (u: number): string => this.access.query.load('queryRow', `${first + u}u`);
    return each(count, (u) => `${this.slice(`lane * ${SLICE_STRIDE}u + ${u}u`)} = ${load(u)};`);
  }

  private takeQueries(first: number, count: number): string {
    const {M, K} = this.shape.matrix;
    const units = K / this.perUnit;
    return each(count / units, (k) =>
      each(this.rowFragments, (r) => {
        const at = r * M * SLICE_STRIDE + k * units;
        return `let q${r}_${first / units + k} = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], ${at}u, ${SLICE_STRIDE}u);`;
      }),
    );
  }

  private stageKeys(y0: string): string {
    const {keyUnits} = this.shape;
    return lines(this.load('key', this.access.key, keyUnits, y0), this.keep('key', 'keys', keyUnits));
  }

  /** Rows of a tile into registers, a unit at a time; past the end of the span its last row, which the mask hides. */
  private load(name: 'key' | 'value', access: RowAccess, units: number, y0: string): string {
    const {kinds, keys} = this.shape;
    return each(ceilDiv(keys * units, this.threads), (n) => {
      const y = `min(${y0} + i32((index + ${n * this.threads}u) / ${units}u), y.y - 1)`;
      const unit = `(index + ${n * this.threads}u) % ${units}u`;
      const loaded =
        kinds.keys === 'affine'
          ? access.load(`${name}From`, `${unit} + u32(${y}) * ${name}Step`)
          : access.load(access.base(`(${name}Line + ${keyRowAt(kinds, y)})`), unit);
      return `let ${name}${n} = ${loaded};`;
    });
  }

  /** Where the keys and values of an affine span begin, and how far they are apart: what does not change from tile to tile. */
  private origins(): string {
    if (this.shape.kinds.keys === 'list') return '';
    const origin = (name: string, access: RowAccess): string =>
      lines(
        `let ${name}From = ${access.base(`(${name}Line + u32(keysOf.x) * params.keyStrides.y)`)};`,
        `let ${name}Step = ${access.base('(u32(keysOf.y) * params.keyStrides.y)')};`,
      );
    return lines(origin('key', this.access.key), origin('value', this.access.value));
  }

  private keep(name: string, to: string, units: number): string {
    const total = this.shape.keys * units;
    return each(ceilDiv(total, this.threads), (n) => {
      const at = `index + ${n * this.threads}u`;
      const store = `${to}[(${at}) / ${units}u * ${units + 1}u + (${at}) % ${units}u] = ${name}${n};`;
      return (n + 1) * this.threads <= total ? store : `if (${at} < ${total}u) { ${store} }`;
    });
  }

  private scores(): string {
    const {matrix, keyUnits} = this.shape;
    const units = matrix.K / this.perUnit;
    const products = (n: number, k: number): string => {
      const at = n * matrix.N * (keyUnits + 1) + k * units;
      const product = (r: number): string =>
        k === 0
          ? `var s${r}_${n} = subgroupMatrixMultiply<f32>(q${r}_0, right${n}_0);`
          : `s${r}_${n} = subgroupMatrixMultiplyAccumulate(q${r}_${k}, right${n}_${k}, s${r}_${n});`;
      return lines(
        `let right${n}_${k} = subgroupMatrixLoad<Right, col_major>(&keys, ${at}u, ${keyUnits + 1}u);`,
        each(this.rowFragments, product),
      );
    };
    return lines(
      '{',
      each(this.keyFragments, (n) => each(this.featureFragments, (k) => products(n, k))),
      each(this.rowFragments, (r) => each(this.keyFragments, (n) => this.storeResult(`s${r}_${n}`, r, n))),
      '}',
    );
  }

  private storeResult(name: string, r: number, n: number): string {
    const {M, N} = this.shape.matrix;
    return `subgroupMatrixStore<row_major>(&slices[subgroup], ${r * M * SLICE_STRIDE + (n * N) / 4}u, ${name}, ${SLICE_STRIDE}u);`;
  }

  /** The 16 scores of the lane's row, masked; with a bias scaled as well. */
  private rowScores(): string {
    const {bias, lengths, kinds, keys} = this.shape;
    const quads = keys / 4;
    const read = each(quads, (c) => `var scores${c} = ${this.floats(this.slice(`lane * ${SLICE_STRIDE}u + ${c}u`))};`);
    const biased = (c: number): string => {
      const part = (e: number): string => {
        const key = `u32(${keyAt(kinds, `min(y0 + ${4 * c + e}, y.y - 1)`)})`;
        return `biased(scores${c}.${'xyzw'[e]} * params.scale, bias[biasRow + ${key} * params.biasStrides.w])`;
      };
      return `scores${c} = vec4f(${[0, 1, 2, 3].map(part).join(', ')});`;
    };
    const masked = hideQuads(kinds, lengths, quads, bias ? 'HIDDEN' : 'hidden');
    return lines(read, bias ? each(quads, biased) : '', this.shape.exact ? '' : this.reference(), masked);
  }

  /** The reference of a row: the largest score of its first tile, of keys it does not attend to as well. */
  private reference(): string {
    return `if (number == spanRange.x && y0 == ${this.first}) {\n${this.largest()}\nm = largest - HEADROOM;\n}`;
  }

  private largest(): string {
    const quads = Array.from({length: this.shape.keys / 4}, (_, c) =>
      this.shape.bias ? `scores${c}` : `scores${c} * params.scale`,
    );
    return lines(
      `let largest4 = ${tree(quads, (a, b) => `max(${a}, ${b})`)};`,
      'let largest = max(max(largest4.x, largest4.y), max(largest4.z, largest4.w));',
    );
  }

  private maximum(): string {
    return `{ ${this.rowScores()}\n${this.largest()}\nm = max(m, largest); }`;
  }

  /**
   * Probabilities against a reference that is fixed from the first tile: rescaling fragments would take them through workgroup memory
   * (H200, 2026-11-20: causal n = 16384 6.69 instead of 1.23 ms). Rows that outgrow it, or vanish beside it, are repaired.
   */
  private softmax(): string {
    const quads = this.shape.keys / 4;
    const p = Array.from({length: quads}, (_, c) => `p${c}`);
    // Not pack2x16float, whose rounding WGSL leaves open.
    const pack = (a: string, b: string): string => `vec4u(bitcast<vec2u>(vec4<f16>(${a})), bitcast<vec2u>(vec4<f16>(${b})))`;
    const at = (u: number): string => this.slice(`lane * ${SLICE_STRIDE}u + ${u}u`);
    const stores = this.half
      ? each(quads / 2, (u) => `${at(u)} = ${pack(`p${2 * u}`, `p${2 * u + 1}`)};`)
      : each(quads, (u) => `${at(u)} = p${u};`);
    return lines(
      this.load('value', this.access.value, this.shape.valueUnits, 'y0'),
      this.load('key', this.access.key, this.shape.keyUnits, this.next),
      `{ ${this.rowScores()}`,
      // The scale goes into the exponent: 2 to 6 % of the kernel (H200, 2026-11-20).
      each(quads, (c) =>
        this.shape.bias
          ? `let p${c} = exp2(${power(`scores${c} - m`, addedTo(this.shape))});`
          : `let p${c} = exp2(fma(scores${c}, vec4f(params.scale), vec4f(-m)));`,
      ),
      stores,
      `let sum4 = ${tree(p, (a, b) => `(${a} + ${b})`)};`,
      'let added = (sum4.x + sum4.y) + (sum4.z + sum4.w);',
      'sum += added;',
      this.shape.exact ? '' : 'most = max(most, added);',
      '}',
      this.keep('value', 'values', this.shape.valueUnits),
      this.keep('key', 'keys', this.shape.keyUnits),
    );
  }

  private weighValues(): string {
    const {matrix, keys, valueUnits} = this.shape;
    const units = matrix.K / this.perUnit;
    const nUnits = matrix.N / this.perUnit;
    const group = (k: number): string =>
      lines(
        '{',
        each(this.rowFragments, (r) => {
          const at = r * matrix.M * SLICE_STRIDE + k * units;
          return `let p${r} = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], ${at}u, ${SLICE_STRIDE}u);`;
        }),
        each(this.valueFragments, (n) => {
          const at = k * matrix.K * (valueUnits + 1) + n * nUnits;
          return lines(
            `{ let right = subgroupMatrixLoad<Right, row_major>(&values, ${at}u, ${valueUnits + 1}u);`,
            each(this.rowFragments, (r) => `o${r}_${n} = subgroupMatrixMultiplyAccumulate(p${r}, right, o${r}_${n});`),
            '}',
          );
        }),
        '}',
      );
    return each(keys / matrix.K, group);
  }

  /** 16 columns of the output of each row, where lanes can reach them. */
  private spread(block: number): string {
    const perBlock = 16 / this.shape.matrix.N;
    return each(this.rowFragments, (r) => each(perBlock, (n) => this.storeResult(`o${r}_${block * perBlock + n}`, r, n)));
  }

  /** Four lanes write the 64 bytes of a row: single lanes writing rows were the worst part of short rows (window n = 16384 .146 → .130 ms). */
  private writeOutput(block: number): string {
    const {output} = this.access;
    const column = `(lane % 4u + ${4 * block}u)`;
    const inside = 4 * block + 4 <= output.columns;
    const part = (p: number): string => {
      const value = this.floats(this.slice(`(lane / 4u + ${p * 8}u) * ${SLICE_STRIDE}u + lane % 4u`));
      return lines(
        `if (writes${p}${inside ? '' : ` && ${column} < ${output.columns}u`}) {`,
        `let fresh = ${value} * fresh${p};`,
        'if (owned.y < 0) {',
        `if (continues) { ${output.store(`to${p}`, column, `fma(vec4f(old${p}), ${output.load(`to${p}`, column)}, fresh)`)} }`,
        `else { ${output.store(`to${p}`, column, 'fresh')} }`,
        `} else { scratch[record${p} + ${column}] = fresh; }`,
        '}',
      );
    };
    return each(4, part);
  }
}
