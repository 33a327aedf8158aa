import {count} from '../../scripts/steps.mjs';

describe('the sum that npm test prints', () => {
  it('counts the specs of jasmine, pending ones neither way', () => {
    expect(count('....\n\n224 specs, 10 failures\nFinished in 15 seconds\n', false)).toEqual({passed: 214, failed: 10});
    expect(count('4 specs, 1 failure, 1 pending spec\n', false)).toEqual({passed: 2, failed: 1});
    expect(count('1 spec, 0 failures\n', true)).toEqual({passed: 1, failed: 0});
  });

  it('counts the specs of karma', () => {
    const line = 'Chrome Headless 153.0.8010.0 (Linux 0.0.0): ';
    expect(count(`${line}Executed 12 of 12 SUCCESS (0.16 secs / 0.14 secs)`, true)).toEqual({passed: 12, failed: 0});
    expect(count(`${line}Executed 3 of 4 (1 FAILED) (skipped 1) (0.6 secs)`, false)).toEqual({passed: 2, failed: 1});
  });

  it('counts a run that broke off as a failure, whatever passed before', () => {
    expect(count('Executed 5 of 9 DISCONNECTED (8.02 secs / 0 secs)', false)).toEqual({passed: 5, failed: 1});
    expect(count('Error: Cannot find module', false)).toEqual({passed: 0, failed: 1});
  });

  it('counts any other command as one', () => {
    expect(count('', true)).toEqual({passed: 1, failed: 0});
  });
});
