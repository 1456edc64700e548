// The head of a panel, and what it shows while it is empty.
import { el } from './dom.js';
import { icon } from './icons.js';

export function panelHead(name, ...actions) {
  return el('div', { class: 'panel-head' }, el('div', {}, el('h2', { class: 'area-title', text: `panel.${name}` }), el('p', { class: 'about', text: `panel.${name}.about` })), ...actions);
}

export function emptyPanel(name, drawn) {
  return el('div', { class: 'empty', test: `${name}-empty` }, icon(drawn, 40), el('p', { text: `panel.${name}.empty` }));
}
