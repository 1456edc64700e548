// An OpenID provider on a free port of 127.0.0.1 that answers its own sign-in page. It prints
// `ready http://127.0.0.1:PORT`, which is its issuer, and ends when its standard input closes.
//
// The environment variable OIDC_PROVIDER holds its configuration in JSON:
//   clients   metadata as of OpenID Connect Dynamic Client Registration: client_id, client_secret,
//             redirect_uris, and everything that differs from the defaults
//   accounts  name -> claims (sub, email, email_verified, name, picture)
//   authorization_response_iss  false: as a provider older than RFC 9207 (default true)
//   claims_in_id_token          true: not at the userinfo endpoint alone (default false)
//   client_auth_methods         how clients may authenticate (default: all ways)
//
// `login_hint` names the account that signs in and consents, by default the first; `deny` refuses.
// `POST /_rotate` replaces the signing keys.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

// The library's warnings for operators are not needed here; its errors are printed below.
console.info = console.warn = () => {};
const { Provider, interactionPolicy } = await import('oidc-provider');
const { createMemoryAdapter } = await import('oidc-provider/lib/adapters/memory_adapter.js');

const config = JSON.parse(process.env.OIDC_PROVIDER);
const accounts = new Map(Object.entries(config.accounts));
const DENY = 'deny';

const server = createServer();
await once(server.listen(0, '127.0.0.1'), 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const settings = {
  clients: config.clients,
  // One store, so that sessions and codes outlive the keys.
  adapter: createMemoryAdapter(),
  cookies: { keys: [randomBytes(32).toString('hex')] },
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'picture'],
  },
  conformIdTokenClaims: !config.claims_in_id_token,
  clientAuthMethods: config.client_auth_methods,
  features: { devInteractions: { enabled: false } },
  findAccount: (_, sub) => findAccount(sub),
  interactions: { url: (_, { uid }) => `/interaction/${uid}`, policy: policy() },
  pkce: { required: () => true },
};

let answer = start();
server.on('request', (request, response) => {
  if (request.method === 'POST' && request.url === '/_rotate') {
    answer = start();
    response.writeHead(204).end();
  } else {
    answer(request, response);
  }
});
process.stdin.on('end', () => process.exit()).resume();
console.log(`ready ${issuer}`);

// The library reads its keys once; a new provider with the same store has new ones.
function start() {
  const provider = new Provider(issuer, { ...settings, jwks: { keys: signingKeys() } });
  provider.on('server_error', (_, error) => console.error(error));
  provider.use(interact);
  if (config.authorization_response_iss === false) provider.use(withoutIss);
  return provider.callback();

  async function interact(ctx, next) {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { params } = await provider.interactionDetails(ctx.req, ctx.res);
    const account = hinted(params.login_hint);
    if (!account && params.login_hint !== DENY) {
      ctx.status = 400;
      ctx.body = `no account ${params.login_hint}`;
      return;
    }
    const result = account
      ? await consent(provider, params, account.sub)
      : { error: 'access_denied', error_description: 'the user refuses' };
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
    ctx.status = 303;
  }
}

// The ids of the keys are their thumbprints.
function signingKeys() {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return [
    { ...rsa.privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' },
    { ...ec.privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' },
  ];
}

// A browser with a session signs in again if the hint names another account.
function policy() {
  const { Check, base } = interactionPolicy;
  const prompts = base();
  prompts.get('login').checks.add(
    new Check('other_account', 'another account is asked for', ({ oidc }) => {
      const { login_hint: hint } = oidc.params;
      const other = hint && hinted(hint)?.sub !== oidc.session.accountId;
      return other && !oidc.result?.login ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT;
    }),
  );
  return prompts;
}

async function consent(provider, params, accountId) {
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return { login: { accountId }, consent: { grantId: await grant.save() } };
}

function hinted(hint) {
  return hint ? accounts.get(hint) : accounts.values().next().value;
}

function findAccount(sub) {
  const claims = [...accounts.values()].find((account) => account.sub === sub);
  return claims && { accountId: sub, claims: () => claims };
}

async function withoutIss(ctx, next) {
  await next();
  if (ctx.path === '/.well-known/openid-configuration') {
    delete ctx.body.authorization_response_iss_parameter_supported;
  }
  const location = ctx.response.get('Location');
  if (URL.canParse(location) && new URL(location).origin !== issuer) {
    const callback = new URL(location);
    callback.searchParams.delete('iss');
    ctx.set('Location', callback.href);
  }
}
