/**
 * Scores are in units of log2 and finite by construction. From the top: LOWEST is the lowest score a bias can push a pair to, EMPTY the
 * running maximum of a row that has seen no key, HIDDEN the score of a pair that does not attend. exp2(HIDDEN − EMPTY) is exactly 0, so
 * masked pairs and empty rows need no further case, and a row whose keys were all pushed to LOWEST is uniform, as softmax has it.
 */
export const NUMBERS = /* wgsl */ `
const LOWEST = -1e38;
const EMPTY = -2e38;
const HIDDEN = -3e38;
const CONTINUES = 1u;
const KEEPS_SUM = 2u;
const RAGGED = 4u;
`;

/** Eight halves as two vec4 of floats. `unpack2x16float` is core WGSL; devices with `shader-f16` convert halves themselves. */
export const halves = (native: boolean): string =>
  native
    ? /* wgsl */ `
fn lower(eight: vec4u) -> vec4f { return vec4f(bitcast<vec4<f16>>(eight.xy)); }
fn upper(eight: vec4u) -> vec4f { return vec4f(bitcast<vec4<f16>>(eight.zw)); }
`
    : /* wgsl */ `
fn lower(eight: vec4u) -> vec4f { return vec4f(unpack2x16float(eight.x), unpack2x16float(eight.y)); }
fn upper(eight: vec4u) -> vec4f { return vec4f(unpack2x16float(eight.z), unpack2x16float(eight.w)); }
`;
