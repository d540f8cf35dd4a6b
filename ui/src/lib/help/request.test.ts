import { describe, expect, it } from 'vitest';
import { isSameServer, requestIn, serverIn, usesOwnClient } from './request';

const HERE = 'http://127.0.0.1:8576';

describe('the request', () => {
  it.each([
    [`curl ${HERE}/api/models`, 'GET', '/api/models'],
    [`curl -s "${HERE}/api/models?limit=5"`, 'GET', '/api/models'],
    [`curl -X DELETE ${HERE}/api/datasets/a/b`, 'DELETE', '/api/datasets/a/b'],
    [`curl -XPATCH '${HERE}/api/projects/a'`, 'PATCH', '/api/projects/a'],
    [`curl --request=PUT ${HERE}/api/models/a`, 'PUT', '/api/models/a'],
    [`curl ${HERE}/api/datasets -d '{"name":"x"}'`, 'POST', '/api/datasets'],
    [`curl -I ${HERE}/api/models`, 'HEAD', '/api/models'],
    [`curl "$ULTRALYTICS_PLATFORM_URL/api/models"`, 'GET', '/api/models'],
    [`curl ${HERE}/models`, 'GET', '/models'],
    ['curl -H "x: y" \\\n  https://platform.ultralytics.com/api/models', 'GET', '/api/models'],
    ['Invoke-RestMethod -Method Post "$env:ULTRALYTICS_PLATFORM_URL/api/datasets"', 'POST', '/api/datasets'],
    ['POST /api/datasets HTTP/1.1\r\nHost: a', 'POST', '/api/datasets'],
    ['127.0.0.1 - - "GET /api/models?x=1 HTTP/1.1" 403', 'GET', '/api/models'],
    [`requests.delete("${HERE}/api/models/a")`, 'DELETE', '/api/models/a'],
    ["client.post(f'{base}/api/datasets', json={})", 'POST', '/api/datasets'],
    [`fetch("${HERE}/api/datasets", { method: "PUT" })`, 'PUT', '/api/datasets'],
    ['why is /api/models refused?', 'GET', '/api/models'],
    ['yolo train model=yolo11n.pt project=a/b', 'POST', '/api/webhooks/training/metrics'],
    ['yolo detect train data=coco8.yaml', 'POST', '/api/webhooks/training/metrics'],
    ['ul cloud account api-keys', 'GET', '/api/api-keys'],
    ['ul login KEY', 'GET', '/api/account/summary'],
  ])('of %s', (text, method, path) => expect(requestIn(text)).toEqual({ method, path }));

  it.each(['', 'API request failed (HTTP 401): Invalid API key', 'see https://platform.ultralytics.com/settings'])(
    'is not guessed from %j',
    (text) => expect(requestIn(text)).toBeNull(),
  );
});

describe('the server', () => {
  it.each([
    [`curl ${HERE}/api/models`, '127.0.0.1:8576'],
    ['curl https://Platform.Ultralytics.com/api/models', 'platform.ultralytics.com'],
    ['export ULTRALYTICS_PLATFORM_URL="http://10.0.0.5:9000"', '10.0.0.5:9000'],
    ['GET /api/models HTTP/1.1\r\nHost: localhost:8576\r\n', 'localhost:8576'],
    ['curl "$ULTRALYTICS_PLATFORM_URL/api/models"', null],
    ['see https://docs.example.org/keys', null],
  ])('of %s', (text, server) => expect(serverIn(text)).toBe(server));

  it('has two names on the same computer', () => {
    expect(isSameServer('localhost:8576', HERE)).toBe(true);
    expect(isSameServer('127.0.0.1:8576', HERE)).toBe(true);
    expect(isSameServer('localhost:8577', HERE)).toBe(false);
    expect(isSameServer('localhost.example.org:8576', HERE)).toBe(false);
  });
});

it.each([
  ['yolo train', true],
  ['ul cloud account summary', true],
  ['from ultralytics import YOLO', true],
  ['curl https://platform.ultralytics.com/api/models', false],
])('knows whether %s asks the variable for its service', (text, own) => expect(usesOwnClient(text)).toBe(own));
