import {ceilDiv} from '../../support/index.js';
import type {Region} from './flow.js';
import type {Columns} from './columns.js';
import {each, lines} from '../text/text.js';

/**
 * The arithmetic of tiles that kernels share. Invocation (tx, ty) owns rows ty + threadsY·i of a tile, columns tx + threadsX·j of the
 * product, and output columns tx + threadsX·c (vec4).
 */
export interface Grid {
  readonly threadsX: number;
  readonly threadsY: number;
  /** Rows and columns of one invocation. */
  readonly rows: number;
  readonly keys: number;
}

/** How floats lie in workgroup memory: as they are, or as words. */
export interface Packing {
  pack(floats: string): string;
  unpack(element: string): string;
}

export const FLOATS: Packing = {pack: (x) => x, unpack: (x) => x};

/** Copies rows × width columns, one per invocation at a time. */
export function copyTile(
  threads: number,
  rows: number,
  width: number,
  copy: (row: string, column: string, at: string) => string,
): string {
  const total = rows * width;
  return each(ceilDiv(total, threads), (n) => {
    const inside = (n + 1) * threads <= total;
    const body = `let f = lane + ${n * threads}u; ${inside ? '' : `if (f < ${total}u) { `}`;
    return `{ ${body}${copy(`(f / ${width}u)`, `(f % ${width}u)`, `(f / ${width}u) * ${width}u`)}${inside ? '' : ' }'} }`;
  });
}

/** Where a staged row has its column, rotated by the row so that neighbours lie in other banks: 12.3 → 33.9 TFLOPS (H200, 2026-11-20). */
export function rotated(column: string, row: string, offset: number, width: number): string {
  const rest = offset % width;
  return `(${column} + ${row}${rest === 0 ? '' : ` + ${rest}u`}) % ${width}u`;
}

export interface Product {
  /** Names of the results: `${name}${i}_${j}`. */
  readonly name: string;
  /** The columns that are staged. */
  readonly columns: Columns;
  readonly region: Region;
  readonly unroll: number;
  /** Text before the loop that `load` needs. */
  readonly prelude?: string;
  /** Column `column` of own row i. */
  load(i: number, column: string): string;
  /** Where rows are in other formats than float32. */
  readonly formats?: ProductFormats;
}

/** The vec4 of floats in a column of an own row, of which there are `ownColumns`, and in one of a staged row. */
export interface ProductFormats {
  readonly ownColumns: number;
  own(column: string): readonly string[];
  staged(column: string): readonly string[];
}

const asIs = (column: string): readonly string[] => [column];
const ALL_FLOATS: ProductFormats = {ownColumns: Infinity, own: asIs, staged: asIs};

/** name_ij += Σ over the staged columns of own row i · staged row j. */
export function multiply({threadsX, rows, keys}: Grid, product: Product): string {
  const {name, columns, region, load, prelude = '', formats = ALL_FLOATS} = product;
  const {first, count} = columns;
  const unroll = [8, 4, 2, 1].find((steps) => steps <= product.unroll && count % steps === 0)!;
  const parts = formats.staged('').length;
  const reads = ownReads(formats, parts, first === 0 ? 'd' : `(d + ${first}u)`);
  const stagedRow = (j: number): string => {
    const at = `memory[own + ${region.begin + threadsX * j * count}u + ${rotated('d', 'tx', threadsX * j, count)}]`;
    return parts === 1 ? `let k${j}_0 = ${formats.staged(at)[0]};` : unpacked(`key${j}`, at, formats.staged, `k${j}_`, 0);
  };
  const ownRow = (i: number): string =>
    reads
      .map(({column, floats}, read) => {
        const from = load(i, column);
        const begin = read * (parts / reads.length);
        if (floats('').length === 1) return `let q${begin} = ${floats(from)[0]};`;
        return unpacked(reads.length === 1 ? 'q' : `own${read}`, from, floats, 'q', begin);
      })
      .join(' ');
  const terms = (i: number, part: number): string =>
    lines(
      ...[...'xyzw'].map((e) =>
        each(keys, (j) => `${name}${i}_${j} = fma(q${part}.${e}, k${j}_${part}.${e}, ${name}${i}_${j});`, ' '),
      ),
    );
  const trip = (u: number): string =>
    lines(
      `{ let d = n * ${unroll}u + ${u}u;`,
      each(keys, stagedRow),
      each(rows, (i) => `{ ${ownRow(i)}\n${each(parts, (part) => terms(i, part))} }`),
      '}',
    );
  // A base and constants: (tx + 8j) · width + … would be computed anew for each j.
  return lines(
    `{ let own = tx * ${count}u;${prelude}`,
    `for (var n = 0u; n < ${count / unroll}u; n++) {\n${each(unroll, trip)}\n}\n}`,
  );
}

/** Which columns of an own row hold the numbers of a staged column, and their vec4 of floats: as many columns, more, or a part of one. */
export function ownReads(
  {ownColumns, own}: ProductFormats,
  parts: number,
  column: string,
): {readonly column: string; floats(column: string): readonly string[]}[] {
  const ownParts = own('').length;
  if (ownParts === parts) return [{column, floats: own}];
  if (ownParts < parts) {
    const reads = parts / ownParts;
    // Past the last column staged rows are zeros.
    const at = (read: number): string => `min(${reads}u * ${column} + ${read}u, ${ownColumns - 1}u)`;
    return Array.from({length: reads}, (_, read) => ({column: at(read), floats: own}));
  }
  const share = ownParts / parts;
  const part = (all: readonly string[], n: number): string => `array(${all.join(', ')})[${column} % ${share}u * ${parts}u + ${n}u]`;
  const floats = (from: string): string[] => Array.from({length: parts}, (_, n) => part(own(from), n));
  return [{column: `(${column} / ${share}u)`, floats}];
}

const unpacked = (name: string, from: string, floats: (column: string) => readonly string[], part: string, begin: number): string =>
  `let ${name} = ${from}; ${floats(name)
    .map((four, n) => `let ${part}${begin + n} = ${four};`)
    .join(' ')}`;

/** A group of columns of the product on their way to other invocations, in vec4 of four own columns. */
export interface Exchange {
  readonly name: string;
  readonly region: Region;
  /** vec4 of one row of an invocation. */
  readonly quads: number;
  readonly group: number;
}

/** Row x has a vec4 for each (four own columns, tx), rotated by the row so that neighbours in y hit other banks. */
export function exchange({threadsX, threadsY, rows}: Grid, packing: Packing, {name, region, quads, group}: Exchange): string {
  const stores = each(rows, (i) =>
    each(quads, (quad) => {
      const parts = [0, 1, 2, 3].map((e) => `${name}${i}_${group * quads * 4 + quad * 4 + e}`);
      const begin = region.begin + (quad + threadsY * i * quads) * threadsX;
      const at = `memory[own + ${begin}u + ${rotated('tx', 'ty', threadsY * i, threadsX)}]`;
      return `${at} = ${packing.pack(`vec4f(${parts.join(', ')})`)};`;
    }),
  );
  return `{ let own = ty * ${quads * threadsX}u;\n${stores} }`;
}

export interface Weighing {
  /** Names of the sums: `${name}${i}_${c}`. */
  readonly name: string;
  /** Where the weights are, and vec4 of them in a row of an invocation. */
  readonly weights: Region;
  readonly quads: number;
  /** The staged rows, `width` columns each. */
  readonly region: Region;
  readonly width: number;
  /** Own columns of this step. */
  readonly columns: Columns;
  readonly unroll: number;
  /** A staged column is eight packed halves, two vec4 of floats. */
  readonly halves?: boolean;
}

/** name_ic += Σ over the exchanged columns of a weight of own row i · own column c of the staged row. */
export function weigh({threadsX, threadsY, rows}: Grid, packing: Packing, weighing: Weighing): string {
  const {name, weights, quads, region, width, columns, unroll, halves = false} = weighing;
  const {first, count} = columns;
  const column = (c: number): string =>
    threadsX * (c + 1) <= width ? `tx + ${threadsX * c}u` : `min(tx + ${threadsX * c}u, ${width - 1}u)`;
  const load = (quad: number, e: number, c: number): string => {
    const at = `memory[${region.begin}u + (t + ${threadsX * (4 * quad + e)}u) * ${width}u + ${column(c)}]`;
    if (!halves) return `let v${c} = ${packing.unpack(at)};`;
    return `let value${c} = ${at}; let v${2 * c} = lower(value${c}); let v${2 * c + 1} = upper(value${c});`;
  };
  const perColumn = halves ? 2 : 1;
  const key = (quad: number, e: number): string =>
    lines(
      `{ ${each(count, (c) => load(quad, e, c), ' ')}`,
      each(rows, (i) =>
        each(
          perColumn * count,
          (c) => {
            const sum = `${name}${i}_${perColumn * first + c}`;
            return `${sum} = fma(vec4f(p${i}.${'xyzw'[e]}), v${c}, ${sum});`;
          },
          ' ',
        ),
      ),
      '}',
    );
  const quad = (q: number): string =>
    lines(
      `{ ${each(rows, (i) => {
        const from = weights.begin + (q + threadsY * i * quads) * threadsX;
        return `let p${i} = ${packing.unpack(`memory[own + ${from}u + ${rotated('t', 'ty', threadsY * i, threadsX)}]`)};`;
      })}`,
      each(4, (e) => key(q, e)),
      '}',
    );
  const trip = (u: number): string => `{ let t = n * ${unroll}u + ${u}u;\n${each(quads, quad)} }`;
  return `{ let own = ty * ${quads * threadsX}u;\nfor (var n = 0u; n < ${threadsX / unroll}u; n++) {\n${each(unroll, trip)}\n}\n}`;
}
