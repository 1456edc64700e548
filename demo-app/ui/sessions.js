// The sessions of the account, of every device and API; each other one can be ended.
import { passwordField } from './current-password.js';
import { button, el, whileBusy } from './dom.js';
import * as propusk from './generated/propusk.js';
import { dateAndTime } from './moments.js';
import { clearResult, resultsOf } from './result.js';
import { text } from './words.js';

export function sessionsPanel() {
  const list = el('ul', { class: 'rows', test: 'sessions-list' });
  const password = passwordField('sessions');
  const show = el('button', { type: 'submit', class: 'primary', text: 'submit.sessions', test: 'submit' });
  const others = button('danger', 'sessions.end_others', 'sessions-end_others', ({ currentTarget }) => whileBusy(currentTarget, () => endOthers(list, password)));
  const sent = (event) => {
    event.preventDefault();
    whileBusy(show, () => load(list, password));
  };
  return el('form', { novalidate: '', on: { submit: sent } }, el('div', { class: 'buttons' }, show, others), password.element, list);
}

async function load(list, password) {
  clearResult();
  const { showSuccess, showError } = resultsOf(list);
  try {
    const sessions = await propusk.sessions();
    list.replaceChildren(...sessions.map((session) => row(session, list, password)));
    showSuccess(['done.sessions', { count: sessions.length }]);
  } catch (error) {
    showError(error);
  }
}

function row(session, list, password) {
  const device = session.deviceName ? el('strong', {}, session.deviceName) : el('strong', { text: 'sessions.no_name' });
  const used = el('p', { text: ['sessions.used', { api: session.api, time: () => dateAndTime(session.lastUsedAt) }] });
  const ends = el('p', { text: ['sessions.ends', { time: () => dateAndTime(session.expiresAt) }] });
  const end = session.current
    ? el('span', { class: 'pill good', text: 'sessions.current' })
    : button('danger compact', 'sessions.end', `session-end-${session.id}`, ({ currentTarget }) => whileBusy(currentTarget, () => endOne(session, list, password)), { label: ['sessions.end.named', { name: () => session.deviceName ?? text('sessions.no_name') }] });
  return el('li', { class: 'row', test: `session-row-${session.id}` }, el('div', {}, device, used, ends), end);
}

async function endOne(session, list, password) {
  const { showSuccess, showError } = resultsOf(list);
  try {
    await propusk.endSession(session.id, password.value());
    password.forget();
    await load(list, password);
    showSuccess(['done.end_session']);
  } catch (error) {
    showError(error);
  }
}

async function endOthers(list, password) {
  const { showSuccess, showError } = resultsOf(list);
  try {
    await propusk.endOtherSessions(password.value());
    password.forget();
    await load(list, password);
    showSuccess(['done.end_other_sessions']);
  } catch (error) {
    showError(error);
  }
}
