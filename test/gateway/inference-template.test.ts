import t from 'tap';
import { createChatTemplate, exportedTemplate } from '../../gateway/inference/chat-template.ts';
import type { TemplateMessage } from '../../gateway/inference/export-record.ts';
import { toGoTemplate } from '../../gateway/inference/go-template.ts';
import { checkParity, textDifference } from '../../gateway/inference/parity.ts';
import { probeTemplate } from '../../gateway/inference/template-probe.ts';
import { counting, gemma, llama3, llama32, mistral, qwen } from '../support/chat-templates.ts';
import { chatml, chatmlText } from '../support/tiny-model.ts';

const render = (source: string) => {
  const template = createChatTemplate(source, { bos: '<s>', eos: '</s>' });
  return (messages: TemplateMessage[]) => template.render(messages, true);
};

t.test('a template is rendered as transformers does it', async (t) => {
  const messages = [{ role: 'system', content: 'S' }, { role: 'user', content: 'a\n{{ b }}' }];
  t.equal(render(chatml)(messages), chatmlText(messages));
  t.equal(render(qwen)(messages.slice(1)), `<|im_start|>system\nYou are "Qwen".<|im_end|>\n<|im_start|>user\na\n{{ b }}<|im_end|>\n<|im_start|>assistant\n`);
  t.throws(() => render(gemma)(messages), /System role not supported/);
});

t.test('the fixed texts of a template are found', async (t) => {
  const { withSystem, withoutSystem } = probeTemplate(render(qwen));
  t.equal(withoutSystem.get('start>user'), '<|im_start|>system\nYou are "Qwen".<|im_end|>\n<|im_start|>user\n', 'the default system prompt');
  t.equal(withSystem.get('start>system'), '<|im_start|>system\n');
  t.equal(withSystem.get('system>user'), '<|im_end|>\n<|im_start|>user\n');
  t.equal(withSystem.get('user>end'), '<|im_end|>\n<|im_start|>assistant\n', 'the generation prompt');
});

t.test('a system message inside the first user turn', async (t) => {
  const { withSystem, withoutSystem } = probeTemplate(render(mistral));
  t.equal(withSystem.get('start>system'), '<s> [INST] ');
  t.equal(withSystem.get('system>user'), '\n\n');
  t.equal(withoutSystem.get('start>user'), '<s> [INST] ');
  t.equal(withoutSystem.get('assistant>user'), '</s> [INST] ');
});

t.test('what the template refuses is refused by Ollama’s, by name', async (t) => {
  const go = toGoTemplate(probeTemplate(render(gemma)));
  t.match(go, '{{ template "the chat template of this model allows no system message here" . }}');
  t.match(go, '<start_of_turn>model\\n');
});

t.test('a template in which more than the neighbours counts is refused', async (t) => {
  t.throws(() => probeTemplate(render(counting)), { code: 'wrong_state', message: /can't be carried over to Ollama: between .* once writes ".*" and once ".*"/ });
  t.throws(() => probeTemplate(render("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}")), { code: 'wrong_state', message: /writes the user message 0 times/ });
});

t.test('fixed text can hold anything', async (t) => {
  const odd = '{{ "}} \\n\\t ` \\\\ \\" é 🙂' ;
  const go = toGoTemplate(probeTemplate((messages) => messages.map(({ content }) => odd + content).join('') + odd));
  t.match(go, `{{ ${JSON.stringify(odd)} }}`);
  t.notMatch(go, /\n/, 'no white space of its own');
});

t.test('a template that writes the date keeps the day of the export', async (t) => {
  const messages = [{ role: 'user', content: ' Hi ' }];
  const day = (text: string) => `<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: ${text}\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n`;
  const past = new Date(Date.now() - 40 * 24 * 60 * 60 * 1000);
  const text = day(past.toLocaleDateString('en-GB', { day: '2-digit', month: 'short', year: 'numeric' }).replace('Sept', 'Sep'));
  const record = { chat_template: llama32, bos_token: '<s>', eos_token: null, renderings: [{ messages, add_generation_prompt: true, text, token_ids: [] }] };
  t.equal(exportedTemplate(record).render(messages, true), text);
  t.equal(createChatTemplate(llama32, { bos: '<s>', eos: null }, new Date(2024, 8, 3)).render(messages, true), day('03 Sep 2024'));
  t.not(exportedTemplate({ ...record, renderings: [{ ...record.renderings[0]!, text: 'other' }] }).render(messages, true), text, 'none that fits: today');
});

t.test('the llama3 template keeps its BOS out when Ollama adds it', async (t) => {
  const table = probeTemplate((messages) => render(llama3)(messages).replace(/^<s>/, ''));
  t.equal(table.withoutSystem.get('start>user'), '<|start_header_id|>user<|end_header_id|>\n\n');
});

t.test('parity shows the first difference', async (t) => {
  const rendering = { messages: [{ role: 'user', content: 'Hi' }], add_generation_prompt: true, text: 'abcXdef', token_ids: [1, 2, 3] };
  t.equal(textDifference('same', 'same'), undefined);
  await t.rejects(checkParity('m', [rendering], async () => ({ text: 'abcYdef' })), { code: 'wrong_state', message: /conversation 1 \(user\): at character 3 the trainer has "abcXdef", the backend "abcYdef"/ });
  await t.rejects(checkParity('m', [rendering], async () => ({ text: 'abcXdef', tokenIds: [1, 9, 3] })), { message: /token 1 of 3 is 2 for the trainer and 9/ });
  await t.rejects(checkParity('m', [rendering], async () => ({ text: 'abcXdef', tokenIds: [1, 2, 3, 4] })), { message: /token 3 of 3 is none for the trainer and 4/ });
  await t.rejects(checkParity('m', [rendering], async () => ({ text: 'abcXdef', tokenCount: 4 })), { message: /makes 3 tokens of them and the backend 4/ });
  await t.resolves(checkParity('m', [rendering], async () => ({ text: 'abcXdef', tokenIds: [1, 2, 3] })));
});
