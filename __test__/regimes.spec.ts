/** Regimes of several stages: the teacher of each stage, errors, kills and resumed runs. */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  assistantPaths,
  bornAgain,
  distill,
  distillChain,
  Ensemble,
  Model,
  nearestAssistant,
  searchPaths,
  type BornAgainOptions,
  type ChainOptions,
} from '../ts/index.js'
import { child, clusters, failure, folder, mlp, noise, trainedTeacher, weights } from './support.js'

const data = clusters(300)
const validation = clusters(90, 2)
const teacher = await trainedTeacher(data)
const losses = { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 2 } }
const shared = { teacher, data, validation, losses, epochs: 2, batchSize: 32, seed: 4, proofs: 'off' as const }
const net = (hidden: number, seed: number) => Model.create(mlp(hidden), { seed })

async function chained(options: Partial<ChainOptions>) {
  const all = []
  for await (const report of distillChain({ ...shared, students: [], ...options })) all.push(report)
  return all
}

test('each hop learns from the best parameters of the previous hop, with its own initial parameters and options', async () => {
  const students = [net(16, 1), net(4, 2)]
  const all = await chained({ students, hops: [{ epochs: 3 }, { losses: { kl: { temperature: 4 } } }] })
  const [first, second] = [net(16, 1), net(4, 2)]
  await distill({ ...shared, student: first, keep: 'best', epochs: 3 }).finish()
  await distill({ ...shared, student: second, teacher: first, keep: 'best', losses: { kl: { temperature: 4 } } }).finish()
  expect(students.map(weights)).toEqual([first, second].map(weights))
  expect([...new Set(all.map(({ hop, hops }) => `${hop} of ${hops}`))]).toEqual(['0 of 2', '1 of 2'])
  expect(all.filter(({ summary }) => summary !== undefined).map(({ hop }) => hop)).toEqual([0, 1])
  const { outcome } = all.at(-1)!
  expect(outcome!.hops.map(({ stage }) => stage)).toEqual(['hop-0', 'hop-1'])
  expect(outcome!.hops[1]!.validation!.accuracy).toBe((await second.evaluate(validation)).accuracy)
})

test('a chain with one student is distill', async () => {
  const [chainOne, plain] = [net(4, 2), net(4, 2)]
  await distillChain({ ...shared, students: [chainOne] }).finish()
  await distill({ ...shared, student: plain, keep: 'best' }).finish()
  expect(weights(chainOne)).toEqual(weights(plain))
})

test('an invalid option of any hop is rejected before the first step, with its path', async () => {
  const refused = async (options: Partial<ChainOptions>) => {
    const students = [net(8, 1), net(4, 2)]
    const before = students.map(weights)
    const error = await failure(() => distillChain({ ...shared, students, ...options }).next())
    expect(students.map(weights)).toEqual(before)
    return error
  }
  expect(await refused({ students: [] })).toMatchObject({ path: 'students', code: 'ERR_LIMBECK_INVALID_CONFIG' })
  expect((await refused({ students: [teacher, net(4, 1)] })).path).toBe('students[0]')
  expect((await refused({ hops: [{}] })).path).toBe('hops')
  const message = 'hops[1].losses.kl.temperature: expected a number above 0, got -1'
  expect((await refused({ hops: [{}, { losses: { kl: { temperature: -1 } } }] })).message).toContain(message)
  expect((await refused({ losses: { kl: { temperature: -1 } } })).path).toBe('losses.kl.temperature')
  const wide = Model.create({ mlp: { sizes: [8, 4, 5] } })
  expect((await refused({ students: [net(8, 1), wide] })).path).toBe('students[1].losses.kl')
  // @ts-expect-error A checkpoint belongs to the chain, not to a hop.
  expect((await refused({ hops: [{}, { checkpoint: { folder: 'x' } }] })).path).toBe('hops[1].checkpoint')
  const once = [{ inputs: new Float32Array(8), labels: [0] }]
  expect((await refused({ data: once, validation })).path).toBe('data')
})

test('leaving a chain stops after the current step; an abort leaves the current student unchanged', async () => {
  const students = [net(8, 1), net(4, 2)]
  const chain = distillChain({ ...shared, students, reportEvery: 1 })
  for await (const { hop } of chain) if (hop === 1) break
  expect(weights(students[1]!)).not.toEqual(weights(net(4, 2)))
  expect(await chain.next()).toEqual({ done: true, value: undefined })
  expect((await failure(() => chain.finish())).code).toBe('ERR_LIMBECK_DISPOSED')

  const [first, second] = [net(8, 1), net(4, 2)]
  const abort = new AbortController()
  const aborted = distillChain({ ...shared, students: [first, second], reportEvery: 1, signal: abort.signal })
  const reason = new Error('enough')
  await expect(
    (async () => {
      for await (const { hop } of aborted) if (hop === 1) abort.abort(reason)
    })(),
  ).rejects.toBe(reason)
  expect(weights(second)).toEqual(weights(net(4, 2)))
  expect(weights(first)).not.toEqual(weights(net(8, 1)))
})

test('all paths through the assistants are found, and the rule selects the assistant closest to the mean accuracy', () => {
  expect(assistantPaths(0)).toEqual([[]])
  expect(assistantPaths(2)).toEqual([[], [0], [0, 1], [1]])
  expect(new Set(assistantPaths(5).map(String)).size).toBe(32)
  expect(nearestAssistant({ teacher: 0.98, student: 0.9, assistants: [0.975, 0.95, 0.92] })).toBe(1)
  expect(nearestAssistant({ teacher: 1, student: 0.5, assistants: [0.5, 1] })).toBe(0)
})

test('the path search trains each shared hop once, and the student gets the result of the best path', async () => {
  const student = net(4, 2)
  const search = searchPaths({ ...shared, assistants: [net(16, 1), net(8, 3)], student, epochs: 1 })
  const hops = new Set<string>()
  for await (const { path, learns } of search) hops.add(`${path} ${learns}`)
  expect(hops.size).toBe(2 ** 3 - 1)
  const { paths, best } = search.outcome!
  expect(paths.map(({ assistants }) => assistants)).toEqual([[], [0], [0, 1], [1]])
  const accuracies = paths.map(({ validation }) => validation.accuracy!)
  expect(best).toEqual(paths[accuracies.indexOf(Math.max(...accuracies))]!.assistants)
  // The best path, trained as a chain.
  const chain = [...best.map(at => [net(16, 1), net(8, 3)][at]!), net(4, 2)]
  await distillChain({ ...shared, students: chain, epochs: 1 }).finish()
  expect(weights(student)).toEqual(weights(chain.at(-1)!))
})

test('every generation has its teacher’s architecture and its own initial parameters, learns from the previous one, and is kept', async () => {
  const { losses: _, ...rest } = shared
  const again = bornAgain({ ...rest, generations: 2, variant: 'banL' })
  const seen = new Set<number>()
  for await (const { generation } of again) seen.add(generation)
  expect([...seen]).toEqual([1, 2])
  let before = teacher
  const byHand = []
  for (const generation of [1, 2]) {
    const student = Model.create(teacher.architecture, { seed: 4 + generation })
    await distill({ ...shared, losses: { kl: {}, crossEntropy: {} }, student, teacher: before, keep: 'best', seed: 4 + generation }).finish()
    byHand.push((before = student))
  }
  expect(again.students.map(weights)).toEqual(byHand.map(weights))
  const { best, generations, ended } = again.outcome!
  const accuracies = generations.map(({ validation }) => validation!.accuracy!)
  expect(best).toBe(accuracies.indexOf(Math.max(...accuracies)) + 1)
  expect(again.student).toBe(again.students[best - 1])
  expect(ended).toBe('finished')
})

test('generations end when validation no longer improves', async () => {
  const { losses: _, ...rest } = shared
  // With a rate near 0, whether a generation is better is random, and five improvements in a row are unlikely.
  const again = bornAgain({ ...rest, generations: 8, patience: 1, optimizer: { sgd: { learningRate: 1e-9 } } })
  const { generations, best, ended } = await again.finish()
  expect(ended).toBe('earlyStop')
  expect(best).toBe(generations.length - 1)
  expect(again.students.length).toBe(generations.length)
})

test('invalid options of bornAgain are rejected with their path', async () => {
  const { losses: _, ...rest } = shared
  const refused = async (options: Partial<BornAgainOptions>) => (await failure(() => bornAgain({ ...rest, ...options }).next())).path
  expect(await refused({ generations: 0 })).toBe('generations')
  // @ts-expect-error There is no such variant.
  expect(await refused({ variant: 'bannn' })).toBe('variant')
  expect(await refused({ losses: { kl: { temperature: 0 } } })).toBe('losses.kl.temperature')
  // @ts-expect-error A function has no architecture.
  expect(await refused({ teacher: () => [] })).toBe('teacher')
  const { validation: __, ...blind } = rest
  expect((await failure(() => bornAgain({ ...blind, patience: 1 }).next())).path).toBe('validation')
})

test('an ensemble predicts the mean of its models’ probabilities', async () => {
  const models = [net(8, 1), teacher]
  const inputs = Float32Array.from({ length: 16 }, noise(3))
  const [first, second] = [await models[0]!.predict({ inputs }), await models[1]!.predict({ inputs })]
  const both = await Ensemble.of(models, { weights: [1, 3] }).predict({ inputs })
  both.probabilities.forEach((p, at) => expect(p).toBeCloseTo(0.25 * first.probabilities[at]! + 0.75 * second.probabilities[at]!, 6))
  const alone = await Ensemble.of([teacher]).evaluate(validation)
  expect(alone.accuracy).toBe((await teacher.evaluate(validation)).accuracy)
  expect((await failure(() => Ensemble.of([]))).path).toBe('models')
  expect((await failure(() => Ensemble.of(models, { weights: [1] }))).path).toBe('weights')
})

test('resuming a finished regime returns its outcome at once', async () => {
  const place = folder()
  const students = () => [net(8, 1), net(4, 2)]
  const first = students()
  const outcome = await distillChain({ ...shared, students: first, checkpoint: { folder: place } }).finish()
  expect(readdirSync(place).sort()).toEqual(['hop-0', 'hop-0.safetensors', 'hop-1', 'hop-1.safetensors', 'regime.json'])
  const again = students()
  expect(await distillChain({ ...shared, students: again, resume: place }).finish()).toEqual(outcome)
  expect(again.map(weights)).toEqual(first.map(weights))
  const refused = (options: Partial<ChainOptions>) => failure(() => distillChain({ ...shared, students: students(), ...options }).finish())
  expect((await refused({ checkpoint: { folder: place } })).path).toBe('checkpoint.folder')
  expect(await refused({ resume: place, epochs: 3 })).toMatchObject({ code: 'ERR_LIMBECK_CHECKPOINT_MISMATCH', path: 'options.epochs' })
  expect((await refused({ resume: place, data: clusters(300, 8) })).path).toBe('data')
  expect((await refused({ resume: place, teacher: net(32, 3) })).path).toBe('teacher')
})

/** Runs `regime.mjs` to its end, with a kill after each of these numbers of reports. */
async function killed(regime: string, env: Record<string, string>, after: readonly number[]): Promise<string> {
  Object.assign(process.env, { REGIME: regime, LIMBECK_FOLDER: folder(), ...env })
  for (const count of after) {
    const running = child('regime.mjs', [], ['--no-warnings'])
    let seen = 0
    running.stdout.on('data', (text: Buffer) => {
      seen += text.toString().split('\n').length - 1
      if (seen >= count) running.kill('SIGKILL')
    })
    expect((await running.ended).signal).toBe('SIGKILL')
  }
  const { stdout, stderr, code } = await child('regime.mjs', [], ['--no-warnings']).ended
  expect(code, stderr).toBe(0)
  return stdout.trim().split('\n').at(-1)!
}

test.each([
  ['distillChain', {}, [4, 12, 9]],
  ['searchPaths', {}, [5, 15, 8]],
  ['bornAgain', { VARIANT: 'banL' }, [7, 22, 11]],
  ['bornAgain', { VARIANT: 'dkpp' }, [8, 19]],
  ['bornAgain', { VARIANT: 'cwtm' }, [6, 20]],
  ['severalTeachers', {}, [5, 14]],
  ['distillMutually', { UPDATES: 'simultaneous' }, [6, 9]],
  ['distillMutually', { UPDATES: 'alternating' }, [11]],
  ['distillMutually', { UPDATES: 'simultaneous', BESIDE: 'teacher' }, [7]],
  // Kills in phase 1 and in phase 2, which has half as many steps.
  ['distillWeights', {}, [5, 12, 16]],
])('%s, killed in the middle of its stages and resumed: equal bits', async (regime, env, after) => {
  const whole = await killed(regime, env, [])
  expect(JSON.parse(whole).bits.length).toBeGreaterThan(0)
  expect(await killed(regime, env, after)).toBe(whole)
}, 120_000)

test('however a regime ends, its run releases the student and frees the memory', async () => {
  const student = net(16, 1)
  const free = () => distill({ ...shared, student, steps: 1, epochs: undefined as never }).finish()
  const begin = async (signal?: AbortSignal) => {
    const run = distillChain({ ...shared, students: [student], epochs: 1000, reportEvery: 1, ...(signal && { signal }) })
    await run.next()
    return run
  }
  const stop = new AbortController()
  const aborted = await begin(stop.signal)
  stop.abort(new Error('enough'))
  await expect(aborted.next()).rejects.toThrow('enough')
  await free()
  await expect((await begin()).throw(new Error('thrown'))).rejects.toThrow('thrown')
  await free()
  ;(await begin()).dispose()
  await free()
  for await (const report of distillChain({ ...shared, students: [student], epochs: 1000, reportEvery: 1 })) if (report.step > 1) break
  await free()
})
