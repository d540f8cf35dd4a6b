/**
 * What a pasted text holds that explains a refusal: a key or what was meant to be one, the request, the server, and
 * slips in how they are written. Nothing is sent or kept here, and what is found is only named, never repaired.
 */

import { requestIn, serverIn, usesOwnClient, type Request } from './request';

export type { Request } from './request';

/** What is wrong around a key, as a program would see it. */
export type Slip =
  | 'placeholder'
  | 'sample'
  | 'shortened'
  | 'keyId'
  | 'quotes'
  | 'bearerInside'
  | 'bearerMissing'
  | 'singleQuotes'
  | 'empty'
  | 'variable';

export interface Paste {
  /** To be asked about; `null` where there is none, or a slip says already why it is none. */
  key: string | null;
  slip: Slip | null;
  request: Request | null;
  /** Host and port that the command talks to, where it names them. */
  server: string | null;
  /** How a program was refused, where the text tells. */
  refused: 401 | 403 | 429 | null;
  /** Whether its program finds the service by the environment variable. */
  usesOwnClient: boolean;
}

const KEY = /(?<![0-9a-z_])ul_[0-9a-f]{40}(?![0-9a-z_])/i;
/** Forty digits with white space among them, as when a terminal or a mail broke the line. */
const BROKEN_KEY = /(?<![0-9a-z_])ul_\s*(?:[0-9a-f]\s*){39}[0-9a-f](?![0-9a-z_])/i;
const ALMOST_KEY = /(?<![0-9a-z_])ul_[0-9a-z_.…*-]*/gi;
const SAMPLE = 'ul_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0';
const PLACEHOLDER =
  /^[<[{(].*[>\]})]$|^(?:ul_)?(?:x{3,}|\*{3,}|\.{3,})|your|_here\b|example|placeholder|change_?me|insert|replace_?(?:me|with)|^(?:ul_)?(?:api_?)?(?:key|token|secret)$/i;
const SHORTENED = /^ul_[0-9a-f]{0,39}(?:…|\.{2,}|\*{2,})$/i;
const KEY_ID = /^key_[0-9a-f]{24}$/;

/** Where a key is expected: what stands there, with its quotes. */
const VALUE = String.raw`("[^"\n]*"|'[^'\n]*'|[“”„‘’«»][^\n]*?[“”‘’«»]|[^\s"';,)|&]*)`;
const PLACES = [
  new RegExp(String.raw`\bAuthorization["']?\s*[:=]\s*f?["']?\s*Bearer\b[ \t]*${VALUE}`, 'i'),
  new RegExp(String.raw`\bULTRALYTICS_API_KEY["']?\]?[ \t]*[=:][ \t]*${VALUE}`, 'i'),
  new RegExp(String.raw`\bset[xX]?[ \t]+ULTRALYTICS_API_KEY[ \t]+${VALUE}`, 'i'),
  new RegExp(String.raw`\b(?:yolo|ul)[ \t]+login[ \t]+${VALUE}`, 'i'),
  new RegExp(String.raw`\bapi_?key["']?\s*[:=]\s*${VALUE}`, 'i'),
  new RegExp(String.raw`\bBearer\b[ \t]+${VALUE}`, 'i'),
];
const BARE_HEADER = /\bAuthorization["']?\s*[:=]\s*["']?\s*(?:token\s+|key\s+)?(?=ul_)/i;
const OTHER_HEADER = /\bx-api-key["']?\s*[:=]/i;
const EMPTY_HEADER = /(["'])Authorization:[ \t]*Bearer[ \t]*\1/i;
const JOINED_HEADER = /\bBearer *["'`] *[+.&] *\$?\w/i;
const VARIABLE = /^\$\{?\w+\}?$|^\$env:\w+$|^%\w+%$|^\$?\{(?!.*your)[\w.]+\}$|environ|getenv|process\.env/i;
const VARIABLE_USED =
  /\$\{?(?:env:)?ULTRALYTICS_API_KEY\b|%ULTRALYTICS_API_KEY%|["']ULTRALYTICS_API_KEY["']|^ULTRALYTICS_API_KEY$/i;
/** What makes a text a command or a setting, and quotes in it more than punctuation. */
const COMMAND = /=|\b(?:curl|export|set|yolo|ul|Bearer)\b/i;

export function readPaste(text: string): Paste {
  const trimmed = text.trim();
  const about = {
    request: requestIn(trimmed),
    server: serverIn(trimmed),
    refused: refusalIn(trimmed),
    usesOwnClient: usesOwnClient(trimmed),
  };
  return { ...keyIn(trimmed), ...about };
}

function keyIn(text: string): Pick<Paste, 'key' | 'slip'> {
  if (text.toLowerCase().includes(SAMPLE)) return { key: null, slip: 'sample' };
  const whole = KEY.exec(text);
  if (whole) return { key: whole[0], slip: slipAround(text, whole.index, whole[0].length) };
  const broken = BROKEN_KEY.exec(text);
  if (broken) return { key: broken[0], slip: null };

  const almost = [...text.matchAll(ALMOST_KEY)].map(([found]) => found).sort((a, b) => b.length - a.length)[0];
  if (almost !== undefined) return judged(almost);
  if (EMPTY_HEADER.test(text)) return { key: null, slip: 'empty' };
  if (JOINED_HEADER.test(text)) return { key: null, slip: 'variable' };
  for (const place of PLACES) {
    const found = place.exec(text);
    if (found) return judgedValue(found[1] ?? '', singleQuoted(text, found.index + found[0].length));
  }
  if (VARIABLE_USED.test(text)) return { key: null, slip: singleQuotedVariable(text) ? 'singleQuotes' : 'variable' };
  // Nothing but one word: it was meant to be the key.
  if (/^\S+$/.test(text) && !/[/:=]/.test(text)) return judgedValue(text, false);
  return { key: null, slip: null };
}

function singleQuotedVariable(text: string): boolean {
  const at = text.search(/\$\{?ULTRALYTICS_API_KEY\b/);
  return at >= 0 && singleQuoted(text, at);
}

/** Whether a shell takes this place of a command as it is written, because single quotes are open there. */
function singleQuoted(text: string, at: number): boolean {
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
  let open: string | null = null;
  for (const character of line) {
    if (open === null ? character === "'" || character === '"' : character === open) {
      open = open === null ? character : null;
    }
  }
  return open === "'";
}

function judged(text: string): Pick<Paste, 'key' | 'slip'> {
  if (SHORTENED.test(text)) return { key: null, slip: 'shortened' };
  if (PLACEHOLDER.test(text)) return { key: null, slip: 'placeholder' };
  return { key: text.replace(/[.…*-]+$/, ''), slip: null };
}

function judgedValue(value: string, inSingleQuotes: boolean): Pick<Paste, 'key' | 'slip'> {
  const bare = value.replace(/^["'“”„‘’«»]+|["'“”„‘’«»]+$/g, '').trim();
  if (bare === '') return { key: null, slip: 'empty' };
  if (VARIABLE.test(bare)) {
    const literal = bare.startsWith('$') && !bare.startsWith('$env:') && (inSingleQuotes || value.startsWith("'"));
    return { key: null, slip: literal ? 'singleQuotes' : 'variable' };
  }
  if (KEY_ID.test(bare)) return { key: null, slip: 'keyId' };
  return judged(bare);
}

function slipAround(text: string, at: number, length: number): Slip | null {
  const before = text.slice(0, at);
  const after = text.slice(at + length);
  if (/API_?KEY["']?\]?\s*[=:]\s*["']?\s*Bearer\s+$/i.test(before)) return 'bearerInside';
  // Quotes that a shell does not take away: typographic ones, and a second pair inside the first.
  const typographic = /[“”„‘’«»]\s*$/.test(before) || /^\s*[“”„‘’«»]/.test(after);
  if (typographic && COMMAND.test(text)) return 'quotes';
  if (/(?:"'|'")$/.test(before) && /^(?:"'|'")/.test(after)) return 'quotes';
  const quote = /Bearer\s+(["'])$/i.exec(before)?.[1];
  if (quote !== undefined && after.startsWith(quote) && !after.startsWith(quote + quote)) return 'quotes';
  if (BARE_HEADER.test(text) || (OTHER_HEADER.test(text) && !/\bBearer\b/i.test(text))) return 'bearerMissing';
  return null;
}

function refusalIn(text: string): Paste['refused'] {
  if (
    /\b(?:HTTP|status|code|error)\b[^\n]{0,24}\b401\b|\b401 (?:Unauthorized|Client Error)|Invalid API key/i.test(text)
  )
    return 401;
  if (
    /\b(?:HTTP|status|code|error)\b[^\n]{0,24}\b403\b|\b403 Forbidden|Permission denied for this operation/i.test(text)
  )
    return 403;
  if (/\b(?:HTTP|status|code|error)\b[^\n]{0,24}\b429\b|\b429 Too Many|Rate limit exceeded/i.test(text)) return 429;
  return null;
}
