import {probe} from './probe.js';

const NUMBERS = 64;

/**
 * Tries whether a shader can read two words of 32 bits as four native halves and write them so, as our kernels do. Firefox grants
 * `shader-f16`, but its compiler refuses the casts: https://github.com/gfx-rs/wgpu/issues/8896, seen in 153.
 *
 * @returns null when it can, else what is wrong, as a sentence without a full stop.
 */
export async function halvesFault(device: GPUDevice): Promise<string | null> {
  try {
    const wrong = (await probe(device, SHADER, NUMBERS)).findIndex((right) => right !== 1);
    return wrong < 0 ? null : `its casts between halves and words give wrong bits, the first at ${wrong}`;
  } catch (error) {
    return `the probe of its casts between halves and words failed ("${error instanceof Error ? error.message : String(error)}")`;
  }
}

/** Numbers that a half holds exactly, known at run time only, against `pack2x16float`, which every device has. */
const SHADER = `enable f16;
@group(0) @binding(0) var<storage, read_write> right: array<u32>;
@compute @workgroup_size(${NUMBERS})
fn main(@builtin(local_invocation_index) index: u32) {
  let x = f32(index);
  let four = vec4f(x, -x, x / 4.0, x * 256.0 + 1024.0);
  let words = vec2u(pack2x16float(four.xy), pack2x16float(four.zw));
  let written = bitcast<vec2u>(vec4<f16>(four));
  let read = vec4f(bitcast<vec4<f16>>(words));
  right[index] = select(0u, 1u, all(written == words) && all(read == four));
}
`;
