// An OpenID issuer of others (oidc-provider) whose tokens the service must believe. Prints one line of JSON, `{"issuer": URL}`, when it
// listens, and ends when its standard input does.
//
// POST /test/keys {"kinds": ["RSA", "EC", "OKP"], "keep": true} makes new keys for signing; `keep` publishes the ones before too.
// The algorithm and the claims of the next token are in the client's name: see `clients`.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const RESOURCE = 'mailagent';

const make = {
  RSA: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  EC: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  OKP: () => generateKeyPairSync('ed25519'),
};

function keysOf(kinds) {
  return kinds.map((kind) => ({ ...make[kind]().privateKey.export({ format: 'jwk' }), use: 'sig', kid: randomUUID() }));
}

// A client for each algorithm, each a service that calls for itself.
const clients = ['RS256', 'PS256', 'ES256', 'EdDSA'].map((alg) => ({
  client_id: `crm.${alg}`,
  client_secret: 'a-secret-of-the-test',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
}));

function provider(issuer, keys) {
  return new Provider(issuer, {
    clients,
    jwks: { keys },
    scopes: ['agent.read', 'tenant.admin', 'directory.read'],
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
    ttl: { ClientCredentials: 600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => `urn:${RESOURCE}`,
        getResourceServerInfo: (_, indicator, client) => ({
          scope: 'agent.read tenant.admin directory.read',
          audience: indicator.replace('urn:', ''),
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: client.clientId.split('.')[1] } },
        }),
      },
    },
    extraTokenClaims: () => ({ tenant: 'acme' }),
  });
}

let current = [];
let handle = null;
const server = createServer(async (request, response) => {
  if (request.url !== '/test/keys') return handle(request, response);
  let body = '';
  for await (const piece of request) body += piece;
  const { kinds, keep } = JSON.parse(body);
  current = [...keysOf(kinds), ...(keep ? current : [])];
  handle = provider(issuer, current).callback();
  response.end();
});
let issuer = '';
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  current = keysOf(['RSA', 'EC', 'OKP']);
  handle = provider(issuer, current).callback();
  console.log(JSON.stringify({ issuer }));
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
