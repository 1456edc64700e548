// The wire log: every request with its answer. The Rust side has masked the secrets.
import { clearWireLog } from './backend.js';
import { copyButton } from './copying.js';
import { button, byId, el } from './dom.js';
import { timeOfDay } from './moments.js';
import { emptyPanel, panelHead } from './panel.js';
import { get, put, watch } from './state.js';

const limit = 300;
const filter = { words: '', only: 'all' };

export function startWireLog() {
  const clear = button('quiet compact', 'wire.clear', 'wire-clear', async () => {
    await clearWireLog();
    put('wire', []);
  });
  const list = el('div', { test: 'wire-list' });
  const empty = emptyPanel('wire', 'wire');
  const nothing = el('p', { class: 'soft', text: 'wire.nothing', test: 'wire-nothing' });
  const show = () => applyFilter(list, nothing);
  byId('panel-wire').replaceChildren(panelHead('wire', clear), filters(show), empty, nothing, list);
  watch(['wire'], () => {
    const entries = get('wire').slice(-limit);
    empty.hidden = entries.length > 0;
    update(list, entries);
    show();
  });
}

function filters(show) {
  const words = el('input', { type: 'search', id: 'wire-filter', test: 'wire-filter', label: 'wire.filter', placeholder: 'wire.filter', autocomplete: 'off', spellcheck: 'false', on: { input: () => { filter.words = words.value.toLowerCase(); show(); } } });
  const only = el('select', { id: 'wire-only', test: 'wire-only', label: 'wire.only', on: { change: () => { filter.only = only.value; show(); } } }, ...['all', 'failed'].map((name) => el('option', { value: name, text: `wire.only.${name}` })));
  return el('div', { class: 'filters' }, words, only);
}

// An entry is shown once; a later one with the same id replaces it.
function update(list, entries) {
  const ids = new Set(entries.map(({ id }) => String(id)));
  for (const row of [...list.children]) if (!ids.has(row.dataset.id)) row.remove();
  for (const entry of entries) {
    const shown = [...list.children].find((row) => row.dataset.id === String(entry.id));
    const state = JSON.stringify([entry.status, entry.milliseconds, entry.error]);
    if (shown?.dataset.state === state) continue;
    const row = exchange(entry, state, shown?.open ?? false);
    if (shown) shown.replaceWith(row);
    else list.prepend(row);
  }
}

function exchange(entry, state, isOpen) {
  const status = entry.status ? String(entry.status) : '—';
  const method = el('span', { class: 'badge', 'data-method': entry.method.toLowerCase() }, entry.method);
  const answer = el('span', { class: 'badge status', 'data-class': entry.status ? status[0] : 'x' }, status);
  const line = el('span', { class: 'line' }, el('span', { text: ['value.is', { value: () => timeOfDay(entry.at) }] }), duration(entry), failure(entry));
  const body = el('div', { class: 'exchange-body' });
  const row = el('details', { class: 'exchange', test: 'wire-entry', 'data-id': entry.id, 'data-state': state, 'data-found': `${entry.method} ${entry.path} ${status}`.toLowerCase(), 'data-failed': String(Boolean(entry.error) || !(entry.status < 400)) },
    el('summary', {}, method, el('code', { class: 'path' }, entry.path), answer, line), body);
  row.addEventListener('toggle', () => { if (row.open && body.childElementCount === 0) body.append(...detail(entry)); });
  row.open = isOpen;
  return row;
}

function duration({ milliseconds }) {
  return milliseconds === undefined || milliseconds === null ? null : el('span', { text: ['wire.milliseconds', { number: milliseconds }] });
}

function failure({ error, status }) {
  if (!error && status) return null;
  return error ? el('span', {}, String(error)) : el('span', { text: 'wire.no_answer' });
}

function detail(entry) {
  const curl = el('div', {}, el('div', { class: 'part-head' }, el('h3', { text: 'wire.curl' }), copyButton(() => entry.curl, 'wire-copy_curl')), el('pre', { test: 'wire-curl', tabindex: 0 }, entry.curl ?? ''));
  const parts = [['wire.request_headers', headers(entry.requestHeaders)], ['wire.request_body', body(entry.requestBody)], ['wire.response_headers', headers(entry.responseHeaders)], ['wire.response_body', body(entry.responseBody)]];
  return [...parts.filter(([, words]) => words).map(([key, words]) => el('div', {}, el('h3', { text: key }), el('pre', { tabindex: 0 }, words))), ...(entry.curl ? [curl] : [])];
}

// Headers as an object, as pairs, or as text.
function headers(given) {
  if (!given) return '';
  if (typeof given === 'string') return given;
  const pairs = Array.isArray(given) ? given.map((pair) => (Array.isArray(pair) ? pair : [pair.name, pair.value])) : Object.entries(given);
  return pairs.map(([name, value]) => `${name}: ${value}`).join('\n');
}

function body(given) {
  if (given === null || given === undefined || given === '') return '';
  try {
    return JSON.stringify(typeof given === 'string' ? JSON.parse(given) : given, null, 2);
  } catch {
    return String(given);
  }
}

function applyFilter(list, nothing) {
  let count = 0;
  for (const row of list.children) {
    row.hidden = !row.dataset.found.includes(filter.words) || (filter.only === 'failed' && row.dataset.failed !== 'true');
    if (!row.hidden) count += 1;
  }
  nothing.hidden = count > 0 || list.childElementCount === 0;
}
