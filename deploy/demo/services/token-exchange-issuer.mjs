// An authorization server that exchanges tokens (RFC 8693) on a user's behalf, in two stages:
//
//   1. the coordinator, who holds the user's token, has it addressed to a sandbox: an intermediate token;
//   2. the sandbox has that one exchanged for a final token, for alpha or beta.
//
// Both prove who they are with a JWT-SVID. Which stage it is follows from the token that is to be exchanged. The final
// token has the user as `sub` and the sandbox as `azp`. Which SVIDs it takes is said by SVID_KEY_SET, SVID_ISSUER,
// SVID_AUDIENCE, COORDINATOR_PREFIX and SANDBOX_PREFIX.

import {
  ACCESS_TOKEN, JWT_SPIFFE, Refusal, SvidVerifier, audiences, form, json, now, serve, setting, sharedSecret, signed,
  verified, words,
} from './oauth.mjs';

const NAME = 'token-exchange-issuer';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const USER = 'demo-user';
const USER_LIFETIME_SECONDS = 1800;
const LIFETIME_SECONDS = 300;
const SERVICES = ['alpha', 'beta'];

const issuer = setting('ISSUER');
const coordinators = setting('COORDINATOR_PREFIX');
const sandboxes = setting('SANDBOX_PREFIX');
const secret = sharedSecret();
const svids = new SvidVerifier('RS256', 'ES256');

/** Stands for the login of a user: whoever asks gets her token. */
function subjectToken(_, response) {
  const claims = {iss: issuer, sub: USER, aud: issuer, scope: 'profile email', demo_token_use: 'user_subject'};
  json(response, 200, {
    access_token: signed(claims, USER_LIFETIME_SECONDS, secret), token_type: 'Bearer',
    expires_in: USER_LIFETIME_SECONDS,
  });
}

async function token(request, response) {
  const asked = await form(request);
  if (asked.grant_type !== EXCHANGE) {
    throw new Refusal(400, 'unsupported_grant_type', `only ${EXCHANGE} is known here`);
  }
  if (asked.client_assertion_type !== JWT_SPIFFE) {
    throw new Refusal(400, 'unsupported_client_assertion_type', `only ${JWT_SPIFFE} is known here`);
  }
  if (!asked.client_assertion) {
    throw new Refusal(400, 'missing_client_assertion', 'there is no client assertion');
  }
  if (!asked.subject_token) {
    throw new Refusal(400, 'missing_subject_token', 'there is no subject token');
  }
  if (asked.subject_token_type !== ACCESS_TOKEN) {
    throw new Refusal(400, 'unsupported_subject_token_type', `only ${ACCESS_TOKEN} is known here`);
  }
  if ((asked.requested_token_type ?? ACCESS_TOKEN) !== ACCESS_TOKEN) {
    throw new Refusal(400, 'unsupported_requested_token_type', `only ${ACCESS_TOKEN} is known here`);
  }
  const subject = verified(asked.subject_token, issuer, secret);
  const stage = {user_subject: intermediate, intermediate: final}[subject?.demo_token_use];
  if (!stage) throw new Refusal(400, 'invalid_request', 'the subject token is refused');
  // Not one second longer than what it comes from.
  const lifetime = Math.min(LIFETIME_SECONDS, subject.exp - now());
  const {use, scope, ...claims} = await stage(asked, subject);
  const issued = {iss: issuer, sub: subject.sub, ...claims, scope, client_id: claims.azp, demo_token_use: use};
  process.stdout.write(`${NAME} issued ${use} token aud="${audiences(claims)[0]}" client_id=${claims.azp}\n`);
  json(response, 200, {
    access_token: signed(issued, lifetime, secret), issued_token_type: ACCESS_TOKEN, token_type: 'Bearer',
    expires_in: lifetime, scope,
  });
}

async function intermediate(asked, subject) {
  const client = await svids.subject(asked.client_assertion, coordinators);
  const {audience = ''} = asked;
  if (!audience.startsWith(sandboxes) || audience.length === sandboxes.length) {
    throw new Refusal(400, 'unsupported_intermediate_audience', 'the audience is no sandbox');
  }
  return {use: 'intermediate', aud: audience, azp: client, scope: subject.scope};
}

async function final(asked, subject) {
  const client = await svids.subject(asked.client_assertion, sandboxes);
  if (subject.aud !== client) {
    throw new Refusal(403, 'intermediate_token_audience_mismatch', 'the intermediate token is for somebody else');
  }
  if (!SERVICES.includes(asked.audience)) {
    throw new Refusal(400, 'unsupported_audience', 'the audience is neither alpha nor beta');
  }
  if (!words(asked.scope).includes(asked.audience)) {
    throw new Refusal(403, 'missing_matching_scope', 'no scope is named as the audience is');
  }
  const scope = [...words(asked.scope), 'profile', 'email'].join(' ');
  return {use: 'final', aud: [asked.audience, 'account'], azp: client, scope};
}

serve(NAME, {'POST /token': token, 'GET /demo-subject-token': subjectToken});
