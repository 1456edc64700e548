// The mails of the server in this app. A link is opened in the browser, or given to the app.
import { inbox, listen, openLink } from './backend.js';
import { button, byId, el, redraw } from './dom.js';
import { dateAndTime } from './moments.js';
import { choose } from './operation-panel.js';
import { emptyPanel, panelHead } from './panel.js';
import { openError } from './result.js';
import { get, put, watch } from './state.js';
import { countAt, select } from './tabs.js';

// The operation that takes a link of this kind.
const taking = { activation: 'activate', reset: 'confirm_reset' };
let seen = 0;

export function startInbox() {
  const list = el('div', { test: 'inbox-list' });
  const empty = emptyPanel('inbox', 'mail');
  const outside = el('p', { class: 'note plain', text: 'inbox.outside', test: 'inbox-outside' });
  byId('panel-inbox').replaceChildren(panelHead('inbox'), outside, empty, list);
  watch(['inbox', 'operations', 'demo'], () => {
    const isEmbedded = get('demo')?.server?.kind === 'embedded';
    const mails = [...get('inbox')].reverse();
    outside.hidden = isEmbedded;
    empty.hidden = !isEmbedded || mails.length > 0;
    redraw(list, [mails, get('operations')], () => mails.map(mail));
    count();
  });
  watch(['tab'], count);
  listen('demo://inbox', reload);
}

// Reads the mails again.
export async function reload() {
  if (get('demo')?.server?.kind !== 'embedded') return;
  const mails = await inbox().catch(() => null);
  if (mails && JSON.stringify(mails) !== JSON.stringify(get('inbox'))) put('inbox', inOrder(mails));
}

function inOrder(mails) {
  return [...mails].sort((one, other) => Number(one.receivedAt) - Number(other.receivedAt));
}

function count() {
  const number = get('inbox').length;
  if (get('tab') === 'inbox') seen = number;
  seen = Math.min(seen, number);
  countAt('inbox', number - seen);
}

function mail(letter) {
  const meta = el('p', { class: 'meta', text: ['inbox.meta', { to: letter.to, time: () => dateAndTime(letter.receivedAt) }] });
  const links = letter.links.map((link) => el('div', { class: 'link buttons' }, ...linkButtons(link, letter.id)));
  return el('article', { class: 'mail', test: 'inbox-mail', 'data-id': letter.id }, el('h3', {}, letter.subject), meta, el('pre', { class: 'body', tabindex: 0 }, letter.text), ...links);
}

function linkButtons({ url, kind }, id) {
  const name = taking[kind];
  const open = button('secondary compact', 'inbox.open', `inbox-open-${id}`, () => openLink(url).catch(openError));
  if (!get('operations').includes(name)) return [open];
  const give = button('primary compact', 'inbox.give', `inbox-give-${id}`, () => {
    select('actions');
    choose(name, { link: url });
    byId('field-link')?.closest('form').querySelector('input:not([name="link"]), [type="submit"]')?.focus();
  });
  return [give, open];
}
