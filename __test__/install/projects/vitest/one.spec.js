import { expect, test } from 'vitest'
import { journey } from './journey.mjs'

test('a student is distilled in a thread of vitest', async () => {
  const answer = await journey()
  console.log(answer)
  expect(answer).toMatch(/^works/)
})
