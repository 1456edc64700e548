// The bar on top: the server, the dialect, the language, the theme.
import { chooseDialect, openLink, startOver } from './backend.js';
import { confirmed, openDialog } from './dialogs.js';
import { button, byId, el, redraw, whileBusy } from './dom.js';
import { icon, pass } from './icons.js';
import { keep } from './memory.js';
import { openError } from './result.js';
import { offerAnother, showStartError } from './start.js';
import { get, watch } from './state.js';
import { chooseTheme, theme, themes } from './theme.js';
import { chooseLanguage, has, language, languageCodes, nameOf } from './words.js';

export function startHeader() {
  const brand = el('div', { class: 'brand' }, pass(28), el('span', { text: 'brand' }));
  const chips = el('div', { class: 'chips' });
  byId('header').replaceChildren(brand, chips, el('div', { class: 'switches' }, languageSwitch(), themeSwitch()));
  watch(['demo'], () => {
    const { server, dialect } = get('demo') ?? {};
    redraw(chips, [server, dialect], () => chipsOf(get('demo')));
  });
}

function chipsOf(demo) {
  if (!demo || demo.server.kind === 'none') return [];
  const server = el('button', { type: 'button', class: 'chip', test: 'server', on: { click: showServer } }, icon('server'), el('span', { class: 'what', text: `server.${demo.server.kind}` }), el('span', {}, host(demo.server.url)));
  const dialect = el('button', { type: 'button', class: 'chip', test: 'dialect', 'data-dialect': demo.dialect, on: { click: showDialects } }, icon('api'), el('span', { class: 'what', text: 'dialect' }), titleOf(demo.dialect, 'span'));
  return [server, dialect];
}

function host(url) {
  try {
    return new URL(url).host;
  } catch {
    return url ?? '';
  }
}

function titleOf(name, tag) {
  const key = `dialect.${name}`;
  if (has(key)) return el(tag, { text: key });
  return el(tag, {}, get('demo').dialects.find((dialect) => dialect.name === name)?.title ?? name);
}

function languageSwitch() {
  const options = languageCodes.map((code) => el('option', { value: code, lang: code }, nameOf(code)));
  const change = ({ currentTarget }) => {
    keep('language', currentTarget.value);
    chooseLanguage(currentTarget.value);
  };
  return el('select', { id: 'language', test: 'language', label: 'language', value: undefined, on: { change } }, ...options.map((option) => { option.selected = option.value === language(); return option; }));
}

function themeSwitch() {
  const options = themes.map((name) => el('option', { value: name, text: `theme.${name}` }));
  const change = ({ currentTarget }) => chooseTheme(currentTarget.value);
  return el('select', { id: 'theme', test: 'theme', label: 'theme', on: { change } }, ...options.map((option) => { option.selected = option.value === theme(); return option; }));
}

function showProblem(error) {
  if (byId('desk').hidden) showStartError(error);
  else openError(error);
}

// The server: where it is, its description, another one, and the way back to the first start.
function showServer() {
  const { server, vault } = get('demo');
  const lines = [['server.address', server.url], ['server.gateway', server.gateway], ['server.vault', vault?.path]].filter(([, value]) => value);
  const facts = el('dl', { class: 'stack' }, ...lines.map(([key, value]) => el('div', {}, el('dt', { class: 'soft small', text: key }), el('dd', {}, el('code', {}, value)))));
  const other = button('secondary', 'server.other', 'server-other', () => {
    dialog.close();
    offerAnother();
  });
  const docs = button('secondary', 'server.docs', 'server-docs', () => {
    dialog.close(); // an error is shown below it
    openLink(server.page).catch(showProblem);
  });
  const over = button('danger', 'start_over', 'start_over', async ({ currentTarget }) => {
    if (!(await confirmed('start_over'))) return;
    await whileBusy(currentTarget, () => startOver().catch(showStartError));
    dialog.close();
  });
  const buttons = el('div', { class: 'buttons' }, other, server.page ? docs : null, over);
  const parts = [el('p', { class: 'soft', text: `server.${server.kind}.about` }), facts, buttons];
  const dialog = openDialog('server-dialog', `server.${server.kind}`, parts);
}

function showDialects() {
  const { dialects, dialect: chosen } = get('demo');
  const choices = dialects.map(({ name, title }) => {
    const about = has(`dialect.${name}.about`) ? el('span', { class: 'soft small', text: `dialect.${name}.about` }) : el('span', { class: 'soft small' }, title);
    const run = ({ currentTarget }) => whileBusy(currentTarget, async () => {
      await chooseDialect(name).catch(showProblem);
      dialog.close();
    });
    return el('button', { type: 'button', class: 'dialect', 'aria-pressed': String(name === chosen), test: `dialect-${name}`, on: { click: run } }, el('span', { class: 'top' }, titleOf(name, 'strong'), el('code', {}, name)), about);
  });
  const dialog = openDialog('dialect-dialog', 'dialect.choose', [el('p', { class: 'soft', text: 'dialect.choose.about' }), el('div', { class: 'dialects' }, ...choices)]);
  dialog.querySelector('[aria-pressed="true"]')?.focus();
}
