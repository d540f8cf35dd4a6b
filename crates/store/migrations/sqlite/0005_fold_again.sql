-- Folded names have plain letters for ß, ø, ł and their like now, and nothing that cannot be seen.
UPDATE keys SET folded = fold(name) WHERE folded <> fold(name);
