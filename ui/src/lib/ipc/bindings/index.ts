// Generated from the Rust types by `cargo xtask bindings`. Do not edit.

export type Scope = "training" | "models" | "datasets" | "read" | "write" | "admin";

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
lastUsedAt: string | null, };

export type KeyList = { 
/**
 * The keys.
 */
keys: Array<ApiKey>, };

export type CreateKey = { 
/**
 * A name of 1 to 64 characters.
 */
name: string, 
/**
 * At least one scope.
 */
scopes: Array<Scope>, };

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

export type ErrorCode = "UNAUTHORIZED" | "FORBIDDEN" | "RATE_LIMITED" | "VALIDATION_ERROR" | "NOT_FOUND" | "METHOD_NOT_ALLOWED" | "INTERNAL_ERROR" | "DATABASE_BUSY" | "PORT_IN_USE" | "SERVICE_UNAVAILABLE" | "CLIPBOARD_UNAVAILABLE" | "KEY_ON_SCREEN" | "KEYCHAIN_MISSING" | "KEYCHAIN_LOCKED" | "KEYCHAIN_REFUSED" | "KEYCHAIN_TAKEN" | "KEYCHAIN_FAILED" | "ENV_FILE_FAILED" | "SECRET_GONE" | "SETTINGS_NOT_SAVED";

export type ErrorBody = { 
/**
 * A sentence for people.
 */
error: string, 
/**
 * What programs switch on.
 */
code: ErrorCode, };

export type DatabaseProblem = "locked" | "readOnly" | "corrupt" | "newer" | "foreign" | "unavailable";

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

export type LostKey = { key: ApiKey, cause: Loss, };

export type Loss = "hidden" | "locked" | "interrupted";

export type OneTimeState = { 
/**
 * The key that is being shown.
 */
showing: ApiKey | null, 
/**
 * The last key that was taken from sight before it had been copied or saved.
 */
lost: LostKey | null, };

export type AppEvent = { "type": "status", status: ServiceStatus, } | { "type": "keys", event: KeyEvent, } | { "type": "clipboard", 
/**
 * When it will be taken off; `null` when there is nothing to take off.
 */
clearsAt: string | null, 
/**
 * How many seconds a copied key stays; `null` for as long as it likes.
 */
staysSeconds: number | null, } | { "type": "oneTime", state: OneTimeState, } | { "type": "leftInKeychain", name: string, } | { "type": "closeRequested" };

export type SealedKey = { 
/**
 * The sender's ephemeral public key, 65 bytes; `enc` in RFC 9180.
 */
encapsulated: Array<number>, 
/**
 * The key's text and a tag of 16 bytes.
 */
ciphertext: Array<number>, };

export type RevealedKey = { key: ApiKey, sealed: SealedKey, };

export type GitRisk = "notIgnored" | "unknown";

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
gitRisk: GitRisk | null, };
