// The timeline: what happened, the newest first.
import { byId, el } from './dom.js';
import { reason } from './errors.js';
import { timeOfDay } from './moments.js';
import { icon } from './icons.js';
import { emptyPanel, panelHead } from './panel.js';
import { watch, get } from './state.js';
import { has, text } from './words.js';

const limit = 300;
const looks = {
  signed_in: ['good', 'enter'], adopted: ['good', 'box'], refreshed: ['good', 'turn'], signed_out: ['plain', 'leave'],
  session_ended: ['bad', 'leave'], other_process: ['plain', 'window'], profile_updated: ['plain', 'card'], initial: ['plain', 'flag'],
  offline: ['calm', 'offline'], refreshing: ['plain', 'turn'],
};

export function startTimeline() {
  const list = el('ol', { class: 'events', test: 'timeline-list' });
  const empty = emptyPanel('timeline', 'list');
  byId('panel-timeline').replaceChildren(panelHead('timeline'), empty, list);
  watch(['timeline'], () => {
    const entries = get('timeline').slice(-limit).reverse();
    empty.hidden = entries.length > 0;
    show(list, entries);
  });
}

// Adds what is new on top; what is there stays.
function show(list, entries) {
  const shown = new Set([...list.children].map((row) => row.dataset.id));
  if (entries.length === 0) return list.replaceChildren();
  list.prepend(...entries.filter(({ id }) => !shown.has(String(id))).map(row));
  while (list.children.length > limit) list.lastChild.remove();
}

function row(entry) {
  const [tone, drawn, words, more] = described(entry);
  const sentence = el('p', { text: words });
  const time = el('time', { datetime: new Date(Number(entry.at) || Date.now()).toISOString(), text: ['value.is', { value: () => timeOfDay(entry.at) }] });
  const detail = more ? el('p', { class: 'more', text: more }) : null;
  return el('li', { class: 'event', 'data-tone': tone, 'data-id': entry.id, 'data-kind': entry.kind, test: 'timeline-entry' }, el('span', { class: 'dot', 'aria-hidden': 'true' }, icon(drawn)), el('div', {}, sentence, detail), time);
}

// Tone, icon, sentence, and the reason if there is one.
function described({ kind, text: words, data }) {
  if (kind === 'status') return status(data ?? {});
  const key = `event.${kind}`;
  const parameters = Object.fromEntries(Object.entries(data ?? {}).map(([name, value]) => [name, () => inWords(name, value)]));
  const [tone, drawn] = troubles[kind] ?? ['plain', 'flag'];
  return [tone, drawn, has(key) ? [key, { ...parameters, text: words ?? '' }] : ['value.is', { value: words ?? kind }]];
}

const troubles = {
  trouble: ['calm', 'bolt'], server: ['plain', 'server'], dialect: ['plain', 'api'], mail: ['plain', 'mail'], link: ['plain', 'link'],
  error: ['bad', 'bad'], operation: ['plain', 'person'], second_process: ['plain', 'window'],
};

function inWords(name, value) {
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return has(`${name}.${value}`) ? text(`${name}.${value}`) : String(value);
}

function status({ phase, change, reason: why }) {
  const look = phase === 'offline' || phase === 'refreshing' ? phase : change;
  const [tone, drawn] = looks[look] ?? looks.initial;
  const key = phase === 'offline' ? 'change.offline' : phase === 'refreshing' ? 'change.refreshing' : `change.${change}`;
  const sentence = change === 'initial' ? [`change.initial.${phase}`] : [has(key) ? key : `phase.${phase}`];
  return [tone, drawn, sentence, phase === 'signed_out' && why ? reason(why) : null];
}
