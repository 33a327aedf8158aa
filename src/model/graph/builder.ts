import type {io} from '@tensorflow/tfjs-core';
import type {AttrValue, NodeDef} from './graph.js';

/** A weight, and its bytes. */
export interface NamelessWeight {
  readonly spec: Omit<io.WeightsManifestEntry, 'name'>;
  readonly data: ArrayBuffer;
}

/** New nodes and constants for a graph, under names that are free. */
export class GraphBuilder {
  readonly nodes: NodeDef[] = [];
  readonly weightSpecs: io.WeightsManifestEntry[] = [];
  readonly weightData: ArrayBuffer[] = [];
  private readonly constants = new Map<string, string>();

  /** `onConstant` is told of each new weight. */
  constructor(
    private readonly taken: Set<string>,
    private readonly onConstant?: (spec: io.WeightsManifestEntry, data: ArrayBuffer) => void,
  ) {}

  add(name: string, op: string, input: readonly string[], attr: Readonly<Record<string, AttrValue>> = {}): string {
    const free = this.fresh(name);
    this.nodes.push({name: free, op, input, attr});
    return free;
  }

  /** Another definition for a node that is there. */
  redefine(node: NodeDef): void {
    this.nodes.push(node);
  }

  /** The nodes that were added since the last call. */
  take(): NodeDef[] {
    return this.nodes.splice(0);
  }

  /** An int32 vector. */
  integers(values: readonly number[]): string {
    return this.constant('int32', [values.length], Int32Array.from(values));
  }

  integer(value: number): string {
    return this.constant('int32', [], Int32Array.of(value));
  }

  float(value: number): string {
    return this.constant('float32', [], Float32Array.of(value));
  }

  /** A float32 tensor, such as a weight that was worked out of others. */
  floats(name: string, shape: readonly number[], values: Float32Array): string {
    return this.weight(name, {spec: {shape: [...shape], dtype: 'float32'}, data: values.buffer as ArrayBuffer});
  }

  /** A float32 tensor as a weight file has it. */
  weight(name: string, {spec, data}: NamelessWeight): string {
    const free = this.fresh(name);
    this.nodes.push({name: free, op: 'Const', attr: {dtype: {type: 'DT_FLOAT'}}});
    this.weightSpecs.push({...spec, name: free});
    this.weightData.push(data);
    this.onConstant?.(this.weightSpecs.at(-1)!, data);
    return free;
  }

  private constant(dtype: 'int32' | 'float32', shape: number[], values: Int32Array | Float32Array): string {
    const key = `${dtype} ${shape.length} ${values.join()}`;
    let name = this.constants.get(key);
    if (name === undefined) {
      name = this.fresh(`splat/${dtype}_${values.join('_').replace(/[^\w]/g, 'm')}`);
      this.constants.set(key, name);
      this.nodes.push({name, op: 'Const', attr: {dtype: {type: dtype === 'int32' ? 'DT_INT32' : 'DT_FLOAT'}}});
      this.weightSpecs.push({name, shape, dtype});
      this.weightData.push(values.buffer as ArrayBuffer);
      this.onConstant?.(this.weightSpecs.at(-1)!, values.buffer as ArrayBuffer);
    }
    return name;
  }

  private fresh(name: string): string {
    let candidate = name;
    for (let i = 1; this.taken.has(candidate); i++) candidate = `${name}_${i}`;
    this.taken.add(candidate);
    return candidate;
  }
}
