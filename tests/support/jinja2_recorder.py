"""A pytest plugin that writes down what Jinja2's own tests render, for other engines to repeat.

    JINJA2_CASES=cases.json PYTHONPATH=<this folder> python3 -m pytest -p jinja2_recorder <Jinja2's source>/tests

Each case is what a test gave to Jinja2 (source, context as a Python literal, templates of its loader, settings) and what came of
it: a text, or the class of an error. Only what a file can hold is written: tests that bring Python objects, own filters or own
classes of environments are counted under the reason why they are left out. Asynchronous environments render the same text.
"""

import collections
import json
import os
import re

import jinja2
from jinja2 import defaults, loaders

SETTINGS = ("block_start_string", "block_end_string", "variable_start_string", "variable_end_string", "comment_start_string",
            "comment_end_string", "line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks", "newline_sequence",
            "keep_trailing_newline")
KNOWN_EXTENSIONS = {"jinja2.ext.ExprStmtExtension", "jinja2.ext.LoopControlExtension"}

cases = []
left_out = collections.Counter()
running = None


def is_plain(value):
    """Whether its repr is a literal that other programs can read."""
    if type(value) in (list, tuple):
        return all(map(is_plain, value))
    if type(value) is dict:
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    return type(value) in (type(None), bool, int, float, str)


def plain_context(source, context):
    """The context as literals: a range is its numbers, and what the template does not name may be anything."""
    context = {name: list(value) if type(value) is range else value for name, value in context.items()}
    return {name: value for name, value in context.items() if is_plain(value) or re.search(r"\b" + re.escape(name) + r"\b", source)}


def templates_of(environment):
    """The loader's templates by name; None when it is another kind of loader."""
    loader = environment.loader
    if loader is None:
        return {}
    if isinstance(loader, loaders.DictLoader) and is_plain(dict(loader.mapping)):
        return dict(loader.mapping)
    return None


def obstacle(environment):
    """Why nobody else can repeat what this environment does; None when they can."""
    if type(environment) is not jinja2.Environment:
        return "another class of environment"
    if {type(e).__module__ + "." + type(e).__name__ for e in environment.extensions.values()} - KNOWN_EXTENSIONS:
        return "extensions"
    if environment.autoescape is not False:
        return "autoescape"
    if environment.finalize is not None:
        return "finalize"
    if environment.undefined not in (jinja2.Undefined, jinja2.StrictUndefined):
        return "another class of undefined values"
    if environment.filters != defaults.DEFAULT_FILTERS or environment.tests != defaults.DEFAULT_TESTS:
        return "own filters or tests"
    if environment.globals != defaults.DEFAULT_NAMESPACE or environment.policies != defaults.DEFAULT_POLICIES:
        return "own globals or policies"
    if templates_of(environment) is None:
        return "another kind of loader"
    return None


def record(environment, source, context, result):
    reason = obstacle(environment)
    if reason is None and not isinstance(source, str):
        reason = "the source is no text"
    if reason is None:
        context = plain_context(source, context)
        reason = None if is_plain(context) else "Python objects"
    if reason is not None:
        left_out[reason] += 1
        return
    settings = {name: getattr(environment, name) for name in SETTINGS if getattr(environment, name) is not None}
    settings["ansible"] = False
    settings["lenient_undefined"] = environment.undefined is jinja2.Undefined
    cases.append({"test": running, "source": source, "literal": repr(context), "templates": templates_of(environment),
                  "settings": settings, **result})


def watch(name):
    """Environment.from_string and get_template: remembers with the template what it was made of."""
    original = getattr(jinja2.Environment, name)

    def watched(self, given, *words, **more):
        source = given
        if name == "get_template":
            source = (templates_of(self) or {}).get(given) if isinstance(given, str) else None
        special = bool(more.get("globals") or any(words))
        try:
            template = original(self, given, *words, **more)
        except jinja2.TemplateSyntaxError as error:
            record(self, None if special else source, {}, {"error": type(error).__name__})
            raise
        template.recorded = None if special else (self, source)
        return template

    setattr(jinja2.Environment, name, watched)


def watch_render():
    original = jinja2.Template.render

    def watched(self, *words, **more):
        known = getattr(self, "recorded", None)
        if known and dict(self.globals) != dict(self.environment.globals):
            known = None
            left_out["own globals or policies"] += 1
        try:
            context = dict(*words, **more)
        except (TypeError, ValueError):
            known = None
        try:
            text = original(self, *words, **more)
        except Exception as error:
            if known:
                record(*known, context, {"error": type(error).__name__})
            raise
        if known:
            record(*known, context, {"out": str(text)})
        return text

    jinja2.Template.render = watched


def pytest_configure(config):
    watch("from_string")
    watch("get_template")
    watch_render()


def pytest_runtest_setup(item):
    global running
    running = item.nodeid


def pytest_sessionfinish(session, exitstatus):
    once = {json.dumps({key: case[key] for key in case if key != "test"}, sort_keys=True): case for case in reversed(cases)}
    with open(os.environ["JINJA2_CASES"], "w") as file:
        json.dump({"cases": list(reversed(list(once.values()))), "left_out": left_out}, file)
