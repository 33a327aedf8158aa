// what the kernel before gave up
// 14852 bytes of workgroup memory
diagnostic(off, chromium.subgroup_matrix_uniformity);
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queryHalves: array<vec4u>;
@group(0) @binding(2) var<storage, read> keyHalves: array<vec4u>;
@group(0) @binding(3) var<storage, read> valueHalves: array<vec4u>;
@group(0) @binding(4) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> rowSums: array<vec2f>;

// Sparse attention on tensor cores, f16 in, float32 scores, softmax and sums. Invocation i owns row i of the tile.
// query [batch, heads, queryLength, 64]  key [batch, keyHeads, keyLength, 64]
// value [batch, keyHeads, keyLength, 64]  output [batch, heads, queryLength, 64]; or lengths before heads.
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Result = subgroup_matrix_result<f32, 16, 16>;
const ROWS = 128u;
const LANES = 32u;
const KEYS = 16;
// The largest score of the first tile counts as 2^3, which is HEADROOM in the unit of scores. Rows are right while no tile sums to more than OVERFLOW, and the row to no less
// than ENOUGH for each of its keys, or than PLENTY: below, f16 would hold too many of its probabilities badly.
const HEADROOM = 3.0;
const OVERFLOW = 60000.0;
const ENOUGH = 0.000244140625;
const PLENTY = 0.125;

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

var<workgroup> slices: array<array<vec4u, 160>, 4>;
var<workgroup> keys: array<vec4u, 144>;
var<workgroup> values: array<vec4u, 144>;
var<workgroup> again: u32;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let subgroup = index / LANES;
  let lane = index % LANES;
  let item = params.first + 4u * group.y;
  let head = group.x;
  let batch = group.z;
  let line = batch * params.heads + head;
  let queryLine = batch * params.heads * params.queryLength + head * params.queryStrides.x;
  let keyLine = batch * params.keyHeads * params.keyLength + head / params.groupSize * params.keyStrides.x;
  let valueLine = keyLine;
  let outputLine = queryLine;
  let flag = params.flagBase + (group.y * params.batch * params.heads + line) * 4u;
  if (index == 0u) {
    var flagged = 0.0;
    for (var i = 0u; i < 4u; i++) { flagged += scratch[flag + i].x; }
    again = u32(flagged);
  }
  if (workgroupUniformLoad(&again) == 0u) { return; }
  let rowsOf = schedule[item]; // (firstRow, rowStride)
  let owned = schedule[item + 1u]; // (rows, slot)
  let spanRange = schedule[item + 2u]; // (spanBegin, spanEnd)
  let row = u32(rowsOf.x + rowsOf.y * min(i32(index), owned.x - 1));
  let q = line * params.queryLength + row;
  let queryRow = (queryLine + row * params.queryStrides.y) * 8u;
  let hidden = select(HIDDEN, -HIDDEN, params.scale < 0.0); // before the scale

  var m = EMPTY;
  var sum = 0.0;
  var attended = 0; // keys of the row
  var o0_0: Result; var o0_1: Result; var o0_2: Result; var o0_3: Result;
  var o1_0: Result; var o1_1: Result; var o1_2: Result; var o1_3: Result;

  // stage queries
  slices[subgroup][lane * 5u + 0u] = queryHalves[queryRow + 0u];
  slices[subgroup][lane * 5u + 1u] = queryHalves[queryRow + 1u];
  slices[subgroup][lane * 5u + 2u] = queryHalves[queryRow + 2u];
  slices[subgroup][lane * 5u + 3u] = queryHalves[queryRow + 3u];
  // take queries
  workgroupBarrier();
  let q0_0 = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], 0u, 5u);
  let q1_0 = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], 80u, 5u);
  let q0_1 = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], 2u, 5u);
  let q1_1 = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], 82u, 5u);
  // stage queries
  workgroupBarrier();
  slices[subgroup][lane * 5u + 0u] = queryHalves[queryRow + 4u];
  slices[subgroup][lane * 5u + 1u] = queryHalves[queryRow + 5u];
  slices[subgroup][lane * 5u + 2u] = queryHalves[queryRow + 6u];
  slices[subgroup][lane * 5u + 3u] = queryHalves[queryRow + 7u];
  // take queries
  workgroupBarrier();
  let q0_2 = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], 0u, 5u);
  let q1_2 = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], 80u, 5u);
  let q0_3 = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], 2u, 5u);
  let q1_3 = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], 82u, 5u);

  for (var number = spanRange.x; number < spanRange.y; number++) {
    let span = params.spans + 4u * u32(number);
    let keysOf = schedule[span]; // (firstKey, keyStride)
    let y = schedule[span + 1u]; // (begin, end)
    let full = schedule[span + 2u]; // keys that every row attends to
    let own = schedule[params.intervals + u32(schedule[span + 3u].x) + index]; // keys that this row attends to
    attended += max(0, min(own.y, y.y) - max(own.x, y.x));
    let keyFrom = (keyLine + u32(keysOf.x) * params.keyStrides.y) * 8u;
    let keyStep = (u32(keysOf.y) * params.keyStrides.y) * 8u;
    let valueFrom = (valueLine + u32(keysOf.x) * params.keyStrides.y) * 8u;
    let valueStep = (u32(keysOf.y) * params.keyStrides.y) * 8u;
    for (var y0 = y.x; y0 < y.y; y0 += KEYS) {
      // stage keys
      let key0 = keyHalves[keyFrom + (index + 0u) % 8u + u32(min(y0 + i32((index + 0u) / 8u), y.y - 1)) * keyStep];
      keys[(index + 0u) / 8u * 9u + (index + 0u) % 8u] = key0;
      // scores
      workgroupBarrier();
      {
        let right0_0 = subgroupMatrixLoad<Right, col_major>(&keys, 0u, 9u);
        var s0_0 = subgroupMatrixMultiply<f32>(q0_0, right0_0);
        var s1_0 = subgroupMatrixMultiply<f32>(q1_0, right0_0);
        let right0_1 = subgroupMatrixLoad<Right, col_major>(&keys, 2u, 9u);
        s0_0 = subgroupMatrixMultiplyAccumulate(q0_1, right0_1, s0_0);
        s1_0 = subgroupMatrixMultiplyAccumulate(q1_1, right0_1, s1_0);
        let right0_2 = subgroupMatrixLoad<Right, col_major>(&keys, 4u, 9u);
        s0_0 = subgroupMatrixMultiplyAccumulate(q0_2, right0_2, s0_0);
        s1_0 = subgroupMatrixMultiplyAccumulate(q1_2, right0_2, s1_0);
        let right0_3 = subgroupMatrixLoad<Right, col_major>(&keys, 6u, 9u);
        s0_0 = subgroupMatrixMultiplyAccumulate(q0_3, right0_3, s0_0);
        s1_0 = subgroupMatrixMultiplyAccumulate(q1_3, right0_3, s1_0);
        subgroupMatrixStore<row_major>(&slices[subgroup], 0u, s0_0, 5u);
        subgroupMatrixStore<row_major>(&slices[subgroup], 80u, s1_0, 5u);
      }
      // maximum of each row
      workgroupBarrier();
      { var scores0 = bitcast<vec4f>(slices[subgroup][lane * 5u + 0u]);
        var scores1 = bitcast<vec4f>(slices[subgroup][lane * 5u + 1u]);
        var scores2 = bitcast<vec4f>(slices[subgroup][lane * 5u + 2u]);
        var scores3 = bitcast<vec4f>(slices[subgroup][lane * 5u + 3u]);
        if (y0 < full.x || y0 + KEYS > full.y) {
          let low = vec4i(own.x - y0); let high = vec4i(own.y - y0);
          scores0 = select(vec4f(hidden), scores0, (vec4i(0, 1, 2, 3) >= low) & (vec4i(0, 1, 2, 3) < high));
          scores1 = select(vec4f(hidden), scores1, (vec4i(4, 5, 6, 7) >= low) & (vec4i(4, 5, 6, 7) < high));
          scores2 = select(vec4f(hidden), scores2, (vec4i(8, 9, 10, 11) >= low) & (vec4i(8, 9, 10, 11) < high));
          scores3 = select(vec4f(hidden), scores3, (vec4i(12, 13, 14, 15) >= low) & (vec4i(12, 13, 14, 15) < high));
        }
        let largest4 = max(max(scores0 * params.scale, scores1 * params.scale), max(scores2 * params.scale, scores3 * params.scale));
        let largest = max(max(largest4.x, largest4.y), max(largest4.z, largest4.w));
        m = max(m, largest); }
    }
  }
  // Rows without keys: against one another, hidden pairs that are yet to be scaled would not vanish.
  if (attended == 0) { m = 0.0; }

  for (var number = spanRange.x; number < spanRange.y; number++) {
    let span = params.spans + 4u * u32(number);
    let keysOf = schedule[span]; // (firstKey, keyStride)
    let y = schedule[span + 1u]; // (begin, end)
    let full = schedule[span + 2u]; // keys that every row attends to
    let own = schedule[params.intervals + u32(schedule[span + 3u].x) + index]; // keys that this row attends to
    attended += max(0, min(own.y, y.y) - max(own.x, y.x));
    let keyFrom = (keyLine + u32(keysOf.x) * params.keyStrides.y) * 8u;
    let keyStep = (u32(keysOf.y) * params.keyStrides.y) * 8u;
    let valueFrom = (valueLine + u32(keysOf.x) * params.keyStrides.y) * 8u;
    let valueStep = (u32(keysOf.y) * params.keyStrides.y) * 8u;
    // stage the first keys
    let key0 = keyHalves[keyFrom + (index + 0u) % 8u + u32(min(y.x + i32((index + 0u) / 8u), y.y - 1)) * keyStep];
    keys[(index + 0u) / 8u * 9u + (index + 0u) % 8u] = key0;
    // scores of the first keys
    workgroupBarrier();
    {
      let right0_0 = subgroupMatrixLoad<Right, col_major>(&keys, 0u, 9u);
      var s0_0 = subgroupMatrixMultiply<f32>(q0_0, right0_0);
      var s1_0 = subgroupMatrixMultiply<f32>(q1_0, right0_0);
      let right0_1 = subgroupMatrixLoad<Right, col_major>(&keys, 2u, 9u);
      s0_0 = subgroupMatrixMultiplyAccumulate(q0_1, right0_1, s0_0);
      s1_0 = subgroupMatrixMultiplyAccumulate(q1_1, right0_1, s1_0);
      let right0_2 = subgroupMatrixLoad<Right, col_major>(&keys, 4u, 9u);
      s0_0 = subgroupMatrixMultiplyAccumulate(q0_2, right0_2, s0_0);
      s1_0 = subgroupMatrixMultiplyAccumulate(q1_2, right0_2, s1_0);
      let right0_3 = subgroupMatrixLoad<Right, col_major>(&keys, 6u, 9u);
      s0_0 = subgroupMatrixMultiplyAccumulate(q0_3, right0_3, s0_0);
      s1_0 = subgroupMatrixMultiplyAccumulate(q1_3, right0_3, s1_0);
      subgroupMatrixStore<row_major>(&slices[subgroup], 0u, s0_0, 5u);
      subgroupMatrixStore<row_major>(&slices[subgroup], 80u, s1_0, 5u);
    }
    for (var y0 = y.x; y0 < y.y; y0 += KEYS) {
      // probabilities; stage values and the next keys
      workgroupBarrier();
      let value0 = valueHalves[valueFrom + (index + 0u) % 8u + u32(min(y0 + i32((index + 0u) / 8u), y.y - 1)) * valueStep];
      let key0 = keyHalves[keyFrom + (index + 0u) % 8u + u32(min(y0 + KEYS + i32((index + 0u) / 8u), y.y - 1)) * keyStep];
      { var scores0 = bitcast<vec4f>(slices[subgroup][lane * 5u + 0u]);
        var scores1 = bitcast<vec4f>(slices[subgroup][lane * 5u + 1u]);
        var scores2 = bitcast<vec4f>(slices[subgroup][lane * 5u + 2u]);
        var scores3 = bitcast<vec4f>(slices[subgroup][lane * 5u + 3u]);
        if (y0 < full.x || y0 + KEYS > full.y) {
          let low = vec4i(own.x - y0); let high = vec4i(own.y - y0);
          scores0 = select(vec4f(hidden), scores0, (vec4i(0, 1, 2, 3) >= low) & (vec4i(0, 1, 2, 3) < high));
          scores1 = select(vec4f(hidden), scores1, (vec4i(4, 5, 6, 7) >= low) & (vec4i(4, 5, 6, 7) < high));
          scores2 = select(vec4f(hidden), scores2, (vec4i(8, 9, 10, 11) >= low) & (vec4i(8, 9, 10, 11) < high));
          scores3 = select(vec4f(hidden), scores3, (vec4i(12, 13, 14, 15) >= low) & (vec4i(12, 13, 14, 15) < high));
        }
        let p0 = exp2(fma(scores0, vec4f(params.scale), vec4f(-m)));
        let p1 = exp2(fma(scores1, vec4f(params.scale), vec4f(-m)));
        let p2 = exp2(fma(scores2, vec4f(params.scale), vec4f(-m)));
        let p3 = exp2(fma(scores3, vec4f(params.scale), vec4f(-m)));
        slices[subgroup][lane * 5u + 0u] = vec4u(bitcast<vec2u>(vec4<f16>(p0)), bitcast<vec2u>(vec4<f16>(p1)));
        slices[subgroup][lane * 5u + 1u] = vec4u(bitcast<vec2u>(vec4<f16>(p2)), bitcast<vec2u>(vec4<f16>(p3)));
        let sum4 = ((p0 + p1) + (p2 + p3));
        let added = (sum4.x + sum4.y) + (sum4.z + sum4.w);
        sum += added;
      }
      values[(index + 0u) / 8u * 9u + (index + 0u) % 8u] = value0;
      keys[(index + 0u) / 8u * 9u + (index + 0u) % 8u] = key0;
      // weigh values
      workgroupBarrier();
      {
        let p0 = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], 0u, 5u);
        let p1 = subgroupMatrixLoad<Left, row_major>(&slices[subgroup], 80u, 5u);
        { let right = subgroupMatrixLoad<Right, row_major>(&values, 0u, 9u);
          o0_0 = subgroupMatrixMultiplyAccumulate(p0, right, o0_0);
          o1_0 = subgroupMatrixMultiplyAccumulate(p1, right, o1_0);
        }
        { let right = subgroupMatrixLoad<Right, row_major>(&values, 2u, 9u);
          o0_1 = subgroupMatrixMultiplyAccumulate(p0, right, o0_1);
          o1_1 = subgroupMatrixMultiplyAccumulate(p1, right, o1_1);
        }
        { let right = subgroupMatrixLoad<Right, row_major>(&values, 4u, 9u);
          o0_2 = subgroupMatrixMultiplyAccumulate(p0, right, o0_2);
          o1_2 = subgroupMatrixMultiplyAccumulate(p1, right, o1_2);
        }
        { let right = subgroupMatrixLoad<Right, row_major>(&values, 6u, 9u);
          o0_3 = subgroupMatrixMultiplyAccumulate(p0, right, o0_3);
          o1_3 = subgroupMatrixMultiplyAccumulate(p1, right, o1_3);
        }
      }
      if (y0 + KEYS < y.y) {
        // scores of the next keys
        {
          let right0_0 = subgroupMatrixLoad<Right, col_major>(&keys, 0u, 9u);
          var s0_0 = subgroupMatrixMultiply<f32>(q0_0, right0_0);
          var s1_0 = subgroupMatrixMultiply<f32>(q1_0, right0_0);
          let right0_1 = subgroupMatrixLoad<Right, col_major>(&keys, 2u, 9u);
          s0_0 = subgroupMatrixMultiplyAccumulate(q0_1, right0_1, s0_0);
          s1_0 = subgroupMatrixMultiplyAccumulate(q1_1, right0_1, s1_0);
          let right0_2 = subgroupMatrixLoad<Right, col_major>(&keys, 4u, 9u);
          s0_0 = subgroupMatrixMultiplyAccumulate(q0_2, right0_2, s0_0);
          s1_0 = subgroupMatrixMultiplyAccumulate(q1_2, right0_2, s1_0);
          let right0_3 = subgroupMatrixLoad<Right, col_major>(&keys, 6u, 9u);
          s0_0 = subgroupMatrixMultiplyAccumulate(q0_3, right0_3, s0_0);
          s1_0 = subgroupMatrixMultiplyAccumulate(q1_3, right0_3, s1_0);
          subgroupMatrixStore<row_major>(&slices[subgroup], 0u, s0_0, 5u);
          subgroupMatrixStore<row_major>(&slices[subgroup], 80u, s1_0, 5u);
        }
      }
    }
  }
  let writes = scratch[flag + subgroup].x != 0.0;
  let continues = (params.flags & CONTINUES) != 0u && owned.y < 0;
  var had = vec2f(EMPTY, 0.0);
  if (continues) { had = rowSums[q]; } // (maximum, sum)
  let mine = select(m, EMPTY, sum == 0.0);
  let top = max(mine, had.x);
  let total = fma(sum, exp2(mine - top), had.y * exp2(had.x - top));
  let inverse = select(1.0 / total, 0.0, total == 0.0);
  let fresh = exp2(mine - top) * inverse;
  let old = had.y * exp2(had.x - top) * inverse;
  if (writes && i32(index) < owned.x) {
    if (owned.y >= 0) { scratch[params.slotBase + ((line * params.slots + u32(max(owned.y, 0))) * ROWS + index) * 17u + 16u] = vec4f(top, total, 0.0, 0.0); }
    else if ((params.flags & KEEPS_SUM) != 0u) { rowSums[q] = vec2f(top, total); }
  }
  let x0 = subgroup * LANES + lane / 4u + 0u;
  let fresh0 = subgroupShuffle(fresh, lane / 4u + 0u);
  let old0 = subgroupShuffle(old, lane / 4u + 0u);
  let writes0 = writes && i32(x0) < owned.x;
  let row0 = outputLine + u32(rowsOf.x + rowsOf.y * i32(x0)) * params.queryStrides.y;
  let to0 = row0 * 16u;
  let record0 = params.slotBase + ((line * params.slots + u32(max(owned.y, 0))) * ROWS + x0) * 17u;
  let x1 = subgroup * LANES + lane / 4u + 8u;
  let fresh1 = subgroupShuffle(fresh, lane / 4u + 8u);
  let old1 = subgroupShuffle(old, lane / 4u + 8u);
  let writes1 = writes && i32(x1) < owned.x;
  let row1 = outputLine + u32(rowsOf.x + rowsOf.y * i32(x1)) * params.queryStrides.y;
  let to1 = row1 * 16u;
  let record1 = params.slotBase + ((line * params.slots + u32(max(owned.y, 0))) * ROWS + x1) * 17u;
  let x2 = subgroup * LANES + lane / 4u + 16u;
  let fresh2 = subgroupShuffle(fresh, lane / 4u + 16u);
  let old2 = subgroupShuffle(old, lane / 4u + 16u);
  let writes2 = writes && i32(x2) < owned.x;
  let row2 = outputLine + u32(rowsOf.x + rowsOf.y * i32(x2)) * params.queryStrides.y;
  let to2 = row2 * 16u;
  let record2 = params.slotBase + ((line * params.slots + u32(max(owned.y, 0))) * ROWS + x2) * 17u;
  let x3 = subgroup * LANES + lane / 4u + 24u;
  let fresh3 = subgroupShuffle(fresh, lane / 4u + 24u);
  let old3 = subgroupShuffle(old, lane / 4u + 24u);
  let writes3 = writes && i32(x3) < owned.x;
  let row3 = outputLine + u32(rowsOf.x + rowsOf.y * i32(x3)) * params.queryStrides.y;
  let to3 = row3 * 16u;
  let record3 = params.slotBase + ((line * params.slots + u32(max(owned.y, 0))) * ROWS + x3) * 17u;
  // spread output
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&slices[subgroup], 0u, o0_0, 5u);
  subgroupMatrixStore<row_major>(&slices[subgroup], 80u, o1_0, 5u);
  // write output
  workgroupBarrier();
  if (writes0) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 0u) * 5u + lane % 4u]) * fresh0;
    if (owned.y < 0) {
      if (continues) { output[to0 + (lane % 4u + 0u)] = fma(vec4f(old0), output[to0 + (lane % 4u + 0u)], fresh); }
      else { output[to0 + (lane % 4u + 0u)] = fresh; }
    } else { scratch[record0 + (lane % 4u + 0u)] = fresh; }
  }
  if (writes1) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 8u) * 5u + lane % 4u]) * fresh1;
    if (owned.y < 0) {
      if (continues) { output[to1 + (lane % 4u + 0u)] = fma(vec4f(old1), output[to1 + (lane % 4u + 0u)], fresh); }
      else { output[to1 + (lane % 4u + 0u)] = fresh; }
    } else { scratch[record1 + (lane % 4u + 0u)] = fresh; }
  }
  if (writes2) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 16u) * 5u + lane % 4u]) * fresh2;
    if (owned.y < 0) {
      if (continues) { output[to2 + (lane % 4u + 0u)] = fma(vec4f(old2), output[to2 + (lane % 4u + 0u)], fresh); }
      else { output[to2 + (lane % 4u + 0u)] = fresh; }
    } else { scratch[record2 + (lane % 4u + 0u)] = fresh; }
  }
  if (writes3) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 24u) * 5u + lane % 4u]) * fresh3;
    if (owned.y < 0) {
      if (continues) { output[to3 + (lane % 4u + 0u)] = fma(vec4f(old3), output[to3 + (lane % 4u + 0u)], fresh); }
      else { output[to3 + (lane % 4u + 0u)] = fresh; }
    } else { scratch[record3 + (lane % 4u + 0u)] = fresh; }
  }
  // spread output
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&slices[subgroup], 0u, o0_1, 5u);
  subgroupMatrixStore<row_major>(&slices[subgroup], 80u, o1_1, 5u);
  // write output
  workgroupBarrier();
  if (writes0) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 0u) * 5u + lane % 4u]) * fresh0;
    if (owned.y < 0) {
      if (continues) { output[to0 + (lane % 4u + 4u)] = fma(vec4f(old0), output[to0 + (lane % 4u + 4u)], fresh); }
      else { output[to0 + (lane % 4u + 4u)] = fresh; }
    } else { scratch[record0 + (lane % 4u + 4u)] = fresh; }
  }
  if (writes1) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 8u) * 5u + lane % 4u]) * fresh1;
    if (owned.y < 0) {
      if (continues) { output[to1 + (lane % 4u + 4u)] = fma(vec4f(old1), output[to1 + (lane % 4u + 4u)], fresh); }
      else { output[to1 + (lane % 4u + 4u)] = fresh; }
    } else { scratch[record1 + (lane % 4u + 4u)] = fresh; }
  }
  if (writes2) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 16u) * 5u + lane % 4u]) * fresh2;
    if (owned.y < 0) {
      if (continues) { output[to2 + (lane % 4u + 4u)] = fma(vec4f(old2), output[to2 + (lane % 4u + 4u)], fresh); }
      else { output[to2 + (lane % 4u + 4u)] = fresh; }
    } else { scratch[record2 + (lane % 4u + 4u)] = fresh; }
  }
  if (writes3) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 24u) * 5u + lane % 4u]) * fresh3;
    if (owned.y < 0) {
      if (continues) { output[to3 + (lane % 4u + 4u)] = fma(vec4f(old3), output[to3 + (lane % 4u + 4u)], fresh); }
      else { output[to3 + (lane % 4u + 4u)] = fresh; }
    } else { scratch[record3 + (lane % 4u + 4u)] = fresh; }
  }
  // spread output
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&slices[subgroup], 0u, o0_2, 5u);
  subgroupMatrixStore<row_major>(&slices[subgroup], 80u, o1_2, 5u);
  // write output
  workgroupBarrier();
  if (writes0) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 0u) * 5u + lane % 4u]) * fresh0;
    if (owned.y < 0) {
      if (continues) { output[to0 + (lane % 4u + 8u)] = fma(vec4f(old0), output[to0 + (lane % 4u + 8u)], fresh); }
      else { output[to0 + (lane % 4u + 8u)] = fresh; }
    } else { scratch[record0 + (lane % 4u + 8u)] = fresh; }
  }
  if (writes1) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 8u) * 5u + lane % 4u]) * fresh1;
    if (owned.y < 0) {
      if (continues) { output[to1 + (lane % 4u + 8u)] = fma(vec4f(old1), output[to1 + (lane % 4u + 8u)], fresh); }
      else { output[to1 + (lane % 4u + 8u)] = fresh; }
    } else { scratch[record1 + (lane % 4u + 8u)] = fresh; }
  }
  if (writes2) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 16u) * 5u + lane % 4u]) * fresh2;
    if (owned.y < 0) {
      if (continues) { output[to2 + (lane % 4u + 8u)] = fma(vec4f(old2), output[to2 + (lane % 4u + 8u)], fresh); }
      else { output[to2 + (lane % 4u + 8u)] = fresh; }
    } else { scratch[record2 + (lane % 4u + 8u)] = fresh; }
  }
  if (writes3) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 24u) * 5u + lane % 4u]) * fresh3;
    if (owned.y < 0) {
      if (continues) { output[to3 + (lane % 4u + 8u)] = fma(vec4f(old3), output[to3 + (lane % 4u + 8u)], fresh); }
      else { output[to3 + (lane % 4u + 8u)] = fresh; }
    } else { scratch[record3 + (lane % 4u + 8u)] = fresh; }
  }
  // spread output
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&slices[subgroup], 0u, o0_3, 5u);
  subgroupMatrixStore<row_major>(&slices[subgroup], 80u, o1_3, 5u);
  // write output
  workgroupBarrier();
  if (writes0) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 0u) * 5u + lane % 4u]) * fresh0;
    if (owned.y < 0) {
      if (continues) { output[to0 + (lane % 4u + 12u)] = fma(vec4f(old0), output[to0 + (lane % 4u + 12u)], fresh); }
      else { output[to0 + (lane % 4u + 12u)] = fresh; }
    } else { scratch[record0 + (lane % 4u + 12u)] = fresh; }
  }
  if (writes1) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 8u) * 5u + lane % 4u]) * fresh1;
    if (owned.y < 0) {
      if (continues) { output[to1 + (lane % 4u + 12u)] = fma(vec4f(old1), output[to1 + (lane % 4u + 12u)], fresh); }
      else { output[to1 + (lane % 4u + 12u)] = fresh; }
    } else { scratch[record1 + (lane % 4u + 12u)] = fresh; }
  }
  if (writes2) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 16u) * 5u + lane % 4u]) * fresh2;
    if (owned.y < 0) {
      if (continues) { output[to2 + (lane % 4u + 12u)] = fma(vec4f(old2), output[to2 + (lane % 4u + 12u)], fresh); }
      else { output[to2 + (lane % 4u + 12u)] = fresh; }
    } else { scratch[record2 + (lane % 4u + 12u)] = fresh; }
  }
  if (writes3) {
    let fresh = bitcast<vec4f>(slices[subgroup][(lane / 4u + 24u) * 5u + lane % 4u]) * fresh3;
    if (owned.y < 0) {
      if (continues) { output[to3 + (lane % 4u + 12u)] = fma(vec4f(old3), output[to3 + (lane % 4u + 12u)], fresh); }
      else { output[to3 + (lane % 4u + 12u)] = fresh; }
    } else { scratch[record3 + (lane % 4u + 12u)] = fresh; }
  }
}
