const assert = require('node:assert/strict')
const limbeck = require('limbeck')

async function main() {
  const imported = await import('limbeck')
  assert.equal(limbeck.LimbeckError, imported.LimbeckError)
  assert.throws(() => limbeck.Model.create({ mlp: { sizes: [2] } }), imported.LimbeckError)
  const { journey } = await import('./journey.mjs')
  console.log(await journey())
}

main()
