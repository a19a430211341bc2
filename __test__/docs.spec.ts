/** Compiles and runs the TypeScript blocks of the README and the pages of docs, as programs of a user. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const pages = [
  'README.md',
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name.replaceAll('\\', '/')}`)
    .sort(),
]
/** Every block of TypeScript, and its place. */
const blocks = pages.flatMap(page =>
  [...readFileSync(path.join(root, page), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code], index) => ({
    at: `${page}, block ${index + 1}`,
    name: `${page.replace(/\W/g, '-')}-${index + 1}`,
    code: code!,
  })),
)
const data = `
export const labels = Uint8Array.from({ length: 200 }, (_, row) => row % 10)
export const pixels = Float32Array.from({ length: 200 * 784 }, (_, at) => (Math.floor((at % 784) / 78) === labels[Math.floor(at / 784)]! ? 1 : 0))
`
// The folder is inside the package, so that 'limbeck' resolves to this package.
let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(root, '__test__', '.readme-'))
  writeFileSync(path.join(folder, 'my-data.ts'), data)
  blocks.forEach(({ name, code }) => writeFileSync(path.join(folder, `${name}.ts`), `${code}\nexport {}\n`))
  const compilerOptions = { module: 'nodenext', target: 'es2022', lib: ['es2023', 'esnext.disposable'], strict: true, types: ['node'], skipLibCheck: true }
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('every block compiles', () => {
  expect(blocks.length).toBeGreaterThan(0)
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  expect(spawnSync(process.execPath, [tsc, '-p', folder], { cwd: folder, encoding: 'utf8' }).stdout).toBe('')
}, 120_000)

test.each(blocks)('$at runs and prints something', ({ name, code }) => {
  if (name.startsWith('docs-')) expect(code.trim().split('\n').length, 'lines').toBeLessThan(30)
  const { status, stdout, stderr } = spawnSync(process.execPath, [`${name}.js`], { cwd: folder, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).not.toBe('')
}, 120_000)
