// What the page knows, and who wants to hear of changes.

const values = {
  demo: null, // `demo_state` of the Rust side
  status: { phase: 'unknown' }, // `Status` of the SDK
  vault: null, // the state of the vault
  profile: null, // the account as it was last fetched
  edited: null, // the account as the form of changes shows it
  identifier: null, // with what this window signed in last
  operations: [], // the operations of the dialect
  chosen: null, // the operation that is shown
  tab: 'timeline', // the area that is shown
  link: null, // the result of a deep link that is not shown yet
  wire: [],
  timeline: [],
  inbox: [],
};
const listeners = new Map();

export function get(topic) {
  return values[topic];
}

export function put(topic, value) {
  values[topic] = value;
  for (const run of listeners.get(topic) ?? []) run(value);
}

// Calls `run` now and after each change of one of the topics.
export function watch(topics, run) {
  for (const topic of topics) listeners.set(topic, [...(listeners.get(topic) ?? []), run]);
  run();
}

export function isSignedIn() {
  return ['signed_in', 'refreshing', 'offline'].includes(values.status.phase);
}
