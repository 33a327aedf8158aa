import {listOf} from '../../support/index.js';
import type {BlockMask, ProductProblem} from '../../pure.js';
import type {ProductCall} from './product_call.js';

/** The gradient of an operand as a product: of which tensors. */
export interface GradientCall {
  readonly left: 'a' | 'b' | 'dOutput';
  readonly right: 'a' | 'b' | 'dOutput';
  readonly call: ProductCall;
}

/** Gradients may be smaller than the smallest half, 6e-8. */
const precision = 'float32';

/** dA = dC · Bᵀ under A's mask; the mask of the output is that of dC. Where A lies transposed, so does its gradient. */
export function gradientOfA({problem, lead}: ProductCall): GradientCall {
  const {m, k, n, block, transposeA, transposeB, maskA, maskB, maskC, matricesA, matricesB} = problem;
  const ofProducts = Int32Array.from(matricesB.keys());
  const wanted = maskOfProducts(maskA, matricesA);
  const own: ProductProblem = transposeA
    ? {
        ...{m: k, k: n, n: m, block: {m: block.k, k: block.n, n: block.m}, transposeA: transposeB, transposeB: true},
        ...{matricesA: matricesB, matricesB: ofProducts, maskA: maskB, maskB: maskC, maskC: wanted, precision},
      }
    : {
        ...{m, k: n, n: k, block: {m: block.m, k: block.n, n: block.k}, transposeA: false, transposeB: !transposeB},
        ...{matricesA: ofProducts, matricesB, maskA: maskC, maskB, maskC: wanted, precision},
      };
  const [left, right] = transposeA ? (['b', 'dOutput'] as const) : (['dOutput', 'b'] as const);
  return {left, right, call: {problem: own, lead}};
}

/** dB = Aᵀ · dC under B's mask. */
export function gradientOfB({problem, lead}: ProductCall): GradientCall {
  const {m, k, n, block, transposeA, transposeB, maskA, maskB, maskC, matricesA, matricesB} = problem;
  const ofProducts = Int32Array.from(matricesA.keys());
  const wanted = maskOfProducts(maskB, matricesB);
  const own: ProductProblem = transposeB
    ? {
        ...{m: n, k: m, n: k, block: {m: block.n, k: block.m, n: block.k}, transposeA: true, transposeB: transposeA},
        ...{matricesA: ofProducts, matricesB: matricesA, maskA: maskC, maskB: maskA, maskC: wanted, precision},
      }
    : {
        ...{m: k, k: m, n, block: {m: block.k, k: block.m, n: block.n}, transposeA: !transposeA, transposeB: false},
        ...{matricesA, matricesB: ofProducts, maskA, maskB: maskC, maskC: wanted, precision},
      };
  const [left, right] = transposeB ? (['dOutput', 'a'] as const) : (['a', 'dOutput'] as const);
  return {left, right, call: {problem: own, lead}};
}

/** The mask of an operand, whose matrices products share, as a mask of products. */
function maskOfProducts(mask: BlockMask | null, matrices: Int32Array): BlockMask | null {
  if (mask === null || mask.of.length === 1) return mask;
  const of = Int32Array.from(listOf(matrices.length, (product) => mask.of[matrices[product]!]!));
  return {...mask, of, key: `${mask.key}@${of.join()}`};
}
