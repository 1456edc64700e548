// The Rust side of the demo: its own commands and events. Sign-in is `generated/propusk.js`, the
// JavaScript of the plugin.

const { invoke, transformCallback } = window.__TAURI_INTERNALS__;

export const demoState = () => invoke('demo_state');
export const useServer = (url) => invoke('use_server', { url });
export const startEmbedded = () => invoke('start_embedded');
export const startOver = () => invoke('start_over');
export const chooseDialect = (name) => invoke('choose_dialect', { name });
export const openLink = (url) => invoke('open_link', { url });

export const inbox = () => invoke('inbox');
export const wireLog = () => invoke('wire_log', {});
export const clearWireLog = () => invoke('clear_wire_log');
export const timeline = () => invoke('timeline');

export const trouble = {
  network: (offline) => invoke('trouble_network', { offline }),
  loseNextAnswer: () => invoke('trouble_lose_next_answer'),
  endSession: () => invoke('trouble_end_session_on_server'),
  clock: (offsetSeconds) => invoke('trouble_clock', { offsetSeconds }),
  keyStore: (locked) => invoke('trouble_key_store', { locked }),
  secondProcess: (start) => invoke('trouble_second_process', { start }),
  expireAccessToken: () => invoke('expire_access_token'),
};

// Calls back with the payload of each event of this name.
export function listen(event, callback) {
  const handler = transformCallback(({ payload }) => callback(payload));
  return invoke('plugin:event|listen', { event, target: { kind: 'Any' }, handler });
}
