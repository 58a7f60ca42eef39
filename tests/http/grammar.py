"""Seeded generators of HTTP/1.1 messages: well-formed ones, ones with a known kind of trap in them, and mutations of both."""

METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"M-SEARCH", b"get", b"CONNECT", b"PRI", b"A" * 17]
TARGETS = [b"/", b"/a/b?c=d&e=%20", b"/files?path=%2Fhome%2Fuser", b"*", b"http://host.test/x", b"https://host.test:8/x?y", b"/%00",
           b"/a/../b", b"//double", b"/\xc3\xa9", b"/a#b", b"host.test:80", b"", b"a b", b"/|{}\"<>^`", b"HTTP://host.test", b"/\x7f",
           b"http://user@host.test/", b"http:///x", b"/?", b"/" + b"t" * 300]
VERSIONS = [b"HTTP/1.1"] * 12 + [b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.10", b"HTTP/11",
                                b"HTTP/1.", b"HTTP /1.1"]
HOSTS = [b"host.test:80", b"[::1]:80", b"", b"a b", b"host.test/x", b"user@host.test", b"host.test,other"]
LENGTHS = [b"+5", b"-5", b"05", b"5,5", b"5, 5", b"5,6", b"0x5", b"5 5", b"", b"5;", b"99999999999999999999", b"9223372036854775807",
           b"5\t", b"\xb2", b"5.0", b"1e1", b"0", b"00"]
CODINGS = [b"Chunked", b"CHUNKED", b"gzip, chunked", b"chunked, chunked", b"chunked, gzip", b"identity", b"xchunked", b"chunkedx",
           b"chunked;q=1", b"chunked,", b",chunked", b"\x0bchunked", b"\"chunked\"", b"", b"gzip", b"chunked\x00", b"c hunked"]
FIELDS = [b"Accept: */*", b"X-Empty:", b"X-Blank: \t ", b"X-Tab:\ta\tb\t", b"X-High: \xe9\xff", b"X-Control: a\x01b", b"X-Del: a\x7fb",
          b"X-Nul: a\x00b", b"X-Form: a\x0cb", b"X-Sep : a", b" X-Fold: a", b"X-(paren): a", b": no name", b"no colon", b"X-Quote: \"a, b\"",
          b"Connection: close", b"Connection: keep-alive", b"Connection: keep-alive, close", b"Connection: x-a, upgrade",
          b"Upgrade: websocket", b"Expect: 100-continue", b"Expect: 100-Continue", b"Expect: other", b"TE: gzip, trailers", b"Trailer: X-T",
          b"X-Long: " + b"v" * 2000, b"Host: other.test", b"X_Under-score.d~`|: ok", b"X-\xe9: a", b"Cookie: a=b; c=d",
          b"Connection: " + b",".join([b"a"] * 33), b"X-Value:colon:colon"]
SIZES = [b"%x", b"%X", b"000%x", b"%x;ext", b"%x;ext=\"v;\"", b"%x ", b"0x%x", b"+%x", b"%x\t;a", b"%x;" + b"e" * 70, b"-%x", b"%xg", b"",
         b"10000000000000000%x", b"ffffffffffffffff", b"%x;\x01", b"%x,"]
TRAILERS = [b"X-T: v\r\n", b"Content-Length: 5\r\n", b"X-T: v\r\nX-U: w\r\n", b"bad trailer\r\n", b" X-T: v\r\n", b"X-T: a\x00b\r\n", b"X-T : v\r\n",
            b"X-T:\r\n", b"X-T: v\n", b": v\r\n", b"\n"]
BAD_BYTES = [b"\r", b"\n", b"\r\n", b"\0", b"\t", b" ", b":", b",", b";", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xff", b"0", b"\r\n ", b"\n\t",
             b"\r\r\n", b"\x1b"]
STATUSES = [b"200"] * 10 + [b"204", b"304", b"404", b"500", b"100", b"101", b"103", b"20", b"2000", b"099", b"999", b"2x0", b""]
REASONS = [b" OK", b" ", b"", b" Not so\tgood \xe9", b"  two", b"\tTab", b" a\x01b", b" a\x00b", b"\nX-After: a"]


class Maker:
    """Where `trap` is given, it is the chance that a part of a message is replaced by one that is likely to be refused."""

    def __init__(self, random, host=b"host.test"):
        self.random = random
        self.host = host

    def one(self, choices):
        return self.random.choice(choices)

    def chance(self, probability):
        return self.random.random() < probability

    def payload(self):
        size = self.one([0, 1, 5, 10, 16, 255, 1000])
        alphabet = b"ab\r\n0: GET / HTTP/1.1\r\n\r\n"
        return bytes(self.one(alphabet) for _ in range(size))

    def chunked(self, trap):
        out = []
        for _ in range(self.random.randrange(4)):
            data = self.payload() or b"x"
            template = self.one(SIZES) if self.chance(trap) else self.one(SIZES[:3])
            size = template % len(data) if b"%" in template else template
            end = self.one([b"\n", b"\r", b"", b"xx", b"\r\n\r\n"]) if self.chance(trap / 3) else b"\r\n"
            out.append(size + b"\r\n" + data + end)
        last = self.one([b"0", b"00", b"0;e", b"0 "]) if self.chance(trap) else b"0"
        trailer = self.one(TRAILERS) if self.chance(trap) else b""
        return b"".join(out) + last + b"\r\n" + trailer + b"\r\n"

    def framing(self, trap):
        """-> field lines, body"""
        kind = self.one(["none", "length", "length", "chunked", "chunked"])
        if self.chance(trap / 2):
            kind = "both"
        data = self.payload()
        length, coding = b"Content-Length: %d" % len(data), b"Transfer-Encoding: chunked"
        if self.chance(trap):
            length = b"Content-Length: " + self.one(LENGTHS)
        if self.chance(trap):
            coding = b"Transfer-Encoding: " + self.one(CODINGS)
        lines = {"none": [], "length": [length], "chunked": [coding], "both": [length, coding]}[kind]
        if lines and self.chance(trap / 2):
            lines.append(self.one([lines[0], lines[0].swapcase(), lines[0] + b"0"]))
        self.random.shuffle(lines)
        body = b"" if kind == "none" else data if kind == "length" else self.chunked(trap)
        return lines, body

    def fields(self, trap):
        good = [field for field in FIELDS if field[:2] in (b"Ac", b"Co", b"Te") or field.startswith((b"X-Empty", b"X-Tab", b"X-High", b"Cookie"))]
        return [self.one(FIELDS) if self.chance(trap) else self.one(good) for _ in range(self.random.randrange(4))]

    def request(self):
        trap = self.one([0, 0.05, 0.3])
        method = self.one(METHODS) if self.chance(trap) else self.one(METHODS[:7])
        target = self.one(TARGETS) if self.chance(trap) else self.one(TARGETS[:3])
        version = self.one(VERSIONS) if self.chance(trap) else b"HTTP/1.1"
        hosts = [] if self.chance(trap / 2) else [b"Host: " + (self.one(HOSTS) if self.chance(trap) else self.host)]
        framing, body = self.framing(trap)
        lines = hosts + framing + self.fields(trap)
        self.random.shuffle(lines)
        return self.assemble(method + b" " + target + b" " + version, lines, body, trap)

    def response(self):
        trap = self.one([0, 0.05, 0.3])
        version = self.one(VERSIONS) if self.chance(trap) else b"HTTP/1.1"
        status = self.one(STATUSES) if self.chance(0.2 + trap) else b"200"
        reason = self.one(REASONS) if self.chance(trap) else b" OK"
        framing, body = self.framing(trap)
        lines = framing + self.fields(trap)
        self.random.shuffle(lines)
        return self.assemble(version + b" " + status + reason, lines, body, trap)

    def assemble(self, first, lines, body, trap):
        def end():
            return self.one([b"\n", b"\r", b"\r\r\n", b" \r\n", b"\r\n "]) if self.chance(trap / 10) else b"\r\n"

        before = self.one([b"\r\n", b"\n", b" "]) if self.chance(trap / 10) else b""
        return before + first + end() + b"".join(line + end() for line in lines) + end() + body

    def mutated(self, data):
        """One to three small changes, most of them in the head."""
        for _ in range(self.random.randrange(1, 4)):
            limit = len(data) if self.chance(0.3) else min(len(data), 120)
            at = self.random.randrange(limit + 1)
            how = self.random.randrange(4)
            if how == 0:
                data = data[:at] + self.one(BAD_BYTES) + data[at:]
            elif how == 1:
                data = data[:at] + data[at + 1 :]
            elif how == 2:
                data = data[:at] + self.one(BAD_BYTES) + data[at + 1 :]
            else:
                data = data[:at]
        return data

    def stream(self, kind):
        """What one peer sends: now and then several messages, now and then damaged."""
        make = self.request if kind == "q" else self.response
        data = b"".join(make() for _ in range(self.one([1, 1, 1, 2, 3])))
        return self.mutated(data) if self.chance(0.4) else data
