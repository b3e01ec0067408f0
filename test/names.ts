// Names in the built files: variables have letters again that what is around them doesn't use there, exports the names they are exported by.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pathToFileURL } from 'node:url'
import { transform } from 'esbuild'

const { renamed } = (await import(pathToFileURL('scripts/names.js').href)) as { renamed(text: string): Promise<string> }
const minified = async (text: string) => (await transform(text, { minify: true, format: 'esm', target: 'es2022' })).code
const exported = (text: string) => import(`data:text/javascript,${encodeURIComponent(text)}`) as Promise<Record<string, unknown>>

test('a name is the first that nothing used there has, or one that stood among the same tokens', async () => {
  const cases: [string, string][] = [
    ['var f=(a,b)=>a.map((c,d)=>c+d);f()', 'var f=(e,t)=>e.map((e,t)=>e+t);f()'],
    ['var f=(a,b)=>a.map(c=>c+b);f()', 'var f=(e,t)=>e.map(e=>e+t);f()'],
    ['var f=(a,b)=>b.map(c=>c+b+a);f()', 'var f=(e,t)=>t.map(r=>r+t+e);f()'],
    ['var f=(a,b,c)=>c.size+c.rank,g=(a,b)=>b.size+b.rank;f(g)', 'var f=(e,t,r)=>r.size+r.rank,g=(e,r)=>r.size+r.rank;f(g)'],
    // a letter that the file itself has, where it is used and where it isn't
    ['var e=1,f=a=>a+e,g=a=>a;f(g)', 'var e=1,f=t=>t+e,g=e=>e;f(g)'],
    ['var f=a=>{for(let b=0;b<a;b++)a();for(let b of a)b();if(a){let b=1;a(b)}};f()', 'var f=e=>{for(let t=0;t<e;t++)e();for(let t of e)t();if(e){let t=1;e(t)}};f()'],
    ['var f=a=>{for(let b of a)(b||a)(b);for(let b of[])b()};f()', 'var f=e=>{for(let t of e)(t||e)(t);for(let e of[])e()};f()'],
    // properties, and variables whose names are theirs
    ['var f=({a:b,c=1,...d})=>({b,c,d:b.d,[d]:c});f()', 'var f=({a:e,c:t=1,...r})=>({b:e,c:t,d:e.d,[r]:t});f()'],
    ['var f=({t:a,e:b})=>({e:a,t:b});f()', 'var f=({t:e,e:t})=>({e,t});f()'],
    ['var f=a=>a?{a}:a.b?[a,b]:c;f()', 'var f=e=>e?{a:e}:e.b?[e,b]:c;f()'],
    ['var f=a=>`${a}{a}${a.map(b=>`${b}}`)}`+/a[/]a/.test(a)/a;f()', 'var f=e=>`${e}{a}${e.map(e=>`${e}}`)}`+/a[/]a/.test(e)/e;f()'],
    ['class C{a=1;#b=a=>a;get a(){return this.#b}static b(b){return b}}new C', 'class C{a=1;#b=e=>e;get a(){return this.#b}static b(e){return e}}new C'],
  ]
  for (const [before, after] of cases) assert.is(await renamed(before), after)
})

test('an export has its own name, unless that is taken or it is used often', async () => {
  const often = 'a();'.repeat(30)
  const cases: [string, string][] = [
    ['var a=1,b=2;export{a as one,b as two};', 'var one=1,two=2;export{one,two};'],
    ['var a=1,b={one:a};export{b as all,a as one};', 'var one=1,all={one};export{all,one};'],
    ['import{a}from"hebb";function b(){return a(c)}var c=b;export{c as of};', 'import{a}from"hebb";function u(){return a(of)}var of=u;export{of};'],
    ['var a=e=>e+Math.PI;export{a as Math};', 'var u=e=>e+Math.PI;export{u as Math};'],
    [`var a=e=>e;${often}export{a as one};`, `var u=e=>e;${often.replaceAll('a', 'u')}export{u as one};`],
  ]
  for (const [before, after] of cases) assert.is(await renamed(before), after)
})

test('what is not understood keeps its names', async () => {
  const said: string[] = []
  const { warn } = console
  console.warn = text => said.push(text)
  const text = 'var g=e=>e;class C extends g(Array){m(t){return t}}export{C};'
  assert.is(await renamed(text), text)
  console.warn = warn
  assert.is(said.length, 1)
  assert.is(await renamed('var a=1;export{a as static};'), 'var u=1;export{u as static};')
})

test('what is renamed computes the same', async () => {
  const text = await minified(`
    class Shape { #sizes; constructor(...sizes) { this.#sizes = sizes } *each() { for (const [i, s] of this.#sizes.entries()) yield { i, s } } get rank() { return this.#sizes.length } }
    function inner(x, { scale = 2, of: [first, ...rest] = [1, 2], ...others } = {}) {
      label: for (let i = 0, as = x; i < 3; i++) { for (const of of rest) { if (of > i) continue label; x += as * scale } }
      switch (x) { case 1: { let y = first; return y } default: { let y = () => { try { throw x } catch (e) { return e + first } }; return y() + Object.keys(others).length } }
    }
    const text = (a, b = c => a + c) => \`\${a}\${[1, 2].map((x, i) => \`<\${x * i}\${b(\`\${x}\`)}>\`).join('}')}\`
    export const result = () => [inner(1), inner(3, { scale: 5, of: [7, 0, 1], z: 1 }), [...new Shape(4, 5).each()], new Shape(1).rank, text('q'), text('q', x => x.length)]
    export { inner, text }`)
  const [before, after] = [await exported(text), await exported(await renamed(text))]
  assert.equal(Object.keys(after), ['inner', 'result', 'text'])
  assert.equal((after.result as () => unknown)(), (before.result as () => unknown)())
})

test.run()
