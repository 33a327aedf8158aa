// joins the parts of long rows
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> rowSums: array<vec2f>;

// Joins partial rows. A merge owns the rows of one tile and its slots; an invocation owns one vec4 column of one row.
const ROWS = 32u;
const COLUMNS = 4u;
const RECORD = COLUMNS + 1u;

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

fn isFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }
fn sizeOf(four: vec4f) -> f32 { return (abs(four.x) + abs(four.y)) + (abs(four.z) + abs(four.w)); }

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let item = params.first + 4u * (group.y / 1u);
  let rowsOf = schedule[item]; // (firstRow, rowStride)
  let owned = schedule[item + 1u]; // (rows, slotBegin)
  let slotEnd = schedule[item + 2u].x;

  let head = group.x;
  let batch = group.z;
  let line = batch * params.heads + head;
  let queryLine = params.queryStrides.w + batch * params.queryStrides.z + head * params.queryStrides.x;
  let keyLine = params.keyStrides.w + batch * params.keyStrides.z + head / params.groupSize * params.keyStrides.x;
  let valueLine = keyLine + params.valuesBehind;
  let outputLine = batch * params.heads * params.queryLength + head * params.outputStrides.x;

  let x = (group.y % 1u) * 64u + lane / COLUMNS;
  let column = lane % COLUMNS;
  let owns = lane < 64u * COLUMNS && i32(x) < owned.x;
  let own = u32(rowsOf.x + rowsOf.y * min(i32(x), owned.x - 1));
  let row = line * params.queryLength + own;
  let to = (outputLine + own * params.outputStrides.y) * 4u;

  // Earlier passes left the row in the output; it counts as one more part.
  let continues = (params.flags & CONTINUES) != 0u;
  var before = vec2f(EMPTY, 0.0);
  if (continues) { before = rowSums[row]; }

  // All columns of a row read its old sum before one of them writes the new one.
  storageBarrier();
  if (!owns) { return; }
  var largest = before.x;
  for (var slot = owned.y; slot < slotEnd; slot += 4) {
    // Four at a time: a row of 32 parts waits for memory, not for arithmetic. The last one again does no harm.
    let maximum0 = scratch[recordOf(line, min(slot + 0, slotEnd - 1), x) + COLUMNS].x;
    let maximum1 = scratch[recordOf(line, min(slot + 1, slotEnd - 1), x) + COLUMNS].x;
    let maximum2 = scratch[recordOf(line, min(slot + 2, slotEnd - 1), x) + COLUMNS].x;
    let maximum3 = scratch[recordOf(line, min(slot + 3, slotEnd - 1), x) + COLUMNS].x;
    largest = max(largest, max(max(maximum0, maximum1), max(maximum2, maximum3)));
  }
  var total = weight(before, largest);
  var sum = vec4f();
  if (continues) { sum = total * output[to + column]; }
  for (var slot = owned.y; slot < slotEnd; slot += 4) {
    let record0 = recordOf(line, min(slot + 0, slotEnd - 1), x);
    let record1 = recordOf(line, min(slot + 1, slotEnd - 1), x);
    let record2 = recordOf(line, min(slot + 2, slotEnd - 1), x);
    let record3 = recordOf(line, min(slot + 3, slotEnd - 1), x);
    let part0 = scratch[record0 + COLUMNS].xy; let row0 = scratch[record0 + column];
    let part1 = scratch[record1 + COLUMNS].xy; let row1 = scratch[record1 + column];
    let part2 = scratch[record2 + COLUMNS].xy; let row2 = scratch[record2 + column];
    let part3 = scratch[record3 + COLUMNS].xy; let row3 = scratch[record3 + column];
    if (slot + 0 < slotEnd) { let share = weight(part0, largest); total += share; sum = fma(vec4f(share), row0, sum); }
    if (slot + 1 < slotEnd) { let share = weight(part1, largest); total += share; sum = fma(vec4f(share), row1, sum); }
    if (slot + 2 < slotEnd) { let share = weight(part2, largest); total += share; sum = fma(vec4f(share), row2, sum); }
    if (slot + 3 < slotEnd) { let share = weight(part3, largest); total += share; sum = fma(vec4f(share), row3, sum); }
  }
  let inverse = select(1.0 / total, 0.0, total == 0.0);
  var mean = sum * inverse;
  if (!isFinite(sizeOf(sum))) {
    // Shares of 1, whose sums are not past the largest output. Not at once: tiny outputs would vanish.
    mean = vec4f();
    if (continues) { mean = (weight(before, largest) * inverse) * output[to + column]; }
    for (var slot = owned.y; slot < slotEnd; slot++) {
      let record = recordOf(line, slot, x);
      mean = fma(vec4f(weight(scratch[record + COLUMNS].xy, largest) * inverse), scratch[record + column], mean);
    }
  }
  output[to + column] = mean;
  if (column == 0u && (params.flags & KEEPS_SUM) != 0u) { rowSums[row] = vec2f(largest, total); }
}

fn recordOf(line: u32, slot: i32, x: u32) -> u32 {
  return params.slotBase + ((line * params.slots + u32(slot)) * ROWS + x) * RECORD;
}

// Of a part with this (maximum, sum): 0 when it saw no key, for its sum is.
fn weight(part: vec2f, largest: f32) -> f32 {
  return part.y * exp2(part.x - largest);
}
