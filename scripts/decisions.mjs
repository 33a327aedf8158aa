// `npm run decisions`: writes the index of docs/decisions.md anew from its text. A decision is a paragraph that begins with its name in
// bold; behind the name, in brackets, may stand what is not the usual: a date of its own, and that it is not, or not all, in force.
import {readFileSync, writeFileSync} from 'node:fs';
import {isMain, ROOT} from './steps.mjs';

const PAGE = `${ROOT}docs/decisions.md`;
const [BEGIN, END] = ['<!-- index: npm run decisions -->', '<!-- end of index -->'];
const DATE = /\d{4}-\d{2}-\d{2}/;

/**
 * @typedef {object} Decision
 * @property {string} name
 * @property {string} section the heading above it.
 * @property {string | undefined} since its date, or that of its section.
 * @property {string} state `in force`, or what its brackets say.
 * @property {string | undefined} replacedBy the name of another, of all or of a part of it.
 */

/**
 * @param {string} markdown
 * @returns {Decision[]}
 */
export function decisionsOf(markdown) {
  const text = markdown.slice(markdown.indexOf(END));
  let section = '';
  return [...text.matchAll(/^#+ (.+)$|^\*\*([\s\S]+?)[.:]?\*\*(?:\s_\(([\s\S]+?)\)_)?/gm)].flatMap(
    ([, heading, name, brackets = '']) => {
      section = heading ?? section;
      if (name === undefined) return [];
      const said = brackets
        .replace(/\s+/g, ' ')
        .split('; ')
        .filter((each) => each !== '' && !DATE.test(each))
        .join('; ');
      return {
        name: name.replace(/\s+/g, ' '),
        section,
        since: (DATE.exec(brackets) ?? DATE.exec(section))?.[0],
        state: said || 'in force',
        replacedBy: /replaced by "(.+)"/.exec(said)?.[1],
      };
    },
  );
}

/** What brackets may say beside a date. */
const STATES = /^(in force|a result|open|(in part )?replaced by ".+")$/;

/**
 * What is wrong with the decisions, a sentence each.
 *
 * @param {readonly Decision[]} decisions
 */
export function objections(decisions) {
  const names = decisions.map(({name}) => name);
  return decisions.flatMap(({name, since, state, replacedBy}, index) => [
    ...(names.indexOf(name) < index ? [`Two decisions are called "${name}".`] : []),
    ...(since === undefined ? [`"${name}" has no date, and neither has its section.`] : []),
    ...(STATES.test(state) ? [] : [`"${name}" is '${state}': say a result, open, replaced by "…" or in part replaced by "…".`]),
    ...(replacedBy === undefined || names.includes(replacedBy)
      ? []
      : [`"${name}" is replaced by "${replacedBy}", which is not there.`]),
    ...(replacedBy === name ? [`"${name}" is replaced by itself.`] : []),
  ]);
}

/**
 * The page with its index as the text has it.
 *
 * @param {string} markdown
 */
export function withIndex(markdown) {
  const decisions = decisionsOf(markdown);
  const rows = decisions.flatMap(({name, section, since, state}, index) => [
    ...(decisions[index - 1]?.section === section
      ? []
      : [`| **[${section.replace(/ \(.*\)$/, '')}](#${anchorOf(section)})** | | |`]),
    `| ${name} | ${since} | ${state} |`,
  ]);
  const [before] = markdown.split(BEGIN);
  return `${before}${BEGIN}\n| decision | since | state |\n|---|---|---|\n${rows.join('\n')}\n${markdown.slice(markdown.indexOf(END))}`;
}

/**
 * As GitHub makes it of a heading.
 *
 * @param {string} heading
 */
const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');

if (isMain(import.meta.url)) {
  const page = readFileSync(PAGE, 'utf8');
  for (const objection of objections(decisionsOf(page))) {
    console.error(objection);
    process.exitCode = 1;
  }
  writeFileSync(PAGE, withIndex(page));
}
