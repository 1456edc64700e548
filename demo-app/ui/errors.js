// Errors in words: what happened, and what it means for the user who is signed in.
import { fromNow } from './moments.js';
import { isSignedIn } from './state.js';
import { has } from './words.js';

const kinds = ['signed_out', 'rejected', 'network', 'retry_later', 'other_sign_in', 'cancelled', 'storage', 'unsupported', 'protocol', 'usage'];
const calm = ['network', 'retry_later', 'storage', 'cancelled', 'other_sign_in'];

// An error of the plugin, of the demo's commands, or of the page itself, in one form.
export function known(error) {
  if (kinds.includes(error?.kind)) return error;
  const detail = error?.detail ?? error?.message ?? (typeof error === 'string' ? error : JSON.stringify(error));
  return { kind: 'usage', detail };
}

// `{ tone, title, lines }`: texts as `[key, parameters]`.
export function explained(cause) {
  const error = known(cause);
  const tone = calm.includes(error.kind) || error.kind === 'signed_out' ? 'calm' : 'bad';
  return { tone, title: [`error.${error.kind}`], lines: [...details(error), ...reaction(error)] };
}

function details(error) {
  switch (error.kind) {
    case 'rejected': return [rejection(error.rejection)];
    case 'signed_out': return [reason(error.signOutReason)];
    case 'retry_later': return [['error.retry_later.after', { in: () => fromNow(error.retryAfterSeconds ?? 0) }]];
    case 'storage': return error.vaultState ? [vault(error.vaultState)] : [];
    case 'protocol': case 'usage': return [wrongUse(error.code) ?? ['error.detail', { detail: error.detail }]];
    default: return [];
  }
}

// What users do wrong has a code and a text; the rest are mistakes of apps, and only for their developers.
function wrongUse(code) {
  return has(`usage.${code}`) ? [`usage.${code}`] : null;
}

function reaction(error) {
  if (isSignedIn() && calm.includes(error.kind)) return [['error.still_signed_in']];
  if (error.kind === 'storage') return [['error.not_sign_out']];
  return ['network', 'retry_later'].includes(error.kind) ? [['error.try_again']] : [];
}

function rejection(refused) {
  const key = `rejection.${refused?.code}`;
  return has(key) ? [key] : ['rejection.other', { code: refused?.code ?? '' }];
}

export function reason(name) {
  return has(`reason.${name}`) ? [`reason.${name}`] : ['reason.ended'];
}

export function vault(name) {
  return has(`vault.${name}`) ? [`vault.${name}`] : ['vault.other', { state: name ?? '' }];
}

// The problems of fields: `Map` of field name and texts.
export function fieldProblems(error) {
  const problems = new Map();
  for (const { field, code } of known(error).rejection?.fields ?? []) {
    const key = has(`problem.${code}`) ? `problem.${code}` : 'problem.invalid';
    problems.set(field, [...(problems.get(field) ?? []), [key]]);
  }
  return problems;
}
