/**
 * IDX, the format of MNIST and Fashion-MNIST: a magic number, the shape of the
 * array, then its numbers, all big-endian.
 *
 * Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", file formats.
 * Where we differ: nowhere; gzip is unpacked.
 */
import { LimbeckError } from '../errors.js'
import { bytesOf, nameOf } from './source.js'

type Numbers = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array

/** An array of any number of dimensions, row after row. */
export interface IdxArray {
  /** The size of each dimension, such as `[60000, 28, 28]`. */
  shape: number[]
  values: Numbers
}

const KINDS: Record<number, { size: 1 | 2 | 4 | 8; view: (bytes: ArrayBuffer) => Numbers }> = {
  0x08: { size: 1, view: bytes => new Uint8Array(bytes) },
  0x09: { size: 1, view: bytes => new Int8Array(bytes) },
  0x0b: { size: 2, view: bytes => new Int16Array(bytes) },
  0x0c: { size: 4, view: bytes => new Int32Array(bytes) },
  0x0d: { size: 4, view: bytes => new Float32Array(bytes) },
  0x0e: { size: 8, view: bytes => new Float64Array(bytes) },
}

/**
 * Reads an IDX file, packed with gzip or not, from its path or its bytes.
 *
 * A file whose shape does not match its number of bytes is rejected; nothing is
 * allocated for the shape alone.
 */
export async function readIdx(source: string | URL | Uint8Array): Promise<IdxArray> {
  const name = nameOf(source)
  const refuse = (message: string): never => {
    throw new LimbeckError('ERR_LIMBECK_INVALID_FILE', name, message)
  }
  const pieces: Uint8Array[] = []
  let head: Header | undefined
  let start = new Uint8Array(0)
  let got = 0
  for await (const piece of bytesOf(source)) {
    if (head === undefined) {
      start = Buffer.concat([start, piece])
      head = header(start, refuse)
      if (head === undefined) continue
      got = start.length - head.length
      pieces.push(start.subarray(head.length))
    } else {
      got += piece.length
      pieces.push(piece)
    }
    if (got > head.bytes) refuse(`expected ${described(head)}, got more`)
  }
  if (head === undefined) return refuse(`expected an IDX header, got ${start.length} bytes`)
  if (got < head.bytes) return refuse(`expected ${described(head)}, got ${got}: the file is truncated or its header is wrong`)
  const bytes = new Uint8Array(got)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  const native = Buffer.from(bytes.buffer)
  if (head.size === 2) native.swap16()
  if (head.size === 4) native.swap32()
  if (head.size === 8) native.swap64()
  return { shape: head.shape, values: head.view(bytes.buffer) }
}

interface Header {
  shape: number[]
  /** The number of bytes of the header. */
  length: number
  /** The number of bytes of the numbers. */
  bytes: number
  size: 1 | 2 | 4 | 8
  view: (bytes: ArrayBuffer) => Numbers
}

/** The header; undefined while bytes of it are missing. */
function header(bytes: Uint8Array, refuse: (message: string) => never): Header | undefined {
  if (bytes.length < 4) return undefined
  const kind = KINDS[bytes[2]!]
  const sides = bytes[3]!
  if (bytes[0] !== 0 || bytes[1] !== 0 || kind === undefined || sides === 0) {
    const magic = Buffer.from(bytes.subarray(0, 4)).toString('hex')
    return refuse(`expected the magic number of an IDX file, as in 00000803, got ${magic}`)
  }
  const length = 4 + 4 * sides
  if (bytes.length < length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const shape = Array.from({ length: sides }, (_, side) => view.getUint32(4 + 4 * side))
  const numbers = shape.reduce((product, side) => product * side, kind.size)
  if (!Number.isSafeInteger(numbers)) return refuse(`expected an array that fits into memory, got [${shape.join(', ')}]`)
  return { shape, length, bytes: numbers, ...kind }
}

function described(head: Header): string {
  return `${head.bytes} bytes of numbers (shape [${head.shape.join(', ')}])`
}
