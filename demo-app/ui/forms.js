// Builds a form from fields, reads it, and shows problems at their fields.
import { el } from './dom.js';
import { icon } from './icons.js';
import { get } from './state.js';
import { has, say, sayIn } from './words.js';

// Problems of the server are shown at the field that the form has for them.
const aliases = { password: ['new_password'], new_password: ['password'], login: ['display_name'], username: ['identifier'], email: ['identifier'], uid: ['link'], token: ['link'] };

// The form of these fields; `run` gets the entered values when it is sent.
export function form(fields, submit, run) {
  const button = el('button', { type: 'submit', class: `${submit.kind ?? 'primary'}`, text: submit.text, test: 'submit' });
  const sent = (event) => {
    event.preventDefault();
    showProblems(element, new Map());
    if (missing(element, fields)) return;
    run(values(element, fields), button);
  };
  const element = el('form', { novalidate: '', on: { submit: sent } }, ...owner(fields), ...fields.map(row), el('div', { class: 'submit-row' }, button));
  return element;
}

// Tells a password manager to whom a password belongs, if the form does not ask for it.
function owner(fields) {
  const asks = (hint) => fields.some(({ autocomplete }) => autocomplete === hint);
  const isNeeded = (asks('current-password') || asks('new-password')) && !asks('username') && !asks('email');
  return isNeeded ? [el('input', { type: 'text', autocomplete: 'username', hidden: true, value: get('profile')?.email ?? get('identifier') ?? '' })] : [];
}

function row(field) {
  const id = `field-${field.name}`;
  const optional = field.isOptional ? el('span', { class: 'optional', text: 'field.optional' }) : null;
  const label = el('label', { for: id }, el('span', { text: field.label }), ...(optional ? [' ', optional] : []));
  const hint = field.hint ? el('p', { class: 'hint', id: `${id}-hint`, text: field.hint }) : null;
  const problems = el('div', { class: 'mistake', id: `${id}-problem`, test: `problem-${field.name}`, hidden: true });
  return el('div', { class: 'field' }, label, hint, problems, control(field, id, hint));
}

function control(field, id, hint) {
  const common = { id, name: field.name, test: id, 'data-hint': hint?.id, 'aria-describedby': hint?.id };
  if (field.options) return el('select', common, ...field.options.map((name) => option(field, name)));
  const typed = { ...common, autocomplete: field.autocomplete, autocapitalize: field.prose ? 'words' : 'none', spellcheck: 'false', value: field.value };
  if (field.lines) return el('textarea', { ...typed, rows: field.lines });
  const input = el('input', { ...typed, type: field.type });
  return field.type === 'password' ? withEye(input) : input;
}

function option(field, name) {
  const key = `option.${field.name}.${name}`;
  return has(key) ? el('option', { value: name, text: key }) : el('option', { value: name }, name);
}

// A button that shows the password.
function withEye(input) {
  const eye = el('button', { type: 'button', label: 'password.show', 'aria-pressed': 'false', 'aria-controls': input.id, test: `show-${input.name}` }, icon('eye'));
  eye.addEventListener('click', () => {
    const isShown = input.type === 'password';
    input.type = isShown ? 'text' : 'password';
    eye.setAttribute('aria-pressed', String(isShown));
    sayIn(eye, 'label', isShown ? 'password.hide' : 'password.show');
    eye.replaceChildren(icon(isShown ? 'eyeOff' : 'eye'));
  });
  return el('div', { class: 'with-button' }, input, eye);
}

// What was entered, by the names of the fields; what is empty is `undefined`.
export function values(form, fields) {
  const entered = ({ name, type }) => {
    const { value } = form.elements[name];
    return (type === 'password' ? value : value.trim()) || undefined;
  };
  return Object.fromEntries(fields.map((field) => [field.name, entered(field)]));
}

export function fill(form, name, value) {
  const control = form.elements[name];
  if (control) control.value = value;
}

function missing(form, fields) {
  const empty = fields.filter(({ name, isOptional }) => !isOptional && !form.elements[name].value.trim());
  showProblems(form, new Map(empty.map(({ name }) => [name, [['problem.required']]])));
  return empty.length > 0;
}

// Shows the problems at their fields and goes to the first. Returns those that no field has.
export function showProblems(form, problems) {
  for (const control of form.querySelectorAll('[name]')) showAt(control, []);
  const rest = [];
  for (const [name, texts] of problems) {
    const control = [name, ...(aliases[name] ?? [])].map((known) => form.elements[known]).find(Boolean);
    if (control) showAt(control, texts);
    else rest.push(name);
  }
  form.querySelector('[aria-invalid]')?.focus();
  return rest;
}

function showAt(control, texts) {
  const box = document.getElementById(`${control.id}-problem`);
  box.replaceChildren(...texts.map((text) => { const line = el('p'); say(line, ...text); return line; }));
  box.hidden = texts.length === 0;
  const described = [texts.length > 0 ? box.id : null, control.dataset.hint].filter(Boolean);
  if (described.length > 0) control.setAttribute('aria-describedby', described.join(' '));
  else control.removeAttribute('aria-describedby');
  if (texts.length > 0) control.setAttribute('aria-invalid', 'true');
  else control.removeAttribute('aria-invalid');
}
