"""The interpreter of a sandbox, port 49999, as its wire protocol has it. Standard library only."""

import contextlib
import json

import warren

PORT = 49999


class Answer:
    """The messages of one execution."""

    def __init__(self, messages):
        self.messages = messages

    def _of(self, kind):
        return [message for message in self.messages if message["type"] == kind]

    @property
    def stdout(self):
        return "".join(message["text"] for message in self._of("stdout"))

    @property
    def stderr(self):
        return "".join(message["text"] for message in self._of("stderr"))

    @property
    def results(self):
        return self._of("result")

    @property
    def error(self):
        errors = self._of("error")
        assert len(errors) <= 1, errors
        return errors[0] if errors else None

    @property
    def count(self):
        return self._of("number_of_executions")[0]["execution_count"]

    @property
    def text(self):
        """Text of the last expression."""
        return next((result["text"] for result in self.results if result["is_main_result"]), None)

    @property
    def ended(self):
        return bool(self.messages) and self.messages[-1] == {"type": "end_of_execution"}


class Stream:
    """An execution that runs: iterating gives its messages as they come."""

    def __init__(self, connection, response):
        self.connection = connection
        self.response = response
        self.status = response.status

    def __iter__(self):
        while line := self.response.readline():
            assert line.isascii(), line
            yield json.loads(line)

    def close(self):
        """What a client does that has waited long enough."""
        self.connection.close()


def start(sandbox, code, timeout=60, **fields):
    """POST /execute -> Stream, as soon as the head of the answer is there."""
    connection = warren.UnixConnection(sandbox.server.socket, timeout)
    headers = sandbox._headers(PORT, {"Content-Type": "application/json"})
    connection.request("POST", "/execute", json.dumps({"code": code, **fields}), headers)
    return Stream(connection, connection.getresponse())


def execute(sandbox, code, timeout=60, **fields):
    """Runs a cell to its end -> Answer. fields: context_id, language, env_vars."""
    with contextlib.closing(start(sandbox, code, timeout, **fields)) as stream:
        assert stream.status == 200, (stream.status, stream.response.read())
        answer = Answer(list(stream))
    assert answer.ended, answer.messages[-3:]
    return answer


def value(sandbox, code, timeout=60, **fields):
    """Runs a cell that must not fail -> what it printed."""
    answer = execute(sandbox, code, timeout, **fields)
    assert answer.error is None, answer.error["traceback"]
    return answer.stdout


def call(sandbox, method, path, body=None, timeout=60):
    """One of the other requests -> (status, decoded body, or its text)."""
    status, data = sandbox.http(method, path, None if body is None else json.dumps(body), port=PORT, timeout=timeout,
                                headers={"Content-Type": "application/json"})
    try:
        return status, json.loads(data)
    except ValueError:
        return status, data.decode()


def new_context(sandbox, **fields):
    """POST /contexts -> its id."""
    status, body = call(sandbox, "POST", "/contexts", fields)
    assert status == 200, (status, body)
    return body["id"]
