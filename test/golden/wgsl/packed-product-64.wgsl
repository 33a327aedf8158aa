// packed rows times rows of 64
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4f>;

// Packed numbers times rows of 64; 16 invocations have a row of the output, 8 numbers a trip.

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
  let item = block * 4u + lane / 16u;
  if (item >= params.rows) { return; }
  let row = item;
  let span = schedule[u32(lists.x) + row];
  let batch = line / params.heads;
  let head = line % params.heads;
  let columns = u32(lists.y);
  let numbers = line * params.nnz;
  let sequence = batch * params.xStrides.x + head / params.headGroup * params.xStrides.y;
  var o0 = vec4f();
  let end = u32(span.y);
  for (var at = u32(span.x); at < end; at += 8u) {
    let place0 = at;
    let place1 = min(at + 1u, end - 1u);
    let place2 = min(at + 2u, end - 1u);
    let place3 = min(at + 3u, end - 1u);
    let place4 = min(at + 4u, end - 1u);
    let place5 = min(at + 5u, end - 1u);
    let place6 = min(at + 6u, end - 1u);
    let place7 = min(at + 7u, end - 1u);
    let pair0 = schedule[columns + (place0 >> 1u)]; let row0 = u32(select(pair0.x, pair0.y, (place0 & 1u) == 1u)); let from0 = numbers + place0;
    let pair1 = schedule[columns + (place1 >> 1u)]; let row1 = u32(select(pair1.x, pair1.y, (place1 & 1u) == 1u)); let from1 = numbers + place1;
    let pair2 = schedule[columns + (place2 >> 1u)]; let row2 = u32(select(pair2.x, pair2.y, (place2 & 1u) == 1u)); let from2 = numbers + place2;
    let pair3 = schedule[columns + (place3 >> 1u)]; let row3 = u32(select(pair3.x, pair3.y, (place3 & 1u) == 1u)); let from3 = numbers + place3;
    let pair4 = schedule[columns + (place4 >> 1u)]; let row4 = u32(select(pair4.x, pair4.y, (place4 & 1u) == 1u)); let from4 = numbers + place4;
    let pair5 = schedule[columns + (place5 >> 1u)]; let row5 = u32(select(pair5.x, pair5.y, (place5 & 1u) == 1u)); let from5 = numbers + place5;
    let pair6 = schedule[columns + (place6 >> 1u)]; let row6 = u32(select(pair6.x, pair6.y, (place6 & 1u) == 1u)); let from6 = numbers + place6;
    let pair7 = schedule[columns + (place7 >> 1u)]; let row7 = u32(select(pair7.x, pair7.y, (place7 & 1u) == 1u)); let from7 = numbers + place7;
    let w0 = values[from0];
    let w1 = select(0.0, values[from1], at + 1u < end);
    let w2 = select(0.0, values[from2], at + 2u < end);
    let w3 = select(0.0, values[from3], at + 3u < end);
    let w4 = select(0.0, values[from4], at + 4u < end);
    let w5 = select(0.0, values[from5], at + 5u < end);
    let w6 = select(0.0, values[from6], at + 6u < end);
    let w7 = select(0.0, values[from7], at + 7u < end);
    let base0 = (sequence + row0 * params.xStrides.z) * 16u;
    let base1 = (sequence + row1 * params.xStrides.z) * 16u;
    let base2 = (sequence + row2 * params.xStrides.z) * 16u;
    let base3 = (sequence + row3 * params.xStrides.z) * 16u;
    let base4 = (sequence + row4 * params.xStrides.z) * 16u;
    let base5 = (sequence + row5 * params.xStrides.z) * 16u;
    let base6 = (sequence + row6 * params.xStrides.z) * 16u;
    let base7 = (sequence + row7 * params.xStrides.z) * 16u;
    let x0_0 = x[base0 + own];
    let x1_0 = x[base1 + own];
    let x2_0 = x[base2 + own];
    let x3_0 = x[base3 + own];
    let x4_0 = x[base4 + own];
    let x5_0 = x[base5 + own];
    let x6_0 = x[base6 + own];
    let x7_0 = x[base7 + own];
    o0 = fma(vec4f(w0), x0_0, o0);
    o0 = fma(vec4f(w1), x1_0, o0);
    o0 = fma(vec4f(w2), x2_0, o0);
    o0 = fma(vec4f(w3), x3_0, o0);
    o0 = fma(vec4f(w4), x4_0, o0);
    o0 = fma(vec4f(w5), x5_0, o0);
    o0 = fma(vec4f(w6), x6_0, o0);
    o0 = fma(vec4f(w7), x7_0, o0);
  }
  let to = (batch * params.outputStrides.x + head * params.outputStrides.y + row * params.outputStrides.z) * 16u;
  output[to + own] = o0 * params.scale;
}
