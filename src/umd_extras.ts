import {refuse} from './support/index.js';

type Callable = (...given: unknown[]) => unknown;
type Constructable = new (...given: unknown[]) => object;

/** What the second script brought, by name. Empty until it ran. */
export const extras: Record<string, Callable> = {};

/**
 * Stands in the first script for a function or class of the second: calls it once it is there, and refuses until then.
 *
 * `scripts/script_tags.mjs` puts these in place of whole modules while it builds; ES modules and CommonJS have no such split.
 *
 * @param name The name that the second script registers it by.
 * @param thing What a message calls it.
 */
export function extra(name: string, thing: string): Callable {
  return function (...given: unknown[]): unknown {
    const real =
      extras[name] ??
      refuse(
        thing,
        'a page without tfjs-splat.extras.min.js',
        'its script tag after that of tfjs-splat.min.js',
        'Add <script src="…/tfjs-splat.extras.min.js"></script>: it lies beside the other.',
      );
    return new.target ? new (real as unknown as Constructable)(...given) : real(...given);
  };
}
