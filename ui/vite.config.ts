import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  clearScreen: false,
  server: { port: 1420, strictPort: true },
  build: {
    target: 'safari16',
    // The window's Content-Security-Policy admits files only, never data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One page for each window.
    rollupOptions: { input: ['index.html', 'one-time.html'] },
  },
});
