// Child processes run the compiled facade, so it is rebuilt before the first test.

import { ready } from '../ts/build/ready.mjs'

export default function setup() {
  ready()
}
