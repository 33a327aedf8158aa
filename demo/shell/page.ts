import {startTheme} from './theme.js';

/** What a page tells `npm start -- --headless` once it has done its work. */
export interface PageResult {
  readonly ok: boolean;
  /** A line for the terminal. */
  readonly summary: string;
}

declare global {
  interface Window {
    pageResult?: PageResult;
  }
}

/** The parameters of the address, `?quick&backend=cpu`. */
export const parameters = new URLSearchParams(location.search);

/** `?quick`: sizes that a processor playing GPU manages in seconds. */
export const isQuick = parameters.has('quick');

/** `?quick` or `?run`: do the page's work without being asked. */
export const runsAtOnce = isQuick || parameters.has('run');

export function startPage(): void {
  startTheme();
}

/** The page is there and waits for the reader. */
export function ready(): void {
  document.documentElement.dataset['ready'] = '';
}

export function report(result: PageResult): void {
  window.pageResult = result;
}

/** An element that the page is known to have. */
export function at<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no element '${id}'.`);
  return found as T;
}

type Attributes = Readonly<Record<string, string>>;

/** `make('a', {href: '#'}, 'text', other)` */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A path that may wrap behind its slashes. */
export function breakable(path: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  for (const part of path.split(/(?<=\/)/)) fragment.append(part, document.createElement('wbr'));
  return fragment;
}

/** What a caught value says. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

/** Says in `host` what went wrong; lines after the first keep their columns, for a caret points at one. */
export function showError(host: HTMLElement, thrown: unknown): void {
  const [first = '', ...rest] = messageOf(thrown).split('\n');
  host.replaceChildren(
    first,
    ...(rest.length === 0 ? [] : [make('pre', {tabindex: '0', role: 'region', 'aria-label': 'Where'}, rest.join('\n'))]),
  );
  host.hidden = false;
}

/** Lets the browser paint and take input. */
export const breathe = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** Offers `text()` to the clipboard when the button is pressed, and says so on the button. */
export function copyOnClick(button: HTMLButtonElement, text: () => string): void {
  const label = button.textContent ?? '';
  button.addEventListener('click', () => {
    const say = (said: string): void => {
      button.textContent = said;
      setTimeout(() => (button.textContent = label), 1500);
    };
    // The clipboard needs https or localhost, and permission.
    const copied = navigator.clipboard?.writeText(text()) ?? Promise.reject(new Error('There is no clipboard here.'));
    copied.then(
      () => say('Copied'),
      () => say('The browser refused'),
    );
  });
}
