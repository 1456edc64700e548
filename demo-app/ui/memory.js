// What the page remembers between starts: the language and the theme, nothing else.

export function kept(name) {
  try {
    return localStorage.getItem(`propusk.${name}`);
  } catch {
    return null; // storage is switched off
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(`propusk.${name}`, value);
  } catch {
    // The choice lasts until the window is closed.
  }
}
