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
  announcement error hint intro notice yes`.split(/\s+/),
);

/** Names and code that are the same in every language, each with the reason. None so far. */
const UNTRANSLATED = new Set<string>([]);

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

const hardCoded = (component: string) =>
  shown(parse(component, { modern: true }).fragment as unknown as Node)
    .map((text) => text.trim())
    .filter((text) => /\p{L}/u.test(text) && !UNTRANSLATED.has(text));

it.each(sources.filter(({ path }) => path.endsWith('.svelte')))('shows no text of its own: $path', ({ text }) => {
  expect(hardCoded(text)).toEqual([]);
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
])('finds the text in %s', (component) => {
  expect(hardCoded(component)).toEqual(['text']);
});

it.each([
  '<p class="text" {id}>{t("app.copy")} – 1</p>',
  '<p>{t("keys.shortcut", { keys: mac ? "⌘N" : "Ctrl+N" })}</p>',
  '{#if state === "text"}<p>{apiKey.name}</p>{/if}',
  '<style>p { content: "text"; }</style>',
])('finds none in %s', (component) => {
  expect(hardCoded(component)).toEqual([]);
});
