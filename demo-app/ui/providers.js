// Sign-in with a provider in the system's browser: by the app's deep link or at a port of this
// machine. While it waits, it can be cancelled.
import { button, byId, el, whileBusy } from './dom.js';
import { field } from './fields.js';
import { form } from './forms.js';
import * as propusk from './generated/propusk.js';
import { icon } from './icons.js';
import { clearResult, showError, showSuccess } from './result.js';
import { get } from './state.js';
import { text } from './words.js';

const ways = () => (get('demo')?.isMobile ? ['deep_link'] : ['deep_link', 'loopback']);

export function providersPanel() {
  return el('div', { class: 'stack' }, providerList((provider, way) => propusk.signInWithProvider(provider, way), ''), pasting());
}

// For a browser that cannot open the app: the link is pasted by hand.
function pasting() {
  const submit = { text: 'providers.paste.button', kind: 'secondary' };
  const complete = ({ returned_link: link }, pressed) => whileBusy(pressed, async () => {
    clearResult();
    await propusk.completeSignIn(link).then(succeeded, showError);
  });
  return el('details', { class: 'raw' }, el('summary', { text: 'providers.paste', test: 'providers-paste' }), form([field('returned_link')], submit, complete));
}

function succeeded(result) {
  showSuccess([`done.link.${result.outcome}`, { provider: () => result.identity?.provider ?? text('value.none') }], result.identity);
}

// The providers of the server with a button for each way; `begin` starts one.
export function providerList(begin, prefix, done = () => {}) {
  const waiting = el('div', { role: 'status', test: `${prefix}provider-status` });
  const list = el('ul', { class: 'rows' });
  const place = el('div', { class: 'stack' }, waiting, list);
  load(list, (provider, way) => wait(waiting, provider, () => begin(provider.name, way), done), prefix);
  return place;
}

async function load(list, begin, prefix) {
  list.replaceChildren(el('li', { class: 'soft', text: 'loading' }));
  try {
    const providers = await propusk.providers();
    const rows = providers.map((provider) => row(provider, begin, prefix));
    list.replaceChildren(...(rows.length > 0 ? rows : [el('li', { class: 'soft', text: 'providers.none' })]));
  } catch (error) {
    const again = button('secondary compact', 'again', `${prefix}providers-again`, () => load(list, begin, prefix));
    list.replaceChildren(el('li', {}, again));
    showError(error);
  }
}

function row(provider, begin, prefix) {
  const buttons = ways().map((way) => button('secondary compact', `way.${way}`, `${prefix}provider-${provider.name}-${way}`, () => begin(provider, way), { label: [`way.${way}.with`, { provider: provider.title }] }));
  const mark = el('span', { class: 'mark', 'aria-hidden': 'true' }, provider.title.slice(0, 1));
  return el('li', { class: 'row' }, mark, el('div', {}, el('strong', {}, provider.title)), el('div', { class: 'buttons' }, ...buttons));
}

async function wait(place, provider, begin, done) {
  clearResult();
  const cancel = button('secondary compact', 'cancel', 'provider-cancel', () => propusk.cancelSignIn().catch(showError));
  const words = el('div', {}, el('strong', { text: ['providers.waiting', { provider: provider.title }] }), el('p', { text: 'providers.waiting.how' }));
  place.replaceChildren(el('div', { class: 'waiting' }, icon('wait', 24), words, cancel));
  try {
    succeeded(await begin());
    done();
  } catch (error) {
    showError(error);
  } finally {
    place.replaceChildren();
    byId('operation')?.scrollIntoView({ block: 'nearest' });
  }
}
