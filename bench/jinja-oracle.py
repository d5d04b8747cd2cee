"""Random templates from a grammar, and what Python's Jinja2 makes of them: one line of JSON each on stdout.

    python jinja-oracle.py SEED COUNT

Needs the package jinja2 3.1.6. The set-up is that of the transformers library. jinja-oracle.mjs compares.
"""
import datetime
import json
import random
import signal
import sys
import warnings

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

warnings.simplefilter("ignore")
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_print"), [], [], body).set_lineno(line)

    @jinja2.pass_eval_context
    def _print(self, context, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def strftime_now(format):
    return NOW.strftime(format)


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


CONTEXTS = [
    {
        "messages": [
            {"role": "system", "content": " Be nice. "},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yo\nthere", "tool_calls": [{"name": "f", "arguments": {"x": 1, "y": [1.5, None]}}]},
            {"role": "user", "content": "again"},
        ],
        "add_generation_prompt": True,
        "n": 3,
        "f": 2.5,
        "s": "Hello wORLD foo-bar",
        "l": [3, 1, 2],
        "d": {"b": 1, "a": [1, 2], "C": None, "__proto__": 4, "constructor": "c"},
        "tools": None,
        "documents": None,
    },
    {
        "messages": [
            {"role": "user", "content": 'Hi "there"\nö😀 <b>&'},
            {"role": "Assistant", "content": [{"type": "text", "text": "x"}, {"type": "image"}]},
            {"role": "user", "content": "again\r\nx", "name": "Zoë"},
        ],
        "add_generation_prompt": False,
        "n": -7,
        "f": 2.25,
        "s": "ǆ ß Straße ΑΣ ﬁ\t😀 www.example.com/a?b=c <i>x</i>",
        "l": ["b", "A", "c", "a"],
        "d": {"items": 5, "keys": "k", "z": {"y": {"x": "deep"}}, "w": True},
        "tools": None,
        "documents": None,
    },
    {"messages": [], "add_generation_prompt": True, "n": 0, "f": 0.5, "s": "", "l": [], "d": {}, "tools": None, "documents": None},
    {
        "messages": [{"role": "user", "content": "%s {} {0} %(a)s"}, {"role": "tool", "content": None}],
        "add_generation_prompt": True,
        "n": 123456789,
        "f": 0.1,
        "s": "  two\n\n lines of some\tlonger text, with a veryveryverylongwordinside-and-hyphens  ",
        "l": [{"k": "b", "v": 2}, {"k": "A", "v": 1}, {"k": "b", "v": 0.5}, {"v": 3}],
        "d": {"k": [], "s": "x" * 50, "t": {"u": [{"w": 1}] * 3}, "é": "ü" * 30},
        "tools": None,
        "documents": None,
    },
]

STRINGS = [
    "''", "'a'", "'abc'", "'Hello World'", "' pad '", "'a,b,,c'", "'x y  z'", "'1'", "'-12'", "'3.5'", "'1e3'", "'ÄÖ ß'",
    "'😀x'", "'<b>&\"'", "'it\\'s'", "'\\n'", "'a\\nb\\r\\nc'", "'%s'", "'%d|%5.2f'", "'{}'", "'{0}-{1}'", "'{a}'", "'role'",
    "'content'", "'user'", "'k'", "'v'", "'aXbXc'", "'foo.bar'", "'tAb\\there'", "\"q'q\"", "'ab' 'cd'", "'é'", "'\\x41\\u00e9'",
    "'http://a.example/x'", "'0x1f'", "'_x'", "'nan'", "'inf'", "' 12 '", "'1_000'", "'\\t'", "'zZ'", "'the quick brown fox jumps over'",
]
INTS = ["0", "1", "2", "3", "5", "-1", "-2", "10", "42", "100", "1_000", "0x1f", "0b101", "7"]
FLOATS = ["0.0", "1.0", "2.5", "0.1", "-3.75", "1e3", "1.5e-7", "123456.789", "1e20", "2.675", "0.5", "1e16", "99.995"]
NAMES = ["messages", "n", "f", "s", "l", "d", "tools", "nothing", "m", "x", "y", "i", "loop", "ns", "add_generation_prompt", "documents"]
GIVEN = ["messages", "n", "f", "s", "l", "d", "tools", "add_generation_prompt", "documents", "n", "s", "d", "l"]
ATTRS = ["role", "content", "x", "items", "k", "v", "name", "upper", "foo", "a", "z", "index", "first", "last", "keys", "1", "0", "constructor", "__class__", "_p", "length", "append", "tool_calls", "grouper", "list", "real"]
STR_METHODS = [
    ("upper", 0), ("lower", 0), ("title", 0), ("capitalize", 0), ("swapcase", 0), ("strip", -1), ("lstrip", -1), ("rstrip", -1),
    ("split", -2), ("rsplit", -2), ("splitlines", -3), ("startswith", 1), ("endswith", 1), ("find", 1), ("rfind", 1), ("index", 1),
    ("count", 1), ("replace", 2), ("join", 9), ("zfill", 8), ("center", 7), ("ljust", 7), ("rjust", 7), ("isdigit", 0), ("isalpha", 0),
    ("isupper", 0), ("islower", 0), ("isspace", 0), ("istitle", 0), ("isalnum", 0), ("isnumeric", 0), ("isidentifier", 0), ("isprintable", 0),
    ("partition", 1), ("rpartition", 1), ("removeprefix", 1), ("removesuffix", 1), ("casefold", 0), ("expandtabs", -8), ("format", 6), ("isdecimal", 0), ("isascii", 0), ("format_map", 5),
]
DICT_METHODS = ["items", "keys", "values", "get", "copy", "update", "pop"]
FILTERS = [
    "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape", "filesizeformat", "first", "float",
    "forceescape", "format", "groupby", "indent", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "pprint",
    "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "slice", "sort", "string", "striptags", "sum",
    "title", "tojson", "trim", "truncate", "unique", "upper", "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr",
]
TESTS0 = [
    "odd", "even", "defined", "undefined", "none", "boolean", "false", "true", "integer", "float", "lower", "upper", "string", "mapping",
    "number", "sequence", "iterable", "callable", "escaped", "filter", "test",
]
TESTS1 = ["divisibleby", "eq", "equalto", "==", "ne", "!=", "gt", "ge", "lt", "le", "greaterthan", "lessthan", "in", ">", "<"]
FORMATS = ["%d %b %Y", "%A %j %U %W %V %G", "%c|%x|%X", "%I:%M:%S %p", "%-d %-m %e", "%y%%", "%Z%z", "%B %-I", "%f %u %w", "%Q %5d %_d %^a %#B"]
SPECS = ["", ">5", "<8", "^9", "*^9", "05", "d", "+d", ",", "_", ".2f", "e", "g", "%", "x", "#x", "b", "o", "s", ".1", "10.3f", "=+6", "c", "08,.2f", "n", "X", "#o", ".3g", "-", " ", "G"]
PERCENTS = ["%s", "%d", "%5d", "%-5d|", "%05d", "%+d", "%x", "%#x", "%o", "%f", "%.2f", "%e", "%g", "%r", "%a", "%c", "%%", "%(k)s", "%i", "%5s", "%-5s|", "%.1s", "%*d", "%X", "%G", "% d", "%#o", "%.3d", "%.10g", "%08.3f"]


class Grammar:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.depth = 0
        self.loops = 0
        self.macros = []

    def pick(self, items):
        return self.r.choice(items)

    def chance(self, p):
        return self.r.random() < p

    # Expressions ------------------------------------------------------------
    def string(self, d):
        return self.pick(STRINGS)

    def number(self, d):
        if d > 1 and self.chance(0.3):
            return f"({self.number(d - 1)} {self.pick(['+', '-', '*', '/', '//', '%'])} {self.number(d - 1)})"
        return self.pick([self.pick(INTS), self.pick(FLOATS), self.pick(INTS), "n", "f", "true", "messages|length"])

    def atom(self):
        k = self.r.random()
        if k < 0.32:
            return self.pick(NAMES if self.loops and self.chance(0.7) or self.chance(0.1) else GIVEN)
        if k < 0.58:
            return self.pick(STRINGS)
        if k < 0.75:
            return self.pick(INTS)
        if k < 0.82:
            return self.pick(FLOATS)
        if k < 0.9:
            return self.pick(["true", "false", "none", "True", "None"])
        if not self.loops and self.chance(0.9):
            return self.pick(["messages[0]", "messages[0].content", "messages[-1]['role']", "d.a", "l[0]", "[]", "{}", "()", "ns.x", "nothing"])
        return self.pick(["messages[0]", "messages[0].content", "messages[-1]['role']", "m.content", "loop.index", "loop.last", "d.a", "l[0]", "[]", "{}", "()", "loop.index0", "loop.first", "loop.length", "loop.previtem", "loop.nextitem", "loop.revindex", "loop.depth", "ns.x"])

    def expr(self, d=3):
        if d <= 0:
            return self.atom()
        k = self.r.random()
        if k < 0.16:
            return self.atom()
        if k < 0.38:
            return self.filtered(d)
        if k < 0.5:
            return self.method(d)
        if k < 0.58:
            if self.chance(0.25):
                return f"({self.expr(d - 1)} {self.pick(['+', '-', '*', '/', '//', '%', '+'])} {self.expr(d - 1)})"
            if self.chance(0.4):
                return f"({self.expr(d - 1)} ~ {self.expr(d - 1)})"
            if self.chance(0.4):
                return f"({self.pick(STRINGS + ['s'])} {self.pick(['+', '+', '*'])} {self.pick(STRINGS + ['s', '2'])})"
            return f"({self.number(d)} {self.pick(['+', '-', '*', '/', '//', '%'])} {self.number(d)})"
        if k < 0.60:
            return f"({self.pick(INTS)} ** {self.pick(['0', '1', '2', '3', '-1', '0.5', '2.0'])})"
        if k < 0.66:
            if self.chance(0.3):
                return f"({self.pick(STRINGS)} {self.pick(['<', '>', '<=', '>=', 'in', 'not in'])} {self.pick(STRINGS + ['s', 'd'])})"
            return f"({self.expr(d - 1)} {self.pick(['==', '!=', '==', '<', '>=', 'in', 'not in', 'and', 'or', 'and', 'or'])} {self.expr(d - 1)})"
        if k < 0.67:
            return f"({self.atom()} {self.pick(['<', '<=', '=='])} {self.atom()} {self.pick(['<', '>', '!='])} {self.atom()})"
        if k < 0.70:
            return f"({self.pick(['not', 'not', 'not', '-', '+', 'not not'])} {self.expr(d - 1)})"
        if k < 0.76:
            return self.test(d)
        if k < 0.80:
            tail = f" else {self.expr(d - 1)}" if self.chance(0.8) else ""
            return f"({self.expr(d - 1)} if {self.expr(d - 1)}{tail})"
        if k < 0.84:
            return f"{self.primary(d)}.{self.pick(ATTRS)}"
        if k < 0.88:
            return f"{self.primary(d)}[{self.subscript(d)}]"
        if k < 0.93:
            return self.collection(d)
        if k < 0.95:
            return self.percent(d)
        if k < 0.97:
            return self.formatted(d)
        return self.call(d)

    def primary(self, d):
        return self.pick([self.atom(), f"({self.expr(d - 1)})", self.collection(d), self.pick(NAMES)])

    def subscript(self, d):
        k = self.r.random()
        if k < 0.35:
            return self.pick(INTS)
        if k < 0.55:
            return self.pick(STRINGS)
        if k < 0.65:
            return self.expr(d - 1)
        part = lambda: self.pick(["", "", self.pick(INTS), "n", "-1", "none"])
        return f"{part()}:{part()}" + (f":{part()}" if self.chance(0.4) else "")

    def collection(self, d):
        k = self.r.random()
        items = [self.expr(d - 1) for _ in range(self.r.randint(0, 4))]
        if k < 0.3:
            return "[" + ", ".join(items) + "]"
        if k < 0.4:
            return "(" + "".join(i + ", " for i in items) + ")"
        if k < 0.6:
            return "{" + ", ".join(f"{self.pick([self.pick(STRINGS), self.pick(INTS), self.pick(GIVEN)])}: {i}" for i in items) + "}"
        if k < 0.7:
            return self.pick(["range(4)", "range(n)", "range(1, 6, 2)", "range(5, 0, -1)", "range(0)", "range(1, 3)"])
        if k < 0.8:
            return self.pick(["[3, 1, 2]", "['b', 'A', 'a', 'B']", "[1, 1.0, true, 2]", "[{'k': 1}, {'k': 2}, {'k': 1}]", "['a', none, 1]", "[[1, 2], [3]]", "[('a', 1), ('b', 2)]", "{'b': 1, 'a': 2, 'C': 3}", "{1: 'x', 2: 'y'}", "{'x': {'y': 'z'}, 'w': [1]}"])
        return self.pick(["messages", "l", "d", "d.items()", "d|dictsort", "s.split()", "messages[1:]", "messages|map(attribute='role')", "l|sort", "dict(a=1, b='x')", "messages[::-1]", "l|reverse"])

    def args(self, d, low, high):
        return [self.expr(d - 2) for _ in range(self.r.randint(low, high))]

    def method(self, d):
        if self.chance(0.2):
            name = self.pick(DICT_METHODS)
            target = self.pick(["d", "messages[0]", "{'a': 1, 'b': [2]}", "m", self.primary(d)])
            given = [self.pick(STRINGS)] + ([self.atom()] if self.chance(0.5) else []) if name in ("get", "pop") else []
            return f"{target}.{name}({', '.join(given)})"
        if self.chance(0.06):
            return self.pick(["[1, 2, 1].count(1)", "[1, 2].index(2)", "(1, 2).index(2)", "l.append(1)", "l.copy()", "[3, 1].sort()", "l.index(n)", "(5).bit_length()", "(2.0).is_integer()", "range(5).index(3)", "d.fromkeys('ab', 1)", "[1, 2].index(9)", "'abc'.maketrans('a', 'b')"])
        name, kind = self.pick(STR_METHODS)
        target = self.pick([self.pick(STRINGS), "s", "messages[0].content", self.primary(d)])
        small = self.pick(STRINGS)
        given = {
            0: [],
            -1: [[], [small], ["none"]],
            -2: [[], [small], [small, self.pick(INTS)], ["none", self.pick(INTS)], ["maxsplit=1"], [f"sep={small}"]],
            -3: [[], ["true"], ["keepends=true"]],
            -8: [[], ["4"], ["tabsize=2"], ["0"]],
            1: [[small], [small, self.pick(INTS)], [small, self.pick(INTS), self.pick(INTS)], [f"({small}, 'a')"]],
            2: [[small, self.pick(STRINGS)], [small, self.pick(STRINGS), self.pick(INTS)], ["''", small]],
            9: [[self.collection(d)], ["['a', 'b']"], [small], ["messages|map(attribute='role')"]],
            8: [["5"], [self.pick(INTS)]],
            7: [["9"], ["9", "'*'"], [self.pick(INTS), small], ["10", "'é'"]],
            6: [[self.expr(d - 2), self.expr(d - 2)], ["a=1"], [f"*{self.collection(d)}"], ["**d"], [self.atom()], []],
            5: [["d"], ["{'a': 1}"], [self.expr(d - 2)]],
        }[kind]
        if kind != 0:
            given = self.pick(given)
        if self.chance(0.04):
            given = self.args(d, 0, 3)
        return f"{target}.{name}({', '.join(given)})"

    def filtered(self, d):
        name = self.pick(FILTERS)
        e = self.expr(d - 1)
        seq = self.pick([self.collection(d), self.collection(d), self.collection(d), e])
        text = self.pick([self.pick(STRINGS), self.pick(STRINGS), "s", "s", "messages[0].content", e])
        num = self.pick([self.number(d), self.number(d), self.number(d), e])
        flag = self.pick(["true", "false"])
        attr = self.pick(["'role'", "'k'", "'v'", "'content'", "0", "1", "'0'", "'a.b'", "'x'", "'k,v'", "'name'"])
        small = self.pick(STRINGS)
        table = {
            "abs": (num, [""]), "round": (num, ["", "1", "2", "-1", "0, 'ceil'", "1, 'floor'", "2, 'common'", "method='ceil'", "precision=1", "none"]),
            "int": (self.pick([num, text]), ["", "7", "base=16", "0, 2", "default='x'"]), "float": (self.pick([num, text]), ["", "1.5", "default=none"]),
            "filesizeformat": (self.pick([num, "1500", "10**9", "1024", "1", "123456789"]), ["", "true", "binary=true"]),
            "attr": (seq, [attr, "'items'", "'upper'"]), "batch": (seq, ["2", "3, 'x'", "1", "fill_with=0, linecount=2", "0"]), "slice": (seq, ["2", "3, 'x'", "1", "4", "0"]),
            "center": (text, ["", "20", "width=9"]), "default": (e, ["", "'z'", "'z', true", "default_value='q'", "'q', boolean=true", "none"]), "d": (e, ["'z'", "'z', true"]),
            "dictsort": (self.pick(["d", "{'b': 1, 'a': 2, 'C': 3}", "messages[0]", e, "{2: 'x', 1: 'y'}"]), ["", "true", "false, 'value'", "by='value'", "reverse=true", "by='x'"]),
            "first": (seq, [""]), "last": (seq, [""]), "length": (seq, [""]), "count": (seq, [""]), "list": (seq, [""]), "items": (self.pick(["d", seq]), [""]),
            "reverse": (seq, [""]), "format": (self.pick(["'%s-%s'", "'%d'", "'%(a)s'", text]), [f"{self.atom()}, {self.atom()}", "a=1", self.atom(), ""]),
            "groupby": (self.pick(["messages", "l", "[{'k': 1}, {'k': 'a'}]", "[{'k': 'B', 'v': 1}, {'k': 'b', 'v': 2}, {'k': 'a'}]", seq]), [attr, "'k', default='zz'", "attribute='k'", "'k', case_sensitive=true", "'role'"]),
            "indent": (text, ["", "2", "2, true", "first=true, width=1", "blank=true", "'> '", "'> ', true, true"]),
            "join": (seq, ["", "','", "', ', 'role'", "attribute='k'", "d='-'", "1"]),
            "map": (seq, ["'upper'", "attribute='role'", "attribute='k', default='?'", "'int'", "'trim'", "'length'", "'default', 'x'", "attribute=0", "'nofilter'", "'string'", "'replace', 'a', 'b'", "", "'tojson'", "'first'", "'round', 1", "x=1"]),
            "max": (seq, ["", "attribute='k'", "true", "case_sensitive=true"]), "min": (seq, ["", "attribute='v'", "true"]),
            "select": (seq, ["", "'odd'", "'string'", "'gt', 1", "'equalto', 'a'", "'in', [1, 2]", "'defined'", "'notest'", "'mapping'", "'none'"]),
            "reject": (seq, ["", "'odd'", "'none'", "'lt', 2", "'string'"]),
            "selectattr": (self.pick(["messages", "l", seq]), [attr, "'role', 'equalto', 'user'", "'role', 'ne', 'user'", "'name', 'defined'", "'v', 'gt', 1", "'k', 'in', ['b']", "", "'tool_calls'"]),
            "rejectattr": (self.pick(["messages", "l", seq]), [attr, "'role', 'equalto', 'user'", "'name', 'undefined'"]),
            "replace": (text, [f"{small}, {self.pick(STRINGS)}", f"{small}, 'Z', 1", "'', '-'", "1, 2", "old='a', new='b'"]),
            "sort": (seq, ["", "true", "attribute='k'", "attribute='v'", "case_sensitive=true", "attribute='k,v'", "reverse=true", "false, true", "attribute='role'", "attribute=0"]),
            "sum": (self.pick([seq, "[1, 2.5]", "[1, 2]"]), ["", "attribute='v'", "start=10", "'v', 1", "start=[]"]),
            "tojson": (e, ["", "indent=2", "indent=4", "ensure_ascii=true", "sort_keys=true", "separators=(',', ':')", "true", "indent=0", "indent='> '", "indent=2, separators=(', ', ' : ')"]),
            "trim": (text, ["", "'x'", "chars='ab '"]), "truncate": (text, ["", "5", "5, true", "9, false, '…'", "8, true, '', 0", "length=10, leeway=0", "3, end='>'"]),
            "unique": (seq, ["", "true", "attribute='k'", "attribute='role'"]), "urlencode": (self.pick([text, "d", "[('a', 'b c'), (1, none)]", seq]), [""]),
            "urlize": (self.pick([text, "'see http://a.example/x?y=1, (www.b.org) or me@c.com.'", "'mailto:a@b.de <https://x.y/>'"]), ["", "10", "target='_blank'", "nofollow=true", "rel='x'", "extra_schemes=['tel:']"]),
            "wordwrap": (text, ["10", "5", "20", "8, false", "7, wrapstring='|'", "width=6, break_on_hyphens=false", "", "1"]), "xmlattr": (self.pick(["d", "{'a': 1, 'b': none, 'c': '<'}", e]), ["", "false", "autospace=true"]),
            "safe": (text, [""]), "e": (text, [""]), "escape": (text, [""]), "forceescape": (text, [""]), "striptags": (self.pick([text, "'<p>a  <!-- x -->b</p> &lt;c&gt; &#65;'"]), [""]),
            "pprint": (e, [""]), "wordcount": (text, [""]),
        }
        operand, options = table.get(name, (text, [""]))
        given = self.pick(options)
        if self.chance(0.03):
            given = ", ".join(self.args(d, 0, 3))
        if self.chance(0.01):
            name = "nofilter"
        result = f"{operand}|{name}" + (f"({given})" if given or self.chance(0.1) else "")
        if name in ("map", "select", "reject", "selectattr", "rejectattr", "batch", "slice", "unique", "items", "reverse") and self.chance(0.85):
            result += self.pick(["|list", "|list", "|join(',')", "|first", "|length", "|sort", "|sum", "|list|length", "|list|tojson"])
        return f"({result})" if self.chance(0.7) else result

    def test(self, d):
        e = self.expr(d - 1)
        no = self.pick(["", "", "not "])
        if self.chance(0.6):
            name = self.pick(TESTS0)
            if self.chance(0.01):
                name = "notest"
            return f"({e} is {no}{name})"
        name = self.pick(TESTS1)
        if not name[0].isalpha():
            name = "eq"
        argument = self.pick([self.pick(STRINGS), self.pick(INTS), self.collection(d)])
        return f"({e} is {no}{name}({argument}))" if self.chance(0.6) else f"({e} is {no}{name} {argument})"

    def percent(self, d):
        count = self.r.randint(0, 3)
        text = "|".join(self.pick(PERCENTS) for _ in range(count))
        values = [self.expr(d - 2) for _ in range(count)]
        right = self.pick(["(" + "".join(v + ", " for v in values) + ")", values[0] if values else "1", "{'k': 'v'}", "d"])
        return f"('{text}' % {right})"

    def formatted(self, d):
        fields = []
        for i in range(self.r.randint(1, 3)):
            name = self.pick(["", "", "", str(i), "a", "0.role", "a[0]", "0[k]", "a.b"])
            conversion = self.pick(["", "", "", "!r", "!s", "!a"])
            spec = self.pick(SPECS)
            fields.append("{" + name + conversion + (":" + spec if spec else "") + "}")
        values = [self.expr(d - 2) for _ in range(3)] + (["a=" + self.atom()] if self.chance(0.7) else [])
        return f"'{' '.join(fields)}'.format({', '.join(values)})"

    def call(self, d):
        if self.macros and self.chance(0.5):
            given = self.args(d, 0, 2) + ([f"{self.pick(['a', 'b', 'zz'])}={self.atom()}"] if self.chance(0.3) else [])
            return f"{self.pick(self.macros)}({', '.join(given)})"
        return self.pick([
            f"strftime_now({self.pick(FORMATS)!r})", "dict(a=1)", "dict([('x', 1)], y=2)", "dict(d)", "namespace(x=1).x", "loop.cycle('a', 'b')",
            "loop.changed(m)", f"raise_exception({self.atom()})", "range(3)|list", "range(100001)", "joiner('|')()", "cycler(1, 2).next()",
            f"dict({self.expr(d - 2)})", "nothing()", "loop(l)", "caller()", "varargs", "kwargs", f"range({self.atom()})|list", "range(2, 10, 3)|list",
        ])

    # Statements -------------------------------------------------------------
    def tag(self, content):
        left = self.pick(["{%", "{%", "{%", "{%", "{%-", "{%+"])
        right = self.pick(["%}", "%}", "%}", "%}", "-%}", "+%}"])
        return f"{left} {content} {right}"

    def text(self):
        return self.pick(["", " ", "\n", "  ", "text", "a\n", "\n  b", "<|im_start|>", " x ", "\n\n", "\t", "é", "{", "}", "# ", "\r\n", "\r", "%", "-", "  \n", "\u00a0", "''"])

    def body(self, d):
        return "".join(self.text() + self.statement(d - 1) + self.text() for _ in range(self.r.randint(1, 3)))

    def printed(self, d=3):
        left = self.pick(["{{", "{{", "{{", "{{-", "{{+"]) if self.chance(0.3) else "{{"
        right = self.pick(["}}", "}}", "-}}"])
        return f"{left} {self.expr(d)} {right}"

    def target(self):
        return self.pick(["x", "y", "x", "i", "m", "x, y", "ns.x", "(x, y)", "s"])

    def statement(self, d):
        k = self.r.random()
        if d <= 0 or k < 0.36:
            return self.printed(self.pick([1, 2, 2, 3]))
        if k < 0.50:
            value = self.expr(2) if self.chance(0.9) else f"{self.expr(1)}, {self.expr(1)}"
            return self.tag(f"set {self.target()} = {value}")
        if k < 0.62:
            return self.loop(d)
        if k < 0.74:
            parts = [self.tag(f"if {self.expr(2)}"), self.body(d)]
            if self.chance(0.25):
                parts += [self.tag(f"elif {self.expr(2)}"), self.body(d)]
            if self.chance(0.4):
                parts += [self.tag("else"), self.body(d)]
            return "".join(parts) + self.tag("endif")
        if k < 0.79:
            return self.macro(d)
        if k < 0.82:
            name = self.pick(self.macros) if self.macros and self.chance(0.8) else "nothing"
            signature = self.pick(["", "", "(x)", "(x, y=2)"])
            return self.tag(f"call{signature} {name}({', '.join(self.args(2, 0, 2))})") + self.body(d) + self.tag("endcall")
        if k < 0.86:
            name = self.pick(["x", "y", "ns.x", "s"])
            extra = self.pick(["", "", " | upper", " | trim", " | length", " | replace('a', 'b')", " | indent(2)", " | default(x)"])
            return self.tag(f"set {name}{extra}") + self.body(d) + self.tag("endset")
        if k < 0.89:
            pairs = self.pick(["", f"x={self.expr(2)}", f"x={self.expr(1)}, y=x", f"y={self.expr(1)}"])
            return self.tag(f"with {pairs}") + self.body(d) + self.tag("endwith")
        if k < 0.91:
            return self.tag(f"filter {self.pick(['upper', 'trim', 'indent(2)', 'replace(s, n)', 'e', 'upper|lower', 'length', 'title', 'wordwrap(5)', 'string'])}") + self.body(d) + self.tag("endfilter")
        if k < 0.93:
            return self.tag("raw") + self.pick(["{{ x }}", "{% if %}", "a\n", " {# #} ", "\n x \n"]) + self.tag("endraw")
        if k < 0.95:
            return self.pick(["{# c #}", "{#- c -#}", "{#+ c +#}", "{#\nc\n#}\n", "{##}", "{# {{ x }} #}", "{#--#}", "{#-#}"])
        if k < 0.965:
            return self.tag("generation") + self.body(d) + self.tag("endgeneration")
        if k < 0.975:
            name = self.pick(["b1", "b2", "b3", "b4"])
            return self.tag(f"block {name}{self.pick(['', '', ' scoped'])}") + self.body(d) + self.tag("endblock") + self.pick(["", f"{{{{ self.{name}() }}}}"])
        if k < 0.985:
            return self.pick([self.tag("print " + self.expr(1)), self.tag("include 'x'"), self.tag("import 'x' as y"), self.tag("from 'x' import y"), self.tag("do x"), self.tag("break"), self.tag("continue"), self.tag(f"print {self.expr(1)}, {self.expr(1)}")])
        if k < 0.99 and self.chance(0.3):
            return self.tag("autoescape " + self.pick(["true", "false"])) + self.body(d) + self.tag("endautoescape")
        return self.tag("set ns = namespace(" + self.pick(["", "x=0", "x='a', y=[]", "d"]) + ")")

    def loop(self, d):
        target = self.pick(["m", "x", "i", "x", "m", "x, y", "(x, y)", "i"])
        items = self.pick(["messages", "messages[1:]", "l", "range(3)", "range(n)", "d.items()", "d|dictsort", "s", "[1, 2, 3]", "nothing", "messages|map(attribute='role')", "messages|selectattr('role', 'equalto', 'user')", "[(1, 2), (3, 4)]", "d", self.expr(2)])
        condition = f" if {self.expr(2)}" if self.chance(0.15) else ""
        recursive = " recursive" if self.chance(0.08) else ""
        self.loops += 1
        body = self.body(d)
        self.loops -= 1
        if self.chance(0.2):
            body += self.tag("if " + self.expr(2)) + self.tag(self.pick(["break", "continue"])) + self.tag("endif") + self.text()
        if self.chance(0.2):
            body += self.pick(["{{ loop.index }}", "{{ loop.last }}", "{{ loop.nextitem }}", "{{ loop.previtem }}", "{{ loop.length }}", "{{ loop.revindex0 }}", "{{ loop.cycle('a', 'b') }}", "{{ loop.changed(x) }}", "{{ loop }}", "{{ loop.depth0 }}"])
        if recursive and self.chance(0.6):
            body += self.pick(["{{ loop(x) }}", "{{ loop(x.children) }}", "{% if loop.depth < 3 %}{{ loop([1]) }}{% endif %}", "{% if x is iterable and x is not string and loop.depth < 5 %}{{ loop(x) }}{% endif %}"])
        tail = self.tag("else") + self.body(d) if self.chance(0.15) else ""
        return self.tag(f"for {target} in {items}{condition}{recursive}") + body + tail + self.tag("endfor")

    def macro(self, d):
        name = self.pick(["m1", "m2", "m3"])
        signature = self.pick(["", "a", "a, b=2", "x, y=x", "a, caller=none", "a, b", "x='d', y=n"])
        body = self.body(d) + self.pick(["", "{{ a }}", "{{ b }}", "{{ caller() }}", "{{ caller(1) }}", "{{ varargs }}", "{{ kwargs }}", "{{ caller is defined }}", "{{ x }}{{ y }}"])
        self.macros.append(name)
        return self.tag(f"macro {name}({signature})") + body + self.tag("endmacro")

    def template(self):
        head = "{% set ns = namespace(x=1) %}" if self.chance(0.3) else ""
        if self.chance(0.35):
            return self.printed(self.pick([2, 3, 3, 4]))
        return head + self.body(self.pick([1, 2, 2, 3]))


class Slow(BaseException):
    pass


def alarm(*_):
    raise Slow()


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGALRM, alarm)
    env = environment()
    sys.stdout.write(json.dumps({"contexts": CONTEXTS}) + "\n")
    for i in range(count):
        grammar = Grammar(seed * 1_000_003 + i)
        template = grammar.template()
        context = grammar.r.randrange(len(CONTEXTS))
        row = {"template": template, "context": context}
        signal.setitimer(signal.ITIMER_REAL, 2)
        try:
            text = env.from_string(template).render(**json.loads(json.dumps(CONTEXTS[context])))
            row["text"] = text
            if " at 0x" in text.lower() or len(text) > 100_000:
                row = None
            complex_power = any(part in template for part in ("** 0.5", "** 2.5"))
            if complex_power and "-" in template:
                row = None
        except Slow:
            row = None
        except RecursionError:
            row = None
        except Exception as error:
            row["raises"] = type(error).__name__
            row["message"] = str(error)[:200]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if row is None:
            continue
        try:
            line = json.dumps(row)
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            continue
        sys.stdout.write(line + "\n")


main()
