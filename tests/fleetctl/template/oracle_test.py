#!/usr/bin/python3
"""Renders the same templates with ours (render_case, the only argument) and with the real Ansible and Jinja2, compares bytes.
Exit status 77: the oracles are not installed (Debian: python3-jinja2, ansible-core)."""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import warnings

warnings.simplefilter("ignore")
os.environ["ANSIBLE_LOCALHOST_WARNING"] = "False"

try:
    import jinja2
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import AnsibleEnvironment, Templar
    from ansible.utils.display import Display
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

try:
    import jmespath
except ImportError:
    jmespath = None

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle_cases as cases  # noqa: E402
import oracle_generator as generator  # noqa: E402
import oracle_typed as typed  # noqa: E402



def differs_on_purpose(source, context, ours, theirs):
    """The only differences that are meant."""
    if theirs.get("out") == source and re.search("{[{%]", source):
        return True  # a failing constant expression makes Ansible print the template itself
    if source.rstrip().endswith(("{#", "{#-", "{#+")) and "error" in ours:
        return True  # a comment opened by the last characters: we say that it is not closed
    # An undefined value that reaches a filter of Ansible's or lies in a list there becomes Python's text of it: an error here.
    undefined = re.match(r"case:\d+:\d+: '(\w+)' is undefined", ours.get("message", ""))
    if undefined and (undefined[1] == "missing" or (undefined[1] in generator.NAMES and undefined[1] not in context)):
        return True
    if re.search("has no (attribute '[abc]'|element)", ours.get("message", "")):
        return True
    if "error" in ours and "ansibleunde" in re.sub("[^a-z]", "", str(theirs.get("out")).lower()):
        return True
    if "cannot be sliced" in ours.get("message", ""):
        return True  # Jinja2 makes an undefined value of it where everything is a constant, else an error
    if "Markup" in str(theirs) or "NativeJinjaText" in str(theirs.get("out")):
        return True  # Python's classes of text
    # dict.items() and its kin are views in Python and lists here, which shows only in their own text;
    # an undefined value inside a list that becomes text is Python's repr of it there and an error here.
    return "dict_items" in str(theirs) or "dict_keys" in str(theirs) or "dict_values" in str(theirs) or "ansibleundefined" in str(theirs.get("out")).lower()


def ansible_file(folder, source, context):
    templar = Templar(loader=DataLoader(), variables=json.loads(json.dumps(context)))
    templar = templar.copy_with_new_env(AnsibleEnvironment, searchpath=[folder], newline_sequence="\n", available_variables=json.loads(json.dumps(context)))
    if jmespath is not None:  # what community.general.json_query calls
        templar.environment.filters["json_query"] = lambda data, expression: jmespath.search(expression, data)
    # A fresh environment: `#jinja2:` lines and caches must not leak from case to case.
    return templar.do_template(source, preserve_trailing_newlines=True, escape_backslashes=False, convert_data=False)


def ansible_variable(variables, name):
    return Templar(loader=DataLoader(), variables=variables).template(variables[name])


def jinja_plain(source, context, settings):
    options = {k: v for k, v in settings.items() if k not in ("ansible", "lenient_undefined")}
    undefined = jinja2.Undefined if settings.get("lenient_undefined") else jinja2.StrictUndefined
    environment = jinja2.Environment(loader=jinja2.DictLoader(cases.TEMPLATES), undefined=undefined, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], **options)
    return environment.from_string(source).render(json.loads(json.dumps(context)))


def attempt(function, *arguments):
    try:
        return {"out": function(*arguments)}
    except RecursionError as error:
        return {"error": "recursion", "message": str(error)[:200]}
    except Exception as error:  # any failure of the oracle is a failure of the case
        return {"error": type(error).__name__, "message": str(error)[:200]}


Display.warning = lambda self, *arguments, **options: None


def all_cases(folder):
    made = []

    def file_case(source, context=cases.CONTEXT):
        made.append((dict(source=source, context=context, templates=cases.TEMPLATES), lambda: attempt(ansible_file, folder, source, context)))

    for expression in cases.EXPRESSIONS:
        if jmespath is None and "json_query" in expression:
            continue
        file_case("{{ " + expression + " }}")
    for document in cases.DOCUMENTS + cases.ERRORS:
        file_case(document)
    for made_by, count in ((generator, "5000"), (typed, "5000")):
        for source, context in made_by.templates(random.Random(int(os.environ.get("ORACLE_SEED", "20"))), int(os.environ.get("ORACLE_GENERATED", count))):
            file_case(source, context)
    for expression, known in cases.ADDRESSES:
        made.append((dict(source="{{ " + expression + " }}", context={}), lambda k=known: {"error": "known"} if k is None else {"out": k}))
    for variables, name in cases.VARIABLES + cases.VARIABLE_ERRORS:
        made.append((dict(source=variables[name], context=variables, mode="variable"), lambda v=variables, n=name: attempt(ansible_variable, json.loads(json.dumps(v)), n)))
    for document in cases.DOCUMENTS + cases.PLAIN:
        for settings in cases.SETTINGS:
            if document.startswith("#jinja2") or "lookup(" in document or "ansible" in document:
                continue
            if any(word in document for word in ("to_json", "ternary", "comment", "regex_", "undef(", "type_debug", "dict2items", "vars is")):
                continue
            made.append((dict(source=document, context=cases.CONTEXT, templates=cases.TEMPLATES, settings=settings), lambda d=document, s=settings: attempt(jinja_plain, d, cases.CONTEXT, s)))
    return made


def main():
    passed, failed = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in cases.TEMPLATES.items():
            with open(os.path.join(folder, name), "w", newline="") as file:
                file.write(text)
        made = all_cases(folder)
        run = subprocess.run([sys.argv[1]], input=json.dumps([case for case, _ in made]), capture_output=True, text=True, check=True)
        for (case, oracle), ours in zip(made, json.loads(run.stdout)):
            theirs = oracle()
            if "error" in theirs or "error" in ours:
                good = "error" in theirs and "error" in ours
            elif "value" in ours:
                good = json.dumps(ours["value"]) == json.dumps(theirs["out"])
            else:
                good = ours["out"] == theirs["out"]
            if good or (isinstance(case["source"], str) and differs_on_purpose(case["source"], case["context"], ours, theirs)):
                passed += 1
            else:
                failed.append((case, ours, theirs))
    for case, ours, theirs in failed[: int(os.environ.get("ORACLE_SHOW", "20"))]:
        print("---", json.dumps(case["source"]), json.dumps(case.get("settings", "")), case.get("mode", ""))
        if case["context"] is not cases.CONTEXT:
            print("  context", json.dumps(case["context"]))
        print("  ours  ", json.dumps(ours))
        print("  theirs", json.dumps(theirs, default=repr))
    print(f"oracle: {passed} of {passed + len(failed)} cases agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
