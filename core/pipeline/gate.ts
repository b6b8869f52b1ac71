import { create } from '@bufbuild/protobuf';
import { GateCheckSchema, GatePolicySchema, type GateCheck, type GatePolicy } from '../gen/aiforge/v1/pipeline_pb.ts';
import type { EvaluateResult } from '../gen/aiforge/v1/task_pb.ts';

/**
 * The model must be at least 5 % of perplexity better than its base on held-out code, at most 2 % worse than the model
 * it replaces, and at most 20 % worse than its base on general text.
 */
const defaultLimits = Object.freeze({ minMargin: 0.05, maxRegression: 0.02, maxGeneralIncrease: 0.2 });
type Limits = { readonly [name in keyof typeof defaultLimits]: number };

/** A gate with every limit, those that a request does not set by their default. */
export function gateWithDefaults(asked: GatePolicy | undefined): GatePolicy {
  return create(GatePolicySchema, limitsOf(asked));
}

function limitsOf(asked: GatePolicy | undefined): Limits {
  const { minMargin, maxRegression, maxGeneralIncrease } = defaultLimits;
  return { minMargin: asked?.minMargin ?? minMargin, maxRegression: asked?.maxRegression ?? maxRegression, maxGeneralIncrease: asked?.maxGeneralIncrease ?? maxGeneralIncrease };
}

/**
 * Whether a new model may be deployed. Pure. What was not measured does not pass; there is nothing to compare with
 * where no model is replaced.
 * @param replaces job of the model that is replaced; empty for none
 */
export function decideGate(result: EvaluateResult, policy: GatePolicy, replaces: string): { passed: boolean; checks: GateCheck[] } {
  const limits = limitsOf(policy);
  const checks = [baseCheck(result, limits), ...(replaces === '' ? [] : [replacedCheck(result, limits, replaces)]), generalCheck(result, limits)];
  return { passed: checks.every(({ passed }) => passed), checks };
}

function baseCheck({ margin, marginInterval, perplexity, basePerplexity }: EvaluateResult, { minMargin }: Limits): GateCheck {
  const low = marginInterval?.low;
  const figures = `held-out perplexity ${show(perplexity)}, ${show(basePerplexity)} of the base: ${lower(margin)}`;
  return create(GateCheckSchema, {
    name: 'base',
    passed: margin >= minMargin && low !== undefined && low > 0,
    message: `${figures} (${bounds(marginInterval)}); at least ${percent(minMargin)}, with the 95 % bound above 0, is needed`,
    value: margin, low, high: marginInterval?.high, limit: minMargin,
  });
}

function replacedCheck({ perplexity, reference }: EvaluateResult, { maxRegression }: Limits, replaces: string): GateCheck {
  if (reference === undefined) return create(GateCheckSchema, { name: 'replaced', passed: false, message: `the model that is replaced (${replaces}) was not measured`, limit: -maxRegression });
  const { margin, marginInterval } = reference;
  return create(GateCheckSchema, {
    name: 'replaced',
    passed: margin >= -maxRegression,
    message: `held-out perplexity ${show(perplexity)}, ${show(reference.perplexity)} of the model it replaces (${reference.jobId}): ${lower(margin)} (${bounds(marginInterval)}); at most ${percent(maxRegression)} higher is let pass`,
    value: margin, low: marginInterval?.low, high: marginInterval?.high, limit: -maxRegression,
  });
}

function generalCheck({ general }: EvaluateResult, { maxGeneralIncrease }: Limits): GateCheck {
  if (general === undefined) return create(GateCheckSchema, { name: 'general', passed: false, message: 'general ability was not measured', limit: maxGeneralIncrease });
  return create(GateCheckSchema, {
    name: 'general',
    passed: general.increase <= maxGeneralIncrease,
    message: `perplexity on general text ${show(general.perplexity)}, ${show(general.basePerplexity)} of the base: ${lower(-general.increase)}; at most ${percent(maxGeneralIncrease)} is let pass`,
    value: general.increase, limit: maxGeneralIncrease,
  });
}

/** How far a perplexity lies below another one, in words that hold whichever way. */
function lower(share: number): string {
  return share < 0 ? `${percent(-share)} higher` : `${percent(share)} lower`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function show(perplexity: number): string {
  return perplexity >= 1e6 ? perplexity.toExponential(2) : perplexity.toFixed(2);
}

function bounds(interval: { low: number; high: number } | undefined): string {
  return interval === undefined ? 'bounds not measured' : `95 %: ${percent(interval.low)} to ${percent(interval.high)}`;
}
