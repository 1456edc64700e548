// Builds elements. Texts come by key (`text`, `label`), data comes as text nodes: never as HTML.
import { say, sayIn } from './words.js';

const spoken = new Set(['label', 'placeholder', 'hover']);
const last = new WeakMap(); // what an element was drawn from
const waiting = new Map(); // how to draw an element when the press on it has ended
const properties = new Set(['value', 'checked', 'hidden', 'disabled', 'open']);

// `text: key` or `text: [key, parameters]`; `test` is the name for WebDriver; `on` has listeners.
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value !== undefined && value !== null) set(element, name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function set(element, name, value) {
  if (name === 'text') say(element, ...[value].flat());
  else if (spoken.has(name)) sayIn(element, name, ...[value].flat());
  else if (name === 'class') element.className = value;
  else if (name === 'test') element.dataset.test = value;
  else if (name === 'on') for (const [event, run] of Object.entries(value)) element.addEventListener(event, run);
  else if (properties.has(name)) element[name] = value;
  else element.setAttribute(name, value);
}

export function byId(id) {
  return document.getElementById(id);
}

// A button with a text.
export function button(kind, key, test, run, props = {}) {
  return el('button', { type: 'button', class: kind, text: key, test, on: { click: run }, ...props });
}

// Replaces the children of an element. The control that had the focus has it afterwards. Nothing
// happens if `shows`, what the children show, is the same as the last time. A press that has begun on a
// control must end on it, or it would be lost: the new children wait for that.
export function redraw(element, shows, children) {
  if (element.matches(':active')) return waiting.set(element, () => redraw(element, shows, children));
  waiting.delete(element);
  const drawn = JSON.stringify(shows);
  if (last.get(element) === drawn) return;
  last.set(element, drawn);
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.test : null;
  element.replaceChildren(...children());
  if (focused) element.querySelector(`[data-test="${focused}"]`)?.focus();
}

// The click of a press comes after its end.
for (const end of ['pointerup', 'pointercancel', 'keyup']) addEventListener(end, () => setTimeout(drawWaiting));

function drawWaiting() {
  for (const draw of [...waiting.values()]) draw();
}

// While the work goes on, the button is busy and does nothing when it is pressed again.
export async function whileBusy(pressed, work) {
  if (pressed.getAttribute('aria-busy') === 'true') return;
  pressed.setAttribute('aria-busy', 'true');
  try {
    return await work();
  } finally {
    pressed.removeAttribute('aria-busy');
  }
}

// Says a text to people who use a screen reader.
export function announce(key, params) {
  const announcer = byId('announcer');
  announcer.textContent = '';
  requestAnimationFrame(() => say(announcer, key, params));
}
