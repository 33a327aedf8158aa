// packed columns, long ones in parts, times rows that fill no vec4
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

// Packed numbers times rows of 6; 2 invocations have a row of the output, 8 numbers a trip.

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

fn xAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(x[at], select(0.0, x[at + 1u], column * 4u + 1u < 6u), select(0.0, x[at + 2u], column * 4u + 2u < 6u), select(0.0, x[at + 3u], column * 4u + 3u < 6u));
}

fn outputAt(base: u32, column: u32) -> vec4f {
  let at = base + column * 4u;
  return vec4f(output[at], select(0.0, output[at + 1u], column * 4u + 1u < 6u), select(0.0, output[at + 2u], column * 4u + 2u < 6u), select(0.0, output[at + 3u], column * 4u + 3u < 6u));
}
fn set_output(base: u32, column: u32, four: vec4f) {
  let at = base + column * 4u;
  output[at] = four.x;
  if (column * 4u + 1u < 6u) { output[at + 1u] = four.y; }
  if (column * 4u + 2u < 6u) { output[at + 2u] = four.z; }
  if (column * 4u + 3u < 6u) { output[at + 3u] = four.w; }
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
  let own = lane % 2u;
  let item = block * 32u + lane / 2u;
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
    let pair0 = schedule[columns + place0]; let row0 = u32(pair0.x); let from0 = numbers + u32(pair0.y);
    let pair1 = schedule[columns + place1]; let row1 = u32(pair1.x); let from1 = numbers + u32(pair1.y);
    let pair2 = schedule[columns + place2]; let row2 = u32(pair2.x); let from2 = numbers + u32(pair2.y);
    let pair3 = schedule[columns + place3]; let row3 = u32(pair3.x); let from3 = numbers + u32(pair3.y);
    let pair4 = schedule[columns + place4]; let row4 = u32(pair4.x); let from4 = numbers + u32(pair4.y);
    let pair5 = schedule[columns + place5]; let row5 = u32(pair5.x); let from5 = numbers + u32(pair5.y);
    let pair6 = schedule[columns + place6]; let row6 = u32(pair6.x); let from6 = numbers + u32(pair6.y);
    let pair7 = schedule[columns + place7]; let row7 = u32(pair7.x); let from7 = numbers + u32(pair7.y);
    let w0 = values[from0];
    let w1 = select(0.0, values[from1], at + 1u < end);
    let w2 = select(0.0, values[from2], at + 2u < end);
    let w3 = select(0.0, values[from3], at + 3u < end);
    let w4 = select(0.0, values[from4], at + 4u < end);
    let w5 = select(0.0, values[from5], at + 5u < end);
    let w6 = select(0.0, values[from6], at + 6u < end);
    let w7 = select(0.0, values[from7], at + 7u < end);
    let base0 = (sequence + row0 * params.xStrides.z) * 6u;
    let base1 = (sequence + row1 * params.xStrides.z) * 6u;
    let base2 = (sequence + row2 * params.xStrides.z) * 6u;
    let base3 = (sequence + row3 * params.xStrides.z) * 6u;
    let base4 = (sequence + row4 * params.xStrides.z) * 6u;
    let base5 = (sequence + row5 * params.xStrides.z) * 6u;
    let base6 = (sequence + row6 * params.xStrides.z) * 6u;
    let base7 = (sequence + row7 * params.xStrides.z) * 6u;
    let x0_0 = xAt(base0, own);
    let x1_0 = xAt(base1, own);
    let x2_0 = xAt(base2, own);
    let x3_0 = xAt(base3, own);
    let x4_0 = xAt(base4, own);
    let x5_0 = xAt(base5, own);
    let x6_0 = xAt(base6, own);
    let x7_0 = xAt(base7, own);
    o0 = fma(vec4f(w0), select(x0_0, vec4f(), w0 == 0.0), o0);
    o0 = fma(vec4f(w1), select(x1_0, vec4f(), w1 == 0.0), o0);
    o0 = fma(vec4f(w2), select(x2_0, vec4f(), w2 == 0.0), o0);
    o0 = fma(vec4f(w3), select(x3_0, vec4f(), w3 == 0.0), o0);
    o0 = fma(vec4f(w4), select(x4_0, vec4f(), w4 == 0.0), o0);
    o0 = fma(vec4f(w5), select(x5_0, vec4f(), w5 == 0.0), o0);
    o0 = fma(vec4f(w6), select(x6_0, vec4f(), w6 == 0.0), o0);
    o0 = fma(vec4f(w7), select(x7_0, vec4f(), w7 == 0.0), o0);
  }
  let to = (batch * params.outputStrides.x + head * params.outputStrides.y + row * params.outputStrides.z) * 6u;
  set_output(to, own, o0 * params.scale);
}
