import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import t from 'tap';
import { HyperparametersSchema, ModelShapeSchema, Quantization, type Hyperparameters, type ModelShape } from '../../core/gen/aiforge/v1/task_pb.ts';
import { estimateMemory, memoryParts } from '../../core/training/memory-estimate.ts';
import { modelShapeOf } from '../../core/training/model-shape.ts';

const gib = 2 ** 30;

/** A decoder of Llama's form. */
function llama({ hidden, intermediate, layers, vocabulary, keyValue }: { hidden: number; intermediate: number; layers: number; vocabulary: number; keyValue: number }): ModelShape {
  const linear = (name: string, inFeatures: number, outFeatures: number) => ({ name, inFeatures, outFeatures, count: layers });
  const linears = [linear('q_proj', hidden, hidden), linear('k_proj', hidden, keyValue), linear('v_proj', hidden, keyValue), linear('o_proj', hidden, hidden), linear('gate_proj', hidden, intermediate), linear('up_proj', hidden, intermediate), linear('down_proj', intermediate, hidden)];
  const parameters = vocabulary * hidden + (2 * layers + 1) * hidden + linears.reduce((sum, one) => sum + one.inFeatures * one.outFeatures * layers, 0);
  return create(ModelShapeSchema, { parameters: BigInt(parameters), hiddenSize: hidden, layers, vocabulary, linears });
}
const set = (more: Partial<Omit<Hyperparameters, '$typeName' | '$unknown'>> = {}): Hyperparameters =>
  create(HyperparametersSchema, { rank: 64, usePissa: true, maxSeqLength: 1024, batchSize: 1, gradientAccumulation: 8, quantization: Quantization.QUANTIZATION_NONE, ...more });
/** Llama 3.2 3B: https://huggingface.co/unsloth/Llama-3.2-3B-Instruct/blob/main/config.json */
const llama3B = llama({ hidden: 3072, intermediate: 8192, layers: 28, vocabulary: 128_256, keyValue: 1024 });

t.test('the parts of a known model', async (t) => {
  t.equal(llama3B.parameters, 3_212_749_824n, 'as its model card has it');
  const parts = memoryParts(llama3B, set(), 'gpu')!;
  t.equal(parts.weights, 3_212_749_824 * 2);
  // PEFT's own count for rank 64 on all linear layers of this model is 97,255,424.
  t.equal(parts.adapter, 97_255_424 * 16);
  t.ok(parts.total > 9 * gib && parts.total < 20 * gib, `${(parts.total / gib).toFixed(1)} GiB`);
  t.equal(memoryParts(llama3B, set({ targetModules: ['q_proj', 'v_proj'], rank: 8 }), 'gpu')!.adapter, 28 * 8 * (3072 + 3072 + 3072 + 1024) * 16);
  t.equal(memoryParts(llama3B, set({ targetModules: ['self_attn.q_proj'], rank: 8 }), 'gpu')!.adapter, 28 * 8 * (3072 + 3072) * 16, 'named by more than its last part');
  t.equal(estimateMemory(llama3B, set({ quantization: Quantization.QUANTIZATION_4BIT }), 'cpu'), undefined, 'few bits need CUDA');
});

const sizes = fc.record({ hidden: fc.integer({ min: 1, max: 128 }).map((n) => n * 64), intermediate: fc.integer({ min: 1, max: 400 }).map((n) => n * 64), layers: fc.integer({ min: 1, max: 80 }), vocabulary: fc.integer({ min: 256, max: 260_000 }), keyValue: fc.integer({ min: 1, max: 16 }).map((n) => n * 64) });
const asked = fc.record({
  rank: fc.integer({ min: 1, max: 1024 }), usePissa: fc.boolean(), maxSeqLength: fc.integer({ min: 16, max: 131_072 }), batchSize: fc.integer({ min: 1, max: 1024 }),
  quantization: fc.constantFrom(Quantization.QUANTIZATION_NONE, Quantization.QUANTIZATION_8BIT, Quantization.QUANTIZATION_4BIT),
});
const trainers = fc.constantFrom('gpu', 'cpu') as fc.Arbitrary<'gpu' | 'cpu'>;

t.test('more rank, sequence or micro-batch never lowers it, nor does a wider, deeper model', async (t) => {
  const more = fc.constantFrom('rank', 'maxSeqLength', 'batchSize') as fc.Arbitrary<'rank' | 'maxSeqLength' | 'batchSize'>;
  const larger = fc.constantFrom('hidden', 'intermediate', 'layers', 'vocabulary', 'keyValue') as fc.Arbitrary<'hidden' | 'intermediate' | 'layers' | 'vocabulary' | 'keyValue'>;
  fc.assert(fc.property(sizes, asked, trainers, more, larger, fc.integer({ min: 1, max: 4096 }), (size, one, trainer, field, side, by) => {
    const before = estimateMemory(llama(size), set(one), trainer);
    if (before === undefined) return one.quantization !== Quantization.QUANTIZATION_NONE && trainer === 'cpu';
    return Number.isSafeInteger(before) && before > 0
      && estimateMemory(llama(size), set({ ...one, [field]: one[field] + by }), trainer)! >= before
      && estimateMemory(llama({ ...size, [side]: size[side] + by }), set(one), trainer)! >= before;
  }), { numRuns: 2_000 });
  t.pass('2,000 pairs');
});

t.test('fewer bits never take more, where the matrices outweigh the embeddings', async (t) => {
  fc.assert(fc.property(sizes, asked, (size, one) => {
    const shape = llama(size);
    // QLoRA holds what is not quantized in float32: a model that is mostly embeddings grows by it.
    const inside = shape.linears.reduce((sum, { inFeatures, outFeatures, count }) => sum + inFeatures * outFeatures * count, 0);
    fc.pre(Number(shape.parameters) - inside <= inside / 2);
    const [none, eight, four] = [Quantization.QUANTIZATION_NONE, Quantization.QUANTIZATION_8BIT, Quantization.QUANTIZATION_4BIT].map((quantization) => estimateMemory(shape, set({ ...one, quantization }), 'gpu')!) as [number, number, number];
    return four <= eight && eight <= none;
  }), { numRuns: 1_000 });
  t.pass('1,000 models');
});

t.test('a shape is what the files say, and undefined where they do not', async (t) => {
  const config = { hidden_size: 8, num_hidden_layers: 2, vocab_size: 100, model_type: 'llama' };
  const tensors = [
    { name: 'model.embed_tokens.weight', shape: [100, 8] },
    { name: 'model.norm.weight', shape: [8] },
    ...[0, 1].flatMap((layer) => [{ name: `model.layers.${layer}.self_attn.q_proj.weight`, shape: [8, 8] }, { name: `model.layers.${layer}.mlp.down_proj.weight`, shape: [8, 24] }, { name: `model.layers.${layer}.input_layernorm.weight`, shape: [8] }]),
  ];
  t.match(modelShapeOf(config, tensors), { parameters: 800n + 8n + 2n * (64n + 192n + 8n), hiddenSize: 8, layers: 2, vocabulary: 100, linears: [{ name: 'q_proj', inFeatures: 8, outFeatures: 8, count: 2 }, { name: 'down_proj', inFeatures: 24, outFeatures: 8, count: 2 }] });
  for (const other of [null, {}, { ...config, hidden_size: '8' }, { ...config, num_hidden_layers: 0 }, { ...config, num_local_experts: 8 }, { ...config, quantization_config: {} }, { ...config, vision_config: {} }]) t.equal(modelShapeOf(other, tensors), undefined, JSON.stringify(other));
  t.equal(modelShapeOf(config, []), undefined, 'no tensors');
});
