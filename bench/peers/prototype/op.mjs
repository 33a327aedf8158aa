// Throw-away peer, not our style: the prototype as a runnable op on a device that somebody else made. See gen.mjs.
import {VARIANTS, combine, gen} from './gen.mjs';
import {PATTERNS, passesOf, plan} from './plan.mjs';
export {PATTERNS};
// The variants and cuts that won on an H200: [n, {pattern: [variants of the passes, most key tiles per work item]}].
const CHOICE = [
  [1024, { causal: ['M48', 3], window: ['M48', 3], causalWindow: ['M48', 3], blockLocal: ['S44'], dilated: ['S24'], strided: ['S44+S44'], longformer: ['M48', 3], full: ['M48', 3] }],
  [4096, { causal: ['M48', 8], window: ['L88'], causalWindow: ['M48'], blockLocal: ['M48'], dilated: ['S44'], strided: ['S44+S24'], longformer: ['M48', 8], full: ['L88'] }],
  [16384, { causal: ['L88'], window: ['M48'], causalWindow: ['M48'], blockLocal: ['M48'], dilated: ['M48'], strided: ['M48+M48'], longformer: ['M48', 32], full: ['L88'] }],
];
const pipelines = new WeakMap();
async function pipelineOf(device, code) {
  let cache = pipelines.get(device); if (!cache) pipelines.set(device, cache = new Map());
  if (!cache.has(code)) cache.set(code, await device.createComputePipelineAsync({ layout: 'auto', compute: { module: device.createShaderModule({ code }), entryPoint: 'main' } }));
  return cache.get(code);
}
/** query, key, value: GPUBuffers of [1, heads, n, 64] float32. Returns {variant, tileComputed, enqueue(count), output, release()}. */
export async function prototypeOp(device, pattern, n, heads, { query, key, value }) {
  const D = 64, BUF = 128 | 8 | 4, bufs = [];
  const [variant, maxTiles = Infinity] = CHOICE.find(([m]) => n <= m)?.[1][pattern] ?? CHOICE.at(-1)[1][pattern] ?? ['S44'];
  const names = variant.split('+'), cfgs = names.map(k => VARIANTS[k]), np = passesOf(pattern);
  const buf = (a, usage = BUF) => { const size = Math.max(16, typeof a === 'number' ? a : a.byteLength); const b = device.createBuffer({ size: (size + 15) & ~15, usage }); if (typeof a !== 'number' && a.byteLength) device.queue.writeBuffer(b, 0, a); bufs.push(b); return b; };
  const plans = cfgs.slice(0, np).map((c, i) => plan(pattern, n, c.BM, c.BN, i, maxTiles));
  const extra = Math.max(...plans.map((p, i) => p.slots * heads * cfgs[i].BM));
  const ub = new ArrayBuffer(16); new Uint32Array(ub).set([n, heads]); new Float32Array(ub)[2] = D ** -0.5 * Math.LOG2E; new Uint32Array(ub)[3] = np > 1 ? 1 : 0;
  const U = buf(new Uint8Array(ub), 64 | 8), O = buf((n * heads + extra) * D * 4), L = buf((n * heads + extra) * 4), disp = [];
  const bind = (p, list) => device.createBindGroup({ layout: p.getBindGroupLayout(0), entries: list.map((buffer, binding) => ({ binding, resource: { buffer } })) });
  for (const [i, P] of plans.entries()) {
    const p = await pipelineOf(device, gen({ ...cfgs[i], init: i > 0 }).code);
    disp.push({ p, bg: bind(p, [query, key, value, buf(P.items), buf(P.spans), buf(P.meta), O, L, U]), g: [heads, P.nItems, 1] });
    if (P.comb.length) { const c = await pipelineOf(device, combine(D, cfgs[i].BM)); disp.push({ p: c, bg: bind(c, [buf(P.comb), O, L, U]), g: [P.comb.length / 8, heads, Math.ceil(cfgs[i].BM * D / 4 / 256)] }); }
  }
  return {
    variant, computed: plans.reduce((a, p) => a + p.computed, 0), output: O,
    enqueue(count) { const e = device.createCommandEncoder(), c = e.beginComputePass(); for (let r = 0; r < count; r++) for (const d of disp) { c.setPipeline(d.p); c.setBindGroup(0, d.bg); c.dispatchWorkgroups(...d.g); } c.end(); device.queue.submit([e.finish()]); },
    release() { for (const b of bufs) b.destroy(); },
  };
}
