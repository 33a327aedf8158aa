import {converts, ITEM} from '../../plan/index.js';
import {rolesOf} from '../text/row_access.js';
import {ceilDiv} from '../../support/index.js';
import {plain, textOf, type Flow} from '../tile/flow.js';
import {program} from '../text/make_program.js';
import {addedTo, matrixAccess, SLICE_STRIDE, type MatrixAccess, type MatrixShape} from './matrix_shape.js';
import {nextFunction} from './matrix_mask.js';
import {MatrixTrip} from './matrix_steps.js';
import {FAR_UNIT} from '../text/features.js';
import {linesOf, linesOfCopies, slotLine} from '../tile/lines.js';
import {NUMBERS} from '../text/numbers.js';
import {power, unitText} from '../terms/unit.js';
import {paramsOf} from '../terms/fields.js';
import {ONE_BIAS} from '../tile/scoring.js';
import {itemWords, ownRow, placeFunctions, recordFrom, rowAt} from '../tile/places.js';
import {recordAt} from '../tile/shell.js';
import {stateFunctions} from '../tile/states.js';
import type {BindingRole, Program} from '../text/program.js';
import {each, lines} from '../text/text.js';

/**
 * Attention on tensor cores (`chromium-experimental-subgroup-matrix`). A subgroup owns as many rows as it has lanes, its queries and
 * output in fragments; scores go through a slice of workgroup memory, where each lane turns one row into probabilities, in place.
 *
 * Two kernels of one text. The first takes the reference of a row from its first tile, and leaves rows whose scores outgrow it unwritten
 * and flagged. The second, `exact`, finds true maxima in a pass over the keys and computes what is flagged; else it returns at once.
 */
export function matrixProgram(shape: MatrixShape): Program {
  const inputs = rolesOf(shape.formats);
  const tensors = matrixAccess(shape);
  const bindings: BindingRole[] = ['params', ...inputs, 'schedule', 'output', 'scratch', 'rowSums'];
  if (shape.bias) bindings.push('bias');
  return program({
    name: shape.exact ? 'SparseAttention.repair' : 'SparseAttention.attendMatrix',
    bindings,
    writes: ['output', 'scratch', 'rowSums'],
    directives: [
      // Which slice a subgroup uses is the same for all of its lanes, but the analysis cannot see that.
      'diagnostic(off, chromium.subgroup_matrix_uniformity)',
      ...(shape.matrix.componentType === 'f16' ? ['enable f16'] : []),
      'enable subgroups',
      'enable chromium_experimental_subgroup_matrix',
    ],
    elements: {
      [inputs[0]]: tensors.query.element,
      [inputs[1]]: tensors.key.element,
      [inputs[2]]: tensors.value.element,
      schedule: 'vec2i',
      output: tensors.output.element,
      scratch: 'vec4f',
      rowSums: 'vec2f',
      bias: 'f32',
    },
    code: new MatrixKernel(shape, tensors).text(),
    workgroupBytes: 16 * shape.memory + (shape.exact ? 4 : 0),
    invocations: shape.subgroups * shape.lanes,
  });
}

export const matrixFlow = (shape: MatrixShape): readonly Flow[] => new MatrixKernel(shape, matrixAccess(shape)).flow();

/** Assembles the text around the steps. */
class MatrixKernel {
  private readonly trip: MatrixTrip;

  constructor(
    private readonly shape: MatrixShape,
    private readonly access: MatrixAccess,
  ) {
    this.trip = new MatrixTrip(shape, access);
  }

  text(): string {
    const {shape} = this;
    const {matrix, subgroups, lanes, keys, bias, exact} = shape;
    const component = matrix.componentType;
    const unit = component === 'f16' ? 'vec4u' : 'vec4f';
    return lines(
      `
// Sparse attention on tensor cores, ${component} in, float32 scores, softmax and sums. Invocation i owns row i of the tile.
// query [batch, heads, queryLength, ${shape.headDim}]  key [batch, keyHeads, keyLength, ${shape.headDim}]
// value [batch, keyHeads, keyLength, ${shape.valueDim}]  output [batch, heads, queryLength, ${shape.valueDim}]; or lengths before heads.
alias Left = subgroup_matrix_left<${component}, ${matrix.K}, ${matrix.M}>;
alias Right = subgroup_matrix_right<${component}, ${matrix.N}, ${matrix.K}>;
alias Result = subgroup_matrix_result<f32, ${matrix.N}, ${matrix.M}>;
const ROWS = ${subgroups * lanes}u;
const LANES = ${lanes}u;
const KEYS = ${keys};
// The largest score of the first tile counts as 2^3, which is HEADROOM in the unit of scores. Rows are right while no tile sums to more than OVERFLOW, and the row to no less
// than ENOUGH for each of its keys, or than PLENTY: below, ${component} would hold too many of its probabilities badly.
const HEADROOM = ${bias ? 3 / (FAR_UNIT * Math.LOG2E) : '3.0'};
const OVERFLOW = ${component === 'f16' ? '60000.0' : '1e9'};
const ENOUGH = 0.000244140625;
const PLENTY = 0.125;
`,
      NUMBERS + unitText(addedTo(shape)),
      paramsOf(addedTo(shape)),
      bias ? ONE_BIAS : '',
      placeFunctions(shape.kinds),
      stateFunctions({kinds: shape.kinds, width: keys, owns: 'rows'}, subgroups * lanes),
      nextFunction(shape.kinds),
      [...new Set(Object.values(this.access).map(({functions}) => functions))].join(''),
      `
var<workgroup> slices: array<array<${unit}, ${lanes * SLICE_STRIDE}>, ${subgroups}>;
var<workgroup> keys: array<${unit}, ${keys * (shape.keyUnits + 1)}>;
var<workgroup> values: array<${unit}, ${keys * (shape.valueUnits + 1)}>;
${exact ? 'var<workgroup> again: u32;' : ''}

@compute @workgroup_size(${subgroups * lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {`,
      textOf(this.flow()),
      '}',
    );
  }

  flow(): readonly Flow[] {
    const {before, maximum, loops, after} = this.trip.steps();
    const {subgroups, bias, kinds, exact, formats} = this.shape;
    const prologue = `let subgroup = index / LANES;
let lane = index % LANES;
let item = ${recordFrom('params.first', ITEM, 'group.y')};
${converts(formats) ? linesOfCopies(kinds) : linesOf(kinds, 'item')}
let flag = params.flagBase + (group.y * params.batch * params.heads + line) * ${subgroups}u;
${exact ? this.returnUnlessFlagged() : ''}
${itemWords('rows')}
let row = ${ownRow(kinds, 'index')};
let q = line * params.queryLength + row;
let queryRow = ${this.access.query.base('(queryLine + row * params.queryStrides.y)')};
${bias ? '' : 'let hidden = select(HIDDEN, -HIDDEN, params.scale < 0.0); // before the scale'}
${bias ? 'let biasRow = dot(vec3u(batch, head, row), params.biasStrides.xyz);' : ''}
${kinds.mask === 'tensor' ? 'let bits = params.maskBits + dot(vec3u(batch, head, row), params.maskStrides.xyz);' : ''}
var m = EMPTY;
var sum = 0.0;
${exact ? '' : 'var most = 0.0; // the largest sum of a tile\n'}var attended = 0; // keys of the row
${each(this.trip.rowFragments, (r) => each(this.trip.valueFragments, (n) => `var o${r}_${n}: Result;`, ' '))}
`;
    const found = plain(
      lines(
        '// Rows without keys: against one another, hidden pairs that are yet to be scaled would not vanish.',
        'if (attended == 0) { m = 0.0; }',
      ),
    );
    return [plain(prologue), ...before, ...(maximum === null ? [] : [maximum, found]), loops, plain(this.finish()), ...after];
  }

  private returnUnlessFlagged(): string {
    return lines(
      'if (index == 0u) {',
      'var flagged = 0.0;',
      `for (var i = 0u; i < ${this.shape.subgroups}u; i++) { flagged += scratch[flag + i].x; }`,
      'again = u32(flagged);',
      '}',
      'if (workgroupUniformLoad(&again) == 0u) { return; }',
    );
  }

  /** What each row becomes: fresh = this pass, old = what earlier passes left; then who writes which row. */
  private finish(): string {
    const {exact, valueDim, kinds, formats} = this.shape;
    const exp = (difference: string): string => `exp2(${power(difference, addedTo(this.shape))})`;
    const record = ceilDiv(valueDim, 4) + 1;
    const slot = (x: string): string => recordAt(slotLine(kinds), 'u32(max(owned.y, 0))', 'ROWS', x, record);
    return lines(
      exact
        ? 'let writes = scratch[flag + subgroup].x != 0.0;'
        : lines(
            'let vanishes = !(sum >= min(PLENTY, f32(attended) * ENOUGH));',
            'let lost = most > OVERFLOW || (vanishes && (attended > 0 || sum != 0.0));',
            'let writes = !subgroupAny(lost);',
            'if (lane == 0u) { scratch[flag + subgroup] = vec4f(select(1.0, 0.0, writes), 0.0, 0.0, 0.0); }',
          ),
      'let continues = (params.flags & CONTINUES) != 0u && owned.y < 0;',
      'var had = vec2f(EMPTY, 0.0);',
      'if (continues) { had = rowSums[q]; } // (maximum, sum)',
      // The reference of a row without keys says nothing.
      'let mine = select(m, EMPTY, sum == 0.0);',
      'let top = max(mine, had.x);',
      `let total = fma(sum, ${exp('mine - top')}, had.y * ${exp('had.x - top')});`,
      'let inverse = select(1.0 / total, 0.0, total == 0.0);',
      `let fresh = ${exp('mine - top')} * inverse;`,
      `let old = had.y * ${exp('had.x - top')} * inverse;`,
      'if (writes && i32(index) < owned.x) {',
      `if (owned.y >= 0) { scratch[${slot('index')} + ${record - 1}u] = vec4f(top, total, 0.0, 0.0); }`,
      'else if ((params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(top, total); }',
      '}',
      each(4, (p) =>
        lines(
          `let x${p} = subgroup * LANES + lane / 4u + ${8 * p}u;`,
          `let fresh${p} = subgroupShuffle(fresh, lane / 4u + ${8 * p}u);`,
          `let old${p} = subgroupShuffle(old, lane / 4u + ${8 * p}u);`,
          `let writes${p} = writes && i32(x${p}) < owned.x;`,
          `let row${p} = outputLine + ${rowAt(kinds, `i32(x${p})`)} * params.${converts(formats) ? 'query' : 'output'}Strides.y;`,
          `let to${p} = ${this.access.output.base(`row${p}`)};`,
          `let record${p} = ${slot(`x${p}`)};`,
        ),
      ),
    );
  }
}
