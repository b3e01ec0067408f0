// What start.ts has a fresh process do: `node first.js empty | product | square`. Prints one line of JSON, times in ms.

const [, , what] = process.argv

if (what === 'empty') console.log(JSON.stringify({ sinceStart: performance.now() }))
else if (what === 'product') {
  const before = performance.now()
  const { matmul, ones } = await import('hebb')
  const imported = performance.now()
  const corner = matmul(ones([64, 64]), ones([64, 64])).values()[4095]
  const done = performance.now()
  console.log(JSON.stringify({ sinceStart: done, load: imported - before, first: done - imported, right: corner === 64 }))
} else {
  const { matmul, ones, turn } = await import('hebb')
  const [a, b] = [ones([512, 512]), ones([512, 512])]
  const times: number[] = []
  let right = true
  for (let i = 0; i < 20; i++) {
    turn('first', i, () => {
      const start = performance.now()
      const y = matmul(a, b)
      times.push(performance.now() - start)
      right &&= y.values()[512 * 512 - 1] === 512
    })
  }
  console.log(JSON.stringify({ first: times[0], steady: Math.min(...times.slice(5)), right }))
}

export {}
