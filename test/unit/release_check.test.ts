import {existsSync, readFileSync} from 'node:fs';
import {objections} from '../../scripts/release_check.mjs';

const read = (path: string): string => readFileSync(path, 'utf8');
const ADDRESSES = {repository: 'github:a/b', homepage: 'https://a.example', bugs: 'https://a.example/issues'};

describe('the release check', () => {
  it('refuses to publish without the addresses of the project, which are not fixed yet', () => {
    const manifest = JSON.parse(read('package.json')) as Record<string, unknown>;
    const found = objections(manifest, read('CHANGELOG.md'), read('README.md'));
    for (const name of Object.keys(ADDRESSES)) expect(found).toContain(jasmine.stringContaining(`package.json has no ${name}`));
  });

  it('asks for a dated heading of the version, and for a README that knows of npm', () => {
    const manifest = {...ADDRESSES, version: '1.2.3'};
    expect(objections(manifest, '## 1.2.3, 2027-01-02\n', 'npm install tfjs-splat')).toEqual([]);
    expect(objections(manifest, '## 1.2.3, unreleased\n', '')).toEqual([jasmine.stringContaining('no date')]);
    expect(objections(manifest, '## 1.2.2, 2027-01-01\n', '')).toEqual([jasmine.stringContaining('no heading')]);
    expect(objections(manifest, '## 1.2.3, 2027-01-02\n', 'it is not on npm yet')).toEqual([jasmine.stringContaining('README.md')]);
  });

  it('runs before npm publish', () => {
    const {scripts} = JSON.parse(read('package.json')) as {scripts: Record<string, string>};
    expect(scripts['prepublishOnly']).toBe('npm run release:check');
    expect(existsSync(scripts['release:check']!.replace('node ', ''))).toBeTrue();
  });
});
