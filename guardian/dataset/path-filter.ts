import type { TreeFile } from '../git/tree.ts';
import { languageOf } from './language.ts';
import type { DatasetSettings } from './settings.ts';

const lockFiles = new Set(
  'package-lock.json npm-shrinkwrap.json pnpm-lock.yaml bun.lockb go.sum go.work.sum packages.lock.json gradle.lockfile package.resolved'.split(' '),
);
/** Folders that hold what others wrote, or what a build made. */
const vendoredFolders = new Set(
  'node_modules bower_components jspm_packages vendor vendored third_party third-party thirdparty 3rdparty external_deps deps_vendor dist site-packages .venv venv __pycache__ .yarn pods carthage coverage .next .nuxt .svelte-kit'.split(' '),
);
const secretFiles = /(^|\/)(\.env(\.(?!example|sample|template|dist)[^/]*)?|\.netrc|\.npmrc|\.pypirc|id_(rsa|dsa|ecdsa|ed25519)|[^/]*\.(pem|key|p12|pfx|jks|keystore|kdbx))$/i;
/** Text in form, but nothing to learn from: drawings, tables, maps, recorded output. */
const recordedFiles = /\.(svg|csv|tsv|map|snap|ipynb|po|pot|geojson|har|log|patch|diff|asc|sum|eps|ps|obj|stl)$/i;
const minifiedFiles = /[.-]min\.(js|css|mjs|cjs|html)$/i;

export type PathReason = 'lock_file' | 'vendored' | 'secret' | 'recorded' | 'minified' | 'empty' | 'too_large';

/** Why a file is left out, as far as its name and size tell; undefined when its content has to be looked at. */
export function pathReason(file: TreeFile, settings: DatasetSettings): PathReason | undefined {
  const parts = file.path.split('/');
  const name = parts.at(-1)!.toLowerCase();
  if (lockFiles.has(name) || name.endsWith('.lock')) return 'lock_file';
  if (parts.slice(0, -1).some((part) => vendoredFolders.has(part.toLowerCase()))) return 'vendored';
  if (secretFiles.test(file.path)) return 'secret';
  if (recordedFiles.test(name)) return 'recorded';
  if (minifiedFiles.test(name)) return 'minified';
  if (file.size === 0) return 'empty';
  if (file.size > (languageOf(file.path).kind === 'data' ? settings.maxDataFileBytes : settings.maxFileBytes)) return 'too_large';
  return undefined;
}
