import {io} from '@tensorflow/tfjs-core';
import {Constants} from '../../src/model/graph/constants.js';

const bytes = (...values: number[]): ArrayBuffer => Uint8Array.from(values).buffer;

describe('the constants of a graph', () => {
  it('are read in their order, whatever lies between', () => {
    const specs: io.WeightsManifestEntry[] = [
      {name: 'words', shape: [2], dtype: 'string'},
      {name: 'scale', shape: [], dtype: 'float32'},
      {name: 'flags', shape: [3], dtype: 'bool'},
      {name: 'complex', shape: [1], dtype: 'complex64'},
      {name: 'perm', shape: [4], dtype: 'int32'},
    ];
    const data = io.CompositeArrayBuffer.join([
      bytes(2, 0, 0, 0, 104, 105, 0, 0, 0, 0),
      Float32Array.of(0.125).buffer,
      bytes(1, 0, 1),
      Float32Array.of(1, 2).buffer,
      Int32Array.of(0, 2, 1, 3).buffer,
    ]);
    const constants = new Constants(specs, data);
    expect(constants.uniform('scale')).toBe(0.125);
    expect(constants.values('perm')).toEqual([0, 2, 1, 3]);
    expect(constants.shape('flags')).toEqual([3]);
    expect(constants.values('words')).toBeUndefined();
    expect(constants.uniform('perm')).toBeUndefined();
    expect(constants.uniform('unheard of')).toBeUndefined();
  });

  it('are dequantized as TensorFlow.js does', () => {
    const quantized = (
      name: string,
      quantization: io.WeightsManifestEntry['quantization'],
      dtype: 'float32' | 'int32' = 'float32',
    ) => ({
      name,
      shape: [],
      dtype,
      quantization,
    });
    const specs: io.WeightsManifestEntry[] = [
      quantized('byte', {dtype: 'uint8', min: 0.125, scale: 1}),
      quantized('short', {dtype: 'uint16', min: -1, scale: 0.001}),
      quantized('half', {dtype: 'float16'}),
      quantized('tiny half', {dtype: 'float16'}),
      quantized('whole', {dtype: 'uint8', min: -3, scale: 2}, 'int32'),
    ];
    const constants = new Constants(specs, bytes(0, 0xe8, 0x03, 0x00, 0xb0, 0x01, 0x00, 5));
    expect(constants.uniform('byte')).toBe(0.125);
    expect(constants.uniform('short')).toBe(Math.fround(1000 * 0.001 - 1));
    expect(constants.uniform('half')).toBe(-0.125);
    expect(constants.uniform('tiny half')).toBe(2 ** -24);
    expect(constants.values('whole')).toEqual([7]);
  });

  it('are read across the shards of a weight file', () => {
    const whole = new Uint8Array(Float32Array.of(1, 0.5, 2).buffer);
    const shards = [whole.slice(0, 5).buffer, whole.slice(5, 7).buffer, whole.slice(7).buffer];
    const specs = ['a', 'b', 'c'].map((name) => ({name, shape: [1, 1], dtype: 'float32' as const}));
    const constants = new Constants(specs, shards);
    expect(specs.map(({name}) => constants.uniform(name))).toEqual([1, 0.5, 2]);
  });

  it('are unknown where the weight data is missing or cut off', () => {
    const specs = [
      {name: 'words', shape: [2], dtype: 'string' as const},
      {name: 'scale', shape: [], dtype: 'float32' as const},
    ];
    expect(new Constants(specs, undefined).uniform('scale')).toBeUndefined();
    expect(new Constants(specs, bytes(0, 0, 0, 0, 0, 0, 0, 0, 1, 2)).uniform('scale')).toBeUndefined();
  });
});
