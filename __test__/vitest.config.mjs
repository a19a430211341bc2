import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  root: path.dirname(path.dirname(fileURLToPath(import.meta.url))),
  test: {
    include: ['__test__/**/*.spec.{ts,mjs}'],
    // In forks, a native crash ends one fork and not the whole run.
    pool: 'forks',
    execArgv: ['--expose-gc'],
    globalSetup: ['__test__/setup.mjs'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
