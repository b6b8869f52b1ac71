import { isPlausible, isRandom } from './plausible.ts';
import type { SecretRule } from './rule.ts';

/** Not in the middle of a longer word. */
const start = '(?<![A-Za-z0-9_-])';

function token(kind: string, marks: readonly string[], rest: string, accept: (value: string) => boolean = isPlausible): SecretRule {
  return { kind, marks, pattern: new RegExp(`${start}${rest}(?![A-Za-z0-9_-])`, 'dy'), accept };
}

/** Tokens that their issuers made to be recognized. */
export const vendorTokens: readonly SecretRule[] = [
  token('aws_access_key_id', ['AKIA', 'ASIA'], 'A[KS]IA[A-Z0-9]{16}'),
  token('github_token', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_', 'github_pat_'], '(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})'),
  token('gitlab_token', ['glpat-', 'gldt-', 'glrt-', 'glcbt-', 'glptt-'], 'gl(?:pat|dt|rt|cbt|ptt)-[\\w-]{20,255}'),
  token('slack_token', ['xoxa-', 'xoxb-', 'xoxp-', 'xoxo-', 'xoxs-', 'xoxr-', 'xoxe-', 'xoxe.', 'xapp-'], '(?:xox[abposre][.-]|xapp-)[\\w.-]{10,500}'),
  token('slack_webhook', ['hooks.slack.com/'], 'hooks\\.slack\\.com/(?:services|workflows|triggers)/(?<value>[\\w/]{30,200})', (value) => isPlausible(value.slice(-24))),
  token('discord_webhook', ['discord.com/api/webhooks/', 'discordapp.com/api/webhooks/'], 'discord(?:app)?\\.com/api/webhooks/\\d{15,21}/(?<value>[\\w-]{50,90})'),
  token('stripe_key', ['sk_live_', 'rk_live_', 'sk_test_', 'rk_test_', 'whsec_'], '(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{16,255}'),
  token('google_api_key', ['AIza'], 'AIza[\\w-]{35}'),
  token('google_oauth', ['GOCSPX-', 'ya29.'], '(?:GOCSPX-[\\w-]{28}|ya29\\.[\\w-]{30,1000})'),
  token('google_service_account', ['"private_key_id"'], '"private_key_id"\\s{0,4}:\\s{0,4}"(?<value>[0-9a-f]{40})"'),
  token('anthropic_key', ['sk-ant-'], 'sk-ant-[\\w-]{24,255}'),
  token('openai_key', ['sk-'], 'sk-(?!ant-)[\\w-]{20,255}', (value) => isPlausible(value) && isRandom(value.replace(/^sk-(?:(?:proj|svcacct|admin|or-v1)-)?/, ''))),
  token('huggingface_token', ['hf_'], 'hf_[A-Za-z0-9]{30,60}'),
  token('npm_token', ['npm_'], 'npm_[A-Za-z0-9]{36}'),
  token('pypi_token', ['pypi-'], 'pypi-[\\w-]{50,1000}'),
  token('jwt', ['eyJ'], 'eyJ[\\w-]{10,}\\.eyJ[\\w-]{4,}\\.[\\w-]{16,}'),
  token('azure_storage_key', ['AccountKey=', 'SharedAccessKey='], '(?:Account|SharedAccess)Key=(?<value>[A-Za-z0-9+/]{40,100}={0,2})'),
  token('twilio_key', ['SK'], 'SK[0-9a-f]{32}'),
  token('sendgrid_key', ['SG.'], 'SG\\.[\\w-]{16,32}\\.[\\w-]{30,64}'),
  // The number before the colon is the bot's name, which is no secret.
  { kind: 'telegram_token', marks: [':AA'], pattern: /(?<=(?<!\d)\d{8,10}):(?<value>AA[\w-]{33})(?![\w-])/dy, accept: isPlausible },
  token('digitalocean_token', ['dop_v1_', 'doo_v1_', 'dor_v1_'], 'do[por]_v1_[0-9a-f]{64}'),
  token('docker_token', ['dckr_pat_'], 'dckr_pat_[\\w-]{20,60}'),
  token('shopify_token', ['shpat_', 'shpss_', 'shpca_', 'shppa_'], 'shp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}'),
  token('vault_token', ['hvs.', 'hvb.'], 'hv[sb]\\.[\\w-]{24,300}'),
  token('age_key', ['AGE-SECRET-KEY-1'], 'AGE-SECRET-KEY-1[A-Z0-9]{58}'),
];
