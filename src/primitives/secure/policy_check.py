"""Reads Python code, never runs it, and says what in it the rules of a policy name.

Standard input: {"code": text, "policy": {"imports": {"deny": [], "allow": []}, "calls": {"deny": []}, "attributes": {"deny": []}}}.
Standard output: {"violations": [{"rule", "name", "line", "column", "text"}]}, {"syntax_error": {"name", "value", "traceback"}} for
code that does not parse, or {"error": why it cannot be said}.

Names are followed without regard to the order of statements: what a name may be anywhere in the code, it may be everywhere. A thing
that is put into a container, given to a function or given back by one may come out of any other.
"""

import ast
import builtins
import json
import re
import resource
import sys
import traceback

CPU_SECONDS = 20
MEMORY_BYTES = 2 << 30
MAX_VIOLATIONS = 100
MAX_DEPTH = 250  # of expressions that are followed
MAX_ROUNDS = 12  # names given to names
MAX_PATHS = 64  # that one name may be
MAX_TEXTS = 64  # that one expression may be
MAX_PATH = 300  # characters of one
TEXT_LENGTH = 200
TRACE_LENGTH = 2000

# What finds a thing by its name.
NAMESPACES = ("builtins.globals", "builtins.locals", "builtins.vars")
IMPORTERS = {"importlib.import_module", "importlib.__import__", "builtins.__import__"}
FINDERS = {"builtins.getattr", "operator.attrgetter", "sys.modules", *NAMESPACES, *IMPORTERS}
LOOK_UPS = ("get", "pop", "setdefault", "__getitem__")
SAME_MODULE = {"posix": "os", "nt": "os", "_operator": "operator"}

# What IPython makes calls of, and Python does not read: %magics, !commands, help?, and calls without brackets (/f x).
MAGIC = re.compile(
    r"""^[ \t]*(?:%{1,2}[A-Za-z_]|!(?!=)|[/,;][A-Za-z_]|\?{1,2}[\w%]|%{0,2}[\w.*]+\?{1,2}[ \t]*$|[\w.,*\[\]'" \t]+=[ \t]*(?:!(?!=)|%[A-Za-z_]))"""
)


class Unclear(Exception):
    """The code cannot be judged."""


def matches(path, rule):
    """`rule` is a dotted name, which also stands for what is in it."""
    return path == rule or path.startswith(rule + ".")


def canonical(path):
    top, dot, rest = path.partition(".")
    return SAME_MODULE.get(top, top) + dot + rest


def first(texts):
    """Not more than are followed, and always the same ones."""
    return texts if len(texts) <= MAX_TEXTS else set(sorted(texts)[:MAX_TEXTS])


class Watch:
    """Which dotted paths lead to something that a rule names, or to what finds things by their name. All others are dropped, so that
    code which only follows its own data has no paths at all."""

    def __init__(self, rules):
        self.prefixes = {"<names>"}
        self.everything = tuple(rule[:-1] for rule in rules if rule.endswith(".*"))
        for name in FINDERS.union(rule.removesuffix(".*") for rule in rules):
            parts = name.split(".")
            self.prefixes.update(".".join(parts[: i + 1]) for i in range(len(parts)))
        self.modules = {name for name in self.prefixes if "." not in name}
        # Those that are also found as members of other modules. Of a whole module that is refused they are not: there is
        # asyncio.subprocess, which is another.
        self.members = {name.split(".")[0] for name in FINDERS.union(rules) if not name.endswith(".*")}

    def kept(self, paths):
        return {path for path in map(canonical, paths) if path in self.prefixes or path.startswith(self.everything)}


class Names:
    """What the names of the code may stand for, as dotted paths from their modules. An attribute, of whatever object, has a name
    that begins with a dot."""

    def __init__(self, tree, watch, denied):
        self.watch = watch
        self.denied = denied
        self.bound = {}
        self.texts = {}
        self.modules = set()  # names that imports have given
        self.stars = set()
        self.known = {}
        self.handed_on = []  # expressions
        self.receivers = set()  # names that get what was handed on
        self.loose = set()  # what that is
        assignments = []
        for node in ast.walk(tree):
            self.collect_imports(node)
            self.collect(node, assignments)
            self.collect_handed_on(node)
        for name, _ in assignments:
            self.bind(name, ())
        for _ in range(MAX_ROUNDS):
            self.known.clear()
            if not self.assign(assignments):
                break
        self.known.clear()

    def collect_imports(self, node):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                self.bind(alias.asname or top, {alias.name if alias.asname else top})
                self.modules.add(alias.asname or top)
        elif isinstance(node, ast.ImportFrom):
            module = from_module(node)
            for alias in node.names:
                if alias.name == "*":
                    self.stars.add(module)
                else:
                    self.bind(alias.asname or alias.name, {f"{module}.{alias.name}"} | {alias.name} & self.watch.members)
                    self.modules.add(alias.asname or alias.name)

    def collect(self, node, assignments):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                assignments += pairs(target, node.value)
                if isinstance(target, ast.Subscript):
                    self.handed_on.append(node.value)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.bind(node.name, ())
            for one in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(one, ast.Assign):
                    assignments += [("." + name, value) for target in one.targets for name, value in pairs(target, one.value)]
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            assignments += pairs(node.target, node.value)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            if isinstance(node.iter, (ast.Tuple, ast.List, ast.Set)):
                for value in node.iter.elts:
                    assignments += pairs(node.target, value)
            else:
                self.receivers.update(one.id for one in ast.walk(node.target) if isinstance(one, ast.Name))
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            assignments += pairs(node.optional_vars, node.context_expr)
        elif isinstance(node, ast.arguments):
            positional = node.posonlyargs + node.args
            for argument, value in zip(reversed(positional), reversed(node.defaults)):
                assignments.append((argument.arg, value))
            for argument, value in zip(node.kwonlyargs, node.kw_defaults):
                if value is not None:
                    assignments.append((argument.arg, value))

    def collect_handed_on(self, node):
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            self.handed_on += node.elts
        elif isinstance(node, ast.Dict):
            self.handed_on += node.values
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
            self.handed_on.append(node.elt)
        elif isinstance(node, ast.Call):
            if not (isinstance(node.func, ast.Name) and hasattr(builtins, node.func.id)):
                self.handed_on += node.args + [keyword.value for keyword in node.keywords]
        elif isinstance(node, (ast.Return, ast.Yield, ast.DictComp)) and node.value is not None:
            self.handed_on.append(node.value)
        elif isinstance(node, ast.Lambda):
            self.handed_on.append(node.body)
        elif isinstance(node, ast.Match):
            self.handed_on.append(node.subject)
        elif isinstance(node, ast.arg):
            self.receivers.add(node.arg)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            self.receivers.add(node.name)

    def bind(self, name, paths):
        into = self.bound.setdefault(name, set())
        new = {path for path in self.watch.kept(paths) if len(path) <= MAX_PATH} - into
        if len(into) + len(new) > MAX_PATHS:
            raise Unclear(f"{name} stands for too many things")
        into |= new
        return bool(new)

    def assign(self, assignments):
        changed = False
        for name, value in assignments:
            changed |= self.bind(name, self.of(value))
            into = self.texts.setdefault(name, set())
            if new := first(self.text(value) | into) - into:
                into |= set(sorted(new)[: MAX_TEXTS - len(into)])
                changed = True
        loose = set().union(*map(self.of, self.handed_on)) - self.loose
        # What a rule names itself was seen where it was handed on.
        loose = {path for path in loose if not self.denied(path)}
        self.loose |= loose
        return changed or bool(loose)

    def text(self, node, depth=0):
        """The texts that an expression of constants may be."""
        if depth > MAX_DEPTH:
            raise Unclear("expressions are nested too deeply")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return {node.value} if len(node.value) <= MAX_PATH else set()
        if isinstance(node, ast.Name):
            return self.texts.get(node.id, set())
        if isinstance(node, ast.Attribute):
            return self.texts.get("." + node.attr, set())
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return joined(self.text(node.left, depth + 1), self.text(node.right, depth + 1))
        if isinstance(node, ast.JoinedStr):
            whole = {""}
            for part in node.values:
                inner = part.value if isinstance(part, ast.FormattedValue) else part
                whole = joined(whole, self.text(inner, depth + 1))
            return whole
        return set()

    def of(self, node, depth=0):
        """The paths that an expression may be."""
        if depth > MAX_DEPTH:
            raise Unclear("expressions are nested too deeply")
        if id(node) not in self.known:
            paths = self.watch.kept(self.find(node, depth + 1))
            if len(paths) > MAX_PATHS:
                raise Unclear("an expression stands for too many things")
            self.known[id(node)] = paths
        return self.known[id(node)]

    def find(self, node, depth):
        if isinstance(node, ast.Name):
            return self.named(node.id)
        if isinstance(node, ast.Attribute):
            found = members(self.of(node.value, depth), {node.attr}) | self.bound.get("." + node.attr, set())
            if node.attr in self.watch.members and root(node) in self.modules:
                found.add(node.attr)  # os.path.os is os
            return found
        if isinstance(node, ast.Subscript):
            return self.item(self.of(node.value, depth), self.text(node.slice)) | self.loose
        if isinstance(node, ast.Call):
            return self.called(node, depth) | self.loose
        if isinstance(node, (ast.NamedExpr, ast.Await)):
            return self.of(node.value, depth)
        if isinstance(node, ast.IfExp):
            return self.of(node.body, depth) | self.of(node.orelse, depth)
        if isinstance(node, ast.BoolOp):
            return set().union(*(self.of(value, depth) for value in node.values))
        return set()

    def named(self, name):
        if name in ("__builtins__", "__builtin__"):
            return {"builtins"}
        found = self.bound.get(name, set()) | {f"builtins.{name}"} | {f"{module}.{name}" for module in self.stars}
        if name in self.receivers:
            found = found | self.loose
        elif name not in self.bound and name in self.watch.modules:
            found = found | {name}  # an earlier cell has imported it
        return found

    def item(self, paths, texts):
        found = set()
        for path in paths:
            if path == "sys.modules":
                found |= texts
            elif path == "<names>":
                found = found.union(*(self.named(text) for text in texts))
            else:
                found |= members({path}, texts)
        return found

    def called(self, node, depth):
        """What calls give that find a thing by its name."""
        functions = self.of(node.func, depth)
        arguments = node.args
        if "builtins.getattr" in functions and len(arguments) >= 2:
            return members(self.of(arguments[0], depth), self.text(arguments[1]))
        if functions & {"builtins.globals", "builtins.locals"} or ("builtins.vars" in functions and not arguments):
            return {"<names>"}
        if "builtins.vars" in functions:
            return self.of(arguments[0], depth)
        texts = self.text(argument(node, 0, "name"))
        if functions & {"importlib.import_module"}:
            return texts
        if functions & IMPORTERS:
            return texts | {text.split(".")[0] for text in texts}
        if isinstance(node.func, ast.Call) and "operator.attrgetter" in self.of(node.func.func, depth) and arguments:
            return members(self.of(arguments[0], depth), self.text(argument(node.func, 0, "attr")))
        if isinstance(node.func, ast.Attribute) and arguments:
            return self.method(node.func, arguments, depth)
        return set()

    def method(self, function, arguments, depth):
        if function.attr in LOOK_UPS:
            return self.item(self.of(function.value, depth), self.text(arguments[0]))
        if function.attr == "__getattribute__":
            thing = arguments[0] if len(arguments) > 1 else function.value
            return members(self.of(thing, depth), self.text(arguments[-1]))
        return set()


def root(node):
    """The name that a chain of attributes begins with, or None."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def joined(left, right):
    return first({(a + b)[: MAX_PATH + 1] for a in left for b in right})


def argument(call, index, name):
    """An argument of a call, or None."""
    if len(call.args) > index:
        return call.args[index]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def members(paths, names):
    found = set()
    for path in paths:
        for name in names:
            if name in ("__dict__", "__builtins__"):
                found.add("builtins" if name == "__builtins__" else path)
            elif len(path) + len(name) < MAX_PATH:
                found.add(f"{path}.{name}")
    return found


def pairs(target, value):
    """(name, expression) of an assignment, tuples taken apart."""
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if isinstance(target, ast.Attribute):
        return [("." + target.attr, value)]
    if isinstance(target, ast.Starred):
        return pairs(target.value, value)
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        if len(target.elts) == len(value.elts):
            return [pair for one, other in zip(target.elts, value.elts) for pair in pairs(one, other)]
    return []


def from_module(node):
    return "." * node.level + (node.module or "")


class Check:
    def __init__(self, code, policy):
        self.lines = code.split("\n")
        imports = policy.get("imports", {})
        self.deny_imports = imports.get("deny", [])
        self.allow_imports = imports.get("allow", [])
        calls = policy.get("calls", {}).get("deny", [])
        self.deny_calls = [canonical(rule) if "." in rule else f"builtins.{rule}" for rule in calls]
        self.deny_attributes = set(policy.get("attributes", {}).get("deny", []))
        self.violations = []

    def report(self, rule, name, node):
        line = self.lines[node.lineno - 1] if node.lineno <= len(self.lines) else ""
        column = len(line.encode()[: node.col_offset].decode(errors="replace")) + 1
        found = {"rule": rule, "name": name.removeprefix("builtins."), "line": node.lineno, "column": column,
                 "text": line.strip()[:TEXT_LENGTH]}
        if found not in self.violations:
            self.violations.append(found)

    def imported(self, names, node):
        """One import; `names` are what it may be called by, the module first."""
        if any(matches(name, rule) for name in names for rule in self.deny_imports):
            self.report("imports", names[-1] if not any(matches(names[0], r) for r in self.deny_imports) else names[0], node)
        elif self.allow_imports and not any(matches(name, rule) for name in names for rule in self.allow_imports):
            self.report("imports", names[0], node)

    def denied(self, path):
        return any(path.startswith(rule[:-1]) if rule.endswith(".*") else path == rule for rule in self.deny_calls)

    def used(self, paths, node):
        """A thing that a rule names, whether it is called at once or handed on."""
        path = next(filter(self.denied, sorted(paths)), None)
        if path:
            self.report("calls", path, node)

    def node(self, node, names):
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.imported([alias.name], node)
        elif isinstance(node, ast.ImportFrom):
            module = from_module(node)
            for alias in node.names:
                self.imported([module, f"{module}.{alias.name}"], node)
                self.used(names.watch.kept({f"{module}.{alias.name}"}), node)
                self.shell(alias.name, node)
        elif isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            if isinstance(node.ctx, ast.Load):
                self.used(names.of(node), node)
            if not isinstance(node, ast.Subscript):
                self.shell(node.id if isinstance(node, ast.Name) else node.attr, node)
            if isinstance(node, ast.Attribute) and node.attr in self.deny_attributes:
                self.report("attributes", node.attr, node)
            if isinstance(node, ast.Subscript):
                self.attribute_texts(names.text(node.slice), node)
        elif isinstance(node, ast.Call):
            self.call(node, names)

    def shell(self, name, node):
        """The shell that runs cells: what magics are made of."""
        if name == "get_ipython":
            self.report("magic", name, node)

    def attribute_texts(self, texts, node):
        for text in sorted(texts & self.deny_attributes):
            self.report("attributes", text, node)

    def call(self, node, names):
        functions = names.of(node.func)
        self.used(names.of(node), node)
        if functions & IMPORTERS:
            texts = sorted(names.text(argument(node, 0, "name")))
            for text in texts:
                self.imported([text], node)
            if not texts and self.allow_imports:
                self.report("imports", "a name that is not a constant", node)
        if "builtins.getattr" in functions and len(node.args) >= 2:
            texts = names.text(node.args[1])
            self.attribute_texts(texts, node)
            if not texts:
                for path in sorted(names.of(node.args[0])):
                    if any(rule.startswith(path + ".") for rule in self.deny_calls):
                        self.report("calls", f"getattr({path}, ...)", node)

    def magics(self):
        for number, line in enumerate(self.lines, 1):
            if MAGIC.match(line):
                self.report("magic", line.split()[0][:40], ast.Pass(lineno=number, col_offset=len(line.encode()) - len(line.lstrip().encode())))
        return bool(self.violations)

    def run(self, code):
        """An answer."""
        try:
            tree = parse(code)
        except SyntaxError as error:
            # IPython takes the indentation of the first line from all of them.
            tree = parse_dedented(code) if isinstance(error, IndentationError) else None
            if tree is None:
                return {"violations": self.cut()} if self.magics() else {"syntax_error": describe(error)}
        watch = Watch(self.deny_calls)
        names = Names(tree, watch, self.denied)
        for node in ast.walk(tree):
            self.node(node, names)
            if len(self.violations) > MAX_VIOLATIONS:
                break
        return {"violations": self.cut()}

    def cut(self):
        self.violations.sort(key=lambda found: (found["line"], found["column"], found["rule"]))
        return self.violations[:MAX_VIOLATIONS]


def parse(code):
    return compile(code, "<cell>", "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def parse_dedented(code):
    """The tree of the code without the indentation of its first line, or None."""
    lines = code.split("\n")
    begin = next(line for line in lines if line.strip())
    indent = begin[: len(begin) - len(begin.lstrip())]
    try:
        return parse("\n".join(line.removeprefix(indent) for line in lines))
    except SyntaxError:
        return None


def describe(error):
    text = "".join(traceback.format_exception_only(error))[:TRACE_LENGTH]
    return {"name": type(error).__name__, "value": str(error)[:TEXT_LENGTH], "traceback": text.rstrip("\n")}


def main():
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        request = json.loads(sys.stdin.buffer.read())
        answer = Check(request["code"], request["policy"]).run(request["code"])
    except Unclear as error:
        answer = {"error": str(error)}
    except (RecursionError, MemoryError):
        answer = {"error": "the code is nested too deeply, or too large"}
    except Exception as error:  # whatever it is: code that was not judged does not run
        answer = {"error": f"{type(error).__name__}: {error}"[:TEXT_LENGTH]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
