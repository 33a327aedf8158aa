import {ceilDiv} from '../support/index.js';
import {repeat, type Path, type Step, type Steps} from './barriers.js';
import type {Columns, KernelShape} from './kernel_shape.js';
import type {RowAccess} from './row_access.js';
import type {Share} from './share.js';
import {each, lines, tree} from './text.js';

/**
 * The kernel step by step; the loop is one trip over the key tiles of a span: key number `y0` of the span is the first of the tile.
 *
 * Names in the WGSL: q<i> row of the query tensor, s<i>_<j> score, m<i> running maximum, l<i> own share of the sum, o<i>_<c> output.
 */
export function attendSteps(share: Share): AttendSteps {
  return new Trip(share).steps();
}

export interface AttendSteps extends Steps {
  readonly before: Path;
  readonly loop: Path;
  readonly after: Path;
}

class Trip {
  private readonly shape: KernelShape;

  constructor(private readonly share: Share) {
    this.shape = share.shape;
  }

  steps(): AttendSteps {
    const {keyColumns, keyGroups, valueColumns, regions, shuffled, threadsX} = this.shape;
    const {query, key, value, probability} = regions;
    const maximum = shuffled === threadsX ? [] : [regions.maximum];
    const before: Step[] = [];
    if (query !== null) before.push({name: 'stage queries', reads: [], writes: [query], code: this.stageQueries()});

    const loop: Step[] = [];
    keyColumns.forEach((columns, index) => {
      loop.push({name: 'stage keys', reads: [], writes: [key], code: this.stageKeys(columns)});
      const zero = index === 0 ? each(this.share.rows, (i) => each(this.share.keys, (j) => `var s${i}_${j} = 0.0;`, ' ')) : '';
      const reads = query === null ? [key] : [query, key];
      loop.push({name: 'scores', reads, writes: [], code: lines(zero, this.scores(columns))});
    });
    loop.push({name: 'scale and mask', reads: [], writes: [], code: lines(this.scale(), this.applyMask())});
    loop.push({name: 'maximum of each row', reads: [], writes: maximum, code: this.publishMaximum()});
    loop.push({name: 'probabilities', reads: maximum, writes: [], code: this.softmax()});
    for (let group = 0; group < keyGroups; group++) {
      loop.push({name: 'exchange probabilities', reads: [], writes: [probability], code: this.storeProbabilities(group)});
      for (const columns of valueColumns) {
        loop.push({name: 'stage values', reads: [], writes: [value], code: this.stageValues(group, columns)});
        loop.push({name: 'weigh values', reads: [probability, value], writes: [], code: this.weighValues(columns)});
      }
    }

    const add = (a: string, b: string): string => `(${a} + ${b})`;
    const after: Step[] = [
      {name: 'sum of each row', reads: [], writes: maximum, code: lines(this.share.shuffle('l', add), this.share.publish('l'))},
      {name: 'whole sum', reads: maximum, writes: [], code: this.share.collect('l', add)},
    ];
    const paths = (most: number): Path[] =>
      Array.from({length: most + 1}, (_, trips) => [...before, ...repeat(loop, trips), ...after]);
    return {before, loop, after, paths};
  }

  private stageQueries(): string {
    const {rows, regions} = this.shape;
    const {query} = this.share;
    return this.stage(rows, query.columns, (row, column, at) => {
      const tensorRow = `(line * params.queryLength + u32(rowsOf.x + rowsOf.y * min(i32${row}, owned.x - 1)))`;
      const rotatedColumn = `(${column} + ${row}) % ${query.columns}u`;
      return `memory[${regions.query!.begin}u + ${at} + ${rotatedColumn}] = ${query.load(query.base(tensorRow), column)};`;
    });
  }

  private stageKeys({first, count}: Columns): string {
    return this.stage(this.shape.keys, count, (row, column, at) => {
      const from = this.loadKeyRow(this.share.key, 'y0', row, first, column);
      return `memory[${this.shape.regions.key.begin}u + ${at} + (${column} + ${row}) % ${count}u] = ${from};`;
    });
  }

  private stageValues(group: number, {first, count}: Columns): string {
    const {keys, keyGroups, threadsX, regions, storage, valueHalves} = this.shape;
    const {value, valueColumns} = this.share;
    const perGroup = keys / keyGroups;
    const begin = first * threadsX;
    const width = Math.min(count * threadsX, valueColumns - begin);
    const y0 = group === 0 ? 'y0' : `(y0 + ${group * perGroup})`;
    const at = regions.value.begin;
    if (storage === 'float32' || valueHalves) {
      return this.stage(perGroup, width, (row, column, rowAt) => {
        return `memory[${at}u + ${rowAt} + ${column}] = ${this.loadKeyRow(value, y0, row, begin, column)};`;
      });
    }
    return this.stage(perGroup, width / 2, (row, column, rowAt) => {
      const eight = this.loadKeyRow(value, y0, row, begin / 2, column);
      const [lower, upper] = this.share.floats('eight');
      const to = `${at}u + 2u * (${rowAt} + ${column})`;
      return `let eight = ${eight}; memory[${to}] = ${this.share.pack(lower!)}; memory[${to} + 1u] = ${this.share.pack(upper!)};`;
    });
  }

  /** Copies rows × width columns, one per invocation at a time. */
  private stage(rows: number, width: number, copy: (row: string, column: string, at: string) => string): string {
    const total = rows * width;
    return each(ceilDiv(total, this.share.threads), (n) => {
      const inside = (n + 1) * this.share.threads <= total;
      const body = `let f = lane + ${n * this.share.threads}u; ${inside ? '' : `if (f < ${total}u) { `}`;
      return `{ ${body}${copy(`(f / ${width}u)`, `(f % ${width}u)`, `(f / ${width}u) * ${width}u`)}${inside ? '' : ' }'} }`;
    });
  }

  /** A column of the key or value that is number y0 + row of the span; past its end of the last one, which the mask hides. */
  private loadKeyRow(access: RowAccess, y0: string, row: string, first: number, column: string): string {
    const tensorRow = `(line * params.keyLength + u32(keysOf.x + keysOf.y * min(${y0} + i32(${row}), y.y - 1)))`;
    return access.load(access.base(tensorRow), first === 0 ? column : `${column} + ${first}u`);
  }

  private scores({first, count}: Columns): string {
    const {threadsX, threadsY, regions} = this.shape;
    const {query} = this.share;
    const unroll = [4, 2, 1].find((steps) => steps <= this.shape.unroll.scores && count % steps === 0)!;
    const parts = this.share.floats('').length;
    const trip = (u: number): string =>
      lines(
        `{ let d = n * ${unroll}u + ${u}u;`,
        each(this.share.keys, (j) => {
          const at = `memory[own + ${regions.key.begin + threadsX * j * count}u + ${rotated('d', 'tx', threadsX * j, count)}]`;
          if (parts === 1) return `let k${j}_0 = ${at};`;
          return `let key${j} = ${at}; ${this.share
            .floats(`key${j}`)
            .map((floats, part) => `let k${j}_${part} = ${floats};`)
            .join(' ')}`;
        }),
        each(this.share.rows, (i) => {
          const column = first === 0 ? 'd' : `(d + ${first}u)`;
          const load =
            regions.query === null
              ? query.load(`query${i}`, column)
              : `memory[ownQuery + ${regions.query.begin + threadsY * i * query.columns}u + ${rotated(column, 'ty', threadsY * i, query.columns)}]`;
          const terms = (part: number): string =>
            lines(
              ...[...'xyzw'].map((e) =>
                each(this.share.keys, (j) => `s${i}_${j} = fma(q${part}.${e}, k${j}_${part}.${e}, s${i}_${j});`, ' '),
              ),
            );
          if (parts === 1) return `{ let q0 = ${load};\n${terms(0)} }`;
          return `{ let q = ${load}; ${this.share
            .floats('q')
            .map((floats, part) => `let q${part} = ${floats};`)
            .join(' ')}\n${each(parts, terms)} }`;
        }),
        '}',
      );
    // A base and constants: (tx + 8j) · width + … would be computed anew for each j.
    return lines(
      `{ let own = tx * ${count}u;${regions.query === null ? '' : ` let ownQuery = ty * ${query.columns}u;`}`,
      `for (var n = 0u; n < ${count / unroll}u; n++) {\n${each(unroll, trip)}\n}\n}`,
    );
  }

  private scale(): string {
    const {bias, threadsX} = this.shape;
    if (!bias) return each(this.share.rows, (i) => each(this.share.keys, (j) => `s${i}_${j} *= params.scale;`, ' '));
    const offset = (j: number): string =>
      `let b${j} = u32(keysOf.x + keysOf.y * min(y0 + i32(tx) + ${threadsX * j}, y.y - 1)) * params.biasStrides.w;`;
    const pair = (i: number, j: number): string => `s${i}_${j} = biased(s${i}_${j} * params.scale, bias[bias${i} + b${j}]);`;
    return lines(
      `{ ${each(this.share.keys, offset)}`,
      each(this.share.rows, (i) => each(this.share.keys, (j) => pair(i, j))),
      '}',
    );
  }

  private applyMask(): string {
    const {mask, threadsX, keys} = this.shape;
    const key = (j: number): string => `y0 + i32(tx) + ${threadsX * j}`;
    if (mask === 'interval') {
      const pair = (i: number, j: number): string =>
        `s${i}_${j} = select(HIDDEN, s${i}_${j}, ${key(j)} >= own.x && ${key(j)} < own.y);`;
      const row = (i: number): string => `{ let own = schedule[intervals + x${i}];\n${each(this.share.keys, (j) => pair(i, j))} }`;
      return `if (y0 < full.x || y0 + KEYS > full.y) {\n${each(this.share.rows, row)}\n}`;
    }
    // Dense spans begin at key 0, so the keys of a tile start a word.
    const bit = (j: number): string => `((w${Math.floor((threadsX * j) / 32)} >> ((tx + ${threadsX * j}u) % 32u)) & 1u) == 1u`;
    const pair = (i: number, j: number): string => `s${i}_${j} = select(HIDDEN, s${i}_${j}, ${bit(j)} && ${key(j)} < y.y);`;
    const word = (i: number, w: number): string => `let w${w} = maskWords[words${i} + u32(y0) / 32u + ${w}u];`;
    return each(this.share.rows, (i) =>
      lines(
        `{ ${each(keys / 32, (w) => word(i, w), ' ')}`,
        each(this.share.keys, (j) => pair(i, j)),
        '}',
      ),
    );
  }

  private publishMaximum(): string {
    const own = each(this.share.rows, (i) => `var t${i} = ${tree(this.scoresOf(i), larger)};`);
    return lines(own, this.share.shuffle('t', larger), this.share.publish('t'));
  }

  private softmax(): string {
    const row = (i: number): string =>
      lines(
        `{ let next = max(m${i}, t${i}); let shrink = exp2(m${i} - next); m${i} = next;`,
        each(this.share.keys, (j) => `s${i}_${j} = exp2(s${i}_${j} - next);`, ' '),
        `l${i} = fma(l${i}, shrink, ${tree(this.scoresOf(i), (a, b) => `(${a} + ${b})`)});`,
        `${each(this.share.columns, (c) => `o${i}_${c} *= shrink;`, ' ')} }`,
      );
    return `{ ${this.share.collect('t', larger)}\n${each(this.share.rows, row)}\n}`;
  }

  /** Row x has a vec4 of probabilities for each (four own keys, tx), rotated by the row so that neighbours in y hit other banks. */
  private storeProbabilities(group: number): string {
    const {threadsX, threadsY, keyGroups, regions} = this.shape;
    const quads = this.share.keys / keyGroups / 4;
    const stores = each(this.share.rows, (i) =>
      each(quads, (quad) => {
        const parts = [0, 1, 2, 3].map((e) => `s${i}_${group * quads * 4 + quad * 4 + e}`);
        const begin = regions.probability.begin + (quad + threadsY * i * quads) * threadsX;
        const at = `memory[own + ${begin}u + ${rotated('tx', 'ty', threadsY * i, threadsX)}]`;
        return `${at} = ${this.share.pack(`vec4f(${parts.join(', ')})`)};`;
      }),
    );
    return `{ let own = ty * ${quads * threadsX}u;\n${stores} }`;
  }

  private weighValues({first, count}: Columns): string {
    const {threadsX, threadsY, keyGroups, regions, valueHalves} = this.shape;
    const quads = this.share.keys / keyGroups / 4;
    const width = Math.min(count * threadsX, this.share.valueColumns - first * threadsX);
    const unroll = this.shape.unroll.values;
    const column = (c: number): string =>
      threadsX * (c + 1) <= width ? `tx + ${threadsX * c}u` : `min(tx + ${threadsX * c}u, ${width - 1}u)`;
    const load = (quad: number, e: number, c: number): string => {
      const at = `memory[${regions.value.begin}u + (t + ${threadsX * (4 * quad + e)}u) * ${width}u + ${column(c)}]`;
      if (!valueHalves) return `let v${c} = ${this.share.unpack(at)};`;
      return `let value${c} = ${at}; let v${2 * c} = lower(value${c}); let v${2 * c + 1} = upper(value${c});`;
    };
    const perColumn = valueHalves ? 2 : 1;
    const key = (quad: number, e: number): string =>
      lines(
        `{ ${each(count, (c) => load(quad, e, c), ' ')}`,
        each(this.share.rows, (i) =>
          each(
            perColumn * count,
            (c) => `o${i}_${perColumn * first + c} = fma(vec4f(p${i}.${'xyzw'[e]}), v${c}, o${i}_${perColumn * first + c});`,
            ' ',
          ),
        ),
        '}',
      );
    const quad = (q: number): string =>
      lines(
        `{ ${each(this.share.rows, (i) => {
          const from = regions.probability.begin + (q + threadsY * i * quads) * threadsX;
          return `let p${i} = ${this.share.unpack(`memory[own + ${from}u + ${rotated('t', 'ty', threadsY * i, threadsX)}]`)};`;
        })}`,
        each(4, (e) => key(q, e)),
        '}',
      );
    const trip = (u: number): string => `{ let t = n * ${unroll}u + ${u}u;\n${each(quads, quad)} }`;
    return `{ let own = ty * ${quads * threadsX}u;\nfor (var n = 0u; n < ${threadsX / unroll}u; n++) {\n${each(unroll, trip)}\n}\n}`;
  }

  private scoresOf(i: number): string[] {
    return Array.from({length: this.share.keys}, (_, j) => `s${i}_${j}`);
  }
}

const larger = (a: string, b: string): string => `max(${a}, ${b})`;

/** Column of row `row + offset` after rotation by the row, so that neighbouring rows lie in other banks: 12.3 → 33.9 TFLOPS (H200, 2026-11-20). */
function rotated(column: string, row: string, offset: number, width: number): string {
  const rest = offset % width;
  return `(${column} + ${row}${rest === 0 ? '' : ` + ${rest}u`}) % ${width}u`;
}
