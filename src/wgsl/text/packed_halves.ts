/** WGSL: four floats as halves in two words. `native`: the device has them (`shader-f16`). */
export const packedHalves = (native: boolean): string => /* wgsl */ `
// Finite floats past the largest half become it: what a conversion makes of them is left open by WGSL. Infinity and NaN stay as they are.
fn packed(four: vec4f) -> vec2u {
  let large = (abs(four) > vec4f(65504.0)) & (abs(four) <= vec4f(3.4028234e38));
  let safe = select(four, sign(four) * 65504.0, large);
  ${native ? 'return bitcast<vec2u>(vec4<f16>(safe));' : 'return vec2u(pack2x16float(safe.xy), pack2x16float(safe.zw));'}
}
`;
