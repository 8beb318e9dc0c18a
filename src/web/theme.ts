/** The colours of the page as it is now, light or dark, for what CSS does not reach: the charts. */
export interface Theme {
  readonly ink: string;
  readonly soft: string;
  readonly grid: string;
  readonly ground: string;
  readonly font: string;
}

export function currentTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string => style.getPropertyValue(name).trim();
  return {
    ink: value('--ink'),
    soft: value('--soft'),
    grid: value('--line'),
    ground: value('--card'),
    font: value('--font'),
  };
}

/** Calls back whenever the system goes from light to dark or back. */
export function onThemeChange(listener: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', listener);
}
