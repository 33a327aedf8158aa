import type {BindingRole, Program} from './program.js';
import {hash, indent} from './text.js';

interface Draft extends Omit<Program, 'key' | 'code'> {
  /** WGSL element type of each storage binding. */
  readonly elements: Partial<Record<BindingRole, string>>;
  /** WGSL extensions the module enables. */
  readonly enables?: readonly string[];
  /** The module without its bindings. */
  readonly code: string;
}

/** Completes a program: declares its bindings in front of the text and derives its key. */
export function program({elements, code, enables = [], ...rest}: Draft): Program {
  const declarations = rest.bindings.map((role, index) => {
    const at = `@group(0) @binding(${index})`;
    if (role === 'params') return `${at} var<uniform> params: Params;`;
    return `${at} var<storage, ${rest.writes.includes(role) ? 'read_write' : 'read'}> ${role}: array<${elements[role]}>;`;
  });
  const directives = enables.map((name) => `enable ${name};`);
  const text = indent(`${[...directives, ...declarations].join('\n')}\n\n${code}`);
  return {...rest, code: text, key: `${rest.name}:${hash(text)}`};
}
