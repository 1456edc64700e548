// The page's side of tauri-plugin-propusk. Nothing is decided here: each function calls the command
// of the same name. Secrets go in and never come out; no token is ever in the page.

const { invoke, transformCallback } = window.__TAURI_INTERNALS__;

const call = (command, input) => invoke(`plugin:propusk|${command}`, input);

// An operation rejects with a plain object `{ kind, detail, … }`, see `PropuskError`.

export const register = (account) => call('register', { account });
export const activate = (link) => call('activate', { link });
export const resendActivation = (email) => call('resend_activation', { email });
export const signIn = ({ identifier, password }) => call('sign_in', { identifier, password });
export const signInWithProviderToken = ({ provider, token }) =>
  call('sign_in_with_provider_token', { provider, token });
export const adopt = (tokens) => call('adopt', { tokens });
export const refresh = () => call('refresh');
export const signOut = () => call('sign_out');
export const forgetEverything = () => call('forget_everything');

export const verify = () => call('verify');
export const profile = () => call('profile');
export const cachedProfile = () => call('cached_profile');
export const updateProfile = (changes, currentPassword) =>
  call('update_profile', { changes, currentPassword });
export const requestReset = (email) => call('request_reset', { email });
export const confirmReset = ({ link, newPassword }) => call('confirm_reset', { link, newPassword });
export const changePassword = ({ newPassword, currentPassword }) =>
  call('change_password', { newPassword, currentPassword });
export const deleteAccount = (currentPassword) => call('delete_account', { currentPassword });

export const sessions = () => call('sessions');
export const endSession = (id, currentPassword) => call('end_session', { id, currentPassword });
export const endOtherSessions = (currentPassword) => call('end_other_sessions', { currentPassword });
export const accountEvents = (before) => call('account_events', { before });
export const exportAccount = (currentPassword) => call('export_account', { currentPassword });
export const identities = () => call('identities');
export const unlink = ({ provider, subject, currentPassword }) =>
  call('unlink', { provider, subject, currentPassword });

export const providers = () => call('providers');
export const signInWithProvider = (provider, way) =>
  call('sign_in_with_provider', { provider, way });
export const linkWithProvider = (provider, way, currentPassword) =>
  call('link_with_provider', { provider, way, currentPassword });
export const cancelSignIn = () => call('cancel_sign_in');
export const completeSignIn = (link) => call('complete_sign_in', { link });

export const status = () => call('status');
export const vaultState = () => call('vault_state');
export const offlineIdentity = (trustedForSeconds) =>
  call('offline_identity', { trustedForSeconds });
export const accessToken = () => call('access_token');
export const operations = () => call('operations');
export const isAllowedOrigin = (url) => call('is_allowed_origin', { url });
export const networkChanged = () => call('network_changed');
export const finishPendingWork = (limitSeconds) => call('finish_pending_work', { limitSeconds });

// Calls back with the status now and after each change. Returns a function that stops it.
export const onStatus = async (callback) => {
  let isFirst = true;
  const stop = await listen('propusk://status', (status) => {
    isFirst = false;
    callback(status);
  });
  const now = await status().catch(() => ({ phase: 'unknown', signedIn: false, change: 'initial', user: null, reason: null, reasonText: null }));
  // A change that was reported meanwhile is newer.
  if (isFirst) callback(now);
  return stop;
};

// Calls back when a deep link has completed a sign-in that no call of this page waits for, such as
// one that started the app, perhaps before the page listened. Each result comes once.
export const onLink = async (callback) => {
  const take = async () => (await call('take_link_results')).forEach((result) => callback(result));
  const stop = await listen('propusk://link', take);
  await take();
  return stop;
};

const listen = async (event, callback) => {
  const handler = transformCallback(({ payload }) => callback(payload));
  const eventId = await invoke('plugin:event|listen', { event, target: { kind: 'Any' }, handler });
  return async () => {
    window.__TAURI_EVENT_PLUGIN_INTERNALS__.unregisterListener(event, eventId);
    await invoke('plugin:event|unlisten', { event, eventId });
  };
};
