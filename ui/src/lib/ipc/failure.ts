import type { CommandError, CommandErrorCode, FileProblem } from './bindings';

const CODES: Record<CommandErrorCode, true> = {
  UNAUTHORIZED: true,
  FORBIDDEN: true,
  RATE_LIMITED: true,
  VALIDATION_ERROR: true,
  NOT_FOUND: true,
  METHOD_NOT_ALLOWED: true,
  INTERNAL_ERROR: true,
  DATABASE_BUSY: true,
  DATABASE_REPLACED: true,
  STORAGE_FULL: true,
  TRAINING_DATA_FULL: true,
  CONFLICT: true,
  PORT_IN_USE: true,
  SERVICE_UNAVAILABLE: true,
  CLIPBOARD_UNAVAILABLE: true,
  KEY_ON_SCREEN: true,
  KEYCHAIN_MISSING: true,
  KEYCHAIN_LOCKED: true,
  KEYCHAIN_REFUSED: true,
  KEYCHAIN_TAKEN: true,
  KEYCHAIN_AMBIGUOUS: true,
  KEYCHAIN_SILENT: true,
  KEYCHAIN_FAILED: true,
  ENV_FILE_FAILED: true,
  EXPORT_FAILED: true,
  SECRET_GONE: true,
  SETTINGS_NOT_SAVED: true,
};

const FILE_PROBLEMS: Record<FileProblem, true> = {
  mounted: true,
  protected: true,
  notPermitted: true,
  unreadable: true,
  readOnly: true,
  full: true,
  noFolder: true,
  changed: true,
  notAFile: true,
  tooLarge: true,
  notUtf8: true,
  brokenLink: true,
  linkLoop: true,
  unclearLine: true,
  unclearUse: true,
  otherCode: true,
};

/** With these refusals it is certain that nothing was changed. */
const WITHOUT_EFFECT: ReadonlySet<CommandErrorCode> = new Set([
  'VALIDATION_ERROR',
  'FORBIDDEN',
  'UNAUTHORIZED',
  'DATABASE_BUSY',
  'STORAGE_FULL',
  'RATE_LIMITED',
  'KEY_ON_SCREEN',
]);

/** Why a command was refused. */
export class Failure extends Error {
  constructor(
    readonly code: CommandErrorCode,
    readonly detail: string,
    /** What was wrong with a file, where a person can do something about it. */
    readonly file: FileProblem | null = null,
    /** The line of the file that it is about. */
    readonly line: number | null = null,
    /** The variable in that line that could not be set. */
    readonly variable: string | null = null,
  ) {
    super(code);
    this.name = 'Failure';
  }

  /** Whether it is certain that the command changed nothing. */
  get hadNoEffect(): boolean {
    return WITHOUT_EFFECT.has(this.code);
  }
}

function isCommandError(value: unknown): value is CommandError {
  if (typeof value !== 'object' || value === null) return false;
  const { error, code } = value as Partial<Record<keyof CommandError, unknown>>;
  return typeof error === 'string' && typeof code === 'string' && Object.hasOwn(CODES, code);
}

/** Anything that is not a well-formed error is an internal one, and its text is not shown. */
export function toFailure(reason: unknown): Failure {
  if (reason instanceof Failure) return reason;
  if (!isCommandError(reason)) return new Failure('INTERNAL_ERROR', '');
  const { code, error, file, line, variable } = reason;
  const problem = file && Object.hasOwn(FILE_PROBLEMS, file) ? file : null;
  return new Failure(code, error, problem, line ?? null, variable ?? null);
}
