// Shows what an operation returned: its members in words, and all of it as JSON.
import { el } from './dom.js';
import { dateAndTime } from './moments.js';
import { has, text } from './words.js';

// Members whose values are words of the SDK; others are texts of users.
const worded = new Set(['status', 'trust']);

export function data(value) {
  if (value === null || value === undefined || typeof value !== 'object') return null;
  const members = Object.entries(value).filter(([, member]) => member === null || typeof member !== 'object');
  const list = members.length > 0 ? el('dl', { test: 'result-data' }, ...members.map(([name, member]) => line(name, member))) : null;
  return el('div', { class: 'data' }, list, raw(value));
}

function line(name, member) {
  const key = `member.${name}`;
  const title = has(key) ? el('dt', { text: key }) : el('dt', {}, el('code', {}, name));
  return el('div', {}, title, shown(name, member));
}

function shown(name, member) {
  if (member === null) return el('dd', { class: 'soft', text: 'value.none' });
  if (typeof member === 'boolean') return el('dd', { text: member ? 'value.yes' : 'value.no' });
  if (/(At|Until)$/.test(name)) return el('dd', { text: ['value.is', { value: () => dateAndTime(member) }] });
  const isId = /^(id|masked|.*Id)$/.test(name);
  if (worded.has(name) && has(`value.${member}`)) return el('dd', { text: `value.${member}` });
  return el('dd', {}, isId ? el('code', {}, String(member)) : String(member));
}

function raw(value) {
  return el('details', { class: 'raw' }, el('summary', { text: 'result.raw', test: 'result-raw' }), el('pre', { test: 'result-json', tabindex: 0 }, JSON.stringify(value, null, 2)));
}

// For texts inside other sentences.
export function orNone(value) {
  return value ?? text('value.none');
}
