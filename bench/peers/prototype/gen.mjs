// Throw-away peer: the measured prototype of the float32 forward kernel, cut down to the variants that won on an H200.
// It is here to be timed beside the project's kernels in the same run, on the same device and clock. It is not in our style and
// nothing in src/ may copy from it.
export const VARIANTS = {
  L88: {BM: 128, BN: 64, TX: 8, TY: 16, pc: 2, us: 1, up: 2},
  M48: {BM: 64, BN: 64, TX: 8, TY: 16, pc: 2, us: 4, up: 4},
  S44: {BM: 32, BN: 32, TX: 8, TY: 8, pc: 1, us: 2, up: 2},
  S24: {BM: 32, BN: 32, TX: 8, TY: 16, pc: 1, us: 2, up: 2},
};
const R = n => [...Array(n).keys()];
const tree = (a, f) => { while (a.length > 1) { const b = []; for (let i = 0; i < a.length; i += 2) b.push(i + 1 < a.length ? f(a[i], a[i + 1]) : a[i]); a = b; } return a[0]; };
/** WGSL of one pass. `init`: continue from the output and log-sum-exp of an earlier pass. */
export function gen({D = 64, BM, BN, TX, TY, pc, us, up, init = false}) {
  const D4 = D / 4, T = TX * TY, TM = BM / TY, TN = BN / TX, C = D4 / TX, TNc = TN / pc, BNc = BN / pc, G = TNc / 4, SP = G * TX, TG = Math.ceil(TM / 4);
  const sz = { K: BN * D4, V: BNc * D4, P: BM * SP, R: TX * TG * TY };
  const off = { K: 0, V: 0, P: sz.V, R: sz.V }, top = Math.max(sz.K, sz.V + Math.max(sz.P, sz.R));
  const steps = [{ n: 'ldK', w: ['K'] }, { n: 'S', r: ['K'] }, { n: 'mx', w: ['R'] }, { n: 'rd', r: ['R'] }, ...R(pc).flatMap(c => [{ n: 'st' + c, w: ['P'] }, { n: 'ldV' + c, w: ['V'] }, { n: 'pv' + c, r: ['P', 'V'] }])];
  const hit = (a, b) => off[a] < off[b] + sz[b] && off[b] < off[a] + sz[a]; const need = new Set(); let pend = [];
  for (const s of [...steps, ...steps]) {
    if (pend.some(x => (s.w || []).some(a => [...(x.r || []), ...(x.w || [])].some(b => hit(a, b))) || (s.r || []).some(a => (x.w || []).some(b => hit(a, b))))) need.add(s.n);
    if (need.has(s.n)) pend = []; pend.push(s);
  }
  const bar = n => need.has(n) ? 'workgroupBarrier();' : '', sv = (i, j) => `s${i}_${j}`;
  const kRow = (r, yb) => `(hb + u32(sp.x + sp.y * min(${yb} + i32(${r}), sp.w - 1)))`;
  const copy = (rows, g, yb) => R(rows * D4 / T).map(w => { const r = `((li + ${w * T}u) / ${D4}u)`, c = `((li + ${w * T}u) % ${D4}u)`; return `sm[${r} * ${D4}u + ${g === 'V' ? c : `((${c}) + (${r})) % ${D4}u`}] = ${g}[${kRow(r, yb)} * ${D4}u + ${c}];`; }).join('\n');
  const sStep = d => `{ ${R(TN).map(j => `let k${j} = sm[kb + ${TX * j * D4}u + ((${d}) + tx + ${TX * j}u) % ${D4}u];`).join(' ')}
    ${R(TM).map(i => `{ let q = Q[q${i} + ${d}]; ${[...'xyzw'].map(x => R(TN).map(j => `${sv(i, j)} = fma(q.${x}, k${j}.${x}, ${sv(i, j)});`).join(' ')).join('\n')} }`).join('\n')} }`;
  const pvStep = t => R(G).map(g => `{ ${R(TM).map(i => `let p${i} = sm[pb + ${off.P + TY * i * SP + g * TX}u + (${t} + ty + ${TY * i}u) % ${TX}u];`).join(' ')}
    ${R(4).map(e => `{ ${R(C).map(c => `let v${c} = sm[(${t} + ${TX * (g * 4 + e)}u) * ${D4}u + tx + ${TX * c}u];`).join(' ')} ${R(TM).map(i => R(C).map(c => `a${i}_${c} = fma(vec4f(p${i}.${'xyzw'[e]}), v${c}, a${i}_${c});`).join(' ')).join(' ')} }`).join('\n')} }`).join('\n');
  const share = x => R(TG).map(g => `sm[${off.R}u + (tx * ${TG}u + ${g}u) * ${TY}u + ty] = vec4f(${R(4).map(e => `${x}${Math.min(TM - 1, g * 4 + e)}`).join(', ')});`).join(' ');
  const gather = (x, f) => R(TG).map(g => `var g${g} = sm[${off.R}u + ${g}u * ${TY}u + ty];`).join(' ') + R(TX - 1).map(k => R(TG).map(g => { const o = `sm[${off.R}u + (${k + 1}u * ${TG}u + ${g}u) * ${TY}u + ty]`; return `g${g} = ${f(`g${g}`, o)};`; }).join(' ')).join('\n') + R(TM).map(i => `${x}${i} = g${i >> 2}.${'xyzw'[i & 3]};`).join(' ');
  return { BM, BN, bytes: top * 16, code: `
struct U { n: u32, H: u32, scale: f32, flags: u32 };
@group(0) @binding(0) var<storage, read> Q: array<vec4f>;
@group(0) @binding(1) var<storage, read> K: array<vec4f>;
@group(0) @binding(2) var<storage, read> V: array<vec4f>;
@group(0) @binding(3) var<storage, read> items: array<vec4u>;
@group(0) @binding(4) var<storage, read> spans: array<vec4i>;
@group(0) @binding(5) var<storage, read> meta_: array<vec2i>;
@group(0) @binding(6) var<storage, read_write> O: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> L: array<f32>;
@group(0) @binding(8) var<uniform> u: U;
var<workgroup> sm: array<vec4f, ${top}>;
@compute @workgroup_size(${T})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) li: u32) {
  let tx = li % ${TX}u; let ty = li / ${TX}u; let wi = wg.y; let h = wg.x;
  let it0 = items[wi * 2u]; let it1 = items[wi * 2u + 1u];
  let hb = h * u.n; let SC = u.scale; let kb = tx * ${D4}u; let pb = ty * ${SP}u;
  ${R(TM).map(i => `var m${i} = -1e20; var l${i} = 0.0; ${R(C).map(c => `var a${i}_${c} = vec4f();`).join(' ')}`).join('\n')}
  ${init ? R(TM).map(i => `{ let x = min(ty + ${TY * i}u, it0.z - 1u); let r = hb + it0.x + it0.y * x; m${i} = max(L[r], -1e20); l${i} = select(0.0, 1.0, tx == 0u && m${i} > -1e19); ${R(C).map(c => `a${i}_${c} = O[r * ${D4}u + tx + ${TX * c}u];`).join(' ')} }`).join('\n') : ''}
  ${R(TM).map(i => `let q${i} = (hb + it0.x + it0.y * min(ty + ${TY * i}u, it0.z - 1u)) * ${D4}u;`).join(' ')}
  for (var s_ = it0.w; s_ < it1.x; s_++) {
    let sp = spans[s_ * 2u]; let sq = spans[s_ * 2u + 1u];
    for (var y0 = sp.z; y0 < sp.w; y0 += ${BN}) {
      ${bar('ldK')} ${copy(BN, 'K', 'y0')}
      ${bar('S')}
      ${R(TM).map(i => R(TN).map(j => `var ${sv(i, j)} = 0.0;`).join(' ')).join('\n')}
      for (var dd = 0u; dd < ${D4 / us}u; dd++) { ${R(us).map(x => sStep(`dd * ${us}u + ${x}u`)).join('\n')} }
      if (y0 < sq.x || y0 + ${BN} > sq.y) { ${R(TM).map(i => `{ let b = meta_[u32(sq.z) + ty + ${TY * i}u]; ${R(TN).map(j => `{ let y = y0 + i32(tx) + ${TX * j}; ${sv(i, j)} = select(-1e30, ${sv(i, j)}, y >= b.x && y < b.y); }`).join(' ')} }`).join('\n')} }
      ${bar('mx')} ${R(TM).map(i => `var t${i} = ${tree(R(TN).map(j => sv(i, j)), (a, b) => `max(${a}, ${b})`)};`).join('\n')} ${share('t')}
      ${bar('rd')} ${gather('t', (a, b) => `max(${a}, ${b})`)}
      ${R(TM).map(i => `let mn${i} = max(m${i}, t${i} * SC); let al${i} = exp2(m${i} - mn${i}); m${i} = mn${i};
      ${R(TN).map(j => `${sv(i, j)} = exp2(fma(${sv(i, j)}, SC, -mn${i}));`).join(' ')} l${i} = fma(l${i}, al${i}, ${tree(R(TN).map(j => sv(i, j)), (a, b) => `(${a} + ${b})`)}); ${R(C).map(c => `a${i}_${c} *= al${i};`).join(' ')}`).join('\n')}
      ${R(pc).map(c => `${bar('st' + c)}
      ${R(TM).map(i => R(G).map(g => `sm[pb + ${off.P + TY * i * SP}u + ((tx + ty + ${TY * i}u) % ${TX}u) + ${g * TX}u] = vec4f(${R(4).map(e => sv(i, c * TNc + g * 4 + e)).join(', ')});`).join(' ')).join('\n')}
      ${bar('ldV' + c)} ${copy(BNc, 'V', `(y0 + ${c * BNc})`)}
      ${bar('pv' + c)}
      for (var tt = 0u; tt < ${TX / up}u; tt++) { ${R(up).map(x => `{ let t = tt * ${up}u + ${x}u; ${pvStep('t')} }`).join('\n')} }`).join('\n')}
    }
  }
  workgroupBarrier(); ${share('l')} workgroupBarrier(); ${gather('l', (a, b) => `${a} + ${b}`)}
  ${R(TM).map(i => `{ let x = ty + ${TY * i}u; if (x < it0.z) {
    let slot = it1.y; let ok = l${i} > 0.0 && m${i} > -1e19; let inv = select(0.0, 1.0 / l${i}, ok);
    let r = select((u.n * u.H) + (slot * u.H + h) * ${BM}u + x, hb + it0.x + it0.y * x, slot == 0xffffffffu);
    ${R(C).map(c => `O[r * ${D4}u + tx + ${TX * c}u] = a${i}_${c} * inv;`).join(' ')}
    if (tx == 0u && (slot != 0xffffffffu || u.flags != 0u)) { L[r] = select(-1e30, m${i} + log2(l${i}), ok); } } }`).join('\n')}
}` };
}
/** WGSL that merges the parts of long rows. */
export const combine = (D, BM) => `
struct U { n: u32, H: u32, scale: f32, flags: u32 };
@group(0) @binding(0) var<storage, read> cl: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> O: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> L: array<f32>;
@group(0) @binding(3) var<uniform> u: U;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) li: u32) {
  let c0 = cl[wg.x * 2u]; let ns = cl[wg.x * 2u + 1u].x; let h = wg.y;
  let d = li % ${D / 4}u; let x = wg.z * ${256 / (D / 4)}u + li / ${D / 4}u;
  if (x >= c0.z) { return; }
  var m = -1e30; var l = 0.0; var a = vec4f();
  for (var s = 0u; s < ns; s++) { let r = u.n * u.H + ((c0.w + s) * u.H + h) * ${BM}u + x; let e = L[r]; let mn = max(m, e); let w = exp2(e - mn); let al = exp2(m - mn); l = l * al + w; a = a * al + w * O[r * ${D / 4}u + d]; m = mn; }
  let ro = h * u.n + c0.x + c0.y * x;
  O[ro * ${D / 4}u + d] = a / l; if (d == 0u && u.flags != 0u) { L[ro] = m + log2(l); }
}`;
