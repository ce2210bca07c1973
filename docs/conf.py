"""How Sphinx makes the site: `make site` (docs/site.py makes first what is made by the program)."""

from __future__ import annotations

import pydoc
import re
from typing import Any

from docutils import nodes
from sphinx.util import inspect
from sphinx.util.nodes import make_refnode

import evenbatch

project = "evenbatch"
copyright = "the evenbatch maintainers, Apache-2.0"
version = release = evenbatch.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["conf.py", "site.py"]
highlight_language = "text"
smartquotes = False  # they make one dash of --out
html_theme = "furo"
html_title = "evenbatch"
html_show_sourcelink = False
html_copy_source = False

# Pages are Markdown as GitHub reads it, with its anchors.
myst_heading_anchors = 4

# The notebook is run anew, and an error in it ends the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True

# In docstrings a name in single backticks is a link where there is such a name, else code.
default_role = "py:obj"
autodoc_mock_imports = ["torch"]  # gigabytes, of which docstrings need none
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {
    name: name.split(".")[-1]
    for name in ("Array", "NDArray", "npt.NDArray", "npt.ArrayLike", "npt.DTypeLike")
}
napoleon_custom_sections = [("Attributes", "params_style")]  # "low, high: ..." is two names
python_maximum_signature_line_length = 88


def setup(app: Any) -> None:
    """What Sphinx has no setting for."""
    app.connect("autodoc-process-signature", as_written)
    app.connect("doctree-read", with_dashes)
    app.connect("missing-reference", by_another_name)


def as_written(_app: Any, what: str, _name: str, thing: Any, _options: Any,
               signature: str | None, returns: str | None) -> Any:  # fmt: skip
    """A layer's own arguments, not its stand-in's; dots for defaults that have no name."""
    if what == "class" and signature == "(*args: Any, **kwargs: Any)":
        own = inspect.signature(thing.__init__, bound_method=True)
        signature = inspect.stringify_signature(own)
    if signature:
        signature = re.sub(r"<factory>|<function .*?>{1,2}", "...", signature)
    return signature, returns


def with_dashes(_app: Any, doctree: nodes.document) -> None:
    """The dash between an argument and its explanation."""
    for text in list(doctree.findall(nodes.Text)):
        if text.startswith(" -- "):
            text.parent.replace(text, nodes.Text(" –" + text[3:]))


def by_another_name(app: Any, env: Any, node: Any, shown: Any) -> Any:
    """A link for `evenbatch.data.load`, which stands on its page as `evenbatch.load`."""
    if node.get("refdomain") != "py":
        return None
    for start in (node.get("py:module"), "evenbatch", None):
        thing = pydoc.locate(".".join(filter(None, (start, node["reftarget"]))))
        own = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
        found = env.domains.python_domain.objects.get(own)
        if found:
            return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, shown)
    return None
