/** Encoders: folders of Hugging Face, texts as inputs, the tokenizer in the model's file, training, distillation, refusals. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { Dataset, distill, Model, Tokenizer, train, type ModelOptions } from '../ts/index.js'
import { failure, folder, miniLm } from './support.js'

const root = path.dirname(import.meta.dirname)
const things = { animal: ['cat', 'dog', 'horse', 'bird', 'mouse', 'goat'], vehicle: ['car', 'train', 'plane', 'boat', 'bus', 'bike'] }
const names = Object.keys(things) as (keyof typeof things)[]
const labels = Array.from({ length: 96 }, (_, row) => row % 2)
const texts = labels.map((label, row) => {
  const own = things[names[label]!]
  return ['I saw', `a ${own[row % 6]} and`, row % 3 === 0 ? `the old ${own[(row * 5 + 1) % 6]} here` : `a ${own[(row + 2) % 6]}`].join(' ')
})

let tokenizer: Tokenizer
beforeAll(async () => {
  tokenizer = await Tokenizer.train({ kind: 'wordPiece', texts, vocabulary: 200 })
})

const encoder = (more: object = {}): ModelOptions => ({
  textEncoder: { vocabulary: tokenizer.vocabulary, width: 16, layers: 2, heads: 2, inner: 32, positions: 24, dropout: 0.1, classes: 2, ...more },
})
const data = () => Dataset.from({ texts, labels }, { tokenizer, maxTokens: 24, labelNames: names })
const recipe = { losses: { crossEntropy: {} }, optimizer: { adamW: { learningRate: 0.003 } }, batchSize: 16, epochs: 12, seed: 4 }

describe('folders of Hugging Face', () => {
  const golden = path.join(root, '__test__/golden/folders')

  test.each(['bert-classes', 'distilbert-classes', 'roberta-classes'])('%s gives the logits of the original', async name => {
    const model = await Model.fromPretrained(path.join(golden, name))
    const { inputs, outputs } = JSON.parse(readFileSync(path.join(golden, name, 'expected.json'), 'utf8')) as {
      inputs: { input_ids: number[][]; attention_mask: number[][] }
      outputs: { logits: number[][] }
    }
    const rows = inputs.input_ids.map((ids, row) => ids.filter((_, at) => inputs.attention_mask[row]![at] === 1))
    const { logits } = await model.predict({ inputs: rows })
    const expected = outputs.logits.flat()
    const scale = Math.max(...expected.map(Math.abs))
    expect(Math.max(...expected.map((x, at) => Math.abs(x - logits[at]!)))).toBeLessThan(1e-5 * scale)
  })

  test('some of the layers make a smaller student with a new head, which can be trained', async () => {
    const student = await Model.fromPretrained(path.join(golden, 'bert'), { layers: [1], classes: 3, seed: 2 })
    expect([student.classes, student.summary().layers.filter(({ kind }) => kind === 'attention')]).toEqual([3, [expect.anything()]])
    expect(student.provenance).toMatchObject({ pretrained: { family: 'bert', layers: [1], missing: ['head.weight', 'head.bias'] } })
    const rows = Dataset.from({ inputs: [[1, 2, 3], [4, 5], [6, 7, 8, 9]], labels: [0, 1, 2] }, { inputs: { ids: {} }, classes: 3 })
    const { steps } = await train({ ...recipe, student, data: rows, epochs: 2 }).finish()
    expect(steps).toBe(2)
  })

  test.each([
    [{ layers: [0, 7] }, 'layers[1]', /a layer of the folder, below 2, got 7/],
    [{ layers: [] }, 'layers', /at least one layer/],
    [{ normalize: true }, 'normalize', /because the model has a head/],
    [{ pooler: 'first' }, 'pooler', /unknown key pooler/],
  ])('the options %j are rejected by path', async (options, at, message) => {
    const error = await failure(() => Model.fromPretrained(path.join(golden, 'bert-classes'), options as object))
    expect(error).toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG', path: at })
    expect(error.message).toMatch(message)
  })

  test('a folder that does not exist, or is no model, is named', async () => {
    for (const place of [path.join(golden, 'nowhere'), folder()]) {
      expect((await failure(() => Model.fromPretrained(place))).message).toContain(place)
    }
  })
})

test('all-MiniLM-L6-v2 loads without options and gives the published vectors', async ({ skip }) => {
  const place = miniLm(skip)
  const model = await Model.fromPretrained(place)
  const sentences = ['The weather is lovely today.', "It's so sunny outside!", 'He drove to the stadium.']
  const { logits, classes } = await model.predict({ texts: sentences })
  const vector = (row: number) => logits.subarray(row * classes, (row + 1) * classes)
  const cosine = (a: number, b: number) => vector(a).reduce((sum, x, at) => sum + x * vector(b)[at]!, 0)
  expect([model.maxTokens, classes]).toEqual([256, 384])
  // The similarities in the documentation of sentence-transformers.
  for (const [b, expected] of [[0, 1], [1, 0.666], [2, 0.1046]] as const) expect(cosine(0, b)).toBeCloseTo(expected, 4)
  expect(cosine(1, 2)).toBeCloseTo(0.1411, 4)
})

describe('texts', () => {
  test('a student learns from texts, predicts texts, and keeps the tokenizer in its file', async () => {
    const student = Model.create(encoder(), { seed: 3, tokenizer })
    await train({ ...recipe, student, data: data() }).finish()
    const asked = { texts: ['a horse and a bird', 'the old train here'] }
    expect((await student.predict(asked)).names).toEqual(['animal', 'vehicle'])
    const file = path.join(folder(), 'student.safetensors')
    await student.save(file)
    const loaded = await Model.load(file)
    expect([loaded.maxTokens, loaded.tokenizer?.digest]).toEqual([24, tokenizer.digest])
    const { logits } = await student.predict(asked)
    expect((await loaded.predict(asked)).logits).toEqual(logits)
    expect(loaded.predictSync(asked).logits).toEqual(logits)
    expect((await loaded.clone().predict(asked)).logits).toEqual(logits)
  })

  test('a service takes texts, and a model with another tokenizer cannot replace its model', async () => {
    const model = Model.create(encoder(), { seed: 3, tokenizer })
    const service = model.serve({ maxWaitMs: 1 })
    const given = texts.slice(0, 8)
    const served = await Promise.all(given.map(text => service.predict({ texts: [text] })))
    const { logits } = await model.predict({ texts: given })
    served.forEach((one, row) => expect(Array.from(one.logits)).toEqual(Array.from(logits.subarray(row * 2, row * 2 + 2))))
    await service.swap(Model.create(encoder(), { seed: 4, tokenizer }))
    const other = await Tokenizer.train({ kind: 'bpe', texts, vocabulary: 300 })
    const refused = await failure(() => service.swap(Model.create(encoder({ vocabulary: other.vocabulary }), { tokenizer: other })))
    expect(refused.message).toMatch(/expected the tokenizer [0-9a-f]+…, like the serving model, got the tokenizer [0-9a-f]+…/)
    await service.drain()
  })

  test('the bits are the same for 1, 2 and 3 threads, and after a resumed run', async () => {
    const trained = async (more: object) => {
      const student = Model.create(encoder(), { seed: 3 })
      await train({ ...recipe, student, data: data(), epochs: 4, ...more }).finish()
      return student.parameters().map(({ name, values }) => [name, values])
    }
    const one = await trained({ threads: 1 })
    expect(await trained({ threads: 2 })).toEqual(one)
    expect(await trained({ threads: 3 })).toEqual(one)
    const checkpoint = { folder: path.join(folder(), 'run'), every: 5, resume: true }
    const run = train({ ...recipe, student: Model.create(encoder(), { seed: 3 }), data: data(), epochs: 4, checkpoint })
    for await (const { step } of run) if (step === 12) break
    expect(await trained({ checkpoint })).toEqual(one)
  })

  test('an encoder teaches a bag of words', async () => {
    const teacher = Model.create(encoder(), { seed: 3 })
    await train({ ...recipe, student: teacher, data: data() }).finish()
    const student = Model.create(
      { input: { ids: {} }, layers: [{ embedding: { vocabulary: tokenizer.vocabulary, width: 8 } }, { linear: { name: 'head', outputs: 2 } }] },
      { tokenizer, seed: 5 },
    )
    await distill({ ...recipe, teacher, student, data: data(), losses: { kl: { temperature: 2 } }, epochs: 30 }).finish()
    expect((await student.evaluate(data(), { teacher })).agreement).toBeGreaterThan(0.95)
    expect(student.predictSync({ texts: ['a goat'] }).names).toEqual(['animal'])
  })

  test('a text has the same logits alone and among others, and longer texts are truncated', async () => {
    const model = Model.create(encoder(), { seed: 3, tokenizer, maxTokens: 8 })
    const all = await model.predict({ texts })
    for (const row of [0, 17, 95]) {
      const alone = await model.predict({ texts: [texts[row]!] })
      expect(Array.from(alone.logits)).toEqual(Array.from(all.logits.subarray(row * 2, row * 2 + 2)))
    }
    const long = Array.from({ length: 50 }, () => 'cat').join(' ')
    expect(await model.predict({ texts: [long] })).toEqual(await model.predict({ texts: ['cat '.repeat(6)] }))
  })
})

describe('rejected', () => {
  test('texts for a model without a tokenizer, and texts that are none', async () => {
    const without = Model.create(encoder())
    const error = await failure(() => without.predict({ texts: ['a'] }))
    expect(error.message).toContain('model.setTokenizer')
    const model = Model.create(encoder(), { tokenizer })
    for (const wrong of [[7], ['a', null], 'a', ['\ud800']]) {
      expect(await failure(() => model.predict({ texts: wrong as never }))).toMatchObject({ code: 'ERR_LIMBECK_INVALID_DATA', path: expect.stringMatching(/^texts/) })
      expect(await failure(() => model.predictSync({ texts: wrong as never }))).toMatchObject({ code: 'ERR_LIMBECK_INVALID_DATA' })
    }
    const ids = Array.from({ length: 25 }, () => 1)
    const long = await failure(() => model.predict({ inputs: [[1], ids] }))
    expect([long.path, long.message]).toEqual(['inputs[1]', expect.stringContaining('expected at most 24 tokens, got 25')])
  })

  test('a tokenizer that does not fit the model', async () => {
    const small = await failure(() => Model.create(encoder({ vocabulary: 50 }), { tokenizer }))
    expect([small.path, small.message]).toEqual(['tokenizer', expect.stringContaining('expected ids below 50, the vocabulary of the model')])
    for (const maxTokens of [1, 25]) {
      const error = await failure(() => Model.create(encoder(), { tokenizer, maxTokens }))
      expect([error.path, error.message]).toEqual(['maxTokens', expect.stringContaining(`expected at least 2 and at most 24 tokens, got ${maxTokens}`)])
    }
    expect((await failure(() => Model.create({ mlp: { sizes: [4, 3] } }, { tokenizer }))).message).toContain('begins with an embedding')
    expect((await failure(() => Model.create(encoder(), { maxTokens: 5 }))).path).toBe('maxTokens')
  })

  test.each([
    [{ heads: 3 }, /heads: expected a number that divides the width 16, got 3/],
    [{ normalize: true }, /normalize: expected false together with classes, got true/],
    [{ firstPosition: 24 }, /firstPosition: expected a position below 24, got 24/],
    [{ vocabulary: 0 }, /expected vocabulary and width above 0/],
    [{ dropout: 1 }, /rate: expected a number of at least 0 and below 1, got 1/],
  ])('the encoder %j', async (more, message) => {
    const error = await failure(() => Model.create(encoder(more)))
    expect(`${error.path}: ${error.message}`).toMatch(message)
  })
})
