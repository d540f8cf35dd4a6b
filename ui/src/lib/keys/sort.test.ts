import { expect, it } from 'vitest';
import { columns, direction, natural, sortOf, toggled } from './sort';

it('begins with what one wants to see first, and then turns round', () => {
  expect(natural('name')).toBe('name');
  expect(natural('lastUsedAt')).toBe('-lastUsedAt');
  expect(toggled('-createdAt', 'name')).toBe('name');
  expect(toggled('name', 'name')).toBe('-name');
  expect(toggled('-name', 'name')).toBe('name');
});

it('says how the list is sorted', () => {
  expect(direction('-createdAt', 'createdAt')).toBe('descending');
  expect(direction('name', 'name')).toBe('ascending');
  expect(direction('name', 'createdAt')).toBeUndefined();
});

it('shows when keys were revoked where that is what they have in common', () => {
  expect(columns(true)).toContain('revokedAt');
  expect(columns(false)).not.toContain('revokedAt');
});

it('has no order that the keys of a status do not have', () => {
  expect(sortOf('revoked', 'lastUsedAt')).toBe('-revokedAt');
  expect(sortOf('active', 'revokedAt')).toBe('-createdAt');
  expect(sortOf('attention', 'name')).toBe('name');
});
