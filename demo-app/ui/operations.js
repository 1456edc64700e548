// The operations of the SDK as data: their fields, the call, and what to say afterwards.
import * as propusk from './generated/propusk.js';
import { get, put } from './state.js';

// The fields of a registration and of a change, and the hint at the sign-in name, in each API.
const accounts = {
  native: { register: ['email?', 'phone?', 'username?', 'display_name?'], change: ['email?', 'phone?', 'username?', 'display_name?'] },
  djoser_token: { register: ['email'] },
  djoser_jwt: { register: ['email?', 'phone?'], change: ['email?', 'phone?'] },
  simplejwt: { register: ['username', 'email'] },
  simplejwt_rotating: { register: ['email', 'display_name'] },
  prehashed: { register: ['email?', 'phone?'] },
};
const account = () => accounts[get('demo')?.dialect] ?? accounts.native;
const isNative = () => get('demo')?.dialect === 'native';
const current = () => (isNative() ? ['current_password?'] : ['current_password']);
const adopted = { djoser_token: ['access?', 'refresh?'], native: ['access?', 'refresh'] };

// `group` orders the list, `needs` says that a user must be signed in, `fields` are those of the
// form, `run` gets their values, `said` is the text of the result. Those with `panel` have a part
// of the page of their own.
export const operations = {
  sign_in: {
    group: 'enter', icon: 'enter', fields: () => ['identifier', 'password'],
    run: async ({ identifier, password }) => {
      await propusk.signIn({ identifier, password });
      put('identifier', identifier);
    },
  },
  register: {
    group: 'enter', icon: 'add', fields: () => [...account().register, 'new_password'],
    run: ({ new_password: password, display_name: displayName, ...names }) => propusk.register({ ...names, displayName, password }),
    said: ({ status }) => [`done.register.${status}`],
    next: (_, { email, username, phone }) => ({ name: 'sign_in', values: { identifier: username ?? email ?? phone } }),
  },
  provider_sign_in: { group: 'enter', icon: 'globe', panel: 'providers' },
  provider_token_sign_in: {
    group: 'enter', icon: 'key', fields: () => ['provider', 'token'],
    run: ({ provider, token }) => propusk.signInWithProviderToken({ provider, token }),
  },
  activate: {
    group: 'enter', icon: 'mail', fields: () => ['link'], run: ({ link }) => propusk.activate(link),
    next: () => ({ name: 'sign_in', values: {} }),
  },
  resend_activation: { group: 'enter', icon: 'mail', fields: () => ['email'], run: ({ email }) => propusk.resendActivation(email) },
  adopt: {
    group: 'enter', icon: 'box', fields: () => adopted[get('demo')?.dialect] ?? ['access?', 'refresh'],
    run: ({ access, refresh }) => propusk.adopt({ access, refresh }), said: (result) => [`done.adopt.${result}`], aside: 'adopt',
  },

  profile: { group: 'session', icon: 'card', needs: true, run: () => fetched(propusk.profile()) },
  refresh: { group: 'session', icon: 'turn', needs: true, run: () => propusk.refresh() },
  verify: { group: 'session', icon: 'shield', needs: true, run: () => propusk.verify(), said: (valid) => [`done.verify.${valid}`] },
  sessions: { group: 'session', icon: 'devices', needs: true, panel: 'sessions' },
  events: { group: 'session', icon: 'list', needs: true, panel: 'events' },
  identities: { group: 'session', icon: 'link', needs: true, panel: 'identities' },
  sign_out: { group: 'session', icon: 'leave', needs: true, run: () => propusk.signOut(), said: (result) => [`done.sign_out.${result}`] },

  request_reset: { group: 'password', icon: 'mail', fields: () => ['email'], run: ({ email }) => propusk.requestReset(email) },
  confirm_reset: {
    group: 'password', icon: 'key', fields: () => ['link', 'new_password'],
    run: ({ link, new_password: newPassword }) => propusk.confirmReset({ link, newPassword }),
    next: () => ({ name: 'sign_in', values: {} }),
  },
  change_password: {
    group: 'password', icon: 'lock', needs: true, fields: () => [...current(), 'new_password'],
    run: ({ current_password: currentPassword, new_password: newPassword }) => propusk.changePassword({ newPassword, currentPassword }),
  },

  update_profile: {
    group: 'account', icon: 'pencil', needs: true, fields: () => [...(account().change ?? []), ...(isNative() ? current() : [])], prefill: true,
    run: ({ current_password: currentPassword, ...entered }) => changed(entered, currentPassword),
    said: (result) => [result ? 'done.update_profile' : 'done.update_profile.nothing'],
  },
  export: {
    group: 'account', icon: 'box', needs: true, fields: current,
    run: async ({ current_password: currentPassword }) => JSON.parse(await propusk.exportAccount(currentPassword)),
  },
  delete_account: {
    group: 'account', icon: 'bin', needs: true, kind: 'danger', confirm: true, fields: current,
    run: ({ current_password: currentPassword }) => propusk.deleteAccount(currentPassword),
  },
};

// What the SDK answers without a request: every API has it.
export const local = {
  cached_profile: { icon: 'card', run: () => propusk.cachedProfile(), said: (profile) => [profile ? 'done.cached_profile' : 'done.cached_profile.none'] },
  offline_identity: {
    icon: 'shield', needs: true, fields: () => ['trusted_for'], run: ({ trusted_for: seconds }) => propusk.offlineIdentity(Number(seconds)),
    said: ({ trust }) => [`done.offline_identity.${trust}`],
  },
  access_token: { icon: 'key', needs: true, run: () => propusk.accessToken() },
  is_allowed_origin: { icon: 'globe', fields: () => ['url'], run: ({ url }) => propusk.isAllowedOrigin(url), said: (allowed) => [`done.is_allowed_origin.${allowed}`] },
  network_changed: { icon: 'wire', run: () => propusk.networkChanged() },
  finish_pending_work: { icon: 'clock', run: () => propusk.finishPendingWork(10), said: (done) => [`done.finish_pending_work.${done}`] },
  forget_everything: { icon: 'bin', kind: 'danger', confirm: true, run: () => propusk.forgetEverything() },
};

export const groups = ['enter', 'session', 'password', 'account'];

export function definition(name) {
  return operations[name] ?? local[name];
}

async function fetched(request) {
  const profile = await request;
  put('profile', profile);
  return profile;
}

// Sends only the members that differ from the profile that the form shows: a newer one may have come meanwhile. An
// emptied member is removed.
async function changed(entered, currentPassword) {
  const before = get('edited') ?? {};
  const names = { email: 'email', phone: 'phone', username: 'username', display_name: 'displayName' };
  const changes = {};
  for (const [name, value] of Object.entries(entered)) {
    const to = value ?? null;
    if (to !== (before[names[name]] ?? null)) changes[names[name]] = to;
  }
  if (Object.keys(changes).length === 0) return null;
  const profile = await fetched(propusk.updateProfile(changes, currentPassword));
  put('edited', profile);
  return profile;
}
