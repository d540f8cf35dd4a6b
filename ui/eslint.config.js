import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default defineConfig(
  globalIgnores(['dist', 'src/lib/ipc/bindings']),
  js.configs.recommended,
  ts.configs.strictTypeChecked,
  ts.configs.stylisticTypeChecked,
  svelte.configs.recommended,
  {
    languageOptions: {
      globals: globals.browser,
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js'] },
        extraFileExtensions: ['.svelte'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      'no-console': 'error',
      'no-restricted-imports': ['error', { patterns: [{ group: ['@tauri-apps/*'], message: 'Use lib/ipc.' }] }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      'svelte/no-at-html-tags': 'error',
      'svelte/button-has-type': 'error',
      'svelte/no-inline-styles': 'error',
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
    rules: {
      // A declaration `let { … } = $props()` with `$bindable` must use `let`.
      'prefer-const': 'off',
    },
  },
  {
    files: ['**/*.svelte'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'SvelteElement[name.name=/^(ul|ol)$/] > SvelteStartTag:not(:has(> SvelteAttribute[key.name=/^(role|aria-hidden)$/]))',
          message: 'Add role="list": WebKit exposes a list without markers as a group.',
        },
        {
          selector:
            'SvelteElement[name.name=/^[bB]utton$/]:not(:has(> SvelteMustacheTag)):not(:has(> SvelteText[value=/\\S/])):not(:has(> SvelteElement[name.name="span"])) > SvelteStartTag > SvelteAttribute[key.name="aria-label"]',
          message: 'Use <span class="sr-only">: WebKit crashes if a screen reader reads a button without text by line.',
        },
      ],
      // ESLint treats imported components as `any`. svelte-check checks their types.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  { files: ['src/lib/ipc/**'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['*.js'], extends: [ts.configs.disableTypeChecked] },
);
