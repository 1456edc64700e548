// The timeline: what happened, the newest first.
import { byId, el } from './dom.js';
import { reason } from './errors.js';
import { icon } from './icons.js';
import { milliseconds, timeOfDay } from './moments.js';
import { emptyPanel, panelHead } from './panel.js';
import { get, watch } from './state.js';
import { has, text } from './words.js';

const limit = 300;
const looks = {
  signed_in: ['good', 'enter'], adopted: ['good', 'box'], refreshed: ['good', 'turn'], refreshing: ['plain', 'turn'], offline: ['calm', 'offline'],
  signed_out: ['plain', 'leave'], session_ended: ['bad', 'leave'], other_process: ['plain', 'window'], profile_updated: ['plain', 'card'], initial: ['plain', 'flag'],
};
// Each kind becomes tone, icon, sentence, and a second sentence if there is more to say.
const kinds = { status, operation, wire, link, renewal, trouble, second_process: secondProcess, server, mail };

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
  if (entries.length === 0) return list.replaceChildren();
  const shown = new Set([...list.children].map((row) => row.dataset.id));
  list.prepend(...entries.filter(({ id }) => !shown.has(String(id))).map(row));
  while (list.children.length > limit) list.lastChild.remove();
}

function row(entry) {
  const [tone, drawn, words, more] = (kinds[entry.kind] ?? other)(entry.data ?? {}, entry.text ?? entry.kind);
  const time = el('time', { datetime: new Date(milliseconds(entry.at)).toISOString(), text: ['value.is', { value: () => timeOfDay(entry.at) }] });
  const detail = more ? el('p', { class: 'more', text: more }) : null;
  const marks = { 'data-tone': tone, 'data-id': entry.id, 'data-kind': entry.kind, test: 'timeline-entry' };
  return el('li', { class: 'event', ...marks }, el('span', { class: 'dot', 'aria-hidden': 'true' }, icon(drawn)), el('div', {}, el('p', { text: words }), detail), time);
}

function status({ phase, change, reason: why }) {
  const isOnTheWay = phase === 'offline' || phase === 'refreshing';
  const [tone, drawn] = looks[isOnTheWay ? phase : change] ?? looks.initial;
  const key = change === 'initial' ? `change.initial.${phase}` : `change.${isOnTheWay ? phase : change}`;
  const why2 = phase === 'signed_out' && why && change !== 'signed_out' ? reason(why) : null;
  return [tone, drawn, [has(key) ? key : `phase.${phase}`], why2];
}

function operation({ command, ok, error }) {
  const name = () => (has(`command.${command}`) ? text(`command.${command}`) : has(`op.${command}`) ? text(`op.${command}`) : command);
  if (ok) return ['plain', 'person', ['event.operation', { name }]];
  const isCalm = ['network', 'retry_later', 'storage', 'cancelled', 'other_sign_in'].includes(error?.kind);
  return [isCalm ? 'calm' : 'bad', 'person', ['event.operation.failed', { name }], has(`error.${error?.kind}`) ? [`error.${error.kind}`] : null];
}

function wire({ method, path, status: code, error }, words) {
  const answer = () => code ?? text('wire.no_answer');
  const sentence = path ? [error && code ? 'event.wire.lost' : 'event.wire', { method, path, answer }] : ['value.is', { value: words }];
  return [error || !code ? 'calm' : 'plain', 'wire', sentence];
}

function link({ ok, error }, words) {
  if (ok === undefined) return ['calm', 'link', ['value.is', { value: words }]];
  return ok ? ['good', 'link', ['event.link']] : ['bad', 'link', ['event.link.failed'], has(`error.${error?.kind}`) ? [`error.${error.kind}`] : null];
}

function renewal({ generation }) {
  return ['good', 'turn', ['event.renewal', { generation: generation ?? '' }]];
}

function trouble({ name, on = true }, words) {
  const key = `event.trouble.${name}.${on ? 'on' : 'off'}`;
  return [on ? 'calm' : 'good', 'bolt', has(key) ? [key] : ['value.is', { value: words }]];
}

function secondProcess({ accessExpiresAt, error }) {
  if (error) return ['calm', 'window', ['event.second_process.failed'], ['value.is', { value: error }]];
  return ['plain', 'window', [accessExpiresAt === undefined ? 'event.second_process.ended' : 'event.second_process.token']];
}

function server({ url, dialect }, words) {
  if (dialect) return ['plain', 'api', ['event.dialect', { name: () => (has(`dialect.${dialect}`) ? text(`dialect.${dialect}`) : dialect) }]];
  return ['plain', 'server', url ? ['event.server', { url }] : words === 'started over' ? ['event.started_over'] : ['value.is', { value: words }]];
}

function mail() {
  return ['plain', 'mail', ['event.mail']];
}

function other(_, words) {
  return ['plain', 'flag', ['value.is', { value: words }]];
}
