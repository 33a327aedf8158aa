// Gathers the text that the byte model learns from: source and documentation of the packages in node_modules whose licence permits it.
//   node --import tsx demo/language_model/train/corpus.ts FOLDER    writes training.bin, held_out.bin and corpus.json
import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

const LICENCES = ['MIT', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', '0BSD'];
const TEXT = /\.(md|ts|mts|cts|js|mjs|cjs)$/;
/** What a program wrote: minified code has long lines. */
const GENERATED = /\.min\.|\.fesm\./;
const LONGEST_MEAN_LINE = 90;
const FEWEST_BYTES = 512;
const MOST_BYTES = 300_000;
/** So that no package drowns the others. */
const MOST_OF_A_PACKAGE = 1_500_000;
/** One package in so many is held out as a whole: files of one package resemble each other. */
const HELD_OUT = 16;

interface Package {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly bytes: number;
  readonly heldOut: boolean;
}

/** A file and the next are parted by this byte. */
const SEPARATOR = Buffer.of(0);

const folder = process.argv[2] ?? '.cache/corpus';
const modules = 'node_modules';
const parts: Record<'training' | 'heldOut', Buffer[]> = {training: [], heldOut: []};
const seen = new Set<string>();
const packages = packageNames().flatMap((name) => gather(name) ?? []);

mkdirSync(folder, {recursive: true});
const training = Buffer.concat(parts.training);
const heldOut = Buffer.concat(parts.heldOut);
writeFileSync(join(folder, 'training.bin'), training);
writeFileSync(join(folder, 'held_out.bin'), heldOut);
const about = {
  training: {bytes: training.length, sha256: sha256(training)},
  heldOut: {bytes: heldOut.length, sha256: sha256(heldOut)},
  packages,
};
writeFileSync(join(folder, 'corpus.json'), `${JSON.stringify(about, null, 1)}\n`);
console.log(`${packages.length} packages, ${training.length} bytes to train on, ${heldOut.length} held out`);

function packageNames(): string[] {
  const names = readdirSync(modules).filter((name) => !name.startsWith('.'));
  return names
    .flatMap((name) => (name.startsWith('@') ? readdirSync(join(modules, name)).map((part) => `${name}/${part}`) : [name]))
    .sort();
}

function gather(name: string): Package | undefined {
  const manifest = join(modules, name, 'package.json');
  if (!existsSync(manifest)) return undefined;
  const {license, version} = JSON.parse(readFileSync(manifest, 'utf8')) as {license?: string; version: string};
  if (typeof license !== 'string' || !LICENCES.includes(license)) return undefined;
  const isHeldOut = createHash('sha256').update(name).digest()[0]! % HELD_OUT === 0;
  const into = parts[isHeldOut ? 'heldOut' : 'training'];
  let bytes = 0;
  for (const path of files(join(modules, name))) {
    if (bytes > MOST_OF_A_PACKAGE) break;
    const text = readFileSync(path);
    const hash = sha256(text);
    if (!isReadable(text) || seen.has(hash)) continue;
    seen.add(hash);
    into.push(text, SEPARATOR);
    bytes += text.length + 1;
  }
  return bytes === 0 ? undefined : {name, version, licence: license, bytes, heldOut: isHeldOut};
}

function files(path: string): string[] {
  const entries = readdirSync(path, {withFileTypes: true}).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) return entry.name === modules || entry.name.startsWith('.') ? [] : files(inside);
    return entry.isFile() && TEXT.test(entry.name) && !GENERATED.test(entry.name) ? [inside] : [];
  });
}

function isReadable(text: Buffer): boolean {
  if (text.length < FEWEST_BYTES || text.length > MOST_BYTES || text.includes(0)) return false;
  let lines = 1;
  for (const byte of text) if (byte === 10) lines++;
  return text.length / lines <= LONGEST_MEAN_LINE && !text.includes('sourceMappingURL=data');
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
