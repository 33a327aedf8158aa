import {compile, compileMaskTensor, PLAIN, type Compiled} from '../../../src/pure.js';
import {fromMask} from '../../../src/pattern/index.js';
import {mulberry32, withinLengths, type Attends} from '../../oracle.js';
import {backend} from '../../support/attend.js';
import {emulated} from '../../support/emulated_matrices.js';
import {expectLaw} from '../../support/half_law.js';
import {gaussianInputs} from '../../support/matrix_cases.js';
import {featuredDevice, MATRIX_16, problemFor} from '../../support/plans.js';
import {runProgram, type Contents} from '../../support/run_program.js';

const [batch, queryLength, keyLength, headDim] = [2, 150, 200, 16];
const problem = problemFor({queryLength, keyLength, queryOffset: 0}, {batch, headDim});
const inputs = gaussianInputs(problem);
const device = featuredDevice(MATRIX_16);
/** The second finds scores that outgrow any reference. */
const SCALES = [1 / Math.sqrt(headDim), 6];

/** As wide as a state: nothing, all, or some. Of one sequence, the second tile of rows has no key at all; nor has one row of any. */
const blocks: Attends = (q, k, b) => {
  const tile = q >> 7;
  if (q === 40 || (tile === 1 && b === 1)) return false;
  const drawn = mulberry32(1 + (k >> 5) + 16 * tile + 64 * b)();
  return drawn < 0.45 ? false : drawn < 0.75 || (q * 5 + k * 3) % 7 < 3;
};

/** The output of the kernels of a call, in memory that holds NaN. */
async function outputOf({launches, plan, tail, workBytes}: Compiled, more: Contents, scale: number): Promise<Float32Array> {
  const names = launches.map(({program}) => program.name.replace('SparseAttention.', ''));
  expect(names).toEqual(jasmine.arrayContaining(['convert', 'attendMatrix', 'repair']));
  const nan = (bytes: number): Float32Array => new Float32Array(bytes / 4).fill(NaN);
  const schedule = new Int32Array(2 * tail.pairs).fill(0x7fc00000);
  schedule.set(plan.schedule);
  const work = Object.fromEntries(Object.entries(workBytes).map(([role, bytes]) => [role, nan(bytes)]));
  const output = nan(4 * batch * queryLength * headDim);
  const contents: Contents = {...work, query: inputs.query, key: inputs.key, value: inputs.value, schedule, output, ...more};
  return (await runProgram(backend().device, emulated(launches), contents, ['output'], {scale})).output;
}

// A software adapter compiles two of these kernels for half a minute, on a busy machine for a minute.
const SLOW = 600_000;

describe('the text of kernels for tensor cores, on a device without them,', () => {
  it(
    'goes through a mask tensor from one tile that holds something to the next',
    async () => {
      const shapes = [
        [batch, 1, queryLength, keyLength],
        [1, 1, 1, keyLength],
      ] as const;
      for (const shape of shapes) {
        const [planes, , rows] = shape;
        const attends: Attends = (q, k, b) => blocks(q % rows, k, b % planes, 0);
        const mask = Int32Array.from({length: planes * rows * keyLength}, (_, at) => {
          const row = Math.floor(at / keyLength);
          return Number(attends(row % rows, at % keyLength, Math.floor(row / rows), 0));
        });
        const compiled = compileMaskTensor(problem, device, shape, {precision: 'float16', features: {...PLAIN, lengths: true}});
        // Each shape with both lengths and both scales, each of these with both of the others.
        const lengths = [
          [keyLength, keyLength],
          [keyLength - 30, 9],
        ];
        for (const [index, scale] of (planes === 1 ? SCALES.toReversed() : SCALES).entries()) {
          const keyLengths = lengths[index]!;
          const found = await outputOf(compiled, {mask, keyLengths: Int32Array.from(keyLengths)}, scale);
          const what = `[${shape.join()}], lengths ${keyLengths.join()}, scale ${scale}`;
          expectLaw(found, inputs, withinLengths(attends, keyLengths), {scale}, what);
        }
      }
    },
    SLOW,
  );

  it(
    'goes through the spans that a known mask has in the dense kernel',
    async () => {
      const attends: Attends = (q, k) => blocks(q, k, 0, 0);
      const words = Uint8Array.from({length: queryLength * keyLength}, (_, at) =>
        Number(attends(Math.floor(at / keyLength), at % keyLength, 0, 0)),
      );
      const pattern = fromMask(words, {queryLength, keyLength});
      const compiled = compile(pattern, problem, device, {precision: 'float16', implementation: 'dense'});
      for (const scale of SCALES) expectLaw(await outputOf(compiled, {}, scale), inputs, attends, {scale}, `scale ${scale}`);
    },
    SLOW,
  );
});
