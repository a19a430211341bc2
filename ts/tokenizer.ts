/** Tokenizers: texts to ids of tokens and back. */
import { naturals, type TypedArray } from './arrays.js'
import { awaiting, calling } from './errors.js'
import type { NativeTokenizer } from './native/contract.js'
import { isHandle, tokenizers } from './native/handles.js'
import { native } from './native/load.js'
import type { TokenizerOptions } from './native/options.js'
import { json, plain, reading, refuse, text, whole, words } from './read.js'
import { textsOf, type EncodedTexts } from './texts.js'

/** The options of `Tokenizer.train`. */
export interface TrainTokenizerOptions extends TokenizerOptions {
  /** The texts to learn from, in any order. */
  texts: Iterable<string>
}

interface Known {
  vocabulary: number
  specialTokens: number
  digest: string
}

/**
 * Converts texts to ids of tokens, as the file `tokenizer.json` of a Hugging Face model defines it.
 *
 * ```ts
 * const tokenizer = await Tokenizer.load('all-MiniLM-L6-v2')
 * const { ids, offsets } = await tokenizer.encode(['A short text.', 'Another one.'], { maxTokens: 256 })
 * const data = Dataset.from({ texts, labels }, { tokenizer, maxTokens: 256 })
 * ```
 */
export class Tokenizer {
  readonly #known: Known

  private constructor(handle: NativeTokenizer) {
    if (!isHandle(handle)) refuse('Tokenizer', 'await Tokenizer.load(…) or Tokenizer.fromJson(…)', words('new Tokenizer(…)'))
    tokenizers.set(this, handle)
    this.#known = JSON.parse(calling(() => handle.describe())) as Known
  }

  /**
   * Reads a `tokenizer.json` of at most 128 MiB; `path` is the file or the folder that contains it. The truncation, padding
   * and dropout that the file defines are switched off.
   */
  static async load(path: string): Promise<Tokenizer> {
    const file = text('path', path)
    return new Tokenizer(await awaiting(() => native().NativeTokenizer.load(file)))
  }

  /** Does the same with the content of the file. This blocks the event loop for about 100 ms per megabyte. */
  static fromJson(content: string): Tokenizer {
    const file = text('content', content)
    return new Tokenizer(calling(() => native().NativeTokenizer.fromJson(file), path => path || 'content'))
  }

  /**
   * Learns a new tokenizer from texts. Equal texts, in any order, give the same tokenizer.
   *
   * ```ts
   * const tokenizer = await Tokenizer.train({ kind: 'wordPiece', texts, vocabulary: 8000 })
   * ```
   */
  static async train(options: TrainTokenizerOptions): Promise<Tokenizer> {
    const { texts, ...rest } = plain('options', options, ['kind', 'texts', 'vocabulary'])
    const given = textsOf('texts', texts)
    const described = json('', rest)
    return new Tokenizer(await awaiting(() => native().NativeTokenizer.train(described, given)))
  }

  /**
   * The ids of the tokens of each text, with the special tokens of the model. Of a text with more than `maxTokens` tokens,
   * the last ones are left out, but no special token. By default nothing is left out.
   *
   * This runs outside the event loop; only the texts are checked and copied on it, for about 10 ms per megabyte.
   */
  async encode(texts: Iterable<string>, options: { maxTokens?: number } = {}): Promise<EncodedTexts> {
    const { maxTokens } = plain('options', options, ['maxTokens'])
    const most = limitOf(maxTokens)
    const given = textsOf('texts', texts)
    return await awaiting(() => this.#handle().encode(given, most))
  }

  /** The text of the ids of one text, without special tokens. A tokenizer that changes texts, for example to lower case, does not restore them. */
  decode(ids: TypedArray | readonly number[]): string {
    const given = reading('ids', () => naturals('ids', ids))
    return calling(() => this.#handle().decode(given))
  }

  /** One more than the largest id: the option `vocabulary` of a model for these tokens. */
  get vocabulary(): number {
    return this.#known.vocabulary
  }

  /** The number of special tokens that every text has: the smallest value of `maxTokens`. */
  get specialTokens(): number {
    return this.#known.specialTokens
  }

  /** The SHA-256 of `toJson()`, as 64 hexadecimal digits. */
  get digest(): string {
    return this.#known.digest
  }

  /** The content of a `tokenizer.json`, without truncation, padding and dropout. */
  toJson(): string {
    return calling(() => this.#handle().json())
  }

  /** One line for `console.log`. @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return tokenizers.has(this) ? `Tokenizer { ${this.vocabulary.toLocaleString('en')} tokens }` : 'Tokenizer'
  }

  #handle(): NativeTokenizer {
    return tokenizers.get(this)!
  }
}

/** The largest number of tokens of a text; undefined if there is none. */
export function limitOf(maxTokens: unknown): number | undefined {
  return maxTokens === undefined ? undefined : Math.min(whole('maxTokens', maxTokens, 1), 0xffffffff)
}

/** The native side of a tokenizer that a caller passed. */
export function tokenizerOf(path: string, value: unknown): NativeTokenizer {
  const handle = typeof value === 'object' && value !== null ? tokenizers.get(value) : undefined
  return handle ?? refuse(path, 'a Tokenizer', value)
}
