// The model, the data and the weights of rows 17, 23, 24 and 26, made from the streams of ../README.md.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Dataset, Model } from '../../dist/index.js'
import { labels, numbers } from './common.mjs'

export const SIZES = [784, 512, 512, 10]
export const BATCH = 128
export const RATE = 0.01

const names = ['layers.0', 'layers.1', 'head']

/** Start weights by name. */
export function weights() {
  return names.flatMap((name, layer) => {
    const [inputs, outputs] = SIZES.slice(layer, layer + 2)
    const scale = 1 / Math.sqrt(inputs)
    return [
      { name: `${name}.weight`, shape: [outputs, inputs], data: numbers(11 + 2 * layer, outputs * inputs, scale) },
      { name: `${name}.bias`, shape: [outputs], data: numbers(12 + 2 * layer, outputs, scale) },
    ]
  })
}

/** A model with these weights, loaded from a file as another program would write it: safetensors without our metadata. */
export async function model(tensors = weights()) {
  let offset = 0
  const header = {}
  for (const { name, shape, data } of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, (offset += data.byteLength)] }
  }
  const text = JSON.stringify(header)
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const folder = mkdtempSync(path.join(os.tmpdir(), 'limbeck-bench-'))
  try {
    const file = path.join(folder, 'mlp.safetensors')
    writeFileSync(file, Buffer.concat([length, json, ...tensors.map(({ data }) => Buffer.from(data.buffer))]))
    return await Model.load(file, { mlp: { sizes: SIZES } })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export function data(rows = BATCH) {
  return Dataset.from({ inputs: numbers(1, rows * SIZES[0], 1), labels: labels(3, rows, SIZES.at(-1)) }, { inputs: [SIZES[0]] })
}

/** One step per batch, with the same batch each time, as in the peers. */
export const options = (threads, more) => ({
  losses: { crossEntropy: {} },
  optimizer: { sgd: { learningRate: RATE } },
  batchSize: BATCH,
  shuffle: false,
  ...threads,
  ...more,
})
