// The fields of the forms: their kind, what a password manager may fill in, and a hint.

const fields = {
  identifier: { type: 'text', autocomplete: 'username' },
  password: { type: 'password', autocomplete: 'current-password' },
  new_password: { type: 'password', autocomplete: 'new-password', hint: 'hint.new_password' },
  current_password: { type: 'password', autocomplete: 'current-password', hint: 'hint.current_password' },
  email: { type: 'email', autocomplete: 'email' },
  phone: { type: 'tel', autocomplete: 'tel', hint: 'hint.phone' },
  username: { type: 'text', autocomplete: 'username' },
  display_name: { type: 'text', autocomplete: 'name', prose: true },
  link: { type: 'url', autocomplete: 'off', hint: 'hint.link' },
  returned_link: { type: 'url', autocomplete: 'off' },
  url: { type: 'url', autocomplete: 'off' },
  provider: { options: ['google', 'vk', 'yandex', 'mail_ru'] },
  token: { type: 'password', autocomplete: 'off', hint: 'hint.token' },
  access: { lines: 3, autocomplete: 'off' },
  refresh: { lines: 3, autocomplete: 'off' },
  trusted_for: { options: ['60', '3600', '86400', '604800'] },
};

// `email` needs an entry, `email?` does not.
export function field(written) {
  const name = written.replace('?', '');
  return { name, label: `field.${name}`, isOptional: written.endsWith('?'), ...fields[name] };
}
