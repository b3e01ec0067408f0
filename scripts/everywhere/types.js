// Cells of types: TypeScript finds the declarations of every entry point in the installed package.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './processes.js'
import { typeChecker } from '../build.js'

/** Entry points with declarations */
const entries = folder => {
  const { exports } = JSON.parse(readFileSync(join(folder, 'node_modules/hebb/package.json'), 'utf8'))
  return Object.keys(exports).filter(entry => exports[entry].types).map(entry => entry.replace('.', 'hebb'))
}

/** Types that are any would let the wrong line pass. */
const program = names => `${names.map((name, i) => `import * as part${i} from '${name}'`).join('\n')}
import { tensor, type Tensor } from 'hebb'
export const parts: object[] = [${names.map((_, i) => `part${i}`).join(', ')}]
export const sum: Tensor = tensor([[1, 2], [3, 4]]).matmul(tensor([[1], [2]])).sum()
export const item: number = sum.item()
// @ts-expect-error a shape is a list
sum.reshape('2')
${names.map((_, i) => `// @ts-expect-error no such export\npart${i}.nothingOfThisName`).join('\n')}
`

const resolution = (name, extension, options) => ({
  name: `types ${name}`,
  needs: [],
  run: async ({ folder }) => {
    const own = join(folder, `types-${name}`)
    mkdirSync(own, { recursive: true })
    writeFileSync(join(own, `main.${extension}`), program(entries(folder)))
    const compilerOptions = { strict: true, noEmit: true, skipLibCheck: false, types: [], target: 'es2022', lib: ['es2022', 'dom'], ...options }
    writeFileSync(join(own, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [`main.${extension}`] }))
    await run(process.execPath, [typeChecker(), '-p', '.'], { cwd: own })
  },
})

export const typeCells = [
  resolution('nodenext', 'mts', { module: 'nodenext' }),
  resolution('nodenext-cjs', 'cts', { module: 'nodenext' }),
  resolution('bundler', 'ts', { module: 'esnext', moduleResolution: 'bundler' }),
  resolution('bundler-workerd', 'ts', { module: 'esnext', moduleResolution: 'bundler', customConditions: ['workerd'] }),
]
