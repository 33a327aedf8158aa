// Throw-away peer: the measured prototype of the tensor-core kernel, cut down to the variants that won on an H200.
// It is here to be timed beside the project's kernels in the same run, on the same device and clock. It is not in our style and
// nothing in src/ may copy from it. Halves in, halves out; rows that outgrow their first maximum are flagged, not repaired.
export const VARIANTS = {
  M4: { NSG: 4, uncond: false },
  M4u: { NSG: 4, uncond: true },
  M2u: { NSG: 2, uncond: true },
};
export const BN = 16;
const R = (k, f) => [...Array(k).keys()].map(f).join('\n');
/** WGSL of one kernel: NSG subgroups of 32 rows, 16 keys at a time. `uncond`: scores of the next tile without a branch around them. */
export function gen({ D = 64, NSG, uncond }) {
  const WG = 32 * NSG, DB = D / 16, D8 = D / 8, KV = D8 + 1, NQ = BN * D8 / WG, vec4 = [0, 1, 2, 3];
  const ld = (nm, buf, t) => R(NQ, i => `let ${nm}${i}=${buf}[u32(hb+c0+cs*((${t})*${BN}+i32(sr${i})))*${D8}u+sc${i}];`);
  const st = (nm, sb) => R(NQ, i => `${sb}[sr${i}*${KV}u+sc${i}]=${nm}${i};`);
  const QK = `{${R(DB, k => `let kf${k}=subgroupMatrixLoad<MRt,col_major>(&Ks, ${2 * k}u, ${KV}u); ${[0, 1].map(m => k === 0 ? `var s${m}=subgroupMatrixMultiply<f32>(q${m}_0,kf0);` : `s${m}=subgroupMatrixMultiplyAccumulate(q${m}_${k},kf${k},s${m});`).join(' ')}`)}
subgroupMatrixStore<row_major>(Sv, 0u, s0, 5u); subgroupMatrixStore<row_major>(Sv, 80u, s1, 5u); }`;
  const PV = `{let p0=subgroupMatrixLoad<ML,row_major>(Pv, 0u, 5u); let p1=subgroupMatrixLoad<ML,row_major>(Pv, 80u, 5u);
${R(DB, d => `{ let vf=subgroupMatrixLoad<MRt,row_major>(&Vs, ${2 * d}u, ${KV}u); o0_${d}=subgroupMatrixMultiplyAccumulate(p0,vf,o0_${d}); o1_${d}=subgroupMatrixMultiplyAccumulate(p1,vf,o1_${d}); }`)} }`;
  const ex = v => `exp2(fma(${v},vec4f(cA),vec4f(-m_0)))`;
  const softmax = `{ ${vec4.map(c => `var v${c}=Sv[lane*5u+${c}u];`).join(' ')}
if (!(t>=fl && t<fh)) { let lo=iv0.x - t*${BN}; let hi=iv0.y - t*${BN};
${vec4.map(c => `v${c}=select(vec4f(-1e30f), v${c}, (vec4i(${vec4.map(e => 4 * c + e)}) >= vec4i(lo)) & (vec4i(${vec4.map(e => 4 * c + e)}) < vec4i(hi)));`).join('\n')} }
if (t==0) { let mv=max(max(max(v0,v1),v2),v3); let mx=max(max(mv.x,mv.y),max(mv.z,mv.w))*cA; m_0=select(mx-4.0f,0.0f,mx < -1e20f); }
var ls=vec4f(0);
${[0, 1].map(j => `{ let a=${ex(`v${2 * j}`)}; let b=${ex(`v${2 * j + 1}`)}; ls+=a+b; Pv[lane*5u+${j}u]=vec4<u32>(pack2x16float(a.xy),pack2x16float(a.zw),pack2x16float(b.xy),pack2x16float(b.zw)); }`).join('\n')}
let lt=(ls.x+ls.y)+(ls.z+ls.w); l_0+=lt; lm_0=max(lm_0,lt); }`;
  return `diagnostic(off, chromium.subgroup_matrix_uniformity); diagnostic(off, subgroup_uniformity);
enable f16; enable subgroups; enable chromium_experimental_subgroup_matrix;
alias ML=subgroup_matrix_left<f16,16,16>; alias MRt=subgroup_matrix_right<f16,16,16>; alias MC=subgroup_matrix_result<f32,16,16>;
@group(0)@binding(0) var<storage,read> Q: array<vec4<u32>>;
@group(0)@binding(1) var<storage,read> K: array<vec4<u32>>;
@group(0)@binding(2) var<storage,read> V: array<vec4<u32>>;
@group(0)@binding(3) var<storage,read_write> O: array<vec4<u32>>;
@group(0)@binding(4) var<storage,read> blk: array<vec4<i32>>;
@group(0)@binding(5) var<storage,read> riv: array<vec2<i32>>;
@group(0)@binding(6) var<storage,read_write> LSE: array<f32>;
var<workgroup> Sm: buffer<${2560 * NSG}>;
var<workgroup> Ks: array<vec4<u32>,${BN * KV}>; var<workgroup> Vs: array<vec4<u32>,${BN * KV}>;
@compute @workgroup_size(${WG}) fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) li: u32){
let sg = li / 32u; let lane = li & 31u;
let h = wid.x; let bi = wid.y; let m0 = blk[bi*2u+2u]; let m1 = blk[bi*2u+3u]; let nn=blk[0].x;
let r0=m0.x; let rs=m0.y; let c0=m0.z; let cs=m0.w; let nt=m1.x; let fl=m1.y; let fh=m1.z; let rb=m1.w;
let hb = i32(h)*nn; let cA = ${(1 / Math.sqrt(D) * Math.LOG2E).toPrecision(9)}f;
${[0, 1].map(m => `let qo${m}=u32((hb + r0 + rs*i32(sg*32u+${16 * m}u))*${D8});\n${R(DB, k => `let q${m}_${k}=subgroupMatrixLoad<ML,row_major>(&Q, qo${m}+${2 * k}u, u32(rs)*${D8}u);`)}`).join('\n')}
${[0, 1].map(m => R(DB, d => `var o${m}_${d}: MC;`)).join('\n')}
var m_0=-1e20f; var l_0=0.0f; var lm_0=0.0f; let iv0 = riv[u32(rb)+sg*32u+lane];
let Sv = bufferView<array<vec4<f32>,160>>(&Sm,sg*2560u); let Pv = bufferView<array<vec4<u32>,160>>(&Sm,sg*2560u);
${R(NQ, i => `let sr${i} = (li+${i * WG}u)/${D8}u; let sc${i}=(li+${i * WG}u)%${D8}u;`)}
{ ${ld('k', 'K', '0')} ${st('k', 'Ks')} }
workgroupBarrier();
${QK}
for (var t=0; t<nt; t+=1) {
workgroupBarrier();
${ld('v', 'V', 't')}
${ld('k', 'K', 't+1')}
${softmax}
${st('v', 'Vs')}
${st('k', 'Ks')}
workgroupBarrier();
${PV}
${uncond ? QK : `if (t+1<nt) { ${QK} }`}
}
let il0=select(0.0f, 1.0f/l_0, l_0>0.0f); LSE[u32(hb+r0+rs*i32(sg*32u+lane))]=select(m_0*0.69314718f+log(l_0), -9e9f, lm_0 > 60000.0f);
${R(DB, d => `workgroupBarrier();
subgroupMatrixStore<row_major>(Sv, 0u, o0_${d}, 5u); subgroupMatrixStore<row_major>(Sv, 80u, o1_${d}, 5u);
workgroupBarrier();
${[0, 16].map(i => `{ let rr=(lane>>1u)+${i}u; let f=subgroupShuffle(il0, rr & 31u); let a=Sv[rr*5u+(lane&1u)*2u]*f; let b=Sv[rr*5u+(lane&1u)*2u+1u]*f; O[u32(hb+r0+rs*i32(sg*32u+rr))*${D8}u+${2 * d}u+(lane&1u)]=vec4<u32>(pack2x16float(a.xy),pack2x16float(a.zw),pack2x16float(b.xy),pack2x16float(b.zw)); }`).join('\n')}`)}
}
`;
}
/** Row blocks of BM rows, heavy ones first, and the interval of keys of each row. */
export function mask(kind, n, BM) {
  const blk = [[n, 1, 0, 0, 0, 0, 0, 0]], riv = []; let nnz = 0;
  const add = (r0, rs, c0, cs, ivs) => {
    const rb = riv.length / 2; let mx = 0, mlo = 0, mhi = 1 << 30;
    for (const [a, b] of ivs) { riv.push(a, b); nnz += b - a; mx = Math.max(mx, b); mlo = Math.max(mlo, a); mhi = Math.min(mhi, b); }
    const fl = Math.ceil(mlo / BN), fh = Math.floor(mhi / BN);
    blk.push([r0, rs, c0, cs, Math.ceil(mx / BN), fl, Math.max(fl, fh), rb]);
  };
  const rows = [...Array(BM).keys()];
  if (kind === 'causal') for (let r0 = n - BM; r0 >= 0; r0 -= BM) add(r0, 1, 0, 1, rows.map(x => [0, r0 + x + 1]));
  if (kind === 'full') for (let r0 = 0; r0 < n; r0 += BM) add(r0, 1, 0, 1, rows.map(() => [0, n]));
  if (kind === 'window') for (let r0 = 0; r0 < n; r0 += BM) { const W = 256, c0 = Math.max(0, Math.floor((r0 - W) / 16) * 16); add(r0, 1, c0, 1, rows.map(x => [Math.max(0, r0 + x - W) - c0, Math.min(n, r0 + x + W + 1) - c0])); }
  if (kind === 'dilated') { const s = 8, W = 64, m = n / s; for (let b0 = 0; b0 < m; b0 += BM) for (let r = 0; r < s; r++) { const y0 = Math.max(0, b0 - W); add(r + s * b0, s, r + s * y0, s, rows.map(x => [Math.max(0, b0 + x - W) - y0, Math.min(m, b0 + x + W + 1) - y0])); } }
  return { blk: new Int32Array(blk.flat()), riv: new Int32Array(riv), nblk: blk.length - 1, nnz };
}
