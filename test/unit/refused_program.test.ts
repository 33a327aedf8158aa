import {withComplaints} from '../../src/runtime/host/refused_program.js';

const CODE = ['fn main() {', '  let words = bitcast<vec2u>(four);', '}'].join('\n');

type Complaint = Pick<GPUCompilationMessage, 'type' | 'message' | 'lineNum'>;

/** A device whose compiler says this. */
function deviceThatSays(messages: readonly Complaint[] | Error): {device: GPUDevice; scopes: string[]} {
  const scopes: string[] = [];
  const getCompilationInfo = (): Promise<unknown> =>
    messages instanceof Error ? Promise.reject(messages) : Promise.resolve({messages});
  const device = {
    pushErrorScope: (kind: string) => void scopes.push(kind),
    popErrorScope: () => Promise.resolve(scopes.pop()),
    createShaderModule: () => ({getCompilationInfo}),
  };
  return {device: device as unknown as GPUDevice, scopes};
}

const error = (message: string, lineNum = 0): Complaint => ({type: 'error', message, lineNum});

describe('an error of the device about a program', () => {
  it('is told with what the compiler says, and where', async () => {
    const {device, scopes} = deviceThatSays([error('Unable to cast\n', 2), error('no place')]);
    const text = await withComplaints(device, CODE, 'Parsing error\n');
    expect(text).toBe('Parsing error\nUnable to cast (line 2: let words = bitcast<vec2u>(four);)\nno place');
    expect(scopes).toEqual([]);
  });

  it('is not said twice, leaves warnings out and quotes three complaints', async () => {
    const said = 'Error while parsing WGSL: :2:9 error: unresolved value';
    const {device} = deviceThatSays([
      error('unresolved value', 2),
      {type: 'warning', message: 'unused', lineNum: 1},
      ...['a', 'b', 'c', 'd'].map((name) => error(`Mistake ${name}`)),
    ]);
    expect(await withComplaints(device, CODE, said)).toBe(`${said}\nMistake a\nMistake b\nMistake c`);
  });

  it('stays as it is where the compiler says nothing', async () => {
    for (const messages of [[], new Error('lost')]) {
      expect(await withComplaints(deviceThatSays(messages).device, CODE, 'the device is lost')).toBe('the device is lost');
    }
    expect(await withComplaints({} as GPUDevice, CODE, 'an old browser')).toBe('an old browser');
  });
});
