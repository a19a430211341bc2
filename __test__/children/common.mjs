// Small data and models for programs that tests start.

import { Dataset, Model } from 'limbeck'

export function clusters(rows, width = 8, classes = 3) {
  let state = 1
  const draw = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5
  const labels = Uint32Array.from({ length: rows }, (_, row) => row % classes)
  const inputs = Float32Array.from({ length: rows * width }, (_, at) => {
    const own = (at % width) % classes === labels[Math.floor(at / width)]
    return (own ? 1.5 : 0) + 2 * draw()
  })
  return Dataset.from({ inputs, labels }, { inputs: [width], classes })
}

export const student = (...hidden) => Model.create({ mlp: { sizes: [8, ...hidden, 3] } }, { seed: 1 })

export const options = (more = {}) => ({
  student: student(64, 64),
  data: clusters(2000),
  losses: { crossEntropy: {} },
  epochs: 1_000_000,
  reportEvery: 20,
  ...more,
})

/** A digest of all numbers of a model. */
export function bits(model) {
  let sum = 0
  for (const { values } of model.parameters()) {
    for (const value of new Uint32Array(values.buffer, values.byteOffset, values.length)) sum = (Math.imul(sum, 31) + value) >>> 0
  }
  return sum
}
