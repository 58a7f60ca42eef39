"""Decodes OTLP requests in JSON by OpenTelemetry's own protobuf definitions: lines [path, text] on stdin, messages as JSON on stdout.

A field that the definitions do not have, or a value of the wrong type, is an error. Ids are hex in OTLP's JSON, where protobuf's
mapping has base64 (opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), so they are changed before, and back afterwards.
"""

import base64
import json
import sys

from google.protobuf.json_format import MessageToDict, ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUESTS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest, "/v1/logs": ExportLogsServiceRequest}
IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def change_ids(value, change):
    if isinstance(value, list):
        return [change_ids(item, change) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: change(name, item) if name in IDS else change_ids(item, change) for name, item in value.items()}


def to_base64(name, text):
    data = bytes.fromhex(text)
    assert len(data) == IDS[name] and any(data) and text == text.lower(), f"{name} {text}"
    return base64.b64encode(data).decode()


def to_hex(_name, text):
    return base64.b64decode(text).hex()


for line in sys.stdin:
    path, text = json.loads(line)
    message = ParseDict(change_ids(json.loads(text), to_base64), REQUESTS[path](), ignore_unknown_fields=False)
    # Through the wire format, too: what cannot be sent there is no message.
    again = REQUESTS[path].FromString(message.SerializeToString())
    assert again == message
    print(json.dumps(change_ids(MessageToDict(again), to_hex)))
