// The page of the smallest app: the lines of the plugin's README, and what they show.
import * as propusk from './propusk.js';

const form = document.getElementById('sign-in');
const say = (words) => { document.getElementById('status').textContent = words; };
const show = (words, isForm) => { form.hidden = !isForm; say(words); };
const showWaiting = () => show('…', false);
const showHome = ({ accountId }) => show(`Signed in: ${accountId}`, false);
const showSignIn = () => show('', true);

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const { identifier, password } = Object.fromEntries(new FormData(form));
  propusk.signIn({ identifier, password }).catch((error) => say(error.rejection?.sentence ?? error.detail));
});
await propusk.onStatus(({ phase, user }) => (phase === 'unknown' ? showWaiting() : user ? showHome(user) : showSignIn()));
