// a mask tensor to bits
// 0 bytes of workgroup memory
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mask: array<i32>;
@group(0) @binding(2) var<storage, read_write> maskWords: array<u32>;

// mask [rows, keyLength] → maskWords [rows, wordsPerRow]. An invocation packs one word; params.first is the number of words.

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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * 32768u + group.x) * 64u + lane;
  if (index >= params.first) { return; }
  let row = index / params.wordsPerRow;
  let firstKey = (index % params.wordsPerRow) * 32u;
  var word = 0u;
  for (var bit = 0u; bit < 32u; bit++) {
    let key = firstKey + bit;
    if (key < params.keyLength && mask[row * params.keyLength + key] != 0) { word |= 1u << bit; }
  }
  maskWords[index] = word;
}
