// The program of the page's two workers: one trains, the other unpacks the digits and reads.

import { workerTraining, type TrainingContext } from 'hebb/worker'
import { read, type Glance, type Reading } from './read.js'
import { train, type Order, type Outcome, type Report } from './train.js'
import { unpack, type Digits, type Packed } from './unpack.js'

export default workerTraining((input: Order | Packed | Glance, context: TrainingContext<Report>): Promise<Outcome | Digits> | Reading => {
  if ('epochs' in input) return train(input, context)
  return 'labels' in input ? unpack(input) : read(input)
})
