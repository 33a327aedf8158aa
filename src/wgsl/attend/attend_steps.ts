import type {Flow, Step} from '../tile/flow.js';
import {hide} from '../tile/mask.js';
import {keyAt, keyRowAt, ownRow} from '../tile/places.js';
import type {Columns} from '../tile/columns.js';
import type {KernelShape} from '../tile/kernel_shape.js';
import {Scoring} from '../tile/scoring.js';
import type {TileShare} from '../tile/share.js';
import {power} from '../terms/unit.js';
import {each, lines, tree} from '../text/text.js';
import {copyTile, exchange, multiply, rotated, weigh, type Grid} from '../tile/tile_math.js';

/**
 * The kernel step by step; `tile` is one trip over the key tiles of a span: key number `y0` of the span is the first of the tile.
 *
 * Names in the WGSL: q<i> row of the query tensor, s<i>_<j> score, m<i> running maximum, l<i> own share of the sum, o<i>_<c> output.
 */
export function attendSteps(share: TileShare): AttendSteps {
  return new Trip(share).steps();
}

export interface AttendSteps {
  readonly before: readonly Flow[];
  readonly tile: readonly Flow[];
  readonly after: readonly Flow[];
}

class Trip {
  private readonly shape: KernelShape;
  private readonly scoring: Scoring;

  constructor(private readonly share: TileShare) {
    this.shape = share.shape;
    this.scoring = new Scoring(this.shape.features, share.productScale);
  }

  steps(): AttendSteps {
    const {keyColumns, keyGroups, valueColumns, regions, shuffled, threadsX} = this.shape;
    const {query, key, value, probability} = regions;
    const maximum = shuffled === threadsX ? [] : [regions.maximum];
    const before: Step[] = [];
    if (query !== null) before.push({name: 'stage queries', reads: [], writes: [query], code: this.stageQueries()});

    const tile: Step[] = [];
    keyColumns.forEach((columns, index) => {
      tile.push({name: 'stage keys', reads: [], writes: [key], code: this.stageKeys(columns)});
      const zero = index === 0 ? each(this.share.rows, (i) => each(this.share.keys, (j) => `var s${i}_${j} = 0.0;`, ' ')) : '';
      const reads = query === null ? [key] : [query, key];
      tile.push({name: 'scores', reads, writes: [], code: lines(zero, this.scores(columns))});
    });
    tile.push({
      name: 'scale and mask',
      reads: [],
      writes: [],
      code: lines(this.scale(), hide(this.share.masked(this.scoring.clip(this.shape.kinds)))),
    });
    tile.push({name: 'maximum of each row', reads: [], writes: maximum, code: this.publishMaximum()});
    tile.push({name: 'probabilities', reads: maximum, writes: [], code: this.softmax()});
    for (let group = 0; group < keyGroups; group++) {
      tile.push({name: 'exchange probabilities', reads: [], writes: [probability], code: this.storeProbabilities(group)});
      for (const columns of valueColumns) {
        tile.push({name: 'stage values', reads: [], writes: [value], code: this.stageValues(group, columns)});
        tile.push({name: 'weigh values', reads: [probability, value], writes: [], code: this.weighValues(columns)});
      }
    }

    const add = (a: string, b: string): string => `(${a} + ${b})`;
    const after: Step[] = [
      {name: 'sum of each row', reads: [], writes: maximum, code: lines(this.share.shuffle('l', add), this.share.publish('l'))},
      {name: 'whole sum', reads: maximum, writes: [], code: this.share.collect('l', add)},
    ];
    return {before, tile, after};
  }

  private stageQueries(): string {
    const {rows, regions} = this.shape;
    const {query} = this.share;
    return copyTile(this.share.threads, rows, query.columns, (row, column, at) => {
      const tensorRow = `(queryLine + ${ownRow(this.shape.kinds, row)} * params.queryStrides.y)`;
      const rotatedColumn = `(${column} + ${row}) % ${query.columns}u`;
      const from = `${query.load(query.base(tensorRow), column)}${this.share.sideScale('query')}`;
      return `memory[${regions.query!.begin}u + ${at} + ${rotatedColumn}] = ${this.share.hold(query, from)};`;
    });
  }

  private stageKeys({first, count}: Columns): string {
    const {key} = this.share;
    return copyTile(this.share.threads, this.shape.keys, count, (row, column, at) => {
      const from = `${this.loadKeyRow('key', 'y0', row, first, column)}${this.share.sideScale('key')}`;
      return `memory[${this.shape.regions.key.begin}u + ${at} + (${column} + ${row}) % ${count}u] = ${this.share.hold(key, from)};`;
    });
  }

  private stageValues(group: number, {first, count}: Columns): string {
    const {keys, keyGroups, threadsX, regions, formats, valueHalves} = this.shape;
    const {value, valueColumns} = this.share;
    const perGroup = keys / keyGroups;
    const begin = first * threadsX;
    const width = Math.min(count * threadsX, valueColumns - begin);
    const y0 = group === 0 ? 'y0' : `(y0 + ${group * perGroup})`;
    const at = regions.value.begin;
    if (formats.value === 'float32' || valueHalves) {
      return copyTile(this.share.threads, perGroup, width, (row, column, rowAt) => {
        const from = this.share.hold(value, this.share.scaled(this.loadKeyRow('value', y0, row, begin, column)));
        return `memory[${at}u + ${rowAt} + ${column}] = ${from};`;
      });
    }
    return copyTile(this.share.threads, perGroup, width / 2, (row, column, rowAt) => {
      const eight = this.loadKeyRow('value', y0, row, begin / 2, column);
      const [lower, upper] = value.floats('eight');
      const to = `${at}u + 2u * (${rowAt} + ${column})`;
      return `let eight = ${eight}; memory[${to}] = ${this.share.pack(lower!)}; memory[${to} + 1u] = ${this.share.pack(upper!)};`;
    });
  }

  /** A column of the key or value that is number y0 + row of the span; past its end of the last one, which the mask hides. */
  private loadKeyRow(name: 'key' | 'value', y0: string, row: string, first: number, column: string): string {
    const access = this.share[name];
    const tensorRow = `(${name}Line + ${keyRowAt(this.shape.kinds, `min(${y0} + i32(${row}), y.y - 1)`)})`;
    return access.load(access.base(tensorRow), first === 0 ? column : `${column} + ${first}u`);
  }

  private scores(columns: Columns): string {
    const {threadsY, regions, unroll} = this.shape;
    const {query, key} = this.share;
    const staged = regions.query;
    const load = (i: number, column: string): string =>
      staged === null
        ? `${query.load(`query${i}`, column)}${this.share.sideScale('query')}`
        : `memory[ownQuery + ${staged.begin + threadsY * i * query.columns}u + ${rotated(column, 'ty', threadsY * i, query.columns)}]`;
    const prelude = staged === null ? '' : ` let ownQuery = ty * ${query.columns}u;`;
    return multiply(this.grid, {
      ...{name: 's', columns, region: regions.key, unroll: unroll.scores, prelude, load},
      formats: {
        ownColumns: query.columns,
        own: (column) => (staged === null ? query.floats(column) : this.share.held(query, column)),
        staged: (column) => this.share.held(key, column),
      },
    });
  }

  private scale(): string {
    const key = (j: number): string => keyAt(this.shape.kinds, `min(y0 + i32(tx) + ${this.shape.threadsX * j}, y.y - 1)`);
    const keys = each(this.share.keys, (j) => this.scoring.key(j, key(j)));
    const pairs = each(this.share.rows, (i) => each(this.share.keys, (j) => this.scoring.pair(`s${i}_${j}`, i, j)));
    return keys.trim() === '' ? pairs : lines(`{ ${keys}`, pairs, '}');
  }

  private publishMaximum(): string {
    const own = each(this.share.rows, (i) => `var t${i} = ${tree(this.scoresOf(i), larger)};`);
    return lines(own, this.share.shuffle('t', larger), this.share.publish('t'));
  }

  private softmax(): string {
    const {features, threadsX, kinds} = this.shape;
    const {keeps} = this.scoring;
    const row = (i: number): string =>
      lines(
        `{ let next = max(m${i}, t${i}); let shrink = exp2(${power(`m${i} - next`, features)}); m${i} = next;`,
        each(this.share.keys, (j) => `s${i}_${j} = exp2(${power(`s${i}_${j} - next`, features)});`, ' '),
        `l${i} = fma(l${i}, shrink, ${tree(this.scoresOf(i), (a, b) => `(${a} + ${b})`)});`,
        // What is dropped counts in the sum all the same.
        keeps ? each(this.share.keys, (j) => `s${i}_${j} *= ${this.scoring.kept(i, j)};`) : '',
        `${each(this.share.columns, (c) => `o${i}_${c} *= shrink;`, ' ')} }`,
      );
    const keys = keeps ? each(this.share.keys, (j) => `let k${j} = ${keyAt(kinds, `(y0 + i32(tx) + ${threadsX * j})`)};`) : '';
    return `{ ${this.share.collect('t', larger)}\n${lines(keys, each(this.share.rows, row))}\n}`;
  }

  private storeProbabilities(group: number): string {
    return exchange(this.grid, this.share, {name: 's', region: this.shape.regions.probability, quads: this.quads, group});
  }

  private weighValues(columns: Columns): string {
    const {threadsX, regions, valueHalves, unroll} = this.shape;
    const {probability: weights, value: region} = regions;
    const width = Math.min(columns.count * threadsX, this.share.valueColumns - columns.first * threadsX);
    const {quads} = this;
    return weigh(this.grid, this.share, {
      name: 'o',
      weights,
      quads,
      region,
      width,
      columns,
      unroll: unroll.values,
      halves: valueHalves,
    });
  }

  private get grid(): Grid {
    return this.share.grid;
  }

  /** vec4 of probabilities of one row that an invocation exchanges at a time. */
  private get quads(): number {
    return this.share.keys / this.shape.keyGroups / 4;
  }

  private scoresOf(i: number): string[] {
    return Array.from({length: this.share.keys}, (_, j) => `s${i}_${j}`);
  }
}

const larger = (a: string, b: string): string => `max(${a}, ${b})`;
