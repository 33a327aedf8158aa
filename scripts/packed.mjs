// Packs the package and unpacks it as a user's `npm install` would, into a new folder outside the project.
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync, symlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {ROOT} from './steps.mjs';

/**
 * What `npm pack --json` says of a package; sizes in bytes.
 *
 * @typedef {{filename: string, files: {path: string, size: number}[], size: number, unpackedSize: number}} Packed
 */

/**
 * Runs `use` in a folder whose `node_modules` has the packed package and the peers it may want, and removes the folder afterwards.
 *
 * @param {(place: {home: string, installed: string, packed: Packed}) => Promise<void>} use `installed` is the package in `home`,
 *     `packed` what `npm pack --json` says of it.
 */
export async function withPackedPackage(use) {
  const home = mkdtempSync(join(tmpdir(), 'tfjs-splat-packed-'));
  try {
    const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', home], {cwd: ROOT, encoding: 'utf8'}));
    const installed = join(home, 'node_modules/tfjs-splat');
    mkdirSync(installed, {recursive: true});
    execFileSync('tar', ['-xzf', join(home, packed.filename), '-C', installed, '--strip-components', '1']);
    for (const scope of ['@tensorflow', '@webgpu'])
      symlinkSync(join(ROOT, 'node_modules', scope), join(home, 'node_modules', scope));
    await use({home, installed, packed});
  } finally {
    rmSync(home, {recursive: true, force: true});
  }
}
