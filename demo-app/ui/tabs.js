// The tabs: beside the other areas on a wide window, instead of them on a narrow one.
import { byId, el } from './dom.js';
import { icon } from './icons.js';
import { get, put } from './state.js';

const tabs = [['actions', 'person'], ['timeline', 'list'], ['wire', 'wire'], ['inbox', 'mail'], ['trouble', 'bolt']];
const narrow = matchMedia('(max-width: 57.99rem)');

export function startTabs() {
  byId('tabs').replaceChildren(...tabs.map(([name, drawn]) => tab(name, drawn)));
  byId('tabs').addEventListener('keydown', move);
  narrow.addEventListener('change', arrange);
  arrange();
}

// Shows how many new entries a tab has; `0` shows nothing.
export function countAt(name, number) {
  const count = byId(`count-${name}`);
  count.textContent = String(number);
  count.hidden = number === 0;
}

// On a wide window there is nothing to select for the actions.
export function select(name) {
  if (name === 'actions' && !narrow.matches) return;
  for (const [each] of tabs) {
    const isSelected = each === name;
    const element = byId(`tab-${each}`);
    element.setAttribute('aria-selected', String(isSelected));
    element.tabIndex = isSelected ? 0 : -1;
    byId(`panel-${each}`).hidden = !isSelected && (each !== 'actions' || narrow.matches);
  }
  if (narrow.matches) window.scrollTo(0, 0);
  put('tab', name);
}

function tab(name, drawn) {
  const count = el('span', { class: 'count', id: `count-${name}`, hidden: true });
  return el('button', { type: 'button', role: 'tab', id: `tab-${name}`, test: `tab-${name}`, 'aria-controls': `panel-${name}`, on: { click: () => select(name) } }, icon(drawn), el('span', { text: `tab.${name}` }), count);
}

// On a wide window the actions are always there and no tab.
function arrange() {
  for (const [name] of tabs) {
    const panel = byId(`panel-${name}`);
    const isTab = name !== 'actions' || narrow.matches;
    for (const [attribute, value] of [['role', 'tabpanel'], ['aria-labelledby', `tab-${name}`]]) {
      if (isTab) panel.setAttribute(attribute, value);
      else panel.removeAttribute(attribute);
    }
  }
  byId('tab-actions').hidden = !narrow.matches;
  const selected = get('tab');
  if (!narrow.matches && selected === 'actions') select('timeline');
  else select(narrow.matches && selected === 'timeline' ? 'actions' : selected);
}

function move(event) {
  const shown = tabs.map(([name]) => name).filter((name) => !byId(`tab-${name}`).hidden);
  const at = shown.indexOf(get('tab'));
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + shown.length, Home: 0, End: shown.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const name = shown[to % shown.length];
  select(name);
  byId(`tab-${name}`).focus();
}
