// A service that takes tokens for itself and says whose they are: alpha or beta, as SERVICE has it. ISSUER is whose
// tokens it takes. With TOKEN_USE=final it takes only what came of an exchange, and names the user.

import {Refusal, audiences, serve, setting, sharedSecret, verified, words} from './oauth.mjs';

const service = setting('SERVICE');
const issuer = setting('ISSUER');
const use = process.env.TOKEN_USE;
const secret = sharedSecret();

function answer(request, response) {
  const [, token] = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (!token) {
    response.setHeader('www-authenticate', 'Bearer');
    throw new Refusal(401, 'missing_token', 'there is no bearer token');
  }
  const claims = verified(token, issuer, secret);
  if (!claims || !audiences(claims).includes(service) || !words(claims.scope).includes(service)
      || claims.demo_token_use !== use) {
    throw new Refusal(403, 'invalid_token', 'the token is refused');
  }
  const path = JSON.stringify(request.url).slice(1, -1);
  process.stdout.write(
    `${service} accepted request path=${path} aud="${audiences(claims).join(',')}" scope="${claims.scope}"`
    + ` client_id=${claims.client_id}\n`);
  const lines = [
    `${service} called with path ${path}:`,
    `  aud: ${audiences(claims).join(', ')}`,
    `  scope: ${claims.scope}`,
    `  azp: ${claims.azp}`,
    ...use ? [`  sub: ${claims.sub}`] : [],
  ];
  response.setHeader('content-type', 'text/plain');
  response.end(`${lines.join('\n')}\n`);
}

serve(service, {}, answer);
