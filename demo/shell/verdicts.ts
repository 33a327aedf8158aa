import {make} from './page.js';

/** A sentence about a result. Any `bad` one means that something is wrong with the library or the machine. */
export interface Verdict {
  readonly state: 'good' | 'bad' | 'open';
  readonly text: string;
}

export function fillVerdicts(list: HTMLElement, found: readonly Verdict[]): void {
  list.replaceChildren(...found.map(({state, text}) => make('li', {class: state}, text)));
}
