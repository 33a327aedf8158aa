// adds the parts of rows
// 4096 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(3) var<storage, read> scratch: array<vec4f>;

// The sum of the parts of a row of 64.

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

var<workgroup> sums: array<vec4f, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = params.first + (group.y * 32768u + group.x) * 1u + 0u;
  if (index >= params.end) { return; }
  let block = index % params.groups;
  let line = index / params.groups;
  let header = 0u;
  let lists = schedule[header];
  let counts = schedule[header + 1u];
  let own = lane % 16u;
  let record = u32(schedule[header + 2u].y) + 2u * block;
  let merge = schedule[record];
  let row = u32(merge.x);
  let parts = u32(schedule[record + 1u].x);
  let batch = line / params.heads;
  let head = line % params.heads;
  var o0 = vec4f();
  for (var part = lane / 16u; part < parts; part += 16u) {
    let slot = (line * params.slots + u32(merge.y) + part) * 16u;
    o0 += scratch[slot + own];
  }
  // parts of 16 lanes
  sums[lane] = o0;
  // halves: 8
  workgroupBarrier();
  if (lane < 128u) { sums[lane] += sums[lane + 128u]; }
  // halves: 4
  workgroupBarrier();
  if (lane < 64u) { sums[lane] += sums[lane + 64u]; }
  // halves: 2
  workgroupBarrier();
  if (lane < 32u) { sums[lane] += sums[lane + 32u]; }
  // halves: 1
  workgroupBarrier();
  if (lane < 16u) { sums[lane] += sums[lane + 16u]; }
  // the row
  workgroupBarrier();
  o0 = sums[own];
  if (lane < 16u && parts > 0u) {
    let to = (batch * params.outputStrides.x + head * params.outputStrides.y + row * params.outputStrides.z) * 16u;
    output[to + own] = o0 * params.scale;
  }
}
