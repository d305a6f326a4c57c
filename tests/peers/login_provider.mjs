// A provider of others (oidc-provider, certified) at which people log in to their mailboxes. Prints one line of JSON, `{"issuer": URL}`, when
// it listens, and ends when its standard input does.
//
// Usage: node login_provider.mjs '{"redirectUrls": ["…"], "accessSeconds": 3, "refreshSeconds": 1209600, "rotate": true,
//                                  "graceSeconds": 0, "unverified": false}'
// Whoever `login_hint` names logs in and consents without a page. A refresh token that comes a second time ends its login; with `graceSeconds`
// it stays good for so long after its first use, as Okta and Auth0 have it.
//
// GET  /test/requests                     what was asked of the token endpoint: [{"grant": …, "status": …}]
// POST /test/hold {"when": "before"}      the next token request is held, before anything is done or after all of it; the answer to this
//                                         comes when it is there
// POST /test/drop                         closes its connection; it is never answered
// POST /test/withdraw {"account": …}      ends all logins of an account
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const options = {
  accessSeconds: 3600, refreshSeconds: 14 * 24 * 3600, rotate: true, graceSeconds: 0, unverified: false,
  ...JSON.parse(process.argv[2]),
};

/// Everything by kind and id. Small, so that the grace of refresh tokens is easy to see.
const kept = new Map();
class Adapter {
  constructor(kind) { this.kind = kind; }
  key(id) { return `${this.kind} ${id}`; }
  async upsert(id, payload) { kept.set(this.key(id), payload); }
  async find(id) {
    const payload = kept.get(this.key(id));
    const fresh = payload?.consumed && this.kind === 'RefreshToken' && Date.now() / 1000 < payload.consumed + options.graceSeconds;
    return fresh ? { ...payload, consumed: undefined } : payload;
  }
  async search(field, value) {
    for (const [key, payload] of kept) if (key.startsWith(`${this.kind} `) && payload[field] === value) return payload;
    return undefined;
  }
  async findByUid(uid) { return this.search('uid', uid); }
  async findByUserCode(code) { return this.search('userCode', code); }
  async destroy(id) { kept.delete(this.key(id)); }
  async revokeByGrantId(grantId) {
    for (const [key, payload] of kept) if (payload.grantId === grantId) kept.delete(key);
  }
  async consume(id) {
    const payload = kept.get(this.key(id));
    payload.consumed ??= Date.now() / 1000;
  }
}

let provider;
async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: params.login_hint } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const requests = [];
let hold = null;

/// Lets a token request wait, and its answer too.
async function gate(when, socket) {
  if (hold?.when !== when) return;
  const current = hold;
  current.socket = socket;
  current.reached();
  await current.dropped;
}

async function handleToken(request, response, callback) {
  const body = [];
  for await (const piece of request) body.push(piece);
  const form = new URLSearchParams(Buffer.concat(body).toString());
  await gate('before', request.socket);
  if (request.socket.destroyed) return;
  // The provider's own parser finds the form read already.
  request.body = Object.fromEntries(form);
  const end = response.end.bind(response);
  response.end = (...rest) => {
    requests.push({ grant: form.get('grant_type'), status: response.statusCode });
    gate('after', request.socket).then(() => { if (!request.socket.destroyed) end(...rest); });
    return response;
  };
  callback(request, response);
}

async function test(request, response) {
  let body = '';
  for await (const piece of request) body += piece;
  switch (request.url) {
    case '/test/requests':
      return response.end(JSON.stringify(requests));
    case '/test/hold': {
      const { when } = JSON.parse(body);
      const reached = new Promise((reach) => { hold = { when, reached: reach }; });
      hold.dropped = new Promise((drop) => { hold.drop = drop; });
      await reached;
      return response.end();
    }
    case '/test/drop':
      hold.socket?.destroy();
      hold.drop();
      hold = null;
      return response.end();
    case '/test/withdraw': {
      const { account } = JSON.parse(body);
      for (const [key, payload] of kept) if (payload.accountId === account) kept.delete(key);
      return response.end();
    }
    default:
      response.statusCode = 404;
      return response.end();
  }
}

const server = createServer((request, response) => {
  const path = request.url.split('?')[0];
  if (path.startsWith('/test/')) return test(request, response);
  if (path.startsWith('/interaction/')) return interact(request, response);
  const callback = provider.callback();
  return path === '/token' ? handleToken(request, response, callback) : callback(request, response);
});
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  provider = new Provider(issuer, {
    adapter: Adapter,
    clients: [{
      client_id: 'mailagent',
      client_secret: 'a-secret-of-the-test',
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      redirect_uris: options.redirectUrls,
    }],
    scopes: ['openid', 'offline_access', 'mail.send'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: id, email_verified: !options.unverified }),
    }),
    pkce: { required: () => true },
    rotateRefreshToken: options.rotate,
    issueRefreshToken: (_, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    ttl: { AccessToken: options.accessSeconds, RefreshToken: options.refreshSeconds, AuthorizationCode: 60, IdToken: 600, Grant: options.refreshSeconds, Session: 3600, Interaction: 600 },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
    },
  });
  console.log(JSON.stringify({ issuer }));
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
