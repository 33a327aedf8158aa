import {io} from '@tensorflow/tfjs-core';

/**
 * Buffers of weights as TensorFlow.js reads them (4.22): it reads past one that is empty, and where all but the last are of one length it
 * takes the last for no longer.
 */
export function weightFiles(pieces: readonly ArrayBuffer[]): ArrayBuffer[] {
  const files = pieces.filter(({byteLength}) => byteLength > 0);
  const lengths = files.map(({byteLength}) => byteLength);
  const last = lengths.pop();
  const isMisread = lengths.length > 0 && lengths.every((length) => length === lengths[0]) && last! > lengths[0]!;
  return isMisread ? [io.CompositeArrayBuffer.join(files)] : files;
}
