import { powerShellString, pythonString, shellWord } from './quoting';

/** Where a template has the key; `copy_snippet` puts it in. */
export const KEY_PLACE = '{key}';

export type Language = 'keychain' | 'shell' | 'powerShell' | 'python' | 'curl' | 'yolo';

/** A ready example of using a key. */
export interface Example {
  language: Language;
  template: string;
}

const VARIABLE = 'ULTRALYTICS_API_KEY';
const URL_VARIABLE = 'ULTRALYTICS_PLATFORM_URL';
const TRAINING = 'model=yolo11n.pt data=coco8.yaml project=username/project name=exp1';

/** What follows `ul-keys run` for a key that was saved under this name. */
function savedKey(name: string): string {
  return name.startsWith('-') ? `--key=${shellWord(name)}` : `--key ${shellWord(name)}`;
}

/** The line that starts a program with a key from the keychain. */
export const runCommand = (name: string): string => `ul-keys run ${savedKey(name)} -- yolo train`;

const keychain = (name: string): Example => ({ language: 'keychain', template: `${runCommand(name)} ${TRAINING}` });

/** Where the service is, as lists of exceptions from a proxy name it. */
const hostOf = (url: string): string => new URL(url).hostname.replace(/^\[|\]$/g, '');

/*
 * A proxy that the environment names would receive the key, and could not reach the service. All examples make an
 * exception for the service, and keep those that are there. Most programs prefer the name in small letters. Many
 * understand `*`, which excepts everything, only if it stands alone.
 */
const shellException = (url: string): string => `no_proxy="${hostOf(url)},\${no_proxy:-\${NO_PROXY:-}}"`;

function shell(url: string): string {
  return `export ${URL_VARIABLE}=${shellWord(url)}\nexport ${shellException(url)}; export NO_PROXY="$no_proxy"`;
}

function powerShell(url: string): string {
  const exception = `$env:NO_PROXY = if ($env:NO_PROXY -eq '*') { '*' } else { "${hostOf(url)},$env:NO_PROXY" }`;
  return `$env:${URL_VARIABLE} = ${powerShellString(url)}\n${exception}\n$env:no_proxy = $env:NO_PROXY`;
}

function curl(url: string, key: string): string {
  const address = shellWord(`${url}/api/account/summary`);
  return `curl --noproxy ${hostOf(url)} -H "Authorization: Bearer ${key}" \\\n  ${address}`;
}

function python(url: string, imports: string, key: string): string {
  return `${imports}
from urllib.request import getproxies

no_proxy = getproxies().get("no", "")
os.environ["no_proxy"] = no_proxy if no_proxy == "*" else "${hostOf(url)}," + no_proxy
os.environ["${URL_VARIABLE}"] = ${pythonString(url)}
os.environ["${VARIABLE}"] = ${key}

from ultralytics import YOLO`;
}

function yolo(url: string): string {
  return `${URL_VARIABLE}=${shellWord(url)} \\\n${shellException(url)} \\\nyolo train ${TRAINING}`;
}

/** Examples with a place for the key, each of them once. */
export function examplesWithKey(url: string): [Example, ...Example[]] {
  return [
    { language: 'shell', template: `export ${VARIABLE}=${KEY_PLACE}\n${shell(url)}` },
    { language: 'powerShell', template: `$env:${VARIABLE} = '${KEY_PLACE}'\n${powerShell(url)}` },
    { language: 'python', template: python(url, 'import os', `"${KEY_PLACE}"`) },
    { language: 'curl', template: curl(url, KEY_PLACE) },
    { language: 'yolo', template: `${VARIABLE}=${KEY_PLACE} \\\n${yolo(url)}` },
  ];
}

/**
 * Examples for a key that this app cannot show: they ask for it where they run, without showing it there or leaving it
 * in a history, or read it from the variable. The question comes last, so that no pasted line answers it.
 */
export function examplesWithoutKey(url: string, savedName: string | null): [Example, ...Example[]] {
  const own: [Example, ...Example[]] = [
    {
      language: 'shell',
      template: `${shell(url)}
export ${VARIABLE}
printf 'API key: '; read -rs ${VARIABLE}; echo`,
    },
    {
      language: 'powerShell',
      template: `${powerShell(url)}
$key = Read-Host 'API key' -AsSecureString
$env:${VARIABLE} = [pscredential]::new('key', $key).GetNetworkCredential().Password`,
    },
    { language: 'python', template: python(url, 'import os\nfrom getpass import getpass', 'getpass("API key: ")') },
    { language: 'curl', template: curl(url, `$${VARIABLE}`) },
    { language: 'yolo', template: yolo(url) },
  ];
  return savedName === null ? own : [keychain(savedName), ...own];
}
