"""A page for each scheme and each variant, from its row in the library, its docstring, the table of
this folder and the recorded evidence."""

import inspect
import sys
from dataclasses import fields, is_dataclass

import lora
from docs.generate import evidence, markdown
from docs.generate.costs import costs
from docs.generate.sources import cited
from docs.generate.table import SCHEMES, VARIANTS, About
from lora.schemes.options import GIVEN

NEEDS = {
    "nothing": "nothing but the shape of the weight",
    "weight": "the weight",
    "inputs": "inputs: one forward pass over batches of your data",
    "gradient": "gradients: one forward and backward pass over batches of your data",
}
SOURCES = {
    "plain": "2106.09685",
    "overparam": "2412.10362",
    "dash": "2409.01035",
    "tsd": "2409.01035",
    "dora": "2402.09353",
    "op_dora": "2412.10362",
}


def pages() -> dict[str, str]:
    """An overview, and a page a method."""
    return {
        "methods/index.md": overview(),
        **{f"methods/{name}.md": scheme(name) for name in lora.SCHEMES},
        **{f"methods/{name}.md": variant(name) for name in lora.VARIANTS},
    }


def addresses() -> tuple[list[str], list[str]]:
    """The pages of the schemes, and those of the variants."""
    schemes, variants = ([f"methods/{name}.md" for name in t] for t in (SCHEMES, VARIANTS))
    return schemes, variants


def overview() -> str:
    """Every scheme and every variant in a table."""
    schemes = [
        (f"[`{name}`]({name}.md)", SCHEMES[name].title, rule.needs, on_peft(name))
        for name, rule in lora.SCHEMES.items()
    ]
    variants = [
        (f"[`{name}`]({name}.md)", VARIANTS[name].title, cited(SOURCES[name]))
        for name in lora.VARIANTS
    ]
    head = ("scheme", "in papers", "needs", "on a PEFT model")
    return (
        "# Methods\n\nA *scheme* says how the factors are initialized: `lora.Config(scheme=...)`. "
        "A *variant* says which parameters an adapter has while it is trained: "
        "`lora.Config(variant=...)`. Every scheme works with every variant, except that `tsd` "
        "needs `tsd_init`. To choose one, see "
        "[Choosing an initialization](../guides/choosing-an-initialization.md).\n\n"
        f"## Schemes\n\n{markdown.table(head, schemes)}\n"
        f"## Variants\n\n{markdown.table(('variant', 'in papers', 'source'), variants)}\n"
        "## Optimizers\n\n`lora.OPTIMIZERS` has `scaled_sgd` and `scaled_adamw`: each factor's "
        "gradient is preconditioned by the other factor (arXiv:2402.02347). LoRA+ is "
        "`lora.param_groups(model, lr, ratio=...)`, a larger learning rate for B; rsLoRA is "
        "`lora.Config(rank_stabilized=True)`.\n"
    )


def on_peft(name: str) -> str:
    """Whether a scheme initializes a PEFT model, and at which rank it is saved."""
    return "yes" if lora.SCHEMES[name].zero_product else "no: B A is not zero, saved at rank 2 r"


def scheme(name: str) -> str:
    """The page of a scheme."""
    row = lora.SCHEMES[name]
    needs = [
        f"- **Needs:** {NEEDS[row.needs]}.",
        f"- **Source:** {cited(row.source)}.",
        f"- **On a PEFT model** (`lora.initialize_peft`): {on_peft(name)}.",
    ]
    if row.pairs > 1:
        needs.append(f"- **Rank:** at most min(out, in) / {row.pairs}.")
    options = [key for key in inspect.signature(row.rule).parameters if key not in GIVEN]
    if options or row.sharing:
        named = ", ".join(f"`{key}`" for key in (*options, *row.sharing))
        needs.append(f"- **Options** (`scheme_options`): {named}.")
    data = ", batches" if row.needs_data else ""
    call = f'report = lora.attach(model, lora.Config(scheme="{name}"){data})'
    doc = inspect.getdoc(row.rule) or ""
    return page(name, SCHEMES[name], "\n".join(needs), call, doc, costs({"scheme": name}))


def variant(name: str) -> str:
    """The page of a variant."""
    kind = lora.VARIANTS[name]
    needs = [f"- **Source:** {cited(SOURCES[name])}.", "- **Saved as:** " + saved(kind) + "."]
    options = getattr(kind, "Options", None)
    if options is not None and is_dataclass(options) and fields(options):
        named = ", ".join(f"`{field.name}={field.default!r}`" for field in fields(options))
        needs.append(f"- **Options** (`variant_options`): {named}.")
    rest = ', scheme="tsd_init"), batches)' if name == "tsd" else "))"
    call = f'report = lora.attach(model, lora.Config(variant="{name}"{rest}'
    doc = inspect.getdoc(kind) if name == "tsd" else sys.modules[kind.__module__].__doc__
    found = costs({"variant": name} if name != "plain" else {})
    return page(name, VARIANTS[name], "\n".join(needs), call, doc or "", found)


def saved(kind: type[lora.LoRALinear]) -> str:
    """The format in which PEFT loads a variant."""
    form = {"plain": "a LoRA adapter", "dora": "a DoRA adapter"}[kind.exported_as]
    return f"{form}, which PEFT loads with equal outputs"


def page(name: str, about: About, needs: str, call: str, doc: str, cost: str) -> str:
    """The template of all methods."""
    claims = [
        (
            evidence.link(stem, row.claim),
            evidence.verdict(row),
            markdown.escaped(row.claim.statement),
        )
        for stem, row in evidence.about(about.names)
    ]
    listed = (
        markdown.table(("claim", "verdict", "sentence"), claims)
        if claims
        else "No claim of the ledger is about it.\n"
    )
    departs = evidence.linked(about.departs) or "None is known."
    return "\n\n".join(
        [
            f"# `{name}`: {about.title}",
            f"$$\n{about.formula}\n$$",
            needs,
            f"```python\n{call}\n```",
            f"## When to use it\n\n{about.use}",
            f"## When not\n\n{about.avoid}",
            f"## What it does\n\n{markdown.docstring(doc)}",
            f"## What it costs\n\n{cost}",
            f"## Claims about it\n\n{listed}",
            f"## Where it differs from the paper or from released code\n\n{departs}\n",
        ]
    )
