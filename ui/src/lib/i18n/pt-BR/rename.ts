export const rename = {
  title: 'Renomear {{name, isolated}}',
  intro: 'Só o nome muda. Os programas que usam a chave não percebem nada.',
  save: 'Salvar',
  renamed: 'A chave agora se chama {{name, isolated}}',
  failed: 'A chave não foi renomeada.',
  uncertain: 'Não se sabe se a chave foi renomeada.',
} as const;
