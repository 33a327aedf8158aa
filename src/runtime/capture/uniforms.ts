import {ceilDiv} from '../../support/index.js';

export interface PackedUniforms {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the contents lie, in bytes. */
  readonly offsets: ReadonlyMap<ArrayBuffer, number>;
}

/** Uniforms one behind the other, equal ones once, each where a binding may begin. */
export function packUniforms(contents: readonly ArrayBuffer[], alignment: number): PackedUniforms {
  const places = new Map<string, number>();
  const offsets = new Map<ArrayBuffer, number>();
  const distinct: ArrayBuffer[] = [];
  let end = 0;
  for (const uniform of contents) {
    const key = new Uint8Array(uniform).join();
    let offset = places.get(key);
    if (offset === undefined) {
      offset = end;
      places.set(key, offset);
      distinct.push(uniform);
      end = alignment * ceilDiv(end + uniform.byteLength, alignment);
    }
    offsets.set(uniform, offset);
  }
  const bytes = new Uint8Array(end);
  for (const uniform of distinct) bytes.set(new Uint8Array(uniform), offsets.get(uniform)!);
  return {bytes, offsets};
}
