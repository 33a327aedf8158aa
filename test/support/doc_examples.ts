import {readFileSync} from 'node:fs';
import {transformSync} from 'esbuild';

/** The code blocks of one language in a Markdown file, in order. */
export function blocksOf(file: string, language = 'ts'): string[] {
  // Blocks inside lists are indented, and so is their end.
  const blocks = readFileSync(file, 'utf8').matchAll(new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^\\1\`\`\``, 'gm'));
  return [...blocks].map(([, , code]) => code!);
}

export type Scope = Record<string, unknown>;

/**
 * Runs code blocks as one program, in order: what one declares, the next ones know. Imports are answered from `modules`, and an import of
 * a name that its module does not have throws.
 *
 * @param scope What the blocks take for granted: names and their values.
 * @returns `scope` and everything that the blocks declared at their top level.
 */
export async function runBlocks(blocks: readonly string[], modules: Record<string, object>, scope: Scope = {}): Promise<Scope> {
  let known = scope;
  for (const block of blocks) {
    const {code} = transformSync(answerImports(block), {loader: 'ts', target: 'esnext'});
    const declared = [...code.matchAll(/^(?:const|let|function|async function) ([\w$]+|[[{][^=]*?[\]}])/gm)];
    const names = declared.flatMap(([, what]) => what!.match(/[\w$]+(?=\s*(?:[,\]}]|$))/g)!);
    // A block of its own, so that it may declare again what an earlier one did.
    const body = `return (async () => { ${code}\nreturn {${names.join()}}; })();`;
    const parameters = Object.keys(known).filter((name) => !names.includes(name));
    const run = new Function('$import', ...parameters, body) as (...values: unknown[]) => Promise<Scope>;
    known = {...known, ...(await run(importFrom(modules), ...parameters.map((name) => known[name])))};
  }
  return known;
}

const answerImports = (code: string): string =>
  code
    .replace(/^import \* as (\w+) from '(.+)';$/gm, "const $1 = $import('$2');")
    .replace(/^import \{(.+)\} from '(.+)';$/gm, (_, names: string, module: string) => {
      const list = names.split(',').map((name) => name.trim());
      return `const {${list.join()}} = $import('${module}', ${JSON.stringify(list)});`;
    })
    .replace(/^import '(.+)';$/gm, "$import('$1');");

function importFrom(modules: Record<string, object>): (name: string, wanted?: readonly string[]) => object {
  return (name, wanted = []) => {
    const found = modules[name];
    if (found === undefined) throw new Error(`an example imports '${name}', which its test does not offer`);
    for (const each of wanted) if (!(each in found)) throw new Error(`an example imports ${each}, which '${name}' does not export`);
    return found;
  };
}
