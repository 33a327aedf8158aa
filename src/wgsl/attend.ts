import {ceilDiv} from '../support/index.js';
import {placeBarriers, type Step} from './barriers.js';
import type {Columns, KernelShape} from './kernel_shape.js';
import {BIASED, NUMBERS, rowAccess, type RowAccess} from './numbers.js';
import {PARAMS} from './params.js';
import type {BindingRole, Program} from './program.js';
import {program} from './make_program.js';
import {each, lines, tree} from './text.js';

/**
 * The attention kernel: one pass over the keys of a row tile with online softmax (FlashAttention, arXiv 2205.14135), output and running
 * maximum in registers. Keys, probabilities and values share one piece of workgroup memory in turn; queries are read from storage, where
 * the cache serves them (H200, 2026-11-20: 25.7 → 33.0 TFLOPS against staging them).
 */
export function attendProgram(shape: KernelShape): Program {
  const kernel = new Kernel(shape);
  const bindings: BindingRole[] = ['params', 'query', 'key', 'value', 'schedule', 'output', 'scratch'];
  if (shape.bias) bindings.push('bias');
  if (shape.mask === 'bits') bindings.push('maskWords');
  return program({
    name: 'SparseAttention.attend',
    bindings,
    writes: ['output', 'scratch'],
    elements: {
      query: kernel.query.element,
      key: kernel.key.element,
      value: kernel.value.element,
      schedule: 'vec2i',
      output: kernel.output.element,
      scratch: 'vec4f',
      bias: 'f32',
      maskWords: 'u32',
    },
    code: kernel.text(),
    workgroupBytes: 16 * shape.memory,
    invocations: shape.threadsX * shape.threadsY,
  });
}

/** Assembles the text. Names in the WGSL: s<i>_<j> score, o<i>_<c> output column, m<i> running maximum, l<i> own share of the sum. */
class Kernel {
  readonly query: RowAccess;
  readonly key: RowAccess;
  readonly value: RowAccess;
  readonly output: RowAccess;
  /** Rows, keys of a tile and output columns of one invocation. */
  private readonly ownRows: number;
  private readonly ownKeys: number;
  private readonly ownColumns: number;
  private readonly outputColumns: number;
  private readonly threads: number;

  constructor(private readonly shape: KernelShape) {
    this.query = rowAccess('query', shape.headDim);
    this.key = rowAccess('key', shape.headDim);
    this.value = rowAccess('value', shape.valueDim);
    this.output = rowAccess('output', shape.valueDim, true);
    this.ownRows = shape.rows / shape.threadsY;
    this.ownKeys = shape.keys / shape.threadsX;
    this.outputColumns = ceilDiv(shape.valueDim, 4);
    this.ownColumns = ceilDiv(this.outputColumns, shape.threadsX);
    this.threads = shape.threadsX * shape.threadsY;
  }

  text(): string {
    const {rows, keys, threadsX, threadsY, memory, bias} = this.shape;
    const steps = this.steps();
    const barriers = placeBarriers(steps);
    return lines(
      `
// Sparse attention, float32. A workgroup owns a tile of ROWS queries of one head and visits its keys KEYS at a time.
// line = batch · heads + head;  query [line, queryLength, ${this.shape.headDim}]  key [line, keyLength, ${this.shape.headDim}]
// value [line, keyLength, ${this.shape.valueDim}]  output [line, queryLength, ${this.shape.valueDim}]
// Invocation (tx, ty) owns rows ty + TY·i, keys tx + TX·j of a tile and output columns tx + TX·c (vec4).
const ROWS = ${rows}u;
const KEYS = ${keys};
const TX = ${threadsX}u;
const TY = ${threadsY}u;
`,
      NUMBERS,
      PARAMS,
      bias ? BIASED : '',
      this.query.functions + this.key.functions + this.value.functions + this.output.functions,
      `
var<workgroup> memory: array<vec4f, ${memory}>;

@compute @workgroup_size(${this.threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let tx = lane % TX;
let ty = lane / TX;
let line = group.z * params.heads + group.x;
let item = params.first + 4u * group.y;
let rowsOf = schedule[item];         // (firstRow, rowStride)
let owned = schedule[item + 1u];     // (rows, slot)
let spanRange = schedule[item + 2u]; // (spanBegin, spanEnd)
`,
      this.declareRows(),
      this.continueRows(),
      `
for (var index = spanRange.x; index < spanRange.y; index++) {
let span = params.spans + 4u * u32(index);
let keysOf = schedule[span];         // (firstKey, keyStride)
let y = schedule[span + 1u];         // [begin, end)
${this.shape.mask === 'interval' ? 'let full = schedule[span + 2u];      // keys that every row attends to\nlet intervals = params.intervals + u32(schedule[span + 3u].x);' : ''}
for (var y0 = y.x; y0 < y.y; y0 += KEYS) {
`,
      ...steps.map((step, index) => lines(`// ${step.name}`, barriers.has(index) ? 'workgroupBarrier();' : '', step.code)),
      '}\n}',
      this.reduceSum(),
      this.writeRows(),
      '}',
    );
  }

  private declareRows(): string {
    const {bias, mask} = this.shape;
    return each(this.ownRows, (i) =>
      lines(
        `let x${i} = ty + ${this.shape.threadsY * i}u;`,
        `let row${i} = u32(rowsOf.x + rowsOf.y * min(i32(x${i}), owned.x - 1));`,
        `let q${i} = line * params.queryLength + row${i};`,
        bias ? `let bias${i} = dot(vec3u(group.z, group.x, row${i}), params.biasStrides.xyz);` : '',
        mask === 'bits' ? `let words${i} = dot(vec3u(group.z, group.x, row${i}), params.maskStrides.xyz);` : '',
        `var m${i} = EMPTY; var l${i} = 0.0; ${each(this.ownColumns, (c) => `var o${i}_${c} = vec4f();`, ' ')}`,
      ),
    );
  }

  private continueRows(): string {
    const row = (i: number): string =>
      lines(
        `m${i} = scratch[q${i}].x;`,
        `l${i} = select(0.0, 1.0, tx == 0u && m${i} != EMPTY);`,
        each(this.ownColumns, (c) => `o${i}_${c} = ${this.output.load(`q${i}`, this.column(c))};`),
      );
    return `if ((params.flags & CONTINUES) != 0u && owned.y < 0) {\n${each(this.ownRows, row)}\n}`;
  }

  /** One trip of the loop over key tiles, step by step. */
  private steps(): Step[] {
    const {keyColumns, keyGroups, valueColumns, regions} = this.shape;
    const {key, value, probability, maximum} = regions;
    const steps: Step[] = [];
    keyColumns.forEach((columns, index) => {
      steps.push({name: 'stage keys', reads: [], writes: [key], code: this.stageKeys(columns)});
      const zero = index === 0 ? each(this.ownRows, (i) => each(this.ownKeys, (j) => `var s${i}_${j} = 0.0;`, ' ')) : '';
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
      const from = this.key.load(this.keyRow('y0', row), first === 0 ? column : `${column} + ${first}u`);
      return `memory[${at} + (${column} + ${row}) % ${count}u] = ${from};`;
    });
  }

  private stageValues(group: number, {first, count}: Columns): string {
    const {keys, keyGroups, threadsX, regions} = this.shape;
    const perGroup = keys / keyGroups;
    const begin = first * threadsX;
    const width = Math.min(count * threadsX, this.outputColumns - begin);
    const y0 = group === 0 ? 'y0' : `(y0 + ${group * perGroup})`;
    return this.stage(perGroup, width, (row, column, at) => {
      const from = this.value.load(this.keyRow(y0, row), begin === 0 ? column : `${column} + ${begin}u`);
      return `memory[${regions.value.begin}u + ${at} + ${column}] = ${from};`;
    });
  }

  /** Copies rows × width vec4, one per invocation at a time. */
  private stage(rows: number, width: number, copy: (row: string, column: string, at: string) => string): string {
    const total = rows * width;
    return each(ceilDiv(total, this.threads), (n) => {
      const inside = (n + 1) * this.threads <= total;
      const body = `let f = lane + ${n * this.threads}u; ${inside ? '' : `if (f < ${total}u) { `}`;
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
        each(this.ownKeys, (j) => {
          const row = `(tx + ${threadsX * j}u)`;
          return `let k${j} = memory[${row} * ${count}u + (d + ${row}) % ${count}u];`;
        }),
        each(this.ownRows, (i) => {
          const load = this.query.load(`q${i}`, first === 0 ? 'd' : `(d + ${first}u)`);
          const terms = [...'xyzw'].map((e) => each(this.ownKeys, (j) => `s${i}_${j} = fma(q.${e}, k${j}.${e}, s${i}_${j});`, ' '));
          return `{ let q = ${load};\n${terms.join('\n')} }`;
        }),
        '}',
      );
    return `for (var n = 0u; n < ${count / unroll}u; n++) {\n${each(unroll, trip)}\n}`;
  }

  private scale(): string {
    const {bias, threadsX} = this.shape;
    if (!bias) return each(this.ownRows, (i) => each(this.ownKeys, (j) => `s${i}_${j} *= params.scale;`, ' '));
    const offset = (j: number): string =>
      `let b${j} = u32(keysOf.x + keysOf.y * min(y0 + i32(tx) + ${threadsX * j}, y.y - 1)) * params.biasStrides.w;`;
    const pair = (i: number, j: number): string => `s${i}_${j} = biased(s${i}_${j} * params.scale, bias[bias${i} + b${j}]);`;
    return lines(
      `{ ${each(this.ownKeys, offset)}`,
      each(this.ownRows, (i) => each(this.ownKeys, (j) => pair(i, j))),
      '}',
    );
  }

  private applyMask(): string {
    const {mask, threadsX, keys} = this.shape;
    const key = (j: number): string => `y0 + i32(tx) + ${threadsX * j}`;
    if (mask === 'interval') {
      const pair = (i: number, j: number): string =>
        `s${i}_${j} = select(HIDDEN, s${i}_${j}, ${key(j)} >= own.x && ${key(j)} < own.y);`;
      const row = (i: number): string => `{ let own = schedule[intervals + x${i}];\n${each(this.ownKeys, (j) => pair(i, j))} }`;
      return `if (y0 < full.x || y0 + KEYS > full.y) {\n${each(this.ownRows, row)}\n}`;
    }
    // Dense spans begin at key 0, so the keys of a tile start a word.
    const bit = (j: number): string => `((w${Math.floor((threadsX * j) / 32)} >> ((tx + ${threadsX * j}u) % 32u)) & 1u) == 1u`;
    const pair = (i: number, j: number): string => `s${i}_${j} = select(HIDDEN, s${i}_${j}, ${bit(j)} && ${key(j)} < y.y);`;
    const word = (i: number, w: number): string => `let w${w} = maskWords[words${i} + u32(y0) / 32u + ${w}u];`;
    return each(this.ownRows, (i) =>
      lines(
        `{ ${each(keys / 32, (w) => word(i, w), ' ')}`,
        each(this.ownKeys, (j) => pair(i, j)),
        '}',
      ),
    );
  }

  private publishMaximum(): string {
    const own = each(this.ownRows, (i) => `var t${i} = ${tree(this.scoresOf(i), (a, b) => `max(${a}, ${b})`)};`);
    return lines(own, this.publish('t'));
  }

  /** Puts one number of each row of this invocation where its neighbours in x find it. */
  private publish(name: string): string {
    const {regions, threadsY} = this.shape;
    const groups = ceilDiv(this.ownRows, 4);
    return each(groups, (g) => {
      const parts = [0, 1, 2, 3].map((e) => `${name}${Math.min(this.ownRows - 1, 4 * g + e)}`);
      return `memory[${regions.maximum.begin}u + (tx * ${groups}u + ${g}u) * ${threadsY}u + ty] = vec4f(${parts.join(', ')});`;
    });
  }

  /** Combines what all neighbours in x published. */
  private collect(name: string, combine: (a: string, b: string) => string): string {
    const {regions, threadsX, threadsY} = this.shape;
    const groups = ceilDiv(this.ownRows, 4);
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
      each(this.ownRows, (i) => `${name}${i} = all${i >> 2}.${'xyzw'[i & 3]};`, ' '),
    );
  }

  private softmax(): string {
    const row = (i: number): string =>
      lines(
        `{ let next = max(m${i}, t${i}); let shrink = exp2(m${i} - next); m${i} = next;`,
        each(this.ownKeys, (j) => `s${i}_${j} = exp2(s${i}_${j} - next);`, ' '),
        `l${i} = fma(l${i}, shrink, ${tree(this.scoresOf(i), (a, b) => `(${a} + ${b})`)});`,
        `${each(this.ownColumns, (c) => `o${i}_${c} *= shrink;`, ' ')} }`,
      );
    return `{ ${this.collect('t', (a, b) => `max(${a}, ${b})`)}\n${each(this.ownRows, row)}\n}`;
  }

  /** Row x has a vec4 of probabilities for each (four own keys, tx), rotated by the row so that neighbours in y hit other banks. */
  private storeProbabilities(group: number): string {
    const {threadsX, keyGroups, regions} = this.shape;
    const quads = this.ownKeys / keyGroups / 4;
    return each(this.ownRows, (i) =>
      each(quads, (quad) => {
        const parts = [0, 1, 2, 3].map((e) => `s${i}_${group * quads * 4 + quad * 4 + e}`);
        const at = `${regions.probability.begin + quad * threadsX}u + x${i} * ${quads * threadsX}u + (tx + x${i}) % TX`;
        return `memory[${at}] = vec4f(${parts.join(', ')});`;
      }),
    );
  }

  private weighValues({first, count}: Columns): string {
    const {threadsX, keyGroups, regions} = this.shape;
    const quads = this.ownKeys / keyGroups / 4;
    const begin = first * threadsX;
    const width = Math.min(count * threadsX, this.outputColumns - begin);
    const {unroll} = this.shape;
    const column = (c: number): string =>
      threadsX * (c + 1) <= width ? `tx + ${threadsX * c}u` : `min(tx + ${threadsX * c}u, ${width - 1}u)`;
    const key = (quad: number, e: number): string =>
      lines(
        `{ ${each(count, (c) => `let v${c} = memory[(t + ${threadsX * (4 * quad + e)}u) * ${width}u + ${column(c)}];`, ' ')}`,
        each(this.ownRows, (i) =>
          each(count, (c) => `o${i}_${first + c} = fma(vec4f(p${i}.${'xyzw'[e]}), v${c}, o${i}_${first + c});`, ' '),
        ),
        '}',
      );
    const quad = (q: number): string =>
      lines(
        `{ ${each(this.ownRows, (i) => {
          const at = `${regions.probability.begin + q * threadsX}u + x${i} * ${quads * threadsX}u + (t + x${i}) % TX`;
          return `let p${i} = memory[${at}];`;
        })}`,
        each(4, (e) => key(q, e)),
        '}',
      );
    const trip = (u: number): string => `{ let t = n * ${unroll}u + ${u}u;\n${each(quads, quad)} }`;
    return `for (var n = 0u; n < ${threadsX / unroll}u; n++) {\n${each(unroll, trip)}\n}`;
  }

  private reduceSum(): string {
    return lines(
      'workgroupBarrier();',
      this.publish('l'),
      'workgroupBarrier();',
      this.collect('l', (a, b) => `(${a} + ${b})`),
    );
  }

  private writeRows(): string {
    const columns = (store: (c: number) => string): string =>
      each(this.ownColumns, (c) =>
        this.shape.threadsX * (c + 1) <= this.outputColumns
          ? store(c)
          : `if (${this.ownColumn(c)} < ${this.outputColumns}u) { ${store(c)} }`,
      );
    const row = (i: number): string =>
      lines(
        `if (i32(x${i}) < owned.x) {`,
        `let inverse = select(1.0 / l${i}, 0.0, l${i} == 0.0);`,
        `let sum = select(m${i} + log2(l${i}), EMPTY, l${i} == 0.0);`,
        'if (owned.y < 0) {',
        columns((c) => this.output.store(`q${i}`, this.ownColumn(c), `o${i}_${c} * inverse`)),
        `if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { scratch[q${i}] = vec4f(sum); }`,
        '} else {',
        `let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x${i}) * ${this.outputColumns + 1}u;`,
        columns((c) => `scratch[record + ${this.ownColumn(c)}] = o${i}_${c} * inverse;`),
        `if (tx == 0u) { scratch[record + ${this.outputColumns}u] = vec4f(sum); }`,
        '}\n}',
      );
    return each(this.ownRows, row);
  }

  private scoresOf(i: number): string[] {
    return Array.from({length: this.ownKeys}, (_, j) => `s${i}_${j}`);
  }

  private ownColumn(c: number): string {
    return `(tx + ${this.shape.threadsX * c}u)`;
  }

  /** An output column that exists: the last one for invocations past the end. */
  private column(c: number): string {
    const inside = this.shape.threadsX * (c + 1) <= this.outputColumns;
    return inside ? this.ownColumn(c) : `min(${this.ownColumn(c)}, ${this.outputColumns - 1}u)`;
  }
}
