/** Files of runs and models with concurrent processes, kills and failing disks: no complete file is lost. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { Model, train, type StepReport } from '../ts/index.js'
import { clusters, folder, mlp, weights } from './support.js'

const program = fileURLToPath(new URL('children/writer.mjs', import.meta.url))

/** A program; `ready` resolves when it prints `ready`, `end` resolves with its whole output. */
function started(...args: string[]) {
  const child = spawn(process.execPath, ['--no-warnings', program, ...args])
  let printed = ''
  const ready = new Promise<void>(resolve => child.stdout.on('data', text => ((printed += String(text)), printed.includes('ready') && resolve())))
  child.stderr.on('data', text => (printed += String(text)))
  return { child, ready, end: new Promise<string[]>(resolve => child.on('close', () => resolve(printed.trim().split('\n')))) }
}

const temporaries = (place: string) => readdirSync(place).filter(name => name.endsWith('.tmp'))

test('a second process cannot use the folder of a running run, and the first run ends with the same result as without it', async () => {
  const place = path.join(folder(), 'run')
  const first = started('train', place, '1', '400')
  await first.ready
  const second = started('train', place, '2')
  expect(await second.end).toEqual(['ERR_LIMBECK_BUSY checkpoint.folder'])
  expect(await first.end).toEqual(['ready', 'finished'])
  // The lock ends with its process, however the process ends.
  const killed = started('train', path.join(place, 'other'), '1')
  await killed.ready
  killed.child.kill('SIGKILL')
  await killed.end
  expect((await started('train', path.join(place, 'other'), '1').end).at(-1)).toBe('finished')
}, 120_000)

test('two runs of one process cannot share a folder; a run that has ended unlocks it', async () => {
  const place = folder()
  const options = (seed: number) => ({ student: Model.create(mlp(8), { seed }), data: clusters(60), losses: { crossEntropy: {} }, epochs: 2, resume: place, proofs: 'off' as const, reportEvery: 1 })
  const first = train(options(1))
  await first.next()
  await expect(train(options(1)).next()).rejects.toMatchObject({ code: 'ERR_LIMBECK_BUSY', path: 'checkpoint.folder' })
  await first.return()
  await train(options(1)).finish()
  const disposed = train({ ...options(1), epochs: 2 })
  await disposed.next()
  disposed.dispose()
  await train(options(1)).finish()
}, 30_000)

test('the next save of another process removes the files of a killed save, but no file of a running process', async () => {
  const place = folder()
  const file = path.join(place, 'model.safetensors')
  for (let kill = 0; kill < 6; kill++) {
    const { child, ready, end } = started('save', file)
    await ready
    await new Promise(resolve => setTimeout(resolve, 20 + kill * 7))
    child.kill('SIGKILL')
    await end
  }
  writeFileSync(path.join(place, '.limbeck-1-0-0.tmp'), 'left by a process that is gone')
  writeFileSync(path.join(place, 'notes.tmp'), 'of the user')
  const living = started('save', file)
  await living.ready
  await Model.create(mlp(4)).save(path.join(place, 'other.safetensors'))
  expect(temporaries(place).filter(name => name === 'notes.tmp' || name.includes('-1-0-0'))).toEqual(['notes.tmp'])
  expect(temporaries(place).length).toBeLessThanOrEqual(2)
  await new Promise(resolve => setTimeout(resolve, 100))
  expect(living.child.exitCode).toBe(null)
  living.child.kill('SIGKILL')
  await living.end
  await Model.load(path.join(place, 'other.safetensors'))
}, 60_000)

test('a failed write of the checkpoint after the last step does not discard the student', async () => {
  const place = path.join(folder(), 'run')
  const student = Model.create(mlp(8), { seed: 1 })
  const before = weights(student)
  // Checkpoints are due every million steps, so nothing is written before the end.
  const run = train({ student, data: clusters(60), losses: { crossEntropy: {} }, epochs: 3, reportEvery: 1, proofs: 'off', checkpoint: { folder: place, every: 1_000_000 } })
  let last: StepReport | undefined
  for await (const report of run) {
    if (last === undefined) {
      renameSync(place, `${place}-gone`)
      writeFileSync(place, 'a file stands where the folder was')
    }
    last = report
  }
  expect(last!.summary).toMatchObject({ ended: 'finished' })
  expect(last!.checkpoint).toBeFalsy()
  expect(last!.summary!.findings).toEqual([expect.objectContaining({ proof: 'checkpointWhole', path: place })])
  expect(weights(student)).not.toEqual(before)
  rmSync(place)
  mkdirSync(place)
})

test('a rejected run unlocks its folder', async () => {
  const place = folder()
  const options = { student: Model.create(mlp(8)), data: clusters(60), steps: 1, proofs: 'off' as const, checkpoint: { folder: place } }
  await expect(train({ ...options, losses: { kl: {} } }).next()).rejects.toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG' })
  await train({ ...options, losses: { crossEntropy: {} } }).finish()
})

test.runIf(process.platform === 'linux')('loading a model takes little more memory than its file', async () => {
  const place = path.join(folder(), 'model.safetensors')
  await Model.create({ mlp: { sizes: [2000, 8000, 1000] } }).save(place)
  const program = `
    import { readFileSync, statSync } from 'node:fs'
    import { Model } from 'limbeck'
    const peak = () => 1024 * Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
    await Model.load(${JSON.stringify(place)})
    const size = statSync(${JSON.stringify(place)}).size
    console.log(JSON.stringify({ size, peak: peak() }))`
  const bare = program.replace(/await Model.load.*/, 'Model.create({ mlp: { sizes: [8, 3] } })')
  const read = (text: string) => JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' })) as { size: number; peak: number }
  const { size, peak } = read(program)
  expect((peak - read(bare).peak) / size).toBeLessThanOrEqual(1.2)
}, 60_000)
