// Generated from the Rust types by `cargo xtask bindings`. Do not edit.

export type Scope = "training" | "models" | "datasets" | "read" | "write" | "admin";

export type AttentionReason = "old" | "neverUsed" | "unused" | "adminUnused";

export type ApiKey = { 
/**
 * Identifier for revoking.
 */
keyId: string, 
/**
 * The name given by a person.
 */
name: string, 
/**
 * First 11 characters of the key.
 */
keyPrefix: string, 
/**
 * What the key may do, in documented order.
 */
scopes: Array<Scope>, 
/**
 * When it was made.
 */
createdAt: string, 
/**
 * When a request with it was last accepted; `null` for never.
 */
lastUsedAt: string | null, 
/**
 * When a request was last accepted that its scope `admin` alone opened; `null` for never.
 */
adminUsedAt: string | null, 
/**
 * When it was revoked; `null` for an active key.
 */
revokedAt: string | null, 
/**
 * The key in whose place this one was made.
 */
replaces: string | null, 
/**
 * The key that was made in place of this one; of several, the newest active one, or else the newest.
 */
replacedBy: string | null, 
/**
 * Why somebody should look after it, the weightiest reason first; empty where all is well.
 */
attention: Array<AttentionReason>, };

export type KeyList = { 
/**
 * The keys.
 */
keys: Array<ApiKey>, 
/**
 * How many keys there are on all pages together.
 */
total: number, 
/**
 * The `cursor` of the next page; `null` on the last.
 */
next: string | null, };

export type KeyStatus = "active" | "attention" | "revoked" | "all";

export type SortBy = "name" | "scopes" | "createdAt" | "lastUsedAt" | "revokedAt";

export type KeyCounts = { 
/**
 * Keys that are accepted.
 */
active: number, 
/**
 * Those among them that somebody should look after.
 */
attention: number, 
/**
 * Keys that are refused for ever.
 */
revoked: number, };

export type CreateKey = { 
/**
 * A name of 1 to 64 characters.
 */
name: string, 
/**
 * At least one scope.
 */
scopes: Array<Scope>, 
/**
 * The key in whose place this one is made.
 */
replaces?: string | null, };

export type RevokedKey = { 
/**
 * The key that is refused from now on.
 */
keyId: string, 
/**
 * When it was first revoked.
 */
revokedAt: string, };

export type KeyUse = { 
/**
 * The key.
 */
keyId: string, 
/**
 * When a request with it was last accepted.
 */
lastUsedAt: string, };

export type KeyEvent = { "type": "created" } & ApiKey | { "type": "renamed" } & ApiKey | { "type": "revoked" } & RevokedKey | { "type": "used", 
/**
 * The newest use of each key.
 */
uses: Array<KeyUse>, } | { "type": "resync" };

export type Decision = "accepted" | "noCredential" | "malformed" | "unknown" | "revoked" | "scope" | "limit" | "peerLimit";

export type HourlyUsage = { 
/**
 * When the hour began.
 */
hour: string, 
/**
 * How they ended.
 */
outcome: Decision, 
/**
 * How many.
 */
requests: number, };

export type KeyClient = { 
/**
 * Address of the computer.
 */
peer: string, 
/**
 * What the program called itself in `User-Agent`, shortened; `null` when it said nothing.
 */
agent: string | null, 
/**
 * Its first accepted request.
 */
firstUsedAt: string, 
/**
 * Its last accepted request.
 */
lastUsedAt: string, 
/**
 * Its accepted requests.
 */
requests: number, };

export type KeyUsage = { 
/**
 * The key.
 */
keyId: string, 
/**
 * Counted requests, oldest hour first. Hours without a request are absent.
 */
hours: Array<HourlyUsage>, 
/**
 * The clients that used the key, the latest first; at most 50.
 */
sources: Array<KeyClient>, };

export type OutsideChange = "added" | "removed" | "renamed" | "scopesChanged" | "secretChanged" | "revoked" | "keptRevoked" | "whileClosed" | "recordLost" | "recordReplaced" | "recordDamaged";

export type ActivityKind = "created" | "renamed" | "revoked" | "newSource" | "refused" | "changedOutside";

export type ActivityEvent = { "kind": "created", 
/**
 * The key that did it; `null` for the app itself.
 */
by: string | null, } | { "kind": "renamed", 
/**
 * The key that did it; `null` for the app itself.
 */
by: string | null, 
/**
 * The name before.
 */
oldName: string, 
/**
 * The name after.
 */
newName: string, } | { "kind": "revoked", 
/**
 * The key that did it; `null` for the app itself.
 */
by: string | null, } | { "kind": "newSource" } | { "kind": "refused", 
/**
 * Why.
 */
outcome: Decision, 
/**
 * How many.
 */
requests: number, 
/**
 * The last of them.
 */
lastAt: string, } | { "kind": "changedOutside", 
/**
 * How.
 */
change: OutsideChange, 
/**
 * How many keys are concerned: 1 where the entry names the key, 0 where none in particular is.
 */
keys: number, 
/**
 * The name or the scopes before, where those changed.
 */
before: string | null, 
/**
 * The name or the scopes after, where those changed.
 */
after: string | null, };

export type ActivityEntry = { 
/**
 * Number of the entry; later entries have higher ones.
 */
id: number, 
/**
 * The key; `null` where a request presented none that exists.
 */
keyId: string | null, 
/**
 * The key's name today.
 */
keyName: string | null, 
/**
 * First 11 characters of the key, which tell keys of one name apart.
 */
keyPrefix: string | null, 
/**
 * When; for refusals, the first of them.
 */
at: string, 
/**
 * Address from which the request came; `0.0.0.0` for refusals from many addresses together, and empty where no
 * request was made.
 */
peer: string, 
/**
 * What the program called itself, shortened; `null` when it said nothing.
 */
agent: string | null, } & ({ "kind": "created", 
/**
 * The key that did it; `null` for the app itself.
 */
by: string | null, } | { "kind": "renamed", 
/**
 * The key that did it; `null` for the app itself.
 */
by: string | null, 
/**
 * The name before.
 */
oldName: string, 
/**
 * The name after.
 */
newName: string, } | { "kind": "revoked", 
/**
 * The key that did it; `null` for the app itself.
 */
by: string | null, } | { "kind": "newSource" } | { "kind": "refused", 
/**
 * Why.
 */
outcome: Decision, 
/**
 * How many.
 */
requests: number, 
/**
 * The last of them.
 */
lastAt: string, } | { "kind": "changedOutside", 
/**
 * How.
 */
change: OutsideChange, 
/**
 * How many keys are concerned: 1 where the entry names the key, 0 where none in particular is.
 */
keys: number, 
/**
 * The name or the scopes before, where those changed.
 */
before: string | null, 
/**
 * The name or the scopes after, where those changed.
 */
after: string | null, });

export type ActivityPage = { 
/**
 * The entries.
 */
entries: Array<ActivityEntry>, 
/**
 * The `cursor` of the next page; `null` on the last.
 */
next: string | null, };

export type ExportFormat = "csv" | "json";

export type ExportedActivity = { 
/**
 * The file.
 */
path: string, 
/**
 * How many entries are in it.
 */
entries: number, };

export type FormatProblem = "whiteSpace" | "prefix" | "length" | "upperCase" | "notHexadecimal";

export type CheckResult = { "kind": "malformed", 
/**
 * What is wrong with it.
 */
problem: FormatProblem, } | { "kind": "unknown" } | { "kind": "revoked", 
/**
 * When.
 */
revokedAt: string, } | { "kind": "scope", 
/**
 * Any one of these is enough; empty where no key opens the request.
 */
needed: Array<Scope>, } | { "kind": "limit", 
/**
 * Requests a minute.
 */
limit: number, 
/**
 * When the next one is accepted.
 */
freeAt: string, } | { "kind": "peerLimit", 
/**
 * When they are checked again.
 */
freeAt: string, } | { "kind": "accepted" };

export type CheckReport = { 
/**
 * What was found.
 */
finding: CheckResult, 
/**
 * The cause, in a sentence for people.
 */
cause: string, 
/**
 * What to do about it, in a sentence for people; empty where nothing is to be done.
 */
remedy: string, 
/**
 * The key's metadata, where it is one.
 */
key: ApiKey | null, };

export type RunStatus = "running" | "completed" | "failed" | "cancelled";

export type RunSummary = { 
/**
 * Counts up over all runs.
 */
runId: number, 
/**
 * The model that is trained.
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
 * How it stands.
 */
status: RunStatus, 
/**
 * Epochs planned, where known.
 */
plannedEpochs: number | null, 
/**
 * Epochs recorded; one more than planned when all went well, for the final validation.
 */
recordedEpochs: number, 
/**
 * Such as `cpu`.
 */
device: string | null, 
/**
 * The keys that fed it, in order of their first event. The app's own reports have none.
 */
keyIds: Array<string>, 
/**
 * When it started.
 */
startedAt: string, 
/**
 * When it was last heard of.
 */
lastEventAt: string, 
/**
 * When it ended or was cancelled.
 */
endedAt: string | null, 
/**
 * Why it failed.
 */
error: string | null, 
/**
 * Whether there is a checkpoint to download.
 */
hasCheckpoint: boolean, 
/**
 * Whether it ended with results that were not kept, as there was no space for them.
 */
resultsDropped: boolean, };

export type TrainingRun = { 
/**
 * The address that the training process prints.
 */
modelUrl: string, 
/**
 * By when its next report is due; `null` once none is expected. A run that is `running` and whose report is
 * overdue is silent. This is a guess: ten minutes, or three average epochs of the run, after its last report.
 */
reportDueAt: string | null, 
/**
 * Since when a `running` run has been silent; `null` while it reports, and once it has ended.
 */
silentSince: string | null, 
/**
 * Counts up over all runs.
 */
runId: number, 
/**
 * The model that is trained.
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
 * How it stands.
 */
status: RunStatus, 
/**
 * Epochs planned, where known.
 */
plannedEpochs: number | null, 
/**
 * Epochs recorded; one more than planned when all went well, for the final validation.
 */
recordedEpochs: number, 
/**
 * Such as `cpu`.
 */
device: string | null, 
/**
 * The keys that fed it, in order of their first event. The app's own reports have none.
 */
keyIds: Array<string>, 
/**
 * When it started.
 */
startedAt: string, 
/**
 * When it was last heard of.
 */
lastEventAt: string, 
/**
 * When it ended or was cancelled.
 */
endedAt: string | null, 
/**
 * Why it failed.
 */
error: string | null, 
/**
 * Whether there is a checkpoint to download.
 */
hasCheckpoint: boolean, 
/**
 * Whether it ended with results that were not kept, as there was no space for them.
 */
resultsDropped: boolean, };

export type TrainingRunList = { 
/**
 * The runs.
 */
runs: Array<TrainingRun>, 
/**
 * The `cursor` of the next page; `null` after the last.
 */
nextCursor: string | null, 
/**
 * How much training data is stored.
 */
storage: TrainingStorage, };

export type Epoch = { 
/**
 * Counted from 0.
 */
epoch: number, 
/**
 * By name; `null` where the number was not finite. None at all when the run has used up its room for epochs.
 */
metrics: { [key in string]: number | null }, 
/**
 * The fitness of this epoch.
 */
fitness: number | null, 
/**
 * The best so far.
 */
bestFitness: number | null, 
/**
 * The key that reported it; `null` for the app itself.
 */
keyId: string | null, 
/**
 * When it was reported.
 */
receivedAt: string, };

export type CheckpointState = "uploaded" | "saved" | "replaced";

export type Checkpoint = { 
/**
 * Identifier, and name of the file on the service's disk.
 */
checkpointId: string, 
/**
 * The name that it had where it came from.
 */
filename: string, 
/**
 * Bytes.
 */
size: number, 
/**
 * Whether it is the run's checkpoint.
 */
state: CheckpointState, 
/**
 * The key that uploaded it; `null` for the app itself.
 */
keyId: string | null, 
/**
 * When all of it was there.
 */
uploadedAt: string, };

export type RunDetails = { 
/**
 * By number. The machine's load at each is in [`EpochDetails`], a page at a time.
 */
epochs: Array<Epoch>, 
/**
 * Newest sample of the machine's load.
 */
system: unknown, 
/**
 * Arguments of the training.
 */
trainArgs: unknown, 
/**
 * The machine and its software.
 */
environment: unknown, 
/**
 * Parameters, GFLOPs and speed.
 */
modelInfo: unknown, 
/**
 * Final metrics, best epoch and more.
 */
results: unknown, 
/**
 * The names of the classes, in order.
 */
classNames: Array<string> | null, 
/**
 * Curves and matrices.
 */
plots: unknown, 
/**
 * Newest first.
 */
checkpoints: Array<Checkpoint>, 
/**
 * Counts up over all runs.
 */
runId: number, 
/**
 * The model that is trained.
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
 * How it stands.
 */
status: RunStatus, 
/**
 * Epochs planned, where known.
 */
plannedEpochs: number | null, 
/**
 * Epochs recorded; one more than planned when all went well, for the final validation.
 */
recordedEpochs: number, 
/**
 * Such as `cpu`.
 */
device: string | null, 
/**
 * The keys that fed it, in order of their first event. The app's own reports have none.
 */
keyIds: Array<string>, 
/**
 * When it started.
 */
startedAt: string, 
/**
 * When it was last heard of.
 */
lastEventAt: string, 
/**
 * When it ended or was cancelled.
 */
endedAt: string | null, 
/**
 * Why it failed.
 */
error: string | null, 
/**
 * Whether there is a checkpoint to download.
 */
hasCheckpoint: boolean, 
/**
 * Whether it ended with results that were not kept, as there was no space for them.
 */
resultsDropped: boolean, };

export type TrainingRunDetails = { 
/**
 * The address that the training process prints.
 */
modelUrl: string, 
/**
 * By when its next report is due; `null` once none is expected. A run that is `running` and whose report is
 * overdue is silent. This is a guess: ten minutes, or three average epochs of the run, after its last report.
 */
reportDueAt: string | null, 
/**
 * Since when a `running` run has been silent; `null` while it reports, and once it has ended.
 */
silentSince: string | null, 
/**
 * By number. The machine's load at each is in [`EpochDetails`], a page at a time.
 */
epochs: Array<Epoch>, 
/**
 * Newest sample of the machine's load.
 */
system: unknown, 
/**
 * Arguments of the training.
 */
trainArgs: unknown, 
/**
 * The machine and its software.
 */
environment: unknown, 
/**
 * Parameters, GFLOPs and speed.
 */
modelInfo: unknown, 
/**
 * Final metrics, best epoch and more.
 */
results: unknown, 
/**
 * The names of the classes, in order.
 */
classNames: Array<string> | null, 
/**
 * Curves and matrices.
 */
plots: unknown, 
/**
 * Newest first.
 */
checkpoints: Array<Checkpoint>, 
/**
 * Counts up over all runs.
 */
runId: number, 
/**
 * The model that is trained.
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
 * How it stands.
 */
status: RunStatus, 
/**
 * Epochs planned, where known.
 */
plannedEpochs: number | null, 
/**
 * Epochs recorded; one more than planned when all went well, for the final validation.
 */
recordedEpochs: number, 
/**
 * Such as `cpu`.
 */
device: string | null, 
/**
 * The keys that fed it, in order of their first event. The app's own reports have none.
 */
keyIds: Array<string>, 
/**
 * When it started.
 */
startedAt: string, 
/**
 * When it was last heard of.
 */
lastEventAt: string, 
/**
 * When it ended or was cancelled.
 */
endedAt: string | null, 
/**
 * Why it failed.
 */
error: string | null, 
/**
 * Whether there is a checkpoint to download.
 */
hasCheckpoint: boolean, 
/**
 * Whether it ended with results that were not kept, as there was no space for them.
 */
resultsDropped: boolean, };

export type CancelledRun = { 
/**
 * The run.
 */
runId: number, 
/**
 * `cancelled`, or how it had ended before.
 */
status: RunStatus, };

export type DeletedRun = { 
/**
 * The run that is gone.
 */
runId: number, };

export type StorageUse = { 
/**
 * All of it: in the database, and in files of checkpoints.
 */
usedBytes: number, 
/**
 * How much may be stored.
 */
limitBytes: number, 
/**
 * What of it is in the database: metrics, console, results and plots.
 */
databaseUsedBytes: number, 
/**
 * How much may be stored there.
 */
databaseLimitBytes: number, };

export type TrainingStorage = { 
/**
 * Of all keys.
 */
all: StorageUse, 
/**
 * Of the key that was asked for.
 */
key: StorageUse | null, 
/**
 * Whether the disk has more free space than belongs to keys. Otherwise no training data is accepted.
 */
leavesReserve: boolean, 
/**
 * Free space of the disk that belongs to keys.
 */
reserveBytes: number, };

export type ErrorCode = "UNAUTHORIZED" | "FORBIDDEN" | "RATE_LIMITED" | "VALIDATION_ERROR" | "NOT_FOUND" | "CONFLICT" | "METHOD_NOT_ALLOWED" | "INTERNAL_ERROR" | "DATABASE_BUSY" | "DATABASE_REPLACED" | "STORAGE_FULL" | "TRAINING_DATA_FULL" | "PORT_IN_USE" | "SERVICE_UNAVAILABLE" | "CLIPBOARD_UNAVAILABLE" | "KEY_ON_SCREEN" | "KEYCHAIN_MISSING" | "KEYCHAIN_LOCKED" | "KEYCHAIN_REFUSED" | "KEYCHAIN_TAKEN" | "KEYCHAIN_AMBIGUOUS" | "KEYCHAIN_SILENT" | "KEYCHAIN_FAILED" | "ENV_FILE_FAILED" | "EXPORT_FAILED" | "SECRET_GONE" | "SETTINGS_NOT_SAVED";

export type ErrorBody = { 
/**
 * A sentence for people.
 */
error: string, 
/**
 * What programs switch on.
 */
code: ErrorCode, };

export type DatabaseProblem = "locked" | "readOnly" | "corrupt" | "newer" | "foreign" | "replaced" | "lockingUnsupported" | "full" | "unavailable";

export type ChangeCount = { 
/**
 * The kind.
 */
change: OutsideChange, 
/**
 * How many keys it concerns; 0 where it concerns none in particular.
 */
keys: number, 
/**
 * How many times it was found.
 */
times: number, };

export type StopCause = "missing" | "replaced" | "overwritten" | "shared";

export type WritesStopped = { 
/**
 * The cause.
 */
cause: StopCause, 
/**
 * The database file.
 */
path: string, 
/**
 * A complete copy of the former database, where the service saved one.
 */
saved: string | null, };

export type RecordFailure = { 
/**
 * The file.
 */
path: string, 
/**
 * A sentence with the cause, in English.
 */
detail: string, };

export type DiskFull = { 
/**
 * The folder of the database.
 */
folder: string, };

export type DatabaseHealth = { 
/**
 * Why nothing can be changed.
 */
stopped: WritesStopped | null, 
/**
 * Why nothing but revocations can be changed.
 */
full: DiskFull | null, 
/**
 * Why revocations are recorded in the database alone.
 */
recordFailure: RecordFailure | null, 
/**
 * What other programs changed since the service opened the database.
 */
changes: Array<ChangeCount>, };

export type PortUser = { 
/**
 * Name of the program.
 */
name: string, 
/**
 * Process number.
 */
pid: number, };

export type ServiceStatus = { "state": "starting" } | { "state": "running", 
/**
 * Where, as in `http://127.0.0.1:8576`.
 */
url: string, port: number, 
/**
 * The line that points a terminal's programs there.
 */
exportLine: string, } | { "state": "portInUse", port: number, 
/**
 * The program that listens there, where the system tells.
 */
usedBy: PortUser | null, 
/**
 * A port nearby that is free.
 */
nextFree: number | null, } | { "state": "databaseProblem", problem: DatabaseProblem, path: string, detail: string, } | { "state": "stopped", detail: string, };

export type NumberRange = { least: number, most: number, };

export type IgnoredReason = { "kind": "unknown" } | { "kind": "notInRange" } & NumberRange | { "kind": "notInRangeOrNull" } & NumberRange | { "kind": "notAChoice", choices: Array<string>, } | { "kind": "notAGroup" };

export type IgnoredSetting = { 
/**
 * The name of the setting, behind that of its group, as in `limits.default`.
 */
name: string, 
/**
 * Why it has no effect.
 */
reason: IgnoredReason, };

export type SettingsProblem = { "kind": "unreadable", reason: string, } | { "kind": "replaced", copy: string, } | { "kind": "ignored", settings: Array<IgnoredSetting>, };

export type RelocationProblem = { "kind": "olderVersionRuns", from: string, } | { "kind": "bothInUse", from: string, to: string, } | { "kind": "cannotMove", from: string, to: string, reason: string, };

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
 * What of the settings file has no effect.
 */
settingsProblem: SettingsProblem | null, 
/**
 * The folder of the logs.
 */
logs: string, 
/**
 * Why files of the former identifier have not moved.
 */
relocationErrors: Array<RelocationProblem>, };

export type UnsavedKey = { key: ApiKey, cause: CloseReason, 
/**
 * Whether it was copied before, so that it may be in its place.
 */
wasCopied: boolean, };

export type CloseReason = "locked" | "interrupted";

export type OneTimeState = { 
/**
 * The key that is being shown.
 */
showing: ApiKey | null, 
/**
 * The last key that was taken from sight while it was neither saved nor on the clipboard.
 */
lost: UnsavedKey | null, };

export type Language = "system" | "en" | "de" | "pt-BR";

export type FormatRegions = { dates: string | null, numbers: string | null, };

export type Theme = "system" | "light" | "dark";

export type RateLimits = { 
/**
 * Of one key: [`RateLimitClass::Default`].
 */
default: number, 
/**
 * Of one key: [`RateLimitClass::TrainingStart`].
 */
trainingStart: number, 
/**
 * Of one key: [`RateLimitClass::Upload`]; of one run: [`RunRateLimitClass::Checkpoint`].
 */
upload: number, 
/**
 * Of one key: [`RateLimitClass::Predict`].
 */
predict: number, 
/**
 * Of one key: [`RateLimitClass::Export`].
 */
export: number, 
/**
 * Of one key: [`RateLimitClass::Download`].
 */
download: number, 
/**
 * Of one run: [`RunRateLimitClass::Event`]. Of one key: [`RateLimitClass::RunStart`].
 */
stream: number, 
/**
 * Of one key: [`RateLimitClass::Introspection`].
 */
introspection: number, 
/**
 * Of one key: [`RateLimitClass::Gateway`].
 */
gateway: number, 
/**
 * Of one peer: requests with an invalid credential.
 */
invalidCredentials: number, };

export type StorageLimits = { 
/**
 * All of it: what is in the database, and files of checkpoints.
 */
training: number, 
/**
 * The same, of one key.
 */
trainingPerKey: number, 
/**
 * What of it is in the database. The database is checked as a whole at each start, so it must stay small: 2 GiB
 * take a few seconds, and hold a thousand long runs.
 */
database: number, 
/**
 * The same, of one key.
 */
databasePerKey: number, 
/**
 * Free space of the disk that training data leaves to keys, their usage and other programs. Keys themselves need a
 * few MiB.
 */
reserve: number, };

export type Preferences = { 
/**
 * The language of the windows.
 */
language: Language, 
/**
 * Light or dark.
 */
theme: Theme, 
/**
 * The size of the text, 100 to 200 percent.
 */
textPercent: number, 
/**
 * After how many seconds a copied key is taken off the clipboard, 10 to 120; `null` for never.
 */
clipboardSeconds: number | null, 
/**
 * After how many days a key should be rotated, 1 to 3,650.
 */
rotationDays: number, 
/**
 * After how many days a training run is deleted, 1 to 3,650; `null` for never.
 */
runDays: number | null, 
/**
 * How often a key may ask the embedded service.
 */
limits: RateLimits, 
/**
 * How much training data the embedded service keeps, in MiB.
 */
storage: StorageLimits, };

export type MenuAction = "newKey" | "search" | "preferences" | "help";

export type QuitQuestion = { 
/**
 * Project and slug of some runs that still report, the one that reported last first.
 */
runs: Array<string>, 
/**
 * How many there are in all.
 */
count: number, };

export type UndeletableReason = "locked" | "dismissed" | "unreachable" | "failed";

export type AppEvent = { "type": "status", status: ServiceStatus, } | { "type": "preferences", preferences: Preferences, 
/**
 * The system's language, or English where the app has no texts in it.
 */
systemLanguage: Exclude<Language, "system">, regions: FormatRegions, } | { "type": "keys", event: KeyEvent, } | { "type": "clipboard", 
/**
 * When it will be taken off; `null` when there is nothing to take off.
 */
clearsAt: string | null, 
/**
 * Whether the copied key is there.
 */
state: ClipboardState, 
/**
 * How many seconds a copied key stays; `null` for as long as it likes.
 */
staysSeconds: number | null, } | { "type": "oneTime", state: OneTimeState, } | { "type": "database", health: DatabaseHealth, } | { "type": "menu", action: MenuAction, } | { "type": "leftInKeychain", name: string, reason: UndeletableReason, } | { "type": "quit", question: QuitQuestion | null, } | { "type": "closeRequested" } | { "type": "windowHidden" } | { "type": "screenReader", enabled: boolean, };

export type ClipboardState = "clear" | "held" | "overdue" | "checking" | "removedAgain" | "putBack";

export type SealedKey = { 
/**
 * The sender's ephemeral public key, 65 bytes; `enc` in RFC 9180.
 */
encapsulated: Array<number>, 
/**
 * The key's text and a tag of 16 bytes.
 */
ciphertext: Array<number>, };

export type RevealedKey = { key: ApiKey, sealed: SealedKey, 
/**
 * Whether the window system reports that a window is minimized. Wayland does not.
 */
reportsMinimized: boolean, };

export type GitRisk = "notIgnored" | "unknown";

export type FileAccessLoss = { 
/**
 * Every user of this computer has access.
 */
everyone: boolean, 
/**
 * The groups that have access. Empty where everyone has.
 */
groups: Array<string>, 
/**
 * The users that have access beside the new owner. Empty where everyone has.
 */
users: Array<string>, 
/**
 * How many other names (hard links) the file has.
 */
otherNames: number, };

export type EnvFilePlan = { 
/**
 * The file.
 */
path: string, 
/**
 * The variables that it sets already, to something else.
 */
replaces: Array<string>, 
/**
 * Whether the file might be committed.
 */
gitRisk: GitRisk | null, 
/**
 * What changes for others.
 */
accessLoss: FileAccessLoss | null, 
/**
 * Whether the file system keeps no permissions, so that others may be able to read the file.
 */
isShared: boolean, };

export type FileProblem = "mounted" | "protected" | "notPermitted" | "unreadable" | "readOnly" | "full" | "noFolder" | "changed" | "notAFile" | "tooLarge" | "notUtf8" | "brokenLink" | "linkLoop" | "unclearLine" | "unclearUse" | "otherCode";

export type CommandError = { 
/**
 * What was wrong with a file, where a person can do something about it.
 */
file?: FileProblem, 
/**
 * The line of the file that it is about.
 */
line?: number, 
/**
 * The variable in that line that could not be set.
 */
variable?: string, 
/**
 * A sentence for people.
 */
error: string, 
/**
 * What programs switch on.
 */
code: ErrorCode, };

export const DEFAULT_LIMITS: RateLimits = {"default":100,"trainingStart":10,"upload":10,"predict":20,"export":20,"download":30,"stream":600,"introspection":6000,"gateway":6000,"invalidCredentials":100};

export const DEFAULT_STORAGE_LIMITS: StorageLimits = {"training":51200,"trainingPerKey":25600,"database":2048,"databasePerKey":1024,"reserve":256};

export const PORT_RANGE: NumberRange = {"least":1024,"most":65535};

export const CLIPBOARD_SECONDS_RANGE: NumberRange = {"least":10,"most":120};

export const ROTATION_DAYS_RANGE: NumberRange = {"least":1,"most":3650};

export const LIMIT_RANGE: NumberRange = {"least":1,"most":999999};

export const STORAGE_LIMIT_RANGE: NumberRange = {"least":1,"most":9999999};
