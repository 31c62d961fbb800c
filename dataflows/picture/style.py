"""Style sheets of the HTML pictures: light, and dark where the reader's system is."""

from __future__ import annotations

_SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif'
_MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'

STYLE = f"""
.nest {{ --ink: #1d2733; --soft: #5c6b7a; --line: #dfe6ec; --tint: #f2f6f9; --fill: #0b6e99; --rest: #dfe6ec;
  --stay: #d8eedf; --stay-ink: #1c5b36; --again: #fbe3d6; --again-ink: #8a3413; --each: #dcebf7; --each-ink: #134e78;
  color: var(--ink); font: 14px/1.45 {_SANS}; }}
@media (prefers-color-scheme: dark) {{ .nest {{ --ink: #e3e9ef; --soft: #9fb0bf; --line: #33414e; --tint: #1c2732;
  --fill: #4fa3c7; --rest: #33414e; --stay: #1d4630; --stay-ink: #b6e6c8; --again: #5a2d18; --again-ink: #f9c9ae;
  --each: #1b3d59; --each-ink: #bcdcf5; }} }}
.nest .scroll {{ overflow-x: auto; }}
.nest h3 {{ font-size: 1.02rem; margin: 0 0 .5rem; font-weight: 600; }}
.nest table {{ border-collapse: collapse; width: auto; font-size: 13px; margin: 0 0 .9rem; }}
.nest th, .nest td {{ border: 0; padding: .1rem .7rem; text-align: left; white-space: nowrap; color: inherit;
  vertical-align: baseline; }}
.nest th {{ font-weight: 600; color: var(--soft); }}
.nest .num {{ text-align: right; font-variant-numeric: tabular-nums; }}
.nest tbody tr:first-child > * {{ border-top: 1px solid var(--line); }}
.nest tbody:last-child tr:last-child > * {{ border-bottom: 1px solid var(--line); }}
.nest th.level {{ color: var(--ink); vertical-align: top; }}
.nest .loops th.level {{ border-bottom: 1px solid var(--line); }}
.nest th.level, .nest thead th:first-child {{ padding-left: 0; }}
.nest th.level i {{ font-style: normal; font-weight: 400; color: var(--soft); }}
.nest code {{ font: 12.5px/1.5 {_MONO}; background: none; padding: 0; color: inherit; }}
.nest tr.space td.loop, .nest tr.space td.extent {{ background: var(--tint); }}
.nest .axis {{ color: var(--soft); }}
.nest .mark {{ display: inline-block; min-width: 3.1em; padding: 0 .45em; border-radius: .6em; font-size: 12px;
  text-align: center; color: var(--soft); }}
.nest .stay, .nest .cast, .nest .sum, .nest .halo, .nest .pass {{ background: var(--stay); color: var(--stay-ink); }}
.nest .again, .nest .copy {{ background: var(--again); color: var(--again-ink); }}
.nest .each {{ background: var(--each); color: var(--each-ink); }}
.nest .meter {{ display: inline-block; width: 9rem; height: .55rem; background: var(--rest); border-radius: .3rem;
  overflow: hidden; }}
.nest .meter i {{ display: block; height: 100%; background: var(--fill); }}
.nest p.key {{ margin: 0 0 .8rem; max-width: none; font-size: 13px; color: var(--soft); }}
.nest p.key > span {{ display: inline-block; margin-right: .8rem; }}
.nest dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: 0 0 .7rem; font-size: 13px; }}
.nest dt {{ color: var(--soft); }} .nest dd {{ margin: 0; }}
.nest details {{ border: 0; padding: 0; font-size: 13px; }} .nest summary {{ cursor: pointer; color: var(--soft); }}
.nest pre {{ background: var(--tint); color: inherit; padding: .6rem .8rem; overflow-x: auto; font: 12px/1.4 {_MONO};
  border-radius: .4rem; }}
"""
"""For any page that shows pictures; all names are below ``.nest``."""

PAGE = f"""
:root {{ color-scheme: light dark; --page: #fff; --text: #1d2733; --faint: #5c6b7a; --rule: #dfe6ec; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #121a21; --text: #e3e9ef; --faint: #9fb0bf; --rule: #33414e; }} }}
body {{ margin: 0 auto; max-width: 72rem; padding: 1.2rem 1rem 3rem; background: var(--page); color: var(--text);
  font: 15px/1.5 {_SANS}; }}
h1 {{ font-size: 1.4rem; margin: 0 0 .8rem; }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem; }}
.wide {{ overflow-x: auto; }} section {{ margin: 0 0 2.2rem; }} footer {{ color: var(--faint); font-size: .84rem; }}
.cost {{ border-collapse: collapse; font-size: .88rem; }}
.cost th, .cost td {{ padding: .22rem .8rem .22rem 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--rule); font-variant-numeric: tabular-nums; }}
figure {{ margin: .4rem 0 1rem; }} figure svg {{ width: 100%; height: auto; display: block; }}
figcaption {{ color: var(--faint); font-size: .84rem; max-width: 54rem; }}
@media (prefers-color-scheme: dark) {{ figure svg {{ background: #fff; border-radius: .5rem; padding: .4rem; }} }}
.cost th {{ color: var(--faint); font-weight: 600; }} .cost th:first-child, .cost td:first-child {{ text-align: left; }}
"""
"""For a page of nothing but pictures and their costs."""
