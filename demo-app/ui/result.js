// The result of an operation: a sentence for the user, and the data below.
import { data } from './data.js';
import { byId, el } from './dom.js';
import { explained, known } from './errors.js';
import { icon } from './icons.js';
import { select } from './tabs.js';

const icons = { good: 'good', calm: 'calm', bad: 'bad' };

// `lines` are more sentences, `extra` are elements below.
export function outcome(tone, title, lines = [], extra = []) {
  const sentences = lines.map((line) => el('p', { text: line }));
  return el('div', { class: 'outcome', 'data-tone': tone }, icon(icons[tone], 24), el('div', {}, el('strong', { text: title, test: 'result-title' }), ...sentences, ...extra));
}

export function showSuccess(title, value, extra = []) {
  show({ outcome: 'ok' }, outcome('good', title, [], extra), data(value));
}

export function showError(error, lines = []) {
  const { tone, title, lines: why } = explained(error);
  show({ outcome: 'error', kind: known(error).kind }, outcome(tone, title, [...why, ...lines]), data(known(error)));
}

// The same for what was begun at a part of the page. If that is gone, another operation is shown: its place of
// results stays as it is, and the timeline has the result.
export function resultsOf(part) {
  const ifThere = (show) => (...words) => { if (part.isConnected) show(...words); };
  return { showSuccess: ifThere(showSuccess), showError: ifThere(showError) };
}

// Shows the place of results, which a narrow window may hide: for what was not begun there.
export function openResult() {
  byId('panel-actions').dataset.open = 'true';
  select('actions');
}

// An error of something that was not begun at the place of results.
export function openError(error) {
  openResult();
  showError(error);
}

// A success is out of date when the session has ended without an operation of this page.
export function forgetSuccess() {
  if (byId('result')?.dataset.outcome === 'ok') clearResult();
}

export function clearResult() {
  const place = byId('result');
  if (!place) return;
  place.removeAttribute('data-outcome');
  place.removeAttribute('data-kind');
  place.replaceChildren();
}

function show(marks, ...parts) {
  const place = byId('result');
  if (!place) return;
  clearResult();
  Object.assign(place.dataset, marks);
  place.append(...parts.filter(Boolean));
  bringIntoView(place);
}

// A result that does not fit below its button begins below it, so that the button is not cut.
function bringIntoView(place) {
  const operation = byId('operation');
  const button = operation.querySelector('.submit-row') ?? place;
  const needed = place.getBoundingClientRect().bottom - button.getBoundingClientRect().top;
  const fits = needed <= Math.min(operation.clientHeight, window.innerHeight);
  if (fits) place.scrollIntoView({ block: 'nearest' });
  else button.scrollIntoView({ block: 'start' });
}
