// The program of the page's two workers: one trains, the other reads.

import { workerTraining, type TrainingContext } from 'hebb/worker'
import { read, type Glance, type Reading } from './read.js'
import { train, type Order, type Outcome, type Report } from './train.js'

export default workerTraining((input: Order | Glance, context: TrainingContext<Report>): Promise<Outcome> | Reading =>
  'epochs' in input ? train(input, context) : read(input))
