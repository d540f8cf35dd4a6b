import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  clearScreen: false,
  server: { port: 1420, strictPort: true },
  build: {
    target: 'safari16',
    // The window's Content-Security-Policy allows only files, not data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The program shows the licenses of all packages that it contains. Its build script reads this file.
    license: { fileName: 'third-party-licenses.json' },
    // Each window has its own page.
    rollupOptions: { input: ['index.html', 'one-time.html'] },
  },
});
