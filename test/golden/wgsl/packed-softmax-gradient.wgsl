// rows of up to 60, with sinks
// 576 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> dOutput: array<f32>;
@group(0) @binding(3) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read_write> dSinks: array<f32>;

// The gradient of the softmax of packed rows; 16 invocations have one, and keep 4 of its numbers each.

struct Params {
  first: u32, end: u32, // workgroups that this dispatch covers
  groups: u32, // workgroups of a line, and of some columns of one
  heads: u32, // of the numbers
  nnz: u32, // numbers of a line
  rows: u32,
  slots: u32, // of a line
  headGroup: u32, // heads that read one head of x
  xStrides: vec4u, outputStrides: vec4u, // (sequence, head, row), in rows
  scale: f32, // of the output
}

var<workgroup> partials: array<vec2f, 64>;
var<workgroup> totals: array<vec2f, 8>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = params.first + (group.y * 32768u + group.x) * 1u + 0u;
  if (index >= params.end) { return; }
  let block = index % params.groups;
  let line = index / params.groups;
  let header = 0u;
  let lists = schedule[header];
  let counts = schedule[header + 1u];
  let own = lane % 16u;
  let row = block * 4u + lane / 16u;
  let span = select(vec2i(), schedule[u32(lists.x) + row], row < params.rows);
  let size = u32(span.y - span.x);
  let first = line * params.nnz + u32(span.x);
  var p0 = 0.0; var t0 = 0.0;
  if (own < size) { p0 = values[first + own]; t0 = select(p0 * dOutput[first + own], 0.0, p0 == 0.0); }
  var p1 = 0.0; var t1 = 0.0;
  if (own + 16u < size) { p1 = values[first + own + 16u]; t1 = select(p1 * dOutput[first + own + 16u], 0.0, p1 == 0.0); }
  var p2 = 0.0; var t2 = 0.0;
  if (own + 32u < size) { p2 = values[first + own + 32u]; t2 = select(p2 * dOutput[first + own + 32u], 0.0, p2 == 0.0); }
  var p3 = 0.0; var t3 = 0.0;
  if (own + 48u < size) { p3 = values[first + own + 48u]; t3 = select(p3 * dOutput[first + own + 48u], 0.0, p3 == 0.0); }
  let sums = vec2f(((t0 + t1) + (t2 + t3)), ((p0 + p1) + (p2 + p3)));
  // joined: of each lane
  partials[lane] = sums;
  // of every 2th lane
  workgroupBarrier();
  if (own < 2u) {
    let some = (((partials[lane] + partials[lane + 2u]) + (partials[lane + 4u] + partials[lane + 6u])) + ((partials[lane + 8u] + partials[lane + 10u]) + (partials[lane + 12u] + partials[lane + 14u])));
    totals[lane / 16u * 2u + own] = some;
  }
  // of the row
  workgroupBarrier();
  let joined = (totals[lane / 16u * 2u] + totals[lane / 16u * 2u + 1u]);
  if (own < size) { output[first + own] = t0 - p0 * joined.x; }
  if (own + 16u < size) { output[first + own + 16u] = t1 - p1 * joined.x; }
  if (own + 32u < size) { output[first + own + 32u] = t2 - p2 * joined.x; }
  if (own + 48u < size) { output[first + own + 48u] = t3 - p3 * joined.x; }
  if (own == 0u && row < params.rows) { dSinks[line * params.rows + row] = (joined.y - 1.0) * joined.x; }
}
