import { describe, expect, it } from 'vitest';
import { powerShellString, pythonString, shellWord } from './quoting';
import { examplesWithKey, examplesWithoutKey, KEY_PLACE, runCommand, type Language } from './snippets';

const URL = 'http://127.0.0.1:8576';

const template = (examples: ReturnType<typeof examplesWithKey>, language: Language) =>
  examples.find((example) => example.language === language)?.template;

it.each([
  ['training-server', 'ul-keys run --key training-server -- yolo train'],
  ['my laptop', "ul-keys run --key 'my laptop' -- yolo train"],
  ["it's $HOME", String.raw`ul-keys run --key 'it'\''s $HOME' -- yolo train`],
  ['-gpu', 'ul-keys run --key=-gpu -- yolo train'],
  ['學習', "ul-keys run --key '學習' -- yolo train"],
  ['`rm -rf ~`;$(x)', "ul-keys run --key '`rm -rf ~`;$(x)' -- yolo train"],
])('starts a program with the saved key %s', (name, command) => expect(runCommand(name)).toBe(command));

describe('an example with the key', () => {
  const examples = examplesWithKey(URL);

  it.each(examples)('has one place for it: $language', (example) => {
    expect(example.template.split(KEY_PLACE)).toHaveLength(2);
    expect(example.template.length).toBeLessThan(2_000);
  });

  it.each(examples)('says where the service is: $language', (example) => expect(example.template).toContain(URL));

  it('is what one would type', () => {
    expect(template(examples, 'shell')).toBe(
      'export ULTRALYTICS_API_KEY={key}\nexport ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:8576\n' +
        'export no_proxy="127.0.0.1,${no_proxy:-${NO_PROXY:-}}"; export NO_PROXY="$no_proxy"',
    );
    expect(template(examples, 'curl')).toBe(
      'curl --noproxy 127.0.0.1 -H "Authorization: Bearer {key}" \\\n  http://127.0.0.1:8576/api/account/summary',
    );
  });
});

describe('an example without the key', () => {
  const examples = examplesWithoutKey(URL, 'my laptop');

  it.each(examples)('has no place for one: $language', (example) => expect(example.template).not.toContain(KEY_PLACE));

  it('names the saved key first, if there is one', () => {
    expect(examples[0]).toEqual({
      language: 'keychain',
      template:
        "ul-keys run --key 'my laptop' -- yolo train model=yolo11n.pt data=coco8.yaml project=username/project name=exp1",
    });
    expect(examplesWithoutKey(URL, null).map(({ language }) => language)).not.toContain('keychain');
  });

  it('asks for the key last, so that no pasted line is taken for it', () => {
    expect(template(examples, 'shell')?.split('\n').at(-1)).toContain('read -rs');
  });
});

it.each([...examplesWithKey(URL), ...examplesWithoutKey(URL, null)])(
  'keeps the key from a proxy: $language',
  ({ template: text }) => expect(text).toMatch(/no_?proxy.*127\.0\.0\.1(?!:)/i),
);

it.each([
  ['powerShell', "if ($env:NO_PROXY -eq '*') { '*' }"],
  ['python', 'no_proxy if no_proxy == "*"'],
])('leaves an exception for everything alone: %s', (language, text) =>
  expect(template(examplesWithKey(URL), language as Language)).toContain(text),
);

it('quotes what could mean something', () => {
  const hostile = `http://[::1]:1/'"$(x)\`\\`;
  expect(shellWord(hostile)).toBe(String.raw`'http://[::1]:1/'\''"$(x)` + "`\\'");
  expect(shellWord('')).toBe("''");
  expect(powerShellString("it's ’$x")).toBe("'it''s ’’$x'");
  expect(pythonString('a"b\\c\nd')).toBe(String.raw`"a\"b\\c\nd"`);
  for (const { language, template: text } of [...examplesWithKey(hostile), ...examplesWithoutKey(hostile, null)]) {
    const quote = { powerShell: powerShellString, python: pythonString }[language as string] ?? shellWord;
    const used = language === 'curl' ? `${hostile}/api/account/summary` : hostile;
    expect(text, language).toContain(quote(used));
  }
});
