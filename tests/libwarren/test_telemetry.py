"""Spans, metrics and log records as others read them: OpenTelemetry's protobuf definitions, Prometheus' parser for Python, a real
Prometheus. And collectors that do not do what they should. docs/internals/telemetry.md"""

import contextlib
import json
import pathlib
import re
import subprocess
import urllib.parse
import urllib.request

import libwarren
import pytest
import warren
from otlp_collector import Collector, program_of_package
from prometheus_client.parser import text_string_to_metric_families
from service import free_ports

OTLP = pathlib.Path(__file__).with_name("otlp")
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def run(env, *arguments, seconds=60):
    """-> {name: [values]} of the lines that the program prints."""
    done = subprocess.run([libwarren.program("telemetry_check"), *map(str, arguments)], env=env, capture_output=True, text=True,
                          timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    told = {}
    for line in done.stdout.splitlines():
        for name, value in json.loads(line).items():
            told.setdefault(name, []).append(value)
    return told


@pytest.fixture(scope="session")
def decoder():
    """Requests -> what OpenTelemetry's definitions make of them."""
    python = subprocess.run([OTLP / "setup"], stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout.strip()

    def decode(requests):
        lines = "".join(json.dumps([request.path, request.body.decode()]) + "\n" for request in requests)
        done = subprocess.run([python, OTLP / "decode.py"], input=lines, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return decode


def value_of(value):
    """An AnyValue -> what it holds."""
    [(kind, held)] = value.items()
    return int(held) if kind == "intValue" else held


def attributes(record):
    named = {attribute["key"]: value_of(attribute["value"]) for attribute in record.get("attributes", [])}
    assert len(named) == len(record.get("attributes", []))
    return named


def records(messages, resources, scopes, name):
    """All records of messages; resource and scope of each are the library's."""
    found = []
    for message in messages:
        [resource] = message[resources]
        told = attributes(resource["resource"])
        assert told["telemetry.sdk.name"] == "warren" and told["service.name"]
        [scope] = resource[scopes]
        assert scope["scope"]["name"] == "warren"
        found += scope[name]
    return found


def spans_of(messages):
    return records(messages, "resourceSpans", "scopeSpans", "spans")


# ---- what is sent ----


def test_spans(decoder):
    with Collector() as collector:
        env = libwarren.environment(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url + "/base", OTEL_SERVICE_NAME="checker",
                                    OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20t0ken,x-tenant=7",
                                    OTEL_RESOURCE_ATTRIBUTES="deployment.environment=tests", E2B_API_KEY="not-for-collectors")
        told = run(env, "spans")
    assert told["flush"] == ["ok"]
    for request in collector.requests:
        fields = {name.lower(): value for name, value in request.headers.items()}
        assert (fields["authorization"], fields["x-tenant"], fields["content-type"]) == ("Bearer t0ken", "7", "application/json")
        assert "x-api-key" not in fields
        request.path = request.path.removeprefix("/base")
    messages = decoder(collector.of("/v1/traces"))
    resource = attributes(messages[0]["resourceSpans"][0]["resource"])
    assert resource["service.name"] == "checker" and resource["deployment.environment"] == "tests"
    assert resource["service.version"] and resource["telemetry.sdk.language"] == "c"

    spans = {span["name"]: span for span in spans_of(messages)}
    assert set(spans) == {"outer", "primitive.Good", "inside", "primitive.Bad"}
    outer, good, inside, bad = (spans[name] for name in ("outer", "primitive.Good", "inside", "primitive.Bad"))
    assert {span["traceId"] for span in spans.values()} == {TRACE_ID}
    assert outer["parentSpanId"] == PARENT_ID
    assert told["traceparent"] == [f"00-{TRACE_ID}-{outer['spanId']}-01"]
    assert good["parentSpanId"] == bad["parentSpanId"] == outer["spanId"] and inside["parentSpanId"] == good["spanId"]
    for span, around in ((good, outer), (bad, outer), (inside, good)):
        times = [int(point) for point in (around["startTimeUnixNano"], span["startTimeUnixNano"], span["endTimeUnixNano"])]
        assert times == sorted(times)
        # Start and length of each are of different clocks, each cut to microseconds.
        assert int(span["endTimeUnixNano"]) <= int(around["endTimeUnixNano"]) + 50_000
        assert span["traceState"] == "vendor=1" and span["kind"] == "SPAN_KIND_INTERNAL" and span["flags"] == 1

    shown = attributes(inside)
    assert shown["text"] == 'a "quoted" ä \ufffd text\n' and shown["least"] == -2**63 and shown["third"] == 1 / 3
    assert shown["infinite"] == "Infinity" and shown["truth"] is True
    assert shown["workflow.correlation_id"] == "req-123" and shown["workflow.session_id"] == "s-1"
    assert attributes(good)["primitive.name"] == "Good" and attributes(good)["primitive.status"] == "success"
    assert "status" not in good
    assert bad["status"] == {"code": "STATUS_CODE_ERROR", "message": "refused on purpose"}
    assert attributes(bad)["error.type"] == "unavailable"
    [event] = bad["events"]
    assert event["name"] == "exception" and attributes(event)["exception.message"] == "refused on purpose"
    assert (told["stats"][-1]["spans_exported"], told["stats"][-1]["queued"]) == (4, 0)


def test_numbers_of_64_bits_are_strings():
    """Readers of JSON that have only floating point would change them."""
    with Collector() as collector:
        run(libwarren.environment(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url), "spans")
    for request in collector.requests:
        text = request.body.decode()
        assert re.search(r'"timeUnixNano":"\d+"|"startTimeUnixNano":"\d+"', text)
        assert not re.search(r'"(\w*TimeUnixNano|timeUnixNano|count|intValue)":[-\d]', text)


@pytest.fixture(scope="module")
def executed(endpoint, decoder):
    """Two executions of which the second's code fails: (what the program told, its requests, decoded)."""
    with Collector() as collector:
        told = run({**endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, "execute", "print(120)", "1 / 0")
    assert told["flush"] == ["ok"] and len(told["result"]) == 2, told
    return told, {path: decoder(collector.of(path)) for path in ("/v1/traces", "/v1/metrics", "/v1/logs")}


def test_spans_of_an_execution(executed):
    spans = spans_of(executed[1]["/v1/traces"])
    by_id = {span["spanId"]: span for span in spans}
    tops = [span for span in spans if span["name"] == "code_execution.execute"]
    assert len(tops) == 2 and all(span["parentSpanId"] == PARENT_ID for span in tops)
    for name in ("code_execution.sandbox_init", "code_execution.code_run"):
        parts = [span for span in spans if span["name"] == name]
        assert len(parts) == 2
        for part in parts:
            assert by_id[part["parentSpanId"]]["name"] == "code_execution.execute"
    good = next(span for span in tops if attributes(span)["success"])
    shown = attributes(good)
    assert shown["code_length"] == len("print(120)") and shown["language"] == "python"
    assert shown["execution_time_ms"] > 0 and shown["sandbox_id"]


def metrics_of(messages):
    """The last state of each: {name: metric}."""
    return {metric["name"]: metric for metric in records(messages, "resourceMetrics", "scopeMetrics", "metrics")}


def test_metrics_of_an_execution(executed):
    metrics = metrics_of(executed[1]["/v1/metrics"])
    requests = metrics["code_execution_requests_total"]["sum"]
    assert requests["isMonotonic"] and requests["aggregationTemporality"] == "AGGREGATION_TEMPORALITY_CUMULATIVE"
    [point] = requests["dataPoints"]
    assert point["asDouble"] == 2 and int(point["startTimeUnixNano"]) <= int(point["timeUnixNano"])
    [failed] = metrics["code_execution_error_total"]["sum"]["dataPoints"]
    assert attributes(failed) == {"class": "code"} and failed["asDouble"] == 1
    [point] = metrics["code_execution_active"]["gauge"]["dataPoints"]
    assert point["asDouble"] == 0
    histogram = metrics["code_execution_sandbox_create_seconds"]["histogram"]
    assert histogram["aggregationTemporality"] == "AGGREGATION_TEMPORALITY_CUMULATIVE"
    [point] = histogram["dataPoints"]
    assert int(point["count"]) == sum(map(int, point["bucketCounts"])) == 2 and point["sum"] > 0
    assert len(point["bucketCounts"]) == len(point["explicitBounds"]) + 1


def test_log_records_of_an_execution(executed):
    told, messages = executed
    sent = [record for record in records(messages["/v1/logs"], "resourceLogs", "scopeLogs", "logRecords")
            if record["body"] == {"stringValue": "code_execution"}]
    heard = [record for record in told["log"] if record["event"] == "code_execution"]
    assert len(sent) == len(heard) == 2
    for record, line in zip(sent, heard):
        shown = attributes(record)
        assert shown["primitive"] == line["primitive"] == "CodeExecutionPrimitive"
        assert shown["correlation_id"] == line["correlation_id"] == "req-123"
        assert shown["success"] is line["success"] and shown["code_length"] == line["code_length"]
        assert shown["execution_time_ms"] == line["execution_time_ms"] > 0
        assert record["traceId"] == line["trace_id"] == TRACE_ID and record["spanId"] == line["span_id"]
        assert record["severityNumber"].startswith("SEVERITY_NUMBER_")
    assert [line["success"] for line in heard] == [True, False]
    spans = {span["spanId"]: span["name"] for span in spans_of(messages["/v1/traces"])}
    assert {spans[line["span_id"]] for line in heard} == {"code_execution.execute"}


def test_the_page_is_prometheus_text(executed):
    [page] = executed[0]["page"]
    families = {family.name: family for family in text_string_to_metric_families(page)}
    metrics = metrics_of(executed[1]["/v1/metrics"])
    kinds = {"sum": "counter", "gauge": "gauge", "histogram": "histogram"}
    for name, metric in metrics.items():
        family = families[name.removesuffix("_total")]
        assert family.documentation == metric["description"]
        [kind] = [kinds[key] for key in kinds if key in metric]
        assert family.type == kind
    samples = {(sample.name, *sorted(sample.labels.items())): sample.value for family in families.values() for sample in family.samples}
    assert samples[("code_execution_requests_total",)] == 2 and samples[("code_execution_success_total",)] == 1
    assert samples[("code_execution_error_total", ("class", "code"))] == 1
    assert samples[("code_execution_duration_seconds_bucket", ("le", "+Inf"))] == samples[("code_execution_duration_seconds_count",)] == 2


# ---- over TLS ----


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that signs itself, with its key."""
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", directory / "key.pem",
                    "-out", directory / "cert.pem"], check=True, capture_output=True)
    both = directory / "both.pem"
    both.write_text((directory / "key.pem").read_text() + (directory / "cert.pem").read_text())
    return directory / "cert.pem", both


def test_https(certificate, decoder):
    with Collector(certificate=certificate[1]) as collector:
        trusting = libwarren.environment(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, SSL_CERT_FILE=str(certificate[0]))
        assert run(trusting, "spans")["flush"] == ["ok"]
        assert len(spans_of(decoder(collector.of("/v1/traces")))) == 4
        received = len(collector.requests)
        distrusting = libwarren.environment(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        assert run(distrusting, "spans")["flush"] != ["ok"]
        assert len(collector.requests) == received


# ---- collectors that do not do what they should ----


@pytest.mark.parametrize("behaviour", ["hang", "reset", 500, (429, {"Retry-After": "1"}), (503, {}), "nobody"])
def test_executions_are_not_slowed(behaviour):
    with Collector() as good, Collector(lambda path: behaviour) as bad:
        url = "http://127.0.0.1:1" if behaviour == "nobody" else bad.url
        told = run(libwarren.environment(), "compare", good.url, url, 300)
    [times] = told["times"]
    # Waiting for the collector once would be hundreds of times as much. Half a second may be a busy machine's.
    assert times["b_ms"] < 5 * times["a_ms"] + 500, times
    # The end has 2 s; without its bound a request alone has 10.
    assert times["b_end_ms"] < 8000, times
    assert told["stats"][1]["spans_exported"] == 0


def test_what_a_hanging_collector_does_not_take_is_dropped_and_counted():
    with Collector(lambda path: "hang") as collector:
        told = run(libwarren.environment(), "flood", collector.url, 5000, 300)
    assert told["flush"] == ["deadline_exceeded"]
    [stats] = told["stats"]
    assert stats["spans_exported"] == 0 and stats["spans_dropped"] > 0
    assert stats["spans_dropped"] + stats["queued"] == 5000


def test_what_is_refused_is_dropped_and_counted():
    with Collector(lambda path: 400) as collector:
        told = run(libwarren.environment(), "flood", collector.url, 100, 10000)
    assert told["flush"] == ["invalid_argument"]
    assert (told["stats"][0]["spans_dropped"], told["stats"][0]["queued"]) == (100, 0)
    assert len(collector.of("/v1/traces")) <= 100  # never the same twice
    assert len({request.body for request in collector.of("/v1/traces")}) == len(collector.of("/v1/traces"))


@pytest.mark.parametrize("refusal", [429, 502, 503, 504, "reset"])
def test_the_same_is_sent_again(refusal, decoder):
    """The flush fails, and the end tries once more."""
    answers = {"/v1/traces": [refusal]}
    with Collector(lambda path: answers[path].pop() if answers.get(path) else 200) as collector:
        told = run(libwarren.environment(), "flood", collector.url, 10, 10000)
    first, again, *_ = collector.of("/v1/traces")
    assert first.body == again.body and again.status == 200
    assert told["stats"][0]["spans_dropped"] == 0
    assert len(spans_of(decoder([request for request in collector.of("/v1/traces") if request.status == 200]))) == 10


# ---- a real Prometheus ----


def ask(port, path, **query):
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


@contextlib.contextmanager
def prometheus(directory, target):
    """A Prometheus that scrapes that port -> its own port."""
    (port,) = free_ports(1)
    config = directory / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [
        {"job_name": "warren", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}]}))
    with (directory / "log").open("w") as log, \
            subprocess.Popen([program_of_package("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
                              f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log) as process:
        try:
            yield port
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_a_real_prometheus_scrapes_it(endpoint, tmp_path):
    (target,) = free_ports(1)
    with subprocess.Popen([libwarren.program("telemetry_check"), "serve", str(target)], env=endpoint, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as served, prometheus(tmp_path, target) as port:
        for line in served.stdout:
            if "serving" in json.loads(line):
                break

        def value(query):
            with contextlib.suppress(OSError):
                found = ask(port, "query", query=query)["result"]
                return float(found[0]["value"][1]) if found else None

        warren.wait_for(lambda: value("code_execution_requests_total") is not None, 60, "a scrape has come through")
        assert value("up") == 1 and value("code_execution_requests_total") == 2
        assert value('code_execution_error_total{class="code"}') == 1
        assert value("code_execution_sandbox_create_seconds_count") == 2
        assert 0 < value("histogram_quantile(0.95, code_execution_sandbox_create_seconds_bucket)")
        [healthy] = ask(port, "targets")["activeTargets"]
        assert (healthy["health"], healthy["lastError"]) == ("up", "")
        with urllib.request.urlopen(f"http://127.0.0.1:{target}/metrics", timeout=10) as answer:
            page = answer.read().decode()
        metadata = ask(port, "metadata")
        for family in text_string_to_metric_families(page):
            name = family.name + "_total" * (family.type == "counter")
            assert metadata[name] == [{"type": family.type, "help": family.documentation, "unit": ""}]
        served.stdin.close()
        assert served.wait(timeout=30) == 0
