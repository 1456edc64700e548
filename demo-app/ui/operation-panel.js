// The chosen operation: what it does, its form, its result.
import { confirmed } from './dialogs.js';
import { announce, button, byId, el, whileBusy } from './dom.js';
import { fieldProblems } from './errors.js';
import { field } from './fields.js';
import { fill, form, showProblems } from './forms.js';
import { icon } from './icons.js';
import { historyPanel } from './history.js';
import { identitiesPanel } from './identities.js';
import { adoptionHelp } from './adoption-help.js';
import { definition, local } from './operations.js';
import { providersPanel } from './providers.js';
import { clearResult, showError, showSuccess } from './result.js';
import { sessionsPanel } from './sessions.js';
import { get, isSignedIn, put, watch } from './state.js';
import { has } from './words.js';

// The API and the server for which the form was built.
let shown = null;
const panels = { providers: providersPanel, sessions: sessionsPanel, events: historyPanel, identities: identitiesPanel };

// Shows an operation, with entries in its form.
export function choose(name, values = {}) {
  prepare(name, values);
  byId('panel-actions').dataset.open = 'true';
  byId('operation').scrollTop = 0;
  byId('operation').scrollIntoView({ block: 'nearest' });
  // The pressed button is gone with the list.
  if (byId('operations').getClientRects().length === 0) byId('operation-title').focus();
}

function prepare(name, values) {
  put('chosen', { name });
  render(name, values);
}

export function startOperationPanel() {
  watch(['operations'], () => {
    const offered = get('operations');
    const { name } = get('chosen') ?? {};
    const { dialect, server } = get('demo') ?? {};
    const shows = JSON.stringify([offered, dialect, server?.url]);
    if (offered.length === 0 || (shows === shown && get('chosen'))) return;
    shown = shows;
    const stays = offered.includes(name) || name in local;
    prepare(stays ? name : first(offered), {}); // another API has other fields
    if (!stays) delete byId('panel-actions').dataset.open;
  });
  watch(['status'], () => {
    const needs = byId('needs');
    if (needs) needs.hidden = isPossible(definition(get('chosen')?.name));
  });
}

// What to begin with.
function first(offered) {
  const wanted = isSignedIn() ? ['profile', 'refresh'] : ['sign_in'];
  return wanted.find((name) => offered.includes(name)) ?? offered[0];
}

// Back to the list, which a narrow window shows instead of the form.
function closed() {
  delete byId('panel-actions').dataset.open;
  byId('operations').querySelector('[aria-current]')?.focus();
}

function render(name, entered) {
  const operation = definition(name);
  const back = button('quiet back', 'back', 'back', closed);
  back.prepend(icon('back', 18));
  const title = el('h2', { id: 'operation-title', tabindex: -1, test: 'operation-title', text: `op.${name}` });
  const needs = byId('needs') ?? el('p', { class: 'note plain small', id: 'needs', text: 'needs', test: 'needs' });
  needs.hidden = isPossible(operation);
  const about = el('p', { class: 'about', text: `about.${name}` });
  const parts = operation.panel ? [panels[operation.panel]()] : [filled(name, operation, entered)];
  if (operation.aside === 'adopt') parts.push(adoptionHelp());
  const result = el('div', { id: 'result', role: 'status', test: 'result' });
  const body = el('div', { class: 'stack' }, needs, ...parts);
  byId('operation').className = 'card';
  byId('operation').toggleAttribute('data-lists', Boolean(operation.panel));
  byId('operation').replaceChildren(back, title, about, ...(operation.panel ? [result, body] : [body, result]));
}

// Whether it works without a sign-in.
function isPossible(operation) {
  return !operation?.needs || isSignedIn();
}

function filled(name, operation, entered) {
  const fields = (operation.fields?.() ?? []).map(field).map(withHint);
  const submit = { text: `submit.${name}`, kind: operation.kind };
  const element = form(fields, submit, (values, pressed) => run(name, operation, element, values, pressed));
  const known = operation.prefill ? prefilled() : entered;
  for (const [field, value] of Object.entries(known)) if (value) fill(element, field, value);
  return element;
}

// Some hints depend on the API or on the server.
function withHint(field) {
  const { dialect, server } = get('demo') ?? {};
  const key = [`hint.${field.name}.${dialect}`, `hint.${field.name}.${server?.kind}`].find(has);
  return key ? { ...field, hint: key } : field;
}

function prefilled() {
  put('edited', get('profile'));
  const { email, phone, username, displayName } = get('profile') ?? {};
  return { email, phone, username, display_name: displayName };
}

async function run(name, operation, element, values, pressed) {
  if (operation.confirm && !(await confirmed(name))) return;
  await whileBusy(pressed, async () => {
    clearResult();
    try {
      const result = await operation.run(values);
      if (!element.isConnected) return; // another operation is shown: the timeline has the result
      const next = operation.next?.(result, values);
      showSuccess(operation.said?.(result) ?? [`done.${name}`], result, next ? [nextButton(next)] : []);
      forgetSecrets(element);
    } catch (error) {
      if (!element.isConnected) return;
      showProblems(element, fieldProblems(error));
      showError(error);
      announce('announce.failed');
    }
  });
}

function nextButton({ name, values }) {
  if (!get('operations').includes(name)) return null;
  return el('p', { class: 'next' }, button('secondary compact', `next.${name}`, `next-${name}`, () => choose(name, values)));
}

// A password or an adopted token stays in the page no longer than needed.
function forgetSecrets(form) {
  for (const control of form.querySelectorAll('.with-button input, textarea')) control.value = '';
}
