// The trouble panel: what goes wrong in the lives of users, at the press of a button, with proof
// that the user stays signed in.
import { trouble } from './backend.js';
import { announce, button, byId, el, redraw, whileBusy } from './dom.js';
import { explained } from './errors.js';
import * as propusk from './generated/propusk.js';
import { icon } from './icons.js';
import { panelHead } from './panel.js';
import { offset } from './session-card.js';
import { get, isSignedIn, watch } from './state.js';
import { say } from './words.js';

const day = 86_400;
const renew = ['renew', propusk.refresh];
const token = ['token', propusk.accessToken];
const restart = ['status', propusk.status];

// `isOn` reads the state of the Rust side, `actions` are buttons with what they do, `tries` what to
// try afterwards. A phone does not show those with `isOfDesktop`.
const troubles = [
  { name: 'network', icon: 'offline', isOn: ({ offline }) => offline, actions: (on) => [[on ? 'off' : 'on', () => trouble.network(!on)]], tries: renew },
  { name: 'lose_next_answer', icon: 'lost', isOn: ({ loseNextAnswer }) => loseNextAnswer, actions: () => [['on', trouble.loseNextAnswer]], tries: renew },
  { name: 'expire_access_token', icon: 'clock', isOn: () => false, actions: () => [['on', trouble.expireAccessToken]], tries: token },
  { name: 'clock', icon: 'clock', isOn: ({ clockOffsetSeconds }) => Boolean(clockOffsetSeconds), actions: clockActions, tries: token },
  { name: 'key_store', icon: 'lock', isOn: ({ keyStoreLocked }) => keyStoreLocked, actions: (on) => [[on ? 'off' : 'on', () => trouble.keyStore(!on)]], tries: restart },
  { name: 'second_process', icon: 'window', isOfDesktop: true, isOn: ({ secondProcess }) => secondProcess?.running, actions: (on) => [[on ? 'off' : 'on', () => trouble.secondProcess(!on)]], tries: token },
  { name: 'end_session', icon: 'bin', isOn: () => false, actions: () => [['on', trouble.endSession]], tries: renew },
];

function clockActions(on) {
  return on ? [['off', () => trouble.clock(0)]] : [['ahead', () => trouble.clock(day)], ['behind', () => trouble.clock(-day)]];
}

export function startTrouble() {
  const banner = el('p', { class: 'note still', role: 'status', test: 'trouble-signed_in' });
  const cards = troubles.map(card);
  byId('panel-trouble').replaceChildren(panelHead('trouble'), banner, ...cards);
  watch(['status'], () => showBanner(banner));
  watch(['demo'], () => troubles.forEach((each, at) => mark(each, cards[at])));
}

function showBanner(banner) {
  const isUnknown = get('status').phase === 'unknown';
  const words = el('span', { text: isSignedIn() ? 'trouble.signed_in' : isUnknown ? 'trouble.unknown' : 'trouble.signed_out' });
  banner.className = `note still ${isSignedIn() ? 'good' : 'plain'}`;
  banner.dataset.signedIn = String(isSignedIn());
  banner.replaceChildren(icon(isSignedIn() ? 'good' : 'calm'), words);
}

function card({ name, icon: drawn }) {
  return el('article', { class: 'trouble', test: `trouble-${name}-card` },
    el('h3', { id: `trouble-${name}-title` }, icon(drawn), el('span', { text: `trouble.${name}` })),
    el('p', { text: `trouble.${name}.does` }), el('p', { class: 'see', text: `trouble.${name}.see` }),
    el('div', { class: 'buttons' }), el('div', { class: 'seen', role: 'status', test: `trouble-${name}-seen` }));
}

// The buttons of a card follow the state of the Rust side. A press on one of them is not lost meanwhile.
function mark({ name, isOfDesktop, isOn, actions, tries }, card) {
  card.hidden = Boolean(isOfDesktop && get('demo')?.isMobile);
  const state = get('demo')?.trouble ?? {};
  const on = Boolean(isOn(state));
  card.dataset.on = String(on);
  const seen = card.querySelector('.seen');
  const doing = () => actions(on).map(([verb, run], at) => act(name, verb, at, run, seen));
  const trying = () => act(name, `try.${tries[0]}`, null, tries[1], seen);
  redraw(card.querySelector('.buttons'), [on, state.clockOffsetSeconds ?? 0], () => [...doing(), trying()]);
}

function act(name, verb, at, run, seen) {
  const isTry = verb.startsWith('try.');
  const test = isTry ? `trouble-${name}-try` : `trouble-${name}${at ? `-${verb}` : ''}`;
  const key = isTry ? `trouble.${verb}` : `trouble.${name}.${verb}`;
  const work = async () => {
    try {
      const result = await run();
      show(seen, isTry ? 'good' : 'calm', isTry ? saidAfterTry(verb, result) : [`trouble.${name}.${verb}.done`, { offset: () => offset(get('demo')?.trouble?.clockOffsetSeconds ?? 0) }]);
    } catch (error) {
      const { tone, title, lines } = explained(error);
      show(seen, tone, title, lines);
    }
  };
  return button(isTry || verb === 'off' ? 'secondary compact' : 'danger compact', key, test, ({ currentTarget }) => whileBusy(currentTarget, work), { 'aria-describedby': `trouble-${name}-title` });
}

function saidAfterTry(verb, result) {
  if (verb !== 'try.status') return [`trouble.${verb}.done`];
  return result.signedIn ? ['trouble.signed_in'] : [`phase.${result.phase}`];
}

function show(seen, tone, title, lines = []) {
  const words = [title, ...lines].map((line) => { const part = el('p'); say(part, ...line); return part; });
  seen.replaceChildren(el('div', { class: `note ${tone === 'good' ? 'good' : tone === 'calm' ? '' : 'plain'}` }, ...words));
  announce(...title);
}
