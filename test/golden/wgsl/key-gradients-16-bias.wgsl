// leaves records, for a bias takes the binding of a gradient
// 6144 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> key: array<vec4f>;
@group(0) @binding(3) var<storage, read> value: array<vec4f>;
@group(0) @binding(4) var<storage, read> dOutput: array<vec4f>;
@group(0) @binding(5) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(6) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(7) var<storage, read> bias: array<f32>;

// Gradients of keys and values: a workgroup owns SIZE keys and visits the rows of one head, SIZE at a time.
// query, key [.., 16]  value, dOutput [.., 16].  Invocation (tx, ty) owns numbers ty + TY·i, and meets tx + TX·j.
const SIZE = 32;
const TX = 8u;
const TY = 8u;

const EMPTY = -3.2e38;
const HIDDEN = -3.4e38;
const CONTINUES = 1u;
const KEEPS_SUM = 2u;
const LOG2_UNIT = 23.083120654223414; // of a score

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
  // Of the terms of scores: their numbers, and the pair offsets of their tensors behind the schedule.
  biasStrides: vec4u,
}

fn biased(score: f32, bias: f32) -> f32 {
  return select(fma(bias, 0.0625, score), HIDDEN, bitcast<u32>(bias) == 0xff800000u);
}

var<workgroup> memory: array<vec4f, 384>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tx = lane % TX;
  let ty = lane / TX;
  let item = params.first + 4u * group.y;
  let keysOf = schedule[item]; // (firstKey, keyStride)
  let owned = schedule[item + 1u]; // (keys, slot)
  let visitRange = schedule[item + 2u]; // (visitBegin, visitEnd)
  let first = schedule[item + 3u].x; // number of the first key among those of the spans that it meets
  let head = params.firstHead + group.x;
  let batch = params.firstBatch + group.z;
  let line = batch * params.heads + head;
  let shareLine = group.z * params.shareHeads + group.x;
  let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;
  let keyLine = batch * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;
  let own0 = ty + 0u;
  let number0 = first + i32(own0);
  let key0 = keysOf.x + keysOf.y * min(i32(own0), owned.x - 1);
  let at0 = keyLine + u32(key0) * params.keyStrides.y;
  let ownKey0 = at0 * 4u;
  let ownValue0 = at0 * 4u;
  let k0 = key0;
  let b0 = u32(k0) * params.biasStrides.w;
  let own1 = ty + 8u;
  let number1 = first + i32(own1);
  let key1 = keysOf.x + keysOf.y * min(i32(own1), owned.x - 1);
  let at1 = keyLine + u32(key1) * params.keyStrides.y;
  let ownKey1 = at1 * 4u;
  let ownValue1 = at1 * 4u;
  let k1 = key1;
  let b1 = u32(k1) * params.biasStrides.w;
  let own2 = ty + 16u;
  let number2 = first + i32(own2);
  let key2 = keysOf.x + keysOf.y * min(i32(own2), owned.x - 1);
  let at2 = keyLine + u32(key2) * params.keyStrides.y;
  let ownKey2 = at2 * 4u;
  let ownValue2 = at2 * 4u;
  let k2 = key2;
  let b2 = u32(k2) * params.biasStrides.w;
  let own3 = ty + 24u;
  let number3 = first + i32(own3);
  let key3 = keysOf.x + keysOf.y * min(i32(own3), owned.x - 1);
  let at3 = keyLine + u32(key3) * params.keyStrides.y;
  let ownKey3 = at3 * 4u;
  let ownValue3 = at3 * 4u;
  let k3 = key3;
  let b3 = u32(k3) * params.biasStrides.w;
  var g0_0 = vec4f();
  var g1_0 = vec4f();
  var g2_0 = vec4f();
  var g3_0 = vec4f();
  var v0_0 = vec4f();
  var v1_0 = vec4f();
  var v2_0 = vec4f();
  var v3_0 = vec4f();

  for (var number = visitRange.x; number < visitRange.y; number++) {
    let visit = params.spans + 4u * u32(number);
    let rowsOf = schedule[visit]; // (firstRow, rowStride)
    let visited = schedule[visit + 1u]; // (begin, end) of rows
    let full = schedule[visit + 2u].x; // every row attends to every key
    let intervals = params.intervals + u32(schedule[visit + 3u].x);
    for (var begin = visited.x; begin < visited.y; begin += SIZE) {
      // stage keys
      workgroupBarrier();
      { let f = lane + 0u; memory[0u + (f / 4u) * 4u + ((f % 4u) + (f / 4u)) % 4u] = query[(queryLine + u32(rowsOf.x + rowsOf.y * min(begin + i32((f / 4u)), visited.y - 1)) * params.queryStrides.y) * 4u + (f % 4u)]; }
      { let f = lane + 64u; memory[0u + (f / 4u) * 4u + ((f % 4u) + (f / 4u)) % 4u] = query[(queryLine + u32(rowsOf.x + rowsOf.y * min(begin + i32((f / 4u)), visited.y - 1)) * params.queryStrides.y) * 4u + (f % 4u)]; }
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
            { let q0 = key[ownKey0 + d];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); }
            { let q0 = key[ownKey1 + d];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); }
            { let q0 = key[ownKey2 + d];
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); }
            { let q0 = key[ownKey3 + d];
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
            { let q0 = key[ownKey0 + d];
              s0_0 = fma(q0.x, k0_0.x, s0_0); s0_1 = fma(q0.x, k1_0.x, s0_1); s0_2 = fma(q0.x, k2_0.x, s0_2); s0_3 = fma(q0.x, k3_0.x, s0_3);
              s0_0 = fma(q0.y, k0_0.y, s0_0); s0_1 = fma(q0.y, k1_0.y, s0_1); s0_2 = fma(q0.y, k2_0.y, s0_2); s0_3 = fma(q0.y, k3_0.y, s0_3);
              s0_0 = fma(q0.z, k0_0.z, s0_0); s0_1 = fma(q0.z, k1_0.z, s0_1); s0_2 = fma(q0.z, k2_0.z, s0_2); s0_3 = fma(q0.z, k3_0.z, s0_3);
              s0_0 = fma(q0.w, k0_0.w, s0_0); s0_1 = fma(q0.w, k1_0.w, s0_1); s0_2 = fma(q0.w, k2_0.w, s0_2); s0_3 = fma(q0.w, k3_0.w, s0_3); }
            { let q0 = key[ownKey1 + d];
              s1_0 = fma(q0.x, k0_0.x, s1_0); s1_1 = fma(q0.x, k1_0.x, s1_1); s1_2 = fma(q0.x, k2_0.x, s1_2); s1_3 = fma(q0.x, k3_0.x, s1_3);
              s1_0 = fma(q0.y, k0_0.y, s1_0); s1_1 = fma(q0.y, k1_0.y, s1_1); s1_2 = fma(q0.y, k2_0.y, s1_2); s1_3 = fma(q0.y, k3_0.y, s1_3);
              s1_0 = fma(q0.z, k0_0.z, s1_0); s1_1 = fma(q0.z, k1_0.z, s1_1); s1_2 = fma(q0.z, k2_0.z, s1_2); s1_3 = fma(q0.z, k3_0.z, s1_3);
              s1_0 = fma(q0.w, k0_0.w, s1_0); s1_1 = fma(q0.w, k1_0.w, s1_1); s1_2 = fma(q0.w, k2_0.w, s1_2); s1_3 = fma(q0.w, k3_0.w, s1_3); }
            { let q0 = key[ownKey2 + d];
              s2_0 = fma(q0.x, k0_0.x, s2_0); s2_1 = fma(q0.x, k1_0.x, s2_1); s2_2 = fma(q0.x, k2_0.x, s2_2); s2_3 = fma(q0.x, k3_0.x, s2_3);
              s2_0 = fma(q0.y, k0_0.y, s2_0); s2_1 = fma(q0.y, k1_0.y, s2_1); s2_2 = fma(q0.y, k2_0.y, s2_2); s2_3 = fma(q0.y, k3_0.y, s2_3);
              s2_0 = fma(q0.z, k0_0.z, s2_0); s2_1 = fma(q0.z, k1_0.z, s2_1); s2_2 = fma(q0.z, k2_0.z, s2_2); s2_3 = fma(q0.z, k3_0.z, s2_3);
              s2_0 = fma(q0.w, k0_0.w, s2_0); s2_1 = fma(q0.w, k1_0.w, s2_1); s2_2 = fma(q0.w, k2_0.w, s2_2); s2_3 = fma(q0.w, k3_0.w, s2_3); }
            { let q0 = key[ownKey3 + d];
              s3_0 = fma(q0.x, k0_0.x, s3_0); s3_1 = fma(q0.x, k1_0.x, s3_1); s3_2 = fma(q0.x, k2_0.x, s3_2); s3_3 = fma(q0.x, k3_0.x, s3_3);
              s3_0 = fma(q0.y, k0_0.y, s3_0); s3_1 = fma(q0.y, k1_0.y, s3_1); s3_2 = fma(q0.y, k2_0.y, s3_2); s3_3 = fma(q0.y, k3_0.y, s3_3);
              s3_0 = fma(q0.z, k0_0.z, s3_0); s3_1 = fma(q0.z, k1_0.z, s3_1); s3_2 = fma(q0.z, k2_0.z, s3_2); s3_3 = fma(q0.z, k3_0.z, s3_3);
              s3_0 = fma(q0.w, k0_0.w, s3_0); s3_1 = fma(q0.w, k1_0.w, s3_1); s3_2 = fma(q0.w, k2_0.w, s3_2); s3_3 = fma(q0.w, k3_0.w, s3_3); }
          }
        }
      }
      // stage values
      workgroupBarrier();
      { let f = lane + 0u; memory[0u + (f / 4u) * 4u + ((f % 4u) + (f / 4u)) % 4u] = dOutput[(queryLine + u32(rowsOf.x + rowsOf.y * min(begin + i32((f / 4u)), visited.y - 1)) * params.queryStrides.y) * 4u + (f % 4u)]; }
      { let f = lane + 64u; memory[0u + (f / 4u) * 4u + ((f % 4u) + (f / 4u)) % 4u] = dOutput[(queryLine + u32(rowsOf.x + rowsOf.y * min(begin + i32((f / 4u)), visited.y - 1)) * params.queryStrides.y) * 4u + (f % 4u)]; }
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
            { let q0 = value[ownValue0 + d];
              t0_0 = fma(q0.x, k0_0.x, t0_0); t0_1 = fma(q0.x, k1_0.x, t0_1); t0_2 = fma(q0.x, k2_0.x, t0_2); t0_3 = fma(q0.x, k3_0.x, t0_3);
              t0_0 = fma(q0.y, k0_0.y, t0_0); t0_1 = fma(q0.y, k1_0.y, t0_1); t0_2 = fma(q0.y, k2_0.y, t0_2); t0_3 = fma(q0.y, k3_0.y, t0_3);
              t0_0 = fma(q0.z, k0_0.z, t0_0); t0_1 = fma(q0.z, k1_0.z, t0_1); t0_2 = fma(q0.z, k2_0.z, t0_2); t0_3 = fma(q0.z, k3_0.z, t0_3);
              t0_0 = fma(q0.w, k0_0.w, t0_0); t0_1 = fma(q0.w, k1_0.w, t0_1); t0_2 = fma(q0.w, k2_0.w, t0_2); t0_3 = fma(q0.w, k3_0.w, t0_3); }
            { let q0 = value[ownValue1 + d];
              t1_0 = fma(q0.x, k0_0.x, t1_0); t1_1 = fma(q0.x, k1_0.x, t1_1); t1_2 = fma(q0.x, k2_0.x, t1_2); t1_3 = fma(q0.x, k3_0.x, t1_3);
              t1_0 = fma(q0.y, k0_0.y, t1_0); t1_1 = fma(q0.y, k1_0.y, t1_1); t1_2 = fma(q0.y, k2_0.y, t1_2); t1_3 = fma(q0.y, k3_0.y, t1_3);
              t1_0 = fma(q0.z, k0_0.z, t1_0); t1_1 = fma(q0.z, k1_0.z, t1_1); t1_2 = fma(q0.z, k2_0.z, t1_2); t1_3 = fma(q0.z, k3_0.z, t1_3);
              t1_0 = fma(q0.w, k0_0.w, t1_0); t1_1 = fma(q0.w, k1_0.w, t1_1); t1_2 = fma(q0.w, k2_0.w, t1_2); t1_3 = fma(q0.w, k3_0.w, t1_3); }
            { let q0 = value[ownValue2 + d];
              t2_0 = fma(q0.x, k0_0.x, t2_0); t2_1 = fma(q0.x, k1_0.x, t2_1); t2_2 = fma(q0.x, k2_0.x, t2_2); t2_3 = fma(q0.x, k3_0.x, t2_3);
              t2_0 = fma(q0.y, k0_0.y, t2_0); t2_1 = fma(q0.y, k1_0.y, t2_1); t2_2 = fma(q0.y, k2_0.y, t2_2); t2_3 = fma(q0.y, k3_0.y, t2_3);
              t2_0 = fma(q0.z, k0_0.z, t2_0); t2_1 = fma(q0.z, k1_0.z, t2_1); t2_2 = fma(q0.z, k2_0.z, t2_2); t2_3 = fma(q0.z, k3_0.z, t2_3);
              t2_0 = fma(q0.w, k0_0.w, t2_0); t2_1 = fma(q0.w, k1_0.w, t2_1); t2_2 = fma(q0.w, k2_0.w, t2_2); t2_3 = fma(q0.w, k3_0.w, t2_3); }
            { let q0 = value[ownValue3 + d];
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
            { let q0 = value[ownValue0 + d];
              t0_0 = fma(q0.x, k0_0.x, t0_0); t0_1 = fma(q0.x, k1_0.x, t0_1); t0_2 = fma(q0.x, k2_0.x, t0_2); t0_3 = fma(q0.x, k3_0.x, t0_3);
              t0_0 = fma(q0.y, k0_0.y, t0_0); t0_1 = fma(q0.y, k1_0.y, t0_1); t0_2 = fma(q0.y, k2_0.y, t0_2); t0_3 = fma(q0.y, k3_0.y, t0_3);
              t0_0 = fma(q0.z, k0_0.z, t0_0); t0_1 = fma(q0.z, k1_0.z, t0_1); t0_2 = fma(q0.z, k2_0.z, t0_2); t0_3 = fma(q0.z, k3_0.z, t0_3);
              t0_0 = fma(q0.w, k0_0.w, t0_0); t0_1 = fma(q0.w, k1_0.w, t0_1); t0_2 = fma(q0.w, k2_0.w, t0_2); t0_3 = fma(q0.w, k3_0.w, t0_3); }
            { let q0 = value[ownValue1 + d];
              t1_0 = fma(q0.x, k0_0.x, t1_0); t1_1 = fma(q0.x, k1_0.x, t1_1); t1_2 = fma(q0.x, k2_0.x, t1_2); t1_3 = fma(q0.x, k3_0.x, t1_3);
              t1_0 = fma(q0.y, k0_0.y, t1_0); t1_1 = fma(q0.y, k1_0.y, t1_1); t1_2 = fma(q0.y, k2_0.y, t1_2); t1_3 = fma(q0.y, k3_0.y, t1_3);
              t1_0 = fma(q0.z, k0_0.z, t1_0); t1_1 = fma(q0.z, k1_0.z, t1_1); t1_2 = fma(q0.z, k2_0.z, t1_2); t1_3 = fma(q0.z, k3_0.z, t1_3);
              t1_0 = fma(q0.w, k0_0.w, t1_0); t1_1 = fma(q0.w, k1_0.w, t1_1); t1_2 = fma(q0.w, k2_0.w, t1_2); t1_3 = fma(q0.w, k3_0.w, t1_3); }
            { let q0 = value[ownValue2 + d];
              t2_0 = fma(q0.x, k0_0.x, t2_0); t2_1 = fma(q0.x, k1_0.x, t2_1); t2_2 = fma(q0.x, k2_0.x, t2_2); t2_3 = fma(q0.x, k3_0.x, t2_3);
              t2_0 = fma(q0.y, k0_0.y, t2_0); t2_1 = fma(q0.y, k1_0.y, t2_1); t2_2 = fma(q0.y, k2_0.y, t2_2); t2_3 = fma(q0.y, k3_0.y, t2_3);
              t2_0 = fma(q0.z, k0_0.z, t2_0); t2_1 = fma(q0.z, k1_0.z, t2_1); t2_2 = fma(q0.z, k2_0.z, t2_2); t2_3 = fma(q0.z, k3_0.z, t2_3);
              t2_0 = fma(q0.w, k0_0.w, t2_0); t2_1 = fma(q0.w, k1_0.w, t2_1); t2_2 = fma(q0.w, k2_0.w, t2_2); t2_3 = fma(q0.w, k3_0.w, t2_3); }
            { let q0 = value[ownValue3 + d];
              t3_0 = fma(q0.x, k0_0.x, t3_0); t3_1 = fma(q0.x, k1_0.x, t3_1); t3_2 = fma(q0.x, k2_0.x, t3_2); t3_3 = fma(q0.x, k3_0.x, t3_3);
              t3_0 = fma(q0.y, k0_0.y, t3_0); t3_1 = fma(q0.y, k1_0.y, t3_1); t3_2 = fma(q0.y, k2_0.y, t3_2); t3_3 = fma(q0.y, k3_0.y, t3_3);
              t3_0 = fma(q0.z, k0_0.z, t3_0); t3_1 = fma(q0.z, k1_0.z, t3_1); t3_2 = fma(q0.z, k2_0.z, t3_2); t3_3 = fma(q0.z, k3_0.z, t3_3);
              t3_0 = fma(q0.w, k0_0.w, t3_0); t3_1 = fma(q0.w, k1_0.w, t3_1); t3_2 = fma(q0.w, k2_0.w, t3_2); t3_3 = fma(q0.w, k3_0.w, t3_3); }
          }
        }
      }
      // gradients of scores
      {
        let place0 = min(begin + i32(tx + 0u), visited.y - 1);
        let row0 = u32(rowsOf.x + rowsOf.y * place0);
        let stats0 = scratch[shareLine * params.queryLength + row0];
        let bias0 = dot(vec3u(batch, head, row0), params.biasStrides.xyz);
        let place1 = min(begin + i32(tx + 8u), visited.y - 1);
        let row1 = u32(rowsOf.x + rowsOf.y * place1);
        let stats1 = scratch[shareLine * params.queryLength + row1];
        let bias1 = dot(vec3u(batch, head, row1), params.biasStrides.xyz);
        let place2 = min(begin + i32(tx + 16u), visited.y - 1);
        let row2 = u32(rowsOf.x + rowsOf.y * place2);
        let stats2 = scratch[shareLine * params.queryLength + row2];
        let bias2 = dot(vec3u(batch, head, row2), params.biasStrides.xyz);
        let place3 = min(begin + i32(tx + 24u), visited.y - 1);
        let row3 = u32(rowsOf.x + rowsOf.y * place3);
        let stats3 = scratch[shareLine * params.queryLength + row3];
        let bias3 = dot(vec3u(batch, head, row3), params.biasStrides.xyz);
        s0_0 = biased(s0_0 * params.scale, bias[bias0 + b0]);
        s0_1 = biased(s0_1 * params.scale, bias[bias1 + b0]);
        s0_2 = biased(s0_2 * params.scale, bias[bias2 + b0]);
        s0_3 = biased(s0_3 * params.scale, bias[bias3 + b0]);
        s1_0 = biased(s1_0 * params.scale, bias[bias0 + b1]);
        s1_1 = biased(s1_1 * params.scale, bias[bias1 + b1]);
        s1_2 = biased(s1_2 * params.scale, bias[bias2 + b1]);
        s1_3 = biased(s1_3 * params.scale, bias[bias3 + b1]);
        s2_0 = biased(s2_0 * params.scale, bias[bias0 + b2]);
        s2_1 = biased(s2_1 * params.scale, bias[bias1 + b2]);
        s2_2 = biased(s2_2 * params.scale, bias[bias2 + b2]);
        s2_3 = biased(s2_3 * params.scale, bias[bias3 + b2]);
        s3_0 = biased(s3_0 * params.scale, bias[bias0 + b3]);
        s3_1 = biased(s3_1 * params.scale, bias[bias1 + b3]);
        s3_2 = biased(s3_2 * params.scale, bias[bias2 + b3]);
        s3_3 = biased(s3_3 * params.scale, bias[bias3 + b3]);
        if (full == 0) {
          { let theirs = schedule[intervals + u32(place0)];
            s0_0 = select(HIDDEN, s0_0, number0 >= theirs.x && number0 < theirs.y);
            s1_0 = select(HIDDEN, s1_0, number1 >= theirs.x && number1 < theirs.y);
            s2_0 = select(HIDDEN, s2_0, number2 >= theirs.x && number2 < theirs.y);
            s3_0 = select(HIDDEN, s3_0, number3 >= theirs.x && number3 < theirs.y); }
          { let theirs = schedule[intervals + u32(place1)];
            s0_1 = select(HIDDEN, s0_1, number0 >= theirs.x && number0 < theirs.y);
            s1_1 = select(HIDDEN, s1_1, number1 >= theirs.x && number1 < theirs.y);
            s2_1 = select(HIDDEN, s2_1, number2 >= theirs.x && number2 < theirs.y);
            s3_1 = select(HIDDEN, s3_1, number3 >= theirs.x && number3 < theirs.y); }
          { let theirs = schedule[intervals + u32(place2)];
            s0_2 = select(HIDDEN, s0_2, number0 >= theirs.x && number0 < theirs.y);
            s1_2 = select(HIDDEN, s1_2, number1 >= theirs.x && number1 < theirs.y);
            s2_2 = select(HIDDEN, s2_2, number2 >= theirs.x && number2 < theirs.y);
            s3_2 = select(HIDDEN, s3_2, number3 >= theirs.x && number3 < theirs.y); }
          { let theirs = schedule[intervals + u32(place3)];
            s0_3 = select(HIDDEN, s0_3, number0 >= theirs.x && number0 < theirs.y);
            s1_3 = select(HIDDEN, s1_3, number1 >= theirs.x && number1 < theirs.y);
            s2_3 = select(HIDDEN, s2_3, number2 >= theirs.x && number2 < theirs.y);
            s3_3 = select(HIDDEN, s3_3, number3 >= theirs.x && number3 < theirs.y); }
        }
        if (begin + SIZE > visited.y) {
          s0_0 = select(HIDDEN, s0_0, begin + i32(tx) + 0 < visited.y);
          s0_1 = select(HIDDEN, s0_1, begin + i32(tx) + 8 < visited.y);
          s0_2 = select(HIDDEN, s0_2, begin + i32(tx) + 16 < visited.y);
          s0_3 = select(HIDDEN, s0_3, begin + i32(tx) + 24 < visited.y);
          s1_0 = select(HIDDEN, s1_0, begin + i32(tx) + 0 < visited.y);
          s1_1 = select(HIDDEN, s1_1, begin + i32(tx) + 8 < visited.y);
          s1_2 = select(HIDDEN, s1_2, begin + i32(tx) + 16 < visited.y);
          s1_3 = select(HIDDEN, s1_3, begin + i32(tx) + 24 < visited.y);
          s2_0 = select(HIDDEN, s2_0, begin + i32(tx) + 0 < visited.y);
          s2_1 = select(HIDDEN, s2_1, begin + i32(tx) + 8 < visited.y);
          s2_2 = select(HIDDEN, s2_2, begin + i32(tx) + 16 < visited.y);
          s2_3 = select(HIDDEN, s2_3, begin + i32(tx) + 24 < visited.y);
          s3_0 = select(HIDDEN, s3_0, begin + i32(tx) + 0 < visited.y);
          s3_1 = select(HIDDEN, s3_1, begin + i32(tx) + 8 < visited.y);
          s3_2 = select(HIDDEN, s3_2, begin + i32(tx) + 16 < visited.y);
          s3_3 = select(HIDDEN, s3_3, begin + i32(tx) + 24 < visited.y);
        }
        { let hides = s0_0 == HIDDEN; let p = exp2((s0_0 - stats0.x) * LOG2_UNIT) * stats0.y;
          t0_0 = select(p * (t0_0 - stats0.z), 0.0, hides);
          s0_0 = select(p, 0.0, hides); }
        { let hides = s0_1 == HIDDEN; let p = exp2((s0_1 - stats1.x) * LOG2_UNIT) * stats1.y;
          t0_1 = select(p * (t0_1 - stats1.z), 0.0, hides);
          s0_1 = select(p, 0.0, hides); }
        { let hides = s0_2 == HIDDEN; let p = exp2((s0_2 - stats2.x) * LOG2_UNIT) * stats2.y;
          t0_2 = select(p * (t0_2 - stats2.z), 0.0, hides);
          s0_2 = select(p, 0.0, hides); }
        { let hides = s0_3 == HIDDEN; let p = exp2((s0_3 - stats3.x) * LOG2_UNIT) * stats3.y;
          t0_3 = select(p * (t0_3 - stats3.z), 0.0, hides);
          s0_3 = select(p, 0.0, hides); }
        { let hides = s1_0 == HIDDEN; let p = exp2((s1_0 - stats0.x) * LOG2_UNIT) * stats0.y;
          t1_0 = select(p * (t1_0 - stats0.z), 0.0, hides);
          s1_0 = select(p, 0.0, hides); }
        { let hides = s1_1 == HIDDEN; let p = exp2((s1_1 - stats1.x) * LOG2_UNIT) * stats1.y;
          t1_1 = select(p * (t1_1 - stats1.z), 0.0, hides);
          s1_1 = select(p, 0.0, hides); }
        { let hides = s1_2 == HIDDEN; let p = exp2((s1_2 - stats2.x) * LOG2_UNIT) * stats2.y;
          t1_2 = select(p * (t1_2 - stats2.z), 0.0, hides);
          s1_2 = select(p, 0.0, hides); }
        { let hides = s1_3 == HIDDEN; let p = exp2((s1_3 - stats3.x) * LOG2_UNIT) * stats3.y;
          t1_3 = select(p * (t1_3 - stats3.z), 0.0, hides);
          s1_3 = select(p, 0.0, hides); }
        { let hides = s2_0 == HIDDEN; let p = exp2((s2_0 - stats0.x) * LOG2_UNIT) * stats0.y;
          t2_0 = select(p * (t2_0 - stats0.z), 0.0, hides);
          s2_0 = select(p, 0.0, hides); }
        { let hides = s2_1 == HIDDEN; let p = exp2((s2_1 - stats1.x) * LOG2_UNIT) * stats1.y;
          t2_1 = select(p * (t2_1 - stats1.z), 0.0, hides);
          s2_1 = select(p, 0.0, hides); }
        { let hides = s2_2 == HIDDEN; let p = exp2((s2_2 - stats2.x) * LOG2_UNIT) * stats2.y;
          t2_2 = select(p * (t2_2 - stats2.z), 0.0, hides);
          s2_2 = select(p, 0.0, hides); }
        { let hides = s2_3 == HIDDEN; let p = exp2((s2_3 - stats3.x) * LOG2_UNIT) * stats3.y;
          t2_3 = select(p * (t2_3 - stats3.z), 0.0, hides);
          s2_3 = select(p, 0.0, hides); }
        { let hides = s3_0 == HIDDEN; let p = exp2((s3_0 - stats0.x) * LOG2_UNIT) * stats0.y;
          t3_0 = select(p * (t3_0 - stats0.z), 0.0, hides);
          s3_0 = select(p, 0.0, hides); }
        { let hides = s3_1 == HIDDEN; let p = exp2((s3_1 - stats1.x) * LOG2_UNIT) * stats1.y;
          t3_1 = select(p * (t3_1 - stats1.z), 0.0, hides);
          s3_1 = select(p, 0.0, hides); }
        { let hides = s3_2 == HIDDEN; let p = exp2((s3_2 - stats2.x) * LOG2_UNIT) * stats2.y;
          t3_2 = select(p * (t3_2 - stats2.z), 0.0, hides);
          s3_2 = select(p, 0.0, hides); }
        { let hides = s3_3 == HIDDEN; let p = exp2((s3_3 - stats3.x) * LOG2_UNIT) * stats3.y;
          t3_3 = select(p * (t3_3 - stats3.z), 0.0, hides);
          s3_3 = select(p, 0.0, hides); }
      }
      // exchange for gradients of values
      { let own = ty * 8u;
        memory[own + 128u + (tx + ty) % 8u] = vec4f(s0_0, s0_1, s0_2, s0_3);
        memory[own + 192u + (tx + ty) % 8u] = vec4f(s1_0, s1_1, s1_2, s1_3);
        memory[own + 256u + (tx + ty) % 8u] = vec4f(s2_0, s2_1, s2_2, s2_3);
        memory[own + 320u + (tx + ty) % 8u] = vec4f(s3_0, s3_1, s3_2, s3_3); }
      // stage for gradients of values
      workgroupBarrier();
      { let f = lane + 0u; memory[0u + (f / 4u) * 4u + (f % 4u)] = dOutput[(queryLine + u32(rowsOf.x + rowsOf.y * min(begin + i32((f / 4u)), visited.y - 1)) * params.queryStrides.y) * 4u + (f % 4u)]; }
      { let f = lane + 64u; memory[0u + (f / 4u) * 4u + (f % 4u)] = dOutput[(queryLine + u32(rowsOf.x + rowsOf.y * min(begin + i32((f / 4u)), visited.y - 1)) * params.queryStrides.y) * 4u + (f % 4u)]; }
      // sum gradients of values
      workgroupBarrier();
      { let own = ty * 8u;
        for (var n = 0u; n < 2u; n++) {
          { let t = n * 4u + 0u;
            { let p0 = memory[own + 128u + (t + ty) % 8u];
              let p1 = memory[own + 192u + (t + ty) % 8u];
              let p2 = memory[own + 256u + (t + ty) % 8u];
              let p3 = memory[own + 320u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.x), v0, v0_0);
                v1_0 = fma(vec4f(p1.x), v0, v1_0);
                v2_0 = fma(vec4f(p2.x), v0, v2_0);
                v3_0 = fma(vec4f(p3.x), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.y), v0, v0_0);
                v1_0 = fma(vec4f(p1.y), v0, v1_0);
                v2_0 = fma(vec4f(p2.y), v0, v2_0);
                v3_0 = fma(vec4f(p3.y), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.z), v0, v0_0);
                v1_0 = fma(vec4f(p1.z), v0, v1_0);
                v2_0 = fma(vec4f(p2.z), v0, v2_0);
                v3_0 = fma(vec4f(p3.z), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.w), v0, v0_0);
                v1_0 = fma(vec4f(p1.w), v0, v1_0);
                v2_0 = fma(vec4f(p2.w), v0, v2_0);
                v3_0 = fma(vec4f(p3.w), v0, v3_0);
              }
            } }
          { let t = n * 4u + 1u;
            { let p0 = memory[own + 128u + (t + ty) % 8u];
              let p1 = memory[own + 192u + (t + ty) % 8u];
              let p2 = memory[own + 256u + (t + ty) % 8u];
              let p3 = memory[own + 320u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.x), v0, v0_0);
                v1_0 = fma(vec4f(p1.x), v0, v1_0);
                v2_0 = fma(vec4f(p2.x), v0, v2_0);
                v3_0 = fma(vec4f(p3.x), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.y), v0, v0_0);
                v1_0 = fma(vec4f(p1.y), v0, v1_0);
                v2_0 = fma(vec4f(p2.y), v0, v2_0);
                v3_0 = fma(vec4f(p3.y), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.z), v0, v0_0);
                v1_0 = fma(vec4f(p1.z), v0, v1_0);
                v2_0 = fma(vec4f(p2.z), v0, v2_0);
                v3_0 = fma(vec4f(p3.z), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.w), v0, v0_0);
                v1_0 = fma(vec4f(p1.w), v0, v1_0);
                v2_0 = fma(vec4f(p2.w), v0, v2_0);
                v3_0 = fma(vec4f(p3.w), v0, v3_0);
              }
            } }
          { let t = n * 4u + 2u;
            { let p0 = memory[own + 128u + (t + ty) % 8u];
              let p1 = memory[own + 192u + (t + ty) % 8u];
              let p2 = memory[own + 256u + (t + ty) % 8u];
              let p3 = memory[own + 320u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.x), v0, v0_0);
                v1_0 = fma(vec4f(p1.x), v0, v1_0);
                v2_0 = fma(vec4f(p2.x), v0, v2_0);
                v3_0 = fma(vec4f(p3.x), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.y), v0, v0_0);
                v1_0 = fma(vec4f(p1.y), v0, v1_0);
                v2_0 = fma(vec4f(p2.y), v0, v2_0);
                v3_0 = fma(vec4f(p3.y), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.z), v0, v0_0);
                v1_0 = fma(vec4f(p1.z), v0, v1_0);
                v2_0 = fma(vec4f(p2.z), v0, v2_0);
                v3_0 = fma(vec4f(p3.z), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.w), v0, v0_0);
                v1_0 = fma(vec4f(p1.w), v0, v1_0);
                v2_0 = fma(vec4f(p2.w), v0, v2_0);
                v3_0 = fma(vec4f(p3.w), v0, v3_0);
              }
            } }
          { let t = n * 4u + 3u;
            { let p0 = memory[own + 128u + (t + ty) % 8u];
              let p1 = memory[own + 192u + (t + ty) % 8u];
              let p2 = memory[own + 256u + (t + ty) % 8u];
              let p3 = memory[own + 320u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.x), v0, v0_0);
                v1_0 = fma(vec4f(p1.x), v0, v1_0);
                v2_0 = fma(vec4f(p2.x), v0, v2_0);
                v3_0 = fma(vec4f(p3.x), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.y), v0, v0_0);
                v1_0 = fma(vec4f(p1.y), v0, v1_0);
                v2_0 = fma(vec4f(p2.y), v0, v2_0);
                v3_0 = fma(vec4f(p3.y), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.z), v0, v0_0);
                v1_0 = fma(vec4f(p1.z), v0, v1_0);
                v2_0 = fma(vec4f(p2.z), v0, v2_0);
                v3_0 = fma(vec4f(p3.z), v0, v3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 4u + min(tx + 0u, 3u)];
                v0_0 = fma(vec4f(p0.w), v0, v0_0);
                v1_0 = fma(vec4f(p1.w), v0, v1_0);
                v2_0 = fma(vec4f(p2.w), v0, v2_0);
                v3_0 = fma(vec4f(p3.w), v0, v3_0);
              }
            } }
        }
      }
      // exchange for gradients of keys
      workgroupBarrier();
      { let own = ty * 8u;
        memory[own + 128u + (tx + ty) % 8u] = vec4f(t0_0, t0_1, t0_2, t0_3);
        memory[own + 192u + (tx + ty) % 8u] = vec4f(t1_0, t1_1, t1_2, t1_3);
        memory[own + 256u + (tx + ty) % 8u] = vec4f(t2_0, t2_1, t2_2, t2_3);
        memory[own + 320u + (tx + ty) % 8u] = vec4f(t3_0, t3_1, t3_2, t3_3); }
      // stage for gradients of keys
      { let f = lane + 0u; memory[0u + (f / 4u) * 4u + (f % 4u)] = query[(queryLine + u32(rowsOf.x + rowsOf.y * min(begin + i32((f / 4u)), visited.y - 1)) * params.queryStrides.y) * 4u + (f % 4u)]; }
      { let f = lane + 64u; memory[0u + (f / 4u) * 4u + (f % 4u)] = query[(queryLine + u32(rowsOf.x + rowsOf.y * min(begin + i32((f / 4u)), visited.y - 1)) * params.queryStrides.y) * 4u + (f % 4u)]; }
      // sum gradients of keys
      workgroupBarrier();
      { let own = ty * 8u;
        for (var n = 0u; n < 2u; n++) {
          { let t = n * 4u + 0u;
            { let p0 = memory[own + 128u + (t + ty) % 8u];
              let p1 = memory[own + 192u + (t + ty) % 8u];
              let p2 = memory[own + 256u + (t + ty) % 8u];
              let p3 = memory[own + 320u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.x), v0, g0_0);
                g1_0 = fma(vec4f(p1.x), v0, g1_0);
                g2_0 = fma(vec4f(p2.x), v0, g2_0);
                g3_0 = fma(vec4f(p3.x), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.y), v0, g0_0);
                g1_0 = fma(vec4f(p1.y), v0, g1_0);
                g2_0 = fma(vec4f(p2.y), v0, g2_0);
                g3_0 = fma(vec4f(p3.y), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.z), v0, g0_0);
                g1_0 = fma(vec4f(p1.z), v0, g1_0);
                g2_0 = fma(vec4f(p2.z), v0, g2_0);
                g3_0 = fma(vec4f(p3.z), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.w), v0, g0_0);
                g1_0 = fma(vec4f(p1.w), v0, g1_0);
                g2_0 = fma(vec4f(p2.w), v0, g2_0);
                g3_0 = fma(vec4f(p3.w), v0, g3_0);
              }
            } }
          { let t = n * 4u + 1u;
            { let p0 = memory[own + 128u + (t + ty) % 8u];
              let p1 = memory[own + 192u + (t + ty) % 8u];
              let p2 = memory[own + 256u + (t + ty) % 8u];
              let p3 = memory[own + 320u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.x), v0, g0_0);
                g1_0 = fma(vec4f(p1.x), v0, g1_0);
                g2_0 = fma(vec4f(p2.x), v0, g2_0);
                g3_0 = fma(vec4f(p3.x), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.y), v0, g0_0);
                g1_0 = fma(vec4f(p1.y), v0, g1_0);
                g2_0 = fma(vec4f(p2.y), v0, g2_0);
                g3_0 = fma(vec4f(p3.y), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.z), v0, g0_0);
                g1_0 = fma(vec4f(p1.z), v0, g1_0);
                g2_0 = fma(vec4f(p2.z), v0, g2_0);
                g3_0 = fma(vec4f(p3.z), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.w), v0, g0_0);
                g1_0 = fma(vec4f(p1.w), v0, g1_0);
                g2_0 = fma(vec4f(p2.w), v0, g2_0);
                g3_0 = fma(vec4f(p3.w), v0, g3_0);
              }
            } }
          { let t = n * 4u + 2u;
            { let p0 = memory[own + 128u + (t + ty) % 8u];
              let p1 = memory[own + 192u + (t + ty) % 8u];
              let p2 = memory[own + 256u + (t + ty) % 8u];
              let p3 = memory[own + 320u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.x), v0, g0_0);
                g1_0 = fma(vec4f(p1.x), v0, g1_0);
                g2_0 = fma(vec4f(p2.x), v0, g2_0);
                g3_0 = fma(vec4f(p3.x), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.y), v0, g0_0);
                g1_0 = fma(vec4f(p1.y), v0, g1_0);
                g2_0 = fma(vec4f(p2.y), v0, g2_0);
                g3_0 = fma(vec4f(p3.y), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.z), v0, g0_0);
                g1_0 = fma(vec4f(p1.z), v0, g1_0);
                g2_0 = fma(vec4f(p2.z), v0, g2_0);
                g3_0 = fma(vec4f(p3.z), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.w), v0, g0_0);
                g1_0 = fma(vec4f(p1.w), v0, g1_0);
                g2_0 = fma(vec4f(p2.w), v0, g2_0);
                g3_0 = fma(vec4f(p3.w), v0, g3_0);
              }
            } }
          { let t = n * 4u + 3u;
            { let p0 = memory[own + 128u + (t + ty) % 8u];
              let p1 = memory[own + 192u + (t + ty) % 8u];
              let p2 = memory[own + 256u + (t + ty) % 8u];
              let p3 = memory[own + 320u + (t + ty) % 8u];
              { let v0 = memory[0u + (t + 0u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.x), v0, g0_0);
                g1_0 = fma(vec4f(p1.x), v0, g1_0);
                g2_0 = fma(vec4f(p2.x), v0, g2_0);
                g3_0 = fma(vec4f(p3.x), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 8u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.y), v0, g0_0);
                g1_0 = fma(vec4f(p1.y), v0, g1_0);
                g2_0 = fma(vec4f(p2.y), v0, g2_0);
                g3_0 = fma(vec4f(p3.y), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 16u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.z), v0, g0_0);
                g1_0 = fma(vec4f(p1.z), v0, g1_0);
                g2_0 = fma(vec4f(p2.z), v0, g2_0);
                g3_0 = fma(vec4f(p3.z), v0, g3_0);
              }
              { let v0 = memory[0u + (t + 24u) * 4u + min(tx + 0u, 3u)];
                g0_0 = fma(vec4f(p0.w), v0, g0_0);
                g1_0 = fma(vec4f(p1.w), v0, g1_0);
                g2_0 = fma(vec4f(p2.w), v0, g2_0);
                g3_0 = fma(vec4f(p3.w), v0, g3_0);
              }
            } }
        }
      }
    }
  }
  if (i32(own0) < owned.x) {
    let record = params.slotBase + ((shareLine * params.slots + u32(owned.y)) * u32(SIZE) + own0) * 8u;
    if ((tx + 0u) < 4u) { scratch[record + (tx + 0u)] = g0_0 * params.gradientScale; }
    if ((tx + 0u) < 4u) { scratch[record + 4u + (tx + 0u)] = v0_0; }
  }
  if (i32(own1) < owned.x) {
    let record = params.slotBase + ((shareLine * params.slots + u32(owned.y)) * u32(SIZE) + own1) * 8u;
    if ((tx + 0u) < 4u) { scratch[record + (tx + 0u)] = g1_0 * params.gradientScale; }
    if ((tx + 0u) < 4u) { scratch[record + 4u + (tx + 0u)] = v1_0; }
  }
  if (i32(own2) < owned.x) {
    let record = params.slotBase + ((shareLine * params.slots + u32(owned.y)) * u32(SIZE) + own2) * 8u;
    if ((tx + 0u) < 4u) { scratch[record + (tx + 0u)] = g2_0 * params.gradientScale; }
    if ((tx + 0u) < 4u) { scratch[record + 4u + (tx + 0u)] = v2_0; }
  }
  if (i32(own3) < owned.x) {
    let record = params.slotBase + ((shareLine * params.slots + u32(owned.y)) * u32(SIZE) + own3) * 8u;
    if ((tx + 0u) < 4u) { scratch[record + (tx + 0u)] = g3_0 * params.gradientScale; }
    if ((tx + 0u) < 4u) { scratch[record + 4u + (tx + 0u)] = v3_0; }
  }
}
