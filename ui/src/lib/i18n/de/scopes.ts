export const scopes = {
  training: 'Training starten, Messwerte übertragen',
  models: 'Modelle hochladen, herunterladen, löschen',
  datasets: 'Datensätze öffnen und ändern',
  read: 'Alle Ressourcen lesen, nichts ändern',
  write: 'Voller Schreibzugriff, Lesen eingeschlossen',
  admin: 'Kontoverwaltung; mit Bedacht vergeben',
} as const;
