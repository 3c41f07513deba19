#!/usr/bin/python3
"""Writes jmespath_vectors.json, which jmespath_test.cc replays: what Debian's python3-jmespath makes of expressions, those
written down here and those made by chance (with a fixed seed).

    /usr/bin/python3 tests/agent/model/record_jmespath.py > tests/agent/model/jmespath_vectors.json

Where the Go implementation differs from Python's the cases follow Go: < <= > >= compare numbers only; expressions that take a
slice of a string, which is null in Python, are left out.
"""

import json
import random
import sys

import jmespath
import jmespath.visitor

jmespath.visitor._is_comparable = lambda x: isinstance(x, (int, float)) and not isinstance(x, bool)
sliced_strings = []
visit_slice = jmespath.visitor.TreeInterpreter.visit_slice


def visit_slice_and_tell(self, node, value):
    if isinstance(value, str):
        sliced_strings.append(value)
    return visit_slice(self, node, value)


jmespath.visitor.TreeInterpreter.visit_slice = visit_slice_and_tell

WEB = {
    "level": "info", "status": 200, "took": 1.25, "ok": True, "none": None, "empty": "", "user-agent": "curl/8",
    "request": {"method": "GET", "path": "/api/v1/items", "headers": [{"name": "Host", "value": "a.example"},
                                                                     {"name": "Accept", "value": "*/*"}]},
    "tags": ["web", "prod", "eu"], "sizes": [512, 0, 1024, -3, 2.5],
    "nested": [[1, 2], [3, [4, 5]], 6, [], None],
    "people": [{"name": "Ada", "age": 36, "team": "a", "tags": ["x", "y"]},
               {"name": "Bob", "age": 21, "team": "b", "tags": []},
               {"name": "Cyd", "age": 36, "team": "a"},
               {"name": "Dan", "age": 54, "team": "b", "tags": ["z"]}],
    "ops": {"one": {"n": 1}, "two": {"n": 2}, "none": {"m": 3}, "flat": 7},
    "text": "Grüße, 世界", "number": "12.5", "list of": {"a b": 1, "é": 2},
    "bools": [True, False], "objects": [{"a": 1}, {"a": {"b": 2}}, {"b": 3}, {}], "deep": {"a": {"b": {"c": {"d": [0, {"e": "f"}]}}}},
}
DOCUMENTS = {"web": WEB, "array": [[0, 1, 2], {"a": [3]}, "s", None, {"a": {"a": 4}}], "scalar": 3, "string": "text", "null": None,
             "ten": list(range(10)), "empties": {"array": [], "object": {}, "string": "", "zero": 0, "no": False}}

EXPRESSIONS = {
    "web": r"""
level | status | took | ok | none | empty | absent | request.method | request.absent | request.absent.more | level.more
"user-agent" | "list of"."a b" | "list of"."é" | "list of"."\u00e9" | request . path | request.headers[0].name
request.headers[-1].name | request.headers[2] | request.headers[-3] | tags[0] | tags[-1] | tags[3] | level[0] | request[0]
deep.a.b.c.d[1].e | deep.*.b | deep.*.*.c | ops.*.n | ops.* | ops.*.n | tags[*] | people[*].name | people[*].tags | people[*].tags[*]
people[*].tags[] | people[].tags[] | people[*].absent | people[*].[name, age] | people[*].{n: name, a: age} | people[].name
people[0:2].name | people[::2].name | people[-2:].name | people[::-1].name | people[1].name | people[:1][0].name
tags[1:] | tags[:2] | tags[:-1] | tags[-2:] | tags[5:] | tags[:0] | tags[::-1] | tags[2:0:-1] | tags[-1:-3:-1] | tags[0:3:2]
nested[] | nested[][] | nested[*][] | nested[*][0] | nested[][0] | nested[0][1] | nested[-1] | nested[1][1][0]
people[?age > `30`].name | people[?age >= `36`].name | people[?age < `36`].name | people[?age <= `36`].name | people[?age == `36`].name
people[?age != `36`].name | people[?name == 'Ada'] | people[?team == 'a' && age > `30`].name | people[?team == 'b' || age > `50`].name
people[?!tags].name | people[?tags].name | people[?tags[0] == 'x'].name | people[?contains(tags || `[]`, 'y')].name
people[?name > 'B'].name | people[?starts_with(name, 'A')] | people[? team=='a' ] | people[?age > `30`][0] | people[?age > `30`] | [0]
people[?age > `30`].tags[] | people[?age > `30`].tags[0] | people[?absent == `null`].name | people[?(age > `30` && team == 'b')].name
objects[?a].a | objects[?a.b].a.b | objects[*].a.b | objects[*].a | objects[?b == `3`] | objects[?@ == `{}`]
[level, status] | [level, [status, took]] | {l: level, s: status} | {"a b": level} | request.[method, path] | request.{m: method, "x": path}
request.headers[*].[name, value] | request.headers[*].{k: name} | request.[headers[0].name, absent] | absent.[a, b] | absent.{a: b}
level || 'x' | empty || 'x' | absent || 'x' | none || absent || 'last' | status && level | empty && level | absent && level
!level | !empty | !absent | !status | !ok | !!ok | !(ok && empty) | ok && !empty && level | absent || empty | `[]` || `0`
'raw' | 'it\'s' | 'a\b' | 'a"b' | '' | `"json"` | `1` | `-1.5` | `1e2` | `true` | `null` | `[1, "a"]` | `{"a": [1]}` | `"a\`b"`
@ | @.level | level | @ | request | method | people[*].name | [0] | people[*].tags | [0] | people[*] | [0].name | tags | [1:] | ops.* | [0]
status == `200` | status == `200.0` | status == '200' | status != `200` | level == 'info' | none == `null` | absent == `null` | tags == `["web", "prod", "eu"]`
request.headers[0] == `{"value": "a.example", "name": "Host"}` | status > `100` | status > level | level > 'a' | status < `100` || took > `1`
abs(`-3`) | abs(`-2.5`) | abs(status) | avg(sizes) | avg(`[]`) | ceil(took) | ceil(`-1.5`) | ceil(`2`) | floor(took) | floor(`-1.5`)
contains(tags, 'web') | contains(tags, 'x') | contains(level, 'nf') | contains(level, 'x') | contains(nested, `[1, 2]`) | contains(sizes, `512`)
ends_with(level, 'fo') | ends_with(level, 'x') | starts_with(level, 'in') | starts_with(level, 'x') | starts_with(level, '')
join('-', tags) | join('', tags) | join('-', `[]`) | join(', ', people[*].name) | keys(request) | keys(`{}`) | values(request) | values(ops.one)
length(tags) | length(level) | length(request) | length(text) | length('') | length(`[]`) | length(people[?age > `30`])
map(&age, people) | map(&tags[0], people) | map(&absent, people) | map(&@, tags) | map(&[0], nested) | map(&length(@), tags)
max(sizes) | max(tags) | max(`[]`) | min(sizes) | min(tags) | min(`[]`) | max_by(people, &age).name | min_by(people, &age).name | max_by(people, &name).name
max_by(`[]`, &a) | min_by(people, &length(name)).name | merge(request, `{"path": 1}`) | merge(`{"a": 1}`, `{"b": 2}`, `{"a": 3}`) | merge(`{}`)
not_null(absent, none, level) | not_null(absent) | not_null(empty, level) | reverse(tags) | reverse(level) | reverse(text) | reverse(`[]`)
sort(tags) | sort(sizes) | sort(`[]`) | sort_by(people, &age)[*].name | sort_by(people, &name)[-1].name | sort_by(`[]`, &a) | sort_by(people, &length(team))[0].name
sum(sizes) | sum(`[]`) | sum(people[*].age) | sum(map(&length(@), tags)) | to_array(level) | to_array(tags) | to_array(none) | to_array(`0`)
to_number('12') | to_number(number) | to_number('x') | to_number(status) | to_number(tags) | to_number(none) | to_number('-1.5e2') | to_number(ok) | to_number('')
to_string(status) | to_string(level) | to_string(tags) | to_string(request) | to_string(ok) | to_string(none) | to_string(took) | to_string(nested)
type(status) | type(took) | type(level) | type(tags) | type(request) | type(ok) | type(none) | type(absent)
people[*].type(age) | people[*].length(name) | people[0].to_string(age) | sizes[?@ > `0`] | sizes[?@ > `0`] | length(@) | tags[?@ != 'web']
people[?length(tags || `[]`) > `0`].{name: name, first: tags[0]} | people[*].{name: name, old: age > `40`} | sort(people[*].name) | [-1]
people[?age > `20`] | [?team == 'a'] | [*].name | ops.*.[n] | ops.*.{n: n} | *.n | *.one | [*] | [] | [0] | deep.*.*.*.d[] | deep.a.*.c.d[1:][].e
people[*].tags[?@ == 'x'] | people[*].tags[?@ == 'x'][] | people[].[name, tags[0]][] | nested[?type(@) == 'array'][] | (tags)[0] | (people[*].name)[0] | (people[*]).name
people[*].name[0] | people[*].tags[0] | people[*].tags[0:1] | people[*].tags[0:1][] | ok == `true` | bools[?@] | bools[?!@] | request.headers[?name == 'Host'].value | [0]
""",
    "array": "@ | [0] | [0][1] | [1].a | [1].a[0] | [*] | [] | [*].a | [].a | [*].a.a | [?a] | [?a].a | [-1].a.a | [2] | [3] | length(@) | [0:2] | [*][0] | *",
    "scalar": "@ | a | [0] | * | [*] | [] | [@] | {a: @} | @ == `3` | [?@] | a.b | to_string(@) | type(@) | abs(@) | @ > `2`",
    "string": "@ | a | length(@) | reverse(@) | [0] | contains(@, 'ex') | [*] | type(@)",
    "null": "@ | a | [0] | [@] | {a: @} | * | not_null(@, 'x') | type(@) | !@ | [] | a || 'b' | to_array(@)",
    "ten": " | ".join(f"[{a}:{b}:{c}]" for a in ("", "0", "2", "-3", "-20", "20") for b in ("", "0", "7", "-1", "-20", "20")
                      for c in ("", "1", "3", "-1", "-2")),
    "empties": "array[0] | array[*] | array[] | object.* | string || 'x' | zero || 'x' | no || 'x' | zero && 'y' | !zero | !array | !object | array[?@] | max(array) | keys(object)",
}

ERRORS = r"""
a. | .a | a..b | [ | ] | a[ | a[0 | a[b] | a[] ] | a[?] | a[?b | a[?b == ] | {a} | {a: } | {a: b | {} | [a, | [a,] | (a | a) | a b
a | | | a | a || | a && | ! | & | &a | a == | == a | a = b | "a | 'a | `a | `{` | `bad | a[0:1:2:3] | a[0:b] | a[1.5] | a.0 | 0 | -1 | a-b | - | a[-]
"a"(b) | nope(a) | abs() | abs(`1`, `2`) | length() | map(people, &a) | sort_by(people, name) | max_by(&a, people) | merge() | not_null()
abs('a') | abs(absent) | avg(tags) | avg(level) | ceil('x') | contains(`1`, 'a') | contains(absent, 'a') | ends_with(level, `1`) | join(`1`, tags) | join('a', sizes)
keys(tags) | keys(absent) | length(`1`) | length(none) | length(ok) | map(&a, level) | max(`[1, "a"]`) | max(request) | max_by(people, &absent) | max_by(people, &tags)
min_by(objects, &a) | merge(tags) | reverse(`1`) | sort(`["a", 1]`) | sort(`[true]`) | sort_by(people, &tags) | sort_by(objects, &a) | sum(tags) | sum(`1`) | values(tags)
starts_with(`1`, 'a') | floor(none) | a[::0] | tags[::0] | # | a # b | a ~ b | a; b | $a | a.[ | a.{ | a.(b) | a.'b' | a.`1` | *a | a* | [*]a | a[*]b | @@ | @a | a@
""".replace("\n", " ")


def made_by_chance(rng, depth):
    """An expression over the keys of WEB."""
    names = ["people", "tags", "sizes", "request", "headers", "name", "age", "team", "level", "status", "absent", "ops", "n", "nested",
             "deep", "a", "b", "objects"]
    if depth <= 0:
        return rng.choice([rng.choice(names)] * 8 + ["@", "`1`", "`36`", "'a'", "`null`", "`[]`", "'Ada'"])
    inner = lambda: made_by_chance(rng, depth - 1 - rng.randrange(2))
    kind = rng.randrange(17)
    if kind <= 2:
        return f"{inner()}.{rng.choice(names)}"
    if kind == 3:
        return f"{inner()}[{rng.randrange(-3, 4)}]"
    if kind == 4:
        return f"{inner()}[*]"
    if kind == 5:
        return f"{inner()}[]"
    if kind == 6:
        return f"{inner()}.*"
    if kind == 7:
        bounds = [rng.choice(["", str(rng.randrange(-4, 5))]) for _ in range(2)]
        return f"{inner()}[{bounds[0]}:{bounds[1]}{rng.choice(['', ':2', ':-1'])}]"
    if kind == 8:
        return f"{inner()}[?{inner()} {rng.choice(['==', '!=', '<', '>='])} {inner()}]"
    if kind == 9:
        return f"{inner()}[?{inner()}]"
    if kind == 10:
        return f"{inner()} {rng.choice(['||', '&&', '|'])} {inner()}"
    if kind == 11:
        return f"!{inner()}"
    if kind == 12:
        return f"({inner()})"
    if kind == 13:
        return f"[{inner()}, {inner()}]"
    if kind == 14:
        return f"{inner()}.{{x: {inner()}, y: {inner()}}}"
    if kind == 15:
        call = rng.choice(["length({})", "type({})", "to_array({})", "keys({})", "values({})", "not_null({}, {})", "sort({})", "reverse({})",
                           "max({})", "sum({})", "to_string({})", "map(&{}, {})", "sort_by({}, &{})", "contains({}, {})"])
        return call.format(*[inner() for _ in range(call.count("{}"))])
    return f"{inner()}.[{inner()}, {rng.choice(names)}]"


def case(document, expression):
    try:
        result = jmespath.search(expression, document)
        json.dumps(result)  # an &expression by itself cannot be
    except (jmespath.exceptions.JMESPathError, ValueError, TypeError):
        return {"expression": expression, "error": True}
    return {"expression": expression, "result": result}


def split(text):
    """Around the bars that stand between blanks and are not part of an expression: a pipe is written ' | ' as well, so only
    expressions that are written in a list of their own hold one."""
    return [part.strip() for line in text.split("\n") for part in line.split(" | ") if part.strip()]


PIPES = ["people[*].name | [0]", "people[*].tags | [0]", "people[*] | [0].name", "tags | [1:]", "ops.* | [0]", "people[?age > `30`] | [0]",
         "sort(people[*].name) | [-1]", "sizes[?@ > `0`] | length(@)", "request.headers[?name == 'Host'].value | [0]", "request | method",
         "people[?age > `20`] | [?team == 'a'] | [*].name", "tags|[0]", "absent | [0]", "people | sort_by(@, &age) | [*].name | [0]",
         "tags | [0] || 'x'", "[tags, sizes] | [0][1]", "people[*].name | length(@)", "@ | level"]


def main():
    rng = random.Random(20240101)
    groups = []
    for name, document in DOCUMENTS.items():
        expressions = split(EXPRESSIONS[name])
        if name == "web":
            expressions += PIPES
            wrong = split(ERRORS)
            expressions += wrong + ["a |", "| a", "a | | b"]
        cases = [case(document, e) for e in dict.fromkeys(expressions)]
        if name == "web":
            for c in cases:
                # Python takes what is no JSON in backticks for a string; Go does not. A step of 0 is found early.
                if c["expression"] in ("`{`", "a[::0]"):
                    c.pop("result")
                    c["error"] = True
        if name in ("web", "array"):
            seen = set()
            while len(seen) < (500 if name == "web" else 60):
                e = made_by_chance(rng, rng.randrange(1, 5))
                sliced_strings.clear()
                made = case(document, e)
                if sliced_strings:
                    continue
                size = len(json.dumps(made))
                if e in seen or size > 600:
                    continue
                # Half of what chance makes finds nothing; a few of those are enough.
                if made.get("result", 1) in (None, [], {}) and rng.random() < 0.8:
                    continue
                seen.add(e)
                cases.append(made)
        groups.append({"name": name, "document": document, "cases": cases})
    print('[')
    for i, group in enumerate(groups):
        print(' {"name": %s, "document": %s, "cases": [' % (json.dumps(group["name"]), json.dumps(group["document"])))
        print(",\n".join("  " + json.dumps(c) for c in group["cases"]))
        print(" ]}" + ("," if i + 1 < len(groups) else ""))
    print(']')
    print(sum(len(g["cases"]) for g in groups), "cases,", sum("error" in c for g in groups for c in g["cases"]), "errors", file=sys.stderr)


main()
