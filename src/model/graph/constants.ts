import {io, util} from '@tensorflow/tfjs-core';

/** The largest constant that is read: masks up to 4,096 x 4,096. */
const LONGEST_CONSTANT = 2 ** 24;

/**
 * The constants of a converted model.
 *
 * A converted graph holds no values: every `Const` node is empty and its value lies in the weight files. They are read here byte by
 * byte, because `tf.io.decodeWeights` would make a tensor of every weight, and needs a backend before the model has one.
 */
export class Constants {
  private readonly offsets = new Map<string, number>();
  private readonly specs = new Map<string, io.WeightsManifestEntry>();
  private readonly read = new Map<string, readonly number[] | undefined>();
  private readonly added = new Map<string, ArrayBuffer>();
  private readonly bytes: io.CompositeArrayBuffer;
  /** Bytes that the specs ask for, and that are there. */
  readonly expectedBytes: number;
  readonly foundBytes: number;

  constructor(specs: readonly io.WeightsManifestEntry[], data: io.WeightData | undefined) {
    this.bytes = new io.CompositeArrayBuffer(data ?? new ArrayBuffer(0));
    let offset = 0;
    for (const spec of specs) {
      this.specs.set(spec.name, spec);
      this.offsets.set(spec.name, offset);
      offset += this.byteLength(spec, offset);
    }
    this.expectedBytes = offset;
    this.foundBytes = this.bytes.byteLength;
  }

  /** Another name and shape for the bytes of a weight. */
  rename(from: string, spec: io.WeightsManifestEntry): void {
    const [offset, own] = [this.offsets.get(from), this.added.get(from)];
    if (offset !== undefined) this.offsets.set(spec.name, offset);
    if (own !== undefined) this.added.set(spec.name, own);
    for (const map of [this.specs, this.offsets, this.added]) map.delete(from);
    this.read.delete(from);
    this.specs.set(spec.name, spec);
  }

  /** One more weight, with its bytes. */
  add(spec: io.WeightsManifestEntry, data: ArrayBuffer): void {
    this.specs.set(spec.name, spec);
    this.added.set(spec.name, data);
    this.read.delete(spec.name);
  }

  /** One weight less. */
  remove(name: string): void {
    for (const map of [this.specs, this.offsets, this.added, this.read]) map.delete(name);
  }

  /** The bytes of a weight in the files: its first, and the one behind its last. */
  rangeOf(name: string): readonly [number, number] | undefined {
    const [spec, offset] = [this.specs.get(name), this.offsets.get(name)];
    return spec && offset !== undefined ? [offset, offset + this.byteLength(spec, offset)] : undefined;
  }

  spec(name: string): io.WeightsManifestEntry | undefined {
    return this.specs.get(name);
  }

  /** The bytes of a weight as they are in the files. */
  bytesOf(name: string): ArrayBuffer | undefined {
    const [own, range] = [this.added.get(name), this.rangeOf(name)];
    if (own !== undefined || range === undefined) return own;
    return range[1] > this.bytes.byteLength ? undefined : this.bytes.slice(...range);
  }

  /** The shape of a weight, or undefined when there is no weight of this name. */
  shape(name: string): readonly number[] | undefined {
    return this.specs.get(name)?.shape;
  }

  dtype(name: string): string | undefined {
    return this.specs.get(name)?.dtype;
  }

  has(name: string): boolean {
    return this.specs.has(name);
  }

  /** The values of a numeric or boolean weight, dequantized as TensorFlow.js will; undefined for all others, and for huge ones. */
  values(name: string): readonly number[] | undefined {
    if (!this.read.has(name)) this.read.set(name, this.decoded(name));
    return this.read.get(name);
  }

  private decoded(name: string): readonly number[] | undefined {
    const spec = this.specs.get(name);
    if (spec === undefined || !['float32', 'int32', 'bool'].includes(spec.dtype)) return undefined;
    const count = util.sizeFromShape(spec.shape);
    if (count > LONGEST_CONSTANT) return undefined;
    const bytes = this.bytesOf(name);
    return bytes && decode(spec, bytes);
  }

  /** The numbers of a float32 weight, dequantized as TensorFlow.js will. Not remembered: weights are large. */
  floats(name: string): Float32Array | undefined {
    const [spec, bytes] = [this.specs.get(name), this.bytesOf(name)];
    return spec?.dtype === 'float32' && bytes !== undefined ? decodeFloats(spec, bytes) : undefined;
  }

  /** The one value that all elements of a weight have. */
  uniform(name: string): number | undefined {
    const values = this.values(name);
    const [first] = values ?? [];
    return first !== undefined && values!.every((value) => value === first) ? first : undefined;
  }

  private byteLength(spec: io.WeightsManifestEntry, offset: number): number {
    const count = util.sizeFromShape(spec.shape);
    if (spec.quantization !== undefined) return count * BYTES[spec.quantization.dtype];
    if (spec.dtype !== 'string') return count * BYTES[spec.dtype];
    let length = 0; // Each string is a uint32 byte count and that many bytes.
    for (let i = 0; i < count && offset + length + 4 <= this.bytes.byteLength; i++) {
      const at = offset + length;
      length += 4 + new DataView(this.bytes.slice(at, at + 4)).getUint32(0, true);
    }
    return length;
  }
}

const BYTES = {float32: 4, int32: 4, complex64: 8, bool: 1, uint8: 1, uint16: 2, float16: 2};

function decode(spec: io.WeightsManifestEntry, bytes: ArrayBuffer): number[] {
  const {quantization, dtype} = spec;
  if (dtype === 'bool') return Array.from(new Uint8Array(bytes));
  if (dtype === 'float32') return Array.from(decodeFloats(spec, bytes));
  if (quantization === undefined) return Array.from(new Int32Array(bytes));
  return Array.from(codesOf(quantization, bytes), (code) => Math.round(dequantized(quantization, code)));
}

function decodeFloats({quantization}: io.WeightsManifestEntry, bytes: ArrayBuffer): Float32Array {
  if (quantization === undefined) return new Float32Array(bytes);
  if (quantization.dtype === 'float16') return Float32Array.from(new Uint16Array(bytes), halfToNumber);
  return Float32Array.from(codesOf(quantization, bytes), (code) => dequantized(quantization, code));
}

type Quantization = NonNullable<io.WeightsManifestEntry['quantization']>;

const codesOf = ({dtype}: Quantization, bytes: ArrayBuffer): Uint8Array | Uint16Array =>
  dtype === 'uint8' ? new Uint8Array(bytes) : new Uint16Array(bytes);
const dequantized = ({scale = 1, min = 0}: Quantization, code: number): number => code * scale + min;

function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
