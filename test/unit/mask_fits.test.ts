import type {TensorInfo} from '@tensorflow/tfjs-core';
import {compileMaskTensor} from '../../src/pure.js';
import {SplatError} from '../../src/support/index.js';
import type {Host} from '../../src/runtime/host/backend.js';
import {Pipelines} from '../../src/runtime/host/pipelines.js';
import {checkBuffersFit} from '../../src/runtime/launch/fits.js';
import {problemFor, SOFTWARE_DEVICE} from '../support/plans.js';

const LIMITS = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupsPerDimension: 65535,
};
const CURE =
  'Split the batch, the heads or the queries over several calls. Or give the mask 1 on axes along which it repeats, or a pattern in its place.';

/** What is thrown of a mask tensor of a shape, where a binding takes so many bytes and a buffer so many. */
function refusalOf(shape: readonly [number, number, number, number], most: number, buffer = most): unknown {
  // Which cuts no rows into parts, so that scratch is small.
  const problem = problemFor({queryLength: 1000, keyLength: 2000, queryOffset: 0}, {batch: 2, heads: 2, headDim: 4});
  const host = {
    device: {limits: {...LIMITS, maxStorageBufferBindingSize: most, maxBufferSize: buffer}},
    pipelines: new Pipelines({} as GPUDevice),
  } as unknown as Host;
  const mask: TensorInfo = {dataId: {}, shape: [...shape], dtype: 'bool'};
  try {
    checkBuffersFit(host, compileMaskTensor(problem, SOFTWARE_DEVICE, shape), {mask}, {});
    return null;
  } catch (error) {
    return error;
  }
}

describe('a mask tensor too large for one binding', () => {
  it('is refused with its bytes, the limit and the cure', () => {
    const bytes = 4 * 2 * 1000 * 2000;
    expect(refusalOf([1, 2, 1000, 2000], bytes)).toBeNull();
    const refusal = refusalOf([1, 2, 1000, 2000], bytes - 4);
    expect(refusal).toBeInstanceOf(SplatError);
    expect((refusal as SplatError).message).toBe(
      `bytes of mask: found 16000000, expected at most 15999996 (maxStorageBufferBindingSize of this device). ${CURE}`,
    );
    expect((refusalOf([1, 2, 1000, 2000], bytes, bytes - 4) as SplatError).message).toContain('15999996 (maxBufferSize of');
  });

  it('is refused where its packed bits alone are: a column of one element for all keys', () => {
    const bits = (8 * 2 * 2 * 1000 * 2000) / 64;
    const {message} = refusalOf([2, 2, 1000, 1], bits / 2) as SplatError;
    // 2,000 keys are 32 pairs a row.
    const packed = 8 * 2 * 2 * 1000 * 32;
    expect(message).toMatch(
      new RegExp(`^bytes of schedule, ${packed} of them bits of mask: found \\d+, expected at most ${bits / 2} \\(maxStorage`),
    );
    expect(message).toContain(CURE);
    const [, found] = /found (\d+)/.exec(message)!;
    expect(Number(found)).toBeGreaterThan(packed);
    expect(refusalOf([2, 2, 1000, 1], Number(found))).toBeNull();
    expect(refusalOf([2, 2, 1000, 1], Number(found) - 1)).not.toBeNull();
  });
});
