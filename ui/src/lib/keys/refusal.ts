import { t } from '../i18n/index.svelte';
import type { Failure } from '../ipc';

type Field = 'name' | 'scopes';

/** The service's objection to one field of a form, and which that is. */
export function refusedField(failure: Failure): { field: Field; text: string } | null {
  if (failure.code !== 'VALIDATION_ERROR') return null;
  const [, field, reason] = /^(name|scopes)\b[^:]*:\s*(.*)$/s.exec(failure.detail) ?? [];
  if (field !== 'name' && field !== 'scopes') return null;
  return { field, text: t('failures.refused', { detail: reason ?? '' }) };
}
