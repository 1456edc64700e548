// The list of operations: exactly those that the dialect has, and what needs no server.
import { choose } from './operation-panel.js';
import { byId, el } from './dom.js';
import { icon } from './icons.js';
import { groups, local, operations } from './operations.js';
import { get, isSignedIn, watch } from './state.js';

export function startOperationList() {
  watch(['operations'], render);
  watch(['operations', 'chosen', 'status'], mark);
}

function render() {
  const offered = get('operations');
  byId('operations').dataset.dialect = get('demo')?.dialect ?? '';
  const sections = groups.map((group) => section(group, 'op', offered.filter((name) => operations[name]?.group === group)));
  byId('operations').replaceChildren(...sections.filter(Boolean), section('local', 'sdk', Object.keys(local)));
}

function section(group, prefix, names) {
  if (names.length === 0) return null;
  const inOrder = Object.keys({ ...operations, ...local }).filter((name) => names.includes(name));
  const title = el('h2', { id: `group-${group}`, text: `group.${group}` });
  return el('section', { 'aria-labelledby': title.id }, title, el('ul', {}, ...inOrder.map((name) => el('li', {}, entry(prefix, name)))));
}

function entry(prefix, name) {
  const { icon: drawn } = operations[name] ?? local[name];
  const button = el('button', { type: 'button', test: `${prefix}-${name}`, 'data-name': name, on: { click: () => choose(name) } });
  button.append(icon(drawn), el('span', { text: `op.${name}` }));
  return button;
}

// Marks the chosen one, and those that need a user who is signed in.
function mark() {
  for (const button of byId('operations').querySelectorAll('button')) {
    const { name } = button.dataset;
    if (get('chosen')?.name === name) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
    button.classList.toggle('away', Boolean((operations[name] ?? local[name]).needs) && !isSignedIn());
  }
}
