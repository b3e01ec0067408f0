// What runs beside check.js in the cells of hebb/threads: LeNet-5 trained by two threads, then by one, which must give the same bits; and
// what is said where that can't be.

const BATCH = 16
const STEPS = 4
/** ms until the worker must have had a part in something: a crowded machine may not let it run at once */
const PATIENCE = 20_000

/** Losses of LeNet-5's first steps, and of one step at a time */
export function lenet({ manualSeed, rand, SGD, tensor, turn }, { LeNet5 }) {
  manualSeed(5)
  const model = new LeNet5()
  const optimizer = new SGD(model.parameters(), { lr: 0.05, momentum: 0.9 })
  const x = rand([BATCH, 1, 28, 28])
  const y = tensor(Array.from({ length: BATCH }, (_, i) => i % 10), { dtype: 'int32' })
  const step = () => turn('step', 0, () => {
    const loss = model.forward(x).crossEntropy(y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss.item()
  })
  return { losses: Array.from({ length: STEPS }, step), step }
}

const said = promise => promise.then(() => null, error => `${error.name}: ${error.message}`)

/** Uses two threads if it may. After configure() and before the first tensor */
export async function team(hebb, models, { stopThreads, threadStatistics, useThreads }) {
  const wrong = await said(useThreads(1.5))
  const refused = await said(useThreads(2))
  const number = hebb.info().threads
  if (refused) return { wrong, refused, number }
  return hebb.scope(() => {
    const { losses, step } = lenet(hebb, models)
    for (const start = Date.now(); threadStatistics().workers === 0 && Date.now() - start < PATIENCE;) step()
    const { workers } = threadStatistics()
    stopThreads()
    return { wrong, refused, number, losses, workers, alone: lenet(hebb, models).losses }
  })
}
