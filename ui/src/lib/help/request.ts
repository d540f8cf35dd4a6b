/** Which request a pasted text makes, and where to. */

export interface Request {
  method: string;
  path: string;
}

const METHOD = 'GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS';
/** As in an HTTP request's first line, an access log, or words about a request. */
const FIRST_LINE = new RegExp(String.raw`\b(${METHOD})\s+(?:https?://[^/\s"']+)?(/[^\s"'?#]*)`);
/** As in requests.get("…"), client.post('…') or fetch(`…`). */
const CALL = new RegExp(
  String.raw`\.(${METHOD.toLowerCase()})\(\s*f?["'\`](?:https?://[^/\s"'\`]+|\{[^}]*\}|\$\{[^}]*\})?(/[^\s"'\`?#]*)`,
  'i',
);
/** An address, or a variable that holds its beginning, and the path after it; any path only where it is called. */
const START = String.raw`(?:https?://[^/\s"'\`]+|\$\{?\w*URL\w*\}?|\$env:\w*URL\w*|%\w*URL\w*%)`;
const ADDRESS = new RegExp(String.raw`${START}(/api/[^\s"'\`?#]*)`, 'i');
const CALLED_ADDRESS = new RegExp(
  String.raw`\b(?:curl|wget|Invoke-RestMethod|Invoke-WebRequest|irm|iwr)\b[^\n]*?${START}(/[^\s"'\`?#]*)`,
  'i',
);
const PATH = /(?<![\w.:/])(\/api\/[^\s"'`?#,)]*)/;
const GIVEN_METHOD = new RegExp(String.raw`(?:-X|--request|--method|-Method)[ =]*["']?(${METHOD})\b`, 'i');
const FETCH_METHOD = new RegExp(String.raw`\bmethod["']?\s*[:=]\s*["'](${METHOD})["']`, 'i');
const SENDS_BODY = /\s(?:-d|--data(?:-\w+)?|--json|-F|--form)[\s=]/;

/** Commands of the platform's own programs, and what they ask for. */
const OWN: [RegExp, Request][] = [
  [/\byolo\s+(?:\w+\s+)?train\b/, { method: 'POST', path: '/api/webhooks/training/metrics' }],
  [/\bul\s+cloud\s+account\s+api-keys\b/, { method: 'GET', path: '/api/api-keys' }],
  [/\bul\s+cloud\s+account\s+summary\b/, { method: 'GET', path: '/api/account/summary' }],
  [/\b(?:ul|yolo)\s+login\b/, { method: 'GET', path: '/api/account/summary' }],
];

const SERVERS = [
  /\bULTRALYTICS_PLATFORM_URL["']?\]?[ \t]*[=:][ \t]*["']?https?:\/\/([^/\s"'`,;)]+)/i,
  /\bhttps?:\/\/([^/\s"'`,;)]+)(?=\/api\b)/i,
  /\b(?:curl|wget|Invoke-RestMethod|Invoke-WebRequest|irm|iwr)\b[^\n]*?\bhttps?:\/\/([^/\s"'`,;)]+)/i,
  /^Host:[ \t]*(\S+)/im,
];

export function requestIn(text: string): Request | null {
  const first = FIRST_LINE.exec(text) ?? CALL.exec(text);
  if (first?.[1] && first[2]) return { method: first[1].toUpperCase(), path: first[2] };
  const path = (ADDRESS.exec(text) ?? PATH.exec(text) ?? CALLED_ADDRESS.exec(text))?.[1];
  if (path) return { method: methodIn(text), path };
  return OWN.find(([command]) => command.test(text))?.[1] ?? null;
}

function methodIn(text: string): string {
  const given = GIVEN_METHOD.exec(text) ?? FETCH_METHOD.exec(text);
  if (given?.[1]) return given[1].toUpperCase();
  if (!/\bcurl\b/.test(text)) return 'GET';
  if (SENDS_BODY.test(text)) return 'POST';
  if (/\s(?:-I|--head)\b/.test(text)) return 'HEAD';
  return /\s(?:-T|--upload-file)\s/.test(text) ? 'PUT' : 'GET';
}

/** Host and port, as in `127.0.0.1:8576`. */
export function serverIn(text: string): string | null {
  for (const server of SERVERS) {
    const found = server.exec(text)?.[1];
    if (found && !found.includes('$') && !found.includes('{')) return found.toLowerCase();
  }
  return null;
}

/** Whether both name the same place; a computer has two names for itself. */
export function isSameServer(server: string, ownUrl: string): boolean {
  const plain = (host: string) => host.replace(/^https?:\/\//, '').replace(/^localhost(?=:|$)/, '127.0.0.1');
  return plain(server) === plain(ownUrl);
}

/** Whether its program finds the service by the environment variable. */
export function usesOwnClient(text: string): boolean {
  return (
    /\byolo\s+\w|\bul\s+(?:login|cloud)\b|\b(?:import|from)\s+ultralytics/.test(text) ||
    OWN.some(([command]) => command.test(text))
  );
}
