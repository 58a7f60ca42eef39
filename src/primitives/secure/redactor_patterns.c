#include "primitives/secure/redactor_patterns.h"

#include "base/base.h"

/*
 * Repetitions are bounded and, where they can be, possessive: a page of base64 that holds "eyJ"
 * somewhere must not be taken for one long token, and the search stays linear.
 */

/* Of a terminal, which may stand between a name and its value. */
#define COLOURS "(?:\\x1b\\[[0-9;]{0,24}m){0,3}+"
#define SPACE   "\\s{0,8}"

/* Names whose values are secrets, however they are assigned. */
#define SECRET_NAMES                                             \
    "(?:passw(?:or)?d|pwd|passphrase|secret|token|credentials?|" \
    "(?:api|access|auth|private|secret|account|encryption|signing)[_-]?key|client[_-]?secret)"

/* "name": "value", name=value, name => 'value', also with the quotes of a JSON text in a string. */
#define ASSIGNED COLOURS "\\\\?[\"']?" SPACE COLOURS "(?:=>|:|=(?!=))" COLOURS SPACE COLOURS
#define SECRET_VALUE                                                          \
    "(?:\"\\K(?:[^\"\\\\\\r\\n]++|\\\\.)++|'\\K(?:[^'\\\\\\r\\n]++|\\\\.)++|" \
    "(?!(?:null|none|true|false|undefined|nan)\\b)"                           \
    "(?:\\\\[\"'])?+\\K[^\\s\\x1b\"'\\\\,;&(){}\\[\\]<>]{4,4096}+)"

/* The end is optional: of a key that was cut off nothing may be left either. */
#define PEM_BODY "(?:[A-Za-z0-9+/=,:.\\s\\\\]++|-(?!----))*+"

const struct wr_secret_pattern wr_secret_patterns[] = {
    {"OpenAI key", "sk-[A-Za-z0-9]{32,512}+"},
    {"OpenAI, Anthropic or OpenRouter key",
     "sk-(?:proj|svcacct|admin|ant|or|None)-[A-Za-z0-9_-]{16,512}+"},
    {"AWS access key id",
     "(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}(?![A-Z0-9])"},
    {"AWS secret access key",
     "(?i:aws[a-z0-9_-]{0,32}(?:key|secret)[a-z0-9_-]{0,32})[^A-Za-z0-9/+\\r\\n]{1,8}"
     "\\K[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"},
    {"Google API key", "AIza[A-Za-z0-9_-]{35}"},
    {"Google OAuth token", "ya29\\.[A-Za-z0-9_-]{20,1024}+"},
    {"Google client secret", "GOCSPX-[A-Za-z0-9_-]{28}"},
    {"Azure storage key", "(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?!=)"},
    {"Azure shared access signature", "[?&]sig=\\K[A-Za-z0-9%+/=_-]{30,256}+"},
    {"GitHub token", "gh[opsur]_[A-Za-z0-9]{36,255}+"},
    {"GitHub fine-grained token", "github_pat_[A-Za-z0-9_]{22,255}+"},
    {"GitLab token", "gl(?:pat|oas|dt|rt|ptt|cbt|ft|soat|imt|agent)-[A-Za-z0-9_.-]{20,300}+"},
    {"Slack token", "xox[abeoprs]-[A-Za-z0-9-]{10,255}+"},
    {"Slack app token", "xapp-[0-9]-[A-Za-z0-9-]{10,255}+"},
    {"Slack webhook", "hooks\\.slack\\.com/(?:services|workflows)/\\K[A-Za-z0-9/_-]{20,200}+"},
    {"Stripe key", "[prs]k_(?:live|test)_[A-Za-z0-9]{16,255}+"},
    {"Stripe webhook secret", "whsec_[A-Za-z0-9+/=]{24,255}+"},
    {"npm token", "npm_[A-Za-z0-9]{36}"},
    {"PyPI token", "pypi-[A-Za-z0-9_-]{50,1024}+"},
    {"Hugging Face token", "hf_[A-Za-z0-9]{30,128}+"},
    {"SendGrid key", "SG\\.[A-Za-z0-9_-]{22}\\.[A-Za-z0-9_-]{43}"},
    {"E2B or Warren key", "(?:e2b|sk_e2b)_[A-Za-z0-9]{16,128}+"},
    {"JSON Web Token",
     "eyJ[A-Za-z0-9_-]{8,8192}+\\.[A-Za-z0-9_-]{4,16384}+(?:\\.[A-Za-z0-9_-]{0,8192}+)?+"},
    {"private key", "-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----" PEM_BODY
                    "(?:-----END [A-Z0-9 ]{1,64}-----)?+"},
    {"credentials in a url", "(?<=://)[^\\s/?#@:\"'<>]{0,256}+:[^\\s/\"'<>]{1,512}(?=@)"},
    {"bearer token", "(?i)bearer" COLOURS "\\s{1,8}" COLOURS "\\K[A-Za-z0-9._~+/=-]{16,8192}+"},
    {"authorization header",
     "(?i)authorization" COLOURS "\\\\?[\"']?" SPACE "[:=]" COLOURS SPACE COLOURS
     "\\\\?[\"']?(?:basic|token|digest)\\s{1,8}\\K[A-Za-z0-9._~+/=-]{8,8192}+"},
    {"assigned secret", "(?i)" SECRET_NAMES ASSIGNED SECRET_VALUE},
};
const size_t wr_secret_pattern_count = WR_ARRAY_SIZE(wr_secret_patterns);
