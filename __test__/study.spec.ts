/** The study of methods: remaining runs, statistics over seeds, and every arm on a few rows. */
import { appendFileSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { alone, armOf, arms, baseline } from '../ts/cli/study/arms.js'
import { learn, Teachers } from '../ts/cli/study/learn.js'
import { Lines, type Line } from '../ts/cli/study/lines.js'
import { armsNamed } from '../ts/cli/study/methods.js'
import { page } from '../ts/cli/study/page.js'
import { chosen, left, Queue, runsOf, trialsOf } from '../ts/cli/study/plan.js'
import { paired, summary } from '../ts/cli/study/statistics.js'
import { taskOf, type Task } from '../ts/cli/study/tasks.js'
import { Dataset } from '../ts/index.js'
import { folder, noise } from './support.js'

/** Images of 8 × 8 with a bright line whose position is the class. */
function tiny(rows: number, seed: number): Dataset {
  const draw = noise(seed)
  const labels = Uint32Array.from({ length: rows }, (_, row) => row % 4)
  const inputs = Float32Array.from({ length: rows * 64 }, (_, at) => (Math.floor((at % 64) / 16) === labels[Math.floor(at / 64)] ? 1 : 0) + draw())
  return Dataset.from({ inputs, labels }, { inputs: [1, 8, 8], classes: 4 })
}

function tinyTask(): Task {
  const plan = (width: number, labelSmoothing = 0) => ({ channels: [width], labelSmoothing, epochs: 2, shift: labelSmoothing > 0 ? 1 : 0 })
  return {
    name: 'digits',
    train: tiny(128, 1),
    held: tiny(32, 2),
    test: tiny(32, 3),
    input: [1, 8, 8],
    classes: 4,
    student: [2],
    epochs: 2,
    teachers: { teacher: plan(8), plain: plan(8), smoothed: plan(8, 0.1), quarter: plan(4), fourfold: plan(16), assistant: { ...plan(4), from: 'teacher' } },
    source: 'lines',
  }
}

const line = (arm: string, phase: Line['phase'], setting: number, seed: number, accuracy: number): Line => ({
  task: 'digits',
  arm,
  phase,
  setting,
  options: armOf(arm)!.settings({ classes: 10, student: [4, 8] })[setting]!,
  seed,
  accuracy,
  best: accuracy + 1,
  bestEpoch: 1,
  seconds: 2,
  findings: 0,
})

describe('statistics over seeds', () => {
  test('mean and deviation', () => {
    expect(summary([1, 2, 3, 4, 5])).toEqual({ count: 5, mean: 3, deviation: Math.sqrt(2.5) })
    expect(summary([7]).deviation).toBe(0)
  })

  test('differences are paired by seed, with a Student t interval', () => {
    const one = new Map([[1, 11], [2, 22], [3, 33], [4, 44], [5, 55], [9, 0]])
    const other = new Map([[1, 10], [2, 20], [3, 30], [4, 40], [5, 50], [8, 0]])
    const { pairs, mean, half } = paired(one, other)!
    expect([pairs, mean]).toEqual([5, 3])
    expect(half).toBeCloseTo((2.776 * Math.sqrt(2.5)) / Math.sqrt(5), 9)
    expect(paired(one, new Map([[1, 5]]))!.half).toBe(Infinity)
    expect(paired(one, new Map())).toBeUndefined()
  })
})

describe('remaining runs', () => {
  test('a stop loses only the interrupted run', async () => {
    const place = folder()
    const lines = await Lines.of(place)
    await lines.add(line(alone, 'run', 0, 1, 97))
    appendFileSync(path.join(place, 'methods.jsonl'), '{"task":"digits","arm":"kd-t4","pha')
    const again = await Lines.of(place)
    expect(again.all).toEqual(lines.all)
    await again.add(line('kd-t4', 'run', 0, 1, 98))
    expect((await Lines.of(place)).all).toHaveLength(2)
    expect(readFileSync(again.file, 'utf8').trim().split('\n')).toHaveLength(3)
  })

  test('trials run first, and the best one determines the setting', async () => {
    const task = { ...tinyTask(), classes: 10 }
    const arm = armOf('label-smoothing')!
    const lines = await Lines.of(folder())
    expect(trialsOf(arm, task, lines).map(({ setting }) => setting)).toEqual([0, 1, 2, 3])
    expect(left(arm, task, lines, [1, 2])).toBe(6)
    for (const [setting, accuracy] of [96, 98, 97, 98].entries()) await lines.add(line(arm.name, 'trial', setting, 0, accuracy))
    expect(trialsOf(arm, task, lines)).toEqual([])
    expect(chosen(arm, task, lines)).toBe(1)
    await lines.add(line(arm.name, 'run', 1, 1, 98))
    await lines.add(line(arm.name, 'run', 0, 2, 98))
    expect(runsOf(arm, task, lines, [1, 2, 3]).map(({ setting, seed }) => [setting, seed])).toEqual([[1, 2], [1, 3]])
    expect(trialsOf(armOf(alone)!, task, lines)).toEqual([])
  })

  test('the runs of an arm start after its trials, and later workers wait', async () => {
    const task = { ...tinyTask(), classes: 10 }
    const lines = await Lines.of(folder())
    const arm = armOf('label-smoothing')!
    const queue = new Queue([arm], task, lines, [1, 2])
    const trials = [await queue.next(), await queue.next(), await queue.next(), await queue.next()]
    let waited = true
    const first = queue.next().finally(() => (waited = false))
    for (const piece of trials) {
      expect(waited).toBe(true)
      await lines.add(line(arm.name, 'trial', piece!.setting, 0, 90 + piece!.setting))
      queue.done(piece!)
      await new Promise(setImmediate)
    }
    expect(await first).toMatchObject({ phase: 'run', setting: 3, seed: 1 })
    expect(await queue.next()).toMatchObject({ phase: 'run', setting: 3, seed: 2 })
    expect(await queue.next()).toBeUndefined()
  })

  test('no method has more than four settings, and arms have different names', () => {
    expect(Math.max(...arms.map(({ settings }) => settings({ classes: 100, student: [2, 4, 8] }).length))).toBeLessThanOrEqual(4)
    expect(new Set(arms.map(({ name }) => name)).size).toBe(arms.length)
    expect(arms.length).toBeGreaterThanOrEqual(20)
    expect(armsNamed(['kd-t4', alone])).toEqual([armOf(alone), armOf(baseline)])
    expect(armsNamed(['kd-t3'])).toEqual({ unknown: 'kd-t3' })
  })
})

test('the page contains means, differences, and whether a task is void', () => {
  const lines = [1, 2, 3].flatMap(seed => [line(alone, 'run', 0, seed, 97 + seed / 10), line(baseline, 'run', 0, seed, 97.5 + seed / 10)])
  const teacher = { accuracy: 98, gamma: 0.2, confidence: 0.8, reweighting: 1.5, error: 0.01 }
  const text = page(lines, { digits: { source: 'mnist', teachers: { teacher } } }, 'Machine.')
  expect(text).toMatch(/\| `alone` \|  \| 3 \| 97\.20 ± 0\.10 \| −0\.50 ± 0\.00 \* \| 98\.20 \|/)
  expect(text).toContain('they differ by less than a point, so **this task is void**')
  const roomy = page(lines, { digits: { source: 'mnist', teachers: { teacher: { ...teacher, accuracy: 99 } } } }, '')
  expect(roomy).toContain('distillation can gain 1.80 points')
  expect(roomy).toContain('| teacher | 99.00 | 0.800 | 0.200 | 1.500 | 0.010 |')
})

test('every setting of every arm trains, and each teacher is trained once', async () => {
  const task = tinyTask()
  const place = folder()
  const teachers = new Teachers(task, place)
  const { model } = await teachers.get('teacher')
  for (const arm of arms) {
    for (const setting of arm.settings(task)) {
      const { accuracy, best, bestEpoch, student } = await learn(task, arm, setting, 1, teachers, task.test)
      expect(best, arm.name).toBeGreaterThanOrEqual(accuracy)
      expect([1, 2], arm.name).toContain(bestEpoch)
      student.dispose()
    }
  }
  expect((await teachers.get('teacher')).model).toBe(model)
  const kept = await new Teachers(task, place).get('teacher')
  expect(Array.from(await kept.model.logits(task.test))).toEqual(Array.from(await model.logits(task.test)))
}, 120_000)

test('the parts of a task share no digit, and the class of a pair is given by its digits', async () => {
  const digits = await taskOf('digits')
  expect([digits.train.rows, digits.held.rows, digits.test.rows]).toEqual([7200, 800, 2000])
  const pairs = await taskOf('pairs')
  expect([pairs.train.rows, pairs.held.rows, pairs.test.rows, pairs.train.classes]).toEqual([12_000, 2_000, 8_000, 100])
  expect(pairs.train.shape).toEqual([1, 28, 56])
}, 60_000)
