import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';
import {readBlockMask, type BlockMask, type MaskName} from '../../pure.js';
import {checkAlive, shapeOf} from '../given/arguments.js';
import {Host} from '../host/backend.js';
import {isOnCpu} from '../host/on_cpu.js';
import type {BlockMaskInput} from './options.js';

type Sizes = Parameters<typeof readBlockMask>[2];

/** What was read of mask tensors, by their data: tensors do not change. */
const read = new WeakMap<object, Map<string, BlockMask>>();

/** A mask as a caller gave it, packed; null where there is none. */
export function maskGiven(name: MaskName, given: BlockMaskInput | undefined, sizes: Sizes): BlockMask | null {
  if (given === undefined) return null;
  if (!(given instanceof tf.Tensor)) return readBlockMask(`option ${name}`, given, sizes);
  const tensor = checkAlive(`option ${name}`, given);
  const {rows, columns, matrices} = sizes;
  checkMaskTensor(name, tensor, sizes);
  let known = read.get(tensor.dataId);
  if (known === undefined) read.set(tensor.dataId, (known = new Map<string, BlockMask>()));
  const key = [rows, columns, matrices].join();
  let mask = known.get(key);
  if (mask === undefined) known.set(key, (mask = readBlockMask(`option ${name}`, valuesOf(name, tensor), sizes)));
  return mask;
}

function checkMaskTensor(name: MaskName, tensor: Tensor, {rows, columns, matrices}: Sizes): void {
  if (tensor.dtype !== 'bool')
    refuse(
      `option ${name}`,
      `dtype ${tensor.dtype}`,
      'dtype bool',
      `Compare it first: tf.greater(${name}, 0), or tf.cast(${name}, 'bool').`,
    );
  const own = tensor.shape.slice(0, -2).reduce((a, b) => a * b, 1);
  if (tensor.rank >= 2 && tensor.shape.at(-2) === rows && tensor.shape.at(-1) === columns && (own === 1 || own === matrices))
    return;
  const more = matrices === 1 ? '' : `, or ${matrices} of them`;
  const cure = 'It has an entry for each block of the operand as it lies in memory, whatever is transposed; check blockSize.';
  refuse(`option ${name}`, `shape ${shapeOf(tensor)}`, `[${rows}, ${columns}] blocks${more}`, cure);
}

function valuesOf(name: MaskName, tensor: Tensor): Uint8Array {
  const host = Host.of(tf.backend());
  if (host !== null && !isOnCpu(host, tensor)) {
    const cure = `Read it once and pass the array, to all calls: {${name}: await ${name}.data()}.`;
    refuse(`option ${name}`, 'a tensor on a device that answers later', 'an array, or a tensor whose numbers the CPU has', cure);
  }
  return tensor.dataSync<'bool'>();
}
