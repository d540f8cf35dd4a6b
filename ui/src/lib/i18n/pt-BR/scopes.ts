export const scopes = {
  training: 'Iniciar treinamentos, transmitir métricas',
  models: 'Enviar, baixar e excluir modelos',
  datasets: 'Acessar e modificar conjuntos de dados',
  read: 'Acesso somente leitura a todos os recursos',
  write: 'Acesso completo de gravação, leitura incluída',
  admin: 'Gerenciamento da conta; use com cuidado',
} as const;
