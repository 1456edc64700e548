// The first start: a server in this app with one click, or the address of a running one.
import { startEmbedded, useServer } from './backend.js';
import { button, byId, el, whileBusy } from './dom.js';
import { explained } from './errors.js';
import { icon } from './icons.js';
import { get, watch } from './state.js';
import { say } from './words.js';

// How long the server of the last start may take until another one can be chosen.
const patience = 4000;
let waiting = null;
// Whether the choice is shown though a server is chosen.
let isOffered = false;
let wasRunning = false;

export function startStart() {
  byId('start').append(...content());
  watch(['demo'], () => {
    const { server } = get('demo') ?? {};
    if (!server) return;
    const hasEnded = wasRunning && !server.running && server.problem;
    if (server.running && !wasRunning) isOffered = false;
    wasRunning = server.running;
    if (hasEnded) return giveUp('start.ended');
    arrange();
  });
}

// Offers another server; the chosen one with everything in it stays.
export function offerAnother() {
  offer(true);
  problem(null);
}

// Says at the choice of a server why something failed.
export function showStartError(error) {
  const { title, lines } = explained(error);
  problem(lines[0] ?? title);
}

function offer(isWanted) {
  isOffered = isWanted;
  arrange();
}

function arrange() {
  clearTimeout(waiting);
  const { canEmbed, server: { kind, running, problem: why } } = get('demo');
  const isChosen = kind !== 'none';
  const isOpening = isChosen && !running && !isOffered;
  if (isOpening && why) return giveUp();
  const hadFocus = byId('start').contains(document.activeElement);
  byId('opening').hidden = !isOpening;
  byId('choice-embedded').hidden = canEmbed === false;
  byId('start-back').hidden = !isChosen || !running;
  byId('desk').hidden = !isChosen || !running || isOffered;
  byId('start').hidden = isChosen && !isOffered;
  if (hadFocus && byId('start').hidden) byId('main').focus(); // keys go on from there
  if (isOpening) waiting = setTimeout(giveUp, patience);
}

function giveUp(failure = 'start.failed') {
  const { problem: why } = get('demo').server;
  offer(true);
  problem(why ? [failure, { detail: why }] : ['start.not_running']);
}

function content() {
  return [button('quiet', 'start.back', 'start-back', () => offer(false), { id: 'start-back', hidden: true }), el('h1', { text: 'start.title' }), el('p', { class: 'lead', text: 'start.lead' }), el('div', { class: 'choices' }, embedded(), outside()), el('div', { id: 'start-problem', class: 'mistake', role: 'alert', test: 'start-problem', hidden: true })];
}

function embedded() {
  const press = ({ currentTarget }) => whileBusy(currentTarget, () => attempted(startEmbedded));
  const run = el('button', { type: 'button', class: 'primary', text: 'start.embedded.button', test: 'start-embedded', on: { click: press } });
  const ticks = ['one', 'two', 'three'].map((name) => el('li', {}, icon('tick', 18), el('span', { text: `start.embedded.${name}` })));
  return el('section', { class: 'card choice', id: 'choice-embedded' }, icon('box', 40), el('h2', { text: 'start.embedded' }), el('p', { text: 'start.embedded.about' }), el('ul', { class: 'ticks' }, ...ticks), run);
}

function outside() {
  const address = el('input', { type: 'url', id: 'field-server', name: 'server', test: 'field-server', autocomplete: 'url', inputmode: 'url', spellcheck: 'false', autocapitalize: 'none', placeholder: 'start.outside.example', 'aria-describedby': 'field-server-hint' });
  const send = el('button', { type: 'submit', class: 'secondary', text: 'start.outside.button', test: 'start-outside' });
  const sent = (event) => {
    event.preventDefault();
    const url = address.value.trim();
    if (!url) return problem(['start.outside.missing'], address);
    whileBusy(send, () => attempted(() => useServer(withScheme(url)), address));
  };
  const entry = el('div', { class: 'field' }, el('label', { for: address.id, text: 'start.outside.address' }), el('p', { class: 'hint', id: 'field-server-hint', text: 'start.outside.hint' }), address);
  return el('section', { class: 'card choice' }, icon('globe', 40), el('h2', { text: 'start.outside' }), el('p', { text: 'start.outside.about' }), el('form', { novalidate: '', on: { submit: sent } }, entry, send));
}

// Without a scheme, a server on this machine has no certificate, and any other has one.
function withScheme(address) {
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(address)) return address;
  const isOnThisMachine = /^(localhost|127(\.\d+){3}|\[::1\])(:|\/|$)/i.test(address);
  return `${isOnThisMachine ? 'http' : 'https'}://${address}`;
}

async function attempted(work, field) {
  problem(null);
  try {
    await work();
    offer(false);
  } catch (error) {
    const { title, lines } = explained(error);
    problem(lines[0] ?? title, field);
  }
}

function problem(words, field) {
  const box = byId('start-problem');
  box.hidden = !words;
  if (words) say(box, ...words);
  const address = byId('field-server');
  if (words && field) {
    address.setAttribute('aria-invalid', 'true');
    address.setAttribute('aria-describedby', 'start-problem field-server-hint');
    address.focus();
  } else {
    address.removeAttribute('aria-invalid');
    address.setAttribute('aria-describedby', 'field-server-hint');
  }
}
