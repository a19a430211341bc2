/**
 * Reads the bytes of a file or of memory, and unpacks gzip. Only the current piece is in memory.
 */
import { createReadStream } from 'node:fs'
import { Readable, pipeline } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { createGunzip } from 'node:zlib'
import { LimbeckError } from '../errors.js'
import { plain, refuse } from '../read.js'

/** A path, bytes, or text; gzip is unpacked. */
export type Source = string | URL | Uint8Array | { text: string }

/** The name of the source in errors. */
export function nameOf(source: Source): string {
  const expected = 'the path or file URL of a file, bytes, or { text }'
  if (typeof source === 'string' && source !== '') return source
  if (source instanceof URL) return source.protocol === 'file:' ? fileURLToPath(source) : refuse('source', expected, source)
  if (source instanceof Uint8Array) return 'bytes'
  if (typeof source !== 'object' || source === null) return refuse('source', expected, source)
  const { text } = plain('source', source, ['text'])
  return typeof text === 'string' ? 'text' : refuse('source', expected, source)
}

/** The bytes of the source, piece by piece. Leaving the loop early closes the file. */
export async function* bytesOf(source: Source): AsyncGenerator<Uint8Array, void, undefined> {
  const name = nameOf(source)
  const pieces = rawPieces(source, name)
  const first = await pieces.next()
  if (first.done) return
  const packed = first.value[0] === 0x1f && first.value[1] === 0x8b
  const all = before(first.value, pieces)
  if (!packed) return yield* all
  const unpacked = createGunzip()
  // The loop below throws the error, if there is one.
  pipeline(Readable.from(all, { objectMode: false }), unpacked, () => {})
  try {
    for await (const piece of unpacked) yield piece as Uint8Array
  } catch (cause) {
    if (cause instanceof LimbeckError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new LimbeckError('ERR_LIMBECK_INVALID_FILE', name, `expected a whole gzip file, got: ${reason}`, { cause })
  } finally {
    unpacked.destroy()
  }
}

async function* rawPieces(source: Source, name: string): AsyncGenerator<Uint8Array, void, undefined> {
  if (source instanceof Uint8Array) return yield source
  if (typeof source === 'object' && 'text' in source) return yield new TextEncoder().encode(source.text)
  try {
    for await (const piece of createReadStream(source, { highWaterMark: 1 << 18 })) yield piece as Uint8Array
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new LimbeckError('ERR_LIMBECK_IO', name, `cannot read the file: ${reason}`, { cause })
  }
}

async function* before(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield first
  yield* rest
}

/** The text of the source, piece by piece: strict UTF-8, without the byte order mark. */
export async function* textOf(source: Source): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decode = (bytes: Uint8Array | undefined) => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
    } catch (cause) {
      throw new LimbeckError('ERR_LIMBECK_INVALID_FILE', nameOf(source), 'expected UTF-8 text, got other bytes', { cause })
    }
  }
  for await (const piece of bytesOf(source)) yield decode(piece)
  yield decode(undefined)
}
