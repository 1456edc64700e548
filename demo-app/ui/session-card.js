// The session card: who is signed in, how long the access token is valid, what happens next.
import { choose } from './operation-panel.js';
import { button, byId, el, redraw, whileBusy } from './dom.js';
import { reason, vault } from './errors.js';
import * as propusk from './generated/propusk.js';
import { icon, svgElement } from './icons.js';
import { clock, duration, fromNow, timeOfDay } from './moments.js';
import { resultsOf } from './result.js';
import { get, isSignedIn, watch } from './state.js';
import { say } from './words.js';

const phases = { unknown: 'unknown', signed_out: 'leave', signed_in: 'good', refreshing: 'turn', offline: 'offline' };
const round = 2 * Math.PI * 42;
// How long the current access token was valid when it was first seen, for the dial.
let token = { expiresAt: null, lifetime: 0 };
// The difference between the clock of the Rust side and of the page, in seconds.
let ahead = 0;

export function startSessionCard() {
  watch(['demo'], () => {
    const { now } = get('demo')?.session ?? {};
    if (now) ahead = now - Date.now() / 1000;
  });
  watch(['demo', 'status', 'profile', 'vault', 'identifier', 'operations'], render);
  setInterval(tick, 500);
}

function render() {
  const card = byId('session');
  card.className = 'card';
  card.dataset.phase = get('status').phase;
  const { session, trouble, vault: kept } = get('demo') ?? {};
  const shows = [get('status'), get('profile'), get('identifier'), get('vault'), kept, session?.generation, trouble, get('operations')];
  redraw(card, shows, () => [top(), ...(get('status').phase === 'signed_out' ? [] : [facts()]), flags(), buttons()]);
  tick();
}

function top() {
  const { phase } = get('status');
  const pill = el('p', { class: 'pill', 'data-phase': phase, test: 'session-phase' }, icon(phases[phase] ?? 'unknown'), el('span', { text: `phase.${phase}` }));
  const title = el('h2', { id: 'session-title', test: 'session-who' });
  const about = el('p', { test: 'session-about' });
  who(title, about);
  return el('div', { class: 'session-top' }, el('div', { class: 'session-who' }, pill, title, about), ...(isSignedIn() ? [dial()] : []));
}

function who(title, about) {
  const { phase, user, reason: why } = get('status');
  if (!isSignedIn()) {
    say(title, phase === 'unknown' ? 'session.unknown' : 'session.no_user');
    return phase === 'unknown' ? say(about, 'session.unknown.why') : say(about, ...reason(why));
  }
  const { displayName, email, phone, username } = get('profile') ?? {};
  const names = [displayName, email, phone, username, get('identifier')].filter(Boolean);
  if (names.length > 0) title.textContent = names[0];
  else say(title, user?.accountId ? 'session.account' : 'session.unnamed', { id: user?.accountId });
  if (names.length > 1 && names[1] !== names[0]) about.textContent = names[1];
  else say(about, `session.${phase}`);
}

function dial() {
  const svg = svgElement('svg', { viewBox: '0 0 92 92', 'aria-hidden': 'true' });
  svg.append(svgElement('circle', { class: 'track', cx: 46, cy: 46, r: 42 }), svgElement('circle', { class: 'rest', id: 'dial-rest', cx: 46, cy: 46, r: 42, 'stroke-dasharray': round }));
  const words = el('div', { role: 'timer', label: 'session.expiry' }, el('strong', { id: 'countdown', test: 'session-countdown' }), el('small', { id: 'countdown-about' }));
  return el('div', { class: 'dial', id: 'dial' }, svg, words);
}

function facts() {
  const { session = {}, vault: kept } = get('demo') ?? {};
  const { user } = get('status');
  const vaultFact = fact('session.vault', el('dd', { text: vault(get('vault') ?? kept?.state), test: 'session-vault', 'data-state': get('vault') ?? kept?.state }));
  if (!isSignedIn()) return el('dl', { class: 'facts' }, vaultFact);
  return el('dl', { class: 'facts' },
    fact('session.next_refresh', el('dd', { id: 'next-refresh', test: 'session-next_refresh' })),
    fact('session.generation', session.generation === null || session.generation === undefined
      ? el('dd', { class: 'soft', text: 'session.generation.none', test: 'session-generation' })
      : el('dd', { test: 'session-generation' }, String(session.generation))),
    vaultFact,
    fact('session.id', user?.sessionId ? el('dd', { test: 'session-id' }, el('code', {}, user.sessionId)) : el('dd', { class: 'soft', text: 'session.id.none', test: 'session-id' })));
}

function fact(key, value) {
  return el('div', {}, el('dt', { text: key }), value);
}

// The troubles that are switched on, so that they are not forgotten.
function flags() {
  const trouble = get('demo')?.trouble ?? {};
  const shown = [
    trouble.offline && ['offline', 'flag.offline'],
    trouble.loseNextAnswer && ['lost', 'flag.lose_next_answer'],
    trouble.clockOffsetSeconds && ['clock', 'flag.clock', { offset: () => offset(trouble.clockOffsetSeconds) }],
    trouble.keyStoreLocked && ['lock', 'flag.key_store'],
    trouble.secondProcess?.running && ['window', 'flag.second_process'],
  ].filter(Boolean);
  return el('ul', { class: 'flags', test: 'session-flags', label: 'flags', hidden: shown.length === 0 }, ...shown.map(([drawn, ...words]) => el('li', { class: 'pill change' }, icon(drawn), el('span', { text: words }))));
}

export function offset(seconds) {
  return `${seconds > 0 ? '+' : '−'}${duration(seconds)}`;
}

function buttons() {
  const offered = get('operations');
  const row = el('div', { class: 'buttons session-buttons' });
  if (isSignedIn()) {
    row.append(button('secondary compact', 'session.refresh', 'session-refresh', ({ currentTarget }) => now(currentTarget, 'refresh', propusk.refresh)));
    row.append(button('secondary compact', offered.includes('sign_out') ? 'session.sign_out' : 'session.sign_out.local', 'session-sign_out', ({ currentTarget }) => now(currentTarget, 'sign_out', propusk.signOut)));
  } else if (get('status').phase === 'signed_out') {
    const names = ['sign_in', 'register'].filter((name) => offered.includes(name));
    row.append(...names.map((name) => button('secondary compact', `op.${name}`, `session-${name}`, () => choose(name))));
  }
  return row;
}

// Runs an operation without a form, and shows its result below.
async function now(pressed, name, call) {
  await whileBusy(pressed, async () => {
    choose(name);
    const { showSuccess, showError } = resultsOf(byId('operation').querySelector('form'));
    try {
      const result = await call();
      showSuccess([typeof result === 'string' ? `done.${name}.${result}` : `done.${name}`]);
    } catch (error) {
      showError(error);
    }
  });
}

function tick() {
  const countdown = byId('countdown');
  if (!countdown) return;
  const { accessExpiresAt, nextRefreshAt, generation } = get('demo')?.session ?? {};
  const now = Date.now() / 1000 + ahead;
  showExpiry(countdown, accessExpiresAt, now, Boolean(generation));
  showNext(byId('next-refresh'), nextRefreshAt, now);
}

function showExpiry(countdown, expiresAt, now, hasToken) {
  const about = byId('countdown-about');
  if (!expiresAt) {
    countdown.textContent = hasToken ? '∞' : '—';
    say(about, hasToken ? 'session.no_expiry' : 'session.waiting');
    return;
  }
  const left = expiresAt - now;
  if (token.expiresAt !== expiresAt) token = { expiresAt, lifetime: Math.max(left, 1) };
  const share = Math.min(1, Math.max(0, left / token.lifetime));
  countdown.textContent = clock(left);
  say(about, left > 0 ? 'session.left' : 'session.expired');
  byId('dial').dataset.low = String(share < 0.15);
  byId('dial-rest').setAttribute('stroke-dashoffset', String(round * (1 - share)));
}

function showNext(place, at, now) {
  if (!at) return say(place, 'session.next_refresh.none');
  say(place, 'session.next_refresh.at', { in: () => fromNow(at - now), time: () => timeOfDay(at) });
}
