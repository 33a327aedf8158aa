// Throw-away peer, not our style: the prototype's planner for the benchmark's patterns. See gen.mjs.
const clip = (lo, hi, a, b) => [Math.max(lo, a), Math.max(Math.max(lo, a), Math.min(hi, b))];
// Row tiles of one pass: {r0, rs, nr, spans: [{c0, cs, f}]}; row x of a tile sees y in f(x) of the keys c0 + cs·y.
function tilesOf(mask, n, BM, pass) {
  const out = [];
  const rows = (r0, rs, cnt, spansFor) => { for (let a = 0; a < cnt; a += BM) out.push({ r0: r0 + rs * a, rs, nr: Math.min(BM, cnt - a), spans: spansFor(a) }); };
  const plain = f => rows(0, 1, n, a => [{ c0: 0, cs: 1, f: x => f(a + x) }]);
  if (mask === 'full') plain(() => [0, n]);
  if (mask === 'causal') plain(i => [0, i + 1]);
  if (mask === 'window') plain(i => clip(0, n, i - 256, i + 257));
  if (mask === 'window64') plain(i => clip(0, n, i - 64, i + 65));
  if (mask === 'causalWindow') plain(i => clip(0, n, i - 511, i + 1));
  if (mask === 'blockLocal') plain(i => clip(0, n, i - i % 256, i - i % 256 + 256));
  if (mask === 'dilated') for (let r = 0; r < 8; r++) { const m = Math.floor((n - 1 - r) / 8) + 1; rows(r, 8, m, a => [{ c0: r, cs: 8, f: x => clip(0, m, a + x - 64, a + x + 65) }]); }
  if (mask === 'strided' && pass === 0) plain(i => clip(0, n, i - 127, i + 1));
  if (mask === 'strided' && pass === 1) for (let r = 0; r < 128; r++) { const m = Math.floor((n - 1 - r) / 128) + 1; rows(r, 128, m, a => [{ c0: r, cs: 128, f: x => [0, a + x] }]); }
  if (mask === 'longformer') {
    for (let a = 0; a < 64; a += BM) out.push({ r0: a, rs: 1, nr: Math.min(BM, 64 - a), spans: [{ c0: 0, cs: 1, f: () => [0, n] }] });
    for (let a = 64; a < n; a += BM) out.push({ r0: a, rs: 1, nr: Math.min(BM, n - a), spans: [{ c0: 0, cs: 1, f: () => [0, 64] }, { c0: 0, cs: 1, f: x => clip(64, n, a + x - 256, a + x + 257) }] });
  }
  return out;
}
export const PATTERNS = ['full', 'causal', 'window', 'window64', 'causalWindow', 'dilated', 'strided', 'blockLocal', 'longformer'];
export const passesOf = m => m === 'strided' ? 2 : 1;
export function plan(mask, n, BM, BN, pass, maxTiles) {
  const items = [], spans = [], meta = [], comb = []; let slots = 0, computed = 0;
  for (const t of tilesOf(mask, n, BM, pass)) {
    const sp = [];
    for (const s of t.spans) {
      const iv = []; for (let x = 0; x < BM; x++) iv.push(s.f(Math.min(x, t.nr - 1)));
      const ne = iv.filter(v => v[1] > v[0]); if (!ne.length) continue;
      const yb = Math.min(...ne.map(v => v[0])), ye = Math.max(...ne.map(v => v[1])), inLo = Math.max(...iv.map(v => v[0])), inHi = Math.min(...iv.map(v => v[1]));
      const mo = meta.length / 2; for (const v of iv) meta.push(v[0], v[1]);
      sp.push({ c0: s.c0, cs: s.cs, yb, ye, inLo, inHi, mo, nt: Math.ceil((ye - yb) / BN) });
    }
    const total = sp.reduce((a, s) => a + s.nt, 0); computed += total * BM * BN;
    if (total === 0) continue;
    const per = Math.ceil(total / Math.max(1, Math.ceil(total / maxTiles))), np = Math.ceil(total / per), slot0 = slots; let si = 0, so = 0;
    for (let q = 0; q < np; q++) {
      const b = spans.length / 8; let left = Math.min(per, total - q * per); const cnt = left;
      while (left > 0) { const s = sp[si]; const take = Math.min(left, s.nt - so); const y0 = s.yb + so * BN, y1 = Math.min(s.ye, y0 + take * BN); spans.push(s.c0, s.cs, y0, y1, s.inLo, s.inHi, s.mo, 0); so += take; left -= take; if (so === s.nt) { si++; so = 0; } }
      items.push({ d: [t.r0, t.rs, t.nr, b, spans.length / 8, np > 1 ? slots++ : 0xffffffff, 0, 0], w: cnt });
    }
    if (np > 1) comb.push(t.r0, t.rs, t.nr, slot0, np, 0, 0, 0);
  }
  items.sort((a, b) => b.w - a.w);
  return { items: new Uint32Array(items.flatMap(i => i.d)), spans: new Int32Array(spans), meta: new Int32Array(meta), comb: new Uint32Array(comb), slots, nItems: items.length, computed };
}
