import {createContext, runInContext} from 'node:vm';
import {once} from '../../scripts/script_tags.mjs';

/** What a page does with the first script: `tf` as other scripts left it, and how often the script ran. */
function page(tf?: object): {load: (build?: string) => void; runs: () => number} {
  const globals = createContext({tf, runs: 0});
  const code = (build: string): string => `runs++; tf.splat = {parts: {'${build}': {}}};`;
  return {
    load: (build = 'a') => runInContext(once(code(build), build), globals) as undefined,
    runs: () => runInContext('runs', globals) as number,
  };
}

describe('the first script tag', () => {
  it('says what is missing where TensorFlow.js has not been loaded', () => {
    for (const tf of [undefined, {getKernel: () => null}]) {
      const {load, runs} = page(tf);
      expect(load).toThrowError(
        /tfjs-splat\.min\.js: found no tf, expected tf\.min\.js, or tf-core\.min\.js and tf-converter\.min\.js/,
      );
      expect(runs()).toBe(0);
    }
  });

  it('runs once for each build', () => {
    const {load, runs} = page({registerOp: () => undefined});
    load();
    load();
    expect(runs()).toBe(1);
    load('b');
    expect(runs()).toBe(2);
  });

  it('leaves TensorFlow.js to a loader of modules', () => {
    const globals = createContext({exports: {}, runs: 0});
    runInContext(once('runs++;', 'a'), globals);
    expect(runInContext('runs', globals)).toBe(1);
  });
});
