// joins the parts of long rows
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> scratch: array<vec4f>;

// Joins partial rows. A merge owns the rows of one tile and its slots; an invocation owns one vec4 column of one row.
const ROWS = 32u;
const COLUMNS = 4u;
const RECORD = COLUMNS + 1u;

const LOWEST = -1e38;
const EMPTY = -2e38;
const HIDDEN = -3e38;
const CONTINUES = 1u;
const KEEPS_SUM = 2u;

struct Params {
  queryLength: u32, keyLength: u32, heads: u32, flags: u32,
  // Pair offsets into the schedule: the first item (or merge) of this pass, the first span, the first interval.
  first: u32, spans: u32, intervals: u32, wordsPerRow: u32,
  scale: f32,       // of the scores, times log2(e)
  slotBase: u32,    // vec4 offset of the first slot in scratch
  slots: u32,       // per head and batch
  flagBase: u32,    // vec4 offset of the flags in scratch
  biasStrides: vec4u, // (batch, head, query, key), elements; 0 broadcasts
  maskStrides: vec4u, // (batch, head, query, key): words of maskWords, 0 broadcasts
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let line = group.z * params.heads + group.x;
  let merge = params.first + 4u * (group.y / 1u);
  let rowsOf = schedule[merge];     // (firstRow, rowStride)
  let owned = schedule[merge + 1u]; // (rows, slotBegin)
  let slotEnd = schedule[merge + 2u].x;
  let own = (group.y % 1u) * 256u + lane;
  let x = own / COLUMNS;
  let column = own % COLUMNS;
  if (i32(x) >= owned.x) { return; }
  let row = line * params.queryLength + u32(rowsOf.x + rowsOf.y * i32(x));

  // Earlier passes left the row in the output; it counts as one more part.
  let continues = (params.flags & CONTINUES) != 0u;
  var largest = EMPTY;
  if (continues) { largest = scratch[row].x; }
  for (var slot = owned.y; slot < slotEnd; slot++) {
    largest = max(largest, scratch[recordOf(line, slot, x) + COLUMNS].x);
  }
  var total = 0.0;
  var sum = vec4f();
  if (continues) {
    total = weight(scratch[row].xy, largest);
    sum = total * output[row * 4u + column];
  }
  for (var slot = owned.y; slot < slotEnd; slot++) {
    let record = recordOf(line, slot, x);
    let share = weight(scratch[record + COLUMNS].xy, largest);
    total += share;
    sum = fma(vec4f(share), scratch[record + column], sum);
  }
  output[row * 4u + column] = sum * select(1.0 / total, 0.0, total == 0.0);
  // All columns of a row read its old sum, so it may only be written where there is none: the planner cuts no rows of a middle pass.
  if (column == 0u && (params.flags & KEEPS_SUM) != 0u && !continues) {
    scratch[row] = vec4f(largest, total, 0.0, 0.0);
  }
}

fn recordOf(line: u32, slot: i32, x: u32) -> u32 {
  return params.slotBase + ((line * params.slots + u32(slot)) * ROWS + x) * RECORD;
}

// Of a part with this (maximum, sum): 0 when it saw no key, for its sum is.
fn weight(part: vec2f, largest: f32) -> f32 {
  return part.y * exp2(part.x - largest);
}
