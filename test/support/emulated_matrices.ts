import type {Launch, Program} from '../../src/wgsl/index.js';

/**
 * Kernels of tensor cores as core WebGPU runs them, slowly: every invocation has whole fragments of 16 × 16 halves of its own, and 32 of them
 * are a subgroup in name. For devices without tensor cores, to see that loops, masks and skips of the very text are right.
 */
export const emulated = (launches: readonly Launch[]): readonly Launch[] =>
  launches.map((launch) => ({...launch, program: inCore(launch.program)}));

/** A fragment is the number of its place in private memory, one for each line of the text that makes one. */
function inCore(program: Program): Program {
  let places = 0;
  const place = (): string => `${256 * places++}u`;
  const code = program.code
    .replace(/^(diagnostic.*|enable .*|alias .*);$/gm, '')
    .replace(/bitcast<vec2u>\(vec4<f16>\((\w+)\)\)/g, 'vec2u(pack2x16float($1.xy), pack2x16float($1.zw))')
    .replace(/: Result;/g, () => ` = ${place()};`)
    .replace(
      /subgroupMatrixLoad<\w+, (row|col)_major>\(&(\w+)(?:\[subgroup\])?, /g,
      (_, major: string, memory: string) => `load_${memory}(${place()}, ${major === 'row' ? '16u, 1u' : '1u, 16u'}, subgroup, `,
    )
    .replace(/subgroupMatrixStore<row_major>\(&(slices|left)\[subgroup\], /g, 'store_$1(subgroup, ')
    .replace(/subgroupMatrixStore<row_major>\(&(output|scratch), /g, 'store_$1(')
    .replace(
      /subgroupMatrixMultiply<f32>\((\w+), (\w+)\)/g,
      (_, a: string, b: string) => `multiplied(${a}, ${b}, cleared(${place()}))`,
    )
    .replace(/subgroupMatrixMultiplyAccumulate\(/g, 'multiplied(')
    .replace(/subgroupShuffle\(/g, 'shuffled(index, ')
    .replace(/subgroupAny\(lost\)/g, 'foundAny(index, lost)');
  const left = /subgroup(Matrix|_matrix|[A-Z])\w*|f16>/.exec(code)?.[0];
  if (left !== undefined) throw new Error(`${program.name} uses ${left}, which is not emulated`);
  if (places === 0) return {...program, code};
  const own = program.bindings.includes('a') ? productFunctions(code) : ATTENTION;
  return {...program, code: `${code}\nvar<private> fragments: array<f32, ${256 * places}>;\n${own}${ARITHMETIC}`};
}

const load = (memory: string, element: string): string => /* wgsl */ `
fn load_${memory}(to: u32, step: u32, across: u32, subgroup: u32, at: u32, stride: u32) -> u32 {
  for (var i = 0u; i < sixteen(); i++) {
    for (var j = 0u; j < sixteen(); j++) {
      let unit = ${memory}${element}[at + i * stride + j / 8u];
      fragments[to + i * step + j * across] = unpack2x16float(unit[j % 8u / 2u])[j % 2u];
    }
  }
  return to;
}
`;

/** By the lanes of a subgroup, which do not run in step here: others may be reading what is there. */
const store = (memory: string): string => /* wgsl */ `
fn store_${memory}(subgroup: u32, at: u32, fragment: u32, stride: u32) {
  workgroupBarrier();
  for (var i = 0u; i < sixteen(); i++) {
    for (var j = 0u; j < sixteen(); j++) {
      ${memory}[subgroup][at + i * stride + j / 4u][j % 4u] = bitcast<u32>(fragments[fragment + 16u * i + j]);
    }
  }
}
`;

/** Into floats of a buffer. */
const storeFloats = (memory: string): string => /* wgsl */ `
fn store_${memory}(at: u32, fragment: u32, stride: u32) {
  for (var i = 0u; i < sixteen(); i++) {
    for (var j = 0u; j < sixteen(); j++) { ${memory}[at + i * stride + j] = fragments[fragment + 16u * i + j]; }
  }
}
`;

/** Loops whose ends a compiler knows are unrolled, for minutes. */
const sixteen = (number: string): string => `fn sixteen() -> u32 { return 16u + (params.${number} >> 31u); }\n`;

const ARITHMETIC = /* wgsl */ `
fn cleared(fragment: u32) -> u32 {
  for (var i = 0u; i < 16u * sixteen(); i++) { fragments[fragment + i] = 0.0; }
  return fragment;
}

fn multiplied(left: u32, right: u32, to: u32) -> u32 {
  for (var i = 0u; i < sixteen(); i++) {
    for (var j = 0u; j < sixteen(); j++) {
      var sum = fragments[to + 16u * i + j];
      for (var k = 0u; k < sixteen(); k++) { sum += fragments[left + 16u * i + k] * fragments[right + 16u * k + j]; }
      fragments[to + 16u * i + j] = sum;
    }
  }
  return to;
}

`;

const ATTENTION = /* wgsl */ `
${sixteen('queryLength')}
${load('slices', '[subgroup]')}
${load('keys', '')}
${load('values', '')}
${store('slices')}
var<workgroup> exchange: array<f32, ROWS>;

fn shuffled(index: u32, mine: f32, lane: u32) -> f32 {
  workgroupBarrier();
  exchange[index] = mine;
  workgroupBarrier();
  return exchange[index / 32u * 32u + lane];
}

fn foundAny(index: u32, mine: bool) -> bool {
  var any = 0.0;
  _ = shuffled(index, f32(mine), 0u);
  for (var lane = 0u; lane < 2u * sixteen(); lane++) { any += exchange[index / 32u * 32u + lane]; }
  return any > 0.0;
}
`;

/** What a product of blocks stores to: buffers that are arrays of floats, where tiles are whole. */
const productFunctions = (code: string): string =>
  [
    sixteen('rows'),
    load('left', '[subgroup]'),
    load('right', ''),
    store('left'),
    ...['output', 'scratch'].filter((memory) => code.includes(`store_${memory}(`)).map(storeFloats),
  ].join('');
