// Texts in the chosen language. Elements remember the key of their text, so that another language
// replaces texts and keeps everything else, such as what was entered.
import en from './texts/en.js';
import ru from './texts/ru.js';
import uk from './texts/uk.js';

const languages = { en, ru, uk };
const parameters = new WeakMap();
const attributes = { label: 'aria-label', placeholder: 'placeholder', hover: 'title' };
let current = 'en';

export const languageCodes = Object.keys(languages);

export function language() {
  return current;
}

// What a language calls itself.
export function nameOf(code) {
  return languages[code]['language.name'];
}

export function has(key) {
  return key in languages[current];
}

// The text of a key; `{name}` is replaced by a parameter. A parameter that is a function is called
// again for each language.
export function text(key, params = {}) {
  const words = languages[current][key] ?? key;
  return words.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = params[name];
    return value === undefined ? whole : String(typeof value === 'function' ? value() : value);
  });
}

// The text of an element, now and after a change of the language.
export function say(element, key, params = {}) {
  remember(element, 'text', key, params);
  element.textContent = text(key, params);
}

// The label, placeholder or title of an element, now and after a change of the language.
export function sayIn(element, attribute, key, params = {}) {
  remember(element, attribute, key, params);
  element.setAttribute(attributes[attribute], text(key, params));
}

export function chooseLanguage(code) {
  current = code in languages ? code : 'en';
  document.documentElement.lang = current;
  applyTo(document);
}

function remember(element, kind, key, params) {
  element.setAttribute(`data-${kind}`, key);
  parameters.set(element, { ...parameters.get(element), [kind]: params });
}

function applyTo(root) {
  for (const element of root.querySelectorAll('[data-text]')) {
    element.textContent = text(element.dataset.text, parameters.get(element)?.text);
  }
  for (const [kind, attribute] of Object.entries(attributes)) {
    for (const element of root.querySelectorAll(`[data-${kind}]`)) {
      element.setAttribute(attribute, text(element.dataset[kind], parameters.get(element)?.[kind]));
    }
  }
}
