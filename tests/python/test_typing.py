"""The package is typed: mypy --strict finds nothing in it, and sees types in a program that uses it."""

import subprocess
import textwrap

import pytest
from conftest import PACKAGE, REPOSITORY


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    done = subprocess.run([REPOSITORY / "tools/build-wheel", "--tools"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    cache = tmp_path_factory.mktemp("mypy")

    def check(*arguments, cwd=PACKAGE):
        return subprocess.run([f"{done.stdout.strip()}/bin/python", "-m", "mypy", "--cache-dir", cache, "--strict", *arguments], cwd=cwd,
                              capture_output=True, text=True, timeout=300, env={"PATH": "/usr/bin:/bin", "MYPYPATH": str(PACKAGE / "src")})

    return check


def test_the_package(mypy):
    done = mypy()
    assert done.returncode == 0, done.stdout


PROGRAM = """
    import asyncio
    from typing import Any, Dict, Optional
    from warren import AsyncSandbox, Sandbox
    from warren.primitives import CodeExecutionPrimitive, RetryPrimitive, WorkflowContext, WorkflowPrimitive

    class Length(WorkflowPrimitive[Dict[str, Any], int]):
        async def execute(self, input_data: Dict[str, Any], context: Optional[WorkflowContext] = None) -> int:
            return len(input_data)

    async def main() -> None:
        chain = RetryPrimitive(CodeExecutionPrimitive(timeout=60, mode="session"), max_retries=3) >> Length() >> (lambda value: value)
        print(await chain.execute({"code": "1"}, WorkflowContext(correlation_id="req-123")))
        number: int = await Length().execute({})
        async with await AsyncSandbox.create() as sandbox:
            text: Optional[str] = (await sandbox.run_code("1")).text
            content: str = await sandbox.files.read("a")

    with Sandbox.create() as sandbox:
        code: int = sandbox.commands.run("true").exit_code
    asyncio.run(main())
"""


def test_a_program(mypy, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    done = mypy(program, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("wrong", [
    "CodeExecutionPrimitive(timeout='long')", "RetryPrimitive(3)", "CodeExecutionPrimitive(mod='session')",
    "x: str = CodeExecutionPrimitive().execute({})"])
def test_wrong_programs(mypy, tmp_path, wrong):
    program = tmp_path / "program.py"
    program.write_text(f"from warren.primitives import CodeExecutionPrimitive, RetryPrimitive\n{wrong}\n")
    done = mypy(program, cwd=tmp_path)
    assert done.returncode == 1 and "program.py:2: error" in done.stdout, done.stdout
