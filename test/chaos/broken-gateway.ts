/** A gateway from which one rule was taken away, to see that the check of a campaign notices. Argument: the rule. */
import { breakRule, breakableRules, type BreakableRule } from '../support/broken-rules.ts';

const rule = process.argv[2];
if (!breakableRules.some((known) => known === rule)) throw new Error(`no such rule: ${rule}`);
breakRule(rule as BreakableRule);
await import('../../gateway/main.ts');
