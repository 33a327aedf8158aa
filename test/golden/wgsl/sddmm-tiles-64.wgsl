// scores of packed pairs, 64 × 64 tiles
// 16384 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> key: array<vec4f>;
@group(0) @binding(3) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(4) var<storage, read_write> output: array<u32>;

// Scores of the pairs that attend, packed: a workgroup owns ROWS rows of one head and visits their keys, KEYS at a time.
// query, key [.., 64]  output [batch, heads, pairs].  Invocation (tx, ty) owns rows ty + TY·i, and meets keys tx + TX·j.
const ROWS = 64;
const KEYS = 64;

const TX = 8u;
const TY = 16u;

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

// What is added to the number of a key in its span, of the interval with a number.
fn placeAt(interval: u32) -> i32 {
  let two = schedule[params.numbers + interval / 2u];
  return select(two.x, two.y, (interval & 1u) != 0u);
}

var<workgroup> memory: array<vec4f, 1024>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tx = lane % TX;
  let ty = lane / TX;
  let item = params.first + 4u * group.y;
  let rowsOf = schedule[item]; // (firstRow, rowStride)
  let owned = schedule[item + 1u]; // (rows, slot)
  let spanRange = schedule[item + 2u]; // (spanBegin, spanEnd)
  let head = group.x;
  let batch = group.z;
  let line = batch * params.heads + head;
  let queryLine = params.queryStrides.w + batch * params.queryStrides.z + head * params.queryStrides.x;
  let keyLine = params.keyStrides.w + batch * params.keyStrides.z + head / params.groupSize * params.keyStrides.x;
  let valueLine = keyLine + params.valuesBehind;
  let outputLine = batch * params.heads * params.queryLength + head * params.outputStrides.x;
  let linePairs = i32(line * params.pairs);
  let x0 = ty + 0u;
  let row0 = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
  let query0 = (queryLine + row0 * params.queryStrides.y) * 16u;
  let x1 = ty + 16u;
  let row1 = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
  let query1 = (queryLine + row1 * params.queryStrides.y) * 16u;
  let x2 = ty + 32u;
  let row2 = u32(rowsOf.x + rowsOf.y * min(i32(x2), owned.x - 1));
  let query2 = (queryLine + row2 * params.queryStrides.y) * 16u;
  let x3 = ty + 48u;
  let row3 = u32(rowsOf.x + rowsOf.y * min(i32(x3), owned.x - 1));
  let query3 = (queryLine + row3 * params.queryStrides.y) * 16u;

  for (var number = spanRange.x; number < spanRange.y; number++) {
    let span = params.spans + 4u * u32(number);
    let keysOf = schedule[span]; // (firstKey, keyStride)
    let keyRows = keysOf * i32(params.keyStrides.y);
    let y = schedule[span + 1u]; // (begin, end)
    let full = schedule[span + 2u]; // keys that every row attends to
    let intervals = params.intervals + u32(schedule[span + 3u].x);
    var own0 = schedule[intervals + x0]; own0.y = min(own0.y, y.y);
    let place0 = linePairs + placeAt(intervals - params.intervals + x0);
    var own1 = schedule[intervals + x1]; own1.y = min(own1.y, y.y);
    let place1 = linePairs + placeAt(intervals - params.intervals + x1);
    var own2 = schedule[intervals + x2]; own2.y = min(own2.y, y.y);
    let place2 = linePairs + placeAt(intervals - params.intervals + x2);
    var own3 = schedule[intervals + x3]; own3.y = min(own3.y, y.y);
    let place3 = linePairs + placeAt(intervals - params.intervals + x3);
    for (var y0 = y.x; y0 < y.y; y0 += KEYS) {
      // stage keys
      workgroupBarrier();
      { let f = lane + 0u; memory[0u + (f / 16u) * 16u + ((f % 16u) + (f / 16u)) % 16u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 16u + (f % 16u)]; }
      { let f = lane + 128u; memory[0u + (f / 16u) * 16u + ((f % 16u) + (f / 16u)) % 16u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 16u + (f % 16u)]; }
      { let f = lane + 256u; memory[0u + (f / 16u) * 16u + ((f % 16u) + (f / 16u)) % 16u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 16u + (f % 16u)]; }
      { let f = lane + 384u; memory[0u + (f / 16u) * 16u + ((f % 16u) + (f / 16u)) % 16u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 16u + (f % 16u)]; }
      { let f = lane + 512u; memory[0u + (f / 16u) * 16u + ((f % 16u) + (f / 16u)) % 16u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 16u + (f % 16u)]; }
      { let f = lane + 640u; memory[0u + (f / 16u) * 16u + ((f % 16u) + (f / 16u)) % 16u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 16u + (f % 16u)]; }
      { let f = lane + 768u; memory[0u + (f / 16u) * 16u + ((f % 16u) + (f / 16u)) % 16u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 16u + (f % 16u)]; }
      { let f = lane + 896u; memory[0u + (f / 16u) * 16u + ((f % 16u) + (f / 16u)) % 16u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 16u + (f % 16u)]; }
      // products with keys
      workgroupBarrier();
      var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0; var s0_4 = 0.0; var s0_5 = 0.0; var s0_6 = 0.0; var s0_7 = 0.0;
      var s1_0 = 0.0; var s1_1 = 0.0; var s1_2 = 0.0; var s1_3 = 0.0; var s1_4 = 0.0; var s1_5 = 0.0; var s1_6 = 0.0; var s1_7 = 0.0;
      var s2_0 = 0.0; var s2_1 = 0.0; var s2_2 = 0.0; var s2_3 = 0.0; var s2_4 = 0.0; var s2_5 = 0.0; var s2_6 = 0.0; var s2_7 = 0.0;
      var s3_0 = 0.0; var s3_1 = 0.0; var s3_2 = 0.0; var s3_3 = 0.0; var s3_4 = 0.0; var s3_5 = 0.0; var s3_6 = 0.0; var s3_7 = 0.0;
      { let own = tx * 16u;
        for (var n = 0u; n < 2u; n++) {
          { let d = n * 8u + 0u;
            let k0_0 = memory[own + 0u + (d + tx) % 16u];
            let k1_0 = memory[own + 128u + (d + tx + 8u) % 16u];
            let k2_0 = memory[own + 256u + (d + tx) % 16u];
            let k3_0 = memory[own + 384u + (d + tx + 8u) % 16u];
            let k4_0 = memory[own + 512u + (d + tx) % 16u];
            let k5_0 = memory[own + 640u + (d + tx + 8u) % 16u];
            let k6_0 = memory[own + 768u + (d + tx) % 16u];
            let k7_0 = memory[own + 896u + (d + tx + 8u) % 16u];
            { let q0 = query[query0 + d];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7); }
            { let q0 = query[query1 + d];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7); }
            { let q0 = query[query2 + d];
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7); }
            { let q0 = query[query3 + d];
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7); }
          }
          { let d = n * 8u + 1u;
            let k0_0 = memory[own + 0u + (d + tx) % 16u];
            let k1_0 = memory[own + 128u + (d + tx + 8u) % 16u];
            let k2_0 = memory[own + 256u + (d + tx) % 16u];
            let k3_0 = memory[own + 384u + (d + tx + 8u) % 16u];
            let k4_0 = memory[own + 512u + (d + tx) % 16u];
            let k5_0 = memory[own + 640u + (d + tx + 8u) % 16u];
            let k6_0 = memory[own + 768u + (d + tx) % 16u];
            let k7_0 = memory[own + 896u + (d + tx + 8u) % 16u];
            { let q0 = query[query0 + d];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7); }
            { let q0 = query[query1 + d];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7); }
            { let q0 = query[query2 + d];
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7); }
            { let q0 = query[query3 + d];
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7); }
          }
          { let d = n * 8u + 2u;
            let k0_0 = memory[own + 0u + (d + tx) % 16u];
            let k1_0 = memory[own + 128u + (d + tx + 8u) % 16u];
            let k2_0 = memory[own + 256u + (d + tx) % 16u];
            let k3_0 = memory[own + 384u + (d + tx + 8u) % 16u];
            let k4_0 = memory[own + 512u + (d + tx) % 16u];
            let k5_0 = memory[own + 640u + (d + tx + 8u) % 16u];
            let k6_0 = memory[own + 768u + (d + tx) % 16u];
            let k7_0 = memory[own + 896u + (d + tx + 8u) % 16u];
            { let q0 = query[query0 + d];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7); }
            { let q0 = query[query1 + d];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7); }
            { let q0 = query[query2 + d];
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7); }
            { let q0 = query[query3 + d];
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7); }
          }
          { let d = n * 8u + 3u;
            let k0_0 = memory[own + 0u + (d + tx) % 16u];
            let k1_0 = memory[own + 128u + (d + tx + 8u) % 16u];
            let k2_0 = memory[own + 256u + (d + tx) % 16u];
            let k3_0 = memory[own + 384u + (d + tx + 8u) % 16u];
            let k4_0 = memory[own + 512u + (d + tx) % 16u];
            let k5_0 = memory[own + 640u + (d + tx + 8u) % 16u];
            let k6_0 = memory[own + 768u + (d + tx) % 16u];
            let k7_0 = memory[own + 896u + (d + tx + 8u) % 16u];
            { let q0 = query[query0 + d];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7); }
            { let q0 = query[query1 + d];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7); }
            { let q0 = query[query2 + d];
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7); }
            { let q0 = query[query3 + d];
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7); }
          }
          { let d = n * 8u + 4u;
            let k0_0 = memory[own + 0u + (d + tx) % 16u];
            let k1_0 = memory[own + 128u + (d + tx + 8u) % 16u];
            let k2_0 = memory[own + 256u + (d + tx) % 16u];
            let k3_0 = memory[own + 384u + (d + tx + 8u) % 16u];
            let k4_0 = memory[own + 512u + (d + tx) % 16u];
            let k5_0 = memory[own + 640u + (d + tx + 8u) % 16u];
            let k6_0 = memory[own + 768u + (d + tx) % 16u];
            let k7_0 = memory[own + 896u + (d + tx + 8u) % 16u];
            { let q0 = query[query0 + d];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7); }
            { let q0 = query[query1 + d];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7); }
            { let q0 = query[query2 + d];
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7); }
            { let q0 = query[query3 + d];
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7); }
          }
          { let d = n * 8u + 5u;
            let k0_0 = memory[own + 0u + (d + tx) % 16u];
            let k1_0 = memory[own + 128u + (d + tx + 8u) % 16u];
            let k2_0 = memory[own + 256u + (d + tx) % 16u];
            let k3_0 = memory[own + 384u + (d + tx + 8u) % 16u];
            let k4_0 = memory[own + 512u + (d + tx) % 16u];
            let k5_0 = memory[own + 640u + (d + tx + 8u) % 16u];
            let k6_0 = memory[own + 768u + (d + tx) % 16u];
            let k7_0 = memory[own + 896u + (d + tx + 8u) % 16u];
            { let q0 = query[query0 + d];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7); }
            { let q0 = query[query1 + d];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7); }
            { let q0 = query[query2 + d];
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7); }
            { let q0 = query[query3 + d];
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7); }
          }
          { let d = n * 8u + 6u;
            let k0_0 = memory[own + 0u + (d + tx) % 16u];
            let k1_0 = memory[own + 128u + (d + tx + 8u) % 16u];
            let k2_0 = memory[own + 256u + (d + tx) % 16u];
            let k3_0 = memory[own + 384u + (d + tx + 8u) % 16u];
            let k4_0 = memory[own + 512u + (d + tx) % 16u];
            let k5_0 = memory[own + 640u + (d + tx + 8u) % 16u];
            let k6_0 = memory[own + 768u + (d + tx) % 16u];
            let k7_0 = memory[own + 896u + (d + tx + 8u) % 16u];
            { let q0 = query[query0 + d];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7); }
            { let q0 = query[query1 + d];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7); }
            { let q0 = query[query2 + d];
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7); }
            { let q0 = query[query3 + d];
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7); }
          }
          { let d = n * 8u + 7u;
            let k0_0 = memory[own + 0u + (d + tx) % 16u];
            let k1_0 = memory[own + 128u + (d + tx + 8u) % 16u];
            let k2_0 = memory[own + 256u + (d + tx) % 16u];
            let k3_0 = memory[own + 384u + (d + tx + 8u) % 16u];
            let k4_0 = memory[own + 512u + (d + tx) % 16u];
            let k5_0 = memory[own + 640u + (d + tx + 8u) % 16u];
            let k6_0 = memory[own + 768u + (d + tx) % 16u];
            let k7_0 = memory[own + 896u + (d + tx + 8u) % 16u];
            { let q0 = query[query0 + d];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7); }
            { let q0 = query[query1 + d];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7); }
            { let q0 = query[query2 + d];
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7); }
            { let q0 = query[query3 + d];
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7); }
          }
        }
      }
      s0_0 *= params.scale;
      s0_1 *= params.scale;
      s0_2 *= params.scale;
      s0_3 *= params.scale;
      s0_4 *= params.scale;
      s0_5 *= params.scale;
      s0_6 *= params.scale;
      s0_7 *= params.scale;
      s1_0 *= params.scale;
      s1_1 *= params.scale;
      s1_2 *= params.scale;
      s1_3 *= params.scale;
      s1_4 *= params.scale;
      s1_5 *= params.scale;
      s1_6 *= params.scale;
      s1_7 *= params.scale;
      s2_0 *= params.scale;
      s2_1 *= params.scale;
      s2_2 *= params.scale;
      s2_3 *= params.scale;
      s2_4 *= params.scale;
      s2_5 *= params.scale;
      s2_6 *= params.scale;
      s2_7 *= params.scale;
      s3_0 *= params.scale;
      s3_1 *= params.scale;
      s3_2 *= params.scale;
      s3_3 *= params.scale;
      s3_4 *= params.scale;
      s3_5 *= params.scale;
      s3_6 *= params.scale;
      s3_7 *= params.scale;
      if (y0 >= full.x && y0 + KEYS <= min(full.y, y.y) && owned.x == ROWS) {
        output[u32(place0 + y0 + i32(tx) + 0)] = bitcast<u32>(s0_0);
        output[u32(place0 + y0 + i32(tx) + 8)] = bitcast<u32>(s0_1);
        output[u32(place0 + y0 + i32(tx) + 16)] = bitcast<u32>(s0_2);
        output[u32(place0 + y0 + i32(tx) + 24)] = bitcast<u32>(s0_3);
        output[u32(place0 + y0 + i32(tx) + 32)] = bitcast<u32>(s0_4);
        output[u32(place0 + y0 + i32(tx) + 40)] = bitcast<u32>(s0_5);
        output[u32(place0 + y0 + i32(tx) + 48)] = bitcast<u32>(s0_6);
        output[u32(place0 + y0 + i32(tx) + 56)] = bitcast<u32>(s0_7);
        output[u32(place1 + y0 + i32(tx) + 0)] = bitcast<u32>(s1_0);
        output[u32(place1 + y0 + i32(tx) + 8)] = bitcast<u32>(s1_1);
        output[u32(place1 + y0 + i32(tx) + 16)] = bitcast<u32>(s1_2);
        output[u32(place1 + y0 + i32(tx) + 24)] = bitcast<u32>(s1_3);
        output[u32(place1 + y0 + i32(tx) + 32)] = bitcast<u32>(s1_4);
        output[u32(place1 + y0 + i32(tx) + 40)] = bitcast<u32>(s1_5);
        output[u32(place1 + y0 + i32(tx) + 48)] = bitcast<u32>(s1_6);
        output[u32(place1 + y0 + i32(tx) + 56)] = bitcast<u32>(s1_7);
        output[u32(place2 + y0 + i32(tx) + 0)] = bitcast<u32>(s2_0);
        output[u32(place2 + y0 + i32(tx) + 8)] = bitcast<u32>(s2_1);
        output[u32(place2 + y0 + i32(tx) + 16)] = bitcast<u32>(s2_2);
        output[u32(place2 + y0 + i32(tx) + 24)] = bitcast<u32>(s2_3);
        output[u32(place2 + y0 + i32(tx) + 32)] = bitcast<u32>(s2_4);
        output[u32(place2 + y0 + i32(tx) + 40)] = bitcast<u32>(s2_5);
        output[u32(place2 + y0 + i32(tx) + 48)] = bitcast<u32>(s2_6);
        output[u32(place2 + y0 + i32(tx) + 56)] = bitcast<u32>(s2_7);
        output[u32(place3 + y0 + i32(tx) + 0)] = bitcast<u32>(s3_0);
        output[u32(place3 + y0 + i32(tx) + 8)] = bitcast<u32>(s3_1);
        output[u32(place3 + y0 + i32(tx) + 16)] = bitcast<u32>(s3_2);
        output[u32(place3 + y0 + i32(tx) + 24)] = bitcast<u32>(s3_3);
        output[u32(place3 + y0 + i32(tx) + 32)] = bitcast<u32>(s3_4);
        output[u32(place3 + y0 + i32(tx) + 40)] = bitcast<u32>(s3_5);
        output[u32(place3 + y0 + i32(tx) + 48)] = bitcast<u32>(s3_6);
        output[u32(place3 + y0 + i32(tx) + 56)] = bitcast<u32>(s3_7);
      } else {
        if (y0 + i32(tx) + 0 >= own0.x && y0 + i32(tx) + 0 < own0.y) { output[u32(place0 + y0 + i32(tx) + 0)] = bitcast<u32>(s0_0); }
        if (y0 + i32(tx) + 8 >= own0.x && y0 + i32(tx) + 8 < own0.y) { output[u32(place0 + y0 + i32(tx) + 8)] = bitcast<u32>(s0_1); }
        if (y0 + i32(tx) + 16 >= own0.x && y0 + i32(tx) + 16 < own0.y) { output[u32(place0 + y0 + i32(tx) + 16)] = bitcast<u32>(s0_2); }
        if (y0 + i32(tx) + 24 >= own0.x && y0 + i32(tx) + 24 < own0.y) { output[u32(place0 + y0 + i32(tx) + 24)] = bitcast<u32>(s0_3); }
        if (y0 + i32(tx) + 32 >= own0.x && y0 + i32(tx) + 32 < own0.y) { output[u32(place0 + y0 + i32(tx) + 32)] = bitcast<u32>(s0_4); }
        if (y0 + i32(tx) + 40 >= own0.x && y0 + i32(tx) + 40 < own0.y) { output[u32(place0 + y0 + i32(tx) + 40)] = bitcast<u32>(s0_5); }
        if (y0 + i32(tx) + 48 >= own0.x && y0 + i32(tx) + 48 < own0.y) { output[u32(place0 + y0 + i32(tx) + 48)] = bitcast<u32>(s0_6); }
        if (y0 + i32(tx) + 56 >= own0.x && y0 + i32(tx) + 56 < own0.y) { output[u32(place0 + y0 + i32(tx) + 56)] = bitcast<u32>(s0_7); }
        if (y0 + i32(tx) + 0 >= own1.x && y0 + i32(tx) + 0 < own1.y) { output[u32(place1 + y0 + i32(tx) + 0)] = bitcast<u32>(s1_0); }
        if (y0 + i32(tx) + 8 >= own1.x && y0 + i32(tx) + 8 < own1.y) { output[u32(place1 + y0 + i32(tx) + 8)] = bitcast<u32>(s1_1); }
        if (y0 + i32(tx) + 16 >= own1.x && y0 + i32(tx) + 16 < own1.y) { output[u32(place1 + y0 + i32(tx) + 16)] = bitcast<u32>(s1_2); }
        if (y0 + i32(tx) + 24 >= own1.x && y0 + i32(tx) + 24 < own1.y) { output[u32(place1 + y0 + i32(tx) + 24)] = bitcast<u32>(s1_3); }
        if (y0 + i32(tx) + 32 >= own1.x && y0 + i32(tx) + 32 < own1.y) { output[u32(place1 + y0 + i32(tx) + 32)] = bitcast<u32>(s1_4); }
        if (y0 + i32(tx) + 40 >= own1.x && y0 + i32(tx) + 40 < own1.y) { output[u32(place1 + y0 + i32(tx) + 40)] = bitcast<u32>(s1_5); }
        if (y0 + i32(tx) + 48 >= own1.x && y0 + i32(tx) + 48 < own1.y) { output[u32(place1 + y0 + i32(tx) + 48)] = bitcast<u32>(s1_6); }
        if (y0 + i32(tx) + 56 >= own1.x && y0 + i32(tx) + 56 < own1.y) { output[u32(place1 + y0 + i32(tx) + 56)] = bitcast<u32>(s1_7); }
        if (y0 + i32(tx) + 0 >= own2.x && y0 + i32(tx) + 0 < own2.y) { output[u32(place2 + y0 + i32(tx) + 0)] = bitcast<u32>(s2_0); }
        if (y0 + i32(tx) + 8 >= own2.x && y0 + i32(tx) + 8 < own2.y) { output[u32(place2 + y0 + i32(tx) + 8)] = bitcast<u32>(s2_1); }
        if (y0 + i32(tx) + 16 >= own2.x && y0 + i32(tx) + 16 < own2.y) { output[u32(place2 + y0 + i32(tx) + 16)] = bitcast<u32>(s2_2); }
        if (y0 + i32(tx) + 24 >= own2.x && y0 + i32(tx) + 24 < own2.y) { output[u32(place2 + y0 + i32(tx) + 24)] = bitcast<u32>(s2_3); }
        if (y0 + i32(tx) + 32 >= own2.x && y0 + i32(tx) + 32 < own2.y) { output[u32(place2 + y0 + i32(tx) + 32)] = bitcast<u32>(s2_4); }
        if (y0 + i32(tx) + 40 >= own2.x && y0 + i32(tx) + 40 < own2.y) { output[u32(place2 + y0 + i32(tx) + 40)] = bitcast<u32>(s2_5); }
        if (y0 + i32(tx) + 48 >= own2.x && y0 + i32(tx) + 48 < own2.y) { output[u32(place2 + y0 + i32(tx) + 48)] = bitcast<u32>(s2_6); }
        if (y0 + i32(tx) + 56 >= own2.x && y0 + i32(tx) + 56 < own2.y) { output[u32(place2 + y0 + i32(tx) + 56)] = bitcast<u32>(s2_7); }
        if (y0 + i32(tx) + 0 >= own3.x && y0 + i32(tx) + 0 < own3.y) { output[u32(place3 + y0 + i32(tx) + 0)] = bitcast<u32>(s3_0); }
        if (y0 + i32(tx) + 8 >= own3.x && y0 + i32(tx) + 8 < own3.y) { output[u32(place3 + y0 + i32(tx) + 8)] = bitcast<u32>(s3_1); }
        if (y0 + i32(tx) + 16 >= own3.x && y0 + i32(tx) + 16 < own3.y) { output[u32(place3 + y0 + i32(tx) + 16)] = bitcast<u32>(s3_2); }
        if (y0 + i32(tx) + 24 >= own3.x && y0 + i32(tx) + 24 < own3.y) { output[u32(place3 + y0 + i32(tx) + 24)] = bitcast<u32>(s3_3); }
        if (y0 + i32(tx) + 32 >= own3.x && y0 + i32(tx) + 32 < own3.y) { output[u32(place3 + y0 + i32(tx) + 32)] = bitcast<u32>(s3_4); }
        if (y0 + i32(tx) + 40 >= own3.x && y0 + i32(tx) + 40 < own3.y) { output[u32(place3 + y0 + i32(tx) + 40)] = bitcast<u32>(s3_5); }
        if (y0 + i32(tx) + 48 >= own3.x && y0 + i32(tx) + 48 < own3.y) { output[u32(place3 + y0 + i32(tx) + 48)] = bitcast<u32>(s3_6); }
        if (y0 + i32(tx) + 56 >= own3.x && y0 + i32(tx) + 56 < own3.y) { output[u32(place3 + y0 + i32(tx) + 56)] = bitcast<u32>(s3_7); }
      }
    }
  }
}
