// The same journey, shorter, with the functions that orval wrote. Each function gives the answer by its status.

import * as service from './orval.js'

declare const process: { env: Record<string, string | undefined> }

const as = (credential: string): RequestInit => ({ headers: { Authorization: `Bearer ${credential}` } })
const session = as(process.env['CREDENTIAL'] ?? '')

function fail(what: unknown): never {
  throw new Error(JSON.stringify(what))
}

const created = await service.createKey({ name: 'orval', scopes: ['training'] }, session)
if (created.status !== 201) fail(created)
const { keyId, key } = created.data
const training = as(key)

const list = await service.listKeys({ status: 'active', limit: 10 }, session)
if (list.status !== 200 || !list.data.keys.some((one) => one.keyId === keyId)) fail(list)
const renamed = await service.renameKey(keyId, { name: 'orval 7' }, session)
if (renamed.status !== 200 || renamed.data.name !== 'orval 7') fail(renamed)
const shown = await service.showKey(keyId, { rotationDays: 30 }, session)
if (shown.status !== 200 || shown.data.lastUsedAt !== null) fail(shown)

const report = async (report: service.TrainingReport) => {
  const receipt = await service.reportTraining(report, training)
  if (receipt.status !== 200) fail(receipt)
  return receipt.data
}
const { modelId, runId } = await report({ event: 'training_started', project: 'p', name: 'orval', data: { epochs: 1 } })
await report({ event: 'epoch_end', modelId, data: { epoch: 0, metrics: { loss: 0.5 } } })
await report({ event: 'training_failed', modelId, data: { error: 'enough' } })
const run = await service.run(runId, training)
if (run.status !== 200 || run.data.status !== 'failed' || run.data.epochs.length !== 1) fail(run)

const usage = await service.keyUsage(keyId, { hours: 1 }, session)
if (usage.status !== 200) fail(usage)
const activity = await service.listActivity({ keyId, kind: 'renamed' }, session)
if (activity.status !== 200) fail(activity)
const [entry] = activity.data.entries
if (entry?.kind !== 'renamed' || entry.newName !== 'orval 7') fail(activity)

const invalid = await service.createKey({ name: '', scopes: ['read'] }, session)
if (invalid.status !== 400 || invalid.data.code !== 'VALIDATION_ERROR') fail(invalid)
const forbidden = await service.createKey({ name: 'no', scopes: ['read'] }, training)
if (forbidden.status !== 403 || forbidden.data.code !== 'FORBIDDEN') fail(forbidden)
const revoked = await service.revokeKey(keyId, session)
if (revoked.status !== 200) fail(revoked)
const refused = await service.accountSummary(training)
if (refused.status !== 401 || refused.data.code !== 'UNAUTHORIZED') fail(refused)
console.log(JSON.stringify({ keyId, runId }))
