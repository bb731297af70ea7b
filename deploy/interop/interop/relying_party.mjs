// A relying party that lives as long as its standard input: for each line with a token it says whether
// jose, with the key set it has cached, refuses it, and why.

import {createInterface} from 'node:readline';
import {webcrypto} from 'node:crypto';

// Node 18, which Debian 12 has, does not show Web Crypto under its standard name.
globalThis.crypto ??= webcrypto;
const {createRemoteJWKSet, errors, jwtVerify} = await import('jose');

const issuer = process.argv[2];
const response = await fetch(`${issuer}/.well-known/openid-configuration`);
if (response.status !== 200) throw new Error(`discovery answers ${response.status}`);
const keySet = createRemoteJWKSet(new URL((await response.json()).jwks_uri));

for await (const line of createInterface({input: process.stdin})) {
  const {token, audience} = JSON.parse(line);
  let refused = null;
  try {
    await jwtVerify(token, keySet, {algorithms: ['RS256'], issuer, audience, clockTolerance: 0});
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    refused = error.code;
  }
  process.stdout.write(JSON.stringify({refused}) + '\n');
}
