import {generateProduct, makeProductPlan, type Device, type Precision, type ProductPlan} from '../../src/pure.js';
import {productCall} from '../../src/runtime/products/product_call.js';
import {expectWithin} from '../oracle.js';
import {backend} from './attend.js';
import {emulated} from './emulated_matrices.js';
import {toHalf} from './halves.js';
import {drawProduct, isKept, productOracle, type RandomProduct} from './product_cases.js';
import {runProgram, type Contents} from './run_program.js';

interface PlanWishes {
  readonly precision?: Precision;
  /** Words of lists above which lists are bits. */
  readonly listWords?: number;
}

/** Compares what the kernels of a plan write with the oracle. Memory holds NaN, and so do blocks that do not count. */
export async function expectLaunches(
  given: RandomProduct,
  device: Device,
  {precision = 'float32', ...wishes}: PlanWishes,
): Promise<{readonly plan: ProductPlan; readonly names: readonly string[]}> {
  const drawn = drawProduct(given);
  const {a, b, c, options} = drawn;
  const {problem} = productCall(a.shape, b.shape, {...options, precision});
  const plan = makeProductPlan(problem, device, wishes);
  const {launches, schedule, workBytes} = generateProduct(plan);
  const nan = (count: number): Float32Array => new Float32Array(count).fill(NaN);
  const poisoned = (of: typeof a): Float32Array => of.values.map((value, at) => (isKept(of, at) ? value : NaN));
  const contents: Contents = {
    ...{a: poisoned(a), b: poisoned(b), schedule: new Int32Array(schedule.buffer), output: nan(c.values.length)},
    ...(workBytes.scratch === undefined ? {} : {scratch: nan(workBytes.scratch / 4)}),
  };
  const isRounded = plan.tile.matrix !== null;
  const {output} = await runProgram(backend().device, isRounded ? emulated(launches) : launches, contents, ['output']);
  const read = (of: typeof a): typeof a => (isRounded ? {...of, values: of.values.map(toHalf)} : of);
  const right = productOracle(given, {...drawn, a: read(a), b: read(b)}, new Float32Array(c.values.length));
  const found = output.subarray(0, right.output.length);
  expectWithin(found, right.output, 4e-6 * Math.sqrt(given.k), JSON.stringify(given));
  return {plan, names: launches.map(({program}) => program.name)};
}
