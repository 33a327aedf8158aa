import {refuse} from './errors.js';
import {say} from './say.js';

/** A BigInt that 32 bits hold as the number it is; anything else as it came. Tokenizers give their ids and masks as BigInt. */
export function plainNumber(value: unknown): unknown {
  return typeof value === 'bigint' && BigInt.asIntN(32, value) === value ? Number(value) : value;
}

/** Float64Array is not among them: it holds what the kernels would round. */
const LISTS = /^\[object (?:Array|Float32Array|Int(?:8|16|32)Array|Uint(?:8|8Clamped|16|32)Array|Big(?:Int|Uint)64Array)\]$/;

/** Whether `value` is an array of any depth or a typed array, also one of another realm. */
export const isList = (value: unknown): value is ArrayLike<unknown> => LISTS.test(Object.prototype.toString.call(value));

/** A dense block of numbers, row-major. */
export interface NumberBlock {
  readonly values: Float32Array | Int32Array;
  readonly shape: number[];
}

/** Nested or typed arrays as a block. Nothing is guessed: rows of other lengths, holes and all that is no number are refused. */
export function readNumbers(name: string, list: ArrayLike<unknown>, kind: 'float32' | 'int32'): NumberBlock {
  const shape: number[] = [];
  for (let part: unknown = list; isList(part); part = part[0]) {
    shape.push(part.length);
    if (part.length === 0) break;
  }
  if (kind === 'float32' && list instanceof Float32Array) return {values: list, shape};
  const size = shape.reduce((a, b) => a * b, 1);
  const values = kind === 'float32' ? new Float32Array(size) : new Int32Array(size);
  let end = 0;
  const read = (part: ArrayLike<unknown>, depth: number): void => {
    if (part.length !== shape[depth]) refuseRagged(name);
    const isRow = depth === shape.length - 1;
    for (let i = 0; i < part.length; i++) {
      const entry = part[i];
      if (isList(entry)) {
        if (isRow) refuseRagged(name);
        read(entry, depth + 1);
      } else {
        const number = plainNumber(entry);
        const fits = typeof number === 'number' && (kind === 'float32' || number === (number | 0));
        if (!fits) refuseEntry(name, entry, kind);
        if (!isRow) refuseRagged(name);
        values[end++] = number as number;
      }
    }
  };
  read(list, 0);
  return {values, shape};
}

function refuseRagged(name: string): never {
  return refuse(name, 'rows of different lengths', 'nested arrays that form a block of numbers', 'Pad the shorter rows.');
}

function refuseEntry(name: string, entry: unknown, kind: 'float32' | 'int32'): never {
  const cure =
    entry == null ? 'Fill the gaps.' : typeof entry === 'bigint' ? 'A BigInt may be −2³¹ to 2³¹ − 1.' : 'Look where it comes from.';
  const expected = kind === 'float32' ? 'nested arrays of numbers' : 'whole numbers from −2³¹ to 2³¹ − 1';
  return refuse(name, `${say(entry)} among the numbers`, expected, cure);
}
