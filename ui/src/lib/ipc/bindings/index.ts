// Generated from the Rust types by `cargo xtask bindings`. Do not edit.

export type Scope = "training" | "models" | "datasets" | "read" | "write" | "admin";

export type AttentionReason = "old" | "neverUsed" | "unused" | "adminUnused";

export type ApiKey = { 
/**
 * Identifier of the key.
 */
keyId: string, 
/**
 * Name of the key.
 */
name: string, 
/**
 * The first 11 characters of the key.
 */
keyPrefix: string, 
/**
 * Scopes of the key, in documented order.
 */
scopes: Array<Scope>, 
/**
 * When the key was created.
 */
createdAt: string, 
/**
 * When a request with the key was last accepted; `null` if it has never been used.
 */
lastUsedAt: string | null, 
/**
 * When the key's `admin` scope was last needed: the time of the last accepted request that no other scope of the
 * key allowed; `null` if there was none.
 */
adminUsedAt: string | null, 
/**
 * When the key was revoked; `null` if the key is active.
 */
revokedAt: string | null, 
/**
 * Identifier of the key that this key replaces.
 */
replaces: string | null, 
/**
 * Identifier of the key that replaces this key. If several keys replace it, this is the newest active one, or the
 * newest one if none is active.
 */
replacedBy: string | null, 
/**
 * Reasons why the key needs attention, most important first. Empty if there are none.
 */
attention: Array<AttentionReason>, };

export type ListedKey = { 
/**
 * The other key of a rotation: the key that replaces this one, or the key that it replaces. If there are both,
 * this is the active one of them, and otherwise the newer one. Present only on pages, if there is such a key.
 */
rotationPartner?: RotationPartner, 
/**
 * The number of accepted requests in each of the last 24 clock hours (UTC), oldest first; the last one is the
 * current hour. Requests of the last seconds may be missing. Present only on pages.
 */
recentRequests?: number[], 
/**
 * Identifier of the key.
 */
keyId: string, 
/**
 * Name of the key.
 */
name: string, 
/**
 * The first 11 characters of the key.
 */
keyPrefix: string, 
/**
 * Scopes of the key, in documented order.
 */
scopes: Array<Scope>, 
/**
 * When the key was created.
 */
createdAt: string, 
/**
 * When a request with the key was last accepted; `null` if it has never been used.
 */
lastUsedAt: string | null, 
/**
 * When the key's `admin` scope was last needed: the time of the last accepted request that no other scope of the
 * key allowed; `null` if there was none.
 */
adminUsedAt: string | null, 
/**
 * When the key was revoked; `null` if the key is active.
 */
revokedAt: string | null, 
/**
 * Identifier of the key that this key replaces.
 */
replaces: string | null, 
/**
 * Identifier of the key that replaces this key. If several keys replace it, this is the newest active one, or the
 * newest one if none is active.
 */
replacedBy: string | null, 
/**
 * Reasons why the key needs attention, most important first. Empty if there are none.
 */
attention: Array<AttentionReason>, };

export type RotationPartner = { 
/**
 * Identifier of the key.
 */
keyId: string, 
/**
 * Name of the key.
 */
name: string, 
/**
 * When the key was revoked; `null` if the key is active.
 */
revokedAt: string | null, 
/**
 * When a request with the key was last accepted; `null` if it has never been used.
 */
lastUsedAt: string | null, };

export type KeyList = { 
/**
 * The listed keys.
 */
keys: Array<ListedKey>, 
/**
 * Total number of matching keys on all pages.
 */
total: number, 
/**
 * Value of the `offset` parameter for the next page; `null` on the last page, and if the page was requested with a
 * cursor.
 */
next: string | null, 
/**
 * Value of the `cursor` parameter for the next page of a walk through all matching keys. Present only on pages
 * that are sorted by `name` or `createdAt` and are not the last.
 */
nextCursor?: string, };

export type KeyStatus = "active" | "attention" | "revoked" | "all";

export type SortBy = "name" | "scopes" | "createdAt" | "lastUsedAt" | "revokedAt";

export type KeyCounts = { 
/**
 * Number of active keys.
 */
active: number, 
/**
 * Number of active keys that need attention.
 */
attention: number, 
/**
 * Number of revoked keys.
 */
revoked: number, };

export type CreateKey = { 
/**
 * A name of 1 to 64 characters.
 */
name: string, 
/**
 * Names of the key's scopes; at least one.
 */
scopes: Array<Scope>, 
/**
 * Identifier of the key that the new key replaces.
 */
replaces?: string | null, };

export type RevokedKey = { 
/**
 * Identifier of the revoked key. The key is rejected from now on.
 */
keyId: string, 
/**
 * When the key was first revoked.
 */
revokedAt: string, };

export type KeyUse = { 
/**
 * Identifier of the key.
 */
keyId: string, 
/**
 * When a request with the key was last accepted.
 */
lastUsedAt: string, };

export type RejectionGroup = { 
/**
 * Identifier of the key; `null` if the requests presented no key of this service.
 */
keyId: string | null, 
/**
 * Reason for the rejections.
 */
outcome: Decision, 
/**
 * IP address of the client; `0.0.0.0` if the group combines rejections from many addresses.
 */
peer: string, 
/**
 * Number of rejected requests.
 */
requests: number, 
/**
 * When the last of the requests was rejected.
 */
lastAt: string, };

export type KeyEvent = { "type": "created" } & ApiKey | { "type": "renamed" } & ApiKey | { "type": "revoked" } & RevokedKey | { "type": "used", 
/**
 * The latest use of each key.
 */
uses: Array<KeyUse>, } | { "type": "rejected", 
/**
 * The rejected requests, grouped by key, outcome and client; at most 50 groups, the latest rejection first.
 */
groups: Array<RejectionGroup>, 
/**
 * Number of rejected requests that are not in any of the groups, because there were too many groups.
 */
moreRequests: number, } | { "type": "runChanged" } & TrainingRun | { "type": "runDeleted" } & DeletedRun | { "type": "resync" };

export type Decision = "accepted" | "noCredential" | "malformed" | "unknown" | "revoked" | "scope" | "limit" | "peerLimit";

export type HourlyUsage = { 
/**
 * Beginning of the hour.
 */
hour: string, 
/**
 * Outcome of the requests.
 */
outcome: Decision, 
/**
 * Number of requests.
 */
requests: number, };

export type KeyClient = { 
/**
 * IP address of the client.
 */
peer: string, 
/**
 * The client's `User-Agent` header, shortened; `null` if it sent none.
 */
agent: string | null, 
/**
 * When the client's first request was accepted.
 */
firstUsedAt: string, 
/**
 * When the client's last request was accepted.
 */
lastUsedAt: string, 
/**
 * Number of accepted requests from the client.
 */
requests: number, };

export type KeyUsage = { 
/**
 * Identifier of the key.
 */
keyId: string, 
/**
 * Number of requests per hour and outcome, oldest hour first. Hours without requests are omitted.
 */
hours: Array<HourlyUsage>, 
/**
 * Clients that used the key, most recent first; at most 50.
 */
sources: Array<KeyClient>, };

export type OutsideChange = "added" | "removed" | "renamed" | "scopesChanged" | "secretChanged" | "revoked" | "keptRevoked" | "whileClosed" | "recordLost" | "recordReplaced" | "recordDamaged";

export type ActivityKind = "created" | "renamed" | "revoked" | "newSource" | "refused" | "changedOutside";

export type ActivityEvent = { "kind": "created", 
/**
 * Identifier of the key with which the request was authorized; `null` if the app itself created the key.
 */
by: string | null, } | { "kind": "renamed", 
/**
 * Identifier of the key with which the request was authorized; `null` if the app itself renamed the key.
 */
by: string | null, 
/**
 * The previous name.
 */
oldName: string, 
/**
 * The new name.
 */
newName: string, } | { "kind": "revoked", 
/**
 * Identifier of the key with which the request was authorized; `null` if the app itself revoked the key.
 */
by: string | null, } | { "kind": "newSource" } | { "kind": "refused", 
/**
 * Reason for the rejections.
 */
outcome: Decision, 
/**
 * Number of rejected requests.
 */
requests: number, 
/**
 * When the last of the requests was rejected.
 */
lastAt: string, } | { "kind": "changedOutside", 
/**
 * The kind of change.
 */
change: OutsideChange, 
/**
 * Number of affected keys: 1 if the entry identifies the key, and 0 if no particular key is affected.
 */
keys: number, 
/**
 * Name or scopes before the change, if they changed.
 */
before: string | null, 
/**
 * Name or scopes after the change, if they changed.
 */
after: string | null, };

export type ActivityEntry = { 
/**
 * Sequence number of the entry. Later entries have higher numbers.
 */
id: number, 
/**
 * Identifier of the key; `null` if the event does not concern a particular key of this service.
 */
keyId: string | null, 
/**
 * The key's current name.
 */
keyName: string | null, 
/**
 * The first 11 characters of the key, which distinguish keys with the same name.
 */
keyPrefix: string | null, 
/**
 * When the event occurred. If the entry combines several rejections, this is the time of the first one.
 */
at: string, 
/**
 * IP address of the client; `0.0.0.0` if the entry combines rejections from many addresses, and empty if the event
 * was not caused by a request.
 */
peer: string, 
/**
 * The client's `User-Agent` header, shortened; `null` if it sent none.
 */
agent: string | null, } & ({ "kind": "created", 
/**
 * Identifier of the key with which the request was authorized; `null` if the app itself created the key.
 */
by: string | null, } | { "kind": "renamed", 
/**
 * Identifier of the key with which the request was authorized; `null` if the app itself renamed the key.
 */
by: string | null, 
/**
 * The previous name.
 */
oldName: string, 
/**
 * The new name.
 */
newName: string, } | { "kind": "revoked", 
/**
 * Identifier of the key with which the request was authorized; `null` if the app itself revoked the key.
 */
by: string | null, } | { "kind": "newSource" } | { "kind": "refused", 
/**
 * Reason for the rejections.
 */
outcome: Decision, 
/**
 * Number of rejected requests.
 */
requests: number, 
/**
 * When the last of the requests was rejected.
 */
lastAt: string, } | { "kind": "changedOutside", 
/**
 * The kind of change.
 */
change: OutsideChange, 
/**
 * Number of affected keys: 1 if the entry identifies the key, and 0 if no particular key is affected.
 */
keys: number, 
/**
 * Name or scopes before the change, if they changed.
 */
before: string | null, 
/**
 * Name or scopes after the change, if they changed.
 */
after: string | null, });

export type ActivityPage = { 
/**
 * The listed entries.
 */
entries: Array<ActivityEntry>, 
/**
 * Value of the `cursor` parameter for the next page; `null` on the last page.
 */
next: string | null, };

export type ExportFormat = "csv" | "json";

export type ExportedActivity = { 
/**
 * Path of the exported file.
 */
path: string, 
/**
 * Number of entries in the file.
 */
entries: number, };

export type FormatProblem = "whiteSpace" | "prefix" | "length" | "upperCase" | "notHexadecimal";

export type CheckResult = { "kind": "malformed", 
/**
 * Why the text is not a key.
 */
problem: FormatProblem, } | { "kind": "unknown" } | { "kind": "revoked", 
/**
 * When the key was revoked.
 */
revokedAt: string, } | { "kind": "scope", 
/**
 * Scopes that allow the request; any one of them is sufficient. Empty if no key allows the request.
 */
needed: Array<Scope>, } | { "kind": "limit", 
/**
 * Maximum number of requests per minute.
 */
limit: number, 
/**
 * When the next request can be accepted.
 */
freeAt: string, } | { "kind": "peerLimit", 
/**
 * When keys that have not been used recently will be checked again.
 */
freeAt: string, } | { "kind": "accepted" };

export type CheckReport = { 
/**
 * Machine-readable result of the check.
 */
finding: CheckResult, 
/**
 * The cause, as a sentence for display.
 */
cause: string, 
/**
 * What to do, as a sentence for display. Empty if nothing has to be done.
 */
remedy: string, 
/**
 * The key's metadata, if the text is a key of this service.
 */
key: ApiKey | null, };

export type RunStatus = "running" | "completed" | "failed" | "cancelled";

export type RunSummary = { 
/**
 * Identifier of the run. Later runs have higher numbers.
 */
runId: number, 
/**
 * Identifier of the model that the run trains.
 */
modelId: string, 
/**
 * The model's project.
 */
project: string, 
/**
 * The model's slug, such as `exp1-2`.
 */
slug: string, 
/**
 * Status of the run.
 */
status: RunStatus, 
/**
 * Number of planned epochs, if known.
 */
plannedEpochs: number | null, 
/**
 * Number of recorded epochs. A complete run has one more than the number of planned epochs, for the final
 * validation.
 */
recordedEpochs: number, 
/**
 * Name of the device, such as `cpu`.
 */
device: string | null, 
/**
 * Identifiers of the keys that sent reports about the run, ordered by their first report. Reports from the app
 * itself have no key.
 */
keyIds: Array<string>, 
/**
 * When the run started.
 */
startedAt: string, 
/**
 * When the last event of the run was received.
 */
lastEventAt: string, 
/**
 * When the run ended or was cancelled.
 */
endedAt: string | null, 
/**
 * Why the run failed.
 */
error: string | null, 
/**
 * Whether the run has a checkpoint to download.
 */
hasCheckpoint: boolean, 
/**
 * Whether the results of the run were dropped because there was no space for them.
 */
resultsDropped: boolean, };

export type TrainingRun = { 
/**
 * URL of a page that explains where to find the run. The training process prints this URL.
 */
modelUrl: string, 
/**
 * When the next report of the run is due; `null` if none is expected. A `running` run whose report is overdue
 * counts as silent. The time is an estimate: the time of the last report plus ten minutes or three average epochs
 * of the run, whichever is longer.
 */
reportDueAt: string | null, 
/**
 * Time of the last report of a `running` run that has become silent; `null` if the run is reporting or has ended.
 */
silentSince: string | null, 
/**
 * Identifier of the run. Later runs have higher numbers.
 */
runId: number, 
/**
 * Identifier of the model that the run trains.
 */
modelId: string, 
/**
 * The model's project.
 */
project: string, 
/**
 * The model's slug, such as `exp1-2`.
 */
slug: string, 
/**
 * Status of the run.
 */
status: RunStatus, 
/**
 * Number of planned epochs, if known.
 */
plannedEpochs: number | null, 
/**
 * Number of recorded epochs. A complete run has one more than the number of planned epochs, for the final
 * validation.
 */
recordedEpochs: number, 
/**
 * Name of the device, such as `cpu`.
 */
device: string | null, 
/**
 * Identifiers of the keys that sent reports about the run, ordered by their first report. Reports from the app
 * itself have no key.
 */
keyIds: Array<string>, 
/**
 * When the run started.
 */
startedAt: string, 
/**
 * When the last event of the run was received.
 */
lastEventAt: string, 
/**
 * When the run ended or was cancelled.
 */
endedAt: string | null, 
/**
 * Why the run failed.
 */
error: string | null, 
/**
 * Whether the run has a checkpoint to download.
 */
hasCheckpoint: boolean, 
/**
 * Whether the results of the run were dropped because there was no space for them.
 */
resultsDropped: boolean, };

export type TrainingRunList = { 
/**
 * The listed runs.
 */
runs: Array<TrainingRun>, 
/**
 * Value of the `cursor` parameter for the next page; `null` on the last page.
 */
nextCursor: string | null, 
/**
 * Size of the stored training data, and its limits.
 */
storage: TrainingStorage, };

export type Epoch = { 
/**
 * Epoch number, starting at 0.
 */
epoch: number, 
/**
 * Metrics by name. A value that was not a finite number is `null`. Empty if the run has reached its size limit for
 * epochs.
 */
metrics: { [key in string]: number | null }, 
/**
 * Fitness of this epoch.
 */
fitness: number | null, 
/**
 * Best fitness so far.
 */
bestFitness: number | null, 
/**
 * Identifier of the key that reported the epoch; `null` if the app itself reported it.
 */
keyId: string | null, 
/**
 * When the epoch was reported.
 */
receivedAt: string, };

export type CheckpointState = "uploaded" | "saved" | "replaced";

export type Checkpoint = { 
/**
 * Identifier of the checkpoint, which is also its file name on the service's disk.
 */
checkpointId: string, 
/**
 * Original name of the file on the client's machine.
 */
filename: string, 
/**
 * Size in bytes.
 */
size: number, 
/**
 * State of the upload.
 */
state: CheckpointState, 
/**
 * Identifier of the key that uploaded the checkpoint; `null` if the app itself uploaded it.
 */
keyId: string | null, 
/**
 * When the upload was complete.
 */
uploadedAt: string, };

export type RunDetails = { 
/**
 * Epochs, ordered by number. Only the paginated list of epochs contains the machine's load at each epoch.
 */
epochs: Array<Epoch>, 
/**
 * Latest sample of the machine's load.
 */
system: unknown, 
/**
 * Training arguments, such as the model and the batch size.
 */
trainArgs: unknown, 
/**
 * Hardware and software of the machine.
 */
environment: unknown, 
/**
 * The model's parameter count, GFLOPs and speed.
 */
modelInfo: unknown, 
/**
 * Final metrics, best epoch and other results.
 */
results: unknown, 
/**
 * Names of the classes, in order.
 */
classNames: Array<string> | null, 
/**
 * Curves and matrices.
 */
plots: unknown, 
/**
 * Uploaded checkpoints, newest first.
 */
checkpoints: Array<Checkpoint>, 
/**
 * Identifier of the run. Later runs have higher numbers.
 */
runId: number, 
/**
 * Identifier of the model that the run trains.
 */
modelId: string, 
/**
 * The model's project.
 */
project: string, 
/**
 * The model's slug, such as `exp1-2`.
 */
slug: string, 
/**
 * Status of the run.
 */
status: RunStatus, 
/**
 * Number of planned epochs, if known.
 */
plannedEpochs: number | null, 
/**
 * Number of recorded epochs. A complete run has one more than the number of planned epochs, for the final
 * validation.
 */
recordedEpochs: number, 
/**
 * Name of the device, such as `cpu`.
 */
device: string | null, 
/**
 * Identifiers of the keys that sent reports about the run, ordered by their first report. Reports from the app
 * itself have no key.
 */
keyIds: Array<string>, 
/**
 * When the run started.
 */
startedAt: string, 
/**
 * When the last event of the run was received.
 */
lastEventAt: string, 
/**
 * When the run ended or was cancelled.
 */
endedAt: string | null, 
/**
 * Why the run failed.
 */
error: string | null, 
/**
 * Whether the run has a checkpoint to download.
 */
hasCheckpoint: boolean, 
/**
 * Whether the results of the run were dropped because there was no space for them.
 */
resultsDropped: boolean, };

export type TrainingRunDetails = { 
/**
 * URL of a page that explains where to find the run. The training process prints this URL.
 */
modelUrl: string, 
/**
 * When the next report of the run is due; `null` if none is expected. A `running` run whose report is overdue
 * counts as silent. The time is an estimate: the time of the last report plus ten minutes or three average epochs
 * of the run, whichever is longer.
 */
reportDueAt: string | null, 
/**
 * Time of the last report of a `running` run that has become silent; `null` if the run is reporting or has ended.
 */
silentSince: string | null, 
/**
 * Epochs, ordered by number. Only the paginated list of epochs contains the machine's load at each epoch.
 */
epochs: Array<Epoch>, 
/**
 * Latest sample of the machine's load.
 */
system: unknown, 
/**
 * Training arguments, such as the model and the batch size.
 */
trainArgs: unknown, 
/**
 * Hardware and software of the machine.
 */
environment: unknown, 
/**
 * The model's parameter count, GFLOPs and speed.
 */
modelInfo: unknown, 
/**
 * Final metrics, best epoch and other results.
 */
results: unknown, 
/**
 * Names of the classes, in order.
 */
classNames: Array<string> | null, 
/**
 * Curves and matrices.
 */
plots: unknown, 
/**
 * Uploaded checkpoints, newest first.
 */
checkpoints: Array<Checkpoint>, 
/**
 * Identifier of the run. Later runs have higher numbers.
 */
runId: number, 
/**
 * Identifier of the model that the run trains.
 */
modelId: string, 
/**
 * The model's project.
 */
project: string, 
/**
 * The model's slug, such as `exp1-2`.
 */
slug: string, 
/**
 * Status of the run.
 */
status: RunStatus, 
/**
 * Number of planned epochs, if known.
 */
plannedEpochs: number | null, 
/**
 * Number of recorded epochs. A complete run has one more than the number of planned epochs, for the final
 * validation.
 */
recordedEpochs: number, 
/**
 * Name of the device, such as `cpu`.
 */
device: string | null, 
/**
 * Identifiers of the keys that sent reports about the run, ordered by their first report. Reports from the app
 * itself have no key.
 */
keyIds: Array<string>, 
/**
 * When the run started.
 */
startedAt: string, 
/**
 * When the last event of the run was received.
 */
lastEventAt: string, 
/**
 * When the run ended or was cancelled.
 */
endedAt: string | null, 
/**
 * Why the run failed.
 */
error: string | null, 
/**
 * Whether the run has a checkpoint to download.
 */
hasCheckpoint: boolean, 
/**
 * Whether the results of the run were dropped because there was no space for them.
 */
resultsDropped: boolean, };

export type CancelledRun = { 
/**
 * Identifier of the run.
 */
runId: number, 
/**
 * `cancelled`, or the status with which the run had already ended.
 */
status: RunStatus, };

export type DeletedRun = { 
/**
 * Identifier of the deleted run.
 */
runId: number, };

export type StorageUse = { 
/**
 * Size of all training data, both in the database and in checkpoint files.
 */
usedBytes: number, 
/**
 * Maximum size of all training data.
 */
limitBytes: number, 
/**
 * Size of the training data in the database: metrics, console output, results and plots.
 */
databaseUsedBytes: number, 
/**
 * Maximum size of the training data in the database.
 */
databaseLimitBytes: number, };

export type TrainingStorage = { 
/**
 * Storage used by all keys.
 */
all: StorageUse, 
/**
 * Storage used by the key for which runs were requested; `null` if runs of all keys were requested.
 */
key: StorageUse | null, 
/**
 * Whether the disk has more free space than is reserved for keys. If not, no training data is accepted.
 */
leavesReserve: boolean, 
/**
 * Free disk space that is reserved for keys, in bytes.
 */
reserveBytes: number, };

export type ErrorCode = "UNAUTHORIZED" | "FORBIDDEN" | "RATE_LIMITED" | "VALIDATION_ERROR" | "NOT_FOUND" | "CONFLICT" | "METHOD_NOT_ALLOWED" | "INTERNAL_ERROR" | "DATABASE_BUSY" | "DATABASE_REPLACED" | "STORAGE_FULL" | "TRAINING_DATA_FULL";

export type DatabaseProblem = "locked" | "readOnly" | "corrupt" | "newer" | "foreign" | "replaced" | "lockingUnsupported" | "full" | "unavailable";

export type ChangeCount = { 
/**
 * The kind of change.
 */
change: OutsideChange, 
/**
 * Number of affected keys; 0 if the change does not affect particular keys.
 */
keys: number, 
/**
 * How many times this kind of change was detected.
 */
times: number, };

export type StopCause = "missing" | "replaced" | "overwritten" | "shared";

export type WritesStopped = { 
/**
 * Why changes are not accepted.
 */
cause: StopCause, 
/**
 * Path of the database file.
 */
path: string, 
/**
 * Path of a complete copy of the previous database, if the service saved one.
 */
saved: string | null, };

export type RecordFailure = { 
/**
 * Path of the record of revocations.
 */
path: string, 
/**
 * The cause, as an English sentence.
 */
detail: string, };

export type DiskFull = { 
/**
 * Folder that contains the database.
 */
folder: string, };

export type DatabaseHealth = { 
/**
 * Why no changes are accepted; `null` if changes are accepted.
 */
stopped: WritesStopped | null, 
/**
 * Details of the disk that is full. While it is full, no changes except revocations are possible. `null` if there
 * is enough space.
 */
full: DiskFull | null, 
/**
 * Why revocations are stored only in the database; `null` if they are also written to the record of revocations.
 */
recordFailure: RecordFailure | null, 
/**
 * Changes that other programs have made since the service opened the database.
 */
changes: Array<ChangeCount>, };

export type PortUser = { 
/**
 * The name of the program that is listening on the port.
 */
name: string, 
/**
 * The process ID.
 */
pid: number, };

export type ServiceHost = "app" | "background" | "otherProgram";

export type ServiceStatus = { "state": "starting" } | { "state": "running", 
/**
 * The base URL of the service, such as `http://127.0.0.1:8576`.
 */
url: string, port: number, 
/**
 * Which program runs the service.
 */
host: ServiceHost, 
/**
 * Whether the service can keep running in the background when the app ends.
 */
canKeepRunning: boolean, 
/**
 * The shell command that makes programs started from the same terminal use the service.
 */
exportLine: string, } | { "state": "portInUse", port: number, 
/**
 * The program that listens on the port; `null` if the system does not report it.
 */
usedBy: PortUser | null, 
/**
 * The next free port; `null` if none of the following 100 ports is free.
 */
nextFree: number | null, } | { "state": "databaseProblem", problem: DatabaseProblem, path: string, detail: string, } | { "state": "stopped", detail: string, };

export type NumberRange = { 
/**
 * The smallest allowed number.
 */
least: number, 
/**
 * The largest allowed number.
 */
most: number, };

export type IgnoredReason = { "kind": "unknown" } | { "kind": "notInRange" } & NumberRange | { "kind": "notInRangeOrNull" } & NumberRange | { "kind": "notAChoice", 
/**
 * The allowed values.
 */
choices: Array<string>, } | { "kind": "notAGroup" };

export type IgnoredSetting = { 
/**
 * The name of the setting, preceded by the name of its group, as in `limits.default`.
 */
name: string, 
/**
 * The reason why the setting has no effect.
 */
reason: IgnoredReason, };

export type SettingsProblem = { "kind": "unreadable", 
/**
 * The error of the system or of the JSON parser.
 */
reason: string, } | { "kind": "replaced", 
/**
 * The path of the copy.
 */
copy: string, } | { "kind": "ignored", 
/**
 * The settings and the reasons.
 */
settings: Array<IgnoredSetting>, };

export type RelocationProblem = { "kind": "olderVersionRuns", 
/**
 * The former location.
 */
from: string, } | { "kind": "bothInUse", 
/**
 * The former location.
 */
from: string, 
/**
 * The new location.
 */
to: string, } | { "kind": "cannotMove", 
/**
 * The former location.
 */
from: string, 
/**
 * The new location.
 */
to: string, 
/**
 * The error of the system.
 */
reason: string, };

export type FileLocations = { 
/**
 * The key database.
 */
database: string, 
/**
 * The settings file.
 */
settings: string, 
/**
 * The problem with the settings file, if there is one.
 */
settingsProblem: SettingsProblem | null, 
/**
 * The folder of the log files.
 */
logs: string, 
/**
 * The reasons why folders named after the app's former identifier were not moved.
 */
relocationErrors: Array<RelocationProblem>, };

export type UnsavedKey = { key: ApiKey, cause: CloseReason, 
/**
 * Whether the key was copied earlier, so the user may already have pasted it somewhere.
 */
wasCopied: boolean, };

export type CloseReason = "locked" | "interrupted";

export type OneTimeState = { 
/**
 * The key that the one-time window currently shows.
 */
showing: ApiKey | null, 
/**
 * The most recently lost key. A key is lost if its window is closed without a request by the user while the key is
 * neither saved nor still on the clipboard.
 */
lost: UnsavedKey | null, };

export type Closing = "ask" | "keepRunning" | "quit";

export type Language = "system" | "en" | "de" | "pt-BR";

export type FormatRegions = { dates: string | null, numbers: string | null, };

export type Theme = "system" | "light" | "dark";

export type RateLimits = { 
/**
 * Limit per key for [`RateLimitClass::Default`].
 */
default: number, 
/**
 * Limit per key for [`RateLimitClass::TrainingStart`].
 */
trainingStart: number, 
/**
 * Limit per key for [`RateLimitClass::Upload`], and per run for [`RunRateLimitClass::Checkpoint`].
 */
upload: number, 
/**
 * Limit per key for [`RateLimitClass::Predict`].
 */
predict: number, 
/**
 * Limit per key for [`RateLimitClass::Export`].
 */
export: number, 
/**
 * Limit per key for [`RateLimitClass::Download`].
 */
download: number, 
/**
 * Limit per run for [`RunRateLimitClass::Event`], and per key for [`RateLimitClass::RunStart`].
 */
stream: number, 
/**
 * Limit per key for [`RateLimitClass::Introspection`].
 */
introspection: number, 
/**
 * Limit per key for [`RateLimitClass::Gateway`].
 */
gateway: number, 
/**
 * Limit per peer for requests with an invalid credential.
 */
invalidCredentials: number, };

export type StorageLimits = { 
/**
 * Limit for all training data, both in the database and in checkpoint files.
 */
training: number, 
/**
 * Limit for the training data of one key.
 */
trainingPerKey: number, 
/**
 * Limit for training data in the database. The whole database is checked each time the service starts, so it must
 * remain small. Checking 2 GiB (about a thousand long runs) takes a few seconds.
 */
database: number, 
/**
 * Limit for the training data of one key in the database.
 */
databasePerKey: number, 
/**
 * Free disk space that training data must leave for keys, their usage and other programs. Keys themselves need a
 * few MiB.
 */
reserve: number, };

export type Preferences = { 
/**
 * The language of the windows.
 */
language: Language, 
/**
 * The color theme of the windows.
 */
theme: Theme, 
/**
 * Text size in percent of the normal size, 100 to 200.
 */
textPercent: number, 
/**
 * Seconds until a copied key is removed from the clipboard, 10 to 120; `null` for never.
 */
clipboardSeconds: number | null, 
/**
 * What closing the last window does.
 */
closing: Closing, 
/**
 * Days after which a key is due for rotation, 1 to 3,650.
 */
rotationDays: number, 
/**
 * Days after which a training run is deleted, 1 to 3,650; `null` for never.
 */
runDays: number | null, 
/**
 * Rate limits of the app's own service.
 */
limits: RateLimits, 
/**
 * Limits on the training data that the app's own service stores, in MiB.
 */
storage: StorageLimits, };

export type MenuAction = "newKey" | "search" | "preferences" | "help" | "about";

export type QuitQuestion = { "kind": "keepRunning", "uses": UsesInProgress } | { "kind": "quit", "uses": UsesInProgress };

export type UsesInProgress = { 
/**
 * Names of some live runs in the form `project/slug`, most recently reported first.
 */
runs: Array<string>, 
/**
 * Total number of live runs.
 */
runCount: number, 
/**
 * Names of some other keys that were used in the last minutes, each with its client, most recently used first.
 */
keys: Array<string>, 
/**
 * Total number of other keys that were used in the last minutes.
 */
keyCount: number, };

export type UndeletableReason = "locked" | "dismissed" | "unreachable" | "failed";

export type AppEvent = { "type": "status", status: ServiceStatus, } | { "type": "preferences", preferences: Preferences, 
/**
 * The system's language, or English if the app has no translation for it.
 */
systemLanguage: Exclude<Language, "system">, regions: FormatRegions, } | { "type": "keys", event: KeyEvent, } | { "type": "clipboard", 
/**
 * Time at which the key will be removed; `null` if no removal is scheduled.
 */
clearsAt: string | null, 
/**
 * State of the copied key.
 */
state: ClipboardState, 
/**
 * Number of seconds after which a copied key is removed; `null` if it is not removed automatically.
 */
staysSeconds: number | null, } | { "type": "oneTime", state: OneTimeState, } | { "type": "database", health: DatabaseHealth, } | { "type": "menu", action: MenuAction, } | { "type": "leftInKeychain", name: string, reason: UndeletableReason, } | { "type": "quit", question: QuitQuestion | null, } | { "type": "closeRequested" } | { "type": "windowHidden" } | { "type": "screenReader", enabled: boolean, };

export type ClipboardState = "clear" | "held" | "overdue" | "checking" | "removedAgain" | "putBack";

export type SealedKey = { 
/**
 * The sender's ephemeral public key (65 bytes); `enc` in RFC 9180.
 */
encapsulated: Array<number>, 
/**
 * The encrypted key, followed by a 16-byte authentication tag.
 */
ciphertext: Array<number>, };

export type RevealedKey = { key: ApiKey, sealed: SealedKey, 
/**
 * Whether the window system reports when a window is minimized. Wayland does not.
 */
reportsMinimized: boolean, };

export type GitRisk = "notIgnored" | "unknown";

export type FileAccessLoss = { 
/**
 * Whether all other users of this computer lose access.
 */
everyone: boolean, 
/**
 * Names of the groups that lose access. Empty if everyone loses access.
 */
groups: Array<string>, 
/**
 * Names of the users that lose access, which never include the new owner. Empty if everyone loses access.
 */
users: Array<string>, 
/**
 * Number of other names (hard links) of the file. They keep the old content.
 */
otherNames: number, };

export type EnvFilePlan = { 
/**
 * Path of the file that will be written.
 */
path: string, 
/**
 * Names of the variables that the file already sets to another value.
 */
replaces: Array<string>, 
/**
 * The risk that the file is committed to git, if there is one.
 */
gitRisk: GitRisk | null, 
/**
 * The access that other users lose, if any.
 */
accessLoss: FileAccessLoss | null, 
/**
 * Whether the file system ignores permissions, so that other users may be able to read the file.
 */
isShared: boolean, };

export type FileProblem = "mounted" | "protected" | "notPermitted" | "unreadable" | "readOnly" | "full" | "noFolder" | "changed" | "notAFile" | "tooLarge" | "notUtf8" | "brokenLink" | "linkLoop" | "unclearLine" | "unclearUse" | "otherCode";

export type ThirdPartyPackage = { name: string, version: string, 
/**
 * The license as an SPDX expression, or `null` if the package does not declare one.
 */
license: string | null, 
/**
 * Indices of the package's license texts in [`About::texts`].
 */
texts: Array<number>, };

export type About = { 
/**
 * The version of UL Keys.
 */
version: string, 
/**
 * The third-party packages that the app contains, sorted by name.
 */
packages: Array<ThirdPartyPackage>, 
/**
 * The license texts without duplicates, because many packages share a text.
 */
texts: Array<string>, };

export type AppErrorCode = "PORT_IN_USE" | "SERVICE_UNAVAILABLE" | "CLIPBOARD_UNAVAILABLE" | "KEY_ON_SCREEN" | "KEYCHAIN_MISSING" | "KEYCHAIN_LOCKED" | "KEYCHAIN_REFUSED" | "KEYCHAIN_TAKEN" | "KEYCHAIN_AMBIGUOUS" | "KEYCHAIN_SILENT" | "KEYCHAIN_FAILED" | "ENV_FILE_FAILED" | "EXPORT_FAILED" | "SECRET_GONE" | "SETTINGS_NOT_SAVED";

export type CommandErrorCode = ErrorCode | AppErrorCode;

export type CommandError = { 
/**
 * Human-readable error message.
 */
error: string, 
/**
 * Machine-readable error code.
 */
code: CommandErrorCode, 
/**
 * The problem with a file, if the user can resolve it.
 */
file?: FileProblem, 
/**
 * Number of the line that prevents a safe edit of the file, counted from 1.
 */
line?: number, 
/**
 * Name of the variable that cannot be set because a line prevents a safe edit of the file.
 */
variable?: string, };

export const DEFAULT_LIMITS: RateLimits = {"default":100,"trainingStart":10,"upload":10,"predict":20,"export":20,"download":30,"stream":600,"introspection":6000,"gateway":6000,"invalidCredentials":100};

export const DEFAULT_STORAGE_LIMITS: StorageLimits = {"training":51200,"trainingPerKey":25600,"database":2048,"databasePerKey":1024,"reserve":256};

export const PORT_RANGE: NumberRange = {"least":1024,"most":65535};

export const CLIPBOARD_SECONDS_RANGE: NumberRange = {"least":10,"most":120};

export const ROTATION_DAYS_RANGE: NumberRange = {"least":1,"most":3650};

export const LIMIT_RANGE: NumberRange = {"least":1,"most":999999};

export const STORAGE_LIMIT_RANGE: NumberRange = {"least":1,"most":9999999};

export type CommandArguments = { get_about: never, export_activity: 'format' | 'kind' | 'keyId' | 'day' | 'title', list_activity: 'query', clear_clipboard: never, copy_key_id: 'keyId', copy_service_url: never, copy_text: 'text', change_port: 'port', get_file_locations: never, get_start_at_login: never, retry_service: never, set_start_at_login: 'enabled', show_list_window: never, subscribe: 'channel', check_key: 'key' | 'method' | 'path', count_keys: never, create_key: 'name' | 'scopes' | 'replaces', focus_one_time_window: never, get_key: 'keyId', get_key_usage: 'keyId' | 'hours', get_keychain_name: 'keyId', list_keys: 'query', rename_key: 'keyId' | 'name', replace_lost_key: never, revoke_key: 'keyId', choose_env_file: 'title', close_one_time_window: 'unseen', copy_key: never, copy_snippet: 'template', one_time_hidden: never, one_time_ready: 'height', reveal_key: 'publicKey', save_in_keychain: 'replace', write_env_file: never, change_preferences: 'preferences', answer_quit_question: 'answer' | 'remember', cancel_run: 'runId', delete_run: 'runId', get_run: 'runId', get_training_storage: never, list_runs: 'keyId' | 'cursor', };
