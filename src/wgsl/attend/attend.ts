import {attendSteps} from './attend_steps.js';
import {placeBarriers, type Step} from '../tile/barriers.js';
import type {KernelShape} from '../tile/kernel_shape.js';
import {halves, NUMBERS} from '../text/numbers.js';
import {unitText} from '../terms/unit.js';
import {HELD} from '../text/held.js';
import {HELD_LINES, LINES} from '../tile/lines.js';
import {Scoring} from '../tile/scoring.js';
import type {BindingRole, Program} from '../text/program.js';
import {program} from '../text/make_program.js';
import {Share} from '../tile/share.js';
import {each, lines} from '../text/text.js';

/**
 * The attention kernel: one pass over the keys of a row tile with online softmax (FlashAttention, arXiv 2205.14135), output and running
 * maximum in registers. Keys, probabilities and values share one piece of workgroup memory in turn; queries are read from storage, where
 * the cache serves them (H200, 2026-11-20: 25.7 → 33.0 TFLOPS against staging them).
 */
export function attendProgram(shape: KernelShape): Program {
  const share = new Share(shape);
  const inputs: BindingRole[] =
    shape.storage === 'float16' ? ['queryHalves', 'keyHalves', 'valueHalves'] : ['query', 'key', 'value'];
  const {bindings, elements} = new Scoring(shape.features);
  return program({
    name: 'SparseAttention.attend',
    bindings: ['params', ...inputs, 'schedule', 'output', 'scratch', 'rowSums', ...bindings],
    writes: ['output', 'scratch', 'rowSums'],
    directives: [...(shape.nativeHalves ? ['enable f16'] : []), ...(shape.shuffled > 1 ? ['enable subgroups'] : [])],
    elements: {
      [inputs[0]!]: share.query.element,
      [inputs[1]!]: share.key.element,
      [inputs[2]!]: share.value.element,
      schedule: 'vec2i',
      output: share.output.element,
      scratch: 'vec4f',
      rowSums: 'vec2f',
      ...elements,
    },
    code: new Kernel(share).text(),
    workgroupBytes: 16 * shape.memory,
    invocations: shape.threadsX * shape.threadsY,
  });
}

/** Assembles the text around the loop over key tiles. */
class Kernel {
  private readonly shape: KernelShape;
  private readonly scoring: Scoring;

  constructor(private readonly share: Share) {
    this.shape = share.shape;
    this.scoring = new Scoring(this.shape.features, share.productScale);
  }

  text(): string {
    const {rows, keys, threadsX, threadsY, memory, storage, features} = this.shape;
    const steps = attendSteps(this.share);
    const barriers = placeBarriers(steps);
    const written = (step: Step): string =>
      step.code === '' ? '' : lines(`// ${step.name}`, barriers.has(step) ? 'workgroupBarrier();' : '', step.code);
    return lines(
      `
// Sparse attention, ${storage === 'float16' ? 'float16 storage, float32 arithmetic' : 'float32'}. A workgroup owns a tile of ROWS queries of one head and visits its keys KEYS at a time.
// query [batch, heads, queryLength, ${this.shape.headDim}]  key [batch, keyHeads, keyLength, ${this.shape.headDim}]
// value [batch, keyHeads, keyLength, ${this.shape.valueDim}]  output [batch, heads, queryLength, ${this.shape.valueDim}]; or lengths before heads.
// Invocation (tx, ty) owns rows ty + TY·i, keys tx + TX·j of a tile and output columns tx + TX·c (vec4).
const ROWS = ${rows}u;
const KEYS = ${keys};
const TX = ${threadsX}u;
const TY = ${threadsY}u;
`,
      NUMBERS + unitText(features),
      this.scoring.params,
      features.ring ? HELD : '',
      this.scoring.functions,
      this.scoring.seenFunctions,
      storage === 'float16' ? halves(this.shape.nativeHalves) : '',
      this.share.query.functions + this.share.key.functions + this.share.value.functions + this.share.output.functions,
      `
var<workgroup> memory: array<${this.share.memoryElement}, ${memory}>;

@compute @workgroup_size(${this.share.threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let tx = lane % TX;
let ty = lane / TX;
let item = params.first + 4u * group.y;
let rowsOf = schedule[item];         // (firstRow, rowStride)
let owned = schedule[item + 1u];     // (rows, slot)
let spanRange = schedule[item + 2u]; // (spanBegin, spanEnd)
`,
      features.ring ? HELD_LINES : LINES,
      this.declareRows(),
      this.continueRows(),
      ...steps.before.map(written),
      `
for (var index = spanRange.x; index < spanRange.y; index++) {
let span = params.spans + 4u * u32(index);
let keysOf = schedule[span];         // (firstKey, keyStride)
let keyRows = keysOf * i32(params.keyStrides.y);
${this.scoring.clips ? 'var' : 'let'} y = schedule[span + 1u];         // [begin, end)
${this.scoring.clip}
${this.shape.mask === 'interval' ? 'let full = schedule[span + 2u];      // keys that every row attends to\nlet intervals = params.intervals + u32(schedule[span + 3u].x);' : ''}
for (var y0 = y.x; y0 < y.y; y0 += KEYS) {
`,
      ...steps.loop.map(written),
      '}\n}',
      ...steps.after.map(written),
      this.writeRows(),
      '}',
    );
  }

  private declareRows(): string {
    const {mask} = this.shape;
    const seen = (i: number): string | null => this.scoring.seen('head', `row${i}`, 'batch');
    return each(this.share.rows, (i) =>
      lines(
        `let x${i} = ty + ${this.shape.threadsY * i}u;`,
        // Asked for again where rows are written: what is not kept through the loop leaves it registers.
        `let row${i} = u32(rowsOf.x + rowsOf.y * min(i32(x${i}), owned.x - 1));`,
        `let query${i} = ${this.share.query.base(`(queryLine + row${i} * params.queryStrides.y)`)};`,
        this.scoring.query(i, `row${i}`, `(line * params.queryLength + row${i})`),
        mask === 'bits' ? `let bits${i} = params.maskBits + dot(vec3u(batch, head, row${i}), params.maskStrides.xyz);` : '',
        seen(i) === null ? '' : `let seen${i} = ${seen(i)};`,
        `var m${i} = EMPTY; var l${i} = 0.0; ${each(this.share.columns, (c) => `var o${i}_${c} = vec4f();`, ' ')}`,
      ),
    );
  }

  /** Where row i is among all rows, and in the output. */
  private place(i: number): string {
    return lines(
      `let own = u32(rowsOf.x + rowsOf.y * min(i32(x${i}), owned.x - 1));`,
      'let q = line * params.queryLength + own;',
      `let to = ${this.share.output.base('(queryLine + own * params.queryStrides.y)')};`,
    );
  }

  private continueRows(): string {
    const row = (i: number): string =>
      lines(
        '{',
        this.place(i),
        'let had = rowSums[q]; // (maximum, sum)',
        `m${i} = had.x;`,
        `l${i} = select(0.0, had.y, tx == 0u);`,
        each(this.share.columns, (c) => `o${i}_${c} = had.y * ${this.share.output.load('to', this.share.column(c))};`),
        '}',
      );
    const continues = `if ((params.flags & CONTINUES) != 0u && owned.y < 0) {\n${each(this.share.rows, row)}\n}`;
    if (this.scoring.seen('', '', '') === null) return continues;
    // The first to write a row has seen it; of cut rows that is the merge.
    const seen = each(this.share.rows, (i) => `m${i} = seen${i}.x; l${i} = select(0.0, seen${i}.y, tx == 0u);`);
    return `${continues} else if (owned.y < 0) {\n${seen}\n}`;
  }

  private writeRows(): string {
    const columns = (store: (c: number) => string): string =>
      each(this.share.columns, (c) =>
        this.share.isInside(c) ? store(c) : `if (${this.share.ownColumn(c)} < ${this.share.outputColumns}u) { ${store(c)} }`,
      );
    const row = (i: number): string =>
      lines(
        `if (i32(x${i}) < owned.x) {`,
        this.place(i),
        `let inverse = select(1.0 / l${i}, 0.0, l${i} == 0.0);`,
        'if (owned.y < 0) {',
        columns((c) => this.share.output.store('to', this.share.ownColumn(c), `o${i}_${c} * inverse`)),
        `if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m${i}, l${i}); }`,
        '} else {',
        `let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x${i}) * ${this.share.outputColumns + 1}u;`,
        columns((c) => `scratch[record + ${this.share.ownColumn(c)}] = o${i}_${c} * inverse;`),
        `if (tx == 0u) { scratch[record + ${this.share.outputColumns}u] = vec4f(m${i}, l${i}, 0.0, 0.0); }`,
        '}\n}',
      );
    return each(this.share.rows, row);
  }
}
