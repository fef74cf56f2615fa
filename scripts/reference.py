"""Makes the reference pages of the site from the docstrings of the code, at each build (a mkdocs hook)."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import runstone
from runstone.service.operation import operations

NOTE = "This page is made from the code at each build."
# A fence with a title is Markdown of another kind than the site's; the title goes above it.
TITLED = re.compile(r'^( *)```(\w+) title="([^"]+)"$', re.M)
SECTION = re.compile(r"(Args|Returns|Raises):")
ENTRY = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*): (.*)")


def on_files(files: Any, config: Any) -> Any:
    """Add the reference pages to those of `docs/`; mkdocs calls this.

    A page that has no place in the site's order comes last in its last part.
    """
    from mkdocs.structure.files import File  # an extra: only who builds the site needs it

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    placed = str(config["nav"])
    (last,) = config["nav"][-1].values()
    last += sorted(page.src_uri for page in files.documentation_pages() if repr(page.src_uri) not in placed)
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Show the name of a file above what is in it; mkdocs calls this."""
    return TITLED.sub(r"\1`\3`:\n\n\1```\2", markdown)


def pages() -> dict[str, str]:
    """The reference pages, by their name under `docs/`."""
    return {
        "reference/sdk.md": _page("The SDK", _classes()),
        "reference/exceptions.md": _page("Exceptions", _exceptions()),
        "reference/commands.md": _page("Commands", _commands()),
        "reference/operations.md": _page("Operations", _operations()),
    }


def public_classes() -> dict[str, type]:
    """What `runstone` names for its users."""
    return {name: getattr(runstone, name) for name in sorted(runstone.__all__) if not name.startswith("_")}


def resources() -> dict[str, type]:
    """The resource classes of the service, by the name under which a service has them."""
    found = {}
    for module in _modules("runstone.service"):
        for name, member in inspect.getmembers(module, inspect.isclass):
            if member.__module__ == module.__name__ and any(operations(member)):
                found[name.lower()] = member
    return found


def commands() -> dict[str, Any]:
    """Every command of the command line, by the words that a person types."""
    import click  # only for this page

    module = importlib.import_module("runstone.cli.commands")
    groups = [member for member in vars(module).values() if isinstance(member, click.Group)]
    found: dict[str, Any] = {}
    for group in groups[:1]:
        found.update(_walk("runstone", group))
    return found


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class, those of its own bases too, by name."""
    for name in sorted(dir(cls)):
        member = inspect.getattr_static(cls, name)
        inner = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        ours = str(getattr(inner, "__module__", "")).startswith("runstone")
        if ours and callable(inner) and (not name.startswith("_") or name == "__init__"):
            yield name, member


def _modules(package: str) -> Iterator[Any]:
    root = importlib.import_module(package)
    for found in pkgutil.iter_modules(root.__path__, f"{package}."):
        yield importlib.import_module(found.name)


def _walk(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "list_commands", None)
    if below is None:
        yield words, command
        return
    with command.make_context(words, [], resilient_parsing=True) as context:
        for name in sorted(below(context)):
            yield from _walk(f"{words} {name}", command.get_command(context, name))


def _page(title: str, parts: Iterator[str]) -> str:
    return "\n\n".join([f"# {title}", NOTE, *parts]) + "\n"


def _classes() -> Iterator[str]:
    for name, cls in public_classes().items():
        yield f"## {name}"
        yield _prose(cls)
        for member, value in members(cls):
            yield from _member(name, member, value)


def _member(owner: str, name: str, value: Any) -> Iterator[str]:
    inner = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    called = owner if name == "__init__" else f"{owner}.{name}"
    yield f"### {called}"
    if not isinstance(value, property):
        yield _code(f"{called}{_signature(inner)}")
    if name != "__init__" or inner.__doc__:
        yield _prose(inner)


def _exceptions() -> Iterator[str]:
    module = importlib.import_module("runstone.exceptions")
    for name in sorted(module.__all__):
        yield f"## {name}"
        yield _prose(getattr(module, name))


def _commands() -> Iterator[str]:
    for words, command in commands().items():
        yield f"## {words}"
        with command.make_context(words, [], resilient_parsing=True) as context:
            yield _code(command.get_help(context), language="text")


def _operations() -> Iterator[str]:
    for name, resource in resources().items():
        yield f"## {name}"
        yield _prose(resource)
        for operation, route, method in operations(resource):
            yield f"### {name}.{operation}"
            yield f"`{route.verb} {route.path}`"
            yield _code(f"{name}.{operation}{_signature(method)}")
            yield _prose(method)


def _prose(documented: Any) -> str:
    """A docstring as Markdown: its sections become lists."""
    lines: list[str] = []
    inside = False
    for line in (inspect.getdoc(documented) or "").splitlines():
        opened = SECTION.fullmatch(line)
        inside = bool(opened) or (inside and not line[:1].strip())
        if opened:
            lines += [f"**{opened[1]}**", ""]
        else:
            lines.append(ENTRY.sub(r"- `\1`: \2", line.strip()) if inside else line)
    return "\n".join(lines)


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [part for name, part in signature.parameters.items() if name not in {"self", "cls"}]
    return str(signature.replace(parameters=parameters)).replace("'", "")


def _code(text: str, language: str = "python") -> str:
    return f"```{language}\n{text}\n```"
