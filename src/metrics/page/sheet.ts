/** The page's looks: light and dark as the reader has it, one column on a phone, ink on paper when printed. */
export const SHEET = `
:root { color-scheme: light dark; --ground: #f6f8fa; --card: #ffffff; --edge: #d1d9e0; --ink: #1f2328; --quiet: #59636e;
  --line: #0969da; --band: #0969da26; --grid: #e4e8ec; --odd: #bc4c00; --bad: #cf222e; --good: #1a7f37 }
@media (prefers-color-scheme: dark) { :root { --ground: #010409; --card: #0d1117; --edge: #3d444d; --ink: #f0f6fc;
  --quiet: #9198a1; --line: #4493f8; --band: #4493f833; --grid: #262c36; --odd: #f0883e; --bad: #f85149; --good: #3fb950 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 92rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; margin: 0 }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
h3 { font-size: 1rem; margin: 0 }
p { margin: .25rem 0 }
.quiet, figcaption, dt, .none { color: var(--quiet) }
.none { font-size: .85rem }
section.card { background: var(--card); border: 1px solid var(--edge); border-radius: .5rem; padding: 1rem; margin: .75rem 0 }
section.alert { border-left: .35rem solid var(--odd) }
section.worse { border-left-color: var(--bad) }
.state { font-size: .85rem; font-weight: 600; color: var(--good) }
.state.bad { color: var(--bad) }
.head { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; align-items: baseline }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 8rem), 1fr)); gap: .5rem 1rem; margin: .75rem 0 }
dt { font-size: .8rem }
dd { margin: 0; font-weight: 600 }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1rem 1.5rem }
figure { margin: 0; min-width: 0 }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; font-size: .85rem }
figcaption b { color: var(--ink) }
svg { display: block; width: 100%; height: auto }
svg text { font-size: 11px; fill: var(--quiet) }
.grid { stroke: var(--grid) }
.line { fill: none; stroke: var(--line); stroke-width: 1.75; stroke-linejoin: round }
.ahead { fill: none; stroke: var(--odd); stroke-width: 1.75; stroke-dasharray: 5 4 }
.band { fill: var(--band) }
.dot { fill: var(--line) }
.odd { fill: none; stroke: var(--odd); stroke-width: 2 }
.failed { fill: none; stroke: var(--bad); stroke-width: 2 }
.bar { fill: var(--line); fill-opacity: .55 }
.before { fill: none; stroke: var(--ink); stroke-opacity: .7 }
ul { list-style: none; margin: 0; padding: 0 }
li + li { margin-top: .5rem }
small { display: block; font-weight: 400; font-size: .8rem; color: var(--quiet) }
@media print {
  :root { color-scheme: light; --ground: #fff; --card: #fff; --edge: #999; --ink: #000; --quiet: #444; --line: #0550ae;
    --band: #0550ae22; --grid: #ccc; --odd: #953800; --bad: #a40e26; --good: #116329 }
  body { padding: 0; max-width: none; font-size: 11px; print-color-adjust: exact; -webkit-print-color-adjust: exact }
  .charts { grid-template-columns: repeat(2, 1fr) }
  section.card, figure { break-inside: avoid }
  h2 { break-after: avoid }
}
@page { margin: 15mm }
`;
