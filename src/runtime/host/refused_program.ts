import {SplatError} from '../../support/index.js';

/** As many complaints as a message quotes; one mistake often makes many. */
const MOST = 3;

export function refusedProgram(name: string, reason: string): SplatError {
  return new SplatError({
    thing: name,
    found: `an error of the WebGPU device: ${reason.trim()}`,
    expected: 'a program this device runs',
    cure: "This plan will not run again here. Use implementation: 'dense' or another backend, and please report the message.",
  });
}

/**
 * An error of the device about a program, with what the compiler says against the text. Chromium's errors repeat that; Firefox's say
 * "Shader module creation failed: Parsing error" and no more.
 */
export async function withComplaints(device: GPUDevice, code: string, reason: string): Promise<string> {
  const complaints = await complaintsOf(device, code).catch(() => []);
  const unsaid = complaints.filter(({message}) => !reason.includes(message.trim())).slice(0, MOST);
  const lines = code.split('\n');
  const texts = unsaid.map(({message, lineNum}) => {
    const line = lines[lineNum - 1]?.trim();
    return `\n${message.trim()}${line ? ` (line ${lineNum}: ${line})` : ''}`;
  });
  return reason.trim() + texts.join('');
}

/** Asks anew, so that nobody has to keep the modules of programs that are right. */
async function complaintsOf(device: GPUDevice, code: string): Promise<readonly GPUCompilationMessage[]> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({code});
  const popped = device.popErrorScope();
  const {messages} = await module.getCompilationInfo();
  await popped;
  return messages.filter(({type}) => type === 'error');
}
