/** @file
 * SecureCodeExecutor: rules for code, redaction of what comes out, an audit log.
 *
 * Rules keep well-meaning code on its way and make a report; they are no wall. The sandbox is.
 */
#pragma once

#include "warren/primitive.h"

WR_BEGIN_DECLS

/** Options of wr_redactor_new(). Text is copied. */
struct wr_redactor_opts {
    size_t struct_size;
    bool no_defaults; /**< without the patterns for sk- keys, cloud keys (AWS, Google, Azure),
                         GitHub and Slack tokens, JWTs, private keys in PEM, password= and url
                         credentials */
    const char *const
        *patterns; /**< more, PCRE2 over bytes; a match is at most 64 KiB, and where one
                      would be longer or takes too much work, 64 KiB are left out */
    size_t pattern_count;
    const char *const *literals; /**< text that never comes out, such as the values of secrets */
    size_t literal_count;
    double min_entropy; /**< bits per character from which a word is taken for a secret; 0: off */
    size_t min_entropy_length; /**< of such words; 0: 20 */
    const char *replacement;   /**< NULL: "[REDACTED]" */
};
struct wr_redactor;
/** INVALID_ARGUMENT names the pattern and the place in it. */
WR_PUBLIC struct wr_redactor *wr_redactor_new(const struct wr_redactor_opts *opts,
                                              struct wr_error *err);
/** Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_redactor *wr_redactor_free(struct wr_redactor *redactor);
/** A whole text. *ret: to free with wr_free(). *ret_count (may be NULL): how many were replaced.
 * Thread-safe. */
WR_PUBLIC int wr_redact(const struct wr_redactor *redactor, const char *text, size_t len,
                        char **ret, size_t *ret_len, size_t *ret_count, struct wr_error *err);

/** A text in pieces: a secret that lies across the border of two is found too, so some bytes wait
 * for the next piece. The result is that of the whole text, however it is cut. One thread at a
 * time; `redactor` has to live as long. */
struct wr_redaction;
/** Begins a text. `redactor` must outlive it. */
WR_PUBLIC struct wr_redaction *wr_redaction_new(const struct wr_redactor *redactor,
                                                struct wr_error *err);
/** *ret: what is safe by now (may be empty), to free with wr_free(). `last`: nothing follows. */
WR_PUBLIC int wr_redaction_feed(struct wr_redaction *redaction, const char *text, size_t len,
                                bool last, char **ret, size_t *ret_len, struct wr_error *err);
/** Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_redaction *wr_redaction_free(struct wr_redaction *redaction);

struct wr_audit;
/** Appends to the file `path` (made 0600), one JSON object per line; each holds the SHA-256 of the
 * one before it, so that a change, a removal or a gap shows. Several processes may append.
 * DATA_LOSS when the end of the file is not whole. Thread-safe. */
WR_PUBLIC struct wr_audit *wr_audit_open(const char *path, struct wr_error *err);
/** `record`, an object, is borrowed; time and chain are added. On disk when it returns. */
WR_PUBLIC int wr_audit_append(struct wr_audit *audit, const struct wr_value *record,
                              struct wr_error *err);
/** One more holder. Accepts NULL. */
WR_PUBLIC struct wr_audit *wr_audit_ref(struct wr_audit *audit);
/** Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_audit *wr_audit_free(struct wr_audit *audit);
/** Reads the whole chain. 0 and {"records", "first_time", "last_time", "last_hash"}; or DATA_LOSS,
 * which names the first line that does not fit. `expected_hash` (NULL: none): what an earlier look
 * found last must be in it, or its end was cut off. */
WR_PUBLIC int wr_audit_verify(const char *path, const char *expected_hash, struct wr_value **ret,
                              struct wr_error *err);

/** Options of wr_secure_new(). Borrowed during the call, what is needed later is copied. */
struct wr_secure_opts {
    size_t struct_size;
    /** Rules, an object; NULL: the default list (os.system, subprocess, eval, exec). See
     * docs/guides/secure.md: {"imports": {"deny": [..], "allow": [..]}, "calls": {"deny": [..]},
     * "attributes": {"deny": [..]}, "max_code_bytes", "languages": [..], "report_only": bool}. */
    struct wr_value *policy;
    bool no_policy; /**< code is not looked at */
    struct wr_client
        *checker_client; /**< where a sandbox of its own, that never runs the code,
                            reads it; one more holder; NULL: wr_client_new() defaults */
    const struct wr_sandbox_opts *checker_sandbox; /**< NULL: defaults, without network */
    const struct wr_redactor_opts *redactor;       /**< NULL: the default patterns */
    bool no_redaction;                             /**< output comes out as it is */
    double max_per_second;                         /**< rate limit; 0: none */
    const char *audit_path;                        /**< NULL: no audit log */
    bool audit_code; /**< the code itself in the log (redacted), not only its hash */
};
/**
 * Around an executor (or anything that takes its input). Code that the rules refuse is
 * PERMISSION_DENIED, with the rule and the line; the workflow's state "policy_report" has all of
 * {"allowed", "violations": [{"rule", "name", "line", "column", "text"}]}. Code that does not parse
 * is not run: its result has `success` false and `error` "SyntaxError: message", and the report has
 * "syntax_error" besides. IPython's magics and !commands, which do not parse either but would run,
 * are refused by the rule "magic". Output as of `inner`,
 * each text redacted, with "redactions": count. The values of `env` whose names say that they are
 * secret (TOKEN, KEY, PASSWORD, ...) are redacted too. Without `languages` only Python is allowed:
 * rules cannot read others. Code that cannot be judged is refused. stats: allowed, refused,
 * syntax_errors, redactions, redaction_limits, limited.
 */
WR_PUBLIC struct wr_primitive *wr_secure_new(struct wr_primitive *inner,
                                             const struct wr_secure_opts *opts,
                                             struct wr_error *err);

WR_END_DECLS
