import {util, type io} from '@tensorflow/tfjs-core';
import type {NamelessWeight} from '../graph/builder.js';
import {Constants} from '../graph/constants.js';
import {weightFiles} from '../graph/weight_files.js';

/** The weights of a model while it is folded: those of its files, some under another name and shape, and new ones. */
export class FoldWeights {
  private readonly moved = new Map<string, io.WeightsManifestEntry>();
  /** By their names in the files. */
  private readonly dropped = new Set<string>();
  /** Weights that were joined, by the names of their parts. */
  readonly joined = new Map<string, {readonly matrix: string; readonly bias: string | undefined}>();
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
    this.moved.set(this.originalOf(from), spec);
    this.constants.rename(from, spec);
  }

  private originalOf(name: string): string {
    return [...this.moved].find(([, spec]) => spec.name === name)?.[0] ?? name;
  }

  /** A weight goes, with its bytes. */
  drop(name: string): void {
    this.dropped.add(this.originalOf(name));
    this.constants.remove(name);
  }

  /** Weights that differ along an axis alone as one, a number standing for so many zeros. Halves stay halves, other codes become floats. */
  joinedParts(parts: readonly (string | number)[], axis: number): NamelessWeight {
    const specs = parts.flatMap((part) => (typeof part === 'number' ? [] : [this.constants.spec(part)!]));
    const halves = specs.every(({quantization}) => quantization?.dtype === 'float16');
    const rows = axis === 0 ? 1 : specs[0]!.shape[0]!;
    const bytes = parts.map((part) => {
      if (typeof part === 'number') return new Uint8Array((halves ? 2 : 4) * part);
      return new Uint8Array(halves ? this.constants.bytesOf(part)! : this.constants.floats(part)!.buffer);
    });
    const perRow = bytes.reduce((sum, {byteLength}) => sum + byteLength, 0) / rows;
    const data = new Uint8Array(rows * perRow);
    for (let row = 0, at = 0; row < rows; row++) {
      for (const part of bytes) {
        const own = part.byteLength / rows;
        data.set(part.subarray(row * own, (row + 1) * own), at);
        at += own;
      }
    }
    const {shape} = specs[0]!;
    const size = data.byteLength / (halves ? 2 : 4);
    const joined = shape.map((length, dimension) => (dimension === axis ? size / (util.sizeFromShape(shape) / length) : length));
    const quantization = halves ? {quantization: specs[0]!.quantization!} : {};
    return {spec: {shape: joined, dtype: 'float32', ...quantization}, data: data.buffer};
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
    const added = this.added.filter(({spec}) => used.has(spec.name) && !this.dropped.has(spec.name));
    if (this.moved.size === 0 && added.length === 0) return undefined;
    const kept = specs.filter(({name}) => !this.dropped.has(name));
    return {
      weightSpecs: [...kept.map((spec) => this.moved.get(spec.name) ?? spec), ...added.map(({spec}) => spec)],
      weightData: weightFiles([...this.bytesWithout(specs, [data ?? []].flat()), ...added.map((each) => each.data)]),
    };
  }

  /** The bytes of the files without those of weights that went. Files that had none of these are not copied. */
  private bytesWithout(specs: readonly io.WeightsManifestEntry[], data: readonly ArrayBuffer[]): ArrayBuffer[] {
    const files = new Constants(specs, [...data]);
    const gone = [...this.dropped].flatMap((name) => [files.rangeOf(name) ?? []]).sort(([a = 0], [b = 0]) => a - b);
    let begin = 0;
    return data.flatMap((file) => {
      const pieces: ArrayBuffer[] = [];
      let from = 0;
      for (const [first = 0, end = 0] of gone) {
        const [cut, next] = [first, end].map((at) => Math.min(Math.max(at - begin, 0), file.byteLength)) as [number, number];
        if (cut === next) continue;
        pieces.push(file.slice(from, cut));
        from = next;
      }
      begin += file.byteLength;
      return pieces.length === 0 ? [file] : [...pieces, file.slice(from)];
    });
  }
}
