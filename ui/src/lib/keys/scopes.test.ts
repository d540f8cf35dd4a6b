import { describe, expect, it } from 'vitest';
import { inOrder, suggested, withoutImplied, type Choice } from './scopes';

it('lists scopes in documented order, once each', () => {
  expect(inOrder(['admin', 'read', 'training', 'read'])).toEqual(['training', 'read', 'admin']);
});

it('leaves out what writing includes', () => {
  expect(withoutImplied(['training', 'models', 'read', 'write', 'admin'])).toEqual(['write', 'admin']);
  expect(withoutImplied(['read', 'models'])).toEqual(['models', 'read']);
});

describe('a suggestion', () => {
  const nothing = { name: '', scopes: [] };
  const server: Choice = { name: 'training-server', scopes: ['training', 'read'] };
  const phone: Choice = { name: 'mobile-app', scopes: ['read'] };

  it('fills in what is empty', () => {
    expect(suggested({ name: ' ', scopes: [] }, nothing, server)).toEqual({ chosen: server, filled: server });
  });

  it('takes the place of an earlier one', () => {
    expect(suggested(server, server, phone)).toEqual({ chosen: phone, filled: phone });
  });

  it('leaves a typed name and ticked scopes alone', () => {
    const typed: Choice = { name: 'lab', scopes: ['admin', 'read'] };
    const first = suggested(typed, nothing, server);
    expect(first.chosen).toEqual({ name: 'lab', scopes: ['admin', 'read', 'training'] });
    expect(suggested(first.chosen, first.filled, phone).chosen).toEqual(typed);
  });
});
