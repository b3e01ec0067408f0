// The deep Q-network that learned to play Atari games from the screen.

import { Conv2d, engine, Linear, Module, type Tensor } from 'hebb'

export interface DQNOptions {
  /** Buttons of the game (default 18, all of the console) */
  actions?: number
  /** Frames seen at once (default 4) */
  frames?: number
}

/**
 * conv 32@8×8/4 – conv 64@4×4/2 – conv 64@3×3 – 512 – a value for each action, with relu (Mnih et al., 2015); 1,693,362 parameters for 18
 * actions. x: [n, frames, 84, 84], grey levels in 0..1
 */
export class DQN extends Module {
  readonly conv1: Conv2d
  readonly conv2 = new Conv2d(32, 64, 4, { stride: 2 })
  readonly conv3 = new Conv2d(64, 64, 3)
  readonly fc1 = new Linear(64 * 49, 512)
  readonly fc2: Linear
  constructor(options: DQNOptions = {}) {
    super()
    const { actions = 18, frames = 4 } = engine.requireOptions(this.constructor.name, options, 'actions frames')
    this.conv1 = new Conv2d(frames, 32, 8, { stride: 4 })
    this.fc2 = new Linear(512, actions)
  }
  forward(x: Tensor): Tensor {
    x = this.conv3.forward(this.conv2.forward(this.conv1.forward(x).relu()).relu()).relu()
    return this.fc2.forward(this.fc1.forward(x.flatten(1)).relu())
  }
}
