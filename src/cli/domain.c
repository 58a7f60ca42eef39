#include "cli/domain.h"

#define DOMAIN_MAX 253
#define LABEL_MAX  63

bool wr_domain_valid(const char *name, size_t len)
{
    size_t label = 0;
    bool digits_only = true;

    if (len == 0 || len > DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'z';
        bool last = i + 1 == len || name[i + 1] == '.';
        if (c == '.' && label == 0)
            return false;
        if (c == '.') {
            label = 0;
            digits_only = true;
            continue;
        }
        if (!digit && !letter && (c != '-' || label == 0 || last))
            return false;
        digits_only = digits_only && digit;
        if (++label > LABEL_MAX)
            return false;
    }
    return label > 0 && !digits_only;
}
