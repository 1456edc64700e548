// Copies a text to the clipboard.
import { announce, button } from './dom.js';
import { say } from './words.js';

export function copyButton(text, test, key = 'copy') {
  const element = button('quiet compact', key, test, async () => {
    await copy(text());
    say(element, 'copy.done');
    announce('copy.done');
    setTimeout(() => say(element, key), 2000);
  });
  return element;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text); // a web view without the clipboard's API
  }
}

function copyBySelection(text) {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'unseen';
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}
