// Checks the JavaScript of the plugin against a stand-in for Tauri: what reaches its callbacks, and when.
import { readFileSync } from 'node:fs';

const code = readFileSync(new URL('../plugin/js/propusk.js', import.meta.url));

// The problems that were found.
export async function problemsOfPlugin() {
  const checks = [resultOfLinkBeforeThePageListens, resultOfLinkWhileThePageListens, statusOnceAndAfterChanges];
  const problems = [];
  for (const check of checks) {
    try {
      await check();
    } catch (error) {
      problems.push(`propusk.js: ${check.name}: ${error.message}`);
    }
  }
  return problems;
}

// A page with the plugin; `answers` has a function for each command.
async function page(answers) {
  const handlers = new Map();
  const invoke = async (command, input = {}) => {
    if (command === 'plugin:event|listen') handlers.set(input.event, input.handler);
    if (command === 'plugin:event|unlisten') handlers.clear();
    return answers[command.replace('plugin:propusk|', '')]?.(input);
  };
  globalThis.window = { __TAURI_INTERNALS__: { invoke, transformCallback: (run) => run }, __TAURI_EVENT_PLUGIN_INTERNALS__: { unregisterListener() {} } };
  // Another address for each page, so that the module is read again.
  const propusk = await import(`data:text/javascript;base64,${code.toString('base64')}#${Math.random()}`);
  return { propusk, emit: (event, payload) => handlers.get(event)?.({ payload }) };
}

async function resultOfLinkBeforeThePageListens() {
  const results = [{ outcome: 'signed_in' }];
  const { propusk, emit } = await page({ take_link_results: () => results.splice(0) });
  const heard = [];
  await propusk.onLink((result) => heard.push(result.outcome));
  equal(heard, ['signed_in']);
  await emit('propusk://link', {}); // its result was taken meanwhile
  equal(heard, ['signed_in']);
}

async function resultOfLinkWhileThePageListens() {
  const results = [];
  const { propusk, emit } = await page({ take_link_results: () => results.splice(0) });
  const heard = [];
  const stop = await propusk.onLink((result) => heard.push(result.outcome));
  results.push({ outcome: 'linked' });
  await emit('propusk://link', {});
  await stop();
  results.push({ outcome: 'signed_in' });
  await emit('propusk://link', {});
  equal(heard, ['linked']);
}

async function statusOnceAndAfterChanges() {
  const { propusk, emit } = await page({ status: () => ({ phase: 'signed_out' }) });
  const heard = [];
  await propusk.onStatus(({ phase }) => heard.push(phase));
  await emit('propusk://status', { phase: 'signed_in' });
  equal(heard, ['signed_out', 'signed_in']);
}

function equal(found, expected) {
  const [left, right] = [found, expected].map((value) => JSON.stringify(value));
  if (left !== right) throw new Error(`${left}, not ${right}`);
}
