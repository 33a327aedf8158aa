import type {io} from '@tensorflow/tfjs-core';
import type {Constants} from '../graph/constants.js';

/** The weights of a model while it is folded: those of its files, some under another name and shape, and new ones. */
export class FoldWeights {
  private readonly moved = new Map<string, io.WeightsManifestEntry>();
  private readonly added: {spec: io.WeightsManifestEntry; data: ArrayBuffer}[] = [];

  /** `shared`: names that bodies of functions use as well, whose weights stay what they are. */
  constructor(
    readonly constants: Constants,
    private readonly shared: ReadonlySet<string>,
  ) {}

  mayMove(name: string): boolean {
    return this.constants.has(name) && !this.shared.has(name) && !this.added.some(({spec}) => spec.name === name);
  }

  /** The bytes of a weight become those of another name and shape. */
  move(from: string, to: string, shape: readonly number[]): void {
    const spec = {...this.constants.spec(from)!, name: to, shape: [...shape]};
    const original = [...this.moved].find(([, {name}]) => name === from)?.[0] ?? from;
    this.moved.set(original, spec);
    this.constants.rename(from, spec);
  }

  add(spec: io.WeightsManifestEntry, data: ArrayBuffer): void {
    this.added.push({spec, data});
    this.constants.add(spec, data);
  }

  /** The weights of the folded model, of which `used` are the names of constants; undefined where they are those of the files. */
  result(
    specs: readonly io.WeightsManifestEntry[],
    data: io.WeightData | undefined,
    used: ReadonlySet<string>,
  ): Required<Pick<io.ModelArtifacts, 'weightSpecs' | 'weightData'>> | undefined {
    const added = this.added.filter(({spec}) => used.has(spec.name));
    if (this.moved.size === 0 && added.length === 0) return undefined;
    // TensorFlow.js reads past a buffer that is empty.
    const bytes = [data ?? []].flat().filter(({byteLength}) => byteLength > 0);
    return {
      weightSpecs: [...specs.map((spec) => this.moved.get(spec.name) ?? spec), ...added.map(({spec}) => spec)],
      weightData: [...bytes, ...added.map((each) => each.data)],
    };
  }
}
