import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDemoData } from '../ts/cli/demo-data.js'

test('the demo data contain all digits of the package, split by row number', async () => {
  const { train, test: held, source } = await readDemoData()
  expect([train.labels.length, held.labels.length]).toEqual([8004, 1996])
  expect([train.inputs.length, held.inputs.length]).toEqual([8004 * 784, 1996 * 784])
  expect(new Set(train.labels)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
  expect(train.inputs.every(pixel => pixel >= 0 && pixel <= 1)).toBe(true)
  // The test part has rows 4, 9, …, so its first row is the fifth image of the first digit.
  const zero = await readFile(createRequire(import.meta.url).resolve('mnist/src/digits/0.json'), 'utf8')
  const { data } = JSON.parse(zero) as { data: number[] }
  expect(held.inputs.slice(0, 784)).toEqual(Float32Array.from(data.slice(4 * 784, 5 * 784)))
  expect(source).toMatchObject({ package: 'mnist', version: '1.1.0' })
  expect(source.sha256).toMatch(/^[0-9a-f]{64}$/)
})

test('a folder that is not the package is rejected with its name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'limbeck-'))
  try {
    await expect(readDemoData(folder)).rejects.toMatchObject({ code: 'ERR_LIMBECK_IO', path: folder })
  } finally {
    await rm(folder, { recursive: true })
  }
})
