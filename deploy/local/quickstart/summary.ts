import { duration } from './terminal.ts';
import type { Asked } from './chat.ts';
import type { Watched } from './watch-job.ts';

/** `metrics` of `POST /validate/{job_id}`. */
export interface Validation {
  passed: boolean;
  report_path: string;
  metrics: { final_loss: number; perplexity: number; base_perplexity?: number; tokens?: number; examples?: number; margin?: number; margin_low?: number; margin_high?: number };
}

/** The stage that the job's own states divide further. */
export const trainingStage = 'fine-tuning';

export interface Measured {
  watched: Watched;
  validation: Validation;
  asked: Asked;
  /** Stages in their order, with the seconds they took. */
  stages: [string, number][];
}

/** What the run measured, as lines; what was not measured has none. */
export function summaryLines({ watched, validation, asked, stages }: Measured): string[] {
  const lines: string[] = [];
  const add = (name: string, text: string | undefined): void => { if (text !== undefined) lines.push(`  ${name.padEnd(22)}${text}`); };
  const m = validation.metrics;
  add('held-out perplexity', `${m.perplexity.toFixed(2)} tuned${m.base_perplexity === undefined ? '' : `, ${m.base_perplexity.toFixed(2)} base`}`);
  add('margin', m.margin === undefined ? undefined : `${percent(m.margin)} lower than the base model${m.margin_low === undefined || m.margin_high === undefined ? '' : ` (95 % of a paired bootstrap: ${percent(m.margin_low)} to ${percent(m.margin_high)})`}`);
  add('measured on', m.tokens === undefined ? undefined : `${m.tokens.toLocaleString('en')} tokens in ${m.examples} examples of held-out files`);
  add('training loss', watched.loss === undefined ? undefined : `${watched.loss.first.toFixed(3)} at the start, ${watched.loss.last.toFixed(3)} at the end${watched.steps === undefined ? '' : `, ${watched.steps} steps`}`);
  add('training speed', watched.tokensPerSecond === undefined ? undefined : `${Math.round(watched.tokensPerSecond).toLocaleString('en')} tokens/s`);
  add('answering', asked.completionTokens === undefined ? undefined : `${asked.completionTokens} tokens in ${asked.seconds.toFixed(1)} s${asked.firstTokenSeconds === undefined ? '' : `, the first after ${asked.firstTokenSeconds.toFixed(2)} s`}`);
  const parts = Object.entries(watched.seconds).filter(([, seconds]) => seconds >= 1).map(([status, seconds]) => `${status} ${duration(seconds)}`).join(', ');
  add('time', stages.map(([name, seconds]) => `${name} ${duration(seconds)}${name === trainingStage && parts !== '' ? ` (${parts})` : ''}`).join(', '));
  return lines;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** Where to go on from here. */
export function nextSteps(about: { url: string; model: string; jobId: string; dataDir: string; gguf: string; report: string; pid: number; stopCommand: string }): string[] {
  const body = JSON.stringify({ model: about.model, messages: [{ role: 'user', content: 'Hello!' }] });
  return [
    `  chat          curl ${about.url}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`,
    `  OpenAI SDK    base_url="${about.url}/v1", api_key="not-needed", model="${about.model}"`,
    `  progress      ${about.url.replace(/^http/, 'ws')}/ws/training/${about.jobId}`,
    `  status        ${about.url}/status/${about.jobId}   ${about.url}/health   ${about.url}/models`,
    `  GGUF          ${about.gguf}`,
    `  report        ${about.report}`,
    `  data, logs    ${about.dataDir}`,
    `  stop          ${about.stopCommand}   (process ${about.pid})`,
  ];
}
