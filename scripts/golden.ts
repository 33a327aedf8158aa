// `npm run golden`: writes test/golden anew. Review what changed with `git diff test/golden`, as you would review source.
import {mkdirSync, rmSync, writeFileSync} from 'node:fs';
import {dirname} from 'node:path';
import {fileURLToPath} from 'node:url';
import {goldens} from '../test/support/goldens.js';

const folder = new URL('../test/golden/', import.meta.url);
// First: when a stage throws, the old files stay.
const files = goldens();

rmSync(folder, {recursive: true, force: true});
for (const [path, text] of files) {
  const file = fileURLToPath(new URL(path, folder));
  mkdirSync(dirname(file), {recursive: true});
  writeFileSync(file, text);
}
console.log(`${files.size} files in test/golden`);
