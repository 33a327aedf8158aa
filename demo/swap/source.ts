import {io} from '@tensorflow/tfjs-core';
import {bytes} from '../shell/format.js';

/** A model as a page gets it: with its weights, or the names of the files that are missing. */
export interface Source {
  readonly name: string;
  readonly artifacts: io.ModelArtifacts;
  readonly missing: readonly string[];
}

/** Files by their names, whatever folders they came from. */
export async function fromFiles(files: readonly File[]): Promise<Source> {
  const jsons = files.filter(({name}) => name.toLowerCase().endsWith('.json'));
  const models = (await Promise.all(jsons.map(async (file) => ({file, json: await readModel(file, jsons.length)})))).filter(
    ({json}) => json !== null,
  );
  if (models.length !== 1) {
    const found = models.length === 0 ? 'no model.json' : `${models.length} models`;
    throw new Error(`There is ${found} among the ${files.length} files. Give one model.json, and its .bin files with it.`);
  }
  const {file, json} = models[0]!;
  return fromJson(file.name, json!, new Map(files.map((each) => [each.name, each])));
}

/** The model in a file; null when the file holds something else, unless it is the only one. */
async function readModel(file: File, candidates: number): Promise<io.ModelJSON | null> {
  let json: Partial<io.ModelJSON>;
  try {
    json = JSON.parse(await file.text());
  } catch {
    if (candidates > 1) return null;
    throw new Error(`${file.name} is no JSON.`);
  }
  if (json?.modelTopology !== undefined) return json as io.ModelJSON;
  if (candidates > 1) return null;
  throw new Error(`${file.name} is no TensorFlow.js model: it has no modelTopology.`);
}

export async function fromJson(name: string, json: io.ModelJSON, files: ReadonlyMap<string, Blob>): Promise<Source> {
  const manifest = json.weightsManifest ?? [];
  const paths = manifest.flatMap((group) => group.paths);
  const fileOf = (path: string): Blob | undefined => files.get(path) ?? files.get(path.slice(path.lastIndexOf('/') + 1));
  // A topology may come without even the names of its weight files.
  const isNameless = paths.length === 0 && manifest.some((group) => group.weights.length > 0);
  const missing = isNameless ? ['the list of weight files'] : paths.filter((path) => fileOf(path) === undefined);
  const artifacts = await io.getModelArtifactsForJSON(json, async () => {
    const specs = manifest.flatMap((group) => group.weights);
    const data = missing.length > 0 ? [] : await Promise.all(paths.map((path) => fileOf(path)!.arrayBuffer()));
    return [specs, data];
  });
  return {name, artifacts: missing.length > 0 ? {...artifacts, weightData: undefined} : artifacts, missing};
}

export async function fromUrl(url: string, onProgress: (fraction: number) => void): Promise<Source> {
  try {
    const artifacts = await io.http(url, {onProgress}).load!();
    return {name: url, artifacts, missing: []};
  } catch (error) {
    const why = error instanceof TypeError ? 'the address does not answer, or its host does not allow other sites' : String(error);
    throw new Error(`${url} did not load: ${why}.`, {cause: error});
  }
}

/** `412 nodes, 7.3 MiB of weights` */
export function describeSource({artifacts, missing}: Source): string {
  const nodes = (artifacts.modelTopology as {node?: readonly unknown[]} | undefined)?.node?.length;
  const weights = [artifacts.weightData ?? []].flat().reduce((sum, {byteLength}) => sum + byteLength, 0);
  const shape = nodes === undefined ? 'no graph' : `${nodes.toLocaleString('en')} nodes`;
  if (missing.length > 0) {
    const more = missing.length > 3 ? `, and ${missing.length - 3} more` : '';
    return `${shape}; without weights: ${missing.slice(0, 3).join(', ')}${more} ${missing.length === 1 ? 'is' : 'are'} missing`;
  }
  return `${shape}, ${bytes(weights)} of weights`;
}
