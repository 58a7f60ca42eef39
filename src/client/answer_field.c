#include "client/answer_field.h"

void wr_answer_fields_read(struct wr_answer_field *fields, size_t count,
                           const struct wr_h1_head *head)
{
    for (size_t i = 0; i < count; i++) {
        const struct wr_h1_header *header = wr_h1_find(head, fields[i].name);
        fields[i].there = header && header->value_len > 0;
        if (!wr_h1_get(head, fields[i].name, fields[i].out, fields[i].cap))
            fields[i].out[0] = '\0';
    }
}
