import { describe, expect, it } from 'vitest';
import { readPaste } from './paste';

const KEY = `ul_${'0123456789abcdef'.repeat(3).slice(0, 40)}`;
const HEADER = `-H "Authorization: Bearer ${KEY}"`;

describe('a key', () => {
  it.each([
    KEY,
    `  ${KEY}\n`,
    `export ULTRALYTICS_API_KEY="${KEY}"`,
    `$env:ULTRALYTICS_API_KEY = '${KEY}'`,
    `curl ${HEADER} http://127.0.0.1:8576/api/models`,
    `curl -H "Authorization: Bearer "${KEY}"" http://127.0.0.1:8576/api/models`,
    `yolo login ${KEY}`,
    `api_key = "${KEY}"`,
    `{"apiKey":"${KEY}"}`,
    `GET /api/models HTTP/1.1\r\nHost: 127.0.0.1:8576\r\nAuthorization: Bearer ${KEY}\r\n`,
    `My key is “${KEY}”.`,
  ])('is found in %j', (text) => expect(readPaste(text)).toMatchObject({ key: KEY, slip: null }));

  it.each([
    [`${KEY.slice(0, 30)}\n  ${KEY.slice(30)}`, `${KEY.slice(0, 30)}\n  ${KEY.slice(30)}`],
    [KEY.toUpperCase(), KEY.toUpperCase()],
    [`export ULTRALYTICS_API_KEY=${KEY.slice(0, -1)}`, KEY.slice(0, -1)],
    [`Bearer ${KEY}0 and more`, `${KEY}0`],
    [`yolo login ${KEY.replace('f', 'g')}`, KEY.replace('f', 'g')],
    [`Authorization: Bearer ${KEY.slice(3)}`, KEY.slice(3)],
    [`ULTRALYTICS_API_KEY=${KEY.slice(3)}`, KEY.slice(3)],
    [KEY.slice(3), KEY.slice(3)],
    [`The key ul_12345.`, 'ul_12345'],
  ])('that is broken is asked about as it is: %j', (text, key) =>
    expect(readPaste(text)).toMatchObject({ key, slip: null }),
  );

  it('is the first of several', () => {
    expect(readPaste(`${KEY} ${KEY.replace('0', 'a')}`).key).toBe(KEY);
  });

  it.each(['', '   ', 'How do I train a model?', 'https://platform.ultralytics.com/settings', '/api/models'])(
    'is not seen in %j',
    (text) => expect(readPaste(text)).toMatchObject({ key: null, slip: null }),
  );
});

describe('a slip', () => {
  it.each([
    ['export ULTRALYTICS_API_KEY="ul_your_key_here"', 'placeholder'],
    ['Authorization: Bearer YOUR_API_KEY', 'placeholder'],
    ['Authorization: Bearer <token>', 'placeholder'],
    ['yolo login API_KEY', 'placeholder'],
    ['ul_xxxxxxxxxxxxxxxxxxxx', 'placeholder'],
    ['ul_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0', 'sample'],
    ['curl -H "Authorization: Bearer ul_a1b2c3d4…"', 'shortened'],
    ['ul_a1b2c3d4...', 'shortened'],
    ['export ULTRALYTICS_API_KEY=key_0123456789abcdef01234567', 'keyId'],
    ['key_0123456789abcdef01234567', 'keyId'],
    ['export ULTRALYTICS_API_KEY=', 'empty'],
    ['$env:ULTRALYTICS_API_KEY = ""', 'empty'],
    ['curl -H "Authorization: Bearer " http://127.0.0.1:8576/api/models -o "x"', 'empty'],
    ['curl -H "Authorization: Bearer $ULTRALYTICS_API_KEY" http://127.0.0.1:8576/api/models', 'variable'],
    ['Invoke-RestMethod -Headers @{ Authorization = "Bearer $env:ULTRALYTICS_API_KEY" }', 'variable'],
    ['curl -H "Authorization: Bearer %ULTRALYTICS_API_KEY%"', 'variable'],
    ['api_key = os.environ.get("ULTRALYTICS_API_KEY")', 'variable'],
    ['headers={"Authorization": f"Bearer {api_key}"}', 'variable'],
    ['headers={"Authorization": "Bearer " + api_key}', 'variable'],
    ['headers={"Authorization": f"Bearer {os.environ[\'ULTRALYTICS_API_KEY\']}"}', 'variable'],
    ['ULTRALYTICS_API_KEY', 'variable'],
    ["curl -H 'Authorization: Bearer $ULTRALYTICS_API_KEY' http://127.0.0.1:8576/api/models", 'singleQuotes'],
    ["curl -H 'Authorization: Bearer ${ULTRALYTICS_API_KEY}'", 'singleQuotes'],
  ])('in place of a key: %s', (text, slip) => expect(readPaste(text)).toMatchObject({ key: null, slip }));

  it.each([
    [`export ULTRALYTICS_API_KEY=“${KEY}”`, 'quotes'],
    [`curl -H “Authorization: Bearer ${KEY}”`, 'quotes'],
    [`curl -H 'Authorization: Bearer "${KEY}"'`, 'quotes'],
    [`export ULTRALYTICS_API_KEY="'${KEY}'"`, 'quotes'],
    [`export ULTRALYTICS_API_KEY="Bearer ${KEY}"`, 'bearerInside'],
    [`curl -H "Authorization: ${KEY}"`, 'bearerMissing'],
    [`requests.get(url, headers={"Authorization": "${KEY}"})`, 'bearerMissing'],
    [`curl -H "x-api-key: ${KEY}"`, 'bearerMissing'],
  ])('around a key: %s', (text, slip) => expect(readPaste(text)).toMatchObject({ key: KEY, slip }));
});

describe('a refusal', () => {
  it.each([
    ['API request failed (HTTP 401): Invalid API key', 401],
    ['httpx.HTTPStatusError: Client error 401 Unauthorized', 401],
    ['API request failed (HTTP 403): Permission denied for this operation', 403],
    ['HTTP/1.1 429 Too Many Requests', 429],
    ['{"error":"Rate limit exceeded","code":"RATE_LIMITED"}', 429],
    ['epoch 401 of 500', null],
  ])('is read from %s', (text, refused) => expect(readPaste(text).refused).toBe(refused));
});
