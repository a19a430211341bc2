import { journey } from './journey.mjs'
import { codeOf, shape } from './types.js'
import { Model } from 'limbeck'

try {
  Model.create({ mlp: { sizes: [1] } })
} catch (error) {
  if (codeOf(error) !== 'ERR_LIMBECK_INVALID_CONFIG') throw error
}
Model.create(shape)
console.log(await journey())
