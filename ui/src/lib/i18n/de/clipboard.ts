export const clipboard = {
  about: 'Zwischenablage',
  stays_one: 'Ein kopierter Schlüssel verlässt die Zwischenablage nach {{count}} Sekunde.',
  stays_other: 'Ein kopierter Schlüssel verlässt die Zwischenablage nach {{count}} Sekunden.',
  clearsIn_one: 'Noch {{count}} Sekunde in der Zwischenablage',
  clearsIn_other: 'Noch {{count}} Sekunden in der Zwischenablage',
  overdue:
    'Der Schlüssel ließ sich nicht aus der Zwischenablage entfernen. Die App versucht es weiter; etwas anderes zu kopieren entfernt ihn ebenfalls.',
  checking: 'Zwischenablage wird geleert …',
  removedAgain:
    'Ein anderes Programm hat den Schlüssel wieder in die Zwischenablage gelegt. UL Keys hat ihn erneut entfernt, aber dieses Programm kann noch eine Kopie haben. Leeren Sie dessen Verlauf.',
  putBack:
    'Ein anderes Programm legt den Schlüssel immer wieder in die Zwischenablage. Löschen Sie ihn aus dem Verlauf Ihrer Zwischenablageverwaltung.',
  clearNow: 'Jetzt entfernen',
  cleared: 'Der Schlüssel ist nicht mehr in der Zwischenablage',
} as const;
