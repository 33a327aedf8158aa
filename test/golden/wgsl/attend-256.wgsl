// keys and values staged in several steps
// 16384 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> key: array<vec4f>;
@group(0) @binding(3) var<storage, read> value: array<vec4f>;
@group(0) @binding(4) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> rowSums: array<vec2f>;

// Sparse attention, float32. A workgroup owns a tile of ROWS queries of one head and visits its keys KEYS at a time.
// query [batch, heads, queryLength, 256]  key [batch, keyHeads, keyLength, 256]
// value [batch, keyHeads, keyLength, 256]  output [batch, heads, queryLength, 256]; or lengths before heads.
// Invocation (tx, ty) owns rows ty + TY·i, keys tx + TX·j of a tile and output columns tx + TX·c (vec4).
const ROWS = 32u;
const KEYS = 32;
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
  let x0 = ty + 0u;
  let row0 = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
  let query0 = (queryLine + row0 * params.queryStrides.y) * 64u;
  var m0 = EMPTY; var l0 = 0.0; var o0_0 = vec4f(); var o0_1 = vec4f(); var o0_2 = vec4f(); var o0_3 = vec4f(); var o0_4 = vec4f(); var o0_5 = vec4f(); var o0_6 = vec4f(); var o0_7 = vec4f();
  let x1 = ty + 16u;
  let row1 = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
  let query1 = (queryLine + row1 * params.queryStrides.y) * 64u;
  var m1 = EMPTY; var l1 = 0.0; var o1_0 = vec4f(); var o1_1 = vec4f(); var o1_2 = vec4f(); var o1_3 = vec4f(); var o1_4 = vec4f(); var o1_5 = vec4f(); var o1_6 = vec4f(); var o1_7 = vec4f();
  if ((params.flags & CONTINUES) != 0u && owned.y < 0) {
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 64u;
      let had = rowSums[q]; // (maximum, sum)
      m0 = had.x;
      l0 = select(0.0, had.y, tx == 0u);
      o0_0 = (had.y * params.valueScale) * output[to + (tx + 0u)];
      o0_1 = (had.y * params.valueScale) * output[to + (tx + 8u)];
      o0_2 = (had.y * params.valueScale) * output[to + (tx + 16u)];
      o0_3 = (had.y * params.valueScale) * output[to + (tx + 24u)];
      o0_4 = (had.y * params.valueScale) * output[to + (tx + 32u)];
      o0_5 = (had.y * params.valueScale) * output[to + (tx + 40u)];
      o0_6 = (had.y * params.valueScale) * output[to + (tx + 48u)];
      o0_7 = (had.y * params.valueScale) * output[to + (tx + 56u)];
    }
    {
      let own = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
      let q = line * params.queryLength + own;
      let to = (outputLine + own * params.outputStrides.y) * 64u;
      let had = rowSums[q]; // (maximum, sum)
      m1 = had.x;
      l1 = select(0.0, had.y, tx == 0u);
      o1_0 = (had.y * params.valueScale) * output[to + (tx + 0u)];
      o1_1 = (had.y * params.valueScale) * output[to + (tx + 8u)];
      o1_2 = (had.y * params.valueScale) * output[to + (tx + 16u)];
      o1_3 = (had.y * params.valueScale) * output[to + (tx + 24u)];
      o1_4 = (had.y * params.valueScale) * output[to + (tx + 32u)];
      o1_5 = (had.y * params.valueScale) * output[to + (tx + 40u)];
      o1_6 = (had.y * params.valueScale) * output[to + (tx + 48u)];
      o1_7 = (had.y * params.valueScale) * output[to + (tx + 56u)];
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
      { let f = lane + 0u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u)]; }
      { let f = lane + 128u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u)]; }
      { let f = lane + 256u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u)]; }
      { let f = lane + 384u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u)]; }
      { let f = lane + 512u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u)]; }
      { let f = lane + 640u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u)]; }
      { let f = lane + 768u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u)]; }
      { let f = lane + 896u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u)]; }
      // scores
      workgroupBarrier();
      var s0_0 = 0.0; var s0_1 = 0.0; var s0_2 = 0.0; var s0_3 = 0.0;
      var s1_0 = 0.0; var s1_1 = 0.0; var s1_2 = 0.0; var s1_3 = 0.0;
      { let own = tx * 32u;
        for (var n = 0u; n < 16u; n++) {
          { let d = n * 2u + 0u;
            let k0_0 = memory[own + 0u + (d + tx) % 32u];
            let k1_0 = memory[own + 256u + (d + tx + 8u) % 32u];
            let k2_0 = memory[own + 512u + (d + tx + 16u) % 32u];
            let k3_0 = memory[own + 768u + (d + tx + 24u) % 32u];
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
          }
          { let d = n * 2u + 1u;
            let k0_0 = memory[own + 0u + (d + tx) % 32u];
            let k1_0 = memory[own + 256u + (d + tx + 8u) % 32u];
            let k2_0 = memory[own + 512u + (d + tx + 16u) % 32u];
            let k3_0 = memory[own + 768u + (d + tx + 24u) % 32u];
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
          }
        }
      }
      // stage keys
      workgroupBarrier();
      { let f = lane + 0u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u) + 32u]; }
      { let f = lane + 128u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u) + 32u]; }
      { let f = lane + 256u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u) + 32u]; }
      { let f = lane + 384u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u) + 32u]; }
      { let f = lane + 512u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u) + 32u]; }
      { let f = lane + 640u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u) + 32u]; }
      { let f = lane + 768u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u) + 32u]; }
      { let f = lane + 896u; memory[0u + (f / 32u) * 32u + ((f % 32u) + (f / 32u)) % 32u] = key[(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 32u)), y.y - 1))) * 64u + (f % 32u) + 32u]; }
      // scores
      workgroupBarrier();
      { let own = tx * 32u;
        for (var n = 0u; n < 16u; n++) {
          { let d = n * 2u + 0u;
            let k0_0 = memory[own + 0u + (d + tx) % 32u];
            let k1_0 = memory[own + 256u + (d + tx + 8u) % 32u];
            let k2_0 = memory[own + 512u + (d + tx + 16u) % 32u];
            let k3_0 = memory[own + 768u + (d + tx + 24u) % 32u];
            { let q0 = query[query0 + (d + 32u)];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); }
            { let q0 = query[query1 + (d + 32u)];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); }
          }
          { let d = n * 2u + 1u;
            let k0_0 = memory[own + 0u + (d + tx) % 32u];
            let k1_0 = memory[own + 256u + (d + tx + 8u) % 32u];
            let k2_0 = memory[own + 512u + (d + tx + 16u) % 32u];
            let k3_0 = memory[own + 768u + (d + tx + 24u) % 32u];
            { let q0 = query[query0 + (d + 32u)];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); }
            { let q0 = query[query1 + (d + 32u)];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); }
          }
        }
      }
      // scale and mask
      s0_0 *= params.scale;
      s0_1 *= params.scale;
      s0_2 *= params.scale;
      s0_3 *= params.scale;
      s1_0 *= params.scale;
      s1_1 *= params.scale;
      s1_2 *= params.scale;
      s1_3 *= params.scale;
      if (y0 < full.x || y0 + KEYS > full.y) {
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
      }
      // maximum of each row
      workgroupBarrier();
      var t0 = max(max(s0_0, s0_1), max(s0_2, s0_3));
      var t1 = max(max(s1_0, s1_1), max(s1_2, s1_3));
      memory[768u + (tx * 1u + 0u) * 16u + ty] = vec4f(t0, t1, t1, t1);
      // probabilities
      workgroupBarrier();
      { let all0 = max(max(max(memory[768u + ty], memory[784u + ty]), max(memory[800u + ty], memory[816u + ty])), max(max(memory[832u + ty], memory[848u + ty]), max(memory[864u + ty], memory[880u + ty])));
        t0 = all0.x; t1 = all0.y;
        { let next = max(m0, t0); let shrink = exp2(m0 - next); m0 = next;
          s0_0 = exp2(s0_0 - next); s0_1 = exp2(s0_1 - next); s0_2 = exp2(s0_2 - next); s0_3 = exp2(s0_3 - next);
          l0 = fma(l0, shrink, ((s0_0 + s0_1) + (s0_2 + s0_3)));
          o0_0 *= shrink; o0_1 *= shrink; o0_2 *= shrink; o0_3 *= shrink; o0_4 *= shrink; o0_5 *= shrink; o0_6 *= shrink; o0_7 *= shrink; }
        { let next = max(m1, t1); let shrink = exp2(m1 - next); m1 = next;
          s1_0 = exp2(s1_0 - next); s1_1 = exp2(s1_1 - next); s1_2 = exp2(s1_2 - next); s1_3 = exp2(s1_3 - next);
          l1 = fma(l1, shrink, ((s1_0 + s1_1) + (s1_2 + s1_3)));
          o1_0 *= shrink; o1_1 *= shrink; o1_2 *= shrink; o1_3 *= shrink; o1_4 *= shrink; o1_5 *= shrink; o1_6 *= shrink; o1_7 *= shrink; }
      }
      // exchange probabilities
      workgroupBarrier();
      { let own = ty * 8u;
        memory[own + 768u + (tx + ty) % 8u] = vec4f(s0_0, s0_1, s0_2, s0_3);
        memory[own + 896u + (tx + ty) % 8u] = vec4f(s1_0, s1_1, s1_2, s1_3); }
      // stage values
      { let f = lane + 0u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u)] * params.valueScale); }
      { let f = lane + 128u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u)] * params.valueScale); }
      { let f = lane + 256u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u)] * params.valueScale); }
      { let f = lane + 384u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u)] * params.valueScale); }
      { let f = lane + 512u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u)] * params.valueScale); }
      { let f = lane + 640u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u)] * params.valueScale); }
      // weigh values
      workgroupBarrier();
      { let own = ty * 8u;
        for (var n = 0u; n < 4u; n++) {
          { let t = n * 2u + 0u;
            { let p0 = memory[own + 768u + (t + ty) % 8u];
              let p1 = memory[own + 896u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 0u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 0u) * 24u + tx + 16u];
                o0_0 = fma(vec4f(p0.x), v0, o0_0); o0_1 = fma(vec4f(p0.x), v1, o0_1); o0_2 = fma(vec4f(p0.x), v2, o0_2);
                o1_0 = fma(vec4f(p1.x), v0, o1_0); o1_1 = fma(vec4f(p1.x), v1, o1_1); o1_2 = fma(vec4f(p1.x), v2, o1_2);
              }
              { let v0 = memory[0u + (t + 8u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 8u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 8u) * 24u + tx + 16u];
                o0_0 = fma(vec4f(p0.y), v0, o0_0); o0_1 = fma(vec4f(p0.y), v1, o0_1); o0_2 = fma(vec4f(p0.y), v2, o0_2);
                o1_0 = fma(vec4f(p1.y), v0, o1_0); o1_1 = fma(vec4f(p1.y), v1, o1_1); o1_2 = fma(vec4f(p1.y), v2, o1_2);
              }
              { let v0 = memory[0u + (t + 16u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 16u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 16u) * 24u + tx + 16u];
                o0_0 = fma(vec4f(p0.z), v0, o0_0); o0_1 = fma(vec4f(p0.z), v1, o0_1); o0_2 = fma(vec4f(p0.z), v2, o0_2);
                o1_0 = fma(vec4f(p1.z), v0, o1_0); o1_1 = fma(vec4f(p1.z), v1, o1_1); o1_2 = fma(vec4f(p1.z), v2, o1_2);
              }
              { let v0 = memory[0u + (t + 24u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 24u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 24u) * 24u + tx + 16u];
                o0_0 = fma(vec4f(p0.w), v0, o0_0); o0_1 = fma(vec4f(p0.w), v1, o0_1); o0_2 = fma(vec4f(p0.w), v2, o0_2);
                o1_0 = fma(vec4f(p1.w), v0, o1_0); o1_1 = fma(vec4f(p1.w), v1, o1_1); o1_2 = fma(vec4f(p1.w), v2, o1_2);
              }
            } }
          { let t = n * 2u + 1u;
            { let p0 = memory[own + 768u + (t + ty) % 8u];
              let p1 = memory[own + 896u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 0u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 0u) * 24u + tx + 16u];
                o0_0 = fma(vec4f(p0.x), v0, o0_0); o0_1 = fma(vec4f(p0.x), v1, o0_1); o0_2 = fma(vec4f(p0.x), v2, o0_2);
                o1_0 = fma(vec4f(p1.x), v0, o1_0); o1_1 = fma(vec4f(p1.x), v1, o1_1); o1_2 = fma(vec4f(p1.x), v2, o1_2);
              }
              { let v0 = memory[0u + (t + 8u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 8u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 8u) * 24u + tx + 16u];
                o0_0 = fma(vec4f(p0.y), v0, o0_0); o0_1 = fma(vec4f(p0.y), v1, o0_1); o0_2 = fma(vec4f(p0.y), v2, o0_2);
                o1_0 = fma(vec4f(p1.y), v0, o1_0); o1_1 = fma(vec4f(p1.y), v1, o1_1); o1_2 = fma(vec4f(p1.y), v2, o1_2);
              }
              { let v0 = memory[0u + (t + 16u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 16u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 16u) * 24u + tx + 16u];
                o0_0 = fma(vec4f(p0.z), v0, o0_0); o0_1 = fma(vec4f(p0.z), v1, o0_1); o0_2 = fma(vec4f(p0.z), v2, o0_2);
                o1_0 = fma(vec4f(p1.z), v0, o1_0); o1_1 = fma(vec4f(p1.z), v1, o1_1); o1_2 = fma(vec4f(p1.z), v2, o1_2);
              }
              { let v0 = memory[0u + (t + 24u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 24u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 24u) * 24u + tx + 16u];
                o0_0 = fma(vec4f(p0.w), v0, o0_0); o0_1 = fma(vec4f(p0.w), v1, o0_1); o0_2 = fma(vec4f(p0.w), v2, o0_2);
                o1_0 = fma(vec4f(p1.w), v0, o1_0); o1_1 = fma(vec4f(p1.w), v1, o1_1); o1_2 = fma(vec4f(p1.w), v2, o1_2);
              }
            } }
        }
      }
      // stage values
      workgroupBarrier();
      { let f = lane + 0u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u) + 24u] * params.valueScale); }
      { let f = lane + 128u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u) + 24u] * params.valueScale); }
      { let f = lane + 256u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u) + 24u] * params.valueScale); }
      { let f = lane + 384u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u) + 24u] * params.valueScale); }
      { let f = lane + 512u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u) + 24u] * params.valueScale); }
      { let f = lane + 640u; memory[0u + (f / 24u) * 24u + (f % 24u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 24u)), y.y - 1))) * 64u + (f % 24u) + 24u] * params.valueScale); }
      // weigh values
      workgroupBarrier();
      { let own = ty * 8u;
        for (var n = 0u; n < 4u; n++) {
          { let t = n * 2u + 0u;
            { let p0 = memory[own + 768u + (t + ty) % 8u];
              let p1 = memory[own + 896u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 0u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 0u) * 24u + tx + 16u];
                o0_3 = fma(vec4f(p0.x), v0, o0_3); o0_4 = fma(vec4f(p0.x), v1, o0_4); o0_5 = fma(vec4f(p0.x), v2, o0_5);
                o1_3 = fma(vec4f(p1.x), v0, o1_3); o1_4 = fma(vec4f(p1.x), v1, o1_4); o1_5 = fma(vec4f(p1.x), v2, o1_5);
              }
              { let v0 = memory[0u + (t + 8u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 8u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 8u) * 24u + tx + 16u];
                o0_3 = fma(vec4f(p0.y), v0, o0_3); o0_4 = fma(vec4f(p0.y), v1, o0_4); o0_5 = fma(vec4f(p0.y), v2, o0_5);
                o1_3 = fma(vec4f(p1.y), v0, o1_3); o1_4 = fma(vec4f(p1.y), v1, o1_4); o1_5 = fma(vec4f(p1.y), v2, o1_5);
              }
              { let v0 = memory[0u + (t + 16u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 16u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 16u) * 24u + tx + 16u];
                o0_3 = fma(vec4f(p0.z), v0, o0_3); o0_4 = fma(vec4f(p0.z), v1, o0_4); o0_5 = fma(vec4f(p0.z), v2, o0_5);
                o1_3 = fma(vec4f(p1.z), v0, o1_3); o1_4 = fma(vec4f(p1.z), v1, o1_4); o1_5 = fma(vec4f(p1.z), v2, o1_5);
              }
              { let v0 = memory[0u + (t + 24u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 24u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 24u) * 24u + tx + 16u];
                o0_3 = fma(vec4f(p0.w), v0, o0_3); o0_4 = fma(vec4f(p0.w), v1, o0_4); o0_5 = fma(vec4f(p0.w), v2, o0_5);
                o1_3 = fma(vec4f(p1.w), v0, o1_3); o1_4 = fma(vec4f(p1.w), v1, o1_4); o1_5 = fma(vec4f(p1.w), v2, o1_5);
              }
            } }
          { let t = n * 2u + 1u;
            { let p0 = memory[own + 768u + (t + ty) % 8u];
              let p1 = memory[own + 896u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 0u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 0u) * 24u + tx + 16u];
                o0_3 = fma(vec4f(p0.x), v0, o0_3); o0_4 = fma(vec4f(p0.x), v1, o0_4); o0_5 = fma(vec4f(p0.x), v2, o0_5);
                o1_3 = fma(vec4f(p1.x), v0, o1_3); o1_4 = fma(vec4f(p1.x), v1, o1_4); o1_5 = fma(vec4f(p1.x), v2, o1_5);
              }
              { let v0 = memory[0u + (t + 8u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 8u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 8u) * 24u + tx + 16u];
                o0_3 = fma(vec4f(p0.y), v0, o0_3); o0_4 = fma(vec4f(p0.y), v1, o0_4); o0_5 = fma(vec4f(p0.y), v2, o0_5);
                o1_3 = fma(vec4f(p1.y), v0, o1_3); o1_4 = fma(vec4f(p1.y), v1, o1_4); o1_5 = fma(vec4f(p1.y), v2, o1_5);
              }
              { let v0 = memory[0u + (t + 16u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 16u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 16u) * 24u + tx + 16u];
                o0_3 = fma(vec4f(p0.z), v0, o0_3); o0_4 = fma(vec4f(p0.z), v1, o0_4); o0_5 = fma(vec4f(p0.z), v2, o0_5);
                o1_3 = fma(vec4f(p1.z), v0, o1_3); o1_4 = fma(vec4f(p1.z), v1, o1_4); o1_5 = fma(vec4f(p1.z), v2, o1_5);
              }
              { let v0 = memory[0u + (t + 24u) * 24u + tx + 0u]; let v1 = memory[0u + (t + 24u) * 24u + tx + 8u]; let v2 = memory[0u + (t + 24u) * 24u + tx + 16u];
                o0_3 = fma(vec4f(p0.w), v0, o0_3); o0_4 = fma(vec4f(p0.w), v1, o0_4); o0_5 = fma(vec4f(p0.w), v2, o0_5);
                o1_3 = fma(vec4f(p1.w), v0, o1_3); o1_4 = fma(vec4f(p1.w), v1, o1_4); o1_5 = fma(vec4f(p1.w), v2, o1_5);
              }
            } }
        }
      }
      // stage values
      workgroupBarrier();
      { let f = lane + 0u; memory[0u + (f / 16u) * 16u + (f % 16u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 64u + (f % 16u) + 48u] * params.valueScale); }
      { let f = lane + 128u; memory[0u + (f / 16u) * 16u + (f % 16u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 64u + (f % 16u) + 48u] * params.valueScale); }
      { let f = lane + 256u; memory[0u + (f / 16u) * 16u + (f % 16u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 64u + (f % 16u) + 48u] * params.valueScale); }
      { let f = lane + 384u; memory[0u + (f / 16u) * 16u + (f % 16u)] = (value[(valueLine + u32(keyRows.x + keyRows.y * min(y0 + i32((f / 16u)), y.y - 1))) * 64u + (f % 16u) + 48u] * params.valueScale); }
      // weigh values
      workgroupBarrier();
      { let own = ty * 8u;
        for (var n = 0u; n < 4u; n++) {
          { let t = n * 2u + 0u;
            { let p0 = memory[own + 768u + (t + ty) % 8u];
              let p1 = memory[own + 896u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 16u + tx + 0u]; let v1 = memory[0u + (t + 0u) * 16u + tx + 8u];
                o0_6 = fma(vec4f(p0.x), v0, o0_6); o0_7 = fma(vec4f(p0.x), v1, o0_7);
                o1_6 = fma(vec4f(p1.x), v0, o1_6); o1_7 = fma(vec4f(p1.x), v1, o1_7);
              }
              { let v0 = memory[0u + (t + 8u) * 16u + tx + 0u]; let v1 = memory[0u + (t + 8u) * 16u + tx + 8u];
                o0_6 = fma(vec4f(p0.y), v0, o0_6); o0_7 = fma(vec4f(p0.y), v1, o0_7);
                o1_6 = fma(vec4f(p1.y), v0, o1_6); o1_7 = fma(vec4f(p1.y), v1, o1_7);
              }
              { let v0 = memory[0u + (t + 16u) * 16u + tx + 0u]; let v1 = memory[0u + (t + 16u) * 16u + tx + 8u];
                o0_6 = fma(vec4f(p0.z), v0, o0_6); o0_7 = fma(vec4f(p0.z), v1, o0_7);
                o1_6 = fma(vec4f(p1.z), v0, o1_6); o1_7 = fma(vec4f(p1.z), v1, o1_7);
              }
              { let v0 = memory[0u + (t + 24u) * 16u + tx + 0u]; let v1 = memory[0u + (t + 24u) * 16u + tx + 8u];
                o0_6 = fma(vec4f(p0.w), v0, o0_6); o0_7 = fma(vec4f(p0.w), v1, o0_7);
                o1_6 = fma(vec4f(p1.w), v0, o1_6); o1_7 = fma(vec4f(p1.w), v1, o1_7);
              }
            } }
          { let t = n * 2u + 1u;
            { let p0 = memory[own + 768u + (t + ty) % 8u];
              let p1 = memory[own + 896u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 16u + tx + 0u]; let v1 = memory[0u + (t + 0u) * 16u + tx + 8u];
                o0_6 = fma(vec4f(p0.x), v0, o0_6); o0_7 = fma(vec4f(p0.x), v1, o0_7);
                o1_6 = fma(vec4f(p1.x), v0, o1_6); o1_7 = fma(vec4f(p1.x), v1, o1_7);
              }
              { let v0 = memory[0u + (t + 8u) * 16u + tx + 0u]; let v1 = memory[0u + (t + 8u) * 16u + tx + 8u];
                o0_6 = fma(vec4f(p0.y), v0, o0_6); o0_7 = fma(vec4f(p0.y), v1, o0_7);
                o1_6 = fma(vec4f(p1.y), v0, o1_6); o1_7 = fma(vec4f(p1.y), v1, o1_7);
              }
              { let v0 = memory[0u + (t + 16u) * 16u + tx + 0u]; let v1 = memory[0u + (t + 16u) * 16u + tx + 8u];
                o0_6 = fma(vec4f(p0.z), v0, o0_6); o0_7 = fma(vec4f(p0.z), v1, o0_7);
                o1_6 = fma(vec4f(p1.z), v0, o1_6); o1_7 = fma(vec4f(p1.z), v1, o1_7);
              }
              { let v0 = memory[0u + (t + 24u) * 16u + tx + 0u]; let v1 = memory[0u + (t + 24u) * 16u + tx + 8u];
                o0_6 = fma(vec4f(p0.w), v0, o0_6); o0_7 = fma(vec4f(p0.w), v1, o0_7);
                o1_6 = fma(vec4f(p1.w), v0, o1_6); o1_7 = fma(vec4f(p1.w), v1, o1_7);
              }
            } }
        }
      }
    }
  }
  // sum of each row
  workgroupBarrier();
  memory[768u + (tx * 1u + 0u) * 16u + ty] = vec4f(l0, l1, l1, l1);
  // whole sum
  workgroupBarrier();
  let all0 = (((memory[768u + ty] + memory[784u + ty]) + (memory[800u + ty] + memory[816u + ty])) + ((memory[832u + ty] + memory[848u + ty]) + (memory[864u + ty] + memory[880u + ty])));
  l0 = all0.x; l1 = all0.y;
  if (i32(x0) < owned.x) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x0), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 64u;
    let inverse = select(1.0 / (l0 * params.valueScale), 0.0, l0 == 0.0);
    if (owned.y < 0) {
      output[to + (tx + 0u)] = o0_0 * inverse;
      output[to + (tx + 8u)] = o0_1 * inverse;
      output[to + (tx + 16u)] = o0_2 * inverse;
      output[to + (tx + 24u)] = o0_3 * inverse;
      output[to + (tx + 32u)] = o0_4 * inverse;
      output[to + (tx + 40u)] = o0_5 * inverse;
      output[to + (tx + 48u)] = o0_6 * inverse;
      output[to + (tx + 56u)] = o0_7 * inverse;
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m0, l0); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x0) * 65u;
      scratch[record + (tx + 0u)] = o0_0 * inverse;
      scratch[record + (tx + 8u)] = o0_1 * inverse;
      scratch[record + (tx + 16u)] = o0_2 * inverse;
      scratch[record + (tx + 24u)] = o0_3 * inverse;
      scratch[record + (tx + 32u)] = o0_4 * inverse;
      scratch[record + (tx + 40u)] = o0_5 * inverse;
      scratch[record + (tx + 48u)] = o0_6 * inverse;
      scratch[record + (tx + 56u)] = o0_7 * inverse;
      if (tx == 0u) { scratch[record + 64u] = vec4f(m0, l0, 0.0, 0.0); }
    }
  }
  if (i32(x1) < owned.x) {
    let own = u32(rowsOf.x + rowsOf.y * min(i32(x1), owned.x - 1));
    let q = line * params.queryLength + own;
    let to = (outputLine + own * params.outputStrides.y) * 64u;
    let inverse = select(1.0 / (l1 * params.valueScale), 0.0, l1 == 0.0);
    if (owned.y < 0) {
      output[to + (tx + 0u)] = o1_0 * inverse;
      output[to + (tx + 8u)] = o1_1 * inverse;
      output[to + (tx + 16u)] = o1_2 * inverse;
      output[to + (tx + 24u)] = o1_3 * inverse;
      output[to + (tx + 32u)] = o1_4 * inverse;
      output[to + (tx + 40u)] = o1_5 * inverse;
      output[to + (tx + 48u)] = o1_6 * inverse;
      output[to + (tx + 56u)] = o1_7 * inverse;
      if (tx == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(m1, l1); }
    } else {
      let record = params.slotBase + ((line * params.slots + u32(owned.y)) * ROWS + x1) * 65u;
      scratch[record + (tx + 0u)] = o1_0 * inverse;
      scratch[record + (tx + 8u)] = o1_1 * inverse;
      scratch[record + (tx + 16u)] = o1_2 * inverse;
      scratch[record + (tx + 24u)] = o1_3 * inverse;
      scratch[record + (tx + 32u)] = o1_4 * inverse;
      scratch[record + (tx + 40u)] = o1_5 * inverse;
      scratch[record + (tx + 48u)] = o1_6 * inverse;
      scratch[record + (tx + 56u)] = o1_7 * inverse;
      if (tx == 0u) { scratch[record + 64u] = vec4f(m1, l1, 0.0, 0.0); }
    }
  }
}
