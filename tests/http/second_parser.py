"""What h11, an independent HTTP/1.1 parser, reads in given bytes, in the shape that h1_echo reports."""

import h11

MAX_EVENT = 16 * 1024 * 1024
MAX_MESSAGES = 64


def _common(event):
    return {
        "minor": int(event.http_version.split(b".")[1]),
        "version": event.http_version,
        "fields": [(name, value) for name, value in event.headers],
    }


def _head(event, connection):
    if isinstance(event, h11.Request):
        return {**_common(event), "method": event.method, "target": event.target, "expect": connection.they_are_waiting_for_100_continue}
    return {**_common(event), "status": event.status_code, "reason": event.reason}


def closed_by_end(connection, message):
    """Whether a response has no framing of its own: then its connection cannot be kept, which h11 leaves to the end itself."""
    names = {name for name, _ in message["fields"]}
    bodiless = "method" in message or connection.our_state is not h11.DONE or message.get("status") in (204, 304)
    return not bodiless and not names & {b"content-length", b"transfer-encoding"}


def _read_one(connection, message):
    """Events of one message into `message`; True when it is complete."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
            return False
        if isinstance(event, h11.InformationalResponse):
            message.update(_head(event, connection), body=b"")
            return True
        if isinstance(event, (h11.Request, h11.Response)):
            message.update(_head(event, connection), body=b"")
        elif isinstance(event, h11.Data):
            message["body"] += event.data
        elif isinstance(event, h11.EndOfMessage):
            if connection.their_state in (h11.DONE, h11.MUST_CLOSE) and not closed_by_end(connection, message):
                message["keep_alive"] = connection.their_state is h11.DONE
            return True
        else:
            return False


def _connection(kind):
    if kind == "q":
        return h11.Connection(h11.SERVER, MAX_EVENT)
    connection = h11.Connection(h11.CLIENT, MAX_EVENT)
    # Everything is asked for, so that an answer with 101 is expected too.
    fields = [("Host", "host.test"), ("Connection", "Upgrade"), ("Upgrade", "websocket")]
    connection.send(h11.Request(method="HEAD" if kind == "h" else "GET", target="/", headers=fields))
    connection.send(h11.EndOfMessage())
    return connection


def read(kind, data):
    """-> messages with the keys of h1_echo and "start", one after the other, until the bytes end or one is not complete."""
    messages, size = [], len(data)
    while data and len(messages) < MAX_MESSAGES:
        message = {"start": size - len(data)}
        messages.append(message)
        connection = _connection(kind)
        try:
            connection.receive_data(data)
            if kind != "q":
                connection.receive_data(b"")
            complete = _read_one(connection, message)
            message["outcome"] = "complete" if complete else "more"
        except h11.RemoteProtocolError as error:
            # After the end of its input a client calls an unfinished message an error.
            early = "without sending complete" in str(error) or "incomplete chunked" in str(error) or "unexpectedly" in str(error)
            message["outcome"] = "more" if early else "refused"
            message["why"] = str(error)
        if message["outcome"] != "complete" or message.get("status") == 101:
            break
        data = bytes(connection.trailing_data[0])
    return messages
