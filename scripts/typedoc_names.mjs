// A plugin of TypeDoc: pages are called what their heading says, modules what one imports, and every page leads back to the demos.
import {Converter, JSX} from 'typedoc';

/** @type {Record<string, string>} */
const DOORS = {
  index: 'tfjs-splat',
  layers: 'tfjs-splat/layers',
  chained: 'tfjs-splat/chained',
  register: 'tfjs-splat/register',
};
const HEADING = /^# (.+)\n+/;

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    document.name = HEADING.exec(document.content[0]?.text ?? '')?.[1] ?? document.name;
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({project}) => {
    for (const module of project.children ?? []) module.name = DOORS[module.name] ?? module.name;
    // TypeDoc puts the name of the project above it.
    const [first] = project.readme ?? [];
    if (first) first.text = first.text.replace(HEADING, '');
  });
  app.renderer.hooks.on('pageSidebar.begin', (context) => {
    const href = context.relativeURL('../index.html');
    return JSX.createElement('p', null, JSX.createElement('a', {href}, 'Demos: see it run in this browser'));
  });
}
