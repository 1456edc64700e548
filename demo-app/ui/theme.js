// Light or dark: as the system, or as chosen here.
import { kept, keep } from './memory.js';

export const themes = ['auto', 'light', 'dark'];

export function theme() {
  const chosen = kept('theme');
  return themes.includes(chosen) ? chosen : 'auto';
}

export function chooseTheme(name) {
  keep('theme', name);
  applyTheme();
}

export function applyTheme() {
  if (theme() === 'auto') document.documentElement.removeAttribute('data-theme');
  else document.documentElement.dataset.theme = theme();
}
