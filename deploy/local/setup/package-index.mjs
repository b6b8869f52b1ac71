import { run } from './run-command.mjs';

/**
 * pip and uv read different settings. Whoever set up pip for a mirror or a proxy expects it to hold for uv too.
 * Settings that uv was given itself win.
 * @param {string} python one that has pip
 * @returns {Promise<NodeJS.ProcessEnv>} the environment for uv
 */
export async function environmentForUv(python, root) {
  const { status, stdout } = await run(python, ['-m', 'pip', 'config', 'list'], { cwd: root });
  return status === 0 ? { ...fromPipConfig(stdout), ...process.env } : { ...process.env };
}

/**
 * Translates the output of `pip config list`. Sections apply in pip's order: global, install, environment.
 * @param {string} text lines of `section.key='value'`
 * @returns {Record<string, string>}
 */
export function fromPipConfig(text) {
  const settings = {};
  for (const rank of ['global', 'install', ':env:']) {
    for (const line of text.split('\n')) {
      const match = /^(global|install|:env:)\.([a-z-]+)='(.*)'$/.exec(line.trim());
      if (match !== null && match[1] === rank) settings[match[2]] = match[3].replaceAll('\\n', ' ').trim();
    }
  }
  const env = {};
  const give = (names, value) => { if (value) for (const name of names) env[name] = value; };
  give(['UV_DEFAULT_INDEX'], settings['index-url']);
  give(['UV_INDEX'], settings['extra-index-url']);
  give(['UV_FIND_LINKS'], settings['find-links']?.split(/\s+/).join(','));
  give(['UV_INSECURE_HOST'], settings['trusted-host']);
  give(['SSL_CERT_FILE'], settings['cert']);
  give(['UV_HTTP_TIMEOUT'], settings['timeout'] ?? settings['default-timeout']);
  give(['HTTPS_PROXY', 'HTTP_PROXY'], settings['proxy']);
  if (['true', '1', 'yes', 'on'].includes((settings['no-index'] ?? '').toLowerCase())) env.UV_NO_INDEX = '1';
  return env;
}
