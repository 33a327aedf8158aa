import {readBlockMask, type ProductProblem} from '../../src/product/index.js';

/** Products of all kinds of tiles: blocks of each size in either operand, both, neither, and in the output; transposed; ragged. */
export function* everyProduct(): Generator<ProductProblem> {
  const turns = [false, true] as const;
  for (const side of [8, 12, 16, 20, 32, 60, 64, 68, 96, 128])
    for (const masks of ['a', 'b', 'c', 'ab', ''])
      for (const transposeA of turns)
        for (const transposeB of turns) {
          if (masks !== 'ab' && transposeA !== transposeB) continue;
          yield productOf(side === 12 ? 1201 : 15 * side, side, masks, transposeA, transposeB);
        }
  for (const sides of [1, 9, 17, 33, 200, 1024]) yield productOf(sides, 32, '', false, false);
}

function productOf(sides: number, side: number, masks: string, transposeA: boolean, transposeB: boolean): ProductProblem {
  const blocks = Math.ceil(sides / side);
  const mask = readBlockMask(
    'mask',
    Array.from({length: blocks ** 2}, (_, i) => i % 2),
    {rows: blocks, columns: blocks, matrices: 1},
  );
  const given = (name: string): typeof mask | null => (masks.includes(name) ? mask : null);
  return {
    ...{m: sides, k: sides, n: sides, block: {m: side, k: side, n: side}, transposeA, transposeB},
    ...{
      matricesA: new Int32Array(1),
      matricesB: new Int32Array(1),
      maskA: given('a'),
      maskB: given('b'),
      maskC: given('c'),
      precision: 'float32',
    },
  };
}
