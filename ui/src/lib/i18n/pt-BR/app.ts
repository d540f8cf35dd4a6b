export const app = {
  product: 'UL Keys',
  settings: 'Configurações',
  sections: 'Seções das configurações',
  notifications: 'Notificações',
  justNow: 'agora mesmo',
  never: 'Nunca',
  cancel: 'Cancelar',
  dismiss: 'Dispensar',
  copy: 'Copiar',
  copied: 'Copiado',
  tryAgain: 'Tentar novamente',
  nothingChanged: 'Nada foi alterado.',
} as const;
