/**
 * Hidden pairs and empty rows have finite scores: EMPTY is the running maximum of a row that has seen no key, HIDDEN the score of a pair
 * that does not attend. exp2 of their difference is exactly 0, so masked pairs and empty rows need no further case. Scores of pairs that
 * attend lie above EMPTY, in one of two units: see `hasFarScores`.
 */
export const NUMBERS = /* wgsl */ `
const EMPTY = -3.2e38;
const HIDDEN = -3.4e38;
const CONTINUES = 1u;
const KEEPS_SUM = 2u;
`;

/** Whether a sum overflowed, or took in what is not finite: by its bits, for compilers may take it that no float is infinite. */
export const FINITE = /* wgsl */ `
fn isFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }
fn sizeOf(four: vec4f) -> f32 { return (abs(four.x) + abs(four.y)) + (abs(four.z) + abs(four.w)); }
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
