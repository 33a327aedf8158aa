import type {ScoreTerm} from './term.js';

declare module '../text/features.js' {
  interface Features {
    readonly bias: boolean;
  }
}
declare module '../text/program.js' {
  interface TermRoles {
    readonly bias: 4;
  }
  interface CallParams {
    /** Strides of `bias` over (batch, head, query, key). */
    readonly biasStrides?: readonly [number, number, number, number];
  }
}

/** A number for each pair, in a tensor with a binding of its own that broadcasts by strides. */
export const bias: ScoreTerm = {
  name: 'bias',
  brings: [{role: 'bias'}],
  // (batch, head, query, key), elements; 0 broadcasts
  fields: [{name: 'biasStrides', type: 'vec4u', value: ({biasStrides = [0, 0, 0, 0]}) => biasStrides}],
  matrices: true,
  places: true,
  functions: ({ring}) => (ring ? BASE : ''),
  query: (a, {row, head, token}, {ring}) =>
    ring
      ? `let bias${a} = biasBase(batch) + dot(vec3u(batch, ${head}, ${token}), params.biasStrides.xyz);`
      : `let bias${a} = dot(vec3u(batch, head, ${row}), params.biasStrides.xyz);`,
  key: (b, {ring}) => `let b${b} = u32(${ring ? 'held' : 'k'}${b}) * params.biasStrides.w;`,
  adds: (a, b) => `bias[bias${a} + b${b}]`,
};

/** The bias of a cache is read by position. */
const BASE = /* wgsl */ `
fn biasBase(batch: u32) -> u32 { return bitcast<u32>(otherOf(batch).x); }
`;
