import {ownsFours, tileBytes} from '../../product/index.js';
import {program} from '../text/make_program.js';
import type {Program} from '../text/program.js';
import {each, lines} from '../text/text.js';
import {plain, textOf, type Flow, type Region} from '../tile/flow.js';
import {itemText, itemWord, nextStep} from './item_text.js';
import {foursOf, isInside, leftAt, loadsOf, shareOf, sideAt, type ProductOperand} from './operand.js';
import type {ProductShape} from './product_shape.js';
import {PRODUCT_PARAMS} from './product_params.js';

/** Four sums from a column on, where the matrix has them. */
export const writeFour = (inFours: boolean, ragged: boolean): string =>
  lines(
    'fn writeFour(first: u32, row: u32, column: u32, four: vec4f) {',
    ragged ? 'if (row >= params.rows || column >= params.columns) { return; }' : '',
    inFours
      ? 'output[first + row * (params.columns >> 2u) + (column >> 2u)] = four;'
      : lines(
          'let at = first + row * params.columns + column;',
          each(4, (i) =>
            i === 0
              ? 'output[at] = four[0];'
              : `${ragged ? `if (column + ${i}u < params.columns) { ` : ''}output[at + ${i}u] = four[${i}];${ragged ? ' }' : ''}`,
          ),
        ),
    '}',
  );

/** Where the output of a product begins, in elements of its binding. */
export const outputFirst = (inFours: boolean): string =>
  `product * params.rows * ${inFours ? '(params.columns >> 2u)' : 'params.columns'}`;

/** The part of a kernel between its items and its writes, with what it keeps. For specs of its barriers, too. */
export function productFlow(shape: ProductShape): Flow[] {
  const {tile} = shape;
  const {rows, columns, threadsX, threadsY, step, unroll, staged, ahead} = tile;
  const [a, b] = operandsOf(shape);
  const [left, right]: [Region, Region] = [
    {begin: 0, end: (rows * step) / 4},
    {begin: (rows * step) / 4, end: (step * (rows + columns)) / 4},
  ];
  const [own, fours] = [rows / threadsY, columns / 4 / threadsX];
  const [shareA, shareB] = [shareOf(a, tile, 'row'), shareOf(b, tile, 'column')];
  const inRows = a.fours === 'side';
  const ownRow = (i: number): string => (i === 0 ? 'ty' : `(ty + ${i * threadsY}u)`);
  const ownFour = (c: number): string => (c === 0 ? 'tx' : `tx + ${c * threadsX}u`);
  // Four numbers of the sum of a row, or one number of the sum of four rows.
  const four = (q: string): string =>
    lines(
      '{',
      `let q = ${q};`,
      inRows
        ? ''
        : each(own, (i) => {
            const read = staged ? `left[${leftAt(ownRow(i), 'q', tile)}]` : `aFour(aFirst, row + ${ownRow(i)}, k + 4u * q)`;
            return `let x${i} = ${read};`;
          }),
      each(4, (e) => {
        const at = `k + 4u * q + ${e}u`;
        return lines(
          inRows
            ? each(own / 4, (r) => {
                const place = ownRow(r);
                const read = staged ? `left[${sideAt(a, 'q', e, place, tile)}]` : `aFour(aFirst, ${at}, row + 4u * ${place})`;
                return `let x${e}_${r} = ${read};`;
              })
            : '',
          each(fours, (c) => {
            const read = staged
              ? `right[${sideAt(b, 'q', e, ownFour(c), tile)}]`
              : `bFour(bFirst, ${at}, column + 4u * (${ownFour(c)}))`;
            return `let y${e}_${c} = ${read};`;
          }),
          each(own, (i) => {
            const x = inRows ? `x${e}_${i >> 2}[${i & 3}]` : `x${i}[${e}]`;
            return each(fours, (c) => `o${i}_${c} = fma(vec4f(${x}), y${e}_${c}, o${i}_${c});`);
          }),
        );
      }),
      '}',
    );
  const depth = step / 4;
  const compute: Flow = {
    name: 'sums',
    reads: staged ? [left, right] : [],
    writes: [],
    code:
      depth === unroll
        ? each(unroll, (u) => four(`${u}u`))
        : lines(
            `for (var part = 0u; part < ${depth}u; part += ${unroll}u) {`,
            each(unroll, (u) => four(u === 0 ? 'part' : `part + ${u}u`)),
            '}',
          ),
  };
  const next = nextStep(shape);
  const load = loadsOf(shape, (more) => lines(shareA.load(more), shareB.load(more)));
  const store: Flow = {
    name: 'a step into workgroup memory',
    reads: [],
    writes: [left, right],
    code: lines(shareA.store, shareB.store),
  };
  const loop = (body: readonly Flow[]): Flow => ({open: 'for (var done = 0u; done < steps; done++) {', body, runs: 'any'});
  if (!staged) return [loop([compute, next])];
  if (!ahead) return [loop([plain(lines(shareA.declare, shareB.declare, load)), store, compute, next])];
  return [
    plain(lines(shareA.declare, shareB.declare, 'if (steps > 0u) {', load, '}')),
    loop([store, next, plain(lines('if (done + 1u < steps) {', load, '}')), compute]),
  ];
}

/** Both operands as they lie, and as they are staged for invocations that multiply. */
export const operandsOf = ({tile, transposeA, transposeB, inFours}: ProductShape): [a: ProductOperand, b: ProductOperand] => [
  {
    ...{role: 'a', staged: 'left', sumAlongRow: !transposeA, inFours: inFours[0], size: tile.rows},
    // As they lie.
    fours: transposeA && ownsFours(tile) ? 'side' : 'sum',
  },
  {role: 'b', staged: 'right', sumAlongRow: transposeB, fours: 'side', inFours: inFours[1], size: tile.columns},
];

/** Products of blocks: a workgroup computes a tile of the output, over the blocks of its list alone. */
export function productProgram(shape: ProductShape): Program {
  const {tile, ragged, inFours, inParts} = shape;
  const {rows, columns, threadsX, threadsY, step, staged} = tile;
  const [a, b] = operandsOf(shape);
  const invocations = threadsX * threadsY;
  const [own, fours] = [rows / threadsY, columns / 4 / threadsX];
  const element = (isFours: boolean): string => (isFours ? 'vec4f' : 'f32');
  const place = (i: number): string => {
    const [at, rest] = a.fours === 'side' ? [i >> 2, i & 3] : [i, 0];
    const own = at === 0 ? 'ty' : `ty + ${at * threadsY}u`;
    return a.fours === 'side' ? `4u * (${own}) + ${rest}u` : own;
  };
  const fourAt = (c: number): string => (c === 0 ? 'tx' : `tx + ${c * threadsX}u`);
  const sums = (line: (i: number, c: number) => string): string => each(own, (i) => each(fours, (c) => line(i, c)));
  const write = sums((i, c) => `writeFour(first, row + ${place(i)}, column + 4u * (${fourAt(c)}), o${i}_${c});`);
  return program({
    name: 'SplatBlockSparseMatMul',
    bindings: ['params', 'a', 'b', 'schedule', 'output', ...(inParts ? (['scratch'] as const) : [])],
    writes: ['output', ...(inParts ? (['scratch'] as const) : [])],
    elements: {a: element(inFours[0]), b: element(inFours[1]), schedule: 'u32', output: element(inFours[2]), scratch: 'vec4f'},
    workgroupBytes: tileBytes(tile),
    invocations,
    code: lines(
      `// Tiles of ${rows} × ${columns}, ${step} numbers of the sum at a time; an invocation keeps ${own} rows of ${fours} fours.`,
      PRODUCT_PARAMS,
      staged ? `var<workgroup> left: array<vec4f, ${(rows * step) / 4}>; // rows of a, fours along the sum` : '',
      staged ? `var<workgroup> right: array<vec4f, ${(step * columns) / 4}>; // along the sum, fours of columns of b` : '',
      '',
      foursOf(a, ragged),
      foursOf(b, ragged),
      writeFour(inFours[2], ragged),
      `
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      itemText(shape, a, b),
      staged ? isInside(shape) : '',
      `let tx = lane % ${threadsX}u;
let ty = lane / ${threadsX}u;`,
      sums((i, c) => `var o${i}_${c} = vec4f();`),
      textOf(productFlow(shape)),
      `let first = ${outputFirst(inFours[2])};`,
      inParts
        ? lines(
            `let slot = ${itemWord('slot')};`,
            'if (slot > 0u) {',
            `let part = (slot - 1u + group.z * params.slots) * ${(rows * columns) / 4}u;`,
            sums((i, c) => `scratch[part + (${place(i)}) * ${columns / 4}u + ${fourAt(c)}] = o${i}_${c};`),
            'return;',
            '}',
          )
        : '',
      write,
      '}',
    ),
  });
}
