export const snippets = {
  languages: 'Beispiele',
  language: {
    keychain: 'Schlüsselbund',
    shell: 'bash, zsh',
    powerShell: 'PowerShell',
    python: 'Python',
    curl: 'curl',
    yolo: 'yolo train',
  },
  copy: 'Beispiel kopieren',
  copied: 'Das Beispiel wurde kopiert',
  withKey: 'Oder ein Beispiel mit dem Schlüssel kopieren',
  withKeyInHistory:
    'So ausgeführt bleibt der Schlüssel im Verlauf der Shell. Aus dem Schlüsselbund oder einer .env-Datei gelangt er nicht dorthin.',
  withKeyInFile:
    'Wer die Datei des Programms lesen kann, kann den Schlüssel verwenden. Besser kommt er aus dem Schlüsselbund oder einer .env-Datei.',
  noProxy: 'Das Beispiel umgeht einen Proxy, der den Schlüssel sonst sehen würde.',
  use: '{{name, isolated}} verwenden',
  useText:
    'Der vollständige Schlüssel wurde nur einmal angezeigt und ist hier nicht gespeichert. Er beginnt mit {{prefix}}.',
  note: {
    saved:
      'Diese App hat den Schlüssel im Schlüsselbund dieses Computers gespeichert. Von dort bekommt ihn das Programm.',
    asks: 'Fragt nach dem Schlüssel. Das Eingefügte wird nicht angezeigt und gelangt nicht in den Verlauf der Shell.',
    asksAtStart: 'Fragt beim Start nach dem Schlüssel. Wo die Variable schon gesetzt ist, kann diese Zeile entfallen.',
    reads:
      'Liest den Schlüssel aus der Variablen ULTRALYTICS_API_KEY. Die anderen Beispiele zeigen, wie man sie setzt.',
  },
  lost: 'Wenn niemand mehr den vollständigen Schlüssel hat, hilft Erneuern: Ein neuer Schlüssel tritt an seine Stelle.',
  close: 'Schließen',
} as const;
