"""Equations of pages and docstrings as MathML, which browsers show by themselves, also offline.

Pages write `$x$` and, in a paragraph of its own, `$$x$$`; docstrings use reStructuredText's
`:math:` and `.. math::`. MkDocs loads this file as a hook, see mkdocs.yml.
"""

import re
import textwrap

from latex2mathml.converter import convert
from markdown import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor

DIRECTIVE = re.compile(
    r"^\.\. math::(?P<head>[^\n]*)\n(?P<body>(?:[ \t]+[^\n]*\n|[ \t]*\n)*)", re.M
)
DISPLAY = re.compile(r"^\$\$(?P<tex>.+?)\$\$[ \t]*$", re.M | re.S)


class DisplayMath(Preprocessor):
    """Replaces equations in paragraphs of their own."""

    def run(self, lines):
        """Return the lines with equations converted."""

        def from_directive(match):
            return self.block(match["head"] + "\n" + textwrap.dedent(match["body"]))

        text = DIRECTIVE.sub(from_directive, "\n".join(lines) + "\n")
        return DISPLAY.sub(lambda match: self.block(match["tex"]), text).split("\n")

    def block(self, tex):
        """Return a placeholder, which Markdown leaves alone, for one equation."""
        html = convert(" ".join(tex.split()), display="block")
        return f"\n\n{self.md.htmlStash.store(html)}\n\n"


class InlineMath(InlineProcessor):
    """Replaces equations within a sentence."""

    def handleMatch(self, m, data):
        """Return a placeholder for one equation."""
        return self.md.htmlStash.store(convert(m.group(1))), m.start(0), m.end(0)


class Math(Extension):
    """Both kinds of equations."""

    def extendMarkdown(self, md):
        """Register the two processors: after code blocks, before code in a sentence."""
        md.preprocessors.register(DisplayMath(md), "display_math", 22)
        md.inlinePatterns.register(InlineMath(r":math:`([^`]+)`", md), "role_math", 195)
        md.inlinePatterns.register(
            InlineMath(r"(?<![\\$\w])\$([^$\s][^$]*)\$(?!\w)", md), "math", 185
        )


def on_config(config):
    """Add the extension to those of mkdocs.yml."""
    config.markdown_extensions.append(Math())
    return config
