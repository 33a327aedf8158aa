import {causal} from '../../src/pattern/index.js';
import {CORE_DEVICE, compile, generateAppend, PLAIN, formatsOf} from '../../src/pure.js';
import {generateStep} from '../../src/wgsl/index.js';
import {goldens} from './goldens.js';
import {problemFor} from './plans.js';

/** The text of every kind of program: what goldens show, and what appends to a cache and attends over it. */
export function everyProgram(): Map<string, string> {
  const texts = goldens();
  const held = {sinks: 2, ring: 62, sequences: [{tokens: 5, first: 4, row: 0, source: 1, deadEnd: 9, biasBase: 0}]};
  const shape = {queryLength: 4, keyLength: 64, queryOffset: 60};
  for (const precision of ['float32', 'float16'] as const) {
    const {plan} = compile(causal(), problemFor(shape), CORE_DEVICE, {implementation: 'fused', precision});
    const step = generateStep(plan, {features: {...PLAIN, alibi: true, bias: true, sinks: true}, held});
    const halves = {headDim: 16, valueDim: 16, formats: formatsOf(precision), nativeHalves: false};
    const prompt = generateAppend(halves, {batch: 1, keyHeads: 1, capacity: 64, tokens: 9}, held);
    for (const {program} of [...step.launches, ...prompt.launches]) texts.set(`${program.name}, ${precision}`, program.code);
  }
  return texts;
}
