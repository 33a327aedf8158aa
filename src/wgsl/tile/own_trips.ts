import {ceilDiv} from '../../support/index.js';
import type {RowAccess} from '../text/row_access.js';
import {each, lines, tree} from '../text/text.js';
import {plain, type Flow, type Region} from './flow.js';

/**
 * What row-wise kernels share. Invocation (tx, ty) has columns tx + 8n of number ty that its workgroup owns, a row or a key, and of each of the 4 that
 * this one meets a trip; what neighbours in x have of a product they add up, so that all of them have all scores.
 */

/** Where neighbours leave their parts of products, for each of two turns; none where they shuffle them. */
export function partRegions(shuffles: boolean, threads: number, products: number): Region[][] {
  if (shuffles) return [];
  return [0, 1].map((turn) =>
    Array.from({length: products}, (_, product) => {
      const begin = (turn * products + product) * threads;
      return {begin, end: begin + threads};
    }),
  );
}

/** The loop over the trips of a workgroup; `y0` is the number of the first that a trip meets, `first` that of the first of all. */
export function overTrips(first: string, turns: readonly (readonly Region[])[], trip: (parts: readonly Region[]) => Flow[]): Flow {
  const y0 = (number: string): Flow => plain(`let y0 = ${first} + KEYS * ${number};`);
  const [even, odd] = turns;
  if (even === undefined || odd === undefined)
    return {open: 'for (var trip = 0; trip < trips; trip++) {', body: [y0('trip'), ...trip([])], runs: 'any'};
  return {
    // Two trips, each with memory of its own: one barrier a trip is enough.
    open: 'for (var trip = 0; trip < trips; trip += 2) {',
    body: [
      {open: '{', body: [y0('trip'), ...trip(even)], runs: 'once'},
      {open: 'if (trip + 1 < trips) {', body: [y0('(trip + 1)'), ...trip(odd)], runs: 'between'},
    ],
    runs: 'any',
  };
}

/** What is done in a trip that has anything left: a CPU that plays GPU takes minutes to compile a trip of four without a branch. */
export const whereLeft = (end: string, code: string): string => `if (y0 < ${end}) {\n${code}\n}`;

/** How floats lie in workgroup memory. */
interface Packed {
  pack(floats: string): string;
  unpack(element: string): string;
}

/**
 * Adds up what neighbours in x have of products: `names` has four of each product, `code` declares them.
 */
export function addParts(
  {threadsX}: {readonly threadsX: number},
  packed: Packed,
  parts: readonly Region[],
  names: readonly (readonly string[])[],
  code: string,
): Flow[] {
  if (parts.length === 0) {
    const distances = [1, 2, 4].filter((distance) => distance < threadsX);
    const shuffle = (name: string, distance: number): string => `${name} += subgroupShuffleXor(${name}, ${distance}u);`;
    const steps = distances.map((distance) => names.flat().map((name) => shuffle(name, distance)));
    return [{name: 'scores', reads: [], writes: [], code: lines(code, ...steps.map((step) => step.join(' ')))}];
  }
  const publish = parts.map(
    ({begin}, product) => `memory[${begin}u + lane] = ${packed.pack(`vec4f(${names[product]!.join(', ')})`)};`,
  );
  const collect = parts.map(({begin}, product) => {
    const all = Array.from({length: threadsX}, (_, x) => packed.unpack(`memory[own + ${begin + x}u]`));
    const scores = names[product]!.map((name, j) => `${name} = sum${product}.${'xyzw'[j]};`);
    return lines(`let sum${product} = ${tree(all, (a, b) => `(${a} + ${b})`)};`, scores.join(' '));
  });
  return [
    {name: 'parts of scores', reads: [], writes: parts, code: lines(code, ...publish)},
    {name: 'scores', reads: parts, writes: [], code: lines(`let own = ty * ${threadsX}u;`, ...collect)},
  ];
}

/** Own columns of a row, the last one for invocations past its end; `inside` is when there is one, null for always. */
export function eachColumn(
  {columns}: Pick<RowAccess, 'columns'>,
  threadsX: number,
  text: (n: number, column: string, inside: string | null) => string,
): string {
  return each(ceilDiv(columns, threadsX), (n) => {
    const column = n === 0 ? 'tx' : `(tx + ${threadsX * n}u)`;
    if (threadsX * (n + 1) <= columns) return text(n, column, null);
    return text(n, `min(${column}, ${columns - 1}u)`, `${column} < ${columns}u`);
  });
}

/** A column that is there, else zeros. */
export const orZeros = (element: RowAccess['element'], column: string, inside: string | null): string =>
  inside === null ? column : `select(${element === 'vec4u' ? 'vec4u' : 'vec4f'}(), ${column}, ${inside})`;
