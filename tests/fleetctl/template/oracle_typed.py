"""Random expressions whose types fit, so that most of them render, with arguments at the edges.

A type is a letter: s text, i integer, f float, b truth, l texts, n numbers, r records, d dict.
Left out because they differ on purpose (docs/render.md): integers beyond 64 bits, complex numbers, version_type='pep440'.
"""
STR = ["", "a", "b a", "Zed", "it's", "é\n", "x=1;y=2", "  pad\t", "10.0.0.1", "UPPER lower", "a,b,,c", "line1\nline2\n\nline4", "ß ǆ Σ ﬁ", "%", "{}", "\\d+", "C:\\x\\y", "/a/b.tar.gz", "1.10", "007", "-5", "3.50", "true", "no", "日本", "a\tb", "<b>&\"'", "tab\x0bx\x1c", "aA", "e\u0301", "--", "1_0", "0x1F", "$x ${y}", "z\r\ny\rx"]
INT = [0, 1, -1, 2, 3, 7, -3, 10, 100, 255, 4096, 65536, -77, 5]
FLT = [0.0, 1.0, -0.5, 2.5, 1e7, 1e-5, 3.14159, 0.1, 1e-9, -2.675, 100.0, 1.5, 123456.789]

def lit(r, v):
    return repr(v) if not isinstance(v, (str, bool, type(None))) else ({True: "true", False: "false", None: "none"}[v] if not isinstance(v, str) else jstr(v))
def jstr(v):
    out = ""
    for c in v:
        if c == "\\": out += "\\\\"
        elif c == "'": out += "\\'"
        elif c == "\n": out += "\\n"
        elif c == "\t": out += "\\t"
        elif c == "\r": out += "\\r"
        elif ord(c) < 32 or ord(c) in (0x2028,): out += "\\u%04x" % ord(c)
        else: out += c
    return "'" + out + "'"

def ctx(r):
    words = [r.choice(STR) for _ in range(r.randrange(5))]
    recs = [{k: v for k, v in dict(name=r.choice(STR), age=r.choice([1, 2, 3, 30, 30]), on=r.choice([True, False]), tags=[r.choice("abc") for _ in range(r.randrange(3))], sub={"k": r.choice(STR), "n": r.randrange(4)}).items() if r.random() < 0.93} for _ in range(r.randrange(4))]
    return dict(s=r.choice(STR), t=r.choice(STR), i=r.choice(INT), j=r.choice([0, 1, 2, 3, -1, -2]), f=r.choice(FLT), b=r.choice([True, False]), l=words, n=[r.choice([r.randrange(-5, 6), r.choice([1.5, -0.5, 2.0])]) for _ in range(r.randrange(6))],
                r=recs, d={r.choice(["a", "b", "c", "k 1", "items", "B", "é"]): r.choice([r.choice(STR), r.randrange(9), None, True, [1, "x"], {"x": {"y": r.randrange(3)}}, 1.5]) for _ in range(r.randrange(5))}, z=None)

def pick(r, *makers):
    return r.choice(makers)()

def E(r, ty, depth=0):
    """an operand: always safe to put anything after"""
    if depth > 3 or r.random() < 0.3:
        v = {"s": "st", "i": "ij", "f": "f", "b": "b", "l": "l", "n": "n", "r": "r", "d": "d"}[ty]
        if r.random() < 0.75 or ty in "rd":
            return r.choice(v)
        if ty == "s": return jstr(r.choice(STR))
        if ty == "i": return str(abs(r.choice(INT)))
        if ty == "f": return r.choice(["1.5", "0.25", "2e3", "1e-7", "10.0"])
        if ty == "b": return r.choice(["true", "false"])
        if ty == "l": return "[" + ", ".join(jstr(r.choice(STR)) for _ in range(r.randrange(4))) + "]"
        return "[" + ", ".join(str(r.randrange(-3, 9)) for _ in range(r.randrange(5))) + "]"
    return "(" + RULES[ty](r, depth + 1) + ")"

def any_(r, d): return E(r, r.choice("siifbslnrd"), d)
def small(r): return str(r.choice([0, 1, 2, 3, 5, 8, 12, 30, -1, -2]))
def sl(r):
    g = lambda: r.choice(["", "", small(r)])
    return "[" + g() + ":" + g() + r.choice(["", "", ":" + r.choice(["", "1", "2", "-1", "-2", "3"])]) + "]"
PAT = ["a", "[a-z]+", "(\\\\w)(\\\\d)?", "\\\\s+", "^.", ".$", "(?i)A", "(?P<n>[a-z])", "\\\\b", "x*", "", "(a|b)+", "[^a]", "\\\\.", "(?<=a)b", "\\\\d{1,2}", ".", "\\\\W", "(?m)^l", "é", "a??", "(.)(.)", "$", "[[:alpha:]]", "\\\\Z", "\\\\u00e9", "(?s).+", "(?x) a b"]
REP = ["", "X", "<\\\\g<0>>", "\\\\1", "\\\\\\\\", "\\\\g<n>", "a b", "\\\\n", "$1", "\\\\2\\\\1"]
def q(x): return "'" + x + "'"

def spec(r):
    return r.choice(["", "<", ">", "^", "*<", "0>", "x^", "="]) + r.choice(["", "", "+", " ", "-"]) + r.choice(["", "", "#"]) + r.choice(["", "0"]) + r.choice(["", "", "3", "8", "12"]) + r.choice(["", "", ",", "_"]) + r.choice(["", "", ".0", ".2", ".5", ".10"])

def s_rule(r, d):
    S = lambda: E(r, "s", d); I = lambda: E(r, "i", d); L = lambda: E(r, "l", d); N = lambda: E(r, "n", d); F = lambda: E(r, "f", d); A = lambda: any_(r, d); R = lambda: E(r, "r", d); D = lambda: E(r, "d", d); B = lambda: E(r, "b", d)
    return pick(r,
        lambda: f"{S()}|{r.choice(['upper','lower','title','capitalize','trim','string','reverse','striptags','urlencode','escape','forceescape','quote','b64encode','basename','dirname','regex_escape','to_json','tojson','to_nice_json','to_yaml','to_nice_yaml','comment','pprint','safe','md5','sha1','checksum','hash','to_uuid','win_basename','win_dirname','urlize','expandvars','escape|length|string','list|join','string|length|string', 'urldecode', 'type_debug', 'mandatory', 'wordcount|string', 'e|e', 'expanduser'])}",
        lambda: f"{S()}.{r.choice(['upper','lower','title','capitalize','swapcase','casefold','strip','lstrip','rstrip','isalnum','isdecimal','isidentifier','isprintable','isascii','isnumeric','istitle','splitlines','split','rsplit','expandtabs'])}()",
        lambda: f"{S()}.{r.choice(['strip','lstrip','rstrip','find','count','split','rsplit','startswith','endswith','partition','rpartition','removeprefix','removesuffix','rfind'])}({q(r.choice(['a', 'b', ' ', 'x=', 'li', 'é', ',', '/', '.']))})",
        lambda: f"{S()}.{r.choice(['center','ljust','rjust'])}({small(r)}{r.choice(['', ', ' + q(r.choice(['*', '0', 'é']))])})",
        lambda: f"{S()}.zfill({small(r)})",
        lambda: f"{S()}.splitlines({r.choice(['', 'true', 'keepends=true'])})",
        lambda: f"{S()}.{r.choice(['split', 'rsplit'])}({r.choice(['none', q(','), q(' '), 'sep=none', q('a')])}, {r.choice(['1', '2', '-1', '0', 'maxsplit=1'])})",
        lambda: f"{S()}.replace({q(r.choice(['a', '', 'li', ' ']))}, {S()}{r.choice(['', ', 1', ', 0', ', -1'])})",
        lambda: f"{S()}.{r.choice(['find', 'rfind', 'count', 'index', 'startswith', 'endswith'])}({q(r.choice(['a', '', 'e', ' ']))}, {small(r)}{r.choice(['', ', ' + small(r)])})",
        lambda: f"{S()}{sl(r)}", lambda: f"{S()}[{r.choice(['0', '-1', '1'])}]|default('?')",
        lambda: f"{A()} ~ {A()}", lambda: f"{S()} + {S()}", lambda: f"{S()} * {r.choice(['0', '2', '3', '-1', 'j'])}",
        lambda: f"{r.choice(['l', 'n', L(), N()])}|join({r.choice(['', q(', '), q('é'), 's', 'd=' + q('-'), '1', 'none'])})",
        lambda: f"{R()}|join({q(',')}, attribute={q('name')})" if r.random() < .5 else f"{R()}|map(attribute={q(r.choice(['name', 'sub.k', 'tags.0', 'zz']))}, default={r.choice(['1', q('x'), 'none'])})|join({q('|')})",
        lambda: f"{S()}|replace({q(r.choice(['a', '', ' ', 'l']))}, {r.choice([S(), I()])}{r.choice(['', ', 1', ', count=2', ', 0', ', none'])})",
        lambda: f"{S()}|{r.choice(['center', 'indent', 'wordwrap', 'truncate'])}({small(r)})",
        lambda: f"{S()}|indent({r.choice([small(r), q('> '), 'width=3'])}, {r.choice(['true', 'false', 'first=true', 'blank=true', 'true, true'])})",
        lambda: f"{S()}|truncate({r.choice(['3', '5', '9', '12'])}, {r.choice(['true', 'false'])}, {q(r.choice(['', '.', '...']))}{r.choice(['', ', 0', ', 3', ', leeway=5'])})",
        lambda: f"{S()}|wordwrap({r.choice(['1', '3', '5', '9'])}, {r.choice(['true', 'false', 'break_long_words=false', 'wrapstring=' + q('|'), 'break_on_hyphens=false', 'true, ' + q('~')])})",
        lambda: f"{S()}|regex_replace({q(r.choice(PAT))}, {q(r.choice(REP))}{r.choice(['', ', ignorecase=true', ', multiline=true', ', true', ', true, true'])})",
        lambda: f"{S()}|regex_search({q(r.choice(PAT))}{r.choice(['', ', ignorecase=true', ', multiline=true', ', ' + q(chr(92)*2 + '1'), ', ' + q(chr(92)*2 + 'g<n>')])})",
        lambda: f"{S()}|regex_findall({q(r.choice(PAT))}{r.choice(['', ', multiline=true', ', ignorecase=true'])})|{r.choice(['string', 'length|string', 'list|string', 'to_json'])}",
        lambda: f"{A()}|{r.choice(['string', 'to_json', 'to_nice_json', 'tojson', 'to_yaml', 'to_nice_yaml', 'pprint', 'type_debug', 'to_json(indent=2)', 'to_nice_yaml(indent=2)', 'to_yaml(width=20)', 'tojson(2)', 'to_nice_json(indent=1, sort_keys=false)', 'to_json(sort_keys=true, separators=[' + q(',') + ',' + q(':') + '])', 'to_yaml(default_flow_style=true)', 'to_yaml(default_flow_style=false)', 'to_nice_yaml(width=20)', 'to_yaml(explicit_start=true)', 'to_yaml(allow_unicode=false)', 'to_nice_json(ensure_ascii=false)'])}",
        lambda: f"{q(r.choice(['%s', '%5s|', '%-5s|', '%r', '%.2s', '%%%s', '%10.3s', '%a']))}|format({A()})",
        lambda: f"{q(r.choice(['%d', '%5d|', '%-5d|', '%+d', '%05d', '%x', '%#o', '%i', '% d', '%.3d', '%X', '%e', '%.3f', '%g', '%s', '%u']))} % {r.choice([I(), 'j', '(j,)'])}",
        lambda: f"{q(r.choice(['%d', '%.0f', '%.10g', '%e', '%G', '%08.2f', '%+.1f', '%#.3g', '%s', '%r', '%5.1f%%']))} % {r.choice([F(), F()])}",
        lambda: f"'{{:{spec(r)}{r.choice(['', 'd', 'x', 'b', 'o', 'X', 'f', 'e', 'g', '%', 'n'])}}}'.format({r.choice([I(), 'j'])})",
        lambda: f"'{{:{spec(r)}{r.choice(['', 'f', 'e', 'g', '%', 'G', 'F', 'E'])}}}'.format({F()})",
        lambda: f"'{{:{spec(r)}{r.choice(['', 's'])}}}'.format({S()})",
        lambda: f"'{{0}}-{{1!r}}-{{0!s:>4}}-{{k[a]}}-{{1.x}}'.format({S()}, {A()}, k=d)" if r.random() < .2 else f"'{{}}-{{!r}}{{x}}'.format({A()}, {A()}, x={A()})",
        lambda: f"{L()}|{r.choice(['first', 'last', 'min', 'max'])}|default('none')",
        lambda: f"{S()} if {B()} else {S()}", lambda: f"{S()}|default({S()}, true)", lambda: f"d.{r.choice('abz')}|default({S()})|string",
        lambda: f"{B()}|ternary({S()}, {S()})", lambda: f"{I()}|string", lambda: f"{F()}|string",
        lambda: f"{I()}|{r.choice(['filesizeformat', 'human_readable', 'filesizeformat(true)', 'human_readable(isbits=true)'])}",
        lambda: f"{S()}|hash({q(r.choice(['md5', 'sha1', 'sha256', 'sha512', 'sha224', 'sha384', 'blake2b' ]))})",
        lambda: f"{S()}|comment({r.choice([q('c'), q('xml'), q('cblock'), q('erlang'), 'decoration=' + q('; '), 'prefix=' + q('x') + ', prefix_count=2, postfix=' + q('y'), q('plain') + ', newline=' + q('|'), 'end=' + q('E') + ', beginning=' + q('B')])})",
        lambda: f"{S()}|string|urlsplit({q(r.choice(['path', 'scheme', 'hostname', 'query', 'netloc', 'fragment']))})",
        lambda: f"{D()}|{r.choice(['urlencode', 'xmlattr', 'dictsort|string', 'items|list|string', 'dict2items|string', 'list|string', 'length|string'])}",
        lambda: f"{q(',')}.join({L()})", lambda: f"lookup('vars', {q(r.choice('stl'))})|string", lambda: f"{S()}|b64encode|b64decode", lambda: f"{S()}|to_json|from_json", lambda: f"{A()}|to_yaml|from_yaml|string",
        lambda: f"(1, {A()})|string", lambda: f"{{{A()}: 1}}|string" if r.random() < .3 else f"{{'k': {A()}}}|string")

def i_rule(r, d):
    S = lambda: E(r, "s", d); I = lambda: E(r, "i", d); L = lambda: E(r, r.choice("ln"), d); N = lambda: E(r, "n", d); F = lambda: E(r, "f", d); A = lambda: any_(r, d); B = lambda: E(r, "b", d)
    return pick(r, lambda: f"{I()} {r.choice(['+', '-', '*'])} {I()}", lambda: f"{I()} {r.choice(['//', '%'])} {r.choice(['2', '3', '-2', '7', 'i', '10', '-3'])}", lambda: f"{r.choice(['j', '2', '-2', '10', I()])} ** {r.choice(['0', '1', '2', '3', '3', '2'])}", lambda: f"-{I()}", lambda: f"{A()}|int", lambda: f"{S()}|int({r.choice(['7', '-1', 'none', 'base=16', '0, 16', '0, 8', '0, 0', 'default=3', '5, base=2'])})",
        lambda: f"{S()}|length", lambda: f"{L()}|{r.choice(['length', 'count'])}", lambda: f"{N()}|{r.choice(['sum', 'max', 'min', 'first', 'last'])}|default(0)", lambda: f"{N()}|sum(start={I()})", lambda: f"{I()}|abs", lambda: f"{F()}|{r.choice(['int', 'round|int', 'round(0, ' + q('ceil') + ')|int', 'round(0, ' + q('floor') + ')|int'])}",
        lambda: f"{S()}|wordcount", lambda: f"{I()} if {B()} else {I()}", lambda: f"{B()} + {I()}", lambda: f"{I()}|pow({r.choice(['2', '3', '0', '1'])})", lambda: f"{I()}|round({r.choice(['0', '1', '-1', '-2'])})", lambda: f"r|sum(attribute='age')" if r.random() < .2 else f"r|map(attribute='age', default=0)|sum", lambda: f"+{I()}", lambda: f"{r.choice(['[1, 2, 3]', N()])}.{r.choice(['count(1)', 'index(1)'])}", lambda: f"range({small(r)}, {small(r)}, {r.choice(['1', '2', '-1', '3'])})|{r.choice(['length', 'sum', 'list|length', 'first|default(0)', 'sum'])}")

def f_rule(r, d):
    I = lambda: E(r, "i", d); F = lambda: E(r, "f", d); N = lambda: E(r, "n", d); S = lambda: E(r, "s", d)
    return pick(r, lambda: f"{F()} {r.choice(['+', '-', '*'])} {r.choice([F(), I()])}", lambda: f"{r.choice([F(), I()])} / {r.choice(['2', '3', 'f', '7.5', '-4', 'i'])}", lambda: f"{F()} {r.choice(['//', '%'])} {r.choice(['2', '0.3', '-2', '-1.5'])}", lambda: f"{r.choice([F(), I(), S()])}|float", lambda: f"{S()}|float({r.choice(['1.5', 'none', '2'])})", lambda: f"{F()}|round({r.choice(['0', '1', '2', '3', '-1', '-2', '15'])}{r.choice(['', ', ' + q('ceil'), ', ' + q('floor'), ', ' + q('common')])})", lambda: f"-{F()}", lambda: f"{F()}|abs", lambda: f"{I()}|{r.choice(['log', 'log(10)', 'log(2)', 'root', 'root(3)', 'root(4)'])}", lambda: f"{F()}|pow({r.choice(['2', '3', '-1'])})", lambda: f"{F()} ** {r.choice(['2', '3', '0'])}", lambda: f"{r.choice(['2', '10', I()])} ** {r.choice(['-1', '-2', '3'])}", lambda: f"[f, 1.5]|{r.choice(['max', 'min', 'sum'])}")

def b_rule(r, d):
    S = lambda: E(r, "s", d); I = lambda: E(r, "i", d); L = lambda: E(r, "l", d); N = lambda: E(r, "n", d); F = lambda: E(r, "f", d); A = lambda: any_(r, d); B = lambda: E(r, "b", d); D = lambda: E(r, "d", d)
    cmp = lambda: r.choice(["==", "!=", "<", ">", "<=", ">="])
    return pick(r, lambda: f"{S()} {cmp()} {S()}", lambda: f"{r.choice([I(), F()])} {cmp()} {r.choice([I(), F(), B()])}", lambda: f"{L()} {cmp()} {L()}", lambda: f"{N()} {cmp()} {N()}", lambda: f"{A()} {r.choice(['==', '!='])} {A()}", lambda: f"{S()} {r.choice(['in', 'not in'])} {r.choice([S(), L(), D()])}", lambda: f"{A()} {r.choice(['in', 'not in'])} {r.choice([L(), N(), '(1, ' + A() + ')'])}", lambda: f"not {A()}", lambda: f"{B()} {r.choice(['and', 'or'])} {B()}",
        lambda: f"{A()} is {r.choice(['', 'not '])}{r.choice(['defined', 'none', 'string', 'number', 'mapping', 'sequence', 'iterable', 'integer', 'float', 'boolean', 'true', 'false', 'truthy', 'falsy', 'truthy(convert_bool=true)', 'falsy(convert_bool=true)', 'callable', 'escaped', 'sameas none', 'undefined', 'in [1, ' + q('a') + ', none]', 'eq 1', 'ne ' + q('a'), 'sameas true'])}",
        lambda: f"{S()} is {r.choice(['lower', 'upper', 'match(' + q(r.choice(PAT)) + ')', 'search(' + q(r.choice(PAT)) + ', ignorecase=true)', 'regex(' + q(r.choice(PAT)) + ', multiline=true)', 'regex(' + q(r.choice(PAT)) + ', match_type=' + q('fullmatch') + ')', 'contains(' + q('a') + ')', 'in ' + q('abc'), 'url', 'urn', 'uri', 'abs', 'vault_encrypted'])}",
        lambda: f"{q(r.choice(['1.10', '1.9', '2.0.0-rc1', '1.0a1', '1.2.3+b', '1', '10', 'v1.2', '1.2-3']))} is version({q(r.choice(['1.10', '1.9.0', '2.0.0', '1.0', '1.2.3', '1.1', '0']))}, {q(r.choice(['<', '>', '==', 'ge', 'le', 'eq', 'ne', '!=', '>=', 'gt']))}{r.choice(['', '', ', strict=true', ', version_type=' + q('semver'), ', version_type=' + q('loose')])})",
        lambda: f"{r.choice(['j', 'i'])} is {r.choice(['odd', 'even', 'divisibleby(3)', 'divisibleby 2', 'gt 1', 'le 5', 'lt i', 'ge j'])}", lambda: f"{A()}|bool", lambda: f"{L()} is {r.choice(['subset(l)', 'superset([' + q('a') + '])', 'any', 'all', 'contains(s)', 'issubset(l)'])}", lambda: f"{I()} < {I()} {r.choice(['<', '<=', '==', '!=', '>'])} {I()}", lambda: f"{F()} is {r.choice(['nan', 'float', 'gt 1'])}", lambda: f"d.{r.choice('abz')}{r.choice(['', '.x', '.x.y'])} is {r.choice(['defined', 'undefined', 'defined and d.a'])}")

def l_rule(r, d):
    S = lambda: E(r, "s", d); L = lambda: E(r, "l", d); R = lambda: E(r, "r", d); D = lambda: E(r, "d", d); I = lambda: E(r, "i", d)
    return pick(r, lambda: f"{L()}|{r.choice(['sort', 'sort(reverse=true)', 'sort(case_sensitive=true)', 'unique', 'unique(case_sensitive=true)', 'unique(true)', 'list', 'reverse|list', 'map(' + q('upper') + ')|list', 'map(' + q('trim') + ')|list', 'select|list', 'reject(' + q('match') + ', ' + q('^a') + ')|list', 'select(' + q('search') + ', ' + q('[ab]') + ')|list', 'map(' + q('regex_replace') + ', ' + q('^') + ', ' + q('- ') + ')|list', 'reject(' + q('equalto') + ', ' + q('a') + ')|list', 'map(' + q('length') + ')|map(' + q('string') + ')|list', 'flatten', 'unique|sort', 'map(' + q('replace') + ', ' + q('a') + ', ' + q('o') + ')|list', 'map(' + q('first') + ')|select(' + q('string') + ')|list', 'select(' + q('in') + ', ' + q('a b a') + ')|list', 'map(' + q('default') + ', ' + q('z') + ', true)|list', 'map(' + q('int') + ')|map(' + q('string') + ')|list', 'map(' + q('quote') + ')|list', 'map(' + q('center') + ', 4)|list'])}",
        lambda: f"{S()}.split({r.choice(['', q(','), q('a')])})", lambda: f"{S()}|split({r.choice(['', q(','), q(' ')])})", lambda: f"{S()}.splitlines()", lambda: f"{S()}|list", lambda: f"{L()} + {L()}", lambda: f"{L()}{sl(r)}", lambda: f"{L()} * {r.choice(['0', '2', '-1'])}", lambda: f"{L()}|{r.choice(['union', 'difference', 'intersect', 'symmetric_difference'])}({L()})|{r.choice(['sort', 'list|sort', 'sort'])}", lambda: f"{L()}|zip({L()})|map('join', '-')|list", lambda: f"{L()}|product({L()})|map('join')|list", lambda: f"{D()}|list|map('string')|list", lambda: f"{D()}.{r.choice(['keys', 'values', 'items'])}()|map('string')|list", lambda: f"{D()}|dictsort{r.choice(['', '(true)', '(by=' + q('value') + ')', '(reverse=true)'])}|map('first')|map('string')|list", lambda: f"{L()}|batch({r.choice(['2', '3', '2, ' + q('x')])})|map('join', '+')|list", lambda: f"{L()}|slice({r.choice(['2', '3', '2, ' + q('x')])})|map('join', '+')|list",
        lambda: f"{R()}|{r.choice(['selectattr', 'rejectattr'])}({r.choice([q('on'), q('name') + ', ' + q('defined'), q('age') + ', ' + q('defined'), q('sub.n') + ', ' + q('defined'), q('tags') + ', ' + q('defined'), q('on') + ', ' + q('true'), q('on') + ', ' + q('sameas') + ', true', q('name') + ', ' + q('search') + ', ' + q('a')])})|map(attribute='name', default='-')|list", lambda: f"{R()}|groupby({r.choice([q('age') + ', default=0', q('name') + ', ' + q('') , q('name') + ', default=' + q('z') + ', case_sensitive=true'])})|map('first')|map('string')|list", lambda: f"{R()}|map(attribute='tags', default=[])|{r.choice(['flatten', 'sum(start=[])'])}", lambda: f"{R()}|selectattr('{r.choice(['age', 'name'])}', 'defined')|sort(attribute='age')|map(attribute='name', default='?')|list" if r.random() < .5 else f"{R()}|selectattr('name', 'defined')|sort(attribute='name', reverse={r.choice(['true', 'false'])}, case_sensitive={r.choice(['true', 'false'])})|map(attribute='name')|list",
        lambda: f"[{S()}, {S()}, {I()}|string]", lambda: f"{L()}|permutations(2)|map('join')|list", lambda: f"{L()}|combinations(2)|map('join')|list", lambda: f"query('list', s, t)", lambda: f"{S()}|regex_findall('.')", lambda: f"{S()}|regex_search('(a)(.)', '\\\\1', '\\\\2')|default([], true)", lambda: f"l|zip_longest(n, fillvalue={r.choice(['none', q('-')])})|map('string')|list", lambda: f"{R()}|subelements('tags', skip_missing=true)|map('last')|list", lambda: f"l|map('extract', d)|map('default', '~')|map('string')|list" if r.random() < .2 else f"l|unique|list", lambda: f"{L()}|select('ne', {S()})|list")

def n_rule(r, d):
    N = lambda: E(r, "n", d); L = lambda: E(r, "l", d); I = lambda: E(r, "i", d)
    return pick(r, lambda: f"{N()}|{r.choice(['sort', 'sort(reverse=true)', 'unique', 'reverse|list', 'map(' + q('abs') + ')|list', 'select(' + q('gt') + ', 0)|list', 'reject(' + q('lt') + ', 2)|list', 'map(' + q('round') + ')|list', 'map(' + q('int') + ')|list', 'map(' + q('pow') + ', 2)|list', 'map(' + q('float') + ')|list', 'map(' + q('string') + ')|map(' + q('float') + ')|list', 'union([1, 2.0])', 'difference([1])', 'intersect([1, 2])', 'symmetric_difference([1, -5])', 'flatten'])}", lambda: f"{N()}{sl(r)}", lambda: f"{N()} + {N()}", lambda: f"{L()}|map('length')|list", lambda: f"range({small(r)})|list", lambda: f"[{I()}, {I()}]", lambda: f"{N()}|batch(2, 0)|map('sum')|list", lambda: f"{N()}|slice(2, 0)|map('sum')|list")

def r_rule(r, d):
    R = lambda: E(r, "r", d); D = lambda: E(r, "d", d); S = lambda: E(r, "s", d)
    return pick(r, lambda: f"{R()}{sl(r)}", lambda: f"{R()} + {R()}", lambda: f"[{{'name': {S()}, 'age': 1}}]", lambda: f"{R()}|reverse|list", lambda: f"{R()}|map('combine', {{'name': {S()}}})|list", lambda: f"{R()}|{r.choice(['selectattr', 'rejectattr'])}('{r.choice(['on', 'age'])}', 'defined')|list", lambda: f"{D()}|dict2items(key_name='name', value_name='age')", lambda: f"{R()}|unique|list", lambda: f"{R()}|selectattr('age', 'defined')|{r.choice(['sort(attribute=' + q('age') + ')', 'sort(attribute=' + q('age') + ', reverse=true)', 'unique(attribute=' + q('age') + ')|list'])}")

def d_rule(r, d):
    R = lambda: E(r, "r", d); D = lambda: E(r, "d", d); S = lambda: E(r, "s", d); A = lambda: any_(r, d); L = lambda: E(r, "l", d); N = lambda: E(r, "n", d)
    return pick(r, lambda: f"{D()}|combine({D()}{r.choice(['', ', recursive=true', ', recursive=true, list_merge=' + q('append'), ', list_merge=' + q('prepend_rp')])})", lambda: f"{{{S()}: {A()}, 'k': {A()}}}", lambda: f"dict({L()}|zip({N()}))", lambda: f"dict(a={A()}, b={A()})", lambda: f"{D()}|dict2items|items2dict", lambda: f"{D()}.copy()", lambda: f"{R()}|first|default({{}})", lambda: f"{D()}|dictsort|rejectattr('0', 'in', ['a'])|list|items2dict(key_name=0, value_name=1)" if r.random() < .3 else f"dict({D()}|dictsort)", lambda: f"{D()}|to_json|from_json", lambda: f"{D()}|to_yaml|from_yaml", lambda: f"dict({D()}.items())", lambda: f"d|dict2items|selectattr('value')|items2dict", lambda: f"{{1: {A()}, none: {A()}, true: 2, 1.5: 3, (1, 2): 4}}")

RULES = dict(s=s_rule, i=i_rule, f=f_rule, b=b_rule, l=l_rule, n=n_rule, r=r_rule, d=d_rule)

def templates(r, count):
    for _ in range(count):
        yield "{{ " + RULES[r.choice("sssifbllnrd")](r, 0) + " }}", ctx(r)
