// A mock of others (oauth2-mock-server) whose token endpoint answers as it is told. Prints `{"issuer": URL, "control": URL}` when it listens,
// and ends when its standard input does.
//
// POST {control} {"status": 400, "body": {…}}  answers the next token request with that
import { createServer } from 'node:http';
import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');

// Who logs in is whom the login hints at; the nonce is the mock's own business.
let hint = '';
server.service.on('beforeAuthorizeRedirect', (redirect, request) => {
  hint = new URL(request.url, server.issuer.url).searchParams.get('login_hint') ?? '';
});
server.service.on('beforeTokenSigning', (token) => {
  token.payload.email = hint;
  token.payload.email_verified = true;
  // Tests let hours pass.
  token.payload.exp += 10 * 24 * 3600;
});
let next = null;
server.service.on('beforeResponse', (response) => {
  if (!next) return;
  response.statusCode = next.status;
  response.body = next.body;
  next = null;
});

const control = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += piece;
  next = JSON.parse(body);
  response.end();
});
control.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ issuer: server.issuer.url, control: `http://127.0.0.1:${control.address().port}` }));
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
