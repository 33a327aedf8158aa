// The npm package @sparticuz/chromium brings a headless Chromium for x64 Linux, the system libraries and fonts that it needs, and
// SwiftShader, a Vulkan driver in software; all compressed. Its own code wants a newer Node than ours and unpacks into the system's
// temporary folder. This unpacks it once, in two to three seconds, into node_modules/.cache.
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
 * The folder that holds the unpacked package: the program `chromium`, and beside it, where it looks for them, libvk_swiftshader.so,
 * vk_swiftshader_icd.json and libvulkan.so.1; the system libraries in `lib`; `fonts.conf` and the fonts it names.
 */
export function unpackChromium() {
  const {version} = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  const cache = join(NODE_MODULES, '.cache/tfjs-splat');
  const folder = join(cache, `chromium-${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, {recursive: true});
  // Unpacked beside its place and renamed, so that two processes that start together never see half of it.
  const partial = mkdtempSync(`${folder}-`);
  /** @param {string} name */
  const bytes = (name) => brotliDecompressSync(readFileSync(join(PACKAGE, 'bin', name)));
  try {
    for (const tar of ['swiftshader.tar.br', 'al2023.tar.br', 'fonts.tar.br']) {
      execFileSync('tar', ['-x', '--no-same-owner', '-C', partial], {input: bytes(tar)});
    }
    writeFileSync(join(partial, 'chromium'), bytes('chromium.br'), {mode: 0o755});
    // The package's own fonts.conf looks for the fonts in the system's temporary folder.
    writeFileSync(
      join(partial, 'fonts.conf'),
      `<fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/fonts/cache</cachedir></fontconfig>\n`,
    );
    chmodSync(partial, 0o755);
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, {recursive: true, force: true});
    // Another process was faster: its folder is as good.
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
