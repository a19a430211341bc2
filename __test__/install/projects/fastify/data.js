// Twelve numbers a row and four classes, from a generator of our own: the data of somebody's application.

import { Dataset } from 'limbeck'

export const width = 12
export const classNames = ['north', 'east', 'south', 'west']

export function rows(count, seed) {
  let state = seed
  const draw = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5
  const labels = Uint32Array.from({ length: count }, (_, row) => row % classNames.length)
  const inputs = Float32Array.from({ length: count * width }, (_, at) => {
    const own = (at % width) % classNames.length === labels[Math.floor(at / width)]
    return (own ? 1 : 0) + 2 * draw()
  })
  return { inputs, labels }
}

export const dataset = (count, seed) => Dataset.from(rows(count, seed), { inputs: [width], classes: classNames.length })
