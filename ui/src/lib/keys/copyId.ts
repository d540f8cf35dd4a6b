import { say, sayFailure } from '../components/toasts.svelte';
import { t } from '../i18n/index.svelte';
import { copyKeyId, type ApiKey } from '../ipc';

/** Copies a key's identifier, and says what came of it. */
export async function copyId({ keyId, name }: ApiKey): Promise<void> {
  try {
    await copyKeyId(keyId);
    say(t('keys.idCopied', { name }));
  } catch (reason) {
    sayFailure(reason);
  }
}
