// Checks the page without a browser: the same keys and parameters in every language, no text
// outside of the texts, every key that is used exists, enough contrast in both themes, and
// only the permissions and sources that it needs; and the JavaScript of the plugin.
// Run: node demo-app/ui-tests/check.mjs
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { problemsOfPlugin } from './plugin.mjs';

const ui = fileURLToPath(new URL('../ui/', import.meta.url));
const app = fileURLToPath(new URL('../src-tauri/', import.meta.url));
const problems = [];
const read = (name) => readFileSync(ui + name, 'utf8');
const modules = readdirSync(ui).filter((name) => name.endsWith('.js'));
const languages = {};
for (const code of ['en', 'ru', 'uk']) {
  const url = `data:text/javascript;base64,${Buffer.from(read(`texts/${code}.js`)).toString('base64')}`;
  languages[code] = (await import(url)).default;
}

checkKeys();
checkRepeatedKeys();
modules.forEach(checkModule);
checkUse();
checkPage();
checkColours();
checkPermissions();
checkContentSecurity();
problems.push(...await problemsOfPlugin());
for (const problem of problems) console.error(problem);
if (problems.length === 0) console.log(`${Object.keys(languages.en).length} texts in ${Object.keys(languages).length} languages, ${modules.length} modules: no problems`);
process.exitCode = problems.length === 0 ? 0 : 1;

// Each language has the keys of English with the same parameters, and no empty text.
function checkKeys() {
  const parameters = (words) => [...words.matchAll(/\{(\w+)\}/g)].map(([name]) => name).sort().join(' ');
  for (const [code, texts] of Object.entries(languages)) {
    for (const key of Object.keys(languages.en)) if (!texts[key]?.trim()) problems.push(`${code}: no text "${key}"`);
    for (const [key, words] of Object.entries(texts)) {
      if (!(key in languages.en)) problems.push(`${code}: "${key}" is not in English`);
      // A noun after a preposition has another form in Russian and Ukrainian: fromNow() knows it.
      else if (words.includes('{duration}')) problems.push(`${code}: a duration within a sentence: "${key}"`);
      else if (parameters(words) !== parameters(languages.en[key])) problems.push(`${code}: other parameters in "${key}"`);
    }
  }
}

function checkRepeatedKeys() {
  for (const code of Object.keys(languages)) {
    const keys = [...read(`texts/${code}.js`).matchAll(/^ {2}'([^']+)':/gm)].map(([, key]) => key);
    const repeated = keys.filter((key, at) => keys.indexOf(key) !== at);
    for (const key of repeated) problems.push(`${code}: "${key}" is written twice`);
  }
}

// A module has no words for users in its code, and its keys exist.
function checkModule(name) {
  const code = withoutComments(read(name));
  for (const unsafe of ['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'document.write', 'eval(', '.style.']) {
    if (code.includes(unsafe)) problems.push(`${name}: uses ${unsafe}`);
  }
  const shown = code.replace(/(class|className|d|font|key): ?'[^']*'/g, '');
  for (const [, words] of shown.matchAll(/'((?:[^'\\\n]|\\.)*)'/g)) {
    if (isForUsers(words)) problems.push(`${name}: a text in the code: '${words}'`);
  }
  if (name === 'words.js') return;
  for (const key of keysOf(code)) if (!(key in languages.en)) problems.push(`${name}: no text "${key}"`);
}

// Each text is used: by its key, or by a key that is put together.
function checkUse() {
  const all = [read('index.html'), ...modules.map(read)].join('\n');
  const beginnings = [...all.matchAll(/`([a-z_.]+\.)\$\{/g)].map(([, beginning]) => beginning);
  for (const key of Object.keys(languages.en)) {
    const isUsed = all.includes(`'${key}'`) || all.includes(`"${key}"`) || beginnings.some((beginning) => key.startsWith(beginning));
    if (!isUsed) problems.push(`en: "${key}" is not used`);
  }
}

// The code is split in pieces outside and inside of texts, so that `//` in a text is no comment.
function withoutComments(code) {
  return code.replace(/('(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\/[^\n]*/g, (whole, literal) => literal ?? '');
}

function isForUsers(words) {
  const keys = /^(Escape|Enter|Home|End|Arrow\w+|GET|POST|Any|WebDriver)$/;
  const isSentence = /\p{L}{2,} \p{L}{2,}/u.test(words) && !/^[-\w]+( [-\w#]+)+$/.test(words);
  const isWord = /^\p{Lu}\p{Ll}{2,}/u.test(words) && !keys.test(words);
  const isPath = /^[MmLlHhVvCcAaZz\d\s.,-]+$/.test(words) || /^[Mm]\d/.test(words);
  const isCode = /^(curl|Content-Type|[#.[(:])/.test(words);
  return !isPath && !isCode && (isSentence || isWord || /\p{Script=Cyrillic}/u.test(words));
}

function keysOf(code) {
  const named = code.matchAll(/\b(?:text|label|placeholder|hint): \[?'([\w.]+)'/g);
  const given = code.matchAll(/\b(?:text|announce)\('([\w.]+)'/g);
  const said = code.matchAll(/\bsay\(\w+, '([\w.]+)'|\bsayIn\(\w+, '\w+', '([\w.]+)'/g);
  const pressed = code.matchAll(/\bbutton\('[\w -]+', '([\w.]+)'/g);
  return [...named, ...given, ...said, ...pressed].map(([, key, other]) => key ?? other);
}

// The document has only elements; their texts come by key. Nothing is inline or from elsewhere.
function checkPage() {
  const page = read('index.html');
  const body = page.slice(page.indexOf('<body>'));
  for (const [, words] of body.matchAll(/>([^<]+)</g)) if (words.trim()) problems.push(`index.html: a text: ${words.trim()}`);
  for (const [, key] of body.matchAll(/data-(?:text|label)="([^"]+)"/g)) if (!(key in languages.en)) problems.push(`index.html: no text "${key}"`);
  if (/\s(style|on\w+)=/.test(page) || /<style|<script(?![^>]*src=)/.test(page)) problems.push('index.html: something inline');
  if (/(src|href)="(https?:)?\/\//.test(page)) problems.push('index.html: something from elsewhere');
}

// The page may call what it calls, and nothing else.
function checkPermissions() {
  const capability = JSON.parse(readFileSync(`${app}capabilities/main.json`, 'utf8'));
  const called = [...read('backend.js').matchAll(/\binvoke\('(\w+)'/g)].map(([, name]) => `allow-${name.replaceAll('_', '-')}`);
  const needed = ['core:event:allow-listen', 'core:event:allow-unlisten', 'propusk:default', ...called];
  const isExact = JSON.stringify([...capability.permissions].sort()) === JSON.stringify(needed.sort());
  if (!isExact) problems.push(`main.json: other permissions than ${needed.join(', ')}`);
  if (JSON.stringify(capability.windows) !== '["main"]' || 'remote' in capability) problems.push('main.json: for more than the window of the app');
}

// The page loads only its own files and talks only to the Rust side.
function checkContentSecurity() {
  const { withGlobalTauri, security } = JSON.parse(readFileSync(`${app}tauri.conf.json`, 'utf8')).app;
  const own = ["'self'", "'none'", 'ipc:', 'http://ipc.localhost'];
  const directives = new Map(security.csp.split(';').map((words) => words.trim().split(/\s+/)).map(([name, ...sources]) => [name, sources]));
  for (const [name, sources] of directives) {
    for (const source of sources) if (!own.includes(source)) problems.push(`tauri.conf.json: ${name} allows ${source}`);
  }
  for (const name of ['default-src', 'object-src', 'base-uri', 'form-action', 'frame-ancestors']) {
    if (!directives.has(name)) problems.push(`tauri.conf.json: no ${name}`);
  }
  const options = ['capabilities', 'csp', 'freezePrototype'];
  if (JSON.stringify(Object.keys(security).sort()) !== JSON.stringify(options)) problems.push('tauri.conf.json: other options of security');
  if (JSON.stringify(security.capabilities) !== '["main"]' || !security.freezePrototype || withGlobalTauri) problems.push('tauri.conf.json: more reaches the page than needed');
}

// WCAG 2.2 AA: 4.5 for text, 3 for what is not text, such as the edge of a field.
function checkColours() {
  const css = read('styles/colours.css').replace(/\/\*[\s\S]*?\*\//g, '');
  const block = (selector) => Object.fromEntries([...css.slice(css.indexOf(selector)).split('}')[0].matchAll(/(--[\w-]+): (#\w+)/g)].map(([, name, value]) => [name, value]));
  const themes = { light: block(':root {'), dark: block(':root[data-theme="dark"]') };
  if (JSON.stringify(block(':root:not([data-theme="light"])')) !== JSON.stringify(themes.dark)) problems.push('colours.css: the two dark themes differ');
  for (const [theme, colours] of Object.entries(themes)) {
    for (const [front, back, least] of pairs()) {
      const ratio = contrast(colours[front], colours[back]);
      if (!(ratio >= least)) problems.push(`${theme}: ${front} on ${back} has ${ratio.toFixed(2)}, not ${least}`);
    }
  }
}

// Every pair of colours that the style sheets put together.
function pairs() {
  const texts = ['--text', '--soft', '--accent', '--mistake', '--change', '--get'];
  const plain = texts.flatMap((front) => [[front, '--card', 4.5], [front, '--ground', 4.5]]);
  const tinted = ['accent', 'mistake', 'change', 'get'].flatMap((name) => [[`--${name}`, `--${name}-ground`, 4.5], ['--text', `--${name}-ground`, 4.5]]);
  const badges = ['--soft', '--accent', '--mistake', '--change', '--get'].map((back) => ['--card', back, 4.5]);
  const edges = ['--field', '--focus', '--mistake', '--accent', '--change'].flatMap((front) => [[front, '--card', 3], [front, '--ground', 3]]);
  return [...plain, ...tinted, ...badges, ['--on-accent', '--accent', 4.5], ['--on-accent', '--accent-strong', 4.5], ...edges];
}

function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour = '') {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
