// Introspects a token with each authentication method of openid-client 6 and oauth4webapi, as their documentation
// shows, and prints the results that the libraries return.

import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'

const { KEY_SERVICE, CLIENT_ID, CLIENT_SECRET, TOKEN } = process.env
// This service is not an authorization server, so it has no metadata to discover.
const server = { issuer: KEY_SERVICE, introspection_endpoint: `${KEY_SERVICE}/oauth2/introspect` }
const WRONG = `ul_${'a'.repeat(40)}`

function describe(error) {
  const challenges = Array.isArray(error.cause) ? error.cause.map(({ scheme }) => scheme) : undefined
  return { code: error.code, status: error.status, error: error.error, challenges }
}

async function openidClient(method, secret) {
  const config = new client.Configuration(server, CLIENT_ID, undefined, method(secret))
  client.allowInsecureRequests(config)
  return client.tokenIntrospection(config, TOKEN, { token_type_hint: 'access_token' })
}

async function oauth4webapi(method, secret) {
  const options = { [oauth.allowInsecureRequests]: true }
  const self = { client_id: CLIENT_ID }
  const response = await oauth.introspectionRequest(server, self, method(secret), TOKEN, options)
  return oauth.processIntrospectionResponse(server, self, response)
}

const printed = {}
for (const [name, ask, library] of [
  ['openid-client', openidClient, client],
  ['oauth4webapi', oauth4webapi, oauth],
]) {
  for (const method of ['ClientSecretBasic', 'ClientSecretPost']) {
    const accepted = await ask(library[method], CLIENT_SECRET).catch(describe)
    const rejected = await ask(library[method], WRONG).catch(describe)
    printed[`${name} ${method}`] = { accepted, rejected }
  }
}
console.log(JSON.stringify(printed))
