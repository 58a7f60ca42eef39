"""What ctypes believes about libwarren is what the headers say: the compiler is asked, not the generator that wrote it."""

import ctypes
import inspect
import re
import subprocess
import sys

from conftest import LIBRARY, PACKAGE, REPOSITORY
from warren._ffi import constants, structs
from warren._ffi.functions import FUNCTIONS

INCLUDE = REPOSITORY / "include"
STRUCTS = {name: one for name, one in vars(structs).items()
           if inspect.isclass(one) and issubclass(one, ctypes.Structure) and one is not ctypes.Structure}
NUMBERS = {name: one for name, one in vars(constants).items() if name.startswith("WR_")}

# How the C++ compiler sees a type, in letters: p pointer, s struct, b bool, f floating, i/u signed and unsigned with its size.
LETTERS = """
#include <cstdio>
#include <cstddef>
#include <type_traits>
#include "warren/warren.h"
template <typename T> struct letter { static void print() {
    if (std::is_pointer<T>::value) std::printf(" p%zu", sizeof(T));
    else if (std::is_same<T, bool>::value) std::printf(" b%zu", sizeof(T));
    else if (std::is_floating_point<T>::value) std::printf(" f%zu", sizeof(T));
    else if (std::is_class<T>::value) std::printf(" s%zu", sizeof(T));
    else if (std::is_enum<T>::value) std::printf(" e%zu", sizeof(T));
    else std::printf(" %c%zu", std::is_signed<T>::value ? 'i' : 'u', sizeof(T));
} };
template <> struct letter<void> { static void print() { std::printf(" void"); } };
template <typename R, typename... A> void print(const char *name, R (*)(A...))
{
    std::printf("%s", name);
    letter<R>::print();
    int unused[] = {0, (letter<A>::print(), 0)...};
    (void)unused;
    std::printf("\\n");
}
int main()
{
"""


def letter(kind):
    """The same of a ctypes type."""
    if kind is None:
        return "void"
    size = ctypes.sizeof(kind)
    if kind is ctypes.c_bool:
        return f"b{size}"
    if kind is ctypes.c_double:
        return f"f{size}"
    if kind in (ctypes.c_char_p, ctypes.c_void_p) or hasattr(kind, "contents") or issubclass(kind, ctypes._CFuncPtr):
        return f"p{size}"
    if issubclass(kind, ctypes.Structure):
        return f"s{size}"
    return f"{'i' if kind(-1).value < 0 else 'u'}{size}"


def compiled(tmp_path, body, compiler="g++", standard="c++17", suffix="cc"):
    source, program = tmp_path / f"check.{suffix}", tmp_path / "check"
    source.write_text(body)
    subprocess.run([compiler, f"-std={standard}", "-Wall", "-Werror", f"-I{INCLUDE}", source, "-o", program, f"-L{LIBRARY.parent}",
                    f"-Wl,-rpath,{LIBRARY.parent}", "-l:libwarren.so.0"], check=True, timeout=120)
    return subprocess.run([program], check=True, capture_output=True, text=True, timeout=20).stdout.splitlines()


def test_files_are_what_the_generator_makes():
    done = subprocess.run([sys.executable, "-B", PACKAGE / "generate", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_function_of_the_headers_is_declared():
    declared = set()
    for header in INCLUDE.glob("warren/*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        declared |= set(re.findall(r"\b(wr_\w+)\(", "".join(re.findall(r"WR_PUBLIC[^;]*;", text))))
    assert declared == set(FUNCTIONS)


def test_signatures(tmp_path):
    body = "".join(f'    print("{name}", {name});\n' for name in FUNCTIONS)
    lines = compiled(tmp_path, f"{LETTERS}{body}    return 0;\n}}\n")
    assert len(lines) == len(FUNCTIONS)
    for line in lines:
        name, *seen = line.split()
        # Of an enumeration C++ says its own kind; in C it is an int or an unsigned of the same size.
        believed = ["e4" if real == "e4" and mine in ("i4", "u4") else mine
                    for real, mine in zip(seen, map(letter, FUNCTIONS[name]))]
        assert len(seen) == len(FUNCTIONS[name]) and seen == believed, (name, seen, believed)


def test_a_wrong_signature_would_be_found():
    assert [letter(one) for one in (ctypes.c_int, ctypes.c_uint, ctypes.c_int64, ctypes.c_size_t, ctypes.c_bool, ctypes.c_double,
                                    ctypes.c_char_p, ctypes.POINTER(ctypes.c_int), structs.wr_wait, structs.wr_code_fn, None)] \
        == ["i4", "u4", "i8", "u8", "b1", "f8", "p8", "p8", "s16", "p8", "void"]


def test_structs(tmp_path):
    """Sizes, and each member's offset and size, by a C program."""
    lines, expected = [], []
    for name, struct in STRUCTS.items():
        lines.append(f'    printf("{name} %zu\\n", sizeof(struct {name}));')
        expected.append(f"{name} {ctypes.sizeof(struct)}")
        for member, *_ in struct._fields_:
            field = getattr(struct, member)
            lines.append(f'    printf("{name}.{member} %zu %zu\\n", offsetof(struct {name}, {member}), '
                         f'sizeof(((struct {name} *)0)->{member}));')
            expected.append(f"{name}.{member} {field.offset} {field.size}")
    assert len(STRUCTS) > 25
    source = "#include <stdio.h>\n#include \"warren/warren.h\"\nint main(void)\n{\n" + "\n".join(lines) + "\n    return 0;\n}\n"
    assert compiled(tmp_path, source, "gcc", "c11", "c") == expected


def test_numbers(tmp_path):
    lines = "\n".join(f'    printf("{name} %d\\n", (int){name});' for name in NUMBERS)
    source = f"#include <stdio.h>\n#include \"warren/warren.h\"\nint main(void)\n{{\n{lines}\n    return 0;\n}}\n"
    assert compiled(tmp_path, source, "gcc", "c11", "c") == [f"{name} {number}" for name, number in NUMBERS.items()]


def test_a_missing_library_is_named(tmp_path):
    done = subprocess.run([sys.executable, "-B", "-c", "import warren"], capture_output=True, text=True,
                          env={"PYTHONPATH": str(PACKAGE / "src"), "WARREN_LIBRARY": str(tmp_path / "none.so")})
    assert done.returncode == 1 and "ImportError" in done.stderr and f"{tmp_path}/none.so" in done.stderr


def test_another_library_is_refused():
    done = subprocess.run([sys.executable, "-B", "-c", "import warren"], capture_output=True, text=True,
                          env={"PYTHONPATH": str(PACKAGE / "src"), "WARREN_LIBRARY": "libc.so.6"})
    assert done.returncode == 1 and "has no function wr_" in done.stderr


def test_the_tree_finds_its_own_library():
    """Without WARREN_LIBRARY: a build directory of the tree, the newest one."""
    from warren._ffi import library

    found = [path for path in REPOSITORY.glob("build*/src/libwarren/libwarren.so.0") if path.is_file()]
    environment = library.os.environ.pop("WARREN_LIBRARY")
    try:
        names = list(library.candidates())
    finally:
        library.os.environ["WARREN_LIBRARY"] = environment
    assert set(names[:-1]) == {str(path) for path in found} and names[-1] == "libwarren.so.0"
