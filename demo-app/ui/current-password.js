// A field for the current password, for changes that the server allows only with it or shortly
// after a sign-in.
import { el } from './dom.js';

export function passwordField(prefix) {
  const id = `field-${prefix}-current_password`;
  const input = el('input', { id, name: 'current_password', type: 'password', autocomplete: 'current-password', 'aria-describedby': `${id}-hint`, test: id });
  const label = el('label', { for: id }, el('span', { text: 'field.current_password' }), ' ', el('span', { class: 'optional', text: 'field.optional' }));
  const hint = el('p', { class: 'hint', id: `${id}-hint`, text: 'hint.current_password' });
  return { element: el('div', { class: 'field' }, label, hint, input), value: () => input.value || undefined, forget: () => { input.value = ''; } };
}
