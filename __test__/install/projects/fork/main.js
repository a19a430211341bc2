import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { journey } from './journey.mjs'

if (process.send === undefined) {
  const answer = () =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(import.meta.url))
      let said
      child.on('message', text => (said = text))
      child.on('exit', (code, signal) => (code === 0 ? resolve(said) : reject(new Error(`a child ended with ${code ?? signal}`))))
    })
  const all = await Promise.all([journey(), answer(), answer(), answer(), answer()])
  if (new Set(all).size !== 1) throw new Error(`expected one answer everywhere, got ${all.join('; ')}`)
  console.log(all[0])
} else {
  process.send(await journey())
  process.disconnect()
}
