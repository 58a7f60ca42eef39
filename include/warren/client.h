/** @file
 * The client: who is asked for sandboxes.
 *
 * Three kinds of server speak the same protocol: a Warren server, the E2B cloud (or anything
 * compatible with it), and a private Warren that is started when nothing else is configured.
 */
#pragma once

#include "warren/cancel.h"
#include "warren/value.h"

WR_BEGIN_DECLS

struct wr_client;

/** Kinds of servers. */
enum wr_backend {
    /** The first that is configured: `socket_path` or WARREN_SOCKET; `api_key` or E2B_API_KEY; else
     * WR_BACKEND_PRIVATE. */
    WR_BACKEND_AUTO = 0,
    WR_BACKEND_SOCKET = 1, /**< a Warren server on this machine, by its Unix socket; needs no key */
    WR_BACKEND_E2B = 2,    /**< E2B or compatible, a Warren server over TCP included, with a key */
    WR_BACKEND_PRIVATE = 3, /**< a Warren of this machine's root, started on demand; needs no key */
};

/** Text is copied. NULL members: the environment variable named beside them, else the default. */
struct wr_client_opts {
    size_t struct_size;
    enum wr_backend backend;     /**< which kind of server */
    const char *api_key;         /**< E2B_API_KEY */
    const char *domain;          /**< E2B_DOMAIN; e2b.app */
    const char *api_url;         /**< E2B_API_URL; https://api. followed by the domain */
    const char *sandbox_url;     /**< E2B_SANDBOX_URL; a sandbox's own host below its domain */
    const char *socket_path;     /**< WARREN_SOCKET; /run/warren/warren.sock */
    const char *data_dir;        /**< of a private Warren: WARREN_DATA_DIR; /var/lib/warren */
    const char *executable;      /**< of a private Warren: WARREN_EXECUTABLE; `warren` beside the
                                    library or on PATH */
    uint64_t request_timeout_ms; /**< of calls without a time of their own; 60,000 */
};

/** Checks what it is given, and connects to nothing yet. INVALID_ARGUMENT names what is wrong,
 * UNAUTHENTICATED: WR_BACKEND_E2B without a key. Thread-safe, as all functions on the client.
 * After a fork() the child may go on with a client of its parent's. A private server is started by
 * the first call that needs it, within that call's time. */
WR_PUBLIC struct wr_client *wr_client_new(const struct wr_client_opts *opts, struct wr_error *err);
/** One more holder. Accepts NULL. */
WR_PUBLIC struct wr_client *wr_client_ref(struct wr_client *client);
/** One holder less; sandboxes hold theirs. Closes connections, wipes the key, and leaves sandboxes
 * as they are. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_client *wr_client_free(struct wr_client *client);
/** The kind that was chosen; never WR_BACKEND_AUTO. */
WR_PUBLIC enum wr_backend wr_client_backend(const struct wr_client *client);
/** Says who it is, for people: "https://api.e2b.app", "/run/warren/warren.sock". Borrowed. */
WR_PUBLIC const char *wr_client_name(const struct wr_client *client);

/** What a server can do is known from asking it: UNAVAILABLE, UNAUTHENTICATED or 0. */
WR_PUBLIC int wr_client_check(struct wr_client *client, const struct wr_wait *wait,
                              struct wr_error *err);

WR_END_DECLS
