"""Structs and callbacks of libwarren.

Made by bindings/python/generate from include/warren/; not to be changed by hand.
"""

from ctypes import (
    c_bool, c_char, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint, c_uint16, c_uint32, c_uint64, c_void_p,
    CFUNCTYPE, POINTER, Structure,
)

wr_cache_key_fn = CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_void_p)
wr_files_watch_fn = CFUNCTYPE(c_int, c_void_p, c_void_p)
wr_orchestrator_opts_on_result = CFUNCTYPE(None, c_size_t, c_void_p, c_void_p)
wr_primitive_ops_stats = CFUNCTYPE(c_void_p, c_void_p)
wr_primitive_ops_free = CFUNCTYPE(None, c_void_p)
wr_program_output_fn = CFUNCTYPE(c_int, c_int, c_void_p, c_size_t, c_void_p)
wr_clock_now_ms = CFUNCTYPE(c_uint64, c_void_p)
wr_log_fn = CFUNCTYPE(None, c_void_p, c_void_p)

class wr_wait(Structure):
    _fields_ = [
        ("timeout_ms", c_uint64),
        ("cancel", c_void_p),
    ]


class wr_client_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("backend", c_int),
        ("api_key", c_char_p),
        ("domain", c_char_p),
        ("api_url", c_char_p),
        ("sandbox_url", c_char_p),
        ("socket_path", c_char_p),
        ("data_dir", c_char_p),
        ("executable", c_char_p),
        ("request_timeout_ms", c_uint64),
    ]


class wr_code_event(Structure):
    _fields_ = [
        ("kind", c_int),
        ("text", c_char_p),
        ("text_len", c_size_t),
        ("value", c_void_p),
    ]


class wr_parallel_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_concurrent", c_uint),
        ("keep_going", c_bool),
    ]


class wr_refine_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_attempts", c_uint),
    ]


class wr_error(Structure):
    _fields_ = [
        ("code", c_int),
        ("os_errno", c_int),
        ("retry_after_ms", c_uint32),
        ("msg", c_char * 240),
    ]


class wr_file(Structure):
    _fields_ = [
        ("path", c_char_p),
        ("bytes", c_void_p),
        ("len", c_size_t),
    ]


class wr_ledger_entry(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("time_ms", c_int64),
        ("create_ms", c_double),
        ("run_ms", c_double),
        ("held_ms", c_double),
        ("error_code", c_int),
        ("code_succeeded", c_bool),
        ("backend", c_char_p),
        ("template_name", c_char_p),
        ("language", c_char_p),
    ]


class wr_slo_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("period_s", c_uint64),
        ("create_p95_ms", c_double),
        ("success_rate", c_double),
    ]


class wr_budget_state(Structure):
    _fields_ = [
        ("level", c_int),
        ("limit", c_char_p),
        ("used", c_double),
        ("allowed", c_double),
    ]


class wr_fallback_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("classes", c_uint),
    ]


class wr_sandbox_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("template_name", c_char_p),
        ("timeout_s", c_uint64),
        ("envs", POINTER(c_char_p)),
        ("env_count", c_size_t),
        ("metadata", POINTER(c_char_p)),
        ("metadata_count", c_size_t),
        ("no_internet", c_bool),
        ("allow_out", POINTER(c_char_p)),
        ("allow_out_count", c_size_t),
        ("deny_out", POINTER(c_char_p)),
        ("deny_out_count", c_size_t),
        ("volumes", POINTER(c_char_p)),
        ("volume_count", c_size_t),
        ("auto_pause", c_bool),
        ("memory_bytes", c_uint64),
        ("cpu_millis", c_uint64),
    ]


class wr_pause_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("level", c_int),
        ("files_only", c_bool),
    ]


class wr_resume_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("timeout_s", c_uint64),
        ("files_only", c_bool),
    ]


class wr_redactor_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("no_defaults", c_bool),
        ("patterns", POINTER(c_char_p)),
        ("pattern_count", c_size_t),
        ("literals", POINTER(c_char_p)),
        ("literal_count", c_size_t),
        ("min_entropy", c_double),
        ("min_entropy_length", c_size_t),
        ("replacement", c_char_p),
    ]


class wr_snapshot_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("files_only", c_bool),
    ]


class wr_snapshot_list_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("sandbox_id", c_char_p),
        ("name", c_char_p),
    ]


class wr_fork_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("count", c_uint),
        ("timeout_s", c_uint64),
    ]


class wr_lease(Structure):
    _fields_ = [
        ("sandbox", c_void_p),
        ("init_ms", c_double),
        ("fresh", c_bool),
        ("number", c_uint64),
        ("entry", c_void_p),
    ]


wr_code_fn = CFUNCTYPE(c_int, POINTER(wr_code_event), c_void_p)
wr_branch_fn = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, POINTER(wr_error))
wr_budget_opts_on_level = CFUNCTYPE(None, POINTER(wr_budget_state), c_void_p)
wr_primitive_ops_execute = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, POINTER(c_void_p), POINTER(wr_error))
wr_clock_sleep_until = CFUNCTYPE(c_int, c_void_p, c_uint64, c_void_p, POINTER(wr_error))

class wr_program_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("command", c_char_p),
        ("argv", POINTER(c_char_p)),
        ("argv_count", c_size_t),
        ("envs", POINTER(c_char_p)),
        ("env_count", c_size_t),
        ("cwd", c_char_p),
        ("user", c_char_p),
        ("input", c_void_p),
        ("input_len", c_size_t),
        ("keep_input", c_bool),
        ("terminal", c_bool),
        ("cols", c_uint16),
        ("rows", c_uint16),
        ("timeout_ms", c_uint64),
        ("max_output", c_uint64),
        ("on_output", wr_program_output_fn),
        ("on_output_data", c_void_p),
    ]


class wr_secure_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("policy", c_void_p),
        ("no_policy", c_bool),
        ("checker_client", c_void_p),
        ("checker_sandbox", POINTER(wr_sandbox_opts)),
        ("redactor", POINTER(wr_redactor_opts)),
        ("no_redaction", c_bool),
        ("max_per_second", c_double),
        ("audit_path", c_char_p),
        ("audit_code", c_bool),
    ]


class wr_sessions_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("path", c_char_p),
        ("sandbox", POINTER(wr_sandbox_opts)),
        ("idle_timeout_s", c_uint64),
        ("max_sessions", c_uint),
    ]


class wr_telemetry_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("service_name", c_char_p),
        ("otlp_endpoint", c_char_p),
        ("otlp_headers", c_char_p),
        ("export_interval_ms", c_uint64),
        ("max_queue", c_size_t),
        ("on_log", wr_log_fn),
        ("on_log_data", c_void_p),
    ]


class wr_code_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("code", c_char_p),
        ("language", c_char_p),
        ("context_id", c_char_p),
        ("envs", POINTER(c_char_p)),
        ("env_count", c_size_t),
        ("timeout_ms", c_uint64),
        ("max_output", c_uint64),
        ("on_event", wr_code_fn),
        ("on_event_data", c_void_p),
    ]


class wr_primitive_ops(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("execute", wr_primitive_ops_execute),
        ("stats", wr_primitive_ops_stats),
        ("free", wr_primitive_ops_free),
    ]


class wr_clock(Structure):
    _fields_ = [
        ("now_ms", wr_clock_now_ms),
        ("sleep_until", wr_clock_sleep_until),
        ("self", c_void_p),
    ]


class wr_workflow_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("workflow_id", c_char_p),
        ("correlation_id", c_char_p),
        ("session_id", c_char_p),
        ("traceparent", c_char_p),
        ("tracestate", c_char_p),
        ("telemetry", c_void_p),
        ("cancel", c_void_p),
        ("timeout_ms", c_uint64),
        ("on_event", wr_code_fn),
        ("on_event_data", c_void_p),
    ]


class wr_cache_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("store", c_void_p),
        ("ttl_ms", c_uint64),
        ("key", wr_cache_key_fn),
        ("key_data", c_void_p),
        ("scope", c_char_p),
        ("clock", POINTER(wr_clock)),
    ]


class wr_rate_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("per_second", c_double),
        ("burst", c_uint),
        ("max_wait_ms", c_uint64),
        ("clock", POINTER(wr_clock)),
    ]


class wr_budget_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_sandbox_hours", c_double),
        ("max_cost", c_double),
        ("cost_per_second", c_double),
        ("max_concurrent", c_uint),
        ("warn_at", c_double),
        ("period_s", c_uint64),
        ("ledger_path", c_char_p),
        ("on_level", wr_budget_opts_on_level),
        ("on_level_data", c_void_p),
        ("clock", POINTER(wr_clock)),
    ]


class wr_retry_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_retries", c_uint),
        ("backoff", c_int),
        ("delay_ms", c_uint64),
        ("factor", c_double),
        ("max_delay_ms", c_uint64),
        ("no_jitter", c_bool),
        ("classes", c_uint),
        ("clock", POINTER(wr_clock)),
    ]


class wr_breaker_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("failure_threshold", c_uint),
        ("success_threshold", c_uint),
        ("recovery_timeout_ms", c_uint64),
        ("classes", c_uint),
        ("clock", POINTER(wr_clock)),
    ]


class wr_supply_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("sandbox", POINTER(wr_sandbox_opts)),
        ("setup", c_char_p),
        ("create_timeout_ms", c_uint64),
        ("telemetry", c_void_p),
        ("max_age_s", c_uint64),
        ("carry_files", c_bool),
        ("carry_variables", c_bool),
        ("size", c_uint),
        ("min_idle", c_uint),
        ("max", c_uint),
        ("reset_in_place", c_bool),
        ("health_interval_ms", c_uint64),
        ("clock", POINTER(wr_clock)),
    ]


class wr_executor_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("mode", c_int),
        ("supply", c_void_p),
        ("supply_opts", POINTER(wr_supply_opts)),
        ("timeout_ms", c_uint64),
        ("install_timeout_ms", c_uint64),
        ("max_output", c_size_t),
        ("no_install", c_bool),
        ("language", c_char_p),
        ("env", c_void_p),
        ("ledger_path", c_char_p),
    ]


class wr_orchestrator_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_concurrent", c_uint),
        ("supply", c_void_p),
        ("supply_opts", POINTER(wr_supply_opts)),
        ("task_timeout_ms", c_uint64),
        ("stop_on_failure", c_bool),
        ("share", c_int),
        ("share_path", c_char_p),
        ("blackboard_dir", c_char_p),
        ("max_blackboard_bytes", c_uint64),
        ("on_result", wr_orchestrator_opts_on_result),
        ("on_result_data", c_void_p),
        ("max_retries", c_uint),
        ("ledger_path", c_char_p),
    ]


class wr_tester_opts(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("supply", c_void_p),
        ("supply_opts", POINTER(wr_supply_opts)),
        ("max_concurrent", c_uint),
        ("case_timeout_ms", c_uint64),
        ("project_timeout_ms", c_uint64),
        ("max_output", c_size_t),
    ]
