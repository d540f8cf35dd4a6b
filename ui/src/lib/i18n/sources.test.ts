import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'svelte/compiler';
import { expect, it } from 'vitest';
import { CATALOGUES } from './messages';

const ROOT = new URL('../../', import.meta.url);
const CATALOGUE = /^lib\/i18n\/(en|de|pt-BR)\//;

const sources = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => /\.(svelte|ts)$/.test(path) && !path.endsWith('.test.ts') && !CATALOGUE.test(path))
  .map((path) => ({ path, text: readFileSync(new URL(path, ROOT), 'utf8') }));

function keys(messages: object, above = ''): string[] {
  return Object.entries(messages).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null
      ? keys(value, `${above}${key}.`)
      : above + key.replace(/_(zero|one|two|few|many|other)$/, ''),
  );
}

it('has no message that nothing shows', () => {
  const paths = sources
    .flatMap(({ text }) => [...text.replace(/\$\{[^{}]*\}/g, '*').matchAll(/(['"`])(\w+(?:\.(?:\w+|\*))+)\1/g)])
    .map(([, , path = '']) => new RegExp(`^${path.replaceAll('.', '\\.').replaceAll('*', '\\w+')}$`));
  expect(keys(CATALOGUES.en).filter((key) => !paths.some((path) => path.test(key)))).toEqual([]);
});

/** Attributes and properties that people read or hear. */
const SPOKEN = new Set(
  `aria-label aria-description aria-roledescription aria-valuetext alt label placeholder title
  announcement data-tip error hint intro legend notice otherLabel yes`.split(/\s+/),
);

/** What objects hold of texts that are shown later. */
const HELD = new Set(['text', 'label']);

/** Names and code that are the same in every language, each with the reason. */
const UNTRANSLATED = new Set([
  // The languages that can be chosen, each in its own.
  'English',
  'Deutsch',
  'Português (Brasil)',
]);

interface Node {
  type: string;
  [property: string]: unknown;
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value;

const children = (node: Node): Node[] => Object.values(node).flat().filter(isNode);

/** The texts that an expression itself can give; what a function answers is that function's matter. */
function literals(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(literals);
  if (!isNode(node)) return [];
  switch (node.type) {
    case 'Text':
      return [String(node.data)];
    case 'Literal':
      return typeof node.value === 'string' ? [node.value] : [];
    case 'TemplateLiteral':
      return [...literals(node.quasis), ...literals(node.expressions)];
    case 'TemplateElement':
      return [(node.value as { raw: string }).raw];
    case 'ExpressionTag':
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
      return literals(node.expression);
    case 'ConditionalExpression':
      return [...literals(node.consequent), ...literals(node.alternate)];
    case 'LogicalExpression':
    case 'BinaryExpression':
      return /^(\+|&&|\|\||\?\?)$/.test(String(node.operator)) ? [...literals(node.left), ...literals(node.right)] : [];
    default:
      return [];
  }
}

function shown(node: Node): string[] {
  switch (node.type) {
    case 'Text':
    case 'ExpressionTag':
      return literals(node);
    case 'Attribute':
      return SPOKEN.has(String(node.name)) ? literals(node.value) : [];
    default:
      return children(node).flatMap(shown);
  }
}

const nameOf = (node: unknown): unknown => (isNode(node) ? (node.name ?? node.value) : undefined);

/** What scripts give to a message that comes and goes, or keep to be shown. */
function told(node: Node): string[] {
  const own =
    node.type === 'CallExpression' && nameOf(node.callee) === 'say'
      ? literals((node.arguments as unknown[])[0])
      : node.type === 'Property' && HELD.has(String(nameOf(node.key)))
        ? literals(node.value)
        : [];
  return [...own, ...children(node).flatMap(told)];
}

function hardCoded(component: string): string[] {
  const { fragment, instance, module } = parse(component, { modern: true });
  const parts = [fragment, instance, module] as unknown[];
  return (
    [...shown(fragment as unknown as Node), ...parts.filter(isNode).flatMap(told)]
      .map((text) => text.trim())
      // A name of a style is none.
      .filter((text) => /\p{L}/u.test(text) && !text.startsWith('--') && !UNTRANSLATED.has(text))
  );
}

const asComponent = (script: string) => `<script lang="ts">${script}</script>`;

it.each(sources)('shows no text of its own: $path', ({ path, text }) => {
  expect(hardCoded(path.endsWith('.svelte') ? text : asComponent(text))).toEqual([]);
});

it.each([
  '<p>text</p>',
  '{#if yes}<p>text</p>{:else}…{/if}',
  '{#snippet part()}text{/snippet}',
  '<p>{yes ? "text" : ""}</p>',
  '<p>{given ?? `text`}</p>',
  '<button aria-label="text"></button>',
  '<img alt={yes ? "text" : null} />',
  '<TextField label={"text" + more} />',
  '<svelte:head><title>text</title></svelte:head>',
  '<span data-tip="text"></span>',
  '<NumberChoices legend={given ?? "text"} />',
  '<button onclick={() => say("text")}></button>',
  '<Menu items={[{ label: "text" }]} />',
  asComponent('function done() { say(failed ? "text" : t("app.copied"), "caution"); }'),
  asComponent('const options = [{ value: 1, "label": `text` as const }];'),
])('finds the text in %s', (component) => {
  expect(hardCoded(component)).toEqual(['text']);
});

it.each([
  '<p class="text" {id}>{t("app.copy")} – 1</p>',
  '<p>{t("keys.shortcut", { keys: mac ? "⌘N" : "Ctrl+N" })}</p>',
  '{#if state === "text"}<p>{apiKey.name}</p>{/if}',
  '<style>p { content: "text"; }</style>',
  asComponent('interface Toast { text: string } say(t("app.copied")); const filter = { text: "", value: "text" };'),
])('finds none in %s', (component) => {
  expect(hardCoded(component)).toEqual([]);
});
