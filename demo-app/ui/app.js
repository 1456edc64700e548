// Starts the page: connects the Rust side with the state, and the state with the parts of the page.
import { demoState, listen, timeline, wireLog } from './backend.js';
import { announce, byId } from './dom.js';
import * as propusk from './generated/propusk.js';
import { startHeader } from './header.js';
import { reload, startInbox } from './inbox.js';
import { kept } from './memory.js';
import { startOperationList } from './operation-list.js';
import { startOperationPanel } from './operation-panel.js';
import { forgetSuccess, openError, openResult, showSuccess } from './result.js';
import { startSessionCard } from './session-card.js';
import { startStart } from './start.js';
import { get, isSignedIn, put, watch } from './state.js';
import { startTabs } from './tabs.js';
import { applyTheme } from './theme.js';
import { startTimeline } from './timeline.js';
import { startTrouble } from './trouble.js';
import { startWireLog } from './wire-log.js';
import { chooseLanguage } from './words.js';

applyTheme();
chooseLanguage(kept('language') ?? navigator.language.slice(0, 2));
for (const start of [startTabs, startHeader, startStart, startSessionCard, startOperationList, startOperationPanel, startTimeline, startWireLog, startInbox, startTrouble]) start();
watch(['link', 'operations'], showLink);
// How many states and statuses were reported: what was asked for before one of them is older.
const reported = { state: 0, status: 0 };
const newest = 300;
connect();

async function connect() {
  await listen('demo://state', (demo) => {
    reported.state += 1;
    demoChanged(demo);
  });
  await listen('demo://wire', (entry) => put('wire', withEntry(get('wire'), entry)));
  await listen('demo://timeline', (entry) => put('timeline', withEntry(get('timeline'), entry)));
  const demo = await demoState();
  if (reported.state === 0) await demoChanged(demo);
  put('wire', merged(await wireLog(), get('wire')));
  put('timeline', merged(await timeline(), get('timeline')));
  await propusk.onStatus((status) => {
    reported.status += 1;
    statusChanged(status);
  });
  await propusk.onLink((result) => put('link', result));
}

// The state of the demo. Another server or dialect has other operations and another session.
async function demoChanged(demo) {
  const before = get('demo');
  put('demo', demo);
  put('vault', demo.vault?.state ?? null);
  if (before && !isOther(before, demo)) return;
  put('identifier', null); // it belongs to the session of the former API or server
  if (demo.server.kind === 'none') {
    for (const topic of ['wire', 'timeline', 'inbox', 'operations']) put(topic, []);
    for (const topic of ['profile', 'chosen', 'link']) put(topic, null);
    return;
  }
  const operations = offered(await propusk.operations().catch(() => []), demo);
  const heard = reported.status;
  const status = await propusk.status().catch(() => ({ phase: 'unknown' }));
  if (reported.status === heard) await statusChanged(status);
  if (isOther(get('demo'), demo)) return; // the later change asks again
  put('operations', operations);
  reload();
}

// With a provider's token, an app signs in at djoser_token as an OAuth client, and the demo is one only of
// the server in it.
function offered(operations, { server, dialect }) {
  const isClient = dialect !== 'djoser_token' || server.kind === 'embedded';
  return operations.filter((name) => isClient || name !== 'provider_token_sign_in');
}

function isOther(one, other) {
  const parts = ({ dialect, server }) => JSON.stringify([dialect, server.url, server.kind, server.running]);
  return parts(one) !== parts(other);
}

async function statusChanged(status) {
  const before = get('status');
  if (status.phase === 'signed_out') put('identifier', null);
  put('status', status);
  if (status.change === 'session_ended' && before.change !== 'session_ended') forgetSuccess();
  const profile = isSignedIn() ? await propusk.cachedProfile().catch(() => null) : null;
  if (get('status') !== status) return; // the later one has its own
  put('profile', profile);
  if (before.phase !== status.phase) announce(`phase.${status.phase}`);
}

// The result of a link that no call waits for. One that has started the app may come before there is a
// place for it.
function showLink() {
  const result = get('link');
  if (!result || !byId('result')) return;
  put('link', null);
  if (result.error) return openError(result.error);
  openResult();
  showSuccess([`done.link.${result.outcome}`, { provider: result.identity?.provider ?? '' }], result.identity);
}

// A later entry with the same id replaces the earlier one. The newest entries stay, as in the Rust side.
function withEntry(entries, entry) {
  const others = entries.filter(({ id }) => id !== entry.id);
  const at = entries.findIndex(({ id }) => id === entry.id);
  return at < 0 ? [...others, entry].slice(-newest) : entries.map((each) => (each.id === entry.id ? entry : each));
}

function merged(read, reported) {
  return reported.reduce(withEntry, read);
}
