/** What the README and the pages of docs show is compiled with its types and run, as a user's program. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const pages = ['README.md', ...readdirSync(path.join(root, 'docs')).filter(name => name.endsWith('.md')).map(name => `docs/${name}`)]
const blocks = pages.flatMap(page =>
  [...readFileSync(path.join(root, page), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => ({ page, code: code! })),
)
const data = `
export const labels = Uint8Array.from({ length: 200 }, (_, row) => row % 10)
export const pixels = Float32Array.from({ length: 200 * 784 }, (_, at) => (Math.floor((at % 784) / 78) === labels[Math.floor(at / 784)]! ? 1 : 0))
`
// Inside the package, so that 'limbeck' is this package.
let folder: string
beforeAll(() => {
  folder = mkdtempSync(path.join(root, '__test__', '.readme-'))
  writeFileSync(path.join(folder, 'my-data.ts'), data)
  blocks.forEach(({ code }, index) => writeFileSync(path.join(folder, `block-${index}.ts`), `${code}\nexport {}\n`))
  const compilerOptions = { module: 'nodenext', target: 'es2022', lib: ['es2023', 'esnext.disposable'], strict: true, types: ['node'], skipLibCheck: true }
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('every block of the README and of docs compiles and runs', () => {
  expect(new Set(blocks.map(({ page }) => page)).size).toBeGreaterThan(1)
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const compiled = spawnSync(process.execPath, [tsc, '-p', folder], { cwd: folder, encoding: 'utf8' })
  expect(compiled.stdout).toBe('')
  blocks.forEach(({ page }, index) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [`block-${index}.js`], { cwd: folder, encoding: 'utf8' })
    expect({ page, index, status, stderr }).toEqual({ page, index, status: 0, stderr: '' })
    expect(stdout).not.toBe('')
  })
}, 180_000)
