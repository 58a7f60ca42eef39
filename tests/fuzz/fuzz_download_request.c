/* The fields of a request that decide how a file is sent. The first byte is the file's size, the
 * rest the fields. */
#include "agent/fs/accept_encoding.h"
#include "agent/fs/http_date.h"
#include "agent/fs/preconditions.h"
#include "fuzz.h"

#define CHANGED 784111777

static void check_date(const struct wr_h1_header *field)
{
    char text[30];
    int64_t date = 0, again = 0;

    if (!wr_http_date_parse(field->value, field->value_len, &date) || date < 0)
        return;
    wr_http_date(date, text);
    HOLDS(strlen(text) == 29 && wr_http_date_parse(text, 29, &again) && again == date);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char start[] = "GET / HTTP/1.1\r\nHost: x\r\n";
    static struct wr_h1_head head;
    struct wr_range range = {0};
    struct wr_error err;
    int status = 0;

    if (size < 1 || size > 16384)
        return 0;
    uint64_t file = data[0];
    size_t len = sizeof(start) - 1 + size - 1;
    char *text = malloc(len);
    HOLDS(text != NULL);
    memcpy(text, start, sizeof(start) - 1);
    memcpy(text + sizeof(start) - 1, data + 1, size - 1);
    if (wr_h1_parse_request(text, len, &head, &status, &err) <= 0) {
        free(text);
        return 0;
    }
    for (size_t i = 0; i < head.header_count; i++)
        check_date(&head.headers[i]);
    enum wr_encoding plain = wr_accept_encoding(&head, true),
                     any = wr_accept_encoding(&head, false);
    HOLDS(plain != WR_ENCODING_GZIP);
    HOLDS(any != WR_ENCODING_NONE || plain == WR_ENCODING_NONE);
    HOLDS(any != WR_ENCODING_IDENTITY || plain == WR_ENCODING_IDENTITY);
    int condition = wr_preconditions_check(&head, CHANGED);
    HOLDS(condition == 200 || condition == 304 || condition == 412);
    if (wr_range_read(&head, CHANGED, file, &range) == WR_RANGE_PART)
        HOLDS(range.len > 0 && range.start < file && range.len <= file - range.start);
    free(text);
    return 0;
}
