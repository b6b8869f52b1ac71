import type { From, Role, TemplateTable, To } from './template-probe.ts';
import { between } from './template-probe.ts';

const roles: readonly Role[] = ['system', 'user', 'assistant'];
const places: readonly From[] = ['start', ...roles];

/**
 * Writes Ollama's template (Go's text/template over `.Messages`) from a table of fixed texts.
 * `$at` is what came last, `$first` whether a system message opened the conversation. All fixed text stands in quoted
 * strings, so that no white space of the template itself gets into a prompt.
 * What the model's own template refuses is refused here as well: Go reports a template that is not defined by its name.
 */
export function toGoTemplate(table: TemplateTable): string {
  const branches = roles.map((role) => `{{- ${role === 'system' ? 'if' : 'else if'} eq .Role ${quote(role)} }}${fixed(table, role)}`);
  return [
    '{{- $at := "start" }}{{ $first := false }}',
    '{{- range .Messages }}',
    '{{- if and (eq $at "start") (eq .Role "system") }}{{ $first = true }}{{ end }}',
    ...branches,
    `{{- else }}${refuse('does not know this role')}`,
    '{{- end }}{{ .Content }}{{ $at = .Role }}',
    `{{- end }}${fixed(table, 'end')}`,
  ].join('\n').replaceAll('\n{{-', '{{-');
}

/** The text before `to`, whatever came last. */
function fixed(table: TemplateTable, to: To): string {
  const cases = places.map((from) => {
    const key = between(from, to);
    return { from, withSystem: table.withSystem.get(key), withoutSystem: table.withoutSystem.get(key) };
  });
  const known = cases.filter((c) => c.withSystem !== undefined || c.withoutSystem !== undefined);
  const chain = known.map((c, index) => `{{ ${index === 0 ? 'if' : 'else if'} eq $at ${quote(c.from)} }}${choose(c.withSystem, c.withoutSystem)}`);
  const otherwise = refuse(to === 'end' ? 'can not answer here' : `allows no ${to} message here`);
  return known.length === 0 ? otherwise : `${chain.join('')}{{ else }}${otherwise}{{ end }}`;
}

function choose(withSystem: string | undefined, withoutSystem: string | undefined): string {
  if (withSystem === withoutSystem || withSystem === undefined || withoutSystem === undefined) return write((withSystem ?? withoutSystem)!);
  return `{{ if $first }}${write(withSystem)}{{ else }}${write(withoutSystem)}{{ end }}`;
}

function write(text: string): string {
  return text === '' ? '' : `{{ ${quote(text)} }}`;
}

const refusal = 'the chat template of this model';

function refuse(why: string): string {
  return `{{ template ${quote(`${refusal} ${why}`)} . }}`;
}

/** What such a template has refused, in an error of Ollama, which takes it for a fault of its own. */
export function refusedByTemplate(error: string): string | undefined {
  return new RegExp(`${refusal} [a-z ]+`).exec(error)?.[0].trim();
}

/** A JSON string is a Go string: both know the same escapes, and neither allows a raw line break. */
function quote(text: string): string {
  return JSON.stringify(text);
}
