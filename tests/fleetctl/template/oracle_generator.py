"""Random templates from a grammar, with a random context each."""

NAMES = ["a", "b", "c", "items", "x"]
SCALARS = [0, 1, -3, 7, 2.5, "", "a", "b a", "Zed", "it's", None, True, False, "1", "\u00e9\n"]
FILTERS = ["upper", "lower", "default('d')", "default(0, true)", "string", "length", "int", "float(1.5)", "list", "first", "last", "join('-')", "sort", "unique", "reverse", "to_json", "bool", "trim", "title",
           "capitalize", "replace('a', 'o')", "map('string')|list", "select|list", "reject('none')|list", "quote", "b64encode", "to_nice_json", "flatten", "ternary('t', 'f')", "type_debug", "abs", "round(1)", "max", "min",
           "sum", "tojson", "e", "indent(2)", "regex_replace('[ab]', '<\\\\g<0>>')", "dictsort", "dict2items", "batch(2)|list", "to_yaml", "to_nice_yaml", "wordcount", "center(9)", "truncate(4, true, '', 0)", "format", "difference([1])",
           "union(['a'])", "hash('md5')", "comment", "split", "urlencode", "map('default', 'q')|list", "selectattr('a')|list", "groupby(0)|list", "combine({'z': 1})", "from_json", "items|list"]
TESTS = ["defined", "none", "string", "number", "mapping", "sequence", "iterable", "odd", "even", "true", "in [1, 'a']", "eq 1", "not none", "not defined", "integer", "boolean", "float", "lower", "upper", "contains('a')", "match('a')", "truthy"]
OPERATORS = ["+", "-", "*", "//", "%", "~", "==", "!=", "<", ">=", "in", "and", "or", "/"]
METHODS = ["upper()", "split('a')", "strip()", "items()", "keys()", "get('a')", "get('zz', 1)", "startswith('a')", "find('a')", "count('a')", "title()", "zfill(4)", "replace('a', 'bb')", "format(1)", "values()", "isdigit()", "join(['p', 'q'])", "partition(' ')", "splitlines()"]


def value(r, depth=0):
    kind = r.random()
    if depth > 2 or kind < 0.6:
        return r.choice(SCALARS)
    if kind < 0.8:
        return [value(r, depth + 1) for _ in range(r.randrange(4))]
    return {r.choice(["a", "b", "k 1", "items"]): value(r, depth + 1) for _ in range(r.randrange(4))}


def literal(r):
    return r.choice(["1", "2", "0", "-1", "'a'", "'b c'", "\"q\"", "none", "true", "false", "[1, 2]", "['a', 'b']", "{'a': 1}", "(1, 'a')", "2.5", "[]", "{}", "''", "'%s'", "'{}'"])


def expression(r, depth=0):
    kind = r.random()
    if depth > 3 or kind < 0.25:
        return r.choice(NAMES + ["missing"]) if r.random() < 0.7 else literal(r)
    if kind < 0.5:
        return f"{operand(r, depth)}|{r.choice(FILTERS)}"
    if kind < 0.62:
        return f"{operand(r, depth)} {r.choice(OPERATORS)} {operand(r, depth)}"
    if kind < 0.7:
        return f"{operand(r, depth)} is {r.choice(TESTS)}"
    if kind < 0.78:
        return f"{operand(r, depth)}.{r.choice(METHODS)}"
    if kind < 0.84:
        return f"{operand(r, depth)}{r.choice(['[0]', '[-1]', '.a', '.b.c', '[1:]', '[::-1]', '[:2]', chr(91) + chr(39) + 'a' + chr(39) + chr(93)])}"
    if kind < 0.9:
        return f"{operand(r, depth)} if {operand(r, depth)} else {operand(r, depth)}"
    if kind < 0.95:
        return f"[{operand(r, depth)}, {operand(r, depth)}]"
    return f"not {operand(r, depth)}"


def operand(r, depth):
    text = expression(r, depth + 1)
    return text if text.isidentifier() else f"({text})"


def tag(r, text):
    return "{%" + r.choice(["", "", "", "-", "+"]) + " " + text + " " + r.choice(["", "", "", "-"]) + "%}"


def body(r, depth=0):
    out = []
    for _ in range(r.randrange(1, 4)):
        kind = r.random()
        if kind < 0.3:
            out.append(r.choice(["text", "\n", "  ", "a b\n  c", "\n\n", "{", "}", "#", "%"]))
        elif kind < 0.6 or depth > 2:
            out.append("{{" + r.choice(["", "", "-"]) + " " + expression(r) + " " + r.choice(["", "", "-"]) + "}}")
        elif kind < 0.7:
            out.append(tag(r, f"if {expression(r)}") + body(r, depth + 1) + (tag(r, "else") + body(r, depth + 1) if r.random() < 0.5 else "") + tag(r, "endif"))
        elif kind < 0.8:
            out.append(tag(r, f"for x in {expression(r)}") + body(r, depth + 1) + r.choice(["{{ loop.index }}", "{{ x }}", "", "{{ loop.last }}"]) + tag(r, "endfor"))
        elif kind < 0.88:
            out.append(tag(r, f"set {r.choice(NAMES)} = {expression(r)}"))
        elif kind < 0.92:
            out.append("{#" + r.choice(["", "-"]) + " note " + r.choice(["", "-"]) + "#}")
        elif kind < 0.96:
            out.append(tag(r, "macro m(p, q=1)") + body(r, depth + 1) + "{{ p|default('-') }}{{ q }}" + tag(r, "endmacro") + "{{ m(" + r.choice(["", "1", "a", "1, 2", "q=3"]) + ") }}")
        else:
            out.append(tag(r, f"with w = {expression(r)}") + "{{ w|default('u') }}" + body(r, depth + 1) + tag(r, "endwith"))
    return "".join(out)


def templates(r, count):
    for _ in range(count):
        context = {name: value(r) for name in NAMES if r.random() < 0.9}
        if r.random() < 0.5:
            yield "{{ " + expression(r) + " }}", context
        else:
            yield body(r), context
