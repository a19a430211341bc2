/** Tokenizers: equal ids to an independent implementation, training, data sets of texts, and rejected values. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Tokenizer as Independent } from '@huggingface/tokenizers'
import { expect, test } from 'vitest'
import { Dataset, LimbeckError, Model, Tokenizer, train, type EncodedTexts, type ModelOptions, type TrainTokenizerOptions } from '../ts/index.js'
import { failure, folder, miniLm, noise } from './support.js'

const kinds = ['wordPiece', 'bpe', 'unigram'] as const
type Kind = (typeof kinds)[number]

const parts = 'ta re mi lon the ing un over er ly play stone light wind house é ñ ß 猫 が и ж 🙂 - \' , . 7 42'.split(' ')
/** Difficult texts: accents in both forms, ligatures, ideographs, emoji of several characters, controls, many spaces. */
const hard = [
  '', ' ', 'Héllo Wörld', 'He\u0301llo', 'ﬁne ½ Ⅷ ①', '東京都は日本の首都です。', '안녕하세요', 'Привет, мир!', '👩‍👩‍👧 🇫🇷 👍🏽', 'don\'t "quote" “curly” — dash…',
  'a\tb\nc\r\nd', '   three   spaces   ', 'ZERO\u200bWIDTH \u00a0 nbsp', 'ALL CAPS AND camelCase and snake_case', '3.14159 1,000,000 $5 50%', 'x'.repeat(150), 'http://a.b/c?d=e#f',
  '[CLS] text [SEP] with <s> special </s> [MASK] tokens', '##piece', 'naïve façade İstanbul ŞIK',
]

/** Texts of random words, the same in every run. */
function made(count: number, seed = 1): string[] {
  const draw = noise(seed)
  const below = (limit: number) => Math.floor((draw() + 0.5) * limit)
  const words = Array.from({ length: 400 }, () => Array.from({ length: 1 + below(3) }, () => parts[below(parts.length)]).join(''))
  return Array.from({ length: count }, () => Array.from({ length: 1 + below(20) }, () => words[Math.floor(words.length * (draw() + 0.5) ** 2)]).join(' '))
}

const texts = made(1_000)
const trained = new Map<Kind, Promise<Tokenizer>>()
/** A tokenizer that is trained once for all tests. */
const tokenizerOf = (kind: Kind): Promise<Tokenizer> => {
  if (!trained.has(kind)) trained.set(kind, Tokenizer.train({ kind, texts, vocabulary: 700 }))
  return trained.get(kind)!
}

const row = ({ ids, offsets }: EncodedTexts, at: number) => Array.from(ids.subarray(offsets[at], offsets[at + 1]))

async function expectEqualIds(tokenizer: Tokenizer, file: string, given: readonly string[]): Promise<void> {
  const encoded = await tokenizer.encode(given)
  const independent = new Independent(JSON.parse(file) as object, {})
  expect(encoded.offsets).toHaveLength(given.length + 1)
  given.forEach((text, at) => expect(row(encoded, at), JSON.stringify(text)).toEqual(independent.encode(text).ids))
}

test.each(kinds)('%s: the ids are those of an independent implementation', async kind => {
  const tokenizer = await tokenizerOf(kind)
  await expectEqualIds(tokenizer, tokenizer.toJson(), [...texts, ...made(300, 2), ...hard])
})

test('the tokenizer of all-MiniLM-L6-v2 gives the ids of two other implementations, and its truncation is switched off', async ({ skip }) => {
  const place = miniLm(skip)
  const tokenizer = await Tokenizer.load(place)
  expect([tokenizer.vocabulary, tokenizer.specialTokens]).toEqual([30_522, 2])
  const file = JSON.parse(readFileSync(path.join(place, 'tokenizer.json'), 'utf8')) as { truncation: unknown; padding: unknown }
  expect(file.truncation).toMatchObject({ max_length: 128 })
  // Computed with tokenizers 0.23.2 for Python, no_truncation() and no_padding().
  const { ids } = await tokenizer.encode(['The city of Paris is the capital of France, naïve façade 東京 🙂 unbelievable!'])
  expect(Array.from(ids)).toEqual([101, 1996, 2103, 1997, 3000, 2003, 1996, 3007, 1997, 2605, 1010, 15743, 8508, 1879, 1755, 100, 23653, 999, 102])
  const long = 'word '.repeat(1_000)
  expect((await tokenizer.encode([long])).ids).toHaveLength(1_002)
  await expectEqualIds(tokenizer, JSON.stringify({ ...file, truncation: null, padding: null }), [...texts, ...hard, long])
  const again = Tokenizer.fromJson(tokenizer.toJson())
  expect([again.digest, again.toJson()]).toEqual([tokenizer.digest, tokenizer.toJson()])
})

test.each(kinds)('%s: training twice, or with the texts in another order, gives the same file', async kind => {
  const first = (await tokenizerOf(kind)).toJson()
  expect((await Tokenizer.train({ kind, texts, vocabulary: 700 })).toJson()).toBe(first)
  function* reversed() {
    yield* [...texts].reverse()
  }
  expect((await Tokenizer.train({ kind, texts: reversed(), vocabulary: 700 })).toJson()).toBe(first)
  expect(first).not.toBe((await Tokenizer.train({ kind, texts: texts.slice(0, 500), vocabulary: 700 })).toJson())
})

test.each(kinds)('%s: decode returns the text, apart from what the kind of tokenizer changes', async kind => {
  const tokenizer = await tokenizerOf(kind)
  const encoded = await tokenizer.encode(texts)
  const plain = (text: string) => (kind === 'wordPiece' ? text.toLowerCase().normalize('NFD').replace(/[\p{Mn} ]/gu, '') : text)
  texts.forEach((text, at) => expect(plain(tokenizer.decode(row(encoded, at))), text).toBe(plain(text)))
  if (kind === 'bpe') for (const text of hard.slice(0, 17)) expect(tokenizer.decode((await tokenizer.encode([text])).ids)).toBe(text)
})

test('the ids are the same on the event loop, outside it, one text at a time and several calls at a time', async () => {
  const tokenizer = await tokenizerOf('bpe')
  const whole = await tokenizer.encode(texts)
  const calls = await Promise.all(texts.slice(0, 50).map(text => tokenizer.encode([text])))
  calls.forEach((call, at) => expect(Array.from(call.ids)).toEqual(row(whole, at)))
  const pieces = await Promise.all([0, 1, 2].map(() => tokenizer.encode(texts)))
  for (const other of pieces) expect(other).toEqual(whole)
  const now = Dataset.from({ texts }, { tokenizer })
  const given = Dataset.from({ inputs: { values: whole.ids, offsets: whole.offsets } })
  const later = await Dataset.take({ texts: new Set(texts).size === texts.length ? new Set(texts) : texts }, { tokenizer })
  const summaries = [now, given, later].map(({ rows, shape, bytes }) => ({ rows, shape, bytes }))
  expect(summaries).toEqual([summaries[0], summaries[0], summaries[0]])
  expect(summaries[0]).toMatchObject({ rows: 1_000, shape: undefined })
})

test('maxTokens leaves out the last tokens and keeps the special ones; the number of cut texts is returned', async () => {
  const tokenizer = await tokenizerOf('wordPiece')
  const [whole, short] = [await tokenizer.encode(texts), await tokenizer.encode(texts, { maxTokens: 6 })]
  let cut = 0
  texts.forEach((_, at) => {
    const [all, some] = [row(whole, at), row(short, at)]
    if (all.length <= 6) return expect(some).toEqual(all)
    cut++
    expect(some).toEqual([...all.slice(0, 5), all.at(-1)])
  })
  expect([short.cut, whole.cut]).toEqual([cut, 0])
  expect(cut).toBeGreaterThan(300)
  const data = Dataset.from({ texts, labels: texts.map(() => 0) }, { tokenizer, maxTokens: 6, classes: 2 })
  expect(data.bytes).toBeLessThan(Dataset.from({ texts, labels: texts.map(() => 0) }, { tokenizer, classes: 2 }).bytes)
})

test('a bag of embeddings learns from texts and labels, and a stream of texts gives the same student', async () => {
  const tokenizer = await tokenizerOf('wordPiece')
  const labels = texts.map(text => Number(text.includes('light')))
  const [rest, held] = Dataset.from({ texts, labels }, { tokenizer, maxTokens: 64, classes: 2 }).split([0.8, 0.2], { seed: 1 })
  const architecture: ModelOptions = { input: { ids: {} }, layers: [{ embedding: { vocabulary: tokenizer.vocabulary, width: 16, pooling: 'mean' } }, { linear: { outputs: 2 } }] }
  const student = Model.create(architecture as never, { seed: 1 })
  const options = { losses: { crossEntropy: {} }, optimizer: { adamW: { learningRate: 0.02 } }, batchSize: 32, seed: 1 }
  await train({ student, data: rest, ...options, epochs: 12 }).finish()
  expect((await student.evaluate(held)).accuracy).toBeGreaterThan(0.9)
  const streamed = [1, 2].map(() => Model.create(architecture, { seed: 1 })) as [Model, Model]
  const encoded = await tokenizer.encode(texts)
  const tokens = { values: encoded.ids, offsets: encoded.offsets }
  const { batchSize: _, ...each } = options
  await train({ student: streamed[0], data: Dataset.stream([{ texts, labels }], { tokenizer, classes: 2 }), ...each }).finish()
  await train({ student: streamed[1], data: Dataset.stream([{ inputs: tokens, labels }], { classes: 2 }), ...each }).finish()
  const [first, second] = streamed.map(model => model.parameters().map(({ values }) => Array.from(values)))
  expect(first).toEqual(second)
})

test('a tokenizer is loaded from a file or its folder', async () => {
  const tokenizer = await tokenizerOf('unigram')
  const place = folder()
  writeFileSync(path.join(place, 'tokenizer.json'), tokenizer.toJson())
  for (const from of [place, path.join(place, 'tokenizer.json')]) expect((await Tokenizer.load(from)).digest).toBe(tokenizer.digest)
  const missing = await failure(() => Tokenizer.load(path.join(place, 'other.json')))
  expect([missing.code, missing.path]).toEqual(['ERR_LIMBECK_IO', path.join(place, 'other.json')])
  writeFileSync(path.join(place, 'config.json'), '{"model_type":"bert"}')
  const other = await failure(() => Tokenizer.load(path.join(place, 'config.json')))
  expect([other.code, other.path]).toEqual(['ERR_LIMBECK_INVALID_FILE', path.join(place, 'config.json')])
})

/** `code path: message` of the error. */
const said = async (work: () => unknown) => {
  const { code, message } = await failure(work)
  return `${code.slice('ERR_LIMBECK_'.length)} ${message}`
}

test('texts that are no texts are rejected by their position', async () => {
  const tokenizer = await tokenizerOf('bpe')
  const encode = (given: unknown, options?: object) => said(() => tokenizer.encode(given as string[], options))
  expect(await encode('one')).toBe('INVALID_DATA texts: expected an array of strings, got "one"')
  expect(await encode(undefined)).toBe('INVALID_DATA texts: expected an array of strings, got nothing')
  expect(await encode(['a', 7])).toBe('INVALID_DATA texts[1]: expected a string, got 7')
  // eslint-disable-next-line no-sparse-arrays
  expect(await encode(['a', , 'b'])).toBe('INVALID_DATA texts[1]: expected a string, got nothing')
  expect(await encode(['a', 'b\ud83d', 'c'])).toBe(
    'INVALID_DATA texts[1]: expected whole characters, got half of a surrogate pair at position 1; text.toWellFormed() replaces it',
  )
  expect(await encode(['🙂\udc00'])).toContain('texts[0]: expected whole characters, got half of a surrogate pair at position 2')
  expect(await encode(['x'.repeat((4 << 20) + 1)])).toBe('INVALID_DATA texts[0]: expected a text of at most 4194304 characters (split it), got 4194305')
  expect(await encode({ [Symbol.iterator]: () => { throw new Error('mine') } })).toContain('INVALID_CONFIG texts: expected a readable value')
  expect(await encode(['a'], { maxTokens: 1 })).toBe('INVALID_CONFIG maxTokens: expected at least 2 (the special tokens of this tokenizer), got 1')
  expect(await encode(['a'], { maxTokens: 0 })).toBe('INVALID_CONFIG maxTokens: expected an integer of at least 1, got 0')
  expect(await encode(['a'], { max: 3 })).toContain('unknown key max')
  expect((await tokenizer.encode([])).offsets).toEqual(new Uint32Array(1))
  expect(Array.from((await tokenizer.encode(['', ''], { maxTokens: 2 ** 40 })).offsets)).toEqual([0, 2, 4])
  expect(await said(() => tokenizer.decode([1, 5_000]))).toBe(`INVALID_DATA ids[1]: expected an id below ${tokenizer.vocabulary} (the vocabulary), got 5000`)
  expect(await said(() => tokenizer.decode([-1]))).toBe('INVALID_DATA ids[0]: expected an integer of at least 0, got -1')
})

/** The file of a tokenizer of whole words without special tokens. */
const words = { version: '1.0', pre_tokenizer: { type: 'Whitespace' }, model: { type: 'WordLevel', unk_token: '?', vocab: { '?': 0, a: 1 } } }

test('a text that gives no token is rejected by its position', async () => {
  const tokenizer = Tokenizer.fromJson(JSON.stringify(words))
  const expected = 'INVALID_DATA texts[2]: expected a text with at least one token, got none; remove this row'
  const given = ['a', 'b', ' ', 'a']
  expect(await said(() => tokenizer.encode(given))).toBe(expected)
  expect(await said(() => Dataset.from({ texts: given }, { tokenizer }))).toBe(expected)
  expect(await said(() => Dataset.take({ texts: given }, { tokenizer }))).toBe(expected)
  expect(row(await tokenizer.encode(['a b']), 0)).toEqual([1, 0])
})

test('a content that is no tokenizer is rejected', async () => {
  const json = (content: unknown) => said(() => Tokenizer.fromJson(content as string))
  const changed = (model: object) => JSON.stringify({ ...words, model: { ...words.model, ...model } })
  expect(await json(undefined)).toBe('INVALID_CONFIG content: expected a string that is not empty, got nothing')
  for (const content of ['{', '{}', '[]', '"a"', changed({ vocab: {} }), changed({ vocab: { a: 2 ** 32 } }), changed({ type: 'Magic' }), '['.repeat(1e5)]) {
    expect(await json(content), content.slice(0, 200)).toMatch(/^INVALID_FILE content: expected /)
  }
  expect(await json(changed({ vocab: { a: 2 ** 32 - 1 } }))).toBe('INVALID_FILE content: expected ids below 4294967295, got 4294967295')
  expect(await json(' '.repeat((128 << 20) + 1))).toBe('INVALID_FILE content: expected at most 134217728 bytes, got 134217729')
  expect(() => new (Tokenizer as unknown as new (handle: unknown) => Tokenizer)({})).toThrow(LimbeckError)
})

test('invalid options of a training are rejected', async () => {
  const make = (options: object) => said(() => Tokenizer.train({ kind: 'bpe', texts, vocabulary: 300, ...options } as TrainTokenizerOptions))
  expect(await make({ kind: 'words' })).toBe('INVALID_CONFIG kind: expected one of wordPiece, bpe, unigram, got words')
  expect(await make({ vocabulary: 260 })).toBe('INVALID_CONFIG vocabulary: expected at least 261 (special tokens and bytes), got 260')
  expect(await make({ vocabulary: 2e6 })).toBe('INVALID_CONFIG vocabulary: expected at most 1000000, got 2000000')
  expect(await make({ kind: 'wordPiece', vocabulary: 6 })).toMatch(/^INVALID_CONFIG vocabulary: expected at least \d+ \(special tokens and characters of the texts\), got 6$/)
  expect(await make({ texts: ['', ''] })).toBe('INVALID_DATA texts: expected at least one word in the texts, got none')
  expect(await make({ texts: undefined })).toBe('INVALID_DATA texts: expected an array of strings, got nothing')
  expect(await make({ size: 3 })).toContain('unknown key size')
})

test('texts in a data set need a tokenizer, and a tokenizer needs texts', async () => {
  const tokenizer = await tokenizerOf('bpe')
  const from = (columns: object, options: object = { tokenizer }) => said(() => Dataset.from(columns as never, options))
  expect(await from({ texts }, {})).toBe('INVALID_CONFIG tokenizer: expected a Tokenizer (as an option of the data, or model.setTokenizer), because there is a column of texts, got nothing')
  expect(await from({ texts }, { tokenizer: {} })).toBe('INVALID_CONFIG tokenizer: expected a Tokenizer, got an object')
  expect(await from({ inputs: [[1]] })).toBe('INVALID_CONFIG texts: expected a column of texts for the tokenizer, got nothing')
  expect(await from({ texts, inputs: [[1]] })).toBe('INVALID_CONFIG inputs: expected either inputs or texts, got both')
  expect(await from({ texts }, { tokenizer, inputs: [4] })).toBe('INVALID_CONFIG inputs: expected no option inputs together with texts, got an array')
  expect(await from({ texts }, { tokenizer, maxTokens: 1 })).toContain('INVALID_CONFIG maxTokens: expected at least 2')
  expect(await from({ texts: [] })).toBe('INVALID_DATA inputs: expected at least one row, got an empty data set')
  expect(await from({ texts: ['a', 'b'], labels: [0] })).toContain('INVALID_DATA labels: expected 2')
  expect(await from({ texts: ['a', null] })).toBe('INVALID_DATA texts[1]: expected a string, got null')
})
