// The API-key plugin of better-auth on SQLite, behind a minimal HTTP server: what the bench compares the service with.
//
//   node server.mjs DATABASE KEYS
//
// Writes one line of JSON, `{ address, keys }`: where it listens, and up to 1,000 keys from all over the table. Ends
// when its standard input ends. Header names are lower-case, as hyper writes them: the load reads both alike.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { apiKey, defaultKeyHasher } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import Database from "better-sqlite3";

const BODY = JSON.stringify({
  username: "bench",
  name: "bench",
  accountType: "personal",
  plan: "free",
  creditsCents: 0,
  counts: { projects: 0, datasets: 0, models: 0 },
  teams: [],
});
const REFUSED = JSON.stringify({ error: "Invalid API key", code: "UNAUTHORIZED" });
/** How many keys are made through the plugin's own API, and how many the load uses. */
const SAMPLE = 1_000;

const [path, count] = [process.argv[2], Number(process.argv[3])];
const database = new Database(path);
// With this mode better-sqlite3 comes with `synchronous=NORMAL`: unlike the service's, a commit does not wait for the
// disk.
database.pragma("journal_mode = WAL");

const auth = betterAuth({
  database,
  baseURL: "http://127.0.0.1",
  secret: "of no use outside the bench, 32 characters and more",
  telemetry: { enabled: false },
  // On, as the service's is, and never reached.
  plugins: [apiKey({ rateLimit: { enabled: true, timeWindow: 60_000, maxRequests: 1_000_000_000 } })],
});
await (await getMigrations(auth.options)).runMigrations();

const keys = await seed();
const server = createServer(answer);
server.keepAliveTimeout = 0;
server.listen(0, "127.0.0.1", () => {
  const { address, port } = server.address();
  console.log(JSON.stringify({ address: `${address}:${port}`, keys }));
});
process.stdin.on("end", () => process.exit()).resume();

async function answer(request, response) {
  const key = request.headers.authorization?.slice("Bearer ".length) ?? "";
  const { valid } = await auth.api.verifyApiKey({ body: { key } });
  const body = valid ? BODY : REFUSED;
  response.writeHead(valid ? 200 : 401, { "content-type": "application/json", "content-length": body.length });
  response.end(body);
}

/**
 * Makes the first keys through the API, the others as copies of such a row with an identifier and a key of their own.
 */
async function seed() {
  const { internalAdapter } = await auth.$context;
  const { id: userId } = await internalAdapter.createUser({ name: "bench", email: "bench@example.com" });
  const all = [];
  while (all.length < Math.min(count, SAMPLE)) {
    const made = await auth.api.createApiKey({ body: { userId, name: `key ${all.length}` } });
    all.push(made.key);
  }
  const row = database.prepare("SELECT * FROM apikey LIMIT 1").get();
  const columns = Object.keys(row);
  const insert = database.prepare(
    `INSERT INTO apikey (${columns.map((name) => `"${name}"`)}) VALUES (${columns.map((name) => `@${name}`)})`,
  );
  database.exec("BEGIN");
  while (all.length < count) {
    const key = "ul_" + Buffer.from(crypto.getRandomValues(new Uint8Array(20))).toString("hex");
    insert.run({ ...row, id: randomUUID(), key: await defaultKeyHasher(key) });
    all.push(key);
  }
  database.exec("COMMIT");
  const step = Math.max(1, Math.floor(all.length / SAMPLE));
  return all.filter((_, number) => number % step === 0).slice(0, SAMPLE);
}
