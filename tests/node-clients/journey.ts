// A program whose types openapi-typescript wrote, and whose requests openapi-fetch sends: from a key's creation to its
// revocation. It compiles only if the document's types are right, and ends with 0 only if the answers are as typed.

import createClient from 'openapi-fetch'
import type { components, paths } from './schema.js'

declare const process: { env: Record<string, string | undefined>; argv: string[] }

type Schemas = components['schemas']

const baseUrl = process.env['KEY_SERVICE'] ?? ''
const session = connect(process.env['CREDENTIAL'] ?? '')

function connect(credential: string) {
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${credential}` } })
}

function check(condition: unknown, what: unknown): asserts condition {
  if (!condition) throw new Error(JSON.stringify(what))
}

// Keys.
const wanted: Schemas['CreateKey'] = { name: 'typescript', scopes: ['training', 'read'] }
const created = (await session.POST('/api/api-keys', { body: wanted })).data
check(created, 'created')
const { keyId, key } = created
const training = connect(key)
const params = { path: { keyId } }

const list = (await session.GET('/api/api-keys', { params: { query: { status: 'active', limit: 1 } } })).data
check(list?.keys[0]?.keyId === keyId && list.next === null, list)
const renamed = (await session.PATCH('/api/api-keys/{keyId}', { params, body: { name: 'openapi-fetch' } })).data
check(renamed?.name === 'openapi-fetch' && renamed.lastUsedAt === null, renamed)
const shown = (await session.GET('/api/api-keys/{keyId}', { params })).data
check(shown?.scopes.join() === 'training,read' && shown.attention.length === 0, shown)

// A run, with a file.
const report = async (body: Schemas['TrainingReport']) => {
  const { data, error } = await training.POST('/api/webhooks/training/metrics', { body })
  check(data, error)
  return data
}
const started = await report({ event: 'training_started', project: 'p', name: 'n', data: { epochs: 1, device: 'cpu' } })
const { modelId, runId } = started
await report({ event: 'epoch_end', modelId, data: { epoch: 0, metrics: { loss: 0.5, f1: null } } })
const body: Schemas['UploadBody'] = { filename: 'best.pt', modelId, runId }
const ticket = (await training.POST('/api/webhooks/models/upload', { body })).data
check(ticket, 'ticket')
const bytes = new Uint8Array([0, 255, 1, 254])
const capability = ticket.uploadUrl.split('/').at(-1) ?? ''
const upload = await training.PUT('/uploads/{capability}', {
  params: { path: { capability } },
  // openapi-typescript has one type for all texts, those of binary format included.
  body: bytes as unknown as string,
  bodySerializer: (bytes) => bytes,
  headers: { 'Content-Type': 'application/octet-stream' },
})
check(upload.response.ok, upload.error)
await report({ event: 'checkpoint_saved', modelId, data: { modelPath: ticket.gcsPath } })
await report({ event: 'training_complete', modelId, data: { results: { bestEpoch: 0 } } })
const run = (await training.GET('/api/training/runs/{runId}', { params: { path: { runId } } })).data
check(
  run?.status === 'completed' && run.epochs[0]?.metrics['loss'] === 0.5 && run.epochs[0]?.metrics['f1'] === null,
  run,
)
const file = await training.GET('/api/training/runs/{runId}/checkpoint', {
  params: { path: { runId } },
  parseAs: 'blob',
})
check(file.data?.size === bytes.length, file.error)
const page = (await training.GET('/api/training/runs', { params: { query: { limit: 1 } } })).data
check(page?.runs[0]?.runId === runId, page)
// What a page gives, the next request takes.
await training.GET('/api/training/runs', { params: { query: page.nextCursor ? { cursor: page.nextCursor } : {} } })

// What is known of its use.
let usage: Schemas['KeyUsage'] | undefined
for (let attempt = 0; attempt < 100 && !usage?.sources.length; attempt += 1) {
  await new Promise((resolve) => setTimeout(resolve, 100))
  usage = (await session.GET('/api/api-keys/{keyId}/usage', { params })).data
}
check(
  usage?.hours.some((hour) => hour.outcome === 'accepted' && hour.requests > 0),
  usage,
)
const activity = (await session.GET('/api/activity', { params: { query: { keyId } } })).data
const names = activity?.entries.map((entry) => (entry.kind === 'renamed' ? entry.newName : entry.kind))
check(names?.includes('openapi-fetch') && names.includes('created') && names.includes('newSource'), names)

// A stream of events, of which the first is always the same.
const stop = new AbortController()
const events = await session.GET('/api/api-keys/events', { parseAs: 'stream', signal: stop.signal })
const first = new TextDecoder().decode((await events.data?.getReader().read())?.value)
const event = JSON.parse(first.slice('data: '.length)) as Schemas['KeyEvent']
check(event.type === 'resync', event)
stop.abort()

// Rejections, each with its type.
const invalid = await session.POST('/api/api-keys', { body: { name: '', scopes: ['read'] } })
check(invalid.response.status === 400 && invalid.error?.code === 'VALIDATION_ERROR', invalid.error)
const forbidden = await training.POST('/api/api-keys', { body: wanted })
check(forbidden.response.status === 403 && forbidden.error?.code === 'FORBIDDEN', forbidden.error)
const unknown = await connect(`ul_${'a'.repeat(40)}`).GET('/api/account/summary')
check(unknown.response.status === 401 && unknown.error?.code === 'UNAUTHORIZED', unknown.error)

// Gateways.
const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
const introspected = await training.POST('/oauth2/introspect', { body: { token: key, client_id: keyId }, headers })
const introspection = introspected.data
check(introspection?.active && introspection.scope === 'training read', introspected)
const header = { 'X-Original-Method': 'GET', 'X-Original-URI': '/api/training/runs' }
const gate = await training.GET('/forward-auth', { params: { header } })
check(gate.response.status === 204 && gate.response.headers.get('X-Key-Id') === keyId, gate.error)

const revoked = (await session.DELETE('/api/api-keys/{keyId}', { params })).data
check(revoked?.keyId === keyId, revoked)
const refused = await training.GET('/api/account/summary')
check(refused.response.status === 401, refused.error)
console.log(JSON.stringify({ keyId, runId }))
