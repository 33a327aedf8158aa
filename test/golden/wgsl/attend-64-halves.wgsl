// float16 storage
// 12288 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queryHalves: array<vec4u>;
@group(0) @binding(2) var<storage, read> keyHalves: array<vec4u>;
@group(0) @binding(3) var<storage, read> valueHalves: array<vec4u>;
@group(0) @binding(4) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> rowSums: array<vec2f>;

// Sparse attention, float16 storage, float32 arithmetic. A workgroup owns a tile of ROWS queries of one head and visits its keys KEYS at a time.
// query [batch, heads, queryLength, 64]  key [batch, keyHeads, keyLength, 64]
// value [batch, keyHeads, keyLength, 64]  output [batch, heads, queryLength, 64]; or lengths before heads.
// Invocation (tx, ty) owns rows ty + TY·i, keys tx + TX·j of a tile and output columns tx + TX·c (vec4).
const ROWS = 64u;
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

fn lower(eight: vec4u) -> vec4f { return vec4f(unpack2x16float(eight.x), unpack2x16float(eight.y)); }
fn upper(eight: vec4u) -> vec4f { return vec4f(unpack2x16float(eight.z), unpack2x16float(eight.w)); }

var<workgroup> memory: array<vec4u, 768>;

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
  let x0 = ty + 0u;
  let row0 = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
  let query0 = (queryLine + row0 * params.queryStrides.y) * 8u;
  var m0 = EMPTY; var l0 = 0.0; var o0_0 = vec4f(); var o0_1 = vec4f();
  let x1 = ty + 16u;
  let row1 = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
  let query1 = (queryLine + row1 * params.queryStrides.y) * 8u;
  var m1 = EMPTY; var l1 = 0.0; var o1_0 = vec4f(); var o1_1 = vec4f();
  let x2 = ty + 32u;
  let row2 = u32(rowsOf.x + rowsOf.y * min(i32(x2), owned.x - 1));
  let query2 = (queryLine + row2 * params.queryStrides.y) * 8u;
  var m2 = EMPTY; var l2 = 0.0; var o2_0 = vec4f(); var o2_1 = vec4f();
  let x3 = ty + 48u;
  let row3 = u32(rowsOf.x + rowsOf.y * min(i32(x3), owned.x - 1));
  let query3 = (queryLine + row3 * params.queryStrides.y) * 8u;
  var m3 = EMPTY; var l3 = 0.0; var o3_0 = vec4f(); var o3_1 = vec4f();
  if ((params.flags & CONTINUES) != 0u && owned.y < 0) {
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 16u;
      let had = rowSums[q]; // (maximum, sum)
      m0 = had.x;
      l0 = select(0.0, had.y, tx == 0u);
      o0_0 = had.y * output[to + (2u * tx + 0u)];
      o0_1 = had.y * output[to + (2u * tx + 1u)];
    }
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 16u;
      let had = rowSums[q]; // (maximum, sum)
      m1 = had.x;
      l1 = select(0.0, had.y, tx == 0u);
      o1_0 = had.y * output[to + (2u * tx + 0u)];
      o1_1 = had.y * output[to + (2u * tx + 1u)];
    }
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x2), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 16u;
      let had = rowSums[q]; // (maximum, sum)
      m2 = had.x;
      l2 = select(0.0, had.y, tx == 0u);
      o2_0 = had.y * output[to + (2u * tx + 0u)];
      o2_1 = had.y * output[to + (2u * tx + 1u)];
    }
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x3), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 16u;
      let had = rowSums[q]; // (maximum, sum)
      m3 = had.x;
      l3 = select(0.0, had.y, tx == 0u);
      o3_0 = had.y * output[to + (2u * tx + 0u)];
      o3_1 = had.y * output[to + (2u * tx + 1u)];
    }
  }

  for (var number = spanRange.x; number < spanRange.y; number++) {
    let span = params.spans + 4u * u32(number);
    let keysOf = schedule[span]; // (firstKey, keyStride)
    let keyRows = keysOf * i32(params.keyStrides.y);
    let y = schedule[span + 1u]; // (begin, end)
    let full = schedule[span + 2u]; // keys that every row attends to
    let intervals = params.intervals + u32(schedule[span + 3u].x);
    for (var y0 = y.x; y0 < y.y; y0 += KEYS) {
      // stage keys
      workgroupBarrier();
      { let f = lane + 0u; memory[0u + (f / 8u) * 8u + ((f % 8u) + (f / 8u)) % 8u] = keyHalves[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 8u)), y.y - 1))) * 8u + (f % 8u)]; }
      { let f = lane + 128u; memory[0u + (f / 8u) * 8u + ((f % 8u) + (f / 8u)) % 8u] = keyHalves[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 8u)), y.y - 1))) * 8u + (f % 8u)]; }
      { let f = lane + 256u; memory[0u + (f / 8u) * 8u + ((f % 8u) + (f / 8u)) % 8u] = keyHalves[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 8u)), y.y - 1))) * 8u + (f % 8u)]; }
      { let f = lane + 384u; memory[0u + (f / 8u) * 8u + ((f % 8u) + (f / 8u)) % 8u] = keyHalves[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 8u)), y.y - 1))) * 8u + (f % 8u)]; }
      // scores
      workgroupBarrier();
      var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0; var s0_4 = 0.0; var s0_5 = 0.0; var s0_6 = 0.0; var s0_7 = 0.0;
      var s1_0 = 0.0; var s1_1 = 0.0; var s1_2 = 0.0; var s1_3 = 0.0; var s1_4 = 0.0; var s1_5 = 0.0; var s1_6 = 0.0; var s1_7 = 0.0;
      var s2_0 = 0.0; var s2_1 = 0.0; var s2_2 = 0.0; var s2_3 = 0.0; var s2_4 = 0.0; var s2_5 = 0.0; var s2_6 = 0.0; var s2_7 = 0.0;
      var s3_0 = 0.0; var s3_1 = 0.0; var s3_2 = 0.0; var s3_3 = 0.0; var s3_4 = 0.0; var s3_5 = 0.0; var s3_6 = 0.0; var s3_7 = 0.0;
      { let own = tx * 8u;
        for (var n = 0u; n < 4u; n++) {
          { let d = n * 2u + 0u;
            let key0 = memory[own + 0u + (d + tx) % 8u]; let k0_0 = lower(key0); let k0_1 = upper(key0);
            let key1 = memory[own + 64u + (d + tx) % 8u]; let k1_0 = lower(key1); let k1_1 = upper(key1);
            let key2 = memory[own + 128u + (d + tx) % 8u]; let k2_0 = lower(key2); let k2_1 = upper(key2);
            let key3 = memory[own + 192u + (d + tx) % 8u]; let k3_0 = lower(key3); let k3_1 = upper(key3);
            let key4 = memory[own + 256u + (d + tx) % 8u]; let k4_0 = lower(key4); let k4_1 = upper(key4);
            let key5 = memory[own + 320u + (d + tx) % 8u]; let k5_0 = lower(key5); let k5_1 = upper(key5);
            let key6 = memory[own + 384u + (d + tx) % 8u]; let k6_0 = lower(key6); let k6_1 = upper(key6);
            let key7 = memory[own + 448u + (d + tx) % 8u]; let k7_0 = lower(key7); let k7_1 = upper(key7);
            { let q = queryHalves[query0 + d]; let q0 = lower(q); let q1 = upper(q);
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7);
              s0_0 = fma(q1.x, k0_1.x, s0_0); s0_1 = fma(q1.x, k1_1.x, s0_1); s0_2 = fma(q1.x, k2_1.x, s0_2); s0_3 = fma(q1.x, k3_1.x, s0_3); s0_4 = fma(q1.x, k4_1.x, s0_4); s0_5 = fma(q1.x, k5_1.x, s0_5); s0_6 = fma(q1.x, k6_1.x, s0_6); s0_7 = fma(q1.x, k7_1.x, s0_7);
              s0_0 = fma(q1.y, k0_1.y, s0_0); s0_1 = fma(q1.y, k1_1.y, s0_1); s0_2 = fma(q1.y, k2_1.y, s0_2); s0_3 = fma(q1.y, k3_1.y, s0_3); s0_4 = fma(q1.y, k4_1.y, s0_4); s0_5 = fma(q1.y, k5_1.y, s0_5); s0_6 = fma(q1.y, k6_1.y, s0_6); s0_7 = fma(q1.y, k7_1.y, s0_7);
              s0_0 = fma(q1.z, k0_1.z, s0_0); s0_1 = fma(q1.z, k1_1.z, s0_1); s0_2 = fma(q1.z, k2_1.z, s0_2); s0_3 = fma(q1.z, k3_1.z, s0_3); s0_4 = fma(q1.z, k4_1.z, s0_4); s0_5 = fma(q1.z, k5_1.z, s0_5); s0_6 = fma(q1.z, k6_1.z, s0_6); s0_7 = fma(q1.z, k7_1.z, s0_7);
              s0_0 = fma(q1.w, k0_1.w, s0_0); s0_1 = fma(q1.w, k1_1.w, s0_1); s0_2 = fma(q1.w, k2_1.w, s0_2); s0_3 = fma(q1.w, k3_1.w, s0_3); s0_4 = fma(q1.w, k4_1.w, s0_4); s0_5 = fma(q1.w, k5_1.w, s0_5); s0_6 = fma(q1.w, k6_1.w, s0_6); s0_7 = fma(q1.w, k7_1.w, s0_7); }
            { let q = queryHalves[query1 + d]; let q0 = lower(q); let q1 = upper(q);
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7);
              s1_0 = fma(q1.x, k0_1.x, s1_0); s1_1 = fma(q1.x, k1_1.x, s1_1); s1_2 = fma(q1.x, k2_1.x, s1_2); s1_3 = fma(q1.x, k3_1.x, s1_3); s1_4 = fma(q1.x, k4_1.x, s1_4); s1_5 = fma(q1.x, k5_1.x, s1_5); s1_6 = fma(q1.x, k6_1.x, s1_6); s1_7 = fma(q1.x, k7_1.x, s1_7);
              s1_0 = fma(q1.y, k0_1.y, s1_0); s1_1 = fma(q1.y, k1_1.y, s1_1); s1_2 = fma(q1.y, k2_1.y, s1_2); s1_3 = fma(q1.y, k3_1.y, s1_3); s1_4 = fma(q1.y, k4_1.y, s1_4); s1_5 = fma(q1.y, k5_1.y, s1_5); s1_6 = fma(q1.y, k6_1.y, s1_6); s1_7 = fma(q1.y, k7_1.y, s1_7);
              s1_0 = fma(q1.z, k0_1.z, s1_0); s1_1 = fma(q1.z, k1_1.z, s1_1); s1_2 = fma(q1.z, k2_1.z, s1_2); s1_3 = fma(q1.z, k3_1.z, s1_3); s1_4 = fma(q1.z, k4_1.z, s1_4); s1_5 = fma(q1.z, k5_1.z, s1_5); s1_6 = fma(q1.z, k6_1.z, s1_6); s1_7 = fma(q1.z, k7_1.z, s1_7);
              s1_0 = fma(q1.w, k0_1.w, s1_0); s1_1 = fma(q1.w, k1_1.w, s1_1); s1_2 = fma(q1.w, k2_1.w, s1_2); s1_3 = fma(q1.w, k3_1.w, s1_3); s1_4 = fma(q1.w, k4_1.w, s1_4); s1_5 = fma(q1.w, k5_1.w, s1_5); s1_6 = fma(q1.w, k6_1.w, s1_6); s1_7 = fma(q1.w, k7_1.w, s1_7); }
            { let q = queryHalves[query2 + d]; let q0 = lower(q); let q1 = upper(q);
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7);
              s2_0 = fma(q1.x, k0_1.x, s2_0); s2_1 = fma(q1.x, k1_1.x, s2_1); s2_2 = fma(q1.x, k2_1.x, s2_2); s2_3 = fma(q1.x, k3_1.x, s2_3); s2_4 = fma(q1.x, k4_1.x, s2_4); s2_5 = fma(q1.x, k5_1.x, s2_5); s2_6 = fma(q1.x, k6_1.x, s2_6); s2_7 = fma(q1.x, k7_1.x, s2_7);
              s2_0 = fma(q1.y, k0_1.y, s2_0); s2_1 = fma(q1.y, k1_1.y, s2_1); s2_2 = fma(q1.y, k2_1.y, s2_2); s2_3 = fma(q1.y, k3_1.y, s2_3); s2_4 = fma(q1.y, k4_1.y, s2_4); s2_5 = fma(q1.y, k5_1.y, s2_5); s2_6 = fma(q1.y, k6_1.y, s2_6); s2_7 = fma(q1.y, k7_1.y, s2_7);
              s2_0 = fma(q1.z, k0_1.z, s2_0); s2_1 = fma(q1.z, k1_1.z, s2_1); s2_2 = fma(q1.z, k2_1.z, s2_2); s2_3 = fma(q1.z, k3_1.z, s2_3); s2_4 = fma(q1.z, k4_1.z, s2_4); s2_5 = fma(q1.z, k5_1.z, s2_5); s2_6 = fma(q1.z, k6_1.z, s2_6); s2_7 = fma(q1.z, k7_1.z, s2_7);
              s2_0 = fma(q1.w, k0_1.w, s2_0); s2_1 = fma(q1.w, k1_1.w, s2_1); s2_2 = fma(q1.w, k2_1.w, s2_2); s2_3 = fma(q1.w, k3_1.w, s2_3); s2_4 = fma(q1.w, k4_1.w, s2_4); s2_5 = fma(q1.w, k5_1.w, s2_5); s2_6 = fma(q1.w, k6_1.w, s2_6); s2_7 = fma(q1.w, k7_1.w, s2_7); }
            { let q = queryHalves[query3 + d]; let q0 = lower(q); let q1 = upper(q);
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7);
              s3_0 = fma(q1.x, k0_1.x, s3_0); s3_1 = fma(q1.x, k1_1.x, s3_1); s3_2 = fma(q1.x, k2_1.x, s3_2); s3_3 = fma(q1.x, k3_1.x, s3_3); s3_4 = fma(q1.x, k4_1.x, s3_4); s3_5 = fma(q1.x, k5_1.x, s3_5); s3_6 = fma(q1.x, k6_1.x, s3_6); s3_7 = fma(q1.x, k7_1.x, s3_7);
              s3_0 = fma(q1.y, k0_1.y, s3_0); s3_1 = fma(q1.y, k1_1.y, s3_1); s3_2 = fma(q1.y, k2_1.y, s3_2); s3_3 = fma(q1.y, k3_1.y, s3_3); s3_4 = fma(q1.y, k4_1.y, s3_4); s3_5 = fma(q1.y, k5_1.y, s3_5); s3_6 = fma(q1.y, k6_1.y, s3_6); s3_7 = fma(q1.y, k7_1.y, s3_7);
              s3_0 = fma(q1.z, k0_1.z, s3_0); s3_1 = fma(q1.z, k1_1.z, s3_1); s3_2 = fma(q1.z, k2_1.z, s3_2); s3_3 = fma(q1.z, k3_1.z, s3_3); s3_4 = fma(q1.z, k4_1.z, s3_4); s3_5 = fma(q1.z, k5_1.z, s3_5); s3_6 = fma(q1.z, k6_1.z, s3_6); s3_7 = fma(q1.z, k7_1.z, s3_7);
              s3_0 = fma(q1.w, k0_1.w, s3_0); s3_1 = fma(q1.w, k1_1.w, s3_1); s3_2 = fma(q1.w, k2_1.w, s3_2); s3_3 = fma(q1.w, k3_1.w, s3_3); s3_4 = fma(q1.w, k4_1.w, s3_4); s3_5 = fma(q1.w, k5_1.w, s3_5); s3_6 = fma(q1.w, k6_1.w, s3_6); s3_7 = fma(q1.w, k7_1.w, s3_7); }
          }
          { let d = n * 2u + 1u;
            let key0 = memory[own + 0u + (d + tx) % 8u]; let k0_0 = lower(key0); let k0_1 = upper(key0);
            let key1 = memory[own + 64u + (d + tx) % 8u]; let k1_0 = lower(key1); let k1_1 = upper(key1);
            let key2 = memory[own + 128u + (d + tx) % 8u]; let k2_0 = lower(key2); let k2_1 = upper(key2);
            let key3 = memory[own + 192u + (d + tx) % 8u]; let k3_0 = lower(key3); let k3_1 = upper(key3);
            let key4 = memory[own + 256u + (d + tx) % 8u]; let k4_0 = lower(key4); let k4_1 = upper(key4);
            let key5 = memory[own + 320u + (d + tx) % 8u]; let k5_0 = lower(key5); let k5_1 = upper(key5);
            let key6 = memory[own + 384u + (d + tx) % 8u]; let k6_0 = lower(key6); let k6_1 = upper(key6);
            let key7 = memory[own + 448u + (d + tx) % 8u]; let k7_0 = lower(key7); let k7_1 = upper(key7);
            { let q = queryHalves[query0 + d]; let q0 = lower(q); let q1 = upper(q);
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3); s0_4 = fma(q0.x, k4_0.x, s0_4); s0_5 = fma(q0.x, k5_0.x, s0_5); s0_6 = fma(q0.x, k6_0.x, s0_6); s0_7 = fma(q0.x, k7_0.x, s0_7);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3); s0_4 = fma(q0.y, k4_0.y, s0_4); s0_5 = fma(q0.y, k5_0.y, s0_5); s0_6 = fma(q0.y, k6_0.y, s0_6); s0_7 = fma(q0.y, k7_0.y, s0_7);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3); s0_4 = fma(q0.z, k4_0.z, s0_4); s0_5 = fma(q0.z, k5_0.z, s0_5); s0_6 = fma(q0.z, k6_0.z, s0_6); s0_7 = fma(q0.z, k7_0.z, s0_7);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); s0_4 = fma(q0.w, k4_0.w, s0_4); s0_5 = fma(q0.w, k5_0.w, s0_5); s0_6 = fma(q0.w, k6_0.w, s0_6); s0_7 = fma(q0.w, k7_0.w, s0_7);
              s0_0 = fma(q1.x, k0_1.x, s0_0); s0_1 = fma(q1.x, k1_1.x, s0_1); s0_2 = fma(q1.x, k2_1.x, s0_2); s0_3 = fma(q1.x, k3_1.x, s0_3); s0_4 = fma(q1.x, k4_1.x, s0_4); s0_5 = fma(q1.x, k5_1.x, s0_5); s0_6 = fma(q1.x, k6_1.x, s0_6); s0_7 = fma(q1.x, k7_1.x, s0_7);
              s0_0 = fma(q1.y, k0_1.y, s0_0); s0_1 = fma(q1.y, k1_1.y, s0_1); s0_2 = fma(q1.y, k2_1.y, s0_2); s0_3 = fma(q1.y, k3_1.y, s0_3); s0_4 = fma(q1.y, k4_1.y, s0_4); s0_5 = fma(q1.y, k5_1.y, s0_5); s0_6 = fma(q1.y, k6_1.y, s0_6); s0_7 = fma(q1.y, k7_1.y, s0_7);
              s0_0 = fma(q1.z, k0_1.z, s0_0); s0_1 = fma(q1.z, k1_1.z, s0_1); s0_2 = fma(q1.z, k2_1.z, s0_2); s0_3 = fma(q1.z, k3_1.z, s0_3); s0_4 = fma(q1.z, k4_1.z, s0_4); s0_5 = fma(q1.z, k5_1.z, s0_5); s0_6 = fma(q1.z, k6_1.z, s0_6); s0_7 = fma(q1.z, k7_1.z, s0_7);
              s0_0 = fma(q1.w, k0_1.w, s0_0); s0_1 = fma(q1.w, k1_1.w, s0_1); s0_2 = fma(q1.w, k2_1.w, s0_2); s0_3 = fma(q1.w, k3_1.w, s0_3); s0_4 = fma(q1.w, k4_1.w, s0_4); s0_5 = fma(q1.w, k5_1.w, s0_5); s0_6 = fma(q1.w, k6_1.w, s0_6); s0_7 = fma(q1.w, k7_1.w, s0_7); }
            { let q = queryHalves[query1 + d]; let q0 = lower(q); let q1 = upper(q);
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3); s1_4 = fma(q0.x, k4_0.x, s1_4); s1_5 = fma(q0.x, k5_0.x, s1_5); s1_6 = fma(q0.x, k6_0.x, s1_6); s1_7 = fma(q0.x, k7_0.x, s1_7);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3); s1_4 = fma(q0.y, k4_0.y, s1_4); s1_5 = fma(q0.y, k5_0.y, s1_5); s1_6 = fma(q0.y, k6_0.y, s1_6); s1_7 = fma(q0.y, k7_0.y, s1_7);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3); s1_4 = fma(q0.z, k4_0.z, s1_4); s1_5 = fma(q0.z, k5_0.z, s1_5); s1_6 = fma(q0.z, k6_0.z, s1_6); s1_7 = fma(q0.z, k7_0.z, s1_7);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); s1_4 = fma(q0.w, k4_0.w, s1_4); s1_5 = fma(q0.w, k5_0.w, s1_5); s1_6 = fma(q0.w, k6_0.w, s1_6); s1_7 = fma(q0.w, k7_0.w, s1_7);
              s1_0 = fma(q1.x, k0_1.x, s1_0); s1_1 = fma(q1.x, k1_1.x, s1_1); s1_2 = fma(q1.x, k2_1.x, s1_2); s1_3 = fma(q1.x, k3_1.x, s1_3); s1_4 = fma(q1.x, k4_1.x, s1_4); s1_5 = fma(q1.x, k5_1.x, s1_5); s1_6 = fma(q1.x, k6_1.x, s1_6); s1_7 = fma(q1.x, k7_1.x, s1_7);
              s1_0 = fma(q1.y, k0_1.y, s1_0); s1_1 = fma(q1.y, k1_1.y, s1_1); s1_2 = fma(q1.y, k2_1.y, s1_2); s1_3 = fma(q1.y, k3_1.y, s1_3); s1_4 = fma(q1.y, k4_1.y, s1_4); s1_5 = fma(q1.y, k5_1.y, s1_5); s1_6 = fma(q1.y, k6_1.y, s1_6); s1_7 = fma(q1.y, k7_1.y, s1_7);
              s1_0 = fma(q1.z, k0_1.z, s1_0); s1_1 = fma(q1.z, k1_1.z, s1_1); s1_2 = fma(q1.z, k2_1.z, s1_2); s1_3 = fma(q1.z, k3_1.z, s1_3); s1_4 = fma(q1.z, k4_1.z, s1_4); s1_5 = fma(q1.z, k5_1.z, s1_5); s1_6 = fma(q1.z, k6_1.z, s1_6); s1_7 = fma(q1.z, k7_1.z, s1_7);
              s1_0 = fma(q1.w, k0_1.w, s1_0); s1_1 = fma(q1.w, k1_1.w, s1_1); s1_2 = fma(q1.w, k2_1.w, s1_2); s1_3 = fma(q1.w, k3_1.w, s1_3); s1_4 = fma(q1.w, k4_1.w, s1_4); s1_5 = fma(q1.w, k5_1.w, s1_5); s1_6 = fma(q1.w, k6_1.w, s1_6); s1_7 = fma(q1.w, k7_1.w, s1_7); }
            { let q = queryHalves[query2 + d]; let q0 = lower(q); let q1 = upper(q);
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3); s2_4 = fma(q0.x, k4_0.x, s2_4); s2_5 = fma(q0.x, k5_0.x, s2_5); s2_6 = fma(q0.x, k6_0.x, s2_6); s2_7 = fma(q0.x, k7_0.x, s2_7);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3); s2_4 = fma(q0.y, k4_0.y, s2_4); s2_5 = fma(q0.y, k5_0.y, s2_5); s2_6 = fma(q0.y, k6_0.y, s2_6); s2_7 = fma(q0.y, k7_0.y, s2_7);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3); s2_4 = fma(q0.z, k4_0.z, s2_4); s2_5 = fma(q0.z, k5_0.z, s2_5); s2_6 = fma(q0.z, k6_0.z, s2_6); s2_7 = fma(q0.z, k7_0.z, s2_7);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); s2_4 = fma(q0.w, k4_0.w, s2_4); s2_5 = fma(q0.w, k5_0.w, s2_5); s2_6 = fma(q0.w, k6_0.w, s2_6); s2_7 = fma(q0.w, k7_0.w, s2_7);
              s2_0 = fma(q1.x, k0_1.x, s2_0); s2_1 = fma(q1.x, k1_1.x, s2_1); s2_2 = fma(q1.x, k2_1.x, s2_2); s2_3 = fma(q1.x, k3_1.x, s2_3); s2_4 = fma(q1.x, k4_1.x, s2_4); s2_5 = fma(q1.x, k5_1.x, s2_5); s2_6 = fma(q1.x, k6_1.x, s2_6); s2_7 = fma(q1.x, k7_1.x, s2_7);
              s2_0 = fma(q1.y, k0_1.y, s2_0); s2_1 = fma(q1.y, k1_1.y, s2_1); s2_2 = fma(q1.y, k2_1.y, s2_2); s2_3 = fma(q1.y, k3_1.y, s2_3); s2_4 = fma(q1.y, k4_1.y, s2_4); s2_5 = fma(q1.y, k5_1.y, s2_5); s2_6 = fma(q1.y, k6_1.y, s2_6); s2_7 = fma(q1.y, k7_1.y, s2_7);
              s2_0 = fma(q1.z, k0_1.z, s2_0); s2_1 = fma(q1.z, k1_1.z, s2_1); s2_2 = fma(q1.z, k2_1.z, s2_2); s2_3 = fma(q1.z, k3_1.z, s2_3); s2_4 = fma(q1.z, k4_1.z, s2_4); s2_5 = fma(q1.z, k5_1.z, s2_5); s2_6 = fma(q1.z, k6_1.z, s2_6); s2_7 = fma(q1.z, k7_1.z, s2_7);
              s2_0 = fma(q1.w, k0_1.w, s2_0); s2_1 = fma(q1.w, k1_1.w, s2_1); s2_2 = fma(q1.w, k2_1.w, s2_2); s2_3 = fma(q1.w, k3_1.w, s2_3); s2_4 = fma(q1.w, k4_1.w, s2_4); s2_5 = fma(q1.w, k5_1.w, s2_5); s2_6 = fma(q1.w, k6_1.w, s2_6); s2_7 = fma(q1.w, k7_1.w, s2_7); }
            { let q = queryHalves[query3 + d]; let q0 = lower(q); let q1 = upper(q);
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3); s3_4 = fma(q0.x, k4_0.x, s3_4); s3_5 = fma(q0.x, k5_0.x, s3_5); s3_6 = fma(q0.x, k6_0.x, s3_6); s3_7 = fma(q0.x, k7_0.x, s3_7);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3); s3_4 = fma(q0.y, k4_0.y, s3_4); s3_5 = fma(q0.y, k5_0.y, s3_5); s3_6 = fma(q0.y, k6_0.y, s3_6); s3_7 = fma(q0.y, k7_0.y, s3_7);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3); s3_4 = fma(q0.z, k4_0.z, s3_4); s3_5 = fma(q0.z, k5_0.z, s3_5); s3_6 = fma(q0.z, k6_0.z, s3_6); s3_7 = fma(q0.z, k7_0.z, s3_7);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); s3_4 = fma(q0.w, k4_0.w, s3_4); s3_5 = fma(q0.w, k5_0.w, s3_5); s3_6 = fma(q0.w, k6_0.w, s3_6); s3_7 = fma(q0.w, k7_0.w, s3_7);
              s3_0 = fma(q1.x, k0_1.x, s3_0); s3_1 = fma(q1.x, k1_1.x, s3_1); s3_2 = fma(q1.x, k2_1.x, s3_2); s3_3 = fma(q1.x, k3_1.x, s3_3); s3_4 = fma(q1.x, k4_1.x, s3_4); s3_5 = fma(q1.x, k5_1.x, s3_5); s3_6 = fma(q1.x, k6_1.x, s3_6); s3_7 = fma(q1.x, k7_1.x, s3_7);
              s3_0 = fma(q1.y, k0_1.y, s3_0); s3_1 = fma(q1.y, k1_1.y, s3_1); s3_2 = fma(q1.y, k2_1.y, s3_2); s3_3 = fma(q1.y, k3_1.y, s3_3); s3_4 = fma(q1.y, k4_1.y, s3_4); s3_5 = fma(q1.y, k5_1.y, s3_5); s3_6 = fma(q1.y, k6_1.y, s3_6); s3_7 = fma(q1.y, k7_1.y, s3_7);
              s3_0 = fma(q1.z, k0_1.z, s3_0); s3_1 = fma(q1.z, k1_1.z, s3_1); s3_2 = fma(q1.z, k2_1.z, s3_2); s3_3 = fma(q1.z, k3_1.z, s3_3); s3_4 = fma(q1.z, k4_1.z, s3_4); s3_5 = fma(q1.z, k5_1.z, s3_5); s3_6 = fma(q1.z, k6_1.z, s3_6); s3_7 = fma(q1.z, k7_1.z, s3_7);
              s3_0 = fma(q1.w, k0_1.w, s3_0); s3_1 = fma(q1.w, k1_1.w, s3_1); s3_2 = fma(q1.w, k2_1.w, s3_2); s3_3 = fma(q1.w, k3_1.w, s3_3); s3_4 = fma(q1.w, k4_1.w, s3_4); s3_5 = fma(q1.w, k5_1.w, s3_5); s3_6 = fma(q1.w, k6_1.w, s3_6); s3_7 = fma(q1.w, k7_1.w, s3_7); }
          }
        }
      }
      // scale and mask
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
      if (y0 < full.x || y0 + KEYS > full.y) {
        { let own = schedule[intervals + x0];
          s0_0 = select(HIDDEN, s0_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
          s0_1 = select(HIDDEN, s0_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
          s0_2 = select(HIDDEN, s0_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
          s0_3 = select(HIDDEN, s0_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y);
          s0_4 = select(HIDDEN, s0_4, y0 + i32(tx) + 32 >= own.x && y0 + i32(tx) + 32 < own.y);
          s0_5 = select(HIDDEN, s0_5, y0 + i32(tx) + 40 >= own.x && y0 + i32(tx) + 40 < own.y);
          s0_6 = select(HIDDEN, s0_6, y0 + i32(tx) + 48 >= own.x && y0 + i32(tx) + 48 < own.y);
          s0_7 = select(HIDDEN, s0_7, y0 + i32(tx) + 56 >= own.x && y0 + i32(tx) + 56 < own.y); }
        { let own = schedule[intervals + x1];
          s1_0 = select(HIDDEN, s1_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
          s1_1 = select(HIDDEN, s1_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
          s1_2 = select(HIDDEN, s1_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
          s1_3 = select(HIDDEN, s1_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y);
          s1_4 = select(HIDDEN, s1_4, y0 + i32(tx) + 32 >= own.x && y0 + i32(tx) + 32 < own.y);
          s1_5 = select(HIDDEN, s1_5, y0 + i32(tx) + 40 >= own.x && y0 + i32(tx) + 40 < own.y);
          s1_6 = select(HIDDEN, s1_6, y0 + i32(tx) + 48 >= own.x && y0 + i32(tx) + 48 < own.y);
          s1_7 = select(HIDDEN, s1_7, y0 + i32(tx) + 56 >= own.x && y0 + i32(tx) + 56 < own.y); }
        { let own = schedule[intervals + x2];
          s2_0 = select(HIDDEN, s2_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
          s2_1 = select(HIDDEN, s2_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
          s2_2 = select(HIDDEN, s2_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
          s2_3 = select(HIDDEN, s2_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y);
          s2_4 = select(HIDDEN, s2_4, y0 + i32(tx) + 32 >= own.x && y0 + i32(tx) + 32 < own.y);
          s2_5 = select(HIDDEN, s2_5, y0 + i32(tx) + 40 >= own.x && y0 + i32(tx) + 40 < own.y);
          s2_6 = select(HIDDEN, s2_6, y0 + i32(tx) + 48 >= own.x && y0 + i32(tx) + 48 < own.y);
          s2_7 = select(HIDDEN, s2_7, y0 + i32(tx) + 56 >= own.x && y0 + i32(tx) + 56 < own.y); }
        { let own = schedule[intervals + x3];
          s3_0 = select(HIDDEN, s3_0, y0 + i32(tx) + 0 >= own.x && y0 + i32(tx) + 0 < own.y);
          s3_1 = select(HIDDEN, s3_1, y0 + i32(tx) + 8 >= own.x && y0 + i32(tx) + 8 < own.y);
          s3_2 = select(HIDDEN, s3_2, y0 + i32(tx) + 16 >= own.x && y0 + i32(tx) + 16 < own.y);
          s3_3 = select(HIDDEN, s3_3, y0 + i32(tx) + 24 >= own.x && y0 + i32(tx) + 24 < own.y);
          s3_4 = select(HIDDEN, s3_4, y0 + i32(tx) + 32 >= own.x && y0 + i32(tx) + 32 < own.y);
          s3_5 = select(HIDDEN, s3_5, y0 + i32(tx) + 40 >= own.x && y0 + i32(tx) + 40 < own.y);
          s3_6 = select(HIDDEN, s3_6, y0 + i32(tx) + 48 >= own.x && y0 + i32(tx) + 48 < own.y);
          s3_7 = select(HIDDEN, s3_7, y0 + i32(tx) + 56 >= own.x && y0 + i32(tx) + 56 < own.y); }
      }
      // maximum of each row
      workgroupBarrier();
      var t0 = max(max(max(s0_0, s0_1), max(s0_2, s0_3)), max(max(s0_4, s0_5), max(s0_6, s0_7)));
      var t1 = max(max(max(s1_0, s1_1), max(s1_2, s1_3)), max(max(s1_4, s1_5), max(s1_6, s1_7)));
      var t2 = max(max(max(s2_0, s2_1), max(s2_2, s2_3)), max(max(s2_4, s2_5), max(s2_6, s2_7)));
      var t3 = max(max(max(s3_0, s3_1), max(s3_2, s3_3)), max(max(s3_4, s3_5), max(s3_6, s3_7)));
      memory[256u + (tx * 1u + 0u) * 16u + ty] = bitcast<vec4u>(vec4f(t0, t1, t2, t3));
      // probabilities
      workgroupBarrier();
      { let all0 = max(max(max(bitcast<vec4f>(memory[256u + ty]), bitcast<vec4f>(memory[272u + ty])), max(bitcast<vec4f>(memory[288u + ty]), bitcast<vec4f>(memory[304u + ty]))), max(max(bitcast<vec4f>(memory[320u + ty]), bitcast<vec4f>(memory[336u + ty])), max(bitcast<vec4f>(memory[352u + ty]), bitcast<vec4f>(memory[368u + ty]))));
        t0 = all0.x; t1 = all0.y; t2 = all0.z; t3 = all0.w;
        { let next = max(m0, t0); let shrink = exp2(m0 - next); m0 = next;
          s0_0 = exp2(s0_0 - next); s0_1 = exp2(s0_1 - next); s0_2 = exp2(s0_2 - next); s0_3 = exp2(s0_3 - next); s0_4 = exp2(s0_4 - next); s0_5 = exp2(s0_5 - next); s0_6 = exp2(s0_6 - next); s0_7 = exp2(s0_7 - next);
          l0 = fma(l0, shrink, (((s0_0 + s0_1) + (s0_2 + s0_3)) + ((s0_4 + s0_5) + (s0_6 + s0_7))));
          o0_0 *= shrink; o0_1 *= shrink; }
        { let next = max(m1, t1); let shrink = exp2(m1 - next); m1 = next;
          s1_0 = exp2(s1_0 - next); s1_1 = exp2(s1_1 - next); s1_2 = exp2(s1_2 - next); s1_3 = exp2(s1_3 - next); s1_4 = exp2(s1_4 - next); s1_5 = exp2(s1_5 - next); s1_6 = exp2(s1_6 - next); s1_7 = exp2(s1_7 - next);
          l1 = fma(l1, shrink, (((s1_0 + s1_1) + (s1_2 + s1_3)) + ((s1_4 + s1_5) + (s1_6 + s1_7))));
          o1_0 *= shrink; o1_1 *= shrink; }
        { let next = max(m2, t2); let shrink = exp2(m2 - next); m2 = next;
          s2_0 = exp2(s2_0 - next); s2_1 = exp2(s2_1 - next); s2_2 = exp2(s2_2 - next); s2_3 = exp2(s2_3 - next); s2_4 = exp2(s2_4 - next); s2_5 = exp2(s2_5 - next); s2_6 = exp2(s2_6 - next); s2_7 = exp2(s2_7 - next);
          l2 = fma(l2, shrink, (((s2_0 + s2_1) + (s2_2 + s2_3)) + ((s2_4 + s2_5) + (s2_6 + s2_7))));
          o2_0 *= shrink; o2_1 *= shrink; }
        { let next = max(m3, t3); let shrink = exp2(m3 - next); m3 = next;
          s3_0 = exp2(s3_0 - next); s3_1 = exp2(s3_1 - next); s3_2 = exp2(s3_2 - next); s3_3 = exp2(s3_3 - next); s3_4 = exp2(s3_4 - next); s3_5 = exp2(s3_5 - next); s3_6 = exp2(s3_6 - next); s3_7 = exp2(s3_7 - next);
          l3 = fma(l3, shrink, (((s3_0 + s3_1) + (s3_2 + s3_3)) + ((s3_4 + s3_5) + (s3_6 + s3_7))));
          o3_0 *= shrink; o3_1 *= shrink; }
      }
      // exchange probabilities
      workgroupBarrier();
      { let own = ty * 8u;
        memory[own + 256u + (tx + ty) % 8u] = bitcast<vec4u>(vec4f(s0_0, s0_1, s0_2, s0_3));
        memory[own + 384u + (tx + ty) % 8u] = bitcast<vec4u>(vec4f(s1_0, s1_1, s1_2, s1_3));
        memory[own + 512u + (tx + ty) % 8u] = bitcast<vec4u>(vec4f(s2_0, s2_1, s2_2, s2_3));
        memory[own + 640u + (tx + ty) % 8u] = bitcast<vec4u>(vec4f(s3_0, s3_1, s3_2, s3_3)); }
      // stage values
      { let f = lane + 0u; memory[0u + (f / 8u) * 8u + (f % 8u)] = valueHalves[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 8u)), y.y - 1))) * 8u + (f % 8u)]; }
      { let f = lane + 128u; memory[0u + (f / 8u) * 8u + (f % 8u)] = valueHalves[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 8u)), y.y - 1))) * 8u + (f % 8u)]; }
      // weigh values
      workgroupBarrier();
      { let own = ty * 8u;
        for (var n = 0u; n < 4u; n++) {
          { let t = n * 2u + 0u;
            { let p0 = bitcast<vec4f>(memory[own + 256u + (t + ty) % 8u]);
              let p1 = bitcast<vec4f>(memory[own + 384u + (t + ty) % 8u]);
              let p2 = bitcast<vec4f>(memory[own + 512u + (t + ty) % 8u]);
              let p3 = bitcast<vec4f>(memory[own + 640u + (t + ty) % 8u]);
              { let value0 = memory[0u + (t + 0u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.x), v0, o0_0); o0_1 = fma(vec4f(p0.x), v1, o0_1);
                o1_0 = fma(vec4f(p1.x), v0, o1_0); o1_1 = fma(vec4f(p1.x), v1, o1_1);
                o2_0 = fma(vec4f(p2.x), v0, o2_0); o2_1 = fma(vec4f(p2.x), v1, o2_1);
                o3_0 = fma(vec4f(p3.x), v0, o3_0); o3_1 = fma(vec4f(p3.x), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 8u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.y), v0, o0_0); o0_1 = fma(vec4f(p0.y), v1, o0_1);
                o1_0 = fma(vec4f(p1.y), v0, o1_0); o1_1 = fma(vec4f(p1.y), v1, o1_1);
                o2_0 = fma(vec4f(p2.y), v0, o2_0); o2_1 = fma(vec4f(p2.y), v1, o2_1);
                o3_0 = fma(vec4f(p3.y), v0, o3_0); o3_1 = fma(vec4f(p3.y), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 16u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.z), v0, o0_0); o0_1 = fma(vec4f(p0.z), v1, o0_1);
                o1_0 = fma(vec4f(p1.z), v0, o1_0); o1_1 = fma(vec4f(p1.z), v1, o1_1);
                o2_0 = fma(vec4f(p2.z), v0, o2_0); o2_1 = fma(vec4f(p2.z), v1, o2_1);
                o3_0 = fma(vec4f(p3.z), v0, o3_0); o3_1 = fma(vec4f(p3.z), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 24u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.w), v0, o0_0); o0_1 = fma(vec4f(p0.w), v1, o0_1);
                o1_0 = fma(vec4f(p1.w), v0, o1_0); o1_1 = fma(vec4f(p1.w), v1, o1_1);
                o2_0 = fma(vec4f(p2.w), v0, o2_0); o2_1 = fma(vec4f(p2.w), v1, o2_1);
                o3_0 = fma(vec4f(p3.w), v0, o3_0); o3_1 = fma(vec4f(p3.w), v1, o3_1);
              }
            } }
          { let t = n * 2u + 1u;
            { let p0 = bitcast<vec4f>(memory[own + 256u + (t + ty) % 8u]);
              let p1 = bitcast<vec4f>(memory[own + 384u + (t + ty) % 8u]);
              let p2 = bitcast<vec4f>(memory[own + 512u + (t + ty) % 8u]);
              let p3 = bitcast<vec4f>(memory[own + 640u + (t + ty) % 8u]);
              { let value0 = memory[0u + (t + 0u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.x), v0, o0_0); o0_1 = fma(vec4f(p0.x), v1, o0_1);
                o1_0 = fma(vec4f(p1.x), v0, o1_0); o1_1 = fma(vec4f(p1.x), v1, o1_1);
                o2_0 = fma(vec4f(p2.x), v0, o2_0); o2_1 = fma(vec4f(p2.x), v1, o2_1);
                o3_0 = fma(vec4f(p3.x), v0, o3_0); o3_1 = fma(vec4f(p3.x), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 8u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.y), v0, o0_0); o0_1 = fma(vec4f(p0.y), v1, o0_1);
                o1_0 = fma(vec4f(p1.y), v0, o1_0); o1_1 = fma(vec4f(p1.y), v1, o1_1);
                o2_0 = fma(vec4f(p2.y), v0, o2_0); o2_1 = fma(vec4f(p2.y), v1, o2_1);
                o3_0 = fma(vec4f(p3.y), v0, o3_0); o3_1 = fma(vec4f(p3.y), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 16u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.z), v0, o0_0); o0_1 = fma(vec4f(p0.z), v1, o0_1);
                o1_0 = fma(vec4f(p1.z), v0, o1_0); o1_1 = fma(vec4f(p1.z), v1, o1_1);
                o2_0 = fma(vec4f(p2.z), v0, o2_0); o2_1 = fma(vec4f(p2.z), v1, o2_1);
                o3_0 = fma(vec4f(p3.z), v0, o3_0); o3_1 = fma(vec4f(p3.z), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 24u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.w), v0, o0_0); o0_1 = fma(vec4f(p0.w), v1, o0_1);
                o1_0 = fma(vec4f(p1.w), v0, o1_0); o1_1 = fma(vec4f(p1.w), v1, o1_1);
                o2_0 = fma(vec4f(p2.w), v0, o2_0); o2_1 = fma(vec4f(p2.w), v1, o2_1);
                o3_0 = fma(vec4f(p3.w), v0, o3_0); o3_1 = fma(vec4f(p3.w), v1, o3_1);
              }
            } }
        }
      }
      // exchange probabilities
      workgroupBarrier();
      { let own = ty * 8u;
        memory[own + 256u + (tx + ty) % 8u] = bitcast<vec4u>(vec4f(s0_4, s0_5, s0_6, s0_7));
        memory[own + 384u + (tx + ty) % 8u] = bitcast<vec4u>(vec4f(s1_4, s1_5, s1_6, s1_7));
        memory[own + 512u + (tx + ty) % 8u] = bitcast<vec4u>(vec4f(s2_4, s2_5, s2_6, s2_7));
        memory[own + 640u + (tx + ty) % 8u] = bitcast<vec4u>(vec4f(s3_4, s3_5, s3_6, s3_7)); }
      // stage values
      { let f = lane + 0u; memory[0u + (f / 8u) * 8u + (f % 8u)] = valueHalves[(valueLine + u32(keyRows.x + keyRows.y * min((y0 + 32) + i32((f / 8u)), y.y - 1))) * 8u + (f % 8u)]; }
      { let f = lane + 128u; memory[0u + (f / 8u) * 8u + (f % 8u)] = valueHalves[(valueLine + u32(keyRows.x + keyRows.y * min((y0 + 32) + i32((f / 8u)), y.y - 1))) * 8u + (f % 8u)]; }
      // weigh values
      workgroupBarrier();
      { let own = ty * 8u;
        for (var n = 0u; n < 4u; n++) {
          { let t = n * 2u + 0u;
            { let p0 = bitcast<vec4f>(memory[own + 256u + (t + ty) % 8u]);
              let p1 = bitcast<vec4f>(memory[own + 384u + (t + ty) % 8u]);
              let p2 = bitcast<vec4f>(memory[own + 512u + (t + ty) % 8u]);
              let p3 = bitcast<vec4f>(memory[own + 640u + (t + ty) % 8u]);
              { let value0 = memory[0u + (t + 0u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.x), v0, o0_0); o0_1 = fma(vec4f(p0.x), v1, o0_1);
                o1_0 = fma(vec4f(p1.x), v0, o1_0); o1_1 = fma(vec4f(p1.x), v1, o1_1);
                o2_0 = fma(vec4f(p2.x), v0, o2_0); o2_1 = fma(vec4f(p2.x), v1, o2_1);
                o3_0 = fma(vec4f(p3.x), v0, o3_0); o3_1 = fma(vec4f(p3.x), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 8u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.y), v0, o0_0); o0_1 = fma(vec4f(p0.y), v1, o0_1);
                o1_0 = fma(vec4f(p1.y), v0, o1_0); o1_1 = fma(vec4f(p1.y), v1, o1_1);
                o2_0 = fma(vec4f(p2.y), v0, o2_0); o2_1 = fma(vec4f(p2.y), v1, o2_1);
                o3_0 = fma(vec4f(p3.y), v0, o3_0); o3_1 = fma(vec4f(p3.y), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 16u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.z), v0, o0_0); o0_1 = fma(vec4f(p0.z), v1, o0_1);
                o1_0 = fma(vec4f(p1.z), v0, o1_0); o1_1 = fma(vec4f(p1.z), v1, o1_1);
                o2_0 = fma(vec4f(p2.z), v0, o2_0); o2_1 = fma(vec4f(p2.z), v1, o2_1);
                o3_0 = fma(vec4f(p3.z), v0, o3_0); o3_1 = fma(vec4f(p3.z), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 24u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.w), v0, o0_0); o0_1 = fma(vec4f(p0.w), v1, o0_1);
                o1_0 = fma(vec4f(p1.w), v0, o1_0); o1_1 = fma(vec4f(p1.w), v1, o1_1);
                o2_0 = fma(vec4f(p2.w), v0, o2_0); o2_1 = fma(vec4f(p2.w), v1, o2_1);
                o3_0 = fma(vec4f(p3.w), v0, o3_0); o3_1 = fma(vec4f(p3.w), v1, o3_1);
              }
            } }
          { let t = n * 2u + 1u;
            { let p0 = bitcast<vec4f>(memory[own + 256u + (t + ty) % 8u]);
              let p1 = bitcast<vec4f>(memory[own + 384u + (t + ty) % 8u]);
              let p2 = bitcast<vec4f>(memory[own + 512u + (t + ty) % 8u]);
              let p3 = bitcast<vec4f>(memory[own + 640u + (t + ty) % 8u]);
              { let value0 = memory[0u + (t + 0u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.x), v0, o0_0); o0_1 = fma(vec4f(p0.x), v1, o0_1);
                o1_0 = fma(vec4f(p1.x), v0, o1_0); o1_1 = fma(vec4f(p1.x), v1, o1_1);
                o2_0 = fma(vec4f(p2.x), v0, o2_0); o2_1 = fma(vec4f(p2.x), v1, o2_1);
                o3_0 = fma(vec4f(p3.x), v0, o3_0); o3_1 = fma(vec4f(p3.x), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 8u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.y), v0, o0_0); o0_1 = fma(vec4f(p0.y), v1, o0_1);
                o1_0 = fma(vec4f(p1.y), v0, o1_0); o1_1 = fma(vec4f(p1.y), v1, o1_1);
                o2_0 = fma(vec4f(p2.y), v0, o2_0); o2_1 = fma(vec4f(p2.y), v1, o2_1);
                o3_0 = fma(vec4f(p3.y), v0, o3_0); o3_1 = fma(vec4f(p3.y), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 16u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.z), v0, o0_0); o0_1 = fma(vec4f(p0.z), v1, o0_1);
                o1_0 = fma(vec4f(p1.z), v0, o1_0); o1_1 = fma(vec4f(p1.z), v1, o1_1);
                o2_0 = fma(vec4f(p2.z), v0, o2_0); o2_1 = fma(vec4f(p2.z), v1, o2_1);
                o3_0 = fma(vec4f(p3.z), v0, o3_0); o3_1 = fma(vec4f(p3.z), v1, o3_1);
              }
              { let value0 = memory[0u + (t + 24u) * 8u + tx + 0u]; let v0 = lower(value0); let v1 = upper(value0);
                o0_0 = fma(vec4f(p0.w), v0, o0_0); o0_1 = fma(vec4f(p0.w), v1, o0_1);
                o1_0 = fma(vec4f(p1.w), v0, o1_0); o1_1 = fma(vec4f(p1.w), v1, o1_1);
                o2_0 = fma(vec4f(p2.w), v0, o2_0); o2_1 = fma(vec4f(p2.w), v1, o2_1);
                o3_0 = fma(vec4f(p3.w), v0, o3_0); o3_1 = fma(vec4f(p3.w), v1, o3_1);
              }
            } }
        }
      }
    }
  }
  // sum of each row
  workgroupBarrier();
  memory[256u + (tx * 1u + 0u) * 16u + ty] = bitcast<vec4u>(vec4f(l0, l1, l2, l3));
  // whole sum
  workgroupBarrier();
  let all0 = (((bitcast<vec4f>(memory[256u + ty]) + bitcast<vec4f>(memory[272u + ty])) + (bitcast<vec4f>(memory[288u + ty]) + bitcast<vec4f>(memory[304u + ty]))) + ((bitcast<vec4f>(memory[320u + ty]) + bitcast<vec4f>(memory[336u + ty])) + (bitcast<vec4f>(memory[352u + ty]) + bitcast<vec4f>(memory[368u + ty]))));
  l0 = all0.x; l1 = all0.y; l2 = all0.z; l3 = all0.w;
  if (i32(x0) < owned.x) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 16u;
    let inverse = select(1.0 / l0, 0.0, l0 == 0.0);
    if (owned.y < 0) {
      output[to + (2u * tx + 0u)] = o0_0 * inverse;
      output[to + (2u * tx + 1u)] = o0_1 * inverse;
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m0, l0); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x0) * 17u;
      scratch[record + (2u * tx + 0u)] = o0_0 * inverse;
      scratch[record + (2u * tx + 1u)] = o0_1 * inverse;
      if (tx == 0u) { scratch[record + 16u] = vec4f(m0, l0, 0.0, 0.0); }
    }
  }
  if (i32(x1) < owned.x) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 16u;
    let inverse = select(1.0 / l1, 0.0, l1 == 0.0);
    if (owned.y < 0) {
      output[to + (2u * tx + 0u)] = o1_0 * inverse;
      output[to + (2u * tx + 1u)] = o1_1 * inverse;
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m1, l1); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x1) * 17u;
      scratch[record + (2u * tx + 0u)] = o1_0 * inverse;
      scratch[record + (2u * tx + 1u)] = o1_1 * inverse;
      if (tx == 0u) { scratch[record + 16u] = vec4f(m1, l1, 0.0, 0.0); }
    }
  }
  if (i32(x2) < owned.x) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x2), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 16u;
    let inverse = select(1.0 / l2, 0.0, l2 == 0.0);
    if (owned.y < 0) {
      output[to + (2u * tx + 0u)] = o2_0 * inverse;
      output[to + (2u * tx + 1u)] = o2_1 * inverse;
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m2, l2); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x2) * 17u;
      scratch[record + (2u * tx + 0u)] = o2_0 * inverse;
      scratch[record + (2u * tx + 1u)] = o2_1 * inverse;
      if (tx == 0u) { scratch[record + 16u] = vec4f(m2, l2, 0.0, 0.0); }
    }
  }
  if (i32(x3) < owned.x) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x3), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 16u;
    let inverse = select(1.0 / l3, 0.0, l3 == 0.0);
    if (owned.y < 0) {
      output[to + (2u * tx + 0u)] = o3_0 * inverse;
      output[to + (2u * tx + 1u)] = o3_1 * inverse;
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m3, l3); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x3) * 17u;
      scratch[record + (2u * tx + 0u)] = o3_0 * inverse;
      scratch[record + (2u * tx + 1u)] = o3_1 * inverse;
      if (tx == 0u) { scratch[record + 16u] = vec4f(m3, l3, 0.0, 0.0); }
    }
  }
}
