// What the demo's services share: settings, JWTs, JWT-SVIDs, and an HTTP server that tells nobody what failed inside.
// No package is needed beside Node.js 18 or newer.

import {createHmac, createPublicKey, randomUUID, timingSafeEqual, verify} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {createServer} from 'node:http';

export const JWT_SPIFFE = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const MAXIMUM_BODY_BYTES = 1024 * 1024;
const KEY_SET_KEPT_SECONDS = 60;
const KEY_SET_WAIT_MS = 5000;
const CLOCK_SKEW_SECONDS = 30;

// What a JWT-SVID may be signed with. One algorithm fits one type of key, so that a key is never taken for another's.
const ALGORITHMS = {
  RS256: {kty: 'RSA', options: {}},
  ES256: {kty: 'EC', options: {dsaEncoding: 'ieee-p1363'}},
};

/** An answer that is no success: a status, and the code of RFC 6749 section 5.2 or of this demo. */
export class Refusal extends Error {
  constructor(status, code, description) {
    super(description);
    this.status = status;
    this.code = code;
  }
}

/** A variable that has to be set. */
export function setting(name) {
  const value = process.env[name];
  if (!value) {
    process.stderr.write(`${name} is not set\n`);
    process.exit(78);
  }
  return value;
}

/** The secret that issuer and services share. It is in a file: variables are shown to whoever asks for processes. */
export function sharedSecret() {
  const secret = readFileSync(setting('SECRET_FILE'));
  if (secret.length < 16) {
    process.stderr.write('the secret in SECRET_FILE has fewer than 16 bytes\n');
    process.exit(78);
  }
  return secret;
}

export const now = () => Math.floor(Date.now() / 1000);

/** `aud` as a list. */
export const audiences = (claims) => [claims.aud ?? []].flat();

/** The words of a scope. */
export const words = (scope) => String(scope ?? '').split(' ').filter(Boolean);

// JWTs

/** An HS256 token of these claims, which lives for this long. */
export function signed(claims, seconds, secret) {
  const stamped = {...claims, iat: now(), exp: now() + seconds, jti: randomUUID()};
  const input = `${encoded({alg: 'HS256', typ: 'JWT'})}.${encoded(stamped)}`;
  return `${input}.${hmac(input, secret).toString('base64url')}`;
}

/** The claims of a token that one of these services signed for this issuer and that is not expired; or null. */
export function verified(token, issuer, secret) {
  const jwt = taken(token);
  if (jwt?.header.alg !== 'HS256') return null;
  const expected = hmac(jwt.input, secret);
  if (jwt.signature.length !== expected.length || !timingSafeEqual(jwt.signature, expected)) return null;
  return jwt.claims.iss === issuer && jwt.claims.exp > now() ? jwt.claims : null;
}

/** A token's parts, nothing verified; or null. */
function taken(token) {
  const parts = token.split('.');
  if (parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]+$/.test(part))) return null;
  const [header, claims] = parts.slice(0, 2).map(decoded);
  if (!header || !claims) return null;
  return {header, claims, input: `${parts[0]}.${parts[1]}`, signature: Buffer.from(parts[2], 'base64url')};
}

function decoded(part) {
  try {
    const value = JSON.parse(Buffer.from(part, 'base64url').toString());
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const hmac = (input, secret) => createHmac('sha256', secret).update(input).digest();

/** Verifies JWT-SVIDs by a key set, which is fetched once a minute at most. */
export class SvidVerifier {
  #keySet = setting('SVID_KEY_SET');
  #issuer = setting('SVID_ISSUER');
  #audience = setting('SVID_AUDIENCE');
  #algorithms;
  #kept = {until: 0, keys: []};

  constructor(...algorithms) {
    this.#algorithms = algorithms;
  }

  /** The SPIFFE ID, if it begins with one of these prefixes. What is refused is refused with one text. */
  async subject(token, ...prefixes) {
    const jwt = taken(token);
    const good = jwt !== null && await this.#isSigned(jwt) && this.#isForUs(jwt.claims);
    const {sub} = good ? jwt.claims : {};
    const permitted = (prefix) => typeof sub === 'string' && sub.startsWith(prefix) && sub.length > prefix.length;
    if (!prefixes.some(permitted)) throw new Refusal(401, 'invalid_client', 'the client assertion is refused');
    return sub;
  }

  #isForUs(claims) {
    const {iss, exp, nbf = 0} = claims;
    return iss === this.#issuer && typeof exp === 'number' && exp > now() && nbf <= now() + CLOCK_SKEW_SECONDS
      && audiences(claims).includes(this.#audience);
  }

  async #isSigned({header, input, signature}) {
    const {alg, kid, typ} = header;
    if (!this.#algorithms.includes(alg) || ![undefined, 'JWT', 'JOSE'].includes(typ)) return false;
    const {kty, options} = ALGORITHMS[alg];
    const jwk = (await this.#keys()).find((key) => typeof kid === 'string' && key.kid === kid && key.kty === kty);
    if (!jwk) return false;
    const key = createPublicKey({key: jwk, format: 'jwk'});
    return verify('sha256', Buffer.from(input), {key, ...options}, signature);
  }

  async #keys() {
    if (this.#kept.until <= now()) {
      const options = {redirect: 'error', signal: AbortSignal.timeout(KEY_SET_WAIT_MS)};
      const response = await fetch(this.#keySet, options);
      if (!response.ok) throw new Error(`the key set is answered with ${response.status}`);
      this.#kept = {until: now() + KEY_SET_KEPT_SECONDS, keys: (await response.json()).keys};
    }
    return this.#kept.keys;
  }
}

// HTTP

/** Answers with JSON; what holds a token is not to be kept by anybody on the way. */
export function json(response, status, body) {
  response.writeHead(status, {'content-type': 'application/json', 'cache-control': 'no-store'});
  response.end(JSON.stringify(body));
}

/** A form, in which each parameter occurs once (RFC 6749 section 3.2). An empty one counts as not there. */
export async function form(request) {
  const type = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') throw new Refusal(400, 'invalid_request', 'a form is expected');
  const parts = [];
  let length = 0;
  // Not destroyed when it is left early: a refusal goes back by the same connection.
  for await (const part of request.iterator({destroyOnReturn: false})) {
    length += part.length;
    if (length > MAXIMUM_BODY_BYTES) throw new Refusal(413, 'invalid_request', 'the form is too long');
    parts.push(part);
  }
  const pairs = [...new URLSearchParams(Buffer.concat(parts).toString())];
  const fields = Object.fromEntries(pairs.filter(([, value]) => value !== ''));
  if (new Set(pairs.map(([name]) => name)).size !== pairs.length) {
    throw new Refusal(400, 'invalid_request', 'a parameter is there twice');
  }
  return fields;
}

/**
 * Listens at LISTEN and says where on standard output. `routes` maps "METHOD /path" to a handler, `otherwise` takes
 * the rest. A refusal is answered as it is; of every other fault only that there was one, and the log has the rest.
 */
export function serve(name, routes, otherwise = notFound) {
  const all = {'GET /healthz': (_, response) => response.end('ok\n'), ...routes};
  const server = createServer(async (request, response) => {
    const path = request.url.split('?')[0];
    try {
      await (all[`${request.method} ${path}`] ?? otherwise)(request, response);
    } catch (error) {
      refuse(request, response, error, name);
    }
  });
  const [host, port] = setting('LISTEN').split(/:(?=\d+$)/);
  server.listen(Number(port), host, () => {
    process.stdout.write(`${name} listens on http://${host}:${server.address().port}\n`);
  });
  // As the first process of a container nothing ends it that it does not ask for.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
}

function refuse(request, response, error, name) {
  const refusal = error instanceof Refusal ? error : new Refusal(500, 'server_error', 'something failed here');
  if (refusal !== error) process.stderr.write(`${name} failed: ${error.message}\n`);
  // What was not read of the request is not read any more.
  if (!request.complete) response.setHeader('connection', 'close');
  json(response, refusal.status, {error: refusal.code, error_description: refusal.message});
}

function notFound() {
  throw new Refusal(404, 'not_found', 'there is nothing here');
}
