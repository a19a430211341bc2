/** A run that was stopped and is resumed in another process ends with the bits of one that was never stopped. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folder, noise } from './support.js'

const program = fileURLToPath(new URL('children/resume.mjs', import.meta.url))

function run(place: string, stop?: number): string {
  const env = { ...process.env, LIMBECK_FOLDER: place, ...(stop === undefined ? {} : { LIMBECK_STOP: String(stop) }) }
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', program], { env, encoding: 'utf8', timeout: 60_000 })
  expect(status, stderr).toBe(0)
  return stdout
}

test('stopped at ten random steps and resumed in new processes: equal bits', () => {
  const whole = run(folder())
  expect(JSON.parse(whole)).toHaveProperty('bits')
  const draw = noise(Date.now() % 1000)
  // 300 rows in batches of 16, two a step: 10 steps an epoch, five epochs.
  const steps = Array.from({ length: 10 }, () => 1 + Math.floor((draw() + 0.5) * 48))
  for (const step of steps) {
    const place = folder()
    expect(run(place, step)).toBe('')
    expect(run(place), `after a stop at step ${step}`).toBe(whole)
  }
}, 180_000)
