import assert from 'node:assert/strict'
import { LimbeckError, Model } from 'limbeck'

try {
  Model.create({ mlp: { sizes: [6, 4, 3] } })
  assert.fail('expected a refusal')
} catch (error) {
  assert(error instanceof LimbeckError)
  assert.equal(error.code, 'ERR_LIMBECK_BINDING_NOT_FOUND')
  assert.match(error.message, /--allow-addons/)
  console.log(error.message)
}
