import { createInstance, type TFunction } from 'i18next';
import * as de from './de';
import * as en from './en';
import { isolated } from './isolated';
import type { Language } from './language';
import * as ptBR from './pt-BR';
import type { Translation } from './translation';

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
    strictKeyChecks: true;
    interpolationFormatTypeMap: { isolated: string };
  }
}

const german: Translation<typeof de, 'one' | 'other'> = de;
const portuguese: Translation<typeof ptBR, 'one' | 'many' | 'other'> = ptBR;

export const CATALOGUES = { en, de: german, 'pt-BR': portuguese } satisfies Record<Language, object>;

const i18next = createInstance({
  resources: {
    en: { translation: en },
    de: { translation: german },
    'pt-BR': { translation: portuguese },
  },
  lng: 'en',
  initAsync: false,
  // Svelte escapes what it shows.
  interpolation: { escapeValue: false },
});
void i18next.init();
i18next.services.formatter?.add('isolated', isolated);

/** The messages in each language. */
export const MESSAGES: Record<Language, TFunction> = {
  en: i18next.getFixedT('en'),
  de: i18next.getFixedT('de'),
  'pt-BR': i18next.getFixedT('pt-BR'),
};
