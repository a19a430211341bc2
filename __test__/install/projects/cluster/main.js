import cluster from 'node:cluster'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { journey } from './journey.mjs'

if (cluster.isPrimary) {
  const workers = [cluster.fork(), cluster.fork()]
  const ended = workers.map(worker => once(worker, 'exit'))
  const [[, { port }]] = await Promise.all(workers.map(() => once(cluster, 'listening')))
  const here = await journey()
  const there = await Promise.all([1, 2].map(async () => (await fetch(`http://127.0.0.1:${port}`)).text()))
  for (const worker of workers) worker.disconnect()
  const codes = (await Promise.all(ended)).map(([code]) => code)
  if (codes.some(code => code !== 0)) throw new Error(`expected workers that end with 0, got ${codes.join(', ')}`)
  if (there.some(text => text !== here)) throw new Error(`expected ${here}, got ${there.join('; ')}`)
  console.log(here)
} else {
  const answer = await journey()
  createServer((_, response) => response.writeHead(200, { connection: 'close' }).end(answer)).listen(0, '127.0.0.1')
}
