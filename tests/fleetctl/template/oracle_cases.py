"""Templates that the oracle test renders with the real engines and with ours. CONTEXT is every case's context."""

CONTEXT = {
    "name": "puck", "empty": "", "one": 1, "zero": 0, "neg": -7, "pi": 3.14159, "big": 10**12, "yes": True, "no": False,
    "nothing": None, "words": ["pear", "apple", "Fig", "fig", "banana"], "nums": [3, 1, 2, 3, 1], "mixed": [1, "a", 2.5, None, True],
    "floats": [1.0, 2.5, -0.5, 1e16, 1e-5], "nested": [[1, 2], [3, [4, 5]], [], "x"], "quote": "it's \"quoted\"", "multi": "line one\nline two\n\nline four\n",
    "unicode": "gr\u00fc\u00df Gott \u20ac \U0001f600", "html": "<a href=\"x\">T & 'J'</a>", "path": "/etc/alloy/config.alloy.j2", "csv": "a, b,c ,,d",
    "d": {"b": 2, "a": 1, "c": {"x": [1, 2], "y": None}}, "keyed": {"items": "key", "keys": 5, "B": 1, "a": 2, "C": 3},
    "users": [{"name": "Ann", "age": 31, "tags": ["x", "y"], "addr": {"city": "Rome"}}, {"name": "bob", "age": 25, "tags": []},
              {"name": "Cid", "age": 31, "tags": ["z"], "admin": True}],
    "services": ["alloy", "docker"], "ports": {"angelia": 51401, "kairos": 51402}, "empty_list": [], "empty_dict": {},
    "version": "1.10.2", "b64": "aGVsbG8gd29ybGQ=", "json": '{"k": [1, 2.5, null, true], "s": "x"}', "spaces": "  both sides \t", "long": "the quick brown fox jumps over the lazy dog " * 4,
    "tree": [{"n": 1, "kids": [{"n": 2, "kids": []}, {"n": 3, "kids": [{"n": 4, "kids": []}]}]}, {"n": 5, "kids": []}],
    "numstr": "42", "floatstr": "3.7", "hex": "0x1f", "truestr": "true", "nostr": "no", "url": "https://user:pw@Example.com:8443/a/b?q=1&r=2#frag",
}

TEMPLATES = {
    "plain.j2": "[plain {{ name }}]\n",
    "sets.j2": "{% set inner = 'set inside' %}{{ inner }}",
    "macros.j2": "{% macro hello(who, greeting='Hello') %}{{ greeting }} {{ who }}!{% endmacro %}{% set constant = 42 %}{% set _hidden = 1 %}",
    "ctxmacro.j2": "{% macro show() %}{{ name }}{% endmacro %}",
    "base.j2": "<{% block title %}base{% endblock %}|{% block body %}body of {{ name }}{% endblock %}|{% block foot %}foot{% endblock %}>",
    "middle.j2": "{% extends 'base.j2' %}{% block title %}middle/{{ super() }}{% endblock %}",
    "loopitem.j2": "({{ item }}-{{ loop.index }})",
    "blockinc.j2": "{% block x %}inc{% endblock %}",
    "crlf.j2": "a\r\nb\r\n",
}

# Expressions, each rendered as {{ ... }}.
EXPRESSIONS = r"""
1 + 2 * 3
(1 + 2) * 3
7 / 2
6 / 2
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
2 ** 10
2 ** -1
2 ** 3 ** 2
-2 ** 2
7.5 // 2
-7.5 % 2
1e3
1.5e-7
10 ** 15 * 1.0
10 ** 16 * 1.0
0.1 + 0.2
1_000 + 0x1f + 0b101 + 0o17
1 == 1.0
true == 1
"a" < "b"
1 < 2 < 3
1 < 3 < 2
1 == 1 == 1
not true
not not 5
1 and 0
"" or "fallback"
0 and missing
1 or missing
"a" ~ 1 ~ none ~ true ~ 1.0
"a" + "b"
"ab" * 3
[1] * 3
[1, 2] + [3]
(1, 2) + (3,)
()
(1,)
(1)
[1, "a", none, true, 2.0, {"k": [1]}]
{"a": 1, "b": "it's", 3: 4.0, none: true}
{1: "a", 1.0: "b"}
"it's"
'say "hi"'
["it's", 'say "hi"', "both ' and \""]
["tab\t nl\n bs\\ u\u00e9 x\x01 del\x7f nbsp\xa0"]
"a\tb\nc\\d\x41\u0042\101"
name
name.upper()
name|upper
NAME|default("none")
missing.attr|default("deep")
missing.attr.more['x']|default("deeper")
d.a
d['b']
d.c.x[1]
d.c.y
d.nope|default("no key")
d.nope is defined
d.a is defined
keyed['items']
keyed.keys()|list
words[0]
words[-1]
words[1:3]
words[::-1]
words[:2]
words[-2:]
words[10]|default("past the end")
words.0
"abc"[1]
"abc"[-1]
"abcdef"[1:5:2]
"abcdef"[::-1]
unicode[1:4]
nums[5:1:-2]
name if yes else "other"
name if no else "other"
(name if no) is defined
"x" in "xyz"
"a" in d
3 in nums
"zz" not in words
not 3 in nums
none is none
nothing is none
one is odd
zero is even
9 is divisibleby 3
9 is divisibleby(4)
name is string
one is string
one is number
yes is number
pi is float
one is integer
yes is integer
yes is boolean
d is mapping
words is sequence
d is sequence
name is sequence
one is sequence
words is iterable
one is iterable
"abc" is lower
"ABC" is upper
missing is defined
missing is undefined
1 is sameas 1
yes is sameas true
one is sameas true
1 is eq 1
1 is ne 2
1 is lt 2
2 is gt 1
1 is in [1, 2]
1 is not in [1, 2]
"upper" is filter
"odd" is test
name is callable
[1,2] is contains 2
words is not contains "kiwi"
[true, false] is any
[true, false] is all
[1] is subset [1, 2]
[1, 2] is superset [1]
"abc" is match "b"
"abc" is search "b"
"abc" is match "A"
"abc" is match("A", ignorecase=true)
"abc" is regex "b$"
version is version("1.9", ">=")
version is version("1.10.2", "==")
version is version("2", "lt")
"1.2.3-alpha" is version("1.2.3", "<", version_type="semver")
"yes" is truthy
"no" is truthy(convert_bool=true)
"" is falsy
words|length
words|count
d|length
unicode|length
words|first
words|last
empty_list|first|default("none")
words|sort
words|sort(case_sensitive=true)
words|sort(reverse=true)
nums|sort
users|sort(attribute="age")|map(attribute="name")|list
users|sort(attribute="age,name")|map(attribute="name")|list
users|sort(attribute="name", case_sensitive=true)|map(attribute="name")|list
nums|unique
words|unique
words|unique(case_sensitive=true)
nested|unique
nums|unique|list
nums|sum
users|sum(attribute="age")
nums|sum(start=10)
nums|max
nums|min
words|max
users|max(attribute="age")
words|min
empty_list|max|default("no max")
words|join
words|join(", ")
nums|join("-")
users|join(", ", attribute="name")
mixed|join("|")
words|reverse|list
name|reverse
words|map("upper")
words|map("upper")|join(",")
words|map("replace", "a", "A")|list
users|map(attribute="name")
users|map(attribute="addr.city", default="?")|list
users|map(attribute="tags.0", default="-")|list
users|selectattr("admin", "defined")|map(attribute="name")|list
users|selectattr("age", "gt", 26)|map(attribute="name")|list
users|selectattr("age", "equalto", 31)|list|length
users|rejectattr("admin", "defined")|map(attribute="name")|join(" ")
nums|select("odd")
nums|select("gt", 1)|list
nums|reject("odd")|list
mixed|select|list
mixed|select("string")|list
mixed|reject("none")|list
users|groupby("age")
users|groupby("age")|map("first")|list
users|groupby("age")|map("last")|map("length")|list
users|groupby("name")|map(attribute="grouper")|list
words|groupby(0)|list
words|batch(2)|list
words|batch(2, "-")|list
nums|slice(2)|list
nums|slice(2, "x")|list
nums|slice(3)|map("sum")|list
nested|flatten
nested|flatten(levels=1)
[1, none, [2, none]]|flatten
[1, none, [2, none]]|flatten(skip_nulls=false)
d|dictsort
keyed|dictsort
keyed|dictsort(true)
keyed|dictsort(by="value", reverse=true)
d|dict2items
ports|dict2items(key_name="n", value_name="p")
[{"key": "a", "value": 1}]|items2dict
[{"k": "a", "v": 1}]|items2dict(key_name="k", value_name="v")
d|combine({"a": 9, "z": 1})
d|combine({"c": {"x": [9]}}, recursive=true)
d|combine({"c": {"x": [9]}}, recursive=true, list_merge="append")
d|combine({"c": {"x": [2]}}, recursive=true, list_merge="append_rp")
d|combine({"c": {"x": [2]}}, recursive=true, list_merge="prepend")
d|combine({"c": {"x": [2]}}, recursive=true, list_merge="keep")
d|combine({"c": {"x": [1]}}, recursive=true, list_merge="prepend_rp")
[{"a":1},{"b":2}]|combine
{}|combine({"a": 1})
d|list
d.keys()|list
d.values()|list
d.items()|list
d.items()
d.keys()
range(5)
range(5)|list
range(2, 10, 3)|list
range(5, 0, -2)|list
dict(a=1, b=2)
dict([("x", 1)])
dict(d, z=1)
words|intersect(["fig", "kiwi"])
words|difference(["fig"])
nums|union([9, 3])
nums|symmetric_difference([1, 9])
[1,2]|zip(["a","b"])|list
[1,2,3]|zip_longest(["a"], fillvalue="-")|list
[1,2]|product("ab")|list
[1,2,3]|permutations(2)|list
[1,2,3]|combinations(2)|list
users|subelements("tags")|map("last")|list
users|rekey_on_member("name")|list
name|capitalize
"hELLO wORLD"|capitalize
"hello big-world (foo) [bar] {baz} <q> it's"|title
"hello world"|title
unicode|upper
unicode|lower
unicode|title
spaces|trim
"xxaxx"|trim("x")
"aaa"|replace("a", "b")
"aaa"|replace("a", "b", 2)
"aaa"|replace("", "-")
one|replace("1", "2")
name|center(10) ~ "|"
"abc"|center(6) ~ "|"
"ab"|center(5) ~ "|"
multi|indent
multi|indent(2)
multi|indent(2, true)
multi|indent(2, first=true, blank=true)
multi|indent(width=">> ")
"one line"|indent(4, true)
html|escape
html|e|e
html|forceescape
html|safe
"<b>"|e ~ "<i>"
html|striptags
html|e|length
long|truncate(20)
long|truncate(20, true)
long|truncate(20, true, "..")
long|truncate(25, leeway=0)
"short"|truncate(20)
long|wordcount
long|wordwrap(30)
long|wordwrap(30, wrapstring="|")
"averyveryverylongwordindeed and more"|wordwrap(10)
"averyveryverylongwordindeed and more"|wordwrap(10, false)
"well-known hyphen-ated words"|wordwrap(12)
url|urlencode
"a b&c/d"|urlencode
{"a b": 1, "c": "x&y"}|urlencode
[("a", 1), ("b", "2 3")]|urlencode
url|urlsplit("hostname")
url|urlsplit("port")
url|urlsplit("path")
url|urlsplit("query")
url|urlsplit("scheme")
url|urlsplit
"a%20b+c"|urldecode
{"class": "x", "id": none, "t": "<&>"}|xmlattr
"%s is %d"|format("x", 5)
"%(a)s-%(b)05.1f"|format(a=1, b=2.25)
"%s %r"|format(name, name)
"%5d|%-5d|%05d|%+d|% d"|format(1, 2, 3, 4, 5)
"%x %X %o %#x"|format(255, 255, 8, 255)
"%e %g %.3g %G"|format(12345.678, 0.0001, 12345.678, 1e-10)
"%c%%"|format("A")
"%s" % name
"%s %s" % (1, 2)
"%.2f" % pi
"%(x)s" % {"x": 1}
"{} {}".format(1, "a")
"{0} {1} {0}".format(1, 2)
"{x:>5}|{x:<5}|{x:^5}|{x:*^7}".format(x="ab")
"{:05d} {:+d} {:,} {:x} {:#b} {:_}".format(42, 42, 1234567, 255, 5, 1000000)
"{:.2f} {:8.3f} {:e} {:%} {:g}".format(3.14159, 3.14159, 31415.9, 0.25, 1e20)
"{!r} {!s}".format("a", "b")
"{a[0]} {b.x}".format(a=[1], b={"x": 2})
"{{}} {:{w}}".format(7, w=4)
"{:>10.3}".format("abcdef")
one|int
numstr|int
floatstr|int
"abc"|int
"abc"|int(7)
hex|int(base=16)
"ff"|int(0, 16)
"0b11"|int(0, 2)
"077"|int
" 12 "|int
"1_000"|int
"1e3"|int
none|int
true|int
3.99|int
-3.99|int
floatstr|float
"abc"|float
"abc"|float(1.5)
"1e5"|float
"inf"|float
5|float
truestr|bool
nostr|bool
"1"|bool
1|bool
0|bool
"on"|bool
"x"|bool
none|bool
-5|abs
-5.5|abs
2.5|round
3.5|round
pi|round(2)
pi|round(1, "ceil")
pi|round(2, "floor")
42|round
42.55|round(1)
1234.5|round(-2)
1000|filesizeformat
1|filesizeformat
1500000|filesizeformat
1500000|filesizeformat(true)
123|filesizeformat
1048576|human_readable
1048576|human_readable(isbits=true)
1048576|human_readable(unit="K")
"1.5 MB"|human_to_bytes
"10K"|human_to_bytes
100|log(10)
8|log(2)
2|pow(5)
16|root
27|root(3)
mixed|to_json
d|to_json
unicode|to_json
d|to_json(indent=2)
d|to_json(sort_keys=true)
d|to_json(separators=(",", ":"))
unicode|to_json(ensure_ascii=false)
floats|to_json
d|to_nice_json
d|to_nice_json(indent=2)
d|to_nice_json(sort_keys=false)
empty_list|to_nice_json
d|tojson
html|tojson
d|tojson(indent=2)
json|from_json
(json|from_json).k[1]
d|to_yaml
d|to_nice_yaml
users|to_yaml
users|to_nice_yaml
users|to_nice_yaml(indent=2)
words|to_yaml
words|to_nice_yaml
name|to_yaml
one|to_yaml
none|to_yaml
mixed|to_yaml
mixed|to_nice_yaml
floats|to_nice_yaml
nested|to_yaml
nested|to_nice_yaml
tree|to_nice_yaml(indent=2)
{"s": "yes", "t": "12", "u": "1.5", "v": "null", "w": "", "x": "a: b", "y": "# no", "z": "- x", "q": "it's", "r": "a#b", "p": "a:b"}|to_nice_yaml
{"m": multi, "q": quote, "u": unicode, "l": long, "t": "a\tb", "e": "tail ", "h": " head"}|to_nice_yaml
{"m": multi, "q": quote, "u": unicode, "l": long, "t": "a\tb"}|to_yaml
{"date": "2024-01-02", "oct": "0644", "sex": "12:30", "n": "~", "b": "on", "eq": "=", "bang": "!x", "amp": "&x", "pct": "%x", "at": "@x", "br": "{x", "sq": "[x", "q": "?x", "qq": "? x", "d": "-x", "dd": "--- x"}|to_nice_yaml
[long, long]|to_nice_yaml(width=60)
{"a": [long], "b": {"c": long}}|to_nice_yaml
{"a": words, "b": words}|to_nice_yaml
{3: "c", 1: "a", 2: "b"}|to_nice_yaml
d|to_nice_yaml(sort_keys=false)
d|to_nice_yaml(explicit_start=true)
empty_dict|to_nice_yaml
{"a": {}, "b": []}|to_nice_yaml
[[1, 2], [3]]|to_nice_yaml
[{"a": [1, {"b": 2}]}]|to_nice_yaml
d|pprint
users|pprint
(range(40)|list)|pprint
{"b": range(30)|list, "a": {"long key": words + words + words + words}}|pprint
name|quote
quote|quote
empty|quote
"a b"|quote
none|quote
path|basename
path|dirname
"/a/b/"|basename
"/a/b/"|dirname
"x"|dirname
path|splitext
"/a/.hidden"|splitext
["a", "b/", "c"]|path_join
["a", "/b"]|path_join
"C:\\x\\y.txt"|win_basename
name|hash
name|hash("sha256")
name|md5
name|sha1
name|checksum
name|hash("md5")
name|to_uuid
name|b64encode
b64|b64decode
unicode|b64encode
name|comment
multi|comment
name|comment("c")
name|comment("cblock")
name|comment("xml")
name|comment("erlang")
name|comment(decoration="; ")
name|comment(prefix="top", postfix="end", prefix_count=2)
name|ternary("t", "f")
nothing|ternary("t", "f")
nothing|ternary("t", "f", "n")
empty|ternary("t", "f")
yes|ternary(name, missing)
name|mandatory
name|type_debug
one|type_debug
d|type_debug
"foo123bar"|regex_replace("[0-9]+", "-")
"foo123bar"|regex_replace("([a-z]+)([0-9]+)", "\\2\\1")
"foo123bar"|regex_replace("(?P<w>[a-z]+)", "<\\g<w>>")
"foo123bar"|regex_replace("FOO", "x", ignorecase=true)
"a\nb"|regex_replace("^", "> ", multiline=true)
"abc"|regex_replace("x*", "-")
"aabb"|regex_replace("a*", "-")
"abc"|regex_replace("$", "!")
"tail\n"|regex_replace("$", "!")
"host.example.com"|regex_replace("\\..*$", "")
"a.b.c"|regex_replace("\\.", "\\\\.")
"foo123bar"|regex_search("[0-9]+")
"foo123bar"|regex_search("([a-z]+)([0-9]+)", "\\1", "\\2")
"foo123bar"|regex_search("(?P<n>[0-9]+)", "\\g<n>")
"foo"|regex_search("[0-9]+")
"foo"|regex_search("[0-9]+") is none
"a1b2"|regex_findall("[0-9]")
"a1b2"|regex_findall("([a-z])([0-9])")
"a1b2"|regex_findall("[A-Z]", ignorecase=true)
"a.b*c[d]"|regex_escape
"a.b*c"|regex_escape("posix_basic")
csv.split(",")
csv|split(",")
"a b  c"|split
"a,b,c".split(",", 1)
"a,b,c".rsplit(",", 1)
" a  b ".split()
"a\nb\r\nc".splitlines()
"abc".startswith("a")
"abc".endswith(("x", "c"))
"abcabc".find("c")
"abcabc".rfind("c")
"abcabc".index("b")
"abcabc".count("b")
"  x ".strip() ~ "|"
"xxaxx".strip("x")
"xxaxx".lstrip("x")
"xxaxx".rstrip("x")
"abc".ljust(5) ~ "|"
"abc".rjust(5, "*")
"abc".center(8, "-")
"42".zfill(5)
"-42".zfill(5)
"a-b".partition("-")
"a-b-c".rpartition("-")
"Hello".swapcase()
"hello world".title()
"hello".capitalize()
",".join(["a", "b"])
"abc".isalpha()
"123".isdigit()
"abc1".isalnum()
" ".isspace()
"Abc Def".istitle()
"a\tb".expandtabs(4)
"prefix-x".removeprefix("prefix-")
"x-suffix".removesuffix("-suffix")
d.get("a")
d.get("zz")
d.get("zz", 5)
words.index("fig")
words.count("fig")
pi.is_integer()
words|random is string
nums|shuffle|length
words|list == words
"abc"|list
d|items|list
"a"|extract({"a": 5})
["a", "b"]|map("extract", {"a": 1, "b": 2})|list
"name"|extract(users[0])
undef("x")|default("was undef")
cycler("a", "b").next()
namespace(x=1).x
"%Y-%m-%d"|strftime(0, true)
words|map("length")|list
words|map("regex_replace", "^", "x-")|list
words|select("match", "^f")|list
ports|dict2items|map(attribute="value")|list
ports.items()|map("first")|list
users|map("combine", {"z": 1})|map(attribute="z")|list
users|items2dict(key_name="name", value_name="age")
ansible.builtin.x|default("dotted")
name is ansible.builtin.match("p")
words|join(",")|upper|lower|title
(words|first)|upper
-one|abs
(-one)|abs
one + two|default(5)
[1,2,3][1]
{"a": {"b": 5}}.a.b
{"a": {"b": 5}}["a"]["b"]
(1, 2)[0]
words|length > 3 and name == "puck"
words|length * 2
"a" "b" 'c'
name|default("x")|default("y")
empty|default("x")
empty|default("x", true)
nothing|default("x")
nothing|default("x", true)
nothing|default("x", boolean=true)
missing|d
[missing|default(1), 2]
1.0
100000000000000000000
2.50
1e100
-0.0
1.0e-10
123456789.123456789
1/3
[1.0, 2.5e20]
true
none
[none]
"\u00e9"
["\u00e9\u20ac"]
["\u200b\u2028"]
"é"
words is iterable and d is mapping
one in [1, 2] and "a" not in "xyz"
not one == 2
not (one == 1 and zero == 0)
1 if one == 1 else 2 if one == 2 else 3
"a" if "b" in words else "c" ~ "d"
users[0].addr.city
users[0]["addr"]["city"]
users|map(attribute="name")|first
users|first|dictsort
users|map(attribute="tags")|flatten|join(",")
users|map(attribute="tags")|sum(start=[])
dict(words|zip(nums))
dict(ports.items()|list)
lookup("vars", "name")
lookup("vars", "nope", default="dflt")
query("vars", "name")
lookup("dict", ports)
lookup("items", [1, [2, 3]])
q("list", 1, 2)
"a" is eq("a") and "b" is ne("a")
4 is divisibleby 2 or 5
[3, [1, 2]]|sum(start=0) if false else "skip"
words|map("first")|unique|join
"caf\u00e9"|urlencode
"x" * 0 ~ "|"
[] + [] == []
{} == {}
[1, 2] < [1, 3]
(1, 2) == [1, 2]
"10" == 10
"b" > "a" > "A"
none == false
words == words|list
1 != 1.0
{"a": 1} == {"a": 1.0}
"abc" == "abc"|safe
"a: 1\n---\nb: [x, 2]\n---\n"|from_yaml_all
"a: 1"|from_yaml_all|list|length
"--- 1\n--- two"|from_yaml_all|join("-")
5|from_yaml_all
"~/x"|expanduser == "~/x"
"a/~/x"|expanduser
"~nobodyknows/x"|expanduser
"~root/x"|expanduser
"$NOTSET_AT_ALL/x ${NOTSET_AT_ALL} $"|expandvars
"$HOME/x"|expandvars == "~/x"|expanduser
"${HOME}x" | expandvars != "${HOME}x"
"/usr/../etc/./hostname"|realpath
"/nowhere/../there"|realpath
"/etc/host[n]ame"|fileglob
"/etc/nothing-*"|fileglob
"/etc/ho[s]t[s]"|fileglob|list
"c:\\x\\y"|win_splitdrive|list
"x\\y"|win_splitdrive|list
"/etc" is directory
"/etc" is is_dir
"/etc" is file
"/etc/hostname" is file
"/etc/hostname" is exists
"/etc/nothing" is exists
"/dev/stdin" is link
"/etc" is link
"/dev/stdin" is link_exists
"/etc" is same_file "/etc/."
"/etc" is same_file "/usr"
"/proc" is mount
"/etc" is mount
"/" is mount
"secret"|password_hash("sha512", "saltsalt")
"secret"|password_hash("sha256", "saltsalt")
"secret"|password_hash("md5", "saltsalt")
"secret"|password_hash(salt="saltsalt", rounds=1000)
"secret"|password_hash("sha256", "saltsalt", rounds=535000)
"secret"|password_hash("sha512", "bad salt")
"secret"|password_hash("sha512", "waytoolongsaltwaytoolong")
"secret"|password_hash("nosuch", "saltsalt")
unicode|password_hash("sha512", "ab")
"2024-02-29 12:30:45"|to_datetime
("2024-03-01 00:00:00"|to_datetime - "2024-02-28 12:00:00"|to_datetime)
("2024-03-01 00:00:00"|to_datetime - "2024-02-28 12:00:00"|to_datetime).days
("2024-03-01 00:00:00"|to_datetime - "2024-02-28 12:00:00"|to_datetime).seconds
("2024-03-01 00:00:00"|to_datetime - "2024-02-28 12:00:00"|to_datetime).total_seconds()
("2024-02-28"|to_datetime("%Y-%m-%d") - "2024-03-01"|to_datetime("%Y-%m-%d"))
("2024-02-28"|to_datetime("%Y-%m-%d") - "2024-02-27"|to_datetime("%Y-%m-%d"))
"2024-03-01 00:00:00"|to_datetime > "2024-02-28 12:00:00"|to_datetime
"2024-03-01 00:00:00"|to_datetime == "2024-03-01"|to_datetime("%Y-%m-%d")
("2024-03-01 00:00:00"|to_datetime).year
("2024-03-01 00:00:00"|to_datetime).strftime("%d.%m.%Y %A")
("2024-03-01 00:00:00.25"|to_datetime("%Y-%m-%d %H:%M:%S.%f")).isoformat()
("2024-03-01 00:00:00.25"|to_datetime("%Y-%m-%d %H:%M:%S.%f")).microsecond
("2024-03-03"|to_datetime("%Y-%m-%d")).weekday()
("2024-03-03"|to_datetime("%Y-%m-%d")).isoweekday()
"2024-03-01"|to_datetime
"2024-02-30"|to_datetime("%Y-%m-%d")
"10:20"|to_datetime("%H:%M")
"March 5, 2021"|to_datetime("%B %d, %Y")
"x 2024"|to_datetime("x %Y")
"2024-03-01 trailing"|to_datetime("%Y-%m-%d")
now().year >= 2024
now(utc=true, fmt="%Y") | length
now() is string
lookup("sequence", "3")
lookup("sequence", "5-8")
lookup("sequence", "2-10/2")
lookup("sequence", "4:host%02d")
lookup("sequence", "start=5 end=11 stride=2 format=0x%02x")
lookup("sequence", "count=5")
lookup("sequence", "start=0x0f00 count=4 format=%04x")
lookup("sequence", "start=0 count=5 stride=2")
lookup("sequence", "start=10 end=0 stride=-5")
lookup("sequence", "count=0")
lookup("sequence", "start=10 end=0")
lookup("sequence", "end=3 count=3")
lookup("sequence", "end=3 format=%d%d")
lookup("sequence", "junk=3")
query("sequence", "3")
query("nested", [1, 2], ["a", "b"])
query("nested", [1], ["a"], [true])
query("together", [1, 2, 3], ["a", "b"])
query("together", ["a"], ["b"])
query("subelements", users, "tags")
query("indexed_items", ["a", "b"])
query("dict", {"a": 1})
query("varnames", "^num")
query("varnames", "^num", "^wor")
lookup("env", "HOME") == "~"|expanduser
users|json_query("[?age > `26`].name")
users|json_query("[].tags[]")
users|json_query("[0].addr.city")
d|json_query("c.x[1]")
users|json_query("length(@)")
users|json_query("[*].{n: name, a: age}")
users|json_query("[?name=='bob'].age | [0]")
users|json_query("sort_by(@, &age)[].name")
users|json_query("nothing")
users|json_query("[")
"see https://example.com/a?b=1, or (www.foo.org). x@y.example <a@b.co>"|urlize
"see https://example.com/a?b=1, or (www.foo.org)."|urlize(8, true, target="_blank")
"ftp://x.y gopher:z"|urlize(extra_schemes=["ftp://"])
"x"|urlize(extra_schemes=["nope"])
"http://foo.org/(x) &lt;http://foo.org&gt; foo.museum foo.com http://[::1]/x http://1.2.3.4:80/"|urlize(rel="me you")
url|urlsplit("username")
url|urlsplit("password")
url|urlsplit("netloc")
url|urlsplit("fragment")
url|urlsplit("nonsense")
d|combine({"c": {"x": [9]}}, recursive=true)
d|combine({"c": {"x": [9]}}, recursive=true, list_merge="append")
d|combine({"c": {"x": [1, 9]}}, recursive=true, list_merge="append_rp")
d|combine({"c": {"x": [1, 9]}}, recursive=true, list_merge="prepend_rp")
d|combine({"c": {"x": [9]}}, recursive=true, list_merge="keep")
d|combine({"c": {"x": [9]}}, list_merge="prepend")
[{"a": {"b": 1}}, {"a": {"c": 2}}]|combine(recursive=true)
"%H:%M"|strftime(1441357287.5, true)
"ß ŉ ǰ ﬁ ﬀ ﬄ ΐ և ẖ ǆ".upper()
"İ I ı Σ ΑΣ ΑΣ. Σ'Α ǅ ẞ".lower()
"ΑΣ ß İ".casefold()
"ǆungla ﬁn ßa ŉa".title()
"ǆungla ﬁn ßa ŉa".capitalize()
"ﬁn".capitalize()
"ǆ ﬁ ß İ Σ".swapcase()
"ſ µ K Å".casefold()
"ﬁ ß".casefold()
"ﬁ"|upper
"ﬁx ßx"|title
"e\u0301x y_z"|wordcount
"\u00a0".isspace() ~ "\u200b".isspace() ~ "\x1f".isspace() ~ "\x85".isspace()
["a\u00adb\u200b\ue000\U000e0001\U0001f600\u0378"]
"<b>&\"'".isprintable() ~ "\\".isprintable() ~ "\n".isprintable() ~ "".isprintable()
"Ab Cd".istitle() ~ "AB".istitle() ~ "ǅ".istitle() ~ "A1b".istitle()
"{:.2}|{:.1}|{:.0}|{:.3}|{:.0}".format(10.0, 0.05, 0.0, 12345.6, 123.0)
"{:.4}|{:.17}|{:.1}".format(1e22, 0.1, 0.96)
"{:#.3}|{:#x}|{:#.0f}|{:#g}|{:#.3g}".format(3.0, 255, 3.0, 3.0, 3.0)
"{:n}|{:n}|{:08.3f}|{:+08d}|{:<08d}|{:^+8}|{:=+8}".format(1234, 1234.5, -3.14159, 42, 42, 42, 42)
"{:0>8}|{:08}|{:08}|{:x<5}|{:5}|{:<5}|{:>5}|{:^5}|".format(True, True, "ab", 1.5, "a", 1, "b", 2)
"{:c}|{:5c}|{:>5c}".format(65, 66, 67)
"{:,}|{:_}|{:,.2f}|{:012,}|{:011,d}|{:_b}|{:_x}|{:,%}".format(1234567, 1234567, 1234567.891, 1234567, 1234567, 1000, 1000000, 1234)
"{:e}|{:.3E}|{:g}|{:G}|{:%}|{:.1%}|{:F}".format(12345.678, 12345.678, 0.00001234, 1e-10, 0.5, 0.256, 1.5)
"{0:{1}}|{0:>{w}}|{0:{f}{a}{w}}".format("ab", 5, w=6, f="*", a="^")
"{a.b}{c[0]}{c[-1]}".format(a={"b": 1}, c={"0": 2, "-1": 3})
"{[a]}{[0]}".format({"a": 1}, [2])
"{!r:>8}|{!s:<6}|{!a}".format("é", none, "é")
"{}{}".format(none, [1, "a"])
"{:5}".format(none)
"{:5}".format([1])
"{".format()
"}".format()
"{0}{}".format(1, 2)
"{}{0}".format(1, 2)
"{:{:{}}}".format(1, 2, 3)
"%5.2s|%-5s|%05d|%+.1e|%#o|%#x|%x" % ("abc", "d", 42, 12345.6, 8, 255, -255)
"%s" % [1]
"%s %s" % [1, 2]
"%(a)s %(b)5.1f%%" % {"a": 1, "b": 2.25}
"%*d|%-*d|%.*f" % (5, 42, 5, 42, 2, 3.14159)
"%s" % ()
"%d" % 3.99
"%d" % "3"
"%d" % true
"%i|%u|%c|%c" % (-5, 5, "é", 233)
"%r %a" % ("é'", "é")
"%.3d|%+5d|% 5d|%-+5d|" % (5, 5, 5, 5)
"%.0f|%.0f|%.0f|%#.0f|%g|%g|%#g" % (0.5, 1.5, 2.5, 2.0, 1e15, 1e16, 1.0)
"%e|%G|%08.2f|%+08.2f" % (0, 1e-5, -1.5, 1.5)
"%z" % 1
"%s%" % 1
"a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2028h\u2029i\rj\r\nk\nl".splitlines()
"a\n\nb\n".splitlines(true)
"a\u2028b"|indent(2)
"  a  b ".split(" ")
" a\u00a0b\u2003c ".split()
" a b c ".split(none, 1)
" a b c ".rsplit(none, 1)
"a,b,c".rsplit(",", maxsplit=1)
"abc".split("")
"".split() ~ "".split(",")
"aXbXc".partition("X") ~ "abc".partition("X") ~ "abc".rpartition("X")
"abc".startswith("") ~ "abc".startswith("c", -1) ~ "abc".startswith("b", 1, 2) ~ "abc".startswith("bc", 1, 2) ~ "".startswith("", 1) ~ "abc".endswith("b", 0, 2) ~ "abc".endswith("", 5) ~ "abc".startswith(("x", "a"), 0)
"abcabc".find("c", 3) ~ "abcabc".find("c", -2) ~ "abcabc".rfind("a", 0, 3) ~ "aaa".count("aa") ~ "aaa".count("") ~ "abc".find("", 5) ~ "abc".find("", 3) ~ "abc".count("", 5)
"aaa".replace("", "-", 2) ~ "aaa".replace("a", "b", -1) ~ "aaa".replace("a", "b", 0)
"ab".center(5, "*") ~ "ab".center(4) ~ "abc".center(6) ~ "a".ljust(3, "é") ~ "a".rjust(-1)
"+5".zfill(4) ~ "-".zfill(3) ~ "é".zfill(3) ~ "".zfill(2)
"a\tbc\td".expandtabs() ~ "a\tb".expandtabs(0) ~ "\t".expandtabs(3) ~ "a\n\tb".expandtabs(4)
"xyx".strip("xy") ~ "|" ~ "\u00a0x\u00a0".strip() ~ "|" ~ "aéa".strip("é") ~ "éaé".strip("é")
"- a--b well-known x-y 3-4 a-bc-d (x)-(y) e.g.--this"|wordwrap(5, wrapstring="|")
"averyveryverylongword-indeed--and more"|wordwrap(7, break_on_hyphens=false, wrapstring="|")
"{'items': [2.5], 'a': 0}"|wordwrap(5, wrapstring="|")
"a--b\u00a0c   d"|wordwrap(3, wrapstring="|")
"x" | hash("blake2b") ~ "x"|hash("blake2s") ~ "x"|hash("sha3_256") ~ "x"|hash("sha512")
"c:x"|win_basename ~ "{'k': 1}"|win_basename ~ "a:b\\c"|win_basename
[{"a": 1}, none, "null", {"b": 2}]|combine
2.5 ** 2000
1e200|pow(2)
(-8)|root(3)
0|pow(-1)
"x"|regex_search("(y)", "\\2") is none
"x"|regex_search("(y)", "nonsense")
"[a:]"|regex_findall("[[:alpha:]]")
"a:l]"|regex_findall("[[:alpha:]]+")
"aaa"|regex_replace("a{,2}", "x")
"\u00e9\x0b"|regex_replace("\\u00e9\\v", "x")
"x"|regex_search("\\h")
"x]y"|regex_findall("[]x]")
"1.0" is version("1.0.1", "<", strict=true)
"1.0a1" is version("1.0", "<", strict=true)
"1" is version("1.0", "==", strict=true)
"1.0" is version("1.0", "==", strict=true, version_type="loose")
"v1" is version("1", "==")
[{"a": none}]|map(attribute="b", default=none)|list
[["k", 1], ("l", 2)]|items2dict(key_name=0, value_name=1)
"<b>"|e|indent(2, true)|e
{"a": "\u2028z", "b": "x\u2028y"}|to_nice_yaml
[{"k": {"a": 1}}, {"k": {"a": 1}}]|sort(attribute="k")
-2.675|round(1, "ceil") ~ -0.01|round(1, "ceil")
"http://x/\ta\nb"|urlsplit("path")
"e\u0301 x_y 1"|wordcount
""".strip("\n").split("\n")

# Whole templates.
DOCUMENTS = [
    "{% set gr\u00f6\u00dfe = 5 %}{{ gr\u00f6\u00dfe }}", "{% set \u540d\u524d = 5 %}{{ \u540d\u524d }}",
    "plain text", "", "\n", "a\n", "a\n\n\n", "\n\na", "a\r\nb\r\n", "{# comment #}x", "a{# c #}\nb", "a {#- c -#} b", "{{ name }}\n", "{{ name }}\n\n",
    "{{name}}{{one}}", "{{- name -}}", "a {{- name -}} b", "a\n  {{- name }}\n", "{%- if yes %} x {%- endif %} y",
    "{% if yes %}\nx\n{% endif %}\ny\n", "  {% if yes %}\n    x\n  {% endif %}\ny", "{% if yes +%}\nx\n{%+ endif %}\n", "{% if no %}a{% elif yes %}b{% else %}c{% endif %}",
    "{% if no %}a{% else %}c{% endif %}", "{% if missing is defined %}a{% endif %}b", "{% if one == 1 and name == 'puck' %}ok{% endif %}", "{% if (1, 2) %}t{% endif %}",
    "{% for w in words %}{{ w }}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for w in words -%}\n  {{ w }}\n{%- endfor %}\n",
    "{% for w in words %}\n{{ loop.index }}/{{ loop.length }} {{ loop.index0 }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }} {{ w }}\n{% endfor %}",
    "{% for w in empty_list %}x{% else %}empty{% endfor %}", "{% for w in words if w|length > 3 %}{{ loop.index }}{{ w }} {% endfor %}", "{% for w in words if w == 'zz' %}x{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for k, v in d|dictsort %}{{ k }}:{{ v }} {% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for c in 'abc' %}{{ c }}-{% endfor %}", "{% for i in range(3) %}{% for j in range(2) %}{{ i }}{{ j }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for i in range(3) %}{% set outer = loop %}{% for j in range(2) %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for i in range(4) %}{{ loop.cycle('odd', 'even') }} {% endfor %}", "{% for i in [1,1,2,2,3] %}{{ loop.changed(i) }} {% endfor %}",
    "{% for i in [1,2,3] %}{{ loop.previtem|default('-') }}{{ i }}{{ loop.nextitem|default('-') }} {% endfor %}",
    "{% for n in tree recursive %}{{ loop.depth }}.{{ loop.depth0 }}:{{ n.n }}[{{ loop(n.kids) }}]{% endfor %}", "{% for n in tree recursive %}{{ n.n }}{% if n.kids %}({{ loop(n.kids) }}){% endif %}{% endfor %}",
    "{% set x = 1 %}{% for i in [1,2] %}{{ x }}{% set x = i + 10 %}{{ x }} {% endfor %}{{ x }}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{% set t = 1, 2 %}{{ t }}", "{% set x %}block {{ name }}{% endset %}[{{ x }}]",
    "{% set x | upper | replace('A', 'B') %}abca{% endset %}{{ x }}", "{% set ns = namespace(n=0) %}{% for i in nums %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns.c|default('?') }}",
    "{% if yes %}{% set leaked = 1 %}{% endif %}{{ leaked }}", "{% if no %}{% set leaked = 1 %}{% endif %}{{ leaked|default('not set') }}", "{% if no %}{% set name = 'other' %}{% endif %}{{ name }}",
    "{% set l = [1] %}{% set _ = l.append(2) %}{{ l }}", "{% set dd = {'a': 1} %}{% set _ = dd.update({'b': 2}) %}{{ dd }}{{ dd.pop('a') }}{{ dd }}", "{% set l = [3,1,2] %}{{ l.sort() }}{{ l }}{{ l.pop() }}{{ l.insert(0, 9) }}{{ l }}{% set _ = l.extend([5]) %}{{ l }}{{ l.remove(9) }}{{ l.reverse() }}{{ l }}",
    "{% set dd = {} %}{{ dd.setdefault('k', []) }}{% set _ = dd.k.append(1) %}{{ dd }}", "{% macro m(a, b=2, c=none) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c=5) }} {{ m(b=1, a=0) }}",
    "{% macro m(a) %}[{{ a|default('unset') }}]{% endmacro %}{{ m() }}{{ m(1) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}inside {{ name }}{% endcall %}", "{% macro each(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(x, i) each(words) %}{{ i }}{{ x }};{% endcall %}",
    "{% macro fact(n) %}{% if n > 1 %}{{ n }}*{{ fact(n - 1) }}{% else %}1{% endif %}{% endmacro %}{{ fact(5) }}", "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}b{% endmacro %}{{ a() }}", "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}",
    "{% macro m(a, b) %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}", "{% macro m() %}  x  {% endmacro %}[{{ m()|trim }}]", "{{ '%s' % m() if m is defined else 'undefined macro' }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a|default('gone') }}", "{% with %}{% set z = 1 %}{{ z }}{% endwith %}{{ z|default('gone') }}", "{% with name = 'inner' %}{{ name }}{% endwith %}{{ name }}", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}",
    "{% filter upper %}abc {{ name }}{% endfilter %}", "{% filter replace('a', 'b')|upper %}aaa{% endfilter %}", "{% filter indent(2) %}\na\nb\n{% endfilter %}", "{% raw %}{{ not.rendered }} {% nor this %}{% endraw %}", "a {%- raw -%} {{ x }} {%- endraw -%} b", "{% raw %}\n{{ x }}\n{% endraw %}\nend",
    "{{ '{{' }} {{ '%}' }} {{ \"}}\" }}", "{{ {'a': {'b': 1}} }}", "{{ {} }}{{ {'a':{}}['a'] }}", "{% include 'plain.j2' %}", "{% include 'plain.j2' without context %}" if False else "{% include 'plain.j2' with context %}", "a{% include 'missing.j2' ignore missing %}b", "{% include ['missing.j2', 'plain.j2'] %}",
    "{% for item in words %}{% include 'loopitem.j2' %}{% endfor %}" if False else "{% include 'sets.j2' %}{{ inner|default('not leaked') }}", "{% set name = 'changed' %}{% include 'plain.j2' %}", "{% import 'macros.j2' as m %}{{ m.hello('x') }}{{ m.constant }}{{ m._hidden|default('hidden') }}", "{% from 'macros.j2' import hello %}{{ hello('x', greeting='Hi') }}",
    "{% from 'macros.j2' import hello as hi, constant %}{{ hi('y') }}{{ constant }}", "{% from 'ctxmacro.j2' import show with context %}{{ show() }}", "{% import 'ctxmacro.j2' as c with context %}{{ c.show() }}",
    "{% extends 'base.j2' %}{% block title %}mine{% endblock %}", "{% extends 'base.j2' %}ignored{% block body %}[{{ super() }}]{% endblock %}ignored", "{% extends 'middle.j2' %}{% block title %}top/{{ super() }}{% endblock %}", "{% extends 'base.j2' %}{% set name = 'set in child' %}",
    "{% block a %}A{% endblock %}{{ self.a() }}", "{% block a %}{% block b %}B{% endblock %}{% endblock %}", "{% for i in [1,2] %}{% block z scoped %}{{ i }}{% endblock %}{% endfor %}", "{% include 'blockinc.j2' %}{% block x %}own{% endblock %}",
    "{% set x = 'base.j2' %}{% extends x %}", "{% block body %}{{ name }}{% endblock body %}", "{% extends 'base.j2' %}{% block foot %}{% set loc = 5 %}{{ loc }}{% endblock %}{% block body %}{{ loc|default('no') }}{% endblock %}",
    "{% print name, one %}", "{{ 1, 2 }}", "{{ (1, 2) }}", "{{ nothing }}|{{ [nothing] }}|{{ 'a' ~ nothing }}", "{{ name|default('x') }}{{ missing|default('y') }}", "  {{ name }}  \n  {% if yes %}  \n  x  \n  {% endif %}  \n",
    "#jinja2: lstrip_blocks: True\n  {% if yes %}\n  x\n  {% endif %}\nend\n", "#jinja2: trim_blocks: False\n{% if yes %}\nx\n{% endif %}\n", "#jinja2: trim_blocks: True, lstrip_blocks: True\n\t{% for i in [1,2] %}\n\t{{ i }}\n\t{% endfor %}\n", "#jinja2:variable_start_string:'[%', variable_end_string:'%]'\n[% name %] {{ name }}",
    "#jinja2: block_start_string: '<%', block_end_string: '%>'\n<% if yes %>x<% endif %>{% if %}", "#jinja2: keep_trailing_newline: True\nx\n", "#jinja2: newline_sequence: '\\r\\n'\na\nb\n", "#jinja2: line_statement_prefix: '%'\n% for i in [1, 2]\nitem {{ i }}\n% endfor\nend", "#jinja2: line_comment_prefix: '##'\na ## comment\n## whole line\nb",
    "{% autoescape true %}x{% endautoescape %}" if False else "{{ 'x' }}", "{% for i in [1,2,3] %}{{ i }}{% endfor %}\n\n{% for i in [] %}{% endfor %}\n", "{#\nmulti\nline\n#}\nx", "{# a #}{# b #}", "x{#- -#}y", "{%set x=1%}{{x}}", "{%- set x = 1 -%}\n\n{{ x }}",
    "{% set a = b = 1 %}" if False else "{% set a = 1 %}{% set b = a %}{{ b }}", "{{ words | map('upper') | join(', ') }}", "{{ words\n  | map('upper')\n  | join(', ')\n}}", "{{ {\n 'a': 1,\n} }}", "{{ [\n1,\n2,\n] }}", "{{ name | \n\n upper }}",
    "{% for host in ['a', 'b'] %}\n  loki.source {{ host | to_json }} {\n    labels = {{ {'host': host} | to_json }}\n  }\n{% endfor %}\n", "loki.write \"default\" {\n  endpoint {\n    url = {{ ('http://' ~ name ~ ':3100/loki/api/v1/push') | to_json }}\n  }\n}\n",
    "{% for svc, port in ports | dictsort %}\nloki.source.syslog {{ (svc ~ '_syslog') | to_json }} {\n  listener {\n    address = \"127.0.0.1:{{ port }}\"\n  }\n}\n{% endfor %}\n", "{% if 'docker' in services %}\ndocker\n{% endif %}\n{% if 'nope' not in services %}\nnot nope\n{% endif %}\n",
    "{{ ansible_managed | default('managed') | comment }}\n", "{% for g in ['x'] %}{% for h in ['y'] %}{{ g }}{{ h }}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}", "{% macro lab(d) -%}\n{ {% for k, v in d | dictsort %}{{ k }} = {{ v | to_json }}{{ ', ' if not loop.last }}{% endfor %} }\n{%- endmacro %}\n{{ lab(ports) }}\n" if False else "{% macro lab(d) -%}\n{ {% for k, v in d | dictsort %}{{ k }} = {{ v | to_json }}{{ ', ' if not loop.last else '' }}{% endfor %} }\n{%- endmacro %}\n{{ lab(ports) }}\n",
    "{% set q = joiner('; ') %}{% for i in [1,2,3] %}{{ q() }}{{ i }}{% endfor %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.next() }}", "{% for x in [1,2,3] %}{% if x == 2 %}{{ loop.index }}{% endif %}{% else %}none{% endfor %}",
    "{{ lookup('template', 'plain.j2') if false else 'x' }}", "{% set x = missing is defined %}{{ x }}", "{% set users2 = users | map(attribute='name') | list %}{{ users2 }}", "{{ users | selectattr('tags') | map(attribute='name') | list }}", "{{ name.format }}" if False else "{{ 'a' }}",
    "{% for u in users %}{{ u.name }}{{ ' (admin)' if u.admin is defined and u.admin else '' }}\n{% endfor %}", "{{ users | groupby('age') | list | length }}{% for age, us in users | groupby('age') %}{{ age }}: {{ us | map(attribute='name') | join(',') }}; {% endfor %}", "{{ '' }}\n{{ '' }}\n", "{{ multi }}", "{{ multi | trim }}\n",
    "{{ 'x\ny' }}", "{{ \"\\n\" }}|", "{%if yes%}a{%endif%}{%if yes%}b{%endif%}", "{{ 5 if yes }}", "{% for i in [0, 1] %}{% for j in [0, 1] if i %}{{ i }}{{ j }}{% endfor %}{% endfor %}", "{% call(a, b=5) m2() %}{% endcall %}" if False else "{{ 1 }}",
]

# Templates on which both engines must fail.
ERRORS = [
    "{{ \U0001f40d }}", "{{ a\U0001f40d }}", "{{ \u00b7 }}", "{{ \u201cx\u201d }}",
    "{{ missing }}", "{{ missing.attr }}", "{{ missing + 1 }}", "{% for x in missing %}{% endfor %}", "{% if missing %}{% endif %}", "{{ missing == 1 }}", "{{ [missing] }}", "{{ {'a': missing} }}", "{{ missing|upper }}", "{{ missing() }}", "{{ d.nope }}", "{{ d['nope'].x }}", "{{ words[99] }}",
    "{{ words|join(missing) }}", "{{ 'a' ~ missing }}", "{{ missing|length }}", "{{ 1 in missing }}", "{{ empty_list|first }}", "{{ name.nope() }}", "{{ ('x' if no).y }}", "{{ undef() }}", "{{ missing|mandatory }}", "{{ words|map(attribute='x')|list }}", "{{ 1 + 'a' }}", "{{ 'a' + 1 }}", "{{ [1] + 'a' }}",
    "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1 < 'a' }}", "{{ none < 1 }}", "{{ [1, 'a']|sort }}", "{{ one() }}", "{{ one.x.y.z }}", "{% for x in 5 %}{% endfor %}", "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{{ {[1]: 2} }}", "{{ 5|length }}", "{{ name|nofilter }}", "{{ name is notest }}",
    "{{", "{{ }}", "{% if %}", "{% if yes %}", "{% endif %}", "{% for %}", "{% for x in %}{% endfor %}", "{% unknown %}", "{{ 1 + }}", "{{ (1 }}", "{{ [1 }}", "{{ {1: } }}", "{{ 'abc }}", "{# never closed", "{% raw %} never closed", "{{ a b }}", "{{ 1 2 }}", "{{ a..b }}", "{{ a. }}", "{{ @ }}", "{{ a ! b }}",
    "{% set 1 = 2 %}", "{% set %}", "{% set none = 1 %}", "{% macro %}{% endmacro %}", "{% macro m(1) %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% block x %}{% endblock %}{% block x %}{% endblock %}", "{% block a-b %}{% endblock %}", "{% include 'missing.j2' %}", "{% extends 'missing.j2' %}", "{% import 'macros.j2' %}",
    "{% from 'macros.j2' import _hidden %}", "{% from 'macros.j2' import nope %}{{ nope }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=1) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% call x %}{% endcall %}", "{{ f(a=1, 2) }}", "{{ f(**a, *b) }}",
    "{% else %}", "{% if yes %}{% else %}{% elif no %}{% endif %}", "{% for x in words %}{% endif %}", "{% set ns.x = 1 %}", "{% set d = {} %}{% set d.x = 1 %}", "{{ d|dictsort(by='x') }}", "{{ 'abc'|from_json }}", "{{ '[1'|from_json }}", "{{ one|dict2items }}", "{{ words|items2dict }}", "{{ 'a'|b64decode }}", "{{ d|combine(5) }}",
    "{{ '('|regex_search('(') }}", "{{ 'a'|regex_replace('a', '\\\\2') }}", "{{ '%d'|format('x') }}", "{{ '%s %s'|format(1) }}", "{{ '{} {}'.format(1) }}", "{{ '{x}'.format(y=1) }}", "{{ 'a'.index('z') }}", "{{ [].pop() }}", "{{ words|batch }}", "{{ pi|round(1, 'x') }}", "{{ 'x' is version('') }}", "{{ words|first(1) }}", "{{ words|join(x=1) }}",
    "{% extends 'base.j2' %}{% extends 'base.j2' %}", "{{ super() }}", "{% block a %}{{ super() }}{% endblock %}", "{{ loop.index }}", "{% for i in [1] %}{{ loop(2) }}{% endfor %}", "{{ words is divisibleby 2 }}", "{{ 'a' is in 5 }}", "{{ 5 in 'abc' }}", "{{ 1 is is 2 }}", "{{ 1 is odd is even }}",
    "{{ lookup('nosuchlookup', 1) }}", "{{ lookup('vars', 'nope') }}", "{{ x }}{{ y }}", "{{ words[1:2:0] }}", "{{ words['a':'b'] }}", "{{ range() }}", "{{ range(1, 2, 0) }}", "{{ range('a') }}", "{{ dict(1) }}", "#jinja2: nonsense\nx", "{{ 'x'.join([1]) }}", "{{ nothing.x }}", "{{ nothing[0] }}", "{{ ''|first }}",
    "{{ (1, 2).x }}", "{{ -'a' }}", "{{ 'a' * 'b' }}", "{{ {'a': 1} + {'b': 2} }}", "{{ not }}", "{{ 1 if }}", "{{ 1 if 2 else }}", "{{ a[ }}", "{{ a[] }}", "{% if x = 1 %}{% endif %}", "{{ x = 1 }}", "{% endfor %}", "{% endblock %}", "{% with a %}{% endwith %}", "{% filter %}x{% endfilter %}", "{% filter nofilter %}x{% endfilter %}",
]

# Variables as Ansible templates them: (variables, name of the one to read).
VARIABLES = [
    ({"a": "plain"}, "a"), ({"a": "{{ b }}", "b": "x"}, "a"), ({"a": "{{ b }}", "b": 5}, "a"), ({"a": "{{ b }}", "b": True}, "a"), ({"a": "{{ b }}", "b": None}, "a"), ({"a": "{{ b }}", "b": 1.5}, "a"), ({"a": "{{ b }}", "b": [1, 2]}, "a"), ({"a": "{{ b }}", "b": {"k": "v"}}, "a"),
    ({"a": "{{ 5 }}"}, "a"), ({"a": "{{ 5 + 5 }}"}, "a"), ({"a": "{{ b + 1 }}", "b": 5}, "a"), ({"a": "{{ true }}"}, "a"), ({"a": "{{ b == 1 }}", "b": 1}, "a"), ({"a": "{{ none }}"}, "a"), ({"a": "{{ [1, 2] }}"}, "a"), ({"a": "[1, 2]"}, "a"), ({"a": "[{{ b }}, 2]", "b": 1}, "a"), ({"a": "{{ b }}{{ c }}", "b": "[1,", "c": "2]"}, "a"),
    ({"a": "{{ b }} and {{ c }}", "b": "x", "c": 2}, "a"), ({"a": "{{ b }}", "b": "{{ c }}", "c": "{{ d }}", "d": 7}, "a"), ({"a": ["{{ b }}", "x"], "b": 1}, "a"), ({"a": {"k": "{{ b }}", "{{ b }}": 1}, "b": "v"}, "a"), ({"a": {"k": ["{{ b }}", {"z": "{{ b }}"}]}, "b": "v"}, "a"), ({"a": "{{ b | to_json }}", "b": {"x": [1]}}, "a"), ({"a": "{{ b | to_json }} ", "b": {"x": [1]}}, "a"),
    ({"a": "{{ b | string }}", "b": [1]}, "a"), ({"a": "{{ b | to_nice_yaml }}", "b": {"x": [1]}}, "a"), ({"a": "{{ b | default('x') }}"}, "a"), ({"a": "{{ b | default([]) }}"}, "a"), ({"a": "{{ b.c | default({}) }}"}, "a"), ({"a": "{% if b %}yes{% else %}no{% endif %}", "b": 1}, "a"), ({"a": "{% for x in b %}{{ x }},{% endfor %}", "b": [1, 2]}, "a"), ({"a": "x\n"}, "a"), ({"a": "{{ b }}\n", "b": "y"}, "a"),
    ({"a": "{{ b }}\n\n", "b": "y"}, "a"), ({"a": "{{ 'a\\\\b' }}"}, "a"), ({"a": "{{ 'x1' | regex_replace('(\\\\w)1', '\\\\1') }}"}, "a"), ({"a": "{{ 'x1' | regex_replace('(.)1', '<\\1>') }}"}, "a"), ({"a": "{{ 'tab\\tx' }}"}, "a"), ({"a": "{{ b }}", "b": "True"}, "a"), ({"a": "{{ b }}", "b": "5"}, "a"), ({"a": "{{ b }}", "b": "{'k': 1}"}, "a"), ({"a": "{{ b }}", "b": "[not a list"}, "a"),
    ({"a": "{{ b }}", "b": "{\"k\": true, \"n\": null}"}, "a"), ({"a": "{{ b | bool }}", "b": "yes"}, "a"), ({"a": "{{ b | int }}", "b": "7"}, "a"), ({"a": "{{ b | length }}", "b": [1]}, "a"), ({"a": "{{ b | sort }}", "b": [2, 1]}, "a"), ({"a": "{{ b.keys() | list }}", "b": {"x": 1}}, "a"), ({"a": "{{ b | join(',') }}", "b": [1, 2]}, "a"), ({"a": "{{ (b, c) }}", "b": 1, "c": 2}, "a"),
    ({"a": "{{ b }}", "b": ["{{ c }}"], "c": "deep"}, "a"), ({"a": "{{ b[0].k }}", "b": [{"k": "{{ c }}"}], "c": "deep"}, "a"), ({"a": "{# comment #}x"}, "a"), ({"a": "{{ b }}-{{ b }}", "b": "{{ c }}", "c": "z"}, "a"), ({"a": " {{ b }}", "b": [1]}, "a"), ({"a": "{{ b }}", "b": ""}, "a"), ({"a": "{{ omitted | default(b) }}", "b": "{{ c }}", "c": [3]}, "a"),
    ({"a": "{{ lookup('vars', 'b') }}", "b": "{{ c }}", "c": "via lookup"}, "a"), ({"a": "{% set x %}[1]{% endset %}{{ x | type_debug }}"}, "a"), ({"a": "{% macro m() %}[1]{% endmacro %}{{ m() | type_debug }}"}, "a"), ({"a": "{{ b | combine({'y': 2}) }}", "b": {"x": 1}}, "a"), ({"a": "{{ ports | dict2items }}", "ports": {"x": 1}}, "a"), ({"a": "00{{ b }}", "b": 7}, "a"), ({"a": "{{ b }}", "b": "0123"}, "a"), ({"a": "{{ '0123' }}"}, "a"),
    ({"a": "{{ 'True' }}"}, "a"), ({"a": "{{ 'False' ~ '' }}"}, "a"), ({"a": "{{ \"{'a': 1}\" }}"}, "a"), ({"a": "{{ '[1, 2' ~ ']' }}"}, "a"), ({"a": "{{ '[1, 2]' | string }}"}, "a"), ({"a": "{{ none | default('x') }}"}, "a"), ({"a": "{{ b }}", "b": ["x", None, True]}, "a"), ({"a": "{{ b }}", "b": [1.0, 2.50]}, "a"), ({"a": "{{ b }}", "b": ["it's"]}, "a"),
]
VARIABLE_ERRORS = [
    ({"a": "{{ a }}"}, "a"), ({"a": "{{ b }}", "b": "{{ a }}"}, "a"), ({"a": "{{ b }}"}, "a"), ({"a": "{{ b }}", "b": "{{ c }}"}, "a"), ({"a": "{{ b.x }}", "b": {}}, "a"), ({"a": ["{{ b }}"]}, "a"), ({"a": {"k": "{{ b }}"}}, "a"), ({"a": "{{ 1 + 'x' }}"}, "a"), ({"a": "{{ b"}, "a"), ({"a": "{% if %}"}, "a"),
]

# Only in plain Jinja2 (extensions `do` and `loopcontrols`), and with other settings than Ansible's.
PLAIN = [
    "# for i in [1, 2]\n* {{ i }}   ## extra\n    ## more extra\n# endfor", "{% for loop in words %}{% endfor %}", "{% macro x(caller) %}{{ caller() }}{% endmacro %}", "{{ 'a' in missing }}",
    "{% do words.append('new') %}{{ words }}", "{% for i in range(5) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "{% for i in range(5) %}{% if i is odd %}{% continue %}{% endif %}{{ i }}{% endfor %}", "{{ missing }}", "{{ missing.x }}", "[{% for x in missing %}x{% endfor %}]", "{{ missing|default('x') }}", "{% if missing %}a{% else %}b{% endif %}", "{{ missing == missing }}",
    "{{ missing|length }}", "{{ missing ~ 'x' }}", "{{ none }}", "{{ nothing }}", "{{ 'x' if no }}", "{% include 'plain.j2' without context %}", "  {% if yes %}  \n  x\n  {%- endif %}\n", "\t{%+ if yes %}\n\tx\n\t{% endif +%}\n", "{% for w in words %}\n    {{ w }}\n{% endfor %}\n\n", "  {# c #}\n  x {# d #}\n", "  {{ name }}\n", "{% raw %}  \n  x\n  {% endraw %}\n y", "  {% raw %}\nx{% endraw %}",
    "{%- for i in [1,2] -%}\n\n {{ i }}\n\n{%- endfor -%}", "# for i in [1, 2]\nx {{ i }}\n# endfor\n", "  # for i in [1, 2]:\n  x {{ i }}  ## note\n  # endfor\nend ## note\n", "# if yes\na\n# else\nb\n# endif", "## whole\nx\n", "a\r\nb\rc\n", "a\n\n", "{% block a %}\nx\n{% endblock %}\n", "<% if %>", "{% for i in [1,2,3] %}{{ loop.index }}{% if loop.index == 2 %}{% break %}{% endif %}{% else %}e{% endfor %}",
    "{{ html|e }}{{ html }}", "{{ [html|e] }}", "{{ (html|e) ~ '<' }}", "{{ ('<b>'|safe) + '<i>' }}", "{{ d.items()|list }}", "{% set x %}<{% endset %}{{ x|e }}", "{% for a in words %}{% for b in nums %}{% if b == 2 %}{% continue %}{% endif %}{{ b }}{% endfor %}{% endfor %}",
]
SETTINGS = [
    {"trim_blocks": False, "lstrip_blocks": False, "ansible": False}, {"trim_blocks": True, "lstrip_blocks": True, "ansible": False}, {"trim_blocks": False, "lstrip_blocks": True, "ansible": False, "keep_trailing_newline": True},
    {"trim_blocks": False, "lstrip_blocks": False, "ansible": False, "lenient_undefined": True}, {"trim_blocks": True, "lstrip_blocks": False, "ansible": False, "line_statement_prefix": "#", "line_comment_prefix": "##"}, {"trim_blocks": False, "lstrip_blocks": False, "ansible": False, "newline_sequence": "\r\n"},
]

# ipaddr and its family: what Debian's ansible 7.7 (ansible.utils) with python3-netaddr 0.8 gives; None is an error. Kept here
# because that package is 250 MiB.
ADDRESSES = [
    ('"192.0.2.2/31"|ipaddr("")', '192.0.2.2/31'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("")', '10.1.2.3/16'),
    ('"192.168.1.5"|ipaddr("")', '192.168.1.5'),
    ('"2001:db8::1/64"|ipaddr("address")', '2001:db8::1'),
    ('"2001:db8::/64"|ipaddr("address")', '2001:db8::'),
    ('"192.168.1.5/24"|ipaddr("address")', '192.168.1.5'),
    ('"192.168.1.5/24"|ipaddr("ip")', '192.168.1.5'),
    ('"::ffff:1.2.3.4"|ipaddr("ip")', '::ffff:1.2.3.4'),
    ('"192.168.1.5"|ipaddr("ip")', '192.168.1.5'),
    ('"2001:db8::1/64"|ipaddr("address/prefix")', '2001:db8::1/64'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("address/prefix")', '10.1.2.3/16'),
    ('"::ffff:1.2.3.4"|ipaddr("address/prefix")', '::ffff:1.2.3.4/128'),
    ('"192.168.1.5"|ipaddr("bool")', 'True'),
    ('"192.0.2.2/31"|ipaddr("bool")', 'True'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("bool")', 'True'),
    ('"::ffff:1.2.3.4"|ipaddr("broadcast")', ''),
    ('"2001:db8::1"|ipaddr("broadcast")', ''),
    ('"192.168.1.0/24"|ipaddr("broadcast")', '192.168.1.255'),
    ('"192.168.1.0/24"|ipaddr("cidr")', '192.168.1.0/24'),
    ('"192.168.1.5/24"|ipaddr("cidr")', '192.168.1.5/24'),
    ('"::ffff:1.2.3.4"|ipaddr("cidr")', '::ffff:1.2.3.4/128'),
    ('"192.0.2.2/31"|ipaddr("first_usable")', '192.0.2.2'),
    ('"192.168.1.5"|ipaddr("first_usable")', None),
    ('"2001:db8::1/64"|ipaddr("first_usable")', '2001:db8::1'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("host")', '10.1.2.3/16'),
    ('"::ffff:1.2.3.4"|ipaddr("host")', '::ffff:1.2.3.4/128'),
    ('"192.168.1.5/24"|ipaddr("host")', '192.168.1.5/24'),
    ('"192.168.1.0/24"|ipaddr("hostmask")', '0.0.0.255'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("hostmask")', '0.0.255.255'),
    ('"::ffff:1.2.3.4"|ipaddr("hostmask")', '::'),
    ('"2001:db8::1"|ipaddr("int")', '42540766411282592856903984951653826561'),
    ('"192.168.1.5/24"|ipaddr("int")', '3232235781/24'),
    ('"2001:db8::1/64"|ipaddr("int")', '42540766411282592856903984951653826561/64'),
    ('"2001:db8::1"|ipaddr("ip/prefix")', ''),
    ('"2001:db8::1/64"|ipaddr("ip/prefix")', '2001:db8::1/64'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("ip/prefix")', '10.1.2.3/16'),
    ('"192.0.2.2/31"|ipaddr("ip_netmask")', '192.0.2.2 255.255.255.254'),
    ('"192.168.1.0/24"|ipaddr("ip_netmask")', ''),
    ('"192.168.1.5/24"|ipaddr("ip_netmask")', '192.168.1.5 255.255.255.0'),
    ('"2001:db8::/64"|ipaddr("last_usable")', '2001:db8::ffff:ffff:ffff:fffe'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("last_usable")', '10.1.255.254'),
    ('"192.168.1.5"|ipaddr("last_usable")', None),
    ('"::ffff:1.2.3.4"|ipaddr("link-local")', ''),
    ('"10.1.2.3/255.255.0.0"|ipaddr("link-local")', ''),
    ('"192.168.1.5"|ipaddr("link-local")', ''),
    ('"10.1.2.3/255.255.0.0"|ipaddr("loopback")', ''),
    ('"::ffff:1.2.3.4"|ipaddr("loopback")', ''),
    ('"2001:db8::1/64"|ipaddr("loopback")', ''),
    ('"::ffff:1.2.3.4"|ipaddr("multicast")', ''),
    ('"192.0.2.2/31"|ipaddr("multicast")', ''),
    ('"2001:db8::/64"|ipaddr("multicast")', ''),
    ('"2001:db8::1/64"|ipaddr("net")', ''),
    ('"10.1.2.3/255.255.0.0"|ipaddr("net")', ''),
    ('"192.0.2.2/31"|ipaddr("net")', '192.0.2.2/31'),
    ('"2001:db8::/64"|ipaddr("netmask")', 'ffff:ffff:ffff:ffff::'),
    ('"192.168.1.0/24"|ipaddr("netmask")', '255.255.255.0'),
    ('"192.168.1.5/24"|ipaddr("netmask")', '255.255.255.0'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("network")', '10.1.0.0'),
    ('"::ffff:1.2.3.4"|ipaddr("network")', '::ffff:1.2.3.4'),
    ('"2001:db8::1/64"|ipaddr("network")', '2001:db8::'),
    ('"192.168.1.5"|ipaddr("network_id")', '192.168.1.5'),
    ('"192.168.1.5/24"|ipaddr("network_id")', '192.168.1.0'),
    ('"::ffff:1.2.3.4"|ipaddr("network_id")', '::ffff:1.2.3.4'),
    ('"2001:db8::/64"|ipaddr("network/prefix")', '2001:db8::/64'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("network/prefix")', '10.1.0.0/16'),
    ('"::ffff:1.2.3.4"|ipaddr("network/prefix")', '::ffff:1.2.3.4/128'),
    ('"::ffff:1.2.3.4"|ipaddr("network_netmask")', '::ffff:1.2.3.4 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),
    ('"2001:db8::/64"|ipaddr("network_netmask")', '2001:db8:: ffff:ffff:ffff:ffff::'),
    ('"2001:db8::1"|ipaddr("network_netmask")', '2001:db8::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),
    ('"2001:db8::1"|ipaddr("network_wildcard")', '2001:db8::1 ::'),
    ('"192.168.1.0/24"|ipaddr("network_wildcard")', '192.168.1.0 0.0.0.255'),
    ('"::ffff:1.2.3.4"|ipaddr("network_wildcard")', '::ffff:1.2.3.4 ::'),
    ('"192.0.2.2/31"|ipaddr("next_usable")', '192.0.2.3'),
    ('"192.168.1.5/24"|ipaddr("next_usable")', '192.168.1.6'),
    ('"::ffff:1.2.3.4"|ipaddr("next_usable")', None),
    ('"192.0.2.2/31"|ipaddr("previous_usable")', ''),
    ('"2001:db8::/64"|ipaddr("previous_usable")', ''),
    ('"192.168.1.0/24"|ipaddr("previous_usable")', ''),
    ('"192.168.1.0/24"|ipaddr("prefix")', '24'),
    ('"2001:db8::1"|ipaddr("prefix")', '128'),
    ('"192.0.2.2/31"|ipaddr("prefix")', '31'),
    ('"2001:db8::1"|ipaddr("private")', ''),
    ('"192.0.2.2/31"|ipaddr("private")', ''),
    ('"192.168.1.0/24"|ipaddr("private")', '192.168.1.0/24'),
    ('"192.168.1.5/24"|ipaddr("public")', ''),
    ('"192.168.1.5"|ipaddr("public")', ''),
    ('"2001:db8::1"|ipaddr("public")', '2001:db8::1'),
    ('"192.0.2.2/31"|ipaddr("range_usable")', '192.0.2.2-192.0.2.3'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("range_usable")', '10.1.0.1-10.1.255.254'),
    ('"2001:db8::1/64"|ipaddr("range_usable")', '2001:db8::1-2001:db8::ffff:ffff:ffff:fffe'),
    ('"192.0.2.2/31"|ipaddr("revdns")', '2.2.0.192.in-addr.arpa.'),
    ('"192.168.1.5/24"|ipaddr("revdns")', '5.1.168.192.in-addr.arpa.'),
    ('"192.168.1.0/24"|ipaddr("revdns")', '0.1.168.192.in-addr.arpa.'),
    ('"192.168.1.0/24"|ipaddr("size")', '256'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("size")', '65536'),
    ('"192.0.2.2/31"|ipaddr("size")', '2'),
    ('"192.168.1.5"|ipaddr("size_usable")', '0'),
    ('"::ffff:1.2.3.4"|ipaddr("size_usable")', '0'),
    ('"192.168.1.0/24"|ipaddr("size_usable")', '254'),
    ('"192.168.1.5/24"|ipaddr("subnet")', '192.168.1.0/24'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("subnet")', '10.1.0.0/16'),
    ('"2001:db8::1"|ipaddr("subnet")', '2001:db8::1/128'),
    ('"2001:db8::1"|ipaddr("type")', 'address'),
    ('"192.168.1.5"|ipaddr("type")', 'address'),
    ('"192.168.1.0/24"|ipaddr("type")', 'network'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("unicast")', '10.1.2.3/255.255.0.0'),
    ('"2001:db8::1"|ipaddr("unicast")', '2001:db8::1'),
    ('"192.168.1.5/24"|ipaddr("unicast")', '192.168.1.5/24'),
    ('"2001:db8::1/64"|ipaddr("version")', '6'),
    ('"192.168.1.5/24"|ipaddr("version")', '4'),
    ('"192.168.1.0/24"|ipaddr("version")', '4'),
    ('"192.0.2.2/31"|ipaddr("wrap")', '192.0.2.2/31'),
    ('"2001:db8::/64"|ipaddr("wrap")', '[2001:db8::]/64'),
    ('"192.168.1.0/24"|ipaddr("wrap")', '192.168.1.0/24'),
    ('"192.168.1.0/24"|ipaddr("wildcard")', '0.0.0.255'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("wildcard")', '0.0.255.255'),
    ('"192.0.2.2/31"|ipaddr("wildcard")', '0.0.0.1'),
    ('"192.168.1.0/24"|ipaddr("gateway")', 'False'),
    ('"2001:db8::1"|ipaddr("gateway")', '2001:db8::1/128'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("gateway")', '10.1.2.3/16'),
    ('"192.168.1.5"|ipaddr("192.168.0.0/16")', '192.168.1.5'),
    ('"2001:db8::1"|ipaddr("192.168.0.0/16")', ''),
    ('"::ffff:1.2.3.4"|ipaddr("192.168.0.0/16")', ''),
    ('"2001:db8::/64"|ipaddr("2001:db8::/32")', '2001:db8::/64'),
    ('"192.168.1.0/24"|ipaddr("2001:db8::/32")', ''),
    ('"::ffff:1.2.3.4"|ipaddr("2001:db8::/32")', ''),
    ('"2001:db8::1"|ipaddr("1")', '2001:db8::1'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("1")', '10.1.0.1/16'),
    ('"2001:db8::/64"|ipaddr("1")', '2001:db8::1/64'),
    ('"192.168.1.5/24"|ipaddr("5")', '192.168.1.5/24'),
    ('"2001:db8::/64"|ipaddr("5")', '2001:db8::5/64'),
    ('"::ffff:1.2.3.4"|ipaddr("5")', '::ffff:1.2.3.4'),
    ('"2001:db8::1/64"|ipaddr("-1")', '2001:db8::ffff:ffff:ffff:ffff/64'),
    ('"192.0.2.2/31"|ipaddr("-1")', '192.0.2.3/31'),
    ('"192.168.1.5"|ipaddr("-1")', '192.168.1.5'),
    ('"192.168.1.5"|ipaddr("-2")', '192.168.1.5'),
    ('"::ffff:1.2.3.4"|ipaddr("-2")', '::ffff:1.2.3.4'),
    ('"2001:db8::/64"|ipaddr("-2")', '2001:db8::ffff:ffff:ffff:fffe/64'),
    ('"192.168.1.0/24"|ipaddr("ipv4")', '192.168.1.0/24'),
    ('"::ffff:1.2.3.4"|ipaddr("ipv4")', '1.2.3.4/32'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("ipv4")', '10.1.2.3/255.255.0.0'),
    ('"192.168.1.5"|ipaddr("ipv6")', '::ffff:192.168.1.5/128'),
    ('"2001:db8::/64"|ipaddr("ipv6")', '2001:db8::/64'),
    ('"10.1.2.3/255.255.0.0"|ipaddr("ipv6")', '::ffff:10.1.2.3/112'),
    ('"192.0.2.2/31"|ipaddr("bogus")', None),
    ('"2001:db8::1"|ipaddr("bogus")', None),
    ('"192.168.1.5"|ipaddr("bogus")', None),
    ('["192.168.1.1", "x", "2001:db8::1"]|ipv4', "['192.168.1.1']"),
    ('["192.168.1.1", "x", "2001:db8::1"]|ansible.utils.ipaddr', "['192.168.1.1', '2001:db8::1']"),
    ('"3232235777"|ipaddr', '192.168.1.1'),
    ('"nonsense"|ipaddr', 'False'),
    ('"2001:db8::1/64"|ipwrap', '[2001:db8::1]/64'),
    ('["::1", "10.0.0.1", "x"]|ipwrap', "['[::1]', '10.0.0.1', 'x']"),
    ('"10.0.0.0/8"|nthhost(305)', '10.0.1.49'),
    ('"10.0.0.0/30"|nthhost(9)', 'False'),
    ('"10.0.0.0/30"|nthhost(-1)', '10.0.0.3'),
]
