import { expect, it } from 'vitest';
import { Failure, toFailure } from './failure';

it('knows the codes of the service and of the app', () => {
  expect(toFailure({ error: 'busy', code: 'DATABASE_BUSY' })).toMatchObject({ code: 'DATABASE_BUSY', detail: 'busy' });
  expect(toFailure({ error: 'taken', code: 'PORT_IN_USE' }).code).toBe('PORT_IN_USE');
});

it('knows what was wrong with a file', () => {
  const failure = { error: 'the disk is full', code: 'ENV_FILE_FAILED' };
  expect(toFailure({ ...failure, file: 'full' }).file).toBe('full');
  expect(toFailure({ ...failure, file: 'toString' }).file).toBeNull();
  expect(toFailure(failure).file).toBeNull();
  expect(toFailure({ ...failure, file: 'unclearLine', line: 3 })).toMatchObject({ file: 'unclearLine', line: 3 });
  const use = { file: 'unclearUse', line: 3, variable: 'ULTRALYTICS_API_KEY' };
  expect(toFailure({ ...failure, ...use })).toMatchObject(use);
});

it.each([undefined, 'ul_secret', { error: 'x', code: 'toString' }, new Error('x')])('shows nothing of %j', (thrown) =>
  expect(toFailure(thrown)).toMatchObject({ code: 'INTERNAL_ERROR', detail: '' }),
);

it('claims that nothing was changed only where that is certain', () => {
  expect(new Failure('DATABASE_BUSY', '').hadNoEffect).toBe(true);
  expect(new Failure('STORAGE_FULL', '').hadNoEffect).toBe(true);
  expect(new Failure('FORBIDDEN', '').hadNoEffect).toBe(true);
  expect(new Failure('SERVICE_UNAVAILABLE', '').hadNoEffect).toBe(false);
  expect(new Failure('INTERNAL_ERROR', '').hadNoEffect).toBe(false);
});
