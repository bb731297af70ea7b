// Verifies one token with jose: a request as JSON on standard input, the claims or the code of the
// library's refusal on standard output. Anything else that goes wrong ends the process with a trace.

import {readFileSync} from 'node:fs';
import {webcrypto} from 'node:crypto';

// Node 18, which Debian 12 has, does not show Web Crypto under its standard name.
globalThis.crypto ??= webcrypto;
const {createRemoteJWKSet, errors, jwtVerify} = await import('jose');

const request = JSON.parse(readFileSync(0, 'utf8'));

const response = await fetch(`${request.discover_at}/.well-known/openid-configuration`);
if (response.status !== 200) throw new Error(`discovery answers ${response.status}`);
const metadata = await response.json();
if (metadata.issuer !== request.issuer) throw new Error(`discovery names ${metadata.issuer}`);

async function answer() {
  try {
    const {payload} = await jwtVerify(request.token, createRemoteJWKSet(new URL(metadata.jwks_uri)), {
      algorithms: ['RS256'],
      issuer: request.issuer,
      audience: request.audience,
      typ: 'JWT',
      requiredClaims: ['iss', 'sub', 'aud', 'iat', 'nbf', 'exp', 'jti'],
      clockTolerance: request.leeway,
      currentDate: new Date(request.now * 1000),
    });
    return {claims: payload};
  } catch (error) {
    if (error instanceof errors.JOSEError) return {refused: error.code};
    throw error;
  }
}

process.stdout.write(JSON.stringify(await answer()));
