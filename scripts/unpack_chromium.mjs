// The npm package @sparticuz/chromium brings a headless Chromium for x64 Linux, the system libraries it needs and SwiftShader, a
// software Vulkan driver, all compressed. Its own code wants a newer Node than ours and unpacks into the system's temporary folder;
// this unpacks what is asked for, once, into node_modules/.cache.
import {execFileSync} from 'node:child_process';
import {chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {join} from 'node:path';
import {brotliDecompressSync} from 'node:zlib';

const NODE_MODULES = fileURLToPath(new URL('../node_modules/', import.meta.url));
const PACKAGE = join(NODE_MODULES, '@sparticuz/chromium');

/** Whether this machine can run what the package holds, and the package is installed. */
export const canUnpack = () => process.platform === 'linux' && process.arch === 'x64' && existsSync(join(PACKAGE, 'package.json'));

/**
 * The folder that holds the unpacked archive.
 *
 * @param {'chromium' | 'al2023' | 'swiftshader'} archive `chromium`: the browser, one file. `al2023`: folder `lib` of system libraries.
 *     `swiftshader`: libvk_swiftshader.so, vk_swiftshader_icd.json and libvulkan.so.1.
 */
export function unpack(archive) {
  const {version} = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  const cache = join(NODE_MODULES, '.cache/tfjs-splat', `chromium-${version}`);
  const folder = join(cache, archive);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, {recursive: true});
  // Unpacked beside its place and renamed, so that two processes that start together never see half of it.
  const partial = mkdtempSync(`${folder}-`);
  try {
    if (archive === 'chromium') {
      writeFileSync(join(partial, 'chromium'), brotliDecompressSync(readFileSync(join(PACKAGE, 'bin/chromium.br'))));
      chmodSync(join(partial, 'chromium'), 0o755);
    } else {
      const tar = brotliDecompressSync(readFileSync(join(PACKAGE, `bin/${archive}.tar.br`)));
      execFileSync('tar', ['-x', '--no-same-owner', '-C', partial], {input: tar});
    }
    chmodSync(partial, 0o755);
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, {recursive: true, force: true});
    // Another process was faster: its folder is as good.
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
