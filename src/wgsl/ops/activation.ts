import {gridIndex} from '../text/grid.js';
import {program} from '../text/make_program.js';
import type {BindingRole, Program} from '../text/program.js';
import {lines} from '../text/text.js';
import {OP_PARAMS, elementsOf} from './op_params.js';

export const ACTIVATION_INVOCATIONS = 256;

/** x · share(x), a share that goes from 0 to 1: SiLU, and GELU by the error function or as two approximations of that. */
export type Activation = 'silu' | 'erf' | 'tanh' | 'sigmoid';

interface Share {
  /** Below it the result is 0 to float32, and −∞ times a share of 0 would be NaN. */
  readonly least: number;
  /** Past it, in either direction, share and gradient change no more. */
  readonly far: number;
  /** WGSL: functions of an element x of type T with |x| ≤ far. */
  readonly share: string;
  readonly slope: string;
}

/** 1 / (1 + exp(−z)), where |z| is at most 88: exp of more is past float32. */
const sigmoidShare = (least: number, z: string, dz: string): Share => ({
  least,
  far: -least,
  share: `return 1.0 / (1.0 + exp(-clamp(${z}, T(-88.0), T(88.0))));`,
  slope: `let s = share(x); return s * (1.0 - s) * (${dz});`,
});

/** √(8 / π): tanh(u) of the approximation is 2 · sigmoid(2u) − 1. */
const TWICE = 1.5957691216057308;
const CUBIC = 0.044715;

const SHARES: Readonly<Record<Activation, Share>> = {
  silu: sigmoidShare(-88, 'x', '1.0'),
  sigmoid: sigmoidShare(-52, '1.702 * x', '1.702'),
  tanh: sigmoidShare(-11, `${TWICE} * x * (1.0 + ${CUBIC} * x * x)`, `${TWICE} * (1.0 + ${3 * CUBIC} * x * x)`),
  // erfc by the Chebyshev fit of Numerical Recipes (erfcc): 1.2e-7 of the result itself, so that far negative x lose nothing beside 1.
  erf: {
    least: -13,
    far: 13,
    share: `
let z = abs(x) * ${Math.SQRT1_2};
let t = 1.0 / (1.0 + 0.5 * z);
var p = T(0.17087277);
p = p * t - 0.82215223;
p = p * t + 1.48851587;
p = p * t - 1.13520398;
p = p * t + 0.27886807;
p = p * t - 0.18628806;
p = p * t + 0.09678418;
p = p * t + 0.37409196;
p = p * t + 1.00002368;
let half = 0.5 * t * exp(p * t - 1.26551223 - z * z);
return select(half, 1.0 - half, x > T(0.0));`,
    slope: `return ${1 / Math.sqrt(2 * Math.PI)} * exp(-0.5 * x * x);`,
  },
};

/** Activations of elements, or the gradient of what was activated. */
export function activationProgram(activation: Activation, gradient: boolean, inFours: boolean): Program {
  const {least, far, share, slope} = SHARES[activation];
  const {type} = elementsOf(inFours);
  const read: BindingRole[] = gradient ? ['x', 'dOutput'] : ['x'];
  const written: BindingRole = gradient ? 'dX' : 'output';
  const name = activation === 'silu' ? 'SplatSilu' : `SplatGelu.${activation}`;
  return program({
    name: gradient ? `${name}.gradient` : name,
    bindings: ['params', ...read, written],
    writes: [written],
    elements: Object.fromEntries([...read, written].map((role) => [role, type])),
    workgroupBytes: 0,
    invocations: ACTIVATION_INVOCATIONS,
    code: lines(
      `// ${gradient ? 'The gradient of' : ''} x · share(x). An invocation has one element.`,
      OP_PARAMS,
      `
alias T = ${type};

// The share of x that is left, |x| ≤ ${far}.
fn share(x: T) -> T {
${share}
}
`,
      gradient ? `fn slope(x: T) -> T {\n${slope}\n}\n` : '',
      `
@compute @workgroup_size(${ACTIVATION_INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let index = ${gridIndex(ACTIVATION_INVOCATIONS)};
if (index >= params.columns) { return; }
let given = x[index];
let near = clamp(given, T(${least}.0), T(${far}.0));`,
      gradient
        ? lines(
            'let gradient = dOutput[index] * (share(near) + near * slope(near));',
            '// By its bits, for compilers may take it that there is no NaN.',
            `let isNaN = (bitcast<${inFours ? 'vec4u' : 'u32'}>(given) & ${inFours ? 'vec4u(0x7fffffffu)' : '0x7fffffffu'}) > ${inFours ? 'vec4u(0x7f800000u)' : '0x7f800000u'};`,
            'dX[index] = select(gradient, given, isNaN);',
          )
        : `output[index] = select(given * share(near), T(0.0), given < T(${least}.0));`,
      '}',
    ),
  });
}
