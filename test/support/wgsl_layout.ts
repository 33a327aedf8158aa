/** One member of a uniform struct. */
export interface Member {
  readonly name: string;
  readonly type: 'u32' | 'i32' | 'f32' | 'vec2u' | 'vec4u';
  /** Bytes from the start of the struct. */
  readonly offset: number;
}

const SIZES = {u32: 4, i32: 4, f32: 4, vec2u: 8, vec4u: 16} as const;

/** Where WGSL puts the members of a struct: each aligned to its own size, as its layout rules have it for these types. */
export function structLayout(code: string, name: string): Member[] {
  const body = code.match(new RegExp(`struct ${name} \\{([^}]*)\\}`))![1]!.replace(/\/\/.*$/gm, '');
  const members: Member[] = [];
  let offset = 0;
  for (const [, member, type] of body.matchAll(/(\w+): (\w+)/g)) {
    const size = SIZES[type as Member['type']];
    offset = Math.ceil(offset / size) * size;
    members.push({name: member!, type: type as Member['type'], offset});
    offset += size;
  }
  return members;
}

/** The members of a packed struct by name. */
export function readStruct(bytes: ArrayBuffer, members: readonly Member[]): Record<string, number | number[]> {
  const view = new DataView(bytes);
  return Object.fromEntries(
    members.map(({name, type, offset}) => {
      if (type === 'f32') return [name, view.getFloat32(offset, true)];
      if (type === 'u32') return [name, view.getUint32(offset, true)];
      if (type === 'i32') return [name, view.getInt32(offset, true)];
      return [name, [0, 4, 8, 12].slice(0, SIZES[type] / 4).map((part) => view.getUint32(offset + part, true))];
    }),
  );
}
