import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // For the files with runes.
  plugins: [svelte()],
  test: { include: ['src/**/*.test.ts'] },
});
