/** The run folder of a regime: what was begun and what is done, whole at any moment. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Model } from '../ts/index.js'
import { Manifest } from '../ts/regimes/manifest.js'
import { failure, folder, mlp, weights } from './support.js'

const begun = { options: { epochs: 2, losses: { kl: {} } } }

test('a finished stage is found again, with its model and its record', async () => {
  const place = folder()
  const first = await Manifest.open(place, 'chain', begun, false)
  const model = Model.create(mlp(4), { seed: 3 })
  expect(first.record('hop-0')).toBeUndefined()
  await first.finish('hop-0', model, { accuracy: 0.5 })
  const again = await Manifest.open(place, 'chain', begun, true)
  expect(again.record('hop-0')).toEqual({ accuracy: 0.5 })
  expect(again.done.map(({ stage }) => stage)).toEqual(['hop-0'])
  expect(weights(await again.model('hop-0'))).toEqual(weights(model))
  expect(again.checkpoint('hop-1', { every: 5 })).toEqual({ every: 5, folder: path.join(place, 'hop-1'), resume: true })
})

test('a folder in use is refused without resume, and other options by the path of the first difference', async () => {
  const place = folder()
  await Manifest.open(place, 'chain', begun, false)
  expect((await failure(() => Manifest.open(place, 'chain', begun, false))).path).toBe('checkpoint.folder')
  const other = { options: { epochs: 2, losses: { kl: { temperature: 4 } } } }
  const { code, path: at, message } = await failure(() => Manifest.open(place, 'chain', other, true))
  expect([code, at]).toEqual(['ERR_LIMBECK_CHECKPOINT_MISMATCH', 'options.losses.kl.temperature'])
  expect(message).toContain('expected nothing as when the regime was begun, got 4')
  expect((await failure(() => Manifest.open(place, 'bornAgain', begun, true))).path).toBe('regime')
})

test('what a killed process left half written is removed, and a damaged manifest is refused', async () => {
  const place = folder()
  await Manifest.open(place, 'chain', begun, false)
  writeFileSync(path.join(place, 'regime.json.0.tmp'), '{')
  await Manifest.open(place, 'chain', begun, true)
  expect(readdirSync(place)).toEqual(['regime.json'])
  const file = path.join(place, 'regime.json')
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 20))
  expect(await failure(() => Manifest.open(place, 'chain', begun, true))).toMatchObject({ code: 'ERR_LIMBECK_INVALID_FILE', path: file })
  writeFileSync(file, '{ "format": 2, "stages": [] }')
  expect((await failure(() => Manifest.open(place, 'chain', begun, true))).message).toContain('the format 2')
})
