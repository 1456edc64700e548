// What the server has recorded about the account, the newest first, page by page.
import { button, el, whileBusy } from './dom.js';
import * as propusk from './generated/propusk.js';
import { dateAndTime } from './moments.js';
import { clearResult, resultsOf } from './result.js';
import { has } from './words.js';

export function historyPanel() {
  const list = el('ul', { class: 'rows', test: 'history-list' });
  const show = el('button', { type: 'submit', class: 'primary', text: 'submit.events', test: 'submit' });
  const more = button('secondary', 'history.more', 'history-more', () => whileBusy(more, () => load(list, more, more.dataset.before)), { hidden: true });
  const sent = (event) => {
    event.preventDefault();
    whileBusy(show, () => load(list, more));
  };
  return el('form', { novalidate: '', on: { submit: sent } }, el('div', { class: 'buttons' }, show), list, more);
}

// Adds the page before `before` to the list; without `before` the list begins anew.
async function load(list, more, before) {
  clearResult();
  const { showSuccess, showError } = resultsOf(list);
  try {
    const { events, next } = await propusk.accountEvents(before);
    if (!before) list.replaceChildren();
    list.append(...events.map(row));
    more.hidden = next === null;
    more.dataset.before = next ?? '';
    showSuccess(['done.events', { count: list.children.length }]);
  } catch (error) {
    showError(error);
  }
}

function row(event) {
  const key = `history.${event.event}`;
  const what = has(key) ? el('strong', { text: key }) : el('strong', {}, event.event);
  const when = el('p', { text: ['value.is', { value: () => dateAndTime(event.at) }] });
  const operator = event.byOperator ? el('p', { text: 'history.operator' }) : null;
  const details = [event.reason, event.provider, event.api, event.client, event.address].filter(Boolean);
  const about = el('p', {}, ...details.flatMap((detail) => [el('code', {}, detail), ' ']));
  const count = event.count > 1 ? el('span', { class: 'pill', text: ['history.count', { count: event.count }] }) : null;
  return el('li', { class: 'row', test: `history-${event.event}` }, el('div', {}, what, when, operator, about), count);
}
