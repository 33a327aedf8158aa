import {causal, perHead, planAttention, type Device} from '../../src/index.js';
import {CORE_DEVICE, REFERENCE} from '../../src/plan/index.js';
import {refusal} from '../support/errors.js';

const plan = (changes: object): ReturnType<typeof planAttention> => {
  const device = {...CORE_DEVICE, ...changes} as Device;
  return planAttention(causal(), {queryLength: 300, keyLength: 300, headDim: 64, implementation: 'fused', device});
};

describe('a device that a caller spells', () => {
  it('may say something else of the GPU than the reference, and leaves out what is undefined', () => {
    const pairs = plan({}).toDense();
    for (const gpu of [
      undefined,
      {},
      {multiprocessors: undefined, workgroupMemory: null},
      {multiprocessors: 4, flopsPerMs: {wide: 1e9}},
      Object.fromEntries(Object.keys(REFERENCE).map((name) => [name, undefined])),
    ]) {
      const made = plan({gpu});
      expect(made.toDense())
        .withContext(JSON.stringify(gpu) ?? 'undefined')
        .toEqual(pairs);
      expect(made.costMs).toBeGreaterThan(0);
    }
    expect(plan({gpu: {multiprocessors: 4}}).costMs).toBeGreaterThan(plan({}).costMs);
  });

  it('is refused where it is none, before anything is planned', () => {
    for (const name of Object.keys(REFERENCE).filter((each) => each !== 'flopsPerMs'))
      for (const value of [NaN, 0, -1, Infinity, '8', true])
        expect(refusal(() => plan({gpu: {[name]: value}})).thing).toBe(`device.gpu.${name}`);
    for (const gpu of ['H200', 5, [], Promise.resolve({})]) expect(refusal(() => plan({gpu})).thing).toBe('device.gpu');
    expect(refusal(() => plan({gpu: {multiprocesors: 4}})).cure).toContain("'multiprocessors'");
    expect(refusal(() => plan({gpu: {flopsPerMs: 3}})).thing).toBe('device.gpu.flopsPerMs');
    expect(refusal(() => plan({gpu: {flopsPerMs: {wide: NaN}}})).thing).toBe('device.gpu.flopsPerMs.wide');
    for (const [name, value] of Object.entries({tuned: null, matrices: null, maxInvocations: NaN, float16: 1, vendor: null}))
      expect(refusal(() => plan({[name]: value})).thing).toBe(`device.${name}`);
    expect(refusal(() => plan({matrices: {}})).expected).toBe('an array');
  });

  it('has room for as many heads as a call may have', () => {
    const heads = 65535;
    const made = planAttention(perHead(new Array(heads).fill(causal())), {queryLength: 4, keyLength: 4, headDim: 4, heads});
    expect([...made.toDense({head: heads - 1})]).toEqual([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1]);
  });
});
