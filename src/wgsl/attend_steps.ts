import {ceilDiv} from '../support/index.js';
import type {Step} from './barriers.js';
import type {Columns, KernelShape} from './kernel_shape.js';
import type {Share} from './share.js';
import {each, lines, tree} from './text.js';

/**
 * One trip of the loop over the key tiles of a span, step by step: key number `y0` of the span is the first of the tile.
 *
 * Names in the WGSL: q<i> row of the query tensor, s<i>_<j> score, m<i> running maximum, l<i> own share of the sum, o<i>_<c> output.
 */
export function attendSteps(share: Share): Step[] {
  return new Trip(share).steps();
}

class Trip {
  private readonly shape: KernelShape;

  constructor(private readonly share: Share) {
    this.shape = share.shape;
  }

  steps(): Step[] {
    const {keyColumns, keyGroups, valueColumns, regions} = this.shape;
    const {key, value, probability, maximum} = regions;
    const steps: Step[] = [];
    keyColumns.forEach((columns, index) => {
      steps.push({name: 'stage keys', reads: [], writes: [key], code: this.stageKeys(columns)});
      const zero = index === 0 ? each(this.share.rows, (i) => each(this.share.keys, (j) => `var s${i}_${j} = 0.0;`, ' ')) : '';
      steps.push({name: 'scores', reads: [key], writes: [], code: lines(zero, this.scores(columns))});
    });
    steps.push({name: 'scale and mask', reads: [], writes: [], code: lines(this.scale(), this.applyMask())});
    steps.push({name: 'maximum of each row', reads: [], writes: [maximum], code: this.publishMaximum()});
    steps.push({name: 'probabilities', reads: [maximum], writes: [], code: this.softmax()});
    for (let group = 0; group < keyGroups; group++) {
      steps.push({name: 'exchange probabilities', reads: [], writes: [probability], code: this.storeProbabilities(group)});
      for (const columns of valueColumns) {
        steps.push({name: 'stage values', reads: [], writes: [value], code: this.stageValues(group, columns)});
        steps.push({name: 'weigh values', reads: [probability, value], writes: [], code: this.weighValues(columns)});
      }
    }
    return steps;
  }

  private stageKeys({first, count}: Columns): string {
    return this.stage(this.shape.keys, count, (row, column, at) => {
      const from = this.share.key.load(this.keyRow('y0', row), first === 0 ? column : `${column} + ${first}u`);
      return `memory[${at} + (${column} + ${row}) % ${count}u] = ${from};`;
    });
  }

  private stageValues(group: number, {first, count}: Columns): string {
    const {keys, keyGroups, threadsX, regions} = this.shape;
    const perGroup = keys / keyGroups;
    const begin = first * threadsX;
    const width = Math.min(count * threadsX, this.share.outputColumns - begin);
    const y0 = group === 0 ? 'y0' : `(y0 + ${group * perGroup})`;
    return this.stage(perGroup, width, (row, column, at) => {
      const from = this.share.value.load(this.keyRow(y0, row), begin === 0 ? column : `${column} + ${begin}u`);
      return `memory[${regions.value.begin}u + ${at} + ${column}] = ${from};`;
    });
  }

  /** Copies rows × width vec4, one per invocation at a time. */
  private stage(rows: number, width: number, copy: (row: string, column: string, at: string) => string): string {
    const total = rows * width;
    return each(ceilDiv(total, this.share.threads), (n) => {
      const inside = (n + 1) * this.share.threads <= total;
      const body = `let f = lane + ${n * this.share.threads}u; ${inside ? '' : `if (f < ${total}u) { `}`;
      return `{ ${body}${copy(`(f / ${width}u)`, `(f % ${width}u)`, `(f / ${width}u) * ${width}u`)}${inside ? '' : ' }'} }`;
    });
  }

  /** Row of `key` and `value` that holds key number y0 + row of the span; past its end the last one, which the mask hides. */
  private keyRow(y0: string, row: string): string {
    return `(line * params.keyLength + u32(keysOf.x + keysOf.y * min(${y0} + i32(${row}), y.y - 1)))`;
  }

  private scores({first, count}: Columns): string {
    const {threadsX} = this.shape;
    const unroll = [4, 2, 1].find((steps) => steps <= this.shape.unroll && count % steps === 0)!;
    const trip = (u: number): string =>
      lines(
        `{ let d = n * ${unroll}u + ${u}u;`,
        each(this.share.keys, (j) => {
          const row = `(tx + ${threadsX * j}u)`;
          return `let k${j} = memory[${row} * ${count}u + (d + ${row}) % ${count}u];`;
        }),
        each(this.share.rows, (i) => {
          const load = this.share.query.load(`q${i}`, first === 0 ? 'd' : `(d + ${first}u)`);
          const terms = [...'xyzw'].map((e) =>
            each(this.share.keys, (j) => `s${i}_${j} = fma(q.${e}, k${j}.${e}, s${i}_${j});`, ' '),
          );
          return `{ let q = ${load};\n${terms.join('\n')} }`;
        }),
        '}',
      );
    return `for (var n = 0u; n < ${count / unroll}u; n++) {\n${each(unroll, trip)}\n}`;
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
    const own = each(this.share.rows, (i) => `var t${i} = ${tree(this.scoresOf(i), (a, b) => `max(${a}, ${b})`)};`);
    return lines(own, this.share.publish('t'));
  }

  private softmax(): string {
    const row = (i: number): string =>
      lines(
        `{ let next = max(m${i}, t${i}); let shrink = exp2(m${i} - next); m${i} = next;`,
        each(this.share.keys, (j) => `s${i}_${j} = exp2(s${i}_${j} - next);`, ' '),
        `l${i} = fma(l${i}, shrink, ${tree(this.scoresOf(i), (a, b) => `(${a} + ${b})`)});`,
        `${each(this.share.columns, (c) => `o${i}_${c} *= shrink;`, ' ')} }`,
      );
    return `{ ${this.share.collect('t', (a, b) => `max(${a}, ${b})`)}\n${each(this.share.rows, row)}\n}`;
  }

  /** Row x has a vec4 of probabilities for each (four own keys, tx), rotated by the row so that neighbours in y hit other banks. */
  private storeProbabilities(group: number): string {
    const {threadsX, keyGroups, regions} = this.shape;
    const quads = this.share.keys / keyGroups / 4;
    return each(this.share.rows, (i) =>
      each(quads, (quad) => {
        const parts = [0, 1, 2, 3].map((e) => `s${i}_${group * quads * 4 + quad * 4 + e}`);
        const at = `${regions.probability.begin + quad * threadsX}u + x${i} * ${quads * threadsX}u + (tx + x${i}) % TX`;
        return `memory[${at}] = vec4f(${parts.join(', ')});`;
      }),
    );
  }

  private weighValues({first, count}: Columns): string {
    const {threadsX, keyGroups, regions} = this.shape;
    const quads = this.share.keys / keyGroups / 4;
    const begin = first * threadsX;
    const width = Math.min(count * threadsX, this.share.outputColumns - begin);
    const {unroll} = this.shape;
    const column = (c: number): string =>
      threadsX * (c + 1) <= width ? `tx + ${threadsX * c}u` : `min(tx + ${threadsX * c}u, ${width - 1}u)`;
    const key = (quad: number, e: number): string =>
      lines(
        `{ ${each(count, (c) => `let v${c} = memory[(t + ${threadsX * (4 * quad + e)}u) * ${width}u + ${column(c)}];`, ' ')}`,
        each(this.share.rows, (i) =>
          each(count, (c) => `o${i}_${first + c} = fma(vec4f(p${i}.${'xyzw'[e]}), v${c}, o${i}_${first + c});`, ' '),
        ),
        '}',
      );
    const quad = (q: number): string =>
      lines(
        `{ ${each(this.share.rows, (i) => {
          const at = `${regions.probability.begin + q * threadsX}u + x${i} * ${quads * threadsX}u + (t + x${i}) % TX`;
          return `let p${i} = memory[${at}];`;
        })}`,
        each(4, (e) => key(q, e)),
        '}',
      );
    const trip = (u: number): string => `{ let t = n * ${unroll}u + ${u}u;\n${each(quads, quad)} }`;
    return `for (var n = 0u; n < ${threadsX / unroll}u; n++) {\n${each(unroll, trip)}\n}`;
  }

  private scoresOf(i: number): string[] {
    return Array.from({length: this.share.keys}, (_, j) => `s${i}_${j}`);
  }
}
