// A certified OpenID provider, npm's oidc-provider, as an issuer elsewhere: https, access tokens that are JWTs. Version 8 is the
// last for Node 18.
//
// Arguments: the address to listen on, a file with certificate and key, the audience. Each line of standard input has its
// keys changed: a new one signs, and the one before stays published. It ends with its standard input.

import {readFileSync} from 'node:fs';
import {createServer} from 'node:https';
import {webcrypto} from 'node:crypto';
import {createInterface} from 'node:readline';

// Node 18, which Debian 12 has, does not show Web Crypto under its standard name.
globalThis.crypto ??= webcrypto;
// What it says for people is no answer to whoever started this.
console.info = console.warn;
const {default: Provider} = await import('oidc-provider');
const {exportJWK, generateKeyPair} = await import('jose');

const [host, port, pem, audience] = process.argv.slice(2);
const issuer = `https://${host}:${port}`;
const keys = [];

async function rotated() {
  const {privateKey} = await generateKeyPair('RS256', {extractable: true});
  keys.unshift({...await exportJWK(privateKey), use: 'sig', alg: 'RS256', kid: `key-${keys.length}`});
  const server = {
    scope: 'api', audience, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: {sign: {alg: 'RS256'}},
  };
  const provider = new Provider(issuer, {
    jwks: {keys: keys.slice(0, 2)},
    cookies: {keys: ['of no matter']},
    clients: [{
      client_id: 'builder', client_secret: 'secret', grant_types: ['client_credentials'],
      redirect_uris: [], response_types: [],
    }],
    features: {
      clientCredentials: {enabled: true},
      devInteractions: {enabled: false},
      resourceIndicators: {
        enabled: true, defaultResource: () => 'urn:moneyer', useGrantedResource: () => true,
        getResourceServerInfo: () => server,
      },
    },
  });
  return provider.callback();
}

let answer = await rotated();
const certificate = readFileSync(pem);
const server = createServer({key: certificate, cert: certificate}, (request, response) => answer(request, response));
await new Promise((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
process.stdout.write(`${issuer}\n`);
for await (const _ of createInterface({input: process.stdin})) {
  answer = await rotated();
  process.stdout.write('rotated\n');
}
process.exit(0);
