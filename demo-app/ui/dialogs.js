// Dialogs: confirm something that cannot be undone, choose a dialect, look at the server.
import { button, el } from './dom.js';
import { icon } from './icons.js';

// Opens a dialog with these parts. It is removed when it closes; the focus returns by itself.
export function openDialog(test, title, parts) {
  const close = el('button', { type: 'button', class: 'quiet icon-only', label: 'close', test: `${test}-close`, on: { click: () => dialog.close() } }, icon('close'));
  const head = el('div', { class: 'dialog-head' }, el('h2', { id: `${test}-title`, text: title }), close);
  const dialog = el('dialog', { 'aria-labelledby': `${test}-title`, test }, el('div', { class: 'inside' }, head, ...parts));
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// Whether the user confirms. The texts are `confirm.NAME`, `confirm.NAME.text`, `confirm.NAME.yes`.
export function confirmed(name) {
  return new Promise((answer) => {
    let isConfirmed = false;
    const yes = button('danger', `confirm.${name}.yes`, 'confirm-yes', () => { isConfirmed = true; dialog.close(); });
    const no = button('secondary', 'confirm.no', 'confirm-no', () => dialog.close());
    const parts = [el('p', { text: `confirm.${name}.text` }), el('div', { class: 'buttons' }, yes, no)];
    const dialog = openDialog('confirm', `confirm.${name}`, parts);
    dialog.addEventListener('close', () => answer(isConfirmed));
    no.focus();
  });
}
