import {compileMaskTensor, CORE_DEVICE} from '../../src/pure.js';
import {mulberry32} from '../oracle.js';
import {backend} from '../support/attend.js';
import {problemFor} from '../support/plans.js';
import {runProgram} from '../support/run_program.js';

/** What a mask may hold that is not false: a cast or a kernel of TensorFlow.js gives 1, bytes of a user anything. */
const TRUE = [1, 2, 255, -1, 1 << 31, 0x7fc00000];
const NOT_A_NUMBER = 0x7fc00000;

interface Mask {
  readonly shape: readonly [number, number, number, number];
  readonly keyLength: number;
  readonly queryLength: number;
  readonly seed: number;
}

/** Blocks of 32 that hold nothing, all or some: of integers, row by row. */
function draw({shape: [batch, heads, rows, keys], seed}: Mask): Int32Array {
  const random = mulberry32(seed);
  const kinds = Array.from({length: 97}, () => random());
  return Int32Array.from({length: batch * heads * rows * keys}, (_, at) => {
    const [key, row] = [at % keys, Math.floor(at / keys)];
    const kind = kinds[((row >> 5) * 5 + (key >> 5)) % 97]!;
    const truth = TRUE[Math.floor(random() * TRUE.length)]!;
    return kind < 0.35 || (kind > 0.7 && random() < 0.5) ? 0 : truth;
  });
}

/** The words that packMask and maskStates leave behind the schedule, from what they mean. */
function expectedWords({shape: [batch, heads, rows, keys], keyLength}: Mask, mask: Int32Array, tileRows: number): number[] {
  const perRow = 2 * Math.ceil(keyLength / 64);
  const attends = (row: number, key: number): boolean => key < keyLength && mask[keys === 1 ? row : row * keys + key] !== 0;
  const bits: number[] = [];
  for (let row = 0; row < batch * heads * rows; row++)
    for (let word = 0; word < perRow; word++) {
      let packed = 0;
      for (let bit = 0; bit < 32; bit++) if (attends(row, 32 * word + bit)) packed |= 1 << bit;
      bits.push(packed);
    }
  const states: number[] = [];
  for (let plane = 0; plane < batch * heads; plane++)
    for (let first = 0; first < rows; first += tileRows)
      for (let word = 0; word < perRow; word++) {
        const words = Array.from(
          {length: Math.min(tileRows, rows - first)},
          (_, x) => bits[(plane * rows + first + x) * perRow + word]!,
        );
        states.push(words.every((each) => each === 0) ? 0 : words.every((each) => each === -1) ? 2 : 1);
      }
  return [...bits, ...states];
}

describe('on WebGPU, a mask tensor', () => {
  const seed = (Date.now() % 100_000) * 10;

  it('becomes bits and what tiles hold, whatever its sizes, broadcast axes and integers, and memory behind it and under it', async () => {
    const random = mulberry32(seed);
    const cases: Mask[] = [];
    for (const keyLength of [1, 3, 4, 31, 32, 60, 63, 64, 66, 100, 128, 131, 200])
      for (let turn = 0; turn < 2; turn++) {
        const queryLength = 1 + Math.floor(random() * 80);
        const ones = Math.floor(random() * 16);
        const axis = (index: number, size: number): number => ((ones >> index) & 1 ? 1 : size);
        // Of keys either all or one, in turn.
        const shape = [axis(0, 2), axis(1, 3), axis(2, queryLength), turn === 0 ? keyLength : axis(3, keyLength)] as const;
        cases.push({shape, keyLength, queryLength, seed: seed + cases.length});
      }
    for (const each of cases) {
      const {shape, keyLength, queryLength} = each;
      const problem = problemFor({queryLength, keyLength, queryOffset: 0}, {batch: 2, heads: 3, headDim: 4});
      const {launches, tail, plan} = compileMaskTensor(problem, CORE_DEVICE, shape);
      const drawn = draw(each);
      // Behind the tensor lie NaN, where a wrong index would find true, and under what is written, too.
      const mask = new Int32Array(drawn.length + 256).fill(NOT_A_NUMBER);
      mask.set(drawn);
      const schedule = new Int32Array(2 * tail.pairs + 64).fill(NOT_A_NUMBER);
      schedule.set(plan.schedule);
      const names = launches.slice(0, 2).map(({program}) => program.name);
      expect(names).toEqual(['SparseAttention.packMask', 'SparseAttention.maskStates']);
      const found = await runProgram(backend().device, launches.slice(0, 2), {mask, schedule}, ['schedule']);
      const words = new Int32Array(found.schedule.buffer);
      const what = `[${shape.join()}] of ${queryLength} × ${keyLength}, seed ${each.seed}`;
      const from = 2 * tail.maskBits;
      const right = expectedWords(each, drawn, plan.tile.rows);
      expect([...words.slice(from, from + right.length)])
        .withContext(what)
        .toEqual(right);
      expect([...words.slice(0, from)])
        .withContext(`the schedule, ${what}`)
        .toEqual([...plan.schedule]);
      expect(words.slice(from + right.length, schedule.length).every((word) => word === NOT_A_NUMBER))
        .withContext(`what lies behind, ${what}`)
        .toBeTrue();
    }
  });
});
