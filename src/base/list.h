/* Intrusive doubly linked list with a sentinel head. A zeroed node is "not linked". */
#pragma once

#include <stdbool.h>

#include "base/base.h"

struct wr_list {
    struct wr_list *prev, *next;
};

#define WR_LIST_INIT(head)               \
    {                                    \
        .prev = &(head), .next = &(head) \
    }

static inline void wr_list_init(struct wr_list *head)
{
    head->prev = head->next = head;
}
static inline bool wr_list_empty(const struct wr_list *head)
{
    return head->next == head;
}
static inline bool wr_list_linked(const struct wr_list *node)
{
    return node->next != NULL;
}
static inline void wr_list_append(struct wr_list *head, struct wr_list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}
/* Unlinks and zeroes the node; an unlinked node is left alone. */
static inline void wr_list_remove(struct wr_list *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

#define wr_list_entry(node, type, member) wr_container_of(node, type, member)
/* `it` may be removed from the list inside the body, other nodes may not. */
#define wr_list_foreach(it, head)                                                 \
    for (struct wr_list *it = (head)->next, *it##_next_ = it->next; it != (head); \
         it = it##_next_, it##_next_ = it->next)
