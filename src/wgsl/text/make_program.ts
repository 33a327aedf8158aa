import {hash} from '../../support/index.js';
import type {BindingRole, Program} from './program.js';
import {indent} from './text.js';

interface Draft extends Omit<Program, 'key' | 'code'> {
  /** WGSL element type of each storage binding. */
  readonly elements: Partial<Record<BindingRole, string>>;
  /** `enable` and `diagnostic` lines, without the semicolon. */
  readonly directives?: readonly string[];
  /** The module without its bindings. */
  readonly code: string;
}

/** Completes a program: declares its bindings in front of the text and derives its key. */
export function program({elements, code, directives = [], ...rest}: Draft): Program {
  const declarations = rest.bindings.map((role, index) => {
    const at = `@group(0) @binding(${index})`;
    if (role === 'params') return `${at} var<uniform> params: Params;`;
    return `${at} var<storage, ${rest.writes.includes(role) ? 'read_write' : 'read'}> ${role}: array<${elements[role]}>;`;
  });
  const text = indent(`${[...directives.map((line) => `${line};`), ...declarations].join('\n')}\n\n${code}`);
  return {...rest, code: text, key: `${rest.name}:${hash(text)}`};
}
