// How to get tokens as an app without the SDK has them: a sign-in with curl at the chosen API.
import { copyButton } from './copying.js';
import { el } from './dom.js';
import { get } from './state.js';

const signIns = {
  native: ['/propusk/v1/sessions', { identifier: 'anna@example.org', password: '…' }],
  djoser_token: ['/auth/token/login/', { username: 'anna@example.org', password: '…' }],
  djoser_jwt: ['/api/auth/jwt/create/', { username: 'anna@example.org', password: '…' }],
  simplejwt: ['/api/auth/login/', { username: 'anna', password: '…' }],
  simplejwt_rotating: ['/token', { email: 'anna@example.org', password: '…' }],
  prehashed: ['/authorization/login/email', { email: 'anna@example.org', hash_password: '…' }],
};

export function adoptionHelp() {
  const { server, dialect } = get('demo');
  const [path, body] = signIns[dialect] ?? signIns.native;
  const command = `curl -H 'Content-Type: application/json' -d '${JSON.stringify(body)}' ${server.url ?? 'https://id.example.org'}${path}`;
  const head = el('div', { class: 'part-head' }, el('h3', { class: 'soft small', text: 'adopt.help' }), copyButton(() => command, 'adopt-copy'));
  return el('div', {}, head, el('pre', {}, command));
}
