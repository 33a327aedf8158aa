const buffer = new DataView(new ArrayBuffer(4));

/** The bits of the nearest float16, ties to even. */
export function toHalfBits(value: number): number {
  buffer.setFloat32(0, value);
  const bits = buffer.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size >= 0x7f800000) return sign | (size > 0x7f800000 ? 0x7e00 : 0x7c00);
  // From 65520 on the nearest is infinity.
  if (size >= 0x477ff000) return sign | 0x7c00;
  // Below 2⁻¹⁴ halves are whole multiples of 2⁻²⁴; adding a half that has this last place lets float32 round.
  if (size < 0x38800000) return sign | roundToEven(Math.abs(value) * 2 ** 24);
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}

function roundToEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}
