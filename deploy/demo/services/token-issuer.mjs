// An authorization server that takes a JWT-SVID in place of a client secret (RFC 7523) and gives tokens for alpha and
// beta. Which SVIDs it takes is said by SVID_KEY_SET, SVID_ISSUER, SVID_AUDIENCE and SVID_PREFIX.

import {createHash} from 'node:crypto';
import {JWT_SPIFFE, Refusal, SvidVerifier, form, json, serve, setting, sharedSecret, signed, words} from './oauth.mjs';

const NAME = 'token-issuer';
const LIFETIME_SECONDS = 300;
const SERVICES = ['alpha', 'beta'];

const issuer = setting('ISSUER');
const prefix = setting('SVID_PREFIX');
const secret = sharedSecret();
const svids = new SvidVerifier('RS256');

async function token(request, response) {
  const asked = await form(request);
  if (asked.grant_type !== 'client_credentials') {
    throw new Refusal(400, 'unsupported_grant_type', 'only client_credentials is known here');
  }
  if (asked.client_assertion_type !== JWT_SPIFFE) {
    throw new Refusal(400, 'unsupported_client_assertion_type', `only ${JWT_SPIFFE} is known here`);
  }
  if (!asked.client_assertion) {
    throw new Refusal(400, 'missing_client_assertion', 'there is no client assertion');
  }
  if (!SERVICES.includes(asked.audience)) {
    throw new Refusal(400, 'unsupported_audience', 'the audience is neither alpha nor beta');
  }
  if (!words(asked.scope).includes(asked.audience)) {
    throw new Refusal(403, 'missing_matching_scope', 'no scope is named as the audience is');
  }
  const client = await svids.subject(asked.client_assertion, prefix);
  const scope = [...words(asked.scope), 'profile', 'email'].join(' ');
  const claims = {
    iss: issuer,
    // No name of a person, and the same one each time.
    sub: createHash('sha256').update(client).digest('hex').slice(0, 32),
    aud: [asked.audience, 'account'], scope, azp: client, client_id: client,
  };
  process.stdout.write(`${NAME} issued token aud="${asked.audience}" client_id=${client}\n`);
  json(response, 200, {
    access_token: signed(claims, LIFETIME_SECONDS, secret), token_type: 'Bearer', expires_in: LIFETIME_SECONDS, scope,
  });
}

serve(NAME, {'POST /token': token});
