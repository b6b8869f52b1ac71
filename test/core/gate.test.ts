import { create, type MessageInitShape } from '@bufbuild/protobuf';
import t from 'tap';
import { GatePolicySchema } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { EvaluateResultSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { decideGate, gateWithDefaults } from '../../core/pipeline/gate.ts';

type Figures = MessageInitShape<typeof EvaluateResultSchema>;

/** A model that is good enough in every respect. */
const good = {
  perplexity: 9, basePerplexity: 10, margin: 0.1, marginInterval: { low: 0.06, high: 0.14 },
  reference: { jobId: 'job_0', perplexity: 9.1, margin: 0.011, marginInterval: { low: -0.01, high: 0.03 } },
  general: { name: 'general', perplexity: 20.5, basePerplexity: 20, increase: 0.025 },
} satisfies Figures;
const decide = (changes: Figures = {}, replaces = 'job_0') => decideGate(create(EvaluateResultSchema, { ...good, ...changes } as Figures), gateWithDefaults(undefined), replaces);
const passed = (changes: Figures, name: string): boolean => decide(changes).checks.find((check) => check.name === name)!.passed;

t.test('what is good in every respect passes, and the figures stand in words', async (t) => {
  const { passed, checks } = decide();
  t.equal(passed, true);
  t.strictSame(
    checks.map(({ name, passed, message, value, low, high, limit }) => ({ name, passed, message, value, low, high, limit })),
    [
      { name: 'base', passed: true, value: 0.1, low: 0.06, high: 0.14, limit: 0.05, message: 'held-out perplexity 9.00, 10.00 of the base: 10.0 % lower (95 %: 6.0 % to 14.0 %); at least 5.0 %, with the 95 % bound above 0, is needed' },
      { name: 'replaced', passed: true, value: 0.011, low: -0.01, high: 0.03, limit: -0.02, message: 'held-out perplexity 9.00, 9.10 of the model it replaces (job_0): 1.1 % lower (95 %: -1.0 % to 3.0 %); at most 2.0 % higher is let pass' },
      { name: 'general', passed: true, value: 0.025, low: undefined, high: undefined, limit: 0.2, message: 'perplexity on general text 20.50, 20.00 of the base: 2.5 % higher; at most 20.0 % is let pass' },
    ],
  );
});

t.test('each check refuses beyond its limit, and one refusal is enough', async (t) => {
  const base = (margin: number, low: number | undefined) => passed({ margin, marginInterval: low === undefined ? undefined : { low, high: 0.2 } }, 'base');
  t.equal(base(0.05, 0.01), true, 'at the limit');
  t.equal(base(0.0499, 0.01), false);
  t.equal(base(0.3, 0.0001), true);
  t.equal(base(0.3, 0), false, 'the bound is not above 0');
  t.equal(base(0.3, undefined), false, 'the bound was not measured');
  const replaced = (margin: number) => passed({ reference: { ...good.reference, margin } }, 'replaced');
  t.equal(replaced(-0.02), true, 'at the limit');
  t.equal(replaced(-0.0201), false);
  const general = (increase: number) => passed({ general: { ...good.general, increase } }, 'general');
  t.equal(general(0.2), true, 'at the limit');
  t.equal(general(0.2001), false);
  for (const changes of [{ margin: 0 }, { reference: { ...good.reference, margin: -1 } }, { general: { ...good.general, increase: 1 } }] satisfies Figures[]) {
    const { passed, checks } = decide(changes);
    t.strictSame([passed, checks.filter((check) => !check.passed).length], [false, 1]);
  }
});

t.test('what was not measured does not pass', async (t) => {
  t.match(decide({ reference: undefined }), { passed: false, checks: [{ passed: true }, { name: 'replaced', passed: false, message: 'the model that is replaced (job_0) was not measured', value: undefined, limit: -0.02 }, { passed: true }] });
  t.match(decide({ general: undefined }), { passed: false, checks: [{ passed: true }, { passed: true }, { name: 'general', passed: false, message: 'general ability was not measured', value: undefined, limit: 0.2 }] });
  t.match(decide({ marginInterval: undefined }).checks[0], { passed: false, message: /bounds not measured/, low: undefined });
  t.equal(passed({ margin: NaN, marginInterval: { low: NaN, high: NaN } }, 'base'), false);
  for (const increase of [NaN, Infinity]) t.equal(passed({ general: { ...good.general, increase } }, 'general'), false, `an increase of ${increase}`);
  t.equal(passed({ reference: { ...good.reference, margin: NaN } }, 'replaced'), false);
});

t.test('where no model is replaced there is none to compare with', async (t) => {
  t.strictSame(decide({ reference: undefined }, '').checks.map(({ name }) => name), ['base', 'general']);
  t.equal(decide({ reference: undefined }, '').passed, true);
});

t.test('the limits are those of the policy', async (t) => {
  const policy = create(GatePolicySchema, { minMargin: 0.2, maxRegression: 0, maxGeneralIncrease: 0.01 });
  const strict = decideGate(create(EvaluateResultSchema, { ...good, reference: { ...good.reference, margin: -0.001 } }), policy, 'job_0');
  t.strictSame(strict.checks.map(({ passed }) => passed), [false, false, false]);
  t.match(strict.checks.map(({ message }) => message), [/at least 20\.0 %/, /at most 0\.0 % higher/, /at most 1\.0 %/]);
});

t.test('huge perplexities stay readable', async (t) => {
  t.match(decide({ basePerplexity: 123_456_789 }).checks[0]!.message, '1.23e+8 of the base');
});
