"""Random templates from a grammar, with a random context each."""

NAMES = ["a", "b", "c", "items", "x"]
SCALARS = [0, 1, -3, 7, 2.5, "", "a", "b a", "Zed", "it's", None, True, False, "1", "\u00e9\n"]
FILTERS = ["upper", "lower", "default('d')", "default(0, true)", "string", "length", "int", "float(1.5)", "list", "first", "last", "join('-')", "sort", "unique", "reverse", "to_json", "bool", "trim", "title",
           "capitalize", "replace('a', 'o')", "map('string')|list", "select|list", "reject('none')|list", "quote", "b64encode", "to_nice_json", "flatten", "ternary('t', 'f')", "type_debug", "abs", "round(1)", "max", "min",
           "sum", "tojson", "e", "indent(2)", "regex_replace('[ab]', '<\\\\g<0>>')", "dictsort", "dict2items", "batch(2)|list", "to_yaml", "to_nice_yaml", "wordcount", "center(9)", "truncate(4, true, '', 0)", "format", "difference([1])",
           "union(['a'])", "hash('md5')", "comment", "split", "urlencode", "map('default', 'q')|list", "selectattr('a')|list", "groupby(0)|list", "combine({'z': 1})", "from_json", "items|list", "map('upper')|list", "map(attribute='a', default='d')|list", "rejectattr('a', 'defined')|list", "selectattr('a', 'eq', 1)|map(attribute='a')|list", "sort(reverse=true)",
           "sort(attribute='a')", "slice(2)|list", "intersect(['a', 1])", "symmetric_difference(['b'])", "zip([1, 2])|list", "regex_search('[a-c]+')", "regex_findall('.')", "regex_escape", "basename", "dirname", "splitext",
           "hash('sha1')", "checksum", "b64encode|b64decode", "to_uuid", "string|urlsplit('path')", "human_readable", "pow(2)", "log(10)", "items2dict", "subelements('a', skip_missing=true)",
           "string|urlencode", "xmlattr", "striptags", "escape", "filesizeformat", "wordwrap(5)", "default", "default(none)", "d('x', boolean=true)", "ternary('a', 'b', 'n')", "mandatory", "to_json(indent=1)", "from_yaml",
           "to_nice_yaml(indent=2)", "tojson(indent=1)", "win_basename", "unique|sort", "count", "last|default('e')", "attr('a')", "map('first')|list", "map('int')|sum", "select('odd')|list", "select('string')|list",
           "reject('in', [1, 'a'])|list", "regex_replace('(a)', '\\\\1\\\\1')", "extract({'a': 1, 1: 2})", "rekey_on_member('a')", "path_join", "round(0, 'floor')", "round(method='ceil')|int", "int(base=16)", "float", "sum(start=1)", "sum(attribute='a')",
           "combine({'a': {'q': 1}}, recursive=true)", "union([1])|unique", "max(attribute='a')", "groupby('a')|map('first')|list", "truncate(5)", "center", "replace('a', 'b', 1)", "title|length"]
TESTS = ["defined", "none", "string", "number", "mapping", "sequence", "iterable", "odd", "even", "true", "in [1, 'a']", "eq 1", "not none", "not defined", "integer", "boolean", "float", "lower", "upper", "contains('a')", "match('a')", "truthy", "falsy", "search('a', ignorecase=true)", "regex('^a')", "divisibleby(2)", "divisibleby 3", "sameas none", "subset([1, 'a', 'b'])", "superset([])", "any", "all", "escaped", "callable", "ne 1", "gt 0", "lt 'b'", "ge 1", "string or x is none",
         "version('1.0', '<')", "abs", "undefined", "false", "nan", "url", "uri", "urn"]
OPERATORS = ["+", "-", "*", "//", "%", "~", "==", "!=", "<", ">=", "in", "and", "or", "/"]
METHODS = ["upper()", "split('a')", "strip()", "items()", "keys()", "get('a')", "get('zz', 1)", "startswith('a')", "find('a')", "count('a')", "title()", "zfill(4)", "replace('a', 'bb')", "format(1)", "values()", "isdigit()", "join(['p', 'q'])", "partition(' ')", "splitlines()", "rsplit('a', 1)", "lstrip('a')", "rstrip()", "endswith('a')", "index('a')", "capitalize()", "swapcase()", "center(7, '*')", "ljust(5)", "rjust(5, '0')", "rfind('a')", "isalpha()", "isupper()", "lower()", "casefold()", "expandtabs()",
           "removeprefix('a')", "removesuffix('a')", "encode('utf-8')|b64encode", "copy()", "pop()", "append(1)", "extend([1])", "insert(0, 'i')", "remove('a')", "reverse()", "sort()", "update({'u': 1})", "setdefault('s', 2)", "clear()", "isspace()", "istitle()", "format_map({'a': 1})", "keys()|list", "values()|list|length"]


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
        elif kind < 0.85:
            out.append(tag(r, f"set {r.choice(NAMES)} = {expression(r)}"))
        elif kind < 0.88:
            out.append(construct(r, depth))
        elif kind < 0.92:
            out.append("{#" + r.choice(["", "-"]) + " note " + r.choice(["", "-"]) + "#}")
        elif kind < 0.96:
            out.append(tag(r, "macro m(p, q=1)") + body(r, depth + 1) + "{{ p|default('-') }}{{ q }}" + tag(r, "endmacro") + "{{ m(" + r.choice(["", "1", "a", "1, 2", "q=3"]) + ") }}")
        else:
            out.append(tag(r, f"with w = {expression(r)}") + "{{ w|default('u') }}" + body(r, depth + 1) + tag(r, "endwith"))
    return "".join(out)


def construct(r, depth):
    """One of the rarer statements, whole."""
    inner = lambda: body(r, depth + 1)
    kind = r.randrange(15)
    if kind == 0:
        return tag(r, f"set s{r.choice(['', '|upper', '|trim'])}") + inner() + tag(r, "endset") + "[{{ s }}]"
    if kind == 1:
        return tag(r, f"filter {r.choice(['upper', 'trim', 'indent(2)', 'replace(' + chr(39) + 'a' + chr(39) + ', ' + chr(39) + 'b' + chr(39) + ')'])}") + r.choice(["a b", "{{ 'b a' }}", " a\n b\n"]) + tag(r, "endfilter")
    if kind == 2:
        return tag(r, "macro c(p='z')") + "<{{ caller(p) if caller is defined else 'none' }}{{ varargs }}{{ kwargs }}>" + tag(r, "endmacro") + tag(r, f"call(v) c({r.choice(['', '1', 'a', 'p=2'])})") + "{{ v }}" + inner() + tag(r, "endcall")
    if kind == 3:
        return tag(r, "set ns = namespace(n=0, l=[])") + tag(r, f"for i in {expression(r)}") + tag(r, "set ns.n = ns.n + 1") + tag(r, "endfor") + "{{ ns.n }}"
    if kind == 4:
        return tag(r, f"for k, v in {r.choice(['(b if b is mapping else {}).items()', '{1: 2, 3: 4}|dictsort', '[[1, 2], (3, 4)]', 'a', '[[1]]'])}") + "{{ k }}={{ v }}{{ ',' if not loop.last }}" + tag(r, "else") + "none" + tag(r, "endfor")
    if kind == 5:
        return tag(r, "for x in [1, [2, [3, 4]], 5] recursive") + "{{ loop.depth }}:{{ loop(x) if x is sequence else x }}{{ ';' if not loop.last }}" + tag(r, "endfor")
    if kind == 6:
        return tag(r, f"for x in range({r.randrange(5)})") + "{{ loop.index }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.length }}{{ loop.previtem|default('-') }}{{ loop.nextitem|default('+') }}{{ loop.cycle('a', 'b') }}{{ loop.changed(x // 2) }}" + tag(r, "endfor")
    if kind == 7:
        return tag(r, f"for x in range(6) if x {r.choice(['is odd', '> 2', 'in [1, 5]', 'is even and x'])}") + "{{ loop.index }}.{{ x }} " + tag(r, "else") + "empty" + tag(r, "endfor")
    if kind == 8:
        return "{%" + r.choice(["", "-"]) + " raw %}{{ " + r.choice(["x", "{% y", "{# z"]) + " }}{%" + r.choice(["", "-"]) + " endraw " + r.choice(["", "-"]) + "%}"
    if kind == 9:
        return tag(r, f"set p, q = {r.choice(['1, 2', '[a, b]', '(c, x)', 'a', '{1: 2, 3: 4}'])}") + "{{ p }}{{ q }}"
    if kind == 10:
        return "{{ " + r.choice(["1 < 2 < 3", "1 < x <= 5", "not a and b or c", "a if b", "a is defined and a is string", "'%s-%s' % (a, b)", "'{0}{1}'.format(a, c)", "a ~ b ~ c", "-2 ** 2", "2 ** -1", "7 // -2", "-7 % 3", "[a, b][-1]", "'abc'[::-1]", "{'a': a}.a",
                                 "(1,)", "()", "1e3", "0x1f", "1_000", "'a' 'b'", "[1, 2] + [3]", "'ab' * 2", "[0] * 3", "1 in [1] == true", "a == b == c", "true and 1", "0 or ''", "not not a", "1 if a else 2 if b else 3", "a.b.c|default('deep')", "a['b']['c'] is defined"]) + " }}"
    if kind == 11:
        return tag(r, f"if {expression(r)}") + inner() + tag(r, f"elif {expression(r)}") + inner() + tag(r, "else") + inner() + tag(r, "endif")
    if kind == 12:
        return tag(r, "block z") + inner() + tag(r, "endblock") if depth == 0 and r.random() < 0.1 else "{{ self is defined }}{{ loop is defined }}{{ caller is defined }}"
    if kind == 13:
        return tag(r, f"with a = {expression(r)}, b = 2") + "{{ a }}{{ b }}" + inner() + tag(r, "endwith")
    return "{{ cycler('a', 'b').next() }}{{ joiner('|')() }}{{ dict(a=1, b=a) }}{{ range(1, 9, 3)|list }}"


def templates(r, count):
    for _ in range(count):
        context = {name: value(r) for name in NAMES if r.random() < 0.9}
        if r.random() < 0.5:
            yield "{{ " + expression(r) + " }}", context
        else:
            yield body(r), context
