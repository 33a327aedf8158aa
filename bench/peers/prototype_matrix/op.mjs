// Throw-away peer, not our style: the prototype on tensor cores as a runnable op on a device that somebody else made. See gen.mjs.
import { VARIANTS, gen, mask } from './gen.mjs';
// The variants that won on an H200, by 'headDim n' and pattern. Other sizes were not measured.
const CHOICE = {
  '64 4096': { causal: 'M4u', window: 'M4u', dilated: 'M2u', full: 'M4u' },
  '64 16384': { causal: 'M4', window: 'M4', dilated: 'M4', full: 'M4' },
  '128 16384': { causal: 'M4' },
};
export const matrixVariant = (pattern, n, headDim) => CHOICE[`${headDim} ${n}`]?.[pattern] ?? null;
/** query, key, value: GPUBuffers of [1, heads, n, headDim] float16; so is output. Returns {variant, nnz, enqueue(count), output, release()}. */
export async function prototypeMatrixOp(device, pattern, n, heads, headDim, { query, key, value }) {
  const variant = matrixVariant(pattern, n, headDim), { NSG, uncond } = VARIANTS[variant], bufs = [];
  const m = mask(pattern, n, 32 * NSG);
  const buf = a => { const size = typeof a === 'number' ? a : a.byteLength; const b = device.createBuffer({ size, usage: 128 | 8 | 4 }); if (typeof a !== 'number') device.queue.writeBuffer(b, 0, a); bufs.push(b); return b; };
  const p = await device.createComputePipelineAsync({ layout: 'auto', compute: { module: device.createShaderModule({ code: gen({ D: headDim, NSG, uncond }) }), entryPoint: 'main' } });
  const O = buf(n * heads * headDim * 2);
  const bg = device.createBindGroup({ layout: p.getBindGroupLayout(0), entries: [query, key, value, O, buf(m.blk), buf(m.riv), buf(n * heads * 4)].map((buffer, binding) => ({ binding, resource: { buffer } })) });
  return {
    variant, nnz: m.nnz, output: O,
    enqueue(count) { const e = device.createCommandEncoder(), c = e.beginComputePass(); c.setPipeline(p); c.setBindGroup(0, bg); for (let r = 0; r < count; r++) c.dispatchWorkgroups(heads, m.nblk); c.end(); device.queue.submit([e.finish()]); },
    release() { for (const b of bufs) b.destroy(); },
  };
}
