/** The run folder of a regime: its manifest of started and finished stages is complete at any moment. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Model } from '../ts/index.js'
import { Manifest } from '../ts/regimes/manifest.js'
import { failure, folder, mlp, weights } from './support.js'

const asIs = (_: string, record: unknown) => record
const begun = { options: { epochs: 2, losses: { kl: {} } } }

test('a finished stage is restored with its model and its record', async () => {
  const place = folder()
  const first = await Manifest.open(place, 'chain', begun, false)
  const model = Model.create(mlp(4), { seed: 3 })
  expect(first.record('hop-0', asIs)).toBeUndefined()
  await first.finish('hop-0', model, { accuracy: 0.5 })
  const again = await Manifest.open(place, 'chain', begun, true)
  expect(again.record('hop-0', asIs)).toEqual({ accuracy: 0.5 })
  expect(weights(await again.model('hop-0'))).toEqual(weights(model))
  expect(again.checkpoint('hop-1', { every: 5 })).toEqual({ every: 5, folder: path.join(place, 'hop-1'), resume: true })
})

test('a folder with a manifest is rejected without resume, and other options with the path of the first difference', async () => {
  const place = folder()
  await Manifest.open(place, 'chain', begun, false)
  expect(await failure(() => Manifest.open(place, 'chain', begun, false))).toMatchObject({
    path: 'checkpoint.folder',
    message: expect.stringContaining(`to continue this regime, set resume: ${JSON.stringify(place)} (--resume on the command line)`),
  })
  const other = { options: { epochs: 2, losses: { kl: { temperature: 4 } } } }
  const { code, path: at, message } = await failure(() => Manifest.open(place, 'chain', other, true))
  expect([code, at]).toEqual(['ERR_LIMBECK_CHECKPOINT_MISMATCH', 'options.losses.kl.temperature'])
  expect(message).toContain('expected nothing, as at the start of the regime, got 4')
  expect((await failure(() => Manifest.open(place, 'bornAgain', begun, true))).path).toBe('regime')
})

test('half-written files of a killed process are removed, and a damaged manifest is rejected', async () => {
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

test('a manifest and its models are read as untrusted files', async () => {
  const place = folder()
  const [file, saved] = ['regime.json', 'hop-0.safetensors'].map(name => path.join(place, name)) as [string, string]
  const first = await Manifest.open(place, 'chain', begun, false)
  await first.finish('hop-0', Model.create(mlp(4), { seed: 3 }), { accuracy: 0.5 })
  const [text, model] = [readFileSync(file, 'utf8'), readFileSync(saved)]
  const resumed = () => Manifest.open(place, 'chain', begun, true)
  const invalid = { code: 'ERR_LIMBECK_INVALID_FILE' }

  // One changed bit of the model.
  const flipped = Buffer.from(model)
  flipped[flipped.length - 5]! ^= 0x40
  writeFileSync(saved, flipped)
  expect(await failure(async () => (await resumed()).model('hop-0'))).toMatchObject({ ...invalid, path: saved, message: expect.stringContaining('SHA-256') })
  writeFileSync(saved, model)
  await (await resumed()).model('hop-0')

  // One changed number of a record, and stage kinds that limbeck never writes.
  writeFileSync(file, text.replace('0.5', '0.7'))
  expect(await failure(resumed)).toMatchObject({ ...invalid, path: file, message: expect.stringContaining('changed after it was written') })
  const { digest: _, ...old } = JSON.parse(text) as { digest: string; stages: { digest?: string }[] }
  for (const [stages, at] of [[5, 'stages'], [[5], 'stages[0]'], [[{ stage: 5, record: 1 }], 'stages[0].stage'], [[{ stage: 'hop-0', record: 1, x: 1 }], 'stages[0].x']] as const) {
    writeFileSync(file, JSON.stringify({ ...old, stages }))
    expect(await failure(resumed)).toMatchObject({ ...invalid, path: `${file}: ${at}` })
  }
  // Version 0.1 wrote no digests.
  delete old.stages[0]!.digest
  writeFileSync(file, JSON.stringify(old))
  await (await resumed()).model('hop-0')
})

test.skipIf(process.platform === 'win32')('a pipe in place of a manifest or a model is rejected', async () => {
  const place = folder()
  const first = await Manifest.open(place, 'chain', begun, false)
  await first.finish('hop-0', Model.create(mlp(4), { seed: 3 }), {})
  for (const name of ['hop-0.safetensors', 'regime.json']) {
    const file = path.join(place, name)
    rmSync(file)
    execFileSync('mkfifo', [file])
    const open = async () => (await Manifest.open(place, 'chain', begun, true)).model('hop-0')
    expect(await failure(open)).toMatchObject({ code: 'ERR_LIMBECK_IO', path: file, message: expect.stringContaining('regular file') })
  }
})
