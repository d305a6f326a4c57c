// An OpenID client of others (openid-client) that judges the simulated identity platform. Reads
// `{"authority": URL, "directory": id, "client": id, "secret": …, "redirectUrl": URL, "account": address}` as its argument.
// Exits with 1 when something is wrong.
import assert from 'node:assert/strict';
import * as openid from 'openid-client';

const told = JSON.parse(process.argv[2]);
const issuer = new URL(`${told.authority}${told.directory}/v2.0`);
const options = { execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks] };

for (const proof of [openid.ClientSecretPost(told.secret), openid.ClientSecretBasic(told.secret)]) {
  const config = await openid.discovery(issuer, told.client, undefined, proof, options);
  const verifier = openid.randomPKCECodeVerifier();
  const [state, nonce] = [openid.randomState(), openid.randomNonce()];
  const page = openid.buildAuthorizationUrl(config, {
    redirect_uri: told.redirectUrl,
    scope: 'openid profile offline_access https://outlook.office365.com/EWS.AccessAsUser.All',
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    login_hint: told.account,
  });
  // As a browser: the page, then its form with one of its buttons.
  const html = await (await fetch(page)).text();
  const form = new URLSearchParams();
  for (const [, name, value] of html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)) {
    form.append(name, value.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'));
  }
  assert.match(html, new RegExp(`<button name="account" value="${told.account}">`));
  form.append('account', told.account);
  const sent = await fetch(page, { method: 'POST', body: form, redirect: 'manual' });
  assert.equal(sent.status, 302);
  const back = new URL(sent.headers.get('location'));

  // Checks state, nonce, issuer, audience, times, and the signature by the published key.
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  const tokens = await openid.authorizationCodeGrant(config, back, checks);
  assert.equal(tokens.claims().preferred_username, told.account);
  assert.equal(tokens.claims().tid, told.directory);
  assert.equal(tokens.expires_in, 3600);

  const renewed = await openid.refreshTokenGrant(config, tokens.refresh_token, {
    scope: 'https://outlook.office365.com/EWS.AccessAsUser.All',
  });
  assert.notEqual(renewed.access_token, tokens.access_token);
  assert.notEqual(renewed.refresh_token, tokens.refresh_token);
  await assert.rejects(openid.refreshTokenGrant(config, 'none of them'), { error: 'invalid_grant' });
  await assert.rejects(openid.authorizationCodeGrant(config, back, checks), { error: 'invalid_grant' });
  await assert.rejects(
    openid.refreshTokenGrant(config, tokens.refresh_token, { scope: 'Mail.Read https://outlook.office.com/SMTP.Send' }),
    { error: 'invalid_scope' },
  );
  const own = await openid.clientCredentialsGrant(config, { scope: 'https://graph.microsoft.com/.default' });
  assert.equal(own.refresh_token, undefined);
}
const wrong = await openid.discovery(issuer, told.client, undefined, openid.ClientSecretPost('wrong'), options);
await assert.rejects(openid.clientCredentialsGrant(wrong, { scope: 'https://graph.microsoft.com/.default' }), { error: 'invalid_client' });
console.log('openid-client is content');
