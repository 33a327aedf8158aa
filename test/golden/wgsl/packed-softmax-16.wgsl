// rows of up to 16
// 512 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> schedule: array<vec2i>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

// The softmax of packed rows; 8 invocations have one, and keep 2 of its numbers each.

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

const LEAST = -3.4028234663852886e38;

fn finite(score: f32) -> f32 {
  let bits = bitcast<u32>(score);
  return select(score, LEAST, bits >= 0xff7fffffu && bits <= 0xff800000u);
}

fn weight(score: f32, most: f32) -> f32 {
  return select(exp(min(score - most, 0.0)), 0.0, bitcast<u32>(score) == 0xff7fffffu);
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
  let own = lane % 8u;
  let row = block * 8u + lane / 8u;
  let span = select(vec2i(), schedule[u32(lists.x) + row], row < params.rows);
  let size = u32(span.y - span.x);
  let first = line * params.nnz + u32(span.x);
  var x0 = LEAST; if (own < size) { x0 = finite(values[first + own]); }
  var x1 = LEAST; if (own + 8u < size) { x1 = finite(values[first + own + 8u]); }
  let most = max(x0, x1);
  let sum = (weight(x0, most) + weight(x1, most));
  // joined: of each lane
  partials[lane] = vec2f(most, sum);
  // of the row
  workgroupBarrier();
  let joined0 = partials[lane - own];
  let joined1 = partials[lane - own + 1u];
  let joined2 = partials[lane - own + 2u];
  let joined3 = partials[lane - own + 3u];
  let joined4 = partials[lane - own + 4u];
  let joined5 = partials[lane - own + 5u];
  let joined6 = partials[lane - own + 6u];
  let joined7 = partials[lane - own + 7u];
  let joinedMost = max(max(max(joined0.x, joined1.x), max(joined2.x, joined3.x)), max(max(joined4.x, joined5.x), max(joined6.x, joined7.x)));
  let joined = vec2f(joinedMost, (((joined0.y * exp(joined0.x - joinedMost) + joined1.y * exp(joined1.x - joinedMost)) + (joined2.y * exp(joined2.x - joinedMost) + joined3.y * exp(joined3.x - joinedMost))) + ((joined4.y * exp(joined4.x - joinedMost) + joined5.y * exp(joined5.x - joinedMost)) + (joined6.y * exp(joined6.x - joinedMost) + joined7.y * exp(joined7.x - joinedMost)))));
  let top = joined.x;
  let summed = joined.y;
  let divisor = select(summed, 1.0, summed == 0.0);
  if (own < size) { output[first + own] = weight(x0, top) / divisor; }
  if (own + 8u < size) { output[first + own + 8u] = weight(x1, top) / divisor; }
}
