// of a bias that rows and keys do not share
// 2048 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> key: array<vec4f>;
@group(0) @binding(3) var<storage, read> value: array<vec4f>;
@group(0) @binding(4) var<storage, read> dOutput: array<vec4f>;
@group(0) @binding(5) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(6) var<storage, read> scratch: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dScores: array<f32>;

// Gradients of queries: a workgroup owns SIZE rows of one head and visits their keys, SIZE at a time.
// query, key [.., 16]  value, dOutput [.., 16].  Invocation (tx, ty) owns numbers ty + TY·i, and meets tx + TX·j.
const SIZE = 32;
const TX = 8u;
const TY = 8u;

const EMPTY = -3.2e38;
const HIDDEN = -3.4e38;
const CONTINUES = 1u;
const KEEPS_SUM = 2u;

struct Params {
  queryLength: u32, keyLength: u32, heads: u32, flags: u32,
  // Pair offsets into the schedule: the first item (or merge) of this pass, the first span, the first interval, the first mask bits.
  first: u32, spans: u32, intervals: u32, maskBits: u32,
  scale: f32,       // of products: to scores in their unit, or to multiples of the softcap
  slotBase: u32,    // vec4 offset of the first slot in scratch
  slots: u32,       // per head and batch
  flagBase: u32,    // vec4 offset of the flags in scratch
  maskStrides: vec4u, // (batch, head, query, 64 keys): pairs of mask bits, 0 broadcasts
  keyHeads: u32,
  groupSize: u32,     // query heads of a key head
  packedHeads: u32,   // query heads whose rows follow one another in a line
  queryOffset: i32,   // position of query 0 among the keys
  // In rows of a tensor: (head, row, sequence, where the first begins). Values lie as keys do, so many rows behind them.
  queryStrides: vec4u, keyStrides: vec4u,
  outputStrides: vec2u, // (head, row)
  valuesBehind: u32,
  pairs: u32,          // of mask bits
  batch: u32,
  // Of a backward pass: where the share begins that a dispatch covers, and its heads.
  firstBatch: u32, firstHead: u32, shareHeads: u32,
  sideScale: f32,     // of queries and of keys, where the scale is far from 1
  gradientScale: f32, // of sums of keys or queries, each times the gradient of its score
  valueScale: f32,    // of values, a power of two, so that no sum of them is past float32
  // Pair offsets into the schedule: what a cache holds, the first list of rows or keys, the first bits.
  held: u32, numbers: u32, bits: u32,
}

var<workgroup> memory: array<vec4f, 128>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tx = lane % TX;
  let ty = lane / TX;
  let item = params.first + 4u * group.y;
  let rowsOf = schedule[item]; // (firstRow, rowStride)
  let owned = schedule[item + 1u]; // (rows, slot)
  let spanRange = schedule[item + 2u]; // (spanBegin, spanEnd)
  const SUMS_BATCH = 8u;
  const SUMS_HEADS = 16u;
  let loopHeads = select(1u, params.heads, (params.flags & SUMS_HEADS) != 0u);
  let loopBatch = select(1u, params.batch, (params.flags & SUMS_BATCH) != 0u);
  let written = group.z * (params.heads / loopHeads) + group.x;
  for (var turn = 0u; turn < loopHeads * loopBatch; turn++) {
    let head = select(group.x, turn % loopHeads, loopHeads > 1u);
    let batch = select(group.z, turn / loopHeads, loopBatch > 1u);
    let line = batch * params.heads + head;
    let shareLine = line; // one share covers all
    let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;
    let keyLine = batch * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;
    let x0 = ty + 0u;
    let row0 = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
    let at0 = queryLine + row0 * params.queryStrides.y;
    let query0 = at0 * 4u;
    let dOutput0 = at0 * 4u;
    let stats0 = scratch[shareLine * params.queryLength + row0]; // (maximum, 1 / sum, D)
    let pairs0 = (written * params.queryLength + row0) * params.keyLength;
    let x1 = ty + 8u;
    let row1 = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
    let at1 = queryLine + row1 * params.queryStrides.y;
    let query1 = at1 * 4u;
    let dOutput1 = at1 * 4u;
    let stats1 = scratch[shareLine * params.queryLength + row1]; // (maximum, 1 / sum, D)
    let pairs1 = (written * params.queryLength + row1) * params.keyLength;
    let x2 = ty + 16u;
    let row2 = u32(rowsOf.x + rowsOf.y * min(i32(x2), owned.x - 1));
    let at2 = queryLine + row2 * params.queryStrides.y;
    let query2 = at2 * 4u;
    let dOutput2 = at2 * 4u;
    let stats2 = scratch[shareLine * params.queryLength + row2]; // (maximum, 1 / sum, D)
    let pairs2 = (written * params.queryLength + row2) * params.keyLength;
    let x3 = ty + 24u;
    let row3 = u32(rowsOf.x + rowsOf.y * min(i32(x3), owned.x - 1));
    let at3 = queryLine + row3 * params.queryStrides.y;
    let query3 = at3 * 4u;
    let dOutput3 = at3 * 4u;
    let stats3 = scratch[shareLine * params.queryLength + row3]; // (maximum, 1 / sum, D)
    let pairs3 = (written * params.queryLength + row3) * params.keyLength;

    for (var number = spanRange.x; number < spanRange.y; number++) {
      let span = params.spans + 4u * u32(number);
      let keysOf = schedule[span]; // (firstKey, keyStride)
      let keyRows = keysOf * i32(params.keyStrides.y);
      let y = schedule[span + 1u]; // (begin, end)
      let full = schedule[span + 2u]; // keys that every row attends to
      let intervals = params.intervals + u32(schedule[span + 3u].x);
      for (var y0 = y.x; y0 < y.y; y0 += SIZE) {
        // stage keys
        workgroupBarrier();
        { let f = lane + 0u; memory[0u + (f / 4u) * 4u + ((f % 4u) + (f / 4u)) % 4u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 4u)), y.y - 1))) * 4u + (f % 4u)]; }
        { let f = lane + 64u; memory[0u + (f / 4u) * 4u + ((f % 4u) + (f / 4u)) % 4u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 4u)), y.y - 1))) * 4u + (f % 4u)]; }
        // products with keys
        workgroupBarrier();
        var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0;
        var s1_0 = 0.0; var s1_1 = 0.0; var s1_2 = 0.0; var s1_3 = 0.0;
        var s2_0 = 0.0; var s2_1 = 0.0; var s2_2 = 0.0; var s2_3 = 0.0;
        var s3_0 = 0.0; var s3_1 = 0.0; var s3_2 = 0.0; var s3_3 = 0.0;
        { let own = tx * 4u;
          for (var n = 0u; n < 2u; n++) {
            { let d = n * 2u + 0u;
              let k0_0 = memory[own + 0u + (d + tx) % 4u];
              let k1_0 = memory[own + 32u + (d + tx) % 4u];
              let k2_0 = memory[own + 64u + (d + tx) % 4u];
              let k3_0 = memory[own + 96u + (d + tx) % 4u];
              { let q0 = query[query0 + d];
                s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3);
                s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3);
                s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3);
                s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); }
              { let q0 = query[query1 + d];
                s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3);
                s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3);
                s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3);
                s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); }
              { let q0 = query[query2 + d];
                s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3);
                s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3);
                s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3);
                s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); }
              { let q0 = query[query3 + d];
                s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3);
                s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3);
                s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3);
                s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); }
            }
            { let d = n * 2u + 1u;
              let k0_0 = memory[own + 0u + (d + tx) % 4u];
              let k1_0 = memory[own + 32u + (d + tx) % 4u];
              let k2_0 = memory[own + 64u + (d + tx) % 4u];
              let k3_0 = memory[own + 96u + (d + tx) % 4u];
              { let q0 = query[query0 + d];
                s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3);
                s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3);
                s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3);
                s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); }
              { let q0 = query[query1 + d];
                s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3);
                s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3);
                s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3);
                s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); }
              { let q0 = query[query2 + d];
                s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3);
                s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3);
                s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3);
                s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); }
              { let q0 = query[query3 + d];
                s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3);
                s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3);
                s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3);
                s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); }
            }
          }
        }
        // stage values
        workgroupBarrier();
        { let f = lane + 0u; memory[0u + (f / 4u) * 4u + ((f % 4u) + (f / 4u)) % 4u] = value[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 4u)), y.y - 1))) * 4u + (f % 4u)]; }
        { let f = lane + 64u; memory[0u + (f / 4u) * 4u + ((f % 4u) + (f / 4u)) % 4u] = value[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 4u)), y.y - 1))) * 4u + (f % 4u)]; }
        // products with values
        workgroupBarrier();
        var t0_0 = 0.0; var t0_1 = 0.0; var t0_2 = 0.0; var t0_3 = 0.0;
        var t1_0 = 0.0; var t1_1 = 0.0; var t1_2 = 0.0; var t1_3 = 0.0;
        var t2_0 = 0.0; var t2_1 = 0.0; var t2_2 = 0.0; var t2_3 = 0.0;
        var t3_0 = 0.0; var t3_1 = 0.0; var t3_2 = 0.0; var t3_3 = 0.0;
        { let own = tx * 4u;
          for (var n = 0u; n < 2u; n++) {
            { let d = n * 2u + 0u;
              let k0_0 = memory[own + 0u + (d + tx) % 4u];
              let k1_0 = memory[own + 32u + (d + tx) % 4u];
              let k2_0 = memory[own + 64u + (d + tx) % 4u];
              let k3_0 = memory[own + 96u + (d + tx) % 4u];
              { let q0 = dOutput[dOutput0 + d];
                t0_0 = fma(q0.x, k0_0.x, t0_0); t0_1 = fma(q0.x, k1_0.x, t0_1); t0_2 = fma(q0.x, k2_0.x, t0_2); t0_3 = fma(q0.x, k3_0.x, t0_3);
                t0_0 = fma(q0.y, k0_0.y, t0_0); t0_1 = fma(q0.y, k1_0.y, t0_1); t0_2 = fma(q0.y, k2_0.y, t0_2); t0_3 = fma(q0.y, k3_0.y, t0_3);
                t0_0 = fma(q0.z, k0_0.z, t0_0); t0_1 = fma(q0.z, k1_0.z, t0_1); t0_2 = fma(q0.z, k2_0.z, t0_2); t0_3 = fma(q0.z, k3_0.z, t0_3);
                t0_0 = fma(q0.w, k0_0.w, t0_0); t0_1 = fma(q0.w, k1_0.w, t0_1); t0_2 = fma(q0.w, k2_0.w, t0_2); t0_3 = fma(q0.w, k3_0.w, t0_3); }
              { let q0 = dOutput[dOutput1 + d];
                t1_0 = fma(q0.x, k0_0.x, t1_0); t1_1 = fma(q0.x, k1_0.x, t1_1); t1_2 = fma(q0.x, k2_0.x, t1_2); t1_3 = fma(q0.x, k3_0.x, t1_3);
                t1_0 = fma(q0.y, k0_0.y, t1_0); t1_1 = fma(q0.y, k1_0.y, t1_1); t1_2 = fma(q0.y, k2_0.y, t1_2); t1_3 = fma(q0.y, k3_0.y, t1_3);
                t1_0 = fma(q0.z, k0_0.z, t1_0); t1_1 = fma(q0.z, k1_0.z, t1_1); t1_2 = fma(q0.z, k2_0.z, t1_2); t1_3 = fma(q0.z, k3_0.z, t1_3);
                t1_0 = fma(q0.w, k0_0.w, t1_0); t1_1 = fma(q0.w, k1_0.w, t1_1); t1_2 = fma(q0.w, k2_0.w, t1_2); t1_3 = fma(q0.w, k3_0.w, t1_3); }
              { let q0 = dOutput[dOutput2 + d];
                t2_0 = fma(q0.x, k0_0.x, t2_0); t2_1 = fma(q0.x, k1_0.x, t2_1); t2_2 = fma(q0.x, k2_0.x, t2_2); t2_3 = fma(q0.x, k3_0.x, t2_3);
                t2_0 = fma(q0.y, k0_0.y, t2_0); t2_1 = fma(q0.y, k1_0.y, t2_1); t2_2 = fma(q0.y, k2_0.y, t2_2); t2_3 = fma(q0.y, k3_0.y, t2_3);
                t2_0 = fma(q0.z, k0_0.z, t2_0); t2_1 = fma(q0.z, k1_0.z, t2_1); t2_2 = fma(q0.z, k2_0.z, t2_2); t2_3 = fma(q0.z, k3_0.z, t2_3);
                t2_0 = fma(q0.w, k0_0.w, t2_0); t2_1 = fma(q0.w, k1_0.w, t2_1); t2_2 = fma(q0.w, k2_0.w, t2_2); t2_3 = fma(q0.w, k3_0.w, t2_3); }
              { let q0 = dOutput[dOutput3 + d];
                t3_0 = fma(q0.x, k0_0.x, t3_0); t3_1 = fma(q0.x, k1_0.x, t3_1); t3_2 = fma(q0.x, k2_0.x, t3_2); t3_3 = fma(q0.x, k3_0.x, t3_3);
                t3_0 = fma(q0.y, k0_0.y, t3_0); t3_1 = fma(q0.y, k1_0.y, t3_1); t3_2 = fma(q0.y, k2_0.y, t3_2); t3_3 = fma(q0.y, k3_0.y, t3_3);
                t3_0 = fma(q0.z, k0_0.z, t3_0); t3_1 = fma(q0.z, k1_0.z, t3_1); t3_2 = fma(q0.z, k2_0.z, t3_2); t3_3 = fma(q0.z, k3_0.z, t3_3);
                t3_0 = fma(q0.w, k0_0.w, t3_0); t3_1 = fma(q0.w, k1_0.w, t3_1); t3_2 = fma(q0.w, k2_0.w, t3_2); t3_3 = fma(q0.w, k3_0.w, t3_3); }
            }
            { let d = n * 2u + 1u;
              let k0_0 = memory[own + 0u + (d + tx) % 4u];
              let k1_0 = memory[own + 32u + (d + tx) % 4u];
              let k2_0 = memory[own + 64u + (d + tx) % 4u];
              let k3_0 = memory[own + 96u + (d + tx) % 4u];
              { let q0 = dOutput[dOutput0 + d];
                t0_0 = fma(q0.x, k0_0.x, t0_0); t0_1 = fma(q0.x, k1_0.x, t0_1); t0_2 = fma(q0.x, k2_0.x, t0_2); t0_3 = fma(q0.x, k3_0.x, t0_3);
                t0_0 = fma(q0.y, k0_0.y, t0_0); t0_1 = fma(q0.y, k1_0.y, t0_1); t0_2 = fma(q0.y, k2_0.y, t0_2); t0_3 = fma(q0.y, k3_0.y, t0_3);
                t0_0 = fma(q0.z, k0_0.z, t0_0); t0_1 = fma(q0.z, k1_0.z, t0_1); t0_2 = fma(q0.z, k2_0.z, t0_2); t0_3 = fma(q0.z, k3_0.z, t0_3);
                t0_0 = fma(q0.w, k0_0.w, t0_0); t0_1 = fma(q0.w, k1_0.w, t0_1); t0_2 = fma(q0.w, k2_0.w, t0_2); t0_3 = fma(q0.w, k3_0.w, t0_3); }
              { let q0 = dOutput[dOutput1 + d];
                t1_0 = fma(q0.x, k0_0.x, t1_0); t1_1 = fma(q0.x, k1_0.x, t1_1); t1_2 = fma(q0.x, k2_0.x, t1_2); t1_3 = fma(q0.x, k3_0.x, t1_3);
                t1_0 = fma(q0.y, k0_0.y, t1_0); t1_1 = fma(q0.y, k1_0.y, t1_1); t1_2 = fma(q0.y, k2_0.y, t1_2); t1_3 = fma(q0.y, k3_0.y, t1_3);
                t1_0 = fma(q0.z, k0_0.z, t1_0); t1_1 = fma(q0.z, k1_0.z, t1_1); t1_2 = fma(q0.z, k2_0.z, t1_2); t1_3 = fma(q0.z, k3_0.z, t1_3);
                t1_0 = fma(q0.w, k0_0.w, t1_0); t1_1 = fma(q0.w, k1_0.w, t1_1); t1_2 = fma(q0.w, k2_0.w, t1_2); t1_3 = fma(q0.w, k3_0.w, t1_3); }
              { let q0 = dOutput[dOutput2 + d];
                t2_0 = fma(q0.x, k0_0.x, t2_0); t2_1 = fma(q0.x, k1_0.x, t2_1); t2_2 = fma(q0.x, k2_0.x, t2_2); t2_3 = fma(q0.x, k3_0.x, t2_3);
                t2_0 = fma(q0.y, k0_0.y, t2_0); t2_1 = fma(q0.y, k1_0.y, t2_1); t2_2 = fma(q0.y, k2_0.y, t2_2); t2_3 = fma(q0.y, k3_0.y, t2_3);
                t2_0 = fma(q0.z, k0_0.z, t2_0); t2_1 = fma(q0.z, k1_0.z, t2_1); t2_2 = fma(q0.z, k2_0.z, t2_2); t2_3 = fma(q0.z, k3_0.z, t2_3);
                t2_0 = fma(q0.w, k0_0.w, t2_0); t2_1 = fma(q0.w, k1_0.w, t2_1); t2_2 = fma(q0.w, k2_0.w, t2_2); t2_3 = fma(q0.w, k3_0.w, t2_3); }
              { let q0 = dOutput[dOutput3 + d];
                t3_0 = fma(q0.x, k0_0.x, t3_0); t3_1 = fma(q0.x, k1_0.x, t3_1); t3_2 = fma(q0.x, k2_0.x, t3_2); t3_3 = fma(q0.x, k3_0.x, t3_3);
                t3_0 = fma(q0.y, k0_0.y, t3_0); t3_1 = fma(q0.y, k1_0.y, t3_1); t3_2 = fma(q0.y, k2_0.y, t3_2); t3_3 = fma(q0.y, k3_0.y, t3_3);
                t3_0 = fma(q0.z, k0_0.z, t3_0); t3_1 = fma(q0.z, k1_0.z, t3_1); t3_2 = fma(q0.z, k2_0.z, t3_2); t3_3 = fma(q0.z, k3_0.z, t3_3);
                t3_0 = fma(q0.w, k0_0.w, t3_0); t3_1 = fma(q0.w, k1_0.w, t3_1); t3_2 = fma(q0.w, k2_0.w, t3_2); t3_3 = fma(q0.w, k3_0.w, t3_3); }
            }
          }
        }
        // gradients of scores
        {

          s0_0 *= params.scale;
          s0_1 *= params.scale;
          s0_2 *= params.scale;
          s0_3 *= params.scale;
          s1_0 *= params.scale;
          s1_1 *= params.scale;
          s1_2 *= params.scale;
          s1_3 *= params.scale;
          s2_0 *= params.scale;
          s2_1 *= params.scale;
          s2_2 *= params.scale;
          s2_3 *= params.scale;
          s3_0 *= params.scale;
          s3_1 *= params.scale;
          s3_2 *= params.scale;
          s3_3 *= params.scale;
          if (y0 < full.x || y0 + SIZE > full.y) {
            { let own = schedule[intervals + x0];
              s0_0 = select(HIDDEN, s0_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
              s0_1 = select(HIDDEN, s0_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
              s0_2 = select(HIDDEN, s0_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
              s0_3 = select(HIDDEN, s0_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y); }
            { let own = schedule[intervals + x1];
              s1_0 = select(HIDDEN, s1_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
              s1_1 = select(HIDDEN, s1_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
              s1_2 = select(HIDDEN, s1_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
              s1_3 = select(HIDDEN, s1_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y); }
            { let own = schedule[intervals + x2];
              s2_0 = select(HIDDEN, s2_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
              s2_1 = select(HIDDEN, s2_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
              s2_2 = select(HIDDEN, s2_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
              s2_3 = select(HIDDEN, s2_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y); }
            { let own = schedule[intervals + x3];
              s3_0 = select(HIDDEN, s3_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
              s3_1 = select(HIDDEN, s3_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
              s3_2 = select(HIDDEN, s3_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
              s3_3 = select(HIDDEN, s3_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y); }
          }
          { let hides = s0_0 == HIDDEN; let p = exp2(s0_0 - stats0.x) * stats0.y;
            t0_0 = select(p * (t0_0 - stats0.z), 0.0, hides);
          }
          { let hides = s0_1 == HIDDEN; let p = exp2(s0_1 - stats0.x) * stats0.y;
            t0_1 = select(p * (t0_1 - stats0.z), 0.0, hides);
          }
          { let hides = s0_2 == HIDDEN; let p = exp2(s0_2 - stats0.x) * stats0.y;
            t0_2 = select(p * (t0_2 - stats0.z), 0.0, hides);
          }
          { let hides = s0_3 == HIDDEN; let p = exp2(s0_3 - stats0.x) * stats0.y;
            t0_3 = select(p * (t0_3 - stats0.z), 0.0, hides);
          }
          { let hides = s1_0 == HIDDEN; let p = exp2(s1_0 - stats1.x) * stats1.y;
            t1_0 = select(p * (t1_0 - stats1.z), 0.0, hides);
          }
          { let hides = s1_1 == HIDDEN; let p = exp2(s1_1 - stats1.x) * stats1.y;
            t1_1 = select(p * (t1_1 - stats1.z), 0.0, hides);
          }
          { let hides = s1_2 == HIDDEN; let p = exp2(s1_2 - stats1.x) * stats1.y;
            t1_2 = select(p * (t1_2 - stats1.z), 0.0, hides);
          }
          { let hides = s1_3 == HIDDEN; let p = exp2(s1_3 - stats1.x) * stats1.y;
            t1_3 = select(p * (t1_3 - stats1.z), 0.0, hides);
          }
          { let hides = s2_0 == HIDDEN; let p = exp2(s2_0 - stats2.x) * stats2.y;
            t2_0 = select(p * (t2_0 - stats2.z), 0.0, hides);
          }
          { let hides = s2_1 == HIDDEN; let p = exp2(s2_1 - stats2.x) * stats2.y;
            t2_1 = select(p * (t2_1 - stats2.z), 0.0, hides);
          }
          { let hides = s2_2 == HIDDEN; let p = exp2(s2_2 - stats2.x) * stats2.y;
            t2_2 = select(p * (t2_2 - stats2.z), 0.0, hides);
          }
          { let hides = s2_3 == HIDDEN; let p = exp2(s2_3 - stats2.x) * stats2.y;
            t2_3 = select(p * (t2_3 - stats2.z), 0.0, hides);
          }
          { let hides = s3_0 == HIDDEN; let p = exp2(s3_0 - stats3.x) * stats3.y;
            t3_0 = select(p * (t3_0 - stats3.z), 0.0, hides);
          }
          { let hides = s3_1 == HIDDEN; let p = exp2(s3_1 - stats3.x) * stats3.y;
            t3_1 = select(p * (t3_1 - stats3.z), 0.0, hides);
          }
          { let hides = s3_2 == HIDDEN; let p = exp2(s3_2 - stats3.x) * stats3.y;
            t3_2 = select(p * (t3_2 - stats3.z), 0.0, hides);
          }
          { let hides = s3_3 == HIDDEN; let p = exp2(s3_3 - stats3.x) * stats3.y;
            t3_3 = select(p * (t3_3 - stats3.z), 0.0, hides);
          }
        }
        // gradients wanted
        if (i32(x0) < owned.x) {
          if (y0 + i32(tx) + 0 < y.y && s0_0 != HIDDEN) { dScores[pairs0 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 0))] += t0_0; }
          if (y0 + i32(tx) + 8 < y.y && s0_1 != HIDDEN) { dScores[pairs0 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 8))] += t0_1; }
          if (y0 + i32(tx) + 16 < y.y && s0_2 != HIDDEN) { dScores[pairs0 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 16))] += t0_2; }
          if (y0 + i32(tx) + 24 < y.y && s0_3 != HIDDEN) { dScores[pairs0 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 24))] += t0_3; }
        }
        if (i32(x1) < owned.x) {
          if (y0 + i32(tx) + 0 < y.y && s1_0 != HIDDEN) { dScores[pairs1 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 0))] += t1_0; }
          if (y0 + i32(tx) + 8 < y.y && s1_1 != HIDDEN) { dScores[pairs1 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 8))] += t1_1; }
          if (y0 + i32(tx) + 16 < y.y && s1_2 != HIDDEN) { dScores[pairs1 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 16))] += t1_2; }
          if (y0 + i32(tx) + 24 < y.y && s1_3 != HIDDEN) { dScores[pairs1 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 24))] += t1_3; }
        }
        if (i32(x2) < owned.x) {
          if (y0 + i32(tx) + 0 < y.y && s2_0 != HIDDEN) { dScores[pairs2 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 0))] += t2_0; }
          if (y0 + i32(tx) + 8 < y.y && s2_1 != HIDDEN) { dScores[pairs2 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 8))] += t2_1; }
          if (y0 + i32(tx) + 16 < y.y && s2_2 != HIDDEN) { dScores[pairs2 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 16))] += t2_2; }
          if (y0 + i32(tx) + 24 < y.y && s2_3 != HIDDEN) { dScores[pairs2 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 24))] += t2_3; }
        }
        if (i32(x3) < owned.x) {
          if (y0 + i32(tx) + 0 < y.y && s3_0 != HIDDEN) { dScores[pairs3 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 0))] += t3_0; }
          if (y0 + i32(tx) + 8 < y.y && s3_1 != HIDDEN) { dScores[pairs3 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 8))] += t3_1; }
          if (y0 + i32(tx) + 16 < y.y && s3_2 != HIDDEN) { dScores[pairs3 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 16))] += t3_2; }
          if (y0 + i32(tx) + 24 < y.y && s3_3 != HIDDEN) { dScores[pairs3 + u32(keysOf.x + keysOf.y * (y0 + i32(tx) + 24))] += t3_3; }
        }
      }
    }
  }
}
