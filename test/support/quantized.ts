import {io, util} from '@tensorflow/tfjs-core';
import {Constants} from '../../src/model/graph/constants.js';

/** The same model with its float weights quantised, each by its own scale, as `tensorflowjs_converter --quantize_…` writes them. */
export function quantized(artifacts: io.ModelArtifacts, dtype: 'uint8' | 'uint16' | 'float16'): io.ModelArtifacts {
  const constants = new Constants(artifacts.weightSpecs!, artifacts.weightData);
  const entries = artifacts.weightSpecs!.map((spec) => {
    if (spec.dtype !== 'float32') return {spec, data: constants.bytesOf(spec.name)!};
    const values = constants.values(spec.name)!;
    if (dtype === 'float16') return {spec: {...spec, quantization: {dtype}}, data: Uint16Array.from(values, toHalf).buffer};
    const levels = dtype === 'uint8' ? 255 : 65535;
    const [min, max] = [Math.min(...values), Math.max(...values)];
    const scale = util.sizeFromShape(spec.shape) === 0 || max === min ? 1 : (max - min) / levels;
    const codes = values.map((value) => Math.round((value - min) / scale));
    const data = dtype === 'uint8' ? Uint8Array.from(codes) : Uint16Array.from(codes);
    return {spec: {...spec, quantization: {dtype, scale, min}}, data: data.buffer};
  });
  return {
    ...artifacts,
    weightSpecs: entries.map(({spec}) => spec as io.WeightsManifestEntry),
    weightData: io.CompositeArrayBuffer.join(entries.map(({data}) => data as ArrayBuffer)),
  };
}

/** The nearest half of a number of ordinary size; smaller ones are 0. */
function toHalf(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const exponent = ((bits >> 23) & 0xff) - 112;
  const sign = (bits >> 16) & 0x8000;
  if (exponent <= 0) return sign;
  if (exponent >= 31) return sign | 0x7bff;
  return sign | ((exponent << 10) + (((bits & 0x7fffff) + 0x1000) >> 13));
}
