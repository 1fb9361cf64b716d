"""Shows the `Example:` of our docstrings as code; Google's style knows only `Examples:`."""

import re

from griffe import Extension, Object


class Examples(Extension):
    """Renames the section while mkdocstrings reads the sources."""

    def on_object(self, *, obj: Object, **kwargs) -> None:
        """Change the docstring of one object."""
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^( *)Example:[ ]*$", r"\1Examples:", obj.docstring.value, flags=re.M
            )
