import {converts, formatsText} from '../../plan/index.js';
import {floatsFunctions, rolesOf} from '../text/row_access.js';
import {HELD} from '../text/held.js';
import type {Program} from '../text/program.js';
import {each, lines} from '../text/text.js';
import {plain} from '../tile/flow.js';
import type {KernelShape, OwnShape} from '../tile/kernel_shape.js';
import type {RowShape} from './row_shape.js';
import {rowSteps} from './row_steps.js';
import {linesOf, slotLine} from '../tile/lines.js';
import {rowBits} from '../tile/mask.js';
import {ownRow} from '../tile/places.js';
import {Scoring} from '../tile/scoring.js';
import {Share, TileShare} from '../tile/share.js';
import {recordAt, rowsIn, rowsOut, SCHEDULE, termOperands, tileProgram, type TileKernel} from '../tile/shell.js';
import {attendSteps, type AttendSteps} from './attend_steps.js';

/**
 * The attention kernel: one pass over the keys of a row tile with online softmax (FlashAttention, arXiv 2205.14135), output and running
 * maximum in registers. Keys, probabilities and values share one piece of workgroup memory in turn; queries are read from storage, where
 * the cache serves them (H200, 2026-11-20: 25.7 → 33.0 TFLOPS against staging them).
 */
export const attendProgram = (shape: KernelShape): Program => tileProgram(attendKernel(shape));

export const attendKernel = (shape: KernelShape): TileKernel => {
  const share = new TileShare(shape);
  const {rows, keys} = shape;
  return new Kernel(share, attendSteps(share), false).kernel(
    'attend',
    `A workgroup owns a tile of ROWS queries of one head and visits its keys KEYS at a time.`,
    `// Invocation (tx, ty) owns rows ty + TY·i, keys tx + TX·j of a tile and output columns tx + TX·c (vec4).
const ROWS = ${rows}u;
const KEYS = ${keys};`,
  );
};

/** The same for rows with keys of their own: nothing is staged, and all pairs that are computed attend. */
export const rowProgram = (shape: RowShape): Program => tileProgram(rowKernel(shape));

export const rowKernel = (shape: RowShape): TileKernel => {
  const share = new Share(shape, shape.keys);
  const {rows, keys} = shape;
  return new Kernel(share, rowSteps(share), true).kernel(
    'attendRows',
    `A workgroup owns ROWS queries of one head, ${shape.kinds.mask === 'fours' ? 'every four' : 'each'} with keys of its own, of which it takes KEYS a trip.`,
    `// Invocation (tx, ty) owns columns tx + TX·n (vec4) of ${shape.kinds.mask === 'fours' ? 'rows 4·ty to 4·ty + 3: of queries, of their keys, and of the output' : 'row ty: of the query and of each key, and of the output'}.
const ROWS = ${rows}u;
const KEYS = ${keys};`,
  );
};

/** What stands around the steps of a tile: rows and their sums, and who writes them. */
class Kernel {
  private readonly shape: OwnShape;
  private readonly scoring: Scoring;

  /** `whole`: every invocation of a row has its whole sum, not that of its own keys. */
  constructor(
    private readonly share: Share,
    private readonly steps: AttendSteps,
    private readonly whole: boolean,
  ) {
    this.shape = share.shape;
    this.scoring = new Scoring(this.shape.features, share.productScale);
  }

  kernel(name: string, does: string, owns: string): TileKernel {
    const {memory, formats, features, headDim, valueDim, shuffled, nativeHalves, kinds} = this.shape;
    const {query, key, value, output, memoryElement} = this.share;
    const [queryRole, keyRole, valueRole] = rolesOf(formats);
    const {steps} = this;
    return {
      name,
      says: `
// Sparse attention, ${converts(formats) ? `${formatsText(formats)} storage, float32 arithmetic` : 'float32'}. ${does}
// query [batch, heads, queryLength, ${headDim}]  key [batch, keyHeads, keyLength, ${headDim}]
// value [batch, keyHeads, keyLength, ${valueDim}]  output [batch, heads, queryLength, ${valueDim}]; or lengths before heads.
${owns}`,
      operands: [
        rowsIn(queryRole, query),
        rowsIn(keyRole, key),
        rowsIn(valueRole, value),
        SCHEDULE,
        rowsOut('output', output),
        {role: 'scratch', element: 'vec4f', writes: true},
        {role: 'rowSums', element: 'vec2f', writes: true},
        ...termOperands(this.scoring),
      ],
      directives: [...(nativeHalves ? ['enable f16'] : []), ...(shuffled > 1 ? ['enable subgroups'] : [])],
      features,
      functions: lines(
        features.ring ? HELD : '',
        this.scoring.functions,
        this.scoring.seenFunctions,
        floatsFunctions(formats, nativeHalves),
      ),
      masked: this.share.masked(this.scoring.clip(kinds)),
      memory: {element: memoryElement, units: memory},
      lines: linesOf(kinds, 'item', features.ring),
      before: [plain(lines(this.declareRows(), this.continueRows())), ...steps.before],
      tile: steps.tile,
      after: [...steps.after, plain(this.writeRows())],
    };
  }

  private declareRows(): string {
    const seen = (i: number): string | null => this.scoring.seen('head', `row${i}`, 'batch');
    return each(this.share.rows, (i) =>
      lines(
        `let x${i} = ${this.share.rowNumber(i)};`,
        // Asked for again where rows are written: what is not kept through the loop leaves it registers.
        `let row${i} = ${ownRow(this.shape.kinds, `x${i}`)};`,
        `let query${i} = ${this.share.query.base(`(queryLine + row${i} * params.queryStrides.y)`)};`,
        this.scoring.query(i, `row${i}`, `(line * params.queryLength + row${i})`),
        rowBits(this.shape.kinds, i),
        seen(i) === null ? '' : `let seen${i} = ${seen(i)};`,
        `var m${i} = EMPTY; var l${i} = 0.0; ${each(this.share.columns, (c) => `var o${i}_${c} = vec4f();`, ' ')}`,
      ),
    );
  }

  /** Where row i is among all rows, and in the output. */
  private place(i: number): string {
    return lines(
      `let own = ${ownRow(this.shape.kinds, `x${i}`)};`,
      'let q = line * params.queryLength + own;',
      `let to = ${this.share.output.base('(outputLine + own * params.outputStrides.y)')};`,
    );
  }

  private continueRows(): string {
    const row = (i: number): string =>
      lines(
        '{',
        this.place(i),
        'let had = rowSums[q]; // (maximum, sum)',
        `m${i} = had.x;`,
        `l${i} = ${this.ownShare('had.y')};`,
        each(
          this.share.columns,
          (c) => `o${i}_${c} = ${this.share.scaled('had.y')} * ${this.share.output.load('to', this.share.column(c))};`,
        ),
        '}',
      );
    const continues = `if ((params.flags & CONTINUES) != 0u && owned.y < 0) {\n${each(this.share.rows, row)}\n}`;
    if (this.scoring.seen('', '', '') === null) return continues;
    // The first to write a row has seen it; of cut rows that is the merge.
    const seen = each(this.share.rows, (i) => `m${i} = seen${i}.x; l${i} = ${this.ownShare(`seen${i}.y`)};`);
    return `${continues} else if (owned.y < 0) {\n${seen}\n}`;
  }

  /** Of a sum that neighbours in x share. */
  private ownShare(sum: string): string {
    return this.whole ? sum : `select(0.0, ${sum}, tx == 0u)`;
  }

  private writeRows(): string {
    const columns = (store: (c: number) => string): string =>
      each(this.share.columns, (c) =>
        this.share.isInside(c) ? store(c) : `if (${this.share.ownColumn(c)} < ${this.share.outputColumns}u) { ${store(c)} }`,
      );
    const mean = (i: number, c: number): string =>
      this.whole ? `select(vec4f(), o${i}_${c} * inverse, has)` : `o${i}_${c} * inverse`;
    const row = (i: number): string =>
      lines(
        `if (i32(x${i}) < owned.x${this.whole ? ' && writes' : ''}) {`,
        this.place(i),
        `let inverse = select(1.0 / ${this.share.scaled(`l${i}`)}, 0.0, l${i} == 0.0);`,
        'if (owned.y < 0) {',
        columns((c) => this.share.output.store('to', this.share.ownColumn(c), mean(i, c))),
        `if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m${i}, l${i}); }`,
        '} else {',
        `let record = ${recordAt(slotLine(this.shape.kinds), 'u32(owned.y)', 'ROWS', `x${i}`, this.share.outputColumns + 1)};`,
        columns((c) => `scratch[record + ${this.share.ownColumn(c)}] = ${mean(i, c)};`),
        `if (tx == 0u) { scratch[record + ${this.share.outputColumns}u] = vec4f(m${i}, l${i}, 0.0, 0.0); }`,
        '}\n}',
      );
    // A row without keys here leaves what it found; else it has zeros.
    const writes = this.whole ? 'let writes = has || owned.y >= 0 || (params.flags & CONTINUES) == 0u;' : '';
    return lines(writes, each(this.share.rows, row));
  }
}
