import {matrixUnits, tileBytes} from '../../product/index.js';
import type {MatrixConfig} from '../../plan/index.js';
import {program} from '../text/make_program.js';
import {packedHalves} from '../text/packed_halves.js';
import type {Program} from '../text/program.js';
import {each, lines} from '../text/text.js';
import {plain, textOf, type Flow, type Region} from '../tile/flow.js';
import {itemText, itemWord, nextStep} from './item_text.js';
import {foursOf, isInside, loadsOf, type ProductOperand} from './operand.js';
import {operandsOf, outputFirst, writeFour} from './product.js';
import type {ProductShape} from './product_shape.js';
import {PRODUCT_PARAMS} from './product_params.js';

/** The shape of a kernel on tensor cores. */
export interface MatrixProductShape extends ProductShape {
  readonly matrix: MatrixConfig;
}

/** An operand as it is staged: halves in units of eight along the rows of memory, one unit more to a row. */
interface Staged {
  readonly operand: ProductOperand;
  /** Rows and units of a row, of all subgroups. */
  readonly rows: number;
  readonly units: number;
  /** How far into the tile a row and a column of memory are: the sum begins at `k`, the other side at this word. */
  readonly origin: 'row' | 'column';
  readonly isTurned: boolean;
}

const stagedOf = (operand: ProductOperand, step: number): Staged => {
  const {role, size, sumAlongRow} = operand;
  const [rows, columns] = sumAlongRow ? [size, step] : [step, size];
  return {operand, rows, units: columns / 8, origin: role === 'a' ? 'row' : 'column', isTurned: sumAlongRow === (role === 'b')};
};

/** What subgroups keep and share, counted. */
function partsOf({tile, matrix}: MatrixProductShape): {
  readonly invocations: number;
  readonly subgroups: number;
  /** Fragments of the output that a subgroup keeps, and of the sum in a step. */
  readonly down: number;
  readonly across: number;
  readonly deep: number;
  /** Units between rows of a fragment of the output on its way to lanes. */
  readonly stride: number;
  readonly left: Region;
  readonly right: Region;
} {
  const {rows, columns, threadsX, threadsY, step} = tile;
  const units = matrixUnits(tile, matrix);
  const leftEnd = threadsY * units.left;
  return {
    invocations: threadsX * threadsY,
    subgroups: threadsY,
    down: rows / threadsY / matrix.M,
    across: columns / matrix.N,
    deep: step / matrix.K,
    stride: matrix.N / 4 + 1,
    left: {begin: 0, end: leftEnd},
    right: {begin: leftEnd, end: leftEnd + units.right},
  };
}

/** The part of a kernel between its items and its writes. */
export function matrixProductFlow(shape: MatrixProductShape): Flow[] {
  const {tile} = shape;
  const {step} = tile;
  const {down, across, deep, left, right} = partsOf(shape);
  const [a, b] = operandsOf(shape).map((operand) => stagedOf(operand, step)) as [Staged, Staged];
  const load = loadsOf(shape, (more) => lines(loadOf(shape, a, more), loadOf(shape, b, more)));
  const store: Flow = {
    name: 'a step into workgroup memory, as halves',
    reads: [],
    writes: [left, right],
    code: lines(storeOf(shape, a), storeOf(shape, b)),
  };
  const products: Flow = {
    name: 'sums',
    reads: [left, right],
    writes: [],
    code: each(deep, (q) =>
      lines(
        '{',
        each(down, (r) => `let x${r} = ${leftFragment(shape, a, r, q)};`),
        each(across, (c) =>
          lines(
            `{ let y = ${rightFragment(shape, b, c, q)};`,
            each(down, (r) => `o${r}_${c} = subgroupMatrixMultiplyAccumulate(x${r}, y, o${r}_${c});`),
            '}',
          ),
        ),
        '}',
      ),
    ),
  };
  return [
    plain(lines(declareOf(shape, a), declareOf(shape, b), 'if (steps > 0u) {', load, '}')),
    {
      open: 'for (var done = 0u; done < steps; done++) {',
      body: [store, nextStep(shape), plain(lines('if (done + 1u < steps) {', load, '}')), products],
      runs: 'any',
    },
    ...writesOf(shape),
  ];
}

const roundsOf = (shape: MatrixProductShape, {rows, units}: Staged): number =>
  Math.ceil((rows * units) / partsOf(shape).invocations);

/** Wraps the text of a round, of which the last may be for the first invocations alone. */
function inRound(shape: MatrixProductShape, {rows, units}: Staged, round: number, text: (id: string) => string): string {
  const {invocations} = partsOf(shape);
  const id = round === 0 ? 'lane' : `(lane + ${round * invocations}u)`;
  const isWhole = (round + 1) * invocations <= rows * units;
  return isWhole ? text(id) : lines(`if (${id} < ${rows * units}u) {`, text(id), '}');
}

const declareOf = (shape: MatrixProductShape, staged: Staged): string =>
  each(roundsOf(shape, staged), (round) =>
    ['x', 'y'].map((half) => `var ${staged.operand.role}${round}${half} = vec4f();`).join('\n'),
  );

/** Eight numbers of a row of memory into registers, as floats: what packed them would wait for them. */
function loadOf(shape: MatrixProductShape, staged: Staged, more: string): string {
  const {operand, units, origin} = staged;
  const {role, sumAlongRow} = operand;
  return each(roundsOf(shape, staged), (round) =>
    inRound(shape, staged, round, (id) => {
      const [row, column] = [`${id} / ${units}u`, `8u * (${id} % ${units}u)`];
      const [fromRow, fromColumn] = sumAlongRow ? [origin, 'k'] : ['k', origin];
      const four = (on: string): string => `${role}Four${more}(${role}First, ${fromRow} + ${row}, ${fromColumn} + ${column}${on})`;
      return lines(`${role}${round}x = ${four('')};`, `${role}${round}y = ${four(' + 4u')};`);
    }),
  );
}

function storeOf(shape: MatrixProductShape, staged: Staged): string {
  const {operand, units} = staged;
  const {role} = operand;
  return each(roundsOf(shape, staged), (round) =>
    inRound(shape, staged, round, (id) => {
      const [row, unit] = [`${id} / ${units}u`, `${id} % ${units}u`];
      return `${placeOf(shape, staged, row, unit)} = vec4u(packed(${role}${round}x), packed(${role}${round}y));`;
    }),
  );
}

/** A unit of an operand in workgroup memory. Each subgroup has rows of A, so that all but its number is a constant of its loads. */
function placeOf({tile}: MatrixProductShape, {operand, rows, units, isTurned}: Staged, row: string, unit: string): string {
  if (operand.role === 'b') return `right[(${row}) * ${units + 1}u + ${unit}]`;
  if (!isTurned) {
    const own = rows / tile.threadsY;
    return `left[(${row}) / ${own}u][(${row}) % ${own}u * ${units + 1}u + ${unit}]`;
  }
  const own = units / tile.threadsY;
  return `left[(${unit}) / ${own}u][(${row}) * ${own + 1}u + (${unit}) % ${own}u]`;
}

/** Rows r · M on of a subgroup, numbers q · K on of the sum. */
function leftFragment({tile, matrix}: MatrixProductShape, {units, isTurned}: Staged, r: number, q: number): string {
  const own = isTurned ? units / tile.threadsY : units;
  const [across, along] = isTurned ? [q * matrix.K, r * matrix.M] : [r * matrix.M, q * matrix.K];
  const at = across * (own + 1) + along / 8;
  return `subgroupMatrixLoad<Left, ${isTurned ? 'col' : 'row'}_major>(&left[subgroup], ${at}u, ${own + 1}u)`;
}

/** Columns c · N on, numbers q · K on of the sum. */
function rightFragment({matrix}: MatrixProductShape, {units, isTurned}: Staged, c: number, q: number): string {
  const [across, along] = isTurned ? [c * matrix.N, q * matrix.K] : [q * matrix.K, c * matrix.N];
  const at = across * (units + 1) + along / 8;
  return `subgroupMatrixLoad<Right, ${isTurned ? 'col' : 'row'}_major>(&right, ${at}u, ${units + 1}u)`;
}

/** Fragments of whole tiles go straight to where they belong, those of others by way of workgroup memory, where lanes see what is outside. */
function writesOf(shape: MatrixProductShape): Flow[] {
  const {tile, matrix, ragged, inFours, inParts} = shape;
  const {rows, columns, threadsX, threadsY} = tile;
  const {down, across, stride, left} = partsOf(shape);
  const own = rows / threadsY;
  const collective: Region = {...left, collective: true};
  const fragments = (text: (r: number, c: number) => string): string => each(down, (r) => each(across, (c) => text(r, c)));
  const placed = (r: number, c: number, width: string): string =>
    `(subgroup * ${own}u + ${r * matrix.M}u) * ${width} + ${c * matrix.N}u`;
  const parts = inParts
    ? lines(
        `let slot = ${itemWord('slot')};`,
        'if (slot > 0u) {',
        `let part = (slot - 1u + group.z * params.slots) * ${rows * columns}u;`,
        fragments(
          (r, c) => `subgroupMatrixStore<row_major>(&scratch, part + ${placed(r, c, `${columns}u`)}, o${r}_${c}, ${columns}u);`,
        ),
        'return;',
        '}',
      )
    : '';
  const first = `let first = ${outputFirst(inFours[2])};`;
  const straight = lines(
    `let corner = product * params.rows * params.columns + row * params.columns + column;`,
    fragments(
      (r, c) => `subgroupMatrixStore<row_major>(&output, corner + ${placed(r, c, 'params.columns')}, o${r}_${c}, params.columns);`,
    ),
  );
  if (inFours[2] && !ragged) return [plain(lines(parts, straight))];
  const perRow = matrix.N / 4;
  const byLanes: Flow[] = [];
  for (let r = 0; r < down; r++)
    for (let c = 0; c < across; c++)
      byLanes.push(
        {
          name: `rows ${r * matrix.M}, columns ${c * matrix.N}`,
          reads: [],
          writes: [collective],
          code: `subgroupMatrixStore<row_major>(&left[subgroup], 0u, o${r}_${c}, ${stride}u);`,
        },
        {
          name: 'what lies there to the output',
          reads: [left],
          writes: [],
          code: each(Math.ceil((matrix.M * perRow) / threadsX), (round) => {
            const id = `(lane % ${threadsX}u + ${round * threadsX}u)`;
            const write = lines(
              `writeFour(first, row + subgroup * ${own}u + ${r * matrix.M}u + ${id} / ${perRow}u, column + ${c * matrix.N}u + 4u * (${id} % ${perRow}u),`,
              `bitcast<vec4f>(left[subgroup][${id} / ${perRow}u * ${stride}u + ${id} % ${perRow}u]));`,
            );
            return (round + 1) * threadsX <= matrix.M * perRow ? write : lines(`if (${id} < ${matrix.M * perRow}u) {`, write, '}');
          }),
        },
      );
  return [plain(lines(parts, first)), ...byLanes];
}

/** Products of blocks on tensor cores: halves in, float32 sums and output. A subgroup keeps rows of the tile in fragments. */
export function matrixProductProgram(shape: MatrixProductShape): Program {
  const {tile, matrix, ragged, inFours, inParts} = shape;
  const {rows, columns, threadsX, step} = tile;
  const [a, b] = operandsOf(shape);
  const {invocations, subgroups, down, across} = partsOf(shape);
  const units = matrixUnits(tile, matrix);
  const element = (isFours: boolean): string => (isFours ? 'vec4f' : 'f32');
  return program({
    name: 'SplatBlockSparseMatMul.matrix',
    bindings: ['params', 'a', 'b', 'schedule', 'output', ...(inParts ? (['scratch'] as const) : [])],
    writes: ['output', ...(inParts ? (['scratch'] as const) : [])],
    directives: [
      // Which rows a subgroup has is the same for all of its lanes, but the analysis cannot see that.
      'diagnostic(off, chromium.subgroup_matrix_uniformity)',
      'enable f16',
      'enable subgroups',
      'enable chromium_experimental_subgroup_matrix',
    ],
    elements: {
      ...{a: element(inFours[0]), b: element(inFours[1]), schedule: 'u32', scratch: 'f32'},
      output: inFours[2] && ragged ? 'vec4f' : 'f32',
    },
    workgroupBytes: tileBytes(tile),
    invocations,
    code: lines(
      `// Tiles of ${rows} × ${columns} on tensor cores, ${step} numbers of the sum at a time; a subgroup keeps ${down} × ${across} fragments.`,
      PRODUCT_PARAMS,
      `alias Left = subgroup_matrix_left<f16, ${matrix.K}, ${matrix.M}>;
alias Right = subgroup_matrix_right<f16, ${matrix.N}, ${matrix.K}>;
alias Result = subgroup_matrix_result<f32, ${matrix.N}, ${matrix.M}>;
var<workgroup> left: array<array<vec4u, ${units.left}>, ${subgroups}>; // rows of a for each subgroup, halves
var<workgroup> right: array<vec4u, ${units.right}>; // of b
`,
      packedHalves(true),
      foursOf(a, ragged),
      foursOf(b, ragged),
      inFours[2] && !ragged ? '' : writeFour(inFours[2], ragged),
      `
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let subgroup = lane / ${threadsX}u;`,
      itemText(shape, a, b),
      isInside(shape),
      each(down, (r) => each(across, (c) => `var o${r}_${c}: Result;`, ' ')),
      textOf(matrixProductFlow(shape)),
      '}',
    ),
  });
}
