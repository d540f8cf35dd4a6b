export const revoke = {
  title: 'Revogar {{name, isolated}}?',
  effect: 'Os programas que usam esta chave perdem o acesso imediatamente. Não é possível desfazer isso.',
  prefix: 'Começa com',
  confirm: 'Revogar chave',
  leftInKeychain:
    'A chave revogada {{name, isolated}} ainda está no chaveiro deste computador, que está bloqueado ou não pode ser acessado. Ela será removida quando o aplicativo for iniciado novamente.',
  revoked: '{{name, isolated}} foi revogada',
  elsewhere: '{{name, isolated}} já tinha sido revogada em outro lugar',
  failed: 'A chave não foi revogada e continua funcionando.',
  uncertain: 'Não se sabe se a chave foi revogada. Tente novamente para ter certeza.',
} as const;
