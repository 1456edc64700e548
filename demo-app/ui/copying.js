// Copies a text to the clipboard.
import { announce, button } from './dom.js';
import { say } from './words.js';

export function copyButton(text, test, key = 'copy') {
  const element = button('quiet compact', key, test, async () => {
    const outcome = (await copy(text())) ? 'copy.done' : 'copy.failed';
    say(element, outcome);
    announce(outcome);
    setTimeout(() => say(element, key), 2000);
  });
  return element;
}

// Whether it is copied.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // a web view without the clipboard's API
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'unseen';
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  focused?.focus();
  return isCopied;
}
