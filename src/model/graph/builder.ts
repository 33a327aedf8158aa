import type {io} from '@tensorflow/tfjs-core';
import type {AttrValue, NodeDef} from './graph.js';

/** New nodes and constants for a graph, under names that are free. */
export class GraphBuilder {
  readonly nodes: NodeDef[] = [];
  readonly weightSpecs: io.WeightsManifestEntry[] = [];
  readonly weightData: ArrayBuffer[] = [];
  private readonly constants = new Map<string, string>();

  constructor(private readonly taken: Set<string>) {}

  add(name: string, op: string, input: readonly string[], attr: Readonly<Record<string, AttrValue>> = {}): string {
    const free = this.fresh(name);
    this.nodes.push({name: free, op, input, attr});
    return free;
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

  private constant(dtype: 'int32' | 'float32', shape: number[], values: Int32Array | Float32Array): string {
    const key = `${dtype} ${shape.length} ${values.join()}`;
    let name = this.constants.get(key);
    if (name === undefined) {
      name = this.fresh(`splat/${dtype}_${values.join('_').replace(/[^\w]/g, 'm')}`);
      this.constants.set(key, name);
      this.nodes.push({name, op: 'Const', attr: {dtype: {type: dtype === 'int32' ? 'DT_INT32' : 'DT_FLOAT'}}});
      this.weightSpecs.push({name, shape, dtype});
      this.weightData.push(values.buffer as ArrayBuffer);
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
