import { formatTime, t, timeExactly } from '../i18n/index.svelte';
import type { CheckReport } from '../ipc';
import type { Answer } from './answers';
import type { Request } from './request';

interface Words {
  title: string;
  texts: string[];
}

/** An answer in the person's language. */
export function words(answer: Answer, request: Request | null): Words {
  switch (answer.about) {
    case 'server':
      return { title: t('help.server.title', { server: answer.server }), texts: [t('help.server.text')] };
    case 'slip':
      return { title: t(`help.slip.${answer.slip}.title`), texts: [t(`help.slip.${answer.slip}.text`)] };
    case 'elsewhere':
      return { title: t('help.elsewhere.title'), texts: [t('help.elsewhere.address'), t('help.elsewhere.saved')] };
    case 'refused':
      return { title: t(`help.refused.${answer.status}.title`), texts: [t(`help.refused.${answer.status}.text`)] };
    case 'nothing':
      return { title: t('help.nothing.title'), texts: [t(request ? 'help.nothing.request' : 'help.nothing.text')] };
    case 'finding':
      return wordsFor(answer.diagnosis, request);
  }
}

function wordsFor({ finding, key }: CheckReport, request: Request | null): Words {
  const name = key?.name ?? '';
  switch (finding.kind) {
    case 'malformed':
      return { title: t('help.malformed.title'), texts: [t(`help.malformed.${finding.problem}`)] };
    case 'unknown':
      return { title: t('help.unknown.title'), texts: [t('help.unknown.text')] };
    case 'revoked': {
      const when = timeExactly(finding.revokedAt);
      return { title: t('help.revoked.title', { name }), texts: [t('help.revoked.text', { when })] };
    }
    case 'scope': {
      const [has, needed] = [key?.scopes ?? [], finding.needed].map((scopes) => scopes.join(', '));
      const title = t('help.scope.title', { name });
      if (!needed) return { title: t('help.scope.noneTitle'), texts: [t('help.scope.none')] };
      return { title, texts: [t('help.scope.text', { needed, has: has ?? '' }), t('help.scope.remedy')] };
    }
    case 'limit': {
      const { limit, freeAt } = finding;
      const texts = [t('help.limit.text', { limit, when: formatTime(freeAt) }), t('help.limit.remedy')];
      return { title: t('help.limit.title', { name }), texts };
    }
    case 'peerLimit':
      return {
        title: t('help.peerLimit.title'),
        texts: [t('help.peerLimit.text', { when: formatTime(finding.freeAt) })],
      };
    case 'accepted': {
      const scopes = (key?.scopes ?? []).join(', ');
      if (!request) return { title: t('help.accepted.title', { name }), texts: [t('help.accepted.text', { scopes })] };
      return { title: t('help.accepted.requestTitle', { name }), texts: [t('help.accepted.requestText', { scopes })] };
    }
  }
}
