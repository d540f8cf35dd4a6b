import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Compiles the files that use runes.
  plugins: [svelte()],
  test: { include: ['src/**/*.test.ts'] },
});
