import { expect, it } from 'vitest';
import { inOrder, withoutImplied } from './scopes';

it('lists scopes in documented order, once each', () => {
  expect(inOrder(['admin', 'read', 'training', 'read'])).toEqual(['training', 'read', 'admin']);
});

it('leaves out what writing includes', () => {
  expect(withoutImplied(['training', 'models', 'read', 'write', 'admin'])).toEqual(['write', 'admin']);
  expect(withoutImplied(['read', 'models'])).toEqual(['models', 'read']);
});
