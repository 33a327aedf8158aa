import {isSame} from '../../support/index.js';
import type {Bound, Output, Recording, BoundSource, RecordedStep, Value} from './recording.js';

/** In what the second of two runs differs from the first; null where a replay of one is a replay of the other. */
export function difference(first: Recording, second: Recording): string | null {
  const twins = new Twins();
  for (let i = 0; i < Math.min(first.steps.length, second.steps.length); i++) {
    const [a, b] = [first.steps[i]!, second.steps[i]!];
    const found = differenceOfSteps(a, b, twins);
    if (found !== null) return `dispatch ${i}, ${a.op}, ${found}`;
  }
  if (first.steps.length !== second.steps.length) {
    const [shorter, longer] = [first.steps, second.steps].sort((a, b) => a.length - b.length) as [RecordedStep[], RecordedStep[]];
    return `one of them goes on with ${longer[shorter.length]!.op} after ${shorter.length} dispatches`;
  }
  if (first.outputs.length !== second.outputs.length) return `${first.outputs.length} and ${second.outputs.length} outputs`;
  const i = first.outputs.findIndex((output, i) => !isSameOutput(output, second.outputs[i]!, twins));
  return i < 0 ? null : `output ${i} differs`;
}

/** Values of one run and what stands for them in the other. */
class Twins {
  readonly #of = new Map<Value, Value>();
  readonly #taken = new Set<Value>();

  are(a: Value, b: Value): boolean {
    const known = this.#of.get(a);
    if (known !== undefined || this.#taken.has(b)) return known === b;
    this.#of.set(a, b);
    this.#taken.add(b);
    return a.bytes === b.bytes && (a.contents === null) === (b.contents === null);
  }
}

function differenceOfSteps(a: RecordedStep, b: RecordedStep, twins: Twins): string | null {
  if (a.op !== b.op) return `then ${b.op}`;
  if (!isSameKind(a, b) || a.bindings.length !== b.bindings.length) return 'is a program of another kind or size';
  for (const [i, bound] of a.bindings.entries()) {
    const other = b.bindings[i]!;
    if (!isSameSource(bound.source, other.source, twins) || !isSamePlace(bound, other)) return 'has other inputs';
    if (!isSameContents(bound.source, other.source)) return 'has other numbers';
  }
  return endsTurn(a) === endsTurn(b) ? null : 'is submitted otherwise';
}

function isSameKind(a: RecordedStep, b: RecordedStep): boolean {
  if (a.cached === undefined) return b.cached === undefined && a.pipeline === b.pipeline && a.grid.join() === b.grid.join();
  return b.cached !== undefined && a.cached.cache === b.cached.cache && isSame(a.cached.same, b.cached.same);
}

const endsTurn = (step: RecordedStep): boolean => step.cached === undefined && step.endsTurn;

const isSamePlace = (a: Bound, b: Bound): boolean => a.offset === b.offset && a.size === b.size;

function isSameSource(a: BoundSource, b: BoundSource, twins: Twins): boolean {
  if (a.kind === 'value') return b.kind === 'value' && twins.are(a.value, b.value);
  if (a.kind === 'input') return b.kind === 'input' && a.input === b.input;
  if (a.kind === 'weight') return b.kind === 'weight' && a.id === b.id;
  if (a.kind === 'resident') return b.kind === 'resident' && a.buffer === b.buffer;
  return b.kind === 'uniform';
}

function isSameContents(a: BoundSource, b: BoundSource): boolean {
  if (a.kind === 'uniform' && b.kind === 'uniform') return isSameBytes(new Uint8Array(a.contents), new Uint8Array(b.contents));
  if (a.kind !== 'value' || b.kind !== 'value' || a.value.contents === null) return true;
  return isSameBytes(bytesOfArray(a.value.contents), bytesOfArray(b.value.contents!));
}

const bytesOfArray = ({buffer, byteOffset, byteLength}: Float32Array | Int32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

const isSameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

function isSameOutput(a: Output, b: Output, twins: Twins): boolean {
  if (a.shape.join() !== b.shape.join() || a.dtype !== b.dtype || a.stored !== b.stored) return false;
  const [from, other] = [a.source, b.source];
  if (from.kind === 'numbers' && other.kind === 'numbers') {
    const numbers = Array.from(other.numbers);
    return from.numbers.length === numbers.length && numbers.every((number, i) => Object.is(number, from.numbers[i]));
  }
  if (from.kind === 'numbers' || other.kind === 'numbers') return false;
  return isSameSource(from, other, twins) && isSameContents(from, other);
}
