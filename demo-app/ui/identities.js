// The sign-ins with providers that belong to the account: unlink one, link another.
import { passwordField } from './current-password.js';
import { button, el, whileBusy } from './dom.js';
import * as propusk from './generated/propusk.js';
import { dateAndTime } from './moments.js';
import { providerList } from './providers.js';
import { clearResult, resultsOf } from './result.js';

export function identitiesPanel() {
  const list = el('ul', { class: 'rows', test: 'identities-list' });
  const password = passwordField('identities');
  const show = el('button', { type: 'submit', class: 'primary', text: 'submit.identities', test: 'submit' });
  const link = (provider, way) => propusk.linkWithProvider(provider, way, password.value());
  const linking = providerList(link, 'link-', () => {
    password.forget();
    load(list, password, false);
  });
  const sent = (event) => {
    event.preventDefault();
    whileBusy(show, () => load(list, password, true));
  };
  return el('form', { novalidate: '', on: { submit: sent } }, el('div', { class: 'buttons' }, show), password.element, list, el('h3', { text: 'identities.link' }), linking);
}

async function load(list, password, isAsked) {
  if (isAsked) clearResult();
  const { showSuccess, showError } = resultsOf(list);
  try {
    const identities = await propusk.identities();
    list.replaceChildren(...identities.map((identity) => row(identity, list, password)));
    if (isAsked) showSuccess(['done.identities', { count: identities.length }]);
  } catch (error) {
    showError(error);
  }
}

function row(identity, list, password) {
  const mark = el('span', { class: 'mark', 'aria-hidden': 'true' }, identity.provider.slice(0, 1).toUpperCase());
  const name = el('strong', {}, identity.name ?? identity.email ?? identity.subject);
  const about = el('p', { text: ['identities.used', { provider: identity.provider, time: () => dateAndTime(identity.lastUsedAt) }] });
  const unlink = button('danger compact', 'identities.unlink', `unlink-${identity.provider}`, ({ currentTarget }) => whileBusy(currentTarget, () => remove(identity, list, password)), { label: ['identities.unlink.named', { provider: identity.provider }] });
  return el('li', { class: 'row' }, mark, el('div', {}, name, about), unlink);
}

async function remove({ provider, subject }, list, password) {
  clearResult();
  const { showSuccess, showError } = resultsOf(list);
  try {
    await propusk.unlink({ provider, subject, currentPassword: password.value() });
    password.forget();
    await load(list, password, false);
    showSuccess(['done.unlink', { provider }]);
  } catch (error) {
    showError(error);
  }
}
