import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LimbeckError } from '../ts/errors.js'
import { readCsv, streamCsv } from '../ts/readers/csv.js'
import { Records } from '../ts/readers/csv-records.js'
import { readIdx } from '../ts/readers/idx.js'
import { readJsonLines, streamJsonLines } from '../ts/readers/json-lines.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'limbeck-readers-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** The error of a rejected promise. */
async function refused(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(LimbeckError)
  const { code, message } = error as LimbeckError
  return { code, message }
}

async function all<T>(batches: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const batch of batches) list.push(batch)
  return list
}

function idx(kind: number, sides: number[], data: number[]): Uint8Array {
  const head = Buffer.alloc(4 + 4 * sides.length)
  head.set([0, 0, kind, sides.length])
  sides.forEach((side, at) => head.writeUInt32BE(side, 4 + 4 * at))
  return Buffer.concat([head, Buffer.from(data)])
}

describe('readIdx', () => {
  test('reads bytes with their shape, gzipped or not, from a file or from memory', async () => {
    const file = idx(0x08, [2, 1, 3], [1, 2, 3, 250, 251, 252])
    const expected = { shape: [2, 1, 3], values: Uint8Array.of(1, 2, 3, 250, 251, 252) }
    expect(await readIdx(file)).toEqual(expected)
    expect(await readIdx(gzipSync(file))).toEqual(expected)
    const path = join(folder, 'images-idx3-ubyte.gz')
    await writeFile(path, gzipSync(file))
    expect(await readIdx(path)).toEqual(expected)
  })

  test('reads every kind of number, big-endian', async () => {
    const float = Buffer.alloc(4)
    float.writeFloatBE(-1.5)
    const double = Buffer.alloc(8)
    double.writeDoubleBE(Math.PI)
    expect((await readIdx(idx(0x09, [1], [255]))).values).toEqual(Int8Array.of(-1))
    expect((await readIdx(idx(0x0b, [1], [1, 2]))).values).toEqual(Int16Array.of(258))
    expect((await readIdx(idx(0x0c, [1], [255, 255, 255, 254]))).values).toEqual(Int32Array.of(-2))
    expect((await readIdx(idx(0x0d, [1], [...float]))).values).toEqual(Float32Array.of(-1.5))
    expect((await readIdx(idx(0x0e, [1], [...double]))).values).toEqual(Float64Array.of(Math.PI))
  })

  test('reads a file in several pieces', async () => {
    const numbers = Array.from({ length: 300_000 }, (_, i) => (i * 7) % 256)
    const path = join(folder, 'large')
    await writeFile(path, idx(0x08, [300, 1000], numbers))
    expect((await readIdx(path)).values).toEqual(Uint8Array.from(numbers))
  })

  test('rejects a shape that does not match the size, without allocating memory for it', async () => {
    const before = process.memoryUsage().arrayBuffers
    const lie = idx(0x08, [4_000_000_000, 2], [1, 2, 3])
    expect(await refused(readIdx(lie))).toEqual({
      code: 'ERR_LIMBECK_INVALID_FILE',
      message: 'bytes: expected 8000000000 bytes of numbers (shape [4000000000, 2]), got 3: the file is truncated or its header is wrong',
    })
    expect((await refused(readIdx(gzipSync(lie)))).message).toContain('expected 8000000000 bytes')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e7)
    const huge = idx(0x0e, [4_000_000_000, 4_000_000_000], [])
    expect((await refused(readIdx(huge))).message).toContain('expected an array that fits into memory')
    expect((await refused(readIdx(idx(0x08, [2], [1, 2, 3])))).message).toContain('expected 2 bytes of numbers (shape [2]), got more')
  })

  test('rejects a file that is not an IDX file', async () => {
    const { message } = await refused(readIdx(Buffer.from('not an idx file')))
    expect(message).toBe('bytes: expected the magic number of an IDX file, as in 00000803, got 6e6f7420')
    expect((await refused(readIdx(idx(0x0a, [1], [1])))).message).toContain('got 00000a01')
    expect((await refused(readIdx(Uint8Array.of(0, 0)))).message).toBe('bytes: expected an IDX header, got 2 bytes')
    expect((await refused(readIdx(new Uint8Array(0)))).message).toBe('bytes: expected an IDX header, got 0 bytes')
    expect((await refused(readIdx(idx(0x08, [1, 2], []).subarray(0, 9)))).message).toContain('expected an IDX header')
  })

  test('rejects a truncated or damaged gzip file, and a missing file', async () => {
    const packed = gzipSync(idx(0x08, [1000], Array.from({ length: 1000 }, (_, i) => (i * i) % 251)))
    const cut = await refused(readIdx(packed.subarray(0, packed.length - 40)))
    expect(cut).toMatchObject({ code: 'ERR_LIMBECK_INVALID_FILE' })
    expect(cut.message).toContain('expected a whole gzip file')
    packed[100]! ^= 255
    expect((await refused(readIdx(packed))).code).toBe('ERR_LIMBECK_INVALID_FILE')
    const missing = join(folder, 'missing.gz')
    const { code, message } = await refused(readIdx(missing))
    expect([code, message.startsWith(`${missing}: cannot read the file: ENOENT`)]).toEqual(['ERR_LIMBECK_IO', true])
  })
})

describe('readCsv', () => {
  const pets = 'name,age,legs,kind,note\nRex,3.5,4,dog,"good, ""very"" good"\r\nTom,2,4,cat,"two\nlines"\nIda,1e1,4,dog,\n'

  test('reads typed columns, quotes, and both kinds of line ends', async () => {
    const columns = { name: 'text', age: 'number', legs: 'integer', kind: 'category', note: 'text' } as const
    const table = await readCsv({ text: pets }, { columns })
    expect(table.rows).toBe(3)
    expect(table.columns.name).toEqual(['Rex', 'Tom', 'Ida'])
    expect(table.columns.age).toEqual(Float32Array.of(3.5, 2, 10))
    expect(table.columns.legs).toEqual(Int32Array.of(4, 4, 4))
    expect(table.columns.kind).toEqual({ codes: Uint32Array.of(0, 1, 0), names: ['dog', 'cat'], lines: [2, 3] })
    expect(table.columns.note).toEqual(['good, "very" good', 'two\nlines', ''])
  })

  test('ignores columns that are skipped or not named', async () => {
    const table = await readCsv({ text: pets }, { columns: { age: 'number', note: 'skip' } })
    expect(Object.keys(table.columns)).toEqual(['age'])
  })

  test('combines several columns into one array, and accepts names for a file without a header', async () => {
    const { columns } = await readCsv(
      { text: '1;2;9\n3;4;8\n' },
      { delimiter: ';', header: ['a', 'b', 'label'], columns: { inputs: { numbers: ['b', 'a'] }, label: 'integer' } },
    )
    expect(columns.inputs).toEqual({ values: Float32Array.of(2, 1, 4, 3), width: 2, names: ['b', 'a'] })
    expect(columns.label).toEqual(Int32Array.of(9, 8))
  })

  test('gives the same result for any division of the text into pieces', () => {
    const read = (size: number) => {
      const rows: [string[], number][] = []
      const records = new Records('text', ',', (fields, line) => rows.push([fields, line]))
      for (let at = 0; at < pets.length; at += size) records.push(pets.slice(at, at + size))
      records.end()
      return rows
    }
    expect(read(pets.length)).toEqual([
      [['name', 'age', 'legs', 'kind', 'note'], 1],
      [['Rex', '3.5', '4', 'dog', 'good, "very" good'], 2],
      [['Tom', '2', '4', 'cat', 'two\nlines'], 3],
      [['Ida', '1e1', '4', 'dog', ''], 5],
    ])
    for (const size of [1, 2, 3, 5, 7, 11]) expect(read(size)).toEqual(read(pets.length))
  })

  test('streams in batches in which a category always has the same number', async () => {
    const text = 'kind\n' + ['a', 'b', 'c', 'b', 'a'].join('\n')
    const batches = await all(streamCsv({ text }, { columns: { kind: 'category' }, batchRows: 2 }))
    expect(batches.map(batch => batch.rows)).toEqual([2, 2, 1])
    expect(batches.flatMap(batch => [...batch.columns.kind.codes])).toEqual([0, 1, 2, 1, 0])
    expect(batches.at(-1)!.columns.kind.names).toEqual(['a', 'b', 'c'])
  })

  test('streams a file in several pieces, and can stop early', async () => {
    const path = join(folder, 'long.csv.gz')
    const lines = Array.from({ length: 100_000 }, (_, i) => `${i},"row ${i}, ü"`)
    await writeFile(path, gzipSync('\ufeffid,text\n' + lines.join('\r\n')))
    const table = await readCsv(path, { columns: { id: 'integer', text: 'text' } })
    expect(table.columns.id).toEqual(Int32Array.from({ length: 100_000 }, (_, i) => i))
    expect(table.columns.text[99_999]).toBe('row 99999, ü')
    let rows = 0
    for await (const batch of streamCsv(path, { columns: { id: 'integer' }, batchRows: 10 })) {
      rows += batch.rows
      if (rows === 20) break
    }
    expect(rows).toBe(20)
  })

  test.each([
    ['a,b\n1,2\n3\n', 'text, line 3: expected 2 fields, got 1'],
    ['a,b\n1,2,3\n', 'text, line 2: expected 2 fields, got 3'],
    ['a,b\n1,2\nx,2\n', 'text, line 3, column a: expected a number, got "x"'],
    ['a,b\n1,"2\n\n"\n,2\n', 'text, line 5, column a: expected a number, got ""'],
    ['a,b\n0x10,2\n', 'text, line 2, column a: expected a number, got "0x10"'],
    ['a,b\nInfinity,2\n', 'text, line 2, column a: expected a number, got "Infinity"'],
    ['a,b\n1e99,2\n', 'text, line 2, column a: expected a number, got "1e99"'],
    ['a,b\n1,2\n"3,4\n', 'text, line 3: expected a closing quote, got the end of the file (quote: false reads quotes as characters)'],
    ['a,b\n"1"2,3\n', 'text, line 2: expected "," or the end of the line after a closing quote, got "2"'],
    ['a,b\n1"2",3\n', 'text, line 2: expected quotes around the whole field, got one inside (quote: false reads them as characters)'],
    ['a,b\n1,2\r3,4\n', 'text, line 2: expected a line feed after a carriage return, got another character'],
    ['b,c\n1,2\n', 'text, line 1: expected a column a, got b, c'],
    ['a,a\n1,2\n', 'text, line 1: expected one column a, got a, a'],
    ['', 'text: expected a header line with the names of the columns, got nothing'],
  ])('refuses %j by line and column', async (text, message) => {
    expect(await refused(readCsv({ text }, { columns: { a: 'number' } }))).toEqual({ code: 'ERR_LIMBECK_INVALID_DATA', message })
  })

  test('rejects integers out of range, unknown categories and invalid UTF-8', async () => {
    const integer = refused(readCsv({ text: 'a\n3000000000\n' }, { columns: { a: 'integer' } }))
    expect((await integer).message).toBe('text, line 2, column a: expected a 32-bit integer, got 3000000000')
    const kind = readCsv({ text: 'a\ncow\n' }, { columns: { a: 'category' }, categories: { a: ['dog', 'cat'] } })
    expect((await refused(kind)).message).toBe('text, line 2, column a: expected one of dog, cat, got "cow"')
    const group = readCsv({ text: 'a,b\n1,x\n' }, { columns: { c: { numbers: ['a', 'b'] } } })
    expect((await refused(group)).message).toBe('text, line 2, column b: expected a number, got "x"')
    const bytes = readCsv(Uint8Array.of(97, 10, 0xff, 10), { columns: { a: 'text' } })
    expect((await refused(bytes)).message).toBe('bytes: expected UTF-8 text, got other bytes')
  })

  test('rejects unknown options', async () => {
    const kind = { columns: { a: 'float' } } as unknown as { columns: { a: 'number' } }
    expect(await refused(readCsv({ text: 'a\n1\n' }, kind))).toEqual({
      code: 'ERR_LIMBECK_INVALID_CONFIG',
      message: `columns.a: expected 'number', 'integer', 'category', 'text', 'skip' or { numbers: [names] }, got "float"`,
    })
    expect((await refused(readCsv({ text: 'a\n1\n' }, { columns: {}, delimiter: '""' }))).message).toContain('delimiter: expected one character')
    const rows = streamCsv({ text: 'a\n1\n' }, { columns: { a: 'number' }, batchRows: 0 }).next()
    expect((await refused(rows)).message).toBe('batchRows: expected an integer of at least 1, got 0')
  })
})

describe('readJsonLines', () => {
  const lines = [
    { text: 'a "b"', label: 'x', score: 0.5, count: 3, vector: [1, 2.5], ids: [7, 8] },
    { text: '\n', label: 'y', score: -1, count: -3, vector: [3, 4], ids: [], other: null },
  ]
  const text = lines.map(line => JSON.stringify(line)).join('\r\n\n') + '\n'

  test('reads typed fields', async () => {
    const fields = { text: 'text', label: 'category', score: 'number', count: 'integer', vector: 'numbers', ids: 'ids' } as const
    const { rows, columns } = await readJsonLines({ text }, { fields })
    expect(rows).toBe(2)
    expect(columns).toEqual({
      text: ['a "b"', '\n'],
      label: { codes: Uint32Array.of(0, 1), names: ['x', 'y'], lines: [1, 3] },
      score: Float32Array.of(0.5, -1),
      count: Int32Array.of(3, -3),
      vector: { values: Float32Array.of(1, 2.5, 3, 4), width: 2 },
      ids: { values: Uint32Array.of(7, 8), offsets: Uint32Array.of(0, 2, 2) },
    })
  })

  test('streams in batches', async () => {
    const batches = await all(streamJsonLines({ text: text + text }, { fields: { ids: 'ids', label: 'category' }, batchRows: 3 }))
    expect(batches.map(batch => [...batch.columns.ids.offsets])).toEqual([[0, 2, 2, 4], [0, 0]])
    expect(batches.map(batch => [...batch.columns.label.codes])).toEqual([[0, 1, 0], [1]])
  })

  test.each([
    ['{"a":1}\n{"a":}\n', /^text, line 2: expected JSON, got: /],
    ['{"a":1}\n\n[1]\n', /^text, line 3: expected an object, got \[1\]$/],
    ['{"b":1}\n', /^text, line 1, field a: expected a number, got nothing$/],
    ['{"a":"1"}\n', /^text, line 1, field a: expected a number, got "1"$/],
    ['{"a":1e99}\n', /^text, line 1, field a: expected a number, got 1e\+99$/],
    ['{"a":1}\n{"a":null}', /^text, line 2, field a: expected a number, got null$/],
  ])('refuses %j by line and field', async (text, message) => {
    const { code, message: got } = await refused(readJsonLines({ text }, { fields: { a: 'number' } }))
    expect(code).toBe('ERR_LIMBECK_INVALID_DATA')
    expect(got).toMatch(message)
  })

  test('rejects rows of different widths, and negative ids', async () => {
    const vectors = readJsonLines({ text: '{"a":[1,2]}\n{"a":[1]}' }, { fields: { a: 'numbers' } })
    expect((await refused(vectors)).message).toBe('text, line 2, field a: expected 2 numbers, as in the first row, got [1]')
    const ids = readJsonLines({ text: '{"a":[1,-2]}' }, { fields: { a: 'ids' } })
    expect((await refused(ids)).message).toBe('text, line 1, field a: expected an array of integers of at least 0, got [1,-2]')
  })

  test('a field may have any name', async () => {
    const { columns } = await readJsonLines({ text: '{"__proto__":1,"constructor":2}' }, { fields: { ['__proto__']: 'number', constructor: 'number' } })
    expect(Object.entries(columns)).toEqual([['__proto__', Float32Array.of(1)], ['constructor', Float32Array.of(2)]])
  })
})

describe('the format of a file is an option:', () => {
  const lines = 'text\ty\n"Oh, she said\t1\nwell"\t2\n'
  const columns = { text: 'text', y: 'number' } as const

  test('quotes are ordinary characters if the delimiter is a tab or quote is false', async () => {
    const expected = ['"Oh, she said', 'well"']
    expect((await readCsv({ text: lines }, { columns, delimiter: '\t' })).columns.text).toEqual(expected)
    expect((await readCsv({ text: lines.replaceAll('\t', ';') }, { columns, delimiter: ';', quote: false })).columns.text).toEqual(expected)
    expect((await readCsv({ text: lines }, { columns, delimiter: '\t', quote: '"' })).columns.text).toEqual(['Oh, she said\t1\nwell'])
    const inside = await readCsv({ text: 'text\ty\nsize 12" pipe\t1\n' }, { columns, delimiter: '\t' })
    expect(inside.columns.text).toEqual(['size 12" pipe'])
    expect((await refused(readCsv({ text: 'text,y\nsize 12" pipe,1\n' }, { columns }))).message).toContain('(quote: false reads them as characters)')
  })

  test('numbers may have a decimal comma', async () => {
    const numbers = { a: 'number', b: 'number' } as const
    const read = (text: string) => readCsv({ text }, { columns: numbers, delimiter: ';', decimal: ',' })
    expect((await read('a;b\n1,5;2\n-0,25;1e3\n')).columns).toEqual({ a: Float32Array.of(1.5, -0.25), b: Float32Array.of(2, 1000) })
    expect((await refused(read('a;b\n1.5;2\n'))).message).toBe('text, line 2, column a: expected a number with a decimal comma, got "1.5"')
    expect((await refused(read('a;b\n1,5,5;2\n'))).message).toContain('line 2, column a')
    for (const cell of ['"1,000"', '5%', 'NA', '', '0x10', 'Infinity', '1e99']) {
      expect((await refused(readCsv({ text: `a,b\n${cell},1\n` }, { columns: numbers }))).message).toContain('text, line 2, column a: expected a number')
    }
  })

  test('several fields of JSON lines form the numbers of a row, and keep their names', async () => {
    const read = await readJsonLines({ text: '{"q":2,"p":1}\n{"p":3,"q":4}\n' }, { fields: { inputs: { numbers: ['p', 'q'] } } })
    expect(read.columns.inputs).toEqual({ values: Float32Array.of(1, 2, 3, 4), width: 2, names: ['p', 'q'] })
    const missing = readJsonLines({ text: '{"p":1}\n' }, { fields: { inputs: { numbers: ['p', 'q'] } } })
    expect((await refused(missing)).message).toBe('text, line 1, field q: expected a number, got nothing')
  })
})

describe('options are checked like all other options:', () => {
  const csv = { text: 'a,c\n1,x\n' }
  test.each<[string, (any: any) => Promise<unknown>, string]>([
    ['a misspelt key', any => readCsv(csv, any({ columns: { a: 'number' }, delimeter: ';' })), 'delimeter: unknown key delimeter; did you mean delimiter?'],
    ['a misspelt key of JSON lines', any => readJsonLines({ text: '{}' }, any({ fields: { a: 'number' }, batchrows: 5 })), 'batchrows: unknown key batchrows; did you mean batchRows?'],
    ['no options', any => readCsv(csv, any(undefined)), 'options: expected an object, got nothing'],
    ['no columns', any => readCsv(csv, any({})), 'columns: expected an object, got nothing'],
    ['columns that are null', any => readCsv(csv, any({ columns: null })), 'columns: expected an object, got null'],
    ['no fields', any => readJsonLines(csv, any({})), 'fields: expected an object, got nothing'],
    ['a header that is a number', any => readCsv(csv, any({ columns: { a: 'number' }, header: 5 })), 'header: expected an array, got 5'],
    ['a header that is a text', any => readCsv(csv, any({ columns: { a: 'number' }, header: 'a,c' })), 'header: expected an array, got "a,c"'],
    ['categories that are a number', any => readCsv(csv, any({ columns: { c: 'category' }, categories: { c: 5 } })), 'categories.c: expected an array, got 5'],
    ['categories of another column', any => readCsv(csv, any({ columns: { c: 'category' }, categories: { a: ['x'] } })), 'categories.a: expected a category among the columns, got nothing'],
    ['a delimiter in an array', any => readCsv(csv, any({ columns: { a: 'number' }, delimiter: [1] })), 'delimiter: expected one character other than a quote or a line end, got an array'],
    ['a kind in an array', any => readCsv(csv, any({ columns: { a: [1n] } })), 'columns.a: expected an object, got an array'],
    ['a kind that is a bigint', any => readCsv(csv, any({ columns: { a: 1n } })), "columns.a: expected 'number', 'integer', 'category', 'text', 'skip' or { numbers: [names] }, got the bigint 1"],
    ['a quote that is none', any => readCsv(csv, any({ columns: { a: 'number' }, quote: '' })), 'quote: expected \'"\' or false, got ""'],
    ['batchRows of 0', any => all(streamCsv(csv, any({ columns: { a: 'number' }, batchRows: 0 }))), 'batchRows: expected an integer of at least 1, got 0'],
    ['a source that is null', any => readIdx(any(null)), 'source: expected the path or file URL of a file, bytes, or { text }, got null'],
    ['a source on the network', any => readCsv(any(new URL('http://example.org/a.csv')), { columns: { a: 'number' } }), 'source: expected the path or file URL of a file, bytes, or { text }, got a URL'],
    ['a source that is empty', any => readJsonLines(any({}), { fields: {} }), 'source: expected the path or file URL of a file, bytes, or { text }, got an object'],
  ])('%s', async (_, read, message) => {
    expect((await refused(read((value: unknown) => value))).message).toContain(message)
  })

  test('inherited properties are ignored', async () => {
    const columns = { constructor: 'category', toString: 'text' } as const
    const read = await readCsv({ text: 'constructor,toString\nx,y\n' }, { columns, categories: {} })
    expect([Object.keys(read.columns), (read.columns as Record<string, unknown>).toString]).toEqual([['constructor', 'toString'], ['y']])
    const options = Object.create({ columns: { a: 'number' } }) as { columns: { a: 'number' } }
    expect((await refused(readCsv(csv, options))).message).toBe('options: expected a plain object, got an object with inherited properties')
  })
})
