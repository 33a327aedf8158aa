/** The theme: the system's, until the button in the header chooses. The choice stays in the browser. */

const root = document.documentElement;
const system = matchMedia('(prefers-color-scheme: dark)');
const listeners: (() => void)[] = [];

const isDark = (): boolean => (root.dataset['theme'] ? root.dataset['theme'] === 'dark' : system.matches);

/** Calls `redraw` whenever colours change: canvases do not follow style sheets by themselves. */
export function onThemeChange(redraw: () => void): void {
  listeners.push(redraw);
}

export function startTheme(): void {
  const button = document.getElementById('theme')!;
  const announce = (): void => {
    button.setAttribute('aria-pressed', String(isDark()));
    for (const redraw of listeners) redraw();
  };
  button.setAttribute('aria-pressed', String(isDark()));
  button.addEventListener('click', () => {
    root.dataset['theme'] = isDark() ? 'light' : 'dark';
    try {
      localStorage.setItem('theme', root.dataset['theme']);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    announce();
  });
  system.addEventListener('change', announce);
}

export type Colour = readonly [red: number, green: number, blue: number];

/** A colour of the style sheet as it is in the present theme, for canvases. */
export function colourOf(name: string): Colour {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const [red = 0, green = 0, blue = 0] = getComputedStyle(probe)
    .color.match(/[\d.]+/g)!
    .map(Number);
  probe.remove();
  return [red, green, blue];
}
